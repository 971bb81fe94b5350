//! What waits for a payment, and what becomes of it: changes, resumptions, phases to come.

use serde_json::{Value, json};

use super::client::{Account, DAY, START, amounts, int, text};

const HOUR: i64 = 3_600;
/// A card that attaches and is then declined.
const FAILS: &str = "4000000000000341";
const PAYS: &str = "4242424242424242";

async fn card(account: &Account, customer: &str, number: &str) {
    account.control("cards", json!({ "customer": customer, "number": number })).await;
}

async fn invoice(account: &Account, id: &str) -> Value {
    account.get(&format!("/v1/invoices/{id}")).await
}

/// A subscription to a small plan, and the request that makes it the large one if it is paid.
async fn upgradable(account: &Account, more: &str) -> (String, String, String, String) {
    let small = account.price("Small", 1000, "month").await;
    let large = account.price("Large", 5000, "month").await;
    let customer = account.customer("pm_card_visa").await;
    let sub = account.subscribe(&customer, &small, more).await;
    let form = format!(
        "items[0][id]={}&items[0][price]={large}&proration_behavior=always_invoice&payment_behavior=pending_if_incomplete",
        text(&sub, "/items/data/0/id")
    );
    (text(&sub, "/id"), customer, small, form)
}

/// <https://docs.stripe.com/billing/subscriptions/pending-updates>: a waiting change expires after 23 hours, or with the period or
/// the trial where that is earlier.
#[tokio::test]
async fn an_upgrade_that_fails_shortly_before_the_renewal_falls_with_the_period() {
    let account = Account::open().await;
    let (id, customer, small, form) = upgradable(&account, "").await;
    account.pass(30 * DAY - 2 * HOUR).await;
    card(&account, &customer, FAILS).await;
    let waiting = account.post(&format!("/v1/subscriptions/{id}"), &form).await;
    assert_eq!(int(&waiting, "/pending_update/expires_at"), START + 30 * DAY);
    let unpaid = text(&waiting, "/latest_invoice");
    assert_eq!(text(&invoice(&account, &unpaid).await, "/status"), "open");
    card(&account, &customer, PAYS).await;
    account.pass(2 * HOUR).await;
    let renewed = account.subscription(&id).await;
    assert_eq!((&renewed["pending_update"], text(&renewed, "/items/data/0/price/id")), (&json!(null), small));
    assert_eq!(int(&renewed, "/items/data/0/current_period_start"), START + 30 * DAY);
    assert_eq!(text(&invoice(&account, &unpaid).await, "/status"), "void");
    account.refused(400, "POST", &format!("/v1/invoices/{unpaid}/pay"), "").await;
    account.pass(HOUR).await;
    let paid = account.latest_invoice(&id).await;
    assert_eq!((amounts(&paid), text(&paid, "/status")), (vec![1000], "paid".into()), "one period, once");
    assert_eq!(account.subscription(&id).await["items"], renewed["items"]);
}

#[tokio::test]
async fn a_trial_that_is_to_end_early_does_not_wait_beyond_its_end() {
    let account = Account::open().await;
    let (id, customer, _, form) = upgradable(&account, "&trial_period_days=14").await;
    account.pass(14 * DAY - 5 * HOUR).await;
    card(&account, &customer, FAILS).await;
    let waiting = account.post(&format!("/v1/subscriptions/{id}"), &format!("{form}&trial_end=now")).await;
    assert_eq!(text(&waiting, "/status"), "trialing");
    assert_eq!(int(&waiting, "/pending_update/expires_at"), START + 14 * DAY);
}

#[tokio::test]
async fn a_change_that_waits_falls_with_the_subscription_and_brings_it_back_no_more() {
    let account = Account::open().await;
    let (id, customer, ..) = upgradable(&account, "").await;
    let form = upgrade_form(&account, &id).await;
    card(&account, &customer, FAILS).await;
    let waiting = account.post(&format!("/v1/subscriptions/{id}"), &form).await;
    let unpaid = text(&waiting, "/latest_invoice");
    account.delete(&format!("/v1/subscriptions/{id}")).await;
    card(&account, &customer, PAYS).await;
    account.refused(400, "POST", &format!("/v1/invoices/{unpaid}/pay"), "").await;
    let ended = account.subscription(&id).await;
    assert_eq!((text(&ended, "/status"), &ended["pending_update"]), ("canceled".into(), &json!(null)));
}

async fn upgrade_form(account: &Account, id: &str) -> String {
    let large = account.price("Larger", 9000, "month").await;
    let item = text(&account.subscription(id).await, "/items/data/0/id");
    format!(
        "items[0][id]={item}&items[0][price]={large}&proration_behavior=always_invoice&payment_behavior=pending_if_incomplete"
    )
}

/// A phase that begins ends what waits: the same page of Stripe's.
#[tokio::test]
async fn a_change_that_waits_falls_when_a_new_phase_begins() {
    let account = Account::open().await;
    let (id, customer, small, form) = upgradable(&account, "").await;
    let schedule = account.post("/v1/subscription_schedules", &format!("from_subscription={id}")).await;
    let phases = format!(
        "phases[0][items][0][price]={small}&phases[0][start_date]={START}&phases[0][end_date]={}\
         &phases[1][items][0][price]={small}&phases[1][items][0][quantity]=2",
        START + 10 * DAY
    );
    account.post(&format!("/v1/subscription_schedules/{}", text(&schedule, "/id")), &phases).await;
    account.pass(10 * DAY - HOUR).await;
    card(&account, &customer, FAILS).await;
    let waiting = account.post(&format!("/v1/subscriptions/{id}"), &form).await;
    account.pass(HOUR).await;
    let now = account.subscription(&id).await;
    assert_eq!((&now["pending_update"], int(&now, "/items/data/0/quantity")), (&json!(null), 2));
    let unpaid = invoice(&account, &text(&waiting, "/latest_invoice")).await;
    assert_eq!(text(&unpaid, "/status"), "void");
}

/// A subscription that sleeps since its trial ended without a card.
async fn asleep(account: &Account) -> (String, String) {
    let price = account.price("Plan", 1000, "month").await;
    let customer = text(&account.post("/v1/customers", "name=A").await, "/id");
    let more = "&trial_period_days=2&trial_settings[end_behavior][missing_payment_method]=pause";
    let id = text(&account.subscribe(&customer, &price, more).await, "/id");
    account.pass(2 * DAY).await;
    assert_eq!(text(&account.subscription(&id).await, "/status"), "paused");
    (id, customer)
}

/// <https://docs.stripe.com/billing/subscriptions/pause#resume-subscriptions>, `resume_on_payment_success`.
#[tokio::test]
async fn waking_twice_leaves_one_invoice_to_pay() {
    let account = Account::open().await;
    let (id, customer) = asleep(&account).await;
    let path = format!("/v1/subscriptions/{id}/resume");
    account.refused(400, "POST", &path, "payment_behavior=resume_on_payment_success").await;
    assert_eq!(
        text(&account.latest_invoice(&id).await, "/billing_reason"),
        "subscription_create",
        "nothing was left behind"
    );
    account.card(&customer, "pm_card_chargeCustomerFail").await;
    for anchor in ["", "&billing_cycle_anchor[type]=unchanged"] {
        let asked = account.post(&path, &format!("payment_behavior=resume_on_payment_success{anchor}")).await;
        assert_eq!(text(&asked, "/status"), "paused");
    }
    let open = account.get(&format!("/v1/invoices?customer={customer}&status=open")).await;
    assert_eq!(open["data"].as_array().unwrap().len(), 1, "the first gave way to the second");
    let void = account.get(&format!("/v1/invoices?customer={customer}&status=void")).await;
    let old = text(&void, "/data/0/id");
    card(&account, &customer, PAYS).await;
    account.refused(400, "POST", &format!("/v1/invoices/{old}/pay"), "").await;
    account.post(&format!("/v1/invoices/{}/pay", text(&open, "/data/0/id")), "").await;
    let awake = account.subscription(&id).await;
    assert_eq!(text(&awake, "/status"), "active");
    let charges = account.get(&format!("/v1/charges?customer={customer}")).await;
    let paid =
        charges["data"].as_array().unwrap().iter().filter(|charge| charge["status"] == "succeeded").count();
    assert_eq!(paid, 1);
    account.refused(400, "POST", &path, "").await;
}

/// The same page, `resume_on_payment_attempt`, which is the default: somebody else collects within 23 hours.
#[tokio::test]
async fn waking_with_the_attempt_tries_nothing_by_itself() {
    let account = Account::open().await;
    let (id, customer) = asleep(&account).await;
    account.card(&customer, "pm_card_visa").await;
    let path = format!("/v1/subscriptions/{id}/resume");
    let asked = account.post(&path, "").await;
    let unpaid = account.latest_invoice(&id).await;
    assert_eq!((text(&asked, "/status"), text(&unpaid, "/status")), ("paused".into(), "open".into()));
    assert_eq!(int(&unpaid, "/attempt_count"), 0);
    account.pass(23 * HOUR).await;
    assert_eq!(text(&invoice(&account, &text(&unpaid, "/id")).await, "/status"), "void");
    assert_eq!(text(&account.subscription(&id).await, "/status"), "paused");

    account.post(&path, "").await;
    let again = text(&account.latest_invoice(&id).await, "/id");
    account.post(&format!("/v1/invoices/{again}/pay"), "").await;
    assert_eq!(text(&account.subscription(&id).await, "/status"), "active");

    let (id, customer) = asleep(&account).await;
    account.post(&format!("/v1/subscriptions/{id}/resume"), "").await;
    account.card(&customer, "pm_card_chargeCustomerFail").await;
    let unpaid = account.latest_invoice(&id).await;
    account.refused(402, "POST", &format!("/v1/invoices/{}/pay", text(&unpaid, "/id")), "").await;
    assert_eq!(text(&account.subscription(&id).await, "/status"), "past_due", "awake, and late");
}

#[tokio::test]
async fn a_resumption_that_is_given_up_wakes_and_one_that_is_voided_does_not() {
    let account = Account::open().await;
    for (deed, status) in [("mark_uncollectible", "active"), ("void", "paused")] {
        let (id, _) = asleep(&account).await;
        account.post(&format!("/v1/subscriptions/{id}/resume"), "").await;
        let unpaid = text(&account.latest_invoice(&id).await, "/id");
        account.post(&format!("/v1/invoices/{unpaid}/{deed}"), "").await;
        assert_eq!(text(&account.subscription(&id).await, "/status"), status, "{deed}");
    }
}

/// What a schedule from a subscription says of a downgrade at the end of the period, with what each phase says of discounts.
async fn downgrade(account: &Account, more: &str) -> (String, Value) {
    let (small, large) =
        (account.price("Small", 1000, "month").await, account.price("Large", 5000, "month").await);
    let customer = account.customer("pm_card_visa").await;
    account.post(&format!("/v1/customers/{customer}"), "address[country]=ES").await;
    let sub =
        account.subscribe(&customer, &large, "&discounts[0][coupon]=TENTH&automatic_tax[enabled]=true").await;
    let id = text(&sub, "/id");
    let made = account.post("/v1/subscription_schedules", &format!("from_subscription={id}")).await;
    assert_eq!(text(&made, "/phases/0/discounts/0/discount"), text(&sub, "/discounts/0"), "taken over");
    let more = more.replace("OWN", &text(&sub, "/discounts/0"));
    let form = format!(
        "phases[0][items][0][price]={large}&phases[0][start_date]={START}&phases[0][end_date]={}\
         &phases[1][items][0][price]={small}{more}",
        START + 30 * DAY
    );
    account.post(&format!("/v1/subscription_schedules/{}", text(&made, "/id")), &form).await;
    let shown = account.post("/v1/invoices/create_preview", &format!("subscription={id}")).await;
    (id, shown)
}

/// <https://docs.stripe.com/api/subscription_schedules/update>: a phase has the discounts that it names.
#[tokio::test]
async fn a_discount_survives_a_planned_change_where_the_phases_name_it() {
    let keeps = "&phases[0][discounts][0][discount]=OWN&phases[1][discounts][0][discount]=OWN";
    let swaps = "&phases[0][discounts][0][discount]=OWN&phases[1][discounts][0][coupon]=HALF";
    let untaxed = format!("{keeps}&phases[1][automatic_tax][enabled]=false");
    for (more, total) in [(keeps, 1089), ("", 1210), (swaps, 605), (untaxed.as_str(), 900)] {
        let account = Account::open().await;
        account.post("/v1/coupons", "id=TENTH&percent_off=10&duration=forever").await;
        account.post("/v1/coupons", "id=HALF&percent_off=50&duration=once").await;
        let (id, shown) = downgrade(&account, more).await;
        assert_eq!(int(&shown, "/total"), total, "{more}");
        let start = account.subscription(&id).await;
        let to = int(&start, "/items/data/0/current_period_end");
        account.control("clock/advance", json!({ "to": to })).await;
        let renewed = account.latest_invoice(&id).await;
        assert_eq!((amounts(&renewed), int(&renewed, "/total")), (vec![1000], total), "{more}");
    }
}

/// What Stripe's customers ask of a failed renewal: tried again on the days of the schedule, then given up as the account says.
#[tokio::test]
async fn a_failed_renewal_is_tried_again_on_the_days_of_the_schedule_and_no_others() {
    let account = Account::open().await;
    account.control("settings", json!({ "retry_days": [1, 3, 5, 7], "after_retries": "unpaid" })).await;
    let (price, customer) =
        (account.price("Plan", 1000, "month").await, account.customer("pm_card_visa").await);
    let id = text(&account.subscribe(&customer, &price, "").await, "/id");
    card(&account, &customer, FAILS).await;
    account.pass(30 * DAY).await;
    let draft = account.latest_invoice(&id).await;
    assert_eq!(
        (text(&draft, "/status"), int(&draft, "/automatically_finalizes_at")),
        ("draft".into(), START + 30 * DAY + HOUR)
    );
    account.pass(HOUR).await;
    let mut seen = Vec::new();
    for day in 0..10 {
        let open = account.latest_invoice(&id).await;
        seen.push((day, int(&open, "/attempt_count")));
        account.pass(DAY).await;
    }
    let expected = [(0, 1), (1, 2), (2, 2), (3, 3), (4, 3), (5, 4), (6, 4), (7, 5), (8, 5), (9, 5)];
    assert_eq!(seen, expected);
    assert_eq!(text(&account.subscription(&id).await, "/status"), "unpaid");
    // Renewals of what is unpaid stay drafts that nobody collects.
    account.pass(25 * DAY).await;
    let kept = account.latest_invoice(&id).await;
    assert_eq!((text(&kept, "/status"), kept["auto_advance"].clone()), ("draft".into(), json!(false)));
}

#[tokio::test]
async fn invoices_are_voided_or_given_up_once_and_keep_what_was_true() {
    let account = Account::open().await;
    let (price, customer) =
        (account.price("Plan", 1000, "month").await, account.customer("pm_card_visa").await);
    let id = text(&account.subscribe(&customer, &price, "").await, "/id");
    account.post(&format!("/v1/customers/{customer}"), "balance=-300").await;
    card(&account, &customer, FAILS).await;
    account.pass(30 * DAY + HOUR).await;
    let open = account.latest_invoice(&id).await;
    assert_eq!(
        (int(&open, "/total"), int(&open, "/amount_due"), int(&open, "/starting_balance")),
        (1000, 700, -300)
    );
    let path = format!("/v1/invoices/{}", text(&open, "/id"));
    account.refused(400, "DELETE", &path, "").await;
    let given_up = account.post(&format!("{path}/mark_uncollectible"), "").await;
    assert_eq!(
        (text(&given_up, "/status"), &given_up["next_payment_attempt"]),
        ("uncollectible".into(), &json!(null))
    );
    account.refused(400, "POST", &format!("{path}/mark_uncollectible"), "").await;
    let void = account.post(&format!("{path}/void"), "").await;
    assert_eq!((text(&void, "/status"), int(&void, "/amount_remaining")), ("void".into(), 0));
    assert_eq!(
        int(&account.get(&format!("/v1/customers/{customer}")).await, "/balance"),
        -300,
        "the credit is back"
    );
    account.refused(400, "POST", &format!("{path}/void"), "").await;
    let events = account.events().await;
    for event in ["invoice.marked_uncollectible", "invoice.voided", "payment_intent.canceled"] {
        assert!(events.iter().any(|known| known == event), "{event}");
    }
}

#[tokio::test]
async fn a_refund_and_a_dispute_are_told_with_the_charge_they_are_of() {
    let account = Account::open().await;
    let price = account.price("Plan", 1000, "month").await;
    account.subscribe(&account.customer("pm_card_visa").await, &price, "").await;
    let charge = text(&account.get("/v1/charges").await, "/data/0/id");
    let refund = account
        .post("/v1/refunds", &format!("charge={charge}&amount=400&reason=requested_by_customer"))
        .await;
    assert_eq!((text(&refund, "/charge"), int(&refund, "/amount")), (charge.clone(), 400));
    account.subscribe(&account.customer("pm_card_createDispute").await, &price, "").await;
    let dispute = account.get("/v1/disputes").await["data"][0].clone();
    let disputed = account.get(&format!("/v1/charges/{}", text(&dispute, "/charge"))).await;
    assert_eq!((disputed["disputed"].clone(), text(&dispute, "/reason")), (json!(true), "fraudulent".into()));
    account.post(&format!("/v1/disputes/{}/close", text(&dispute, "/id")), "").await;
    assert_eq!(
        text(&account.get(&format!("/v1/disputes/{}", text(&dispute, "/id"))).await, "/status"),
        "lost"
    );
    let events = account.events().await;
    for event in ["charge.refunded", "refund.created", "charge.dispute.created", "charge.dispute.closed"] {
        assert!(events.iter().any(|known| known == event), "{event}");
    }
}

/// <https://docs.stripe.com/currencies>: no fractions of UGX and ISK, though amounts have two decimals; the last of three digits is 0.
#[tokio::test]
async fn no_amount_is_charged_that_its_currency_has_no_coin_for() {
    let account = Account::open().await;
    account.post("/v1/coupons", "id=THIRD&percent_off=33&duration=forever").await;
    for (currency, amount, wrong, due) in [
        ("ugx", 50_100, 50_050, 33_600),
        ("isk", 99_900, 99_901, 66_900),
        ("kwd", 5130, 5124, 3440),
        ("jpy", 999, 0, 669),
    ] {
        let price = |amount: i64| {
            format!("currency={currency}&unit_amount={amount}&recurring[interval]=month&product_data[name]=P")
        };
        if wrong != 0 {
            account.refused(400, "POST", "/v1/prices", &price(wrong)).await;
        }
        let made = text(&account.post("/v1/prices", &price(amount)).await, "/id");
        let customer = account.customer("pm_card_visa").await;
        let sub = account.subscribe(&customer, &made, "&discounts[0][coupon]=THIRD").await;
        let paid = account.latest_invoice(&text(&sub, "/id")).await;
        assert_eq!((int(&paid, "/amount_due"), int(&paid, "/amount_paid")), (due, due), "{currency}");
        let owed = int(&paid, "/total") - due;
        assert_eq!(int(&paid, "/ending_balance"), owed, "{currency}: what was rounded stays in the balance");
    }
}

/// <https://docs.stripe.com/customer-management>, limitations: with usage-based prices or several items there is only cancelling.
#[tokio::test]
async fn the_customer_portal_changes_no_subscription_that_is_billed_by_use() {
    let account = Account::open().await;
    let form = "display_name=Tokens&event_name=tokens&default_aggregation[formula]=sum";
    let meter = text(&account.post("/v1/billing/meters", form).await, "/id");
    let form = format!(
        "currency=usd&product_data[name]=Tokens&unit_amount_decimal=0.3&recurring[interval]=month\
         &recurring[usage_type]=metered&recurring[meter]={meter}"
    );
    let tokens = text(&account.post("/v1/prices", &form).await, "/id");
    let plan = account.price("Plan", 1000, "month").await;
    let configuration = text(
        &account
            .post(
                "/v1/billing_portal/configurations",
                &format!(
                    "features[subscription_cancel][enabled]=true&features[subscription_update][enabled]=true\
                     &features[subscription_update][default_allowed_updates][0]=quantity\
                     &features[subscription_update][products][0][product]={}&features[subscription_update][products][0][prices][0]={plan}",
                    text(&account.get(&format!("/v1/prices/{plan}")).await, "/product")
                ),
            )
            .await,
        "/id",
    );
    for (more, offered) in [("", true), (format!("&items[1][price]={tokens}").as_str(), false)] {
        let customer = account.customer("pm_card_visa").await;
        let id = text(&account.subscribe(&customer, &plan, more).await, "/id");
        let session = |flow: &str| {
            format!(
                "customer={customer}&configuration={configuration}&return_url=http://x&flow_data[type]={flow}&flow_data[{flow}][subscription]={id}"
            )
        };
        account.post("/v1/billing_portal/sessions", &session("subscription_cancel")).await;
        if offered {
            account.post("/v1/billing_portal/sessions", &session("subscription_update")).await;
        } else {
            account
                .refused(400, "POST", "/v1/billing_portal/sessions", &session("subscription_update"))
                .await;
        }
    }
}
