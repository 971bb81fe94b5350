//! Products.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::form::Params;
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::objects::prices;
use crate::sandbox::routes::{Call, Route, delete, get, post};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

macro_rules! fields {
    ($more:literal) => {
        concat!(
            "name active description images[] marketing_features[](name) metadata* statement_descriptor tax_code \
             unit_label url shippable package_dimensions(height length weight width) tax_details(tax_code) ",
            $more
        )
    };
}

pub(crate) const ROUTES: &[Route] = &[
    post(
        "/v1/products",
        fields!(
            "id type default_price_data(currency unit_amount unit_amount_decimal tax_behavior metadata* \
                 recurring(interval interval_count))"
        ),
        create,
    ),
    get("/v1/products", paged!("active ids[] shippable url type"), all),
    get("/v1/products/{}", "", one),
    post("/v1/products/{}", fields!("default_price"), update),
    delete("/v1/products/{}", "", remove),
];

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let name = call.params.need("name")?.to_owned();
    let id = match call.params.text("id")? {
        Some(id) if state.store.get(Kind::Product, id).is_some() => {
            return Err(ApiError::invalid("id", "Product already exists.").code("resource_already_exists"));
        }
        Some(id) => id.to_owned(),
        None => state.token("prod_", 14),
    };
    let mut product = json!({
        "id": id, "object": "product", "active": true, "created": state.at, "default_price": null, "description": null,
        "images": [], "livemode": false, "marketing_features": [], "metadata": {}, "name": name,
        "package_dimensions": null, "shippable": null, "statement_descriptor": null, "tax_code": null,
        "tax_details": null, "type": "service", "unit_label": null, "updated": state.at, "url": null,
    });
    fill(&mut product, &call.params)?;
    state.create(Kind::Product, product, "product.created");
    if let Some(data) = call.params.hash("default_price_data") {
        let price = prices::make(state, &data, &id)?;
        state.amend(Kind::Product, &id, |product| product["default_price"] = json!(price));
    }
    Ok(public(&state.find(Kind::Product, &id)))
}

fn fill(product: &mut Value, params: &Params<'_>) -> Answer<()> {
    if let Some(name) = params.text("name")? {
        product["name"] = json!(name);
    }
    for flag in ["active", "shippable"] {
        if let Some(value) = params.flag(flag)? {
            product[flag] = json!(value);
        }
    }
    for field in ["description", "statement_descriptor", "tax_code", "unit_label", "url"] {
        params.given(field).apply(product, field);
    }
    if params.has("images") {
        product["images"] = json!(params.texts("images"));
    }
    if params.has("marketing_features") {
        let features = params.each("marketing_features", |f| Ok(json!({ "name": f.need("name")? })))?;
        product["marketing_features"] = Value::Array(features);
    }
    params.metadata(product)
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    let active = call.params.flag("active")?;
    let ids = call.params.texts("ids");
    list::page(state, call, Kind::Product, "/v1/products", |product| {
        active.is_none_or(|active| product.flag("active") == active)
            && (ids.is_empty() || ids.contains(&product.text("id")))
    })
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::Product, call.arg(0), "id")?))
}

fn update(state: &mut State, call: &Call<'_>) -> Answer {
    let before = state.need(Kind::Product, call.arg(0), "id")?;
    let mut product = Value::clone(&before);
    fill(&mut product, &call.params)?;
    if call.params.clears("default_price") {
        product["default_price"] = Value::Null;
    } else if let Some(price) = call.params.text("default_price")? {
        let price = state.need(Kind::Price, price, "default_price")?;
        if price.text("product") != product.text("id") {
            return Err(ApiError::invalid("default_price", "The price does not belong to this product."));
        }
        product["default_price"] = price["id"].clone();
    }
    if product != *before {
        product["updated"] = json!(state.at);
    }
    let id = product.id();
    state.store.put(Kind::Product, product);
    state.tell_update(Kind::Product, &id, "product.updated", &before);
    Ok(public(&state.find(Kind::Product, &id)))
}

fn remove(state: &mut State, call: &Call<'_>) -> Answer {
    let product = state.need(Kind::Product, call.arg(0), "id")?;
    let id = product.id();
    if state.store.all(Kind::Price).any(|price| price.text("product") == id) {
        return Err(ApiError::refused(
            "This product cannot be deleted because it has one or more user-created prices.",
        ));
    }
    state.store.remove(Kind::Product, &id);
    state.emit("product.deleted", &product, None);
    Ok(json!({ "id": id, "object": "product", "deleted": true }))
}
