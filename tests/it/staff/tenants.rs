//! The tenants as staff see them: found, shown, brought up to date.

use billing_portal::audit::{self, Actor, Entry};
use billing_portal::auth::Role;
use http::StatusCode;

use crate::support::portal::Portal;
use crate::support::world::World;

/// The names in the list, in its order.
fn names(body: &str) -> Vec<String> {
    let rows = body.split("<th scope=\"row\"><a href=\"/staff/tenants/").skip(1);
    rows.map(|row| row.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned()).collect()
}

async fn subscribe(portal: &Portal, tenant: &str, status: &str, product: &str) {
    portal.run(&format!("insert into customers (id, tenant_id, livemode, seen_at) values ('cus_{tenant}', '{tenant}', false, 1)")).await;
    portal.run(&format!("insert into subscriptions (id, tenant_id, customer_id, status, currency, product_id, livemode, started_at, created_at, seen_at)\
        values ('sub_{tenant}', '{tenant}', 'cus_{tenant}', '{status}', 'eur', '{product}', false, 1, 1, 1)")).await;
}

both_databases! {
    async fn tenants_are_found_by_how_they_begin_or_by_a_whole_id(portal: Portal) {
        let mut ids = Vec::new();
        for name in ["Norte Studio", "north pole", "Sur", "100% Olive_Oil"] {
            ids.push(portal.tenant(name).await.id.to_string());
        }
        portal.run(&format!("update tenants set external_id = 'host-7' where id = '{}'", ids[2])).await;
        subscribe(&portal, &ids[0], "active", "prod_a").await;
        subscribe(&portal, &ids[1], "past_due", "prod_a").await;
        portal.run("insert into products (id, name, active, livemode, plan, seen_at) values ('prod_a', 'Plan A', true, false, 'a', 1)").await;
        let mut sam = portal.staff("Sam").await;
        let customer = format!("cus_{}", ids[1]);
        for (query, expected) in [
            ("q=NORT", vec!["Norte Studio", "north pole"]),
            ("q=billing%40sur", vec!["Sur"]),
            ("q=host-7", vec!["Sur"]),
            (&format!("q={customer}"), vec!["north pole"]),
            (&format!("q={}", ids[3]), vec!["100% Olive_Oil"]),
            ("q=100%25+Olive", vec!["100% Olive_Oil"]),
            ("q=%25", vec![]),
            ("q=_", vec![]),
            ("status=past_due", vec!["north pole"]),
            ("plan=prod_a", vec!["Norte Studio", "north pole"]),
            ("status=active&plan=prod_a&q=nor", vec!["Norte Studio"]),
            ("status=active&plan=prod_b", vec![]),
        ] {
            let page = sam.get(&format!("/staff/tenants?{query}")).await.expect(StatusCode::OK);
            let mut found = names(&page.body);
            found.sort();
            assert_eq!(found, expected, "{query}");
        }
        sam.get("/staff/tenants?q=zzz").await.shows(&["Nothing found"]);
    }

    async fn the_list_goes_on_by_pages_that_repeat_nobody(portal: Portal) {
        for number in 0..120 {
            portal.run(&format!("insert into tenants (id, name, email, created_at) values ('ten_{number:03}', 'N {number:03}', 'n@n.example', 1)")).await;
        }
        let mut sam = portal.staff("Sam").await;
        let (mut all, mut next) = (Vec::new(), "/staff/tenants?q=n+".to_owned());
        loop {
            let page = sam.get(&next).await.expect(StatusCode::OK);
            all.extend(names(&page.body));
            let Some((rest, _)) = page.body.split_once("\">More tenants</a>") else { break };
            next = rest.rsplit("href=\"").next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
        }
        let expected: Vec<_> = (0..120).map(|number| format!("N {number:03}")).collect();
        assert_eq!(all, expected);
    }

    async fn a_tenants_page_says_what_it_has_and_why_it_may_what_it_may(world: World) {
        let portal = &world.portal;
        let (norte, mut owner) = world.owner_of("Norte").await;
        let mut sam = portal.staff("Sam").await;
        let tenant = format!("/staff/tenants/{}", norte.id);
        sam.get(&tenant).await.shows(&["Never subscribed", "There is no subscription: the free plan holds.", "None yet", "Norte.owner"]);
        let to = world.choose(&mut owner, "professional", "month").await;
        assert_eq!(to.status, StatusCode::SEE_OTHER, "{}", to.body);
        let customer: (String,) = {
            let mut tx = portal.db.read().await.unwrap();
            tx.query_built("select id from customers".to_owned()).one().await.unwrap()
        };
        world.settle().await;
        let customer = format!("https://dashboard.stripe.com/test/customers/{}", customer.0);
        sam.get(&tenant).await.shows(&[&customer, "Resync now"]);
        let done = sam.post(&format!("{tenant}/resync"), &[]).await;
        sam.follow(&done).await.shows(&["Everything of this tenant now is as Stripe has it."]);
        assert_eq!(portal.count("select count(*) from audit_entries where action = 'tenant.resynced'").await, 1);
        let timeline = sam.get(&format!("{tenant}/timeline")).await.expect(StatusCode::OK);
        timeline.shows(&["Synchronised with Stripe by hand", "Stripe event", "customer.created"]);
        let only = sam.get(&format!("{tenant}/timeline?kind=event")).await;
        assert!(!only.body.contains("Synchronised with Stripe by hand"));
        sam.get("/staff/tenants/ten_none").await.expect(StatusCode::NOT_FOUND);
        sam.get("/staff/tenants/ten_none/timeline").await.expect(StatusCode::NOT_FOUND);
    }

    async fn a_resync_says_what_went_wrong_at_stripe(world: World) {
        let mut world = world;
        let (norte, mut owner) = world.owner_of("Norte").await;
        world.choose(&mut owner, "professional", "month").await;
        world.settle().await;
        let mut sam = world.portal.staff("Sam").await;
        let tenant = format!("/staff/tenants/{}", norte.id);
        sam.get(&tenant).await;
        world.stop_stripe().await;
        let done = sam.post(&format!("{tenant}/resync"), &[]).await;
        sam.follow(&done).await.shows(&["Stripe could not be reached"]);
        let sur = world.portal.tenant("Sur").await;
        let done = sam.post(&format!("/staff/tenants/{}/resync", sur.id), &[]).await;
        sam.follow(&done).await.shows(&["no customer at Stripe"]);
    }

    async fn wherever_staff_are_told_of_a_tenant_its_name_leads_to_its_page(portal: Portal) {
        let norte = portal.tenant("Norte & Co").await;
        let (id, now) = (norte.id.as_str(), portal.clock.now().as_second());
        for row in [
            format!("into customers (id, tenant_id, livemode, seen_at) values ('cus_1', '{id}', false, 1)"),
            "into webhook_events (id, type, livemode, created_at, customer_id, payload, payload_hash, state, due_at, received_at)
                values ('evt_1', 'customer.updated', false, 1, 'cus_1', '{}', 'h', 'done', 1, 1)".to_owned(),
            format!("into mails (id, cause, kind, tenant_id, data, state, due_at, created_at) values ('mail_1', 'c', 'receipt', '{id}', '{{}}', 'kept', 1, 1)"),
            format!("into dunning_cases (invoice_id, tenant_id, customer_id, currency, amount, state, opened_at) values ('in_1', '{id}', 'cus_1', 'eur', 1, 'open', 1)"),
            format!("into usage_outbox (tenant_id, metric, window_start, meter, quantity, due_at, state) values ('{id}', 'ai_tokens', 1, 'm', 1, 1, 'parked')"),
        ] {
            portal.run(&format!("insert {row}")).await;
        }
        let mut sam = portal.staff("Sam").await;
        let leads = format!("<a href=\"/staff/tenants/{id}\">Norte &#38; Co</a>");
        let entries = format!("/staff/audit?tenant={id}");
        let entry = Entry::new(Actor::Command, "tenant.changed", portal.clock.now()).tenant(id).object("o_1");
        let mut tx = portal.db.write().await.unwrap();
        audit::record(&mut tx, &entry).await.unwrap();
        tx.commit().await.unwrap();
        for path in ["/staff/tenants", "/staff/events", "/staff/events/evt_1", "/staff/mails", "/staff/mails/mail_1", "/staff/dunning", "/staff/dunning/in_1", "/staff/usage", &entries] {
            sam.get(path).await.expect(StatusCode::OK).shows(&[&leads]);
        }
        portal.run("delete from usage_outbox").await;
        assert!(!sam.get("/staff/usage").await.body.contains(&leads));
        portal.run(&format!("insert into usage_comparisons (tenant_id, metric, period_start, period_end, ours, theirs, compared_at)
            values ('{id}', 'ai_tokens', 1, 2, 5, 4, {now})")).await;
        sam.get("/staff/usage").await.shows(&[&leads]);
    }

    async fn the_timeline_holds_everything_in_one_order_page_by_page(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let id = norte.id.as_str();
        portal.run(&format!("insert into customers (id, tenant_id, livemode, seen_at) values ('cus_1', '{id}', false, 1)")).await;
        for number in 0..60_i64 {
            // All of one second: only the ids tell them apart.
            let at = 1_000_000 + number / 40;
            portal.run(&format!("insert into webhook_events (id, type, livemode, created_at, customer_id, payload, payload_hash, state, due_at, received_at)\
                values ('evt_{number:02}', 'customer.updated', false, {at}, 'cus_1', '{{}}', 'h', 'done', 1, {at})")).await;
            portal.run(&format!("insert into mails (id, cause, kind, tenant_id, data, state, due_at, created_at)\
                values ('mail_{number:02}', 'c{number}', 'receipt', '{id}', '{{}}', 'sent', 1, {at})")).await;
        }
        let mut sam = portal.staff("Sam").await;
        let (mut seen, mut next) = (0, format!("/staff/tenants/{id}/timeline"));
        loop {
            let page = sam.get(&next).await.expect(StatusCode::OK);
            seen += page.body.matches("customer.updated").count() + page.body.matches("/staff/mails/mail_").count();
            let Some((rest, _)) = page.body.split_once("\">Older</a>") else { break };
            next = rest.rsplit("href=\"").next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
        }
        assert_eq!(seen, 120);
    }

    async fn staff_show_a_hidden_plan_to_one_tenant_and_hide_it_again(portal: Portal) {
        let (norte, sur) = (portal.tenant("Norte").await, portal.tenant("Sur").await);
        portal.run("insert into products (id, name, active, livemode, plan, hidden, seen_at) values ('prod_x', 'Made to measure', true, false, 'x', true, 1)").await;
        portal.run("insert into prices (id, product_id, active, livemode, currency, unit_amount, recurring_interval, usage_type, seen_at)\
            values ('price_x', 'prod_x', true, false, 'eur', 70000, 'month', 'licensed', 1)").await;
        let mut ana = portal.signed_in(&portal.user("Ana", &[(&norte, Role::Owner)]).await).await;
        let mut sul = portal.signed_in(&portal.user("Sul", &[(&sur, Role::Owner)]).await).await;
        let mut sam = portal.staff("Sam").await;
        let tenant = format!("/staff/tenants/{}", norte.id);
        let sees = |answer: crate::support::browser::Answer| answer.body.contains("Made to measure");
        assert!(!sees(ana.get("/plans").await));
        sam.get(&tenant).await.shows(&["Made to measure", "Show Made to measure to this tenant"]);
        let form = format!("{tenant}/plans");
        let done = sam.post(&form, &[("product", "prod_x"), ("show", "true")]).await;
        sam.follow(&done).await.shows(&["This tenant now sees the plan."]);
        assert!(sees(ana.get("/plans").await) && !sees(sul.get("/plans").await) && !sees(portal.browser().get("/plans").await));
        let done = sam.post(&form, &[("product", "prod_x"), ("show", "false")]).await;
        sam.follow(&done).await.shows(&["This tenant no longer sees the plan."]);
        assert!(!sees(ana.get("/plans").await));
        let told = portal.count("select count(*) from audit_entries where action in ('plan.shown', 'plan.hidden') and object_id = 'prod_x'").await;
        assert_eq!(told, 2);
        sam.post("/staff/tenants/ten_none/plans", &[("product", "prod_x"), ("show", "true")]).await.expect(StatusCode::NOT_FOUND);
    }
}
