//! For load balancers: is the process alive, and can it serve.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderName, StatusCode, header};

/// Marks an answer whose plain words are meant: it is not dressed as a page.
pub(super) const PLAIN: HeaderName = HeaderName::from_static("x-health");

/// `/healthz` is green as long as the process answers; `/readyz` as long as `ready` says so: database reachable, schema current.
pub fn router<S, F>(ready: impl Fn(S) -> F + Clone + Send + Sync + 'static) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    F: Future<Output = bool> + Send + 'static,
{
    let readyz = move |axum::extract::State(state): axum::extract::State<S>| {
        let ready = ready.clone();
        async move { answer(ready(state).await) }
    };
    Router::new().route("/healthz", get(|| async { answer(true) })).route("/readyz", get(readyz))
}

fn answer(good: bool) -> Response {
    let (status, word) =
        if good { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "unavailable") };
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (PLAIN, word)], format!("{word}\n"))
        .into_response()
}
