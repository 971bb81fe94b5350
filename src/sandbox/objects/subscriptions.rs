//! Subscriptions: what requests say of them; what that means is in `billing`.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::billing::change::{self, Change, Edit, Trial};
use crate::sandbox::billing::payments::{Outcome, Presence};
use crate::sandbox::billing::subscribe::{self, Order, Wanted};
use crate::sandbox::billing::{PaymentBehavior, Proration, cycle, discounts, end, pending};
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
                 backdate_start_date billing_mode(type flexible*)"
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
    post("/v1/subscriptions/{}/migrate", "billing_mode(type flexible*)", migrate),
    get("/v1/subscription_items", paged!("subscription"), items),
    get("/v1/subscription_items/{}", "", item),
];

/// The items of a new subscription.
pub(crate) fn read_wanted(params: &Params<'_>) -> Answer<Vec<Wanted>> {
    params.each("items", |item| {
        let mut holder = json!({});
        item.metadata(&mut holder)?;
        Ok(Wanted {
            price: item.need("price")?.to_owned(),
            quantity: item.count("quantity")?,
            metadata: holder["metadata"].clone(),
        })
    })
}

fn behavior(params: &Params<'_>) -> Answer<PaymentBehavior> {
    let words = ["allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"];
    Ok(match params.word("payment_behavior", &words)? {
        Some("default_incomplete") => PaymentBehavior::Await,
        Some("error_if_incomplete") => PaymentBehavior::Refuse,
        Some("pending_if_incomplete") => PaymentBehavior::Hold,
        _ => PaymentBehavior::Allow,
    })
}

fn proration(params: &Params<'_>) -> Answer<Proration> {
    Ok(match params.word("proration_behavior", &["none", "create_prorations", "always_invoice"])? {
        Some("none") => Proration::None,
        Some("always_invoice") => Proration::Invoice,
        _ => Proration::Create,
    })
}

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

/// The fields that create and update take alike.
fn fill(state: &State, sub: &mut Value, params: &Params<'_>, customer: &str) -> Answer<()> {
    if let Some(enabled) = params.within("automatic_tax").flag("enabled")? {
        let located = state.find(Kind::Customer, customer).maybe_text("/address/country").is_some();
        if enabled && !located {
            return Err(ApiError::invalid(
                "automatic_tax[enabled]",
                "The customer's location isn't recognized. Set a valid customer address in order to automatically calculate tax.",
            )
            .code("customer_tax_location_invalid"));
        }
        let liability = if enabled { json!({ "type": "self" }) } else { Value::Null };
        sub["automatic_tax"] = json!({ "disabled_reason": null, "enabled": enabled, "liability": liability });
    }
    if let Some(method) = params.word("collection_method", &["charge_automatically", "send_invoice"])? {
        sub["collection_method"] = json!(method);
    }
    if let Some(days) = params.count("days_until_due")? {
        sub["days_until_due"] = json!(days);
    }
    if sub.text("collection_method") == "send_invoice" && sub["days_until_due"].is_null() {
        return Err(ApiError::missing("days_until_due"));
    }
    if params.clears("default_payment_method") {
        sub["default_payment_method"] = Value::Null;
    } else if let Some(method) = params.text("default_payment_method")? {
        let found = state.need(Kind::PaymentMethod, method, "default_payment_method")?;
        if found.text("customer") != customer {
            return Err(ApiError::invalid("default_payment_method", format!("The customer does not have a payment method with the ID {method}. The payment method must be attached to the customer.")).code("resource_missing"));
        }
        sub["default_payment_method"] = json!(method);
    }
    params.given("description").apply(sub, "description");
    params.given_int("cancel_at")?.apply(sub, "cancel_at");
    if let Some(flag) = params.flag("cancel_at_period_end")? {
        sub["cancel_at_period_end"] = json!(flag);
    }
    let behavior = params.within("trial_settings");
    let behavior = behavior.within("end_behavior");
    if let Some(word) = behavior.word("missing_payment_method", &["cancel", "create_invoice", "pause"])? {
        sub["trial_settings"] =
            json!({ "end_behavior": { "billing_cycle_anchor": null, "missing_payment_method": word } });
    }
    if let Some(save) =
        params.within("payment_settings").word("save_default_payment_method", &["off", "on_subscription"])?
    {
        sub["payment_settings"] = json!({ "payment_method_options": null, "payment_method_types": null, "save_default_payment_method": save });
    }
    params.metadata(sub)
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
    if before.note("pending").is_object() && !change.is_empty() {
        change::expire_pending(state, id);
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
        Err(error) if error.field("code") == UNPAID => change::hold(state, id, change),
        other => other,
    }
}

/// Marks, within this file, a change whose payment did not succeed.
const UNPAID: &str = "sandbox_unpaid";

fn unpaid() -> ApiError {
    ApiError::refused("").code(UNPAID)
}

/// The change of items, anchor and trial that a request asks for; also of a preview's details.
pub(crate) fn read_change(state: &State, params: &Params<'_>, sub: &Value) -> Answer<Change> {
    let edits = params.each("items", |item| {
        let metadata = if item.has("metadata") {
            let mut holder = json!({ "metadata": {} });
            item.metadata(&mut holder)?;
            Some(holder["metadata"].clone())
        } else {
            None
        };
        Ok(Edit {
            id: item.text("id")?.map(str::to_owned),
            price: item.text("price")?.map(str::to_owned),
            quantity: item.count("quantity")?,
            deleted: item.flag("deleted")?.unwrap_or(false),
            metadata,
        })
    })?;
    let anchor = params.within("billing_cycle_anchor");
    let trial = match params.text("trial_end")? {
        None => Trial::Unchanged,
        Some("now") => Trial::EndsNow,
        Some(_) => {
            let end = params.need_int("trial_end")?;
            if sub.maybe_int("trial_end") == Some(end) { Trial::Unchanged } else { Trial::Ends(end) }
        }
    };
    Ok(Change {
        edits,
        proration: proration(params)?,
        at: params.int("proration_date")?.unwrap_or(state.at),
        anchor_now: anchor.word("type", &["now", "unchanged"])? == Some("now"),
        trial,
    })
}

/// What a request says about the subscription's end.
fn note_ending(state: &State, sub: &mut Value, params: &Params<'_>) -> Answer<()> {
    match (params.flag("cancel_at_period_end")?, params.int("cancel_at").ok().flatten()) {
        (Some(true), Some(_)) => {
            return Err(ApiError::refused("You can only set one of `cancel_at` and `cancel_at_period_end`."));
        }
        (Some(true), None) => {
            sub["cancel_at"] = json!(cycle::latest_end(sub));
            mark_canceled(state, sub);
        }
        (_, Some(at)) => {
            if at <= state.at {
                return Err(ApiError::invalid("cancel_at", "The timestamp must be in the future."));
            }
            sub["cancel_at_period_end"] = json!(false);
            mark_canceled(state, sub);
        }
        (Some(false), None) => {
            sub["cancel_at"] = Value::Null;
            unmark(sub);
        }
        (None, None) if params.clears("cancel_at") => {
            sub["cancel_at_period_end"] = json!(false);
            unmark(sub);
        }
        (None, None) => {}
    }
    details(sub, params)
}

fn mark_canceled(state: &State, sub: &mut Value) {
    sub["canceled_at"] = json!(state.at);
    sub["cancellation_details"]["reason"] = json!("cancellation_requested");
}

fn unmark(sub: &mut Value) {
    sub["canceled_at"] = Value::Null;
    sub["cancellation_details"] =
        json!({ "comment": null, "feedback": null, "feedback_option": null, "reason": null });
}

const FEEDBACK: [&str; 8] = [
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
];

fn details(sub: &mut Value, params: &Params<'_>) -> Answer<()> {
    let details = params.within("cancellation_details");
    details.given("comment").apply(&mut sub["cancellation_details"], "comment");
    details.given("feedback_option").apply(&mut sub["cancellation_details"], "feedback_option");
    if details.clears("feedback") {
        sub["cancellation_details"]["feedback"] = Value::Null;
    } else if let Some(feedback) = details.word("feedback", &FEEDBACK)? {
        sub["cancellation_details"]["feedback"] = json!(feedback);
    }
    Ok(())
}

fn pause_collection(sub: &mut Value, params: &Params<'_>) -> Answer<()> {
    if params.clears("pause_collection") {
        sub["pause_collection"] = Value::Null;
    } else if let Some(pause) = params.hash("pause_collection") {
        let behavior = pause.word("behavior", &["keep_as_draft", "mark_uncollectible", "void"])?;
        let behavior = behavior.ok_or_else(|| ApiError::missing("pause_collection[behavior]"))?;
        sub["pause_collection"] = json!({ "behavior": behavior, "resumes_at": pause.int("resumes_at")? });
    }
    Ok(())
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
    end::resume(state, &id, !unchanged)?;
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
    if mode.need("type")? != "flexible" {
        return Err(ApiError::invalid(
            "billing_mode[type]",
            "Subscriptions can only be migrated to flexible.",
        ));
    }
    state.update(Kind::Subscription, &id, "customer.subscription.updated", |sub| {
        sub["billing_mode"] =
            json!({ "flexible": { "proration_discounts": "itemized" }, "type": "flexible" });
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
