//! Making one-time links.

use serde_json::json;

use super::link::{MAILED, MINTED, Minted, Purpose, Refusal, Secret, Whom, Wish};
use super::store::{self, links};
use super::{Auth, Email, NewUser, Token, User};
use crate::audit::{self, Actor, Entry};
use crate::db::{Result, Tx};
use crate::id;
use crate::mail::letter::Link;
use crate::mail::{self, Letter, New};
use crate::members;
use crate::tenants::TenantId;

/// Who asks for a link.
#[derive(Clone, Debug)]
pub struct Asker {
    /// A key of the host application, or the command line.
    pub actor: Actor,
    /// From where.
    pub address: Option<String>,
}

impl Auth {
    /// Makes a link that signs a user in at a tenant: for the host application, which hands it to the person it has signed in
    /// itself, and for the command line. Works for five minutes, once.
    ///
    /// With a role in the wish, an address that nobody has becomes a user and a user who is no member becomes one. Staff are
    /// let in at the word of the command line alone: a key of the host application must not open the operator's own pages.
    ///
    /// # Errors
    /// The database did not take it. Within: why no link was made.
    pub async fn mint(
        &self,
        tx: &mut Tx,
        wish: &Wish,
        by: &Asker,
    ) -> Result<std::result::Result<Minted, Refusal>> {
        // Before the user, as wherever members are changed.
        members::store::lock(tx, &wish.tenant).await?;
        let (user, is_new_user) = match self.let_in(tx, wish, by).await? {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let is_new_member = match (store::role_in(tx, &wish.tenant, &user.id).await?, wish.role) {
            (Some(_), _) => false,
            (None, None) => return Ok(Err(Refusal::NoMember)),
            (None, Some(role)) => {
                store::join(tx, &wish.tenant, &user.id, role, self.clock.now()).await?;
                let after = json!({ "role": role.as_str() });
                self.write_down(tx, "member.added", user.id.as_str(), Some(after), &wish.tenant, by).await?;
                true
            }
        };
        let return_to = wish.return_to.as_deref();
        let (id, path, expires_at) =
            self.make(tx, Purpose::SignIn, &user, Some(&wish.tenant), return_to, MINTED).await?;
        let after = json!({ "purpose": Purpose::SignIn.as_str(), "user": user.id.as_str() });
        self.write_down(tx, "link.created", &id, Some(after), &wish.tenant, by).await?;
        Ok(Ok(Minted { id, path: Secret(path), expires_at, user, is_new_user, is_new_member }))
    }

    /// The user of a wish, made if they are to be; whether they were made.
    async fn let_in(
        &self,
        tx: &mut Tx,
        wish: &Wish,
        by: &Asker,
    ) -> Result<std::result::Result<(User, bool), Refusal>> {
        let (user, is_new) = match (&wish.whom, wish.role) {
            (Whom::User(id), _) => match store::find(tx, id).await? {
                Some(user) => (user, false),
                None => return Ok(Err(Refusal::NoSuchUser)),
            },
            (Whom::Email(email), None) => match store::find_by_email(tx, email).await? {
                Some(user) => (user, false),
                None => return Ok(Err(Refusal::NoSuchUser)),
            },
            (Whom::Email(email), Some(_)) => {
                let Ok(new) = NewUser::named(email.clone(), wish.name.as_deref()) else {
                    return Ok(Err(Refusal::Name));
                };
                store::find_or_create(tx, &new, self.clock.now()).await?
            }
        };
        if user.staff && by.actor != Actor::Command {
            return Ok(Err(Refusal::Staff));
        }
        if is_new {
            self.write_down(tx, "user.created", user.id.as_str(), None, &wish.tenant, by).await?;
        }
        Ok(Ok((user, is_new)))
    }

    async fn write_down(
        &self,
        tx: &mut Tx,
        action: &'static str,
        object: &str,
        after: Option<serde_json::Value>,
        tenant: &TenantId,
        by: &Asker,
    ) -> Result<()> {
        let mut entry = Entry::new(by.actor.clone(), action, self.clock.now())
            .tenant(tenant.as_str())
            .object(object)
            .change(None, after);
        entry.address.clone_from(&by.address);
        audit::record(tx, &entry).await.map(drop)
    }

    /// A new link in its row; its id, the path that holds the secret, and until when it works.
    async fn make(
        &self,
        tx: &mut Tx,
        purpose: Purpose,
        user: &User,
        tenant: Option<&TenantId>,
        return_to: Option<&str>,
        lives: i64,
    ) -> Result<(String, String, i64)> {
        let (id, token) = (id::random("link"), Token::random());
        let created_at = self.clock.wall().as_second();
        let expires_at = created_at + lives;
        let digest = token.digest();
        let link = links::NewLink {
            id: &id,
            digest: &digest,
            purpose,
            user: &user.id,
            tenant,
            return_to,
            created_at,
            expires_at,
        };
        links::insert(tx, &link).await?;
        Ok((id, purpose.path(&token), expires_at))
    }

    /// Answers one wish for a link by mail, in one transaction: the link, its mail and the entry in the audit, or for an address
    /// that nobody has the entry alone. Whether there was one.
    ///
    /// # Errors
    /// The database did not answer: the wish stays.
    pub(super) async fn answer_request(&self) -> Result<bool> {
        if !links::is_asked(&mut self.db.read().await?).await? {
            return Ok(false);
        }
        let mut tx = self.db.write().await?;
        let Some(request) = links::take_request(&mut tx).await? else { return Ok(false) };
        let now = self.clock.now();
        let action = match request.purpose {
            Purpose::SignIn => "link.asked",
            Purpose::PasswordReset => "password.asked",
        };
        let mut entry = Entry::new(Actor::Visitor, action, now).address(request.address);
        let user = match request.email.parse::<Email>() {
            Ok(email) => store::find_by_email(&mut tx, &email).await?,
            Err(_) => None,
        };
        if let Some(user) = user {
            let identity = store::identity(&mut tx, user.id.as_str()).await?;
            let tenant = identity.and_then(|identity| Some(identity.current(None)?.tenant.id.clone()));
            let (id, path, expires_at) =
                self.make(&mut tx, request.purpose, &user, None, None, MAILED).await?;
            let link = Link { path, expires_at };
            let letter = match request.purpose {
                Purpose::SignIn => Letter::SignInLink(link),
                Purpose::PasswordReset => Letter::PasswordReset(link),
            };
            // The tenant for its language and time zone, where the user chose none.
            let mut mail = New::of(&letter, id.as_str()).user(user.id.as_str());
            mail.tenant = tenant.as_ref().map(ToString::to_string);
            mail::stage(&mut tx, &mail, now).await?;
            entry.tenant = tenant.as_ref().map(ToString::to_string);
            entry = entry.object(user.id.as_str());
        }
        audit::record(&mut tx, &entry).await?;
        tx.commit().await?;
        Ok(true)
    }
}
