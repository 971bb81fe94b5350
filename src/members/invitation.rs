//! The page that an invitation leads to. Looking at it changes nothing: the button joins.
//!
//! The link proves that its bearer reads the mails of the address that was invited, and no more. Who has a password there still
//! shows it, or is signed in; who has none, or is nobody yet, chooses one.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use serde::Deserialize;
use tower_sessions::Session;

use super::Refusal;
use super::act::{self, By, Fault};
use super::store::{self, Invitation};
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::auth::reset::password_error;
use crate::auth::sign_in::Outcome;
use crate::auth::{self, NewUser, Origin, Password, SignedIn, Token, UserId, Visitor};
use crate::error::{Error, FieldError, Result, WayOn};
use crate::tenants::words;
use crate::web::{Flash, Form, Html, Page, no_referrer, redirect};

/// The routes of invitations.
pub(super) fn router() -> Router<App> {
    Router::new().route("/invitations/{token}", get(show).post(join))
}

/// What the page asks of its visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    /// Nothing: they are signed in as who was invited.
    Consent,
    /// Their password.
    Password,
    /// A new password: they have an account and none yet.
    NewPassword,
    /// A name and a password.
    Account,
    /// To sign out: somebody else is signed in.
    SignOut,
}

#[derive(Template)]
#[template(path = "members/invitation.html")]
struct InvitationPage {
    page: Page,
    invitation: Invitation,
    ask: Ask,
    /// The form's own address, secret and all.
    action: String,
    /// What was typed, kept after an error.
    name: String,
    /// Who is signed in here, if that is somebody else.
    other: String,
}

/// An invitation that is open, with who would accept it.
struct Opened {
    token: Token,
    invitation: Invitation,
    ask: Ask,
    user: Option<UserId>,
    visitor: Option<SignedIn>,
}

async fn open(app: &App, token: &str, visitor: Option<SignedIn>) -> Result<Opened> {
    let token: Token = token.parse().map_err(|()| over())?;
    let mut tx = app.db.read().await?;
    let invitation = store::find(&mut tx, &token.digest()).await?;
    let open = invitation.filter(|known| known.expires_at > app.clock.wall().as_second());
    let invitation = open.ok_or_else(over)?;
    let known = auth::store::credentials(&mut tx, invitation.email.as_str()).await?;
    let ask = match (&visitor, &known) {
        (Some(one), _) if one.user().email == invitation.email => Ask::Consent,
        (Some(_), _) => Ask::SignOut,
        (None, Some((_, Some(_)))) => Ask::Password,
        (None, Some((_, None))) => Ask::NewPassword,
        (None, None) => Ask::Account,
    };
    Ok(Opened { token, invitation, ask, user: known.map(|(user, _)| user), visitor })
}

/// An invitation that is over, or never was: told alike.
fn over() -> Error {
    Error::Gone { reason: "members-invitation-over", way_on: Some(WayOn::new("/", "web-go-home")) }
}

impl Opened {
    fn page(self, page: Page, name: String) -> Response {
        let headers = no_referrer(page.site());
        let other = self.visitor.filter(|_| self.ask == Ask::SignOut);
        let other = other.map(|one| one.user().email.as_str().to_owned()).unwrap_or_default();
        let action = format!("/invitations/{}", self.token.expose());
        let shown = InvitationPage { page, invitation: self.invitation, ask: self.ask, action, name, other };
        (headers, Html(shown)).into_response()
    }

    /// The form once more, with what is wrong.
    fn again(self, page: Page, name: String, errors: Vec<FieldError>) -> Response {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        (status, self.page(page.with_errors(errors), name)).into_response()
    }
}

async fn show(
    page: Page,
    State(app): State<App>,
    Visitor(visitor): Visitor,
    Path(token): Path<String>,
) -> Result<Response> {
    Ok(open(&app, &token, visitor).await?.page(page, String::new()))
}

#[derive(Deserialize)]
struct JoinForm {
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
}

async fn join(
    page: Page,
    State(app): State<App>,
    Visitor(visitor): Visitor,
    from: Origin,
    session: Session,
    Path(token): Path<String>,
    Form(form): Form<JoinForm>,
) -> Result<Response> {
    let address = from.address;
    let opened = match open(&app, &token, visitor).await {
        Ok(opened) => opened,
        Err(refusal) => {
            too_late(&app, &token, address).await?;
            return Err(refusal);
        }
    };
    let newcomer = match opened.ask {
        Ask::SignOut => {
            let way_on = Some(WayOn::new("/account", "auth-back-to-account"));
            return Err(Error::Conflict { reason: "members-invitation-not-yours", way_on });
        }
        Ask::Consent => None,
        Ask::Password => {
            match app.auth.sign_in(opened.invitation.email.as_str(), &form.password, address).await? {
                Outcome::Welcome(_) => None,
                Outcome::Wrong => {
                    let wrong = FieldError::new("password", "members-password-wrong");
                    return Ok(opened.again(page, form.name, vec![wrong]));
                }
                Outcome::Refused(refused) => {
                    let often =
                        FieldError::new("password", "auth-too-often").with("minutes", refused.minutes());
                    let headers = [(header::RETRY_AFTER, refused.wait.to_string())];
                    let again = opened.again(page, form.name, vec![often]);
                    return Ok((StatusCode::TOO_MANY_REQUESTS, headers, again).into_response());
                }
            }
        }
        Ask::NewPassword | Ask::Account => match check(&opened, &form) {
            Ok((name, password)) => Some((name, app.auth.hasher.hash(&password).await?)),
            Err(errors) => return Ok(opened.again(page, form.name, errors)),
        },
    };
    let Some(user) = enter(&app, &opened, newcomer, address).await? else {
        // Somebody made an account of that address meanwhile: the page asks anew.
        return Ok(redirect(format!("/invitations/{}", opened.token.expose())).into_response());
    };
    let tenant = &opened.invitation.tenant_id;
    match opened.ask {
        Ask::Consent => app.auth.move_to(&session, tenant).await?,
        _ => {
            app.auth.welcome_at(&session, &user, Some(tenant), &from).await?;
        }
    }
    let to = if opened.invitation.role.reads_billing() { "/" } else { "/account" };
    Ok(redirect(to).flash(Flash::success("members-joined")).into_response())
}

/// Name and password of somebody who has none yet, or each field that cannot be.
fn check(opened: &Opened, form: &JoinForm) -> Result<(String, Password), Vec<FieldError>> {
    let mut errors = Vec::new();
    let name = match opened.ask {
        Ask::Account => words(&form.name),
        _ => Some(String::new()),
    };
    if name.is_none() {
        errors.push(FieldError::new("name", "auth-name-wrong"));
    }
    match (name, Password::new(&form.password, &opened.invitation.email)) {
        (Some(name), Ok(password)) => Ok((name, password)),
        (_, Err(fault)) => {
            errors.push(password_error("password", fault));
            Err(errors)
        }
        (None, Ok(_)) => Err(errors),
    }
}

/// Makes the visitor a member, and a user with this name and hash first where they are none; none where the address has come to
/// belong to somebody with a password meanwhile.
async fn enter(
    app: &App,
    opened: &Opened,
    newcomer: Option<(String, String)>,
    address: std::net::IpAddr,
) -> Result<Option<UserId>> {
    let now = app.clock.now();
    let tenant = &opened.invitation.tenant_id;
    let mut tx = app.db.write().await?;
    store::lock(&mut tx, tenant).await?;
    let user = match (newcomer, &opened.user) {
        (None, user) => user.clone().ok_or(Error::NotFound)?,
        (Some((_, hash)), Some(user)) => {
            if !auth::store::set_first_hash(&mut tx, user, &hash).await? {
                return Ok(None);
            }
            let entry = entry(user, "password.changed", now).object(user.as_str());
            audit::record(&mut tx, &entry.tenant(tenant.as_str()).address(address.to_string())).await?;
            user.clone()
        }
        (Some((name, hash)), None) => {
            let new = NewUser::new(opened.invitation.email.clone(), &name)
                .map_err(|_| Error::field("name", "auth-name-wrong"))?
                .password_hash(hash);
            let Ok(user) = auth::store::create(&mut tx, &new, now).await? else { return Ok(None) };
            let entry = entry(&user.id, "user.created", now).object(user.id.as_str());
            audit::record(&mut tx, &entry.tenant(tenant.as_str()).address(address.to_string())).await?;
            user.id
        }
    };
    let by = By {
        actor: Actor::User(user.as_str().to_owned()),
        user: None,
        address: Some(address.to_string()),
        now,
        wall: app.clock.wall().as_second(),
    };
    match act::accept(&mut tx, &opened.invitation, &opened.token, &user, &by).await {
        Ok(_) => tx.commit().await?,
        Err(Fault::Refused(Refusal::Nobody)) => {
            drop(tx);
            too_late(app, opened.token.expose(), address).await?;
            return Err(over());
        }
        Err(fault) => return Err(fault.into()),
    }
    Ok(Some(user))
}

fn entry(user: &UserId, action: &'static str, now: jiff::Timestamp) -> Entry {
    Entry::new(Actor::User(user.as_str().to_owned()), action, now)
}

/// Writes down that somebody came with the link of an invitation that is over. Links that never were leave no trace.
async fn too_late(app: &App, token: &str, address: std::net::IpAddr) -> Result<()> {
    let Ok(token) = token.parse::<Token>() else { return Ok(()) };
    let mut tx = app.db.write().await?;
    if let Some((id, tenant)) = store::closed(&mut tx, &token.digest()).await? {
        let entry = Entry::new(Actor::Visitor, "invitation.refused", app.clock.now());
        let entry = entry.tenant(tenant.as_str()).object(id).address(address.to_string());
        audit::record(&mut tx, &entry).await?;
        tx.commit().await?;
    }
    Ok(())
}
