//! The portal as it runs, over a fresh database, at a time that stands still until it is moved.

use std::time::Duration;

use axum::Router;
use billing_portal::app::{self, App};
use billing_portal::auth::{self, Hasher, NewUser, Password, Role, User};
use billing_portal::catalog::policy::Catalog;
use billing_portal::clock::Clock;
use billing_portal::config::{Config, WebhookSecrets};
use billing_portal::db::Db;
use billing_portal::stripe::{Stripe, StripeConfig};
use billing_portal::tenants::{self, NewTenant, Tenant};
use billing_portal::web::Site;
use tokio::sync::OnceCell;
use url::Url;

use super::browser::Browser;
use super::databases::FromDb;

/// When the tests begin.
pub(crate) const BEGINNING: &str = "2026-11-21T05:00:00Z";
/// The password of every user of the tests.
pub(crate) const PASSWORD: &str = "mind the gap";
/// The secret that webhooks are signed with.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_tests";

/// The portal.
pub(crate) struct Portal {
    pub(crate) app: App,
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) router: Router,
}

impl FromDb for Portal {
    /// A portal whose Stripe is nowhere: nothing listens at the address of its API.
    async fn from_db(db: Db) -> Self {
        Self::with_stripe(db, "http://127.0.0.1:9/".parse().unwrap(), "http://billing.test/")
    }
}

impl Portal {
    /// A portal at an address, whose Stripe is at another.
    pub(crate) fn with_stripe(db: Db, stripe: Url, public_url: &str) -> Self {
        Self::with_pages(db, stripe, public_url, app::pages())
    }

    /// A portal with these pages.
    pub(crate) fn with_pages(db: Db, stripe: Url, public_url: &str, pages: Router<App>) -> Self {
        let site = Site::new(public_url.parse().unwrap(), Clock::fixed(BEGINNING.parse().unwrap()));
        Self::with_site(db, stripe, site, pages)
    }

    /// A portal on this site, by its clock.
    pub(crate) fn with_site(db: Db, stripe: Url, site: Site, pages: Router<App>) -> Self {
        let clock = site.clock.clone();
        let key = "sk_test_portal".parse().unwrap();
        let mut to_stripe = StripeConfig::new(key, Some(stripe)).unwrap();
        // What is asked stands on this machine: no limit to keep to, and nothing gets better by waiting.
        (to_stripe.rate, to_stripe.first_wait) = (100_000, Duration::from_millis(2));
        let stripe = Stripe::new(to_stripe).unwrap();
        let webhook_secrets = WebhookSecrets::new([WEBHOOK_SECRET.to_owned()]).unwrap();
        let config = Config {
            site: site.into(),
            webhook_secrets,
            livemode: false,
            mail: Default::default(),
            host_tokens: Some(super::api::host_tokens()),
        };
        let app = App::new(db.clone(), clock.clone(), stripe, config, Catalog::load(None).unwrap());
        Self { router: app::furnish(app.clone(), pages), app, db, clock }
    }

    /// Somebody's browser.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.router.clone())
    }

    /// A tenant of this name.
    pub(crate) async fn tenant(&self, name: &str) -> Tenant {
        let mut tx = self.db.write().await.unwrap();
        let email = format!("billing@{}.example", name.to_lowercase().replace(' ', "-"));
        let new = NewTenant::new(name, email.parse().unwrap()).unwrap();
        let tenant = tenants::store::create(&mut tx, &new, self.clock.now()).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        tenant
    }

    /// A user `NAME@people.example` with the password of all tests, a member of these tenants.
    pub(crate) async fn user(&self, name: &str, of: &[(&Tenant, Role)]) -> User {
        let email = format!("{}@people.example", name.to_lowercase());
        self.create(NewUser::new(email.parse().unwrap(), name).unwrap().password_hash(hash().await), of).await
    }

    /// A user of these properties, a member of these tenants.
    pub(crate) async fn create(&self, new: NewUser, of: &[(&Tenant, Role)]) -> User {
        let mut tx = self.db.write().await.unwrap();
        let user = auth::store::create(&mut tx, &new, self.clock.now()).await.unwrap().unwrap();
        for (tenant, role) in of {
            assert!(auth::store::join(&mut tx, &tenant.id, &user.id, *role, self.clock.now()).await.unwrap());
        }
        tx.commit().await.unwrap();
        user
    }

    /// The browser of a user who has signed in.
    pub(crate) async fn signed_in(&self, user: &User) -> Browser {
        let mut browser = self.browser();
        let answer = browser.sign_in(user.email.as_str(), PASSWORD, "/").await;
        assert_eq!(answer.status, http::StatusCode::SEE_OTHER, "{}", answer.body);
        browser
    }

    /// One number out of the database.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let mut tx = self.db.read().await.unwrap();
        tx.query_built(sql.to_owned()).one::<(i64,)>().await.unwrap().0
    }

    /// Changes rows behind the portal's back.
    pub(crate) async fn run(&self, sql: &str) {
        let mut tx = self.db.write().await.unwrap();
        tx.query_built(sql.to_owned()).run().await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// The hash of the password of all tests, made once.
pub(crate) async fn hash() -> String {
    static HASH: OnceCell<String> = OnceCell::const_new();
    let make = || async {
        let password = Password::new(PASSWORD, &"any@people.example".parse().unwrap()).unwrap();
        Hasher::default().hash(&password).await.unwrap()
    };
    HASH.get_or_init(make).await.clone()
}
