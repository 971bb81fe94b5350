//! Figures for Prometheus: what they are called, and where they are read. Off unless `METRICS_LISTEN` names an address.
//!
//! Features count by the `metrics` facade, which costs next to nothing while nobody listens; depths of queues are read from the
//! database when Prometheus asks. Exposition is `metrics-exporter-prometheus` without its own HTTP server, push gateway and
//! TLS: the portal's server serves it. Finished events are counted as they come and not as a stock: a stock of millions would
//! be counted anew every few seconds.

pub mod store;
pub mod web;

/// What the figures are called.
pub mod names {
    /// Requests by `method`, `route` and `status`.
    pub const REQUESTS: &str = "billing_portal_http_requests_total";
    /// Seconds until an answer, by `method` and `route`.
    pub const DURATION: &str = "billing_portal_http_request_duration_seconds";
    /// Deliveries of Stripe's by `outcome`: new, duplicate, conflict, refused.
    pub const DELIVERIES: &str = "billing_portal_webhook_deliveries_total";
    /// Events that are not finished, by `state`: pending, waiting, parked.
    pub const EVENTS: &str = "billing_portal_webhook_events";
    /// Seconds since the oldest event came that is to be worked on; nought where there is none.
    pub const OLDEST: &str = "billing_portal_webhook_oldest_pending_seconds";
    /// When the last event came; unix seconds, nought where none ever did.
    pub const LAST: &str = "billing_portal_webhook_last_received_timestamp_seconds";
    /// What waits, by `queue`: mails, `mails_failed`, usage, `usage_parked`, dunning, audit.
    pub const QUEUE: &str = "billing_portal_queue_depth";
    /// Mails by `outcome`: sent, kept, again, failed.
    pub const MAILS: &str = "billing_portal_mails_total";
    /// Calls to Stripe by `outcome`.
    pub const STRIPE: &str = "billing_portal_stripe_calls_total";
    /// Tries of calls to Stripe beyond the first.
    pub const RETRIES: &str = "billing_portal_stripe_retries_total";
    /// Alarms that are on.
    pub const ALARMS: &str = "billing_portal_alarms";
}
