//! Each kind of drift: found under its name, put right, and gone the second time.

use billing_portal::auth::NewUser;
use billing_portal::reconcile::Severity;
use billing_portal::usage::Report;
use http::StatusCode;
use serde_json::json;
use stripe_client_core::StripeMethod;

use crate::support::browser::{Answer, Browser};
use crate::support::portal::hash;
use crate::support::world::World;

/// A member of the staff who has signed in.
pub(super) async fn staff(world: &World) -> Browser {
    let new = NewUser::new("sam@staff.example".parse().unwrap(), "Sam").unwrap().staff(true);
    let user = world.portal.create(new.password_hash(hash().await), &[]).await;
    world.portal.signed_in(&user).await
}

/// Says yes on a finding's page.
pub(super) async fn confirm(browser: &mut Browser, finding: &str, fields: &[(&str, &str)]) -> Answer {
    let path = format!("/staff/reconciliation/findings/{finding}");
    browser.get(&path).await.expect(StatusCode::OK);
    browser.post(&path, fields).await
}

both_databases! {
    async fn nothing_is_off_where_every_event_has_come(world: World) {
        world.subscriber("Norte", "professional").await;
        world.subscriber("Sur", "starter").await;
        assert_eq!(world.compare(false).await, [""; 0]);
        assert_eq!(world.compare(true).await, [""; 0]);
        let run = world.begin(false).await;
        let progress = world.finish(&run).await.progress;
        assert_eq!((progress.customers, progress.subscriptions, progress.invoices, progress.charges), (2, 2, 2, 2));
        assert_eq!((progress.rows, progress.fetched), (2, 1), "only the catalogue is fetched by itself");
        assert_eq!(progress.paid.values().sum::<i64>(), 9_900 + 2_900);
    }

    async fn a_change_that_nobody_told_of_is_a_stale_row(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        world.drift(&one.subscription, "/cancel_at_period_end", json!(true)).await;
        world.heals(&["stale_row subscription"]).await;
        assert_eq!(world.portal.count("select count(*) from subscriptions where cancel_at_period_end").await, 1);

        world.drift(&one.customer, "/email", json!("other@norte.example")).await;
        world.heals(&["stale_row customer"]).await;
        let charge = world.text("select id from charges").await;
        world.drift(&charge, "/disputed", json!(true)).await;
        world.heals(&["stale_row charge"]).await;
    }

    async fn an_amount_that_differs_is_told_with_what_was_paid(world: World) {
        world.subscriber("Norte", "professional").await;
        let invoice = world.text("select id from invoices").await;
        world.portal.run("update invoices set amount_paid = amount_paid - 1234, total = total - 1234").await;
        let found = world.only("amount_differs invoice").await;
        assert_eq!((found.object_id.as_str(), found.amount, found.severity), (invoice.as_str(), 1_234, Severity::Critical));
        let fields: Vec<_> = found.changes().into_iter().map(|change| (change.field, change.here, change.stripe)).collect();
        assert_eq!(fields, [
            ("total".to_owned(), json!(9_900 - 1_234), json!(9_900)),
            ("amount_paid".to_owned(), json!(9_900 - 1_234), json!(9_900)),
        ]);
        world.heals(&["amount_differs invoice"]).await;
    }

    async fn a_customer_that_was_deleted_ends_with_its_subscription(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        world.quietly(StripeMethod::Delete, &format!("/customers/{}", one.customer), json!({})).await;
        world.heals(&["orphan_row customer", "stale_row subscription"]).await;
        assert_eq!(world.portal.count("select count(*) from customers where deleted").await, 1);
        assert_eq!(world.portal.count("select count(*) from subscriptions where status = 'canceled'").await, 1);
    }

    async fn rows_that_were_lost_are_fetched(world: World) {
        world.subscriber("Norte", "professional").await;
        world.portal.run("delete from charges").await;
        world.portal.run("delete from invoices").await;
        world.portal.run("delete from notices").await;
        world.portal.run("delete from subscriptions").await;
        world.heals(&["missing_row charge", "missing_row invoice", "missing_row subscription"]).await;
    }

    async fn a_customer_whose_creation_was_lost_is_given_to_its_tenant(world: World) {
        let tenant = world.portal.tenant("Norte").await;
        let new = json!({ "name": "Norte", "metadata": { "tenant_id": tenant.id.as_str() } });
        let customer = world.quietly(StripeMethod::Post, "/customers", new).await["id"].as_str().unwrap().to_owned();
        world.heals(&["missing_row customer"]).await;
        assert_eq!(world.text("select id from customers").await, customer);
    }

    async fn what_stripe_has_no_more_goes_when_the_staff_say_so(world: World) {
        world.subscriber("Norte", "professional").await;
        let invoice = world.text("select id from invoices").await;
        world.vanish(&invoice).await;
        let found = world.only("orphan_row invoice").await;
        assert_eq!(world.compare(true).await, ["orphan_row invoice open"], "not without a word");
        let mut browser = staff(&world).await;
        confirm(&mut browser, &found.id, &[]).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(world.portal.count("select count(*) from invoices").await, 0);
        assert_eq!(world.compare(false).await, [""; 0]);
    }

    async fn a_row_is_not_removed_when_stripe_knows_the_object_after_all(world: World) {
        world.subscriber("Norte", "professional").await;
        let invoice = world.text("select id from invoices").await;
        let kept = world.control.ask(http::Method::GET, "counts", &json!(null)).await.unwrap();
        assert!(kept["invoice"].as_i64() > Some(0));
        world.vanish(&invoice).await;
        let found = world.only("orphan_row invoice").await;
        world.portal.run(&format!("update reconciliation_findings set object_id = '{}', object = 'charge'", world.text("select id from charges").await)).await;
        let mut browser = staff(&world).await;
        confirm(&mut browser, &found.id, &[]).await.expect(StatusCode::CONFLICT);
        assert_eq!(world.portal.count("select count(*) from charges").await, 1);
    }

    async fn a_draft_that_was_deleted_goes_by_itself(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        let draft = world.post("/invoices", json!({ "customer": one.customer })).await["id"].as_str().unwrap().to_owned();
        world.settle().await;
        assert_eq!(world.portal.count("select count(*) from invoices where status = 'draft'").await, 1);
        world.quietly(StripeMethod::Delete, &format!("/invoices/{draft}"), json!({})).await;
        world.heals(&["orphan_row invoice"]).await;
        assert_eq!(world.portal.count("select count(*) from invoices where status = 'draft'").await, 0);
    }

    async fn of_two_subscriptions_the_staff_keep_one(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        world.switch("quiet", json!({ "on": true })).await;
        let second = world.subscribe_again(&one.customer, one.tenant.id.as_str(), "starter").await;
        world.switch("quiet", json!({ "on": false })).await;
        assert_eq!(world.compare(true).await, [
            "missing_row charge repaired", "missing_row invoice repaired", "missing_row subscription repaired",
            "two_live customer open",
        ]);
        assert_eq!(world.portal.count("select count(*) from subscriptions where status = 'active'").await, 2,
            "nothing is cancelled by itself");

        let found = world.only("two_live customer").await;
        let mut browser = staff(&world).await;
        confirm(&mut browser, &found.id, &[]).await.expect(StatusCode::UNPROCESSABLE_ENTITY)
            .shows(&["Choose the subscription that stays", &second, &one.subscription]);
        confirm(&mut browser, &found.id, &[("keep", "sub_other")]).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        let path = format!("/staff/reconciliation/findings/{}", found.id);
        browser.post(&path, &[("keep", &one.subscription), ("credit", "yes")]).await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        let live = world.text("select id from subscriptions where status = 'active'").await;
        assert_eq!(live, one.subscription);
        assert_eq!(world.compare(false).await, [""; 0]);
        let told = format!("select count(*) from audit_entries where action = 'reconciliation.repaired' and actor_kind = 'user'\
            and object_id = '{}' and address is not null", one.customer);
        assert_eq!(world.portal.count(&told).await, 1);
        confirm(&mut browser, &found.id, &[("keep", &one.subscription)]).await.expect(StatusCode::CONFLICT);
    }

    async fn a_subscription_that_serves_is_not_ended_for_one_that_does_not(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        world.switch("quiet", json!({ "on": true })).await;
        let second = world.subscribe_again(&one.customer, one.tenant.id.as_str(), "starter").await;
        world.switch("quiet", json!({ "on": false })).await;
        world.drift(&second, "/status", json!("unpaid")).await;
        world.compare(true).await;
        let found = world.only("two_live customer").await;
        let mut browser = staff(&world).await;
        let path = format!("/staff/reconciliation/findings/{}", found.id);
        let page = browser.get(&path).await.expect(StatusCode::OK);
        let chosen = format!("value=\"{}\" checked", one.subscription);
        assert!(page.body.contains(&chosen), "the one in force is proposed: {}", page.body);
        browser.post(&path, &[("keep", &second)]).await.expect(StatusCode::UNPROCESSABLE_ENTITY)
            .shows(&["That subscription is not in force, and another one is"]);
        assert_eq!(world.portal.count("select count(*) from subscriptions where status = 'active'").await, 1);
        browser.post(&path, &[("keep", &one.subscription)]).await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        assert_eq!(world.text("select id from subscriptions where status = 'active'").await, one.subscription);
        assert_eq!(world.compare(false).await, [""; 0]);
    }

    async fn a_subscription_that_stripe_knows_nothing_of_goes_with_all_that_followed_from_it(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        let gone = world.subscriber("Sur", "professional").await;
        assert_eq!(world.portal.count("select count(*) from notices").await, 2);
        world.portal.run(&format!("insert into dunning_cases (invoice_id, tenant_id, customer_id, subscription_id, currency, amount, state,\
            opened_at, next_at) select id, tenant_id, customer_id, subscription_id, currency, 100, 'open', created_at, created_at + 864000 \
            from invoices where customer_id = '{}'", gone.customer)).await;
        world.vanish(&gone.subscription).await;
        let found = world.only("orphan_row subscription").await;
        let mut browser = staff(&world).await;
        confirm(&mut browser, &found.id, &[]).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(world.text("select id from subscriptions").await, one.subscription);
        assert_eq!(world.text("select subscription_id from notices").await, one.subscription);
        assert_eq!(world.portal.count("select count(*) from dunning_cases where state = 'open'").await, 0);
        let worth = format!("select cast(sum(delta) as bigint) from mrr_changes where subscription_id = '{}'", gone.subscription);
        assert_eq!(world.portal.count(&worth).await, 0, "what it was worth is gone from the figures");
        let told = "select count(*) from audit_entries where action = 'subscription.removed' and before like '%active%' and after is null";
        assert_eq!(world.portal.count(told).await, 1);
        crate::staff::agree_with_rows(&world.portal).await;
        assert_eq!(world.compare(false).await, [""; 0]);
    }

    async fn a_charge_that_stripe_knows_nothing_of_is_counted_no_more(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        let charge = world.text("select id from charges").await;
        world.vanish(&charge).await;
        let found = world.only("orphan_row charge").await;
        let mut browser = staff(&world).await;
        confirm(&mut browser, &found.id, &[]).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(world.portal.count("select count(*) from charges").await, 0);
        crate::staff::agree_with_rows(&world.portal).await;
        let told = format!("select count(*) from audit_entries where action = 'charge.removed' and tenant_id = '{}'", one.tenant.id);
        assert_eq!(world.portal.count(&told).await, 1);
        assert_eq!(world.compare(false).await, [""; 0]);
    }

    async fn a_customer_that_stripe_knows_nothing_of_goes_with_everything_when_the_staff_say_so(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        for table in ["charges", "invoices", "subscriptions", "customers"] {
            let id = world.text(&format!("select id from {table}")).await;
            world.vanish(&id).await;
        }
        let found = world.only("orphan_row customer").await;
        assert_eq!((found.object_id.as_str(), found.amount), (one.customer.as_str(), 9_900), "what it is said to have paid");
        let mut browser = staff(&world).await;
        confirm(&mut browser, &found.id, &[]).await.expect(StatusCode::SEE_OTHER);
        for table in ["charges", "invoices", "subscriptions"] {
            assert_eq!(world.portal.count(&format!("select count(*) from {table}")).await, 0, "{table}");
        }
        crate::staff::agree_with_rows(&world.portal).await;
        assert_eq!(world.compare(false).await, [""; 0]);
    }

    async fn another_card_that_nobody_told_of_is_a_stale_row(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        assert_eq!(world.compare(false).await, [""; 0]);
        world.portal.run("update customers set payment_method = replace(payment_method, '4242', '1111')").await;
        let found = world.only("stale_row customer").await;
        let change = &found.changes()[0];
        assert_eq!((change.field.as_str(), &change.here["last4"], &change.stripe["last4"]), ("payment_method", &json!("1111"), &json!("4242")));
        world.heals(&["stale_row customer"]).await;
        assert_eq!(world.portal.count(&format!("select count(*) from customers where id = '{}' and payment_method like '%4242%'", one.customer)).await, 1);
    }

    async fn metadata_of_another_tenant_is_written_back_when_the_staff_say_so(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        let other = world.portal.tenant("Sur").await;
        world.drift(&one.customer, "/metadata/tenant_id", json!(other.id.as_str())).await;
        let found = world.only("wrong_tenant customer").await;
        assert_eq!(found.tenant_id.as_deref(), Some(one.tenant.id.as_str()));
        let mut browser = staff(&world).await;
        confirm(&mut browser, &found.id, &[]).await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        assert_eq!(world.compare(false).await, [""; 0]);

        world.drift(&one.subscription, "/metadata/tenant_id", json!(other.id.as_str())).await;
        let found = world.only("wrong_tenant subscription").await;
        confirm(&mut browser, &found.id, &[]).await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        assert_eq!(world.compare(false).await, [""; 0]);
    }

    async fn customers_that_are_nobodys_are_told_apart(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        for (tenant, name) in [(Some("ten_gone"), "Gone"), (Some(one.tenant.id.as_str()), "Twice"), (None, "Stranger")] {
            let metadata = tenant.map_or(json!({}), |tenant| json!({ "tenant_id": tenant }));
            let new = json!({ "name": name, "metadata": metadata });
            world.quietly(StripeMethod::Post, "/customers", new).await;
        }
        assert_eq!(world.compare(false).await, ["second_customer customer open", "unknown_tenant customer open"]);

        // Who buys a plan of ours and gets nothing for it.
        world.switch("quiet", json!({ "on": true })).await;
        let customer = world.post("/customers", json!({ "name": "Payer" })).await["id"].as_str().unwrap().to_owned();
        let card = world.post("/payment_methods/pm_card_visa/attach", json!({ "customer": customer })).await;
        let settings = json!({ "invoice_settings": { "default_payment_method": card["id"] } });
        world.post(&format!("/customers/{customer}"), settings).await;
        let items = json!([{ "price": world.price_of("starter", "month").await }]);
        world.post("/subscriptions", json!({ "customer": customer, "items": items })).await;
        world.switch("quiet", json!({ "on": false })).await;
        assert_eq!(world.compare(false).await, [
            "no_tenant subscription open", "second_customer customer open", "unknown_tenant customer open",
        ]);
        let paid = "select count(*) from reconciliation_findings where kind = 'no_tenant' and severity = 'critical'";
        assert_eq!(world.portal.count(paid).await, 1);
    }

    async fn a_price_that_was_altered_is_a_matter_of_the_catalogue(world: World) {
        let price = world.price_of("starter", "month").await;
        world.drift(&price, "/unit_amount", json!(3_100)).await;
        world.drift(&price, "/unit_amount_decimal", json!("3100")).await;
        world.heals(&["catalogue_differs price"]).await;
        assert_eq!(world.portal.count(&format!("select unit_amount from prices where id = '{price}'")).await, 3_100);

        let product = world.text("select id from products where plan = 'starter'").await;
        let new = json!({ "product": product, "currency": "eur", "unit_amount": 5, "recurring": { "interval": "week" } });
        world.quietly(StripeMethod::Post, "/prices", new).await;
        world.heals(&["catalogue_missing price"]).await;
        let weekly = world.text("select id from prices where recurring_interval = 'week'").await;
        world.vanish(&weekly).await;
        world.heals(&["orphan_row price"]).await;
    }

    async fn live_and_test_mode_do_not_mix(world: World) {
        world.subscriber("Norte", "professional").await;
        world.portal.run("update customers set livemode = true").await;
        let found = world.only("wrong_mode customer").await;
        assert_eq!(found.severity, Severity::Critical);
        assert_eq!(world.compare(true).await, ["wrong_mode customer open"]);
    }

    async fn use_that_stripe_counted_otherwise_is_found(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        let report = Report { metric: "ai_tokens".into(), quantity: Some(500), idempotency_key: "one".into(), ..Report::default() };
        world.portal.report(&one.tenant.id, vec![report]).await;
        for _ in 0..4 {
            world.go_by(3_600).await;
        }
        assert_eq!(world.portal.count("select sent from usage_outbox").await, 500);
        // Stripe adds up after it was told: what is young is not compared.
        world.portal.clock.pass(7_200);
        world.control.pass(7_200).await.unwrap();
        world.switch("clock/advance", json!({ "seconds": 7_200 })).await;
        world.settle().await;
        assert_eq!(world.compare(false).await, [""; 0]);
        let counted = world.last("POST", "/v1/billing/meter_events")["identifier"].as_str().unwrap().to_owned();
        world.vanish(&counted).await;
        let found = world.only("usage_differs usage").await;
        assert_eq!((&found.changes()[0].here, &found.changes()[0].stripe), (&json!(500), &json!(0)));
        let mut browser = staff(&world).await;
        confirm(&mut browser, &found.id, &[]).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(world.last("POST", "/v1/billing/meter_events")["payload"]["value"], json!("500"));
        assert_eq!(world.compare(false).await, [""; 0]);
    }
}
