//! The portal with a tenant's eyes: staff who act as one of its members, for a while.
//!
//! The session stays the staff's own; it is marked with the tenant and the member, under a new id. While it is, pages show what
//! the member sees, and every request that could change something is refused here, once for all of them, unless the staff have
//! allowed changes by a second step: then each such request is written down with both names before it is carried out, and what
//! it does is done and recorded in the name of the staff. Nobody acts as another of the staff. After half an hour it is over.

use axum::extract::MatchedPath;
use http::request::Parts;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_sessions::Session;

use super::guard::{Auth, SignedIn, unavailable};
use super::{Identity, User, UserId, store};
use crate::audit::{self, Actor, Entry};
use crate::clock::from_seconds;
use crate::error::{Error, Result, WayOn};
use crate::tenants::TenantId;

/// How long it lasts, in seconds of the world's time.
const LASTS: i64 = 1800;

/// What the session holds of it.
const BEHALF: &str = "behalf";

/// Forms that are answered while nothing may be changed: they end it, allow more, or change nothing of the tenant.
const ALWAYS: [&str; 4] = ["/staff/behalf/end", "/staff/behalf/changes", "/sign-out", "/language"];

/// What a session is marked with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    tenant: String,
    member: String,
    /// Unix seconds of the world's time.
    until: i64,
    changes: bool,
}

/// Whom somebody of the staff acts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behalf {
    /// The member.
    pub member: UserId,
    /// The member's name.
    pub name: String,
    /// When it is over, in the world's time.
    pub until: Timestamp,
    /// Whether changes are allowed.
    pub changes: bool,
}

impl Auth {
    /// Who a marked session shows: the staff, in the member's place. None where the mark is over, or has become wrong: the member
    /// has left or joined the staff.
    pub(super) async fn through(&self, session: &Session, staff: &Identity) -> Result<Option<SignedIn>> {
        let mark: Option<Mark> = session.get(BEHALF).await.map_err(unavailable)?;
        let Some(mark) = mark.filter(|mark| staff.user.staff && mark.until > self.clock.wall().as_second())
        else {
            return Ok(None);
        };
        let member = store::identity(&mut self.db.read().await?, &mark.member).await?;
        let Some(member) = member.filter(|member| !member.user.staff) else { return Ok(None) };
        let place = member.memberships.into_iter().find(|place| place.tenant.id.as_str() == mark.tenant);
        Ok(place.map(|place| {
            let behalf = Behalf {
                member: member.user.id,
                name: member.user.name,
                until: from_seconds(mark.until),
                changes: mark.changes,
            };
            let identity = Identity { user: staff.user.clone(), memberships: vec![place] };
            SignedIn::new(identity, None).acting(behalf)
        }))
    }

    /// The rule: what could change something is refused, or written down with both names.
    pub(super) async fn admit(&self, signed_in: &SignedIn, parts: &Parts) -> Result<()> {
        let Some(behalf) = signed_in.behalf() else { return Ok(()) };
        if parts.method.is_safe() || ALWAYS.contains(&parts.uri.path()) {
            return Ok(());
        }
        if !behalf.changes {
            let way_on = Some(WayOn::new("/staff/behalf", "staff-behalf-options"));
            return Err(Error::Conflict { reason: "staff-behalf-read-only", way_on });
        }
        let route = parts.extensions.get::<MatchedPath>().map_or("-", MatchedPath::as_str);
        let asked = json!({ "as": behalf.name, "asked": format!("{} {route}", parts.method) });
        self.note(signed_in, "behalf.acted", asked).await
    }

    /// Begins to act as a member of a tenant.
    ///
    /// # Errors
    /// Not found where the member does not belong to the tenant, a conflict where the member is of the staff, and when the database
    /// does not answer.
    pub async fn act_as(
        &self,
        session: &Session,
        staff: &User,
        tenant: &TenantId,
        member: &str,
        reason: &str,
    ) -> Result<()> {
        let mut tx = self.db.write().await?;
        let member = store::identity(&mut tx, member).await?.ok_or(Error::NotFound)?;
        if !member.memberships.iter().any(|place| place.tenant.id == *tenant) {
            return Err(Error::NotFound);
        }
        if member.user.staff {
            let way_on = Some(WayOn::new(format!("/staff/tenants/{tenant}"), "staff-back-to-tenant"));
            return Err(Error::Conflict { reason: "staff-behalf-not-staff", way_on });
        }
        let until = self.clock.wall().as_second() + LASTS;
        let entry = Entry::new(Actor::User(staff.id.as_str().to_owned()), "behalf.started", self.clock.now());
        let told = json!({ "as": member.user.name, "reason": reason, "until": until });
        let entry = entry.tenant(tenant.as_str()).object(member.user.id.as_str()).change(None, Some(told));
        audit::record(&mut tx, &entry).await?;
        tx.commit().await?;
        let mark = Mark {
            tenant: tenant.to_string(),
            member: member.user.id.as_str().to_owned(),
            until,
            changes: false,
        };
        session.cycle_id().await.map_err(unavailable)?;
        session.insert(BEHALF, mark).await.map_err(unavailable)
    }

    /// Allows changes for the rest of the time.
    ///
    /// # Errors
    /// Not found where nobody is acted for, and when the database does not answer.
    pub async fn allow_changes(&self, session: &Session, signed_in: &SignedIn) -> Result<()> {
        let behalf = signed_in.behalf().ok_or(Error::NotFound)?;
        let mark: Option<Mark> = session.get(BEHALF).await.map_err(unavailable)?;
        let mark = mark.ok_or(Error::NotFound)?;
        self.note(signed_in, "behalf.changes_allowed", json!({ "as": behalf.name })).await?;
        session.cycle_id().await.map_err(unavailable)?;
        session.insert(BEHALF, Mark { changes: true, ..mark }).await.map_err(unavailable)
    }

    /// Ends it; the tenant whose page to go back to.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn stop_acting(&self, session: &Session, signed_in: &SignedIn) -> Result<Option<TenantId>> {
        let Some(behalf) = signed_in.behalf() else { return Ok(None) };
        self.note(signed_in, "behalf.ended", json!({ "as": behalf.name })).await?;
        session.cycle_id().await.map_err(unavailable)?;
        session.remove::<Mark>(BEHALF).await.map_err(unavailable)?;
        Ok(signed_in.at.as_ref().map(|here| here.tenant.id.clone()))
    }

    async fn note(&self, signed_in: &SignedIn, action: &'static str, told: serde_json::Value) -> Result<()> {
        let actor = Actor::User(signed_in.user().id.as_str().to_owned());
        let mut entry = Entry::new(actor, action, self.clock.now()).change(None, Some(told));
        entry.tenant = signed_in.at.as_ref().map(|here| here.tenant.id.to_string());
        entry.object = signed_in.behalf().map(|behalf| behalf.member.as_str().to_owned());
        let mut tx = self.db.write().await?;
        audit::record(&mut tx, &entry).await?;
        Ok(tx.commit().await?)
    }
}
