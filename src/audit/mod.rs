//! Who did what, and when: entries that are only ever added.
//!
//! An entry is written in the transaction of the change that it tells of. It never holds card data, secrets or passwords.

mod store;

pub use store::record;

use jiff::Timestamp;
use serde_json::Value;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person who is signed in, by the user's id.
    User(String),
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
            Self::Visitor => "visitor",
            Self::Stripe(_) => "stripe",
            Self::Job(_) => "job",
            Self::Command => "command",
        }
    }

    fn id(&self) -> Option<&str> {
        match self {
            Self::User(id) => Some(id),
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
