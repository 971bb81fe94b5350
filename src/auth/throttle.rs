//! How often somebody may try to sign in, or have mails sent.
//!
//! Of tries to sign in two counts are kept: of tries for an account, which slows who guesses one person's password, and of tries from an address,
//! which slows who tries one password on many accounts. A try counts as failed before the password is looked at, so that
//! a hundred at once are a hundred; a success takes its count back.
//!
//! Nobody is kept out for more than a quarter of an hour, and tries during the wait do not lengthen it. From an address where
//! the account is at home (it has a session from there) tries are counted apart: a stranger elsewhere does not lock it out.

/// The longest wait, in seconds.
const LONGEST: i64 = 15 * 60;
/// The first wait, in seconds; each further failure doubles it.
const FIRST: i64 = 15;
/// Failures are forgotten when there was none for so long, in seconds.
pub(super) const FORGOTTEN: i64 = 24 * 60 * 60;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Tries for one account.
    Account,
    /// Tries from one address, which an office may share.
    Address,
    /// Mails that strangers have sent to one address.
    Mail,
    /// Invitations that one tenant sends.
    Invitations,
}

impl Limit {
    /// Failures without a wait.
    const fn free(self) -> i64 {
        match self {
            Self::Account => 5,
            Self::Address => 20,
            Self::Mail => 3,
            Self::Invitations => 50,
        }
    }

    /// Seconds to wait after so many failures.
    fn wait(self, failures: i64) -> i64 {
        match u32::try_from(failures - self.free()) {
            Err(_) => 0,
            Ok(beyond) => FIRST.checked_shl(beyond.min(10)).unwrap_or(LONGEST).min(LONGEST),
        }
    }
}

/// The tries that are counted under one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Attempts {
    pub(super) failures: i64,
    pub(super) last_at: i64,
    pub(super) blocked_until: i64,
}

/// Too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Seconds until the next try is looked at.
    pub wait: i64,
}

impl Refused {
    /// The same in whole minutes, for people.
    pub const fn minutes(self) -> i64 {
        (self.wait + 59) / 60
    }
}

impl Attempts {
    /// Admits a try at `now` (unix seconds) and counts it as failed.
    ///
    /// # Errors
    /// When it comes too early; then it is not counted.
    pub fn admit(self, limit: Limit, now: i64) -> Result<Self, Refused> {
        let wait = self.blocked_until - now;
        if wait > 0 {
            return Err(Refused { wait });
        }
        let known = if now - self.last_at > FORGOTTEN { 0 } else { self.failures };
        let failures = known.saturating_add(1);
        Ok(Self { failures, last_at: now, blocked_until: now + limit.wait(failures) })
    }

    /// Takes back the count of a try that succeeded. An account starts anew; an address does not, or a stranger with an
    /// account of their own could wipe the slate for the next guesses at another's.
    #[must_use]
    pub fn forgive(self, limit: Limit) -> Self {
        match limit {
            Limit::Account | Limit::Mail => Self::default(),
            Limit::Address | Limit::Invitations => {
                let failures = (self.failures - 1).max(0);
                Self { failures, blocked_until: self.last_at + limit.wait(failures), ..self }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries as soon as it may, `tries` times; the waits that it met.
    fn waits(limit: Limit, tries: usize) -> Vec<i64> {
        let (mut attempts, mut now) = (Attempts::default(), 1_000_000);
        let mut waits = Vec::new();
        for _ in 0..tries {
            if let Err(refused) = attempts.admit(limit, now) {
                waits.push(refused.wait);
                now += refused.wait;
            }
            attempts = attempts.admit(limit, now).expect("the wait was waited for");
        }
        waits
    }

    #[test]
    fn waits_grow_to_a_quarter_of_an_hour_and_no_further() {
        assert_eq!(waits(Limit::Account, 14), [15, 30, 60, 120, 240, 480, 900, 900, 900]);
        assert_eq!(waits(Limit::Address, 22), [15, 30]);
        assert!(waits(Limit::Account, 2_000).into_iter().all(|wait| wait <= 900));
    }

    #[test]
    fn tries_during_the_wait_do_not_lengthen_it() {
        let blocked = Attempts { failures: 9, last_at: 100, blocked_until: 400 };
        assert_eq!(blocked.admit(Limit::Account, 399), Err(Refused { wait: 1 }));
        assert!(blocked.admit(Limit::Account, 400).is_ok());
    }

    #[test]
    fn a_day_without_failures_is_a_new_start() {
        let old = Attempts { failures: 9, last_at: 0, blocked_until: 900 };
        assert_eq!(old.admit(Limit::Account, FORGOTTEN + 1).expect("long ago").failures, 1);
        assert_eq!(old.admit(Limit::Account, FORGOTTEN).expect("not so long ago").failures, 10);
    }

    #[test]
    fn success_takes_back_its_own_count_alone_from_an_address() {
        let mut attempts = Attempts { failures: 24, last_at: 0, blocked_until: 0 };
        for now in [1_000, 3_000, 5_000] {
            attempts = attempts.admit(Limit::Address, now).expect("admitted").forgive(Limit::Address);
            assert_eq!(attempts.failures, 24);
            assert!(attempts.blocked_until > now, "the wait after earlier failures stands");
        }
        assert_eq!(attempts.forgive(Limit::Account), Attempts::default());
    }
}
