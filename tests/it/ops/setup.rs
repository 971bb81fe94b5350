//! From a key to a working installation with one command; a second run changes nothing.

use billing_portal::catalog::setup::Outcome;
use billing_portal::db::Db;
use billing_portal::stripe::calls::destinations;
use billing_portal::stripe::{Budget, Key};
use http::StatusCode;
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::support::databases::FromDb;
use crate::support::world::World;

/// A portal whose Stripe has nothing at all: not even an endpoint.
struct Fresh(World);

impl FromDb for Fresh {
    async fn from_db(db: Db) -> Self {
        let world = World::bare(db).await;
        let seeded = world.in_stripe(StripeMethod::Get, "/webhook_endpoints", &[]).await;
        let id = seeded["data"][0]["id"].as_str().unwrap();
        world.in_stripe(StripeMethod::Delete, &format!("/webhook_endpoints/{id}"), &[]).await;
        Self(world)
    }
}

both_databases! {
    async fn one_command_makes_everything_and_a_second_one_changes_nothing(fresh: Fresh) {
        let Fresh(world) = fresh;
        let first = world.install(false, false).await;
        assert!(first.items.iter().all(|item| item.outcome == Outcome::Created), "{first:?}");
        for object in ["product", "price", "meter", "coupon", "promotion_code", "portal_configuration", "webhook_endpoint", "event_destination"] {
            assert!(first.items.iter().any(|item| item.object == object), "{object}");
        }
        assert_eq!(first.notes, Vec::<String>::new());
        assert!(world.portal.count("select count(*) from products where plan is not null").await >= 3, "the catalogue is here too");

        let before = world.stripe.exchanges().len();
        let second = world.install(false, false).await;
        assert!(second.changed_nothing() && second.items.iter().all(|item| item.outcome == Outcome::Unchanged), "{second:?}");
        assert_eq!(second.notes, Vec::<String>::new());
        let exchanges = world.stripe.exchanges();
        assert!(exchanges[before..].iter().all(|exchange| exchange.method == "GET"), "a second run only looks");
        assert_eq!(world.portal.count("select count(*) from audit_entries where action = 'webhook.endpoint_made'").await, 1);
        assert_eq!(world.portal.count("select count(*) from audit_entries where action = 'portal.configured'").await, 1);
    }

    async fn the_stored_secret_is_sealed_and_lets_deliveries_in_without_a_restart(fresh: Fresh) {
        let Fresh(world) = fresh;
        world.install(false, false).await;
        assert_eq!(world.portal.count("select count(*) from webhook_secrets where sealed like '%whsec%'").await, 0);
        let (_, mut browser) = world.owner_of("Acme").await;
        world.choose(&mut browser, "starter", "month").await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        let delivered = "select count(*) from webhook_events where type = 'customer.created' and origin = 'delivery'";
        assert_eq!(world.portal.count(delivered).await, 1);

        // What the portal knew before it is still accepted: two secrets at once, while one replaces the other.
        let old = world.app().secrets.accepted(0).len();
        assert_eq!(old, 3, "the one of the configuration, the endpoint's and the destination's");
    }

    async fn a_secret_is_replaced_without_a_gap(fresh: Fresh) {
        let Fresh(world) = fresh;
        let first = world.install(false, false).await;
        world.app().secrets.load(world.portal.clock.wall().as_second()).await.unwrap();
        let rotated = world.install(true, false).await;
        let id = |report: &billing_portal::catalog::setup::Report| {
            report.items.iter().find(|item| item.object == "webhook_endpoint").unwrap().id.clone()
        };
        assert_ne!(id(&first), id(&rotated));
        assert!(rotated.notes.iter().any(|note| note.contains(&id(&first))), "{:?}", rotated.notes);
        let there = world.in_stripe(StripeMethod::Get, "/webhook_endpoints", &[]).await;
        assert_eq!(there["data"].as_array().unwrap().len(), 1);
        assert_eq!(there["data"][0]["id"], id(&rotated));
        let wall = world.portal.clock.wall().as_second();
        world.app().secrets.load(wall).await.unwrap();
        assert_eq!(world.app().secrets.accepted(wall).len(), 5, "the old ones are accepted for another day");
        assert_eq!(world.app().secrets.accepted(wall + 86_400).len(), 3);
        let destinations = destinations::list(&world.app().stripe, Budget::page()).await.unwrap().value;
        assert_eq!(destinations.len(), 1);
        assert_eq!(world.text("select endpoint_id from webhook_secrets where kind = 'destination' and retires_at is null").await, destinations[0].id.as_str());
        let (_, mut browser) = world.owner_of("Acme").await;
        world.choose(&mut browser, "starter", "month").await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        assert_eq!(world.portal.count("select count(*) from webhook_events where type = 'customer.created'").await, 1);
        world.elapse(86_401).await;
        world.recover(world.app()).await;
        assert_eq!(world.portal.count("select count(*) from webhook_secrets").await, 2, "what is accepted no more is forgotten");
    }

    async fn a_destination_that_somebody_changed_is_put_right(world: World) {
        world.install(false, false).await;
        let stripe = &world.app().stripe;
        let one = destinations::list(stripe, Budget::page()).await.unwrap().value.remove(0);
        destinations::update(stripe, &one.id, &["v1.billing.meter.no_meter_found", "v2.core.event_destination.ping"], &Key::random(), Budget::page()).await.unwrap();
        let disable = RequestBuilder::new(StripeMethod::Post, format!("/v2/core/event_destinations/{}/disable", one.id));
        stripe.call::<serde_json::Value>(disable, None, Budget::page()).await.unwrap();
        let report = world.install(false, false).await;
        let item = report.items.iter().find(|item| item.object == "event_destination").unwrap();
        assert_eq!((item.outcome, item.id.as_str()), (Outcome::Updated, one.id.as_str()));
        let one = destinations::list(stripe, Budget::page()).await.unwrap().value.remove(0);
        assert_eq!(one.status, "enabled");
        assert_eq!(one.enabled_events, ["v1.billing.meter.error_report_triggered", "v1.billing.meter.no_meter_found", "v2.core.event_destination.ping"]);
        assert!(world.install(false, false).await.changed_nothing());
        // Its secret is known to who made it alone.
        world.portal.run("delete from webhook_secrets where kind = 'destination'").await;
        let notes = world.install(false, false).await.notes.join("\n");
        assert!(notes.contains(one.id.as_str()) && notes.contains("--rotate-webhook-secret"), "{notes}");
    }

    async fn a_key_that_may_not_make_a_destination_is_told_what_a_person_does(fresh: Fresh) {
        let Fresh(world) = fresh;
        for status in [403, 404, 400] {
            world.switch("faults", serde_json::json!({ "path": "/v2/core", "status": status })).await;
            let report = world.install(false, false).await;
            assert!(report.items.iter().all(|item| item.object != "event_destination"));
            let notes = report.notes.join("\n");
            assert!(notes.contains("Add destination") && notes.contains("v1.billing.meter.no_meter_found") && notes.contains("STRIPE_WEBHOOK_SECRETS"), "{notes}");
        }
        assert!(world.install(false, false).await.items.iter().any(|item| item.object == "event_destination"));
    }

    async fn an_endpoint_of_somebody_else_is_put_right_and_what_cannot_be_is_said(world: World) {
        let url = world.endpoint();
        let there = world.in_stripe(StripeMethod::Get, "/webhook_endpoints", &[]).await;
        let id = there["data"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/webhook_endpoints/{id}");
        world.in_stripe(StripeMethod::Post, &path, &[("disabled", "true"), ("enabled_events[0]", "invoice.paid"), ("enabled_events[1]", "account.updated")]).await;
        let report = world.install(false, false).await;
        let item = report.items.iter().find(|item| item.object == "webhook_endpoint").unwrap();
        assert_eq!((item.outcome, item.name.as_str()), (Outcome::Updated, url.as_str()));
        let there = world.in_stripe(StripeMethod::Get, &path, &[]).await;
        let events = there["enabled_events"].as_array().unwrap();
        assert_eq!(there["status"], "enabled");
        assert!(events.iter().any(|event| event == "account.updated") && events.iter().any(|event| event == "charge.refunded"), "{events:?}");
        let notes = report.notes.join("\n");
        assert!(notes.contains("is not stored here") && notes.contains("another version"), "{notes}");
        let again = world.install(false, false).await;
        assert!(again.changed_nothing(), "{again:?}");
    }

    async fn what_differs_is_told_and_put_back_on_demand_alone(world: World) {
        world.install(true, false).await;
        let there = world.in_stripe(StripeMethod::Get, "/billing_portal/configurations", &[]).await;
        let ours = there["data"].as_array().unwrap().iter().find(|one| one["metadata"]["made_by"] == "billing-portal").unwrap();
        let path = format!("/billing_portal/configurations/{}", ours["id"].as_str().unwrap());
        world.in_stripe(StripeMethod::Post, &path, &[("features[subscription_cancel][enabled]", "false")]).await;
        world.in_stripe(StripeMethod::Post, "/products/plan_starter", &[("name", "Beginner")]).await;
        let outcome = |report: &billing_portal::catalog::setup::Report, object: &str| {
            report.items.iter().find(|item| item.object == object).unwrap().outcome
        };
        let told = world.install(false, false).await;
        assert_eq!((outcome(&told, "portal_configuration"), outcome(&told, "product")), (Outcome::Differs, Outcome::Differs));
        assert!(told.changed_nothing());
        let put_back = world.install(false, true).await;
        assert_eq!((outcome(&put_back, "portal_configuration"), outcome(&put_back, "product")), (Outcome::Updated, Outcome::Updated));
        assert!(world.install(false, false).await.items.iter().all(|item| item.outcome == Outcome::Unchanged));
    }

    async fn setup_says_that_stripe_tax_is_not_ready(world: World) {
        world.switch("settings", serde_json::json!({ "tax_is_active": false })).await;
        let notes = world.install(true, false).await.notes.join("\n");
        assert!(notes.contains("Stripe Tax") && notes.contains("head_office"), "{notes}");
    }

    async fn stripes_customer_portal_is_opened_as_setup_configured_it(world: World) {
        let (_, mut browser) = world.owner_of("Acme").await;
        world.choose(&mut browser, "starter", "month").await.expect(StatusCode::SEE_OTHER);
        browser.get("/plans").await;
        browser.post("/billing-portal", &[]).await.expect(StatusCode::SEE_OTHER);
        let opened = world.last("POST", "/v1/billing_portal/sessions");
        let noted = world.text("select id from setup_objects where name = 'portal_configuration' and not livemode").await;
        assert_eq!(opened["configuration"], noted.as_str());
        assert!(noted.starts_with("bpc_"), "{noted}");

        world.portal.run("update setup_objects set id = 'bpc_gone'").await;
        browser.post("/billing-portal", &[]).await.expect(StatusCode::SEE_OTHER);
        assert_ne!(world.last("POST", "/v1/billing_portal/sessions")["configuration"], "bpc_gone", "the default has to do");
    }
}
