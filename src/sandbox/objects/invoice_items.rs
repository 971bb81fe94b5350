//! Invoice items: charges beside a subscription.

use serde_json::json;

use super::paged;
use crate::sandbox::billing::lines::{Line, Role, Settled};
use crate::sandbox::billing::pending;
use crate::sandbox::billing::tariff::Tariff;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, delete, get, post};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] = &[
    post(
        "/v1/invoiceitems",
        "customer amount currency description quantity pricing(price) metadata*",
        create,
    ),
    get("/v1/invoiceitems", paged!("customer invoice pending"), all),
    get("/v1/invoiceitems/{}", "", one),
    delete("/v1/invoiceitems/{}", "", remove),
];

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let customer = state.customer(params.need("customer")?, "customer")?.id();
    let pricing = params.within("pricing");
    let quantity = params.count("quantity")?.unwrap_or(1);
    let (amount, currency, price, name) = match pricing.text("price")? {
        Some(price) => {
            let currency = state.need(Kind::Price, price, "pricing[price]")?.text("currency").to_owned();
            let tariff = Tariff::of(state, price, &currency)?;
            (tariff.total(quantity), currency, (tariff.price, tariff.product), tariff.name)
        }
        None => {
            let currency = params.need("currency")?.to_lowercase();
            (params.need_int("amount")?, currency, (String::new(), String::new()), "Charge".to_owned())
        }
    };
    let line = Line {
        role: Role::Single,
        description: params.text("description")?.map_or(name, str::to_owned),
        amount,
        quantity: Some(quantity),
        period: (state.at, state.at),
        price,
        unit: None,
        source: None,
        settled: Settled::default(),
    };
    let id = pending::add(state, &line, &customer, &currency);
    let mut item = serde_json::Value::clone(&state.find(Kind::InvoiceItem, &id));
    params.metadata(&mut item)?;
    state.store.put(Kind::InvoiceItem, item.clone());
    Ok(public(&item))
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    let (customer, invoice) = (call.params.text("customer")?, call.params.text("invoice")?);
    let waiting = call.params.flag("pending")?;
    list::page(state, call, Kind::InvoiceItem, "/v1/invoiceitems", |item| {
        customer.is_none_or(|customer| item.text("customer") == customer)
            && invoice.is_none_or(|invoice| item.text("invoice") == invoice)
            && waiting.is_none_or(|waiting| item["invoice"].is_null() == waiting)
    })
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::InvoiceItem, call.arg(0), "id")?))
}

fn remove(state: &mut State, call: &Call<'_>) -> Answer {
    let item = state.need(Kind::InvoiceItem, call.arg(0), "id")?;
    if !item["invoice"].is_null() {
        return Err(ApiError::refused("This invoice item is on an invoice already and cannot be deleted."));
    }
    state.store.remove(Kind::InvoiceItem, call.arg(0));
    state.emit("invoiceitem.deleted", &item, None);
    Ok(json!({ "id": item["id"], "object": "invoiceitem", "deleted": true }))
}
