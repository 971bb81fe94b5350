//! The validation report: what it counts, and whom it wakes.

use billing_portal::reconcile::checks::{Check, Verdict};
use billing_portal::reconcile::store::checks::Report;
use billing_portal::reconcile::work::{cards, checks};
use http::StatusCode;
use serde_json::{Value, json};

use super::drift::staff;
use crate::support::world::World;

impl World {
    /// A run that looks, and the report that follows it.
    async fn validate(&self) -> Report {
        let run = self.begin(false).await;
        self.finish(&run).await;
        checks::make(&self.means(), Some(&run), None).await.unwrap()
    }
}

fn verdict(report: &Report, check: Check) -> (Verdict, Option<i64>) {
    let one = report.checks.iter().find(|one| one.check == check).expect("each check is there");
    (one.verdict, one.figure)
}

both_databases! {
    async fn a_portal_that_is_in_order_passes_what_can_be_judged(world: World) {
        let mut browser = staff(&world).await;
        browser.get("/staff/validation").await.expect(StatusCode::OK).shows(&["There is no report yet"]);
        let one = world.subscriber("Norte", "professional").await;
        let charge = world.text(&format!("select id from charges where customer_id = '{}'", one.customer)).await;
        world.post("/refunds", json!({ "charge": charge, "amount": 100 })).await;
        world.settle().await;
        world.enter().await;
        let report = world.validate().await;
        for check in Check::ALL {
            assert_eq!(verdict(&report, check).0, Verdict::Pass, "{check:?}: {:?}", report.checks);
        }
        assert_eq!(world.portal.count("select count(*) from mails where kind = 'alarm'").await, 0);

        let page = browser.get("/staff/validation").await.expect(StatusCode::OK);
        page.shows(&["Revenue reconciliation", "Refund time", "less than 0.01 %", "99.9 % or more", "Good"]);
        let file = browser.get(&format!("/staff/validation/{}/report.json", report.id)).await.expect(StatusCode::OK);
        let read: Value = serde_json::from_str(&file.body).unwrap();
        assert_eq!(read["checks"].as_array().unwrap().len(), 8);
        let file = browser.get(&format!("/staff/validation/{}/report.csv", report.id)).await.expect(StatusCode::OK);
        assert!(file.body.contains("revenue,pass,0,ppm,100,eur,0,9900"), "{}", file.body);
        browser.get("/staff/validation/val_1").await.expect(StatusCode::NOT_FOUND);
        let (_, mut owner) = world.owner_of("Sur").await;
        owner.get("/staff/validation").await.expect(StatusCode::NOT_FOUND);
    }

    async fn the_validation_report_names_such_a_row_until_it_is_put_right(world: World) {
        world.subscriber("Norte", "starter").await;
        let mut sam = world.portal.staff("Sam").await;
        let audit = |report: &Report| {
            report.checks.iter().find(|one| one.check == Check::Audit).unwrap().clone()
        };
        // The tests make tenants and users themselves, without the program.
        let before = audit(&checks::make(&world.means(), None, None).await.unwrap());
        let missing = |parts: &[billing_portal::reconcile::checks::Part]| -> i64 { parts.iter().map(|part| part.part).sum() };
        let (id,): (String,) = world.portal.db.read().await.unwrap()
            .query_built("select id from subscriptions".to_owned()).one().await.unwrap();
        world.portal.clock.pass(1);
        world.portal.run("update subscriptions set quantity = 7").await;
        let report = audit(&checks::make(&world.means(), None, None).await.unwrap());
        assert_eq!(report.verdict, Verdict::Fail);
        assert!(report.figure < before.figure, "{report:?}");
        let named: Vec<_> = report.parts.iter().filter(|part| part.name == format!("subscriptions {id}")).collect();
        assert_eq!(named.len(), 1, "{report:?}");
        sam.get("/staff/validation").await.shows(&[&id]);
        world.compare(true).await;
        let after = audit(&checks::make(&world.means(), None, None).await.unwrap());
        assert_eq!(missing(&after.parts), missing(&before.parts), "put right, and told of: {after:?}");
    }

    async fn what_cannot_wait_is_told_once_until_it_was_well_again(world: World) {
        staff(&world).await;
        world.subscriber("Norte", "enterprise").await;
        world.portal.run("update invoices set amount_paid = amount_paid - 10001").await;
        let report = world.validate().await;
        let (state, figure) = verdict(&report, Check::Revenue);
        assert_eq!((state, figure), (Verdict::Fail, Some(334_482)), "10001 of 29900, rounded up");
        let told = "select count(*) from mails where kind = 'alarm' and data like '%\"kind\":\"revenue\"%'";
        assert_eq!(world.portal.count(told).await, 1);
        world.validate().await;
        assert_eq!(world.portal.count(told).await, 1, "once");
        world.compare(true).await;
        assert_eq!(verdict(&world.validate().await, Check::Revenue).0, Verdict::Pass);
        world.portal.run("update invoices set amount_paid = amount_paid - 10001").await;
        world.validate().await;
        assert_eq!(world.portal.count(told).await, 2, "again, after it was well in between");
    }

    async fn critical_findings_are_an_alarm_until_they_are_put_right(world: World) {
        let mut browser = staff(&world).await;
        world.subscriber("Norte", "enterprise").await;
        world.portal.run("update invoices set amount_paid = amount_paid - 1").await;
        world.validate().await;
        let on = "select count(*) from alarms where kind = 'findings'";
        assert_eq!(world.portal.count(on).await, 1);
        assert_eq!(world.portal.count("select count(*) from alarms").await, 1, "a cent is no discrepancy that cannot wait");
        let mailed = "select count(*) from mails m join users u on u.id = m.user_id where m.kind = 'alarm' and u.staff";
        assert_eq!(world.portal.count(mailed).await, 1);
        world.portal.app.config.site.board.look(&world.portal.db).await.unwrap();
        browser.get("/staff").await.shows(&["found something critical that is still open"]);
        let rows = billing_portal::doctor::house::rows(&world.portal.db, false).await;
        assert!(rows.iter().any(|check| check.name == "alarm" && check.says.contains("1 critical findings")), "{rows:?}");

        let finding = world.text("select id from reconciliation_findings where severity = 'critical'").await;
        let path = format!("/staff/reconciliation/findings/{finding}");
        browser.get(&path).await;
        browser.post(&path, &[]).await.expect(StatusCode::SEE_OTHER);
        assert_eq!(world.portal.count(on).await, 0);
        let told = "select count(*) from audit_entries where object_id = 'findings' and action in ('alarm.raised', 'alarm.cleared')";
        assert_eq!(world.portal.count(told).await, 2);
    }

    async fn a_charge_that_was_made_twice_is_found_and_two_invoices_are_not(world: World) {
        let one = world.subscriber("Norte", "starter").await;
        let copy = "insert into charges (id, tenant_id, customer_id, payment_intent_id, amount, currency, status, created_at, seen_at)\
            select 'ch_twice', tenant_id, customer_id, 'pi_twice', amount, currency, status, created_at + 60, seen_at from charges";
        world.portal.run(copy).await;
        let report = checks::make(&world.means(), None, Some("ops@portal.example")).await.unwrap();
        assert_eq!(verdict(&report, Check::Duplicates), (Verdict::Fail, Some(1)));
        assert_eq!(verdict(&report, Check::Revenue).0, Verdict::Unknown, "no comparison to rest on");
        let mail = "select count(*) from mails where kind = 'alarm' and data like '%ops@portal.example%' and user_id is null";
        assert_eq!(world.portal.count(mail).await, 1);
        world.settle().await;
        assert_eq!(world.portal.count("select count(*) from mails where kind = 'alarm' and address = 'ops@portal.example'").await, 1);

        // The same amount once more, for another invoice that is paid: nothing is wrong with that.
        let invoice = "insert into invoices (id, tenant_id, customer_id, status, currency, subtotal, total, amount_due, amount_paid,\
            amount_remaining, period_start, period_end, created_at, paid_at, seen_at) select 'in_two', tenant_id, customer_id, status,\
            currency, subtotal, total, amount_due, amount_paid, amount_remaining, period_start, period_end, created_at, paid_at + 60,\
            seen_at from invoices";
        world.portal.run(invoice).await;
        let report = checks::make(&world.means(), None, None).await.unwrap();
        assert_eq!(verdict(&report, Check::Duplicates), (Verdict::Pass, Some(0)));
        world.portal.run(&format!("update charges set payment_intent_id = 'pi_same' where customer_id = '{}'", one.customer)).await;
        let report = checks::make(&world.means(), None, None).await.unwrap();
        assert_eq!(verdict(&report, Check::Duplicates).0, Verdict::Fail, "one payment charged twice is wrong whatever else there is");
    }

    async fn a_card_number_at_rest_and_a_change_without_an_entry_are_found(world: World) {
        staff(&world).await;
        world.subscriber("Norte", "starter").await;
        world.portal.run("update tenants set name = 'Pay 4242 4242 4242 4242'").await;
        world.portal.run("insert into charges (id, tenant_id, customer_id, amount, currency, status, created_at, seen_at)\
            select 'ch_untold', tenant_id, customer_id, 1, currency, 'failed', created_at, seen_at from charges").await;
        let report = checks::make(&world.means(), None, None).await.unwrap();
        assert_eq!(verdict(&report, Check::Cards).0, Verdict::Fail);
        let cards = report.checks.iter().find(|one| one.check == Check::Cards).unwrap();
        assert!(cards.parts[0].name.starts_with("tenants ten_"), "{cards:?}");
        assert_eq!(verdict(&report, Check::Audit).0, Verdict::Fail);
        assert_eq!(verdict(&report, Check::Payments), (Verdict::Fail, Some(500_000)));
        assert_eq!(world.portal.count("select count(*) from mails where kind = 'alarm' and data like '%4242%'").await, 0);
    }

    async fn events_that_were_given_up_count_against_delivery(world: World) {
        world.subscriber("Norte", "starter").await;
        world.portal.run("update webhook_events set state = 'parked' where id in (select min(id) from webhook_events)").await;
        let report = checks::make(&world.means(), None, None).await.unwrap();
        assert_eq!(verdict(&report, Check::Webhooks).0, Verdict::Fail);
    }

    async fn events_that_had_to_be_fetched_count_against_delivery(world: World) {
        let one = world.subscriber("Norte", "starter").await;
        world.portal.clock.pass(7_200);
        let mut sam = staff(&world).await;
        let before = checks::make(&world.means(), None, None).await.unwrap();
        assert_eq!(verdict(&before, Check::Webhooks), (Verdict::Pass, Some(1_000_000)));
        world.switch("deliveries/hold", json!({})).await;
        world.post(&format!("/customers/{}", one.customer), json!({ "name": "Norte Ltd" })).await;
        world.switch("deliveries/drop", json!({})).await;
        world.switch("deliveries/release", json!({})).await;
        sam.get("/staff/events").await.expect(StatusCode::OK);
        sam.post("/staff/events/recover", &[]).await.expect(StatusCode::SEE_OTHER);
        world.settle().await;
        assert_eq!(world.portal.count("select count(*) from webhook_events where origin = 'list' and state = 'done'").await, 1);
        let fresh = checks::make(&world.means(), None, None).await.unwrap();
        assert_eq!(verdict(&fresh, Check::Webhooks).0, Verdict::Pass, "the delivery may still come");
        world.portal.clock.pass(3_601);
        let report = checks::make(&world.means(), None, None).await.unwrap();
        assert_eq!(verdict(&report, Check::Webhooks).0, Verdict::Fail, "carried out, and never delivered");
        assert_eq!(world.portal.count("select count(*) from mails where kind = 'alarm' and data like '%webhooks%'").await, 1, "more than one in a hundred");
    }

    async fn what_happened_before_the_portal_was_there_was_nobodys_to_deliver(world: World) {
        world.subscriber("Norte", "starter").await;
        // As after an installation: all that is known was fetched, and happened before.
        world.portal.run("update webhook_events set origin = 'list', created_at = received_at - 60").await;
        world.portal.clock.pass(7_200);
        let report = checks::make(&world.means(), None, None).await.unwrap();
        assert_eq!(verdict(&report, Check::Webhooks).0, Verdict::Pass);
    }

    async fn a_customer_that_pays_and_is_unknown_here_is_revenue_that_differs(world: World) {
        staff(&world).await;
        world.switch("quiet", json!({ "on": true })).await;
        let tenant = world.portal.tenant("Norte").await;
        let new = json!({ "name": "Norte", "metadata": { "tenant_id": tenant.id.as_str() } });
        let customer = world.post("/customers", new).await["id"].as_str().unwrap().to_owned();
        let card = world.post("/payment_methods/pm_card_visa/attach", json!({ "customer": customer })).await;
        let default = json!({ "invoice_settings": { "default_payment_method": card["id"] } });
        world.post(&format!("/customers/{customer}"), default).await;
        world.subscribe_again(&customer, tenant.id.as_str(), "enterprise").await;
        world.switch("quiet", json!({ "on": false })).await;
        let report = world.validate().await;
        assert_eq!(verdict(&report, Check::Revenue), (Verdict::Fail, Some(1_000_000)), "all of what was paid");
        assert_eq!(world.portal.count("select count(*) from mails where kind = 'alarm' and data like '%revenue%'").await, 1);
        world.compare(true).await;
        assert_eq!(verdict(&world.validate().await, Check::Revenue), (Verdict::Pass, Some(0)));
    }

    async fn lines_of_the_log_are_counted_for_thirty_days_whoever_wrote_them(world: World) {
        let day = world.portal.clock.wall().as_second() / 86_400;
        let mut tx = world.portal.db.write().await.unwrap();
        for (day, process, lines) in [(day, "one", 2), (day, "one", 1), (day - 3, "other", 4), (day - 40, "one", 8)] {
            billing_portal::audit::store::add_redacted(&mut tx, day, process, lines).await.unwrap();
        }
        tx.commit().await.unwrap();
        let report = checks::make(&world.means(), None, None).await.unwrap();
        assert_eq!(verdict(&report, Check::Cards), (Verdict::Fail, Some(7)));
        world.portal.clock.pass(31 * 86_400);
        let report = checks::make(&world.means(), None, None).await.unwrap();
        assert_eq!(verdict(&report, Check::Cards), (Verdict::Pass, Some(0)));
    }

    async fn a_large_table_is_read_bit_by_bit_and_what_was_found_is_not_forgotten(world: World) {
        for name in ["Norte", "Sur", "Este", "Oeste", "Centro"] {
            world.portal.tenant(name).await;
        }
        world.portal.run("update tenants set name = 'Pay 4242 4242 4242 4242' where id = (select min(id) from tenants)").await;
        let read = async || {
            let all = cards::search_up_to(&world.means(), 2).await.unwrap();
            let one = all.into_iter().find(|one| one.place == "tenants").unwrap();
            (one.read, one.size, one.is_known, one.found.len())
        };
        assert_eq!(read().await, (2, 5, false, 1));
        assert_eq!(read().await, (4, 5, false, 1), "found before, and looked at again");
        assert_eq!(read().await, (5, 5, true, 1));
        assert_eq!(read().await, (2, 5, true, 1), "from the beginning");
        world.portal.run("update tenants set name = 'Pay'").await;
        assert_eq!(read().await, (4, 5, true, 0));
        world.portal.run("update tenants set name = 'Pay 4242 4242 4242 4242' where id = (select max(id) from tenants)").await;
        assert_eq!(read().await, (5, 5, true, 1));
    }

    async fn a_number_is_found_wherever_it_was_left(world: World) {
        let one = world.subscriber("Norte", "starter").await;
        let tenant = one.tenant.id.as_str();
        let number = "4000056655665556";
        world.portal.run(&format!("update charges set failure_message = 'card {number} is lost'")).await;
        world.portal.run(&format!("update products set description = 'Pay with {number}' where id = (select min(id) from products)")).await;
        world.portal.run(&format!("insert into usage_events (tenant_id, key, metric, amount, outcome, used, hard, recorded_at)\
            values ('{tenant}', 'of {number}', 'messages', 1, 'recorded', 1, false, 1)")).await;
        world.portal.run(&format!("update webhook_events set error = 'no {number}' where id = (select min(id) from webhook_events)")).await;
        let all = cards::search_up_to(&world.means(), 1_000).await.unwrap();
        let mut found: Vec<_> = all.iter().flat_map(|one| one.found.iter().map(move |id| format!("{} {id}", one.place))).collect();
        found.sort();
        let places: Vec<_> = found.iter().map(|one| one.split(' ').next().unwrap()).collect();
        assert_eq!(places, ["charges", "products", "usage_events", "webhook_events"], "{found:?}");
        assert!(!found.iter().any(|one| one.contains(number)), "no report repeats it: {found:?}");
        let again = cards::search_up_to(&world.means(), 1_000).await.unwrap();
        assert_eq!(again.iter().map(|one| one.found.len()).sum::<usize>(), 4);
    }

    async fn each_run_that_ends_has_its_report(world: World) {
        world.subscriber("Norte", "starter").await;
        let run = world.begin(false).await;
        assert!(!checks::pending(&world.means(), None).await.unwrap());
        world.finish(&run).await;
        assert!(checks::pending(&world.means(), None).await.unwrap());
        assert!(!checks::pending(&world.means(), None).await.unwrap());
        assert_eq!(world.portal.count("select count(*) from validation_reports where run_id is not null").await, 1);
    }
}
