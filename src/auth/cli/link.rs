//! `sign-in-link create`.

use std::io::Write;

use clap::{Args, Subcommand};
use serde::Serialize;
use url::Url;

use super::super::link::{Whom, Wish};
use super::super::{Asker, Auth, Email, Role};
use crate::audit::Actor;
use crate::cli::{Failure, Format};
use crate::clock::{Clock, from_seconds};
use crate::db::Db;
use crate::tenants;
use crate::web::{Site, local_path};

/// Links that sign somebody in once.
#[derive(Debug, Subcommand)]
pub enum SignInLink {
    /// Create a link; it works once, within five minutes
    Create(Create),
}

/// What `sign-in-link create` may be told.
#[derive(Args, Debug)]
pub struct Create {
    /// The tenant whose pages it leads to: its id, or the host application's id of it
    #[arg(long)]
    tenant: String,
    /// The e-mail address of who is let in
    #[arg(long)]
    email: Email,
    /// Make them a member, and a user if need be, as: owner, admin, supervisor, operator. Members keep the role they have
    #[arg(long)]
    role: Option<Role>,
    /// The name of a user who is made for it (default: what stands before the @)
    #[arg(long, requires = "role")]
    name: Option<String>,
    /// The page to go to: a path of the portal, such as /invoices
    #[arg(long)]
    return_to: Option<String>,
    /// What browsers see; the link begins with it
    #[arg(long, env = "PUBLIC_URL", default_value = "http://127.0.0.1:8080")]
    public_url: Url,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A link as scripts read it.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    url: &'a str,
    expires_at: String,
    user: &'a str,
    email: &'a str,
    tenant: &'a str,
}

impl SignInLink {
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
        let Self::Create(create) = self;
        create.run(db, clock, output).await
    }
}

impl Create {
    async fn run(self, db: &Db, clock: &Clock, output: &mut Vec<u8>) -> Result<(), Failure> {
        let site = Site::new(self.public_url, clock.clone());
        let return_to = match &self.return_to {
            None => None,
            Some(wish) => {
                Some(local_path(wish, &site).ok_or("return-to is a path of the portal, such as /invoices")?)
            }
        };
        let auth = Auth::new(db.clone(), clock.clone(), site.is_https());
        let mut tx = db.write().await?;
        let tenant = tenants::cli::find(&mut tx, &self.tenant).await?;
        let wish = Wish {
            tenant: tenant.id.clone(),
            whom: Whom::Email(self.email),
            name: self.name,
            role: self.role,
            return_to,
        };
        let by = Asker { actor: Actor::Command, address: None };
        let link = auth.mint(&mut tx, &wish, &by).await??;
        tx.commit().await?;
        let url = site.link(&link.path.0);
        let expires_at = from_seconds(link.expires_at).to_string();
        match self.format {
            Format::Text => writeln!(output, "{url}\nIt works once, until {expires_at}.")?,
            Format::Json => {
                let (user, email) = (link.user.id.as_str(), link.user.email.as_str());
                let id = link.id.as_str();
                let shown = Shown { id, url: &url, expires_at, user, email, tenant: tenant.id.as_str() };
                writeln!(output, "{}", serde_json::to_string(&shown)?)?;
            }
        }
        Ok(())
    }
}
