//! Never two live subscriptions: who tries is led on, and staff hear of one that Stripe made all the same.

use billing_portal::audit::Actor;
use billing_portal::auth::{NewUser, Role};
use billing_portal::reconcile::{Repair, Severity};
use billing_portal::stripe::Budget;
use billing_portal::sync::{self, store::doubled};
use http::{Method, StatusCode};
use serde_json::json;

use super::{PAYS, form, hosted, pay};
use crate::support::world::World;

/// A card that pays, as the payment page's form names it.
const CARD: &str = "test-4242424242424242";

/// How many subscriptions the tenant's customer has in force at Stripe.
async fn in_force(world: &World, customer: &str) -> usize {
    let listed = world.read(&format!("/subscriptions?customer={customer}")).await;
    listed["data"].as_array().unwrap().len()
}

both_databases! {
    async fn a_double_click_and_two_tabs_buy_one_subscription(world: World) {
        let (tenant, mut one) = world.owner_of("Acme").await;
        one.get("/plans").await;
        let mut other = one.clone();
        let form = [("plan", "professional"), ("interval", "month")];
        let (first, second) = tokio::join!(one.post("/checkout", &form), other.post("/checkout", &form));
        let first = first.expect(StatusCode::SEE_OTHER);
        assert_eq!(first.location(), second.expect(StatusCode::SEE_OTHER).location(), "one page to pay on");
        let (paid, again) = (pay(first.location(), PAYS).await, hosted(first.location(), None).await);
        assert_eq!(paid.status, StatusCode::SEE_OTHER, "{}", paid.body);
        assert!(again.body.contains("complete") || again.body.contains("already"), "the page takes no second payment: {}", again.body);
        assert_eq!(in_force(&world, &world.customer_of(&tenant).await).await, 1);
    }

    async fn two_tabs_that_pay_at_the_same_time_buy_one_subscription(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        let page = world.choose(&mut owner, "professional", "month").await.expect(StatusCode::SEE_OTHER).location().to_owned();
        let shown = hosted(&page, None).await;
        let total = hosted(&page, Some(&form(&shown.body, CARD))).await;
        assert!(total.body.contains("total is now"), "the tax of the address is shown first: {}", total.body);
        let form = form(&total.body, CARD);
        let (one, other) = tokio::join!(hosted(&page, Some(&form)), hosted(&page, Some(&form)));
        let paid = [&one, &other].iter().filter(|answer| answer.status == StatusCode::SEE_OTHER).count();
        assert_eq!(paid, 1, "{} {}", one.body, other.body);
        let customer = world.customer_of(&tenant).await;
        assert_eq!(in_force(&world, &customer).await, 1);
        let charges = world.read(&format!("/charges?customer={customer}")).await;
        assert_eq!(charges["data"].as_array().unwrap().len(), 1, "one charge");
    }

    async fn two_admins_with_different_plans_end_with_one_page_and_one_subscription(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        let admin = world.portal.user("Bea", &[(&tenant, Role::Admin)]).await;
        let mut admin = world.portal.signed_in(&admin).await;
        let (first, second) = tokio::join!(
            world.choose(&mut owner, "starter", "month"),
            world.choose(&mut admin, "professional", "year"),
        );
        let pages: Vec<String> = [first, second]
            .into_iter()
            .filter(|answer| answer.status == StatusCode::SEE_OTHER)
            .map(|answer| answer.location().to_owned())
            .collect();
        let mut paid = 0;
        for page in &pages {
            let shown = hosted(page, None).await;
            if shown.body.contains("name=\"expected\"") {
                assert_eq!(pay(page, PAYS).await.status, StatusCode::SEE_OTHER);
                paid += 1;
            }
        }
        assert_eq!(paid, 1, "one of the pages is closed: {pages:?}");
        assert_eq!(in_force(&world, &world.customer_of(&tenant).await).await, 1);
        world.settle().await;
        let late = world.choose(&mut admin, "professional", "year").await.expect(StatusCode::CONFLICT);
        late.shows(&["You already have a subscription", "href=\"/\""]);
    }

    async fn a_lost_webhook_lets_nobody_buy_twice(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        let to_stripe = world.choose(&mut owner, "starter", "month").await;
        world.control.ask(Method::POST, "deliveries/hold", &json!({})).await.unwrap();
        assert_eq!(pay(to_stripe.location(), PAYS).await.status, StatusCode::SEE_OTHER);
        world.control.ask(Method::POST, "deliveries/drop", &json!({})).await.unwrap();
        assert_eq!(world.portal.count("select count(*) from subscriptions").await, 0, "the portal has not heard of it");
        let again = world.choose(&mut owner, "professional", "month").await.expect(StatusCode::CONFLICT);
        again.shows(&["You already have a subscription"]);
        owner.get("/").await.expect(StatusCode::OK).shows(&["Starter", "Active"]);
        assert_eq!(in_force(&world, &world.customer_of(&tenant).await).await, 1);
    }

    async fn one_that_was_made_in_the_dashboard_is_found_before_another_is_sold(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        world.choose(&mut owner, "starter", "month").await;
        let customer = world.customer_of(&tenant).await;
        world.control.ask(Method::POST, "deliveries/hold", &json!({})).await.unwrap();
        world.subscribe_at_stripe(&customer, "professional", "month", json!({})).await;
        world.control.ask(Method::POST, "deliveries/drop", &json!({})).await.unwrap();
        world.choose(&mut owner, "starter", "month").await.expect(StatusCode::CONFLICT);
        owner.get("/").await.expect(StatusCode::OK).shows(&["Professional"]);
    }

    async fn a_payment_page_is_closed_when_a_subscription_comes_from_elsewhere(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        let page = world.choose(&mut owner, "starter", "month").await.expect(StatusCode::SEE_OTHER).location().to_owned();
        let customer = world.customer_of(&tenant).await;
        let seen = hosted(&page, None).await;
        world.subscribe_at_stripe(&customer, "professional", "month", json!({})).await;
        world.settle().await;
        assert_eq!(world.texts("select state from checkout_sessions").await, ["expired"]);
        // The old tab still shows the form; what it sends is refused, and nothing is charged.
        let late = hosted(&page, Some(&form(&seen.body, CARD))).await;
        assert_eq!((late.status, in_force(&world, &customer).await), (StatusCode::GONE, 1), "{}", late.body);
        owner.get("/").await.expect(StatusCode::OK).shows(&["Professional"]);
    }

    async fn closing_a_payment_page_waits_until_stripe_is_there(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        world.choose(&mut owner, "starter", "month").await.expect(StatusCode::SEE_OTHER);
        let customer = world.customer_of(&tenant).await;
        world.switch("faults", json!({ "path": "/v1/checkout/sessions/", "method": "POST", "status": 503, "times": 50 })).await;
        world.subscribe_at_stripe(&customer, "professional", "month", json!({})).await;
        world.settle().await;
        assert_eq!(world.texts("select state from checkout_sessions").await, ["open"]);
        world.control.ask(Method::DELETE, "faults", &json!({})).await.unwrap();
        world.portal.clock.pass(61);
        world.settle().await;
        assert_eq!(world.texts("select state from checkout_sessions").await, ["expired"]);
    }

    async fn buying_asks_nothing_of_stripe_to_close_its_own_page(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        let page = world.choose(&mut owner, "starter", "month").await.expect(StatusCode::SEE_OTHER);
        assert_eq!(pay(page.location(), PAYS).await.status, StatusCode::SEE_OTHER);
        world.settle().await;
        assert_eq!(world.texts("select state from checkout_sessions").await, ["complete"]);
        let closed = world.stripe.exchanges().iter().filter(|exchange| exchange.path.ends_with("/expire")).count();
        assert_eq!(closed, 0);
    }

    async fn a_page_that_is_paid_at_the_very_moment_is_a_finding_for_staff(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        let page = world.choose(&mut owner, "starter", "month").await.expect(StatusCode::SEE_OTHER).location().to_owned();
        let customer = world.customer_of(&tenant).await;
        world.control.ask(Method::POST, "deliveries/hold", &json!({})).await.unwrap();
        world.subscribe_at_stripe(&customer, "professional", "month", json!({})).await;
        assert_eq!(pay(&page, PAYS).await.status, StatusCode::SEE_OTHER);
        world.control.ask(Method::POST, "deliveries/release", &json!({})).await.unwrap();
        world.settle().await;
        assert_eq!(in_force(&world, &customer).await, 2);
        assert_eq!(world.texts("select state from checkout_sessions").await, ["complete"]);
        let found = world.only("two_live customer").await;
        assert_eq!((found.severity, found.repair), (Severity::Critical, Repair::KeepOne));
        owner.get("/").await.expect(StatusCode::OK);
    }

    async fn a_second_one_that_appears_all_the_same_is_told_to_staff_once(world: World) {
        let staff = NewUser::new("sam@portal.example".parse().unwrap(), "Sam").unwrap().staff(true);
        world.portal.create(staff, &[]).await;
        let (tenant, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "starter", "month", PAYS).await;
        let customer = world.customer_of(&tenant).await;
        world.days(1).await;
        let second = world.subscribe_at_stripe(&customer, "professional", "month", json!({})).await;
        world.settle().await;
        let finding = world.only("two_live customer").await;
        assert_eq!((finding.severity, finding.repair), (Severity::Critical, Repair::KeepOne));
        assert_eq!((finding.customer_id.as_deref(), finding.tenant_id.as_deref()), (Some(customer.as_str()), Some(tenant.id.as_str())));
        let app = &world.portal.app;
        let id = customer.parse().unwrap();
        for _ in 0..2 {
            sync::refetch(&app.db, &app.stripe, &app.clock, &id, &Actor::Command, Budget::work()).await.unwrap();
        }
        world.days(31).await;
        let found = world.texts("select object_id from audit_entries where action = 'subscription.second_found'").await;
        assert_eq!(found, [second.as_str()]);
        assert_eq!(world.portal.count("select count(*) from mails where kind = 'second_subscription'").await, 1);
        let listed = doubled(&mut app.db.read().await.unwrap()).await.unwrap();
        assert_eq!(listed.len(), 2);
        assert!(listed.iter().all(|one| one.tenant_id == tenant.id.as_str()) && listed[1].id == second);
        owner.get("/").await.expect(StatusCode::OK);

        let gone = stripe_client_core::RequestBuilder::new(stripe_client_core::StripeMethod::Delete, format!("/subscriptions/{second}"));
        app.stripe.call::<serde_json::Value>(gone, None, Budget::work()).await.unwrap();
        world.settle().await;
        assert!(doubled(&mut app.db.read().await.unwrap()).await.unwrap().is_empty(), "the repair ends it");
        owner.get("/").await.expect(StatusCode::OK).shows(&["Starter", "Active"]);
    }
}
