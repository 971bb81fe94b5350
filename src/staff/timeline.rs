//! Everything that ever happened to a tenant, in one line of time.

/// What a moment of the timeline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An entry of the audit.
    Audit,
    /// An event of Stripe's.
    Event,
    /// A mail.
    Mail,
    /// A step about a missing payment.
    Dunning,
    /// An invoice.
    Invoice,
    /// A change of what the tenant is worth.
    Mrr,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Audit, Self::Event, Self::Mail, Self::Dunning, Self::Invoice, Self::Mrr];

    /// As it stands in addresses and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Event => "event",
            Self::Mail => "mail",
            Self::Dunning => "dunning",
            Self::Invoice => "invoice",
            Self::Mrr => "mrr",
        }
    }

    /// The key of its name.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Audit => "staff-kind-audit",
            Self::Event => "staff-kind-event",
            Self::Mail => "staff-kind-mail",
            Self::Dunning => "staff-kind-dunning",
            Self::Invoice => "staff-kind-invoice",
            Self::Mrr => "staff-kind-mrr",
        }
    }

    /// The kind of a word.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A moment.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Moment {
    /// See [`Kind::as_str`].
    pub kind: String,
    /// What names it: of a step, the invoice and the step.
    pub id: String,
    /// The action, the type, the kind of mail, the step, the kind of change.
    pub what: String,
    /// The person, the state, the status.
    pub detail: Option<String>,
    /// What it was done to, or the number.
    pub object: Option<String>,
    /// What `amount` is in.
    pub currency: Option<String>,
    /// Minor units.
    pub amount: i64,
    /// Unix seconds.
    pub at: i64,
}

/// The point after which a page begins: the time and id of the last moment of the page before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Unix seconds.
    pub at: i64,
    /// The id.
    pub id: String,
}

impl Point {
    /// The newest page's.
    pub fn newest() -> Self {
        Self { at: i64::MAX, id: String::new() }
    }

    /// From an address: time and id with a dot between.
    pub fn read(text: &str) -> Option<Self> {
        let (at, id) = text.split_once('.')?;
        Some(Self { at: at.parse().ok()?, id: id.to_owned() })
    }

    /// For an address.
    pub fn of(moment: &Moment) -> String {
        format!("{}.{}", moment.at, moment.id)
    }
}
