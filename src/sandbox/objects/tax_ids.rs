//! Tax ids of customers.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, delete, get, post};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] = &[
    post("/v1/customers/{}/tax_ids", "type value", create),
    get("/v1/customers/{}/tax_ids", paged!(), of_customer),
    get("/v1/customers/{}/tax_ids/{}", "", one),
    delete("/v1/customers/{}/tax_ids/{}", "", remove),
    post("/v1/tax_ids", "type value owner(type customer)", create_owned),
    get("/v1/tax_ids", paged!("owner(type customer)"), all),
    get("/v1/tax_ids/{}", "", one_owned),
    delete("/v1/tax_ids/{}", "", remove_owned),
];

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let customer = state.customer(call.arg(0), "id")?.id();
    add(state, &customer, call.params.need("type")?, call.params.need("value")?)
}

/// Adds a tax id to a customer.
///
/// The shapes of the numbers are those that Stripe checks at once; the rest it takes as it is.
pub(crate) fn add(state: &mut State, customer: &str, kind: &str, value: &str) -> Answer {
    let value = value.trim();
    let country = match kind {
        "eu_vat" | "eu_oss_vat" => value.get(..2).map(|code| if code == "EL" { "GR" } else { code }),
        other => other.get(..2),
    };
    let letters = value.get(..2).is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_uppercase()));
    let plausible = match kind {
        "eu_vat" => {
            letters && (4..=15).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric())
        }
        _ => !value.is_empty() && value.len() <= 50,
    };
    if kind.split_once('_').is_none() {
        return Err(ApiError::invalid("type", format!("Invalid type: {kind}")));
    }
    if !plausible {
        return Err(ApiError::invalid("value", format!("Invalid value for {kind}.")).code("tax_id_invalid"));
    }
    let id = state.id("txi_");
    let tax_id = json!({
        "id": id, "object": "tax_id", "country": country.map(str::to_uppercase), "created": state.at,
        "customer": customer, "customer_account": null, "livemode": false,
        "owner": { "customer": customer, "type": "customer" }, "type": kind, "value": value,
        "verification": { "status": "pending", "verified_address": null, "verified_name": null },
    });
    state.create(Kind::TaxId, tax_id.clone(), "customer.tax_id.created");
    Ok(tax_id)
}

fn create_owned(state: &mut State, call: &Call<'_>) -> Answer {
    let customer = call.params.within("owner").need("customer")?.to_owned();
    state.customer(&customer, "owner[customer]")?;
    add(state, &customer, call.params.need("type")?, call.params.need("value")?)
}

fn of_customer(state: &mut State, call: &Call<'_>) -> Answer {
    let customer = state.customer(call.arg(0), "id")?.id();
    let url = format!("/v1/customers/{customer}/tax_ids");
    list::page(state, call, Kind::TaxId, &url, |tax_id| tax_id.text("customer") == customer)
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    let owner = call.params.within("owner");
    let customer = owner.text("customer")?;
    list::page(state, call, Kind::TaxId, "/v1/tax_ids", |tax_id| {
        customer.is_none_or(|customer| tax_id.text("customer") == customer)
    })
}

/// A tax id that belongs to the customer of the path, when there is one in it.
fn find(state: &State, customer: Option<&str>, id: &str) -> Answer<Value> {
    let tax_id = state.need(Kind::TaxId, id, "id")?;
    if customer.is_some_and(|customer| tax_id.text("customer") != customer) {
        return Err(ApiError::no_such(Kind::TaxId.noun(), id, "id"));
    }
    Ok(public(&tax_id))
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    find(state, Some(call.arg(0)), call.arg(1))
}

fn one_owned(state: &mut State, call: &Call<'_>) -> Answer {
    find(state, None, call.arg(0))
}

fn remove(state: &mut State, call: &Call<'_>) -> Answer {
    let tax_id = find(state, Some(call.arg(0)), call.arg(1))?;
    Ok(forget(state, &tax_id))
}

fn remove_owned(state: &mut State, call: &Call<'_>) -> Answer {
    let tax_id = find(state, None, call.arg(0))?;
    Ok(forget(state, &tax_id))
}

fn forget(state: &mut State, tax_id: &Value) -> Value {
    state.store.remove(Kind::TaxId, tax_id.text("id"));
    state.emit("customer.tax_id.deleted", tax_id, None);
    json!({ "id": tax_id["id"], "object": "tax_id", "deleted": true })
}
