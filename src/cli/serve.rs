//! The commands that serve until they are stopped.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
#[cfg(feature = "sandbox")]
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Failure;
use crate::app::App;
use crate::web::server::{Limits, serve, stop_signal};
use crate::{api, auth, metrics, worker};
#[cfg(feature = "sandbox")]
use crate::{
    demo,
    sandbox::{self, Sandbox},
};

/// How often sessions that are over are forgotten.
const SWEEP: Duration = Duration::from_secs(600);

/// Serves the portal and does its background work until the system asks it to stop; then answers what was begun.
pub(super) async fn portal(
    app: App,
    listen: SocketAddr,
    metrics_listen: Option<SocketAddr>,
    router: Router,
) -> Result<(), Failure> {
    let listener = bind(listen).await?;
    if let Some(address) = metrics_listen {
        let (listener, handle) = (bind(address).await?, metrics::web::install()?);
        tracing::info!(address = %listener.local_addr()?, "metrics at /metrics");
        // It ends with the process: nobody waits for the last figures.
        tokio::spawn(metrics::web::serve(listener, app.clone(), handle, std::future::pending()));
    }
    tracing::info!(address = %listener.local_addr()?, url = %app.config.site.public_url, "serving");
    run(app, listener, router, stop_signal()).await;
    Ok(())
}

/// Serves on a listener until `stop` is done, the background work with it.
pub(crate) async fn run(app: App, listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let (halt, halted) = watch::channel(false);
    let worker = tokio::spawn(worker::run(app.clone(), halted));
    let sweeper = tokio::spawn(sweep(app.clone()));
    serve(listener, router, Limits::default(), stop).await;
    sweeper.abort();
    halt.send_replace(true);
    // Claims are released and what is half-way is finished; a step that hangs is left to its lease.
    let _ = worker.await;
    app.inbox.stop().await;
    app.db.close().await;
}

/// Forgets sessions and tries to sign in that are over, every ten minutes.
async fn sweep(app: App) {
    loop {
        if let Err(error) = api::work::sweep(&app.db, &app.clock).await {
            tracing::warn!(%error, "old answers of the API were not forgotten; a little later again");
        }
        if let Err(error) = auth::work::sweep(&app.auth).await {
            tracing::warn!(%error, "cannot forget what is over; trying again later");
        }
        tokio::time::sleep(SWEEP).await;
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}").into())
}

/// What `demo` may be told.
#[cfg(feature = "sandbox")]
#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// The address to listen on
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The address of the Stripe sandbox
    #[arg(long, env = "SANDBOX_LISTEN", default_value = "127.0.0.1:12111")]
    sandbox_listen: SocketAddr,
}

/// What `sandbox` may be told.
#[cfg(feature = "sandbox")]
#[derive(Args, Debug)]
pub(super) struct SandboxArgs {
    /// The address to listen on
    #[arg(long, env = "SANDBOX_LISTEN", default_value = "127.0.0.1:12111")]
    listen: SocketAddr,
    /// Where events are sent to
    #[arg(long)]
    webhook_url: Option<url::Url>,
    /// The secret that they are signed with (`whsec_…`)
    #[arg(long, requires = "webhook_url")]
    webhook_secret: Option<String>,
}

#[cfg(feature = "sandbox")]
pub(super) async fn demo(args: DemoArgs) -> Result<(), Failure> {
    let listener = bind(args.listen).await?;
    let demo = demo::start(listener.local_addr()?, args.sandbox_listen).await?;
    Box::pin(demo::serve(demo, listener, stop_signal())).await
}

#[cfg(feature = "sandbox")]
pub(super) async fn sandbox(args: SandboxArgs) -> Result<(), Failure> {
    let config = sandbox::Config {
        webhook_url: args.webhook_url.map(String::from),
        webhook_secret: args.webhook_secret,
        listen: args.listen,
        ..sandbox::Config::default()
    };
    let sandbox =
        Sandbox::start(config).await.map_err(|error| format!("cannot listen on {}: {error}", args.listen))?;
    super::say(format_args!(
        "The Stripe sandbox listens on {url}. Use any key that starts with sk_test_. It keeps nothing when it stops.\n\
         For a portal beside it: STRIPE_API_BASE={url} STRIPE_REDIRECT_ORIGINS={url}",
        url = sandbox.url()
    ));
    stop_signal().await;
    sandbox.stop().await;
    Ok(())
}
