//! Inviting, accepting, changing, removing: each in one transaction, with its entry in the audit and its mail.
//!
//! Whoever changes a tenant's members holds the tenant's row first, and reads their own role after that: two owners who demote each
//! other at the same moment do so one after the other, and the second is refused.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::store::{self, Invitation};
use super::{MOST_OPEN, OPEN, Refusal, may_give, may_touch};
use crate::audit::{self, Actor, Entry};
use crate::auth::counting::{Count, admit};
use crate::auth::{self, Email, Limit, Role, Token, User, UserId};
use crate::db::{self, Tx};
use crate::error::{Error, WayOn};
use crate::id;
use crate::mail::letter;
use crate::mail::{self, Letter, New};
use crate::tenants::TenantId;

/// Who does it, and when.
#[derive(Clone, Debug)]
pub struct By {
    /// For the audit.
    pub actor: Actor,
    /// The member, whose role is looked at; none for the host application and the command line, which may do what an owner may.
    pub user: Option<User>,
    /// From where.
    pub address: Option<String>,
    /// The time of the business.
    pub now: Timestamp,
    /// The time of the world; unix seconds.
    pub wall: i64,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It may not be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database did not do its part.
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let conflict =
            |reason| Self::Conflict { reason, way_on: Some(WayOn::new("/members", "members-go-back")) };
        match fault {
            Fault::Db(error) => error.into(),
            Fault::Refused(Refusal::Nobody) => Self::NotFound,
            Fault::Refused(Refusal::Forbidden) => Self::Forbidden,
            Fault::Refused(Refusal::LastOwner) => conflict("members-last-owner"),
            Fault::Refused(Refusal::Member) => conflict("members-is-member"),
            Fault::Refused(Refusal::Invited) => conflict("members-is-invited"),
            Fault::Refused(Refusal::TooMany) => conflict("members-too-many"),
            Fault::Refused(Refusal::TooOften(wait)) => {
                Self::TooManyRequests { retry_after: wait.unsigned_abs() }
            }
        }
    }
}

/// What comes of it.
pub type Result<T> = std::result::Result<T, Fault>;

impl By {
    /// The role that counts, with the tenant's members held.
    async fn role(&self, tx: &mut Tx, tenant: &TenantId) -> Result<Role> {
        store::lock(tx, tenant).await?;
        let Some(user) = &self.user else { return Ok(Role::Owner) };
        let role = auth::store::role_in(tx, tenant, &user.id).await?;
        Ok(role.filter(|role| role.manages_billing()).ok_or(Refusal::Forbidden)?)
    }

    /// Writes down what was done.
    ///
    /// # Errors
    /// The database did not take it.
    pub async fn record(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        action: &'static str,
        object: &str,
        before: Option<Value>,
        after: Option<Value>,
    ) -> db::Result<()> {
        let mut entry = Entry::new(self.actor.clone(), action, self.now)
            .tenant(tenant.as_str())
            .object(object)
            .change(before, after);
        entry.address.clone_from(&self.address);
        audit::record(tx, &entry).await?;
        Ok(())
    }
}

/// Asks somebody to join, by mail; the invitation's id.
///
/// # Errors
/// They are a member or invited already, the role may not be given, or too many were asked.
pub async fn invite(tx: &mut Tx, tenant: &TenantId, by: &By, email: &Email, role: Role) -> Result<String> {
    let own = by.role(tx, tenant).await?;
    let inviter = by.user.as_ref().filter(|_| may_give(own, role)).ok_or(Refusal::Forbidden)?;
    let invited = auth::store::find_by_email(tx, email).await?;
    if let Some(user) = &invited
        && auth::store::role_in(tx, tenant, &user.id).await?.is_some()
    {
        return Err(Refusal::Member.into());
    }
    if store::count_open(tx, tenant).await? >= MOST_OPEN {
        return Err(Refusal::TooMany.into());
    }
    let (id, token) = (id::random("inv"), Token::random());
    let expires_at = by.wall + OPEN;
    let digest = token.digest();
    let new = store::New {
        id: &id,
        email,
        role,
        digest: &digest,
        by: &inviter.id,
        created_at: by.wall,
        expires_at,
    };
    if !store::invite(tx, tenant, &new).await? {
        return Err(Refusal::Invited.into());
    }
    send(tx, tenant, by, &Sending { id: &id, number: 1, email, role, token, expires_at }).await?;
    let after = json!({ "email": email.as_str(), "role": role.as_str() });
    by.record(tx, tenant, "member.invited", &id, None, Some(after)).await?;
    Ok(id)
}

/// Sends an invitation once more, with another link and a week from now; the link before works no more.
///
/// # Errors
/// It is not open, its role may not be given, or too many were sent.
pub async fn resend(tx: &mut Tx, tenant: &TenantId, by: &By, id: &str) -> Result<()> {
    let invitation = own_invitation(tx, tenant, by, id).await?;
    let token = Token::random();
    let expires_at = by.wall + OPEN;
    let number = store::renew(tx, tenant, id, &token.digest(), expires_at).await?.ok_or(Refusal::Nobody)?;
    let (email, role) = (&invitation.email, invitation.role);
    send(tx, tenant, by, &Sending { id, number, email, role, token, expires_at }).await?;
    Ok(by.record(tx, tenant, "invitation.resent", id, None, None).await?)
}

/// Takes an invitation back: its link works no more.
///
/// # Errors
/// It is not open, or its role may not be given.
pub async fn withdraw(tx: &mut Tx, tenant: &TenantId, by: &By, id: &str) -> Result<()> {
    own_invitation(tx, tenant, by, id).await?;
    if !store::withdraw(tx, tenant, id, by.wall).await? {
        return Err(Refusal::Nobody.into());
    }
    Ok(by.record(tx, tenant, "invitation.withdrawn", id, None, None).await?)
}

/// An open invitation that who asks may decide about.
async fn own_invitation(tx: &mut Tx, tenant: &TenantId, by: &By, id: &str) -> Result<Invitation> {
    let own = by.role(tx, tenant).await?;
    let invitation = store::find_of(tx, tenant, id).await?.ok_or(Refusal::Nobody)?;
    if may_give(own, invitation.role) { Ok(invitation) } else { Err(Refusal::Forbidden.into()) }
}

/// One mail of an invitation.
struct Sending<'a> {
    id: &'a str,
    /// Which: each goes out once.
    number: i64,
    email: &'a Email,
    role: Role,
    token: Token,
    expires_at: i64,
}

async fn send(tx: &mut Tx, tenant: &TenantId, by: &By, sending: &Sending<'_>) -> Result<()> {
    let count = Count::new(format!("invitations:{tenant}"), Limit::Invitations);
    if let Err(refused) = admit(tx, &[count], by.wall).await? {
        return Err(Refusal::TooOften(refused.wait).into());
    }
    let letter = Letter::Invitation(letter::Invitation {
        email: sending.email.as_str().to_owned(),
        inviter: by.user.as_ref().map(|user| user.name.clone()).unwrap_or_default(),
        role: sending.role.as_str().to_owned(),
        path: format!("/invitations/{}", sending.token.expose()),
        expires_at: sending.expires_at,
    });
    let mut mail = New::of(&letter, format!("{}:{}", sending.id, sending.number)).tenant(tenant.as_str());
    // Who has an account is written to in their own language.
    let known = auth::store::find_by_email(tx, sending.email).await?;
    mail.user = known.map(|user| user.id.as_str().to_owned());
    mail::stage(tx, &mail, by.now).await?;
    Ok(())
}

/// Makes somebody who was invited a member; whether they were none. A member keeps the role they have.
///
/// # Errors
/// The invitation is not open any more: [`Refusal::Nobody`].
pub async fn accept(
    tx: &mut Tx,
    invitation: &Invitation,
    token: &Token,
    user: &UserId,
    by: &By,
) -> Result<bool> {
    let tenant = &invitation.tenant_id;
    store::lock(tx, tenant).await?;
    if !store::accept(tx, &token.digest(), by.wall).await? {
        return Err(Refusal::Nobody.into());
    }
    let joined = auth::store::join(tx, tenant, user, invitation.role, by.now).await?;
    let after = json!({ "role": invitation.role.as_str(), "invitation": invitation.id });
    by.record(tx, tenant, "member.added", user.as_str(), None, Some(after)).await?;
    Ok(joined)
}

/// Gives a member another role.
///
/// # Errors
/// There is no such member, one of the two roles is not for who asks to decide about, or no owner would remain.
pub async fn change_role(tx: &mut Tx, tenant: &TenantId, by: &By, user: &UserId, role: Role) -> Result<()> {
    let own = by.role(tx, tenant).await?;
    let before = auth::store::role_in(tx, tenant, user).await?.ok_or(Refusal::Nobody)?;
    if !may_touch(own, before) || !may_give(own, role) {
        return Err(Refusal::Forbidden.into());
    }
    if before == role {
        return Ok(());
    }
    keep_an_owner(tx, tenant, user, before).await?;
    store::set_role(tx, tenant, user, role).await?;
    let words = |role: Role| Some(json!({ "role": role.as_str() }));
    by.record(tx, tenant, "member.changed", user.as_str(), words(before), words(role)).await?;
    withdraw_all_of(tx, tenant, by, user, Some(role)).await
}

/// Takes a member out of a tenant. What they have open there answers their next request without it.
///
/// # Errors
/// There is no such member, they are not for who asks to decide about, or no owner would remain.
pub async fn remove(tx: &mut Tx, tenant: &TenantId, by: &By, user: &UserId) -> Result<()> {
    let own = by.role(tx, tenant).await?;
    let role = auth::store::role_in(tx, tenant, user).await?.ok_or(Refusal::Nobody)?;
    if !may_touch(own, role) {
        return Err(Refusal::Forbidden.into());
    }
    keep_an_owner(tx, tenant, user, role).await?;
    store::remove(tx, tenant, user).await?;
    let before = json!({ "role": role.as_str() });
    by.record(tx, tenant, "member.removed", user.as_str(), Some(before), None).await?;
    withdraw_all_of(tx, tenant, by, user, None).await
}

/// Refuses to take the last owner.
async fn keep_an_owner(tx: &mut Tx, tenant: &TenantId, user: &UserId, role: Role) -> Result<()> {
    if role == Role::Owner && store::owners_beside(tx, tenant, user).await? == 0 {
        return Err(Refusal::LastOwner.into());
    }
    Ok(())
}

async fn withdraw_all_of(
    tx: &mut Tx,
    tenant: &TenantId,
    by: &By,
    user: &UserId,
    role: Option<Role>,
) -> Result<()> {
    for (id,) in store::withdraw_of(tx, tenant, user, role, by.wall).await? {
        by.record(tx, tenant, "invitation.withdrawn", &id, None, None).await?;
    }
    Ok(())
}
