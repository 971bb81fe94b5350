//! Invoices: what requests ask of them; their life is in `billing::invoices`.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::billing::payments::{self, Outcome, Presence};
use crate::sandbox::billing::{invoices, preview};
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, delete, get, post};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] = &[
    post(
        "/v1/invoices",
        "customer currency auto_advance collection_method days_until_due description metadata* \
         pending_invoice_items_behavior automatic_tax(enabled) default_payment_method",
        create,
    ),
    get("/v1/invoices", paged!("customer subscription status collection_method due_date*"), all),
    post(
        "/v1/invoices/create_preview",
        "customer currency subscription schedule preview_mode automatic_tax(enabled liability*) \
         discounts[](coupon promotion_code discount) \
         customer_details(address(city country line1 line2 postal_code state) tax_exempt tax_ids[](type value) \
         shipping* tax*) \
         subscription_details(items[](id price quantity deleted clear_usage metadata*) proration_behavior \
         proration_date billing_cycle_anchor(type) cancel_at cancel_at_period_end cancel_now trial_end start_date \
         billing_mode*)",
        create_preview,
    ),
    get("/v1/invoices/{}", "", one),
    post("/v1/invoices/{}", "auto_advance description metadata* default_payment_method", update),
    delete("/v1/invoices/{}", "", remove),
    get("/v1/invoices/{}/lines", paged!(), lines),
    post("/v1/invoices/{}/finalize", "auto_advance", finalize),
    post("/v1/invoices/{}/pay", "payment_method off_session paid_out_of_band forgive source", pay),
    post("/v1/invoices/{}/void", "", void),
    post("/v1/invoices/{}/mark_uncollectible", "", give_up),
    post("/v1/invoices/{}/send", "", send),
    get("/v1/invoice_payments", paged!("invoice status payment*"), payments_of),
    get("/v1/invoice_payments/{}", "", payment),
];

/// An invoice of its own, of what waits for the customer.
fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let customer = state.customer(params.need("customer")?, "customer")?;
    let own = customer.maybe_text("currency").unwrap_or(&state.settings.currency).to_owned();
    let currency = params.text("currency")?.map_or(own, str::to_lowercase);
    let include = params.word("pending_invoice_items_behavior", &["include", "exclude"])? != Some("exclude");
    let id = invoices::draft(
        state,
        invoices::Draft {
            customer: customer.text("id"),
            subscription: None,
            reason: "manual",
            lines: Vec::new(),
            period: (state.at, state.at),
            discounts: Vec::new(),
            currency: &currency,
            with_pending: include,
        },
    );
    let automatic = params.flag("auto_advance")?.unwrap_or(false);
    let description = params.text("description")?.map(str::to_owned);
    let mut invoice = Value::clone(&state.find(Kind::Invoice, &id));
    invoice["auto_advance"] = json!(automatic);
    invoice["description"] = json!(description);
    if let Some(enabled) = params.within("automatic_tax").flag("enabled")? {
        invoice["automatic_tax"]["enabled"] = json!(enabled);
    }
    params.metadata(&mut invoice)?;
    crate::sandbox::billing::totals::compute(state, &mut invoice);
    state.store.put(Kind::Invoice, invoice);
    let finalizes = automatic.then_some(state.at + state.settings.draft_seconds);
    invoices::announce(state, &id, finalizes);
    Ok(shown(state, &id))
}

fn shown(state: &State, id: &str) -> Value {
    public(&state.find(Kind::Invoice, id))
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let (customer, sub) = (params.text("customer")?, params.text("subscription")?);
    let status = params.word("status", &["draft", "open", "paid", "uncollectible", "void"])?;
    list::page(state, call, Kind::Invoice, "/v1/invoices", |invoice| {
        customer.is_none_or(|customer| invoice.text("customer") == customer)
            && sub.is_none_or(|sub| invoices::subscription_of(invoice) == Some(sub))
            && status.is_none_or(|status| invoice.text("status") == status)
    })
}

fn create_preview(state: &mut State, call: &Call<'_>) -> Answer {
    preview::create(state, &call.params)
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::Invoice, call.arg(0), "id")?))
}

/// The invoice of the path, at its customer's time.
fn find(state: &mut State, call: &Call<'_>) -> Answer<Value> {
    let invoice = state.need(Kind::Invoice, call.arg(0), "id")?;
    state.customer(invoice.text("customer"), "customer")?;
    Ok(Value::clone(&invoice))
}

fn update(state: &mut State, call: &Call<'_>) -> Answer {
    let before = find(state, call)?;
    let mut invoice = before.clone();
    call.params.metadata(&mut invoice)?;
    call.params.given("description").apply(&mut invoice, "description");
    if let Some(automatic) = call.params.flag("auto_advance")? {
        invoice["auto_advance"] = json!(automatic);
        if automatic && invoice.text("status") == "draft" && invoice["automatically_finalizes_at"].is_null() {
            invoice["automatically_finalizes_at"] = json!(state.at + state.settings.draft_seconds);
        }
    }
    if let Some(method) = call.params.text("default_payment_method")? {
        let found = state.need(Kind::PaymentMethod, method, "default_payment_method")?;
        invoice["default_payment_method"] = found["id"].clone();
    }
    let id = invoice.id();
    state.store.put(Kind::Invoice, invoice);
    state.tell_update(Kind::Invoice, &id, "invoice.updated", &before);
    Ok(shown(state, &id))
}

fn remove(state: &mut State, call: &Call<'_>) -> Answer {
    let invoice = find(state, call)?;
    if invoice.text("status") != "draft" || invoices::subscription_of(&invoice).is_some() {
        return Err(ApiError::refused("You can only delete draft invoices that are not of a subscription."));
    }
    state.store.remove(Kind::Invoice, invoice.text("id"));
    state.emit("invoice.deleted", &invoice, None);
    Ok(json!({ "id": invoice["id"], "object": "invoice", "deleted": true }))
}

fn lines(state: &mut State, call: &Call<'_>) -> Answer {
    let invoice = state.need(Kind::Invoice, call.arg(0), "id")?;
    list::slice(call, invoice.items("lines"), &format!("/v1/invoices/{}/lines", call.arg(0)))
}

fn finalize(state: &mut State, call: &Call<'_>) -> Answer {
    let invoice = find(state, call)?;
    if invoice.text("status") != "draft" {
        return Err(ApiError::refused(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
        )
        .code("invoice_not_editable"));
    }
    let id = invoice.id();
    invoices::finalize(state, &id);
    let collect = call.params.flag("auto_advance")?.unwrap_or(invoice.flag("auto_advance"));
    let open = state.find(Kind::Invoice, &id).text("status") == "open";
    if open && collect && invoice.text("collection_method") == "charge_automatically" {
        payments::collect(state, &id, None, Presence::Away);
    }
    Ok(shown(state, &id))
}

/// Pays an invoice now. A refused card is an error whose failed charge stays on record.
fn pay(state: &mut State, call: &Call<'_>) -> Answer {
    let invoice = find(state, call)?;
    let id = invoice.id();
    match invoice.text("status") {
        "paid" => return Err(ApiError::refused("Invoice is already paid").code("invoice_already_paid")),
        "void" => return Err(ApiError::refused("Invoices that are void can't be paid.")),
        "draft" => invoices::finalize(state, &id),
        _ => {}
    }
    if call.params.flag("paid_out_of_band")? == Some(true) {
        invoices::mark_paid(state, &id);
        return Ok(shown(state, &id));
    }
    let method = match call.params.text("payment_method")? {
        Some(method) => Some(state.need(Kind::PaymentMethod, method, "payment_method")?.id()),
        None => None,
    };
    if invoice.text("status") == "uncollectible" {
        state.amend(Kind::Invoice, &id, |invoice| invoice["status"] = json!("open"));
    }
    match payments::collect(state, &id, method.as_deref(), Presence::Away) {
        Outcome::Paid => Ok(shown(state, &id)),
        Outcome::NeedsAction => Err(ApiError::card(
            "invoice_payment_intent_requires_action",
            None,
            "This payment requires additional user action before it can be completed successfully.",
        )
        .lasting()),
        outcome => {
            Err(outcome.error().map_or_else(|| ApiError::refused("The payment failed."), ApiError::lasting))
        }
    }
}

fn void(state: &mut State, call: &Call<'_>) -> Answer {
    let id = find(state, call)?.id();
    invoices::void(state, &id)?;
    Ok(shown(state, &id))
}

fn give_up(state: &mut State, call: &Call<'_>) -> Answer {
    let id = find(state, call)?.id();
    invoices::give_up(state, &id)?;
    Ok(shown(state, &id))
}

fn send(state: &mut State, call: &Call<'_>) -> Answer {
    let invoice = find(state, call)?;
    if invoice.text("status") == "draft" {
        invoices::finalize(state, invoice.text("id"));
    }
    let sent = state.find(Kind::Invoice, invoice.text("id"));
    state.emit("invoice.sent", &sent, None);
    Ok(public(&sent))
}

fn payments_of(state: &mut State, call: &Call<'_>) -> Answer {
    let (invoice, status) = (call.params.text("invoice")?, call.params.text("status")?);
    let payment = call.params.within("payment");
    let intent = payment.text("payment_intent")?;
    list::page(state, call, Kind::InvoicePayment, "/v1/invoice_payments", |payment| {
        invoice.is_none_or(|invoice| payment.text("invoice") == invoice)
            && status.is_none_or(|status| payment.text("status") == status)
            && intent.is_none_or(|intent| payment.text("/payment/payment_intent") == intent)
    })
}

fn payment(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::InvoicePayment, call.arg(0), "id")?))
}
