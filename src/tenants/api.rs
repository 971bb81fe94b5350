//! Tenants as the host application provisions them: made or found by its own id, changed, with their members.

use axum::extract::{Path, State};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::provision::{self, Change, Members, Person, Wanted};
use super::{ExternalId, Tenant as Row, store, words};
use crate::api::caller::{ReadTenants, WriteTenants};
use crate::api::fields::{one_of, parsed, text};
use crate::api::view::MemberRole;
use crate::api::{Fields, Input, Json, KeyFor};
use crate::app::App;
use crate::auth::{Email, Role};
use crate::db::Tx;
use crate::error::Result;
use crate::i18n::{self, Language};

/// The most members that one request may name.
const MOST_MEMBERS: usize = 1_000;
/// The most that one answer shows.
const SHOWN: i64 = 1_000;
/// The most that a body with so many may hold, in bytes.
const LARGEST: usize = 512 * 1024;

/// The endpoints of tenants.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(create)).routes(routes!(show, update))
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
struct Tenant {
    /// The portal's id.
    id: String,
    /// The host application's own id.
    external_id: Option<String>,
    name: String,
    /// Where its bills go.
    email: String,
    /// The language of its mails and documents.
    locale: Locale,
    /// Its time zone, by its IANA name.
    #[schema(example = "Europe/Madrid")]
    time_zone: String,
    members: Vec<Member>,
}

/// A user who belongs to the tenant.
#[derive(Debug, Serialize, ToSchema)]
struct Member {
    /// The portal's id of the user.
    user_id: String,
    email: String,
    name: String,
    role: MemberRole,
}

/// A language.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Locale {
    En,
    Es,
}

/// A tenant that is to be there.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the description of what `New` reads")]
struct NewTenant {
    /// The host application's own id: visible ASCII without spaces, since calls name the tenant in a header.
    #[schema(min_length = 1, max_length = 200, pattern = "^[!-~]+$", example = "company-42")]
    external_id: String,
    #[schema(min_length = 1, max_length = 200, example = "Norte Logistics")]
    name: String,
    /// Where its bills go.
    #[schema(min_length = 3, max_length = 254, format = Email, example = "billing@norte.example")]
    email: String,
    /// English where it is not said.
    locale: Option<Locale>,
    /// UTC where it is not said.
    #[schema(min_length = 1, max_length = 100, example = "Europe/Madrid")]
    time_zone: Option<String>,
    /// Its first members; one of them must be an owner.
    #[schema(max_items = 1000, min_items = 1)]
    members: Option<Vec<NewMember>>,
}

/// What is to change: what is not named stays.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the description of what `Changes` reads")]
struct TenantChanges {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(min_length = 3, max_length = 254, format = Email)]
    email: Option<String>,
    locale: Option<Locale>,
    #[schema(min_length = 1, max_length = 100, example = "Europe/Madrid")]
    time_zone: Option<String>,
    /// All members there are to be: others are removed, and invitations that they sent and nobody answered are withdrawn. One
    /// of them must be an owner.
    #[schema(max_items = 1000, min_items = 1)]
    members: Option<Vec<NewMember>>,
}

/// Somebody who is to be a member. Who has no account yet gets one, and signs in by links until they choose a password.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the description of what `members` reads")]
struct NewMember {
    #[schema(min_length = 3, max_length = 254, format = Email, example = "ana@norte.example")]
    email: String,
    /// Of a new account; others keep theirs.
    #[schema(min_length = 1, max_length = 200, example = "Ana López")]
    name: Option<String>,
    role: MemberRole,
}

struct New(Wanted);

struct Changes(Change);

fn email(fields: &mut Fields, required: bool) -> Option<Option<Email>> {
    let read = parsed::<Email>("tenants-email");
    if required { fields.required("email", read).map(Some) } else { fields.optional("email", read) }
}

fn locale(fields: &mut Fields) -> Option<Option<Language>> {
    fields.optional("locale", one_of(&Language::ALL.map(|language| (language.code(), language))))
}

fn time_zone(fields: &mut Fields) -> Option<Option<String>> {
    let given = fields.optional("time_zone", text(1, 100))?;
    let name = given.as_deref().map(i18n::zone);
    if name == Some(None) {
        fields.refuse_with("time_zone", "tenants-time-zone");
        return None;
    }
    Some(name.flatten())
}

fn members(fields: &mut Fields) -> Option<Option<Members>> {
    let people = fields.list("members", 1..=MOST_MEMBERS, |fields| {
        let email = fields.required("email", parsed::<Email>("tenants-email"));
        let name = fields.optional("name", text(1, 200));
        let role = fields.required("role", one_of(&Role::ALL.map(|role| (role.as_str(), role))));
        Some(Person { email: email?, name: name?, role: role? })
    });
    match people?.map(Members::new).transpose() {
        Ok(members) => Some(members),
        Err(key) => {
            fields.refuse_with("members", key);
            None
        }
    }
}

impl Input for New {
    const LIMIT: usize = LARGEST;

    fn read(fields: &mut Fields) -> Option<Self> {
        let external_id = fields.required("external_id", parsed::<ExternalId>("tenants-external-id"));
        let name = fields.required("name", text(1, 200));
        let email = email(fields, true);
        let (locale, time_zone, members) = (locale(fields), time_zone(fields), members(fields));
        Some(Self(Wanted {
            external_id: external_id?,
            name: words(&name?)?,
            email: email??,
            language: locale?,
            time_zone: time_zone?,
            members: members?,
        }))
    }
}

impl Input for Changes {
    const LIMIT: usize = LARGEST;

    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.optional("name", text(1, 200));
        let email = email(fields, false);
        let (locale, time_zone, members) = (locale(fields), time_zone(fields), members(fields));
        Some(Self(Change {
            name: name?,
            email: email?,
            language: locale?,
            time_zone: time_zone?,
            members: members?,
        }))
    }
}

/// Make a tenant, or find it.
///
/// A tenant that has the `external_id` already is answered as it is, with 200: nothing of it changes. So a request may be sent
/// again whenever its answer was lost.
#[utoipa::path(
    post, path = "/tenants", tag = "tenants", operation_id = "create_tenant", request_body = NewTenant,
    security(("key" = ["tenants:write"])),
    responses(
        (status = 201, description = "It was made.", body = Tenant),
        (status = 200, description = "It was there.", body = Tenant),
    )
)]
async fn create(
    State(app): State<App>,
    host: KeyFor<WriteTenants>,
    Json(New(wanted)): Json<New>,
) -> Result<(StatusCode, axum::Json<Tenant>)> {
    let by = host.caller.by(&app.clock);
    let mut tx = app.db.write().await?;
    let (tenant, is_new) = provision::create_or_find(&mut tx, &wanted, &by).await?;
    let answer = shown(&mut tx, tenant).await?;
    tx.commit().await?;
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, axum::Json(answer)))
}

/// Show a tenant.
#[utoipa::path(
    get, path = "/tenants/{id}", tag = "tenants", operation_id = "get_tenant",
    security(("key" = ["tenants:read"])),
    params(("id" = String, Path, description = "The portal's id, or the host application's own.")),
    responses((status = 200, description = "The tenant.", body = Tenant))
)]
async fn show(
    State(app): State<App>,
    host: KeyFor<ReadTenants>,
    Path(id): Path<String>,
) -> Result<axum::Json<Tenant>> {
    let mut tx = app.db.read().await?;
    let tenant = host.tenant(&mut tx, &id).await?;
    Ok(axum::Json(shown(&mut tx, tenant).await?))
}

/// Change a tenant and who belongs to it.
#[utoipa::path(
    put, path = "/tenants/{id}", tag = "tenants", operation_id = "update_tenant", request_body = TenantChanges,
    security(("key" = ["tenants:write"])),
    params(("id" = String, Path, description = "The portal's id, or the host application's own.")),
    responses((status = 200, description = "The tenant as it is now.", body = Tenant))
)]
async fn update(
    State(app): State<App>,
    host: KeyFor<WriteTenants>,
    Path(id): Path<String>,
    Json(Changes(change)): Json<Changes>,
) -> Result<axum::Json<Tenant>> {
    let by = host.caller.by(&app.clock);
    let mut tx = app.db.write().await?;
    let tenant = host.tenant(&mut tx, &id).await?;
    let tenant = provision::update(&mut tx, &tenant.id, &change, &by).await?;
    let answer = shown(&mut tx, tenant).await?;
    tx.commit().await?;
    Ok(axum::Json(answer))
}

async fn shown(tx: &mut Tx, tenant: Row) -> Result<Tenant> {
    let members = store::members(tx, &tenant.id, SHOWN).await?;
    Ok(Tenant {
        id: tenant.id.to_string(),
        external_id: tenant.external_id,
        name: tenant.name,
        email: tenant.email,
        locale: match tenant.language {
            Language::En => Locale::En,
            Language::Es => Locale::Es,
        },
        time_zone: tenant.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        members: members
            .into_iter()
            .map(|member| Member {
                user_id: member.user.as_str().to_owned(),
                email: member.email.as_str().to_owned(),
                name: member.name,
                role: member.role.into(),
            })
            .collect(),
    })
}
