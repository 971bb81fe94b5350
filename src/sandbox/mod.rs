//! A Stripe-compatible server for demos and tests: stateful, in memory, over HTTP.
//!
//! It speaks Stripe's API version [`API_VERSION`] with test keys only, keeps customers, catalogue, subscriptions and invoices,
//! bills them as its clock moves, and sends signed webhooks. It is an outsider: it uses nothing of the portal, and the portal
//! reaches it by its URL alone. It never talks to Stripe and refuses live keys.
//!
//! - `http` takes requests in, `routes` finds what carries them out, `objects` are the resources;
//! - `billing` is the engine: what is due when, what it costs, who pays it; a preview is the real thing, rolled back;
//! - `store` keeps the objects and a journal, `state` is everything behind one mutex, `engine` the only way to it;
//! - `events` and `deliver` tell the world; `control` holds the switches under `/_sandbox/`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

mod actions;
mod billing;
mod cards;
mod clock;
mod control;
mod copies;
mod deliver;
mod drift;
mod engine;
mod errors;
mod events;
mod expand;
mod faults;
mod form;
mod http;
mod idempotency;
mod ids;
mod json;
mod list;
mod objects;
mod pages;
mod pdf;
mod routes;
mod server;
mod settings;
mod state;
mod store;

use engine::Handle;
use state::{Cause, State};

/// The version of Stripe's API that the sandbox speaks.
pub const API_VERSION: &str = "2026-09-30.endive";

/// How a sandbox starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The origin that browsers see in the URLs of hosted pages; the address listened on when none.
    pub public_url: Option<String>,
    /// Where to send all webhooks from the start; more endpoints can be made over the API.
    pub webhook_url: Option<String>,
    /// The signing secret (`whsec_…`) of that endpoint; a random one when none.
    pub webhook_secret: Option<String>,
    /// Unix seconds at which the sandbox's clock starts; the system's time when none.
    pub start: Option<i64>,
    /// The clock stands still until it is moved by `/_sandbox/clock`, and so does the time in webhook signatures.
    pub frozen: bool,
    /// Makes ids repeatable.
    pub seed: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_url: None,
            webhook_url: None,
            webhook_secret: None,
            start: None,
            frozen: false,
            seed: None,
        }
    }
}

/// A running sandbox. It ends when it is stopped or dropped.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: Option<JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts listening, billing and delivering.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn start(config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let public_url = config.public_url.unwrap_or_else(|| format!("http://{address}"));
        let clock = clock::Clock::new(config.start, config.frozen);
        let mut state = State::new(clock, config.seed, public_url.trim_end_matches('/').to_owned());
        objects::seed(&mut state, config.webhook_url.as_deref(), config.webhook_secret.as_deref());
        let handle = Handle::new(state);
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(server::serve(listener, http::router(handle.clone()), stopped));
        let workers = vec![tokio::spawn(deliver::work(handle.clone())), tokio::spawn(tick(handle))];
        Ok(Self { address, stop, server: Some(server), workers })
    }

    /// The base address, without a trailing slash: `http://127.0.0.1:12111`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops accepting, lets requests in flight end for some seconds, then ends.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(server) = self.server.take() {
            // A panic of the server has been reported by its task.
            let _ = server.await;
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for worker in &self.workers {
            worker.abort();
        }
    }
}

/// Lets what is due happen as the world's time passes, once a second.
async fn tick(handle: Handle) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        seconds.tick().await;
        let done = handle.run(Cause::default(), |_| Ok(json!(null)));
        debug_assert!(done.is_ok(), "nothing was asked for");
    }
}
