//! Who somebody is and what they may do.
//!
//! Owns users, memberships with their roles, passwords, sign-in and the permissions that handlers name in their signatures.
//! It never decides by plan or payment: that is `access`. It never shows a password, a session id or why exactly a sign-in
//! was refused.

mod account;
pub mod api;
mod behalf;
pub mod cli;
pub(crate) mod counting;
mod device;
mod guard;
mod hasher;
pub mod link;
mod mint;
mod one_time;
mod password;
pub(crate) mod reset;
pub(crate) mod sign_in;
pub mod store;
mod throttle;
pub(crate) mod token;
pub mod web;
pub mod work;

use std::str::FromStr;

use jiff::tz::TimeZone;

use crate::i18n::Language;
use crate::tenants::{Tenant, TenantId};

pub use behalf::Behalf;
pub use device::Device;
pub use guard::{Administrator, Auth, Manager, Origin, Reader, SignedIn, Staff, Visitor};
pub use hasher::{Hasher, Verdict};
pub use mint::Asker;
pub use password::{Password, PasswordFault};
pub use throttle::{Attempts, Limit, Refused};
pub use token::Token;

/// The id of a user: ours, `usr_…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserId(String);

impl UserId {
    /// As it stands in rows.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if fits { Ok(Self(text.to_owned())) } else { Err(Fault::Id) }
    }
}

crate::text_column!(UserId);

/// An e-mail address as it names a user: in lower case. Whether mail arrives there, only mail can tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// In lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }
}

impl FromStr for Email {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let text = text.trim().to_lowercase();
        let plain = |part: &str| {
            !part.is_empty()
                && !part.chars().any(|c| c.is_whitespace() || c.is_control() || "@<>()[],;:\\\"".contains(c))
        };
        let host = |part: &str| plain(part) && part.split('.').all(|label| !label.is_empty());
        let fits = text.len() <= 254
            && text.rsplit_once('@').is_some_and(|(local, domain)| plain(local) && host(domain));
        if fits { Ok(Self(text)) } else { Err(Fault::Email) }
    }
}

crate::text_column!(Email);

/// What a member is in a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything about billing; at least one always remains.
    Owner,
    /// Everything about billing.
    Admin,
    /// Reads plan, invoices and usage; changes nothing.
    Supervisor,
    /// No access to billing.
    Operator,
}

impl Role {
    /// All of them, the mightiest first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Supervisor, Self::Operator];

    /// As it stands in rows and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Supervisor => "supervisor",
            Self::Operator => "operator",
        }
    }

    /// The key of the text that names it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Owner => "auth-role-owner",
            Self::Admin => "auth-role-admin",
            Self::Supervisor => "auth-role-supervisor",
            Self::Operator => "auth-role-operator",
        }
    }

    /// Whether it may see plan, invoices and usage.
    pub const fn reads_billing(self) -> bool {
        !matches!(self, Self::Operator)
    }

    /// Whether it may change anything about billing.
    pub const fn manages_billing(self) -> bool {
        matches!(self, Self::Owner | Self::Admin)
    }
}

impl FromStr for Role {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(Fault::Role)
    }
}

crate::text_column!(Role);

/// A user.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// Our id.
    pub id: UserId,
    /// What they sign in with.
    pub email: Email,
    /// What to call them.
    pub name: String,
    /// Whether they belong to the staff of the operator.
    pub staff: bool,
    /// The language they chose, if they did.
    pub language: Option<Language>,
    /// The zone they chose, if they did.
    pub time_zone: Option<TimeZone>,
}

/// A tenant that a user belongs to, and as what.
#[derive(Clone, Debug, PartialEq)]
pub struct Membership {
    /// The tenant.
    pub tenant: Tenant,
    /// What the user is in it.
    pub role: Role,
}

/// A user with the tenants they belong to, in the order of their names.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The user.
    pub user: User,
    /// Their tenants.
    pub memberships: Vec<Membership>,
}

impl Identity {
    /// The membership whose pages are shown: of the tenant that was chosen, if the user still belongs to it; else the first
    /// whose billing they may see; else the first.
    pub fn current(&self, chosen: Option<&TenantId>) -> Option<&Membership> {
        let mine = |id: &TenantId| self.memberships.iter().find(|membership| membership.tenant.id == *id);
        chosen
            .and_then(mine)
            .or_else(|| self.memberships.iter().find(|membership| membership.role.reads_billing()))
            .or_else(|| self.memberships.first())
    }
}

/// A user that is to be made, checked.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub(crate) email: Email,
    pub(crate) name: String,
    pub(crate) password_hash: Option<String>,
    pub(crate) language: Option<Language>,
    pub(crate) staff: bool,
}

impl NewUser {
    /// A user who has no password yet and belongs nowhere.
    ///
    /// # Errors
    /// When the name is empty, longer than 200 characters or holds control characters.
    pub fn new(email: Email, name: &str) -> Result<Self, Fault> {
        let name = crate::tenants::words(name).ok_or(Fault::Name)?;
        Ok(Self { email, name, password_hash: None, language: None, staff: false })
    }

    /// As [`new`](Self::new); without a name, called by what stands before the `@` of the address.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn named(email: Email, name: Option<&str>) -> Result<Self, Fault> {
        let own: String = email.local_part().chars().take(200).collect();
        Self::new(email, name.unwrap_or(&own))
    }

    /// Signing in with the password of this hash, made by [`Hasher::hash`].
    #[must_use]
    pub fn password_hash(self, hash: String) -> Self {
        Self { password_hash: Some(hash), ..self }
    }

    /// Speaking this language whatever the browser asks for.
    #[must_use]
    pub fn language(self, language: Option<Language>) -> Self {
        Self { language, ..self }
    }

    /// Of the operator's staff, or not.
    #[must_use]
    pub fn staff(self, staff: bool) -> Self {
        Self { staff, ..self }
    }
}

/// Why a user cannot be as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No id of a user looks like this.
    #[error("the id of a user is up to 64 letters, digits, _ and -")]
    Id,
    /// Not the form of an e-mail address.
    #[error("the e-mail address is not of the form name@example.com")]
    Email,
    /// The name is empty or too long.
    #[error("the name is 1 to 200 characters, none of them a control character")]
    Name,
    /// There is no such role.
    #[error("the role is one of owner, admin, supervisor, operator")]
    Role,
    /// Another user has the address.
    #[error("there is a user with this e-mail address already")]
    Taken,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_one_user_however_it_is_typed() {
        let email: Email = " Ana.Lopez@Norte.Example ".parse().expect("an address");
        assert_eq!((email.as_str(), email.local_part()), ("ana.lopez@norte.example", "ana.lopez"));
        let long = format!("{}@x.example", "a".repeat(250));
        for text in [
            "",
            "ana",
            "@norte",
            "ana@",
            "a b@norte",
            "ana@nor\nte",
            "ana@@norte",
            "ana@norte..x",
            "<ana@norte>",
            &long,
        ] {
            assert_eq!(text.parse::<Email>(), Err(Fault::Email), "{text}");
        }
    }

    #[test]
    fn who_has_no_name_is_called_by_their_address_however_long_it_is() {
        let long: Email = format!("{}@x.example", "a".repeat(240)).parse().expect("an address");
        assert_eq!(NewUser::named(long.clone(), None).expect("a user").name.len(), 200);
        assert_eq!(NewUser::named(long.clone(), Some("Ana")).expect("a user").name, "Ana");
        assert!(matches!(NewUser::named(long, Some(" ")), Err(Fault::Name)));
    }

    #[test]
    fn roles_may_what_they_may() {
        let may: Vec<_> =
            Role::ALL.iter().map(|role| (role.reads_billing(), role.manages_billing())).collect();
        assert_eq!(may, [(true, true), (true, true), (true, false), (false, false)]);
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!("Owner".parse::<Role>(), Err(Fault::Role));
    }
}
