//! `doctor` on the command line: every check that can be made is made, whatever else fails.

use std::process::ExitCode;

use clap::Args;

use super::account::{self, Patient};
use super::{Check, Report, house};
use crate::catalog::policy::Catalog;
use crate::cli::{Failure, Format, say};
use crate::clock::Clock;
use crate::config::{CatalogArgs, Config, ConfigError, DatabaseArgs, StripeArgs, WebArgs};
use crate::stripe::{Stripe, StripeConfig};

/// What `doctor` may be told: all that `serve` is told.
#[derive(Args, Debug)]
pub struct Doctor {
    #[command(flatten)]
    web: WebArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    stripe: StripeArgs,
    #[command(flatten)]
    catalog: CatalogArgs,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Doctor {
    /// Looks, prints, and says by the exit code whether nothing fails: 0 or 1.
    ///
    /// # Errors
    /// The report cannot be printed.
    pub async fn run(self) -> Result<ExitCode, Failure> {
        let report = self.examine(&Clock::system()).await;
        match self.format {
            Format::Text => say(report.text()),
            Format::Json => say(serde_json::to_string_pretty(&serde_json::json!({
                "sound": report.is_sound(), "checks": report.checks,
            }))?),
        }
        Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// All checks.
    pub async fn examine(&self, clock: &Clock) -> Report {
        let mut report = Report::default();
        let stripe = report.take("key", self.stripe());
        let live = stripe.as_ref().is_some_and(Stripe::is_live);
        let config = report.take("configuration", self.web.resolve(live, clock.clone()));
        let catalog = report.take("catalogue_file", self.catalog.load());
        let (db, checks) = house::database(&self.database.database_url).await;
        report.checks.extend(checks);
        if let Some(db) = &db {
            report.checks.extend(house::rows(db, live).await);
        }
        if let (Some(stripe), Some(catalog)) = (&stripe, &catalog) {
            let given_secrets = config.as_ref().map_or(0, |config| config.webhook_secrets.expose().len());
            let public_url = &self.web.public_url;
            let patient = Patient { stripe, catalog, db: db.as_ref(), clock, public_url, given_secrets };
            report.checks.extend(account::examine(&patient).await);
        }
        report.checks.push(house::address(&self.web.public_url, live));
        if let Some(config) = &config {
            let allowed = &config.site.redirect_origins;
            report.checks.extend(house::redirects(&self.stripe.stripe_api_base, allowed));
            report.checks.push(house::tokens(config.host_tokens.is_some()));
            report.checks.extend(house::post(&config.mail, config.site.support_email.as_deref()).await);
        }
        if let Some(db) = db {
            db.close().await;
        }
        report
    }

    fn stripe(&self) -> Result<Stripe, ConfigError> {
        let unusable = |error: crate::stripe::Error| ConfigError::Value {
            name: "STRIPE_API_BASE",
            problem: error.to_string(),
        };
        let (key, base) = self.stripe.resolve()?;
        Stripe::new(StripeConfig::new(key, Some(base)).map_err(unusable)?).map_err(unusable)
    }
}

/// What the configuration may come to.
trait Configured {
    /// What to say where it is right; none where another check says more.
    fn says(&self) -> Option<&'static str>;
}

impl Configured for Stripe {
    fn says(&self) -> Option<&'static str> {
        None
    }
}

impl Configured for Config {
    fn says(&self) -> Option<&'static str> {
        Some("flags and environment can be used")
    }
}

impl Configured for Catalog {
    fn says(&self) -> Option<&'static str> {
        Some("the catalogue can be read")
    }
}

impl Report {
    /// Notes a part of the configuration, and goes on without it where it cannot be used.
    fn take<T: Configured>(&mut self, name: &'static str, part: Result<T, ConfigError>) -> Option<T> {
        match part {
            Ok(part) => {
                self.checks.extend(part.says().map(|says| Check::good(name, says)));
                Some(part)
            }
            Err(error) => {
                let words = error.to_string();
                let first = words.lines().next().unwrap_or_default().to_owned();
                self.checks.push(Check::failure(
                    name,
                    first,
                    "Put the setting right: `billing-portal serve --help` lists them.",
                ));
                None
            }
        }
    }
}
