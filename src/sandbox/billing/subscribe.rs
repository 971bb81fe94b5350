//! A new subscription: its items, its first period, its first invoice.

use serde_json::{Value, json};

use super::decimal::share;
use super::discounts::{self, Wish};
use super::invoices::{self, Draft};
use super::lines::{self, Context, Line, Role};
use super::payments::{self, Outcome, Presence};
use super::tariff::{self, Tariff};
use super::{PaymentBehavior, Proration, cycle};
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::{Json, list, merge};
use crate::sandbox::objects::prices;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// A price wanted, and how many.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The price's id.
    pub(crate) price: String,
    /// How many; none for metered prices, one when not said.
    pub(crate) quantity: Option<i64>,
    /// The item's metadata.
    pub(crate) metadata: Value,
}

/// A subscription wanted.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// The customer's id.
    pub(crate) customer: String,
    /// What it consists of.
    pub(crate) items: Vec<Wanted>,
    /// The currency; that of the first price when none.
    pub(crate) currency: Option<String>,
    /// When the trial ends.
    pub(crate) trial_end: Option<i64>,
    /// Coupons and promotion codes.
    pub(crate) discounts: Vec<Wish>,
    /// A future moment that periods count from.
    pub(crate) anchor: Option<i64>,
    /// Whether the time up to that moment is charged.
    pub(crate) proration: Proration,
    /// Fields taken over into the subscription as they are.
    pub(crate) fields: Value,
}

/// Makes the subscription and the draft of its first invoice, and tells of both; gives the subscription's id.
pub(crate) fn place(state: &mut State, order: &Order) -> Answer<String> {
    let customer = state.customer(&order.customer, "customer")?;
    let currency = currency(state, order, &customer)?;
    let id = state.id("sub_");
    let trial_end = order.trial_end.filter(|end| *end > state.at);
    let anchor = trial_end.or(order.anchor).unwrap_or(state.at);
    let mut sub = blank(state, &id, &customer, &currency, anchor);
    if let (Some(sub), Some(fields)) = (sub.as_object_mut(), order.fields.as_object()) {
        sub.extend(fields.clone());
    }
    if let Some(end) = trial_end {
        sub["trial_start"] = json!(state.at);
        sub["trial_end"] = json!(end);
    }
    let sends = sub.text("collection_method") == "send_invoice";
    sub["status"] = json!(match (trial_end, sends) {
        (Some(_), _) => "trialing",
        (None, true) => "active",
        (None, false) => "incomplete",
    });
    let mut lines = Vec::new();
    let mut items = Vec::new();
    for wanted in &order.items {
        let (item, mut item_lines) = first_item(state, &sub, wanted, order, trial_end)?;
        items.push(item);
        lines.append(&mut item_lines);
    }
    if items.len() > 20 || items.is_empty() {
        return Err(ApiError::invalid("items", "A subscription has 1 to 20 items."));
    }
    sub["items"] = list(items, false, &format!("/v1/subscription_items?subscription={id}"));
    if sub.flag("cancel_at_period_end") {
        sub["cancel_at"] = json!(cycle::latest_end(&sub));
        sub["canceled_at"] = json!(state.at);
    }
    cycle::plan_notices(state, &mut sub);
    state.store.put(Kind::Subscription, sub);
    let attached = discounts::redeem(state, &order.discounts, &order.customer, Some(&id));
    state.amend(Kind::Subscription, &id, |sub| sub["discounts"] = json!(attached));
    first_invoice(state, &id, lines);
    Ok(id)
}

/// The first invoice of a new subscription.
fn first_invoice(state: &mut State, id: &str, lines: Vec<Line>) {
    let sub = state.find(Kind::Subscription, id);
    let draft = Draft {
        customer: sub.text("customer"),
        subscription: Some(&sub),
        reason: "subscription_create",
        lines,
        period: (state.at, state.at),
        discounts: discounts::holding(state, &sub, state.at),
        currency: sub.text("currency"),
        with_pending: true,
    };
    let invoice = invoices::draft(state, draft);
    cycle::remember_billed(state, id, &invoice);
    state.amend(Kind::Subscription, id, |sub| sub["latest_invoice"] = json!(invoice));
    // A trial costs nothing: a coupon for one invoice waits for the first that does.
    if sub.text("status") != "trialing" {
        discounts::wear_off(state, id);
    }
    invoices::announce(state, &invoice, None);
    let sub = state.find(Kind::Subscription, id);
    state.emit("customer.subscription.created", &sub, None);
}

/// Finalizes the first invoice and collects it, as the request wishes.
pub(crate) fn settle(
    state: &mut State,
    id: &str,
    behavior: PaymentBehavior,
    presence: Presence,
) -> Answer<Outcome> {
    let invoice = state.find(Kind::Subscription, id).text("latest_invoice").to_owned();
    invoices::finalize(state, &invoice);
    let finalized = state.find(Kind::Invoice, &invoice);
    let automatic = finalized.text("collection_method") == "charge_automatically";
    if finalized.text("status") != "open" || !automatic || behavior == PaymentBehavior::Await {
        return Ok(Outcome::Paid);
    }
    let outcome = payments::collect(state, &invoice, None, presence);
    match outcome.error() {
        Some(error) if behavior == PaymentBehavior::Refuse => Err(error),
        _ => Ok(outcome),
    }
}

/// The currency of an order; a customer has one currency at a time, and every price must speak it.
fn currency(state: &mut State, order: &Order, customer: &Value) -> Answer<String> {
    let Some(first) = order.items.first() else { return Err(ApiError::missing("items")) };
    let price = state.need(Kind::Price, &first.price, "items[0][price]")?;
    let held = customer.maybe_text("currency").filter(|held| tariff::speaks(&price, held));
    let wanted = order.currency.as_deref().or(held).unwrap_or_else(|| price.text("currency")).to_owned();
    keep_currency(state, customer, &wanted)?;
    let chosen = wanted.clone();
    state.amend(Kind::Customer, customer.text("id"), |customer| customer["currency"] = json!(chosen));
    Ok(wanted)
}

/// A customer who has something going on in one currency buys nothing in another.
pub(crate) fn keep_currency(state: &State, customer: &Value, wanted: &str) -> Answer<()> {
    match customer.maybe_text("currency") {
        Some(held) if held != wanted && busy(state, customer.text("id")) => Err(ApiError::refused(format!(
            "You cannot combine currencies on a single customer. This customer has an active subscription, \
             subscription schedule, discount, quote, or invoice item with currency {held}."
        ))),
        _ => Ok(()),
    }
}

fn busy(state: &State, customer: &str) -> bool {
    let any = |kind, holds: fn(&Value) -> bool| {
        state.store.all(kind).any(|object| object.text("customer") == customer && holds(object))
    };
    any(Kind::Subscription, |sub| !matches!(sub.text("status"), "canceled" | "incomplete_expired"))
        || any(Kind::InvoiceItem, |item| item["invoice"].is_null())
}

/// An item of a new subscription with its first period, and what that costs.
fn first_item(
    state: &mut State,
    sub: &Value,
    wanted: &Wanted,
    order: &Order,
    trial_end: Option<i64>,
) -> Answer<(Value, Vec<Line>)> {
    let currency = sub.text("currency");
    let tariff = recurring(state, &wanted.price, currency)?;
    let Some(interval) = tariff.interval else {
        return Err(ApiError::refused("The price is not recurring."));
    };
    let (whole, end) = match trial_end {
        Some(end) => (state.at, end),
        None => interval.containing(sub.int("billing_cycle_anchor"), state.at),
    };
    let period = (state.at, end);
    let mut item = item(state, sub.text("id"), wanted, &tariff, period)?;
    let item_id = item.id();
    let context = Context { subscription: sub.text("id"), item: &item_id, currency };
    let quantity = item.maybe_int("quantity").unwrap_or(1);
    let lines = if tariff.metered {
        Vec::new()
    } else if trial_end.is_some() {
        vec![lines::of_trial(&tariff, quantity, period, &context)]
    } else {
        let part = |amount| match order.proration {
            Proration::None if whole != state.at => 0,
            _ => share(amount, period.1 - period.0, period.1 - whole),
        };
        let made = lines::of_period(&tariff, quantity, period, &context, Role::Period, part);
        let amount: i64 = made.iter().map(|line| line.amount).sum();
        item.set_note("billed", json!({ "amount": amount, "start": period.0, "end": period.1 }));
        made
    };
    Ok((item, lines))
}

/// The tariff of a recurring price that may still be sold.
pub(crate) fn recurring(state: &State, price: &str, currency: &str) -> Answer<Tariff> {
    let object = state.need(Kind::Price, price, "items[0][price]")?;
    if !object.flag("active") {
        return Err(ApiError::invalid(
            "items[0][price]",
            "The price specified is inactive. This field only accepts active prices.",
        ));
    }
    if object.text("type") != "recurring" {
        return Err(ApiError::invalid(
            "items[0][price]",
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.",
        ));
    }
    Tariff::of(state, price, currency)
}

/// A subscription item.
pub(crate) fn item(
    state: &mut State,
    subscription: &str,
    wanted: &Wanted,
    tariff: &Tariff,
    period: (i64, i64),
) -> Answer<Value> {
    if tariff.metered && wanted.quantity.is_some() {
        return Err(ApiError::invalid(
            "items[0][quantity]",
            "You cannot set the quantity for a metered price: usage is reported to its meter.",
        ));
    }
    let price = state.find(Kind::Price, &wanted.price);
    let mut item = json!({
        "id": state.id("si_"), "object": "subscription_item", "billing_thresholds": null, "created": state.at,
        "current_period_end": period.1, "current_period_start": period.0, "current_trial": null, "discounts": [],
        "metadata": if wanted.metadata.is_object() { wanted.metadata.clone() } else { json!({}) },
        "plan": prices::plan(&price), "price": crate::sandbox::json::public(&price),
        "subscription": subscription, "tax_rates": [],
    });
    if !tariff.metered {
        item["quantity"] = json!(wanted.quantity.unwrap_or(1));
    }
    Ok(item)
}

/// A subscription without items.
fn blank(state: &State, id: &str, customer: &Value, currency: &str, anchor: i64) -> Value {
    merge(
        json!({
            "id": id, "object": "subscription", "application": null, "application_fee_percent": null,
            "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null },
            "billing_cycle_anchor": anchor, "billing_cycle_anchor_config": null,
            "billing_mode": { "flexible": { "proration_discounts": "included" }, "type": "flexible" },
            "billing_schedules": [], "billing_thresholds": null, "cancel_at": null, "cancel_at_period_end": false,
            "canceled_at": null,
            "cancellation_details": { "comment": null, "feedback": null, "feedback_option": null, "reason": null },
            "collection_method": "charge_automatically", "created": state.at, "currency": currency,
        }),
        json!({
            "customer": customer["id"], "customer_account": null, "days_until_due": null,
            "default_payment_method": null, "default_source": null, "default_tax_rates": [], "description": null,
            "discounts": [], "ended_at": null,
            "invoice_settings": { "account_tax_ids": null, "issuer": { "type": "self" } },
            "items": list(Vec::new(), false, ""), "latest_invoice": null, "livemode": false, "managed_payments": null,
            "metadata": {}, "next_pending_invoice_item_invoice": null, "on_behalf_of": null, "pause_collection": null,
            "payment_settings": { "payment_method_options": null, "payment_method_types": null,
                                  "save_default_payment_method": "off" },
            "pending_invoice_item_interval": null, "pending_setup_intent": null, "pending_update": null, "schedule": null,
            "start_date": state.at, "status": "incomplete", "test_clock": customer["test_clock"], "transfer_data": null,
            "trial_end": null,
            "trial_settings": { "end_behavior": { "billing_cycle_anchor": null, "missing_payment_method": "create_invoice" } },
            "trial_start": null,
        }),
    )
}
