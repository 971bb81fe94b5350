//! How Stripe's events are doing, on the dashboard and in its file; and money that went back, through a real refund.

use billing_portal::webhooks::store::{Delivery, Kept};
use http::StatusCode;
use serde_json::json;

use crate::support::portal::Portal;
use crate::support::world::World;

/// An event of the inbox that came `ago` seconds ago.
async fn event(portal: &Portal, id: &str, kind: &str, state: &str, origin: &str, ago: i64) {
    let at = portal.clock.wall().as_second() - ago;
    portal
        .run(&format!(
            "insert into webhook_events (id, type, livemode, created_at, payload, payload_hash, state, origin, due_at, received_at)
             values ('{id}', '{kind}', false, {at}, '{{}}', '', '{state}', '{origin}', {at}, {at})"
        ))
        .await;
}

both_databases! {
    async fn what_failed_is_counted_by_its_type_and_leads_to_its_events(portal: Portal) {
        for (id, kind) in [("evt_1", "invoice.paid"), ("evt_2", "invoice.paid"), ("evt_3", "charge.refunded")] {
            event(&portal, id, kind, "parked", "delivery", 120).await;
        }
        event(&portal, "evt_4", "invoice.paid", "done", "delivery", 180).await;
        let mut sam = portal.staff("Sam").await;
        let page = sam.get("/staff").await.expect(StatusCode::OK);
        let page = page.shows(&["Needs attention", "2 minutes ago", "Failures by type", "/staff/events?state=parked&amp;type=invoice.paid"]);
        let first = |word: &str| page.body.find(&format!("type={word}")).unwrap();
        assert!(first("invoice.paid") < first("charge.refunded"), "the most first");
        sam.get("/staff/events?state=parked&type=invoice.paid").await.shows(&["evt_1", "evt_2"]);
        let listed = sam.get("/staff/events?state=parked&type=invoice.paid").await.body;
        assert!(!listed.contains("evt_3") && !listed.contains("evt_4"));
        sam.get("/staff/health.csv").await.expect(StatusCode::OK).shows(&[
            "measure,type,value,of\r\n", "parked,,3,\r\n", "processed,,1,4\r\n", "last_event_age_seconds,,120,\r\n",
            "parked_of_type,invoice.paid,2,3\r\nparked_of_type,charge.refunded,1,3\r\n",
        ]);
    }

    async fn what_had_to_be_fetched_was_not_delivered_however_well_it_was_worked_on(portal: Portal) {
        event(&portal, "evt_1", "invoice.paid", "done", "delivery", 5_000).await;
        event(&portal, "evt_2", "invoice.paid", "done", "list", 5_000).await;
        event(&portal, "evt_3", "invoice.paid", "done", "list", 60).await;
        event(&portal, "evt_4", "invoiceitem.created", "not_needed", "list", 5_000).await;
        event(&portal, "evt_5", "invoice.paid", "pending", "delivery", 60).await;
        let mut sam = portal.staff("Sam").await;
        // Four are needed; one of them never came by itself, and one may still be on its way.
        sam.get("/staff").await.shows(&["Delivered by Stripe", "75%", "100%", "Working"]);
        sam.get("/staff/health.csv").await.shows(&["delivered,,3,4\r\n", "processed,,3,3\r\n", "backlog,,1,\r\n", "strays,,0,\r\n"]);
    }

    async fn each_event_that_is_needed_counts_once_on_the_day_it_came_as_brought_or_fetched(portal: Portal) {
        let body = |id: &str, kind: &str| {
            let event = json!({ "id": id, "object": "event", "type": kind, "created": 5, "livemode": false, "data": { "object": {} } });
            event.to_string().into_bytes()
        };
        let today = portal.clock.wall().as_second();
        let put = async |id: &str, kind: &str, is_signed: bool, at: i64| {
            let body = body(id, kind);
            let delivery = if is_signed { Delivery::signed(&body, false, at) } else { Delivery::listed(&body, false, at) };
            portal.app.inbox.put(delivery).await.unwrap()
        };
        assert_eq!(put("evt_1", "invoice.paid", true, today).await, Kept::New);
        assert_eq!(put("evt_1", "invoice.paid", true, today).await, Kept::Duplicate);
        put("evt_2", "invoice.paid", false, today - 86_400).await;
        put("evt_3", "invoice.paid", false, today - 86_400).await;
        put("evt_4", "invoiceitem.created", true, today).await;
        // One of those that were fetched is brought, a day late: it counts where it came.
        assert_eq!(put("evt_3", "invoice.paid", true, today).await, Kept::Duplicate);
        put("evt_3", "invoice.paid", true, today).await;
        let many: Vec<_> = (0..40).map(|n| Delivery::signed(&body(&format!("evt_m{n}"), "invoice.paid"), false, today)).collect();
        portal.app.inbox.put_all(many.clone()).await.unwrap();
        portal.app.inbox.put_all(many).await.unwrap();
        put("evt_old", "invoice.paid", true, today - 30 * 86_400).await;

        let mut sam = portal.staff("Sam").await.speaking("en");
        let day = |at: i64| jiff::Timestamp::from_second(at).unwrap().strftime("%Y-%m-%d").to_string();
        let file = sam.get("/staff/event-days.csv").await.expect(StatusCode::OK);
        let expected = format!(
            "day,delivered,fetched\r\n{},1,0\r\n{},1,1\r\n{},41,0\r\n", day(today - 30 * 86_400), day(today - 86_400), day(today)
        );
        assert!(file.body.ends_with(&expected), "{}", file.body);
        // A month is shown, and what came before it is in the file alone.
        let page = sam.get("/staff").await.expect(StatusCode::OK);
        let page = page.shows(&["id=\"events-by-day\"", "42 delivered by Stripe, 1 that had to be fetched.", "Delivered", "Fetched"]);
        assert_eq!(page.body.matches("<rect class=\"expected\"").count(), 1);
        sam.speaking("es").get("/staff").await.shows(&["42 entregados por Stripe, 1 que hubo que recuperar."]);
    }

    async fn events_are_not_called_well_while_an_alarm_is_on_or_none_came_for_a_day(portal: Portal) {
        event(&portal, "evt_1", "invoice.paid", "done", "delivery", 90_000).await;
        let mut sam = portal.staff("Sam").await;
        sam.get("/staff").await.shows(&["Quiet for a day", "a day ago"]);
        portal.run("insert into alarms (cause, kind, detail, since, seen_at) values ('webhooks_silent', 'webhooks_silent', 'x', 0, 0)").await;
        portal.app.config.site.board.look(&portal.db).await.unwrap();
        let page = sam.get("/staff").await.shows(&["Alarm", "Stripe has events that it did not deliver"]);
        assert!(!page.body.contains("Quiet for a day"));
    }

    async fn a_refund_at_stripe_is_a_refund_of_its_month_in_figures_and_file(world: World) {
        let tenant = world.portal.tenant("Norte").await;
        world.subscription(&tenant, "professional_month", json!({})).await;
        let charge = world.text("select id from charges").await;
        world.post("/refunds", json!({ "charge": charge, "amount": 1_250 })).await;
        world.settle().await;
        world.post("/refunds", json!({ "charge": charge, "amount": 250 })).await;
        world.settle().await;
        crate::staff::agree_with_rows(&world.portal).await;
        let mut sam = world.portal.staff("Sam").await;
        sam.get("/staff").await.shows(&["Refunds", "€15.00", "id=\"recovered-of-EUR\"", "id=\"movements-of-EUR\"", "id=\"payments-of-EUR\"", "€0.00 came in after a failed payment and €15.00 was refunded."]);
        let file = sam.get("/staff/figures.csv").await;
        let last = file.body.trim_end().lines().last().unwrap().to_owned();
        assert!(last.ends_with(",0,0.00,0,0.00,1,15.00"), "{last}");
    }

    async fn the_page_of_a_tenant_leads_to_all_that_is_about_it(world: World) {
        let tenant = world.portal.tenant("Norte").await;
        world.subscription(&tenant, "starter_month", json!({})).await;
        let mut sam = world.portal.staff("Sam").await;
        let (id, home) = (tenant.id.as_str(), format!("/staff/tenants/{}", tenant.id));
        let ways = [format!("/staff/events?whose={id}"), format!("/staff/mails?tenant={id}"), format!("/staff/audit?tenant={id}")];
        let page = sam.get(&home).await.expect(StatusCode::OK);
        for way in &ways {
            assert!(page.body.contains(&format!("href=\"{way}\"")), "{way} is missing in {}", page.body);
            sam.get(way).await.expect(StatusCode::OK);
        }
        sam.get(&ways[0]).await.shows(&[&format!("<a href=\"{home}\">Norte</a>"), "customer.subscription.created"]);
        let event = world.text("select id from webhook_events where type = 'customer.subscription.created'").await;
        sam.get(&format!("{home}/timeline?kind=event")).await.shows(&[&format!("href=\"/staff/events/{event}\"")]);
        sam.get(&format!("/staff/events/{event}")).await.shows(&[&format!("<a href=\"{home}\">Norte</a>")]);

        let finding = "insert into reconciliation_findings (id, run_id, subject, kind, severity, object, object_id, tenant_id, repair, state, found_at)\
            values ('fin_1', 'run_1', 's', 'stale_row', 'critical', 'subscription', 'sub_1', '{id}', 'refetch', 'open', 5)";
        world.portal.run("insert into reconciliation_runs (id, repairs, actor_kind, state, stage, due_at, started_at) values ('run_1', false, 'job', 'done', 'suspects', 0, 5)").await;
        world.portal.run(&finding.replace("{id}", id)).await;
        sam.get(&home).await.shows(&["/staff/reconciliation/findings/fin_1", "Critical"]);
    }
}
