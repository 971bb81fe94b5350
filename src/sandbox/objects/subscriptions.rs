//! Subscriptions: what requests say of them; what that means is in `billing`.

use serde_json::{Value, json};

use super::paged;
use super::subscription_wishes::{
    behavior, details, fill, note_ending, pause_collection, proration, read_change, read_wanted,
};
use crate::sandbox::billing::change::{self, Change};
use crate::sandbox::billing::payments::{Outcome, Presence};
use crate::sandbox::billing::subscribe::{self, Order};
use crate::sandbox::billing::waking::{self, Waking};
use crate::sandbox::billing::{PaymentBehavior, cycle, discounts, end, held, pending};
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::form::Params;
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, delete, get, post};
use crate::sandbox::settings::DAY;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

macro_rules! fields {
    ($more:literal) => {
        concat!(
            "automatic_tax(enabled liability(type)) cancel_at cancel_at_period_end collection_method days_until_due \
             default_payment_method description discounts[](coupon promotion_code discount) metadata* off_session \
             payment_behavior proration_behavior trial_end trial_from_plan \
             trial_settings(end_behavior(missing_payment_method billing_cycle_anchor*)) \
             payment_settings(save_default_payment_method payment_method_types[] payment_method_options*) \
             invoice_settings(issuer(type) account_tax_ids[]) ",
            $more
        )
    };
}

pub(crate) const ROUTES: &[Route] = &[
    post(
        "/v1/subscriptions",
        fields!(
            "customer currency items[](price quantity metadata*) trial_period_days billing_cycle_anchor \
                 backdate_start_date billing_mode(type flexible(proration_discounts))"
        ),
        create,
    ),
    get("/v1/subscriptions", paged!("customer status price collection_method test_clock"), all),
    get("/v1/subscriptions/{}", "", one),
    post(
        "/v1/subscriptions/{}",
        fields!(
            "items[](id price quantity deleted clear_usage metadata*) billing_cycle_anchor(type) proration_date \
                 pause_collection(behavior resumes_at) cancellation_details(comment feedback feedback_option)"
        ),
        update,
    ),
    delete(
        "/v1/subscriptions/{}",
        "invoice_now prorate cancellation_details(comment feedback feedback_option)",
        cancel,
    ),
    post(
        "/v1/subscriptions/{}/resume",
        "billing_cycle_anchor(type) payment_behavior proration_behavior proration_date",
        resume,
    ),
    post(
        "/v1/subscriptions/{}/pause",
        "type invoicing_behavior bill_for(outstanding_usage_through(type) unused_time_from(type))",
        pause,
    ),
    post("/v1/subscriptions/{}/migrate", "billing_mode(type flexible(proration_discounts))", migrate),
    get("/v1/subscription_items", paged!("subscription"), items),
    get("/v1/subscription_items/{}", "", item),
];

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let customer = params.need("customer")?.to_owned();
    state.customer(&customer, "customer")?;
    let mut fields = json!({ "metadata": {} });
    fill(state, &mut fields, params, &customer)?;
    if let Some(at) = params.int("backdate_start_date")? {
        fields["start_date"] = json!(at);
    }
    let trial = match (params.text("trial_end")?, params.int("trial_period_days")?) {
        (Some("now"), _) => None,
        (Some(_), _) => Some(params.need_int("trial_end")?),
        (None, Some(days)) if (1..=730).contains(&days) => Some(state.at + days * DAY),
        (None, Some(0) | None) => None,
        (None, Some(_)) => {
            return Err(ApiError::invalid("trial_period_days", "Invalid integer: must be 1 to 730."));
        }
    };
    if trial.is_some_and(|end| end <= state.at) {
        return Err(ApiError::invalid(
            "trial_end",
            "Invalid timestamp: must be an integer Unix timestamp in the future.",
        ));
    }
    let anchor = params.int("billing_cycle_anchor")?;
    if anchor.is_some_and(|anchor| anchor <= state.at) {
        return Err(ApiError::invalid("billing_cycle_anchor", "billing_cycle_anchor must be in the future."));
    }
    one_mode(&params.within("billing_mode"))?;
    let order = Order {
        items: read_wanted(params)?,
        currency: params.text("currency")?.map(str::to_lowercase),
        trial_end: trial,
        discounts: discounts::read(state, params, &customer)?,
        anchor,
        proration: proration(params)?,
        fields,
        customer,
    };
    if order.items.is_empty() {
        return Err(ApiError::missing("items"));
    }
    let id = subscribe::place(state, &order)?;
    subscribe::settle(state, &id, behavior(params)?, Presence::Away)?;
    Ok(shown(state, &id))
}

/// The sandbox bills in Stripe's default mode alone: flexible, with the discounts of prorations in their amounts.
fn one_mode(mode: &Params<'_>) -> Answer<()> {
    if mode.text("type")?.is_some_and(|kind| kind != "flexible") {
        return Err(ApiError::invalid(
            "billing_mode[type]",
            "The sandbox knows billing mode `flexible` alone.",
        ));
    }
    let discounts = mode.within("flexible").text("proration_discounts")?;
    if discounts.is_some_and(|word| word != "included") {
        return Err(ApiError::invalid(
            "billing_mode[flexible][proration_discounts]",
            "The sandbox knows proration discounts `included` alone.",
        ));
    }
    Ok(())
}

fn shown(state: &State, id: &str) -> Value {
    public(&state.find(Kind::Subscription, id))
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let (customer, status, price) = (params.text("customer")?, params.text("status")?, params.text("price")?);
    let (method, clock) = (params.text("collection_method")?, params.text("test_clock")?);
    list::page(state, call, Kind::Subscription, "/v1/subscriptions", |sub| {
        let right = match status {
            None => sub.text("status") != "canceled",
            Some("all") => true,
            Some("ended") => matches!(sub.text("status"), "canceled" | "incomplete_expired"),
            Some(status) => sub.text("status") == status,
        };
        right
            && customer.is_none_or(|customer| sub.text("customer") == customer)
            && method.is_none_or(|method| sub.text("collection_method") == method)
            && clock.is_none_or(|clock| sub.text("test_clock") == clock)
            && price.is_none_or(|price| sub.items("items").iter().any(|item| item.text("/price/id") == price))
    })
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::Subscription, call.arg(0), "id")?))
}

/// The subscription of the path, at its customer's time; ended ones can hardly be changed.
fn open(state: &mut State, call: &Call<'_>) -> Answer<(String, Value)> {
    let sub = state.need(Kind::Subscription, call.arg(0), "id")?;
    state.customer(sub.text("customer"), "customer")?;
    if matches!(sub.text("status"), "canceled" | "incomplete_expired") {
        return Err(ApiError::refused(
            "A canceled subscription can only update its cancellation_details and metadata.",
        ));
    }
    Ok((sub.id(), Value::clone(&sub)))
}

fn update(state: &mut State, call: &Call<'_>) -> Answer {
    if let Some(updated) = update_ended(state, call)? {
        return Ok(updated);
    }
    let (id, before) = open(state, call)?;
    let params = &call.params;
    let ending = params.has("cancel_at") || params.has("cancel_at_period_end");
    if let Some(schedule) = before.maybe_text("schedule").filter(|_| ending) {
        return Err(ApiError::refused(format!(
            "The subscription is managed by the subscription schedule `{schedule}`, and updating any cancelation \
             behavior directly is not allowed. Please update the schedule instead."
        )));
    }
    let customer = before.text("customer").to_owned();
    let mut sub = before.clone();
    fill(state, &mut sub, params, &customer)?;
    note_ending(state, &mut sub, params)?;
    pause_collection(&mut sub, params)?;
    cycle::plan_notices(state, &mut sub);
    state.store.put(Kind::Subscription, sub);
    if params.has("discounts") {
        let wishes = discounts::read(state, params, &customer)?;
        let ids = discounts::redeem(state, &wishes, &customer, Some(&id));
        state.amend(Kind::Subscription, &id, |sub| sub["discounts"] = json!(ids));
    }
    let change = read_change(state, params, &before)?;
    carry_out(state, &id, &change, behavior(params)?, &before)?;
    Ok(shown(state, &id))
}

/// A subscription that has ended keeps its details and metadata open.
fn update_ended(state: &mut State, call: &Call<'_>) -> Answer<Option<Value>> {
    let before = state.need(Kind::Subscription, call.arg(0), "id")?;
    let only = call
        .params
        .names()
        .iter()
        .all(|name| matches!(*name, "metadata" | "cancellation_details" | "expand"));
    if !only || !matches!(before.text("status"), "canceled" | "incomplete_expired") {
        return Ok(None);
    }
    let mut sub = Value::clone(&before);
    call.params.metadata(&mut sub)?;
    details(&mut sub, &call.params)?;
    state.store.put(Kind::Subscription, sub);
    state.tell_update(Kind::Subscription, call.arg(0), "customer.subscription.updated", &before);
    Ok(Some(shown(state, call.arg(0))))
}

/// Changes the items and collects what that costs, as the request wishes.
pub(crate) fn carry_out(
    state: &mut State,
    id: &str,
    change: &Change,
    behavior: PaymentBehavior,
    before: &Value,
) -> Answer<()> {
    if !change.is_empty() {
        held::expire(state, id);
    }
    let attempt = state.attempt(|state| {
        let invoice = change::apply(state, id, change)?;
        state.tell_update(Kind::Subscription, id, "customer.subscription.updated", before);
        let outcome = match invoice {
            Some(invoice) => change::settle(state, &invoice, behavior)?,
            None => Outcome::Paid,
        };
        match outcome.error() {
            // What was not paid is undone and waits.
            Some(_) if behavior == PaymentBehavior::Hold => Err(unpaid()),
            _ => Ok(()),
        }
    });
    match attempt {
        Err(error) if error.field("code") == UNPAID => held::hold(state, id, change),
        other => other,
    }
}

/// Marks, within this file, a change whose payment did not succeed.
const UNPAID: &str = "sandbox_unpaid";

fn unpaid() -> ApiError {
    ApiError::refused("").code(UNPAID)
}

fn cancel(state: &mut State, call: &Call<'_>) -> Answer {
    let sub = state.need(Kind::Subscription, call.arg(0), "id")?;
    state.customer(sub.text("customer"), "customer")?;
    let (id, params) = (sub.id(), &call.params);
    let mut noted = Value::clone(&sub);
    details(&mut noted, params)?;
    state.store.put(Kind::Subscription, noted);
    let invoice_now = params.flag("invoice_now")?.unwrap_or(false);
    end::cancel(state, &id, invoice_now, params.flag("prorate")?.unwrap_or(false))?;
    Ok(shown(state, &id))
}

fn resume(state: &mut State, call: &Call<'_>) -> Answer {
    let (id, _) = open(state, call)?;
    let anchor = call.params.within("billing_cycle_anchor");
    let unchanged = anchor.word("type", &["now", "unchanged"])? == Some("unchanged");
    let words = ["resume_on_payment_attempt", "resume_on_payment_success"];
    let waking = match call.params.word("payment_behavior", &words)? {
        Some("resume_on_payment_success") => Waking::OnSuccess,
        _ => Waking::OnAttempt,
    };
    waking::resume(state, &id, !unchanged, waking)?;
    Ok(shown(state, &id))
}

/// Pauses a subscription at once, billing usage and crediting unused time if asked.
fn pause(state: &mut State, call: &Call<'_>) -> Answer {
    let (id, sub) = open(state, call)?;
    call.params.word("type", &["subscription"])?;
    if !matches!(sub.text("status"), "active" | "trialing" | "past_due" | "unpaid") {
        return Err(ApiError::refused(format!(
            "Subscription {id} is {} and cannot be paused.",
            sub.text("status")
        )));
    }
    let bill = call.params.within("bill_for");
    let usage = bill.within("outstanding_usage_through").word("type", &["none", "now"])?;
    let unused =
        bill.within("unused_time_from").word("type", &["item_current_period_start", "none", "now"])?;
    let mut lines = Vec::new();
    if usage == Some("now") {
        for item in sub.items("items") {
            lines.extend(cycle::usage_lines(state, &sub, item, state.at));
        }
    }
    match unused {
        Some("now") => lines.extend(change::credits(state, &sub, state.at)),
        Some("item_current_period_start") => lines.extend(change::credits(state, &sub, i64::MIN)),
        _ => {}
    }
    for line in &lines {
        pending::add(state, line, sub.text("customer"), sub.text("currency"));
    }
    end::pause(state, &id);
    Ok(shown(state, &id))
}

fn migrate(state: &mut State, call: &Call<'_>) -> Answer {
    let (id, _) = open(state, call)?;
    let mode = call.params.within("billing_mode");
    mode.need("type")?;
    one_mode(&mode)?;
    state.update(Kind::Subscription, &id, "customer.subscription.updated", |sub| {
        sub["billing_mode"] =
            json!({ "flexible": { "proration_discounts": "included" }, "type": "flexible" });
    });
    Ok(shown(state, &id))
}

fn items(state: &mut State, call: &Call<'_>) -> Answer {
    let sub = state.need(Kind::Subscription, call.params.need("subscription")?, "subscription")?;
    list::slice(call, sub.items("items"), "/v1/subscription_items")
}

fn item(state: &mut State, call: &Call<'_>) -> Answer {
    let mut subs = state.store.all(Kind::Subscription);
    let found = subs
        .find_map(|sub| sub.items("items").iter().find(|item| item.text("id") == call.arg(0)).map(public));
    found.ok_or_else(|| ApiError::no_such("subscription_item", call.arg(0), "id"))
}
