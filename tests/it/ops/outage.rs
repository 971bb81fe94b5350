//! Events that were not delivered: fetched, carried out once, and an alarm where that is no accident.

use billing_portal::app::App;
use billing_portal::webhooks::cli;
use http::StatusCode;
use serde_json::json;
use stripe_client_core::StripeMethod;

use super::staff;
use crate::support::world::World;

/// The same portal, whose staff can be mailed.
fn with_support(world: &World) -> App {
    let app = world.app();
    let mut config = app.config.clone();
    let mut site = (*config.site).clone();
    site.support_email = Some("help@portal.example".to_owned());
    config.site = site.into();
    App::new(app.db.clone(), app.clock.clone(), app.stripe.clone(), config, app.catalog.clone())
}

async fn alarms(world: &World) -> String {
    let mut tx = world.portal.db.read().await.unwrap();
    let on = billing_portal::alarm::store::raised(&mut tx).await.unwrap();
    on.into_iter().map(|raised| raised.cause).collect::<Vec<_>>().join(" ")
}

/// A tenant comes as far as the payment page: Stripe makes a customer, and events.
async fn somebody_comes(world: &World, name: &str) {
    let (_, mut browser) = world.owner_of(name).await;
    world.choose(&mut browser, "starter", "month").await.expect(StatusCode::SEE_OTHER);
}

/// Nothing that Stripe makes arrives, and it has given up trying.
async fn lose_deliveries(world: &World, name: &str) {
    world.switch("deliveries/hold", json!({})).await;
    somebody_comes(world, name).await;
    world.switch("deliveries/drop", json!({})).await;
    world.switch("deliveries/release", json!({})).await;
}

both_databases! {
    async fn what_an_outage_swallowed_is_fetched_and_carried_out_once(world: World) {
        world.elapse(60).await;
        lose_deliveries(&world, "Acme").await;
        let of_list = "select count(*) from webhook_events where origin = 'list'";
        assert_eq!(world.portal.count(of_list).await, 0);
        let new = world.recover(world.app()).await;
        assert!(new > 0);
        assert_eq!(world.portal.count(of_list).await, i64::try_from(new).unwrap());
        assert_eq!(world.text("select state from webhook_events where type = 'customer.created'").await, "done");
        let entries = world.portal.count("select count(*) from audit_entries where action like 'customer.%'").await;

        assert_eq!(world.recover(world.app()).await, 0, "another process has just looked");
        world.elapse(600).await;
        assert_eq!(world.recover(world.app()).await, 0, "nothing comes twice");
        let said = cli::recover(&world.portal.db, &world.portal.clock, &world.app().stripe).await.unwrap();
        assert!(said.starts_with("0 "), "{said}");
        assert_eq!(world.portal.count("select count(*) from audit_entries where action like 'customer.%'").await, entries);
    }

    async fn a_process_that_begins_looks_soon_and_several_that_begin_together_do_not_all_ask(world: World) {
        use billing_portal::webhooks::work::{AT_FIRST, EVERY, recover};
        let tools = world.app().into();
        let look = async |holder: &str, ago: i64| recover(&tools, holder, ago).await.unwrap().is_some();
        assert!(look("one", AT_FIRST).await, "the first there ever was");
        assert!(!look("two", AT_FIRST).await, "one is enough");
        world.elapse(AT_FIRST).await;
        assert!(!look("one", EVERY).await, "who has looked waits for its turn");
        assert!(look("two", AT_FIRST).await, "who has not does not");
        world.elapse(EVERY - 1).await;
        assert!(!look("one", EVERY).await);
        world.elapse(1).await;
        assert!(look("one", EVERY).await);
    }

    async fn a_secret_that_was_replaced_is_forgotten_a_day_later_and_that_is_told(world: World) {
        world.install(true, false).await;
        world.install(true, false).await;
        let replaced = "select count(*) from webhook_secrets where retires_at is not null";
        let before = world.portal.count(replaced).await;
        assert!(before > 0);
        world.elapse(86_401).await;
        world.recover(world.app()).await;
        assert_eq!(world.portal.count(replaced).await, 0);
        assert!(world.portal.count("select count(*) from webhook_secrets").await > 0, "what is in force stays");
        let told = "select count(*) from audit_entries where action = 'webhook.secret_forgotten'";
        assert_eq!(world.portal.count(told).await, before);
    }

    async fn a_delivery_that_comes_after_all_takes_the_place_of_what_was_fetched(world: World) {
        world.elapse(60).await;
        world.switch("deliveries/hold", json!({})).await;
        somebody_comes(&world, "Acme").await;
        assert!(world.app().db.read().await.is_ok());
        let new = billing_portal::webhooks::work::take_in(
            &world.app().inbox, &world.app().stripe, world.portal.clock.wall().as_second(), billing_portal::stripe::Budget::page(),
        ).await.unwrap();
        assert!(new > 0);
        world.switch("deliveries/release", json!({})).await;
        world.settle().await;
        assert_eq!(world.portal.count("select count(*) from webhook_events where origin = 'list'").await, 0);
        assert_eq!(world.portal.count("select count(*) from webhook_events where conflict is not null").await, 0);
    }

    async fn staff_are_told_once_that_deliveries_do_not_arrive_until_they_do(world: World) {
        let app = with_support(&world);
        let mut sam = staff(&world.portal).await;
        world.elapse(60).await;
        lose_deliveries(&world, "Acme").await;
        world.recover(&app).await;
        assert_eq!(alarms(&world).await, "", "what is late by seconds is not lost");

        world.elapse(1_000).await;
        world.recover(&app).await;
        assert_eq!(alarms(&world).await, "webhooks_silent");
        world.elapse(600).await;
        world.recover(&app).await;
        let mails = "select count(*) from mails where kind = 'alarm'";
        assert_eq!(world.portal.count(mails).await, 1, "once for each time that it goes on");
        assert_eq!(world.text("select state from mails where kind = 'alarm'").await, "kept");
        assert_eq!(world.text("select address from mails where kind = 'alarm'").await, "help@portal.example");
        sam.get("/staff/mails").await.expect(StatusCode::OK).shows(&["did not deliver", "/staff/events"]);
        assert!(!sam.get("/account").await.body.contains("did not deliver"), "pages of tenants say nothing of it");

        somebody_comes(&world, "Norte").await;
        world.settle().await;
        world.elapse(600).await;
        world.recover(&app).await;
        assert_eq!(alarms(&world).await, "");
        assert!(!sam.get("/staff/events").await.body.contains("did not deliver"));
        assert_eq!(world.portal.count(mails).await, 1);
        let both = "select count(*) from audit_entries where object_id = 'webhooks_silent' and action in ('alarm.raised', 'alarm.cleared')";
        assert_eq!(world.portal.count(both).await, 2);
    }

    async fn an_endpoint_that_is_switched_off_or_gone_is_an_alarm(world: World) {
        staff(&world.portal).await;
        world.install(true, false).await;
        let there = world.in_stripe(StripeMethod::Get, "/webhook_endpoints", &[]).await;
        let path = format!("/webhook_endpoints/{}", there["data"][0]["id"].as_str().unwrap());
        world.in_stripe(StripeMethod::Post, &path, &[("disabled", "true")]).await;
        world.recover(world.app()).await;
        assert_eq!(alarms(&world).await, "webhooks_disabled");
        let to_staff = "select count(*) from mails m join users u on u.id = m.user_id where m.kind = 'alarm' and u.staff";
        assert_eq!(world.portal.count(to_staff).await, 1, "where no address is named, staff are mailed");
        world.in_stripe(StripeMethod::Delete, &path, &[]).await;
        world.elapse(600).await;
        world.recover(world.app()).await;
        assert_eq!(alarms(&world).await, "webhooks_missing");
        world.install(false, false).await;
        world.elapse(600).await;
        world.recover(world.app()).await;
        assert_eq!(alarms(&world).await, "");
    }
}
