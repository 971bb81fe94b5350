//! Where Prometheus reads: a listener of its own, so that the figures are not on the internet with the pages.

use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use super::{names, store};
use crate::app::App;
use crate::error::Result;
use crate::stripe::Outcomes;
use crate::web::server::{Limits, serve as serve_on};

/// Bounds of the histogram of answers, in seconds: the bar is 5 milliseconds.
const BOUNDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.3, 1.0, 5.0, 10.0];

/// How often histograms are folded, so that they stay small when nobody reads them.
const UPKEEP: Duration = Duration::from_secs(30);

/// Begins to count, once for the process.
///
/// # Errors
/// Something else of the process counts already.
pub fn install() -> std::result::Result<PrometheusHandle, BuildError> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new().set_buckets(&BOUNDS)?.install_recorder()?;
    describe();
    Ok(HANDLE.get_or_init(|| handle).clone())
}

fn describe() {
    describe_counter!(names::REQUESTS, "Requests by method, route and status");
    describe_histogram!(names::DURATION, Unit::Seconds, "Time until an answer, by method and route");
    describe_counter!(names::DELIVERIES, "Stripe's deliveries by outcome");
    describe_gauge!(names::EVENTS, "Events that are not finished, by state");
    describe_gauge!(names::OLDEST, Unit::Seconds, "Age of the oldest event that is to be worked on");
    describe_gauge!(names::LAST, Unit::Seconds, "When the last event came, unix time");
    describe_gauge!(names::QUEUE, "What waits, by queue");
    describe_counter!(names::MAILS, "Mails by outcome");
    describe_counter!(names::STRIPE, "Calls to Stripe by outcome");
    describe_counter!(names::RETRIES, "Tries of calls to Stripe beyond the first");
    describe_gauge!(names::ALARMS, "Alarms that are on");
}

/// `GET /metrics`.
pub fn router(app: App, handle: PrometheusHandle) -> Router {
    Router::new().route("/metrics", get(read)).with_state((app, handle))
}

/// Serves on a listener until `stop` is done.
pub async fn serve(
    listener: TcpListener,
    app: App,
    handle: PrometheusHandle,
    stop: impl Future<Output = ()>,
) {
    let folding = handle.clone();
    let upkeep = tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            folding.run_upkeep();
        }
    });
    let limits = Limits { connections: 16, stop: Duration::from_secs(2), ..Limits::default() };
    serve_on(listener, router(app, handle), limits, stop).await;
    upkeep.abort();
}

async fn read(State((app, handle)): State<(App, PrometheusHandle)>) -> Result<Response> {
    let depths = store::depths(&mut app.db.read().await?).await?;
    show(&depths, app.clock.wall().as_second());
    count_calls(app.stripe.outcomes());
    let kind = (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    Ok(([kind], handle.render()).into_response())
}

fn show(depths: &store::Depths, wall: i64) {
    let set = |name: &'static str, value: i64| gauge!(name).set(float(value));
    let by_state = [("pending", depths.pending), ("waiting", depths.waiting), ("parked", depths.parked)];
    for (state, count) in by_state {
        gauge!(names::EVENTS, "state" => state).set(float(count));
    }
    set(names::OLDEST, depths.oldest_pending.map_or(0, |at| (wall - at).max(0)));
    set(names::LAST, depths.last_received.unwrap_or(0));
    set(names::ALARMS, depths.alarms);
    for (queue, count) in [
        ("mails", depths.mails),
        ("mails_failed", depths.mails_failed),
        ("usage", depths.usage),
        ("usage_parked", depths.usage_parked),
        ("dunning", depths.dunning),
        ("audit", depths.audit),
    ] {
        gauge!(names::QUEUE, "queue" => queue).set(float(count));
    }
}

fn count_calls(outcomes: &Outcomes) {
    for (outcome, count) in [
        ("answered", &outcomes.answered),
        ("refused", &outcomes.refused),
        ("rate_limited", &outcomes.rate_limited),
        ("unavailable", &outcomes.unavailable),
        ("timed_out", &outcomes.timed_out),
        ("unreadable", &outcomes.unreadable),
    ] {
        counter!(names::STRIPE, "outcome" => outcome).absolute(count.load(Ordering::Relaxed));
    }
    counter!(names::RETRIES).absolute(outcomes.retries.load(Ordering::Relaxed));
}

/// Prometheus knows no whole numbers; counts and times stay far below 2^53, where it begins to round.
fn float(number: i64) -> f64 {
    number as f64
}
