//! Running it: setup and doctor, events that did not come, what staff see of the inbox, figures.

mod doctor;
mod inbox;
mod metrics;
mod outage;
mod setup;

use billing_portal::app::App;
use billing_portal::auth::NewUser;
use billing_portal::catalog::install::{self, Wish};
use billing_portal::catalog::setup::Report;
use billing_portal::worker::Tools;
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};
use url::Url;

use crate::support::browser::Browser;
use crate::support::portal::{Portal, hash};
use crate::support::world::World;

/// Somebody of the staff at their browser.
async fn staff(portal: &Portal) -> Browser {
    let new = NewUser::new("sam@staff.example".parse().unwrap(), "Sam").unwrap();
    let user = portal.create(new.password_hash(hash().await).staff(true), &[]).await;
    portal.signed_in(&user).await
}

impl World {
    /// The portal's app.
    fn app(&self) -> &App {
        &self.portal.app
    }

    /// Where events come to.
    fn endpoint(&self) -> Url {
        self.app().config.site.link("/webhooks/stripe").parse().unwrap()
    }

    /// The whole of `setup`, for the endpoint of this portal.
    async fn install(&self, rotate: bool, update: bool) -> Report {
        let (app, url) = (self.app(), self.endpoint());
        let wish = Wish { webhook_url: Some(&url), update, rotate };
        install::run(&app.db, &app.clock, &app.stripe, &app.catalog, wish).await.unwrap()
    }

    /// Something that somebody does in Stripe's dashboard.
    async fn in_stripe(&self, method: StripeMethod, path: &str, form: &[(&str, &str)]) -> Value {
        let mut request = RequestBuilder::new(method, path);
        if !form.is_empty() {
            request = request.form(&form.iter().copied().collect::<std::collections::BTreeMap<_, _>>());
        }
        let answer = self.app().stripe.call(request, None, billing_portal::stripe::Budget::page()).await;
        answer.unwrap().value
    }

    /// Lets time pass, for the portal and for Stripe; nobody works meanwhile.
    async fn elapse(&self, seconds: i64) {
        self.portal.clock.pass(seconds);
        self.control.pass(seconds).await.unwrap();
    }

    /// The step that looks for events which did not come, by somebody who was never there before.
    async fn recover(&self, app: &App) -> usize {
        let tools: Tools = app.into();
        let new = billing_portal::webhooks::work::recover(&tools, "test", 600).await.unwrap();
        self.settle().await;
        new.unwrap_or(0)
    }
}
