//! Signing in by password: the same answer and the same time for who is wrong and who is nobody.

use std::net::IpAddr;

use tower_sessions::Session;

use super::counting::{Count, admit, forgive};
use super::hasher::Verdict;
use super::throttle::{Limit, Refused};
use super::{Auth, Email, Origin, SignedIn, UserId, store};
use crate::audit::refusals::{self, By};
use crate::audit::{self, Actor, Entry};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::tenants::TenantId;

/// What came of a try.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was this user.
    Welcome(UserId),
    /// It was nobody, or not their password.
    Wrong,
    /// It was not looked at: too often, too soon.
    Refused(Refused),
}

/// What a try is counted under. Of an account at home its own count, which no stranger elsewhere can fill.
fn counts(email: &str, address: IpAddr, at_home: bool) -> [Count; 2] {
    let account = Count::of_email("account", email, Limit::Account);
    [if at_home { account.at(address) } else { account }, Count::of_address("address", address)]
}

impl Auth {
    /// A try to sign in with what was typed into a form.
    ///
    /// # Errors
    /// When the database does not answer, or too many passwords are waiting to be checked.
    pub(crate) async fn sign_in(&self, email: &str, password: &str, address: IpAddr) -> Result<Outcome> {
        self.check(email, password, address, "session.refused").await
    }

    /// Whether an account has a password, with a try counted. A wrong one is written down as `refusal`.
    ///
    /// # Errors
    /// As [`sign_in`](Self::sign_in).
    pub(super) async fn check(
        &self,
        email: &str,
        password: &str,
        address: IpAddr,
        refusal: &'static str,
    ) -> Result<Outcome> {
        let typed = email.trim().to_lowercase();
        let email = typed.parse::<Email>().ok();
        let now = self.clock.wall().as_second();
        let mut tx = self.db.write().await?;
        let known = store::credentials(&mut tx, email.as_ref().map_or("", Email::as_str)).await?;
        let user = known.as_ref().map(|(user, _)| user);
        let at_home = store::is_at_home(&mut tx, user, &address.to_string(), now).await?;
        let counts = counts(&typed, address, at_home);
        if let Err(refused) = admit(&mut tx, &counts, now).await? {
            self.note_haste(&mut tx, address, refusal).await?;
            tx.commit().await?;
            return Ok(Outcome::Refused(refused));
        }
        tx.commit().await?;
        let (user, hash) = known.map_or((None, None), |(user, hash)| (Some(user), hash));
        let verdict = self.hasher.verify(password, hash.clone()).await?;
        let mut tx = self.db.write().await?;
        let outcome = match (user, verdict) {
            (Some(user), verdict @ (Verdict::Right | Verdict::Outdated(_))) => {
                forgive(&mut tx, &counts).await?;
                if let (Verdict::Outdated(new), Some(old)) = (verdict, hash) {
                    store::replace_hash(&mut tx, &user, &old, &new).await?;
                }
                Outcome::Welcome(user)
            }
            (user, _) => {
                let mut entry = Entry::new(Actor::Visitor, refusal, self.clock.now());
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
    /// Writes down that somebody at an address tries too often, once a minute.
    pub(super) async fn note_haste(&self, tx: &mut Tx, address: IpAddr, what: &'static str) -> Result<()> {
        let address = address.to_string();
        let action = "session.throttled";
        if self.refusals.is_new(action, &address, what, self.clock.wall()) {
            let by = By { actor: Actor::Visitor, tenant: None };
            let entry = refusals::entry(action, by, &address, "too_many_requests", what, self.clock.now());
            audit::record(tx, &entry).await?;
        }
        Ok(())
    }

    /// Begins the session of a user who has shown who they are, at the tenant they see first, and writes it down.
    ///
    /// # Errors
    /// When the database does not answer, or the user is gone.
    pub async fn welcome(&self, session: &Session, user: &UserId, from: &Origin) -> Result<SignedIn> {
        self.welcome_at(session, user, None, from).await
    }

    /// The same at this tenant, if they belong to it.
    ///
    /// # Errors
    /// As [`welcome`](Self::welcome).
    pub async fn welcome_at(
        &self,
        session: &Session,
        user: &UserId,
        tenant: Option<&TenantId>,
        from: &Origin,
    ) -> Result<SignedIn> {
        let mut tx = self.db.write().await?;
        let identity = store::identity(&mut tx, user.as_str()).await?.ok_or(Error::NotFound)?;
        let signed_in = SignedIn::new(identity, tenant);
        audit::record(&mut tx, &self.entry(&signed_in, "session.started", &from.address.to_string())).await?;
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

    /// Writes down that somebody has gone on to another of their tenants.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn moved(&self, signed_in: &SignedIn, to: &TenantId, address: IpAddr) -> Result<()> {
        let mut entry = self.entry(signed_in, "session.moved", &address.to_string());
        entry.tenant = Some(to.to_string());
        let mut tx = self.db.write().await?;
        audit::record(&mut tx, &entry).await?;
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

    pub(super) fn entry(&self, signed_in: &SignedIn, action: &'static str, address: &str) -> Entry {
        let user = signed_in.user().id.as_str().to_owned();
        let mut entry = Entry::new(Actor::User(user), action, self.clock.now()).address(address);
        entry.tenant = signed_in.at.as_ref().map(|here| here.tenant.id.to_string());
        entry
    }
}
