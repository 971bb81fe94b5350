//! Who did what, and when: entries that are only ever added.
//!
//! An entry is written in the transaction of the change that it tells of. It never holds card data, secrets or passwords.
//!
//! Entries form a chain in which each seal is a hash over the entry and the seal before. The chain is made afterwards, by one
//! worker at a time (`work`), and not in the transaction of the entry: that would put every write of a Postgres cluster behind
//! one row, held until its commit. An entry waits seconds for its seal; what is altered in these seconds is the one thing that
//! `audit verify` cannot tell, and the database refuses it all the same.

pub mod chain;
pub mod cli;
pub mod coverage;
pub mod export;
pub mod redact;
pub mod refusals;
mod row;
pub mod store;
pub mod web;
pub mod words;
pub mod work;

pub use row::{Row, Shown};
pub use store::record;

use jiff::Timestamp;
use serde_json::Value;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person who is signed in, by the user's id.
    User(String),
    /// A program with an API key, by the key's id.
    Key(String),
    /// Somebody who is not signed in.
    Visitor,
    /// Stripe, by the event's id where there was one.
    Stripe(Option<String>),
    /// Background work, by its name.
    Job(&'static str),
    /// The command line.
    Command,
}

impl Actor {
    fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Key(_) => "key",
            Self::Visitor => "visitor",
            Self::Stripe(_) => "stripe",
            Self::Job(_) => "job",
            Self::Command => "command",
        }
    }

    /// Their id: the user's, the key's, the event's, the job's name.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::User(id) | Self::Key(id) => Some(id),
            Self::Stripe(event) => event.as_deref(),
            Self::Job(name) => Some(name),
            Self::Visitor | Self::Command => None,
        }
    }
}

/// One entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Who did it.
    pub actor: Actor,
    /// What was done: `<feature>.<deed>`, such as `session.started`.
    pub action: &'static str,
    /// The tenant it concerns.
    pub tenant: Option<String>,
    /// The thing it was done to.
    pub object: Option<String>,
    /// The state before, as far as it matters.
    pub before: Option<Value>,
    /// The state after, as far as it matters.
    pub after: Option<Value>,
    /// Where the request came from.
    pub address: Option<String>,
    /// What makes the entry one: of two with the same cause the second is not written.
    pub cause: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Entry {
    /// An entry with the least it can have.
    pub fn new(actor: Actor, action: &'static str, at: Timestamp) -> Self {
        Self {
            actor,
            action,
            tenant: None,
            object: None,
            before: None,
            after: None,
            address: None,
            cause: None,
            at,
        }
    }

    /// Of this tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Done to this.
    #[must_use]
    pub fn object(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// From one state to another.
    #[must_use]
    pub fn change(mut self, before: Option<Value>, after: Option<Value>) -> Self {
        self.before = before;
        self.after = after;
        self
    }

    /// Asked for from this address.
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// Written once for this cause.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

/// Who acted, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// A person who is signed in.
    User,
    /// A program with an API key.
    Key,
    /// Stripe.
    Stripe,
    /// Background work.
    Job,
    /// The command line.
    Command,
    /// Somebody who is not signed in.
    Visitor,
}

impl ActorKind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::User, Self::Key, Self::Stripe, Self::Job, Self::Command, Self::Visitor];

    /// Its word in rows and addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Key => "key",
            Self::Stripe => "stripe",
            Self::Job => "job",
            Self::Command => "command",
            Self::Visitor => "visitor",
        }
    }

    /// The key of its name.
    pub const fn key(self) -> &'static str {
        match self {
            Self::User => "audit-actor-user",
            Self::Key => "audit-actor-key",
            Self::Stripe => "audit-actor-stripe",
            Self::Job => "audit-actor-job",
            Self::Command => "audit-actor-command",
            Self::Visitor => "audit-actor-visitor",
        }
    }

    /// The kind of a row's word.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Which entries to show. What is empty filters nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this tenant.
    pub tenant: String,
    /// Actions that begin so: `session.` or `session.started`.
    pub action: String,
    /// Done by this kind of actor.
    pub actor: String,
    /// Done to this.
    pub object: String,
    /// From this moment on; unix seconds.
    pub from: Option<i64>,
    /// Before this moment; unix seconds.
    pub until: Option<i64>,
    /// Older than this one: its time and id.
    pub after: Option<(i64, String)>,
}
