//! Who belongs to a tenant, as what, and who is asked to.
//!
//! Owners may do everything here. Admins look after everybody but owners: they neither make one nor change or remove one. At least
//! one owner always remains. A member who is removed, or whose role no longer lets them invite, leaves no invitation behind.
//!
//! Nothing here knows of plans: whether one more member fits the plan is for the host application to ask.

pub mod act;
mod invitation;
pub mod store;
pub mod web;

use crate::auth::Role;

/// Seconds that an invitation is open.
pub const OPEN: i64 = 7 * 24 * 60 * 60;
/// The most invitations that a tenant may have open at once.
pub const MOST_OPEN: i64 = 100;

/// Whether somebody of this role may make others a member of that role.
pub fn may_give(own: Role, role: Role) -> bool {
    match own {
        Role::Owner => true,
        Role::Admin => role != Role::Owner,
        Role::Supervisor | Role::Operator => false,
    }
}

/// Whether somebody of this role may change or remove a member of that role.
pub fn may_touch(own: Role, role: Role) -> bool {
    may_give(own, role)
}

/// The roles that somebody of this role may give.
pub fn gifts(own: Role) -> Vec<Role> {
    Role::ALL.into_iter().filter(|role| may_give(own, *role)).collect()
}

/// Why something was not done with the members of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such member, or no such invitation that is open.
    #[error("there is no such member or invitation")]
    Nobody,
    /// The role of who asks does not allow it.
    #[error("your role does not allow it")]
    Forbidden,
    /// The tenant would be left without an owner.
    #[error("at least one owner remains")]
    LastOwner,
    /// The address is a member's.
    #[error("the address is a member's already")]
    Member,
    /// An invitation for the address is open.
    #[error("an invitation for the address is open already")]
    Invited,
    /// As many invitations are open as may be.
    #[error("too many invitations are open")]
    TooMany,
    /// Too many mails for now.
    #[error("too many invitations were sent, wait {0} seconds")]
    TooOften(i64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_look_after_all_and_admins_after_all_but_owners() {
        for role in Role::ALL {
            assert!(may_give(Role::Owner, role) && may_touch(Role::Owner, role));
            assert_eq!(may_give(Role::Admin, role), role != Role::Owner);
            assert_eq!(may_touch(Role::Admin, role), role != Role::Owner);
            for own in [Role::Supervisor, Role::Operator] {
                assert!(!may_give(own, role) && !may_touch(own, role));
            }
        }
        assert_eq!(gifts(Role::Admin), [Role::Admin, Role::Supervisor, Role::Operator]);
    }
}
