//! The judge itself: it must be able to say no.

use serde_json::{Value, json};

use crate::support::openapi::{Description, Exchange, description};

fn exchange(method: &str, path: &str, body: &str, answer: Value) -> Exchange {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Exchange {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        body: body.as_bytes().to_vec(),
        status: if answer["error"].is_object() { 404 } else { 200 },
        answer: answer.to_string().into_bytes(),
    }
}

fn violations(description: &Description, method: &str, path: &str, body: &str, answer: Value) -> String {
    description.judge(&exchange(method, path, body, answer)).violations.join("\n")
}

fn customer() -> Value {
    json!({ "id": "cus_1", "object": "customer", "created": 1_790_000_000, "livemode": false, "email": null, "metadata": {} })
}

fn empty_list(url: &str) -> Value {
    json!({ "object": "list", "data": [], "has_more": false, "url": url })
}

#[test]
fn a_well_formed_request_and_answer_pass() {
    let Some(description) = description() else { return };
    let form = "name=Acme&metadata[tenant]=t_1&address[country]=DE&address[line1]=&tax_id_data[0][type]=eu_vat&tax_id_data[0][value]=DE1";
    assert_eq!(violations(description, "POST", "/v1/customers", form, customer()), "");
    let listed = violations(
        description,
        "GET",
        "/v1/customers?limit=3&created[gte]=5&expand[]=data.subscriptions",
        "",
        empty_list("/v1/customers"),
    );
    assert_eq!(listed, "");
}

#[test]
fn a_parameter_that_stripe_does_not_know_is_a_violation() {
    let Some(description) = description() else { return };
    let found = violations(description, "POST", "/v1/customers", "nmae=Acme", customer());
    assert!(found.contains("nmae"), "{found}");
    let found = violations(description, "GET", "/v1/customers?page=2", "", empty_list("/v1/customers"));
    assert!(found.contains("page"), "{found}");
    let found =
        violations(description, "POST", "/v1/checkout/sessions", "line_items[0][prize]=price_1", customer());
    assert!(found.contains("prize"), "{found}");
}

#[test]
fn a_parameter_of_another_type_is_a_violation() {
    let Some(description) = description() else { return };
    let found = violations(description, "POST", "/v1/customers", "balance=many", customer());
    assert!(found.contains("/balance") && found.contains("integer"), "{found}");
    let found =
        violations(description, "POST", "/v1/subscriptions/sub_1", "billing_cycle_anchor=now", customer());
    assert!(found.contains("/billing_cycle_anchor"), "the pinned version takes an object here: {found}");
}

#[test]
fn an_answer_that_lacks_a_field_or_has_one_too_many_is_a_violation() {
    let Some(description) = description() else { return };
    let mut answer = customer();
    answer.as_object_mut().unwrap().remove("created");
    let found = violations(description, "GET", "/v1/customers/cus_1", "", answer);
    assert!(found.contains("created"), "{found}");
    let mut answer = customer();
    answer["emial"] = json!("a@example.com");
    let found = violations(description, "GET", "/v1/customers/cus_1", "", answer);
    assert!(found.contains("emial"), "{found}");
}

#[test]
fn fields_newer_than_the_description_are_asked_for() {
    let Some(description) = description() else { return };
    let product = json!({
        "id": "prod_1", "object": "product", "active": true, "created": 1, "updated": 1, "images": [], "livemode": false,
        "marketing_features": [], "metadata": {}, "name": "Starter", "type": "service", "tax_details": null,
    });
    assert_eq!(violations(description, "GET", "/v1/products/prod_1", "", product.clone()), "");
    let mut older = product;
    older.as_object_mut().unwrap().remove("tax_details");
    let found = violations(description, "GET", "/v1/products/prod_1", "", older);
    assert!(found.contains("tax_details"), "{found}");
}

#[test]
fn an_error_is_held_against_the_error_object() {
    let Some(description) = description() else { return };
    let error = json!({ "error": { "type": "invalid_request_error", "code": "resource_missing", "message": "No such customer", "param": "id" } });
    assert_eq!(violations(description, "GET", "/v1/customers/cus_0", "", error), "");
    let found =
        violations(description, "GET", "/v1/customers/cus_0", "", json!({ "error": { "typo": "x" } }));
    assert!(found.contains("type"), "{found}");
}

#[test]
fn a_value_that_a_list_does_not_name_is_a_warning() {
    let Some(description) = description() else { return };
    let mut answer = customer();
    answer["tax_exempt"] = json!("levitating");
    let verdict = description.judge(&exchange("GET", "/v1/customers/cus_1", "", answer));
    assert_eq!(verdict.violations, Vec::<String>::new());
    assert!(verdict.warnings.join("\n").contains("/tax_exempt"), "{:?}", verdict.warnings);
}

#[test]
fn the_payload_of_an_event_is_judged_by_its_own_kind() {
    let Some(description) = description() else { return };
    let mut payload = customer();
    payload["nickname"] = json!("A");
    let event = json!({
        "id": "evt_1", "object": "event", "api_version": "2026-09-30.endive", "created": 1, "livemode": false, "pending_webhooks": 0,
        "request": { "id": null, "idempotency_key": null }, "type": "customer.created", "data": { "object": payload },
    });
    let found = violations(description, "GET", "/v1/events/evt_1", "", event);
    assert!(found.contains("nickname"), "{found}");
}
