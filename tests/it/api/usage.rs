//! Use, as programs report it and ask for it.

use billing_portal::api::Scope;
use billing_portal::catalog::product::Limit;
use serde_json::{Value, json};

use crate::support::api::Program;
use crate::support::portal::Portal;

fn limit(limit: i64, hard: bool) -> Limit {
    Limit { limit: Some(limit), hard }
}

fn more(quantity: i64, key: &str) -> Value {
    json!({ "metric_type": "messages", "quantity": quantity, "idempotency_key": key })
}

/// A subscribed tenant's host application: ten messages hard, five conversations soft, three users hard.
async fn host(portal: &Portal) -> Program {
    let norte = portal.tenant("Norte").await;
    let limits =
        [("messages", limit(10, true)), ("conversations", limit(5, false)), ("users", limit(3, true))];
    portal.subscribe(&norte, 10, &limits).await;
    portal.host(&[Scope::UsageRead, Scope::UsageWrite]).await.tenant(&norte)
}

fn named(body: &Value) -> Vec<&str> {
    body["details"].as_object().unwrap().keys().map(String::as_str).collect()
}

both_databases! {
    async fn an_event_is_counted_once_and_a_hard_limit_is_kept(portal: Portal) {
        let host = host(&portal).await;
        let first = host.post("/usage/increment", &more(8, "a")).await.expect(200).body;
        assert_eq!((&first["status"], &first["allowed"], &first["current_value"], &first["remaining"]), (&json!("recorded"), &json!(true), &json!(8), &json!(2)));
        assert_eq!(first["reset_at"], "2026-12-11T05:00:00Z");
        let again = host.post("/usage/increment", &more(8, "a")).await.expect(200).body;
        assert_eq!((&again["status"], &again["current_value"]), (&json!("duplicate"), &json!(8)));
        assert_eq!(host.post("/usage/increment", &more(7, "a")).await.expect(200).body["status"], "conflict");
        let refused = host.post("/usage/increment", &more(3, "b")).await.expect(200).body;
        assert_eq!((&refused["status"], &refused["allowed"], &refused["reason"]), (&json!("refused"), &json!(false), &json!("limit_reached")));
        let check = host.post("/usage/check", &json!({ "metric_type": "messages", "quantity": 3 })).await.expect(200).body;
        assert_eq!(check, json!({
            "metric_type": "messages", "allowed": false, "reason": "limit_reached", "current_value": 8, "remaining": 2,
            "limit_value": 10, "is_hard_limit": true, "reset_at": "2026-12-11T05:00:00Z", "upgrade_url": "http://billing.test/plans",
        }));
        let fits = host.post("/usage/check", &json!({ "metric_type": "messages" })).await.expect(200).body;
        assert_eq!((&fits["allowed"], &fits["upgrade_url"], &fits["current_value"]), (&json!(true), &Value::Null, &json!(8)));
        let events = json!({ "events": [
            more(1, "c"), { "metric_type": "users", "value": 2, "idempotency_key": "d" }, more(5, "e"),
            { "metric_type": "conversations", "quantity": 9, "idempotency_key": "f", "occurred_at": "2026-11-20T05:00:00Z" },
        ] });
        let answers = host.post("/usage/increment", &events).await.expect(200).body;
        let of = |name: &str| answers["data"].as_array().unwrap().iter().map(|one| one[name].clone()).collect::<Vec<_>>();
        assert_eq!(of("status"), [json!("recorded"), json!("recorded"), json!("refused"), json!("recorded")]);
        assert_eq!(of("current_value"), [json!(9), json!(2), json!(9), json!(9)]);
        assert_eq!(of("reset_at")[1], Value::Null);
        portal.assert_balanced().await;
    }

    async fn however_many_come_at_once_a_hard_limit_is_not_passed(portal: Portal) {
        let host = host(&portal).await;
        let tasks: Vec<_> = (0..40).map(|task| {
            let host = host.clone();
            tokio::spawn(async move { host.post("/usage/increment", &more(1, &format!("k{task}"))).await.expect(200).body })
        }).collect();
        let mut recorded = 0;
        for task in tasks {
            let answer = task.await.unwrap();
            assert!(answer["current_value"].as_i64().unwrap() <= 10, "{answer}");
            recorded += i64::from(answer["status"] == "recorded");
        }
        assert_eq!(recorded, 10);
        assert_eq!(portal.count("select total from usage_totals where metric = 'messages'").await, 10);
    }

    async fn everything_that_is_wrong_is_named_by_its_place_and_nothing_is_counted(portal: Portal) {
        let host = host(&portal).await;
        let events = json!({ "events": [
            more(1, "a"), more(0, "b"), { "metric_type": "users", "quantity": 1, "idempotency_key": "c" },
            { "metric_type": "nothing", "quantity": 1, "idempotency_key": "d" }, { "quantity": 1, "colour": "red" },
        ] });
        let reply = host.post("/usage/increment", &events).await.expect(400);
        let all = ["events[1].quantity", "events[2].value", "events[3].metric_type", "events[4].colour", "events[4].idempotency_key", "events[4].metric_type"];
        assert_eq!(named(&reply.body), all, "how it is written and what it means");
        let events = json!({ "events": [
            more(1, "a"), { "metric_type": "users", "quantity": 1, "idempotency_key": "c" },
            { "metric_type": "nothing", "quantity": 1, "idempotency_key": "d" },
            { "metric_type": "messages", "quantity": 1, "idempotency_key": "e", "occurred_at": "2026-10-01T00:00:00Z" },
            { "metric_type": "messages", "quantity": 1, "idempotency_key": "f", "occurred_at": "2026-11-21T05:06:00Z" },
            { "metric_type": "api_requests_per_minute", "quantity": 1, "idempotency_key": "g", "occurred_at": "2026-10-01T00:00:00Z" },
        ] });
        let reply = host.post("/usage/increment", &events).await.expect(400);
        assert_eq!(named(&reply.body), ["events[1].value", "events[2].metric_type", "events[3].occurred_at", "events[4].occurred_at", "events[5].metric_type", "events[5].occurred_at"]);
        assert_eq!(named(&host.post("/usage/increment", &json!({})).await.expect(400).body), ["idempotency_key", "metric_type"]);
        assert_eq!(named(&host.post("/usage/increment", &json!({ "events": [] })).await.expect(400).body), ["events"]);
        let many: Vec<_> = (0..1_001).map(|key| more(1, &key.to_string())).collect();
        assert_eq!(named(&host.post("/usage/increment", &json!({ "events": many })).await.expect(400).body), ["events"]);
        assert_eq!(named(&host.post("/usage/check", &json!({ "metric_type": "nothing" })).await.expect(400).body), ["metric_type"]);
        assert_eq!(portal.count("select count(*) from usage_events").await, 0);
        assert_eq!(host.post("/usage/increment", &json!({ "events": many[..1_000] })).await.expect(200).body["data"].as_array().unwrap().len(), 1_000);
    }

    async fn the_summary_and_the_days_say_what_was_reported(portal: Portal) {
        let host = host(&portal).await;
        for (day, quantity) in [("2026-11-18", 2), ("2026-11-20", 4)] {
            let event = json!({ "metric_type": "messages", "quantity": quantity, "idempotency_key": day, "occurred_at": format!("{day}T12:00:00Z") });
            host.post("/usage/increment", &event).await.expect(200);
        }
        host.post("/usage/increment", &json!({ "metric_type": "users", "value": 3, "idempotency_key": "u" })).await.expect(200);
        let usage = host.get("/usage").await.expect(200).body;
        assert_eq!(usage["current_period"], json!({ "start": "2026-11-11T05:00:00Z", "end": "2026-12-11T05:00:00Z" }));
        let metric = |id: &str| usage["metrics"].as_array().unwrap().iter().find(|one| one["metric_type"] == id).unwrap().clone();
        let messages = metric("messages");
        assert_eq!((&messages["current_value"], &messages["percentage_used"], &messages["is_hard_limit"]), (&json!(6), &json!(60.0), &json!(true)));
        assert_eq!((&metric("users")["current_value"], &metric("users")["monthly_total"]), (&json!(3), &Value::Null));
        let ahead = usage["projected_overage"].as_array().unwrap().iter().find(|one| one["metric_type"] == "messages").unwrap().clone();
        assert!(ahead["projected_value"].as_i64() >= Some(6) && ahead["low"].as_i64() <= ahead["high"].as_i64(), "{ahead}");
        let history = host.get("/usage/history?metric_type=messages").await.expect(200).body;
        assert_eq!(history["data"], json!([
            { "metric_type": "messages", "date": "2026-11-18", "quantity": 2 },
            { "metric_type": "messages", "date": "2026-11-20", "quantity": 4 },
        ]));
        let history = host.get("/usage/history?from_date=2026-11-20&to_date=2026-11-21").await.expect(200).body;
        assert_eq!(history["data"].as_array().unwrap().len(), 2);
        let wrong = host.get("/usage/history?metric_type=x&from_date=1&to_date=2").await.expect(400);
        assert_eq!(named(&wrong.body), ["from_date", "to_date"]);
        assert_eq!(named(&host.get("/usage/history?metric_type=x").await.expect(400).body), ["metric_type"]);
        let both = host.get("/usage/history?metric_type=x&from_date=2026-11-21&to_date=2026-11-20").await.expect(400);
        assert_eq!(named(&both.body), ["metric_type", "to_date"]);
        for query in ["from_date=2026-11-21&to_date=2026-11-20", "from_date=2025-11-20&to_date=2026-11-21"] {
            host.get(&format!("/usage/history?{query}")).await.expect(400);
        }
        host.get("/usage/history?from_date=2025-11-21&to_date=2026-11-21").await.expect(200);
    }

    async fn each_role_and_scope_may_what_it_may(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let check = json!({ "metric_type": "messages" });
        for (role, reads) in [("owner", 200), ("admin", 200), ("supervisor", 200), ("operator", 403)] {
            let user = portal.user_of(&norte, role);
            user.get("/usage").await.expect(reads);
            user.get("/usage/history").await.expect(reads);
            user.post("/usage/check", &check).await.expect(200);
            user.post("/usage/increment", &more(1, "a")).await.expect(403);
        }
        let reader = portal.host(&[Scope::UsageRead]).await.tenant(&norte);
        reader.get("/usage").await.expect(200);
        reader.post("/usage/increment", &more(1, "a")).await.expect(403);
        let writer = portal.host(&[Scope::UsageWrite]).await;
        writer.post("/usage/increment", &more(1, "a")).await.expect(400);
        writer.clone().with("x-tenant-id", "ten_nothing").post("/usage/increment", &more(1, "a")).await.expect(404);
        writer.tenant(&norte).get("/usage").await.expect(403);
        portal.program().get("/usage").await.expect(401);
        portal.program().post("/usage/increment", &more(1, "a")).await.expect(401);
    }
}
