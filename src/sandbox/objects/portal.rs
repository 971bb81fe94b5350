//! The customer portal: configurations and sessions. The page itself is beside; what it does is in `actions`.

use serde_json::{Value, json};

use super::paged;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::form::Params;
use crate::sandbox::json::{Json, public};
use crate::sandbox::list;
use crate::sandbox::routes::{Call, Route, get, post};
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

macro_rules! fields {
    ($more:literal) => {
        concat!(
            "business_profile(headline privacy_policy_url terms_of_service_url) default_return_url login_page(enabled) \
             metadata* name features(customer_update(enabled allowed_updates[]) invoice_history(enabled) \
             payment_method_update(enabled payment_method_configuration) \
             subscription_cancel(enabled mode proration_behavior cancellation_reason(enabled options[] feedback_options[])) \
             subscription_update(enabled default_allowed_updates[] proration_behavior trial_update_behavior \
             billing_cycle_anchor products[](product prices[] adjustable_quantity(enabled minimum maximum)) \
             schedule_at_period_end(conditions[](type)))) ",
            $more
        )
    };
}

pub(crate) const ROUTES: &[Route] = &[
    post("/v1/billing_portal/configurations", fields!(""), create_configuration),
    get("/v1/billing_portal/configurations", paged!("active is_default"), configurations),
    get("/v1/billing_portal/configurations/{}", "", configuration),
    post("/v1/billing_portal/configurations/{}", fields!("active"), update_configuration),
    post(
        "/v1/billing_portal/sessions",
        "customer configuration return_url locale on_behalf_of \
         flow_data(type after_completion(type redirect(return_url) hosted_confirmation(custom_message)) \
         subscription_cancel(subscription retention*) subscription_update(subscription) customer_update* \
         subscription_update_confirm(subscription items[](id price quantity) discounts[](coupon promotion_code)))",
        create_session,
    ),
];

/// The reasons that a cancellation may ask for.
const REASONS: [&str; 8] = [
    "too_expensive",
    "missing_features",
    "switched_service",
    "unused",
    "customer_service",
    "too_complex",
    "low_quality",
    "other",
];

/// Makes the default configuration.
pub(crate) fn seed(state: &mut State) {
    let mut configuration = blank(state, true);
    let features = &mut configuration["features"];
    features["customer_update"] =
        json!({ "allowed_updates": ["name", "email", "address", "tax_id"], "enabled": true });
    features["payment_method_update"]["enabled"] = json!(true);
    features["subscription_cancel"]["enabled"] = json!(true);
    state.store.put(Kind::PortalConfiguration, configuration);
}

fn blank(state: &mut State, default: bool) -> Value {
    json!({
        "id": state.id("bpc_"), "object": "billing_portal.configuration", "active": true, "application": null,
        "business_profile": { "headline": null, "privacy_policy_url": null, "terms_of_service_url": null },
        "created": state.at, "default_return_url": null,
        "features": {
            "customer_update": { "allowed_updates": [], "enabled": false },
            "invoice_history": { "enabled": true },
            "payment_method_update": { "enabled": false, "payment_method_configuration": null },
            "subscription_cancel": {
                "cancellation_reason": { "enabled": false, "feedback_options": null,
                                         "options": ["too_expensive", "missing_features", "switched_service", "unused", "other"] },
                "enabled": false, "mode": "at_period_end", "proration_behavior": "none",
            },
            "subscription_update": {
                "billing_cycle_anchor": null, "default_allowed_updates": [], "enabled": false, "products": [],
                "proration_behavior": "none", "schedule_at_period_end": { "conditions": [] },
                "trial_update_behavior": "end_trial",
            },
        },
        "is_default": default, "livemode": false, "login_page": { "enabled": false, "url": null }, "metadata": {},
        "name": null, "updated": state.at,
    })
}

fn create_configuration(state: &mut State, call: &Call<'_>) -> Answer {
    if !call.params.has("features") {
        return Err(ApiError::missing("features"));
    }
    let mut configuration = blank(state, false);
    fill(state, &mut configuration, &call.params)?;
    state.create(Kind::PortalConfiguration, configuration.clone(), "billing_portal.configuration.created");
    Ok(configuration)
}

fn fill(state: &State, configuration: &mut Value, params: &Params<'_>) -> Answer<()> {
    let profile = params.within("business_profile");
    for field in ["headline", "privacy_policy_url", "terms_of_service_url"] {
        profile.given(field).apply(&mut configuration["business_profile"], field);
    }
    params.given("default_return_url").apply(configuration, "default_return_url");
    params.given("name").apply(configuration, "name");
    if let Some(active) = params.flag("active")? {
        configuration["active"] = json!(active);
    }
    if let Some(enabled) = params.within("login_page").flag("enabled")? {
        let id = configuration.text("id").to_owned();
        let url = enabled.then(|| format!("{}/p/login/{id}", state.public_url));
        configuration["login_page"] = json!({ "enabled": enabled, "url": url });
    }
    fill_features(state, &mut configuration["features"], &params.within("features"))?;
    params.metadata(configuration)
}

fn fill_features(state: &State, features: &mut Value, params: &Params<'_>) -> Answer<()> {
    for feature in [
        "customer_update",
        "invoice_history",
        "payment_method_update",
        "subscription_cancel",
        "subscription_update",
    ] {
        if let Some(enabled) = params.within(feature).flag("enabled")? {
            features[feature]["enabled"] = json!(enabled);
        }
    }
    let customer = params.within("customer_update");
    if customer.has("allowed_updates") {
        let known = ["address", "email", "name", "phone", "shipping", "tax_id"];
        features["customer_update"]["allowed_updates"] = words(&customer, "allowed_updates", &known)?;
    }
    let cancel = params.within("subscription_cancel");
    if let Some(mode) = cancel.word("mode", &["at_period_end", "immediately"])? {
        features["subscription_cancel"]["mode"] = json!(mode);
    }
    let prorations = ["none", "create_prorations", "always_invoice"];
    if let Some(proration) = cancel.word("proration_behavior", &prorations)? {
        features["subscription_cancel"]["proration_behavior"] = json!(proration);
    }
    let reason = cancel.within("cancellation_reason");
    if let Some(enabled) = reason.flag("enabled")? {
        features["subscription_cancel"]["cancellation_reason"]["enabled"] = json!(enabled);
    }
    if reason.has("options") {
        features["subscription_cancel"]["cancellation_reason"]["options"] =
            words(&reason, "options", &REASONS)?;
    }
    let update = params.within("subscription_update");
    if update.has("default_allowed_updates") {
        let known = ["price", "quantity", "promotion_code"];
        features["subscription_update"]["default_allowed_updates"] =
            words(&update, "default_allowed_updates", &known)?;
    }
    if let Some(proration) = update.word("proration_behavior", &prorations)? {
        features["subscription_update"]["proration_behavior"] = json!(proration);
    }
    if let Some(trial) = update.word("trial_update_behavior", &["end_trial", "continue_trial"])? {
        features["subscription_update"]["trial_update_behavior"] = json!(trial);
    }
    let schedule = update.within("schedule_at_period_end");
    if schedule.has("conditions") {
        let known = ["decreasing_item_amount", "shortening_interval"];
        let conditions = schedule.each("conditions", |condition| {
            let kind =
                condition.word("type", &known)?.ok_or_else(|| ApiError::missing(&condition.name("type")))?;
            Ok(json!({ "type": kind }))
        })?;
        features["subscription_update"]["schedule_at_period_end"] = json!({ "conditions": conditions });
    }
    if update.has("products") {
        features["subscription_update"]["products"] = products(state, &update)?;
    }
    Ok(())
}

fn products(state: &State, update: &Params<'_>) -> Answer {
    let products = update.each("products", |product| {
        let id = product.need("product")?;
        state.need(Kind::Product, id, &product.name("product"))?;
        let prices = product.texts("prices");
        for price in &prices {
            state.need(Kind::Price, price, &product.name("prices"))?;
        }
        let adjustable = product.within("adjustable_quantity");
        Ok(json!({
            "adjustable_quantity": {
                "enabled": adjustable.flag("enabled")?.unwrap_or(false), "maximum": adjustable.count("maximum")?,
                "minimum": adjustable.count("minimum")?.unwrap_or(1),
            },
            "prices": prices, "product": id,
        }))
    })?;
    Ok(Value::Array(products))
}

/// An array of words of a closed list.
fn words(params: &Params<'_>, field: &str, known: &[&str]) -> Answer {
    let given = params.texts(field);
    match given.iter().find(|word| !known.contains(word)) {
        None => Ok(json!(given)),
        Some(word) => {
            let name = params.name(field);
            Err(ApiError::invalid(
                name.clone(),
                format!("Invalid {name}: {word} is not one of {}", known.join(", ")),
            ))
        }
    }
}

fn configurations(state: &mut State, call: &Call<'_>) -> Answer {
    let (active, default) = (call.params.flag("active")?, call.params.flag("is_default")?);
    list::page(state, call, Kind::PortalConfiguration, "/v1/billing_portal/configurations", |configuration| {
        active.is_none_or(|active| configuration.flag("active") == active)
            && default.is_none_or(|default| configuration.flag("is_default") == default)
    })
}

fn configuration(state: &mut State, call: &Call<'_>) -> Answer {
    Ok(public(&*state.need(Kind::PortalConfiguration, call.arg(0), "id")?))
}

fn update_configuration(state: &mut State, call: &Call<'_>) -> Answer {
    let before = state.need(Kind::PortalConfiguration, call.arg(0), "id")?;
    let mut configuration = Value::clone(&before);
    fill(state, &mut configuration, &call.params)?;
    configuration["updated"] = json!(state.at);
    state.store.put(Kind::PortalConfiguration, configuration.clone());
    state.tell_update(
        Kind::PortalConfiguration,
        call.arg(0),
        "billing_portal.configuration.updated",
        &before,
    );
    Ok(public(&configuration))
}

fn create_session(state: &mut State, call: &Call<'_>) -> Answer {
    let params = &call.params;
    let customer = state.customer(params.need("customer")?, "customer")?.id();
    let configuration = match params.text("configuration")? {
        Some(id) => state.need(Kind::PortalConfiguration, id, "configuration")?,
        None => {
            let default =
                state.store.all(Kind::PortalConfiguration).find(|found| found.flag("is_default")).cloned();
            default.ok_or_else(|| ApiError::refused("There is no default configuration."))?
        }
    };
    let flow = match params.hash("flow_data") {
        Some(flow) => read_flow(state, &flow, &configuration, &customer)?,
        None => Value::Null,
    };
    let return_url = params.text("return_url")?.or(configuration.maybe_text("default_return_url"));
    let id = state.id("bps_");
    let session = json!({
        "id": id, "object": "billing_portal.session", "configuration": configuration["id"], "created": state.at,
        "customer": customer, "customer_account": null, "flow": flow, "livemode": false,
        "locale": params.text("locale")?, "on_behalf_of": null, "return_url": return_url,
        "url": format!("{}/p/session/{id}", state.public_url),
    });
    state.create(Kind::PortalSession, session.clone(), "billing_portal.session.created");
    Ok(session)
}

/// The one task that a session is opened for.
fn read_flow(state: &State, flow: &Params<'_>, configuration: &Value, customer: &str) -> Answer {
    const FLOWS: [&str; 5] = [
        "payment_method_update",
        "subscription_cancel",
        "subscription_update",
        "subscription_update_confirm",
        "customer_update",
    ];
    let kind = flow.word("type", &FLOWS)?.ok_or_else(|| ApiError::missing(&flow.name("type")))?;
    let feature = if kind == "subscription_update_confirm" { "subscription_update" } else { kind };
    if !configuration["features"][feature].flag("enabled") {
        return Err(ApiError::invalid(
            flow.name("type"),
            format!("This flow is not enabled in your portal configuration: `{feature}` is off."),
        ));
    }
    let after = flow.within("after_completion");
    let after_kind = after
        .word("type", &["portal_homepage", "redirect", "hosted_confirmation"])?
        .unwrap_or("portal_homepage");
    let redirect = after.within("redirect").text("return_url")?.map(|url| json!({ "return_url": url }));
    if after_kind == "redirect" && redirect.is_none() {
        return Err(ApiError::missing("flow_data[after_completion][redirect][return_url]"));
    }
    let message = after.within("hosted_confirmation").text("custom_message")?;
    let confirmation = (after_kind == "hosted_confirmation").then(|| json!({ "custom_message": message }));
    let mut made = json!({
        "after_completion": { "hosted_confirmation": confirmation, "redirect": redirect, "type": after_kind },
        "customer_update": null, "subscription_cancel": null, "subscription_update": null,
        "subscription_update_confirm": null, "type": kind,
    });
    if let Some(of) = flow.hash(kind).filter(|_| kind.starts_with("subscription")) {
        let sub = state.need(Kind::Subscription, of.need("subscription")?, &of.name("subscription"))?;
        if sub.text("customer") != customer || matches!(sub.text("status"), "canceled" | "incomplete_expired")
        {
            return Err(ApiError::invalid(
                of.name("subscription"),
                "The subscription is not one that the customer can change.",
            ));
        }
        if feature == "subscription_update" && !is_changeable(&sub) {
            return Err(ApiError::invalid(
                of.name("subscription"),
                "This subscription cannot be updated in the customer portal: it has several items, usage-based prices or \
                 invoices that are sent. It can only be canceled there.",
            ));
        }
        made[kind] = match kind {
            "subscription_cancel" => json!({ "retention": null, "subscription": sub["id"] }),
            "subscription_update" => json!({ "subscription": sub["id"] }),
            _ => {
                json!({ "discounts": confirm_discounts(&of)?, "items": confirm_items(&of)?, "subscription": sub["id"] })
            }
        };
    } else if kind.starts_with("subscription") {
        return Err(ApiError::missing(&format!("flow_data[{kind}][subscription]")));
    } else if kind == "customer_update" {
        made[kind] = json!({});
    }
    Ok(made)
}

/// Whether the customer portal can change what a subscription buys: one with several items, with usage-based prices, or whose
/// invoices are sent, can be canceled there alone (<https://docs.stripe.com/customer-management>, limitations).
pub(crate) fn is_changeable(sub: &Value) -> bool {
    let items = sub.items("items");
    let metered = |item: &Value| item.text("/price/recurring/usage_type") == "metered";
    items.len() == 1 && !items.iter().any(metered) && sub.text("collection_method") == "charge_automatically"
}

fn confirm_items(of: &Params<'_>) -> Answer {
    let items = of.each("items", |item| {
        let mut made = json!({ "id": item.need("id")?, "price": item.text("price")? });
        if let Some(quantity) = item.count("quantity")? {
            made["quantity"] = json!(quantity);
        }
        Ok(made)
    })?;
    Ok(Value::Array(items))
}

fn confirm_discounts(of: &Params<'_>) -> Answer {
    let discounts = of.each("discounts", |discount| {
        Ok(json!({ "coupon": discount.text("coupon")?, "promotion_code": discount.text("promotion_code")? }))
    })?;
    Ok(if discounts.is_empty() { Value::Null } else { Value::Array(discounts) })
}
