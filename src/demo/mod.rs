//! The demo: the real portal on a database of its own, a Stripe sandbox beside it, companies in every state, and a time
//! machine that moves both.
//!
//! Nothing here takes a shortcut into the portal's rows of money: the companies subscribe, pay and fail in the sandbox, and
//! the portal learns of it from signed webhooks, as it would from Stripe.

pub mod cast;
mod control;
pub use control::Control;
mod seeds;
mod usage;
pub mod web;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::{Extension, Router};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use url::Url;

use crate::app::{self, App};
use crate::audit::Actor;
use crate::catalog::install;
use crate::cli::{Failure, say};
use crate::clock::{Clock, from_seconds};
use crate::config::{Config, WebhookSecrets};
use crate::db::Db;
use crate::id;
use crate::mail;
use crate::reconcile;
use crate::sandbox::{self, Sandbox};
use crate::stripe::{Stripe, StripeConfig};
use crate::web::Site;
use crate::worker;

/// How long before today the demo's history begins.
const HISTORY_DAYS: i64 = 100;

/// A demo that is put together: the sandbox runs, the portal is ready to serve.
pub struct Demo {
    app: App,
    sandbox: Sandbox,
    machine: Arc<TimeMachine>,
    folder: PathBuf,
}

/// Moves the portal's time and the sandbox's together.
#[derive(Debug)]
pub struct TimeMachine {
    control: Control,
    clock: Clock,
    /// One journey at a time.
    busy: Mutex<()>,
    /// Companies and people, in the order of the page. Filled by the seeds.
    cast: std::sync::OnceLock<Vec<cast::Company>>,
}

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// 24 hours.
    Day,
    /// A month of the calendar.
    Month,
    /// To the next thing that is due in the sandbox.
    Next,
    /// To that moment.
    To(Timestamp),
}

/// All pages of a portal that is a demo: its own, and those about who to be and what time it is.
pub fn pages(machine: &Arc<TimeMachine>) -> Router<App> {
    app::pages().merge(web::router()).layer(Extension(Arc::clone(machine)))
}

impl TimeMachine {
    /// A machine that moves these two, without anybody to be.
    pub fn new(control: Control, clock: Clock) -> Self {
        Self { control, clock, busy: Mutex::default(), cast: std::sync::OnceLock::new() }
    }

    /// Says who there is to be. It is said once: later ones change nothing.
    pub fn introduce(&self, cast: Vec<cast::Company>) {
        let _ = self.cast.set(cast);
    }

    /// Goes there; what is due on the way has happened and was told by webhooks when it returns. False: nothing is due.
    ///
    /// # Errors
    /// The sandbox did not answer.
    pub async fn travel(&self, app: &App, step: Step) -> Result<bool, Failure> {
        let _one = self.busy.lock().await;
        let now = self.clock.now();
        let target = match step {
            Step::Day => now + 24.hours(),
            Step::Month => now.to_zoned(TimeZone::UTC).checked_add(1.month())?.timestamp(),
            Step::To(at) => at.max(now),
            Step::Next => match self.control.due().await? {
                Some(at) => at.max(now),
                None => return Ok(false),
            },
        };
        // Once at the least: what is due may be due already.
        loop {
            self.stop_over(app, target).await?;
            if self.clock.now() >= target {
                return Ok(true);
            }
        }
    }

    /// Lives until the next thing that is due in the sandbox, a day at most: what the portal does by its own time happens on
    /// its day, and what Stripe tells is heard when it happens, as it would be without a machine.
    async fn stop_over(&self, app: &App, target: Timestamp) -> Result<(), Failure> {
        let now = self.clock.now();
        let due = self.control.due().await?.filter(|due| *due > now);
        let stop = due.unwrap_or(target).min(now + 24.hours()).min(target);
        self.clock.travel_to(self.control.advance(stop).await?);
        self.control.idle().await?;
        worker::settle(app).await;
        Ok(())
    }

    /// Makes a customer's card behave like another test card.
    ///
    /// # Errors
    /// The sandbox did not answer, or the customer has no card.
    pub async fn card(&self, customer: &str, number: &str) -> Result<(), Failure> {
        self.control.card(customer, number).await
    }

    /// Until it is switched off, nothing that happens in the sandbox is told to anybody.
    ///
    /// # Errors
    /// The sandbox did not answer.
    pub async fn quiet(&self, on: bool) -> Result<(), Failure> {
        let wish = serde_json::json!({ "on": on });
        self.control.ask(http::Method::POST, "quiet", &wish).await.map(drop)
    }

    /// Companies and people to sign in as.
    pub fn cast(&self) -> &[cast::Company] {
        self.cast.get().map_or(&[], Vec::as_slice)
    }
}

/// Starts the sandbox and puts the portal together.
///
/// # Errors
/// An address is taken, or the temporary folder cannot be written.
pub async fn start(portal: SocketAddr, sandbox: SocketAddr) -> Result<Demo, Failure> {
    let begins = from_seconds(Clock::system().wall().as_second() - HISTORY_DAYS * 86_400);
    let clock = Clock::system_from(begins);
    let secret = format!("whsec_{}", id::random_text());
    let config = sandbox::Config {
        webhook_url: Some(format!("http://{portal}/webhooks/stripe")),
        webhook_secret: Some(secret.clone()),
        start: Some(begins.as_second()),
        listen: sandbox,
        ..sandbox::Config::default()
    };
    let sandbox =
        Sandbox::start(config).await.map_err(|error| format!("cannot listen on {sandbox}: {error}"))?;
    let base: Url = sandbox.url().parse()?;

    let mut site = Site::new(format!("http://{portal}").parse()?, clock.clone());
    site.redirect_origins = vec![base.clone()];
    site.demo = true;
    let config = Config {
        site: Arc::new(site),
        webhook_secrets: WebhookSecrets::new([secret])?,
        livemode: false,
        // There is nobody to keep secrets from, and a link in a mail is there to be followed.
        mail: mail::Settings { server: None, reveals_secrets: true },
        host_tokens: None,
    };
    // A test key by its form: a live key cannot get here.
    let mut stripe = StripeConfig::new("sk_test_demo".parse()?, Some(base.clone()))?;
    stripe.rate = 1_000;

    let folder = std::env::temp_dir().join(id::random("billing-portal-demo"));
    std::fs::create_dir(&folder)?;
    let db = Db::open(&format!("sqlite://{}", folder.join("demo.db").display())).await?;
    db.migrate().await?;
    let app = App::new(db, clock.clone(), Stripe::new(stripe)?, config, usage::catalog()?);
    let machine = TimeMachine::new(Control::new(base), clock);
    Ok(Demo { app, sandbox, machine: Arc::new(machine), folder })
}

/// Serves until `stop` is done; plays the companies' history first, through the served portal.
///
/// # Errors
/// The history could not be played.
pub async fn serve(demo: Demo, listener: TcpListener, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    let Demo { app, sandbox, machine, folder } = demo;
    let router = app::furnish(app.clone(), pages(&machine));
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let stop = async {
        tokio::select! {
            () = stop => {}
            Ok(()) = ended => {}
        }
    };
    let serving = crate::cli::run_portal(app.clone(), listener, router, stop);
    let playing = async {
        let played = play(&app, &machine).await;
        match &played {
            Ok(()) => say(format_args!(
                "\nThe demo is ready: open {}demo in a browser. Stop it with Ctrl-C; it keeps nothing.\n\
                 Stripe's sandbox: {}",
                app.config.site.public_url,
                sandbox.url()
            )),
            Err(_) => drop(end.send(())), // The server has nothing to show.
        }
        played
    };
    let ((), played) = tokio::join!(serving, playing);
    sandbox.stop().await;
    // The temporary folder is the system's to clean where it cannot be removed.
    let _ = std::fs::remove_dir_all(&folder);
    played
}

async fn play(app: &App, machine: &TimeMachine) -> Result<(), Failure> {
    install::run(&app.db, &app.clock, &app.stripe, &app.catalog, install::Wish::default()).await?;
    let cast = seeds::play(app, machine).await?;
    machine.introduce(cast);
    // What has drifted is found in the background, while somebody is still reading the address.
    let mut tx = app.db.write().await?;
    reconcile::work::begin(&mut tx, &app.clock, false, &Actor::Job("reconciliation"), None, None).await?;
    tx.commit().await?;
    Ok(())
}
