//! The door: verify, store, answer. The pages of staff about what came through it are in `inbox`.

mod inbox;

pub use inbox::router as pages;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use super::secrets::Keyring;
use super::store::{Delivery, Inbox, Kept};
use crate::app::App;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::metrics::names;
use crate::stripe::signature::{self, Refused};
use crate::worker::Bell;

/// The largest body that is read: 1 MB. Stripe's events have some kilobytes.
const LARGEST: usize = 1_000_000;

/// What the door needs.
#[derive(Clone, Debug)]
pub struct Door {
    /// What deliveries are signed with.
    pub secrets: Keyring,
    /// Whether our key moves real money.
    pub livemode: bool,
    /// Both times; a signature is held against the world's.
    pub clock: Clock,
    /// Where they are kept.
    pub inbox: Inbox,
    /// Rung when there is something to do.
    pub bell: Bell,
}

impl FromRef<App> for Door {
    fn from_ref(app: &App) -> Self {
        Self {
            secrets: app.secrets.clone(),
            livemode: app.config.livemode,
            clock: app.clock.clone(),
            inbox: app.inbox.clone(),
            bell: app.bell.clone(),
        }
    }
}

impl Door {
    /// Checks the signature; where no secret fits, once more after a look for one that another process stored.
    async fn verify(&self, header: Option<&str>, body: &[u8], wall: Timestamp) -> Result<(), Refused> {
        let judge = || signature::verify(header, body, &self.secrets.accepted(wall.as_second()), wall);
        match judge() {
            Err(Refused::Mismatch) if self.secrets.look_again(wall.as_second()).await => judge(),
            judged => judged,
        }
    }
}

/// `POST /webhooks/stripe`, and the same under the API's path. No cookies, no session: what is signed needs neither.
pub fn router() -> Router<App> {
    Router::new()
        .route("/webhooks/stripe", post(receive))
        .route("/api/billing/webhooks/payment", post(receive))
        .layer(DefaultBodyLimit::max(LARGEST))
}

/// Answers 200 only for what is durable. What is not signed, or signed for another time, is not kept.
async fn receive(
    State(door): State<Door>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::PayloadTooLarge,
        _ => Error::Unreadable("the body did not arrive whole"),
    })?;
    let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    let wall = door.clock.wall();
    door.verify(header, &body, wall).await.map_err(|refused| {
        tracing::warn!(%refused, bytes = body.len(), "a delivery was refused");
        metrics::counter!(names::DELIVERIES, "outcome" => "refused").increment(1);
        Error::Unreadable(refused.words())
    })?;
    let delivery = Delivery::signed(&body, door.livemode, wall.as_second());
    let (id, kind) = (delivery.id().to_owned(), delivery.kind().to_owned());
    let kept = door.inbox.put(delivery).await?;
    metrics::counter!(names::DELIVERIES, "outcome" => kept.as_str()).increment(1);
    match kept {
        Kept::New => tracing::debug!(event = id, kind, "kept"),
        Kept::Duplicate => tracing::debug!(event = id, kind, "known already"),
        Kept::Conflict => {
            tracing::error!(event = id, kind, "another payload came under a known id; kept beside it");
        }
    }
    door.bell.ring();
    Ok(StatusCode::OK)
}
