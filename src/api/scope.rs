//! What a key may be used for.

use std::fmt;
use std::str::FromStr;

/// One thing that a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everything, now and later.
    All,
    /// Asking what a tenant may do.
    AccessRead,
    /// Reading subscriptions and invoices.
    BillingRead,
    /// Subscribing, changing, cancelling, opening Stripe's portal.
    BillingWrite,
    /// Making links that sign a person in.
    SignInLinksWrite,
    /// Reading tenants and their members.
    TenantsRead,
    /// Making and changing tenants and their members.
    TenantsWrite,
    /// Reading usage, and asking whether there is room for more.
    UsageRead,
    /// Reporting usage.
    UsageWrite,
}

/// The text is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope is one of {}", Scope::ALL.map(Scope::as_str).join(", "))]
pub struct NotAScope;

impl Scope {
    /// All of them, in the order of lists.
    pub const ALL: [Self; 9] = [
        Self::All,
        Self::AccessRead,
        Self::BillingRead,
        Self::BillingWrite,
        Self::SignInLinksWrite,
        Self::TenantsRead,
        Self::TenantsWrite,
        Self::UsageRead,
        Self::UsageWrite,
    ];

    /// Its word in rows, on the command line and in the documentation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "*",
            Self::AccessRead => "access:read",
            Self::BillingRead => "billing:read",
            Self::BillingWrite => "billing:write",
            Self::SignInLinksWrite => "sign_in_links:write",
            Self::TenantsRead => "tenants:read",
            Self::TenantsWrite => "tenants:write",
            Self::UsageRead => "usage:read",
            Self::UsageWrite => "usage:write",
        }
    }

    /// The key of its words.
    pub const fn key(self) -> &'static str {
        match self {
            Self::All => "api-scope-all",
            Self::AccessRead => "api-scope-access-read",
            Self::BillingRead => "api-scope-billing-read",
            Self::BillingWrite => "api-scope-billing-write",
            Self::SignInLinksWrite => "api-scope-links-write",
            Self::TenantsRead => "api-scope-tenants-read",
            Self::TenantsWrite => "api-scope-tenants-write",
            Self::UsageRead => "api-scope-usage-read",
            Self::UsageWrite => "api-scope-usage-write",
        }
    }

    /// Whether it lets a key do what needs `wanted`. Who may write may read what they write.
    pub fn covers(self, wanted: Self) -> bool {
        self == wanted
            || match self {
                Self::All => true,
                Self::BillingWrite => wanted == Self::BillingRead,
                Self::TenantsWrite => wanted == Self::TenantsRead,
                _ => false,
            }
    }

    /// The scopes of a list with spaces, as rows have them; words that an older or newer program wrote are left out.
    pub(super) fn list(words: &str) -> Vec<Self> {
        words.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    }

    /// A list with spaces.
    pub(super) fn words(scopes: &[Self]) -> String {
        scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
    }
}

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(NotAScope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_itself_and_what_it_needs_to_be_of_use() {
        for scope in Scope::ALL {
            assert!(scope.covers(scope) && Scope::All.covers(scope));
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        assert!(Scope::BillingWrite.covers(Scope::BillingRead));
        assert!(!Scope::BillingRead.covers(Scope::BillingWrite));
        assert!(!Scope::UsageWrite.covers(Scope::UsageRead));
        assert!(!Scope::TenantsWrite.covers(Scope::All));
        assert_eq!(Scope::list("usage:write no:such *"), [Scope::UsageWrite, Scope::All]);
    }
}
