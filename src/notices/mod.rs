//! What is announced before it happens: the end of a trial, the next invoice.
//!
//! One row for each subscription says what comes next. `sync` writes it with the subscription; time, and not an event, carries it
//! out, so that an announcement neither hangs on a webhook that got lost nor is repeated by one that came twice. What could not
//! be announced in time is not announced at all: nobody is told of a charge that has been made already.

pub mod store;
pub mod work;

use std::str::FromStr;

use jiff::Timestamp;

use crate::catalog::policy::Notices;
use crate::clock::DAY;
use crate::stripe::snapshot::SubscriptionStatus;
use crate::sync::SubscriptionRow;

/// What is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The trial ends.
    Trial,
    /// The next invoice is charged.
    Renewal,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Trial, Self::Renewal];

    /// Its word in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Renewal => "renewal",
        }
    }

    /// How many days ahead; 0: never.
    pub const fn days(self, policy: &Notices) -> u16 {
        match self {
            Self::Trial => policy.trial,
            Self::Renewal => policy.renewal,
        }
    }

    /// What has to be near enough at a moment: everything up to this one.
    pub fn horizon(self, policy: &Notices, now: Timestamp) -> i64 {
        now.as_second().saturating_add(i64::from(self.days(policy)) * DAY)
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| format!("no notice: {text}"))
    }
}

crate::text_column!(Kind);

/// What lies ahead of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// What.
    pub kind: Kind,
    /// The moment that is announced; unix seconds.
    pub about: i64,
    /// When what ends then began; unix seconds.
    pub since: i64,
}

impl Ahead {
    /// Whether it is worth an announcement: it has not come yet, and what it ends is longer than the notice. A week that is
    /// announced a week ahead would be announced by its own receipt.
    pub fn is_worth_it(&self, policy: &Notices, now: Timestamp) -> bool {
        let is_short = self.kind == Kind::Renewal
            && self.about - self.since <= i64::from(Kind::Renewal.days(policy)) * DAY;
        self.about > now.as_second() && !is_short
    }
}

/// What lies ahead of a subscription: nothing where it ends before, is paused, is billed by an invoice that is sent for payment, or
/// where a payment is missing, which has mails of its own.
pub fn ahead(row: &SubscriptionRow) -> Option<Ahead> {
    let ahead = match row.status {
        SubscriptionStatus::Trialing => {
            Ahead { kind: Kind::Trial, about: row.trial_end?, since: row.trial_start? }
        }
        SubscriptionStatus::Active => {
            Ahead { kind: Kind::Renewal, about: row.current_period_end?, since: row.current_period_start? }
        }
        _ => return None,
    };
    let ends_before = row.ends_at().is_some_and(|at| at <= ahead.about);
    let is_sent = row.collection_method.as_deref() == Some("send_invoice");
    (!ends_before && !is_sent && row.pause_behavior.is_none()).then_some(ahead)
}
