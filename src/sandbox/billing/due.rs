//! What is due: one pure function says when an object next wants something, one carries it out, one lets time pass.

use serde_json::{Value, json};

use super::{cycle, end, held, invoices, payments, preview, schedules, waking};
use crate::sandbox::json::Json;
use crate::sandbox::objects::checkout;
use crate::sandbox::settings::{DAY, HOUR};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// The order of work at the same moment: a schedule changes the subscription before it renews, a renewal comes before the
/// invoices that were waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Priority(u8);

impl Priority {
    /// Before everything else.
    pub(crate) const FIRST: Self = Self(0);
}

/// How long a first payment may take before the subscription expires.
const INCOMPLETE: i64 = 23 * HOUR;
/// The most steps of one journey: a safeguard against work that makes itself due again.
const STEPS: usize = 1_000_000;

/// When an object next wants something.
pub(crate) fn of(kind: Kind, object: &Value) -> Option<(i64, Priority)> {
    match kind {
        Kind::Schedule if object.text("status") == "active" => {
            Some((object.maybe_int("/current_phase/end_date")?, Priority(1)))
        }
        Kind::Schedule if object.text("status") == "not_started" => {
            Some((object.maybe_int("/phases/0/start_date")?, Priority(1)))
        }
        Kind::Subscription => Some((subscription(object)?, Priority(2))),
        Kind::Invoice => Some((invoice(object)?, Priority(3))),
        Kind::Session if object.text("status") == "open" => Some((object.int("expires_at"), Priority(4))),
        _ => None,
    }
}

fn subscription(sub: &Value) -> Option<i64> {
    match sub.text("status") {
        "canceled" | "incomplete_expired" => return None,
        "paused" => return sub.note("waking").maybe_int("expires_at"),
        "incomplete" => return Some(sub.int("created") + INCOMPLETE),
        _ => {}
    }
    let times = [
        cycle::earliest_end(sub),
        sub.maybe_int("cancel_at"),
        sub.note("upcoming_at").as_i64(),
        sub.note("trial_notice_at").as_i64(),
        sub.maybe_int("/pause_collection/resumes_at"),
        sub.maybe_int("/pending_update/expires_at"),
    ];
    times.into_iter().flatten().min()
}

fn invoice(invoice: &Value) -> Option<i64> {
    match invoice.text("status") {
        "draft" if invoice.flag("auto_advance") => invoice.maybe_int("automatically_finalizes_at"),
        "open" => {
            let late = invoice.note("overdue").is_null();
            invoice
                .maybe_int("next_payment_attempt")
                .or_else(|| invoice.maybe_int("due_date").filter(|_| late))
        }
        _ => None,
    }
}

/// Lets time pass on a clock (the global one when `scope` is empty) until `until`: everything due happens in its order, at its
/// own moment.
pub(crate) fn catch_up(state: &mut State, scope: &str, until: i64) {
    for _ in 0..STEPS {
        let Some((at, kind, id)) = state.store.next_due(scope).filter(|(at, ..)| *at <= until) else { break };
        // What was due before it was known happens now, not in the past.
        let reached = state.reached.entry(scope.to_owned()).or_insert(at);
        *reached = (*reached).max(at);
        state.at = *reached;
        happen(state, kind, &id);
        state.commit();
    }
    let reached = state.reached.entry(scope.to_owned()).or_insert(until);
    *reached = (*reached).max(until);
}

fn happen(state: &mut State, kind: Kind, id: &str) {
    match kind {
        Kind::Schedule => schedules::advance(state, id),
        Kind::Subscription => subscription_due(state, id),
        Kind::Invoice => invoice_due(state, id),
        Kind::Session => checkout::expire(state, id),
        _ => {}
    }
}

fn subscription_due(state: &mut State, id: &str) {
    let sub = state.find(Kind::Subscription, id);
    let passed = |time: Option<i64>| time.is_some_and(|time| time <= state.at);
    if sub.text("status") == "incomplete" {
        end::expire(state, id);
    } else if sub.text("status") == "paused" {
        waking::expire(state, id);
    } else if passed(sub.note("trial_notice_at").as_i64()) {
        state.amend(Kind::Subscription, id, |sub| sub.set_note("trial_notice_at", Value::Null));
        state.emit("customer.subscription.trial_will_end", &sub, None);
    } else if passed(sub.note("upcoming_at").as_i64()) {
        state.amend(Kind::Subscription, id, |sub| sub.set_note("upcoming_at", Value::Null));
        if let Some(upcoming) = preview::upcoming(state, id) {
            state.emit("invoice.upcoming", &upcoming, None);
        }
    } else if passed(sub.maybe_int("/pending_update/expires_at")) {
        held::expire(state, id);
    } else if passed(sub.maybe_int("/pause_collection/resumes_at")) {
        state.update(Kind::Subscription, id, "customer.subscription.updated", |sub| {
            sub["pause_collection"] = Value::Null;
        });
    } else if passed(sub.maybe_int("cancel_at")) {
        end::at_period_end(state, id);
    } else {
        cycle::renew(state, id);
    }
}

fn invoice_due(state: &mut State, id: &str) {
    let invoice = state.find(Kind::Invoice, id);
    if invoice.text("status") == "draft" {
        cycle::finalize_and_collect(state, id);
    } else if invoice.maybe_int("next_payment_attempt").is_some() {
        payments::collect(state, id, None, payments::Presence::Away);
    } else {
        state.amend(Kind::Invoice, id, |invoice| invoice.set_note("overdue", json!(true)));
        state.emit("invoice.overdue", &invoice, None);
        if let Some(sub) = invoices::subscription_of(&invoice) {
            super::status::set(state, sub, "past_due");
        }
    }
}

/// Three days: how long before its end a trial is announced to end.
pub(crate) const TRIAL_NOTICE: i64 = 3 * DAY;
