//! Sends requests: pooled connections, one idempotency key for all tries, waits that Stripe and the budget agree to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use stripe_client_core::{
    CustomizedStripeRequest, RequestBuilder, RequestStrategy, StripeClient, StripeClientErr, StripeMethod,
};
use tracing::Instrument as _;
use url::Url;

use super::error::{self, Error, Result};
use super::key::{Key, SecretKey};
use super::limit::RateLimit;
use super::retry::{Spacing, Tried};
use super::{API_BASE, API_VERSION, Budget};

/// Answers larger than this are not read to their end: 16 MiB, some ten times the largest page of objects.
const LARGEST_ANSWER: usize = 16 << 20;

/// How the transport behaves. [`StripeConfig::new`] has the defaults; tests make the waits short.
#[derive(Clone, Debug)]
pub struct StripeConfig {
    /// The account's secret key.
    pub secret_key: SecretKey,
    /// Where the API is.
    pub api_base: Url,
    /// Requests a second at most, from this process.
    pub rate: u32,
    /// How long one try may take.
    pub try_timeout: Duration,
    /// Tries of one call.
    pub tries: u32,
    /// The wait before the second try; doubles with each, and is spread by chance.
    pub first_wait: Duration,
}

impl StripeConfig {
    /// The defaults for a key: 80 requests a second with a live key and 20 with a test key, below Stripe's 100 and 25
    /// (<https://docs.stripe.com/rate-limits>), four tries of at most 8 seconds.
    ///
    /// # Errors
    /// Where the base is no http address, or a live key would go over plain http.
    pub fn new(secret_key: SecretKey, api_base: Option<Url>) -> Result<Self> {
        let api_base = match api_base {
            Some(base) => base,
            None => Url::parse(API_BASE).map_err(|e| Error::Setup(e.to_string()))?,
        };
        let usable = matches!(api_base.scheme(), "http" | "https") && api_base.has_host();
        if !usable || api_base.query().is_some() || api_base.fragment().is_some() {
            return Err(Error::Setup(
                "the address of Stripe's API must be an http or https address without ? and #".to_owned(),
            ));
        }
        if secret_key.is_live() && api_base.scheme() != "https" {
            return Err(Error::Setup(
                "a live key is only sent over https: use a test key with this server".to_owned(),
            ));
        }
        let rate = if secret_key.is_live() { 80 } else { 20 };
        Ok(Self {
            secret_key,
            api_base,
            rate,
            try_timeout: Duration::from_secs(8),
            tries: 4,
            first_wait: Duration::from_millis(400),
        })
    }
}

/// An answer, when Stripe gave it, and what Stripe calls the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched<T> {
    /// What was asked for.
    pub value: T,
    /// Stripe's clock when it answered: what was read is at least as new as this.
    pub date: Timestamp,
    /// Stripe's name for the request, for its support and for logs.
    pub request_id: Option<String>,
}

impl<T> Fetched<T> {
    /// Another value of the same answer.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Fetched<U> {
        Fetched { value: f(self.value), date: self.date, request_id: self.request_id }
    }
}

/// How many calls came to what, since the start of the process.
#[derive(Debug, Default)]
pub struct Outcomes {
    /// Calls that were answered.
    pub answered: AtomicU64,
    /// Calls that Stripe refused, 4xx.
    pub refused: AtomicU64,
    /// Calls that a rate limit, Stripe's or ours, kept from an answer.
    pub rate_limited: AtomicU64,
    /// Calls that ended in a network error or a 5xx.
    pub unavailable: AtomicU64,
    /// Calls whose time was over.
    pub timed_out: AtomicU64,
    /// Calls whose answer could not be read.
    pub unreadable: AtomicU64,
    /// Tries beyond the first one of each call.
    pub retries: AtomicU64,
}

impl Outcomes {
    fn count<T>(&self, result: &Result<T>) {
        let counter = match result {
            Ok(_) => &self.answered,
            Err(Error::RateLimited) => &self.rate_limited,
            Err(Error::Unavailable { .. }) => &self.unavailable,
            Err(Error::Timeout) => &self.timed_out,
            Err(Error::Unreadable { .. } | Error::Setup(_)) => &self.unreadable,
            Err(Error::Refused(_) | Error::NotFound { .. } | Error::Unauthorized { .. }) => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// All calls so far, whatever they came to.
    pub fn calls(&self) -> u64 {
        let all = [
            &self.answered,
            &self.refused,
            &self.rate_limited,
            &self.unavailable,
            &self.timed_out,
            &self.unreadable,
        ];
        all.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
    }
}

/// The way to Stripe. Cheap to clone; clones share connections, rate limit and counters.
#[derive(Clone)]
pub struct Stripe(Arc<Inner>, Option<Arc<RateLimit>>);

struct Inner {
    config: StripeConfig,
    authorization: HeaderValue,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    limit: RateLimit,
    outcomes: Outcomes,
}

impl std::fmt::Debug for Stripe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stripe").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// What is the same in each try of a call.
struct Prepared {
    method: Method,
    uri: Uri,
    body: Bytes,
    /// What the body is written in.
    format: &'static str,
    key: Option<HeaderValue>,
}

/// A whole answer of 2xx.
struct Answer {
    body: Bytes,
    date: Timestamp,
    request_id: Option<String>,
}

impl Stripe {
    /// A transport. Connects to nothing yet.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn new(config: StripeConfig) -> Result<Self> {
        let setup =
            |e: &dyn std::fmt::Display| Error::Setup(format!("the client for Stripe cannot be set up: {e}"));
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", config.secret_key.expose()))
            .map_err(|e| setup(&e))?;
        authorization.set_sensitive(true);
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(|e| setup(&e))?;
        let tls = if config.api_base.scheme() == "https" { tls.https_only() } else { tls.https_or_http() };
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(Duration::from_secs(5)));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(50))
            .build(tls.enable_http1().wrap_connector(http));
        let limit = RateLimit::per_second(config.rate);
        Ok(Self(
            Arc::new(Inner { config, authorization, client, limit, outcomes: Outcomes::default() }),
            None,
        ))
    }

    /// The same way for work that can wait: it gets half of the rate at most, so that the other half is left to people.
    pub fn at_half_rate(&self) -> Self {
        let limit = RateLimit::per_second(self.0.config.rate / 2);
        Self(Arc::clone(&self.0), Some(Arc::new(limit)))
    }

    /// A key of our own, made of the secret key: the same in every process of the installation, another for each purpose.
    /// What was signed with it is worthless once the secret key is rolled.
    pub fn derive_key(&self, purpose: &str) -> [u8; 32] {
        self.0.config.secret_key.derive(purpose)
    }

    /// Whether the key moves real money.
    pub fn is_live(&self) -> bool {
        self.0.config.secret_key.is_live()
    }

    /// What calls came to so far.
    pub fn outcomes(&self) -> &Outcomes {
        &self.0.outcomes
    }

    /// Asks and reads the answer. A POST without a key gets one of its own, so that its tries are one deed.
    ///
    /// # Errors
    /// See [`Error`]; tries that may succeed later have been made again within the budget.
    pub async fn call<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        key: Option<&Key>,
        budget: Budget,
    ) -> Result<Fetched<T>> {
        // Of the level of what is told within: where only warnings are kept, they still say what they are about.
        let span = tracing::warn_span!("stripe", method = ?request.method, path = %request.path, status = tracing::field::Empty, request_id = tracing::field::Empty);
        async {
            let result = self.answer(request, key, budget).await.and_then(|answer| {
                let Answer { body, date, request_id } = answer;
                Ok(Fetched { value: error::read(&body)?, date, request_id })
            });
            self.finish(&result);
            result
        }
        .instrument(span)
        .await
    }

    fn finish<T>(&self, result: &Result<T>) {
        self.0.outcomes.count(result);
        match result {
            Ok(_) => tracing::debug!("answered"),
            // Often a question whether something is there.
            Err(error @ Error::NotFound { .. }) => tracing::debug!(%error, "not found"),
            // An answer as well: whoever asked knows whether it is any trouble.
            Err(error @ Error::Refused(_)) => tracing::info!(%error, "refused"),
            Err(error) => tracing::warn!(%error, "no answer that can be used"),
        }
    }

    async fn answer(&self, request: RequestBuilder, key: Option<&Key>, budget: Budget) -> Result<Answer> {
        let prepared = self.prepare(request, key)?;
        let Inner { config, limit, outcomes, .. } = &*self.0;
        let spacing = Spacing { first: config.first_wait, tries: config.tries };
        let mut tries = 0;
        let mut last = Error::RateLimited;
        loop {
            if let Some(share) = &self.1
                && !share.admit(budget).await
            {
                return Err(last);
            }
            if !limit.admit(budget).await {
                return Err(last);
            }
            tries += 1;
            let (result, tried) = self.attempt(&prepared, budget.at_most(config.try_timeout)).await;
            last = match result {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(wait) = spacing.wait(tried, tries, rand::random()) else { return Err(last) };
            if wait >= budget.left() {
                return Err(last);
            }
            outcomes.retries.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(error = %last, tries, wait_ms = wait.as_millis(), "trying again");
            tokio::time::sleep(wait).await;
        }
    }

    fn prepare(&self, request: RequestBuilder, key: Option<&Key>) -> Result<Prepared> {
        let RequestBuilder { query, body, path, method } = request;
        let base = self.0.config.api_base.as_str().trim_end_matches('/');
        let query =
            query.filter(|query| !query.is_empty()).map(|query| format!("?{query}")).unwrap_or_default();
        // The builders know version 1 of the API alone; what is asked of version 2 says so.
        let (version, format) = if path.starts_with("/v2/") {
            ("", "application/json")
        } else {
            ("/v1", "application/x-www-form-urlencoded")
        };
        let uri = format!("{base}{version}{path}{query}")
            .parse()
            .map_err(|_| Error::Setup("the request has no valid address".to_owned()))?;
        let (method, key) = match method {
            StripeMethod::Get => (Method::GET, None),
            StripeMethod::Delete => (Method::DELETE, None),
            StripeMethod::Post => (Method::POST, Some(key.cloned().unwrap_or_else(Key::random))),
        };
        let key = key
            .map(|key| HeaderValue::from_str(key.as_str()))
            .transpose()
            .map_err(|_| Error::Setup("the idempotency key is no header value".to_owned()))?;
        Ok(Prepared { method, uri, body: body.unwrap_or_default().into(), format, key })
    }

    /// One try, and what it means for another.
    async fn attempt(&self, prepared: &Prepared, budget: Budget) -> (Result<Answer>, Tried) {
        match tokio::time::timeout_at(budget.deadline(), self.exchange(prepared)).await {
            Ok(Ok((tried, result))) => (result, tried),
            Ok(Err(error)) => (Err(error), Tried::default()),
            Err(_) => (Err(Error::Timeout), Tried::default()),
        }
    }

    /// Sends and reads to the end. The outer error is the network's.
    async fn exchange(&self, prepared: &Prepared) -> Result<(Tried, Result<Answer>)> {
        let unavailable = |e: &dyn std::error::Error| {
            tracing::debug!(error = %e, "network error");
            Error::Unavailable { status: None }
        };
        let mut request = http::Request::builder()
            .method(prepared.method.clone())
            .uri(prepared.uri.clone())
            .header(AUTHORIZATION, self.0.authorization.clone())
            .header(USER_AGENT, concat!("billing-portal/", env!("CARGO_PKG_VERSION")))
            .header("stripe-version", API_VERSION);
        if let Some(key) = &prepared.key {
            request = request.header("idempotency-key", key.clone());
        }
        if !prepared.body.is_empty() {
            request = request.header(CONTENT_TYPE, prepared.format);
        }
        let request =
            request.body(Full::new(prepared.body.clone())).map_err(|e| Error::Setup(e.to_string()))?;
        let response = self.0.client.request(request).await.map_err(|e| unavailable(&e))?;
        let (parts, body) = response.into_parts();
        let request_id = text(&parts.headers, "request-id");
        let status = parts.status.as_u16();
        let span = tracing::Span::current();
        span.record("status", status);
        if let Some(id) = &request_id {
            span.record("request_id", id.as_str());
        }
        let body = match Limited::new(body, LARGEST_ANSWER).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                let tried = Tried { status: Some(status), should_retry: Some(false), retry_after: None };
                return Ok((
                    tried,
                    Err(Error::Unreadable { path: ".".to_owned(), reason: "larger than 16 MiB".to_owned() }),
                ));
            }
            Err(error) => return Err(unavailable(&*error)),
        };
        let tried = Tried {
            status: Some(status),
            should_retry: text(&parts.headers, "stripe-should-retry").and_then(|word| word.parse().ok()),
            retry_after: text(&parts.headers, RETRY_AFTER.as_str())
                .and_then(|s| s.parse().ok())
                .map(Duration::from_secs),
        };
        if !parts.status.is_success() {
            return Ok((tried, Err(error::from_answer(status, &body, request_id))));
        }
        Ok((tried, date(&parts.headers).map(|date| Answer { body, date, request_id })))
    }
}

/// A header as text, cut where it is longer than any that Stripe sends.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (value.len() <= 255).then(|| value.to_owned())
}

/// Stripe's clock: an answer without it cannot be put in order with events.
fn date(headers: &HeaderMap) -> Result<Timestamp> {
    let unreadable =
        || Error::Unreadable { path: "the header Date".to_owned(), reason: "missing, or no date".to_owned() };
    let value = text(headers, DATE.as_str()).ok_or_else(unreadable)?;
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(&value).map_err(|_| unreadable())
}

impl StripeClientErr for Error {
    fn deserialize_err(message: impl std::fmt::Display) -> Self {
        Self::Unreadable { path: ".".to_owned(), reason: message.to_string() }
    }
}

/// The typed way of async-stripe over this transport: `request.customize().request_strategy(…).send(&stripe)`.
impl StripeClient for Stripe {
    type Err = Error;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes> {
        let (request, overrides) = request.into_pieces();
        let key = overrides
            .request_strategy
            .as_ref()
            .and_then(RequestStrategy::get_key)
            .map(|key| Key::new(key.into_inner()));
        let key = key.transpose().map_err(|e| Error::Setup(e.to_string()))?;
        let budget = overrides.timeout.map_or_else(Budget::page, Budget::of);
        let result = self.answer(request, key.as_ref(), budget).await.map(|answer| answer.body);
        self.finish(&result);
        result
    }
}
