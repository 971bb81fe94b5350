//! `Idempotency-Key`: done once, answered as often as asked.

use billing_portal::api::{Scope, work};
use serde_json::json;

use super::probe::{self, BUSY, CONFLICTS, FAILS, GATE, WAITS};
use crate::support::api::{Program, sign};
use crate::support::portal::Portal;

const DEEDS: &str = "select count(*) from audit_entries where action = 'tenant.changed'";

/// The host application at the tests' own endpoints, for a new tenant.
async fn host(portal: &Portal) -> Program {
    let tenant = portal.tenant("Norte").await;
    let key = portal.key(&[Scope::BillingWrite]).await;
    portal.program_on(probe::router(portal)).bearer(&key).tenant(&tenant)
}

both_databases! {
    async fn the_same_key_and_body_get_the_same_answer_for_a_day_and_the_deed_is_done_once(portal: Portal) {
        let host = host(&portal).await;
        let once = host.clone().once("deed-1");
        let first = once.post("/deeds", &json!({ "amount": 3 })).await.expect(201);
        let again = once.post("/deeds", &json!({ "amount": 3 })).await.expect(201);
        assert_eq!(first.body, again.body);
        assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
        assert_eq!(again.header("content-type"), "application/json");
        assert_eq!(portal.count(DEEDS).await, 1);
        portal.clock.pass(24 * 3600 - 1);
        assert_eq!(once.post("/deeds", &json!({ "amount": 3 })).await.body, first.body);
        portal.clock.pass(1);
        assert_ne!(once.post("/deeds", &json!({ "amount": 3 })).await.expect(201).body, first.body);
        assert_eq!(portal.count(DEEDS).await, 2);
        host.post("/deeds", &json!({ "amount": 3 })).await.expect(201);
        assert_eq!(portal.count(DEEDS).await, 3, "without a key every request is a deed");
    }

    async fn a_key_is_good_for_one_request_of_one_caller_for_one_tenant_and_route(portal: Portal) {
        let host = host(&portal).await.once("deed-1");
        let first = host.post("/deeds", &json!({ "amount": 3 })).await.expect(201).body;
        let other = host.post("/deeds", &json!({ "amount": 4 })).await.expect(409);
        assert_eq!(other.code(), "idempotency_key_reused");
        host.post("/others", &json!({ "amount": 3 })).await.expect(200);
        let sur = portal.tenant("Sur").await;
        assert_ne!(host.clone().tenant(&sur).post("/deeds", &json!({ "amount": 3 })).await.expect(201).body, first);
        let second = portal.key(&[Scope::All]).await;
        assert_ne!(host.clone().bearer(&second).post("/deeds", &json!({ "amount": 3 })).await.expect(201).body, first);
        assert_eq!(host.post("/deeds", &json!({ "amount": 3 })).await.expect(201).body, first);
        for key in ["", "two words", "é", &"x".repeat(256)] {
            let wrong = host.clone().once(key).post("/deeds", &json!({ "amount": 3 })).await.expect(400);
            assert!(wrong.body["details"]["Idempotency-Key"].is_string(), "{key:?}: {}", wrong.body);
        }
    }

    async fn a_request_that_is_still_being_answered_is_not_begun_again(portal: Portal) {
        let host = host(&portal).await.once("deed-1");
        let slow = host.clone();
        let first = tokio::spawn(async move { slow.post("/deeds", &json!({ "amount": WAITS })).await });
        while portal.count("select count(*) from api_answers").await == 0 {
            tokio::task::yield_now().await;
        }
        let second = host.post("/deeds", &json!({ "amount": WAITS })).await.expect(409);
        assert_eq!(second.code(), "idempotency_key_in_use");
        assert!(!second.header("retry-after").is_empty());
        GATE.add_permits(1);
        let first = first.await.unwrap().expect(201);
        assert_eq!(host.post("/deeds", &json!({ "amount": WAITS })).await.expect(201).body, first.body);
        assert_eq!(portal.count(DEEDS).await, 1);
    }

    async fn what_a_crash_left_half_way_can_be_asked_again_after_a_minute(portal: Portal) {
        let host = host(&portal).await.once("deed-1");
        let first = host.post("/deeds", &json!({ "amount": 3 })).await.expect(201).body;
        portal.run("update api_answers set status = null, answer = null").await;
        portal.clock.pass(59);
        host.post("/deeds", &json!({ "amount": 3 })).await.expect(409);
        portal.clock.pass(1);
        assert_eq!(host.post("/deeds", &json!({ "amount": 4 })).await.expect(409).code(), "idempotency_key_reused");
        assert_ne!(host.post("/deeds", &json!({ "amount": 3 })).await.expect(201).body, first);
    }

    async fn decisions_are_kept_and_what_was_not_begun_or_failed_is_not(portal: Portal) {
        let host = host(&portal).await;
        let kept = host.clone().once("kept");
        let first = kept.post("/deeds", &json!({ "amount": CONFLICTS })).await.expect(409);
        let again = kept.post("/deeds", &json!({ "amount": CONFLICTS })).await.expect(409);
        assert_eq!((first.code(), &first.body), ("no_more", &again.body));
        assert_eq!(portal.count(DEEDS).await, 1);
        let tried = host.clone().once("tried");
        tried.post("/deeds", &json!({ "amount": 0 })).await.expect(400);
        tried.post("/deeds", &json!({ "amount": FAILS })).await.expect(500);
        tried.post("/deeds", &json!({ "amount": 3 })).await.expect(201);
        assert_eq!(portal.count(DEEDS).await, 3);
    }

    async fn what_passes_is_not_kept(portal: Portal) {
        let host = host(&portal).await.once("busy");
        for _ in 0..2 {
            let busy = host.post("/deeds", &json!({ "amount": BUSY })).await.expect(409);
            assert_eq!((busy.header("retry-after"), busy.header("idempotent-replayed")), ("1", ""));
        }
        host.post("/deeds", &json!({ "amount": 3 })).await.expect(201);
    }

    async fn an_answer_is_not_for_who_may_no_longer_ask(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let of_role = |role: &str| {
            let token = sign(&portal.claims(&tenant, role));
            portal.program_on(probe::router(&portal)).bearer(&token).once("deed-1")
        };
        let first = of_role("owner").post("/deeds", &json!({ "amount": 3 })).await.expect(201).body;
        for role in ["operator", "supervisor", "admin"] {
            let later = of_role(role).post("/deeds", &json!({ "amount": 3 })).await.expect(409);
            assert_eq!(later.code(), "idempotency_key_reused", "{role}");
        }
        let json = of_role("owner").with("accept", "application/json");
        assert_eq!(json.post("/deeds", &json!({ "amount": 3 })).await.expect(409).code(), "idempotency_key_reused");
        assert_eq!(of_role("owner").post("/deeds", &json!({ "amount": 3 })).await.expect(201).body, first);
        assert_eq!(portal.count(DEEDS).await, 1);
    }

    async fn an_answer_is_sealed_while_it_is_kept_and_forgotten_after(portal: Portal) {
        let host = host(&portal).await.once("deed-1");
        let first = host.post("/deeds", &json!({ "amount": 3 })).await.expect(201).body;
        let id = first["id"].as_str().unwrap();
        assert_eq!(portal.count(&format!("select count(*) from api_answers where answer like '%{id}%'")).await, 0);
        assert_eq!(portal.count("select count(*) from api_answers where answer is not null").await, 1);
        portal.clock.pass(24 * 3600);
        assert_eq!(work::sweep(&portal.db, &portal.clock).await.unwrap(), 0);
        portal.clock.pass(1);
        assert_eq!(work::sweep(&portal.db, &portal.clock).await.unwrap(), 1);
        assert_eq!(portal.count("select count(*) from api_answers").await, 0);
    }
}
