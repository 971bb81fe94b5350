//! The host's published keys: a file or an address, read again when a token names a key that is not among them.
//!
//! Reading has a cool-down, so that tokens with made-up keys do not become requests to the host; what was read last stays in
//! use while the source fails. Once an hour the set is read again in any case, beside the requests: a key that was withdrawn
//! stops working.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::JwkSet;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;
use url::Url;

use crate::error::Cause;

/// The largest set, in bytes.
const LARGEST: usize = 256 * 1024;

/// How often a set is read, and how long that may take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The least time between two readings.
    pub cool_down: Duration,
    /// How long a set is used without being read again.
    pub fresh: Duration,
    /// How long reading may take.
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            cool_down: Duration::from_secs(30),
            fresh: Duration::from_secs(3600),
            patience: Duration::from_secs(5),
        }
    }
}

/// A set of keys and where it comes from. Cloning is cheap.
#[derive(Clone)]
pub struct Jwks(Arc<Inner>);

struct Inner {
    source: Source,
    known: RwLock<Known>,
    /// One reading at a time.
    reading: Mutex<()>,
    pace: Pace,
}

#[derive(Clone, Default)]
struct Known {
    keys: Option<Arc<JwkSet>>,
    read_at: Option<Instant>,
    tried_at: Option<Instant>,
}

/// Where a set comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// An address; https, or http on this machine.
    Url(Url),
}

/// The text is no place to read keys from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither a file nor an https address (http is for this machine alone)")]
pub struct NotASource;

impl std::str::FromStr for Source {
    type Err = NotASource;

    fn from_str(text: &str) -> Result<Self, NotASource> {
        if !text.contains("://") {
            return Ok(Self::File(text.into()));
        }
        let url: Url = text.parse().map_err(|_| NotASource)?;
        let is_here = match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        match url.scheme() {
            "https" => Ok(Self::Url(url)),
            "http" if is_here => Ok(Self::Url(url)),
            _ => Err(NotASource),
        }
    }
}

impl fmt::Display for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.source {
            Source::File(path) => path.display().fmt(f),
            Source::Url(url) => url.fmt(f),
        }
    }
}

impl Jwks {
    /// A set from a file, which is read now and must hold keys; or from an address, which is asked when a token comes.
    ///
    /// # Errors
    /// The file cannot be read, or holds no keys.
    pub fn new(source: Source) -> Result<Self, Cause> {
        if let Source::File(path) = &source {
            parse(&std::fs::read(path)?)?;
        }
        Ok(Self::with_pace(source, Pace::default()))
    }

    /// A set that is read when it is first needed, and at another pace than the usual one.
    pub fn with_pace(source: Source, pace: Pace) -> Self {
        let (known, reading) = (RwLock::default(), Mutex::new(()));
        Self(Arc::new(Inner { source, known, reading, pace }))
    }

    /// The set; none where it could never be read. One that lacks the key of that id is read again first. One that is merely old
    /// is read again beside the request, which is answered by what is known: a source that is down delays nobody.
    pub(super) async fn holding(&self, kid: Option<&str>) -> Option<Arc<JwkSet>> {
        let known = self.known();
        let holds = known.keys.as_ref().is_some_and(|keys| kid.is_none_or(|kid| keys.find(kid).is_some()));
        let is_fresh = known.read_at.is_some_and(|at| at.elapsed() < self.0.pace.fresh);
        match (holds, is_fresh) {
            (true, true) => known.keys,
            (true, false) => {
                let set = self.clone();
                let refresh = async move {
                    // Somebody else is at it already.
                    if let Ok(_one) = set.0.reading.try_lock()
                        && set.may_read()
                    {
                        set.read_again().await;
                    }
                };
                if self.may_read() {
                    tokio::spawn(refresh.in_current_span());
                }
                known.keys
            }
            (false, _) => self.newer(known.keys.as_ref()).await.or(known.keys),
        }
    }

    /// A set that is not `known`, where there is one: for a token that fits none of the known keys, but may fit one of a rotation.
    pub(super) async fn newer(&self, known: Option<&Arc<JwkSet>>) -> Option<Arc<JwkSet>> {
        let another = || self.known().keys.filter(|keys| known.is_none_or(|known| !Arc::ptr_eq(known, keys)));
        if self.may_read() {
            let _one = self.0.reading.lock().await;
            if another().is_none() && self.may_read() {
                self.read_again().await;
            }
        }
        another()
    }

    fn known(&self) -> Known {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the last try is long enough ago.
    fn may_read(&self) -> bool {
        self.known().tried_at.is_none_or(|at| at.elapsed() >= self.0.pace.cool_down)
    }

    async fn read_again(&self) {
        let read = match timeout(self.0.pace.patience, self.0.source.read()).await {
            Ok(read) => read,
            Err(_) => Err("no answer in time".into()),
        };
        let now = Instant::now();
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        known.tried_at = Some(now);
        match read {
            Ok(keys) => {
                tracing::info!(keys = keys.keys.len(), "read the keys that tokens are signed with");
                (known.keys, known.read_at) = (Some(Arc::new(keys)), Some(now));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot read the keys that tokens are signed with; those known stay in use");
            }
        }
    }
}

impl Source {
    async fn read(&self) -> Result<JwkSet, Cause> {
        let bytes = match self {
            Self::File(path) => Bytes::from(tokio::fs::read(path).await?),
            Self::Url(url) => fetch(url).await?,
        };
        parse(&bytes)
    }
}

fn parse(bytes: &[u8]) -> Result<JwkSet, Cause> {
    let keys: JwkSet = serde_json::from_slice(bytes)?;
    if keys.keys.is_empty() { Err("there is no key in the set".into()) } else { Ok(keys) }
}

/// A connection for each: keys are fetched once an hour. Redirects are not followed.
async fn fetch(url: &Url) -> Result<Bytes, Cause> {
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .build();
    let client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).build(tls);
    let request = http::Request::get(url.as_str())
        .header(http::header::ACCEPT, "application/json")
        .body(Empty::new())?;
    let response = client.request(request).await?;
    if !response.status().is_success() {
        return Err(format!("the answer was {}", response.status()).into());
    }
    let body =
        Limited::new(response.into_body(), LARGEST).collect().await.map_err(|error| error.to_string())?;
    Ok(body.to_bytes())
}
