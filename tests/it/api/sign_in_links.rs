//! Links that the host application makes to let its people in.

use billing_portal::api::Scope;
use billing_portal::auth::{NewUser, Role};
use http::StatusCode;
use serde_json::json;

use crate::support::portal::Portal;

both_databases! {
    async fn the_host_lets_somebody_in_who_then_is_a_member(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let host = portal.host(&[Scope::SignInLinksWrite]).await.tenant(&norte);
        let body = json!({ "email": "Eva@people.example", "name": "Eva Sol", "role": "supervisor", "return_to": "/usage" });
        let made = host.once("eva-1").post("/sign-in-links", &body).await.expect(201).body;
        assert_eq!((&made["email"], &made["tenant_id"]), (&json!("eva@people.example"), &json!(norte.id.as_str())));
        assert_eq!((&made["user_created"], &made["member_created"]), (&json!(true), &json!(true)));
        assert_eq!(made["expires_at"], "2026-11-21T05:05:00Z");
        let path = made["url"].as_str().unwrap().strip_prefix("http://billing.test").expect("an address of ours");
        let mut browser = portal.browser();
        browser.get(path).await.expect(StatusCode::OK).shows(&["eva@people.example", "Norte"]);
        assert_eq!(browser.post(path, &[]).await.location(), "/usage");
        // The session is a new one, and so is the token of its forms.
        browser.get("/account").await.expect(StatusCode::OK);
        browser.post(path, &[]).await.expect(StatusCode::GONE);
        let body = json!({ "user_id": made["user_id"] });
        let host = portal.host(&[Scope::SignInLinksWrite]).await.tenant(&norte);
        let again = host.post("/sign-in-links", &body).await.expect(201).body;
        assert_eq!((&again["user_created"], &again["member_created"]), (&json!(false), &json!(false)));
        let by_key = "select count(*) from audit_entries where action = 'link.created' and actor_kind = 'key' and address is not null";
        assert_eq!(portal.count(by_key).await, 2);
    }

    async fn each_wrong_field_is_named_and_nothing_is_made(portal: Portal) {
        let (norte, sur) = (portal.tenant("Norte").await, portal.tenant("Sur").await);
        portal.user("Ana", &[(&sur, Role::Owner)]).await;
        portal.create(NewUser::new("sam@people.example".parse().unwrap(), "Sam").unwrap().staff(true), &[]).await;
        let host = portal.host(&[Scope::SignInLinksWrite]).await.tenant(&norte);
        for (body, fields) in [
            (json!({}), &["email"][..]),
            (json!({ "email": "ana@people.example", "user_id": "usr_1" }), &["email"]),
            (json!({ "email": "nonsense", "role": "boss", "name": "", "what": 1 }), &["email", "role", "name", "what"]),
            (json!({ "email": "nobody@people.example" }), &["email"]),
            (json!({ "user_id": "usr_nobody", "role": "admin" }), &["user_id"]),
            (json!({ "email": "ana@people.example" }), &["email"]),
            (json!({ "email": "eva@people.example", "role": "admin", "return_to": "https://evil.example/" }), &["return_to"]),
            (json!({ "email": "eva@people.example", "role": "admin", "return_to": "//evil.example" }), &["return_to"]),
            (json!({ "email": "nobody@people.example", "return_to": "//evil.example" }), &["email", "return_to"]),
        ] {
            let reply = host.post("/sign-in-links", &body).await.expect(400);
            for field in fields {
                assert!(reply.body["details"][field].is_string(), "{field} of {body}: {}", reply.body);
            }
        }
        let staff = host.post("/sign-in-links", &json!({ "email": "sam@people.example", "role": "owner" })).await.expect(403);
        assert_eq!(staff.code(), "staff_user");
        let made = "select (select count(*) from one_time_links) + (select count(*) from users where name not in ('Ana', 'Sam'))";
        assert_eq!(portal.count(made).await, 0);
    }

    async fn only_a_key_with_the_scope_makes_links(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.user("Ana", &[(&norte, Role::Owner)]).await;
        let body = json!({ "email": "ana@people.example" });
        portal.program().tenant(&norte).post("/sign-in-links", &body).await.expect(401);
        portal.host(&[Scope::BillingWrite]).await.tenant(&norte).post("/sign-in-links", &body).await.expect(403);
        for role in Role::ALL {
            portal.user_of(&norte, role.as_str()).post("/sign-in-links", &body).await.expect(403);
        }
        let host = portal.host(&[Scope::SignInLinksWrite]).await;
        host.with("x-tenant-id", "ten_nowhere").post("/sign-in-links", &body).await.expect(404);
        assert_eq!(portal.count("select count(*) from one_time_links").await, 0);
    }
}
