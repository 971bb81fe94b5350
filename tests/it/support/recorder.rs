//! A recording proxy between the portal and the sandbox.
//!
//! What passes is kept as it went over the wire. When the recorder is dropped at the end of a test, every exchange is held
//! against Stripe's own API description; see [`super::openapi`].

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::openapi::{self, Exchange, Verdict};

/// A proxy before one upstream; it stops, and judges what passed, when dropped.
pub(crate) struct Recorder {
    address: SocketAddr,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
    accepting: JoinHandle<()>,
}

impl Recorder {
    /// Starts a proxy on a free port of loopback that passes everything on to `upstream`.
    pub(crate) async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let exchanges = Arc::<Mutex<Vec<Exchange>>>::default();
        let accepting = tokio::spawn(accept(listener, upstream, Arc::clone(&exchanges)));
        Self { address, exchanges, accepting }
    }

    /// Where the portal finds what it takes for Stripe.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that has passed so far.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What Stripe's description says about everything that has passed; clean where the description is absent.
    pub(crate) fn verdict(&self) -> Verdict {
        let mut verdict = Verdict::default();
        let Some(description) = openapi::description() else { return verdict };
        for exchange in self.exchanges() {
            let of_exchange = description.judge(&exchange);
            verdict.violations.extend(of_exchange.violations);
            verdict.warnings.extend(of_exchange.warnings);
        }
        verdict.violations.dedup();
        verdict.warnings.dedup();
        verdict
    }

    /// Drops what was recorded so far: a test that sent something wrong on purpose has looked at it already.
    pub(crate) fn forget(&self) {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
        if !std::thread::panicking() {
            self.verdict().assert_clean();
        }
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, exchanges: Arc<Mutex<Vec<Exchange>>>) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    while let Ok((socket, _)) = listener.accept().await {
        let (client, exchanges) = (client.clone(), Arc::clone(&exchanges));
        let service =
            service_fn(move |request| pass(request, upstream, client.clone(), Arc::clone(&exchanges)));
        tokio::spawn(async move {
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
            // A client that hangs up early is its own affair.
            let _ = connection.await;
        });
    }
}

async fn pass(
    request: Request<Incoming>,
    upstream: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (mut parts, body) = request.into_parts();
    let sent = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let method = parts.method.to_string();
    let (path, query) = (parts.uri.path().to_owned(), parts.uri.query().unwrap_or_default().to_owned());
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    parts.uri = format!("http://{upstream}{target}").parse().expect("an address with a path");
    parts.headers.remove(http::header::HOST);
    let Ok(answer) = client.request(Request::from_parts(parts, Full::new(sent.clone()))).await else {
        // The upstream is down: hang up with an answer of the proxy's own, which no description has to fit.
        return Ok(Response::builder().status(502).body(Full::default()).expect("a plain answer"));
    };
    let (mut parts, body) = answer.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    parts.headers.remove(http::header::TRANSFER_ENCODING);
    exchanges.lock().unwrap_or_else(PoisonError::into_inner).push(Exchange {
        method,
        path,
        query,
        body: sent.to_vec(),
        status: parts.status.as_u16(),
        answer: body.to_vec(),
    });
    Ok(Response::from_parts(parts, Full::new(body)))
}
