//! A small client of the sandbox: forms in, JSON out, and the clock at hand.

use billing_portal::sandbox::{Config, Sandbox};
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// 1 November 2026, 00:00 UTC.
pub(crate) const START: i64 = 1_793_491_200;
pub(crate) const DAY: i64 = 86_400;

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// A sandbox of its own, whose clock stands still until it is moved.
pub(crate) struct Account {
    sandbox: Sandbox,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Account {
    pub(crate) async fn open() -> Self {
        Self::start(Config { start: Some(START), frozen: true, ..Config::default() }).await
    }

    pub(crate) async fn start(config: Config) -> Self {
        let sandbox = Sandbox::start(config).await.expect("a free port");
        Self { sandbox, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    pub(crate) fn url(&self) -> String {
        self.sandbox.url()
    }

    pub(crate) async fn stop(self) {
        self.sandbox.stop().await;
    }

    /// A request with headers of its own.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let answer = self.try_send(method, path, body, headers).await;
        answer.unwrap_or_else(|why| panic!("{method} {path}: {why}"))
    }

    /// The same; none when the connection ends without a whole answer.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, String> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_owned())).expect("a request");
        let response = self.client.request(request).await.map_err(|error| error.to_string())?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, form: &str) -> Answer {
        let headers =
            [("authorization", "Bearer sk_test_123"), ("content-type", "application/x-www-form-urlencoded")];
        self.send(method, path, form, &headers).await
    }

    async fn call(&self, method: &str, path: &str, form: &str) -> Value {
        let answer = self.ask(method, path, form).await;
        assert_eq!(answer.status, 200, "{method} {path} {form}: {:#}", answer.body);
        answer.body
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> Value {
        self.call("POST", path, form).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call("GET", path, "").await
    }

    pub(crate) async fn delete(&self, path: &str) -> Value {
        self.call("DELETE", path, "").await
    }

    /// The error of a request that must be refused with this status.
    pub(crate) async fn refused(&self, status: u16, method: &str, path: &str, form: &str) -> Value {
        let answer = self.ask(method, path, form).await;
        assert_eq!(answer.status, status, "{method} {path} {form}: {:#}", answer.body);
        answer.body["error"].clone()
    }

    /// A control endpoint; a body of `null` makes it a GET.
    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        let (method, text) = if body.is_null() { ("GET", String::new()) } else { ("POST", body.to_string()) };
        let headers = [("content-type", "application/json")];
        let answer = self.send(method, &format!("/_sandbox/{path}"), &text, &headers).await;
        assert_eq!(answer.status, 200, "{path}: {:#}", answer.body);
        answer.body
    }

    /// Moves the clock by seconds.
    pub(crate) async fn pass(&self, seconds: i64) {
        self.control("clock/advance", json!({ "seconds": seconds })).await;
    }

    /// A monthly price.
    pub(crate) async fn price(&self, name: &str, amount: i64, interval: &str) -> String {
        let form = format!(
            "currency=usd&unit_amount={amount}&recurring[interval]={interval}&product_data[name]={name}"
        );
        text(&self.post("/v1/prices", &form).await, "/id")
    }

    /// A customer who pays with one of Stripe's test cards.
    pub(crate) async fn customer(&self, card: &str) -> String {
        let customer = text(&self.post("/v1/customers", "name=Acme&email=a%40example.com").await, "/id");
        self.card(&customer, card).await;
        customer
    }

    /// Saves another card as the one that is charged.
    pub(crate) async fn card(&self, customer: &str, card: &str) -> String {
        let path = format!("/v1/payment_methods/{card}/attach");
        let method = text(&self.post(&path, &format!("customer={customer}")).await, "/id");
        let form = format!("invoice_settings[default_payment_method]={method}");
        self.post(&format!("/v1/customers/{customer}"), &form).await;
        method
    }

    /// A subscription of one of a price.
    pub(crate) async fn subscribe(&self, customer: &str, price: &str, more: &str) -> Value {
        self.post("/v1/subscriptions", &format!("customer={customer}&items[0][price]={price}{more}")).await
    }

    /// A subscription as it is now.
    pub(crate) async fn subscription(&self, id: &str) -> Value {
        self.get(&format!("/v1/subscriptions/{id}")).await
    }

    /// The newest invoice of a subscription.
    pub(crate) async fn latest_invoice(&self, subscription: &str) -> Value {
        let path = format!("/v1/subscriptions/{subscription}?expand[]=latest_invoice");
        self.get(&path).await["latest_invoice"].clone()
    }

    /// The types of all events, oldest first.
    pub(crate) async fn events(&self) -> Vec<String> {
        let events = self.get("/v1/events?limit=100").await;
        let mut types: Vec<String> =
            events["data"].as_array().expect("a list").iter().map(|event| text(event, "/type")).collect();
        types.reverse();
        types
    }
}

/// The text at a pointer.
pub(crate) fn text(value: &Value, at: &str) -> String {
    let found = value.pointer(at).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no text at {at} of {value:#}")).to_owned()
}

/// The integer at a pointer.
pub(crate) fn int(value: &Value, at: &str) -> i64 {
    value.pointer(at).and_then(Value::as_i64).unwrap_or_else(|| panic!("no integer at {at} of {value:#}"))
}

/// The amounts of an invoice's lines.
pub(crate) fn amounts(invoice: &Value) -> Vec<i64> {
    invoice["lines"]["data"].as_array().expect("lines").iter().map(|line| int(line, "/amount")).collect()
}
