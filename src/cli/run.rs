//! What each command does.

use std::process::ExitCode;

use super::{Command, EventArgs, Failure, ServeArgs, SyncArgs, WithDatabase, say, serve, setup};
use crate::clock::Clock;
use crate::config::{ConfigError, DatabaseArgs, Missing, StripeArgs};
use crate::db::Db;
use crate::stripe::{Stripe, StripeConfig};
use crate::{audit, reconcile, sync};

pub(super) async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(args) => serve(*args).await?,
        #[cfg(feature = "sandbox")]
        Command::Demo(args) => Box::pin(serve::demo(args)).await?,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => serve::sandbox(args).await?,
        Command::Setup(args) => setup::run(args).await?,
        Command::Doctor(doctor) => return Box::pin(doctor.run()).await,
        Command::Sync(args) => sync(args).await?,
        Command::Reconcile(args) => {
            let means = reconcile::work::Means {
                db: open(&args.database).await?,
                stripe: stripe_at(&args.stripe, |allowed| args.wish.rate(allowed))?,
                clock: Clock::system(),
            };
            let code = args.wish.run(&means).await;
            keep_redacted(&means.db).await;
            return code;
        }
        Command::Migrate(args) => {
            open(&args).await?;
            say("The database is up to date.");
        }
        Command::Tenant(WithDatabase { command, database }) => {
            command.run(&open(&database).await?, &Clock::system()).await?;
        }
        Command::User(WithDatabase { command, database }) => {
            command.run(&open(&database).await?, &Clock::system()).await?;
        }
        Command::SignInLink(WithDatabase { command, database }) => {
            command.run(&open(&database).await?, &Clock::system()).await?;
        }
        Command::ApiKey(WithDatabase { command, database }) => {
            command.run(&open(&database).await?, &Clock::system()).await?;
        }
        Command::Audit(WithDatabase { command, database }) => {
            command.run(&open(&database).await?, &Clock::system()).await?;
        }
        Command::Event(args) => event(args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(args: ServeArgs) -> Result<(), Failure> {
    let clock = Clock::system();
    let stripe = stripe(&args.stripe)?;
    let config = args.web.resolve(stripe.is_live(), clock.clone())?;
    let catalog = args.catalog.load()?;
    let db = open(&args.database).await?;
    let app = crate::app::App::new(db, clock, stripe, config, catalog);
    let closed = app.secrets.load(app.clock.wall().as_second()).await?;
    if closed > 0 {
        tracing::warn!(
            closed,
            "signing secrets were stored with another Stripe key and cannot be read: run setup --rotate-webhook-secret"
        );
    }
    if app.secrets.is_empty() {
        return Err(ConfigError::Missing(Missing::WebhookSecrets).into());
    }
    let router = crate::app::router(app.clone());
    serve::portal(app, args.web.listen, args.web.metrics_listen, router).await
}

async fn event(args: EventArgs) -> Result<(), Failure> {
    let db = open(&args.database).await?;
    // The key is asked for where Stripe is.
    let stripe = if args.command.asks_stripe() { Some(stripe(&args.stripe)?) } else { None };
    let done = args.command.run(&db, &Clock::system(), stripe.as_ref()).await;
    keep_redacted(&db).await;
    Ok(done?)
}

async fn sync(args: SyncArgs) -> Result<(), Failure> {
    let db = open(&args.database).await?;
    let stripe = stripe(&args.stripe)?;
    let done = sync::command(&db, &stripe, &Clock::system(), args.customer.as_deref()).await;
    keep_redacted(&db).await;
    say(done?);
    Ok(())
}

/// Keeps how many lines of a command's log were changed: the check of card data reads it.
async fn keep_redacted(db: &Db) {
    if let Err(error) = audit::work::keep_redacted(db, Clock::system().wall().as_second()).await {
        tracing::warn!(%error, "cannot keep how many lines of the log were changed");
    }
}

/// Opens the database and brings it up to date.
pub(super) async fn open(args: &DatabaseArgs) -> Result<Db, Failure> {
    let db = Db::open(&args.database_url).await?;
    db.migrate().await?;
    Ok(db)
}

/// The way to Stripe.
pub(super) fn stripe(args: &StripeArgs) -> Result<Stripe, Failure> {
    stripe_at(args, |allowed| allowed)
}

/// The way to Stripe at another rate than what is allowed, in calls a second.
fn stripe_at(args: &StripeArgs, rate: impl Fn(u32) -> u32) -> Result<Stripe, Failure> {
    let (secret_key, api_base) = args.resolve()?;
    let mut config = StripeConfig::new(secret_key, Some(api_base))?;
    config.rate = rate(config.rate);
    Ok(Stripe::new(config)?)
}
