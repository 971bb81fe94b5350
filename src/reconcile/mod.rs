//! Holding Stripe and the database against each other, both ways, and putting right what differs.
//!
//! **Lists are the sieve, a fresh fetch is the judge.** A run reads Stripe's lists of customers, subscriptions, invoices and
//! charges, a hundred at a time, and compares each object with its row: for a hundred thousand tenants that is some thousand
//! calls, where one call for each customer and kind would be half a million. What a list makes suspicious is said of nobody yet.
//! Each suspect is fetched as a whole, and a difference counts only when two looks, [`GRACE`] seconds apart, find the very same:
//! an event on its way is no finding. The other way round, rows that no list has shown are suspects too.
//!
//! A run is a row that knows where it goes on, one step at a time; each step asks Stripe first and then writes in one
//! transaction. Repairs go through the one writer, `sync`. Nothing is ever cancelled or deleted at Stripe unless a member of
//! the staff says so on the page of that one finding.

pub mod checks;
pub mod cli;
pub mod diff;
pub mod export;
mod run;
pub mod store;
pub mod web;
pub mod work;

pub use run::{Progress, RunState, Stage};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::money::Money;
use crate::stripe::snapshot::SubscriptionStatus;

/// Seconds of the world's time between the two looks that a difference must survive.
pub const GRACE: i64 = 15;

/// Looks at one suspect at most: what is another thing each time is on the move, and no finding.
pub const LOOKS: i64 = 5;

/// Findings of one kind that concern nobody of ours, at most: an account may be shared with another business.
pub const STRANGERS: i64 = 100;

/// Writes an enum over words: in rows, in files, and as keys of texts.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal, $key:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant,)+];

            /// Its word in rows, files and addresses.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The key of its name.
            pub const fn key(self) -> &'static str {
                match self { $(Self::$variant => $key,)+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = Unknown;

            fn from_str(text: &str) -> Result<Self, Unknown> {
                Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or_else(|| Unknown(text.to_owned()))
            }
        }

        crate::text_column!($name);
    };
}

pub(crate) use words;

/// A word that is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is unknown")]
pub struct Unknown(String);

words! {
    /// What is off.
    Kind {
        /// Stripe has it, and there is no row.
        MissingRow = "missing_row", "reconcile-kind-missing-row";
        /// The row says something else.
        StaleRow = "stale_row", "reconcile-kind-stale-row";
        /// There is a row, and Stripe has it no more.
        OrphanRow = "orphan_row", "reconcile-kind-orphan-row";
        /// The row says another amount of money.
        AmountDiffers = "amount_differs", "reconcile-kind-amount-differs";
        /// Stripe's metadata names another tenant.
        WrongTenant = "wrong_tenant", "reconcile-kind-wrong-tenant";
        /// Stripe's metadata names a tenant that there is not.
        UnknownTenant = "unknown_tenant", "reconcile-kind-unknown-tenant";
        /// A subscription in force that belongs to no tenant.
        NoTenant = "no_tenant", "reconcile-kind-no-tenant";
        /// A tenant that has another customer already.
        SecondCustomer = "second_customer", "reconcile-kind-second-customer";
        /// A customer pays for two subscriptions.
        TwoLive = "two_live", "reconcile-kind-two-live";
        /// Of live mode here and of test mode there, or the other way round.
        WrongMode = "wrong_mode", "reconcile-kind-wrong-mode";
        /// What Stripe was told of a use is not what it counted.
        UsageDiffers = "usage_differs", "reconcile-kind-usage-differs";
        /// A product or price of Stripe's that is not in the catalogue here.
        CatalogueMissing = "catalogue_missing", "reconcile-kind-catalogue-missing";
        /// A product or price that says something else here.
        CatalogueDiffers = "catalogue_differs", "reconcile-kind-catalogue-differs";
        /// What Stripe says could not be read.
        NotCompared = "not_compared", "reconcile-kind-not-compared";
    }
}

impl Kind {
    /// The key of the sentence that explains it.
    pub const fn why(self) -> &'static str {
        match self {
            Self::MissingRow => "reconcile-why-missing-row",
            Self::StaleRow => "reconcile-why-stale-row",
            Self::OrphanRow => "reconcile-why-orphan-row",
            Self::AmountDiffers => "reconcile-why-amount-differs",
            Self::WrongTenant => "reconcile-why-wrong-tenant",
            Self::UnknownTenant => "reconcile-why-unknown-tenant",
            Self::NoTenant => "reconcile-why-no-tenant",
            Self::SecondCustomer => "reconcile-why-second-customer",
            Self::TwoLive => "reconcile-why-two-live",
            Self::WrongMode => "reconcile-why-wrong-mode",
            Self::UsageDiffers => "reconcile-why-usage-differs",
            Self::CatalogueMissing => "reconcile-why-catalogue-missing",
            Self::CatalogueDiffers => "reconcile-why-catalogue-differs",
            Self::NotCompared => "reconcile-why-not-compared",
        }
    }
}

words! {
    /// How bad it is. The words sort as they weigh.
    Severity {
        /// Money or access is wrong now.
        Critical = "critical", "reconcile-severity-critical";
        /// Rows are wrong.
        Major = "major", "reconcile-severity-major";
        /// Good to know: nothing of ours is wrong.
        Minor = "minor", "reconcile-severity-minor";
    }
}

impl Severity {
    /// How it looks on a badge.
    pub const fn tone(self) -> &'static str {
        match self {
            Self::Critical => "danger",
            Self::Major => "warning",
            Self::Minor => "info",
        }
    }
}

words! {
    /// What would put it right.
    Repair {
        /// Fetching the customer again and writing what Stripe says.
        Refetch = "refetch", "reconcile-repair-refetch";
        /// Giving the customer to the tenant that its metadata names, then fetching it.
        Attach = "attach", "reconcile-repair-attach";
        /// Fetching the catalogue again.
        Catalogue = "catalogue", "reconcile-repair-catalogue";
        /// Writing the tenant of the row into Stripe's metadata. A person decides.
        WriteTenant = "write_tenant", "reconcile-repair-write-tenant";
        /// Keeping one subscription and ending the others at Stripe. A person decides.
        KeepOne = "keep_one", "reconcile-repair-keep-one";
        /// Removing the row, once Stripe has said again that it knows nothing of it. A person decides.
        Remove = "remove", "reconcile-repair-remove";
        /// Nothing that the portal could do.
        ByHand = "by_hand", "reconcile-repair-by-hand";
    }
}

impl Repair {
    /// Whether a run may do it by itself: it only makes rows what Stripe says.
    pub const fn is_automatic(self) -> bool {
        matches!(self, Self::Refetch | Self::Attach | Self::Catalogue)
    }

    /// The key of the sentence that says what it does.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Refetch => "reconcile-about-refetch",
            Self::Attach => "reconcile-about-attach",
            Self::Catalogue => "reconcile-about-catalogue",
            Self::WriteTenant => "reconcile-about-write-tenant",
            Self::KeepOne => "reconcile-about-keep-one",
            Self::Remove => "reconcile-about-remove",
            Self::ByHand => "reconcile-about-by-hand",
        }
    }
}

/// What the page of a finding asks a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Whether to do it.
    Confirm,
    /// Which of several subscriptions stays.
    Subscription,
    /// Which tenant a customer belongs to.
    Tenant,
    /// Whether Stripe is told of the use that it has not counted.
    Missing,
}

/// What a person is asked about a finding of this kind; none, where the portal can do nothing. `is_short` says whether Stripe has
/// counted less than it was told of.
pub const fn offer(kind: Kind, repair: Repair, is_short: bool) -> Option<Offer> {
    match (kind, repair) {
        (_, Repair::KeepOne) => Some(Offer::Subscription),
        (Kind::NoTenant, Repair::ByHand) => Some(Offer::Tenant),
        (Kind::UsageDiffers, Repair::ByHand) if is_short => Some(Offer::Missing),
        (_, Repair::ByHand) => None,
        _ => Some(Offer::Confirm),
    }
}

words! {
    /// Where a finding stands.
    State {
        /// Seen once; said of nobody yet.
        Checking = "checking", "reconcile-state-checking";
        /// Seen twice, the same.
        Open = "open", "reconcile-state-open";
        /// Put right.
        Repaired = "repaired", "reconcile-state-repaired";
    }
}

/// A field in which both sides differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The field, as the row calls it.
    pub field: String,
    /// What the row says; null where there is no row.
    pub here: Value,
    /// What Stripe says; null where Stripe has nothing.
    pub stripe: Value,
}

impl Change {
    /// A field and both of its values.
    pub fn new(field: &str, here: impl Into<Value>, stripe: impl Into<Value>) -> Self {
        Self { field: field.to_owned(), here: here.into(), stripe: stripe.into() }
    }
}

/// Something that is off, before it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is off.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: `customer`, `subscription`, `invoice`, `charge`, `product`, `price`, `usage`.
    pub object: &'static str,
    /// Its id.
    pub object_id: String,
    /// Stripe's customer.
    pub customer: Option<String>,
    /// Our tenant, or the one that is named.
    pub tenant: Option<String>,
    /// Field by field.
    pub changes: Vec<Change>,
    /// By how much the money that was paid differs.
    pub amount: Option<Money>,
    /// What would put it right.
    pub repair: Repair,
}

impl Finding {
    /// The least that a finding can be.
    pub fn new(kind: Kind, severity: Severity, object: &'static str, id: &str, repair: Repair) -> Self {
        Self {
            kind,
            severity,
            object,
            object_id: id.to_owned(),
            customer: None,
            tenant: None,
            changes: Vec::new(),
            amount: None,
            repair,
        }
    }

    /// What makes it the same finding when it is seen again.
    pub fn fingerprint(&self) -> String {
        fingerprint(self.kind, &self.object_id, &self.changes)
    }
}

/// See [`Finding::fingerprint`]. Counters of use grow between two looks: there it counts by how much the sides differ.
pub fn fingerprint(kind: Kind, object_id: &str, changes: &[Change]) -> String {
    let number = |value: &Value| value.as_i64().unwrap_or(0);
    let apart = |change: &Change| number(&change.here).saturating_sub(number(&change.stripe));
    let what = match kind {
        Kind::UsageDiffers => changes.iter().map(apart).fold(0, i64::saturating_add).to_string(),
        _ => serde_json::json!(changes).to_string(),
    };
    format!("{}:{object_id}:{what}", kind.as_str())
}

/// How well a subscription serves who pays for it, by its status: of two, the lower number is the one to keep. None: it serves nobody,
/// and must not be kept in place of one that does.
pub const fn serves(status: &SubscriptionStatus) -> Option<u8> {
    match status {
        SubscriptionStatus::Active => Some(0),
        SubscriptionStatus::Trialing => Some(1),
        SubscriptionStatus::PastDue => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_sort_as_they_weigh() {
        let mut words: Vec<_> = Severity::ALL.iter().map(|one| one.as_str()).collect();
        words.sort_unstable();
        assert_eq!(words, ["critical", "major", "minor"]);
    }

    #[test]
    fn what_grows_on_both_sides_alike_stays_one_difference() {
        let used = |here: i64, stripe: i64| Finding {
            changes: vec![Change::new("quantity", here, stripe)],
            ..Finding::new(Kind::UsageDiffers, Severity::Major, "usage", "tokens", Repair::ByHand)
        };
        assert_eq!(used(10, 7).fingerprint(), used(15, 12).fingerprint());
        assert_ne!(used(10, 7).fingerprint(), used(10, 8).fingerprint());
    }

    #[test]
    fn no_repair_that_touches_stripe_is_done_by_itself() {
        for repair in [Repair::WriteTenant, Repair::KeepOne, Repair::Remove, Repair::ByHand] {
            assert!(!repair.is_automatic(), "{repair:?}");
        }
    }
}
