//! What every page shares: layout, forms, flash messages, assets, headers, errors as pages, and the server itself.
//!
//! [`furnish`] wraps the routes of the features with all of it. Nothing here knows a feature, a table or Stripe; who is signed in
//! is told to [`Visit`] by `auth`.

mod address;
pub mod assets;
pub mod cookies;
mod csv;
mod errors;
mod flash;
mod form;
mod headers;
pub mod health;
mod language;
mod narrow;
mod origin;
mod page;
mod redirect;
pub mod server;
mod site;
mod visit;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

pub use address::{ClientAddress, Peer};
pub use csv::Csv;
pub use errors::Told;
pub(crate) use errors::for_program;
pub use flash::{Flash, Tone};
pub(crate) use form::collect;
pub use form::{FORM_LIMIT, Form, Nothing};
pub use headers::no_referrer;
pub use language::LanguageChoice;
pub use narrow::{Named, Narrowing, narrowed, narrows};
pub use page::{Html, Page};
pub use redirect::{Redirect, local_path, redirect, redirect_out};
pub use site::{STRIPE_ORIGINS, Site};
pub use visit::{ActingFor, Notice, NoticeAction, Person, TenantChoice, Visit};

use crate::error::Error;
use crate::metrics::names;

/// Puts around the routes of all features what every answer has: headers, errors as pages, language, flash messages, assets.
///
/// Session layers belong inside, on the router that is handed in. Answers without words, such as the router's own 404 and 405,
/// are dressed like every other error.
pub fn furnish<S: Clone + Send + Sync + 'static>(routes: Router<S>, site: Arc<Site>) -> Router<S> {
    routes
        .merge(assets::router())
        .layer(CatchPanicLayer::custom(answer_to_a_panic))
        .layer(from_fn_with_state(site, answer))
}

/// What happens to every request, from the outside.
async fn answer(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    let visit = Visit::begin(site, &request);
    let started = tokio::time::Instant::now();
    let span = tracing::warn_span!("request", id = %visit.request_id(), method = %visit.method(), route = visit.route());
    request.extensions_mut().insert(Arc::clone(&visit));
    let response = async {
        let response = match origin::check(&visit, request.headers()) {
            Ok(()) => next.run(request).await,
            Err(error) => error.into_response(),
        };
        let mut response = errors::render(&visit, response);
        if response.extensions().get::<Told>().is_some() {
            response.extensions_mut().insert(Arc::clone(&visit));
        }
        let elapsed = started.elapsed();
        count(&visit, response.status(), elapsed);
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(status = response.status().as_u16(), millis, "answered");
        response
    }
    .instrument(span)
    .await;
    headers::furnish(&visit, cookies::furnish(&visit, response))
}

/// Counts an answer by the pattern of its route, which is one of a few: an address that a stranger makes up is not.
fn count(visit: &Visit, status: http::StatusCode, elapsed: std::time::Duration) {
    let method = match visit.method().as_str() {
        method @ ("GET" | "POST" | "HEAD" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => method.to_owned(),
        _ => "other".to_owned(),
    };
    let route = visit.route().to_owned();
    let status = status.as_str().to_owned();
    metrics::counter!(names::REQUESTS, "method" => method.clone(), "route" => route.clone(), "status" => status)
        .increment(1);
    metrics::histogram!(names::DURATION, "method" => method, "route" => route).record(elapsed.as_secs_f64());
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is the layer's")]
fn answer_to_a_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let words =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Error::internal(format!("a handler panicked: {}", words.unwrap_or("without a word"))).into_response()
}
