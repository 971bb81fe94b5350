//! The way out to Stripe's meters, against the sandbox: what is billed is what was counted, whatever gets lost on the way.

use billing_portal::auth::NewUser;
use billing_portal::clock::from_seconds;
use billing_portal::db::Db;
use billing_portal::money::Currency;
use billing_portal::sandbox::Config;
use billing_portal::tenants::Tenant;
use billing_portal::usage::price::{PriceRow, Tariff};
use billing_portal::usage::{Outcome, Refusal, Report, Summary, store, work};
use http::StatusCode;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::{DAY, HOUR, hard, more};
use crate::sandbox::client::{Account, int, text};
use crate::support::browser::Browser;
use crate::support::databases::FromDb;
use crate::support::portal::{BEGINNING, Portal, hash};

/// A portal and its Stripe, with a tenant whose AI tokens are billed in steps.
pub(super) struct Metered {
    pub(super) portal: Portal,
    pub(super) stripe: Account,
    pub(super) tenant: Tenant,
    subscription: String,
    metered_price: String,
    tariff: Tariff,
}

impl FromDb for Metered {
    async fn from_db(db: Db) -> Self {
        let start = BEGINNING.parse::<jiff::Timestamp>().unwrap().as_second();
        let stripe = Account::start(Config { start: Some(start), frozen: true, ..Config::default() }).await;
        let portal = Portal::with_stripe(db, stripe.url().parse().unwrap(), "http://billing.test/");
        let meter = stripe
            .post(
                "/v1/billing/meters",
                "display_name=Tokens&event_name=ai_tokens&default_aggregation[formula]=sum\
                 &customer_mapping[type]=by_id&customer_mapping[event_payload_key]=stripe_customer_id\
                 &value_settings[event_payload_key]=value",
            )
            .await;
        let tiers = "tiers[0][up_to]=1000&tiers[0][unit_amount]=0&tiers[1][up_to]=50000&tiers[1][unit_amount_decimal]=0.0125\
                     &tiers[2][up_to]=inf&tiers[2][unit_amount_decimal]=0.0071&tiers[2][flat_amount]=200";
        let metered = stripe
            .post(
                "/v1/prices",
                &format!(
                    "currency=eur&billing_scheme=tiered&tiers_mode=graduated&{tiers}&recurring[interval]=month\
                     &recurring[usage_type]=metered&recurring[meter]={}&product_data[name]=Tokens&expand[]=tiers",
                    text(&meter, "/id")
                ),
            )
            .await;
        let flat = "currency=eur&unit_amount=2900&recurring[interval]=month&product_data[name]=Plan";
        let flat = text(&stripe.post("/v1/prices", flat).await, "/id");
        let customer = stripe.customer("pm_card_visa").await;
        let metered_price = text(&metered, "/id");
        let subscription =
            stripe.subscribe(&customer, &flat, &format!("&items[1][price]={metered_price}")).await;
        let tenant = portal.tenant("Norte").await;
        let (id, period) = (tenant.id.as_str(), "/items/data/0/current_period");
        portal
            .subscribe_for(
                &tenant,
                int(&subscription, &format!("{period}_start")),
                int(&subscription, &format!("{period}_end")),
                &[("messages", hard(10))],
            )
            .await;
        portal.run(&format!("update customers set id = '{customer}' where tenant_id = '{id}'")).await;
        portal.run(&format!("update subscriptions set items = '[{{\"price\":\"{metered_price}\"}}]' where tenant_id = '{id}'")).await;
        portal
            .run(
                "insert into products (id, name, active, livemode, metric, seen_at) values ('prod_tokens', 'Tokens', true, false,\
                 'ai_tokens', 1)",
            )
            .await;
        let row = PriceRow {
            currency: "eur".into(),
            tiers_mode: Some("graduated".into()),
            tiers: Some(metered["tiers"].to_string()),
            ..PriceRow::default()
        };
        portal
            .run(&format!(
                "insert into prices (id, product_id, active, livemode, currency, recurring_interval, usage_type, tiers_mode, tiers,\
                 seen_at) values ('{metered_price}', 'prod_tokens', true, false, 'eur', 'month', 'metered', 'graduated', '{}', 1)",
                metered["tiers"]
            ))
            .await;
        let tariff = Tariff::of(&row, Currency::EUR).unwrap();
        let subscription = text(&subscription, "/id");
        Self { portal, stripe, tenant, subscription, metered_price, tariff }
    }
}

impl Metered {
    /// Lets time pass for both.
    pub(super) async fn pass(&self, seconds: i64) {
        self.portal.clock.pass(seconds);
        self.stripe.pass(seconds).await;
    }

    pub(super) async fn step(&self) -> usize {
        work::step(&self.portal.db, &self.portal.app.stripe, &self.portal.clock).await.unwrap()
    }

    /// Sends until Stripe has everything.
    pub(super) async fn flush(&self) {
        for _ in 0..50 {
            while self.step().await > 0 {}
            if self.waiting().await == 0 {
                return;
            }
            self.pass(60).await;
        }
        panic!("something stays unsent");
    }

    async fn waiting(&self) -> i64 {
        self.portal.count("select count(*) from usage_outbox where sent < quantity").await
    }

    pub(super) async fn use_tokens(&self, quantity: i64, key: String) {
        self.portal.report(&self.tenant.id, vec![more("ai_tokens", quantity, key)]).await;
    }

    /// Units and amount that Stripe bills for the period that is over.
    async fn billed(&self) -> (i64, i64) {
        let invoices =
            self.stripe.get(&format!("/v1/invoices?subscription={}&limit=100", self.subscription)).await;
        let cycle = invoices["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|invoice| invoice["billing_reason"] == "subscription_cycle");
        let lines = cycle.expect("an invoice of the period")["lines"]["data"].as_array().unwrap().clone();
        let metered = lines
            .iter()
            .filter(|line| line["pricing"]["price_details"]["price"] == self.metered_price.as_str());
        metered.fold((0, 0), |(units, amount), line| {
            (units + int(line, "/quantity"), amount + int(line, "/amount"))
        })
    }

    /// The daily look, by a worker.
    pub(super) async fn daily(&self) -> Result<usize, work::Error> {
        let app = &self.portal.app;
        work::daily(&self.portal.db, &app.stripe, &app.catalog, &self.portal.clock, "a worker").await
    }

    /// Takes over what Stripe's subscription has become.
    async fn renew(&self) {
        let now = self.stripe.subscription(&self.subscription).await;
        let period = "/items/data/0/current_period";
        let (start, end) = (int(&now, &format!("{period}_start")), int(&now, &format!("{period}_end")));
        self.portal
            .run(&format!(
                "update subscriptions set status = '{}', current_period_start = {start}, current_period_end = {end}",
                text(&now, "/status")
            ))
            .await;
    }

    /// A browser of somebody of the staff.
    pub(super) async fn staff(&self) -> Browser {
        let staff = NewUser::new("sam@portal.example".parse().unwrap(), "Sam").unwrap();
        let staff = self.portal.create(staff.password_hash(hash().await).staff(true), &[]).await;
        self.portal.signed_in(&staff).await
    }

    /// Where the tenant stands with its tokens: used, cost so far, expected cost.
    async fn tokens(&self) -> (i64, i64, Option<i64>) {
        let (portal, mut tx) = (&self.portal, self.portal.db.read().await.unwrap());
        let now = portal.clock.now();
        let summary =
            store::summary(&mut tx, &self.tenant.id, &portal.app.catalog, now).await.unwrap().unwrap();
        let tokens = summary.metric("ai_tokens").unwrap();
        let expected = tokens.projected_cost.map(|[expected, _, _]| expected.minor);
        (tokens.standing.used, tokens.overage_cost.unwrap().minor, expected)
    }

    pub(super) async fn fault(&self, fault: Value) {
        self.stripe.control("faults", fault).await;
    }
}

both_databases! {
    async fn what_stripe_bills_is_what_was_counted_whatever_gets_lost(metered: Metered) {
        let mut runner = TestRunner::deterministic();
        let uses = prop::collection::vec((1..20_000_i64, 1..40_000_i64, 0..5_u8), 30..31);
        let uses = uses.new_tree(&mut runner).unwrap().current();
        let (mut sum, mut passed) = (0, 0);
        for (number, (quantity, wait, luck)) in uses.into_iter().enumerate() {
            metered.use_tokens(quantity, format!("{number}")).await;
            sum += quantity;
            match luck {
                // The answer is lost, the report is not.
                0 => metered.fault(json!({ "path": "/v1/billing/meter_events", "method": "post", "cut": true, "after": true })).await,
                1 => metered.fault(json!({ "path": "/v1/billing/meter_events", "method": "post", "status": 500 })).await,
                _ => {}
            }
            metered.step().await;
            metered.pass(wait).await;
            passed += wait;
        }
        assert!(passed < 28 * DAY);
        metered.flush().await;
        assert_eq!(metered.portal.used(&metered.tenant.id, "ai_tokens").await, sum);
        metered.portal.assert_balanced().await;
        metered.pass(2 * HOUR).await;
        passed += 2 * HOUR;

        let (portal, stripe) = (&metered.portal, &metered.portal.app.stripe);
        assert_eq!(work::compare(&portal.db, stripe, portal.clock.now()).await.unwrap(), 1);
        assert_eq!(portal.count("select theirs from usage_comparisons").await, sum);
        assert_eq!(portal.count("select count(*) from usage_comparisons where ours <> theirs").await, 0);

        metered.pass(32 * DAY - passed).await;
        assert_eq!(metered.billed().await, (sum, metered.tariff.cost(sum).unwrap().minor));
    }

    async fn a_crash_between_sending_and_noting_it_sends_the_same_part_again(metered: Metered) {
        metered.use_tokens(500, "a".into()).await;
        metered.pass(60).await;
        assert_eq!(metered.step().await, 1);
        // As if the process had died before it noted the answer; more came in meanwhile, and Stripe forgot the request's key.
        metered.use_tokens(70, "b".into()).await;
        metered.portal.run("update usage_outbox set sent = 0, state = 'waiting', due_at = 0").await;
        assert_eq!(metered.step().await, 1);
        metered.flush().await;
        let events = metered.portal.count("select part from usage_outbox").await;
        assert_eq!(events, 2);
        let (portal, stripe) = (&metered.portal, &metered.portal.app.stripe);
        metered.pass(2 * HOUR).await;
        work::compare(&portal.db, stripe, portal.clock.now()).await.unwrap();
        assert_eq!(portal.count("select theirs from usage_comparisons").await, 570);
    }

    async fn what_is_refused_for_good_waits_for_staff_who_try_it_again(metered: Metered) {
        let portal = &metered.portal;
        metered.use_tokens(500, "a".into()).await;
        metered.pass(60).await;
        metered.fault(json!({ "path": "/v1/billing/meter_events", "method": "post", "status": 400 })).await;
        metered.step().await;
        assert_eq!(portal.count("select count(*) from usage_outbox where state = 'parked'").await, 1);
        let mut browser = metered.staff().await;
        browser.get("/staff/usage").await.expect(StatusCode::OK).shows(&["Norte", "ai_tokens", "Stripe refused: 400", "(1 try)"]);
        let window = portal.count("select window_start from usage_outbox").await.to_string();
        let form = [("tenant", metered.tenant.id.as_str()), ("metric", "ai_tokens"), ("window", window.as_str())];
        let answer = browser.post("/staff/usage/retry", &form).await;
        browser.follow(&answer).await.shows(&["It will be tried again at once.", "has been reported, or is on its way"]);
        browser.post("/staff/usage/retry", &form).await.expect(StatusCode::NOT_FOUND);
        metered.flush().await;
        assert_eq!(portal.count("select count(*) from audit_entries where action = 'usage.report_retried'").await, 1);
        // Staff pages are for staff.
        let ana = portal.user("Ana", &[(&metered.tenant, billing_portal::auth::Role::Owner)]).await;
        portal.signed_in(&ana).await.get("/staff/usage").await.expect(StatusCode::NOT_FOUND);
    }

    async fn a_meter_that_differs_is_told(metered: Metered) {
        let portal = &metered.portal;
        metered.use_tokens(500, "a".into()).await;
        metered.pass(60).await;
        metered.flush().await;
        metered.pass(2 * HOUR).await;
        portal.run("update usage_outbox set quantity = 600, claimed = 600, sent = 600").await;
        let daily = async || metered.daily().await.unwrap();
        assert_eq!((daily().await, daily().await), (1, 0), "once a day");
        metered.staff().await.get("/staff/usage").await.shows(&["<td class=\"num\">600</td>", "<td class=\"num\">500</td>"]);
    }

    async fn a_refusal_about_the_name_is_no_proof_that_stripe_has_it(metered: Metered) {
        let portal = &metered.portal;
        let refusals = [
            json!({ "param": "identifier", "code": "parameter_invalid_string_max_length" }),
            json!({ "param": "identifier", "message": "The identifier is invalid." }),
        ];
        for (number, error) in refusals.into_iter().enumerate() {
            metered.use_tokens(500, format!("{number}")).await;
            metered.pass(60).await;
            metered.fault(json!({ "path": "/v1/billing/meter_events", "method": "post", "status": 400, "error": error })).await;
            assert_eq!(metered.step().await, 1);
            assert_eq!(portal.count("select count(*) from usage_outbox where state = 'parked' and sent < quantity").await, 1);
            portal.run("update usage_outbox set state = 'waiting', due_at = 0").await;
            metered.flush().await;
        }
        metered.pass(2 * HOUR).await;
        work::compare(&portal.db, &portal.app.stripe, portal.clock.now()).await.unwrap();
        assert_eq!(portal.count("select theirs from usage_comparisons").await, 1_000);
    }

    async fn what_is_used_in_the_last_minute_and_told_while_the_invoice_is_a_draft_is_billed_with_its_period(metered: Metered) {
        metered.use_tokens(2_000, "early".into()).await;
        metered.flush().await;
        let subscription = metered.stripe.subscription(&metered.subscription).await;
        let end = int(&subscription, "/items/data/0/current_period_end");
        metered.pass(end - 20 - metered.portal.clock.now().as_second()).await;
        metered.use_tokens(3_000, "last minute".into()).await;
        assert_eq!(metered.step().await, 0, "it gathers");
        metered.pass(60).await;
        metered.renew().await;
        // Of the new period, and late of the old one.
        metered.use_tokens(700, "new".into()).await;
        let late = Report { occurred_at: Some(from_seconds(end - 30)), ..more("ai_tokens", 40, "late") };
        metered.portal.report(&metered.tenant.id, vec![late]).await;
        metered.flush().await;
        metered.pass(2 * HOUR).await;
        let first = 5_040;
        assert_eq!(metered.billed().await, (first, metered.tariff.cost(first).unwrap().minor));
        // Each of the two periods is right, on both sides.
        let (portal, stripe) = (&metered.portal, &metered.portal.app.stripe);
        assert_eq!(work::compare(&portal.db, stripe, portal.clock.now()).await.unwrap(), 2);
        for side in ["ours", "theirs"] {
            let mut tx = portal.db.read().await.unwrap();
            let sql = format!("select {side} from usage_comparisons order by period_start");
            assert_eq!(tx.query_built(sql).all::<(i64,)>().await.unwrap(), [(first,), (700,)], "{side}");
        }
    }

    async fn the_last_period_of_a_subscription_that_was_cancelled_at_once_reaches_stripe_and_is_compared(metered: Metered) {
        let portal = &metered.portal;
        metered.use_tokens(2_000, "sent".into()).await;
        metered.flush().await;
        metered.use_tokens(300, "unsent".into()).await;
        metered.pass(HOUR).await;
        let ended = portal.clock.now().as_second();
        metered.stripe.delete(&format!("/v1/subscriptions/{}", metered.subscription)).await;
        portal.run(&format!("update subscriptions set status = 'canceled', ended_at = {ended}")).await;
        metered.pass(HOUR).await;
        // After the end, of before it: by the plan of then.
        let late = Report { occurred_at: Some(from_seconds(ended - 60)), ..more("ai_tokens", 50, "late") };
        let answers = portal.report(&metered.tenant.id, vec![late, more("ai_tokens", 1, "free")]).await;
        assert_eq!(answers[0].outcome, Outcome::Recorded);
        assert_eq!(answers[1].outcome, Outcome::Refused(Refusal::NotInPlan));
        metered.flush().await;
        metered.pass(3 * HOUR).await;
        let compare = async || work::compare(&portal.db, &portal.app.stripe, portal.clock.now()).await.unwrap();
        assert_eq!(compare().await, 1);
        assert_eq!(portal.count("select theirs from usage_comparisons where ours = theirs").await, 2_350);
        portal
            .run("update usage_outbox set sent = sent + 9, claimed = claimed + 9, quantity = quantity + 9 \
                  where window_start = (select min(window_start) from usage_outbox)")
            .await;
        compare().await;
        assert_eq!(portal.count("select ours - theirs from usage_comparisons").await, 9);
    }

    async fn what_is_used_in_a_trial_costs_what_stripe_bills_for_it_nothing(metered: Metered) {
        let end = metered.portal.clock.now().as_second() + 5 * DAY;
        metered.stripe.post(&format!("/v1/subscriptions/{}", metered.subscription), &format!("trial_end={end}&proration_behavior=none")).await;
        metered.renew().await;
        for day in 0..4 {
            metered.use_tokens(60_000, format!("{day}")).await;
            metered.flush().await;
            metered.pass(DAY).await;
        }
        let (used, cost, expected) = metered.tokens().await;
        assert_eq!((used, cost), (240_000, 0));
        assert!(expected.is_none_or(|expected| expected == 0), "{expected:?}");
        metered.pass(3 * DAY).await;
        assert_eq!(metered.billed().await, (0, cost));
        // And as soon as it is over, what is used has its price.
        metered.renew().await;
        metered.use_tokens(60_000, "paid".into()).await;
        assert_eq!(metered.tokens().await.1, metered.tariff.cost(60_000).unwrap().minor);
    }

    async fn the_months_of_a_year_are_priced_as_they_are_billed_together(metered: Metered) {
        let portal = &metered.portal;
        let start = portal.clock.now().as_second();
        portal
            .run(&format!("update subscriptions set started_at = {start}, current_period_start = {start}, current_period_end = {}", start + 365 * DAY))
            .await;
        let mut costs = 0;
        let mut sum = 0;
        // Three months, each with use; what they cost one by one is what their sum costs.
        for (days, quantity) in [(25, 900), (45, 30_000), (65, 45_000)] {
            let then = from_seconds(start + days * DAY);
            portal.clock.travel_to(then);
            metered.use_tokens(quantity, format!("{days}")).await;
            let (used, cost, _) = metered.tokens().await;
            assert_eq!(used, quantity, "a month begins at zero");
            (sum, costs) = (sum + quantity, costs + cost);
            assert_eq!(costs, metered.tariff.cost(sum).unwrap().minor);
        }
        let mut tx = portal.db.read().await.unwrap();
        let (tenant, catalog, now) = (&metered.tenant.id, &portal.app.catalog, portal.clock.now());
        let page = store::periods(&mut tx, tenant, catalog, "ai_tokens", now, now).await.unwrap().unwrap();
        let summary = store::summary(&mut tx, tenant, catalog, now).await.unwrap().unwrap();
        let cost = |summary: &Summary| summary.metric("ai_tokens").unwrap().overage_cost;
        assert_eq!(cost(&page.summary), cost(&summary));
    }
}

#[tokio::test]
async fn use_that_is_too_old_is_parked_and_never_sent() {
    let (db, _folder) = crate::support::databases::fresh_sqlite().await;
    let metered = Metered::from_db(db).await;
    metered.use_tokens(5, "a".into()).await;
    metered.portal.clock.pass(36 * DAY);
    metered.step().await;
    let parked =
        "select count(*) from usage_outbox where state = 'parked' and sent = 0 and error like '%35 days%'";
    assert_eq!(metered.portal.count(parked).await, 1);
}
