//! Leaving, coming back, pausing, and the way through Stripe's customer portal: each with its page, its mail and its entry.

use billing_portal::app::{self, App};
use billing_portal::auth::Role;
use billing_portal::usage;
use http::{Method, StatusCode};
use serde_json::json;

use super::change::review;
use super::{PAYS, hidden, hosted};
use crate::support::browser::Browser;
use crate::support::world::World;

/// How many mails of a kind there are.
async fn mails(world: &World, kind: &str) -> i64 {
    world.portal.count(&format!("select count(*) from mails where kind = '{kind}'")).await
}

/// What was done by people, by name.
async fn deeds(world: &World) -> Vec<String> {
    let sql = "select action from audit_entries where actor_kind = 'user' and action like 'subscription.%_asked' order by action";
    world.texts(sql).await
}

/// A router of the same portal whose catalogue allows more.
fn lenient(world: &World) -> axum::Router {
    let app = &world.portal.app;
    let mut catalog = app.catalog.clone();
    (catalog.policy.cancel_now, catalog.policy.pause) = (true, true);
    app::router(App::new(app.db.clone(), app.clock.clone(), app.stripe.clone(), app.config.clone(), catalog))
}

both_databases! {
    async fn who_cancels_is_asked_why_told_what_follows_and_can_come_back_until_the_end(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "professional", "month", PAYS).await;
        let page = owner.get("/subscription/cancel").await.expect(StatusCode::OK);
        let page = page.shows(&[" instead of 10,000"]);
        page.shows(&["Why are you leaving?", "Professional stays yours until Dec 21, 2026", "Until then you can change your mind", "You lose:"]);
        let long = "x".repeat(501);
        let wrong = owner.post("/subscription/cancel", &[("reason", "weather"), ("comment", &long)]).await;
        wrong.expect(StatusCode::UNPROCESSABLE_ENTITY).shows(&["Choose one of the reasons", "id=\"reason-error\"", "Write at most 500 characters", &long]);
        assert!(deeds(&world).await.is_empty());

        let form = [("reason", "too_expensive"), ("comment", "Too dear for us")];
        let ended = owner.post("/subscription/cancel", &form).await;
        owner.follow(&ended).await.shows(&["Your subscription ends with its period", "ends on Dec 21, 2026", "Ends soon", "Resume the subscription"]);
        owner.post("/subscription/cancel", &form).await.expect(StatusCode::CONFLICT).shows(&["or it is done already", "href=\"/\""]);
        world.settle().await;
        let id = world.texts("select id from subscriptions").await.remove(0);
        let kept = world.read(&format!("/subscriptions/{id}")).await;
        assert_eq!((&kept["cancel_at_period_end"], &kept["cancellation_details"]["feedback"]), (&json!(true), &json!("too_expensive")));
        assert_eq!((mails(&world, "cancelled").await, deeds(&world).await.len()), (1, 1));

        owner.get("/subscription/resume").await.expect(StatusCode::OK).shows(&["renews on Dec 21, 2026", "Nothing is charged today"]);
        let back = owner.post("/subscription/resume", &[]).await;
        owner.follow(&back).await.shows(&["Your subscription goes on", "Active", "€119.79"]);
        owner.post("/subscription/resume", &[]).await.expect(StatusCode::CONFLICT);
        owner.get("/subscription/resume").await.expect(StatusCode::CONFLICT);
        world.settle().await;
        assert_eq!(mails(&world, "resumed").await, 1);
        world.days(1).await;

        owner.get("/subscription/cancel").await;
        owner.post("/subscription/cancel", &[]).await.expect(StatusCode::SEE_OTHER);
        world.days(31).await;
        let home = owner.get("/").await.expect(StatusCode::SEE_OTHER);
        owner.follow(&home).await.shows(&["Your subscription ended on Dec 21, 2026. You are on the free plan.", "Choose Professional"]);
        owner.get("/subscription/cancel").await.expect(StatusCode::CONFLICT);
        assert_eq!(mails(&world, "cancelled").await, 3, "it will end, it will end, it has ended");
        assert_eq!(deeds(&world).await, ["subscription.cancel_asked", "subscription.cancel_asked", "subscription.resume_asked"]);
    }

    async fn a_planned_downgrade_gives_way_to_a_cancellation(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "professional", "month", PAYS).await;
        let page = review(&mut owner, "starter", "month", "1").await;
        let quote = hidden(&page.body, "quote").to_owned();
        owner.post("/subscription/change", &[("quote", &quote)]).await.expect(StatusCode::SEE_OTHER);
        owner.get("/subscription/cancel").await.shows(&["The change to Starter that you planned is dropped"]);
        let ended = owner.post("/subscription/cancel", &[("reason", "unused")]).await;
        let page = owner.follow(&ended).await.shows(&["Ends soon"]);
        assert!(!page.body.contains("Undo this change"));
        world.days(31).await;
        let home = owner.get("/").await;
        owner.follow(&home).await.shows(&["You are on the free plan."]);
    }

    async fn where_the_catalogue_allows_it_payments_pause_and_a_subscription_ends_at_once(world: World) {
        let (tenant, mut strict) = world.owner_of("Acme").await;
        world.subscribe(&mut strict, "professional", "month", PAYS).await;
        strict.get("/subscription/pause").await.expect(StatusCode::CONFLICT);
        strict.post("/subscription/pause", &[]).await.expect(StatusCode::CONFLICT);
        let page = strict.get("/").await;
        assert!(!page.body.contains("/subscription/pause") && deeds(&world).await.is_empty());

        let bea = world.portal.user("Bea", &[(&tenant, Role::Admin)]).await;
        let mut owner = Browser::new(lenient(&world));
        owner.sign_in(bea.email.as_str(), crate::support::portal::PASSWORD, "/").await;
        owner.get("/").await.shows(&["href=\"/subscription/pause\""]);
        owner.get("/subscription/pause").await.expect(StatusCode::OK).shows(&["made and voided", "Your plan stays yours"]);
        let paused = owner.post("/subscription/pause", &[]).await;
        let page = owner.follow(&paused).await.shows(&["Payments are paused. Nothing is charged until they are resumed.", "href=\"/subscription/collect\""]);
        assert!(!page.body.contains("€119.79"), "no invoice asks for anything meanwhile");
        world.days(32).await;
        assert_eq!(world.texts("select status from invoices where billing_reason = 'subscription_cycle'").await, ["void"]);
        owner.get("/subscription/collect").await.expect(StatusCode::OK).shows(&["Invoices are charged again", "€119.79"]);
        let collected = owner.post("/subscription/collect", &[]).await;
        owner.follow(&collected).await.shows(&["Payments are collected again", "Active"]);
        world.settle().await;
        assert_eq!((mails(&world, "payments_paused").await, mails(&world, "payments_resumed").await), (1, 1));

        owner.get("/subscription/cancel").await.shows(&["At once, without a refund"]);
        let ended = owner.post("/subscription/cancel", &[("when", "now")]).await;
        let home = owner.follow(&ended).await;
        owner.follow(&home).await.shows(&["You are on the free plan."]);
        world.settle().await;
        assert_eq!(mails(&world, "cancelled").await, 1);
        assert_eq!(deeds(&world).await, ["subscription.cancel_asked", "subscription.collect_asked", "subscription.pause_asked"]);
    }

    async fn what_was_used_in_the_last_minute_is_on_the_last_invoice(world: World) {
        let (tenant, owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner.clone(), "professional", "month", PAYS).await;
        let app = &world.portal.app;
        let used = usage::Report {
            metric: "ai_tokens".to_owned(),
            quantity: Some(2_500_000),
            idempotency_key: "last".to_owned(),
            ..usage::Report::default()
        };
        let event = usage::Event::new(&tenant.id, &app.catalog, used, world.portal.clock.now()).unwrap();
        let answers = app.usage.record(vec![event]).await.unwrap();
        assert_eq!(answers[0].outcome, usage::Outcome::Recorded);
        // A moment later; nothing is forwarded by itself yet.
        let soon = world.portal.clock.now() + jiff::SignedDuration::from_secs(20);
        world.control.advance(soon).await.unwrap();
        world.portal.clock.travel_to(soon);
        let mut owner = Browser::new(lenient(&world));
        owner.sign_in("acme.owner@people.example", crate::support::portal::PASSWORD, "/").await;
        owner.get("/subscription/cancel").await.expect(StatusCode::OK);
        owner.post("/subscription/cancel", &[("when", "now")]).await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        let last = "select cast(subtotal as text) from invoices where billing_reason = 'subscription_cycle'";
        assert_eq!(world.texts(last).await, ["750"], "2.5 million tokens at 3.00 euros");
    }

    async fn the_customer_portal_leads_back_to_where_one_left_with_the_new_state(world: World) {
        let (_, mut owner) = world.owner_of("Acme").await;
        world.subscribe(&mut owner, "professional", "month", PAYS).await;
        owner.get("/invoices?status=paid").await;
        let out = owner.post("/billing-portal", &[("flow", "subscription_cancel"), ("next", "/invoices?status=paid")]).await;
        let there = hosted(out.expect(StatusCode::SEE_OTHER).location(), None).await.status;
        assert!(there.is_success() || there.is_redirection(), "{there}");
        let session = world.last("POST", "/v1/billing_portal/sessions");
        let back = session["return_url"].as_str().unwrap().to_owned();
        let back = back[back.find("/billing-portal/return").expect("our way back")..].to_owned();
        // What is done there is known on the way back, though no webhook has come yet.
        world.control.ask(Method::POST, "deliveries/hold", &json!({})).await.unwrap();
        let id = world.texts("select id from subscriptions").await.remove(0);
        world.post(&format!("/subscriptions/{id}"), json!({ "cancel_at_period_end": true })).await;
        let answer = owner.get(&back).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(answer.location(), "/invoices?status=paid");
        owner.get("/").await.shows(&["Ends soon"]);
        for evil in ["//evil.example", "https://evil.example/", "%5C%5Cevil.example"] {
            let answer = owner.get(&format!("/billing-portal/return?next={evil}")).await.expect(StatusCode::SEE_OTHER);
            assert_eq!(answer.location(), "/");
        }
        world.portal.browser().get(&back).await.expect(StatusCode::SEE_OTHER);

        let mut world = world;
        world.stop_stripe().await;
        let answer = owner.get(&back).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(answer.location(), "/invoices?status=paid", "also when Stripe is down");
        owner.follow(&answer).await.shows(&["appears here in a moment"]);
    }
}
