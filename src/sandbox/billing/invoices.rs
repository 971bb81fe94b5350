//! The life of an invoice: draft, open, paid, void or uncollectible.

use serde_json::{Value, json};

use super::lines::{self, Line};
use super::{cycle, payments, pending, status, totals};
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::{Json, list, merge};
use crate::sandbox::settings::DAY;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// What an invoice is made of.
pub(crate) struct Draft<'a> {
    /// The customer.
    pub(crate) customer: &'a str,
    /// The subscription that causes it.
    pub(crate) subscription: Option<&'a Value>,
    /// Stripe's `billing_reason`.
    pub(crate) reason: &'a str,
    /// Its lines.
    pub(crate) lines: Vec<Line>,
    /// The invoice's own period: the one that ends with it.
    pub(crate) period: (i64, i64),
    /// The ids of the discounts that apply.
    pub(crate) discounts: Vec<String>,
    /// The currency.
    pub(crate) currency: &'a str,
    /// Whether what waits for the next invoice comes along.
    pub(crate) with_pending: bool,
}

/// Makes a draft, added up; gives its id. Nothing is told yet.
pub(crate) fn draft(state: &mut State, draft: Draft<'_>) -> String {
    let id = state.id("in_");
    let source = draft.subscription.cloned().unwrap_or_default();
    let mut lines = if draft.with_pending {
        pending::waiting(state, draft.customer, source.maybe_text("id"), draft.currency)
    } else {
        Vec::new()
    };
    lines.extend(draft.lines.iter().map(|line| lines::render(state, line, draft.currency, None)));
    for line in &mut lines {
        line["invoice"] = json!(id);
    }
    pending::assign(state, &lines, &id);
    let customer = state.find(Kind::Customer, draft.customer);
    let sends = source.text("collection_method") == "send_invoice";
    let due_date = sends.then(|| state.at + source.int("days_until_due") * DAY);
    let parent = draft.subscription.map(|sub| {
        json!({
            "quote_details": null,
            "subscription_details": { "metadata": sub["metadata"], "subscription": sub["id"] },
            "type": "subscription_details",
        })
    });
    let invoice = json!({
        "id": id, "object": "invoice", "account_country": state.settings.country, "account_name": "Sandbox",
        "account_tax_ids": null, "amount_due": 0, "amount_overpaid": 0, "amount_paid": 0, "amount_paid_off_stripe": 0,
        "amount_remaining": 0, "amount_shipping": 0, "application": null, "attempt_count": 0, "attempted": false,
        "auto_advance": true,
        "automatic_tax": { "disabled_reason": null, "enabled": source.flag("/automatic_tax/enabled"),
                           "liability": liability(&source), "provider": provider(&source), "status": null },
        "automatically_finalizes_at": null, "billing_reason": draft.reason,
        "collection_method": if sends { "send_invoice" } else { "charge_automatically" },
        "created": state.at, "currency": draft.currency, "custom_fields": null, "customer": draft.customer,
        "customer_account": null, "default_payment_method": null, "default_source": null, "default_tax_rates": [],
        "description": source["description"], "discounts": draft.discounts, "due_date": due_date, "effective_at": null,
        "ending_balance": null, "footer": null, "from_invoice": null, "hosted_invoice_url": null, "invoice_pdf": null,
        "issuer": { "type": "self" }, "last_finalization_error": null, "latest_revision": null,
    });
    let mut invoice = merge(
        invoice,
        json!({
            "lines": list(lines, false, &format!("/v1/invoices/{id}/lines")), "livemode": false, "metadata": {},
            "next_payment_attempt": null, "number": null, "on_behalf_of": null, "parent": parent,
            "payment_settings": { "default_mandate": null, "payment_method_options": null, "payment_method_types": null },
            "period_end": draft.period.1, "period_start": draft.period.0, "post_payment_credit_notes_amount": 0,
            "pre_payment_credit_notes_amount": 0, "receipt_number": null, "rendering": null, "shipping_cost": null,
            "shipping_details": null, "starting_balance": 0, "statement_descriptor": null, "status": "draft",
            "status_transitions": { "finalized_at": null, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null },
            "subtotal": 0, "subtotal_excluding_tax": 0, "test_clock": customer["test_clock"], "total": 0,
            "total_discount_amounts": [], "total_excluding_tax": 0, "total_pretax_credit_amounts": [], "total_taxes": [],
            "webhooks_delivered_at": null,
        }),
    );
    address(state, &mut invoice, &customer);
    totals::compute(state, &mut invoice);
    state.store.put(Kind::Invoice, invoice);
    id
}

fn liability(source: &Value) -> Value {
    if source.flag("/automatic_tax/enabled") { json!({ "type": "self" }) } else { Value::Null }
}

fn provider(source: &Value) -> Value {
    if source.flag("/automatic_tax/enabled") { json!("stripe") } else { Value::Null }
}

/// Copies who the customer is; drafts follow the customer, finalized invoices keep what was true.
fn address(state: &State, invoice: &mut Value, customer: &Value) {
    let tax_ids =
        state.store.all(Kind::TaxId).filter(|tax_id| tax_id.text("customer") == customer.text("id"));
    let tax_ids: Vec<Value> =
        tax_ids.map(|tax_id| json!({ "type": tax_id["type"], "value": tax_id["value"] })).collect();
    invoice["customer_tax_ids"] = Value::Array(tax_ids);
    for field in ["address", "email", "name", "phone", "shipping", "tax_exempt"] {
        invoice[format!("customer_{field}")] = customer[field].clone();
    }
}

/// Tells of a new draft; one of a renewal stays a draft for a while.
pub(crate) fn announce(state: &mut State, id: &str, finalizes_at: Option<i64>) {
    state.amend(Kind::Invoice, id, |invoice| invoice["automatically_finalizes_at"] = json!(finalizes_at));
    let invoice = state.find(Kind::Invoice, id);
    state.emit("invoice.created", &invoice, None);
}

/// Finalizes a draft: the last usage comes in, it gets its number, the balance is used, a payment is prepared. An invoice with
/// nothing due is paid.
pub(crate) fn finalize(state: &mut State, id: &str) {
    cycle::refresh_usage(state, id);
    let mut invoice = Value::clone(&state.find(Kind::Invoice, id));
    if invoice.text("status") != "draft" {
        return;
    }
    let before = invoice.clone();
    let customer = state.find(Kind::Customer, invoice.text("customer"));
    address(state, &mut invoice, &customer);
    totals::compute(state, &mut invoice);
    let sequence = customer.maybe_int("next_invoice_sequence").unwrap_or(1);
    let ending = invoice.note("ending_balance").as_i64().unwrap_or_default();
    let url = format!("{}/i/{id}", state.public_url);
    invoice["number"] = json!(format!("{}-{sequence:04}", customer.text("invoice_prefix")));
    invoice["status"] = json!("open");
    invoice["status_transitions"]["finalized_at"] = json!(state.at);
    invoice["effective_at"] = json!(state.at);
    invoice["automatically_finalizes_at"] = Value::Null;
    invoice["ending_balance"] = json!(ending);
    invoice["invoice_pdf"] = json!(format!("{url}/pdf"));
    invoice["hosted_invoice_url"] = json!(url);
    let due = invoice.int("amount_due");
    let subscription = subscription_of(&invoice).map(str::to_owned);
    let waits = !invoice.note("pending_update").is_null() || !invoice.note("resumes").is_null();
    state.store.put(Kind::Invoice, invoice);
    if let Some(subscription) = subscription.filter(|_| !waits) {
        // Since the draft, the address and with it the taxes may have changed.
        cycle::remember_billed(state, &subscription, id);
    }
    let balance_moved = customer.int("balance") != ending;
    state.amend(Kind::Customer, customer.text("id"), |customer| {
        customer["next_invoice_sequence"] = json!(sequence + 1);
        customer["balance"] = json!(ending);
    });
    if balance_moved {
        state.tell_update(Kind::Customer, customer.text("id"), "customer.updated", &customer);
    }
    if due > 0 {
        payments::prepare(state, id);
    }
    let finalized = state.find(Kind::Invoice, id);
    state.emit("invoice.finalized", &finalized, None);
    state.tell_update(Kind::Invoice, id, "invoice.updated", &before);
    if due == 0 {
        mark_paid(state, id);
    } else if finalized.text("collection_method") == "send_invoice" {
        state.emit("invoice.sent", &finalized, None);
    }
}

/// The invoice is paid: it says so, and its subscription follows.
pub(crate) fn mark_paid(state: &mut State, id: &str) {
    let (before, at) = (state.find(Kind::Invoice, id), state.at);
    state.amend(Kind::Invoice, id, |invoice| {
        invoice["status"] = json!("paid");
        invoice["attempted"] = json!(true);
        invoice["amount_paid"] = invoice["amount_due"].clone();
        invoice["amount_remaining"] = json!(0);
        invoice["next_payment_attempt"] = Value::Null;
        invoice["auto_advance"] = json!(false);
        invoice["status_transitions"]["paid_at"] = json!(at);
    });
    state.tell_update(Kind::Invoice, id, "invoice.updated", &before);
    let paid = state.find(Kind::Invoice, id);
    state.emit("invoice.paid", &paid, None);
    state.emit("invoice.payment_succeeded", &paid, None);
    status::after_payment(state, &paid);
}

/// Voids an open invoice.
pub(crate) fn void(state: &mut State, id: &str) -> Answer<()> {
    close(state, id, "void", "voided_at", "invoice.voided")
}

/// Gives an open invoice up.
pub(crate) fn give_up(state: &mut State, id: &str) -> Answer<()> {
    close(state, id, "uncollectible", "marked_uncollectible_at", "invoice.marked_uncollectible")
}

fn close(state: &mut State, id: &str, status: &str, moment: &str, event: &str) -> Answer<()> {
    let invoice = state.need(Kind::Invoice, id, "id")?;
    let open =
        invoice.text("status") == "open" || (status == "void" && invoice.text("status") == "uncollectible");
    if !open {
        let message = format!("Invoice {id} is {} and cannot become {status}.", invoice.text("status"));
        return Err(ApiError::refused(message).code("invoice_not_editable"));
    }
    let at = state.at;
    state.amend(Kind::Invoice, id, |invoice| {
        invoice["status"] = json!(status);
        invoice["status_transitions"][moment] = json!(at);
        invoice["next_payment_attempt"] = Value::Null;
        invoice["auto_advance"] = json!(false);
        if status == "void" {
            invoice["amount_remaining"] = json!(0);
        }
    });
    if status == "void" {
        return_credit(state, &invoice);
        payments::abandon(state, id);
    }
    let closed = state.find(Kind::Invoice, id);
    state.emit(event, &closed, None);
    state.tell_update(Kind::Invoice, id, "invoice.updated", &invoice);
    status::after_void(state, &closed);
    Ok(())
}

/// A voided invoice gives back what it took from the customer's balance.
fn return_credit(state: &mut State, invoice: &Value) {
    let moved = invoice.int("ending_balance") - invoice.int("starting_balance");
    if moved != 0 {
        state.update(Kind::Customer, invoice.text("customer"), "customer.updated", |customer| {
            customer["balance"] = json!(customer.int("balance") - moved);
        });
    }
}

/// The subscription of an invoice.
pub(crate) fn subscription_of(invoice: &Value) -> Option<&str> {
    invoice.maybe_text("/parent/subscription_details/subscription")
}

/// Whether an error is that nothing is due to be invoiced.
pub(crate) fn none_upcoming(customer: &str) -> ApiError {
    ApiError::new(404, "invalid_request_error", format!("No upcoming invoices for customer: {customer}"))
        .code("invoice_upcoming_none")
}
