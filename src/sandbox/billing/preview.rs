//! Previews: the real thing, rehearsed and rolled back.

use serde_json::{Value, json};

use super::change;
use super::discounts;
use super::subscribe::{self, Order};
use super::{Proration, cycle, invoices, schedules};
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::form::Params;
use crate::sandbox::json::{Json, public};
use crate::sandbox::objects::{customers, subscription_wishes};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// The invoice of a subscription's next renewal, without an id, as `invoice.upcoming` shows it; none when it will not renew.
pub(crate) fn upcoming(state: &mut State, id: &str) -> Option<Value> {
    let mut invoice = state.rehearse(|state| next(state, id)).ok()?;
    invoice.as_object_mut()?.remove("id");
    Some(invoice)
}

/// `POST /v1/invoices/create_preview`.
pub(crate) fn create(state: &mut State, params: &Params<'_>) -> Answer {
    let token = state.id("upcoming_in_");
    let mut invoice = state.rehearse(|state| rehearsed(state, params))?;
    invoice["lines"]["url"] = json!(format!("/v1/invoices/upcoming/lines?invoice={token}"));
    invoice["id"] = json!(token);
    Ok(invoice)
}

fn rehearsed(state: &mut State, params: &Params<'_>) -> Answer {
    let details = params.within("subscription_details");
    if let Some(id) = params.text("subscription")? {
        let id = id.to_owned();
        let sub = state.need(Kind::Subscription, &id, "subscription")?;
        if params.text("customer")?.is_some_and(|customer| customer != sub.text("customer")) {
            return Err(ApiError::invalid(
                "customer",
                "The customer does not match the customer of the subscription.",
            ));
        }
        if sub.text("status") == "canceled" || sub.text("status") == "incomplete_expired" {
            return Err(invoices::none_upcoming(sub.text("customer")));
        }
        state.customer(sub.text("customer"), "customer")?;
        suppose(state, params, sub.text("customer"))?;
        adjust(state, params, &id)?;
        let change = subscription_wishes::read_change(state, &details, &sub)?;
        let invoice = change::apply(state, &id, &change)?;
        ends(state, &details, &id)?;
        return match invoice {
            Some(invoice) => Ok(shown(state, &invoice)),
            None => next(state, &id),
        };
    }
    let customer = match params.text("customer")? {
        Some(id) => state.customer(id, "customer")?.id(),
        None if params.hash("customer_details").is_some() => customers::passing(state),
        None => return Err(ApiError::missing("customer")),
    };
    suppose(state, params, &customer)?;
    let items = subscription_wishes::read_wanted(&details)?;
    if items.is_empty() {
        let only = only_subscription(state, &customer)?;
        return next(state, &only);
    }
    let order = Order {
        discounts: discounts::read(state, params, &customer)?,
        customer,
        items,
        currency: params.text("currency")?.map(str::to_owned),
        trial_end: details.text("trial_end")?.and_then(|end| end.parse().ok()),
        anchor: None,
        proration: Proration::Create,
        fields: json!({ "automatic_tax": { "enabled": params.within("automatic_tax").flag("enabled")?.unwrap_or(false),
                                           "disabled_reason": null, "liability": null } }),
    };
    let id = subscribe::place(state, &order)?;
    let invoice = state.find(Kind::Subscription, &id).text("latest_invoice").to_owned();
    Ok(shown(state, &invoice))
}

/// Stripe takes the customer's only subscription when none is named.
fn only_subscription(state: &State, customer: &str) -> Answer<String> {
    let live = state.store.all(Kind::Subscription).rev().find(|sub| {
        sub.text("customer") == customer && !matches!(sub.text("status"), "canceled" | "incomplete_expired")
    });
    live.map(|sub| sub.id()).ok_or_else(|| invoices::none_upcoming(customer))
}

/// Supposes another address, exemption or tax ids of the customer.
fn suppose(state: &mut State, params: &Params<'_>, customer: &str) -> Answer<()> {
    let Some(details) = params.hash("customer_details") else { return Ok(()) };
    let mut changed = Value::clone(&state.find(Kind::Customer, customer));
    if let Some(address) = details.strings("address", &customers::ADDRESS) {
        changed["address"] = address;
    }
    if let Some(exempt) = details.word("tax_exempt", &["none", "exempt", "reverse"])? {
        changed["tax_exempt"] = json!(exempt);
    }
    state.store.put(Kind::Customer, changed);
    Ok(())
}

/// Supposes other discounts and tax settings of the subscription.
fn adjust(state: &mut State, params: &Params<'_>, id: &str) -> Answer<()> {
    if let Some(enabled) = params.within("automatic_tax").flag("enabled")? {
        state.amend(Kind::Subscription, id, |sub| sub["automatic_tax"]["enabled"] = json!(enabled));
    }
    if params.has("discounts") {
        let customer = state.find(Kind::Subscription, id).text("customer").to_owned();
        let wishes = discounts::read(state, params, &customer)?;
        let ids = discounts::redeem(state, &wishes, &customer, Some(id));
        state.amend(Kind::Subscription, id, |sub| sub["discounts"] = json!(ids));
    }
    Ok(())
}

/// Supposes that the subscription ends, or does not.
fn ends(state: &mut State, details: &Params<'_>, id: &str) -> Answer<()> {
    let at_end = details.flag("cancel_at_period_end")?;
    let at = details.int("cancel_at")?;
    state.amend(Kind::Subscription, id, |sub| match (at_end, at) {
        (Some(true), _) => sub["cancel_at"] = json!(cycle::latest_end(sub)),
        (_, Some(at)) => sub["cancel_at"] = json!(at),
        (Some(false), None) => sub["cancel_at"] = Value::Null,
        (None, None) => {}
    });
    Ok(())
}

/// The invoice of the next renewal: time moves there, a schedule enters its phase, the period ends.
fn next(state: &mut State, id: &str) -> Answer {
    let sub = state.need(Kind::Subscription, id, "subscription")?;
    let customer = sub.text("customer").to_owned();
    let none = || invoices::none_upcoming(&customer);
    if !matches!(sub.text("status"), "active" | "trialing" | "past_due" | "unpaid") {
        return Err(none());
    }
    let until = cycle::earliest_end(&sub).ok_or_else(none)?;
    state.at = until;
    if let Some(schedule) = sub.maybe_text("schedule") {
        let due = state.find(Kind::Schedule, schedule);
        if due.text("status") == "active" && due.int("/current_phase/end_date") <= until {
            schedules::advance(state, schedule);
        }
    }
    if sub.maybe_int("cancel_at").is_some_and(|end| end <= until) {
        super::end::at_period_end(state, id);
    } else if latest(state, id) == sub.text("latest_invoice") {
        cycle::renew(state, id);
    }
    let invoice = latest(state, id);
    if invoice == sub.text("latest_invoice") {
        return Err(none());
    }
    Ok(shown(state, &invoice))
}

fn latest(state: &State, id: &str) -> String {
    state.find(Kind::Subscription, id).text("latest_invoice").to_owned()
}

/// A draft as a preview shows it.
fn shown(state: &State, invoice: &str) -> Value {
    let mut shown = public(&state.find(Kind::Invoice, invoice));
    shown["next_payment_attempt"] =
        shown.maybe_int("automatically_finalizes_at").map_or(shown["created"].clone(), |at| json!(at));
    shown["automatically_finalizes_at"] = Value::Null;
    shown["ending_balance"] = state.find(Kind::Invoice, invoice).note("ending_balance").clone();
    shown
}

/// The amount that a new order would ask for now: for Checkout's totals.
pub(crate) fn of_order(state: &mut State, order: &Order) -> Answer {
    state.rehearse(|state| {
        let id = subscribe::place(state, order)?;
        let invoice = state.find(Kind::Subscription, &id).text("latest_invoice").to_owned();
        Ok(public(&state.find(Kind::Invoice, &invoice)))
    })
}
