//! Subscribing, changing, cancelling and resuming by program, over the sandbox.

use billing_portal::api::Scope;
use billing_portal::db::Db;
use billing_portal::tenants::Tenant;
use serde_json::{Value, json};
use stripe_client_core::StripeMethod;

use crate::support::api::Program;
use crate::support::portal::Portal;
use crate::support::script::{Script, answer};
use crate::support::world::World;

impl World {
    /// A tenant that has paid for a plan by the month, and the host application that works for it.
    async fn subscribed(&self, name: &str, slug: &str) -> (Tenant, Program) {
        let tenant = self.portal.tenant(name).await;
        let taxed = json!({ "automatic_tax": { "enabled": true } });
        self.subscription(&tenant, &format!("{slug}_month"), taxed).await;
        let host = self.portal.host(&[Scope::BillingWrite]).await.tenant(&tenant);
        (tenant, host)
    }

    fn posted(&self, path: &str) -> usize {
        let exchanges = self.stripe.exchanges();
        exchanges.iter().filter(|exchange| exchange.method == "POST" && exchange.path == path).count()
    }
}

fn order(plan: &str) -> Value {
    json!({ "plan_id": plan, "billing_interval": "month" })
}

fn named(body: &Value) -> Vec<&str> {
    body["details"].as_object().unwrap().keys().map(String::as_str).collect()
}

both_databases! {
    async fn a_tenant_subscribes_through_one_payment_page_that_a_replay_does_not_make_again(world: World) {
        let tenant = world.portal.tenant("Norte").await;
        let host = world.portal.host(&[Scope::BillingWrite]).await.tenant(&tenant);
        assert_eq!(host.get("/subscription").await.expect(200).body, json!({ "data": null }));
        let first = host.clone().once("order-1").post("/subscription/create", &order("professional")).await.expect(201);
        assert!(first.body["redirect_to_stripe"].as_str().unwrap().starts_with("http"), "{}", first.body);
        assert_eq!((&first.body["subscription_id"], &first.body["status"]), (&Value::Null, &json!("awaits_checkout")));
        let again = host.clone().once("order-1").post("/subscription/create", &order("professional")).await.expect(201);
        assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &first.body));
        let plan = world.portal.program().get("/plans/professional").await.body["id"].as_str().unwrap().to_owned();
        assert_eq!(host.post("/subscription/create", &order(&plan)).await.expect(201).body, first.body, "by id, the same order");
        assert_eq!(world.posted("/v1/checkout/sessions"), 1);
        let own = json!({
            "plan_id": "professional", "billing_interval": "month", "trial_days": 20, "coupon": "50OFF",
            "success_url": "/usage", "cancel_url": world.portal.app.config.site.link("/plans?interval=year"),
        });
        let other = host.post("/subscription/create", &own).await.expect(201);
        assert_ne!(other.body, first.body, "another order, another page");
        let by = "select count(*) from checkout_sessions where state = 'open' and created_by like 'key%'";
        assert_eq!(world.portal.count(by).await, 1, "the key is who ordered");
    }

    async fn what_cannot_be_ordered_is_named_and_stripe_is_not_asked_for_it(world: World) {
        let tenant = world.portal.tenant("Norte").await;
        world.portal.run("update products set hidden = true, tenants = '[\"somebody\"]' where plan = 'enterprise'").await;
        let host = world.portal.host(&[Scope::BillingWrite]).await.tenant(&tenant);
        let owner = world.portal.user_of(&tenant, "owner");
        let with = |name: &str, value: Value| {
            let mut wish = order("starter");
            wish[name] = value;
            wish
        };
        for (program, wish, field) in [
            (&host, json!({ "billing_interval": "month" }), "plan_id"), (&host, order("nothing"), "plan_id"),
            (&host, order("enterprise"), "plan_id"), (&host, with("billing_interval", json!("week")), "billing_interval"),
            (&host, with("billing_interval", json!("never")), "billing_interval"), (&host, with("quantity", json!(0)), "quantity"),
            (&host, with("quantity", json!(3)), "quantity"), (&host, with("quantity", json!(10_001)), "quantity"),
            (&host, with("quantity", json!("1")), "quantity"), (&host, with("trial_days", json!(31)), "trial_days"),
            (&owner, with("trial_days", json!(30)), "trial_days"), (&host, with("currency", json!("jpy")), "billing_interval"),
            (&host, with("coupon", json!("NOTHING")), "coupon"), (&host, with("colour", json!("red")), "colour"),
            (&host, with("success_url", json!("https://evil.test/")), "success_url"),
            (&host, with("success_url", json!("//evil.test")), "success_url"),
            (&host, with("cancel_url", json!("javascript:alert(1)")), "cancel_url"),
        ] {
            let reply = program.post("/subscription/create", &wish).await.expect(400);
            assert_eq!(named(&reply.body), [field], "{wish}");
        }
        let many = json!({
            "plan_id": "starter", "billing_interval": "week", "quantity": 3, "trial_days": 30,
            "success_url": "https://evil.test/", "cancel_url": "//evil.test",
        });
        let all = ["billing_interval", "cancel_url", "quantity", "success_url", "trial_days"];
        assert_eq!(named(&owner.post("/subscription/create", &many).await.expect(400).body), all, "whatever stage it fails at");
        world.portal.run("update tenants set trial_used_at = 1").await;
        assert_eq!(named(&host.post("/subscription/create", &with("trial_days", json!(1))).await.expect(400).body), ["trial_days"]);
        assert_eq!(world.posted("/v1/checkout/sessions") + world.posted("/v1/customers"), 0);
    }

    async fn a_second_subscription_is_refused_with_a_way_on(world: World) {
        let (_, host) = world.subscribed("Norte", "starter").await;
        let reply = host.post("/subscription/create", &order("professional")).await.expect(409);
        assert_eq!(reply.code(), "live_subscription");
        assert_eq!(reply.body["details"]["next"], json!({ "method": "POST", "path": "/subscription/preview" }));
        let shown = host.get("/subscription").await.expect(200).body["data"].clone();
        assert_eq!((&shown["plan"]["slug"], &shown["status"], &shown["billing_interval"]), (&json!("starter"), &json!("active"), &json!("month")));
        assert_eq!((&shown["access"]["level"], &shown["cancel_at_period_end"]), (&json!("full"), &json!(false)));
        assert!(shown["usage"].as_array().unwrap().iter().any(|one| one["metric_type"] == "messages" && one["limit_value"] == 1_000), "{shown}");
    }

    async fn what_the_preview_shows_is_what_is_charged_once(world: World) {
        let (_, host) = world.subscribed("Norte", "starter").await;
        world.control.pass(60).await.unwrap();
        let preview = host.post("/subscription/preview", &order("professional")).await.expect(200).body;
        assert_eq!((&preview["is_scheduled"], &preview["from"]["plan"]["slug"], &preview["to"]["plan"]["slug"]), (&json!(false), &json!("starter"), &json!("professional")));
        let due = preview["due_today"].as_i64().unwrap();
        let part = |name: &str| preview[name].as_i64().unwrap();
        assert!(due > 0 && part("credit") > 0, "{preview}");
        assert_eq!(part("charge") - part("credit") + part("tax"), due);
        let quote = json!({ "quote": preview["quote"] });
        let made = host.put("/subscription/update", &quote).await.expect(200).body;
        assert_eq!((&made["status"], &made["charged"], &made["data"]["plan"]["slug"]), (&json!("changed"), &json!(due), &json!("professional")));
        world.settle().await;
        let latest = host.get("/invoices?limit=1").await.expect(200).body["data"][0].clone();
        assert_eq!((&latest["amount_paid"], &latest["status"]), (&json!(due), &json!("paid")), "{latest}");
        let again = host.put("/subscription/update", &quote).await.expect(200).body;
        assert_eq!(again["status"], "changed");
        world.settle().await;
        assert_eq!(host.get("/invoices").await.body["pagination"]["total"], 2, "charged once");
        let unchanged = host.put("/subscription/update", &order("professional")).await.expect(200).body;
        assert_eq!((&unchanged["status"], &unchanged["charged"]), (&json!("unchanged"), &json!(0)));
    }

    async fn a_smaller_plan_waits_for_the_end_of_the_period_also_without_a_quote(world: World) {
        let (_, host) = world.subscribed("Norte", "professional").await;
        let made = host.put("/subscription/update", &order("starter")).await.expect(200).body;
        assert_eq!((&made["status"], &made["charged"]), (&json!("scheduled"), &json!(0)));
        assert_eq!(made["effective_at"], made["data"]["current_period_end"]);
        let pending = &made["data"]["pending_change"];
        assert_eq!((&pending["plan"]["slug"], &pending["effective_at"]), (&json!("starter"), &made["effective_at"]));
    }

    async fn a_quote_holds_for_a_while_for_its_tenant_and_its_amounts(world: World) {
        let (_, host) = world.subscribed("Norte", "starter").await;
        let (_, other) = world.subscribed("Sur", "starter").await;
        let quote = host.post("/subscription/preview", &order("professional")).await.expect(200).body["quote"].clone();
        for (program, body, fields) in [
            (&other, json!({ "quote": quote }), vec!["quote"]), (&host, json!({ "quote": "made.up" }), vec!["quote"]),
            (&host, json!({}), vec!["billing_interval", "plan_id"]), (&host, json!({ "plan_id": "starter" }), vec!["billing_interval"]),
            (&host, json!({ "quote": quote, "plan_id": "professional" }), vec!["quote"]),
        ] {
            assert_eq!(named(&program.put("/subscription/update", &body).await.expect(400).body), fields, "{body}");
        }
        world.portal.clock.pass(15 * 60);
        let late = host.put("/subscription/update", &json!({ "quote": quote })).await.expect(410);
        assert_eq!(late.code(), "quote_expired");
        assert_eq!(late.body["details"]["next"]["path"], "/subscription/preview");
        assert_eq!(host.get("/subscription").await.body["data"]["plan"]["slug"], "starter");
    }

    async fn a_subscription_is_cancelled_with_its_period_and_resumed(world: World) {
        let (tenant, host) = world.subscribed("Norte", "starter").await;
        assert_eq!(host.post("/subscription/resume", &json!({})).await.expect(409).code(), "not_in_this_state");
        let now = json!({ "at_period_end": false });
        assert_eq!(host.post("/subscription/cancel", &now).await.expect(409).code(), "not_in_this_state", "the catalogue does not allow it");
        let ending = host.post("/subscription/cancel", &json!({ "reason": "too dear for us" })).await.expect(200).body["data"].clone();
        assert_eq!((&ending["cancel_at_period_end"], &ending["status"]), (&json!(true), &json!("active")));
        assert_eq!(ending["cancel_at"], ending["current_period_end"]);
        assert!(ending["canceled_at"].is_string(), "{ending}");
        assert_eq!(host.post("/subscription/cancel", &json!({})).await.expect(409).code(), "not_in_this_state");
        assert_eq!(host.post("/subscription/preview", &order("professional")).await.expect(409).code(), "subscription_ending");
        let back = world.portal.user_of(&tenant, "admin").post("/subscription/resume", &json!({})).await.expect(200).body;
        assert_eq!((&back["data"]["cancel_at_period_end"], &back["data"]["cancel_at"]), (&json!(false), &Value::Null));
        let by = "select count(*) from audit_entries where action = 'subscription.cancel_asked' and actor_kind = 'key'";
        assert_eq!(world.portal.count(by).await, 1);
        let wrong = json!({ "at_period_end": "no", "reason": "x".repeat(501), "when": 1 });
        assert_eq!(named(&host.post("/subscription/cancel", &wrong).await.expect(400).body), ["at_period_end", "reason", "when"]);
    }

    async fn the_customer_portal_opens_at_its_task_and_comes_back_to_our_own_pages_alone(world: World) {
        let (tenant, host) = world.subscribed("Norte", "starter").await;
        for flow in ["payment_method_update", "subscription_cancel", "subscription_update"] {
            let link = host.post("/portal", &json!({ "flow": flow, "return_url": "/invoices" })).await.expect(200).body;
            assert!(link["url"].as_str().unwrap().starts_with("http"), "{link}");
        }
        // Beside a price that is billed after use, as Checkout sells every plan, Stripe's customer portal changes nothing.
        let offer = billing_portal::catalog::store::offer(&mut world.portal.db.read().await.unwrap()).await.unwrap();
        let metered = offer.metered[0].prices.iter().find(|price| price.interval.as_str() == "month").unwrap();
        let id = world.text("select id from subscriptions").await;
        world.post(&format!("/subscriptions/{id}"), json!({ "items": [{ "price": metered.id }] })).await;
        world.settle().await;
        let left_out = host.post("/portal", &json!({ "flow": "subscription_update" })).await.expect(409);
        assert_eq!(left_out.code(), "task_not_offered", "changes of plan are made on our own pages then");
        host.post("/portal", &json!({})).await.expect(200);
        let wrong = host.post("/portal", &json!({ "flow": "everything" })).await.expect(400);
        assert_eq!(named(&wrong.body), ["flow"]);
        let away = host.post("/portal", &json!({ "return_url": "https://evil.test/" })).await.expect(400);
        assert_eq!(named(&away.body), ["return_url"]);
        let empty = world.portal.tenant("Sur").await;
        let none = host.tenant(&empty).post("/portal", &json!({})).await.expect(409);
        assert_eq!(none.code(), "no_subscription");
        world.portal.user_of(&tenant, "supervisor").post("/portal", &json!({})).await.expect(403);
    }

    async fn what_stripe_sees_otherwise_than_our_rows_is_fetched_and_said(world: World) {
        let (_, host) = world.subscribed("Norte", "starter").await;
        let id = host.get("/subscription").await.body["data"]["id"].as_str().unwrap().to_owned();
        world.api(StripeMethod::Delete, &format!("/subscriptions/{id}"), Value::Null).await;
        assert_eq!(host.get("/subscription").await.body["data"]["id"], id.as_str(), "nobody told the portal yet");
        let late = host.post("/subscription/cancel", &json!({})).await.expect(409);
        assert_eq!(late.code(), "not_in_this_state");
        assert_eq!(host.get("/subscription").await.body["data"], Value::Null, "what is there now was fetched");
        assert_eq!(world.portal.count("select count(*) from audit_entries where action = 'subscription.cancel_asked'").await, 0);
    }

    async fn billing_details_are_changed_without_a_subscription_and_what_is_not_named_stays(world: World) {
        let tenant = world.portal.tenant("Norte").await;
        let host = world.portal.host(&[Scope::BillingWrite]).await.tenant(&tenant);
        let all = json!({
            "name": "Norte, S.L.", "email": "Cuentas@norte.example",
            "address": { "line1": "Calle Mayor 1", "line2": "2 B", "postal_code": "28013", "city": "Madrid", "country": "es" },
            "tax_ids": [{ "type": "eu_vat", "value": "ESB12345678" }],
        });
        let made = host.put("/subscription/update", &all).await.expect(200).body;
        assert_eq!((&made["status"], &made["charged"], &made["data"]), (&json!("changed"), &json!(0), &Value::Null));
        let details = &made["billing_details"];
        assert_eq!((&details["name"], &details["email"]), (&json!("Norte, S.L."), &json!("cuentas@norte.example")));
        assert_eq!((&details["address"]["line2"], &details["address"]["country"]), (&json!("2 B"), &json!("ES")));
        assert_eq!((&details["tax_ids"][0]["type"], &details["tax_ids"][0]["value"]), (&json!("eu_vat"), &json!("ESB12345678")));
        let customer = world.text("select id from customers").await;
        assert_eq!(world.read(&format!("/customers/{customer}")).await["address"]["line1"], "Calle Mayor 1");

        let before = world.posted(&format!("/v1/customers/{customer}"));
        let same = host.put("/subscription/update", &all).await.expect(200).body;
        assert_eq!((&same["status"], &same["billing_details"]), (&json!("unchanged"), details));
        let part = json!({ "address": { "line2": "" }, "tax_ids": [{ "type": "es_cif", "value": "A12345674" }, { "type": "eu_vat", "value": "ES B12345678" }] });
        let after = host.put("/subscription/update", &part).await.expect(200).body["billing_details"].clone();
        assert_eq!((&after["name"], &after["address"]["line1"], &after["address"]["line2"]), (&json!("Norte, S.L."), &json!("Calle Mayor 1"), &Value::Null));
        let kinds = |details: &Value| -> Vec<String> {
            let mut all: Vec<_> = details["tax_ids"].as_array().unwrap().iter().map(|one| one["type"].as_str().unwrap().to_owned()).collect();
            all.sort();
            all
        };
        assert_eq!(kinds(&after), ["es_cif", "eu_vat"]);
        let owner = world.portal.user_of(&tenant, "owner");
        let none = owner.put("/subscription/update", &json!({ "tax_ids": [] })).await.expect(200).body;
        assert_eq!(kinds(&none["billing_details"]), Vec::<String>::new());
        assert_eq!(world.posted(&format!("/v1/customers/{customer}")), before + 1, "once, for the address");
        for action in ["details.changed", "details.tax_id_added", "details.tax_id_removed"] {
            assert_eq!(world.portal.audited(action).await, 2, "{action}");
        }
        world.portal.user_of(&tenant, "supervisor").put("/subscription/update", &all).await.expect(403);
    }

    async fn each_wrong_billing_detail_is_named_and_nothing_is_sent(world: World) {
        let tenant = world.portal.tenant("Norte").await;
        let host = world.portal.host(&[Scope::BillingWrite]).await.tenant(&tenant);
        for (body, fields) in [
            (json!({ "name": "", "email": "nobody", "address": { "line1": 1, "country": "ZZ", "planet": "Earth" }, "tax_ids": [{ "type": "xx_vat" }] }),
                vec!["address.country", "address.line1", "address.planet", "email", "name", "tax_ids[0].type", "tax_ids[0].value"]),
            (json!({ "name": "Norte" }), vec![]),
            (json!({ "name": "Norte SL" }), vec!["address.country"]),
            (json!({ "name": "Norte SL", "tax_ids": [{ "type": "eu_vat", "value": "A1" }, { "type": "eu_vat", "value": "A1" }] }),
                vec!["address.country", "tax_ids[1].value"]),
            (json!({ "name": "Norte SL", "plan_id": "starter", "quote": "q" }), vec!["plan_id", "quote"]),
        ] {
            let reply = host.put("/subscription/update", &body).await.expect(if fields.is_empty() { 200 } else { 400 });
            if !fields.is_empty() {
                assert_eq!(named(&reply.body), fields, "{body}");
            }
        }
        assert_eq!(world.posted("/v1/customers"), 0);
        let refused = json!({ "tax_ids": [{ "type": "es_cif", "value": "A12345674" }, { "type": "eu_vat", "value": "12345678" }] });
        let reply = host.put("/subscription/update", &refused).await.expect(400);
        assert_eq!(named(&reply.body), ["tax_ids[1].value"], "Stripe does not accept it");
    }

    async fn an_answer_of_stripe_that_cannot_be_used_is_a_502(db: Db) {
        let error = r#"{"error":{"type":"invalid_request_error","message":"Invalid API Key provided"}}"#;
        let stripe = Script::start(vec![answer(401, &[], error), answer(200, &[], "<html>")]).await;
        let portal = Portal::with_stripe(db, stripe.url.clone(), "http://billing.test/");
        let tenant = portal.tenant("Norte").await;
        let host = portal.host(&[Scope::BillingWrite]).await.tenant(&tenant);
        let body = json!({ "tax_ids": [{ "type": "eu_vat", "value": "ESB12345678" }] });
        for _ in 0..2 {
            assert_eq!(host.put("/subscription/update", &body).await.expect(502).code(), "stripe_failed");
        }
        assert_eq!(stripe.asked().len(), 2);
    }

    async fn when_stripe_is_down_nothing_changes_and_a_retry_is_safe(world: World) {
        let mut world = world;
        let (tenant, host) = world.subscribed("Norte", "starter").await;
        let quote = host.post("/subscription/preview", &order("professional")).await.expect(200).body["quote"].clone();
        world.stop_stripe().await;
        let before = host.get("/subscription").await.expect(200).body;
        for path in ["/subscription/preview", "/subscription/cancel", "/portal"] {
            let body = if path.ends_with("preview") { order("professional") } else { json!({}) };
            assert_eq!(host.post(path, &body).await.expect(503).code(), "stripe_unavailable", "{path}");
        }
        host.put("/subscription/update", &json!({ "quote": quote })).await.expect(503);
        assert_eq!(host.get("/subscription").await.expect(200).body, before);
        let sur = world.portal.tenant("Sur").await;
        host.tenant(&sur).post("/subscription/create", &order("starter")).await.expect(503);
        assert_eq!(world.portal.count("select count(*) from checkout_sessions").await, 0);
        world.portal.user_of(&tenant, "owner").get("/subscription").await.expect(200);
    }

    async fn each_role_may_what_it_may(world: World) {
        let tenant = world.portal.tenant("Norte").await;
        for (role, reads, writes) in [("owner", 200, 409), ("admin", 200, 409), ("supervisor", 200, 403), ("operator", 403, 403)] {
            let user = world.portal.user_of(&tenant, role);
            user.get("/subscription").await.expect(reads);
            user.post("/subscription/preview", &order("starter")).await.expect(writes);
            user.put("/subscription/update", &order("starter")).await.expect(writes);
            user.post("/subscription/cancel", &json!({})).await.expect(writes);
            user.post("/subscription/resume", &json!({})).await.expect(writes);
            user.post("/subscription/create", &order("starter")).await.expect(if writes == 403 { 403 } else { 201 });
        }
        let reader = world.portal.host(&[Scope::BillingRead]).await.tenant(&tenant);
        reader.get("/subscription").await.expect(200);
        assert_eq!(reader.post("/subscription/cancel", &json!({})).await.expect(403).code(), "scope_missing");
        world.portal.program().get("/subscription").await.expect(401);
    }
}
