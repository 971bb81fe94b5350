//! `user create`, `user list` and `sign-in-link create`.

mod link;

pub use link::SignInLink;

use std::io::{BufRead, Write};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Email, Hasher, NewUser, Password, Role, User as Row, UserId, store};
use crate::audit::{self, Actor, Entry};
use crate::cli::{Failure, Format};
use crate::clock::Clock;
use crate::db::Db;
use crate::i18n::Language;
use crate::tenants;

/// Users.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Create a user
    Create(Create),
    /// List all users in the order of their e-mail addresses
    List(List),
}

/// What `user create` may be told.
#[derive(Args, Debug)]
pub struct Create {
    /// The e-mail address, which they sign in with
    #[arg(long)]
    email: Email,
    /// Their name
    #[arg(long)]
    name: String,
    /// The tenant they belong to: its id, or the host application's id of it
    #[arg(long)]
    tenant: Option<String>,
    /// What they are in the tenant: owner, admin, supervisor, operator
    #[arg(long, default_value = "owner", requires = "tenant")]
    role: Role,
    /// Make them staff of the operator
    #[arg(long)]
    staff: bool,
    /// Their language, en or es [default: what their browser asks for]
    #[arg(long, value_parser = language)]
    language: Option<Language>,
    /// Read the password from standard input; without it they can sign in by link only
    #[arg(long)]
    password_stdin: bool,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What `user list` may be told.
#[derive(Args, Debug)]
pub struct List {
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A user as scripts read it.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    email: &'a str,
    name: &'a str,
    staff: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
}

/// A language by its code.
pub(crate) fn language(text: &str) -> Result<Language, &'static str> {
    Language::ALL.into_iter().find(|language| language.code() == text).ok_or("the language is en or es")
}

impl User {
    /// Does it, on the program's own input and output.
    ///
    /// # Errors
    /// In words: what is wrong with the input, or with the database.
    pub async fn run(self, db: &Db, clock: &Clock) -> Result<(), Failure> {
        let mut input = Vec::new();
        if matches!(&self, Self::Create(create) if create.password_stdin) {
            std::io::stdin().lock().read_until(b'\n', &mut input)?;
        }
        let mut output = Vec::new();
        self.run_with(db, clock, &input, &mut output).await?;
        Ok(std::io::stdout().lock().write_all(&output)?)
    }

    /// Does it, on any input and output.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_with(
        self,
        db: &Db,
        clock: &Clock,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run(db, clock, input, output).await,
            Self::List(list) => list.run(db, output).await,
        }
    }
}

impl Create {
    async fn run(self, db: &Db, clock: &Clock, input: &[u8], output: &mut Vec<u8>) -> Result<(), Failure> {
        let mut new = NewUser::new(self.email.clone(), &self.name)?.language(self.language).staff(self.staff);
        if self.password_stdin {
            let text = std::str::from_utf8(input).map_err(|_| "the password is not UTF-8 text")?;
            let password = Password::new(text.trim_end_matches(['\n', '\r']), &self.email)?;
            new = new.password_hash(Hasher::default().hash(&password).await?);
        }
        let mut tx = db.write().await?;
        let tenant = match &self.tenant {
            None => None,
            Some(id) => Some(tenants::cli::find(&mut tx, id).await?),
        };
        let user = store::create(&mut tx, &new, clock.now()).await??;
        if let Some(tenant) = &tenant {
            store::join(&mut tx, &tenant.id, &user.id, self.role, clock.now()).await?;
        }
        let mut entry = Entry::new(Actor::Command, "user.created", clock.now()).object(user.id.as_str());
        entry.tenant = tenant.as_ref().map(|tenant| tenant.id.to_string());
        audit::record(&mut tx, &entry).await?;
        tx.commit().await?;
        let at = tenant.as_ref().map(|tenant| (tenant.id.as_str(), self.role));
        show(&user, at, self.format, output)
    }
}

impl List {
    async fn run(self, db: &Db, output: &mut Vec<u8>) -> Result<(), Failure> {
        let mut tx = db.read().await?;
        let mut after = String::new();
        loop {
            let users = store::list(&mut tx, &after, 1_000).await?;
            let Some(last) = users.last() else { return Ok(()) };
            last.email.as_str().clone_into(&mut after);
            for user in &users {
                show(user, None, self.format, output)?;
            }
        }
    }
}

/// One user on one line.
fn show(user: &Row, at: Option<(&str, Role)>, format: Format, output: &mut Vec<u8>) -> Result<(), Failure> {
    let (id, email, name) = (UserId::as_str(&user.id), user.email.as_str(), user.name.as_str());
    let (tenant, role) = at.map_or((None, None), |(tenant, role)| (Some(tenant), Some(role.as_str())));
    match format {
        Format::Json => {
            let shown = Shown { id, email, name, staff: user.staff, tenant, role };
            writeln!(output, "{}", serde_json::to_string(&shown)?)?;
        }
        Format::Text => {
            let staff = if user.staff { "  staff" } else { "" };
            let at =
                tenant.zip(role).map(|(tenant, role)| format!("  {role} of {tenant}")).unwrap_or_default();
            writeln!(output, "{id}  {email}  {name}{staff}{at}")?;
        }
    }
    Ok(())
}
