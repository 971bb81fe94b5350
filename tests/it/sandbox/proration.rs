//! What a change credits and costs: examples that can be checked by hand, and what must hold for any.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
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

/// Stripe's documentation of prorations: a plan of 10 a month becomes one of 20 halfway through the period. Unused time
/// on the one is a credit of 5, remaining time on the other a charge of 10, and the next invoice is 20 and those: 25.
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

/// A way to change a plan.
#[derive(Debug, Clone)]
struct Case {
    currency: &'static str,
    before: (i64, i64),
    after: (i64, i64),
    at: i64,
    percent: Option<i64>,
    taxed: bool,
    at_once: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let side = || (1_i64..200_000, 1_i64..40);
    let currency = prop_oneof![Just("usd"), Just("jpy"), Just("kwd")];
    (currency, side(), side(), 0..30 * DAY, prop::option::of(1_i64..=100), any::<bool>(), any::<bool>())
        .prop_map(|(currency, before, after, at, percent, taxed, at_once)| Case {
            currency,
            before,
            after,
            at,
            percent,
            taxed,
            at_once,
        })
}

/// Whatever the plans, quantities, currency, coupon, tax and moment: what the preview shows is what is invoiced.
#[test]
fn a_preview_is_the_invoice_that_follows() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    runner
        .run(&cases(), |case| {
            runtime.block_on(previewed_and_made(&case));
            Ok(())
        })
        .unwrap();
}

async fn previewed_and_made(case: &Case) {
    let account = Account::open().await;
    let price = async |amount: i64, name: &str| {
        let form = format!(
            "currency={}&unit_amount={amount}&recurring[interval]=month&product_data[name]={name}",
            case.currency
        );
        text(&account.post("/v1/prices", &form).await, "/id")
    };
    let (before, after) = (price(case.before.0, "Before").await, price(case.after.0, "After").await);
    let customer = account.customer("pm_card_visa").await;
    account.post(&format!("/v1/customers/{customer}"), "address[country]=ES").await;
    let mut more = format!("&items[0][quantity]={}&automatic_tax[enabled]={}", case.before.1, case.taxed);
    if let Some(percent) = case.percent {
        account.post("/v1/coupons", &format!("id=C&percent_off={percent}&duration=forever")).await;
        more.push_str("&discounts[0][coupon]=C");
    }
    let sub = account.subscribe(&customer, &before, &more).await;
    account.pass(case.at).await;
    let behavior = if case.at_once { "always_invoice" } else { "create_prorations" };
    let wish = format!(
        "&subscription_details[items][0][quantity]={}&subscription_details[proration_behavior]={behavior}&subscription_details[proration_date]={}",
        case.after.1,
        START + case.at
    );
    let shown = preview(&account, &sub, &after, &wish).await;
    // The customer takes some time to confirm; the moment that was shown is sent along.
    account.pass(120.min(30 * DAY - case.at - 1)).await;
    let wish = format!(
        "&items[0][quantity]={}&proration_behavior={behavior}&proration_date={}",
        case.after.1,
        START + case.at
    );
    change(&account, &sub, &after, &wish).await;
    if !case.at_once {
        account.control("clock/advance", json!({ "to": START + 30 * DAY })).await;
    }
    let made = account.latest_invoice(&text(&sub, "/id")).await;
    assert_eq!(amounts(&shown), amounts(&made), "{case:?}");
    for field in ["subtotal", "total", "amount_due", "total_excluding_tax", "starting_balance"] {
        assert_eq!(shown[field], made[field], "{field} {case:?}");
    }
    adds_up(&made);
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
}
