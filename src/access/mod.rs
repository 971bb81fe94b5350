//! The one decision: what a tenant, and a person in it, may do at this moment.
//!
//! Pages, the JSON API and, through it, the host application ask [`decide`]; nobody decides beside it. It knows no rows and no
//! clock: what it needs is handed in. Paying is never taken away: who may see billing reaches the way to pay at any level.

pub mod api;
pub mod store;

use crate::auth::Role;
use crate::catalog::policy::Dunning;
use crate::error::{Error, Restricted, WayOn};
use crate::stripe::snapshot::SubscriptionStatus;

/// How much is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Blocked,
    /// To look, not to change.
    ReadOnly,
    /// Everything that the plan has.
    Full,
}

impl Level {
    /// Its word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::ReadOnly => "read_only",
            Self::Full => "full",
        }
    }
}

/// Why it is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The subscription is in order.
    Active,
    /// The trial runs.
    Trial,
    /// There is no subscription: the free plan holds.
    Free,
    /// The subscription is over: the free plan holds.
    Ended,
    /// The first payment is still to succeed: the free plan holds.
    Incomplete,
    /// A payment is missing; nothing is restricted yet.
    PastDue,
    /// A payment has been missing for too long.
    Overdue,
    /// A payment has been missing until the very end.
    Unpaid,
    /// The subscription is paused.
    Paused,
    /// Stripe says something that this program does not know.
    Unknown,
    /// The person's role sees and changes nothing of billing.
    Role,
    /// The person's role changes nothing.
    Supervisor,
}

impl Reason {
    /// Its word in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Trial => "trial",
            Self::Free => "free",
            Self::Ended => "ended",
            Self::Incomplete => "incomplete",
            Self::PastDue => "past_due",
            Self::Overdue => "overdue",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Unknown => "unknown_status",
            Self::Role => "role",
            Self::Supervisor => "supervisor",
        }
    }

    /// The key of the sentence that says it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Active => "access-active",
            Self::Trial => "access-trial",
            Self::Free => "access-free",
            Self::Ended => "access-ended",
            Self::Incomplete => "access-incomplete",
            Self::PastDue => "access-past-due",
            Self::Overdue => "access-overdue",
            Self::Unpaid => "access-unpaid",
            Self::Paused => "access-paused",
            Self::Unknown => "access-unknown",
            Self::Role => "access-role",
            Self::Supervisor => "access-supervisor",
        }
    }
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// How much is open.
    pub level: Level,
    /// Why.
    pub reason: Reason,
    /// In how many days it becomes less, if nothing is paid; none where nothing is about to change.
    pub until: Option<i64>,
}

/// What a tenant may do, and of that a person with `role`; without a role, the tenant as such, as the host application asks.
///
/// `status` is that of the live subscription, or of the last one; none for a tenant that never had one. `days_past_due` counts
/// whole days since a payment first failed; none while none is missing. A payment that is missing weighs as much whatever
/// Stripe calls the subscription meanwhile, since its settings decide that: `past_due`, `unpaid` or still `active`.
pub fn decide(
    status: Option<&SubscriptionStatus>,
    days_past_due: Option<i64>,
    policy: &Dunning,
    role: Option<Role>,
) -> Access {
    let tenant = of_tenant(status, days_past_due, policy);
    match role {
        Some(Role::Operator) => Access { level: Level::Blocked, reason: Reason::Role, until: None },
        Some(Role::Supervisor) if tenant.level == Level::Full => {
            Access { level: Level::ReadOnly, reason: Reason::Supervisor, until: tenant.until }
        }
        Some(Role::Supervisor | Role::Owner | Role::Admin) | None => tenant,
    }
}

impl Access {
    /// Lets a change through, or says why there is none, with the way out. What gets a tenant out of trouble (to pay, to cancel, the
    /// details of bills) is not asked about: it stays open at any level.
    ///
    /// # Errors
    /// [`Error::Forbidden`] where the role is why, else [`Error::Restricted`].
    pub fn allows_change(&self) -> Result<(), Error> {
        if self.level == Level::Full {
            return Ok(());
        }
        let way_on = match self.reason {
            Reason::Role | Reason::Supervisor => return Err(Error::Forbidden),
            Reason::Overdue | Reason::Unpaid => WayOn::new("/payment", "dunning-pay"),
            Reason::Paused => WayOn::new("/subscription/resume", "access-way-resume"),
            _ => WayOn::new("/", "web-go-home"),
        };
        let (level, reason, key) = (self.level.as_str(), self.reason.as_str(), self.reason.key());
        Err(Error::Restricted(Box::new(Restricted { level, reason, key, way_on })))
    }
}

fn of_tenant(status: Option<&SubscriptionStatus>, days: Option<i64>, policy: &Dunning) -> Access {
    use SubscriptionStatus as S;
    let access = |level, reason| Access { level, reason, until: None };
    match (status, days) {
        (None, _) => access(Level::Full, Reason::Free),
        (Some(S::Canceled | S::IncompleteExpired), _) => access(Level::Full, Reason::Ended),
        (Some(S::Incomplete), _) => access(Level::Full, Reason::Incomplete),
        (Some(S::Paused), _) => access(Level::ReadOnly, Reason::Paused),
        (Some(S::Unpaid), _) => access(Level::Blocked, Reason::Unpaid),
        (Some(S::Other(_)), _) => access(Level::ReadOnly, Reason::Unknown),
        (Some(S::Trialing | S::Active | S::PastDue), Some(days)) => past_due(days, policy),
        (Some(S::Trialing), None) => access(Level::Full, Reason::Trial),
        (Some(S::Active), None) => access(Level::Full, Reason::Active),
        // Stripe says so before the failed invoice is here.
        (Some(S::PastDue), None) => past_due(0, policy),
    }
}

fn past_due(days: i64, policy: &Dunning) -> Access {
    let (restrict, cancel) = (i64::from(policy.restrict), i64::from(policy.cancel));
    if days < restrict {
        Access { level: Level::Full, reason: Reason::PastDue, until: Some(restrict - days.max(0)) }
    } else if days < cancel {
        Access { level: Level::ReadOnly, reason: Reason::Overdue, until: Some(cancel - days) }
    } else {
        Access { level: Level::Blocked, reason: Reason::Unpaid, until: None }
    }
}
