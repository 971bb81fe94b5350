//! Waking a subscription that Stripe paused: said to go on when it does, and not before.

use http::StatusCode;
use serde_json::json;

use super::{PAYS, hosted};
use crate::support::browser::Browser;
use crate::support::world::World;

/// A subscription that Stripe has paused.
async fn asleep(world: &World, name: &str) -> (String, String, Browser) {
    let (tenant, mut owner) = world.owner_of(name).await;
    world.subscribe(&mut owner, "starter", "month", PAYS).await;
    let id = world
        .texts(&format!("select id from subscriptions where tenant_id = '{}'", tenant.id))
        .await
        .remove(0);
    world.post(&format!("/subscriptions/{id}/pause"), json!({ "type": "subscription" })).await;
    world.settle().await;
    (world.customer_of(&tenant).await, id, owner)
}

both_databases! {
    async fn a_card_that_pays_wakes_it_with_one_mail_and_one_entry_however_often_it_is_clicked(world: World) {
        let (_, _, mut owner) = asleep(&world, "Acme").await;
        owner.get("/").await.shows(&["Paused", "Resume it, and a new period begins"]);
        owner.get("/subscription/resume").await.expect(StatusCode::OK).shows(&["charged to your payment method at once"]);
        let mut other = owner.clone();
        let (first, second) = tokio::join!(owner.post("/subscription/resume", &[]), other.post("/subscription/resume", &[]));
        for answer in [&first, &second] {
            assert!(matches!(answer.status, StatusCode::SEE_OTHER | StatusCode::CONFLICT), "{} {}", answer.status, answer.body);
        }
        owner.get("/").await.shows(&["Active"]);
        world.settle().await;
        assert_eq!(world.portal.count("select count(*) from mails where kind = 'resumed'").await, 1);
        assert_eq!(world.portal.count("select count(*) from audit_entries where action = 'subscription.resume_asked'").await, 1);
        assert_eq!(world.portal.count("select count(*) from invoices where billing_reason = 'subscription_update' and status = 'paid'").await, 1);
    }

    async fn a_card_that_fails_or_asks_leaves_it_paused_with_the_invoice_to_pay(world: World) {
        for number in ["4000000000000341", "4000002760003184", "4000002500003155"] {
            let (customer, _, mut owner) = asleep(&world, &format!("Acme {number}")).await;
            world.control.card(&customer, number).await.unwrap();
            owner.get("/").await;
            let woken = owner.post("/subscription/resume", &[]).await.expect(StatusCode::SEE_OTHER);
            let page = owner.follow(&woken).await;
            if number == "4000002500003155" && page.body.contains("Your subscription goes on") {
                // Set up for later payments, this card pays without being asked again.
                page.shows(&["Active"]);
                continue;
            }
            let page = page.shows(&["so your subscription is still paused", "Pay the open invoice, and it goes on at once", "Paused"]);
            assert!(!page.body.contains("Your subscription goes on"), "{number}");
            world.settle().await;
            let mails = format!("select count(*) from mails where kind = 'resumed' and tenant_id = (select tenant_id from customers where id = '{customer}')");
            assert_eq!(world.portal.count(&mails).await, 0, "{number}");
            let invoice = page.body.split("/invoices/").find_map(|rest| rest.split_once("/pay\"")).map(|(id, _)| id.to_owned());
            let invoice = invoice.filter(|id| id.starts_with("in_")).expect("the way to pay");
            let to_pay = owner.post(&format!("/invoices/{invoice}/pay"), &[]).await.expect(StatusCode::SEE_OTHER);
            assert_eq!(hosted(to_pay.location(), None).await.status, StatusCode::OK);
            world.control.card(&customer, PAYS).await.unwrap();
            world.post(&format!("/invoices/{invoice}/pay"), json!({})).await;
            world.settle().await;
            owner.get("/").await.shows(&["Active"]);
            assert_eq!(world.portal.count(&mails).await, 1, "{number}");
        }
    }

    async fn without_a_payment_method_it_is_not_offered_and_says_what_to_do_first(world: World) {
        let (customer, _, mut owner) = asleep(&world, "Acme").await;
        let cards = world.read(&format!("/payment_methods?customer={customer}")).await;
        for card in cards["data"].as_array().unwrap() {
            world.post(&format!("/payment_methods/{}/detach", card["id"].as_str().unwrap()), json!({})).await;
        }
        let app = &world.portal.app;
        let actor = billing_portal::audit::Actor::Command;
        let budget = billing_portal::stripe::Budget::work();
        billing_portal::sync::refetch(&app.db, &app.stripe, &app.clock, &customer.parse().unwrap(), &actor, budget).await.unwrap();
        let page = owner.get("/").await.shows(&["no payment method is on file", "payment_method_update"]);
        assert!(!page.body.contains("href=\"/subscription/resume\""));
        owner.post("/subscription/resume", &[]).await.expect(StatusCode::CONFLICT).shows(&["Add one first"]);
        assert_eq!(world.portal.count("select count(*) from audit_entries where action = 'subscription.resume_asked'").await, 0);
    }

    async fn the_tasks_of_the_customer_portal_lead_back_or_to_our_own_pages(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "professional", "month", PAYS).await;
        owner.get("/usage").await;
        for flow in ["payment_method_update", "subscription_cancel", ""] {
            let out = owner.post("/billing-portal", &[("flow", flow), ("next", "/usage")]).await.expect(StatusCode::SEE_OTHER);
            let there = hosted(out.location(), None).await.status;
            assert!(there.is_success() || there.is_redirection(), "{flow}: {there}");
            let session = world.last("POST", "/v1/billing_portal/sessions");
            let back = session["return_url"].as_str().unwrap().to_owned();
            let back = owner.get(&back[back.find("/billing-portal/return").expect("our way back")..]).await;
            assert_eq!(back.expect(StatusCode::SEE_OTHER).location(), "/usage", "{flow}");
        }
        // Checkout sells the plan with its metered price, and such a subscription is changed here alone.
        let update = owner.post("/billing-portal", &[("flow", "subscription_update"), ("next", "/usage")]).await;
        assert_eq!(update.expect(StatusCode::SEE_OTHER).location(), "/plans");
        owner.get("/plans").await.expect(StatusCode::OK).shows(&["Change to Enterprise"]);
    }
}
