//! The inbox of Stripe's events, from the door to the rows, with really signed bytes.

mod door;
mod work;

use axum::body::Body;
use billing_portal::stripe::signature;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::portal::{Portal, WEBHOOK_SECRET};
use crate::support::script::Script;

/// 2026-11-21T05:00:00Z, when the tests begin.
const START: i64 = 1_795_237_200;

/// Posts bytes with a header, as they are.
async fn post(portal: &Portal, path: &str, header: Option<&str>, body: Vec<u8>) -> StatusCode {
    let mut request = Request::post(path).header("content-type", "application/json");
    if let Some(header) = header {
        request = request.header("stripe-signature", header);
    }
    portal.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap().status()
}

/// Posts bytes that are signed now.
async fn deliver_bytes(portal: &Portal, body: &[u8]) -> StatusCode {
    let header = signature::sign(body, &WEBHOOK_SECRET.parse().unwrap(), portal.clock.wall());
    post(portal, "/webhooks/stripe", Some(&header), body.to_vec()).await
}

/// Posts an event that is signed now; it is acknowledged.
pub(crate) async fn deliver(portal: &Portal, event: &Value) {
    assert_eq!(deliver_bytes(portal, event.to_string().as_bytes()).await, StatusCode::OK);
}

/// An event of test mode in the version that we read.
fn event(id: &str, kind: &str, created: i64, object: &Value) -> Value {
    json!({
        "id": id, "object": "event", "type": kind, "created": created, "livemode": false, "pending_webhooks": 1,
        "api_version": "2026-09-30.endive", "data": { "object": object }, "request": null,
    })
}

fn customer(tenant: &str) -> Value {
    json!({
        "id": "cus_1", "object": "customer", "created": START - 100, "livemode": false, "email": "a@b.example", "name": "Ana",
        "balance": 0, "delinquent": false, "currency": "eur", "metadata": { "tenant_id": tenant },
        "invoice_settings": { "default_payment_method": null }, "address": null, "test_clock": null,
    })
}

fn subscription(status: &str, price: &str) -> Value {
    json!({
        "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": status, "currency": "eur", "livemode": false,
        "created": START - 50, "start_date": START - 50, "cancel_at_period_end": false, "cancel_at": null,
        "canceled_at": null, "ended_at": null, "trial_start": null, "trial_end": null, "schedule": null,
        "pause_collection": null, "pending_update": null, "discounts": [], "collection_method": "charge_automatically",
        "latest_invoice": "in_1", "metadata": {}, "items": { "has_more": false, "data": [{
            "id": "si_1", "quantity": 1, "current_period_start": START - 50, "current_period_end": START + 2_592_000,
            "price": { "id": price, "product": "prod_1", "active": true, "livemode": false, "currency": "eur",
                "unit_amount": 2900, "recurring": { "interval": "month", "interval_count": 1, "usage_type": "licensed" } },
        }] },
    })
}

fn invoice(status: &str, paid: i64) -> Value {
    json!({
        "id": "in_1", "object": "invoice", "customer": "cus_1", "status": status, "currency": "eur", "livemode": false,
        "number": "A-1", "subtotal": 2900, "total": 2900, "total_taxes": [], "starting_balance": 0, "amount_due": 2900,
        "amount_paid": paid, "amount_remaining": 2900 - paid, "period_start": START - 50, "period_end": START - 50,
        "created": START - 50, "attempt_count": 1, "billing_reason": "subscription_create",
        "status_transitions": { "paid_at": if paid > 0 { json!(START + 5) } else { Value::Null } },
        "parent": { "subscription_details": { "subscription": "sub_1" } },
        "lines": { "has_more": false, "data": [{ "id": "il_1", "amount": 2900, "description": "1 × Starter", "quantity": 1,
            "period": { "start": START - 50, "end": START + 2_592_000 } }] },
    })
}

fn list(objects: &[Value]) -> Value {
    json!({ "object": "list", "data": objects, "has_more": false })
}

/// A portal whose Stripe has a customer with a subscription that is active and an invoice that is paid.
struct Scene {
    portal: Portal,
    stripe: Script,
    tenant: String,
}

impl crate::support::databases::FromDb for Scene {
    async fn from_db(db: billing_portal::db::Db) -> Self {
        let stripe = Script::start(Vec::new()).await;
        let portal = Portal::with_stripe(db, stripe.url.clone(), "http://billing.test/");
        let tenant = portal.tenant("Acme").await.id.to_string();
        stripe.set("/v1/customers/cus_1", &customer(&tenant));
        stripe.set("/v1/subscriptions", &list(&[subscription("active", "price_1")]));
        stripe.set("/v1/invoices", &list(&[invoice("paid", 2900)]));
        stripe.set("/v1/charges", &list(&[]));
        stripe.set("/v1/subscriptions/sub_1", &subscription("active", "price_1"));
        stripe.set("/v1/invoices/create_preview", &invoice("draft", 0));
        Self { portal, stripe, tenant }
    }
}

impl Scene {
    /// Delivers `customer.created`, which names the tenant, and works on it.
    async fn with_customer(&self) {
        deliver(
            &self.portal,
            &event("evt_customer", "customer.created", START - 100, &customer(&self.tenant)),
        )
        .await;
        self.work().await;
    }

    /// Works on events until none is due. Previews are another step.
    async fn work(&self) {
        let tools = (&self.portal.app).into();
        while billing_portal::webhooks::work::step(&tools).await.unwrap() > 0 {}
    }

    /// A text out of the database; `-` where there is no row.
    async fn text(&self, sql: &str) -> String {
        let mut tx = self.portal.db.read().await.unwrap();
        let row: Option<(Option<String>,)> = tx.query_built(sql.to_owned()).optional().await.unwrap();
        row.map_or_else(|| "-".to_owned(), |(text,)| text.unwrap_or_else(|| "null".to_owned()))
    }

    async fn state(&self, id: &str) -> String {
        self.text(&format!("select state from webhook_events where id = '{id}'")).await
    }

    async fn status(&self) -> String {
        self.text("select status from subscriptions where id = 'sub_1'").await
    }
}
