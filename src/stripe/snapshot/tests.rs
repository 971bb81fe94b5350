use serde_json::json;

use super::*;

fn subscription() -> serde_json::Value {
    json!({
        "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active", "currency": "eur",
        "livemode": false, "created": 1_700_000_000, "start_date": 1_700_000_000, "cancel_at_period_end": false,
        "cancel_at": null, "canceled_at": null, "ended_at": null, "trial_start": null, "trial_end": null,
        "cancellation_details": {"comment": null, "feedback": null, "reason": null},
        "pause_collection": null, "pending_update": null, "schedule": "sub_sched_1", "discounts": ["di_1"],
        "collection_method": "charge_automatically", "latest_invoice": "in_1", "default_payment_method": null,
        "metadata": {"tenant_id": "t1"}, "billing_mode": {"type": "flexible"},
        "items": {"object": "list", "has_more": false, "url": "/v1/subscription_items", "data": [{
            "id": "si_1", "object": "subscription_item", "quantity": 3, "current_period_start": 1_700_000_000,
            "current_period_end": 1_702_592_000, "price": price()
        }]}
    })
}

fn price() -> serde_json::Value {
    json!({
        "id": "price_1", "object": "price", "product": "prod_1", "active": true, "livemode": false, "currency": "eur",
        "unit_amount": 2900, "unit_amount_decimal": "2900", "billing_scheme": "per_unit", "lookup_key": "starter-month",
        "type": "recurring", "tax_behavior": "exclusive", "metadata": {},
        "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed", "meter": null, "trial_period_days": null}
    })
}

#[test]
fn a_subscription_is_read_with_its_period_on_the_items() {
    let read: Subscription = parse_value(&subscription()).unwrap();
    assert_eq!(read.status, SubscriptionStatus::Active);
    assert_eq!(read.items.data[0].current_period_end, Some(1_702_592_000));
    assert_eq!(read.items.data[0].price.product.as_str(), "prod_1");
    assert_eq!(read.schedule.unwrap().as_str(), "sub_sched_1");
    assert_eq!(read.metadata["tenant_id"], "t1");
}

#[test]
fn what_is_expanded_reads_as_what_is_not() {
    let mut whole = subscription();
    whole["customer"] = json!({"id": "cus_1", "object": "customer"});
    whole["latest_invoice"] = json!({"object": "invoice", "id": "in_1", "lines": {"data": [1, 2]}});
    whole["discounts"] = json!([{"id": "di_1", "source": {}}]);
    let (mut read, mut plain): (Subscription, Subscription) =
        (parse_value(&whole).unwrap(), parse_value(&subscription()).unwrap());
    // A discount is kept whole for its coupon's sake: what both ways have in common is its id.
    assert_eq!((read.discount_ids(), plain.discount_ids()), (vec!["di_1"], vec!["di_1"]));
    (read.discounts, plain.discounts) = (Vec::new(), Vec::new());
    assert_eq!(read, plain);
    let method = json!({"id": "pm_1", "type": "card", "card": {"brand": "visa", "last4": "4242", "exp_month": 4, "exp_year": 2030}});
    whole["default_payment_method"] = method;
    let read: Subscription = parse_value(&whole).unwrap();
    assert_eq!(read.default_payment_method.unwrap().object().unwrap().last4(), Some("4242"));
}

#[test]
fn an_unknown_status_is_kept_and_not_refused() {
    let mut odd = subscription();
    odd["status"] = json!("hibernating");
    odd["pause_collection"] = json!({"behavior": "dream", "resumes_at": null});
    let read: Subscription = parse_value(&odd).unwrap();
    assert_eq!(read.status, SubscriptionStatus::Other("hibernating".to_owned()));
    assert_eq!(read.status.as_str(), "hibernating");
    assert!(!read.status.is_over());
}

#[test]
fn every_known_status_keeps_its_word() {
    for word in
        ["trialing", "active", "past_due", "unpaid", "canceled", "incomplete", "incomplete_expired", "paused"]
    {
        let status = SubscriptionStatus::from(word);
        assert!(!matches!(status, SubscriptionStatus::Other(_)), "{word}");
        assert_eq!(status.as_str(), word);
    }
}

#[test]
fn a_missing_field_that_matters_is_named_by_its_path() {
    let mut broken = subscription();
    broken["items"]["data"][0]["price"]["product"] = json!(null);
    let error = parse_value::<Subscription>(&broken).unwrap_err();
    assert!(error.to_string().contains("items.data[0].price.product"), "{error}");
}

#[test]
fn a_field_that_does_not_matter_may_be_missing() {
    let mut lean = subscription();
    let object = lean.as_object_mut().unwrap();
    for field in [
        "cancel_at",
        "trial_end",
        "discounts",
        "metadata",
        "schedule",
        "cancellation_details",
        "latest_invoice",
        "collection_method",
    ] {
        object.remove(field);
    }
    assert!(parse_value::<Subscription>(&lean).is_ok());
}

#[test]
fn an_invoice_knows_its_subscription_its_taxes_and_its_prorations() {
    let invoice = r#"{
        "id": "in_1", "object": "invoice", "customer": "cus_1", "status": "open", "currency": "eur", "livemode": false,
        "number": "A-1", "subtotal": 2900, "total": 3509, "total_taxes": [{"amount": 609, "tax_behavior": "exclusive",
            "taxable_amount": 2900, "type": "tax_rate_details", "tax_rate_details": {"tax_rate": "txr_1"}}],
        "total_discount_amounts": null, "starting_balance": 0, "amount_due": 3509, "amount_paid": 0, "amount_remaining": 3509,
        "period_start": 1, "period_end": 2, "created": 3, "due_date": null, "attempt_count": 1, "attempted": true,
        "next_payment_attempt": 9, "billing_reason": "subscription_cycle", "collection_method": "charge_automatically",
        "status_transitions": {"finalized_at": 4, "paid_at": null, "voided_at": null, "marked_uncollectible_at": null},
        "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1", "metadata": {}}},
        "lines": {"data": [
            {"id": "il_1", "amount": 2900, "description": "Starter", "quantity": 1, "period": {"start": 1, "end": 2},
             "parent": {"type": "subscription_item_details", "subscription_item_details": {"proration": true, "subscription_item": "si_1"}},
             "pricing": {"type": "price_details", "price_details": {"price": "price_1", "product": "prod_1"}}},
            {"id": "il_2", "amount": 0, "description": null, "quantity": null, "period": {"start": 1, "end": 2}, "parent": null, "pricing": null}
        ], "has_more": false, "url": "/"},
        "payments": {"data": [{"id": "inpay_1", "invoice": "in_1", "amount_requested": 3509, "amount_paid": null, "status": "open",
            "payment": {"type": "payment_intent", "payment_intent": "pi_1"}}], "has_more": false, "url": "/"}
    }"#;
    let read: Invoice = parse(invoice.as_bytes()).unwrap();
    assert_eq!(read.subscription().unwrap().as_str(), "sub_1");
    assert_eq!((read.tax(), read.discount()), (609, 0));
    assert_eq!(read.lines.data.iter().map(Line::is_proration).collect::<Vec<_>>(), [true, false]);
    assert_eq!(read.lines.data[0].price().unwrap().as_str(), "price_1");
    assert_eq!(read.payments.unwrap().data[0].payment.payment_intent.as_ref().unwrap().as_str(), "pi_1");
}

#[test]
fn a_preview_has_no_id_and_no_status() {
    let preview = json!({
        "id": null, "customer": "cus_1", "status": null, "currency": "jpy", "subtotal": 1, "total": 1, "amount_due": 1,
        "amount_paid": 0, "amount_remaining": 1, "period_start": 1, "period_end": 2, "created": 3
    });
    let read: Invoice = parse_value(&preview).unwrap();
    assert_eq!((read.id, read.status), (None, None));
}

#[test]
fn a_deleted_customer_or_product_is_read() {
    let customer: Customer = parse(br#"{"id":"cus_1","object":"customer","deleted":true}"#).unwrap();
    assert!(customer.deleted);
    let product: Product = parse(br#"{"id":"prod_1","object":"product","deleted":true}"#).unwrap();
    assert!(product.deleted);
}

#[test]
fn a_customer_names_its_tenant_and_its_payment_method() {
    let customer: Customer = parse(
        br#"{"id":"cus_1","created":1,"livemode":false,"metadata":{"tenant_id":"t1"},"balance":-500,"currency":null,
        "invoice_settings":{"default_payment_method":{"id":"pm_1","type":"sepa_debit","sepa_debit":{"last4":"3000"}}},
        "tax_ids":{"data":[{"id":"txi_1","type":"eu_vat","value":"DE1","verification":{"status":"pending"}}],"has_more":false}}"#,
    )
    .unwrap();
    assert_eq!(customer.tenant(), Some("t1"));
    assert_eq!(customer.payment_method().unwrap().last4(), Some("3000"));
    assert_eq!(customer.tax_ids.unwrap().data[0].kind, "eu_vat");
    let bare: Customer =
        parse(br#"{"id":"cus_1","invoice_settings":{"default_payment_method":"pm_1"}}"#).unwrap();
    assert_eq!(bare.payment_method(), None);
}

#[test]
fn a_price_keeps_its_tiers_and_its_other_currencies() {
    let mut tiered = price();
    tiered["unit_amount"] = json!(null);
    tiered["tiers_mode"] = json!("graduated");
    tiered["tiers"] = json!([{"up_to": 10, "unit_amount": 5, "flat_amount": null}, {"up_to": null, "unit_amount_decimal": "0.0003"}]);
    tiered["currency_options"] =
        json!({"usd": {"unit_amount": 3100, "unit_amount_decimal": "3100", "tax_behavior": "exclusive"}});
    let read: Price = parse_value(&tiered).unwrap();
    assert_eq!(read.tiers.unwrap()[1].unit_amount_decimal.as_deref(), Some("0.0003"));
    assert_eq!(read.currency_options.unwrap()[&crate::money::Currency::USD].unit_amount, Some(3100));
}

#[test]
fn a_coupon_shows_its_percent_without_a_float() {
    let per_cent = |json: &str| parse::<Coupon>(json.as_bytes()).unwrap().percent_off;
    assert_eq!(per_cent(r#"{"id":"A","percent_off":50.0}"#).as_deref(), Some("50"));
    assert_eq!(per_cent(r#"{"id":"A","percent_off":12.5}"#).as_deref(), Some("12.5"));
    assert_eq!(per_cent(r#"{"id":"A","percent_off":null}"#), None);
}

#[test]
fn the_envelope_is_read_whatever_the_object_is() {
    let envelope = |event: &serde_json::Value| Envelope::read(event.to_string().as_bytes());
    let event = json!({"id": "evt_1", "type": "invoice.levitated", "created": 5, "api_version": "2031-01-01.x", "livemode": true,
        "data": {"object": {"id": "in_1", "object": "invoice", "customer": {"id": "cus_1"}, "amount": 1500.0}}});
    let read = envelope(&event).unwrap();
    assert_eq!(
        (read.customer_id.as_deref(), read.object_id.as_deref(), read.livemode),
        (Some("cus_1"), Some("in_1"), true)
    );
    let customer = json!({"id": "evt_1", "type": "customer.updated", "created": 5, "data": {"object": {"id": "cus_1", "object": "customer"}}});
    assert_eq!(envelope(&customer).unwrap().customer_id.as_deref(), Some("cus_1"));
    let bare = json!({"id": "evt_1", "type": "balance.available", "created": 5, "data": null});
    assert_eq!(envelope(&bare).unwrap().customer_id, None);
    for broken in [
        json!([]),
        json!({"id": "evt_1"}),
        json!({"id": 1, "type": "a", "created": 1}),
        json!({"id": "e/1", "type": "a", "created": 1}),
    ] {
        assert_eq!(envelope(&broken), None, "{broken}");
    }
    assert_eq!(Envelope::read(b"<html>"), None);
}

#[test]
fn the_next_phase_is_the_one_that_begins_later() {
    let schedule: Schedule = parse_value(
        &json!({"id": "sub_sched_1", "customer": "cus_1", "subscription": "sub_1", "status": "active",
        "end_behavior": "release", "phases": [
            {"start_date": 10, "end_date": 20, "items": [{"price": "price_1", "quantity": 1}]},
            {"start_date": 20, "end_date": null, "items": [{"price": {"id": "price_2"}, "quantity": 2}]}]}),
    )
    .unwrap();
    assert_eq!(schedule.next_phase(15).unwrap().items[0].price.as_str(), "price_2");
    assert_eq!(schedule.next_phase(20), None);
    assert_eq!(Schedule { status: ScheduleStatus::Released, ..schedule }.next_phase(15), None);
}
