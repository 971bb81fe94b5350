//! One-time links: what each is for, how long it lives, who may be let in by one.
//!
//! A link is bound to a user, a purpose and, where it was asked for, a tenant. Looking at its page uses nothing up: the button
//! does, once. The host application's links live five minutes, those that go by mail ten.

use super::{Email, Role, Token, User, UserId};
use crate::tenants::TenantId;

/// Seconds that a link of the host application or the command line lives.
pub const MINTED: i64 = 5 * 60;
/// Seconds that a link in a mail lives.
pub const MAILED: i64 = 10 * 60;

/// What a link is for. One made for one thing does not do the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing in.
    SignIn,
    /// Choosing a new password.
    PasswordReset,
}

impl Purpose {
    /// As it stands in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::PasswordReset => "password_reset",
        }
    }

    /// The path of the page that a link leads to.
    pub fn path(self, token: &Token) -> String {
        let page = match self {
            Self::SignIn => "/sign-in/link",
            Self::PasswordReset => "/password",
        };
        format!("{page}/{}", token.expose())
    }
}

impl std::str::FromStr for Purpose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::SignIn, Self::PasswordReset]
            .into_iter()
            .find(|purpose| purpose.as_str() == text)
            .ok_or_else(|| format!("no link is for {text}"))
    }
}

crate::text_column!(Purpose);

/// Whom a link is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// By e-mail address.
    Email(Email),
    /// By our id.
    User(UserId),
}

/// A link to sign in, as the host application or an operator asks for it.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Whose pages the bearer sees first.
    pub tenant: TenantId,
    /// Who is let in.
    pub whom: Whom,
    /// What a new user is called; without it, what stands before the `@` of the address.
    pub name: Option<String>,
    /// What they become in the tenant if they are no member of it yet. A member stays what they are: roles are changed by
    /// members, not by links. Without a role only members are let in.
    pub role: Option<Role>,
    /// A path of ours to go to, checked.
    pub return_to: Option<String>,
}

/// A link that was made. The path holds the secret: it is for the one who asked, once.
#[derive(Clone, Debug)]
pub struct Minted {
    /// What the audit calls it.
    pub id: String,
    /// The path of its page, secret and all.
    pub path: Secret,
    /// Until when it works; unix seconds of the world's time.
    pub expires_at: i64,
    /// Who is let in.
    pub user: User,
    /// Whether the user was made for it.
    pub is_new_user: bool,
    /// Whether the user became a member for it.
    pub is_new_member: bool,
}

/// A text that is never printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Why no link was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody has the address or the id, and no role was named to make them one.
    #[error("there is no such user; name a role to make one, by e-mail address")]
    NoSuchUser,
    /// They belong elsewhere, and no role was named to take them in.
    #[error("the user is no member of the tenant; name a role to make them one")]
    NoMember,
    /// They are of the operator's staff, whose doors no program opens.
    #[error("the operator's staff sign in by themselves")]
    Staff,
    /// The name of the new user cannot be one.
    #[error("the name is 1 to 200 characters, none of them a control character")]
    Name,
}
