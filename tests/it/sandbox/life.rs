//! The life of a subscription: trial, renewal, failure, end.

use serde_json::json;

use super::client::{Account, DAY, START, amounts, int, text};

#[tokio::test]
async fn a_subscription_is_paid_renewed_and_announced_in_order() {
    let account = Account::open().await;
    let (price, customer) =
        (account.price("Plan", 1000, "month").await, account.customer("pm_card_visa").await);
    let sub = account.subscribe(&customer, &price, "").await;
    assert_eq!(text(&sub, "/status"), "active");
    assert_eq!(int(&sub, "/items/data/0/current_period_end"), START + 30 * DAY);
    let events = account.events().await;
    let place = |name: &str| {
        events.iter().position(|event| event == name).unwrap_or_else(|| panic!("{name} in {events:?}"))
    };
    assert!(place("invoice.created") < place("invoice.finalized"));
    assert!(place("invoice.finalized") < place("charge.succeeded"));
    assert!(place("charge.succeeded") < place("invoice.paid"));
    assert!(place("customer.subscription.created") < place("customer.subscription.updated"));

    account.pass(23 * DAY).await;
    assert_eq!(account.events().await.last().unwrap(), "invoice.upcoming");
    account.pass(7 * DAY).await;
    let draft = account.latest_invoice(&text(&sub, "/id")).await;
    assert_eq!(
        (text(&draft, "/status"), text(&draft, "/billing_reason")),
        ("draft".into(), "subscription_cycle".into())
    );
    account.pass(3599).await;
    assert_eq!(text(&account.latest_invoice(&text(&sub, "/id")).await, "/status"), "draft");
    account.pass(1).await;
    let paid = account.latest_invoice(&text(&sub, "/id")).await;
    assert_eq!((text(&paid, "/status"), int(&paid, "/amount_paid")), ("paid".into(), 1000));
    assert_eq!((int(&paid, "/period_start"), int(&paid, "/period_end")), (START, START + 30 * DAY));
    assert!(text(&paid, "/number").ends_with("-0002"));
}

#[tokio::test]
async fn the_thirty_first_comes_back_after_a_short_month() {
    let account = Account::open().await;
    let clock = text(&account.post("/v1/test_helpers/test_clocks", "frozen_time=1801353600").await, "/id");
    let customer = text(&account.post("/v1/customers", &format!("test_clock={clock}")).await, "/id");
    account.card(&customer, "pm_card_visa").await;
    let price = account.price("Plan", 1000, "month").await;
    // 31 January 2027.
    let sub = account.subscribe(&customer, &price, "").await;
    let mut ends = vec![int(&sub, "/items/data/0/current_period_end")];
    for _ in 0..3 {
        let path = format!("/v1/test_helpers/test_clocks/{clock}/advance");
        let answer = account.post(&path, &format!("frozen_time={}", ends.last().unwrap() + 1)).await;
        assert_eq!(text(&answer, "/status"), "advancing");
        ends.push(int(&account.subscription(&text(&sub, "/id")).await, "/items/data/0/current_period_end"));
    }
    // 28 February, 31 March, 30 April, 31 May.
    assert_eq!(ends, [1_803_772_800, 1_806_451_200, 1_809_043_200, 1_811_721_600]);
    assert_eq!(
        text(&account.get(&format!("/v1/test_helpers/test_clocks/{clock}")).await, "/status"),
        "ready"
    );
    assert!(account.events().await.contains(&"test_helpers.test_clock.ready".to_owned()));
}

#[tokio::test]
async fn a_trial_costs_nothing_is_announced_and_becomes_a_paid_period() {
    let account = Account::open().await;
    let (price, customer) =
        (account.price("Plan", 1000, "month").await, account.customer("pm_card_visa").await);
    let sub = account.subscribe(&customer, &price, "&trial_period_days=14").await;
    let id = text(&sub, "/id");
    assert_eq!((text(&sub, "/status"), int(&sub, "/trial_end")), ("trialing".into(), START + 14 * DAY));
    let first = account.latest_invoice(&id).await;
    assert_eq!((text(&first, "/status"), int(&first, "/total")), ("paid".into(), 0));
    account.pass(11 * DAY - 1).await;
    assert!(!account.events().await.contains(&"customer.subscription.trial_will_end".to_owned()));
    account.pass(1).await;
    assert!(account.events().await.contains(&"customer.subscription.trial_will_end".to_owned()));
    account.pass(3 * DAY + 3600).await;
    let now = account.subscription(&id).await;
    assert_eq!(
        (text(&now, "/status"), int(&now, "/billing_cycle_anchor")),
        ("active".into(), START + 14 * DAY)
    );
    assert_eq!(int(&account.latest_invoice(&id).await, "/amount_paid"), 1000);
}

#[tokio::test]
async fn a_trial_without_a_card_ends_as_the_subscription_says() {
    let account = Account::open().await;
    let price = account.price("Plan", 1000, "month").await;
    let customer = text(&account.post("/v1/customers", "name=A").await, "/id");
    for (wish, status) in [("cancel", "canceled"), ("pause", "paused"), ("create_invoice", "active")] {
        let more =
            format!("&trial_period_days=2&trial_settings[end_behavior][missing_payment_method]={wish}");
        let id = text(&account.subscribe(&customer, &price, &more).await, "/id");
        account.pass(2 * DAY).await;
        assert_eq!(text(&account.subscription(&id).await, "/status"), status, "{wish}");
    }
    let listed = account.get("/v1/subscriptions?status=paused").await;
    let id = text(&listed, "/data/0/id");
    account.card(&customer, "pm_card_visa").await;
    let path = format!("/v1/subscriptions/{id}/resume");
    let awake = account.post(&path, "payment_behavior=resume_on_payment_success").await;
    assert_eq!(text(&awake, "/status"), "active");
    assert!(account.events().await.contains(&"customer.subscription.resumed".to_owned()));
}

#[tokio::test]
async fn a_first_payment_that_fails_leaves_an_incomplete_subscription_that_expires() {
    let account = Account::open().await;
    let price = account.price("Plan", 1000, "month").await;
    let customer = account.customer("pm_card_chargeCustomerFail").await;
    let sub = account.subscribe(&customer, &price, "").await;
    let id = text(&sub, "/id");
    assert_eq!(text(&sub, "/status"), "incomplete");
    account.pass(23 * 3600 - 1).await;
    assert_eq!(text(&account.subscription(&id).await, "/status"), "incomplete");
    account.pass(1).await;
    assert_eq!(text(&account.subscription(&id).await, "/status"), "incomplete_expired");
    assert_eq!(text(&account.latest_invoice(&id).await, "/status"), "void");

    // The same with `error_if_incomplete` is refused and leaves nothing.
    let form = format!("customer={customer}&items[0][price]={price}&payment_behavior=error_if_incomplete");
    let error = account.refused(402, "POST", "/v1/subscriptions", &form).await;
    assert_eq!((error["code"].as_str(), error["type"].as_str()), (Some("card_declined"), Some("card_error")));
    assert_eq!(account.get("/v1/subscriptions?status=all").await["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_renewal_that_fails_is_tried_again_and_ends_as_the_account_says() {
    for (after, status) in [("past_due", "past_due"), ("unpaid", "unpaid"), ("cancel", "canceled")] {
        let account = Account::open().await;
        account.control("settings", json!({ "retry_days": [1, 3], "after_retries": after })).await;
        let (price, customer) =
            (account.price("Plan", 1000, "month").await, account.customer("pm_card_visa").await);
        let id = text(&account.subscribe(&customer, &price, "").await, "/id");
        account.control("cards", json!({ "customer": customer, "number": "4000000000000341" })).await;
        account.pass(30 * DAY + 3600).await;
        assert_eq!(text(&account.subscription(&id).await, "/status"), "past_due");
        let open = account.latest_invoice(&id).await;
        assert_eq!(
            (int(&open, "/attempt_count"), int(&open, "/next_payment_attempt")),
            (1, START + 31 * DAY + 3600)
        );
        account.pass(3 * DAY).await;
        let open = account.latest_invoice(&id).await;
        assert_eq!((int(&open, "/attempt_count"), open["next_payment_attempt"].clone()), (3, json!(null)));
        assert_eq!(text(&account.subscription(&id).await, "/status"), status);
    }
}

#[tokio::test]
async fn paying_what_was_late_sets_the_subscription_right() {
    let account = Account::open().await;
    let (price, customer) =
        (account.price("Plan", 1000, "month").await, account.customer("pm_card_visa").await);
    let id = text(&account.subscribe(&customer, &price, "").await, "/id");
    account.control("cards", json!({ "customer": customer, "number": "4000000000000341" })).await;
    account.pass(30 * DAY + 3600).await;
    let invoice = text(&account.latest_invoice(&id).await, "/id");
    let error = account.refused(402, "POST", &format!("/v1/invoices/{invoice}/pay"), "").await;
    assert_eq!(error["decline_code"], "generic_decline");
    let charges = account.get(&format!("/v1/charges?customer={customer}")).await;
    let failed =
        charges["data"].as_array().unwrap().iter().filter(|charge| charge["status"] == "failed").count();
    assert_eq!(failed, 2, "the refused charge stays on record");
    account.control("cards", json!({ "customer": customer, "number": "4242424242424242" })).await;
    account.post(&format!("/v1/invoices/{invoice}/pay"), "").await;
    assert_eq!(text(&account.subscription(&id).await, "/status"), "active");
}

#[tokio::test]
async fn cancelling_takes_effect_when_it_was_asked_for() {
    let account = Account::open().await;
    let (price, customer) =
        (account.price("Plan", 1000, "month").await, account.customer("pm_card_visa").await);
    let id = text(&account.subscribe(&customer, &price, "").await, "/id");
    let path = format!("/v1/subscriptions/{id}");
    let form = "cancel_at_period_end=true&cancellation_details[feedback]=too_expensive&cancellation_details[comment]=No";
    let ending = account.post(&path, form).await;
    assert_eq!(
        (int(&ending, "/cancel_at"), text(&ending, "/cancellation_details/feedback")),
        (START + 30 * DAY, "too_expensive".into())
    );
    let none =
        account.refused(404, "POST", "/v1/invoices/create_preview", &format!("subscription={id}")).await;
    assert_eq!(none["code"], "invoice_upcoming_none");
    assert_eq!(account.post(&path, "cancel_at_period_end=false").await["cancel_at"], json!(null));
    assert_eq!(account.post(&path, "cancel_at_period_end=true").await["cancel_at_period_end"], json!(true));
    assert_eq!(
        account.post(&path, "cancel_at=").await["cancel_at_period_end"],
        json!(false),
        "cleared as raw form"
    );
    account.post(&path, "cancel_at_period_end=true").await;
    account.pass(30 * DAY).await;
    let over = account.subscription(&id).await;
    assert_eq!((text(&over, "/status"), int(&over, "/ended_at")), ("canceled".into(), START + 30 * DAY));
    assert_eq!(account.events().await.last().unwrap(), "customer.subscription.deleted");
    account.refused(404, "DELETE", &path, "").await;

    let now = text(&account.subscribe(&customer, &price, "").await, "/id");
    account.pass(15 * DAY).await;
    let path = format!("/v1/subscriptions/{now}?prorate=true&invoice_now=true");
    assert_eq!(text(&account.delete(&path).await, "/status"), "canceled");
    // December: 16.5 of 31 days were not used when it was asked at noon; here 16 of 31.
    assert_eq!(amounts(&account.latest_invoice(&now).await), vec![-516]);
}

#[tokio::test]
async fn usage_is_billed_in_arrears_through_the_tiers() {
    let account = Account::open().await;
    let form = "display_name=Tokens&event_name=tokens&default_aggregation[formula]=sum";
    let meter = text(&account.post("/v1/billing/meters", form).await, "/id");
    let form = format!(
        "currency=usd&product_data[name]=Tokens&billing_scheme=tiered&tiers_mode=graduated&recurring[interval]=month\
         &recurring[usage_type]=metered&recurring[meter]={meter}&tiers[0][up_to]=1000&tiers[0][unit_amount]=0\
         &tiers[1][up_to]=inf&tiers[1][unit_amount_decimal]=0.25&tiers[1][flat_amount]=100"
    );
    let tokens = text(&account.post("/v1/prices", &form).await, "/id");
    let (price, customer) =
        (account.price("Plan", 1000, "month").await, account.customer("pm_card_visa").await);
    let id = text(&account.subscribe(&customer, &price, &format!("&items[1][price]={tokens}")).await, "/id");
    let report = |value: i64, id: &str, at: i64| {
        format!(
            "event_name=tokens&payload[stripe_customer_id]={customer}&payload[value]={value}&identifier={id}&timestamp={at}"
        )
    };
    account.pass(10 * DAY).await;
    account.post("/v1/billing/meter_events", &report(900, "a", START + DAY)).await;
    account.post("/v1/billing/meter_events", &report(1101, "b", START + 2 * DAY)).await;
    let error = account.refused(400, "POST", "/v1/billing/meter_events", &report(1, "b", START + DAY)).await;
    assert_eq!(error["message"], "An event already exists with identifier b.");
    let error =
        account.refused(400, "POST", "/v1/billing/meter_events", &report(1, "c", START - 36 * DAY)).await;
    assert_eq!(error["code"], "timestamp_too_far_in_past");
    let error =
        account.refused(400, "POST", "/v1/billing/meter_events", &report(1, "c", START + 11 * DAY)).await;
    assert_eq!(error["code"], "timestamp_in_future");
    let path = format!(
        "/v1/billing/meters/{meter}/event_summaries?customer={customer}&start_time={START}&end_time={}",
        START + 10 * DAY
    );
    assert_eq!(int(&account.get(&path).await, "/data/0/aggregated_value"), 2001);
    assert_eq!(
        account.get(&format!("{path}&value_grouping_window=day")).await["data"].as_array().unwrap().len(),
        2
    );

    account.pass(20 * DAY).await;
    // 1,000 at nothing; 1,001 at a quarter of a cent and a dollar: 350.25, rounded.
    assert_eq!(amounts(&account.latest_invoice(&id).await), vec![1000, 0, 350]);
    // Late usage of the period still counts while the invoice is a draft.
    account.post("/v1/billing/meter_events", &report(399, "late", START + 29 * DAY)).await;
    account
        .post("/v1/billing/meter_event_adjustments", "event_name=tokens&type=cancel&cancel[identifier]=late")
        .await;
    account.post("/v1/billing/meter_events", &report(3, "later", START + 29 * DAY)).await;
    account.pass(3600).await;
    let paid = account.latest_invoice(&id).await;
    assert_eq!((int(&paid, "/amount_paid"), text(&paid, "/status")), (1000 + 351, "paid".into()));
}

#[tokio::test]
async fn a_scheduled_downgrade_takes_effect_at_the_end_of_the_period_and_can_be_undone() {
    let account = Account::open().await;
    let (small, large) =
        (account.price("Small", 1000, "month").await, account.price("Large", 5000, "month").await);
    let customer = account.customer("pm_card_visa").await;
    let sub = account.subscribe(&customer, &large, "").await;
    let id = text(&sub, "/id");
    let schedule = async || {
        let made = account.post("/v1/subscription_schedules", &format!("from_subscription={id}")).await;
        let path = format!("/v1/subscription_schedules/{}", text(&made, "/id"));
        let form = format!(
            "end_behavior=release&phases[0][items][0][price]={large}&phases[0][start_date]={}&phases[0][end_date]={}\
             &phases[1][items][0][price]={small}&phases[1][proration_behavior]=none",
            int(&made, "/phases/0/start_date"),
            int(&made, "/phases/0/end_date"),
        );
        account.post(&path, &form).await;
        path
    };
    let path = schedule().await;
    let error =
        account.refused(400, "POST", &format!("/v1/subscriptions/{id}"), "cancel_at_period_end=true").await;
    assert!(text(&error, "/message").contains("managed by the subscription schedule"));
    let preview = account.post("/v1/invoices/create_preview", &format!("subscription={id}")).await;
    assert_eq!(amounts(&preview), vec![1000]);
    account.post(&format!("{path}/release"), "").await;
    assert_eq!(account.subscription(&id).await["schedule"], json!(null));
    schedule().await;
    account.pass(30 * DAY).await;
    let now = account.subscription(&id).await;
    assert_eq!(text(&now, "/items/data/0/price/id"), small);
    assert_eq!(now["items"]["data"][0]["id"], sub["items"]["data"][0]["id"], "the same item");
    assert_eq!(amounts(&account.latest_invoice(&id).await), vec![1000]);
    account.pass(31 * DAY).await;
    assert_eq!(account.subscription(&id).await["schedule"], json!(null), "released at its end");
}

#[tokio::test]
async fn an_upgrade_that_is_not_paid_waits_and_falls_or_is_carried_out() {
    let account = Account::open().await;
    let (small, large) =
        (account.price("Small", 1000, "month").await, account.price("Large", 5000, "month").await);
    let customer = account.customer("pm_card_visa").await;
    let sub = account.subscribe(&customer, &small, "").await;
    let (id, item) = (text(&sub, "/id"), text(&sub, "/items/data/0/id"));
    let form = format!(
        "items[0][id]={item}&items[0][price]={large}&proration_behavior=always_invoice&payment_behavior=pending_if_incomplete"
    );
    let upgrade = async || {
        account.control("cards", json!({ "customer": customer, "number": "4000002500003155" })).await;
        account.post(&format!("/v1/subscriptions/{id}"), &form).await
    };
    let waiting = upgrade().await;
    assert_eq!(
        (text(&waiting, "/status"), text(&waiting, "/items/data/0/price/id")),
        ("active".into(), small.clone())
    );
    assert_eq!(text(&waiting, "/pending_update/subscription_items/0/price/id"), large);
    assert!(account.events().await.contains(&"invoice.payment_action_required".to_owned()));
    account.pass(23 * 3600).await;
    assert_eq!(account.subscription(&id).await["pending_update"], json!(null));
    assert_eq!(text(&account.latest_invoice(&id).await, "/status"), "void");
    assert!(account.events().await.contains(&"customer.subscription.pending_update_expired".to_owned()));

    let waiting = upgrade().await;
    account.control("cards", json!({ "customer": customer, "number": "4242424242424242" })).await;
    account.post(&format!("/v1/invoices/{}/pay", text(&waiting, "/latest_invoice")), "").await;
    let changed = account.subscription(&id).await;
    assert_eq!(
        (text(&changed, "/items/data/0/price/id"), changed["pending_update"].clone()),
        (large, json!(null))
    );
    assert_eq!(
        account
            .events()
            .await
            .iter()
            .filter(|e| *e == "customer.subscription.pending_update_applied")
            .count(),
        1
    );
}

#[tokio::test]
async fn refused_cards_are_not_saved_and_disputed_ones_are_disputed() {
    let account = Account::open().await;
    let customer = text(&account.post("/v1/customers", "name=A").await, "/id");
    for (card, code, decline) in [
        ("pm_card_chargeDeclined", "card_declined", Some("generic_decline")),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", Some("insufficient_funds")),
        ("pm_card_chargeDeclinedLostCard", "card_declined", Some("lost_card")),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
    ] {
        let path = format!("/v1/payment_methods/{card}/attach");
        let error = account.refused(402, "POST", &path, &format!("customer={customer}")).await;
        assert_eq!((error["code"].as_str(), error["decline_code"].as_str()), (Some(code), decline));
    }
    let real = "type=card&card[number]=4111111111111111&card[exp_month]=1&card[exp_year]=2030";
    let error = account.refused(402, "POST", "/v1/payment_methods", real).await;
    assert_eq!(error["decline_code"], "test_mode_live_card");
    assert_eq!(account.get(&format!("/v1/customers/{customer}/payment_methods")).await["data"], json!([]));

    let disputing = account.customer("pm_card_createDispute").await;
    account.subscribe(&disputing, &account.price("Plan", 1000, "month").await, "").await;
    let dispute = account.get("/v1/disputes").await["data"][0].clone();
    assert_eq!((int(&dispute, "/amount"), text(&dispute, "/status")), (1000, "needs_response".into()));
    let path = format!("/v1/disputes/{}", text(&dispute, "/id"));
    account.post(&path, "evidence[uncategorized_text]=winning_evidence").await;
    assert_eq!(text(&account.get(&path).await, "/status"), "won");
}

#[tokio::test]
async fn tax_follows_the_customer_s_country_and_number() {
    let account = Account::open().await;
    let form =
        "currency=eur&unit_amount=1190&tax_behavior=inclusive&recurring[interval]=month&product_data[name]=P";
    let inclusive = text(&account.post("/v1/prices", form).await, "/id");
    let exclusive = text(&account.post("/v1/prices", &form.replace("inclusive", "exclusive")).await, "/id");
    let customer = account.customer("pm_card_visa").await;
    let error = account
        .refused(
            400,
            "POST",
            "/v1/subscriptions",
            &format!("customer={customer}&items[0][price]={exclusive}&automatic_tax[enabled]=true"),
        )
        .await;
    assert_eq!(error["code"], "customer_tax_location_invalid");
    account.post(&format!("/v1/customers/{customer}"), "address[country]=DE").await;
    let invoice = async |price: &str| {
        let sub =
            account.subscribe(&customer, price, "&automatic_tax[enabled]=true&expand[]=latest_invoice").await;
        let invoice = sub["latest_invoice"].clone();
        (
            int(&invoice, "/total"),
            int(&invoice, "/total_taxes/0/amount"),
            text(&invoice, "/total_taxes/0/taxability_reason"),
        )
    };
    assert_eq!(invoice(&exclusive).await, (1416, 226, "standard_rated".into()));
    assert_eq!(invoice(&inclusive).await, (1190, 190, "standard_rated".into()));
    account.post(&format!("/v1/customers/{customer}/tax_ids"), "type=eu_vat&value=DE123456789").await;
    assert_eq!(invoice(&exclusive).await, (1190, 0, "reverse_charge".into()));
}

#[tokio::test]
async fn refunds_never_exceed_what_was_paid() {
    let account = Account::open().await;
    let (price, customer) =
        (account.price("Plan", 1000, "month").await, account.customer("pm_card_visa").await);
    account.subscribe(&customer, &price, "").await;
    let charge = text(&account.get("/v1/charges").await, "/data/0/id");
    account.refused(400, "POST", "/v1/refunds", &format!("charge={charge}&amount=1001")).await;
    account.post("/v1/refunds", &format!("charge={charge}&amount=400")).await;
    account.post("/v1/refunds", &format!("charge={charge}")).await;
    let error = account.refused(400, "POST", "/v1/refunds", &format!("charge={charge}")).await;
    assert_eq!(error["code"], "charge_already_refunded");
    let refunded = account.get(&format!("/v1/charges/{charge}?expand[]=refunds")).await;
    assert_eq!((refunded["refunded"].as_bool(), int(&refunded, "/amount_refunded")), (Some(true), 1000));
    assert_eq!(refunded["refunds"]["data"].as_array().unwrap().len(), 2);
}
