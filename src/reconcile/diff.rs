//! From two sides of one customer to findings.

use serde_json::{Value, json};

use super::{Change, Finding, Kind, Repair, Severity};
use crate::money::Money;
use crate::stripe::snapshot::{InvoiceStatus, Subscription};
use crate::sync::{ChargeRow, CustomerRow, InvoiceRow, PriceRow, ProductRow, Rows, SubscriptionRow, Whole};

/// The fields of two rows of one kind that differ.
macro_rules! differing {
    ($here:expr, $stripe:expr; $($field:ident)+) => {{
        let mut all = Vec::new();
        $(if $here.$field != $stripe.$field {
            all.push(Change::new(stringify!($field), json!($here.$field), json!($stripe.$field)));
        })+
        all
    }};
}

/// How a customer's row differs. What is asked for beside rows does not count.
pub fn customer(here: &CustomerRow, stripe: &CustomerRow) -> Vec<Change> {
    differing!(here, stripe; tenant_id email name currency address tax_ids balance delinquent deleted livemode test_clock)
}

/// How a subscription's row differs.
pub fn subscription(here: &SubscriptionRow, stripe: &SubscriptionRow) -> Vec<Change> {
    differing!(here, stripe; tenant_id customer_id status currency price_id product_id quantity items current_period_start
        current_period_end trial_start trial_end cancel_at cancel_at_period_end canceled_at ended_at cancellation_reason
        pause_behavior pause_resumes_at schedule_id pending_change pending_update discounts collection_method
        latest_invoice_id livemode started_at created_at)
}

/// How an invoice's row differs in what money it says.
fn amounts(here: &InvoiceRow, stripe: &InvoiceRow) -> Vec<Change> {
    differing!(here, stripe; currency subtotal discount tax total starting_balance amount_due amount_paid amount_remaining)
}

/// How an invoice's row differs.
pub fn invoice(here: &InvoiceRow, stripe: &InvoiceRow) -> Vec<Change> {
    let mut all = amounts(here, stripe);
    all.extend(differing!(here, stripe; tenant_id customer_id subscription_id number status billing_reason
        collection_method period_start period_end created_at due_at finalized_at paid_at voided_at attempt_count
        next_attempt_at lines taxes));
    all
}

/// How a charge's row differs. When a refund was first seen is ours alone.
pub fn charge(here: &ChargeRow, stripe: &ChargeRow) -> Vec<Change> {
    differing!(here, stripe; amount amount_refunded currency tenant_id customer_id payment_intent_id status disputed
        failure_code failure_message created_at)
}

/// How a product's row differs.
pub fn product(here: &ProductRow, stripe: &ProductRow) -> Vec<Change> {
    differing!(here, stripe; name description active livemode plan metric position highlighted hidden tenants trial_days
        per_seat features marketing_features translations limits)
}

/// How a price's row differs.
pub fn price(here: &PriceRow, stripe: &PriceRow) -> Vec<Change> {
    differing!(here, stripe; product_id lookup_key active livemode currency unit_amount unit_amount_decimal
        recurring_interval interval_count usage_type meter_id tax_behavior tiers_mode tiers currency_options)
}

/// Everything that is off with a customer of ours. `livemode` is that of our key; `with_method` says whether the payment method is
/// compared too, and is false while it is about to be asked for.
pub fn examine(whole: &Whole, here: &Rows, livemode: bool, with_method: bool) -> Vec<Finding> {
    let Some(row) = &here.customer else { return Vec::new() };
    let tenant = row.tenant_id.as_str();
    let there = whole.rows(tenant, here);
    let mut all = Vec::new();
    let gone = whole.customer().deleted;
    if gone && !row.deleted {
        let live = here.subscriptions.iter().any(|one| !one.status.is_over());
        let severity = if live { Severity::Critical } else { Severity::Major };
        let mut found = Finding::new(Kind::OrphanRow, severity, "customer", row.id.as_str(), Repair::Refetch);
        found.changes = vec![Change::new("deleted", false, true)];
        all.push(found);
    }
    if !gone {
        let method = whole.payment_method().filter(|_| with_method);
        all.extend(of_customer(whole, row, there.customer.as_ref(), livemode, method));
        all.extend(two_live(whole.subscriptions()));
    }
    all.extend(of_subscriptions(&here.subscriptions, &there.subscriptions, gone));
    all.extend(of_metadata(whole.subscriptions(), tenant));
    if !gone {
        all.extend(of_invoices(&here.invoices, &there.invoices));
        all.extend(of_charges(&here.charges, &there.charges));
    }
    for found in &mut all {
        found.customer = Some(row.id.to_string());
        found.tenant = Some(tenant.to_owned());
    }
    all
}

/// What is off with the customer itself.
fn of_customer(
    whole: &Whole,
    here: &CustomerRow,
    there: Option<&CustomerRow>,
    livemode: bool,
    method: Option<Option<&str>>,
) -> Vec<Finding> {
    let mut all = Vec::new();
    let (id, object) = (here.id.as_str(), "customer");
    if whole.customer().livemode != livemode || here.livemode != livemode {
        let mut found = Finding::new(Kind::WrongMode, Severity::Critical, object, id, Repair::ByHand);
        found.changes = vec![Change::new("livemode", here.livemode, whole.customer().livemode)];
        all.push(found);
    }
    let named = whole.customer().tenant();
    if named != Some(here.tenant_id.as_str()) {
        let mut found = Finding::new(Kind::WrongTenant, Severity::Critical, object, id, Repair::WriteTenant);
        found.changes = vec![Change::new("tenant_id", here.tenant_id.as_str(), json!(named))];
        all.push(found);
    }
    let mut changes = there.map(|there| customer(here, there)).unwrap_or_default();
    changes.retain(|change| change.field != "livemode");
    if let Some(method) = method.filter(|method| *method != here.payment_method.as_deref()) {
        let read = |text: Option<&str>| -> Value {
            text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
        };
        changes.push(Change::new("payment_method", read(here.payment_method.as_deref()), read(method)));
    }
    if !changes.is_empty() {
        let mut found = Finding::new(Kind::StaleRow, Severity::Major, object, id, Repair::Refetch);
        found.changes = changes;
        all.push(found);
    }
    all
}

/// More than one subscription that is not over: which to keep is for a person to say.
fn two_live(subscriptions: &[Subscription]) -> Option<Finding> {
    let live: Vec<_> = subscriptions.iter().filter(|one| !one.status.is_over()).collect();
    let newest = live.first().filter(|_| live.len() > 1)?;
    let mut found = Finding::new(
        Kind::TwoLive,
        Severity::Critical,
        "customer",
        newest.customer.as_str(),
        Repair::KeepOne,
    );
    found.changes = live.iter().map(|one| Change::new(one.id.as_str(), Value::Null, choice(one))).collect();
    Some(found)
}

/// What a person needs to know of a subscription to choose it.
fn choice(subscription: &Subscription) -> Value {
    let item = subscription.items.data.first();
    json!({
        "status": subscription.status, "created": subscription.created, "currency": subscription.currency,
        "price": item.map(|item| &item.price.id), "product": item.map(|item| &item.price.product),
        "unit_amount": item.and_then(|item| item.price.unit_amount),
        "quantity": item.and_then(|item| item.quantity),
        "period_end": item.and_then(|item| item.current_period_end),
    })
}

/// Subscriptions whose metadata names another tenant than the one whose customer pays for them.
fn of_metadata(subscriptions: &[Subscription], tenant: &str) -> Vec<Finding> {
    let wrong = subscriptions.iter().filter_map(|one| {
        let named = one.metadata.get("tenant_id").filter(|named| *named != tenant)?;
        let severity = if one.status.is_over() { Severity::Major } else { Severity::Critical };
        let mut found =
            Finding::new(Kind::WrongTenant, severity, "subscription", one.id.as_str(), Repair::WriteTenant);
        found.changes = vec![Change::new("tenant_id", tenant, named.as_str())];
        Some(found)
    });
    wrong.collect()
}

/// Of a customer that is gone, Stripe lists no subscriptions: then there is nothing to miss.
fn of_subscriptions(here: &[SubscriptionRow], there: &[SubscriptionRow], gone: bool) -> Vec<Finding> {
    let mut all = Vec::new();
    for stripe in there {
        let id = stripe.id.as_str();
        let severity = |live: bool| if live { Severity::Critical } else { Severity::Major };
        match here.iter().find(|row| row.id == stripe.id) {
            None => {
                let severity = severity(!stripe.status.is_over());
                let mut found = Finding::new(Kind::MissingRow, severity, "subscription", id, Repair::Refetch);
                found.changes = vec![Change::new("status", Value::Null, json!(stripe.status))];
                all.push(found);
            }
            Some(row) => {
                let changes = subscription(row, stripe);
                if !changes.is_empty() {
                    let severity = severity(row.status != stripe.status);
                    let mut found =
                        Finding::new(Kind::StaleRow, severity, "subscription", id, Repair::Refetch);
                    found.changes = changes;
                    all.push(found);
                }
            }
        }
    }
    for row in here.iter().filter(|row| !gone && !there.iter().any(|stripe| stripe.id == row.id)) {
        let severity = if row.status.is_over() { Severity::Major } else { Severity::Critical };
        let mut found =
            Finding::new(Kind::OrphanRow, severity, "subscription", row.id.as_str(), Repair::Remove);
        found.changes = vec![Change::new("status", json!(row.status), Value::Null)];
        all.push(found);
    }
    all
}

fn of_invoices(here: &[InvoiceRow], there: &[InvoiceRow]) -> Vec<Finding> {
    let mut all = Vec::new();
    for stripe in there {
        let id = stripe.id.as_str();
        let found = match here.iter().find(|row| row.id == stripe.id) {
            None => {
                let mut found =
                    Finding::new(Kind::MissingRow, Severity::Major, "invoice", id, Repair::Refetch);
                found.changes = vec![
                    Change::new("status", Value::Null, json!(stripe.status)),
                    Change::new("total", Value::Null, stripe.total),
                ];
                found.amount = Some(Money::new(stripe.amount_paid, stripe.currency));
                found
            }
            Some(row) => {
                let changes = invoice(row, stripe);
                if changes.is_empty() {
                    continue;
                }
                let is_money = !amounts(row, stripe).is_empty();
                let (kind, severity) = if is_money {
                    (Kind::AmountDiffers, Severity::Critical)
                } else {
                    (Kind::StaleRow, Severity::Major)
                };
                let mut found = Finding::new(kind, severity, "invoice", id, Repair::Refetch);
                let apart = row.amount_paid.abs_diff(stripe.amount_paid);
                found.amount = Some(Money::new(i64::try_from(apart).unwrap_or(i64::MAX), stripe.currency));
                found.changes = changes;
                found
            }
        };
        all.push(found);
    }
    for row in here.iter().filter(|row| !there.iter().any(|stripe| stripe.id == row.id)) {
        // A draft can be deleted at Stripe, and a fetch drops its row. Nothing else vanishes there.
        let is_draft = row.status == InvoiceStatus::Draft;
        let (severity, repair) =
            if is_draft { (Severity::Major, Repair::Refetch) } else { (Severity::Critical, Repair::Remove) };
        let mut found = Finding::new(Kind::OrphanRow, severity, "invoice", row.id.as_str(), repair);
        found.changes = vec![Change::new("status", json!(row.status), Value::Null)];
        found.amount = Some(Money::new(row.amount_paid, row.currency));
        all.push(found);
    }
    all
}

fn of_charges(here: &[ChargeRow], there: &[ChargeRow]) -> Vec<Finding> {
    let mut all = Vec::new();
    for stripe in there {
        let id = stripe.id.as_str();
        let (kind, severity, changes) = match here.iter().find(|row| row.id == stripe.id) {
            None => {
                let changes = vec![Change::new("amount", Value::Null, stripe.amount)];
                (Kind::MissingRow, Severity::Major, changes)
            }
            Some(row) => {
                let changes = charge(row, stripe);
                let is_money = (row.amount, row.amount_refunded, row.currency)
                    != (stripe.amount, stripe.amount_refunded, stripe.currency);
                if is_money {
                    (Kind::AmountDiffers, Severity::Critical, changes)
                } else {
                    (Kind::StaleRow, Severity::Major, changes)
                }
            }
        };
        if !changes.is_empty() {
            all.push(Finding { changes, ..Finding::new(kind, severity, "charge", id, Repair::Refetch) });
        }
    }
    for row in here.iter().filter(|row| !there.iter().any(|stripe| stripe.id == row.id)) {
        let mut found =
            Finding::new(Kind::OrphanRow, Severity::Critical, "charge", row.id.as_str(), Repair::Remove);
        found.changes = vec![Change::new("amount", row.amount, Value::Null)];
        all.push(found);
    }
    all
}

/// What is off with the catalogue. What is listed no more and for sale no more either is only remembered here.
pub fn catalogue(here: (&[ProductRow], &[PriceRow]), stripe: (&[ProductRow], &[PriceRow])) -> Vec<Finding> {
    let mut all = Vec::new();
    let mut judge = |object: &'static str, id: &str, here: bool, changes: Vec<Change>| {
        let kind = if here { Kind::CatalogueDiffers } else { Kind::CatalogueMissing };
        if !here || !changes.is_empty() {
            let found = Finding::new(kind, Severity::Major, object, id, Repair::Catalogue);
            all.push(Finding { changes, ..found });
        }
    };
    for there in stripe.0 {
        match here.0.iter().find(|row| row.id == there.id) {
            Some(row) => judge("product", &there.id, true, product(row, there)),
            None => {
                judge(
                    "product",
                    &there.id,
                    false,
                    vec![Change::new("name", Value::Null, there.name.as_str())],
                );
            }
        }
    }
    for there in stripe.1 {
        match here.1.iter().find(|row| row.id == there.id) {
            Some(row) => judge("price", &there.id, true, price(row, there)),
            None => {
                let changes = vec![Change::new("unit_amount", Value::Null, json!(there.unit_amount))];
                judge("price", &there.id, false, changes);
            }
        }
    }
    let products = here.0.iter().filter(|row| row.active && !stripe.0.iter().any(|there| there.id == row.id));
    let prices = here.1.iter().filter(|row| row.active && !stripe.1.iter().any(|there| there.id == row.id));
    let gone = products.map(|row| ("product", &row.id)).chain(prices.map(|row| ("price", &row.id)));
    for (object, id) in gone {
        let found = Finding::new(Kind::OrphanRow, Severity::Major, object, id, Repair::Catalogue);
        all.push(Finding { changes: vec![Change::new("active", true, Value::Null)], ..found });
    }
    all
}
