use billing_portal::cli::Format;
use billing_portal::webhooks::{Filter, State, cli};
use billing_portal::worker::{self, Tools};

use super::*;
use crate::support::script::answer;

fn calls(scene: &Scene) -> usize {
    scene.stripe.asked().len()
}

both_databases! {
    async fn an_event_in_order_needs_no_call_to_stripe(scene: Scene) {
        scene.with_customer().await;
        let mut canceled = subscription("canceled", "price_1");
        canceled["ended_at"] = json!(START + 40);
        let history = [
            event("evt_1", "customer.subscription.created", START + 1, &subscription("incomplete", "price_1")),
            event("evt_2", "invoice.finalized", START + 2, &invoice("open", 0)),
            event("evt_3", "invoice.paid", START + 5, &invoice("paid", 2900)),
            event("evt_4", "customer.subscription.updated", START + 6, &subscription("active", "price_1")),
            event("evt_5", "customer.subscription.updated", START + 20, &subscription("active", "price_2")),
            event("evt_6", "customer.subscription.deleted", START + 40, &canceled),
        ];
        let statuses = ["incomplete", "incomplete", "incomplete", "active", "active", "canceled"];
        for (event, status) in history.iter().zip(statuses) {
            deliver(&scene.portal, event).await;
            scene.work().await;
            assert_eq!(scene.status().await, status, "after {}", event["type"]);
        }
        assert_eq!(calls(&scene), 0, "{:?}", scene.stripe.asked());
        assert_eq!(scene.portal.count("select count(*) from webhook_events where state = 'done'").await, 7);
        assert_eq!(scene.text("select status from invoices").await, "paid");
        let mails = ["receipt:in_1", "plan_changed:sub_1:%", "cancelled:sub_1:ended"];
        for cause in mails {
            let count = scene.portal.count(&format!("select count(*) from mails where cause like '{cause}'")).await;
            assert_eq!(count, 1, "{cause}");
        }
        assert_eq!(scene.portal.count("select count(*) from mails").await, 3);
        assert_eq!(scene.portal.count("select count(*) from audit_entries where action = 'subscription.changed'").await, 3);
    }

    async fn events_of_one_batch_that_are_in_order_need_none_either(scene: Scene) {
        scene.with_customer().await;
        deliver(&scene.portal, &event("evt_b", "customer.subscription.updated", START + 2, &subscription("active", "price_1"))).await;
        deliver(&scene.portal, &event("evt_a", "customer.subscription.created", START + 1, &subscription("incomplete", "price_1"))).await;
        scene.work().await;
        assert_eq!((scene.status().await.as_str(), calls(&scene)), ("active", 0));
    }

    async fn doubt_is_asked_of_stripe_once_for_all_events_that_wait(scene: Scene) {
        scene.with_customer().await;
        for (index, status) in ["incomplete", "past_due", "unpaid"].into_iter().enumerate() {
            let id = format!("evt_{index}");
            deliver(&scene.portal, &event(&id, "customer.subscription.updated", START + 1, &subscription(status, "price_1"))).await;
        }
        scene.work().await;
        assert_eq!(scene.status().await, "active");
        assert_eq!(scene.stripe.asked().iter().filter(|asked| asked.line.starts_with("GET /v1/customers/")).count(), 1);
        assert_eq!(scene.portal.count("select count(*) from webhook_events where state = 'done'").await, 4);
        assert_eq!(scene.portal.count("select count(*) from mails where cause = 'receipt:in_1'").await, 1);
        let brand = "select count(*) from customers where next_invoice like '%\"total\":2900%' and details_seen_at is not null";
        assert_eq!(scene.portal.count(brand).await, 1);
    }

    async fn an_older_event_never_turns_the_state_back(scene: Scene) {
        scene.with_customer().await;
        deliver(&scene.portal, &event("evt_2", "customer.subscription.updated", START + 9, &subscription("active", "price_1"))).await;
        scene.work().await;
        assert_eq!(calls(&scene), 0);
        deliver(&scene.portal, &event("evt_1", "customer.subscription.updated", START + 3, &subscription("past_due", "price_1"))).await;
        scene.work().await;
        assert_eq!(scene.status().await, "active");
        assert!(calls(&scene) > 0);
        assert_eq!(scene.portal.count("select seen_at from subscriptions").await, START + 9);
    }

    async fn what_cannot_be_put_in_order_is_asked_of_stripe(scene: Scene) {
        scene.with_customer().await;
        let mut old = event("evt_1", "customer.subscription.updated", START + 1, &subscription("past_due", "price_1"));
        old["api_version"] = json!("2020-08-27");
        let mut broken = event("evt_2", "customer.subscription.updated", START + 2, &subscription("past_due", "price_1"));
        broken["data"]["object"]["items"] = json!("none");
        for doubtful in [old, broken] {
            let before = calls(&scene);
            deliver(&scene.portal, &doubtful).await;
            scene.work().await;
            assert!(calls(&scene) > before, "{}", doubtful["id"]);
            assert_eq!((scene.status().await.as_str(), scene.state(doubtful["id"].as_str().unwrap()).await.as_str()), ("active", "done"));
        }
    }

    async fn a_customer_on_a_test_clock_is_always_asked_for(scene: Scene) {
        let mut clocked = customer(&scene.tenant);
        clocked["test_clock"] = json!("clock_1");
        scene.stripe.set("/v1/customers/cus_1", &clocked);
        deliver(&scene.portal, &event("evt_0", "customer.created", START - 100, &clocked)).await;
        scene.work().await;
        deliver(&scene.portal, &event("evt_1", "customer.subscription.updated", START + 9_999, &subscription("past_due", "price_1"))).await;
        scene.work().await;
        assert_eq!(scene.status().await, "active");
    }

    async fn events_of_a_stranger_wait_until_it_is_a_tenants(scene: Scene) {
        deliver(&scene.portal, &event("evt_1", "customer.subscription.created", START + 1, &subscription("active", "price_1"))).await;
        scene.work().await;
        assert_eq!((scene.state("evt_1").await.as_str(), calls(&scene)), ("waiting", 0));
        let mut tx = scene.portal.db.write().await.unwrap();
        let id = "cus_1".parse().unwrap();
        assert!(billing_portal::sync::store::attach(&mut tx, &scene.tenant, &id, false, START).await.unwrap());
        assert!(!billing_portal::sync::store::attach(&mut tx, &scene.tenant, &"cus_2".parse().unwrap(), false, START).await.unwrap());
        tx.commit().await.unwrap();
        scene.work().await;
        assert_eq!((scene.state("evt_1").await.as_str(), scene.status().await.as_str()), ("done", "active"));
    }

    async fn a_customer_that_names_its_tenant_brings_the_events_that_came_before(scene: Scene) {
        deliver(&scene.portal, &event("evt_1", "customer.subscription.created", START + 1, &subscription("active", "price_1"))).await;
        scene.work().await;
        scene.with_customer().await;
        assert_eq!((scene.state("evt_1").await.as_str(), scene.status().await.as_str()), ("done", "active"));
        let mut foreign = customer("tenant_of_nobody");
        foreign["id"] = json!("cus_9");
        deliver(&scene.portal, &event("evt_9", "customer.created", START, &foreign)).await;
        scene.work().await;
        assert_eq!(scene.state("evt_9").await, "waiting");
    }

    async fn while_stripe_is_down_events_wait_longer_and_longer_and_are_never_parked(scene: Scene) {
        scene.with_customer().await;
        let down = answer(503, &[("stripe-should-retry", "false")], "{}");
        scene.stripe.set_answer("/v1/customers/cus_1", down);
        deliver(&scene.portal, &event("evt_1", "invoice.upcoming", START + 1, &json!({ "customer": "cus_1" }))).await;
        let mut waits = Vec::new();
        for _ in 0..8 {
            scene.work().await;
            assert_eq!(scene.state("evt_1").await, "pending");
            let due = scene.portal.count("select due_at from webhook_events where id = 'evt_1'").await;
            waits.push(due - scene.portal.clock.wall().as_second());
            scene.portal.clock.pass(waits.last().unwrap() - 1);
            let before = calls(&scene);
            scene.work().await;
            assert_eq!(calls(&scene), before, "nothing is tried before it is due");
            scene.portal.clock.pass(1);
        }
        assert_eq!(waits, [5, 15, 45, 135, 405, 900, 900, 900]);
        scene.stripe.set("/v1/customers/cus_1", &customer(&scene.tenant));
        scene.work().await;
        assert_eq!((scene.state("evt_1").await.as_str(), scene.status().await.as_str()), ("done", "active"));
        assert_eq!(scene.portal.count("select count(*) from customer_sync").await, 0);
    }

    async fn what_never_succeeds_is_parked_and_what_needs_no_call_is_not_held_up_by_it(scene: Scene) {
        scene.with_customer().await;
        let wrong = answer(400, &[], r#"{"error":{"type":"invalid_request_error","code":"odd"}}"#);
        scene.stripe.set_answer("/v1/customers/cus_1", wrong);
        deliver(&scene.portal, &event("evt_1", "invoice.upcoming", START + 1, &json!({ "customer": "cus_1" }))).await;
        deliver(&scene.portal, &event("evt_2", "customer.subscription.created", START + 2, &subscription("active", "price_1"))).await;
        for _ in 0..6 {
            scene.work().await;
            scene.portal.clock.pass(900);
        }
        assert_eq!((scene.state("evt_1").await.as_str(), scene.state("evt_2").await.as_str()), ("parked", "done"));
        assert!(scene.text("select error from webhook_events where id = 'evt_1'").await.contains("odd"));
        assert_eq!(scene.status().await, "active");

        scene.stripe.set("/v1/customers/cus_1", &customer(&scene.tenant));
        let said = cli::replay(&scene.portal.db, &scene.portal.clock, None).await.unwrap();
        assert!(said.starts_with("1 "), "{said}");
        scene.work().await;
        assert_eq!(scene.state("evt_1").await, "done");
    }

    async fn one_customers_trouble_is_not_anothers(scene: Scene) {
        scene.with_customer().await;
        let tenant = scene.portal.tenant("Other").await.id.to_string();
        let other: Value = serde_json::from_str(&customer(&tenant).to_string().replace("cus_1", "cus_2")).unwrap();
        scene.stripe.set_answer("/v1/customers/cus_1", answer(500, &[("stripe-should-retry", "false")], ""));
        deliver(&scene.portal, &event("evt_1", "invoice.upcoming", START + 1, &json!({ "customer": "cus_1" }))).await;
        deliver(&scene.portal, &event("evt_2", "customer.created", START + 1, &other)).await;
        scene.work().await;
        assert_eq!((scene.state("evt_1").await.as_str(), scene.state("evt_2").await.as_str()), ("pending", "done"));
    }

    async fn two_workers_carry_an_event_out_once(scene: Scene) {
        scene.with_customer().await;
        for n in 0..20 {
            let status = if n % 2 == 0 { "past_due" } else { "active" };
            let event = event(&format!("evt_{n}"), "customer.subscription.updated", START + n, &subscription(status, "price_1"));
            deliver(&scene.portal, &event).await;
        }
        let tools: Tools = (&scene.portal.app).into();
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let tools = tools.clone();
            workers.spawn(async move { billing_portal::webhooks::work::step(&tools).await.unwrap() });
        }
        let done: usize = workers.join_all().await.into_iter().sum();
        assert_eq!(done, 1);
        assert_eq!(scene.status().await, "active");
        assert_eq!(scene.portal.count("select count(*) from audit_entries where object_id = 'sub_1'").await, 20);
    }

    async fn a_worker_that_died_is_followed_by_another_when_its_lease_is_over(scene: Scene) {
        scene.with_customer().await;
        let mut tx = scene.portal.db.write().await.unwrap();
        let wall = scene.portal.clock.wall().as_second();
        let dead = billing_portal::sync::store::claim(&mut tx, "cus_1", "dead", wall).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        deliver(&scene.portal, &event("evt_1", "customer.subscription.created", START + 1, &subscription("active", "price_1"))).await;
        scene.work().await;
        assert_eq!(scene.state("evt_1").await, "pending");
        scene.portal.clock.pass(121);
        scene.work().await;
        assert_eq!(scene.state("evt_1").await, "done");
        let mut tx = scene.portal.db.write().await.unwrap();
        assert!(billing_portal::sync::store::finish(&mut tx, &dead).await.unwrap().is_err(), "the dead one may write nothing");
    }

    async fn a_change_of_the_catalogue_is_read_as_a_whole(scene: Scene) {
        let product = json!({ "id": "prod_1", "name": "Starter", "active": true, "livemode": false,
            "metadata": { "plan": "starter", "limit_users": "5" }, "marketing_features": [{ "name": "One" }] });
        let price = json!({ "id": "price_1", "product": "prod_1", "active": true, "livemode": false, "currency": "eur",
            "unit_amount": 2900, "lookup_key": "starter-month", "currency_options": { "usd": { "unit_amount": 3100 } },
            "recurring": { "interval": "month", "interval_count": 1, "usage_type": "licensed" } });
        scene.stripe.set("/v1/products", &list(std::slice::from_ref(&product)));
        scene.stripe.set("/v1/prices", &list(std::slice::from_ref(&price)));
        deliver(&scene.portal, &event("evt_1", "product.created", START, &product)).await;
        deliver(&scene.portal, &event("evt_2", "price.created", START, &price)).await;
        scene.work().await;
        assert_eq!(calls(&scene), 2);
        assert_eq!(scene.text("select plan from products where active").await, "starter");
        assert_eq!(scene.portal.count("select unit_amount from prices where active and currency_options like '%3100%'").await, 2900);
        scene.stripe.set("/v1/prices", &list(&[]));
        deliver(&scene.portal, &event("evt_3", "price.deleted", START + 1, &price)).await;
        scene.work().await;
        assert_eq!(scene.portal.count("select count(*) from prices where active").await, 0);
        assert_eq!(scene.portal.count("select count(*) from webhook_events where state = 'done'").await, 3);
    }

    async fn a_session_of_checkout_closes_its_row_and_asks_for_a_subscription_that_was_not_told_of(scene: Scene) {
        scene.with_customer().await;
        scene.portal.run(&format!("insert into checkout_sessions (id, tenant_id, stripe_id, state, price_id, quantity, currency, parameters,
            created_by, created_at, expires_at) values ('row_1', '{}', 'cs_1', 'open', 'price_1', 1, 'eur', '{{}}', 'u', 0, 0)", scene.tenant)).await;
        let session = json!({ "id": "cs_1", "mode": "subscription", "status": "complete", "customer": "cus_1", "created": START,
            "expires_at": START, "subscription": "sub_1", "client_reference_id": "row_1" });
        deliver(&scene.portal, &event("evt_1", "checkout.session.completed", START + 1, &session)).await;
        scene.work().await;
        assert_eq!(scene.text("select state from checkout_sessions where subscription_id = 'sub_1'").await, "complete");
        assert_eq!(scene.status().await, "active");
        let mut late = session.clone();
        late["status"] = json!("expired");
        deliver(&scene.portal, &event("evt_2", "checkout.session.expired", START + 2, &late)).await;
        scene.work().await;
        assert_eq!(scene.text("select state from checkout_sessions").await, "complete");
    }

    async fn events_that_were_never_delivered_are_taken_in(scene: Scene) {
        let lost = event("evt_1", "customer.created", START, &customer(&scene.tenant));
        scene.stripe.set("/v1/events", &list(std::slice::from_ref(&lost)));
        let tools: Tools = (&scene.portal.app).into();
        assert_eq!(billing_portal::webhooks::work::recover(&tools, "me", 3600).await.unwrap(), Some(1));
        assert_eq!(billing_portal::webhooks::work::recover(&tools, "you", 3600).await.unwrap(), None, "one process of several, once an hour");
        scene.work().await;
        assert_eq!(scene.state("evt_1").await, "done");
        let mut delivered_late = lost.clone();
        delivered_late["pending_webhooks"] = json!(0);
        scene.portal.clock.pass(3600);
        assert_eq!(billing_portal::webhooks::work::recover(&tools, "me", 3600).await.unwrap(), Some(0));
        assert_eq!(scene.portal.count("select count(*) from webhook_events where conflict is not null").await, 0);
    }

    async fn the_preview_is_asked_for_after_a_change_and_ahead_of_the_renewal(scene: Scene) {
        scene.with_customer().await;
        deliver(&scene.portal, &event("evt_1", "customer.subscription.created", START + 1, &subscription("active", "price_1"))).await;
        worker::settle(&scene.portal.app).await;
        let next = scene.text("select next_invoice from customers").await;
        assert!(next.contains("2900"), "{next}");
        let due = scene.portal.count("select details_due_at from customers").await;
        assert_eq!(due, START + 2_592_000 - 86_400);
        let before = calls(&scene);
        worker::settle(&scene.portal.app).await;
        assert_eq!(calls(&scene), before);
        scene.portal.clock.pass(due - START);
        worker::settle(&scene.portal.app).await;
        assert!(calls(&scene) > before);
    }

    async fn the_inbox_can_be_listed_shown_and_counted(scene: Scene) {
        scene.with_customer().await;
        deliver(&scene.portal, &event("evt_9", "invoice.levitated", START, &json!({ "id": "x" }))).await;
        let db = &scene.portal.db;
        let stats: Value = serde_json::from_str(&cli::stats(db, &scene.portal.clock, Format::Json).await.unwrap()).unwrap();
        assert_eq!((&stats["done"], &stats["not_needed"], &stats["pending"], &stats["total"]), (&json!(1), &json!(1), &json!(0), &json!(2)));
        let list = async |filter: &Filter| cli::list(db, filter, 10, Format::Text).await.unwrap();
        let done = Filter { state: Some(State::Done), whose: "cus_1".to_owned(), ..Filter::default() };
        let listed = list(&done).await;
        assert!(listed.contains("evt_customer") && !listed.contains("evt_9"), "{listed}");
        let levitated = list(&Filter { kind: "invoice.levitated".to_owned(), ..Filter::default() }).await;
        assert!(levitated.contains("evt_9") && !levitated.contains("evt_customer"), "{levitated}");
        let now = scene.portal.clock.wall().as_second();
        assert_eq!(list(&Filter { from: Some(now + 1), ..Filter::default() }).await, "");
        assert_eq!(list(&Filter { until: Some(now), ..Filter::default() }).await, "");
        let shown: Value = serde_json::from_str(&cli::show(db, "evt_9").await.unwrap()).unwrap();
        assert_eq!(shown["payload"]["data"]["object"]["id"], "x");
        let secret = json!({ "id": "pi_1", "client_secret": "pi_1_secret_quiet", "note": "4242 4242 4242 4242" });
        deliver(&scene.portal, &event("evt_10", "payment_intent.created", START, &secret)).await;
        let shown = cli::show(db, "evt_10").await.unwrap();
        assert!(shown.contains("pi_1") && !shown.contains("quiet") && !shown.contains("4242 4242"), "{shown}");
        assert!(cli::show(db, "evt_none").await.is_err());
        assert!(cli::replay(db, &scene.portal.clock, Some("evt_none")).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loop_is_woken_by_a_delivery_and_stops_when_it_is_told_to() {
    let (db, _folder) = crate::support::databases::fresh_sqlite().await;
    let scene = <Scene as crate::support::databases::FromDb>::from_db(db).await;
    let (halt, halted) = tokio::sync::watch::channel(false);
    let working = tokio::spawn(worker::run(scene.portal.app.clone(), halted));
    deliver(&scene.portal, &event("evt_1", "customer.created", START, &customer(&scene.tenant))).await;
    let done = async {
        while scene.state("evt_1").await != "done" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), done).await.expect("the event is carried out");
    halt.send_replace(true);
    tokio::time::timeout(std::time::Duration::from_secs(20), working).await.expect("the loop stops").unwrap();
}
