//! The way out to Stripe's meters, against the sandbox: what is billed is what was counted, whatever gets lost on the way.

use billing_portal::auth::NewUser;
use billing_portal::db::Db;
use billing_portal::money::Currency;
use billing_portal::sandbox::Config;
use billing_portal::tenants::Tenant;
use billing_portal::usage::price::{PriceRow, Tariff};
use billing_portal::usage::work;
use http::StatusCode;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::{DAY, hard, more};
use crate::sandbox::client::{Account, int, text};
use crate::support::databases::FromDb;
use crate::support::portal::{BEGINNING, Portal, hash};

/// A portal and its Stripe, with a tenant whose AI tokens are billed in steps.
struct Metered {
    portal: Portal,
    stripe: Account,
    tenant: Tenant,
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
    async fn pass(&self, seconds: i64) {
        self.portal.clock.pass(seconds);
        self.stripe.pass(seconds).await;
    }

    async fn step(&self) -> usize {
        work::step(&self.portal.db, &self.portal.app.stripe, &self.portal.clock).await.unwrap()
    }

    /// Sends until Stripe has everything.
    async fn flush(&self) {
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

    async fn use_tokens(&self, quantity: i64, key: String) {
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

    async fn fault(&self, fault: Value) {
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
        metered.pass(60).await;
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
        let staff = NewUser::new("sam@portal.example".parse().unwrap(), "Sam").unwrap();
        let staff = portal.create(staff.password_hash(hash().await).staff(true), &[]).await;
        let mut browser = portal.signed_in(&staff).await;
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

    async fn stripes_error_reports_are_taken_in_and_shown(metered: Metered) {
        let portal = &metered.portal;
        // A customer that Stripe does not know: reported, taken, and complained about afterwards.
        portal.run("update customers set id = 'cus_nobody'").await;
        metered.use_tokens(5, "a".into()).await;
        metered.pass(60).await;
        metered.step().await;
        let events = metered.stripe.get("/v1/events?type=v1.billing.meter.error_report_triggered").await;
        let event = &events["data"][0];
        let now = portal.clock.now().as_second();
        portal
            .run(&format!(
                "insert into webhook_events (id, type, livemode, created_at, payload, payload_hash, state, due_at, received_at)\
                 values ('{}', 'v1.billing.meter.error_report_triggered', false, {now}, '{}', 'x', 'done', {now}, {now})",
                text(event, "/id"),
                event.to_string().replace('\'', "''")
            ))
            .await;
        assert_eq!((metered.step().await, metered.step().await), (1, 0));
        let staff = NewUser::new("sam@portal.example".parse().unwrap(), "Sam").unwrap();
        let staff = portal.create(staff.password_hash(hash().await).staff(true), &[]).await;
        portal
            .signed_in(&staff)
            .await
            .get("/staff/usage")
            .await
            .expect(StatusCode::OK)
            .shows(&["1 report could not be counted", "meter_event_customer_not_found", "cus_nobody"]);
    }

    async fn a_meter_that_differs_is_told(metered: Metered) {
        let portal = &metered.portal;
        metered.use_tokens(500, "a".into()).await;
        metered.pass(60).await;
        metered.flush().await;
        metered.pass(60).await;
        portal.run("update usage_outbox set quantity = 600, claimed = 600, sent = 600").await;
        let holder = "a worker";
        let daily = async || work::daily(&portal.db, &portal.app.stripe, &portal.clock, holder).await.unwrap();
        assert_eq!((daily().await, daily().await), (1, 0), "once a day");
        let staff = NewUser::new("sam@portal.example".parse().unwrap(), "Sam").unwrap();
        let staff = portal.create(staff.password_hash(hash().await).staff(true), &[]).await;
        portal.signed_in(&staff).await.get("/staff/usage").await.shows(&["<td class=\"num\">600</td>", "<td class=\"num\">500</td>"]);
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
