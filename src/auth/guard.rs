//! Permissions that a handler names in its signature: [`Visitor`], [`SignedIn`], [`Reader`], [`Administrator`], [`Manager`],
//! [`Staff`].
//!
//! Each is found once per request, by the session (from memory, as a rule) and one query for the user with all their tenants.
//! A role that was taken away is gone with the next request.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::Method;
use http::request::Parts;
use time::Duration;
use tower_sessions::cookie::SameSite;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

use super::behalf::Behalf;
use super::hasher::Hasher;
use super::{Identity, Membership, Role, User, UserId, store};
use crate::access::Access;
use crate::audit::Actor;
use crate::audit::refusals::Refusals;
use crate::catalog::policy::Dunning;
use crate::clock::Clock;
use crate::db::{Db, SessionStore};
use crate::error::{Error, Result, WayOn};
use crate::tenants::{Tenant, TenantId};
use crate::web::cookies::{self, Kind};
use crate::web::{ActingFor, ClientAddress, Notice, Person, TenantChoice, Visit};
use crate::{access, dunning};

/// The names of what a session holds.
const USER: &str = "user_id";
const TENANT: &str = "tenant_id";
const CREATED: &str = "created";
const ADDRESS: &str = "address";
const AGENT: &str = "agent";

/// What sign-in and permissions work with. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Auth {
    /// The rows.
    pub db: Db,
    /// The sessions.
    pub sessions: SessionStore,
    /// The one that checks passwords.
    pub hasher: Hasher,
    pub(super) clock: Clock,
    https: bool,
    policy: Dunning,
    /// What was written down of refusals.
    pub refusals: Refusals,
}

impl Auth {
    /// Sessions live by `clock.wall()`; on `https` their cookie is bound to the host and to encrypted connections.
    pub fn new(db: Db, clock: Clock, https: bool) -> Self {
        let sessions = SessionStore::new(db.clone(), clock.clone());
        Self {
            db,
            sessions,
            hasher: Hasher::default(),
            clock,
            https,
            policy: Dunning::default(),
            refusals: Refusals::default(),
        }
    }

    /// With the catalogue's days of missing payments: they decide what a tenant may do.
    #[must_use]
    pub fn with_policy(self, policy: Dunning) -> Self {
        Self { policy, ..self }
    }

    /// The layer that brings the session to the routes of pages. The store keeps idle and absolute age; the cookie merely has
    /// to live as long.
    pub fn session_layer(&self) -> SessionManagerLayer<SessionStore> {
        SessionManagerLayer::new(self.sessions.clone())
            .with_name(cookies::name(Kind::Session, self.https))
            .with_secure(self.https)
            .with_http_only(true)
            .with_same_site(SameSite::Lax)
            .with_path("/")
            .with_expiry(Expiry::OnInactivity(Duration::days(7)))
    }

    /// Begins a session of a user under a new id, at one of their tenants if they have any. An older session of this browser
    /// ends.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn start(
        &self,
        session: &Session,
        user: &UserId,
        tenant: Option<&TenantId>,
        from: &Origin,
    ) -> Result<()> {
        if session.id().is_some() {
            // Not `flush`: what is put into a flushed session is stored under the id that came in, be it planted by a stranger.
            session.clear().await;
            session.cycle_id().await.map_err(unavailable)?;
        }
        let put = async {
            session.insert(USER, user.as_str()).await?;
            session.insert(CREATED, self.clock.wall().as_second()).await?;
            session.insert(ADDRESS, &from.address).await?;
            session.insert(AGENT, &from.agent).await?;
            match tenant {
                Some(tenant) => session.insert(TENANT, tenant.as_str()).await,
                None => Ok(()),
            }
        };
        put.await.map_err(unavailable)
    }

    /// Lets a session continue at another tenant of its user, under a new id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn move_to(&self, session: &Session, tenant: &TenantId) -> Result<()> {
        session.cycle_id().await.map_err(unavailable)?;
        session.insert(TENANT, tenant.as_str()).await.map_err(unavailable)
    }

    /// What the tenant may do, for somebody who may see its billing; and what every page must tell them: that a payment is missing.
    async fn standing(
        &self,
        signed_in: &SignedIn,
        visit: &Visit,
    ) -> Result<Option<(Access, Option<Notice>)>> {
        let Some(here) = signed_in.at.as_ref().filter(|here| here.role.reads_billing()) else {
            return Ok(None);
        };
        let standing = access::store::standing(&mut self.db.read().await?, here.tenant.id.as_str()).await?;
        let access = standing.access(None, &self.policy, visit.now());
        let user = signed_in.user();
        let zone = user.time_zone.as_ref().unwrap_or(&here.tenant.time_zone);
        let (language, may_pay) = (visit.language_for(user.language), here.role.manages_billing());
        let notice = standing
            .case
            .map(|case| dunning::web::notice(&case, &access, may_pay, language, zone, visit.now()));
        Ok(Some((access, notice)))
    }

    /// Who sent a request.
    async fn find(&self, session: &Session) -> Result<Option<SignedIn>> {
        if session.id().is_none() {
            return Ok(None);
        }
        let Some(user) = session.get::<String>(USER).await.map_err(unavailable)? else { return Ok(None) };
        let chosen: Option<String> = session.get(TENANT).await.map_err(unavailable)?;
        let identity = store::identity(&mut self.db.read().await?, &user).await?;
        if let Some(staff) = identity.as_ref().filter(|identity| identity.user.staff)
            && let Some(acting) = self.through(session, staff).await?
        {
            return Ok(Some(acting));
        }
        Ok(identity.map(|identity| {
            let chosen = chosen.and_then(|id| id.parse().ok());
            SignedIn::new(identity, chosen.as_ref())
        }))
    }
}

/// Where a sign-in came from, for the list of a user's sessions.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The client's.
    pub address: IpAddr,
    agent: String,
}

impl Origin {
    /// The client's address, and what its browser says it is: 200 characters of that, none of them a control character.
    pub fn new(address: IpAddr, agent: Option<&http::HeaderValue>) -> Self {
        let agent = agent.and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let agent = agent.chars().filter(|c| !c.is_control()).take(200).collect();
        Self { address, agent }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let ClientAddress(address) = ClientAddress::from_request_parts(parts, state).await?;
        Ok(Self::new(address, parts.headers.get(http::header::USER_AGENT)))
    }
}

/// A session whose store failed. What the store says is for the log.
pub(super) fn unavailable(error: tower_sessions::session::Error) -> Error {
    Error::Unavailable(error.into())
}

/// Anybody, signed in or not.
#[derive(Clone, Debug)]
pub struct Visitor(pub Option<SignedIn>);

/// Somebody who is signed in, whatever their role.
#[derive(Clone, Debug)]
pub struct SignedIn {
    identity: Arc<Identity>,
    /// The tenant whose pages are shown and the user's role in it; nothing for who belongs to none.
    pub at: Option<Membership>,
    /// What that tenant may do; known of who may see its billing.
    access: Option<Access>,
    /// Whom they act as, where they are of the staff and do.
    behalf: Option<Arc<Behalf>>,
}

/// Somebody who may see the billing of the current tenant: owner, admin, supervisor.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Who.
    pub user: User,
    /// Of which tenant.
    pub tenant: Tenant,
    /// As what.
    pub role: Role,
}

/// Somebody whose role changes the billing of the current tenant: owner, admin. Whatever the tenant may do at this moment: for what
/// only looks, and for what gets it out of trouble, such as paying and cancelling. All else asks for a [`Manager`].
#[derive(Clone, Debug)]
pub struct Administrator {
    /// Who.
    pub user: User,
    /// Of which tenant.
    pub tenant: Tenant,
    /// As what.
    pub role: Role,
}

/// An [`Administrator`] of a tenant that may change something at this moment, as `access` decides.
#[derive(Clone, Debug)]
pub struct Manager(pub Administrator);

impl Deref for Manager {
    type Target = Administrator;

    fn deref(&self) -> &Administrator {
        &self.0
    }
}

impl Administrator {
    /// Who they are, in the audit.
    pub fn actor(&self) -> Actor {
        Actor::User(self.user.id.as_str().to_owned())
    }
}

/// Somebody of the operator's staff, whatever their tenants.
#[derive(Clone, Debug)]
pub struct Staff {
    /// Who.
    pub user: User,
}

impl SignedIn {
    /// A user at the tenant that was chosen, or at the one they see first.
    pub(super) fn new(identity: Identity, chosen: Option<&TenantId>) -> Self {
        let at = identity.current(chosen).cloned();
        Self { identity: Arc::new(identity), at, access: None, behalf: None }
    }

    /// The same, acting for somebody.
    pub(super) fn acting(self, behalf: Behalf) -> Self {
        Self { behalf: Some(Arc::new(behalf)), ..self }
    }

    /// Whom they act as.
    pub fn behalf(&self) -> Option<&Behalf> {
        self.behalf.as_deref()
    }

    /// Who.
    pub fn user(&self) -> &User {
        &self.identity.user
    }

    /// All their tenants.
    pub fn memberships(&self) -> &[Membership] {
        &self.identity.memberships
    }

    /// As pages show them.
    fn person(&self) -> Person {
        let user = self.user();
        let choice = |tenant: &Tenant| TenantChoice { id: tenant.id.to_string(), name: tenant.name.clone() };
        let here = self.at.as_ref();
        let others = self
            .memberships()
            .iter()
            .filter(|other| here.is_none_or(|here| here.tenant.id != other.tenant.id));
        Person {
            id: user.id.as_str().to_owned(),
            name: user.name.clone(),
            email: user.email.as_str().to_owned(),
            tenant: here.map(|here| choice(&here.tenant)),
            other_tenants: others.map(|other| choice(&other.tenant)).collect(),
            role: here.map(|here| here.role.key()),
            reads_billing: here.is_some_and(|here| here.role.reads_billing()),
            manages_billing: here.is_some_and(|here| here.role.manages_billing()),
            staff: user.staff,
            language: user.language,
            time_zone: user.time_zone.clone().or_else(|| Some(here?.tenant.time_zone.clone())),
            notice: None,
            acting: self.behalf().map(|behalf| ActingFor {
                name: behalf.name.clone(),
                until: behalf.until,
                changes: behalf.changes,
            }),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let session = parts.extensions.get::<Session>().cloned();
        let session =
            session.ok_or_else(|| Error::internal("the route lies outside of the session layer"))?;
        let named = session.id().is_some();
        let mut visitor = Self(Auth::from_ref(state).find(&session).await?);
        if let Some(visit) = parts.extensions.get::<Arc<Visit>>() {
            match &mut visitor.0 {
                Some(signed_in) => {
                    let standing = Auth::from_ref(state).standing(signed_in, visit).await?;
                    signed_in.access = standing.as_ref().map(|(access, _)| *access);
                    let notice = standing.and_then(|(_, notice)| notice);
                    visit.introduce(Person { notice, ..signed_in.person() });
                }
                None if named && session.id().is_none() => visit.session_is_over(),
                None => {}
            }
        }
        parts.extensions.insert(visitor.clone());
        if let Some(signed_in) = &visitor.0 {
            Auth::from_ref(state).admit(signed_in, parts).await?;
        }
        Ok(visitor)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Visitor(found) = Visitor::from_request_parts(parts, state).await?;
        found.ok_or_else(|| {
            // A form cannot be sent again after signing in: who posted comes back to the front page.
            let next = if parts.method == Method::GET { parts.uri.path_and_query() } else { None };
            Error::SignInRequired { next: next.map_or("/", |next| next.as_str()).to_owned() }
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Reader
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let signed_in = SignedIn::from_request_parts(parts, state).await?;
        let here = signed_in.at.as_ref().filter(|here| here.role.reads_billing()).ok_or(Error::Forbidden)?;
        Ok(Self { user: signed_in.user().clone(), tenant: here.tenant.clone(), role: here.role })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Administrator
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Reader { user, tenant, role } = Reader::from_request_parts(parts, state).await?;
        if role.manages_billing() { Ok(Self { user, tenant, role }) } else { Err(Error::Forbidden) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Manager
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let administrator = Administrator::from_request_parts(parts, state).await?;
        let signed_in = SignedIn::from_request_parts(parts, state).await?;
        let access =
            signed_in.access.ok_or_else(|| Error::internal("the route lies outside of the pages"))?;
        access.allows_change()?;
        Ok(Self(administrator))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Staff
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let signed_in = SignedIn::from_request_parts(parts, state).await?;
        let user = signed_in.user();
        if signed_in.behalf().is_some() && !parts.method.is_safe() {
            let way_on = Some(WayOn::new("/staff/behalf", "staff-behalf-options"));
            return Err(Error::Conflict { reason: "staff-behalf-first-end", way_on });
        }
        // To others the pages of the staff do not exist.
        if user.staff { Ok(Self { user: user.clone() }) } else { Err(Error::NotFound) }
    }
}
