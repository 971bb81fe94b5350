//! The command line: what it understands, and what it says when something is wrong.

mod run;
mod serve;
mod setup;

#[cfg(feature = "sandbox")]
pub(crate) use serve::run as run_portal;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::audit::redact::Clean;
use crate::config::{CatalogArgs, DatabaseArgs, LogArgs, LogFormat, StripeArgs, WebArgs};
use crate::{api, audit, auth, doctor, reconcile, tenants, webhooks};

/// A self-hosted billing portal for multi-tenant SaaS on Stripe.
///
/// To see it, run `billing-portal demo`: it needs no key, no network and no other program.
#[derive(Debug, Parser)]
#[command(name = "billing-portal", version, about, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the portal against your Stripe account
    Serve(Box<ServeArgs>),
    /// Run the portal with its own Stripe sandbox and tenants to look at: no keys, no network
    #[cfg(feature = "sandbox")]
    Demo(serve::DemoArgs),
    /// Run the Stripe-compatible sandbox alone, for anyone's tests
    #[cfg(feature = "sandbox")]
    Sandbox(serve::SandboxArgs),
    /// Create products, prices, meters, coupons, portal settings and the webhook endpoint in Stripe, and note in the database what
    /// `serve` needs of them; running it again changes nothing
    Setup(setup::SetupArgs),
    /// Check the whole installation: each failure in words and with what to do about it
    Doctor(Box<doctor::cli::Doctor>),
    /// Fetch the catalogue and all customers from Stripe
    Sync(SyncArgs),
    /// Bring the database to the form that this version reads
    Migrate(DatabaseArgs),
    /// Tenants: create, list
    Tenant(WithDatabase<tenants::cli::Tenant>),
    /// Users: create, list
    User(WithDatabase<auth::cli::User>),
    /// Links that sign somebody in once: create
    SignInLink(WithDatabase<auth::cli::SignInLink>),
    /// Keys of the API: create, list, revoke
    ApiKey(WithDatabase<api::cli::Keys>),
    /// The audit: verify its chain, export it
    Audit(WithDatabase<audit::cli::Audit>),
    /// Hold the database and Stripe against each other, both ways; exits with 2 where findings are left
    Reconcile(ReconcileArgs),
    /// Stripe's events: list, show, replay, recover, count
    Event(EventArgs),
}

impl Command {
    /// What it logs unless told otherwise. The demo plays months of history when it starts: who tries it is to see its
    /// address, not a thousand requests.
    fn log(&self) -> &'static str {
        match self {
            #[cfg(feature = "sandbox")]
            Self::Demo(_) => "warn",
            _ => "info",
        }
    }
}

/// A command that needs the database alone.
#[derive(Args, Debug)]
struct WithDatabase<C: Subcommand> {
    #[command(subcommand)]
    command: C,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Args, Debug)]
struct ServeArgs {
    #[command(flatten)]
    web: WebArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    stripe: StripeArgs,
    #[command(flatten)]
    catalog: CatalogArgs,
}

#[derive(Args, Debug)]
struct EventArgs {
    #[command(subcommand)]
    command: webhooks::cli::Event,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    stripe: StripeArgs,
}

#[derive(Args, Debug)]
struct SyncArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    stripe: StripeArgs,
    /// Fetch this customer alone (`cus_…`)
    #[arg(long)]
    customer: Option<String>,
}

#[derive(Args, Debug)]
struct ReconcileArgs {
    #[command(flatten)]
    wish: reconcile::cli::Reconcile,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    stripe: StripeArgs,
}

/// How a command prints what it has to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Words and columns.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// Why a command ended without doing what it was asked to.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Understands the command line, runs the command and says how it went.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = start_log(&cli.log, cli.command.log()) {
        return fail(&error);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(run::run(cli.command)) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn fail(error: &Failure) -> ExitCode {
    let mut text = format!("billing-portal: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}\n  because: {words}");
        }
        cause = inner.source();
    }
    let _ = writeln!(std::io::stderr(), "{text}");
    ExitCode::FAILURE
}

/// Prints a line of what was asked for. A reader that went away is not an error.
pub fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn start_log(args: &LogArgs, default: &str) -> Result<(), Failure> {
    let filter = match args.log.as_deref() {
        // Set and empty is as good as not set.
        None | Some("") => EnvFilter::new(default),
        Some(wanted) => EnvFilter::try_new(wanted).map_err(|error| {
            format!(
                "LOG: {wanted:?} is no level (error, warn, info, debug, trace) and no list such as info,billing_portal=debug: {error}"
            )
        })?,
    };
    // Whatever somebody logs some day, a card number does not get out.
    let to = || Clean(std::io::stderr());
    let text = match args.log_format {
        Some(format) => format == LogFormat::Text,
        None => std::io::stderr().is_terminal(),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(to).with_target(false);
    if text {
        builder.with_ansi(std::io::stderr().is_terminal()).init();
    } else {
        builder.json().flatten_event(true).init();
    }
    Ok(())
}
