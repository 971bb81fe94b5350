//! What every part of the running portal shares, and the one screen of routes.

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;

use crate::catalog::policy::Catalog;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::stripe::Stripe;
use crate::web::{self, health};

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
        Self(Arc::new(Parts { db, clock, stripe, config, catalog }))
    }
}

/// All routes of the portal.
pub fn router(app: App) -> Router {
    furnish(app, pages())
}

/// The pages of all features.
pub fn pages() -> Router<App> {
    Router::new()
}

/// Pages with everything around them. What needs no session stands outside of its layer.
pub fn furnish(app: App, pages: Router<App>) -> Router {
    let ready = |app: App| async move { app.db.is_ready().await };
    let routes = pages.merge(health::router(ready));
    web::furnish(routes, Arc::clone(&app.config.site)).with_state(app)
}
