//! The sandbox's switches, over HTTP: what Stripe has no endpoint for.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

use crate::cli::Failure;
use crate::clock::from_seconds;

/// Playing a century takes longer than this; a month does not.
const PATIENCE: Duration = Duration::from_secs(60);

/// The switches of one sandbox.
#[derive(Clone, Debug)]
pub struct Control {
    client: Client<HttpConnector, Full<Bytes>>,
    base: Url,
}

impl Control {
    /// Those of the sandbox at that address.
    pub fn new(base: Url) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), base }
    }

    /// Moves the sandbox's clock; everything due on the way happens. The time it then is.
    ///
    /// # Errors
    /// The sandbox did not answer, or refused.
    pub async fn advance(&self, to: Timestamp) -> Result<Timestamp, Failure> {
        let clock = self.ask(Method::POST, "clock/advance", &json!({ "to": to.as_second() })).await?;
        Ok(from_seconds(clock["now"].as_i64().unwrap_or_default()))
    }

    /// When the next thing is due; `None` if nothing is.
    ///
    /// # Errors
    /// The sandbox did not answer, or refused.
    pub async fn due(&self) -> Result<Option<Timestamp>, Failure> {
        let clock = self.ask(Method::GET, "clock", &Value::Null).await?;
        Ok(clock["next"]["at"].as_i64().map(from_seconds))
    }

    /// Waits until every webhook was delivered.
    ///
    /// # Errors
    /// The sandbox did not answer.
    pub async fn idle(&self) -> Result<(), Failure> {
        self.ask(Method::GET, "idle?timeout_ms=30000", &Value::Null).await.map(drop)
    }

    /// Makes a customer's saved cards behave like another test card.
    ///
    /// # Errors
    /// The sandbox did not answer, or refused.
    pub async fn card(&self, customer: &str, number: &str) -> Result<(), Failure> {
        self.ask(Method::POST, "cards", &json!({ "customer": customer, "number": number })).await.map(drop)
    }

    /// Lets the world's time of a frozen clock pass, in seconds: signatures carry it.
    ///
    /// # Errors
    /// The sandbox did not answer.
    pub async fn pass(&self, seconds: i64) -> Result<(), Failure> {
        self.ask(Method::POST, "clock/pass", &json!({ "seconds": seconds })).await.map(drop)
    }

    /// Asks anything else of `/_sandbox/`; a body of null is none.
    ///
    /// # Errors
    /// The sandbox did not answer, or refused.
    pub async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        let uri = self.base.join("/_sandbox/")?.join(path)?;
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = Request::builder()
            .method(method)
            .uri(uri.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let answer = tokio::time::timeout(PATIENCE, self.client.request(request)).await??;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        if status != StatusCode::OK {
            return Err(format!("the sandbox answered {status} to {path}").into());
        }
        Ok(serde_json::from_slice(&bytes)?)
    }
}
