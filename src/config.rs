//! Configuration: flags and environment of the same meaning, read once at the start.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use url::Url;

use crate::api::{HostTokens, Jwks};
use crate::catalog::policy::{Catalog, CatalogError};
use crate::clock::Clock;
use crate::mail;
use crate::stripe::signature::{NotASecret, Secret};
use crate::stripe::{API_BASE, NotASecretKey, SecretKey};
use crate::web::Site;

/// Where the rows are.
#[derive(Args, Clone, Debug)]
pub struct DatabaseArgs {
    /// The database: `sqlite://FILE` or `postgres://…`
    #[arg(long, env = "DATABASE_URL", default_value = "sqlite://billing-portal.db", hide_env_values = true)]
    pub database_url: String,
}

/// Who we are to Stripe.
#[derive(Args, Clone, Debug)]
pub struct StripeArgs {
    /// Stripe's secret key (`sk_…` or a restricted `rk_…`)
    #[arg(long, env = "STRIPE_SECRET_KEY", hide_env_values = true)]
    pub stripe_secret_key: Option<String>,
    /// A file that holds the secret key
    #[arg(long, env = "STRIPE_SECRET_KEY_FILE", conflicts_with = "stripe_secret_key")]
    pub stripe_secret_key_file: Option<PathBuf>,
    /// Another Stripe-compatible server, such as `billing-portal sandbox`
    #[arg(long, env = "STRIPE_API_BASE", default_value = API_BASE)]
    pub stripe_api_base: Url,
}

/// Which plans there are.
#[derive(Args, Clone, Debug)]
pub struct CatalogArgs {
    /// The catalogue file for `setup` and for policy [default: the embedded one]
    #[arg(long, env = "CATALOG")]
    pub catalog: Option<PathBuf>,
}

/// How browsers and Stripe reach us.
#[derive(Args, Clone, Debug)]
pub struct WebArgs {
    /// The address to listen on
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where Prometheus reads metrics, on an address of their own [default: nowhere]
    #[arg(long, env = "METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// What browsers see; decides https cookies and links
    #[arg(long, env = "PUBLIC_URL", default_value = "http://127.0.0.1:8080")]
    pub public_url: Url,
    /// Signing secrets of the webhook endpoint (`whsec_…`), with commas, beside those that `setup` stored
    #[arg(long, env = "STRIPE_WEBHOOK_SECRETS", value_delimiter = ',', hide_env_values = true)]
    pub stripe_webhook_secrets: Vec<String>,
    /// A file that holds the signing secrets, with commas or on lines
    #[arg(long, env = "STRIPE_WEBHOOK_SECRETS_FILE", conflicts_with = "stripe_webhook_secrets")]
    pub stripe_webhook_secrets_file: Option<PathBuf>,
    /// Origins that pages may send the browser to, with commas [default: Stripe's Checkout, portal and invoice pages]
    #[arg(long, env = "STRIPE_REDIRECT_ORIGINS", value_delimiter = ',')]
    pub stripe_redirect_origins: Vec<Url>,
    /// Networks of the proxies whose X-Forwarded-For is believed, as a list of CIDR blocks with commas
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<IpNet>,
    /// The mail server: `smtps://USER:PASSWORD@HOST`, or `smtp://…` for STARTTLS [default: mails are kept, not sent]
    #[arg(long, env = "SMTP_URL", hide_env_values = true)]
    pub smtp_url: Option<String>,
    /// Who mails are from, such as `Billing <billing@example.com>`; required with a mail server
    #[arg(long, env = "MAIL_FROM")]
    pub mail_from: Option<String>,
    /// The address of your support, shown where a page can do no more
    #[arg(long, env = "SUPPORT_EMAIL")]
    pub support_email: Option<String>,
    #[command(flatten)]
    /// Tokens of the host application.
    pub host: HostArgs,
}

/// Tokens that the host application signs for its users, to call the API with.
#[derive(Args, Clone, Debug)]
pub struct HostArgs {
    /// The secret that the host application signs its users' tokens with (HS256), 32 bytes or more [default: no tokens]
    #[arg(long, env = "HOST_JWT_SECRET", hide_env_values = true, conflicts_with = "host_jwt_jwks")]
    pub host_jwt_secret: Option<String>,
    /// The host application's public keys (RS256, ES256, EdDSA) as a JWK set: a file or an https address, read again when a
    /// token names a key that is not in it [default: no tokens]
    #[arg(long, env = "HOST_JWT_JWKS")]
    pub host_jwt_jwks: Option<String>,
    /// What the tokens' `iss` must be; required with a secret or keys
    #[arg(long, env = "HOST_JWT_ISSUER")]
    pub host_jwt_issuer: Option<String>,
    /// What the tokens' `aud` must hold; required with a secret or keys
    #[arg(long, env = "HOST_JWT_AUDIENCE")]
    pub host_jwt_audience: Option<String>,
}

/// What is logged, and how.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// What to log: a level, or a list like `info,billing_portal=debug` [default: info; `demo`: warn]
    #[arg(long, env = "LOG", global = true)]
    pub log: Option<String>,
    /// How to log it [default: text on a terminal, json elsewhere]
    #[arg(long, env = "LOG_FORMAT", global = true)]
    pub log_format: Option<LogFormat>,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one object a line.
    Json,
}

/// What the web side needs to know beside the site itself, all of it checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The site as browsers see it.
    pub site: Arc<Site>,
    /// The signing secrets of the webhook endpoint that the configuration names; others are stored by `setup`.
    pub webhook_secrets: WebhookSecrets,
    /// Whether the key moves real money: events of the other mode are not ours.
    pub livemode: bool,
    /// How mails go out.
    pub mail: mail::Settings,
    /// What tokens of the host application's users are held against; none: only keys open the API.
    pub host_tokens: Option<HostTokens>,
}

/// Signing secrets, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecrets(Vec<Secret>);

impl WebhookSecrets {
    /// The secrets; blank ones are left out.
    ///
    /// # Errors
    /// There is none: without one, nothing that says it comes from Stripe can be believed. Or one can be none of Stripe's.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Result<Self, ConfigError> {
        let secrets = Self::beside_stored(secrets)?;
        if secrets.0.is_empty() { Err(ConfigError::Missing(Missing::WebhookSecrets)) } else { Ok(secrets) }
    }

    /// The secrets, which may be none where there are others in the database; blank ones are left out.
    ///
    /// # Errors
    /// One can be none of Stripe's.
    pub fn beside_stored(secrets: impl IntoIterator<Item = String>) -> Result<Self, ConfigError> {
        let secrets: Result<Vec<_>, _> = secrets
            .into_iter()
            .map(|secret| secret.trim().to_owned())
            .filter(|secret| !secret.is_empty())
            .map(|secret| secret.parse().map_err(|problem: NotASecret| invalid(problem)))
            .collect();
        Ok(Self(secrets?))
    }

    /// The secrets themselves: for checking a signature alone.
    pub fn expose(&self) -> &[Secret] {
        &self.0
    }
}

fn invalid(problem: impl fmt::Display) -> ConfigError {
    ConfigError::Value { name: "STRIPE_WEBHOOK_SECRETS", problem: problem.to_string() }
}

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} hidden]", self.0.len())
    }
}

/// A setting without which the portal does not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Stripe's secret key.
    SecretKey,
    /// The webhook endpoint's signing secret.
    WebhookSecrets,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecretKey => {
                "STRIPE_SECRET_KEY is missing: the secret key of your Stripe account (dashboard, Developers, API keys; \
                 sk_test_… while you try things out). It can also come from a file: STRIPE_SECRET_KEY_FILE."
            }
            Self::WebhookSecrets => {
                "There is no signing secret (whsec_…) of a webhook endpoint that points to this portal: without one, nothing that \
                 says it comes from Stripe can be believed. `billing-portal setup`, with the same key and database, makes an \
                 endpoint and stores its secret; or set STRIPE_WEBHOOK_SECRETS, or STRIPE_WEBHOOK_SECRETS_FILE."
            }
        })
    }
}

/// Why the configuration cannot be used: what to change, in words.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Something required is not there.
    #[error("{0}\nTo try the portal without any key, run `billing-portal demo`.")]
    Missing(Missing),
    /// The key is none.
    #[error("STRIPE_SECRET_KEY: {0}")]
    Key(#[from] NotASecretKey),
    /// A file cannot be read.
    #[error("{name} names {path}, which cannot be read: {source}")]
    File {
        /// The setting.
        name: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A value that cannot be.
    #[error("{name}: {problem}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The catalogue.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl StripeArgs {
    /// The key and the server it is for.
    ///
    /// # Errors
    /// The key is missing, unreadable or none of Stripe's, or a live key would go to a server that is not Stripe's.
    pub fn resolve(&self) -> Result<(SecretKey, Url), ConfigError> {
        let text = match (&self.stripe_secret_key, &self.stripe_secret_key_file) {
            (Some(text), _) => text.trim().to_owned(),
            (None, Some(path)) => read("STRIPE_SECRET_KEY_FILE", path)?.trim().to_owned(),
            (None, None) => String::new(),
        };
        if text.is_empty() {
            return Err(ConfigError::Missing(Missing::SecretKey));
        }
        let key: SecretKey = text.parse()?;
        if key.is_live() && self.stripe_api_base.scheme() != "https" {
            return Err(ConfigError::Value {
                name: "STRIPE_API_BASE",
                problem: "a live key is only ever sent over https; use a test key with a sandbox".into(),
            });
        }
        Ok((key, self.stripe_api_base.clone()))
    }
}

impl CatalogArgs {
    /// The catalogue.
    ///
    /// # Errors
    /// It cannot be read or contradicts itself.
    pub fn load(&self) -> Result<Catalog, ConfigError> {
        Ok(Catalog::load(self.catalog.as_deref())?)
    }
}

impl WebArgs {
    /// The configuration of the web side.
    ///
    /// # Errors
    /// No webhook secret, or an address that browsers could not use.
    pub fn resolve(&self, livemode: bool, clock: Clock) -> Result<Config, ConfigError> {
        let secrets = match &self.stripe_webhook_secrets_file {
            None => self.stripe_webhook_secrets.clone(),
            Some(path) => {
                let text = read("STRIPE_WEBHOOK_SECRETS_FILE", path)?;
                text.split([',', '\n']).map(str::to_owned).collect()
            }
        };
        let mut site = Site::new(own_url(&self.public_url)?, clock);
        if !self.stripe_redirect_origins.is_empty() {
            site.redirect_origins = self.stripe_redirect_origins.clone();
        }
        site.trusted_proxies = self.trusted_proxies.clone();
        site.support_email = self.support_email.clone();
        Ok(Config {
            site: Arc::new(site),
            webhook_secrets: WebhookSecrets::beside_stored(secrets)?,
            livemode,
            mail: self.mail()?,
            host_tokens: self.host.resolve()?,
        })
    }
}

impl HostArgs {
    /// What tokens are held against, if there are to be any.
    ///
    /// # Errors
    /// The secret is too short, the keys are nowhere, or issuer or audience is missing: a token for somebody else would open
    /// the door.
    pub fn resolve(&self) -> Result<Option<HostTokens>, ConfigError> {
        let given = |text: &Option<String>| {
            text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let wrong = |name, problem: String| ConfigError::Value { name, problem };
        let (secret, set) = (given(&self.host_jwt_secret), given(&self.host_jwt_jwks));
        if secret.is_none() && set.is_none() {
            return Ok(None);
        }
        let required = |name, text: &Option<String>| {
            given(text).ok_or_else(|| {
                wrong(name, "is required where the host application's tokens are taken".into())
            })
        };
        let issuer = required("HOST_JWT_ISSUER", &self.host_jwt_issuer)?;
        let audience = required("HOST_JWT_AUDIENCE", &self.host_jwt_audience)?;
        if let Some(secret) = secret {
            let tokens = HostTokens::by_secret(secret.as_bytes(), issuer, audience);
            return tokens.map(Some).map_err(|short| wrong("HOST_JWT_SECRET", short.to_string()));
        }
        let set = set.unwrap_or_default();
        let jwks = |problem: String| wrong("HOST_JWT_JWKS", format!("{set} {problem}"));
        let source = set.parse().map_err(|error: crate::api::NotASource| jwks(error.to_string()))?;
        let keys = Jwks::new(source).map_err(|error| jwks(format!("cannot be used: {error}")))?;
        Ok(Some(HostTokens::by_set(keys, issuer, audience)))
    }
}

impl WebArgs {
    fn mail(&self) -> Result<mail::Settings, ConfigError> {
        let wrong =
            |name, problem: &dyn fmt::Display| ConfigError::Value { name, problem: problem.to_string() };
        let Some(server) = self.smtp_url.as_deref().filter(|text| !text.trim().is_empty()) else {
            return Ok(mail::Settings::default());
        };
        let server = server.parse().map_err(|error: mail::smtp::NotAServer| wrong("SMTP_URL", &error))?;
        let from = self.mail_from.as_deref().unwrap_or_default();
        let from = from.parse().map_err(|error: &str| wrong("MAIL_FROM", &error))?;
        Ok(mail::Settings { server: Some((server, from)), reveals_secrets: false })
    }
}

/// The address that browsers see: a web address, without a path.
fn own_url(url: &Url) -> Result<Url, ConfigError> {
    let problem = if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        "must be an http or https address"
    } else if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        "must have no path: the portal lives at the root of its own host name"
    } else if !url.username().is_empty() || url.password().is_some() {
        "must hold no user name"
    } else {
        return Ok(url.clone());
    };
    Err(ConfigError::Value { name: "PUBLIC_URL", problem: problem.into() })
}

fn read(name: &'static str, path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::File {
        name,
        path: path.display().to_string(),
        source,
    })
}
