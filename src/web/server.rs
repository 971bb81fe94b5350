//! The server: hyper with limits that a stranger cannot stretch.
//!
//! A connection that drips its headers, stalls its body or does nothing is closed; there are only so many of them; and a stop
//! waits for the answers that were begun, but not for what never became a request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::Request;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};
use tower::ServiceExt as _;
use tower::util::Oneshot;

use super::Peer;

/// What a client may take of the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time for the whole head of a request, and for a connection to stay without one.
    pub header: Duration,
    /// Time for the whole body of a request.
    pub body: Duration,
    /// Connections at once; more wait in the system's queue.
    pub connections: usize,
    /// Time that a stop waits for the answers that were begun.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(10),
            body: Duration::from_secs(20),
            connections: 4096,
            stop: Duration::from_secs(25),
        }
    }
}

/// The most that the head of a request may hold, in bytes.
const HEAD_LIMIT: usize = 32 * 1024;

/// Serves until `stop` is done, then answers what was begun and returns.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = tokio::select! {
            () = &mut stop => break,
            next = accept(&listener, &places) => next,
        };
        let Some((stream, peer, place)) = next else { continue };
        let connection = connection(stream, peer, router.clone(), limits);
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that goes away or is too slow is no event of ours.
            let _ = watched.await;
            drop(place);
        });
    }
    drop(listener);
    tracing::info!(connections = graceful.count(), "stopping: answering what was begun");
    if timeout(limits.stop, graceful.shutdown()).await.is_err() {
        tracing::warn!("stopped with connections that would not end");
    }
}

/// A place first, then a connection: whoever finds no place waits in the system's queue.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            let _ = stream.set_nodelay(true);
            Some((stream, peer, place))
        }
        Err(error) => {
            // Out of file handles, most likely: some will come back.
            tracing::warn!(%error, "a connection could not be accepted");
            sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
) -> http1::Connection<TokioIo<TcpStream>, Door> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_header_size(HEAD_LIMIT)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), Door { router, peer, limits })
}

/// From a connection to the router: each request learns who asks, each body gets its time.
struct Door {
    router: Router,
    peer: SocketAddr,
    limits: Limits,
}

impl Service<Request<Incoming>> for Door {
    type Response = axum::response::Response;
    type Error = Infallible;
    type Future = Oneshot<Router, Request<Body>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let mut request = request.map(|body| Body::new(Deadline::new(body, self.limits.body)));
        request.extensions_mut().insert(Peer(self.peer));
        self.router.clone().oneshot(request)
    }
}

/// A body that must be whole in time.
struct Deadline {
    body: Incoming,
    allowed: Duration,
    /// Runs from the first look at the body: an address that reads none pays for none.
    clock: Option<Pin<Box<Sleep>>>,
}

/// The body was not whole in time.
#[derive(Debug, thiserror::Error)]
#[error("the body took too long")]
struct TooSlow;

impl Deadline {
    fn new(body: Incoming, allowed: Duration) -> Self {
        Self { body, allowed, clock: None }
    }
}

impl HttpBody for Deadline {
    type Data = Bytes;
    type Error = crate::error::Cause;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let allowed = self.allowed;
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + allowed)));
        clock.as_mut().poll(context).map(|()| Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Done when the system asks the process to stop: SIGTERM, or Ctrl-C in a terminal.
pub async fn stop_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
