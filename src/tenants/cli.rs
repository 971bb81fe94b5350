//! `tenant create` and `tenant list`.

use std::io::Write;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{NewTenant, Tenant as Row, store};
use crate::audit::{self, Actor, Entry};
use crate::auth::Email;
use crate::auth::cli::language;
use crate::cli::{Failure, Format};
use crate::clock::Clock;
use crate::db::{Db, Tx};
use crate::i18n::Language;

/// Tenants.
#[derive(Debug, Subcommand)]
pub enum Tenant {
    /// Create a tenant
    Create(Create),
    /// List all tenants in the order of their ids
    List(List),
}

/// What `tenant create` may be told.
#[derive(Args, Debug)]
pub struct Create {
    /// The company's name
    #[arg(long)]
    name: String,
    /// The e-mail address that its bills go to
    #[arg(long)]
    email: Email,
    /// The host application's own id of it
    #[arg(long)]
    external_id: Option<String>,
    /// The language of its mails and documents, en or es
    #[arg(long, value_parser = language, default_value = "en")]
    language: Language,
    /// Its time zone, by its IANA name
    #[arg(long, default_value = "UTC")]
    time_zone: String,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What `tenant list` may be told.
#[derive(Args, Debug)]
pub struct List {
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A tenant as scripts read it.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    external_id: Option<&'a str>,
    name: &'a str,
    email: &'a str,
    language: &'a str,
    time_zone: &'a str,
}

impl Tenant {
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
        }
    }
}

impl Create {
    async fn run(self, db: &Db, clock: &Clock, output: &mut Vec<u8>) -> Result<(), Failure> {
        let mut new =
            NewTenant::new(&self.name, self.email)?.language(self.language).time_zone(&self.time_zone)?;
        if let Some(id) = &self.external_id {
            new = new.external_id(id)?;
        }
        let mut tx = db.write().await?;
        let tenant = store::create(&mut tx, &new, clock.now()).await??;
        let entry = Entry::new(Actor::Command, "tenant.created", clock.now());
        audit::record(&mut tx, &entry.tenant(tenant.id.as_str()).object(tenant.id.as_str())).await?;
        tx.commit().await?;
        show(&tenant, self.format, output)
    }
}

impl List {
    async fn run(self, db: &Db, output: &mut Vec<u8>) -> Result<(), Failure> {
        let mut tx = db.read().await?;
        let mut after = String::new();
        loop {
            let tenants = store::list(&mut tx, &after, 1_000).await?;
            let Some(last) = tenants.last() else { return Ok(()) };
            last.id.as_str().clone_into(&mut after);
            for tenant in &tenants {
                show(tenant, self.format, output)?;
            }
        }
    }
}

/// The tenant of an id, ours or the host application's.
///
/// # Errors
/// When there is none, or the database does not answer.
pub(crate) async fn find(tx: &mut Tx, id: &str) -> Result<Row, Failure> {
    if let Some(tenant) = store::find(tx, id).await? {
        return Ok(tenant);
    }
    Ok(store::find_external(tx, id).await?.ok_or_else(|| format!("there is no tenant {id}"))?)
}

/// One tenant on one line.
fn show(tenant: &Row, format: Format, output: &mut Vec<u8>) -> Result<(), Failure> {
    let (id, external_id) = (tenant.id.as_str(), tenant.external_id.as_deref());
    let (name, email) = (tenant.name.as_str(), tenant.email.as_str());
    match format {
        Format::Json => {
            let time_zone = tenant.time_zone.iana_name().unwrap_or("UTC");
            let language = tenant.language.code();
            let shown = Shown { id, external_id, name, email, language, time_zone };
            writeln!(output, "{}", serde_json::to_string(&shown)?)?;
        }
        Format::Text => writeln!(output, "{id}  {}  {name}  {email}", external_id.unwrap_or("-"))?,
    }
    Ok(())
}
