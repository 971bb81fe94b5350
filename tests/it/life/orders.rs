//! Orders whose facts our rows do not know yet, or that Stripe refuses: answered in words, with what is true.

use billing_portal::api::Scope;
use http::Method;
use serde_json::json;

use super::{PAYS, pay};
use crate::support::world::World;

/// The form of the latest session that was asked for.
fn asked(world: &World) -> String {
    let exchanges = world.stripe.exchanges();
    let last = exchanges.iter().rfind(|one| one.method == "POST" && one.path == "/v1/checkout/sessions");
    String::from_utf8(last.expect("a session").body.to_vec()).unwrap()
}

async fn end(world: &World, subscription: &str) {
    let path = format!("/subscriptions/{subscription}");
    let gone = stripe_client_core::RequestBuilder::new(stripe_client_core::StripeMethod::Delete, path);
    let budget = billing_portal::stripe::Budget::work();
    world.portal.app.stripe.call::<serde_json::Value>(gone, None, budget).await.unwrap();
}

both_databases! {
    async fn a_trial_that_is_over_before_its_webhooks_came_is_the_only_one(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        world.portal.run("update products set trial_days = 14 where plan = 'professional'").await;
        let to_stripe = world.choose(&mut owner, "professional", "month").await;
        assert!(asked(&world).contains("trial_period_days"));
        world.control.ask(Method::POST, "deliveries/hold", &json!({})).await.unwrap();
        let page = to_stripe.location().to_owned();
        assert_eq!(pay(&page, PAYS).await.status, http::StatusCode::SEE_OTHER);
        let customer = world.customer_of(&tenant).await;
        let listed = world.read(&format!("/subscriptions?customer={customer}")).await;
        end(&world, listed["data"][0]["id"].as_str().unwrap()).await;
        world.control.ask(Method::POST, "deliveries/drop", &json!({})).await.unwrap();
        assert_eq!(world.portal.count("select count(*) from subscriptions").await, 0, "the portal has not heard of it");

        world.choose(&mut owner, "professional", "month").await.expect(http::StatusCode::SEE_OTHER);
        assert!(!asked(&world).contains("trial_period_days"), "no second trial");
        let used = format!("select count(*) from tenants where id = '{}' and trial_used_at is not null", tenant.id);
        assert_eq!(world.portal.count(&used).await, 1, "and it is on record");
    }

    async fn a_code_that_stripe_refuses_is_named_and_another_order_goes_on(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "starter", "month", PAYS).await;
        let id = world.texts("select id from subscriptions").await.remove(0);
        end(&world, &id).await;
        world.settle().await;
        let first = json!({
            "promotion": { "type": "coupon", "coupon": "50OFF" }, "code": "WELCOME",
            "restrictions": { "first_time_transaction": true },
        });
        world.post("/promotion_codes", first).await;
        let host = world.portal.host(&[Scope::BillingWrite]).await.tenant(&tenant);
        let order = |coupon: &str| json!({ "plan_id": "starter", "billing_interval": "month", "coupon": coupon });
        let refused = host.post("/subscription/create", &order("WELCOME")).await.expect(400);
        let named: Vec<&String> = refused.body["details"].as_object().unwrap().keys().collect();
        assert_eq!(named, ["coupon"], "{}", refused.body);
        let open = "select count(*) from checkout_sessions where state in ('starting', 'open')";
        assert_eq!(world.portal.count(open).await, 0, "nothing stands in the way of the next");
        host.post("/subscription/create", &order("50OFF")).await.expect(201);
    }

    async fn a_currency_that_stripe_keeps_and_our_rows_do_not_know_is_named(world: World) {
        let (tenant, mut owner) = world.owner_of("Acme").await;
        world.choose(&mut owner, "starter", "month").await.expect(http::StatusCode::SEE_OTHER);
        let customer = world.customer_of(&tenant).await;
        world.settle().await;
        // Somebody sold the company something in dollars and took it back half used: the credit waits, and nobody told us.
        world.control.ask(Method::POST, "deliveries/hold", &json!({})).await.unwrap();
        let product = world.post("/products", json!({ "name": "Support" })).await;
        let price = json!({ "product": product["id"], "currency": "usd", "unit_amount": 5000, "recurring": { "interval": "month" } });
        let price = world.post("/prices", price).await;
        let card = world.post("/payment_methods/pm_card_visa/attach", json!({ "customer": customer })).await;
        let sold = json!({ "customer": customer, "items": [{ "price": price["id"] }], "default_payment_method": card["id"] });
        let sold = world.post("/subscriptions", sold).await;
        world.days(3).await;
        let path = format!("/subscriptions/{}", sold["id"].as_str().unwrap());
        world.api(stripe_client_core::StripeMethod::Delete, &path, json!({ "prorate": true, "invoice_now": false })).await;
        world.control.ask(Method::POST, "deliveries/drop", &json!({})).await.unwrap();
        assert_eq!(world.portal.count("select count(*) from customers where currency = 'usd'").await, 0);

        let host = world.portal.host(&[Scope::BillingWrite]).await.tenant(&tenant);
        let order = json!({ "plan_id": "professional", "billing_interval": "month", "currency": "eur" });
        for _ in 0..2 {
            let refused = host.post("/subscription/create", &order).await.expect(400);
            let details = refused.body["details"].as_object().unwrap();
            assert_eq!(details.keys().collect::<Vec<_>>(), ["currency"], "{}", refused.body);
            assert!(details["currency"].as_str().unwrap().contains("billed in USD"), "{}", refused.body);
        }
        let asked = world.last("POST", "/v1/checkout/sessions");
        assert!(asked["error"]["message"].as_str().unwrap().contains("combine currencies"), "Stripe said it: {asked}");
        assert_eq!(world.portal.count("select count(*) from customers where currency = 'usd'").await, 1, "and it is on record");
        owner.get("/plans").await;
        let page = owner.post("/checkout", &[("plan", "professional"), ("interval", "month"), ("currency", "eur")]).await;
        page.expect(http::StatusCode::UNPROCESSABLE_ENTITY).shows(&["Your account is billed in USD"]);
    }
}
