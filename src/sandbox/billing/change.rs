//! Changing a subscription: other prices, other quantities, another anchor; what that credits and what it costs.
//!
//! What was paid for time that will not be used is credited to the second; what the new price costs for that time is charged.
//! [`plan`] computes, [`apply`] carries out, [`settle`] collects.

use serde_json::{Value, json};

use super::decimal::share;
use super::invoices::{self, Draft};
use super::lines::{self, Context, Line, Role};
use super::payments::{self, Outcome, Presence};
use super::period::Interval;
use super::subscribe::{self, Wanted};
use super::tariff::Tariff;
use super::{PaymentBehavior, Proration, cycle, discounts, pending, status};
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::{Json, public};
use crate::sandbox::objects::prices;
use crate::sandbox::settings::HOUR;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// How long a change waits for its payment.
const WAITING: i64 = 23 * HOUR;

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
struct Plan {
    sub: Value,
    lines: Vec<Line>,
    /// Whether it is invoiced now, whatever was asked: periods start anew.
    immediate: bool,
}

fn plan(state: &mut State, sub: &Value, change: &Change) -> Answer<Plan> {
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

fn credit(state: &State, sub: &Value, item: &Value, at: i64) -> Option<Line> {
    let billed = item.note("billed");
    let (start, end) = (billed.int("start"), billed.int("end"));
    let from = at.max(start);
    let amount = -share(billed.int("amount"), (end - from).max(0), end - start);
    if amount == 0 {
        return None;
    }
    let tariff = Tariff::of(state, item.text("/price/id"), sub.text("currency")).ok()?;
    let context =
        Context { subscription: sub.text("id"), item: item.text("id"), currency: sub.text("currency") };
    let quantity = item.maybe_int("quantity").unwrap_or(1);
    Some(lines::of_change(&tariff, quantity, amount, Role::Credit, (from, end), &context))
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
    for item in items.iter_mut() {
        let before = old.iter().find(|before| before["id"] == item["id"]);
        if before.is_some_and(|before| same(before, item)) {
            continue;
        }
        if before.is_some_and(|before| before.text("/price/recurring/usage_type") == "metered") {
            item["current_period_start"] = json!(change.at);
        }
        if wanted {
            taken.extend(remaining(state, sub, item, change.at)?);
        }
    }
    given.append(&mut taken);
    Ok(given)
}

/// What an item costs for the rest of its period.
fn remaining(state: &State, sub: &Value, item: &mut Value, at: i64) -> Answer<Option<Line>> {
    let tariff = Tariff::of(state, item.text("/price/id"), sub.text("currency"))?;
    let (Some(interval), false) = (tariff.interval, tariff.metered) else { return Ok(None) };
    let end = item.int("current_period_end");
    let start = interval.containing(sub.int("billing_cycle_anchor"), end - 1).0;
    let quantity = item.int("quantity");
    let amount = share(tariff.total(quantity), end - at, end - start);
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

fn draft(state: &mut State, plan: &Plan) -> String {
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

/// Keeps a change that was not paid: the subscription stays as it is until its invoice is.
pub(crate) fn hold(state: &mut State, id: &str, change: &Change) -> Answer<()> {
    let before = state.need(Kind::Subscription, id, "id")?;
    let plan = plan(state, &before, change)?;
    let invoice = draft(state, &plan);
    let expires = state.at + WAITING;
    let items: Vec<Value> = plan.sub.items("items").iter().map(public).collect();
    let anchor = plan.immediate.then(|| plan.sub["billing_cycle_anchor"].clone());
    let trial_end = (plan.sub["trial_end"] != before["trial_end"]).then(|| plan.sub["trial_end"].clone());
    state.amend(Kind::Invoice, &invoice, |invoice| invoice.set_note("pending_update", json!(id)));
    state.amend(Kind::Subscription, id, |sub| {
        sub["latest_invoice"] = json!(invoice);
        sub["pending_update"] = json!({
            "billing_cycle_anchor": anchor, "cancel_at_period_end": null, "discounts": null, "expires_at": expires,
            "metadata": null, "subscription_items": items, "trial_end": trial_end, "trial_from_plan": null,
        });
        sub.set_note("pending", json!({ "sub": plan.sub, "invoice": invoice }));
    });
    state.tell_update(Kind::Subscription, id, "customer.subscription.updated", &before);
    settle(state, &invoice, PaymentBehavior::Allow).map(|_| ())
}

/// The invoice of a waiting change was paid: the change is carried out.
pub(crate) fn apply_pending(state: &mut State, id: &str) {
    let before = state.find(Kind::Subscription, id);
    let waiting = before.note("pending").clone();
    if waiting.is_null() {
        return;
    }
    let planned = waiting.look("sub");
    let mut sub = Value::clone(&before);
    for field in ["items", "billing_cycle_anchor", "trial_end", "trial_start", "status"] {
        sub[field] = planned[field].clone();
    }
    sub["pending_update"] = Value::Null;
    sub.set_note("pending", Value::Null);
    cycle::plan_notices(state, &mut sub);
    state.store.put(Kind::Subscription, sub);
    cycle::remember_billed(state, id, waiting.text("invoice"));
    discounts::wear_off(state, id);
    state.tell_update(Kind::Subscription, id, "customer.subscription.updated", &before);
    let changed = state.find(Kind::Subscription, id);
    state.emit("customer.subscription.pending_update_applied", &changed, None);
}

/// A waiting change was not paid in time: its invoice is voided, and with it the change falls.
pub(crate) fn expire_pending(state: &mut State, id: &str) {
    let invoice = state.find(Kind::Subscription, id).note("pending").text("invoice").to_owned();
    if invoices::void(state, &invoice).is_err() {
        drop_pending(state, id);
    }
}

/// Forgets a waiting change.
pub(crate) fn drop_pending(state: &mut State, id: &str) {
    let before = state.find(Kind::Subscription, id);
    state.amend(Kind::Subscription, id, |sub| {
        sub["pending_update"] = Value::Null;
        sub.set_note("pending", Value::Null);
    });
    state.tell_update(Kind::Subscription, id, "customer.subscription.updated", &before);
    let unchanged = state.find(Kind::Subscription, id);
    state.emit("customer.subscription.pending_update_expired", &unchanged, None);
}
