//! Signing in by password: the same answer and the same time for who is wrong and who is nobody.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};
use tower_sessions::Session;

use super::hasher::Verdict;
use super::throttle::{Limit, Refused};
use super::{Auth, Email, Origin, SignedIn, UserId, store};
use crate::audit::{self, Actor, Entry};
use crate::db::Tx;
use crate::error::{Error, Result};

/// What came of a try.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It was this user.
    Welcome(UserId),
    /// It was nobody, or not their password.
    Wrong,
    /// It was not looked at: too often, too soon.
    Refused(Refused),
}

/// The keys that a try is counted under.
struct Keys {
    account: String,
    address: String,
}

impl Keys {
    /// Of an account at home its own count, which no stranger elsewhere can fill.
    fn new(email: &str, address: IpAddr, at_home: bool) -> Self {
        use std::fmt::Write as _;
        let mut account = "account:".to_owned();
        for byte in Sha256::digest(email) {
            let _ = write!(account, "{byte:02x}");
        }
        if at_home {
            let _ = write!(account, "@{address}");
        }
        Self { account, address: format!("address:{}", network(address)) }
    }
}

/// The address, or of a version 6 one the network that its owner has all addresses of.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(whole) => {
            let [a, b, c, d, ..] = whole.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

impl Auth {
    /// A try to sign in with what was typed into a form.
    ///
    /// # Errors
    /// When the database does not answer, or too many passwords are waiting to be checked.
    pub(super) async fn sign_in(&self, email: &str, password: &str, address: IpAddr) -> Result<Outcome> {
        let typed = email.trim().to_lowercase();
        let email = typed.parse::<Email>().ok();
        let now = self.clock.wall().as_second();
        let mut tx = self.db.write().await?;
        let known = store::credentials(&mut tx, email.as_ref().map_or("", Email::as_str)).await?;
        let user = known.as_ref().map(|(user, _)| user);
        let at_home = store::is_at_home(&mut tx, user, &address.to_string(), now).await?;
        let keys = Keys::new(&typed, address, at_home);
        if let Err(refused) = admit(&mut tx, &keys, now).await? {
            return Ok(Outcome::Refused(refused));
        }
        tx.commit().await?;
        let (user, hash) = known.map_or((None, None), |(user, hash)| (Some(user), hash));
        let verdict = self.hasher.verify(password, hash.clone()).await?;
        let mut tx = self.db.write().await?;
        let outcome = match (user, verdict) {
            (Some(user), verdict @ (Verdict::Right | Verdict::Outdated(_))) => {
                forgive(&mut tx, &keys).await?;
                if let (Verdict::Outdated(new), Some(old)) = (verdict, hash) {
                    store::replace_hash(&mut tx, &user, &old, &new).await?;
                }
                Outcome::Welcome(user)
            }
            (user, _) => {
                let mut entry = Entry::new(Actor::Visitor, "session.refused", self.clock.now());
                entry.object = user.map(|user| user.as_str().to_owned());
                audit::record(&mut tx, &entry.address(address.to_string())).await?;
                Outcome::Wrong
            }
        };
        tx.commit().await?;
        Ok(outcome)
    }
}

impl Auth {
    /// Begins the session of a user who has shown who they are, at the tenant they see first, and writes it down.
    ///
    /// # Errors
    /// When the database does not answer, or the user is gone.
    pub async fn welcome(&self, session: &Session, user: &UserId, from: &Origin) -> Result<SignedIn> {
        let mut tx = self.db.write().await?;
        let identity = store::identity(&mut tx, user.as_str()).await?.ok_or(Error::NotFound)?;
        let signed_in = SignedIn::new(identity, None);
        audit::record(&mut tx, &self.entry(&signed_in, "session.started", from.address())).await?;
        tx.commit().await?;
        let tenant = signed_in.at.as_ref().map(|here| &here.tenant.id);
        self.start(session, user, tenant, from).await?;
        Ok(signed_in)
    }

    /// Writes down that somebody has signed out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn farewell(&self, signed_in: &SignedIn, address: IpAddr) -> Result<()> {
        let mut tx = self.db.write().await?;
        audit::record(&mut tx, &self.entry(signed_in, "session.ended", &address.to_string())).await?;
        Ok(tx.commit().await?)
    }

    /// Writes down that somebody has ended sessions of theirs on other devices; `which` names one, nothing means all others.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn ended_elsewhere(
        &self,
        signed_in: &SignedIn,
        which: Option<&str>,
        address: IpAddr,
    ) -> Result<()> {
        let mut entry = self.entry(signed_in, "session.ended_elsewhere", &address.to_string());
        entry.object = which.map(str::to_owned);
        let mut tx = self.db.write().await?;
        audit::record(&mut tx, &entry).await?;
        Ok(tx.commit().await?)
    }

    fn entry(&self, signed_in: &SignedIn, action: &'static str, address: &str) -> Entry {
        let user = signed_in.user().id.as_str().to_owned();
        let mut entry = Entry::new(Actor::User(user), action, self.clock.now()).address(address);
        entry.tenant = signed_in.at.as_ref().map(|here| here.tenant.id.to_string());
        entry
    }
}

/// Counts a try under both keys, or under neither.
async fn admit(tx: &mut Tx, keys: &Keys, now: i64) -> crate::db::Result<Result<(), Refused>> {
    let account = store::attempts(tx, &keys.account).await?.admit(Limit::Account, now);
    let address = store::attempts(tx, &keys.address).await?.admit(Limit::Address, now);
    match (account, address) {
        (Ok(account), Ok(address)) => {
            store::keep_attempts(tx, &keys.account, account).await?;
            store::keep_attempts(tx, &keys.address, address).await?;
            Ok(Ok(()))
        }
        (Err(account), Err(address)) => Ok(Err(Refused { wait: account.wait.max(address.wait) })),
        (Err(refused), Ok(_)) | (Ok(_), Err(refused)) => Ok(Err(refused)),
    }
}

/// Takes back the count of a try that succeeded.
async fn forgive(tx: &mut Tx, keys: &Keys) -> crate::db::Result<()> {
    for (key, limit) in [(&keys.account, Limit::Account), (&keys.address, Limit::Address)] {
        let attempts = store::attempts(tx, key).await?.forgive(limit);
        store::keep_attempts(tx, key, attempts).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_names_no_address_of_a_person_and_all_of_a_network() {
        let of = |address: &str, at_home| {
            Keys::new("ana@norte.example", address.parse().expect("an address"), at_home)
        };
        assert!(!of("192.0.2.1", false).account.contains("ana"));
        assert_eq!(of("192.0.2.1", false).account, of("192.0.2.2", false).account);
        assert_ne!(of("192.0.2.1", false).account, of("192.0.2.1", true).account);
        assert_eq!(of("2001:db8:1:2:3::1", false).address, of("2001:db8:1:2:9::9", false).address);
        assert_ne!(of("192.0.2.1", false).address, of("192.0.2.2", false).address);
    }
}
