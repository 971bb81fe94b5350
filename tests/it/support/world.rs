//! The portal and, in Stripe's place, our sandbox: webhooks arrive over HTTP, and a recorder between the two holds every
//! exchange against Stripe's own API description.

use std::net::SocketAddr;

use billing_portal::app;
use billing_portal::auth::Role;
use billing_portal::catalog::install;
use billing_portal::clock::Clock;
use billing_portal::db::Db;
use billing_portal::demo::Control;
use billing_portal::sandbox::{self, Sandbox};
use billing_portal::tenants::Tenant;
use billing_portal::web::Site;
use billing_portal::web::server::{Limits, serve};
use billing_portal::worker;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use url::Url;

use super::browser::{Answer, Browser};
use super::databases::FromDb;
use super::portal::{BEGINNING, Portal, WEBHOOK_SECRET};
use super::recorder::Recorder;

/// A portal with its Stripe. Time stands still until a test moves it; background work is done when a test says so.
pub(crate) struct World {
    pub(crate) portal: Portal,
    pub(crate) stripe: Recorder,
    pub(crate) control: Control,
    sandbox: Option<Sandbox>,
    /// Ends the server that takes in webhooks when dropped.
    _serving: oneshot::Sender<()>,
}

impl FromDb for World {
    /// A portal whose sandbox has the default catalogue, and that knows it.
    async fn from_db(db: Db) -> Self {
        let world = Self::bare(db).await;
        let app = &world.portal.app;
        let wish = install::Wish::default();
        install::run(&app.db, &app.clock, &app.stripe, &app.catalog, wish).await.unwrap();
        world.settle().await;
        world
    }
}

impl World {
    /// A portal whose sandbox is empty.
    pub(crate) async fn bare(db: Db) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let beginning: jiff::Timestamp = BEGINNING.parse().unwrap();
        let sandbox = Sandbox::start(sandbox::Config {
            webhook_url: Some(format!("http://{address}/webhooks/stripe")),
            webhook_secret: Some(WEBHOOK_SECRET.to_owned()),
            start: Some(beginning.as_second()),
            frozen: true,
            seed: Some(1),
            ..sandbox::Config::default()
        })
        .await
        .unwrap();
        let sandbox_url: Url = sandbox.url().parse().unwrap();
        let upstream: SocketAddr = sandbox.url().trim_start_matches("http://").parse().unwrap();
        let stripe = Recorder::before(upstream).await;
        let to_stripe: Url = stripe.url().parse().unwrap();
        let mut site = Site::new(format!("http://{address}").parse().unwrap(), Clock::fixed(beginning));
        site.redirect_origins = vec![sandbox_url.clone()];
        let portal = Portal::with_site(db, to_stripe, site, app::pages());
        let (serving, stopped) = oneshot::channel::<()>();
        tokio::spawn(serve(listener, portal.router.clone(), Limits::default(), async {
            let _ = stopped.await;
        }));
        let control = Control::new(sandbox_url);
        Self { portal, stripe, control, sandbox: Some(sandbox), _serving: serving }
    }

    /// Waits until the sandbox has delivered every webhook, and does all work that is due.
    pub(crate) async fn settle(&self) {
        self.control.idle().await.unwrap();
        worker::settle(&self.portal.app).await;
    }

    /// A new tenant and its owner's browser.
    pub(crate) async fn owner_of(&self, name: &str) -> (Tenant, Browser) {
        let tenant = self.portal.tenant(name).await;
        let user =
            self.portal.user(&format!("{name} owner").replace(' ', "."), &[(&tenant, Role::Owner)]).await;
        let browser = self.portal.signed_in(&user).await;
        (tenant, browser)
    }

    /// Chooses a plan on the pricing page, up to the payment page: its address.
    pub(crate) async fn choose(&self, browser: &mut Browser, plan: &str, interval: &str) -> Answer {
        browser.get(&format!("/plans?interval={interval}")).await;
        browser.post("/checkout", &[("plan", plan), ("interval", interval)]).await
    }

    /// What the sandbox answered last to a request of this method and path.
    pub(crate) fn last(&self, method: &str, path: &str) -> serde_json::Value {
        let exchanges = self.stripe.exchanges();
        let last = exchanges.iter().rfind(|exchange| exchange.method == method && exchange.path == path);
        serde_json::from_slice(&last.expect("such a request").answer).unwrap()
    }

    /// Stripe is down from now on.
    pub(crate) async fn stop_stripe(&mut self) {
        if let Some(sandbox) = self.sandbox.take() {
            sandbox.stop().await;
        }
    }
}
