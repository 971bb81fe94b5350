//! The life of a subscription, on pages: from the first order to the last day, over the sandbox.

mod change;
mod details;
mod history;
mod leave;
mod second;

use billing_portal::catalog::{self, Interval};
use billing_portal::stripe::{Budget, Key};
use billing_portal::tenants::Tenant;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jiff::ToSpan as _;
use serde_json::{Value, json};
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::support::browser::Browser;
use crate::support::world::World;

/// A card that pays.
const PAYS: &str = "4242424242424242";

/// What one of the sandbox's own pages answered.
struct Hosted {
    status: StatusCode,
    location: String,
    body: String,
}

/// Looks at one of the sandbox's own pages, or sends its form.
async fn hosted(url: &str, form: Option<&[(&str, &str)]>) -> Hosted {
    let method = if form.is_some() { "POST" } else { "GET" };
    let mut request = Request::builder().method(method).uri(url);
    if form.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    let body =
        form.map(|fields| form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish());
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request.body(Full::from(body.unwrap_or_default())).unwrap()).await.unwrap();
    let location = answer.headers().get(header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
    let status = answer.status();
    let body = String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Hosted { status, location: location.unwrap_or_default(), body }
}

/// The value of a hidden field.
fn hidden<'a>(page: &'a str, name: &str) -> &'a str {
    let after = page.split(&format!("name=\"{name}\" value=\"")).nth(1);
    after.and_then(|rest| rest.split('"').next()).unwrap_or_else(|| panic!("no {name} in {page}"))
}

/// Pays on the hosted Checkout page, with what it says it will charge; where that leads.
async fn pay(page: &str, number: &str) -> Hosted {
    let mut shown = hosted(page, None).await;
    // With taxes, the address can change the total: the page then asks again.
    for _ in 0..2 {
        let card = format!("test-{number}");
        let form = [
            ("do", "pay"),
            ("expected", hidden(&shown.body, "expected")),
            ("card", card.as_str()),
            ("holder", "A. Payer"),
            ("name", "Acme, S.L."),
            ("line1", "Calle Mayor 1"),
            ("postal_code", "28013"),
            ("city", "Madrid"),
            ("country", "ES"),
        ];
        let answer = hosted(page, Some(&form)).await;
        if answer.status == StatusCode::SEE_OTHER || !answer.body.contains("total is now") {
            return answer;
        }
        shown = answer;
    }
    shown
}

impl World {
    /// Subscribes in the browser: chooses, pays on the hosted page, comes back to the overview.
    async fn subscribe(&self, browser: &mut Browser, plan: &str, interval: &str, card: &str) {
        let to_stripe = self.choose(browser, plan, interval).await.expect(StatusCode::SEE_OTHER);
        let paid = pay(to_stripe.location(), card).await;
        assert_eq!(paid.status, StatusCode::SEE_OTHER, "{}", paid.body);
        let path = paid.location.split_once("/checkout/").map(|(_, rest)| format!("/checkout/{rest}"));
        let back = browser.get(&path.expect("the way back")).await;
        browser.follow(&back).await.expect(StatusCode::OK).shows(&["Your subscription is in force"]);
        self.settle().await;
    }

    /// Asks something of Stripe directly, as somebody at its dashboard would; the answer must be one.
    async fn stripe(&self, path: &str, form: Value) -> Value {
        let request = RequestBuilder::new(StripeMethod::Post, path);
        let is_empty = form.as_object().is_some_and(serde_json::Map::is_empty);
        let request = if is_empty { request } else { request.form(&form) };
        let answer =
            self.portal.app.stripe.call::<Value>(request, Some(&Key::random()), Budget::work()).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error:?}")).value
    }

    /// Looks something up at Stripe.
    async fn look_up(&self, path: &str) -> Value {
        let request = RequestBuilder::new(StripeMethod::Get, path);
        self.portal.app.stripe.call::<Value>(request, None, Budget::work()).await.unwrap().value
    }

    /// A plan's price.
    async fn price_of(&self, plan: &str, interval: &str) -> String {
        let mut tx = self.portal.db.read().await.unwrap();
        let offer = catalog::store::offer(&mut tx).await.unwrap();
        let plan = offer.plans.iter().find(|known| known.slug == plan).expect("a plan");
        let interval: Interval = interval.parse().unwrap();
        plan.price(interval, self.portal.app.catalog.currency).expect("a price").id.clone()
    }

    /// The tenant's customer at Stripe, as our row knows it.
    async fn customer_of(&self, tenant: &Tenant) -> String {
        let sql = format!("select id from customers where tenant_id = '{}' and not deleted", tenant.id);
        let mut tx = self.portal.db.read().await.unwrap();
        tx.query_built(sql).one::<(String,)>().await.unwrap().0
    }

    /// Makes a subscription as somebody at Stripe's dashboard would, with a card that pays.
    async fn subscribe_at_stripe(&self, customer: &str, plan: &str, interval: &str, more: Value) -> String {
        let card = self.stripe("/payment_methods/pm_card_visa/attach", json!({ "customer": customer })).await;
        let settings = json!({ "invoice_settings": { "default_payment_method": card["id"] },
            "address": { "country": "ES", "postal_code": "28013" } });
        self.stripe(&format!("/customers/{customer}"), settings).await;
        let mut form = json!({
            "customer": customer,
            "items": [{ "price": self.price_of(plan, interval).await }],
            "automatic_tax": { "enabled": true },
        });
        for (key, value) in more.as_object().expect("an object") {
            form[key] = value.clone();
        }
        self.stripe("/subscriptions", form).await["id"].as_str().unwrap().to_owned()
    }

    /// Lets time pass for the business, here and at Stripe, and does what is due.
    async fn travel(&self, days: i64) {
        let to = self.portal.clock.now().checked_add((days * 24).hours()).unwrap();
        self.control.advance(to).await.unwrap();
        self.portal.clock.travel_to(to);
        self.settle().await;
    }

    /// Rows of one text, in order.
    async fn texts(&self, sql: &str) -> Vec<String> {
        let mut tx = self.portal.db.read().await.unwrap();
        let rows: Vec<(String,)> = tx.query_built(sql.to_owned()).all().await.unwrap();
        rows.into_iter().map(|(text,)| text).collect()
    }
}
