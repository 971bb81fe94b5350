//! Signed webhook delivery: a bounded queue, one worker, retries with growing waits, and the switches of the tests.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use sha2::Sha256;

use super::engine::Handle;
use super::events;
use super::json::{Json, public};
use super::state::State;
use super::store::Kind;

/// How many deliveries may wait; more are dropped, oldest first.
const WAITING: usize = 20_000;
/// How many outcomes are remembered.
const REMEMBERED: usize = 1_000;
/// How long an endpoint has to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The waits before the second, third, … try, in milliseconds of the world's time.
const WAITS: [u64; 10] = [100, 300, 1_000, 3_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000];

#[derive(Debug, Clone)]
struct Delivery {
    event: String,
    name: String,
    endpoint: String,
    url: String,
    secret: String,
    body: Bytes,
    tries: usize,
    due: Instant,
}

/// The queue and its switches.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    waiting: VecDeque<Delivery>,
    in_flight: usize,
    held: bool,
    outcomes: VecDeque<Value>,
}

/// How many enabled endpoints take in an event type.
pub(crate) fn listeners(state: &State, name: &str) -> usize {
    state.store.all(Kind::WebhookEndpoint).filter(|endpoint| listens(endpoint, name)).count()
}

fn listens(endpoint: &Value, name: &str) -> bool {
    endpoint.text("status") == "enabled" && events::wants(endpoint.items("enabled_events"), name)
}

/// Queues an event for every endpoint that wants it, in the order the endpoints were made.
pub(crate) fn enqueue(state: &mut State, kind: Kind, id: &str) {
    let Some(event) = state.store.get(kind, id) else { return };
    let name = event.text("type").to_owned();
    let (body, to) = match kind {
        Kind::ThinEvent => (events::thin(event), Kind::EventDestination),
        _ => (public(event), Kind::WebhookEndpoint),
    };
    let body = Bytes::from(serde_json::to_vec_pretty(&body).unwrap_or_default());
    let endpoints = state.store.all(to).filter(|endpoint| listens(endpoint, &name));
    let queued: Vec<Delivery> = endpoints
        .map(|endpoint| Delivery {
            event: id.to_owned(),
            name: name.clone(),
            endpoint: endpoint.id(),
            // A destination shows its address only to who asks for it.
            url: endpoint.maybe_text("url").or(endpoint.note("url").as_str()).unwrap_or_default().to_owned(),
            secret: endpoint.note("secret").as_str().unwrap_or_default().to_owned(),
            body: body.clone(),
            tries: 0,
            due: Instant::now(),
        })
        .collect();
    for delivery in queued {
        state.deliveries.push(delivery);
    }
}

impl Deliveries {
    fn push(&mut self, delivery: Delivery) {
        if self.waiting.len() >= WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.remember(&oldest, json!("dropped: the queue is full"), false);
        }
        self.waiting.push_back(delivery);
    }

    fn remember(&mut self, delivery: &Delivery, outcome: Value, delivered: bool) {
        if self.outcomes.len() >= REMEMBERED {
            self.outcomes.pop_front();
        }
        let mut line = delivery.show();
        line["outcome"] = outcome;
        line["delivered"] = json!(delivered);
        self.outcomes.push_back(line);
    }

    /// Takes the next delivery that is due, or tells when one will be.
    fn take(&mut self) -> Result<Delivery, Option<Instant>> {
        if self.held {
            return Err(None);
        }
        let now = Instant::now();
        match self.waiting.iter().position(|delivery| delivery.due <= now) {
            Some(at) => {
                self.in_flight += 1;
                self.waiting.remove(at).ok_or(None)
            }
            None => Err(self.waiting.iter().map(|delivery| delivery.due).min()),
        }
    }

    /// Whether nothing is on its way: nothing in flight and nothing waiting, but for what is held back.
    pub(crate) fn idle(&self) -> bool {
        self.in_flight == 0 && (self.held || self.waiting.is_empty())
    }

    /// Stops sending until released.
    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    /// Drops what waits, as if every try had failed; gives how many. With `names`, only those event types.
    pub(crate) fn drop_waiting(&mut self, names: &[String]) -> usize {
        let (dropped, kept): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|delivery| names.is_empty() || names.contains(&delivery.name));
        self.waiting = kept;
        for delivery in &dropped {
            self.remember(delivery, json!("dropped on demand"), false);
        }
        dropped.len()
    }

    /// Sends everything that waits at the next chance, retries included.
    pub(crate) fn flush(&mut self) {
        self.held = false;
        let now = Instant::now();
        for delivery in &mut self.waiting {
            delivery.due = now;
        }
    }

    /// Repeats what waits so that each is sent `copies` times, and puts it in another order.
    pub(crate) fn disturb(&mut self, order: Order, copies: usize, mut bits: impl FnMut() -> u64) {
        let mut all: Vec<Delivery> = self
            .waiting
            .drain(..)
            .flat_map(|delivery| std::iter::repeat_n(delivery, copies.clamp(1, 10)))
            .collect();
        match order {
            Order::Created => {}
            Order::Reverse => all.reverse(),
            Order::Shuffle => {
                let mut keyed: Vec<(u64, Delivery)> =
                    all.into_iter().map(|delivery| (bits(), delivery)).collect();
                keyed.sort_by_key(|(key, _)| *key);
                all = keyed.into_iter().map(|(_, delivery)| delivery).collect();
            }
        }
        self.waiting = all.into();
    }

    /// The queue as JSON.
    pub(crate) fn show(&self) -> Value {
        json!({
            "held": self.held,
            "in_flight": self.in_flight,
            "waiting": self.waiting.iter().map(Delivery::show).collect::<Vec<_>>(),
            "done": self.outcomes,
        })
    }
}

/// An order of deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// As the events were made.
    Created,
    /// The newest first.
    Reverse,
    /// By chance.
    Shuffle,
}

impl Delivery {
    fn show(&self) -> Value {
        json!({ "event": self.event, "type": self.name, "endpoint": self.endpoint, "url": self.url, "tries": self.tries })
    }
}

/// Stripe's signature header for a body: `t` in unix seconds, `v1` the HMAC-SHA256 of `t.body`.
pub(crate) fn signature(secret: &str, at: i64, body: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut header = format!("t={at},v1=");
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        mac.update(format!("{at}.").as_bytes());
        mac.update(body);
        for byte in mac.finalize().into_bytes() {
            // Writing to a String cannot fail.
            let _ = write!(header, "{byte:02x}");
        }
    }
    header
}

type Sender = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Delivers for as long as it is polled.
pub(crate) async fn work(handle: Handle) {
    let Ok(connector) =
        HttpsConnectorBuilder::new().with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
    else {
        return;
    };
    let sender: Sender =
        Client::builder(TokioExecutor::new()).build(connector.https_or_http().enable_http1().build());
    loop {
        match handle.peek(|state| state.deliveries.take()) {
            Ok(delivery) => {
                let at = handle.peek(|state| state.clock.wall());
                let outcome = send(&sender, &delivery, at).await;
                settle(&handle, delivery, outcome);
            }
            Err(None) => handle.nudged().await,
            Err(Some(due)) => {
                tokio::select! {
                    () = handle.nudged() => {}
                    () = tokio::time::sleep_until(due.into()) => {}
                }
            }
        }
    }
}

/// One try; the answer's status, or why there was none.
async fn send(sender: &Sender, delivery: &Delivery, at: i64) -> Result<u16, String> {
    let request = http::Request::post(&delivery.url)
        .header("content-type", "application/json; charset=utf-8")
        .header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .header("stripe-signature", signature(&delivery.secret, at, &delivery.body))
        .body(Full::new(delivery.body.clone()))
        .map_err(|error| error.to_string())?;
    let exchange = async {
        let response = sender.request(request).await.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        // The connection is used again once the answer was read.
        response.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok(status)
    };
    tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err("timed out".into()))
}

fn settle(handle: &Handle, mut delivery: Delivery, outcome: Result<u16, String>) {
    handle.peek(|state| {
        delivery.tries += 1;
        state.deliveries.in_flight = state.deliveries.in_flight.saturating_sub(1);
        let delivered = outcome.as_ref().is_ok_and(|status| (200..300).contains(status));
        let words = match outcome {
            Ok(status) => json!(status),
            Err(why) => json!(why),
        };
        state.deliveries.remember(&delivery, words, delivered);
        if delivered {
            state.amend(Kind::Event, &delivery.event, |event| {
                let mut reached = event.note("reached").as_array().cloned().unwrap_or_default();
                if !reached.contains(&json!(delivery.endpoint)) {
                    event["pending_webhooks"] = json!((event.int("pending_webhooks") - 1).max(0));
                    reached.push(json!(delivery.endpoint));
                    event.set_note("reached", Value::Array(reached));
                }
            });
            state.store.commit();
        } else if let Some(wait) = WAITS.get(delivery.tries - 1) {
            delivery.due = Instant::now() + Duration::from_millis(*wait);
            state.deliveries.push(delivery);
        }
    });
    handle.nudge();
}
