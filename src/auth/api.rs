//! `POST /sign-in-links`: the host application lets somebody in whom it has signed in itself.

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::link::{Refusal as Reason, Whom, Wish};
use super::{Asker, Email, Role, UserId};
use crate::api::caller::MintSignInLinks;
use crate::api::fields::{one_of, parsed, text};
use crate::api::view::MemberRole;
use crate::api::{Draft, Fields, For, Input};
use crate::app::App;
use crate::clock::from_seconds;
use crate::error::{Error, Refusal, Result};

/// The endpoints of sign-in.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(create))
}

/// Who is let in, and where they go.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSignInLink)]
#[expect(dead_code, reason = "the documentation of what `New` reads")]
struct NewSchema {
    /// The address of who is let in; or `user_id`.
    #[schema(min_length = 3, max_length = 254, format = Email, example = "ana@example.com")]
    email: Option<String>,
    /// The portal's id of who is let in; or `email`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    user_id: Option<String>,
    /// With a role, an address that nobody has becomes a user, and a user who is no member of the tenant becomes one. Members keep
    /// the role they have. Without it only members are let in.
    role: Option<MemberRole>,
    /// The name of a user who is made for it; otherwise what stands before the `@`.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// A path of the portal to go to.
    #[schema(min_length = 1, max_length = 2000, example = "/invoices")]
    return_to: Option<String>,
}

/// The body, read.
#[derive(Clone)]
struct New {
    whom: Whom,
    role: Option<Role>,
    name: Option<String>,
    return_to: Option<String>,
}

impl Input for New {
    fn read(fields: &mut Fields) -> Option<Self> {
        let email = fields.optional("email", parsed::<Email>("auth-email-malformed"));
        let user = fields.optional("user_id", parsed::<UserId>("auth-user-malformed"));
        let roles = Role::ALL.map(|role| (role.as_str(), role));
        let role = fields.optional("role", one_of(&roles));
        let name = fields.optional("name", text(1, 200));
        let return_to = fields.own_path("return_to");
        let whom = match (email?, user?) {
            (Some(email), None) => Some(Whom::Email(email)),
            (None, Some(user)) => Some(Whom::User(user)),
            _ => {
                fields.refuse_with("email", "auth-email-or-user");
                None
            }
        };
        // Whether there is such a user is told by the address and the role; the others say nothing about it.
        Some(Self { whom: whom?, role: role?, name: name.flatten(), return_to: return_to.flatten() })
    }
}

/// A link that works once.
#[derive(Debug, Serialize, ToSchema)]
struct SignInLink {
    /// What the audit calls it.
    id: String,
    /// Where to send the person. Not to be kept: who has it is let in.
    url: String,
    /// Until when it works.
    #[schema(format = DateTime)]
    expires_at: String,
    /// The portal's id of who is let in.
    user_id: String,
    email: String,
    /// The portal's id of the tenant whose pages they see first.
    tenant_id: String,
    /// Whether the user was made for it.
    user_created: bool,
    /// Whether the user became a member for it.
    member_created: bool,
}

/// Make a link that signs a person in once
///
/// It works for five minutes, at the tenant of `X-Tenant-Id`, and shows a page with a button first: what merely follows links, such
/// as the scanner of a mail server, uses nothing up. The operator's own staff are never let in this way.
#[utoipa::path(post, path = "/sign-in-links", tag = "sign-in", operation_id = "create_sign_in_link",
    request_body = NewSchema, security(("key" = ["sign_in_links:write"])),
    responses((status = 201, description = "The link, shown once", body = SignInLink)))]
async fn create(
    State(app): State<App>,
    For { caller, tenant, .. }: For<MintSignInLinks>,
    draft: Draft<New>,
) -> Result<(StatusCode, axum::Json<SignInLink>)> {
    let site = &app.config.site;
    let New { whom, role, name, return_to } = draft.value.clone();
    let field = match whom {
        Whom::Email(_) => "email",
        Whom::User(_) => "user_id",
    };
    let wish = Wish { tenant: tenant.id.clone(), whom, name, role, return_to };
    let by = Asker { actor: caller.actor(), address: caller.entry("link.created", app.clock.now()).address };
    let mut tx = app.db.write().await?;
    // Asked also where a field is wrong, so that one answer names all; then nothing is kept.
    let link = match app.auth.mint(&mut tx, &wish, &by).await?.map_err(|reason| refused(reason, field)) {
        Ok(link) if !draft.is_wrong() => link,
        Ok(_) => return Err(draft.refused([])),
        Err(Error::Invalid(meaning)) => return Err(draft.refused(meaning)),
        Err(error) => return Err(error),
    };
    tx.commit().await?;
    let answer = SignInLink {
        url: site.link(&link.path.0),
        expires_at: from_seconds(link.expires_at).to_string(),
        user_id: link.user.id.as_str().to_owned(),
        email: link.user.email.as_str().to_owned(),
        tenant_id: tenant.id.to_string(),
        user_created: link.is_new_user,
        member_created: link.is_new_member,
        id: link.id,
    };
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

/// Why no link was made, at its field.
fn refused(reason: Reason, field: &'static str) -> Error {
    match reason {
        Reason::NoSuchUser => Error::field(field, "auth-link-no-user"),
        Reason::NoMember => Error::field(field, "auth-link-no-member"),
        Reason::Name => Error::field("name", "auth-name-wrong"),
        Reason::Staff => Refusal::new(StatusCode::FORBIDDEN, "staff_user", reason.to_string()).into(),
    }
}
