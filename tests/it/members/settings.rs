//! What a tenant says about itself.

use billing_portal::auth::Role;
use http::StatusCode;

use crate::support::portal::Portal;

both_databases! {
    async fn owners_and_admins_name_the_company_and_choose_its_language_and_zone(portal: Portal) {
        let (norte, _, mut ana) = portal.with_owner().await;
        ana.get("/settings").await.expect(StatusCode::OK).shows(&["value=\"Norte\"", "<option value=\"UTC\" selected>"]);
        let fields = [("name", " Norte & Sur "), ("language", "es"), ("time_zone", "Europe/Madrid")];
        let answer = ana.post("/settings", &fields).await.expect(StatusCode::SEE_OTHER);
        let page = ana.follow(&answer).await.shows(&["The settings have been saved.", "value=\"Norte &#38; Sur\""]);
        page.shows(&["<option value=\"Europe/Madrid\" selected>", "<option value=\"es\" lang=\"es\" selected>"]);
        ana.post("/settings", &fields).await.expect(StatusCode::SEE_OTHER);
        let changed = format!(
            "select count(*) from audit_entries where action = 'tenant.changed' and tenant_id = '{}' and object_id = tenant_id \
             and before like '%\"Norte\"%' and after like '%Europe/Madrid%'", norte.id
        );
        assert_eq!(portal.count(&changed).await, 1, "the same again is no change");
        ana.get("/account").await.shows(&["Madrid", "6:00"]);
    }

    async fn each_field_that_cannot_be_is_named_and_nothing_is_kept(portal: Portal) {
        let (_, _, mut ana) = portal.with_owner().await;
        ana.get("/settings").await;
        let fields = [("name", ""), ("language", ""), ("time_zone", "Mars/Base")];
        let page = ana.post("/settings", &fields).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        page.shows(&["<title>Error: ", "href=\"#name\"", "href=\"#language\"", "href=\"#time_zone\""]);
        assert_eq!(portal.count("select count(*) from tenants where name = 'Norte' and time_zone = 'UTC'").await, 1);
    }

    async fn nobody_else_sees_them(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.browser().get("/settings").await.expect(StatusCode::SEE_OTHER);
        for role in [Role::Supervisor, Role::Operator] {
            let user = portal.user(role.as_str(), &[(&norte, role)]).await;
            let mut browser = portal.signed_in(&user).await;
            let page = browser.get("/settings").await.expect(StatusCode::FORBIDDEN);
            assert!(!page.body.contains("href=\"/settings\"") && !page.body.contains("href=\"/members\""));
            let fields = [("name", "Mine"), ("language", "es"), ("time_zone", "UTC")];
            browser.post("/settings", &fields).await.expect(StatusCode::FORBIDDEN);
        }
        assert_eq!(portal.count("select count(*) from tenants where name = 'Norte'").await, 1);
    }

    async fn going_to_another_company_stands_in_its_audit(portal: Portal) {
        let (norte, sur) = (portal.tenant("Norte").await, portal.tenant("Sur").await);
        let ana = portal.user("Ana", &[(&norte, Role::Owner), (&sur, Role::Owner)]).await;
        let mut browser = portal.signed_in(&ana).await;
        browser.get("/members").await.shows(&["<span class=\"tenant\">Norte</span>"]);
        browser.post("/tenants/switch", &[("tenant", sur.id.as_str())]).await.expect(StatusCode::SEE_OTHER);
        browser.get("/members").await.shows(&["<span class=\"tenant\">Sur</span>"]);
        let moved = format!("select count(*) from audit_entries where action = 'session.moved' and tenant_id = '{}'", sur.id);
        assert_eq!(portal.count(&moved).await, 1);
    }
}
