//! Tenants and members at the word of the host application, which knows who its companies and their people are.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{ExternalId, NewTenant, Tenant, TenantId, store};
use crate::auth::{self, Email, NewUser, Role, UserId};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::i18n::Language;
use crate::members;
use crate::members::act::By;

/// A tenant that is to be there.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The host's own id of it.
    pub external_id: ExternalId,
    /// Its name.
    pub name: String,
    /// Where its bills go.
    pub email: Email,
    /// The language of its mails; English where it is not said.
    pub language: Option<Language>,
    /// Its IANA time zone; UTC where it is not said.
    pub time_zone: Option<String>,
    /// Who is to belong to it; nobody yet where it is not said.
    pub members: Option<Members>,
}

/// What is to change of a tenant: what is not named stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Its name.
    pub name: Option<String>,
    /// Where its bills go.
    pub email: Option<Email>,
    /// The language of its mails.
    pub language: Option<Language>,
    /// Its IANA time zone.
    pub time_zone: Option<String>,
    /// All who are to belong to it.
    pub members: Option<Members>,
}

/// Somebody who is to be a member.
#[derive(Clone, Debug)]
pub struct Person {
    /// The address that they sign in with.
    pub email: Email,
    /// The name of a new account.
    pub name: Option<String>,
    /// As what.
    pub role: Role,
}

/// All who are to belong to a tenant: each once, an owner among them.
#[derive(Clone, Debug)]
pub struct Members(Vec<Person>);

impl Members {
    /// These people, in the order of their addresses: two requests that make the same people wait for one another, and neither
    /// for both.
    ///
    /// # Errors
    /// The key of what is wrong: no owner is among them, or somebody is there twice.
    pub fn new(mut people: Vec<Person>) -> Result<Self, &'static str> {
        people.sort_by(|one, other| one.email.as_str().cmp(other.email.as_str()));
        if !people.iter().any(|person| person.role == Role::Owner) {
            return Err("tenants-no-owner");
        }
        if people.windows(2).any(|two| matches!(two, [one, other] if one.email == other.email)) {
            return Err("tenants-member-twice");
        }
        Ok(Self(people))
    }
}

/// Makes a tenant with its members, or finds the one that has the host's id; whether it was made.
///
/// # Errors
/// A field that cannot be, or the database did not take it.
pub async fn create_or_find(tx: &mut Tx, wanted: &Wanted, by: &By) -> Result<(Tenant, bool)> {
    let external_id = wanted.external_id.as_str();
    if let Some(tenant) = store::find_external(tx, external_id).await? {
        return Ok((tenant, false));
    }
    let new = NewTenant::new(&wanted.name, wanted.email.clone())
        .and_then(|new| new.external_id(external_id))
        .and_then(|new| new.time_zone(wanted.time_zone.as_deref().unwrap_or("UTC")))
        .map_err(|fault| Error::internal(format!("was checked before: {fault}")))?
        .language(wanted.language.unwrap_or_default());
    let Ok(tenant) = store::create(tx, &new, by.now).await? else {
        // Made by another at this moment.
        let tenant = store::find_external(tx, external_id).await?;
        return Ok((tenant.ok_or(Error::NotFound)?, false));
    };
    by.record(tx, &tenant.id, "tenant.created", tenant.id.as_str(), None, None).await?;
    if let Some(members) = &wanted.members {
        set_members(tx, &tenant.id, members, by).await?;
    }
    Ok((tenant, true))
}

/// Changes a tenant; with members named, exactly these remain, one owner at least. The row is held and read here: what two
/// requests change at the same moment is changed one after the other, and neither takes the other's back.
///
/// # Errors
/// There is no such tenant, no owner would remain, or the database did not take it.
pub async fn update(tx: &mut Tx, tenant: &TenantId, change: &Change, by: &By) -> Result<Tenant> {
    members::store::lock(tx, tenant).await?;
    let before = store::find(tx, tenant.as_str()).await?.ok_or(Error::NotFound)?;
    let zone = change.time_zone.as_deref().map(TimeZone::get).transpose().map_err(Error::internal)?;
    let after = Tenant {
        name: change.name.clone().unwrap_or_else(|| before.name.clone()),
        email: change.email.as_ref().map_or_else(|| before.email.clone(), |email| email.as_str().to_owned()),
        language: change.language.unwrap_or(before.language),
        time_zone: zone.unwrap_or_else(|| before.time_zone.clone()),
        ..before.clone()
    };
    if after != before {
        store::change(tx, &after).await?;
        let (before, after) = (Some(words(&before)), Some(words(&after)));
        by.record(tx, tenant, "tenant.changed", tenant.as_str(), before, after).await?;
    }
    if let Some(members) = &change.members {
        set_members(tx, tenant, members, by).await?;
    }
    Ok(after)
}

/// Exactly these are to be members. Who goes, and whose role becomes another, does so by the rules of `members`.
async fn set_members(tx: &mut Tx, tenant: &TenantId, Members(people): &Members, by: &By) -> Result<()> {
    members::store::lock(tx, tenant).await?;
    let mut wanted: HashMap<UserId, Role> = HashMap::with_capacity(people.len());
    for person in people {
        wanted.insert(join(tx, tenant, person, by).await?, person.role);
    }
    let mut there = store::members(tx, tenant, i64::MAX).await?;
    // New owners first: one always remains.
    there.sort_by_key(|member| wanted.get(&member.user) != Some(&Role::Owner));
    for member in there {
        match wanted.get(&member.user) {
            None => members::act::remove(tx, tenant, by, &member.user).await?,
            Some(role) if *role == member.role => {}
            Some(role) => members::act::change_role(tx, tenant, by, &member.user, *role).await?,
        }
    }
    Ok(())
}

/// Makes somebody a member, with an account where they have none. A member keeps the role they have.
async fn join(tx: &mut Tx, tenant: &TenantId, person: &Person, by: &By) -> Result<UserId> {
    let new = NewUser::named(person.email.clone(), person.name.as_deref()).map_err(Error::internal)?;
    let (user, is_new) = auth::store::find_or_create(tx, &new, by.now).await?;
    if is_new {
        by.record(tx, tenant, "user.created", user.id.as_str(), None, None).await?;
    }
    if auth::store::join(tx, tenant, &user.id, person.role, by.now).await? {
        let after = json!({ "role": person.role.as_str() });
        by.record(tx, tenant, "member.added", user.id.as_str(), None, Some(after)).await?;
    }
    Ok(user.id)
}

fn words(tenant: &Tenant) -> Value {
    json!({
        "name": tenant.name, "email": tenant.email, "language": tenant.language.code(),
        "time_zone": tenant.time_zone.iana_name(),
    })
}
