//! What is announced before it happens, once, whether Stripe's event arrives or not.

use billing_portal::clock::from_seconds;
use billing_portal::tenants::Tenant;
use http::{Method, StatusCode};
use serde_json::json;

use crate::support::world::World;

const DAY: i64 = 86_400;

impl World {
    /// Mails of one kind to a tenant, as they go out.
    async fn announced(&self, tenant: &Tenant, kind: &str) -> Vec<String> {
        self.letters(tenant, kind).await
    }

    fn seconds(&self) -> i64 {
        self.portal.clock.now().as_second()
    }
}

both_databases! {
    async fn the_end_of_a_trial_is_announced_three_days_before_and_once(world: World) {
        let (tenant, _) = world.owner_of("Norte").await;
        world.portal.run("update tenants set language = 'es', time_zone = 'Europe/Madrid'").await;
        let start = world.seconds();
        world.subscription(&tenant, "professional_month", json!({ "trial_period_days": 14 })).await;
        world.travel(from_seconds(start + 11 * DAY - 1)).await;
        assert!(world.announced(&tenant, "trial_ending").await.is_empty(), "not a second too early");
        world.travel(from_seconds(start + 11 * DAY)).await;
        let letters = world.announced(&tenant, "trial_ending").await;
        assert_eq!(letters.len(), 1);
        for words in ["termina el 5 dic 2026", "99,00\u{a0}€"] {
            assert!(letters[0].contains(words), "{words}: {}", letters[0]);
        }
        for _ in 0..4 {
            world.pass(DAY).await;
        }
        assert_eq!(world.announced(&tenant, "trial_ending").await.len(), 1);
        assert!(world.announced(&tenant, "upcoming_invoice").await.is_empty(), "the first invoice is what the trial's mail was about");
    }

    async fn it_does_not_hang_on_the_event(world: World) {
        let (tenant, _) = world.owner_of("Norte").await;
        let start = world.seconds();
        world.subscription(&tenant, "starter_month", json!({ "trial_period_days": 10 })).await;
        // The event is lost; and later the same fact comes in four times.
        world.control.ask(Method::POST, "deliveries/hold", &json!({})).await.unwrap();
        world.control.advance(from_seconds(start + 8 * DAY)).await.unwrap();
        world.portal.clock.travel_to(from_seconds(start + 8 * DAY));
        billing_portal::worker::settle(&world.portal.app).await;
        assert_eq!(world.announced(&tenant, "trial_ending").await.len(), 1);
        world.control.ask(Method::POST, "deliveries/release", &json!({ "order": "reverse", "copies": 4 })).await.unwrap();
        world.settle().await;
        assert_eq!(world.announced(&tenant, "trial_ending").await.len(), 1);
    }

    async fn a_trial_without_a_card_is_told_to_add_one_and_one_that_was_cancelled_is_left_alone(world: World) {
        let (tenant, _) = world.owner_of("Norte").await;
        world.subscription(&tenant, "starter_month", json!({ "trial_period_days": 2 })).await;
        // Shorter than the notice: told at once.
        assert_eq!(world.announced(&tenant, "trial_ending").await.len(), 1);
        let (other, _) = world.owner_of("Sur").await;
        let (_, gone) = world.subscription(&other, "starter_month", json!({ "trial_period_days": 10 })).await;
        let path = format!("/subscriptions/{}", gone["id"].as_str().unwrap());
        world.post(&path, json!({ "cancel_at_period_end": true })).await;
        world.settle().await;
        for _ in 0..9 {
            world.pass(DAY).await;
        }
        assert!(world.announced(&other, "trial_ending").await.is_empty());
        let (third, _) = world.owner_of("Oeste").await;
        let (customer, _) = world.subscription(&third, "starter_month", json!({ "trial_period_days": 10 })).await;
        let cards = world.read(&format!("/customers/{customer}/payment_methods")).await;
        let card = cards["data"][0]["id"].as_str().unwrap();
        world.post(&format!("/payment_methods/{card}/detach"), json!({})).await;
        world.settle().await;
        world.pass(8 * DAY).await;
        let letter = world.announced(&third, "trial_ending").await.pop().unwrap();
        assert!(letter.contains("add a payment method"), "{letter}");
    }

    async fn the_next_invoice_is_announced_a_week_ahead_with_the_amount_that_is_then_charged(world: World) {
        let (tenant, _) = world.owner_of("Norte").await;
        let more = json!({ "automatic_tax": { "enabled": true } });
        let (customer, subscription) = world.subscription(&tenant, "professional_month", more).await;
        let end = subscription["items"]["data"][0]["current_period_end"].as_i64().unwrap();
        world.travel(from_seconds(end - 7 * DAY - 1)).await;
        assert!(world.announced(&tenant, "upcoming_invoice").await.is_empty());
        // A credit that came in since the preview was seen last.
        world.post(&format!("/customers/{customer}"), json!({ "balance": -1_000 })).await;
        world.travel(from_seconds(end - 7 * DAY)).await;
        let letters = world.announced(&tenant, "upcoming_invoice").await;
        assert_eq!(letters.len(), 1);
        world.travel(from_seconds(end + DAY)).await;
        let paid = world.portal.count("select amount_paid from invoices where billing_reason = 'subscription_cycle'").await;
        let amount = billing_portal::i18n::Language::En.money(billing_portal::money::Money::new(paid, billing_portal::money::Currency::EUR));
        assert!(letters[0].contains(&amount), "{amount}: {}", letters[0]);
        assert_eq!(world.announced(&tenant, "upcoming_invoice").await.len(), 1);
        // And so every month.
        world.pass(25 * DAY).await;
        assert_eq!(world.announced(&tenant, "upcoming_invoice").await.len(), 2);
    }

    async fn who_has_cancelled_or_is_late_hears_nothing_of_a_next_invoice(world: World) {
        let (tenant, _) = world.owner_of("Norte").await;
        let (_, subscription) = world.subscription(&tenant, "starter_month", json!({})).await;
        let path = format!("/subscriptions/{}", subscription["id"].as_str().unwrap());
        world.post(&path, json!({ "cancel_at_period_end": true })).await;
        world.settle().await;
        world.pass(26 * DAY).await;
        assert!(world.announced(&tenant, "upcoming_invoice").await.is_empty());
        // Taken back: then there is a next one, and it is near.
        world.post(&path, json!({ "cancel_at_period_end": false })).await;
        world.settle().await;
        assert_eq!(world.announced(&tenant, "upcoming_invoice").await.len(), 1);
        // Back and forth is no news.
        for wish in [true, false, true, false] {
            world.post(&path, json!({ "cancel_at_period_end": wish })).await;
            world.settle().await;
        }
        assert_eq!(world.announced(&tenant, "upcoming_invoice").await.len(), 1);
    }

    async fn what_is_over_is_not_announced_any_more(world: World) {
        let (tenant, _) = world.owner_of("Norte").await;
        let (_, subscription) = world.subscription(&tenant, "starter_month", json!({})).await;
        let end = subscription["items"]["data"][0]["current_period_end"].as_i64().unwrap();
        // Nobody works from before the week ahead to after the renewal.
        world.travel(from_seconds(end - 9 * DAY)).await;
        world.sleep_until(from_seconds(end + DAY)).await;
        world.settle().await;
        assert!(world.announced(&tenant, "upcoming_invoice").await.is_empty());
        assert_eq!(world.announced(&tenant, "receipt").await.len(), 2);
    }

    async fn the_catalogue_says_how_early_and_whether_at_all(world: World) {
        let mut world = world;
        world.with_catalog(|catalog| (catalog.notices.trial, catalog.notices.renewal) = (5, 0));
        let (tenant, mut browser) = world.owner_of("Norte").await;
        let start = world.seconds();
        world.subscription(&tenant, "starter_month", json!({ "trial_period_days": 10 })).await;
        world.travel(from_seconds(start + 5 * DAY)).await;
        assert_eq!(world.announced(&tenant, "trial_ending").await.len(), 1);
        for _ in 0..36 {
            world.pass(DAY).await;
        }
        assert!(world.announced(&tenant, "upcoming_invoice").await.is_empty());
        browser.get("/").await.expect(StatusCode::OK);
        assert_eq!(world.portal.count("select count(*) from subscriptions where status = 'active'").await, 1);
    }

    async fn several_workers_announce_it_once(world: World) {
        let (tenant, _) = world.owner_of("Norte").await;
        let start = world.seconds();
        let (_, subscription) = world.subscription(&tenant, "starter_month", json!({ "trial_period_days": 14 })).await;
        world.sleep_until(from_seconds(start + 12 * DAY)).await;
        world.settle_thrice().await;
        assert_eq!(world.announced(&tenant, "trial_ending").await.len(), 1);
        let end = start + 14 * DAY;
        assert_eq!(subscription["trial_end"], end);
        world.travel(from_seconds(end + 20 * DAY)).await;
        world.sleep_until(from_seconds(end + 25 * DAY)).await;
        world.settle_thrice().await;
        assert_eq!(world.announced(&tenant, "upcoming_invoice").await.len(), 1);
    }
}
