//! What staff see: the figures, the tenants, and the portal with a tenant's eyes.

mod behalf;
mod figures;
mod filters;
mod health;
mod tenants;

pub(crate) use figures::agree_with_rows;

use crate::support::browser::Browser;
use crate::support::portal::{Portal, hash};
use billing_portal::auth::NewUser;

impl Portal {
    /// The browser of somebody of the staff.
    pub(crate) async fn staff(&self, name: &str) -> Browser {
        let email = format!("{}@people.example", name.to_lowercase());
        let new = NewUser::new(email.parse().unwrap(), name).unwrap().password_hash(hash().await).staff(true);
        let user = self.create(new, &[]).await;
        self.signed_in(&user).await
    }
}
