//! Changing a subscription: other prices, other quantities, another anchor; what that credits and what it costs.
//!
//! What was paid for time that will not be used is credited to the second; what the new price costs for that time is charged.
//! [`plan`] computes, [`apply`] carries out, [`settle`] collects.

use serde_json::{Value, json};

use super::decimal::share;
use super::invoices::{self, Draft};
use super::lines::{self, Context, Line, Role, Settled};
use super::payments::{self, Outcome, Presence};
use super::period::Interval;
use super::subscribe::{self, Wanted};
use super::tariff::Tariff;
use super::{PaymentBehavior, Proration, cycle, discounts, pending, status};
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::{Json, public};
use crate::sandbox::objects::prices;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// A change of one item.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edit {
    /// The item; a new one when none.
    pub(crate) id: Option<String>,
    /// Its new price.
    pub(crate) price: Option<String>,
    /// Its new quantity.
    pub(crate) quantity: Option<i64>,
    /// Whether it goes.
    pub(crate) deleted: bool,
    /// Its metadata, when that changes.
    pub(crate) metadata: Option<Value>,
}

/// What happens to the trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trial {
    /// As it is.
    Unchanged,
    /// It ends now.
    EndsNow,
    /// It ends at this time; a subscription without one gets one.
    Ends(i64),
}

/// A change of a subscription.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// The items.
    pub(crate) edits: Vec<Edit>,
    /// What happens to unused and remaining time.
    pub(crate) proration: Proration,
    /// The moment that proration counts from.
    pub(crate) at: i64,
    /// Whether periods count from now on.
    pub(crate) anchor_now: bool,
    /// The trial.
    pub(crate) trial: Trial,
}

impl Change {
    /// Whether it asks for anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.edits.is_empty() && !self.anchor_now && self.trial == Trial::Unchanged
    }
}

/// What a change comes to.
pub(super) struct Plan {
    /// The subscription as it is to be.
    pub(super) sub: Value,
    lines: Vec<Line>,
    /// Whether it is invoiced now, whatever was asked: periods start anew.
    pub(super) immediate: bool,
}

/// Computes a change of a subscription; nothing is changed yet.
pub(super) fn plan(state: &mut State, sub: &Value, change: &Change) -> Answer<Plan> {
    let at = change.at;
    check_date(sub, at)?;
    let old = sub.items("items").to_vec();
    let mut items = edited(state, sub, change)?;
    let trialing = sub.text("status") == "trialing" && sub.int("trial_end") > state.at;
    let resets = match change.trial {
        Trial::EndsNow => trialing,
        Trial::Ends(_) => false,
        Trial::Unchanged => !trialing && (change.anchor_now || intervals_differ(&old, &items)),
    };
    let mut planned = sub.clone();
    let mut lines = Vec::new();
    if let Trial::Ends(end) = change.trial {
        begin_trial(state, &mut planned, &mut items, end)?;
        if !trialing && change.proration != Proration::None {
            lines.extend(credits(state, sub, at));
        }
    } else if resets {
        planned["billing_cycle_anchor"] = json!(at);
        if trialing {
            planned["trial_end"] = json!(at);
            planned["status"] = json!("active");
        } else {
            for item in &old {
                lines.extend(cycle::usage_lines(state, sub, item, at));
            }
            if change.proration != Proration::None {
                lines.extend(credits(state, sub, at));
            }
        }
        for item in &mut items {
            lines.extend(begin_anew(state, &planned, item, at)?);
        }
    } else if !trialing {
        lines = prorated(state, sub, &old, &mut items, change)?;
    }
    planned["items"]["data"] = Value::Array(items);
    cycle::plan_notices(state, &mut planned);
    Ok(Plan { sub: planned, lines, immediate: resets })
}

/// A proration date lies within the present period.
fn check_date(sub: &Value, at: i64) -> Answer<()> {
    let start = sub.items("items").iter().map(|item| item.int("current_period_start")).min().unwrap_or(at);
    let end = cycle::latest_end(sub).unwrap_or(at);
    if at < start || at > end {
        return Err(ApiError::invalid(
            "proration_date",
            "Invalid proration date; it must be between the start and the end of the current billing period.",
        ));
    }
    Ok(())
}

/// The items after the edits, not yet priced.
fn edited(state: &mut State, sub: &Value, change: &Change) -> Answer<Vec<Value>> {
    let mut items = sub.items("items").to_vec();
    for (index, edit) in change.edits.iter().enumerate() {
        let named = |field: &str| format!("items[{index}][{field}]");
        let Some(id) = &edit.id else {
            items.push(added(state, sub, edit, change.at, &named("price"))?);
            continue;
        };
        let place = items.iter().position(|item| item.text("id") == id);
        let Some(place) = place else {
            return Err(ApiError::no_such("subscription_item", id, &named("id")));
        };
        if edit.deleted {
            items.remove(place);
            continue;
        }
        edit_item(state, sub, &mut items[place], edit, &named("price"))?;
    }
    let mut prices: Vec<&str> = items.iter().map(|item| item.text("/price/id")).collect();
    prices.sort_unstable();
    if prices.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(ApiError::refused("Cannot add multiple subscription items with the same price."));
    }
    if items.is_empty() {
        return Err(ApiError::refused(
            "A subscription must have at least one active price. To cancel it, cancel it.",
        ));
    }
    Ok(items)
}

fn edit_item(state: &State, sub: &Value, item: &mut Value, edit: &Edit, param: &str) -> Answer<()> {
    let old_metered = item.text("/price/recurring/usage_type") == "metered";
    if let Some(price) = &edit.price {
        let tariff = subscribe::recurring(state, price, sub.text("currency"))?;
        let object = state.need(Kind::Price, price, param)?;
        item["price"] = public(&object);
        item["plan"] = prices::plan(&object);
        if tariff.metered && !old_metered {
            item.as_object_mut().map(|item| item.remove("quantity"));
        } else if !tariff.metered && old_metered {
            item["quantity"] = json!(1);
        }
    }
    if let Some(quantity) = edit.quantity {
        if item.text("/price/recurring/usage_type") == "metered" {
            return Err(ApiError::invalid(
                param.replace("price", "quantity"),
                "You cannot set the quantity for a metered price: usage is reported to its meter.",
            ));
        }
        item["quantity"] = json!(quantity);
    }
    if let Some(metadata) = &edit.metadata {
        item["metadata"] = metadata.clone();
    }
    Ok(())
}

/// A new item, in step with the subscription's anchor.
fn added(state: &mut State, sub: &Value, edit: &Edit, at: i64, param: &str) -> Answer<Value> {
    let Some(price) = edit.price.clone() else { return Err(ApiError::missing(param)) };
    let tariff = subscribe::recurring(state, &price, sub.text("currency"))?;
    let end = match (sub.text("status"), tariff.interval) {
        ("trialing", _) => sub.int("trial_end"),
        (_, Some(interval)) => interval.containing(sub.int("billing_cycle_anchor"), at).1,
        (_, None) => at,
    };
    let wanted =
        Wanted { price, quantity: edit.quantity, metadata: edit.metadata.clone().unwrap_or_default() };
    subscribe::item(state, sub.text("id"), &wanted, &tariff, (at, end))
}

/// Whether an item that stays is billed at another interval than before.
fn intervals_differ(old: &[Value], new: &[Value]) -> bool {
    new.iter().any(|item| {
        let before = old.iter().find(|old| old["id"] == item["id"]);
        before.is_some_and(|before| Interval::of(&before["price"]) != Interval::of(&item["price"]))
    })
}

/// Credits for what was paid for the time after `at`, item by item.
pub(crate) fn credits(state: &State, sub: &Value, at: i64) -> Vec<Line> {
    sub.items("items").iter().filter_map(|item| credit(state, sub, item, at)).collect()
}

/// What was charged for an item's time, discounts taken off, is given back for what is left of it, with the taxes that it was
/// charged with (<https://docs.stripe.com/billing/subscriptions/prorations#credit-prorations>).
fn credit(state: &State, sub: &Value, item: &Value, at: i64) -> Option<Line> {
    let billed = item.note("billed");
    let (start, end) = (billed.int("start"), billed.int("end"));
    let from = at.max(start);
    let unused = |amount: i64| -share(amount, (end - from).max(0), end - start);
    let amount = unused(billed.int("amount"));
    if amount == 0 {
        return None;
    }
    let taxes = billed.look("taxes").as_array().map(|taxes| {
        let parts = taxes.iter().map(|tax| {
            let mut part = tax.clone();
            for field in ["amount", "taxable_amount"] {
                part[field] = json!(unused(tax.int(field)));
            }
            part
        });
        parts.collect()
    });
    let settled = Settled { discounts: billed.items("discounts").to_vec(), taxes };
    let tariff = Tariff::of(state, item.text("/price/id"), sub.text("currency")).ok()?;
    let context =
        Context { subscription: sub.text("id"), item: item.text("id"), currency: sub.text("currency") };
    let quantity = item.maybe_int("quantity").unwrap_or(1);
    let line = lines::of_change(&tariff, quantity, amount, Role::Credit, (from, end), &context);
    Some(Line { settled, ..line })
}

/// A trial begins, or moves its end: until then nothing is billed, and periods count from its end.
fn begin_trial(state: &State, sub: &mut Value, items: &mut [Value], end: i64) -> Answer<()> {
    if end <= state.at {
        return Err(ApiError::invalid("trial_end", "Invalid timestamp: must be in the future, or `now`."));
    }
    sub["status"] = json!("trialing");
    sub["trial_end"] = json!(end);
    if sub["trial_start"].is_null() {
        sub["trial_start"] = json!(state.at);
    }
    sub["billing_cycle_anchor"] = json!(end);
    for item in items {
        item["current_period_start"] = json!(state.at);
        item["current_period_end"] = json!(end);
        item.set_note("billed", Value::Null);
    }
    Ok(())
}

/// An item's period starts anew at `at`; gives what that costs in advance.
fn begin_anew(state: &State, sub: &Value, item: &mut Value, at: i64) -> Answer<Vec<Line>> {
    let tariff = Tariff::of(state, item.text("/price/id"), sub.text("currency"))?;
    let Some(interval) = tariff.interval else { return Ok(Vec::new()) };
    let period = (at, interval.add(at, 1));
    item["current_period_start"] = json!(period.0);
    item["current_period_end"] = json!(period.1);
    item.set_note("billed", Value::Null);
    Ok(if tariff.metered { Vec::new() } else { cycle::full_period(sub, item, &tariff, period) })
}

/// Credits and charges of the items that change within their period.
fn prorated(
    state: &State,
    sub: &Value,
    old: &[Value],
    items: &mut [Value],
    change: &Change,
) -> Answer<Vec<Line>> {
    let same = |a: &Value, b: &Value| a["price"]["id"] == b["price"]["id"] && a["quantity"] == b["quantity"];
    let wanted = change.proration != Proration::None;
    let (mut given, mut taken) = (Vec::new(), Vec::new());
    for before in old {
        let after = items.iter().find(|item| item["id"] == before["id"]);
        if after.is_some_and(|after| same(before, after)) {
            continue;
        }
        // Usage until the change is billed at the price it was made at.
        let used = cycle::usage_lines(state, sub, before, change.at);
        given.extend(used.into_iter().filter(|line| line.quantity != Some(0)));
        if wanted {
            given.extend(credit(state, sub, before, change.at));
        }
    }
    let held = discounts::holding(state, sub, change.at);
    let whole = discounts::net_of_items(state, &held, items, sub.text("currency"))?;
    for (item, whole) in items.iter_mut().zip(whole) {
        let before = old.iter().find(|before| before["id"] == item["id"]);
        if before.is_some_and(|before| same(before, item)) {
            continue;
        }
        if before.is_some_and(|before| before.text("/price/recurring/usage_type") == "metered") {
            item["current_period_start"] = json!(change.at);
        }
        if wanted {
            let line = remaining(state, sub, item, change.at, whole)?;
            let discounts = held.iter().map(|id| json!(id)).collect();
            taken.extend(line.map(|line| Line { settled: Settled { discounts, taxes: None }, ..line }));
        }
    }
    given.append(&mut taken);
    Ok(given)
}

/// What an item costs for the rest of its period. `whole` is what a whole one costs, the subscription's discounts taken off: they
/// are in the amount of a proration, and no discount of the invoice touches it again
/// (<https://docs.stripe.com/billing/subscriptions/prorations#prorations-and-discounts>).
fn remaining(state: &State, sub: &Value, item: &mut Value, at: i64, whole: i64) -> Answer<Option<Line>> {
    let tariff = Tariff::of(state, item.text("/price/id"), sub.text("currency"))?;
    let (Some(interval), false) = (tariff.interval, tariff.metered) else { return Ok(None) };
    let end = item.int("current_period_end");
    let start = interval.containing(sub.int("billing_cycle_anchor"), end - 1).0;
    let quantity = item.int("quantity");
    let amount = share(whole, end - at, end - start);
    item.set_note("billed", json!({ "amount": amount, "start": at, "end": end }));
    let context =
        Context { subscription: sub.text("id"), item: item.text("id"), currency: sub.text("currency") };
    let line = lines::of_change(&tariff, quantity, amount, Role::Debit, (at, end), &context);
    Ok((end > at).then_some(line))
}

/// Carries a change out; gives the draft of the invoice that it causes, if it is invoiced now.
pub(crate) fn apply(state: &mut State, id: &str, change: &Change) -> Answer<Option<String>> {
    if change.is_empty() {
        return Ok(None);
    }
    let sub = state.need(Kind::Subscription, id, "id")?;
    let plan = plan(state, &sub, change)?;
    state.store.put(Kind::Subscription, plan.sub.clone());
    Ok(bill(state, &plan, change.proration))
}

fn bill(state: &mut State, plan: &Plan, proration: Proration) -> Option<String> {
    let sub = &plan.sub;
    let (customer, currency) = (sub.text("customer"), sub.text("currency"));
    let now = plan.immediate || proration == Proration::Invoice;
    if !now {
        for line in &plan.lines {
            pending::add(state, line, customer, currency);
        }
        return None;
    }
    let waiting = !pending::waiting(state, customer, sub.maybe_text("id"), currency).is_empty();
    if plan.lines.is_empty() && !waiting {
        return None;
    }
    let invoice = draft(state, plan);
    state.amend(Kind::Subscription, sub.text("id"), |sub| sub["latest_invoice"] = json!(invoice));
    cycle::remember_billed(state, sub.text("id"), &invoice);
    discounts::wear_off(state, sub.text("id"));
    Some(invoice)
}

/// The draft of a change's invoice.
pub(super) fn draft(state: &mut State, plan: &Plan) -> String {
    let sub = &plan.sub;
    let draft = Draft {
        customer: sub.text("customer"),
        subscription: Some(sub),
        reason: "subscription_update",
        lines: plan.lines.clone(),
        period: (state.at, state.at),
        discounts: discounts::holding(state, sub, state.at),
        currency: sub.text("currency"),
        with_pending: true,
    };
    invoices::draft(state, draft)
}

/// Finalizes and collects the invoice of a change, as the request wishes.
pub(crate) fn settle(state: &mut State, invoice: &str, behavior: PaymentBehavior) -> Answer<Outcome> {
    invoices::announce(state, invoice, None);
    invoices::finalize(state, invoice);
    let finalized = state.find(Kind::Invoice, invoice);
    if finalized.text("status") != "open" || finalized.text("collection_method") != "charge_automatically" {
        return Ok(Outcome::Paid);
    }
    if behavior == PaymentBehavior::Await {
        if let Some(sub) = invoices::subscription_of(&finalized) {
            status::set(state, sub, "past_due");
        }
        return Ok(Outcome::Paid);
    }
    let outcome = payments::collect(state, invoice, None, Presence::Away);
    match outcome.error() {
        Some(error) if behavior == PaymentBehavior::Refuse => Err(error),
        _ => Ok(outcome),
    }
}
