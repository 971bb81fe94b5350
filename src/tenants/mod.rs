//! Tenants: the companies whose billing this is.
//!
//! Owns who they are: name, address for bills, language, time zone, the host application's own id. It knows nothing of their
//! plans and money, and never lets one tenant be reached through another: the tenant comes from the session or a credential.

pub mod api;
pub mod cli;
pub mod provision;
pub mod store;
pub mod web;

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;

use crate::auth::Email;
use crate::i18n::{Language, zone};

/// The id of a tenant: ours, `ten_…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TenantId(String);

impl TenantId {
    /// As it stands in rows, in Stripe's metadata and in links.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TenantId {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if fits { Ok(Self(text.to_owned())) } else { Err(Fault::Id) }
    }
}

crate::text_column!(TenantId);

/// The host application's id of a tenant: one word of visible ASCII, since calls name tenants in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalId(String);

impl ExternalId {
    /// As it stands in rows and headers.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExternalId {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fits = (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(Fault::ExternalId) }
    }
}

/// A tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    /// Our id of it.
    pub id: TenantId,
    /// The host application's id of it.
    pub external_id: Option<String>,
    /// The company's name.
    pub name: String,
    /// Where its bills go.
    pub email: String,
    /// The language of its mails and documents.
    pub language: Language,
    /// The zone its days begin in.
    pub time_zone: TimeZone,
}

impl Tenant {
    /// What it is called by, ours and the host application's: plans that are not for everybody name tenants by either.
    pub fn ids(&self) -> Vec<&str> {
        [Some(self.id.as_str()), self.external_id.as_deref()].into_iter().flatten().collect()
    }
}

/// A tenant that is to be made, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTenant {
    pub(crate) external_id: Option<String>,
    pub(crate) name: String,
    pub(crate) email: Email,
    pub(crate) language: Language,
    pub(crate) time_zone: TimeZone,
}

/// Why a tenant cannot be as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No id of a tenant looks like this.
    #[error("the id of a tenant is up to 64 letters, digits, _ and -")]
    Id,
    /// No id of the host application looks like this.
    #[error("the external id is 1 to 200 visible ASCII characters, without spaces")]
    ExternalId,
    /// The name is empty or too long.
    #[error("the name is 1 to 200 characters, none of them a control character")]
    Name,
    /// The zone is in no list of zones.
    #[error("the time zone is not one of the IANA database, such as Europe/Madrid")]
    TimeZone,
    /// Another tenant has the host application's id.
    #[error("there is a tenant with this external id already")]
    Taken,
}

impl NewTenant {
    /// A tenant that speaks English and lives by UTC.
    ///
    /// # Errors
    /// When the name is empty, longer than 200 characters or holds control characters.
    pub fn new(name: &str, email: Email) -> Result<Self, Fault> {
        let name = words(name).ok_or(Fault::Name)?;
        Ok(Self { external_id: None, name, email, language: Language::En, time_zone: TimeZone::UTC })
    }

    /// Known to the host application by this id.
    ///
    /// # Errors
    /// When it could not stand in a header.
    pub fn external_id(self, id: &str) -> Result<Self, Fault> {
        let id: ExternalId = id.parse()?;
        Ok(Self { external_id: Some(id.0), ..self })
    }

    /// Speaking this language.
    #[must_use]
    pub fn language(self, language: Language) -> Self {
        Self { language, ..self }
    }

    /// Living by this IANA time zone.
    ///
    /// # Errors
    /// When there is no such zone.
    pub fn time_zone(self, name: &str) -> Result<Self, Fault> {
        let name = zone(name).ok_or(Fault::TimeZone)?;
        Ok(Self { time_zone: TimeZone::get(&name).map_err(|_| Fault::TimeZone)?, ..self })
    }
}

/// What a person typed as a name: trimmed, 1 to 200 characters, on one line.
pub(crate) fn words(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_a_name_on_one_line_and_a_real_time_zone() {
        let email: Email = "billing@norte.example".parse().expect("an address");
        let tenant = NewTenant::new("  Norte & Sur ", email.clone()).expect("a tenant");
        assert_eq!(tenant.name, "Norte & Sur");
        for name in ["", "  ", "two\nlines", &"x".repeat(201)] {
            assert_eq!(NewTenant::new(name, email.clone()), Err(Fault::Name), "{name}");
        }
        assert_eq!(tenant.clone().time_zone("Europe/Atlantis"), Err(Fault::TimeZone));
        let madrid = tenant.time_zone("Europe/Madrid").expect("a zone");
        assert_eq!(madrid.time_zone.iana_name(), Some("Europe/Madrid"));
    }

    #[test]
    fn an_id_is_one_word() {
        for id in ["ten_01", "acme-7"] {
            assert_eq!(id.parse::<TenantId>().expect("an id").as_str(), id);
        }
        for id in ["", "a b", "../x", "a'b", &"x".repeat(65)] {
            assert_eq!(id.parse::<TenantId>(), Err(Fault::Id), "{id}");
        }
        for id in ["company-42", "a/b?c", &"x".repeat(200)] {
            assert_eq!(id.parse::<ExternalId>().expect("an id").as_str(), id);
        }
        for id in ["", "a b", "a\nb", "compañía", &"x".repeat(201)] {
            assert_eq!(id.parse::<ExternalId>(), Err(Fault::ExternalId), "{id}");
        }
    }
}
