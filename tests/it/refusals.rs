//! Whoever is refused something is in the audit, once a minute; whoever is not leaves no trace there.

use billing_portal::api::Scope;
use billing_portal::auth::Role;
use http::StatusCode;

use crate::support::portal::Portal;

/// Refusals in the audit: action, kind of actor, actor, tenant, and what it says.
async fn told(portal: &Portal) -> Vec<(String, String, Option<String>, Option<String>, String)> {
    let mut tx = portal.db.read().await.unwrap();
    let sql = "select action, actor_kind, actor_id, tenant_id, after from audit_entries where action in
               ('access.refused', 'api.refused', 'webhook.refused', 'session.throttled') order by at, id";
    tx.query_built(sql.to_owned()).all().await.unwrap()
}

both_databases! {
    async fn a_role_that_does_not_suffice_is_told_of_once_a_minute(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let user = portal.user("sue", &[(&tenant, Role::Supervisor)]).await;
        let mut browser = portal.signed_in(&user).await;
        browser.get("/invoices").await.expect(StatusCode::OK);
        assert_eq!(told(&portal).await, []);
        for _ in 0..3 {
            browser.get("/members").await.expect(StatusCode::FORBIDDEN);
        }
        let all = told(&portal).await;
        assert_eq!(all.len(), 1);
        let (action, kind, actor, of, after) = &all[0];
        assert_eq!((action.as_str(), kind.as_str()), ("access.refused", "user"));
        assert_eq!((actor.as_deref(), of.as_deref()), (Some(user.id.as_str()), Some(tenant.id.as_str())));
        assert!(after.contains("\"forbidden\"") && after.contains("/members"), "{after}");
        portal.clock.pass(60);
        browser.get("/members").await.expect(StatusCode::FORBIDDEN);
        assert_eq!(told(&portal).await.len(), 2);
    }

    async fn a_forged_form_is_told_of(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let user = portal.user("ana", &[(&tenant, Role::Owner)]).await;
        let mut browser = portal.signed_in(&user).await;
        // The same session, on a page of somebody else's, which knows no token of ours.
        let session = browser.cookie("billing_session").unwrap().to_owned();
        browser = portal.browser();
        browser.plant("billing_session", &session);
        browser.post("/members", &[]).await.expect(StatusCode::FORBIDDEN);
        let all = told(&portal).await;
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].0.as_str(), all[0].2.as_deref()), ("access.refused", Some(user.id.as_str())));
        assert!(all[0].4.contains("forged_form"), "{}", all[0].4);
    }

    async fn calls_that_the_api_refuses_are_told_of_with_the_key(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let host = portal.host(&[Scope::AccessRead]).await.tenant(&tenant);
        host.get("/access").await.expect(200);
        assert_eq!(told(&portal).await, []);
        for _ in 0..3 {
            host.get("/subscription").await.expect(403);
            portal.program().tenant(&tenant).get("/subscription").await.expect(401);
        }
        let mut all = told(&portal).await;
        all.sort();
        let all: Vec<_> = all.iter().map(|(action, kind, actor, of, after)| {
            (action.as_str(), kind.as_str(), actor.is_some(), of.is_some(), after.contains("/api/billing/subscription"))
        }).collect();
        assert_eq!(all, [("api.refused", "key", true, true, true), ("api.refused", "visitor", false, false, true)]);
    }

    async fn a_delivery_that_stripe_did_not_sign_is_told_of(portal: Portal) {
        let mut stranger = portal.browser();
        for _ in 0..3 {
            stranger.post("/webhooks/stripe", &[]).await.expect(StatusCode::BAD_REQUEST);
        }
        let all = told(&portal).await;
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].0.as_str(), all[0].1.as_str()), ("webhook.refused", "visitor"));
    }

    async fn who_tries_too_often_is_told_of_once_a_minute(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        portal.user("ana", &[(&tenant, Role::Owner)]).await;
        let mut browser = portal.browser();
        browser.get("/sign-in").await;
        let mut often = 0;
        for _ in 0..10 {
            let answer = browser.post("/sign-in", &[("email", "ana@people.example"), ("password", "a guess")]).await;
            often += usize::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
        }
        assert!(often > 1);
        let all = told(&portal).await;
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].0.as_str(), all[0].1.as_str()), ("session.throttled", "visitor"));
        let refused = portal.count("select count(*) from audit_entries where action = 'session.refused'").await;
        assert!(refused >= 5, "each wrong password has its own: {refused}");
    }
}
