//! The life of a subscription, on pages: from the first order to the last day, over the sandbox.

mod acts;
mod cards;
mod change;
mod details;
mod history;
mod leave;
mod orders;
mod quotes;
mod second;
mod wake;

use billing_portal::tenants::Tenant;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

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

/// The form of a Checkout page, filled in, with the total that the page shows. `card` is the name of its field's value.
fn form<'a>(page: &'a str, card: &'a str) -> [(&'a str, &'a str); 9] {
    [
        ("do", "pay"),
        ("expected", hidden(page, "expected")),
        ("card", card),
        ("holder", "A. Payer"),
        ("name", "Acme, S.L."),
        ("line1", "Calle Mayor 1"),
        ("postal_code", "28013"),
        ("city", "Madrid"),
        ("country", "ES"),
    ]
}

/// Pays on the hosted Checkout page, with what it says it will charge; where that leads.
async fn pay(page: &str, number: &str) -> Hosted {
    let card = format!("test-{number}");
    let mut shown = hosted(page, None).await;
    // With taxes, the address can change the total: the page then asks again.
    for _ in 0..2 {
        let answer = hosted(page, Some(&form(&shown.body, &card))).await;
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

    /// The tenant's customer at Stripe, as our row knows it.
    async fn customer_of(&self, tenant: &Tenant) -> String {
        let sql = format!("select id from customers where tenant_id = '{}' and not deleted", tenant.id);
        let mut tx = self.portal.db.read().await.unwrap();
        tx.query_built(sql).one::<(String,)>().await.unwrap().0
    }

    /// Makes a subscription as somebody at Stripe's dashboard would, with a card that pays.
    async fn subscribe_at_stripe(&self, customer: &str, plan: &str, interval: &str, more: Value) -> String {
        let card = self.post("/payment_methods/pm_card_visa/attach", json!({ "customer": customer })).await;
        let settings = json!({ "invoice_settings": { "default_payment_method": card["id"] },
            "address": { "country": "ES", "postal_code": "28013" } });
        self.post(&format!("/customers/{customer}"), settings).await;
        let mut form = json!({
            "customer": customer,
            "items": [{ "price": self.price_of(plan, interval).await }],
            "automatic_tax": { "enabled": true },
        });
        for (key, value) in more.as_object().expect("an object") {
            form[key] = value.clone();
        }
        self.post("/subscriptions", form).await["id"].as_str().unwrap().to_owned()
    }

    /// So many days later, and what is due then is done.
    async fn days(&self, days: i64) {
        self.pass(days * 86_400).await;
    }

    /// Rows of one text, in order.
    async fn texts(&self, sql: &str) -> Vec<String> {
        let mut tx = self.portal.db.read().await.unwrap();
        let rows: Vec<(String,)> = tx.query_built(sql.to_owned()).all().await.unwrap();
        rows.into_iter().map(|(text,)| text).collect()
    }
}
