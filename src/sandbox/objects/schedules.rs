//! Subscription schedules.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::billing::period::Interval;
use crate::sandbox::billing::{discounts, end, schedules, subscribe};
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::form::Params;
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, get, post};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

macro_rules! phases {
    ($more:literal) => {
        concat!(
            "end_behavior metadata* phases[](items[](price quantity metadata*) start_date \
             end_date duration(interval interval_count) proration_behavior billing_cycle_anchor metadata* \
             default_payment_method collection_method description automatic_tax(enabled liability(type)) \
             discounts[](coupon promotion_code discount)) ",
            $more
        )
    };
}

pub(crate) const ROUTES: &[Route] = &[
    post("/v1/subscription_schedules", phases!("from_subscription customer start_date"), create),
    get("/v1/subscription_schedules", paged!("customer"), all),
    get("/v1/subscription_schedules/{}", "", one),
    post("/v1/subscription_schedules/{}", phases!("proration_behavior"), update),
    post("/v1/subscription_schedules/{}/release", "preserve_cancel_date", release),
    post("/v1/subscription_schedules/{}/cancel", "invoice_now prorate", cancel),
];

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let Some(sub) = params.text("from_subscription")? else {
        return Err(ApiError::invalid(
            "from_subscription",
            "The sandbox makes schedules from a subscription.",
        )
        .code("parameter_missing"));
    };
    let sub = state.need(Kind::Subscription, sub, "from_subscription")?;
    state.customer(sub.text("customer"), "customer")?;
    if let Some(schedule) = sub.maybe_text("schedule") {
        return Err(ApiError::refused(format!(
            "You cannot migrate a subscription that is already attached to a schedule: `{schedule}`."
        )));
    }
    if matches!(sub.text("status"), "canceled" | "incomplete_expired" | "incomplete") {
        return Err(ApiError::refused("You cannot migrate a subscription that is not active."));
    }
    if params.has("phases") {
        return Err(ApiError::refused(
            "You cannot set `phases` if `from_subscription` is set. Consider updating the schedule after creating it.",
        ));
    }
    let period = sub.items("items").iter().fold((i64::MAX, 0), |(start, end), item| {
        (start.min(item.int("current_period_start")), end.max(item.int("current_period_end")))
    });
    let items: Vec<Value> = sub.items("items").iter().map(phase_item).collect();
    let mut phase = blank_phase(sub.text("currency"), items, period);
    phase["discounts"] = sub.items("discounts").iter().map(|id| discount(id, &Value::Null)).collect();
    let id = state.id("sub_sched_");
    let mut schedule = json!({
        "id": id, "object": "subscription_schedule", "application": null, "billing_mode": sub["billing_mode"],
        "canceled_at": null, "completed_at": null, "created": state.at,
        "current_phase": { "start_date": period.0, "end_date": period.1 }, "customer": sub["customer"],
        "customer_account": null,
        "default_settings": {
            "application_fee_percent": null,
            "automatic_tax": { "disabled_reason": null, "enabled": sub["automatic_tax"]["enabled"], "liability": null },
            "billing_cycle_anchor": "automatic", "billing_thresholds": null,
            "collection_method": sub["collection_method"], "default_payment_method": sub["default_payment_method"],
            "description": null,
            "invoice_settings": { "account_tax_ids": null, "days_until_due": null, "issuer": { "type": "self" } },
            "on_behalf_of": null, "transfer_data": null,
        },
        "end_behavior": "release", "livemode": false, "metadata": {}, "phases": [phase], "released_at": null,
        "released_subscription": null, "status": "active", "subscription": sub["id"], "test_clock": sub["test_clock"],
    });
    fill(&mut schedule, params)?;
    state.create(Kind::Schedule, schedule, "subscription_schedule.created");
    let mine = id.clone();
    state.update(Kind::Subscription, sub.text("id"), "customer.subscription.updated", |sub| {
        sub["schedule"] = json!(mine);
    });
    Ok(public(&state.find(Kind::Schedule, &id)))
}

fn phase_item(item: &Value) -> Value {
    let metered = item.text("/price/recurring/usage_type") == "metered";
    let mut phase = json!({
        "billing_thresholds": null, "discounts": [], "metadata": item["metadata"],
        "plan": item["price"]["id"],
        "price": item["price"]["id"], "tax_rates": [], "_": { "metered": metered },
    });
    if let Some(quantity) = item.maybe_int("quantity") {
        phase["quantity"] = json!(quantity);
    }
    phase
}

/// A discount of a phase: one that is there already, by its id, or one to be redeemed with the phase.
fn discount(existing: &Value, wish: &Value) -> Value {
    json!({ "coupon": wish["coupon"], "discount": existing, "promotion_code": wish["promotion_code"] })
}

fn blank_phase(currency: &str, items: Vec<Value>, period: (i64, i64)) -> Value {
    json!({
        "add_invoice_items": [], "application_fee_percent": null, "billing_cycle_anchor": null, "billing_thresholds": null,
        "collection_method": null, "currency": currency, "default_payment_method": null, "default_tax_rates": [],
        "description": null, "discounts": [], "end_date": period.1, "invoice_settings": null, "items": items,
        "metadata": {}, "on_behalf_of": null, "proration_behavior": "create_prorations", "start_date": period.0,
        "transfer_data": null, "trial_end": null,
    })
}

fn fill(schedule: &mut Value, params: &Params<'_>) -> Answer<()> {
    if let Some(end) = params.word("end_behavior", &["release", "cancel"])? {
        schedule["end_behavior"] = json!(end);
    }
    params.metadata(schedule)
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    let customer = call.params.text("customer")?;
    list::page(state, call, Kind::Schedule, "/v1/subscription_schedules", |schedule| {
        customer.is_none_or(|customer| schedule.text("customer") == customer)
    })
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::Schedule, call.arg(0), "id")?))
}

/// A schedule that still does something, at its customer's time.
fn running(state: &mut State, call: &Call<'_>, wish: &str) -> Answer<Value> {
    let schedule = state.need(Kind::Schedule, call.arg(0), "id")?;
    state.customer(schedule.text("customer"), "customer")?;
    if !matches!(schedule.text("status"), "active" | "not_started") {
        return Err(ApiError::refused(format!(
            "You cannot {wish} a subscription schedule that is currently in the `{}` status.",
            schedule.text("status")
        )));
    }
    Ok(Value::clone(&schedule))
}

fn update(state: &mut State, call: &Call<'_>) -> Answer {
    let before = running(state, call, "update")?;
    let mut schedule = before.clone();
    fill(&mut schedule, &call.params)?;
    if call.params.has("phases") {
        schedule["phases"] = phases(state, &schedule, &call.params)?;
        let current = schedule
            .items("phases")
            .iter()
            .find(|phase| (phase.int("start_date")..phase.int("end_date")).contains(&state.at));
        let Some(current) = current else {
            return Err(ApiError::invalid("phases", "One phase must contain the present moment."));
        };
        schedule["current_phase"] =
            json!({ "start_date": current["start_date"], "end_date": current["end_date"] });
    }
    let id = schedule.id();
    if call.params.has("phases") {
        keep_present(state, &schedule);
    }
    state.store.put(Kind::Schedule, schedule);
    state.tell_update(Kind::Schedule, &id, "subscription_schedule.updated", &before);
    Ok(public(&state.find(Kind::Schedule, &id)))
}

/// What the present phase says of discounts and taxes holds at once.
fn keep_present(state: &mut State, schedule: &Value) {
    let start = schedule.look("/current_phase/start_date");
    let Some(phase) = schedule.items("phases").iter().find(|phase| phase["start_date"] == *start) else {
        return;
    };
    let sub = state.find(Kind::Subscription, schedule.text("subscription"));
    schedules::settings(state, &sub, schedule, phase);
    state.tell_update(Kind::Subscription, sub.text("id"), "customer.subscription.updated", &sub);
}

/// Reads phases; each begins where the one before ends.
fn phases(state: &State, schedule: &Value, params: &Params<'_>) -> Answer {
    let currency = schedule.text("/phases/0/currency").to_owned();
    let mut next = schedule.int("/phases/0/start_date");
    let phases = params.each("phases", |phase| {
        let start = match phase.text("start_date")? {
            None => next,
            Some("now") => state.at,
            Some(_) => phase.need_int("start_date")?,
        };
        let items = phase.each("items", |item| {
            let price = item.need("price")?;
            let tariff = subscribe::recurring(state, price, &currency)?;
            let mut made = json!({
                "billing_thresholds": null, "discounts": [], "metadata": {}, "plan": price, "price": price,
                "tax_rates": [], "_": { "metered": tariff.metered },
            });
            if !tariff.metered {
                made["quantity"] = json!(item.count("quantity")?.unwrap_or(1));
            }
            item.metadata(&mut made)?;
            Ok(made)
        })?;
        if items.is_empty() {
            return Err(ApiError::missing(&phase.name("items")));
        }
        let end = match (phase.text("end_date")?, phase.hash("duration")) {
            (Some("now"), _) => state.at,
            (Some(_), _) => phase.need_int("end_date")?,
            (None, duration) => lasting(state, &items, duration.as_ref(), start)?,
        };
        if end <= start {
            return Err(ApiError::invalid(phase.name("end_date"), "A phase must end after it starts."));
        }
        next = end;
        let mut made = blank_phase(&currency, items, (start, end));
        if let Some(word) =
            phase.word("proration_behavior", &["none", "create_prorations", "always_invoice"])?
        {
            made["proration_behavior"] = json!(word);
        }
        if let Some(word) = phase.word("billing_cycle_anchor", &["automatic", "phase_start"])? {
            made["billing_cycle_anchor"] = json!(word);
        }
        made["discounts"] = phase_discounts(state, phase, schedule.text("customer"))?;
        if let Some(enabled) = phase.within("automatic_tax").flag("enabled")? {
            made["automatic_tax"] = json!({ "disabled_reason": null, "enabled": enabled, "liability": null });
        }
        phase.given("default_payment_method").apply(&mut made, "default_payment_method");
        phase.given("collection_method").apply(&mut made, "collection_method");
        phase.given("description").apply(&mut made, "description");
        phase.metadata(&mut made)?;
        Ok(made)
    })?;
    Ok(Value::Array(phases))
}

/// The discounts that a phase names.
fn phase_discounts(state: &State, phase: &Params<'_>, customer: &str) -> Answer {
    let named = phase.each("discounts", |entry| {
        Ok(match entry.text("discount")? {
            Some(id) => {
                state.need(Kind::Discount, id, &entry.name("discount"))?;
                discount(&json!(id), &Value::Null)
            }
            None => {
                let wish = discounts::wish(state, entry, customer)?;
                discount(
                    &Value::Null,
                    &json!({ "coupon": wish.coupon, "promotion_code": wish.promotion_code }),
                )
            }
        })
    })?;
    Ok(Value::Array(named))
}

/// When a phase without an end date ends: after its duration, or after one period of its first price.
fn lasting(state: &State, items: &[Value], duration: Option<&Params<'_>>, start: i64) -> Answer<i64> {
    let interval = match duration {
        Some(duration) => {
            Interval::parse(duration.need("interval")?, duration.int("interval_count")?.unwrap_or(1))
        }
        None => items.first().and_then(|item| Interval::of(&state.find(Kind::Price, item.text("price")))),
    };
    let interval = interval.ok_or_else(|| ApiError::invalid("phases", "Invalid duration"))?;
    Ok(interval.add(start, 1))
}

fn release(state: &mut State, call: &Call<'_>) -> Answer {
    let schedule = running(state, call, "release")?;
    let id = schedule.id();
    schedules::close(state, &id, "released");
    state.update(Kind::Subscription, schedule.text("subscription"), "customer.subscription.updated", |sub| {
        sub["schedule"] = Value::Null;
    });
    Ok(public(&state.find(Kind::Schedule, &id)))
}

fn cancel(state: &mut State, call: &Call<'_>) -> Answer {
    let schedule = running(state, call, "cancel")?;
    let (invoice_now, prorate) = (call.params.flag("invoice_now")?, call.params.flag("prorate")?);
    // Ending the subscription closes its schedule.
    end::cancel(state, schedule.text("subscription"), invoice_now.unwrap_or(true), prorate.unwrap_or(true))?;
    Ok(public(&state.find(Kind::Schedule, schedule.text("id"))))
}
