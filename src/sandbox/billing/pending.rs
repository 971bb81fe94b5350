//! Invoice items: charges and credits that wait for the next invoice.

use serde_json::{Value, json};

use super::lines::{self, Line, Role};
use crate::sandbox::json::Json;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// Puts a line aside for the next invoice; gives the invoice item's id.
pub(crate) fn add(state: &mut State, line: &Line, customer: &str, currency: &str) -> String {
    let id = state.id("ii_");
    let rendered = lines::render(state, line, currency, Some(&id));
    let proration = matches!(line.role, Role::Debit | Role::Credit);
    let parent = line.source.as_ref().map(|(subscription, item)| {
        json!({ "subscription_details": { "subscription": subscription, "subscription_item": item },
                "type": "subscription_details" })
    });
    let clock = state.find(Kind::Customer, customer).look("test_clock").clone();
    let item = json!({
        "id": id, "object": "invoiceitem", "amount": line.amount, "currency": currency, "customer": customer,
        "customer_account": null, "date": state.at, "description": line.description,
        "discountable": rendered["discountable"], "discounts": [], "invoice": null, "livemode": false, "metadata": {},
        "net_amount": line.amount, "parent": parent, "period": rendered["period"], "pricing": rendered["pricing"],
        "proration": proration, "proration_details": if proration { json!({ "discount_amounts": [] }) } else { Value::Null },
        "quantity": line.quantity.unwrap_or(1), "quantity_decimal": line.quantity.unwrap_or(1).to_string(),
        "tax_rates": [], "test_clock": clock, "_": { "line": rendered },
    });
    state.create(Kind::InvoiceItem, item, "invoiceitem.created");
    id
}

/// The lines that wait for a customer's next invoice of a subscription (those of no subscription too), oldest first.
pub(crate) fn waiting(
    state: &State,
    customer: &str,
    subscription: Option<&str>,
    currency: &str,
) -> Vec<Value> {
    let waits = |item: &Value| {
        let owner = item.maybe_text("/parent/subscription_details/subscription");
        item["invoice"].is_null()
            && item.text("customer") == customer
            && item.text("currency") == currency
            && (owner.is_none() || owner == subscription)
    };
    state
        .store
        .all(Kind::InvoiceItem)
        .filter(|item| waits(item))
        .map(|item| item.note("line").clone())
        .collect()
}

/// Says which invoice took the items behind these lines.
pub(crate) fn assign(state: &mut State, lines: &[Value], invoice: &str) {
    for line in lines {
        let details = ["subscription_item_details", "invoice_item_details"];
        let item = details.iter().find_map(|kind| line.maybe_text(&format!("/parent/{kind}/invoice_item")));
        if let Some(item) = item {
            state.amend(Kind::InvoiceItem, item, |item| item["invoice"] = json!(invoice));
        }
    }
}
