//! What each command does.

use std::process::ExitCode;

use super::{Command, Failure, Format, ServeArgs, SetupArgs, SyncArgs, WithDatabase, say, serve};
use crate::catalog::setup::{self, Outcome};
use crate::clock::Clock;
use crate::config::{DatabaseArgs, StripeArgs};
use crate::db::Db;
use crate::stripe::signature::Secret;
use crate::stripe::{Stripe, StripeConfig};
use crate::sync;

pub(super) async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(args) => serve(*args).await?,
        #[cfg(feature = "sandbox")]
        Command::Demo(args) => Box::pin(serve::demo(args)).await?,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => serve::sandbox(args).await?,
        Command::Setup(args) => set_up(args).await?,
        Command::Sync(args) => sync(args).await?,
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
        Command::Audit(WithDatabase { command, database }) => {
            command.run(&open(&database).await?, &Clock::system()).await?;
        }
        Command::Event(WithDatabase { command, database }) => {
            command.run(&open(&database).await?, &Clock::system()).await?;
        }
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
    serve::portal(app.clone(), args.web.listen, crate::app::router(app)).await
}

async fn set_up(args: SetupArgs) -> Result<(), Failure> {
    let catalog = args.catalog.load()?;
    let wish = setup::Wish { webhook_url: args.webhook_url.as_ref(), update: args.update };
    let report = setup::run(&stripe(&args.stripe)?, &catalog, wish).await?;
    print_setup(&report, args.format)
}

async fn sync(args: SyncArgs) -> Result<(), Failure> {
    let db = open(&args.database).await?;
    let stripe = stripe(&args.stripe)?;
    say(sync::command(&db, &stripe, &Clock::system(), args.customer.as_deref()).await?);
    Ok(())
}

fn print_setup(report: &setup::Report, format: Format) -> Result<(), Failure> {
    let secret = report.webhook_secret.as_ref().map(Secret::expose);
    if format == Format::Json {
        let report = serde_json::json!({ "items": report.items, "webhook_secret": secret });
        say(serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    for item in &report.items {
        let outcome = match item.outcome {
            Outcome::Created => "created",
            Outcome::Unchanged => "unchanged",
            Outcome::Updated => "updated",
            Outcome::Differs => "differs: left as it is (--update puts it back)",
        };
        say(format_args!("{:<22} {:<24} {:<34} {outcome}", item.object, item.name, item.id));
    }
    if let Some(secret) = secret {
        say(format_args!(
            "\nStripe shows the signing secret of the endpoint only once:\n\n    STRIPE_WEBHOOK_SECRETS={secret}"
        ));
    }
    Ok(())
}

/// Opens the database and brings it up to date.
pub(super) async fn open(args: &DatabaseArgs) -> Result<Db, Failure> {
    let db = Db::open(&args.database_url).await?;
    db.migrate().await?;
    Ok(db)
}

fn stripe(args: &StripeArgs) -> Result<Stripe, Failure> {
    let (secret_key, api_base) = args.resolve()?;
    Ok(Stripe::new(StripeConfig::new(secret_key, Some(api_base))?)?)
}
