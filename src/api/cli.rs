//! `api-key create`, `api-key list` and `api-key revoke`.

use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::key::{ApiKey, NewKey, Secret};
use super::{Scope, store};
use crate::audit::Actor;
use crate::cli::{Failure, Format};
use crate::clock::{Clock, from_seconds};
use crate::config::{ConfigError, StripeArgs};
use crate::db::Db;

/// Keys of the API.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Create a key for the host application; it is printed this once
    Create(Create),
    /// List all keys, those that work first
    List(List),
    /// End a key at once
    Revoke(Revoke),
}

/// What `api-key create` may be told.
#[derive(Args, Debug)]
pub struct Create {
    /// What to call it
    #[arg(long)]
    name: String,
    /// What it may be used for, with commas: access:read, billing:read, billing:write, sign_in_links:write, tenants:read,
    /// tenants:write, usage:read, usage:write, or * for everything
    #[arg(long = "scope", visible_alias = "scopes", value_delimiter = ',', default_value = "*")]
    scopes: Vec<Scope>,
    /// For real money or for trying things out [default: as the Stripe key; test without one]
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    #[command(flatten)]
    stripe: StripeArgs,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Real money.
    Live,
    /// Trying things out.
    Test,
}

/// What `api-key list` may be told.
#[derive(Args, Debug)]
pub struct List {
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What `api-key revoke` may be told.
#[derive(Args, Debug)]
pub struct Revoke {
    /// The key's id, key_…
    id: String,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A key as scripts read it.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    name: &'a str,
    /// The key itself, when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    prefix: &'a str,
    last4: &'a str,
    scopes: Vec<&'a str>,
    mode: &'a str,
    created_at: String,
    created_by: Option<&'a str>,
    last_used_at: Option<String>,
    revoked_at: Option<String>,
}

impl Keys {
    /// Does it, on the program's own output.
    ///
    /// # Errors
    /// In words: what is wrong with the input, or with the database.
    pub async fn run(self, db: &Db, clock: &Clock) -> Result<(), Failure> {
        let mut output = Vec::new();
        self.run_with(db, clock, &mut output).await?;
        Ok(std::io::stdout().lock().write_all(&output)?)
    }

    /// Does it, on any output.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_with(self, db: &Db, clock: &Clock, output: &mut Vec<u8>) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run(db, clock, output).await,
            Self::List(list) => list.run(db, output).await,
            Self::Revoke(revoke) => revoke.run(db, clock, output).await,
        }
    }
}

impl Create {
    async fn run(self, db: &Db, clock: &Clock, output: &mut Vec<u8>) -> Result<(), Failure> {
        let livemode = match self.mode {
            Some(mode) => mode == Mode::Live,
            None => match self.stripe.resolve() {
                Ok((key, _)) => key.is_live(),
                Err(ConfigError::Missing(_)) => false,
                Err(error) => return Err(error.into()),
            },
        };
        let new = NewKey::new(&self.name, &self.scopes, livemode, None);
        let new = new.map_err(|mut faults| faults.swap_remove(0))?;
        let mut tx = db.write().await?;
        let (key, secret) = store::issue(&mut tx, &new, Actor::Command, None, clock).await?;
        tx.commit().await?;
        show(&key, Some(&secret), self.format, output)
    }
}

impl List {
    async fn run(self, db: &Db, output: &mut Vec<u8>) -> Result<(), Failure> {
        for key in store::list(&mut db.read().await?).await? {
            show(&key, None, self.format, output)?;
        }
        Ok(())
    }
}

impl Revoke {
    async fn run(self, db: &Db, clock: &Clock, output: &mut Vec<u8>) -> Result<(), Failure> {
        let mut tx = db.write().await?;
        let key = store::withdraw(&mut tx, &self.id, Actor::Command, None, clock).await?;
        tx.commit().await?;
        let key = key.ok_or_else(|| format!("there is no key {} that works", self.id))?;
        show(&key, None, self.format, output)
    }
}

/// One key on one line.
fn show(key: &ApiKey, secret: Option<&Secret>, format: Format, output: &mut Vec<u8>) -> Result<(), Failure> {
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let time = |at: i64| from_seconds(at).to_string();
    match format {
        Format::Json => {
            let shown = Shown {
                id: &key.id,
                name: &key.name,
                key: secret.map(Secret::expose),
                prefix: &key.prefix,
                last4: &key.last4,
                mode: if key.livemode { "live" } else { "test" },
                created_at: time(key.created_at),
                created_by: key.created_by.as_deref(),
                last_used_at: key.last_used_at.map(time),
                revoked_at: key.revoked_at.map(time),
                scopes,
            };
            writeln!(output, "{}", serde_json::to_string(&shown)?)?;
        }
        Format::Text => {
            let state = if key.revoked_at.is_some() { "revoked" } else { "works" };
            let name = format!("{}…{}", key.prefix, key.last4);
            writeln!(output, "{}  {name}  {state}  {}  {}", key.id, scopes.join(","), key.name)?;
            if let Some(secret) = secret {
                writeln!(output, "\nThe key is shown this once:\n\n    {}", secret.expose())?;
            }
        }
    }
    Ok(())
}
