//! Signed deliveries: to whom, in what order, how often, and what the log says of them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as From;
use billing_portal::sandbox::Config;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::client::{Account, START, text};

/// A receiver of webhooks that answers as it is told.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    taken: Vec<(String, Bytes)>,
    refuse: usize,
}

impl Receiver {
    async fn open() -> (Self, String) {
        let receiver = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new().fallback(take).with_state(receiver.clone());
        #[expect(clippy::disallowed_methods, reason = "a stranger's server, for the length of a test")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }

    fn refuse(&self, times: usize) {
        self.0.lock().unwrap().refuse = times;
    }

    fn taken(&self) -> Vec<(String, Value)> {
        let inner = self.0.lock().unwrap();
        inner
            .taken
            .iter()
            .map(|(header, body)| (header.clone(), serde_json::from_slice(body).unwrap()))
            .collect()
    }

    fn types(&self) -> Vec<String> {
        self.taken().iter().map(|(_, event)| text(event, "/type")).collect()
    }
}

async fn take(From(receiver): From<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut inner = receiver.0.lock().unwrap();
    if inner.refuse > 0 {
        inner.refuse -= 1;
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    let header = headers["stripe-signature"].to_str().unwrap().to_owned();
    inner.taken.push((header, body));
    StatusCode::OK
}

async fn open(url: &str) -> Account {
    Account::start(Config {
        start: Some(START),
        frozen: true,
        webhook_url: Some(url.to_owned()),
        webhook_secret: Some("whsec_test".into()),
        ..Config::default()
    })
    .await
}

async fn quiet(account: &Account) {
    assert_eq!(account.control("idle", json!(null)).await["idle"], json!(true));
}

#[tokio::test]
async fn each_event_is_delivered_once_signed_and_in_order() {
    let (receiver, url) = Receiver::open().await;
    let account = open(&url).await;
    let customer = account.customer("pm_card_visa").await;
    account.subscribe(&customer, &account.price("Plan", 1000, "month").await, "").await;
    quiet(&account).await;
    assert_eq!(receiver.types(), account.events().await);
    let inner = receiver.0.lock().unwrap();
    for (header, body) in &inner.taken {
        let verified = billing_portal_signature(header, body, "whsec_test");
        assert!(verified, "{header}");
        assert!(!billing_portal_signature(header, body, "whsec_other"));
    }
}

/// Stripe's scheme, written here again: the sandbox does not judge itself.
fn billing_portal_signature(header: &str, body: &[u8], secret: &str) -> bool {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let field = |name: &str| header.split(',').find_map(|part| part.strip_prefix(name)).unwrap().to_owned();
    let (at, given) = (field("t="), field("v1="));
    assert_eq!(at.parse(), Ok(START), "the world's time");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(at.as_bytes());
    mac.update(b".");
    mac.update(body);
    let made: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    made == given
}

#[tokio::test]
async fn an_event_is_a_snapshot_with_what_was_before() {
    let (receiver, url) = Receiver::open().await;
    let account = open(&url).await;
    let customer = text(&account.post("/v1/customers", "name=A&metadata[k]=1").await, "/id");
    let headers = [
        ("authorization", "Bearer sk_test_1"),
        ("idempotency-key", "key-1"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let path = format!("/v1/customers/{customer}");
    let answer = account.send("POST", &path, "name=B&metadata[k]=&metadata[n]=2", &headers).await;
    account.post(&path, "name=B").await;
    quiet(&account).await;
    let taken = receiver.taken();
    assert_eq!(taken.len(), 2, "a change that changes nothing is no event");
    let event = &taken[1].1;
    assert_eq!(event["data"]["object"]["name"], "B");
    assert_eq!(
        event["data"]["previous_attributes"],
        json!({ "name": "A", "metadata": { "k": "1", "n": null } })
    );
    assert_eq!(event["request"]["idempotency_key"], "key-1");
    assert_eq!(event["request"]["id"].as_str(), answer.headers["request-id"].to_str().ok());
    assert_eq!((event["created"].clone(), event["livemode"].clone()), (json!(START), json!(false)));
    assert_eq!(event["api_version"], billing_portal::sandbox::API_VERSION);
}

#[tokio::test]
async fn what_is_refused_comes_again_and_the_log_knows_what_never_arrived() {
    let (receiver, url) = Receiver::open().await;
    let account = open(&url).await;
    receiver.refuse(2);
    account.post("/v1/customers", "name=A").await;
    let undelivered = account.get("/v1/events?delivery_success=false").await;
    assert_eq!(undelivered["data"].as_array().unwrap().len(), 1);
    quiet(&account).await;
    assert_eq!(receiver.types(), ["customer.created"]);
    assert_eq!(account.get("/v1/events?delivery_success=false").await["data"], json!([]));

    account.control("deliveries/hold", json!({})).await;
    account.post("/v1/customers", "name=lost").await;
    assert_eq!(account.control("deliveries/drop", json!({})).await["dropped"], json!(1));
    account.control("deliveries/release", json!({})).await;
    quiet(&account).await;
    let lost = account.get("/v1/events?delivery_success=false").await;
    assert_eq!(text(&lost, "/data/0/data/object/name"), "lost");
    assert_eq!(receiver.taken().len(), 1);
}

#[tokio::test]
async fn held_deliveries_can_come_twice_and_backwards() {
    let (receiver, url) = Receiver::open().await;
    let account = open(&url).await;
    account.control("deliveries/hold", json!({})).await;
    for name in ["a", "b"] {
        account.post("/v1/customers", &format!("name={name}")).await;
    }
    quiet(&account).await;
    assert!(receiver.taken().is_empty(), "held");
    account.control("deliveries/release", json!({ "order": "reverse", "copies": 2 })).await;
    quiet(&account).await;
    let names: Vec<String> =
        receiver.taken().iter().map(|(_, event)| text(event, "/data/object/name")).collect();
    assert_eq!(names, ["b", "b", "a", "a"]);
}

#[tokio::test]
async fn an_endpoint_gets_what_it_enabled_and_shows_its_secret_once() {
    let (receiver, url) = Receiver::open().await;
    let account = Account::open().await;
    let form = format!("url={url}&enabled_events[0]=customer.updated&api_version=2026-09-30.endive");
    let endpoint = account.post("/v1/webhook_endpoints", &form).await;
    let path = format!("/v1/webhook_endpoints/{}", text(&endpoint, "/id"));
    assert!(text(&endpoint, "/secret").starts_with("whsec_"));
    assert!(account.get(&path).await.get("secret").is_none());
    let customer = text(&account.post("/v1/customers", "name=A").await, "/id");
    account.post(&format!("/v1/customers/{customer}"), "name=B").await;
    account.post(&path, "disabled=true").await;
    account.post(&format!("/v1/customers/{customer}"), "name=C").await;
    quiet(&account).await;
    let taken = receiver.taken();
    assert_eq!(taken.len(), 1);
    let signed = billing_portal_signature(
        &taken[0].0,
        &receiver.0.lock().unwrap().taken[0].1,
        &text(&endpoint, "/secret"),
    );
    assert!(signed);
    account.refused(400, "POST", "/v1/webhook_endpoints", "url=nonsense&enabled_events[0]=*").await;
}
