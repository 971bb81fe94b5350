//! One answer names everything that is wrong with a body: how its fields are written, and what they mean.

use billing_portal::api::{BASE, Scope, document};
use http::Method;
use serde_json::{Map, Value, json};

use crate::support::api::Program;
use crate::support::portal::Portal;
use crate::support::world::World;

/// What a reference of the description leads to.
fn resolved(schema: &'static Value) -> &'static Value {
    match schema["$ref"].as_str() {
        Some(to) => document::value().pointer(&to[1..]).expect("a schema"),
        None => schema,
    }
}

/// The schemas that a field or a body may be of, without the one that says null.
fn choices(schema: &'static Value) -> Vec<&'static Value> {
    let schema = resolved(schema);
    let several = ["oneOf", "anyOf"].iter().find_map(|one| schema[*one].as_array());
    match several {
        Some(several) => several.iter().filter(|one| one["type"] != "null").flat_map(choices).collect(),
        None => vec![schema],
    }
}

/// An object with every field of a schema wrong, and the names of these fields.
fn wrong(schema: &'static Value, at: &str, names: &mut Vec<String>) -> Value {
    let mut object = Map::from_iter([("colour".to_owned(), json!("red"))]);
    names.push(format!("{at}colour"));
    for (name, field) in schema["properties"].as_object().expect("fields") {
        let field = choices(field).remove(0);
        let place = format!("{at}{name}");
        let is_object = |schema: &Value| schema["properties"].is_object();
        let items = field.get("items").map(|items| choices(items).remove(0)).filter(|items| is_object(items));
        let value = if let Some(items) = items {
            json!([wrong(items, &format!("{place}[0]."), names)])
        } else if is_object(field) {
            wrong(field, &format!("{place}."), names)
        } else {
            names.push(place);
            json!({ "of": "another kind" })
        };
        object.insert(name.clone(), value);
    }
    Value::Object(object)
}

/// Each body that an operation of the description takes: method, path, schema.
fn bodies() -> Vec<(Method, String, &'static Value)> {
    let paths = document::value()["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().flat_map(move |(method, operation)| {
            let schema = operation.pointer("/requestBody/content/application~1json/schema");
            let method: Method = method.to_ascii_uppercase().parse().unwrap();
            schema
                .map(choices)
                .into_iter()
                .flatten()
                .map(move |schema| (method.clone(), path.clone(), schema))
        })
    });
    all.collect()
}

async fn refused(host: &Program, method: &Method, path: &str, body: &Value) -> Vec<String> {
    let path = format!("{BASE}{path}");
    let reply = host.send(method.clone(), &path, Some(body.to_string())).await.expect(400);
    assert_eq!(reply.code(), "invalid_input", "{method} {path}");
    reply.body["details"].as_object().unwrap().keys().cloned().collect()
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

both_databases! {
    async fn every_endpoint_names_every_field_that_is_written_wrongly(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let host = portal.host(&Scope::ALL).await.tenant(&tenant);
        let bodies = bodies();
        assert!(bodies.len() >= 10, "{}", bodies.len());
        for (method, path, schema) in bodies {
            let mut names = Vec::new();
            let body = wrong(schema, "", &mut names);
            let named = refused(&host, &method, &path.replace("{id}", tenant.id.as_str()), &body).await;
            let missed: Vec<_> = names.iter().filter(|name| !named.contains(name)).collect();
            assert!(missed.is_empty(), "{method} {path} does not name {missed:?} but {named:?}");
        }
    }

    async fn what_fields_mean_is_named_beside_how_others_are_written(world: World) {
        let tenant = world.portal.tenant("Norte").await;
        let subscribed = world.portal.tenant("Sur").await;
        world.subscription(&subscribed, "professional_month", json!({})).await;
        let host = world.portal.host(&Scope::ALL).await;
        let (new, live) = (host.clone().tenant(&tenant), host.tenant(&subscribed));
        let wish = json!({ "plan_id": "nothing", "billing_interval": "never", "quantity": 0, "colour": 1 });
        let order = json!({
            "plan_id": "nothing", "billing_interval": "month", "quantity": "1", "coupon": "NOTHING", "trial_days": 31,
            "success_url": "//evil.test", "cancel_url": 1,
        });
        let link = json!({ "email": "nobody@people.example", "return_to": "//evil.example", "name": "", "what": 1 });
        let event = json!({ "metric_type": "nothing", "quantity": "x", "idempotency_key": "", "occurred_at": "now" });
        let late = json!({ "metric_type": "messages", "quantity": 1, "idempotency_key": "1", "occurred_at": "2020-01-01T00:00:00Z" });
        let company = json!({
            "external_id": "", "name": 1, "email": "x", "time_zone": "Mars/Base",
            "members": [{ "email": "bo@norte.example", "role": "admin" }],
        });
        let details = json!({
            "name": 1, "address": { "line1": "Calle Mayor 1" },
            "tax_ids": [{ "type": "eu_vat", "value": "A1" }, { "type": "eu_vat", "value": "A1" }],
        });
        for (program, method, path, body, names) in [
            (&new, "POST", "/subscription/create", &order,
                &["plan_id", "quantity", "coupon", "trial_days", "success_url", "cancel_url"][..]),
            (&live, "POST", "/subscription/preview", &wish, &["plan_id", "billing_interval", "quantity", "colour"]),
            (&live, "PUT", "/subscription/update", &wish, &["plan_id", "billing_interval", "quantity", "colour"]),
            (&new, "POST", "/subscription/preview", &wish, &["billing_interval", "quantity", "colour"]),
            (&live, "POST", "/subscription/preview", &json!({ "plan_id": "starter", "billing_interval": "week", "quantity": 3 }),
                &["billing_interval", "quantity"]),
            (&live, "PUT", "/subscription/update", &json!({ "plan_id": "nothing", "quantity": 3.5 }),
                &["plan_id", "billing_interval", "quantity"]),
            (&live, "PUT", "/subscription/update", &json!({ "quote": "made.up", "colour": 1 }), &["quote", "colour"]),
            (&new, "PUT", "/subscription/update", &details, &["name", "address.country", "tax_ids[1].value"]),
            (&new, "POST", "/portal", &json!({ "flow": "all", "return_url": "//evil.test" }), &["flow", "return_url"]),
            (&new, "POST", "/sign-in-links", &link, &["email", "return_to", "name", "what"]),
            (&new, "POST", "/usage/increment", &json!({ "events": [event, late] }),
                &["events[0].metric_type", "events[0].quantity", "events[0].idempotency_key", "events[0].occurred_at", "events[1].occurred_at"]),
            (&new, "POST", "/usage/check", &json!({ "metric_type": "nothing", "quantity": 0 }), &["metric_type", "quantity"]),
            (&new, "POST", "/tenants", &company, &["external_id", "name", "email", "time_zone", "members"]),
            (&new, "PUT", &format!("/tenants/{}", tenant.id), &json!({ "email": "x", "members": [] }), &["email", "members"]),
        ] {
            let named = refused(program, &method.parse().unwrap(), path, body).await;
            assert_eq!(named, sorted(names), "{method} {path} {body}");
        }
        assert_eq!(world.portal.count("select count(*) from users where email = 'nobody@people.example'").await, 0);
        assert_eq!(world.portal.count("select count(*) from checkout_sessions").await, 0);
    }

    async fn what_stands_in_the_way_of_every_change_is_said_alone_with_its_code(world: World) {
        let tenant = world.portal.tenant("Norte").await;
        let host = world.portal.host(&[Scope::BillingWrite]).await.tenant(&tenant);
        let wish = json!({ "plan_id": "nothing", "billing_interval": "week", "quantity": 3 });
        let reply = host.post("/subscription/preview", &wish).await.expect(409);
        assert_eq!((reply.code(), &reply.body["details"]["next"]["path"]), ("no_subscription", &json!("/subscription/create")));
    }
}

#[test]
fn the_description_has_the_code_of_whatever_stands_in_the_way() {
    let words = document::value()["components"]["schemas"]["Problem"]["properties"]["code"]["description"]
        .as_str()
        .unwrap();
    for code in ["live_subscription", "nothing_planned", "payment_missing", "quote_expired", "no_document"] {
        assert!(words.contains(&format!("`{code}`: ")), "{code} in {words}");
    }
}
