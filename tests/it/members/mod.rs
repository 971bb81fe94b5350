//! Who belongs to a tenant, and who says so.

mod invitations;
mod roles;
mod settings;

use billing_portal::auth::{Role, User};
use billing_portal::tenants::Tenant;

use crate::support::browser::Browser;
use crate::support::portal::Portal;

impl Portal {
    /// A tenant with an owner, whose browser looks at its members.
    async fn with_owner(&self) -> (Tenant, User, Browser) {
        let norte = self.tenant("Norte").await;
        let ana = self.user("Ana", &[(&norte, Role::Owner)]).await;
        let mut browser = self.signed_in(&ana).await;
        browser.get("/members").await;
        (norte, ana, browser)
    }

    /// What a user is in a tenant.
    async fn role_of(&self, tenant: &Tenant, user: &User) -> Option<Role> {
        let mut tx = self.db.read().await.unwrap();
        billing_portal::auth::store::role_in(&mut tx, &tenant.id, &user.id).await.unwrap()
    }
}
