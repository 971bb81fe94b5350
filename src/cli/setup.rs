//! `setup`: from a key to a working installation with one command.

use clap::Args;
use url::Url;

use super::run::{open, stripe};
use super::{Failure, Format, say};
use crate::catalog::install;
use crate::catalog::setup::{Item, Outcome, Report};
use crate::clock::Clock;
use crate::config::{CatalogArgs, DatabaseArgs, StripeArgs};
use crate::stripe::API_BASE;

/// The path that events come to.
const PATH: &str = "/webhooks/stripe";

/// What `setup` may be told.
#[derive(Args, Debug)]
pub(super) struct SetupArgs {
    #[command(flatten)]
    stripe: StripeArgs,
    #[command(flatten)]
    catalog: CatalogArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    /// What browsers see: the webhook endpoint is made for its `/webhooks/stripe`
    #[arg(long, env = "PUBLIC_URL")]
    public_url: Option<Url>,
    /// Another address that Stripe sends events to
    #[arg(long)]
    webhook_url: Option<Url>,
    /// Replace the webhook endpoint and the event destination, and with them their signing secrets, without a gap
    #[arg(long)]
    rotate_webhook_secret: bool,
    /// Put back what somebody has changed in Stripe since
    #[arg(long)]
    update: bool,
    /// How to print what was done
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl SetupArgs {
    /// Where Stripe can send to: not to an address that only this machine knows, unless the server in Stripe's place is on it.
    fn endpoint(&self) -> Option<Url> {
        let named = self.webhook_url.clone().or_else(|| self.public_url.as_ref()?.join(PATH).ok());
        let is_stripe = self.stripe.stripe_api_base.as_str().trim_end_matches('/') == API_BASE;
        named.filter(|url| !is_stripe || !is_local(url))
    }
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback() || address.is_private(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => true,
    }
}

/// Does it.
pub(super) async fn run(args: SetupArgs) -> Result<(), Failure> {
    let catalog = args.catalog.load()?;
    let stripe = stripe(&args.stripe)?;
    let url = args.endpoint();
    if url.is_none() && args.rotate_webhook_secret {
        return Err("say with PUBLIC_URL or --webhook-url which endpoint to replace".into());
    }
    let db = open(&args.database).await?;
    let wish =
        install::Wish { webhook_url: url.as_ref(), update: args.update, rotate: args.rotate_webhook_secret };
    let report = install::run(&db, &Clock::system(), &stripe, &catalog, wish).await;
    db.close().await;
    let mut report = report?;
    if url.is_none() {
        report.notes.push(
            "No webhook endpoint was made: Stripe can only send to an address on the internet. Set PUBLIC_URL (or --webhook-url) and \
             run setup again; on your own machine, forward events with `stripe listen` and set STRIPE_WEBHOOK_SECRETS."
                .to_owned(),
        );
    }
    let base = &args.stripe.stripe_api_base;
    if base.as_str().trim_end_matches('/') != API_BASE {
        report.notes.push(format!(
            "Payments are made on pages of {base}: `serve` sends browsers there where STRIPE_REDIRECT_ORIGINS names it."
        ));
    }
    print(&report, args.format)
}

fn print(report: &Report, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        let changed = !report.changed_nothing();
        let report = serde_json::json!({ "items": report.items, "notes": report.notes, "changed": changed });
        say(serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let wide = |of: fn(&Item) -> &str| report.items.iter().map(|item| of(item).len()).max().unwrap_or(0);
    let (names, ids) = (wide(|item| &item.name), wide(|item| &item.id));
    for item in &report.items {
        let outcome = match item.outcome {
            Outcome::Created => "created",
            Outcome::Unchanged => "unchanged",
            Outcome::Updated => "updated",
            Outcome::Differs => "differs: left as it is (--update puts it back)",
            Outcome::Missing => "missing",
        };
        say(format_args!("{:<22} {:<names$} {:<ids$} {outcome}", item.object, item.name, item.id));
    }
    if report.changed_nothing() {
        say("\nEverything was there: nothing was changed.");
    } else {
        say("\nDone. `billing-portal doctor` checks the whole installation, `billing-portal serve` runs it.");
    }
    for note in &report.notes {
        say(format_args!("\nNote: {note}"));
    }
    Ok(())
}
