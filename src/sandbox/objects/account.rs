//! The account itself, its tax settings and tax rates.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::errors::Answer;
use crate::sandbox::json::public;
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, get};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] = &[
    get("/v1/account", "", account),
    get("/v1/tax/settings", "", tax_settings),
    get("/v1/tax_rates", paged!("active inclusive"), tax_rates),
    get("/v1/tax_rates/{}", "", tax_rate),
];

fn account(state: &mut State, _: &Call<'_>) -> Answer {
    Ok(json!({
        "id": "acct_1Sandbox0000000000", "object": "account", "business_profile": { "name": "Sandbox", "url": null },
        "business_type": "company", "capabilities": { "card_payments": "active", "transfers": "active" },
        "charges_enabled": state.settings.charges_enabled, "country": state.settings.country, "created": 1_700_000_000,
        "default_currency": state.settings.currency, "details_submitted": true, "email": "sandbox@example.com",
        "metadata": {}, "payouts_enabled": true,
        "type": "standard",
    }))
}

fn tax_settings(state: &mut State, _: &Call<'_>) -> Answer {
    let (status, details, office) = if state.settings.tax_is_active {
        let address = json!({ "city": "Dublin", "country": state.settings.country, "line1": "1 Sandbox Street",
                              "line2": null, "postal_code": "D02", "state": null });
        ("active", json!({ "active": {} }), json!({ "address": address }))
    } else {
        ("pending", json!({ "pending": { "missing_fields": ["head_office"] } }), Value::Null)
    };
    Ok(json!({
        "object": "tax.settings",
        "defaults": { "provider": "stripe", "tax_behavior": "exclusive", "tax_code": "txcd_10103001" },
        "head_office": office,
        "livemode": false, "status": status, "status_details": details,
    }))
}

fn tax_rates(state: &mut State, call: &Call<'_>) -> Answer {
    let active = call.params.flag("active")?;
    let inclusive = call.params.flag("inclusive")?;
    let is = |rate: &Value, field: &str, wish: Option<bool>| wish.is_none_or(|wish| rate[field] == wish);
    list::page(state, call, Kind::TaxRate, "/v1/tax_rates", |rate| {
        is(rate, "active", active) && is(rate, "inclusive", inclusive)
    })
}

fn tax_rate(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::TaxRate, call.arg(0), "id")?))
}
