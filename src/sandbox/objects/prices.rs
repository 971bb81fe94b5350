//! Prices.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::billing::decimal::Decimal;
use crate::sandbox::billing::lines;
use crate::sandbox::billing::period::Interval;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::form::Params;
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, get, post};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(crate) const ROUTES: &[Route] = &[
    post(
        "/v1/prices",
        "currency active nickname product product_data(name id active metadata* statement_descriptor tax_code unit_label) \
         unit_amount unit_amount_decimal billing_scheme tiers_mode tax_behavior lookup_key transfer_lookup_key metadata* \
         recurring(interval interval_count usage_type meter trial_period_days) \
         tiers[](up_to unit_amount unit_amount_decimal flat_amount flat_amount_decimal) \
         transform_quantity(divide_by round) currency_options*",
        create,
    ),
    get(
        "/v1/prices",
        paged!("active currency product type lookup_keys[] recurring(interval usage_type meter)"),
        all,
    ),
    get("/v1/prices/{}", "", one),
    post(
        "/v1/prices/{}",
        "active nickname metadata* lookup_key transfer_lookup_key tax_behavior currency_options*",
        update,
    ),
];

fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let product = match (call.params.text("product")?, call.params.hash("product_data")) {
        (Some(product), _) => state.need(Kind::Product, product, "product")?.id(),
        (None, Some(data)) => product_of(state, &data)?,
        (None, None) => return Err(ApiError::missing("product")),
    };
    let id = make(state, &call.params, &product)?;
    Ok(public(&state.find(Kind::Price, &id)))
}

fn product_of(state: &mut State, data: &Params<'_>) -> Answer<String> {
    let id = match data.text("id")? {
        Some(id) => id.to_owned(),
        None => state.token("prod_", 14),
    };
    let mut product = json!({
        "id": id, "object": "product", "active": true, "created": state.at, "default_price": null, "description": null,
        "images": [], "livemode": false, "marketing_features": [], "metadata": {}, "name": data.need("name")?,
        "package_dimensions": null, "shippable": null, "statement_descriptor": null, "tax_code": data.text("tax_code")?,
        "tax_details": null, "type": "service", "unit_label": data.text("unit_label")?, "updated": state.at, "url": null,
    });
    data.metadata(&mut product)?;
    state.create(Kind::Product, product, "product.created");
    Ok(id)
}

/// Makes a price of a product; gives its id.
pub(crate) fn make(state: &mut State, params: &Params<'_>, product: &str) -> Answer<String> {
    let currency = currency(params.need("currency")?, &params.name("currency"))?;
    let recurring = recurring(state, params)?;
    let tiered = params.word("billing_scheme", &["per_unit", "tiered"])? == Some("tiered");
    let (amount, text) = if tiered { (Value::Null, Value::Null) } else { amount(params, "unit_amount")? };
    if !tiered && text.is_null() {
        return Err(ApiError::missing("unit_amount"));
    }
    chargeable(&currency, &amount, &params.name("unit_amount"))?;
    let id = state.id("price_");
    let mut price = json!({
        "id": id, "object": "price", "active": params.flag("active")?.unwrap_or(true),
        "billing_scheme": if tiered { "tiered" } else { "per_unit" }, "created": state.at, "currency": currency,
        "custom_unit_amount": null, "livemode": false, "lookup_key": null, "metadata": {},
        "nickname": params.text("nickname")?, "product": product, "recurring": recurring,
        "tax_behavior": params.word("tax_behavior", &["inclusive", "exclusive", "unspecified"])?.unwrap_or("unspecified"),
        "tiers_mode": params.word("tiers_mode", &["graduated", "volume"])?,
        "transform_quantity": transform(params)?, "type": if recurring.is_null() { "one_time" } else { "recurring" },
        "unit_amount": amount, "unit_amount_decimal": text,
    });
    if tiered {
        let tiers = tiers(params)?;
        if price["tiers_mode"].is_null() {
            return Err(ApiError::missing("tiers_mode"));
        }
        price.set_note("tiers", tiers);
    }
    options(params, &mut price)?;
    params.metadata(&mut price)?;
    look_up(state, params, &mut price)?;
    state.create(Kind::Price, price, "price.created");
    Ok(id)
}

fn currency(text: &str, param: &str) -> Answer<String> {
    let code = text.to_lowercase();
    if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Ok(code);
    }
    Err(ApiError::invalid(param, format!("Invalid currency: {text}.")))
}

fn recurring(state: &State, params: &Params<'_>) -> Answer {
    let Some(hash) = params.hash("recurring") else { return Ok(Value::Null) };
    let interval = hash.need("interval")?;
    let count = hash.int("interval_count")?.unwrap_or(1);
    if Interval::parse(interval, count).is_none() {
        return Err(ApiError::invalid(
            "recurring[interval]",
            "Invalid interval: must be one of day, week, month, or year",
        ));
    }
    let usage = hash.word("usage_type", &["licensed", "metered"])?.unwrap_or("licensed");
    let meter = hash.text("meter")?;
    match (usage, meter) {
        ("metered", Some(meter)) => {
            state.need(Kind::Meter, meter, "recurring[meter]")?;
        }
        ("metered", None) => return Err(ApiError::missing("recurring[meter]")),
        (_, Some(_)) => {
            return Err(ApiError::invalid(
                "recurring[meter]",
                "Only metered prices can be backed by a meter.",
            ));
        }
        (_, None) => {}
    }
    Ok(json!({
        "interval": interval, "interval_count": count, "meter": meter, "trial_period_days": null, "usage_type": usage,
    }))
}

fn transform(params: &Params<'_>) -> Answer {
    let Some(hash) = params.hash("transform_quantity") else { return Ok(Value::Null) };
    let round =
        hash.word("round", &["up", "down"])?.ok_or_else(|| ApiError::missing("transform_quantity[round]"))?;
    Ok(json!({ "divide_by": hash.need_int("divide_by")?.max(1), "round": round }))
}

/// An amount as Stripe shows it twice: the integer (null when it has a fraction) and the decimal text.
fn amount(params: &Params<'_>, field: &str) -> Answer<(Value, Value)> {
    let bad = |name: String, text: &str| ApiError::invalid(name, format!("Invalid decimal: {text}"));
    if let Some(number) = params.count(field)? {
        return Ok((json!(number), json!(number.to_string())));
    }
    let name = format!("{field}_decimal");
    let Some(text) = params.text(&name)? else { return Ok((Value::Null, Value::Null)) };
    let decimal = Decimal::parse(text)
        .filter(|d| *d >= Decimal::whole(0))
        .ok_or_else(|| bad(params.name(&name), text))?;
    Ok((json!(decimal.as_whole()), json!(decimal.to_string())))
}

/// Refuses what no card could be charged. A fraction is for many units, and rounded when they are invoiced.
fn chargeable(currency: &str, amount: &Value, param: &str) -> Answer<()> {
    let step = lines::step(currency);
    match amount.as_i64() {
        Some(amount) if amount % step != 0 => Err(ApiError::invalid(
            param,
            format!("Invalid amount for {currency}: it must be a multiple of {step}."),
        )),
        _ => Ok(()),
    }
}

fn tiers(params: &Params<'_>) -> Answer {
    let mut below = 0;
    let tiers = params.each("tiers", |tier| {
        let up_to = match tier.need("up_to")? {
            "inf" => None,
            _ => Some(tier.need_int("up_to")?),
        };
        if up_to.is_some_and(|up_to| up_to <= below) || below == i64::MAX {
            return Err(ApiError::invalid(
                tier.name("up_to"),
                "Tiers must be in ascending order, the last one `inf`.",
            ));
        }
        below = up_to.unwrap_or(i64::MAX);
        let (unit, unit_text) = amount(tier, "unit_amount")?;
        let (flat, flat_text) = amount(tier, "flat_amount")?;
        Ok(json!({ "flat_amount": flat, "flat_amount_decimal": flat_text, "unit_amount": unit,
                   "unit_amount_decimal": unit_text, "up_to": up_to }))
    })?;
    if below != i64::MAX {
        return Err(ApiError::invalid("tiers", "The last tier must have `up_to` set to `inf`."));
    }
    Ok(Value::Array(tiers))
}

/// Amounts in other currencies. The price's own is among them, as at Stripe.
fn options(params: &Params<'_>, price: &mut Value) -> Answer<()> {
    let mut all = price.note("currency_options").as_object().cloned().unwrap_or_default();
    let own = json!({
        "custom_unit_amount": null, "tax_behavior": price["tax_behavior"], "unit_amount": price["unit_amount"],
        "unit_amount_decimal": price["unit_amount_decimal"],
    });
    all.insert(price.text("currency").to_owned(), own);
    if let Some(hash) = params.hash("currency_options") {
        for code in hash.names() {
            let option = hash.within(code);
            let code = currency(code, &option.name(""))?;
            let (number, text) = amount(&option, "unit_amount")?;
            chargeable(&code, &number, &option.name("unit_amount"))?;
            let behavior = option.text("tax_behavior")?.unwrap_or("unspecified");
            let mut entry = json!({ "custom_unit_amount": null, "tax_behavior": behavior, "unit_amount": number,
                                    "unit_amount_decimal": text });
            if option.hash("tiers").is_some() {
                entry["tiers"] = tiers(&option)?;
            }
            all.insert(code, entry);
        }
    }
    price.set_note("currency_options", Value::Object(all));
    Ok(())
}

/// Gives the price a lookup key: unique, unless it is taken over from the price that has it.
fn look_up(state: &mut State, params: &Params<'_>, price: &mut Value) -> Answer<()> {
    if params.clears("lookup_key") {
        price["lookup_key"] = Value::Null;
        return Ok(());
    }
    let Some(key) = params.text("lookup_key")? else { return Ok(()) };
    let holder = state
        .store
        .all(Kind::Price)
        .find(|other| other.text("lookup_key") == key && other["id"] != price["id"])
        .map(|other| other.id());
    if let Some(holder) = holder {
        if params.flag("transfer_lookup_key")? != Some(true) {
            return Err(ApiError::invalid(
                "lookup_key",
                format!(
                    "A price (`{holder}`) already uses that lookup key. Set `transfer_lookup_key` to transfer it."
                ),
            ));
        }
        state.update(Kind::Price, &holder, "price.updated", |price| price["lookup_key"] = Value::Null);
    }
    price["lookup_key"] = json!(key);
    Ok(())
}

fn all(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let (active, product, kind) = (params.flag("active")?, params.text("product")?, params.text("type")?);
    let (keys, money) = (params.texts("lookup_keys"), params.text("currency")?);
    let recurring = params.within("recurring");
    let (interval, usage, meter) =
        (recurring.text("interval")?, recurring.text("usage_type")?, recurring.text("meter")?);
    list::page(state, call, Kind::Price, "/v1/prices", |price| {
        active.is_none_or(|active| price.flag("active") == active)
            && product.is_none_or(|product| price.text("product") == product)
            && kind.is_none_or(|kind| price.text("type") == kind)
            && money.is_none_or(|money| price.text("currency") == money)
            && (keys.is_empty() || keys.contains(&price.text("lookup_key")))
            && interval.is_none_or(|interval| price.text("/recurring/interval") == interval)
            && usage.is_none_or(|usage| price.text("/recurring/usage_type") == usage)
            && meter.is_none_or(|meter| price.text("/recurring/meter") == meter)
    })
}

fn one(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::Price, call.arg(0), "id")?))
}

fn update(state: &mut State, call: &Call<'_>) -> Answer {
    let before = state.need(Kind::Price, call.arg(0), "id")?;
    let mut price = Value::clone(&before);
    if let Some(active) = call.params.flag("active")? {
        price["active"] = json!(active);
    }
    call.params.given("nickname").apply(&mut price, "nickname");
    if let Some(behavior) = call.params.word("tax_behavior", &["inclusive", "exclusive", "unspecified"])? {
        if price.text("tax_behavior") != "unspecified" && price.text("tax_behavior") != behavior {
            return Err(ApiError::invalid(
                "tax_behavior",
                "Once specified as inclusive or exclusive, it cannot be changed.",
            ));
        }
        price["tax_behavior"] = json!(behavior);
    }
    options(&call.params, &mut price)?;
    call.params.metadata(&mut price)?;
    look_up(state, &call.params, &mut price)?;
    let id = price.id();
    state.store.put(Kind::Price, price);
    state.tell_update(Kind::Price, &id, "price.updated", &before);
    Ok(public(&state.find(Kind::Price, &id)))
}

/// The legacy plan that a subscription item still carries.
pub(crate) fn plan(price: &Value) -> Value {
    let usage = price.look("transform_quantity").clone();
    json!({
        "id": price["id"], "object": "plan", "active": price["active"], "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"], "billing_scheme": price["billing_scheme"],
        "created": price["created"], "currency": price["currency"], "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"], "livemode": false, "metadata": price["metadata"],
        "meter": price["recurring"]["meter"], "nickname": price["nickname"], "product": price["product"],
        "tiers_mode": price["tiers_mode"], "transform_usage": usage, "trial_period_days": null,
        "usage_type": price["recurring"]["usage_type"],
    })
}
