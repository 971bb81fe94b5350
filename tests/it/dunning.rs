//! Missing payments, from the first failure to the payment or the end, against the sandbox, which tries to collect by itself
//! meanwhile.

use billing_portal::access::{self, Access, Level, Reason};
use billing_portal::auth::{NewUser, Role};
use billing_portal::catalog::policy::Dunning;
use billing_portal::clock::from_seconds;
use billing_portal::db::Db;
use billing_portal::dunning::{self, Planned, State, Step, due};
use billing_portal::stripe::{Budget, CustomerId, InvoiceId, calls};
use billing_portal::tenants::Tenant;
use billing_portal::worker;
use http::StatusCode;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use crate::support::browser::Browser;
use crate::support::customer::{BAD, GOOD};
use crate::support::databases::FromDb;
use crate::support::portal::hash;
use crate::support::world::World;

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

/// Mails that a life without trouble has.
const CALM: &[&str] = &["receipt", "upcoming_invoice"];

/// A portal with a tenant that has a monthly plan.
struct Late {
    world: World,
    tenant: Tenant,
    browser: Browser,
    customer: CustomerId,
    subscription: String,
}

impl FromDb for Late {
    async fn from_db(db: Db) -> Self {
        let world = World::from_db(db).await;
        let (tenant, browser) = world.owner_of("Norte").await;
        let (customer, subscription) = world.subscription(&tenant, "starter_month", json!({})).await;
        let subscription = subscription["id"].as_str().unwrap().to_owned();
        Self { world, tenant, browser, customer, subscription }
    }
}

impl Late {
    /// The card fails from now on, and time passes until the next invoice was tried. When that was.
    async fn fail(&self) -> i64 {
        self.world.control.card(self.customer.as_str(), BAD).await.unwrap();
        let sql = format!("select current_period_end from subscriptions where id = '{}'", self.subscription);
        let renewal = self.world.portal.count(&sql).await;
        // The invoice stays a draft for an hour; then it is tried.
        self.world.travel(from_seconds(renewal + HOUR)).await;
        let opened = "select max(opened_at) from dunning_cases where state = 'open'";
        assert_eq!(self.world.portal.count(opened).await, renewal + HOUR, "a case since the first failure");
        renewal + HOUR
    }

    async fn travel(&self, at: i64) {
        self.world.travel(from_seconds(at)).await;
    }

    /// Travels there while Stripe's events are held back.
    async fn unheard(&self, at: i64) {
        self.world.control.advance(from_seconds(at)).await.unwrap();
        self.world.portal.clock.travel_to(from_seconds(at));
        worker::settle(&self.world.portal.app).await;
    }

    /// Travels there a day at a time.
    async fn days(&self, from: i64, until: i64) {
        let mut at = from;
        while at < until {
            at = (at + DAY).min(until);
            self.travel(at).await;
        }
    }

    /// The invoice that is open, by Stripe's id.
    async fn invoice(&self) -> InvoiceId {
        let sql = "select invoice_id from dunning_cases where state = 'open' order by opened_at limit 1";
        let mut tx = self.world.portal.db.read().await.unwrap();
        let (id,): (InvoiceId,) = tx.query_built(sql.to_owned()).one().await.unwrap();
        id
    }

    /// The customer mends the card and pays.
    async fn pay(&self, invoice: &InvoiceId) {
        self.world.control.card(self.customer.as_str(), GOOD).await.unwrap();
        self.world.post(&format!("/invoices/{invoice}/pay"), json!({})).await;
        self.world.settle().await;
    }

    async fn access(&self) -> Access {
        let app = &self.world.portal.app;
        let mut tx = app.db.read().await.unwrap();
        let (tenant, policy) = (self.tenant.id.as_str(), &app.catalog.dunning);
        access::store::of_tenant(&mut tx, tenant, None, policy, app.clock.now()).await.unwrap()
    }

    async fn level(&self) -> Level {
        self.access().await.level
    }

    async fn causes(&self) -> Vec<String> {
        self.world.causes(&self.tenant, CALM).await
    }

    /// Kinds of mails about an invoice, in their order.
    async fn mails_about(&self, invoice: &InvoiceId) -> Vec<String> {
        let end = format!(":{invoice}");
        let all = self.causes().await;
        all.iter().filter_map(|cause| cause.strip_suffix(&end)).map(str::to_owned).collect()
    }

    /// What the audit tells of an invoice's case, by the alphabet.
    async fn told(&self, invoice: &InvoiceId) -> Vec<String> {
        let sql = format!(
            "select action from audit_entries where object_id = '{invoice}' and action like 'dunning.%' order by action"
        );
        let mut tx = self.world.portal.db.read().await.unwrap();
        let rows: Vec<(String,)> = tx.query_built(sql).all().await.unwrap();
        rows.into_iter().map(|(action,)| action).collect()
    }

    async fn case(&self, invoice: &InvoiceId) -> dunning::Case {
        let mut tx = self.world.portal.db.read().await.unwrap();
        dunning::store::find(&mut tx, invoice.as_str()).await.unwrap().expect("a case")
    }

    /// What Stripe calls the subscription.
    async fn status(&self) -> String {
        let path = format!("/subscriptions/{}", self.subscription);
        self.world.read(&path).await["status"].as_str().unwrap().to_owned()
    }

    async fn settings(&self, settings: serde_json::Value) {
        self.world.control.ask(http::Method::POST, "settings", &settings).await.unwrap();
    }

    async fn staff(&self) -> Browser {
        let new = NewUser::new("staff@people.example".parse().unwrap(), "Sam").unwrap();
        let staff = self.world.portal.create(new.staff(true).password_hash(hash().await), &[]).await;
        self.world.portal.signed_in(&staff).await
    }
}

/// The part of a page between two marks.
fn between<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = page.split_once(start).expect("the beginning");
    rest.split_once(end).expect("the end").0
}

both_databases! {
    async fn the_schedule_is_carried_out_day_by_day_to_the_end_of_the_subscription(late: Late) {
        let failed = late.fail().await;
        let invoice = late.invoice().await;
        let mut seen = Vec::new();
        for day in 0..=22 {
            late.travel(failed + day * DAY).await;
            let mails = late.causes().await;
            let access = late.access().await;
            let new: Vec<_> = mails.iter().filter(|cause| !seen.contains(*cause)).cloned().collect();
            let expected = match day {
                0 => vec![format!("payment_failed:{invoice}")],
                3 => vec![format!("payment_urgent:{invoice}")],
                7 => vec![format!("access_restricted:{invoice}")],
                14 => vec![format!("payment_final:{invoice}")],
                21 => vec![format!("cancelled:{}:ended", late.subscription)],
                _ => Vec::new(),
            };
            assert_eq!(new, expected, "day {day}");
            let expected = match day {
                0..=6 => (Level::Full, Reason::PastDue, Some(7 - day)),
                7..=20 => (Level::ReadOnly, Reason::Overdue, Some(21 - day)),
                _ => (Level::Full, Reason::Ended, None),
            };
            assert_eq!((access.level, access.reason, access.until), expected, "day {day}");
            seen = mails;
        }
        assert_eq!(late.status().await, "canceled", "at Stripe");
        assert_eq!(late.case(&invoice).await.state, State::Ended);
        assert_eq!(
            late.told(&invoice).await,
            ["dunning.cancelled", "dunning.closed", "dunning.opened", "dunning.reminded", "dunning.restricted",
             "dunning.urged", "dunning.warned"]
        );
        // Stripe has tried beside it, on days 3, 5, 7 and 14.
        let attempts = late.world.read(&format!("/invoices/{invoice}")).await["attempt_count"].clone();
        assert_eq!(attempts, 5);
        let farewell = late.world.letters(&late.tenant, "cancelled").await.remove(0);
        assert!(farewell.contains("because the payment did not arrive"), "{farewell}");
        assert_eq!(late.world.letters(&late.tenant, "receipt").await.len(), 1, "that of the first month alone");
    }

    async fn not_a_second_too_early(late: Late) {
        let failed = late.fail().await;
        let invoice = late.invoice().await;
        for (day, kind) in [(3, "payment_urgent"), (7, "access_restricted"), (14, "payment_final")] {
            late.travel(failed + day * DAY - 1).await;
            let before = late.mails_about(&invoice).await;
            assert!(!before.iter().any(|other| other == kind), "{kind} a second before day {day}");
            let level = late.level().await;
            late.travel(failed + day * DAY).await;
            assert_eq!(late.mails_about(&invoice).await.len(), before.len() + 1, "day {day}");
            assert_eq!(late.level().await < level, kind == "access_restricted");
        }
        late.travel(failed + 21 * DAY - 1).await;
        assert_eq!(late.status().await, "past_due");
        late.travel(failed + 21 * DAY).await;
        assert_eq!(late.status().await, "canceled");
    }

    async fn paying_at_any_point_ends_it_and_says_so(late: Late) {
        // One month after the other, each time a little later.
        for (day, mails, restricted) in [
            (0, vec!["payment_failed"], false),
            (2, vec!["payment_failed"], false),
            (4, vec!["payment_failed", "payment_urgent"], false),
            (7, vec!["payment_failed", "payment_urgent", "access_restricted"], true),
            (13, vec!["payment_failed", "payment_urgent", "access_restricted"], true),
            (20, vec!["payment_failed", "payment_urgent", "access_restricted", "payment_final"], true),
        ] {
            let failed = late.fail().await;
            let invoice = late.invoice().await;
            late.days(failed, failed + day * DAY).await;
            assert_eq!(late.mails_about(&invoice).await, mails, "day {day}");
            assert_eq!(late.level().await, if restricted { Level::ReadOnly } else { Level::Full });
            late.pay(&invoice).await;
            let access = late.access().await;
            assert_eq!((access.level, access.reason, access.until), (Level::Full, Reason::Active, None));
            let case = late.case(&invoice).await;
            assert_eq!((case.state, case.closed_at), (State::Paid, Some(failed + day * DAY)));
            let after = late.mails_about(&invoice).await;
            assert!(after.iter().any(|kind| kind == "access_restored"));
            assert_eq!(after.len(), mails.len() + 1, "and nothing else");
            assert_eq!(late.told(&invoice).await.iter().filter(|action| *action == "dunning.closed").count(), 1);
            let letter = late.world.letter(&format!("access_restored:{invoice}")).await;
            let words = if restricted { "The restriction is lifted" } else { "Nothing was restricted" };
            assert!(letter.contains(words), "day {day}: {letter}");
            // Nothing of it comes later.
            late.travel(failed + 25 * DAY).await;
            assert_eq!(late.mails_about(&invoice).await, after);
            assert_eq!(late.status().await, "active");
        }
    }

    async fn the_hosted_page_of_the_invoice_settles_it(late: Late) {
        let mut late = late;
        let failed = late.fail().await;
        late.days(failed, failed + 8 * DAY).await;
        let invoice = late.invoice().await;
        let page = late.browser.get("/payment").await.expect(StatusCode::OK);
        let form = format!("action=\"/invoices/{invoice}/pay\"");
        let home = late.browser.get("/").await.expect(StatusCode::OK);
        assert!(page.body.contains(&form) && home.body.contains(&form), "the button that fixes it");
        let answer = late.browser.post(&format!("/invoices/{invoice}/pay"), &[]).await;
        let hosted = answer.location().to_owned();
        assert!(hosted.contains("/i/"), "{hosted}");
        let card = [("number", GOOD), ("expiry", "12/30"), ("cvc", "123"), ("name", "Ana Ruiz")];
        late.world.submit(&hosted, &card).await;
        late.world.settle().await;
        assert_eq!(late.case(&invoice).await.state, State::Paid);
        assert_eq!(late.level().await, Level::Full);
        assert!(!late.browser.get("/").await.body.contains(&form), "the banner is gone");
        late.browser.get("/payment").await.shows(&["Nothing is missing", "Settled earlier", "Paid"]);
    }

    async fn stripes_own_retry_may_be_what_succeeds(late: Late) {
        let failed = late.fail().await;
        let invoice = late.invoice().await;
        late.days(failed, failed + 4 * DAY).await;
        late.world.control.card(late.customer.as_str(), GOOD).await.unwrap();
        // The third try is on day 5: nobody does anything.
        late.days(failed + 4 * DAY, failed + 6 * DAY).await;
        assert_eq!(late.mails_about(&invoice).await, ["payment_failed", "payment_urgent", "access_restored"]);
        assert_eq!(late.case(&invoice).await.closed_at, Some(failed + 5 * DAY));
    }

    async fn an_invoice_that_is_no_longer_asked_for_closes_its_case(late: Late) {
        for (day, way) in [(1, "void"), (9, "mark_uncollectible"), (10, "void")] {
            let failed = late.fail().await;
            let invoice = late.invoice().await;
            late.days(failed, failed + day * DAY).await;
            late.world.post(&format!("/invoices/{invoice}/{way}"), json!({})).await;
            late.world.settle().await;
            assert_eq!(late.case(&invoice).await.state, State::Void, "{way}");
            let mails = late.mails_about(&invoice).await;
            assert_eq!(mails.iter().any(|kind| kind == "access_restored"), day >= 7, "only what was taken is given back");
            assert_ne!(late.access().await.reason, Reason::Overdue);
            late.world.control.card(late.customer.as_str(), GOOD).await.unwrap();
            late.travel(failed + 25 * DAY).await;
            assert_eq!(late.mails_about(&invoice).await, mails, "{way}");
            assert_eq!(late.status().await, "active", "{way}");
        }
        let letter = late.world.letters(&late.tenant, "access_restored").await.pop().unwrap();
        assert!(letter.contains("no longer asked for"), "{letter}");
    }

    async fn time_drives_it_and_not_the_number_of_failures(late: Late) {
        let mut all = Vec::new();
        for retries in [json!([]), json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), json!([20])] {
            late.settings(json!({ "retry_days": retries })).await;
            let failed = late.fail().await;
            let invoice = late.invoice().await;
            late.days(failed, failed + 15 * DAY).await;
            all.push(late.mails_about(&invoice).await);
            late.pay(&invoice).await;
        }
        assert_eq!(all[0], ["payment_failed", "payment_urgent", "access_restricted", "payment_final"]);
        assert!(all.iter().all(|mails| *mails == all[0]), "{all:?}");
    }

    async fn where_stripe_ends_the_subscription_first_the_case_ends_with_it(late: Late) {
        late.settings(json!({ "retry_days": [2, 5], "after_retries": "cancel" })).await;
        let failed = late.fail().await;
        let invoice = late.invoice().await;
        late.days(failed, failed + 6 * DAY).await;
        assert_eq!(late.status().await, "canceled");
        assert_eq!(late.case(&invoice).await.state, State::Ended);
        late.days(failed + 6 * DAY, failed + 23 * DAY).await;
        assert_eq!(
            late.causes().await,
            [format!("payment_failed:{invoice}"), format!("payment_urgent:{invoice}"), format!("cancelled:{}:ended", late.subscription)]
        );
        let farewell = late.world.letters(&late.tenant, "cancelled").await.remove(0);
        assert!(farewell.contains("because the payment did not arrive"), "{farewell}");
    }

    async fn a_subscription_that_its_owner_ends_meanwhile_closes_the_case_at_once(late: Late) {
        let mut late = late;
        let failed = late.fail().await;
        let invoice = late.invoice().await;
        late.days(failed, failed + 2 * DAY).await;
        let id = late.subscription.parse().unwrap();
        let reason = calls::subscriptions::Reason { feedback: None, comment: None };
        calls::subscriptions::cancel_now(&late.world.portal.app.stripe, &id, &reason, false, Budget::work()).await.unwrap();
        late.world.settle().await;
        assert_eq!(late.case(&invoice).await.state, State::Ended);
        let farewell = late.world.letters(&late.tenant, "cancelled").await.remove(0);
        assert!(!farewell.contains("because the payment"), "that was not why: {farewell}");
        late.days(failed + 2 * DAY, failed + 23 * DAY).await;
        assert_eq!(late.mails_about(&invoice).await, ["payment_failed"]);
        assert!(!late.browser.get("/plans").await.body.contains("/pay\""), "no banner asks any more");
    }

    async fn a_worker_that_was_away_catches_up_with_one_mail(late: Late) {
        // Ten days, then sixteen, and thirty: what has gone by is told in one mail, and nobody loses a subscription unannounced.
        for (away, told) in [(10, "access_restricted"), (16, "payment_final")] {
            late.world.control.card(late.customer.as_str(), BAD).await.unwrap();
            let sql = format!("select current_period_end from subscriptions where id = '{}'", late.subscription);
            let failed = late.world.portal.count(&sql).await + HOUR;
            late.world.sleep_until(from_seconds(failed + away * DAY)).await;
            late.world.settle().await;
            let invoice = late.invoice().await;
            assert_eq!(late.case(&invoice).await.opened_at, failed, "counted from the failure, not from the awakening");
            assert_eq!(late.mails_about(&invoice).await, [told], "{away} days");
            assert_eq!(late.level().await, Level::ReadOnly);
            if away == 10 {
                late.days(failed + 10 * DAY, failed + 15 * DAY).await;
                assert_eq!(late.mails_about(&invoice).await, [told, "payment_final"], "then the schedule goes on");
            }
            late.pay(&invoice).await;
            late.travel(failed + 25 * DAY).await;
        }
        late.world.control.card(late.customer.as_str(), BAD).await.unwrap();
        let sql = format!("select current_period_end from subscriptions where id = '{}'", late.subscription);
        let failed = late.world.portal.count(&sql).await + HOUR;
        late.world.sleep_until(from_seconds(failed + 27 * DAY)).await;
        late.world.settle().await;
        let invoice = late.invoice().await;
        assert_eq!(late.mails_about(&invoice).await, ["payment_final"]);
        assert_eq!(late.status().await, "past_due");
        assert_eq!(late.level().await, Level::ReadOnly);
        let letter = late.world.letters(&late.tenant, "payment_final").await.pop().unwrap();
        let ends = failed + 34 * DAY;
        let date = billing_portal::i18n::Language::En.date(from_seconds(ends), &jiff::tz::TimeZone::UTC);
        assert!(letter.contains(&date), "a week from now, as planned between the two: {letter}");
        late.travel(ends - 1).await;
        assert_eq!(late.status().await, "past_due");
        late.travel(ends).await;
        assert_eq!(late.status().await, "canceled");
    }

    async fn several_workers_carry_out_each_step_once(late: Late) {
        let failed = late.fail().await;
        let invoice = late.invoice().await;
        for day in 0..=21 {
            late.world.sleep_until(from_seconds(failed + day * DAY)).await;
            late.world.settle_thrice().await;
        }
        assert_eq!(
            late.mails_about(&invoice).await,
            ["payment_failed", "payment_urgent", "access_restricted", "payment_final"]
        );
        assert_eq!(late.told(&invoice).await.len(), 7);
        let ended = late.world.stripe.exchanges();
        let ended = ended.iter().filter(|exchange| exchange.method == "DELETE" && exchange.path.contains(&late.subscription));
        assert_eq!(ended.count(), 1, "Stripe is asked once");
        let sent = "select count(*) from audit_entries where action = 'mail.kept'";
        assert_eq!(late.world.portal.count(sent).await, late.world.portal.count("select count(*) from mails").await);
    }

    async fn an_end_that_stripe_does_not_take_is_tried_again_until_it_does(late: Late) {
        let failed = late.fail().await;
        let invoice = late.invoice().await;
        late.days(failed, failed + 20 * DAY).await;
        let path = format!("/v1/subscriptions/{}", late.subscription);
        let fault = json!({ "path": path, "method": "delete", "times": 1_000, "status": 503 });
        late.world.control.ask(http::Method::POST, "faults", &fault).await.unwrap();
        late.travel(failed + 21 * DAY).await;
        assert_eq!((late.status().await.as_str(), late.case(&invoice).await.state), ("past_due", State::Open));
        assert_eq!(late.access().await.reason, Reason::Unpaid, "blocked by its day all the same");
        late.travel(failed + 21 * DAY + HOUR).await;
        assert!(late.case(&invoice).await.attempts > 1, "tried again");
        late.world.control.ask(http::Method::DELETE, "faults", &serde_json::Value::Null).await.unwrap();
        late.travel(failed + 21 * DAY + 4 * HOUR).await;
        assert_eq!((late.status().await.as_str(), late.case(&invoice).await.state), ("canceled", State::Ended));
        assert_eq!(late.told(&invoice).await.iter().filter(|action| *action == "dunning.cancelled").count(), 1);
    }

    async fn who_has_settled_keeps_the_plan_whatever_became_of_the_event(late: Late) {
        let mut late = late;
        late.world.with_catalog(|catalog| {
            catalog.dunning = Dunning { reminder: 0, urgent: 1, restrict: 2, last: 3, cancel: 4 };
        });
        for (way, state) in [("pay", State::Paid), ("void", State::Void), ("mark_uncollectible", State::Void)] {
            let failed = late.fail().await;
            let invoice = late.invoice().await;
            late.days(failed, failed + 3 * DAY).await;
            // From here on no event arrives, and at the moment of the end Stripe does not answer at first.
            late.world.switch("deliveries/hold", json!({})).await;
            late.world.control.card(late.customer.as_str(), GOOD).await.unwrap();
            late.world.post(&format!("/invoices/{invoice}/{way}"), json!({})).await;
            let path = format!("/v1/invoices/{invoice}");
            late.world.switch("faults", json!({ "path": path, "method": "get", "times": 1_000, "status": 503 })).await;
            late.unheard(failed + 4 * DAY).await;
            assert_eq!(late.case(&invoice).await.state, State::Open, "{way}: nobody knows");
            assert!(late.case(&invoice).await.attempts > 0, "{way}: it was tried");
            assert_eq!(late.status().await, "active", "{way}");
            late.world.control.ask(http::Method::DELETE, "faults", &serde_json::Value::Null).await.unwrap();
            late.unheard(failed + 4 * DAY + HOUR).await;
            assert_eq!(late.case(&invoice).await.state, state, "{way}");
            let mails = late.mails_about(&invoice).await;
            assert_eq!(mails.last().unwrap(), "access_restored", "{way}: {mails:?}");
            assert_eq!(late.level().await, Level::Full, "{way}");
            // The events come after all, and change nothing.
            late.world.switch("deliveries/release", json!({ "order": "reverse", "copies": 2 })).await;
            late.world.settle().await;
            assert_eq!(late.mails_about(&invoice).await, mails, "{way}");
            assert_eq!(late.status().await, "active", "{way}");
        }
        assert!(late.world.letters(&late.tenant, "cancelled").await.is_empty());
        let ended = late.world.stripe.exchanges();
        assert!(!ended.iter().any(|exchange| exchange.method == "DELETE" && exchange.path.contains("/subscriptions/")));
    }

    async fn where_stripe_blocks_first_the_banner_says_so_and_paying_lifts_it(late: Late) {
        let mut late = late;
        late.settings(json!({ "retry_days": [2, 5], "after_retries": "unpaid" })).await;
        let failed = late.fail().await;
        let invoice = late.invoice().await;
        late.days(failed, failed + 4 * DAY).await;
        late.browser.get("/plans").await.shows(&["access becomes read only on"]);
        late.days(failed + 4 * DAY, failed + 6 * DAY).await;
        assert_eq!((late.status().await.as_str(), late.access().await.reason), ("unpaid", Reason::Unpaid));
        let page = late.browser.get("/plans").await;
        let page = page.shows(&["Access is blocked, because", "Unless it is paid, the subscription ends on"]);
        assert!(!page.body.contains("read only"), "{}", page.body);
        late.browser.get("/payment").await.shows(&["access is blocked until it arrives"]);
        let mut staff = late.staff().await;
        staff.get(&format!("/staff/tenants/{}", late.tenant.id)).await.shows(&["access is blocked until it arrives"]);
        late.pay(&invoice).await;
        assert_eq!((late.status().await.as_str(), late.access().await.reason), ("active", Reason::Active));
        let letter = late.world.letter(&format!("access_restored:{invoice}")).await;
        assert!(letter.contains("The restriction is lifted"), "{letter}");
        assert!(!late.browser.get("/plans").await.body.contains("Access is"), "the banner is gone");
    }

    async fn two_open_invoices_are_two_cases_and_the_older_one_decides(late: Late) {
        let mut late = late;
        late.world.with_catalog(|catalog| {
            catalog.dunning = Dunning { reminder: 0, urgent: 5, restrict: 20, last: 40, cancel: 60 };
        });
        let first_failed = late.fail().await;
        let first = late.invoice().await;
        late.days(first_failed, first_failed + 25 * DAY).await;
        assert_eq!(late.mails_about(&first).await, ["payment_failed", "payment_urgent", "access_restricted"], "by the catalogue's days");
        assert_eq!(late.access().await.until, Some(35));
        let second_failed = late.fail().await;
        late.days(second_failed, second_failed + 6 * DAY).await;
        let second: InvoiceId = {
            let mut tx = late.world.portal.db.read().await.unwrap();
            let sql = "select invoice_id from dunning_cases order by opened_at desc limit 1";
            tx.query_built(sql.to_owned()).one::<(InvoiceId,)>().await.unwrap().0
        };
        assert_ne!(first, second);
        assert_eq!(late.mails_about(&second).await, ["payment_failed", "payment_urgent"], "a schedule of its own");
        let page = late.browser.get("/payment").await.expect(StatusCode::OK);
        assert_eq!(page.body.matches("class=\"timeline\"").count(), 2);
        // The newer one is paid: the older one still restricts.
        late.pay(&second).await;
        assert_eq!(late.level().await, Level::ReadOnly);
        let letter = late.world.letter(&format!("access_restored:{second}")).await;
        assert!(letter.contains("Another payment is still missing") && !letter.contains("lifted"), "{letter}");
        late.pay(&first).await;
        assert_eq!(late.level().await, Level::Full);
        let letter = late.world.letter(&format!("access_restored:{first}")).await;
        assert!(letter.contains("The restriction is lifted"), "{letter}");
    }

    async fn a_catalogue_that_changes_meanwhile_changes_nothing_that_a_mail_has_promised(late: Late) {
        let mut late = late;
        let failed = late.fail().await;
        let invoice = late.invoice().await;
        late.world.with_catalog(|catalog| {
            catalog.dunning = Dunning { reminder: 0, urgent: 1, restrict: 2, last: 3, cancel: 4 };
        });
        late.days(failed, failed + 6 * DAY).await;
        assert_eq!(late.mails_about(&invoice).await, ["payment_failed", "payment_urgent"]);
        assert_eq!(late.level().await, Level::Full);
        late.pay(&invoice).await;
        let failed = late.fail().await;
        let invoice = late.invoice().await;
        late.days(failed, failed + 5 * DAY).await;
        assert_eq!(late.case(&invoice).await.cancels_at, Some(failed + 4 * DAY), "the next one has the new days");
        assert_eq!(late.status().await, "canceled");
    }

    async fn days_are_as_long_at_the_end_of_a_month_and_when_the_clocks_change(late: Late) {
        // Subscribed on 31 January 2027 at 23:30 UTC: renewed on 28 February, and, after the clocks went forward, in April.
        let world = &late.world;
        world.portal.run("update tenants set time_zone = 'Europe/Madrid', language = 'es'").await;
        world.travel("2027-01-31T23:30:00Z".parse().unwrap()).await;
        let (tenant, _) = world.owner_of("Sur").await;
        let (customer, subscription) = world.subscription(&tenant, "starter_month", json!({})).await;
        world.portal.run(&format!("update tenants set time_zone = 'Europe/Madrid', language = 'es' where id = '{}'", tenant.id)).await;
        world.control.card(customer.as_str(), BAD).await.unwrap();
        let renewal: Timestamp = "2027-02-28T23:30:00Z".parse().unwrap();
        let failed = renewal.as_second() + HOUR;
        for day in 0..=20 {
            world.travel(from_seconds(failed + day * DAY)).await;
        }
        world.control.card(late.customer.as_str(), BAD).await.unwrap();
        // Half past midnight UTC of 1 March is half past one there.
        let letter = world.letters(&tenant, "payment_failed").await.remove(0);
        for date in ["1 mar 2027", "8 mar 2027", "22 mar 2027"] {
            assert!(letter.contains(date), "{date}: {letter}");
        }
        let read = async |id: &str| world.read(&format!("/subscriptions/{id}")).await;
        let id = subscription["id"].as_str().unwrap().to_owned();
        assert_eq!(read(&id).await["status"], "past_due");
        let ends = failed + 21 * DAY;
        // The other one fails on 21 March: a week later it is summer time, and the week has 168 hours all the same.
        let renewal: Timestamp = "2027-03-21T05:00:00Z".parse().unwrap();
        let failed = renewal.as_second() + HOUR;
        world.travel(from_seconds(failed)).await;
        let since = format!("select opened_at from dunning_cases where tenant_id = '{}'", late.tenant.id);
        assert_eq!(world.portal.count(&since).await, failed);
        world.travel(from_seconds(ends)).await;
        assert_eq!(read(&id).await["status"], "canceled");
        world.travel(from_seconds(failed + 7 * DAY - 1)).await;
        assert_eq!(late.level().await, Level::Full);
        world.travel(from_seconds(failed + 7 * DAY)).await;
        assert_eq!(late.level().await, Level::ReadOnly, "at seven o'clock there, where it failed at six");
        let letter = world.letters(&late.tenant, "access_restricted").await.pop().unwrap();
        assert!(letter.contains("11 abr 2027"), "the end: {letter}");
    }

    async fn tenant_and_staff_see_the_same_timeline_and_every_page_says_what_is_missing(late: Late) {
        let mut late = late;
        let failed = late.fail().await;
        late.days(failed, failed + 8 * DAY).await;
        let invoice = late.invoice().await;
        let own = late.browser.get("/payment").await.expect(StatusCode::OK);
        let mut staff = late.staff().await;
        staff.get("/staff/dunning").await.expect(StatusCode::OK).shows(&[invoice.as_str()]);
        let theirs = staff.get(&format!("/staff/dunning/{invoice}")).await.expect(StatusCode::OK);
        let lines = |page: &str| {
            let course = between(page, "<ol class=\"timeline\">", "</ol>").to_owned();
            // Each sees it in a time zone of their own.
            course.split("</time>").skip(1).map(|line| line.split("</li>").next().unwrap().trim().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(lines(&own.body), lines(&theirs.body));
        assert_eq!(lines(&own.body).len(), 6, "{:?}", lines(&own.body));
        own.shows(&["A reminder by e-mail", "Access becomes read only", "unless it is paid before"]);
        for path in ["/", "/invoices", "/usage", "/plans", "/payment", "/account", "/audit"] {
            let page = late.browser.get(path).await.expect(StatusCode::OK);
            assert!(page.body.contains("Access is read only, because"), "{path}");
            assert!(page.body.contains(&format!("action=\"/invoices/{invoice}/pay\"")), "{path}");
        }
        let reader = late.world.portal.user("Sofia", &[(&late.tenant, Role::Supervisor)]).await;
        let page = late.world.portal.signed_in(&reader).await.get("/").await.expect(StatusCode::OK);
        assert!(page.body.contains("Access is read only, because") && !page.body.contains("/pay\""), "reads, and does not pay");
        page.shows(&["href=\"/payment\""]);
        let operator = late.world.portal.user("Oto", &[(&late.tenant, Role::Operator)]).await;
        late.world.portal.signed_in(&operator).await.get("/payment").await.expect(StatusCode::FORBIDDEN);
        let (_, mut other) = late.world.owner_of("Sur").await;
        other.get("/payment").await.expect(StatusCode::OK).shows(&["Nothing is missing"]);
        other.get("/staff/dunning").await.expect(StatusCode::NOT_FOUND);
    }
}

/// The steps of a case that began at 0, as time carries them out: at each look, what is done.
fn play(looks: &[i64], policy: &Dunning) -> Vec<(i64, Step)> {
    let mut steps: Vec<Planned> = dunning::plan(0, policy)
        .into_iter()
        .map(|(step, due_at)| Planned { step, due_at, state: "waiting".into(), done_at: None })
        .collect();
    let mut done = Vec::new();
    for look in looks {
        // A worker that looks goes on until nothing is due.
        while let Some(due) = due(&steps, from_seconds(*look)) {
            done.push((*look, due.step));
            for planned in &mut steps {
                if planned.step == due.step {
                    planned.state = "done".into();
                } else if due.skipped.contains(&planned.step) {
                    planned.state = "skipped".into();
                } else if let (Step::Cancel, Some(at)) = (planned.step, due.cancels_at) {
                    planned.due_at = at;
                }
            }
        }
    }
    done
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whenever_a_worker_looks_it_does_one_thing_at_most_and_never_ends_unannounced(
        mut looks in prop::collection::vec(0_i64..60 * DAY, 0..30),
    ) {
        looks.sort_unstable();
        looks.dedup();
        let policy = Dunning::default();
        let done = play(&looks, &policy);
        for (index, (at, step)) in done.iter().enumerate() {
            prop_assert!(*at >= i64::from(step.day(&policy)) * DAY, "{:?} is never early", step);
            if let Some((before, earlier)) = index.checked_sub(1).map(|index| done[index]) {
                prop_assert!(before < *at, "one thing at a look: {:?}", done);
                prop_assert!(earlier < *step, "in their order: {:?}", done);
            }
            if *step == Step::Cancel {
                let warned = done.iter().find(|(_, step)| *step == Step::Final);
                prop_assert!(warned.is_some_and(|(warned, _)| at - warned >= 6 * DAY), "{:?}", done);
            }
        }
        // Whoever looks every day does it all.
        let daily: Vec<i64> = (0..=21).map(|day| day * DAY).collect();
        prop_assert_eq!(play(&daily, &policy).len(), 5);
    }
}
