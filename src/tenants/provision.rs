//! Tenants and members at the word of the host application, which knows who its companies and their people are.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{NewTenant, Tenant, TenantId, store};
use crate::audit::{self, Entry};
use crate::auth::{self, Email, NewUser, Role, UserId};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::i18n::Language;
use crate::members;

/// A tenant that is to be there.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The host's own id of it.
    pub external_id: String,
    /// Its name.
    pub name: String,
    /// Where its bills go.
    pub email: Email,
    /// The language of its mails; English where it is not said.
    pub language: Option<Language>,
    /// Its IANA time zone; UTC where it is not said.
    pub time_zone: Option<String>,
    /// Who is to belong to it.
    pub members: Vec<Person>,
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
    pub members: Option<Vec<Person>>,
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

/// Makes a tenant with its members, or finds the one that has the host's id; whether it was made.
///
/// # Errors
/// A field that cannot be, or the database did not take it.
pub async fn create_or_find(tx: &mut Tx, wanted: &Wanted, by: &Entry) -> Result<(Tenant, bool)> {
    if let Some(tenant) = store::find_external(tx, &wanted.external_id).await? {
        return Ok((tenant, false));
    }
    let new = NewTenant::new(&wanted.name, wanted.email.clone())
        .and_then(|new| new.external_id(&wanted.external_id))
        .and_then(|new| new.time_zone(wanted.time_zone.as_deref().unwrap_or("UTC")))
        .map_err(|fault| Error::internal(format!("was checked before: {fault}")))?
        .language(wanted.language.unwrap_or_default());
    let Ok(tenant) = store::create(tx, &new, by.at).await? else {
        // Made by another at this moment.
        let tenant = store::find_external(tx, &wanted.external_id).await?;
        return Ok((tenant.ok_or(Error::NotFound)?, false));
    };
    record(tx, by, "tenant.created", &tenant.id, tenant.id.as_str(), None, None).await?;
    if !wanted.members.is_empty() {
        set_members(tx, &tenant.id, &wanted.members, by).await?;
    }
    Ok((tenant, true))
}

/// Changes a tenant; with members named, exactly these remain, one owner at least.
///
/// # Errors
/// No owner would remain, or the database did not take it.
pub async fn update(tx: &mut Tx, tenant: Tenant, change: &Change, by: &Entry) -> Result<Tenant> {
    let zone = change.time_zone.as_deref().map(TimeZone::get).transpose().map_err(Error::internal)?;
    let after = Tenant {
        name: change.name.clone().unwrap_or_else(|| tenant.name.clone()),
        email: change.email.as_ref().map_or_else(|| tenant.email.clone(), |email| email.as_str().to_owned()),
        language: change.language.unwrap_or(tenant.language),
        time_zone: zone.unwrap_or_else(|| tenant.time_zone.clone()),
        ..tenant.clone()
    };
    if after != tenant {
        store::change(tx, &after).await?;
        let words = (Some(words(&tenant)), Some(words(&after)));
        record(tx, by, "tenant.changed", &tenant.id, tenant.id.as_str(), words.0, words.1).await?;
    }
    if let Some(members) = &change.members {
        set_members(tx, &tenant.id, members, by).await?;
    }
    Ok(after)
}

async fn set_members(tx: &mut Tx, tenant: &TenantId, people: &[Person], by: &Entry) -> Result<()> {
    if !people.iter().any(|person| person.role == Role::Owner) {
        return Err(Error::field("members", "tenants-no-owner"));
    }
    members::store::lock(tx, tenant).await?;
    let roles: Vec<Role> = people.iter().map(|person| person.role).collect();
    let mut kept: Vec<UserId> = Vec::with_capacity(people.len());
    for person in people {
        let user = join(tx, tenant, person, by).await?;
        if kept.contains(&user) {
            return Err(Error::field("members", "tenants-member-twice"));
        }
        kept.push(user);
    }
    for member in store::members(tx, tenant).await? {
        let before = Some(json!({ "role": member.role.as_str() }));
        let wanted = kept.iter().zip(&roles).find(|(user, _)| **user == member.user).map(|(_, role)| *role);
        match wanted {
            None => {
                members::store::remove(tx, tenant, &member.user).await?;
                record(tx, by, "member.removed", tenant, member.user.as_str(), before, None).await?;
            }
            Some(role) if role != member.role => {
                members::store::set_role(tx, tenant, &member.user, role).await?;
                let after = Some(json!({ "role": role.as_str() }));
                record(tx, by, "member.changed", tenant, member.user.as_str(), before, after).await?;
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Makes somebody a member, with an account where they have none. A member keeps the role they have.
async fn join(tx: &mut Tx, tenant: &TenantId, person: &Person, by: &Entry) -> Result<UserId> {
    let user = match auth::store::credentials(tx, person.email.as_str()).await? {
        Some((user, _)) => user,
        None => {
            let name = person.name.as_deref().unwrap_or_else(|| person.email.local_part());
            let new = NewUser::new(person.email.clone(), name).map_err(Error::internal)?;
            let user = auth::store::create(tx, &new, by.at).await?.map_err(Error::internal)?;
            record(tx, by, "user.created", tenant, user.id.as_str(), None, None).await?;
            user.id
        }
    };
    if auth::store::join(tx, tenant, &user, person.role, by.at).await? {
        let after = json!({ "role": person.role.as_str() });
        record(tx, by, "member.added", tenant, user.as_str(), None, Some(after)).await?;
    }
    Ok(user)
}

async fn record(
    tx: &mut Tx,
    by: &Entry,
    action: &'static str,
    tenant: &TenantId,
    object: &str,
    before: Option<Value>,
    after: Option<Value>,
) -> Result<()> {
    let entry = Entry { action, ..by.clone() }.tenant(tenant.as_str()).object(object).change(before, after);
    audit::record(tx, &entry).await?;
    Ok(())
}

fn words(tenant: &Tenant) -> Value {
    json!({
        "name": tenant.name, "email": tenant.email, "language": tenant.language.code(),
        "time_zone": tenant.time_zone.iana_name(),
    })
}
