//! Customers at the sandbox, with a card and a subscription, and the time that passes for both sides.

use billing_portal::app::{self, App};
use billing_portal::catalog::policy::Catalog;
use billing_portal::catalog::{self, Interval};
use billing_portal::clock::from_seconds;
use billing_portal::i18n::Language;
use billing_portal::stripe::{Budget, CustomerId, Key};
use billing_portal::tenants::Tenant;
use billing_portal::{checkout, mail, worker};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use serde_json::{Value, json};
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::world::World;

/// A card that pays.
pub(crate) const GOOD: &str = "4242424242424242";
/// A card that is declined at every charge.
pub(crate) const BAD: &str = "4000000000000341";

impl World {
    /// Asks the sandbox by its API; the answer must be one.
    pub(crate) async fn api(&self, method: StripeMethod, path: &str, form: Value) -> Value {
        let is_post = matches!(method, StripeMethod::Post);
        let is_empty = form.as_object().is_none_or(serde_json::Map::is_empty);
        let request = RequestBuilder::new(method, path);
        let request = if is_empty { request } else { request.form(&form) };
        let key = is_post.then(Key::random);
        let answer = self.portal.app.stripe.call::<Value>(request, key.as_ref(), Budget::work()).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error:?}")).value
    }

    /// Does something as somebody at Stripe's dashboard would.
    pub(crate) async fn post(&self, path: &str, form: Value) -> Value {
        self.api(StripeMethod::Post, path, form).await
    }

    /// What the sandbox has under a path.
    pub(crate) async fn read(&self, path: &str) -> Value {
        self.api(StripeMethod::Get, path, Value::Null).await
    }

    /// Turns one of the sandbox's switches.
    pub(crate) async fn switch(&self, path: &str, body: Value) -> Value {
        self.control.ask(Method::POST, path, &body).await.unwrap()
    }

    /// One text out of the database; a dash where there is none.
    pub(crate) async fn text(&self, sql: &str) -> String {
        let mut tx = self.portal.db.read().await.unwrap();
        let row: Option<(Option<String>,)> = tx.query_built(sql.to_owned()).optional().await.unwrap();
        row.and_then(|(text,)| text).unwrap_or_else(|| "-".to_owned())
    }

    /// A plan's price.
    pub(crate) async fn price_of(&self, plan: &str, interval: &str) -> String {
        let mut tx = self.portal.db.read().await.unwrap();
        let offer = catalog::store::offer(&mut tx).await.unwrap();
        let plan = offer.plans.iter().find(|known| known.slug == plan).expect("a plan");
        let interval: Interval = interval.parse().unwrap();
        plan.price(interval, self.portal.app.catalog.currency).expect("a price").id.clone()
    }

    /// A subscription of the tenant, paid by a card that pays, and the customer. `more` is added to the request.
    pub(crate) async fn subscription(
        &self,
        tenant: &Tenant,
        lookup: &str,
        more: Value,
    ) -> (CustomerId, Value) {
        let app = &self.portal.app;
        let customer = checkout::customer(app, tenant, Language::En, Budget::work()).await.unwrap();
        let card =
            self.post("/payment_methods/pm_card_visa/attach", json!({ "customer": customer.as_str() })).await;
        let address = json!({ "line1": "1 Quay", "city": "Berlin", "postal_code": "10115", "country": "DE" });
        let settings =
            json!({ "invoice_settings": { "default_payment_method": card["id"] }, "address": address });
        self.post(&format!("/customers/{customer}"), settings).await;
        let prices = self.read(&format!("/prices?lookup_keys[]={lookup}")).await;
        let mut form = json!({
            "customer": customer.as_str(),
            "items": [{ "price": prices["data"][0]["id"] }],
            "metadata": { "tenant_id": tenant.id.as_str() },
        });
        if let (Some(form), Some(more)) = (form.as_object_mut(), more.as_object()) {
            form.extend(more.clone());
        }
        let subscription = self.post("/subscriptions", form).await;
        self.settle().await;
        (customer, subscription)
    }

    /// Time passes for both, up to a moment; nobody works meanwhile.
    pub(crate) async fn sleep_until(&self, to: Timestamp) {
        self.control.advance(to).await.unwrap();
        self.portal.clock.travel_to(to);
        self.control.idle().await.unwrap();
    }

    /// Time passes for both, up to a moment, and what is due then is done.
    pub(crate) async fn travel(&self, to: Timestamp) {
        self.sleep_until(to).await;
        self.settle().await;
    }

    /// So many seconds later.
    pub(crate) async fn pass(&self, seconds: i64) {
        self.travel(from_seconds(self.portal.clock.now().as_second() + seconds)).await;
    }

    /// The same portal with another catalogue. Browsers that are opened from now on see it.
    pub(crate) fn with_catalog(&mut self, change: impl FnOnce(&mut Catalog)) {
        let app = &self.portal.app;
        let mut catalog = Catalog::load(None).unwrap();
        change(&mut catalog);
        let app =
            App::new(app.db.clone(), app.clock.clone(), app.stripe.clone(), app.config.clone(), catalog);
        self.portal.router = app::furnish(app.clone(), app::pages());
        self.portal.app = app;
    }

    /// Another process beside this one, on the same database.
    pub(crate) fn replica(&self) -> App {
        let app = &self.portal.app;
        App::new(
            app.db.clone(),
            app.clock.clone(),
            app.stripe.clone(),
            app.config.clone(),
            Catalog::load(None).unwrap(),
        )
    }

    /// Three workers do all that is due, at once.
    pub(crate) async fn settle_thrice(&self) {
        self.control.idle().await.unwrap();
        let (second, third) = (self.replica(), self.replica());
        tokio::join!(
            Box::pin(worker::settle(&self.portal.app)),
            Box::pin(worker::settle(&second)),
            Box::pin(worker::settle(&third)),
        );
    }

    /// Sends a form to a page of the sandbox.
    pub(crate) async fn submit(&self, url: &str, fields: &[(&str, &str)]) {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))
            .unwrap();
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{url}");
    }

    /// The causes of the tenant's mails in the order in which they were staged, without those of these kinds.
    pub(crate) async fn causes(&self, tenant: &Tenant, without: &[&str]) -> Vec<String> {
        let sql = format!(
            "select kind, cause from mails where tenant_id = '{}' order by created_at, id",
            tenant.id
        );
        let mut tx = self.portal.db.read().await.unwrap();
        let rows: Vec<(String, String)> = tx.query_built(sql).all().await.unwrap();
        rows.into_iter()
            .filter(|(kind, _)| !without.contains(&kind.as_str()))
            .map(|(_, cause)| cause)
            .collect()
    }

    /// The text of each of the tenant's mails of a kind, as it goes out.
    pub(crate) async fn letters(&self, tenant: &Tenant, kind: &str) -> Vec<String> {
        let of_kind = format!("{kind}:");
        let mut texts = Vec::new();
        for cause in self.causes(tenant, &[]).await.iter().filter(|cause| cause.starts_with(&of_kind)) {
            texts.push(self.letter(cause).await);
        }
        texts
    }

    /// The text of the mail with a cause, as it goes out.
    pub(crate) async fn letter(&self, cause: &str) -> String {
        let mut tx = self.portal.db.read().await.unwrap();
        let sql = format!("select id from mails where cause = '{cause}'");
        let (id,): (String,) = tx.query_built(sql).one().await.unwrap();
        let mail = mail::store::find(&mut tx, &id).await.unwrap().unwrap();
        drop(tx);
        let written = mail::work::write(&self.portal.app, &mail.claimed()).await.unwrap();
        written.expect("readable facts").1.text
    }
}
