//! Renewal: a period ends, the next begins, an invoice is written.

use serde_json::{Value, json};

use super::invoices::{self, Draft};
use super::lines::{self, Context, Line, Role};
use super::payments::{self, Presence};
use super::tariff::Tariff;
use super::{discounts, due, end, totals, usage};
use crate::sandbox::json::Json;
use crate::sandbox::settings::DAY;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// When the first of a subscription's items ends its period.
pub(crate) fn earliest_end(sub: &Value) -> Option<i64> {
    sub.items("items").iter().filter_map(|item| item.maybe_int("current_period_end")).min()
}

/// When the last of a subscription's items ends its period.
pub(crate) fn latest_end(sub: &Value) -> Option<i64> {
    sub.items("items").iter().filter_map(|item| item.maybe_int("current_period_end")).max()
}

/// Plans when the renewal and the end of a trial are announced.
pub(crate) fn plan_notices(state: &State, sub: &mut Value) {
    let ends = earliest_end(sub);
    let starts = sub.items("items").iter().filter_map(|item| item.maybe_int("current_period_start")).max();
    let ending = sub.maybe_int("cancel_at").zip(ends).is_some_and(|(cancel, end)| cancel <= end);
    let upcoming = ends.map(|end| end - state.settings.upcoming_days * DAY).filter(|at| {
        starts.is_some_and(|start| *at > start)
            && !ending
            && state.settings.upcoming_days > 0
            && *at >= state.at
    });
    sub.set_note("upcoming_at", json!(upcoming));
    let trial = sub.maybe_int("trial_end").filter(|end| sub.text("status") == "trialing" && *end > state.at);
    let announced = sub.note("trial_announced").as_i64();
    sub.set_note(
        "trial_notice_at",
        json!(trial.filter(|end| announced != Some(*end)).map(|end| end - due::TRIAL_NOTICE)),
    );
    if trial.is_some() {
        sub.set_note("trial_announced", json!(trial));
    }
}

/// Starts the next period of every item whose period has ended, and invoices it.
pub(crate) fn renew(state: &mut State, id: &str) {
    let before = state.find(Kind::Subscription, id);
    let trial_over = before.text("status") == "trialing";
    if trial_over && end::without_method(state, &before) {
        return;
    }
    let mut sub = Value::clone(&before);
    let (mut lines, mut began) = (Vec::new(), state.at);
    let mut items = sub.items("items").to_vec();
    for item in items.iter_mut().filter(|item| item.int("current_period_end") <= state.at) {
        began = began.min(item.int("current_period_start"));
        if !trial_over {
            lines.extend(usage_lines(state, &sub, item, item.int("current_period_end")));
        }
        lines.extend(next_period(state, &sub, item));
    }
    sub["items"]["data"] = Value::Array(items);
    if trial_over {
        sub["status"] = json!("active");
    }
    plan_notices(state, &mut sub);
    state.store.put(Kind::Subscription, sub.clone());
    let draft = Draft {
        customer: sub.text("customer"),
        subscription: Some(&sub),
        reason: "subscription_cycle",
        lines,
        period: (began, state.at),
        discounts: discounts::holding(state, &sub, state.at),
        currency: sub.text("currency"),
        with_pending: true,
    };
    let invoice = invoices::draft(state, draft);
    remember_billed(state, id, &invoice);
    state.amend(Kind::Subscription, id, |sub| sub["latest_invoice"] = json!(invoice));
    discounts::wear_off(state, id);
    state.tell_update(Kind::Subscription, id, "customer.subscription.updated", &before);
    // What nobody will collect stays a draft.
    let kept = sub.text("status") == "unpaid" || sub.text("/pause_collection/behavior") == "keep_as_draft";
    if kept {
        state.amend(Kind::Invoice, &invoice, |invoice| invoice["auto_advance"] = json!(false));
    }
    let finalizes = (!kept).then_some(state.at + state.settings.draft_seconds);
    invoices::announce(state, &invoice, finalizes);
}

/// Moves an item to its next period; gives the lines that this costs in advance.
fn next_period(state: &State, sub: &Value, item: &mut Value) -> Vec<Line> {
    let Ok(tariff) = Tariff::of(state, item.text("/price/id"), sub.text("currency")) else {
        return Vec::new();
    };
    let Some(interval) = tariff.interval else { return Vec::new() };
    let start = item.int("current_period_end");
    let (_, end) = interval.containing(sub.int("billing_cycle_anchor"), start);
    item["current_period_start"] = json!(start);
    item["current_period_end"] = json!(end);
    if tariff.metered {
        return Vec::new();
    }
    full_period(sub, item, &tariff, (start, end))
}

/// The lines of a whole period of an item, and the note of what was charged for it.
pub(crate) fn full_period(sub: &Value, item: &mut Value, tariff: &Tariff, period: (i64, i64)) -> Vec<Line> {
    let id = item.id();
    let context = Context { subscription: sub.text("id"), item: &id, currency: sub.text("currency") };
    let made =
        lines::of_period(tariff, item.int("quantity"), period, &context, Role::Period, |amount| amount);
    let amount: i64 = made.iter().map(|line| line.amount).sum();
    item.set_note("billed", json!({ "amount": amount, "start": period.0, "end": period.1 }));
    made
}

/// What an item's usage of its current period costs so far; nothing for licensed items.
pub(crate) fn usage_lines(state: &State, sub: &Value, item: &Value, until: i64) -> Vec<Line> {
    let Ok(tariff) = Tariff::of(state, item.text("/price/id"), sub.text("currency")) else {
        return Vec::new();
    };
    let period = (item.int("current_period_start"), until);
    let context =
        Context { subscription: sub.text("id"), item: item.text("id"), currency: sub.text("currency") };
    metered(state, &tariff, sub.text("customer"), period, &context)
}

fn metered(
    state: &State,
    tariff: &Tariff,
    customer: &str,
    period: (i64, i64),
    context: &Context<'_>,
) -> Vec<Line> {
    let Some(meter) = tariff.meter.as_deref().filter(|_| tariff.metered) else { return Vec::new() };
    let used = usage::total(state, meter, customer, period.0, period.1);
    lines::of_period(tariff, used, period, context, Role::Usage, |amount| amount)
}

/// Counts usage again that was reported while the invoice was a draft.
pub(crate) fn refresh_usage(state: &mut State, invoice_id: &str) {
    let mut invoice = Value::clone(&state.find(Kind::Invoice, invoice_id));
    let (customer, currency) = (invoice.text("customer").to_owned(), invoice.text("currency").to_owned());
    let (counted, kept): (Vec<Value>, Vec<Value>) =
        invoice.items("lines").iter().cloned().partition(|line| line.note("kind") == "usage");
    let mut seen = Vec::new();
    let mut fresh = Vec::new();
    for line in &counted {
        let item = line.text("/parent/subscription_item_details/subscription_item");
        let period = (line.int("/period/start"), line.int("/period/end"));
        // A price with tiers has several lines; a price that changed within the period has its own part of it.
        if seen.contains(&(item, period)) {
            continue;
        }
        seen.push((item, period));
        let Ok(tariff) = Tariff::of(state, line.text("/pricing/price_details/price"), &currency) else {
            continue;
        };
        let context = Context { subscription: line.text("subscription"), item, currency: &currency };
        for line in metered(state, &tariff, &customer, period, &context) {
            let mut line = lines::render(state, &line, &currency, None);
            line["invoice"] = json!(invoice_id);
            fresh.push(line);
        }
    }
    let amount = |lines: &[Value]| lines.iter().map(|line| line.int("amount")).sum::<i64>();
    let quantity = |lines: &[Value]| lines.iter().map(|line| line.int("quantity")).sum::<i64>();
    if amount(&fresh) == amount(&counted) && quantity(&fresh) == quantity(&counted) {
        return;
    }
    fresh.extend(kept);
    invoice["lines"]["data"] = Value::Array(fresh);
    totals::compute(state, &mut invoice);
    state.store.put(Kind::Invoice, invoice);
}

/// Notes on each item what its present period was really charged at, discounts taken off, and with which taxes: what a change
/// credits later.
pub(crate) fn remember_billed(state: &mut State, subscription: &str, invoice: &str) {
    let invoice = state.find(Kind::Invoice, invoice);
    state.amend(Kind::Subscription, subscription, |sub| {
        let Some(items) = sub["items"]["data"].as_array_mut() else { return };
        for item in items {
            if let Some(billed) = billed_on(&invoice, item) {
                item.set_note("billed", billed);
            }
        }
    });
}

/// What an invoice charges for an item's present period; none where that is not on it.
fn billed_on(invoice: &Value, item: &Value) -> Option<Value> {
    let billed = item.note("billed");
    let (start, end) = (billed.look("start"), billed.look("end"));
    let mine = |line: &&Value| {
        line.text("/parent/subscription_item_details/subscription_item") == item.text("id")
            && matches!(line.note("kind").as_str(), Some("period" | "debit"))
            && (line.look("/period/start"), line.look("/period/end")) == (start, end)
    };
    let mine: Vec<&Value> = invoice.items("lines").iter().filter(mine).collect();
    let first = mine.first()?;
    let off =
        |line: &Value| line.items("discount_amounts").iter().map(|part| part.int("amount")).sum::<i64>();
    let amount: i64 = mine.iter().map(|line| line.int("amount") - off(line)).sum();
    let discounts: Vec<&Value> =
        first.items("discount_amounts").iter().map(|part| part.look("discount")).collect();
    let taxes = totals::gather(mine.iter().copied());
    Some(json!({ "amount": amount, "start": start, "end": end, "discounts": discounts, "taxes": taxes }))
}

/// A draft's time is over: it is finalized and collected, unless collection is paused.
pub(crate) fn finalize_and_collect(state: &mut State, id: &str) {
    let invoice = state.find(Kind::Invoice, id);
    let sub = invoices::subscription_of(&invoice)
        .map(|sub| state.find(Kind::Subscription, sub))
        .unwrap_or_default();
    let paused = sub.text("/pause_collection/behavior");
    if paused == "keep_as_draft" {
        state.amend(Kind::Invoice, id, |invoice| invoice["auto_advance"] = json!(false));
        return;
    }
    invoices::finalize(state, id);
    let finalized = state.find(Kind::Invoice, id);
    if finalized.text("status") != "open" {
        return;
    }
    // The invoice was opened above, so closing it cannot be refused.
    let _ = match paused {
        "void" => invoices::void(state, id),
        "mark_uncollectible" => invoices::give_up(state, id),
        _ => Ok(()),
    };
    if paused.is_empty() && finalized.text("collection_method") == "charge_automatically" {
        payments::collect(state, id, None, Presence::Away);
    }
}
