//! What a change credits and costs: examples that can be checked by hand, and what must hold for any.

use billing_portal::sandbox::Config;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::client::{Account, DAY, START, amounts, int, text};

/// A preview of a change of the first item.
async fn preview(account: &Account, sub: &Value, price: &str, more: &str) -> Value {
    let form = format!(
        "subscription={}&subscription_details[items][0][id]={}&subscription_details[items][0][price]={price}{more}",
        text(sub, "/id"),
        text(sub, "/items/data/0/id"),
    );
    account.post("/v1/invoices/create_preview", &form).await
}

async fn change(account: &Account, sub: &Value, price: &str, more: &str) -> Value {
    let form = format!("items[0][id]={}&items[0][price]={price}{more}", text(sub, "/items/data/0/id"));
    account.post(&format!("/v1/subscriptions/{}", text(sub, "/id")), &form).await
}

/// <https://docs.stripe.com/billing/subscriptions/prorations>, "How prorations work": a plan of 10 a month becomes one of 20 halfway
/// through the period. Unused time on the one is a credit of 5, remaining time on the other a charge of 10; the next invoice is
/// 20 and those: 25.
#[tokio::test]
async fn an_upgrade_halfway_through_costs_the_difference_for_half_a_month() {
    let account = Account::open().await;
    let (ten, twenty) =
        (account.price("Ten", 1000, "month").await, account.price("Twenty", 2000, "month").await);
    let customer = account.customer("pm_card_visa").await;
    let sub = account.subscribe(&customer, &ten, "").await;
    // November has thirty days.
    account.pass(15 * DAY).await;
    let shown = preview(&account, &sub, &twenty, "").await;
    assert_eq!((amounts(&shown), int(&shown, "/total")), (vec![-500, 1000, 2000], 2500));
    assert_eq!(text(&shown, "/lines/data/0/description"), "Unused time on Ten after 16 Nov 2026");
    assert_eq!(text(&shown, "/lines/data/1/description"), "Remaining time on Twenty after 16 Nov 2026");
    change(&account, &sub, &twenty, "").await;
    account.pass(15 * DAY).await;
    let invoice = account.latest_invoice(&text(&sub, "/id")).await;
    assert_eq!((amounts(&invoice), int(&invoice, "/total")), (vec![-500, 1000, 2000], 2500));
    assert_eq!(text(&invoice, "/billing_reason"), "subscription_cycle");
}

/// The same downwards: the credit is more than the charge, and the next invoice is that much less.
#[tokio::test]
async fn a_downgrade_halfway_through_makes_the_next_invoice_smaller() {
    let account = Account::open().await;
    let (ten, twenty) =
        (account.price("Ten", 1000, "month").await, account.price("Twenty", 2000, "month").await);
    let sub = account.subscribe(&account.customer("pm_card_visa").await, &twenty, "").await;
    account.pass(15 * DAY).await;
    change(&account, &sub, &ten, "").await;
    account.pass(15 * DAY).await;
    let invoice = account.latest_invoice(&text(&sub, "/id")).await;
    assert_eq!((amounts(&invoice), int(&invoice, "/total")), (vec![-1000, 500, 1000], 500));
}

/// Quantities, by the second: 3 seats of 9.99 become 5 after a third of thirty days. 29.97 x 2/3 = 19.98 are credited,
/// 49.95 x 2/3 = 33.30 charged.
#[tokio::test]
async fn seats_added_are_charged_for_the_rest_of_the_period_at_once_when_asked() {
    let account = Account::open().await;
    let seat = account.price("Seat", 999, "month").await;
    let sub =
        account.subscribe(&account.customer("pm_card_visa").await, &seat, "&items[0][quantity]=3").await;
    account.pass(10 * DAY).await;
    let more = "&items[0][quantity]=5&proration_behavior=always_invoice&expand[]=latest_invoice";
    let changed = change(&account, &sub, &seat, more).await;
    let invoice = &changed["latest_invoice"];
    assert_eq!((amounts(invoice), int(invoice, "/amount_paid")), (vec![-1998, 3330], 1332));
    assert_eq!(text(invoice, "/billing_reason"), "subscription_update");
    assert_eq!(text(invoice, "/status"), "paid");
}

/// The same page, "Preview a proration", to the second: 1,000 a month from 6 August 2020, 21:28:08 UTC, becomes 3,252 as of
/// 1 September, 17:42:28. The credit is 166, the charge 541, and with the period to come the next invoice is 3,627.
#[tokio::test]
async fn stripe_s_own_preview_of_an_upgrade_is_ours_to_the_cent() {
    let (from, to, upgrade) = (1_596_749_288, 1_599_427_688, 1_598_982_148);
    let config = Config { start: Some(from), frozen: true, ..Config::default() };
    let account = Account::start(config).await;
    let (silver, gold) =
        (account.price("Silver plan", 1000, "month").await, account.price("Gold plan", 3252, "month").await);
    let sub = account.subscribe(&account.customer("pm_card_visa").await, &silver, "").await;
    assert_eq!(int(&sub, "/items/data/0/current_period_end"), to);
    account.control("clock/advance", json!({ "to": upgrade + 600 })).await;
    let shown =
        preview(&account, &sub, &gold, &format!("&subscription_details[proration_date]={upgrade}")).await;
    assert_eq!(
        (amounts(&shown), int(&shown, "/subtotal"), int(&shown, "/total")),
        (vec![-166, 541, 3252], 3627, 3627)
    );
    let descriptions: Vec<String> =
        (0..2).map(|line| text(&shown, &format!("/lines/data/{line}/description"))).collect();
    assert_eq!(
        descriptions,
        ["Unused time on Silver plan after 1 Sep 2020", "Remaining time on Gold plan after 1 Sep 2020"]
    );
    for line in 0..3 {
        let proration = line < 2;
        assert_eq!(shown["lines"]["data"][line]["discountable"], !proration, "line {line}");
    }
    assert_eq!((int(&shown, "/period_start"), int(&shown, "/period_end")), (from, to));
}

/// The same page, "Calculation logic with no prorations", flexible mode: 10 a month becomes 20 on the 11th without proration,
/// and 10 again on the 21st. Credited is what was debited on the 1st, a third of 10, and not of the 20 that nobody paid.
#[tokio::test]
async fn a_credit_is_of_what_was_debited_and_not_of_the_price_of_the_moment() {
    let account = Account::open().await;
    let (ten, twenty) =
        (account.price("Ten", 1000, "month").await, account.price("Twenty", 2000, "month").await);
    let sub = account.subscribe(&account.customer("pm_card_visa").await, &ten, "").await;
    account.pass(10 * DAY).await;
    change(&account, &sub, &twenty, "&proration_behavior=none").await;
    account.pass(10 * DAY).await;
    let changed =
        change(&account, &sub, &ten, "&proration_behavior=always_invoice&expand[]=latest_invoice").await;
    let invoice = &changed["latest_invoice"];
    assert_eq!((amounts(invoice), int(invoice, "/total")), (vec![-333, 333], 0));
}

/// The same page, "Calculation logic for coupons applied to multiple subscription items", flexible mode: 5 off 10 and 20 are 1.66
/// and 3.34; the item of 10, gone halfway, gives back half of 8.34: 4.17.
#[tokio::test]
async fn a_fixed_discount_is_credited_in_proportion() {
    let account = Account::open().await;
    account.post("/v1/coupons", "id=FIVE&amount_off=500&currency=usd&duration=once").await;
    let (ten, twenty) =
        (account.price("Ten", 1000, "month").await, account.price("Twenty", 2000, "month").await);
    let more = format!("&items[1][price]={twenty}&discounts[0][coupon]=FIVE");
    let sub = account.subscribe(&account.customer("pm_card_visa").await, &ten, &more).await;
    let first = account.latest_invoice(&text(&sub, "/id")).await;
    let off = |line: usize| int(&first, &format!("/lines/data/{line}/discount_amounts/0/amount"));
    assert_eq!((int(&first, "/total"), off(0), off(1)), (2500, 166, 334));
    account.pass(15 * DAY).await;
    let gone = format!("items[0][id]={}&items[0][deleted]=true", text(&sub, "/items/data/0/id"));
    account.post(&format!("/v1/subscriptions/{}", text(&sub, "/id")), &gone).await;
    let waiting = account.get("/v1/invoiceitems?pending=true").await;
    assert_eq!(int(&waiting, "/data/0/amount"), -417);
}

/// <https://docs.stripe.com/billing/subscriptions/billing-mode/compare>, "Credit proration calculations": a credit gives back what was
/// debited, whatever the tax is since. 10 with 21 % in Spain; the customer moves to Germany, 19 %, and upgrades halfway.
#[tokio::test]
async fn a_credit_gives_back_the_tax_that_was_charged() {
    let account = Account::open().await;
    let (ten, twenty) =
        (account.price("Ten", 1000, "month").await, account.price("Twenty", 2000, "month").await);
    let customer = account.customer("pm_card_visa").await;
    account.post(&format!("/v1/customers/{customer}"), "address[country]=ES").await;
    let sub = account.subscribe(&customer, &ten, "&automatic_tax[enabled]=true").await;
    account.post(&format!("/v1/customers/{customer}"), "address[country]=DE").await;
    account.pass(15 * DAY).await;
    let more = "&proration_behavior=always_invoice&expand[]=latest_invoice";
    let changed = change(&account, &sub, &twenty, more).await;
    let invoice = &changed["latest_invoice"];
    let tax = |line: usize| int(invoice, &format!("/lines/data/{line}/taxes/0/amount"));
    assert_eq!((amounts(invoice), tax(0), tax(1)), (vec![-500, 1000], -105, 190));
    assert_eq!(int(invoice, "/total"), 500 - 105 + 190);
    // What is credited next is what Germany was charged.
    let fewer = change(&account, &sub, &ten, more).await;
    let invoice = &fewer["latest_invoice"];
    let tax = |line: usize| int(invoice, &format!("/lines/data/{line}/taxes/0/amount"));
    assert_eq!((amounts(invoice), tax(0), tax(1)), (vec![-1000, 500], -190, 95));
}

/// The prorations page, "Prorations and discounts": they are in the amount; no discount of the invoice touches a proration.
/// <https://docs.stripe.com/changelog/clover/2025-09-30/itemize-proration-discount-amounts>: named all the same, at nothing.
#[tokio::test]
async fn the_remaining_time_is_charged_with_the_discounts_in_its_amount() {
    let account = Account::open().await;
    account.post("/v1/coupons", "id=TENTH&percent_off=10&duration=forever").await;
    account.post("/v1/coupons", "id=FIVE&amount_off=500&currency=usd&duration=forever").await;
    let (ten, twenty) =
        (account.price("Ten", 1000, "month").await, account.price("Twenty", 2000, "month").await);
    for (coupon, expected) in [("TENTH", vec![-450, 900]), ("FIVE", vec![-250, 750])] {
        let customer = account.customer("pm_card_visa").await;
        let sub = account.subscribe(&customer, &ten, &format!("&discounts[0][coupon]={coupon}")).await;
        assert_eq!(text(&sub, "/billing_mode/flexible/proration_discounts"), "included");
        account.pass(15 * DAY).await;
        let at = int(&sub, "/items/data/0/current_period_start") + 15 * DAY;
        let more = format!("&proration_behavior=always_invoice&expand[]=latest_invoice&proration_date={at}");
        let changed = change(&account, &sub, &twenty, &more).await;
        let invoice = &changed["latest_invoice"];
        let whole =
            int(&sub, "/items/data/0/current_period_end") - int(&sub, "/items/data/0/current_period_start");
        if whole == 30 * DAY {
            assert_eq!(amounts(invoice), expected, "{coupon}");
        }
        assert_eq!(int(invoice, "/total"), amounts(invoice).iter().sum::<i64>());
        for line in 0..2 {
            let line = &invoice["lines"]["data"][line];
            assert_eq!((int(line, "/discount_amounts/0/amount"), &line["discountable"]), (0, &json!(false)));
        }
    }
    let form = "customer=cus_1&items[0][price]=price_1&billing_mode[type]=flexible&billing_mode[flexible][proration_discounts]=itemized";
    account
        .refused(
            400,
            "POST",
            "/v1/subscriptions",
            &form.replace("cus_1", &account.customer("pm_card_visa").await),
        )
        .await;
}

/// The comparison of billing modes, "Bill usage-based items based on price at time of reporting": 1,000 calls at 0.10 a hundred,
/// the price rises, 500 calls at 0.15 a hundred: 1.75.
#[tokio::test]
async fn usage_is_billed_at_the_price_that_held_when_it_was_reported() {
    let account = Account::open().await;
    let form = "display_name=Calls&event_name=calls&default_aggregation[formula]=sum";
    let meter = text(&account.post("/v1/billing/meters", form).await, "/id");
    let price = async |decimal: &str| {
        let form = format!(
            "currency=usd&product_data[name]=Calls&recurring[interval]=month&recurring[usage_type]=metered\
             &recurring[meter]={meter}&unit_amount_decimal={decimal}"
        );
        text(&account.post("/v1/prices", &form).await, "/id")
    };
    let (before, after) = (price("0.1").await, price("0.15").await);
    let customer = account.customer("pm_card_visa").await;
    let sub = account.subscribe(&customer, &before, "").await;
    let report = async |value: i64, day: i64| {
        let at = START + day * DAY;
        account.control("clock/advance", json!({ "to": at })).await;
        let form = format!(
            "event_name=calls&payload[stripe_customer_id]={customer}&payload[value]={value}&timestamp={at}"
        );
        account.post("/v1/billing/meter_events", &form).await;
    };
    report(1000, 4).await;
    account.control("clock/advance", json!({ "to": START + 14 * DAY })).await;
    change(&account, &sub, &after, "").await;
    report(500, 19).await;
    account.control("clock/advance", json!({ "to": START + 30 * DAY + 3600 })).await;
    let invoice = account.latest_invoice(&text(&sub, "/id")).await;
    assert_eq!((amounts(&invoice), int(&invoice, "/total")), (vec![100, 75], 175));
}

#[tokio::test]
async fn a_change_without_proration_costs_nothing_until_the_renewal() {
    let account = Account::open().await;
    let (ten, twenty) =
        (account.price("Ten", 1000, "month").await, account.price("Twenty", 2000, "month").await);
    let sub = account.subscribe(&account.customer("pm_card_visa").await, &ten, "").await;
    account.pass(15 * DAY).await;
    change(&account, &sub, &twenty, "&proration_behavior=none").await;
    account.pass(15 * DAY).await;
    assert_eq!(amounts(&account.latest_invoice(&text(&sub, "/id")).await), vec![2000]);
}

#[tokio::test]
async fn another_interval_starts_a_period_and_is_charged_at_once() {
    let account = Account::open().await;
    let (month, year) =
        (account.price("Plan", 1000, "month").await, account.price("Plan", 10_000, "year").await);
    let sub = account.subscribe(&account.customer("pm_card_visa").await, &month, "").await;
    account.pass(15 * DAY).await;
    let changed = change(&account, &sub, &year, "&expand[]=latest_invoice").await;
    assert_eq!(amounts(&changed["latest_invoice"]), vec![-500, 10_000]);
    assert_eq!(int(&changed, "/billing_cycle_anchor"), START + 15 * DAY);
    assert_eq!(int(&changed, "/items/data/0/current_period_start"), START + 15 * DAY);
    assert_eq!(int(&changed, "/items/data/0/current_period_end"), START + (15 + 365) * DAY);
}

#[tokio::test]
async fn what_was_paid_with_a_coupon_is_not_credited_in_full() {
    let account = Account::open().await;
    account.post("/v1/coupons", "id=HALF&percent_off=50&duration=once").await;
    let (ten, twenty) =
        (account.price("Ten", 1000, "month").await, account.price("Twenty", 2000, "month").await);
    let sub =
        account.subscribe(&account.customer("pm_card_visa").await, &ten, "&discounts[0][coupon]=HALF").await;
    assert_eq!(int(&account.latest_invoice(&text(&sub, "/id")).await, "/total"), 500);
    account.pass(15 * DAY).await;
    let shown =
        preview(&account, &sub, &twenty, "&subscription_details[proration_behavior]=always_invoice").await;
    assert_eq!(amounts(&shown), vec![-250, 1000], "half of the five that were paid");
}

#[tokio::test]
async fn more_credit_than_charge_stays_with_the_customer() {
    let account = Account::open().await;
    let (ten, fifty) =
        (account.price("Ten", 1000, "month").await, account.price("Fifty", 5000, "month").await);
    let customer = account.customer("pm_card_visa").await;
    let sub = account.subscribe(&customer, &fifty, "").await;
    account.pass(15 * DAY).await;
    let changed =
        change(&account, &sub, &ten, "&proration_behavior=always_invoice&expand[]=latest_invoice").await;
    let invoice = &changed["latest_invoice"];
    assert_eq!(
        (int(invoice, "/total"), int(invoice, "/amount_due"), int(invoice, "/ending_balance")),
        (-2000, 0, -2000)
    );
    assert_eq!(int(&account.get(&format!("/v1/customers/{customer}")).await, "/balance"), -2000);
    account.pass(15 * DAY + 3600).await;
    let renewed = account.latest_invoice(&text(&sub, "/id")).await;
    assert_eq!((int(&renewed, "/total"), int(&renewed, "/amount_due")), (1000, 0));
    assert_eq!(int(&account.get(&format!("/v1/customers/{customer}")).await, "/balance"), -1000);
}

/// A price of a case: amount, yearly or monthly.
type Side = (i64, bool, i64);

/// A way to change a plan, twice.
#[derive(Debug, Clone)]
struct Case {
    currency: &'static str,
    /// Amount, whether by the year, quantity: before, after, after that.
    sides: [Side; 3],
    /// The moments of the changes, in thousandths of the period that they happen in.
    moments: [i64; 2],
    /// Whether a period has passed before the first.
    later: bool,
    coupon: Option<Coupon>,
    taxed: bool,
    at_once: [bool; 2],
}

#[derive(Debug, Clone, Copy)]
enum Coupon {
    Percent(i64, &'static str),
    Amount(i64, &'static str),
}

fn cases() -> impl Strategy<Value = Case> {
    let side = || (1_i64..200_000, any::<bool>(), 1_i64..40);
    let currency = prop_oneof![Just("usd"), Just("jpy"), Just("kwd")];
    let duration = || prop_oneof![Just("once"), Just("forever"), Just("repeating&duration_in_months=1")];
    let coupon = prop_oneof![
        (1_i64..=100, duration()).prop_map(|(percent, duration)| Coupon::Percent(percent, duration)),
        (1_i64..300_000, duration()).prop_map(|(amount, duration)| Coupon::Amount(amount, duration)),
    ];
    let times = ([1_i64..990, 1_i64..990], any::<bool>());
    (currency, [side(), side(), side()], times, prop::option::of(coupon), any::<bool>(), any::<[bool; 2]>())
        .prop_map(|(currency, sides, (moments, later), coupon, taxed, at_once)| Case {
            currency,
            sides,
            moments,
            later,
            coupon,
            taxed,
            at_once,
        })
}

/// Whatever the plans, intervals, quantities, currency, coupon, tax and moments, once and again in the same period: what the
/// preview shows is what is invoiced.
#[test]
fn a_preview_is_the_invoice_that_follows() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(crate::support::cases::cases(48, 1_000));
    runner
        .run(&cases(), |case| {
            runtime.block_on(previewed_and_made(&case));
            Ok(())
        })
        .unwrap();
}

async fn previewed_and_made(case: &Case) {
    let account = Account::open().await;
    let mut prices = Vec::new();
    for (amount, yearly, _) in case.sides {
        let step = if case.currency == "kwd" { 10 } else { 1 };
        let form = format!(
            "currency={}&unit_amount={}&recurring[interval]={}&product_data[name]=P",
            case.currency,
            amount * step,
            if yearly { "year" } else { "month" }
        );
        prices.push(text(&account.post("/v1/prices", &form).await, "/id"));
    }
    let customer = account.customer("pm_card_visa").await;
    account.post(&format!("/v1/customers/{customer}"), "address[country]=ES").await;
    let mut more = format!("&items[0][quantity]={}&automatic_tax[enabled]={}", case.sides[0].2, case.taxed);
    if let Some(coupon) = case.coupon {
        let form = match coupon {
            Coupon::Percent(percent, duration) => format!("id=C&percent_off={percent}&duration={duration}"),
            Coupon::Amount(amount, duration) => {
                format!("id=C&amount_off={amount}&currency={}&duration={duration}", case.currency)
            }
        };
        account.post("/v1/coupons", &form).await;
        more.push_str("&discounts[0][coupon]=C");
    }
    let sub = account.subscribe(&customer, &prices[0], &more).await;
    if case.later {
        // Past the renewal, and past the hour in which its invoice is a draft.
        let to = int(&sub, "/items/data/0/current_period_end") + 3600;
        account.control("clock/advance", json!({ "to": to })).await;
        adds_up(&account.latest_invoice(&text(&sub, "/id")).await);
    }
    for (change, moment) in case.moments.into_iter().enumerate() {
        let present = account.subscription(&text(&sub, "/id")).await;
        let end = int(&present, "/items/data/0/current_period_end");
        let now = int(&account.control("clock", Value::Null).await, "/now");
        let at = now + (end - now) * moment / 1000;
        let (price, (_, _, quantity)) = (&prices[change + 1], case.sides[change + 1]);
        one_change(&account, &present, (price, quantity), at, case.at_once[change], case).await;
    }
}

/// Previews a change as of `at`, makes it two minutes later, and holds the invoice against the preview. What waits for the renewal
/// is rehearsed on the way there, and the period begins again before the next change.
async fn one_change(
    account: &Account,
    sub: &Value,
    (price, quantity): (&str, i64),
    at: i64,
    at_once: bool,
    case: &Case,
) {
    account.control("clock/advance", json!({ "to": at })).await;
    let behavior = if at_once { "always_invoice" } else { "create_prorations" };
    let wish = format!(
        "&subscription_details[items][0][quantity]={quantity}&subscription_details[proration_behavior]={behavior}&subscription_details[proration_date]={at}"
    );
    let shown = preview(account, sub, price, &wish).await;
    let end = int(sub, "/items/data/0/current_period_end");
    // The customer takes some time to confirm; the moment that was shown is sent along.
    account.pass(120.min(end - at - 1)).await;
    let before = text(&account.latest_invoice(&text(sub, "/id")).await, "/id");
    let wish = format!("&items[0][quantity]={quantity}&proration_behavior={behavior}&proration_date={at}");
    let changed = change(account, sub, price, &wish).await;
    if text(&changed, "/latest_invoice") == before {
        // Nothing was invoiced at once: the renewal is what was shown.
        account.control("clock/advance", json!({ "to": end })).await;
    }
    let made = account.latest_invoice(&text(sub, "/id")).await;
    assert_eq!(amounts(&shown), amounts(&made), "{case:?}");
    for field in ["subtotal", "total", "amount_due", "total_excluding_tax", "starting_balance"] {
        assert_eq!(shown[field], made[field], "{field} {case:?}");
    }
    adds_up(&made);
    account.control("clock/advance", json!({ "to": int(&made, "/created") + 3700 })).await;
}

/// Lines, discounts and taxes come to the total, to the cent.
fn adds_up(invoice: &Value) {
    let sum =
        |field: &str| invoice[field].as_array().unwrap().iter().map(|part| int(part, "/amount")).sum::<i64>();
    let lines = &invoice["lines"]["data"];
    let of_lines = |field: &str| -> i64 {
        lines
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|line| line[field].as_array().unwrap())
            .map(|part| int(part, "/amount"))
            .sum()
    };
    assert_eq!(amounts(invoice).iter().sum::<i64>(), int(invoice, "/subtotal"));
    assert_eq!(of_lines("discount_amounts"), sum("total_discount_amounts"));
    assert_eq!(of_lines("taxes"), sum("total_taxes"));
    let total = int(invoice, "/subtotal") - sum("total_discount_amounts") + sum("total_taxes");
    assert_eq!(total, int(invoice, "/total"));
    let step = if invoice["currency"] == "kwd" { 10 } else { 1 };
    assert_eq!(int(invoice, "/amount_due") % step, 0, "no fils are charged");
    let left = int(invoice, "/starting_balance") + total - int(invoice, "/amount_due");
    if !invoice["ending_balance"].is_null() {
        assert_eq!(int(invoice, "/ending_balance"), left, "what is not asked for stays in the balance");
    }
}
