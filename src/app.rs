//! What every part of the running portal shares, and the one screen of routes.

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware::from_fn_with_state;

use crate::catalog::policy::Catalog;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::error::Error;
use crate::stripe::Stripe;
use crate::web::health;
use crate::webhooks::Inbox;
use crate::webhooks::secrets::Keyring;
use crate::worker::Bell;
use crate::{
    api, audit, auth, cancel, catalog, change, checkout, details, dunning, invoices, mail, members,
    reconcile, staff, subscription, tenants, usage, web, webhooks,
};

/// The running portal. Cloning is cheap.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What the portal is made of.
pub struct Parts {
    /// The rows.
    pub db: Db,
    /// Both times.
    pub clock: Clock,
    /// The way to Stripe.
    pub stripe: Stripe,
    /// The configuration.
    pub config: Config,
    /// Metrics, features and policy.
    pub catalog: Catalog,
    /// Sign-in and sessions.
    pub auth: auth::Auth,
    /// Where Stripe's events are kept.
    pub inbox: Inbox,
    /// What their deliveries are signed with.
    pub secrets: Keyring,
    /// Wakes the background work.
    pub bell: Bell,
    /// The way in for what tenants use.
    pub usage: usage::Gate,
    /// What the API keeps between calls.
    pub api: api::Api,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Puts the portal together, on a runtime.
    pub fn new(db: Db, clock: Clock, stripe: Stripe, config: Config, catalog: Catalog) -> Self {
        let auth = auth::Auth::new(db.clone(), clock.clone(), config.site.is_https());
        let auth = auth.with_policy(catalog.dunning);
        let inbox = Inbox::open(db.clone());
        let secrets = Keyring::new(db.clone(), stripe.clone(), config.webhook_secrets.clone());
        let usage = usage::Gate::start(db.clone(), &catalog);
        let api = api::Api::new(&stripe, api::Rates::default());
        Self(Arc::new(Parts {
            db,
            clock,
            stripe,
            config,
            catalog,
            auth,
            inbox,
            secrets,
            bell: Bell::default(),
            usage,
            api,
        }))
    }
}

impl FromRef<App> for auth::Auth {
    fn from_ref(app: &App) -> Self {
        app.auth.clone()
    }
}

/// All routes of the portal.
pub fn router(app: App) -> Router {
    furnish(app, pages())
}

/// The pages of all features.
pub fn pages() -> Router<App> {
    Router::new()
        .merge(auth::web::router())
        .merge(tenants::web::router())
        .merge(members::web::router())
        .merge(catalog::web::router())
        .merge(cancel::router())
        .merge(change::router())
        .merge(checkout::router())
        .merge(details::router())
        .merge(subscription::web::router())
        .merge(invoices::web::router())
        .merge(usage::web::router())
        .merge(mail::web::router())
        .merge(audit::web::router())
        .merge(dunning::web::router())
        .merge(staff::router())
        .merge(reconcile::web::router())
        .merge(webhooks::web::pages())
        .merge(api::web::router())
}

/// Pages with everything around them. What needs no session stands outside of its layer.
pub fn furnish(app: App, pages: Router<App>) -> Router {
    let ready = |app: App| async move { app.db.is_ready().await };
    let routes = pages
        .fallback(nowhere)
        .layer(app.auth.session_layer())
        .merge(api::router(&app))
        .merge(webhooks::web::router())
        .merge(health::router(ready));
    web::furnish(routes, Arc::clone(&app.config.site))
        .layer(from_fn_with_state(app.clone(), audit::web::note_refusals))
        .with_state(app)
}

/// An address that leads nowhere, for who is signed in and who is not: the page knows which.
async fn nowhere(_: auth::Visitor) -> Error {
    Error::NotFound
}
