//! What the pinned API version has and the description does not.
//!
//! The description is of 2026-06-24.dahlia; requests and answers are of 2026-09-30.endive. Each difference on our surface is
//! written here as the official Node client 23.0.0 declares it. Two fields are not new but hidden from the public
//! description, and are returned all the same: a product's `type` and a subscription item's `plan`.

use serde_json::{Value, json};

pub(crate) fn apply(document: &mut Value) {
    objects(document);
    requests(document);
    pausing(document);
}

fn objects(document: &mut Value) {
    let schemas = &mut document["components"]["schemas"];
    let text = || json!({ "type": "string", "nullable": true });
    required(schemas, "product", "type", json!({ "type": "string", "enum": ["good", "service"] }));
    required(schemas, "product", "tax_details", json!({ "type": "object", "nullable": true }));
    required(schemas, "subscription_item", "plan", json!({ "$ref": "#/components/schemas/plan" }));
    required(schemas, "subscription_item", "current_trial", json!({ "type": "object", "nullable": true }));
    required(schemas, "cancellation_details", "feedback_option", text());
    required(
        schemas,
        "subscriptions_resource_pending_update",
        "cancel_at_period_end",
        json!({ "type": "boolean", "nullable": true }),
    );
    for end_behavior in
        ["subscriptions_trials_resource_end_behavior", "subscriptions_resource_trial_settings_end_behavior"]
    {
        let anchor = json!({ "type": "string", "nullable": true, "enum": ["now", "unchanged"] });
        required(schemas, end_behavior, "billing_cycle_anchor", anchor);
    }
    optional(schemas, "subscription", "status_details", json!({ "type": "object" }));
    optional(schemas, "invoice", "status_details", json!({ "type": "object" }));
    let types = json!({ "type": "array", "nullable": true, "items": { "type": "string" } });
    required(schemas, "checkout.session", "allowed_payment_method_types", types.clone());
    required(schemas, "portal_flows_flow", "customer_update", json!({ "type": "object", "nullable": true }));
    required(schemas, "portal_subscription_cancellation_reason", "feedback_options", types);
    for field in ["customer", "customer_account", "payment_method"] {
        required(schemas, "refund", field, text());
    }
    required(schemas, "dispute_payment_method_details_card", "network", json!({ "type": "string" }));
    required(schemas, "payment_method_details_card", "electronic_commerce_indicator", text());
    // Hidden from the public description, declared by the official clients.
    optional(schemas, "recurring", "trial_period_days", json!({ "type": "integer", "nullable": true }));
    optional(schemas, "subscription_schedule_configuration_item", "plan", json!({ "type": "string" }));
    let flow_type = &mut schemas["portal_flows_flow"]["properties"]["type"]["enum"];
    push(flow_type, "customer_update");
}

fn requests(document: &mut Value) {
    let paths = &mut document["paths"];
    let anchor = json!({
        "type": "object", "required": ["type"], "additionalProperties": false,
        "properties": { "type": { "type": "string", "enum": ["now", "unchanged"] } },
    });
    let trial_offer = json!({ "type": "object" });

    let sessions = form(paths, "/v1/checkout/sessions");
    remove(sessions, "payment_method_types");
    sessions["allowed_payment_method_types"] = json!({ "type": "array", "items": { "type": "string" } });
    let feedback = json!({ "type": "string" });

    let update = form(paths, "/v1/subscriptions/{subscription_exposed_id}");
    update["billing_cycle_anchor"] = anchor.clone();
    update["items"]["items"]["properties"]["current_trial"] = trial_offer.clone();
    update["trial_settings"]["properties"]["end_behavior"]["properties"]["billing_cycle_anchor"] =
        json!({ "type": "string" });
    update["cancellation_details"]["properties"]["feedback_option"] = feedback;

    let create = form(paths, "/v1/subscriptions");
    create["items"]["items"]["properties"]["current_trial"] = trial_offer.clone();
    create["trial_settings"]["properties"]["end_behavior"]["properties"]["billing_cycle_anchor"] =
        json!({ "type": "string" });

    let resume = form(paths, "/v1/subscriptions/{subscription}/resume");
    resume["billing_cycle_anchor"] = anchor.clone();
    resume["payment_behavior"] =
        json!({ "type": "string", "enum": ["resume_on_payment_attempt", "resume_on_payment_success"] });

    let preview = &mut form(paths, "/v1/invoices/create_preview")["subscription_details"]["properties"];
    preview["billing_cycle_anchor"] = anchor;
    preview["items"]["items"]["properties"]["current_trial"] = trial_offer;

    for product in ["/v1/products", "/v1/products/{id}"] {
        form(paths, product)["tax_details"] = json!({ "type": "object" });
    }
    push(
        &mut form(paths, "/v1/billing_portal/sessions")["flow_data"]["properties"]["type"]["enum"],
        "customer_update",
    );
    for configuration in
        ["/v1/billing_portal/configurations", "/v1/billing_portal/configurations/{configuration}"]
    {
        let cancel =
            &mut form(paths, configuration)["features"]["properties"]["subscription_cancel"]["properties"];
        let reason = &mut cancel["cancellation_reason"]["properties"];
        reason["feedback_options"] = json!({ "type": "array", "items": { "type": "string" } });
    }
}

/// `POST /v1/subscriptions/{id}/pause` is new; its answer and errors are as `resume` has them.
fn pausing(document: &mut Value) {
    let paths = &mut document["paths"];
    let mut pause = paths["/v1/subscriptions/{subscription}/resume"].clone();
    let kind = |values: Value| json!({ "type": "object", "required": ["type"], "properties": { "type": { "type": "string", "enum": values } } });
    let form = &mut pause["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
    form["properties"] = json!({
        "bill_for": { "type": "object", "properties": {
            "outstanding_usage_through": kind(json!(["none", "now"])),
            "unused_time_from": kind(json!(["item_current_period_start", "none", "now"])),
        } },
        "expand": { "type": "array", "items": { "type": "string" } },
        "invoicing_behavior": { "type": "string", "enum": ["invoice", "pending_invoice_item"] },
        "type": { "type": "string", "enum": ["subscription"] },
    });
    paths["/v1/subscriptions/{subscription}/pause"] = pause;
}

fn form<'a>(paths: &'a mut Value, path: &str) -> &'a mut Value {
    let form = &mut paths[path]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
        ["properties"];
    assert!(form.is_object(), "the description has no form for POST {path}");
    form
}

fn optional(schemas: &mut Value, schema: &str, field: &str, definition: Value) {
    let schema_object = &mut schemas[schema];
    assert!(schema_object.is_object(), "the description has no schema {schema}");
    schema_object["properties"][field] = definition;
}

fn required(schemas: &mut Value, schema: &str, field: &str, definition: Value) {
    optional(schemas, schema, field, definition);
    match &mut schemas[schema]["required"] {
        Value::Array(fields) => fields.push(field.into()),
        absent => *absent = json!([field]),
    }
}

fn push(list: &mut Value, value: &str) {
    list.as_array_mut().unwrap_or_else(|| panic!("no list to add {value} to")).push(value.into());
}

fn remove(form: &mut Value, field: &str) {
    form.as_object_mut()
        .expect("a form")
        .remove(field)
        .unwrap_or_else(|| panic!("the description has no {field}"));
}
