//! Who calls, and permissions that a handler names in its signature.
//!
//! The layer of the API finds the caller once per request. A handler takes [`For<P>`](For) where it works for one tenant,
//! [`KeyFor<P>`](KeyFor) where the host application itself calls, [`MaybeCaller`] where anybody may; `P` is one of the
//! permissions below and says what a key and what a user's role must allow. Cookies and sessions count for nothing here.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use tracing::Instrument as _;

use super::key::{ApiKey, Secret};
use super::token::{HostUser, Refused};
use super::{Scope, store};
use crate::access;
use crate::app::App;
use crate::audit::{Actor, Entry};
use crate::auth::Role;
use crate::clock::Clock;
use crate::db::Tx;
use crate::error::{Error, Refusal, Result};
use crate::members::act::By;
use crate::tenants::Tenant;

/// The header by which a key names the tenant that a call is for.
pub const TENANT_HEADER: &str = "x-tenant-id";

/// What a caller showed.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A key: the host application itself.
    Key(Arc<ApiKey>),
    /// A token of the host: one of its users, at one tenant.
    User(Arc<HostUser>),
}

/// A caller with a credential that opens something.
#[derive(Clone, Debug)]
pub struct Caller {
    /// What they showed.
    pub credential: Credential,
    /// The tenant that a key named in the header, or that a token is for; none if it was not named, or there is none.
    pub(super) tenant: Option<Tenant>,
    /// Whether a tenant was named at all.
    names_tenant: bool,
    address: IpAddr,
}

impl Caller {
    /// Who it is, in the audit.
    pub fn actor(&self) -> Actor {
        match &self.credential {
            Credential::Key(key) => Actor::Key(key.id.clone()),
            Credential::User(user) => Actor::User(format!("host:{}", user.subject)),
        }
    }

    /// An audit entry of something that they did at `at`.
    pub fn entry(&self, action: &'static str, at: Timestamp) -> Entry {
        Entry::new(self.actor(), action, at).address(self.address.to_string())
    }

    /// Who it is, for the rules about members: a key stands for the host application, which may do what an owner may.
    pub fn by(&self, clock: &Clock) -> By {
        let address = Some(self.address.to_string());
        By { actor: self.actor(), user: None, address, now: clock.now(), wall: clock.wall().as_second() }
    }

    /// The role in the tenant; a key has none.
    pub fn role(&self) -> Option<Role> {
        match &self.credential {
            Credential::Key(_) => None,
            Credential::User(user) => Some(user.role),
        }
    }

    /// The tenant that the caller named, if there is one.
    pub fn tenant(&self) -> Option<&Tenant> {
        self.tenant.as_ref()
    }

    /// What limits and kept answers tell callers apart by.
    pub(super) fn name(&self) -> String {
        match &self.credential {
            Credential::Key(key) => key.id.clone(),
            Credential::User(user) => format!("{}/{}", user.company, user.subject),
        }
    }

    fn check<P: Permission>(&self) -> Result<()> {
        match &self.credential {
            Credential::Key(key) if key.may(P::SCOPE) => Ok(()),
            Credential::Key(key) => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "scope_missing",
                format!("the key lacks the scope {}", P::SCOPE),
            )
            .details(serde_json::json!({
                "scope": P::SCOPE.as_str(),
                "scopes": key.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
            }))
            .into()),
            Credential::User(user) if P::allows(user.role) => Ok(()),
            Credential::User(user) => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "role_forbidden",
                format!("the role {} may not do this", user.role.as_str()),
            )
            .details(serde_json::json!({ "role": user.role.as_str() }))
            .into()),
        }
    }
}

/// What a call needs: of a key its scope, of a user's token a role.
pub trait Permission: Send + Sync + 'static {
    /// The scope that a key must have.
    const SCOPE: Scope;

    /// Whether the tenant's access is asked too: a tenant that is read only or blocked changes nothing.
    const ASKS_ACCESS: bool;

    /// Whether a user of that role may.
    fn allows(role: Role) -> bool;
}

/// Declares permissions, each with the roles that have it.
macro_rules! permissions {
    (@ asks) => { true };
    (@) => { false };
    ($($(#[$doc:meta])* $name:ident = $scope:ident, |$role:pat_param| $allows:expr $(, $asks:ident access)?;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Permission for $name {
            const SCOPE: Scope = Scope::$scope;
            const ASKS_ACCESS: bool = permissions!(@ $($asks)?);

            fn allows($role: Role) -> bool {
                $allows
            }
        }
    )*};
}

permissions! {
    /// Reading plan, subscription and invoices: owner, admin, supervisor.
    ReadBilling = BillingRead, |role| role.reads_billing();
    /// Changing anything about billing: owner, admin, of a tenant whose access is full.
    WriteBilling = BillingWrite, |role| role.manages_billing(), asks access;
    /// Changing what gets a tenant out of trouble, such as paying and cancelling: owner, admin, at any level of access.
    SettleBilling = BillingWrite, |role| role.manages_billing();
    /// Reading usage: owner, admin, supervisor.
    ReadUsage = UsageRead, |role| role.reads_billing();
    /// Asking whether there is room for more: whoever the host lets use its product.
    CheckUsage = UsageRead, |_| true;
    /// Reporting usage: the host application alone.
    WriteUsage = UsageWrite, |_| false;
    /// Asking what may be done: whoever the host lets use its product.
    ReadAccess = AccessRead, |_| true;
    /// Reading tenants: the host application alone.
    ReadTenants = TenantsRead, |_| false;
    /// Making and changing tenants: the host application alone.
    WriteTenants = TenantsWrite, |_| false;
    /// Making links that sign a person in: the host application alone.
    MintSignInLinks = SignInLinksWrite, |_| false;
}

/// A caller with permission `P`, and the one tenant that the call is for.
#[derive(Clone, Debug)]
pub struct For<P> {
    /// Who calls.
    pub caller: Caller,
    /// For which tenant.
    pub tenant: Tenant,
    permission: PhantomData<P>,
}

/// Reads the billing of a tenant.
pub type TenantReader = For<ReadBilling>;
/// Changes the billing of a tenant whose access is full.
pub type TenantManager = For<WriteBilling>;
/// Changes what gets a tenant out of trouble, whatever its access.
pub type TenantAdministrator = For<SettleBilling>;

/// The host application itself, with a key that has permission `P`. Which tenant it is about stands in the path or the body:
/// [`KeyFor::tenant`].
#[derive(Clone, Debug)]
pub struct KeyFor<P> {
    /// Who calls.
    pub caller: Caller,
    permission: PhantomData<P>,
}

impl<P> KeyFor<P> {
    /// The tenant of an id that a path or a body names, ours or the host's own.
    ///
    /// # Errors
    /// There is none, or the database does not answer.
    pub async fn tenant(&self, tx: &mut Tx, id: &str) -> Result<Tenant> {
        store::tenant(tx, id).await?.ok_or(Error::NotFound)
    }
}

/// Anybody: a caller where the credential opens something.
#[derive(Clone, Debug)]
pub struct MaybeCaller(pub Option<Caller>);

/// What the layer found, kept in the request.
#[derive(Clone, Debug)]
pub(super) struct Found(pub(super) Result<Caller, Refusal>);

impl Found {
    fn of(parts: &Parts) -> Result<Self> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Error::internal("the route lies outside of the API"))
    }
}

impl FromRequestParts<App> for MaybeCaller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        Ok(Self(Found::of(parts)?.0.ok()))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        Ok(Found::of(parts)?.0?)
    }
}

impl<P: Permission> FromRequestParts<App> for For<P> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let caller = Caller::from_request_parts(parts, app).await?;
        caller.check::<P>()?;
        match &caller.tenant {
            Some(tenant) => {
                if P::ASKS_ACCESS {
                    access::store::standing(&mut app.db.read().await?, tenant.id.as_str())
                        .await?
                        .access(caller.role(), &app.catalog.dunning, app.clock.now())
                        .allows_change()?;
                }
                Ok(Self { tenant: tenant.clone(), caller, permission: PhantomData })
            }
            None if caller.names_tenant => Err(Error::NotFound),
            None => Err(Error::field("X-Tenant-Id", "api-tenant-missing")),
        }
    }
}

impl<P: Permission> FromRequestParts<App> for KeyFor<P> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let caller = Caller::from_request_parts(parts, app).await?;
        caller.check::<P>()?;
        match caller.credential {
            Credential::Key(_) => Ok(Self { caller, permission: PhantomData }),
            Credential::User(_) => Err(Error::Forbidden),
        }
    }
}

/// Who calls, by the headers of the request. The inner error is what an endpoint answers that needs a caller.
///
/// # Errors
/// When it cannot be found out now.
pub(super) async fn find(app: &App, headers: &HeaderMap, address: IpAddr) -> Result<Result<Caller, Refusal>> {
    let Some(credential) = bearer(headers) else { return Ok(Err(missing())) };
    let named = match headers.get(TENANT_HEADER).map(HeaderValue::to_str) {
        None => None,
        Some(Ok(id)) if (1..=200).contains(&id.trim().len()) => Some(id.trim()),
        Some(_) => return Err(Error::field("X-Tenant-Id", "api-tenant-unreadable")),
    };
    match Secret::read(credential) {
        Some(secret) => by_key(app, &secret, named, address).await,
        None => by_token(app, credential, named, address).await,
    }
}

async fn by_key(
    app: &App,
    secret: &Secret,
    named: Option<&str>,
    address: IpAddr,
) -> Result<Result<Caller, Refusal>> {
    if secret.is_live() != app.config.livemode {
        return Ok(Err(unauthorized("the key is of the other mode: test keys and live keys are apart")));
    }
    let found = store::find(&mut app.db.read().await?, &secret.hash(), named).await?;
    let Some((key, tenant)) = found else { return Ok(Err(unauthorized("the key is unknown or revoked"))) };
    note_use(app, &key);
    let credential = Credential::Key(Arc::new(key));
    Ok(Ok(Caller { credential, tenant, names_tenant: named.is_some(), address }))
}

async fn by_token(
    app: &App,
    token: &str,
    named: Option<&str>,
    address: IpAddr,
) -> Result<Result<Caller, Refusal>> {
    let Some(tokens) = &app.config.host_tokens else {
        return Ok(Err(unauthorized("the credential is no key, and tokens are not set up here")));
    };
    let user = match tokens.verify(token, app.clock.wall()).await {
        Ok(user) => user,
        Err(Refused::Invalid(words)) => return Ok(Err(unauthorized(words))),
        Err(refused @ Refused::NoKeys) => return Err(Error::Unavailable(refused.into())),
    };
    let tenant = store::tenant(&mut app.db.read().await?, &user.company).await?;
    // A token is for one tenant: another that the header names is as good as none.
    let tenant = tenant.filter(|tenant| {
        named.is_none_or(|id| id == tenant.id.as_str() || Some(id) == tenant.external_id.as_deref())
    });
    let credential = Credential::User(Arc::new(user));
    Ok(Ok(Caller { credential, tenant, names_tenant: true, address }))
}

/// The use of a key is worth knowing, but not worth an answer, nor the wait for one: it is written down beside the request, by the
/// first one of a minute.
fn note_use(app: &App, key: &ApiKey) {
    let now = app.clock.wall();
    let is_known = key.last_used_at.is_some_and(|at| now.as_second() - at < store::USE_NOTED);
    if is_known || !app.api.uses.claim(&key.id, now.as_second()) {
        return;
    }
    let (app, key) = (app.clone(), key.id.clone());
    let note = async move {
        let noted = async {
            let mut tx = app.db.write().await?;
            store::note_use(&mut tx, &key, now).await?;
            tx.commit().await
        };
        if let Err(error) = noted.await {
            tracing::warn!(key, %error, "the use of a key was not written down");
        }
    };
    tokio::spawn(note.in_current_span());
}

/// When this process last set out to write down the use of each key. There are as many as keys that work.
#[derive(Debug, Default)]
pub(super) struct Uses(Mutex<HashMap<String, i64>>);

impl Uses {
    /// Whether nobody has for a while: then it is for who asks.
    fn claim(&self, key: &str, now: i64) -> bool {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.get(key).is_some_and(|at| now - at < store::USE_NOTED) {
            return false;
        }
        uses.insert(key.to_owned(), now);
        true
    }
}

/// What stands behind `Bearer` in the one `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(one), None) = (all.next(), all.next()) else { return None };
    let (scheme, rest) = one.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty()).then_some(rest)
}

fn missing() -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", "bring a key or a token: Authorization: Bearer …")
        .challenge(HeaderValue::from_static("Bearer realm=\"billing\""))
}

fn unauthorized(words: &'static str) -> Refusal {
    let challenge =
        format!("Bearer realm=\"billing\", error=\"invalid_token\", error_description=\"{words}\"");
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", words);
    match HeaderValue::from_str(&challenge) {
        Ok(challenge) => refusal.challenge(challenge),
        Err(_) => refusal,
    }
}
