//! What Stripe could not count: from its meters, by the event destination that setup made, to the page of staff.

use billing_portal::auth::NewUser;
use billing_portal::catalog::install::{self, Wish};
use billing_portal::tenants::Tenant;
use http::StatusCode;
use serde_json::{Value, json};

use super::{HOUR, hard, more};
use crate::support::browser::Browser;
use crate::support::portal::{Portal, hash};
use crate::support::world::World;

impl World {
    /// A portal that setup has put in order, and a tenant whose customer Stripe does not know.
    async fn uncountable(&self) -> Tenant {
        let (app, url) =
            (&self.portal.app, self.portal.app.config.site.link("/webhooks/stripe").parse().unwrap());
        let wish = Wish { webhook_url: Some(&url), ..Wish::default() };
        install::run(&app.db, &app.clock, &app.stripe, &app.catalog, wish).await.unwrap();
        let tenant = self.portal.tenant("Norte").await;
        self.portal.subscribe(&tenant, 3, &[("messages", hard(10))]).await;
        self.portal
            .run(&format!("update customers set id = 'cus_nobody' where tenant_id = '{}'", tenant.id))
            .await;
        tenant
    }

    /// Uses tokens, and lets them be reported and complained about.
    async fn use_tokens(&self, tenant: &Tenant, key: &str) {
        self.portal.report(&tenant.id, vec![more("ai_tokens", 5, key)]).await;
        self.portal.clock.pass(61);
        self.settle().await;
        self.settle().await;
    }
}

async fn staff(portal: &Portal) -> Browser {
    let staff = NewUser::new("sam@portal.example".parse().unwrap(), "Sam").unwrap();
    let staff = portal.create(staff.password_hash(hash().await).staff(true), &[]).await;
    portal.signed_in(&staff).await
}

both_databases! {
    async fn stripes_error_reports_come_to_the_door_and_are_shown_whole(world: World) {
        let tenant = world.uncountable().await;
        let portal = &world.portal;
        world.use_tokens(&tenant, "a").await;
        let delivered = "select count(*) from webhook_events where type = 'v1.billing.meter.error_report_triggered' and origin = 'delivery'";
        assert_eq!(portal.count(delivered).await, 1, "signed with the destination's secret");
        let payload = world.text("select payload from webhook_events where type = 'v1.billing.meter.error_report_triggered'").await;
        let payload: Value = serde_json::from_str(&payload).unwrap();
        assert_eq!((&payload["object"], &payload["related_object"]["type"]), (&json!("v2.core.event"), &json!("billing.meter")));
        assert!(payload.get("data").is_none(), "it comes thin");
        let identifier = world.last("POST", "/v1/billing/meter_events")["identifier"].as_str().unwrap().to_owned();
        staff(portal).await.get("/staff/usage").await.expect(StatusCode::OK).shows(&[
            "1 report could not be counted",
            "meter_event_customer_not_found",
            "cus_nobody",
            &identifier,
        ]);
        // Of version 1 there is no such event, neither listed nor delivered.
        let listed = world.stripe.exchanges().len();
        world.settle().await;
        assert_eq!(world.stripe.exchanges().len(), listed, "asked for once");
    }

    async fn while_stripe_does_not_tell_more_staff_see_that_there_is_a_report_and_it_is_asked_for_less_and_less_often(world: World) {
        let tenant = world.uncountable().await;
        let portal = &world.portal;
        let down = json!({ "path": "/v2/core/events", "status": 500, "times": 1_000 });
        world.switch("faults", down).await;
        world.use_tokens(&tenant, "a").await;
        staff(portal).await.get("/staff/usage").await.shows(&[
            "Stripe’s meters did not take some use.",
            "The details are still being asked for.",
        ]);
        let asked = || world.stripe.exchanges().iter().filter(|exchange| exchange.path.starts_with("/v2/core/events/")).count();
        let before = asked();
        for _ in 0..30 {
            portal.clock.pass(1);
            world.settle().await;
        }
        assert_eq!(asked(), before, "not every second");
        portal.clock.pass(31);
        world.settle().await;
        let again = asked();
        assert!(again > before);
        portal.clock.pass(61);
        world.settle().await;
        assert_eq!(asked(), again, "each wait is longer");
        world.control.ask(http::Method::DELETE, "faults", &Value::Null).await.unwrap();
        portal.clock.pass(HOUR);
        world.settle().await;
        assert_eq!(portal.count("select count(*) from usage_meter_errors where fetch_at is null and error_count = 1").await, 1);
    }

    async fn use_without_a_meter_is_shown_though_no_more_is_to_be_had(world: World) {
        world.uncountable().await;
        let portal = &world.portal;
        let event = json!({
            "id": "evt_test_lost", "object": "v2.core.event", "type": "v1.billing.meter.no_meter_found", "livemode": false,
            "created": portal.clock.now().to_string(), "related_object": null,
        });
        crate::webhooks::deliver(portal, &event).await;
        world.settle().await;
        staff(portal).await.get("/staff/usage").await.shows(&["Some use names no meter that there is in Stripe.", "evt_test_lost"]);
        assert_eq!(portal.count("select count(*) from usage_meter_errors where kind = 'no_meter' and fetch_at is null").await, 1);
    }
}
