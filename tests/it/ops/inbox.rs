//! What staff see of the inbox, and what they can do about it.

use http::StatusCode;
use serde_json::json;

use super::staff;
use crate::support::portal::Portal;
use crate::support::world::World;

async fn event(portal: &Portal, id: &str, kind: &str, state: &str, customer: &str, received: i64) {
    let payload = format!(
        r#"{{"id":"{id}","type":"{kind}","data":{{"object":{{"note":"4242 4242 4242 4242","client_secret":"cs_quiet"}}}}}}"#
    );
    portal
        .run(&format!(
            "insert into webhook_events (id, type, livemode, created_at, object_id, customer_id, payload, payload_hash, state, attempts,
             due_at, error, received_at) values ('{id}', '{kind}', false, {received}, 'in_1', '{customer}', '{payload}', 'hash', '{state}', 6,
             {received}, 'it did not work', {received})"
        ))
        .await;
}

/// The ids that a page lists, in their order.
fn ids(body: &str) -> Vec<String> {
    body.split("href=\"/staff/events/evt_")
        .skip(1)
        .map(|rest| format!("evt_{}", rest.split('"').next().unwrap()))
        .collect()
}

fn older(body: &str) -> Option<String> {
    let links = body.split("href=\"/staff/events?").skip(1).map(|rest| rest.split('"').next().unwrap());
    let next = links.into_iter().find(|link| link.contains("after="))?;
    Some(format!("/staff/events?{}", next.replace("&#38;", "&").replace("&amp;", "&")))
}

both_databases! {
    async fn the_inbox_is_read_page_by_page_without_a_gap(portal: Portal) {
        for n in 0..120 {
            // Some came in the same second.
            event(&portal, &format!("evt_{n:03}"), "invoice.paid", "done", "cus_1", 1_795_000_000 + n / 3).await;
        }
        let mut sam = staff(&portal).await;
        let mut found = Vec::new();
        let mut next = Some("/staff/events".to_owned());
        while let Some(address) = next {
            let page = sam.get(&address).await.expect(StatusCode::OK);
            found.extend(ids(&page.body));
            next = older(&page.body);
        }
        let expected: Vec<_> = (0..120).rev().map(|n| format!("evt_{n:03}")).collect();
        assert_eq!(found, expected);
    }

    async fn each_filter_finds_its_own(portal: Portal) {
        let tenant = portal.tenant("Acme").await;
        portal.run(&format!("insert into customers (id, tenant_id, livemode, seen_at) values ('cus_1', '{}', false, 0)", tenant.id)).await;
        event(&portal, "evt_1", "invoice.paid", "done", "cus_1", 1_795_000_000).await;
        event(&portal, "evt_2", "invoice.paid", "parked", "cus_2", 1_795_100_000).await;
        event(&portal, "evt_3", "charge.failed", "not_needed", "cus_1", 1_795_200_000).await;
        let mut sam = staff(&portal).await;
        let mut found = async |query: &str| ids(&sam.get(&format!("/staff/events?{query}")).await.expect(StatusCode::OK).body);
        assert_eq!(found("").await, ["evt_3", "evt_2", "evt_1"]);
        assert_eq!(found("type=invoice.paid").await, ["evt_2", "evt_1"]);
        assert_eq!(found("state=parked").await, ["evt_2"]);
        assert_eq!(found("state=done&type=invoice.paid").await, ["evt_1"]);
        assert_eq!(found("whose=cus_1").await, ["evt_3", "evt_1"]);
        assert_eq!(found(&format!("whose={}&state=done", tenant.id)).await, ["evt_1"]);
        assert_eq!(found("whose=cus_9").await, Vec::<String>::new());
        // 2026-11-18 to 2026-11-19 in UTC.
        assert_eq!(found("from=2026-11-19&to=2026-11-19").await, ["evt_2"]);
    }

    async fn a_parked_event_is_shown_without_secrets_and_can_be_replayed(portal: Portal) {
        event(&portal, "evt_1", "invoice.paid", "parked", "cus_1", 1_795_000_000).await;
        let mut sam = staff(&portal).await;
        sam.get("/staff/events").await.shows(&["One event is parked", "it did not work"]);
        let page = sam.get("/staff/events/evt_1").await.expect(StatusCode::OK).shows(&["invoice.paid", "[redacted]", "in_1"]);
        assert!(!page.body.contains("4242 4242") && !page.body.contains("cs_quiet"), "{}", page.body);
        let answer = sam.post("/staff/events/evt_1/replay", &[]).await;
        sam.follow(&answer).await.shows(&["being worked on again"]);
        assert_eq!(portal.count("select count(*) from webhook_events where state = 'pending' and attempts = 0 and error is null").await, 1);
        assert_eq!(portal.count("select count(*) from audit_entries where action = 'event.replayed' and object_id = 'evt_1' and actor_kind = 'user'").await, 1);
        sam.post("/staff/events/evt_none/replay", &[]).await.expect(StatusCode::NOT_FOUND);
        event(&portal, "evt_2", "unreadable", "parked", "cus_1", 1_795_000_000).await;
        event(&portal, "evt_3", "invoice.paid", "not_needed", "cus_1", 1_795_000_000).await;
        for id in ["evt_2", "evt_3"] {
            sam.post(&format!("/staff/events/{id}/replay"), &[]).await.expect(StatusCode::CONFLICT);
        }
        assert_eq!(portal.count("select count(*) from audit_entries where action = 'event.replayed'").await, 1);
    }

    async fn a_filter_is_replayed_as_a_whole_but_never_everything(portal: Portal) {
        for n in 0..3 {
            event(&portal, &format!("evt_{n}"), "invoice.paid", "parked", "cus_1", 1_795_000_000 + n).await;
        }
        event(&portal, "evt_9", "charge.failed", "parked", "cus_1", 1_795_000_000).await;
        let mut sam = staff(&portal).await;
        sam.get("/staff/events?state=parked").await.shows(&["500"]);
        sam.post("/staff/events/replay", &[]).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        let answer = sam.post("/staff/events/replay", &[("state", "parked"), ("type", "invoice.paid")]).await;
        assert!(answer.location().contains("state=parked"), "{}", answer.location());
        sam.follow(&answer).await.shows(&["3 events of this filter are being worked on again."]);
        assert_eq!(portal.count("select count(*) from webhook_events where state = 'pending'").await, 3);
        let noted = "select count(*) from audit_entries where action = 'events.replayed' and after like '%\"count\":3%'";
        assert_eq!(portal.count(noted).await, 1);
    }

    async fn more_than_one_deed_can_replay_are_replayed_by_several_and_staff_are_told(portal: Portal) {
        let many = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 501) insert into webhook_events
            (id, type, livemode, created_at, payload, payload_hash, state, attempts, due_at, received_at)
            select 'evt_' || i, 'invoice.paid', false, i, '{}', '', 'parked', 6, i, 1795000000 + i from n";
        portal.run(many).await;
        let mut sam = staff(&portal).await;
        sam.get("/staff/events?state=parked").await;
        let answer = sam.post("/staff/events/replay", &[("state", "parked")]).await;
        sam.follow(&answer).await.shows(&["500 events are being worked on again", "There are more"]);
        assert_eq!(portal.count("select count(*) from webhook_events where state = 'parked'").await, 1);
        let answer = sam.post("/staff/events/replay", &[("state", "parked")]).await;
        sam.follow(&answer).await.shows(&["The one event of this filter is being worked on again."]);
    }

    async fn the_inbox_is_nobodys_business_but_staffs(portal: Portal) {
        let tenant = portal.tenant("Acme").await;
        let user = portal.user("Ann", &[(&tenant, billing_portal::auth::Role::Owner)]).await;
        event(&portal, "evt_1", "invoice.paid", "parked", "cus_1", 1_795_000_000).await;
        let mut ann = portal.signed_in(&user).await;
        ann.get("/account").await;
        for address in ["/staff/events", "/staff/events/evt_1"] {
            ann.get(address).await.expect(StatusCode::NOT_FOUND);
        }
        for address in ["/staff/events/replay", "/staff/events/recover", "/staff/events/evt_1/replay"] {
            ann.post(address, &[("state", "parked")]).await.expect(StatusCode::NOT_FOUND);
        }
        assert_eq!(portal.count("select count(*) from webhook_events where state = 'parked'").await, 1);
    }

    async fn an_event_shows_what_it_led_to_and_missing_ones_are_fetched_by_a_button(world: World) {
        let mut sam = staff(&world.portal).await;
        world.switch("deliveries/hold", json!({})).await;
        let (_, mut browser) = world.owner_of("Acme").await;
        world.choose(&mut browser, "starter", "month").await;
        world.switch("deliveries/drop", json!({})).await;
        world.switch("deliveries/release", json!({})).await;
        sam.get("/staff/events").await;
        let answer = sam.post("/staff/events/recover", &[]).await;
        sam.follow(&answer).await.shows(&["Missing events were fetched"]);
        world.settle().await;
        let answer = sam.post("/staff/events/recover", &[]).await;
        sam.follow(&answer).await.shows(&["no event that is missing", "no delivery came"]);
        let id = world.text("select id from webhook_events where type = 'customer.created'").await;
        sam.get(&format!("/staff/events/{id}")).await.shows(&["Acme", "What it led to"]);
        assert_eq!(world.portal.count("select count(*) from audit_entries where action = 'events.recovered'").await, 2);
    }
}
