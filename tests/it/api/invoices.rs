//! Invoices, as programs see them.

use billing_portal::api::Scope;
use billing_portal::db::Db;
use serde_json::{Value, json};

use crate::support::api::Program;
use crate::support::portal::Portal;
use crate::support::script::{Script, answer};

/// The numbers of the invoices of a page.
async fn numbers(program: &Program, query: &str) -> Vec<String> {
    let page = program.get(&format!("/invoices{query}")).await.expect(200).body;
    let all = page["data"].as_array().unwrap().iter();
    all.map(|invoice| invoice["number"].as_str().unwrap().to_owned()).collect()
}

fn named(body: &Value) -> Vec<&str> {
    body["details"].as_object().unwrap().keys().map(String::as_str).collect()
}

both_databases! {
    async fn a_walk_by_cursor_or_by_offset_finds_every_invoice_once(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        for days_ago in 0..45 {
            portal.invoice(&norte, days_ago, "paid", "eur", 0).await;
        }
        let expected: Vec<_> = (0..45).map(|days_ago| format!("NS-{days_ago:04}")).collect();
        let reader = portal.user_of(&norte, "supervisor");
        let (mut seen, mut query) = (Vec::new(), "?limit=7".to_owned());
        for page in 0.. {
            assert!(page < 10, "the walk does not end");
            seen.extend(numbers(&reader, &query).await);
            let pagination = reader.get(&format!("/invoices{query}")).await.body["pagination"].clone();
            assert_eq!(pagination["total"].is_null(), page > 0, "{pagination}");
            let Some(next) = pagination["next_cursor"].as_str() else {
                assert_eq!(pagination["has_more"], false);
                break;
            };
            // One that comes meanwhile moves nothing.
            query = format!("?limit=7&cursor={next}");
        }
        assert_eq!(seen, expected);
        let mut seen = Vec::new();
        for offset in (0..60).step_by(20) {
            let page = reader.get(&format!("/invoices?offset={offset}")).await.expect(200).body["pagination"].clone();
            assert_eq!(page, json!({
                "total": 45, "limit": 20, "offset": offset, "has_more": offset < 40, "next_cursor": page["next_cursor"],
            }));
            seen.extend(numbers(&reader, &format!("?offset={offset}")).await);
        }
        assert_eq!(seen, expected);
    }

    async fn the_words_of_the_filter_are_the_words_of_the_list(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        for (days_ago, status, refunded) in [
            (0, "open", 0), (1, "paid", 0), (2, "paid", 5_000), (3, "paid", 11_979), (4, "void", 0),
            (5, "uncollectible", 0), (6, "draft", 0), (7, "open", 0), (8, "brand_new", 0),
        ] {
            portal.invoice(&norte, days_ago, status, "eur", refunded).await;
        }
        portal.run("update invoices set attempt_count = 0 where number = 'NS-0007'").await;
        let host = portal.host(&[Scope::BillingRead]).await.tenant(&norte);
        let mut found = 0;
        for (word, expected) in [
            ("pending", vec!["NS-0007", "NS-0008"]), ("paid", vec!["NS-0001", "NS-0002"]),
            ("failed", vec!["NS-0000", "NS-0005"]), ("refunded", vec!["NS-0003"]), ("canceled", vec!["NS-0004"]),
        ] {
            let page = host.get(&format!("/invoices?status={word}")).await.expect(200).body;
            assert!(page["data"].as_array().unwrap().iter().all(|invoice| invoice["status"] == word), "{page}");
            assert_eq!(numbers(&host, &format!("?status={word}")).await, expected, "{word}");
            found += page["pagination"]["total"].as_i64().unwrap();
        }
        assert_eq!(found, host.get("/invoices").await.body["pagination"]["total"].as_i64().unwrap(), "each has one word");
        assert_eq!(numbers(&host, "?from_date=2026-11-19&to_date=2026-11-20").await, ["NS-0001", "NS-0002"]);
    }

    async fn what_is_asked_wrongly_is_named(portal: Portal) {
        let reader = portal.user_of(&portal.tenant("Norte").await, "owner");
        let all = "limit=0&offset=-1&cursor=x&status=lost&from_date=2026-02-30&to_date=tomorrow&colour=red";
        let reply = reader.get(&format!("/invoices?{all}")).await.expect(400);
        assert_eq!(named(&reply.body), ["colour", "cursor", "from_date", "limit", "offset", "status", "to_date"]);
        let both = reader.get("/invoices?offset=1&cursor=1.in_1").await.expect(400);
        assert_eq!(named(&both.body), ["cursor"]);
        let order = reader.get("/invoices?from_date=2026-02-02&to_date=2026-02-01").await.expect(400);
        assert_eq!(named(&order.body), ["to_date"]);
        reader.get("/invoices?limit=101").await.expect(400);
    }

    async fn an_invoice_has_its_lines_taxes_payments_and_refunds_and_is_its_tenants_own(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let sur = portal.tenant("Sur").await;
        portal.invoice(&norte, 1, "paid", "eur", 5_000).await;
        let path = format!("/invoices/in_{}_1", norte.id);
        let invoice = portal.user_of(&norte, "supervisor").get(&path).await.expect(200).body;
        let of = |pointer: &str| invoice.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!((of("/status"), of("/amount_total"), of("/subtotal"), of("/tax")), (json!("paid"), json!(11_979), json!(9_900), json!(2_079)));
        assert_eq!((of("/lines/0/description"), of("/lines/0/amount")), (json!("1 × Professional"), json!(9_900)));
        assert_eq!((of("/payments/0/status"), of("/payments/0/amount")), (json!("succeeded"), json!(11_979)));
        assert_eq!((of("/refunds/0/amount"), of("/refunds/0/payment_id")), (json!(5_000), of("/payments/0/id")));
        assert_eq!(of("/taxes/0"), json!({ "amount": 2_079, "inclusive": false }));
        assert_eq!(of("/hosted_invoice_url"), json!(format!("http://billing.test{path}")));
        let unknown = portal.user_of(&sur, "owner").get("/invoices/in_nothing").await.expect(404).body;
        for program in [portal.user_of(&sur, "owner"), portal.host(&[Scope::All]).await.tenant(&sur)] {
            assert_eq!(program.get(&path).await.expect(404).body, unknown);
            program.post(&format!("{path}/download"), &json!({})).await.expect(404);
        }
        portal.user_of(&norte, "operator").get(&path).await.expect(403);
        portal.host(&[Scope::UsageRead]).await.tenant(&norte).get(&path).await.expect(403);
        portal.program().get(&path).await.expect(401);
    }

    async fn the_pdf_is_fresh_from_stripe_each_time(db: Db) {
        let stripe = Script::start(Vec::new()).await;
        let portal = Portal::with_stripe(db, stripe.url.clone(), "http://billing.test/");
        let norte = portal.tenant("Norte").await;
        portal.invoice(&norte, 1, "paid", "eur", 0).await;
        let id = format!("in_{}_1", norte.id);
        let mut whole = json!({
            "id": id, "object": "invoice", "customer": "cus_1", "currency": "eur", "subtotal": 1, "total": 1, "amount_due": 1,
            "amount_paid": 1, "amount_remaining": 0, "period_start": 1, "period_end": 2, "created": 1, "lines": { "data": [] },
            "invoice_pdf": "https://pay.stripe.com/invoice/1/pdf",
        });
        stripe.set(&format!("/v1/invoices/{id}"), &whole);
        let reader = portal.user_of(&norte, "supervisor");
        let path = format!("/invoices/{id}/download");
        let away = reader.post(&path, &json!({})).await.expect(303);
        assert_eq!(away.header("location"), "https://pay.stripe.com/invoice/1/pdf");
        let told = reader.clone().with("accept", "application/json").post(&path, &json!({})).await.expect(200);
        assert_eq!(told.body, json!({ "url": "https://pay.stripe.com/invoice/1/pdf" }));
        whole["invoice_pdf"] = Value::Null;
        stripe.set(&format!("/v1/invoices/{id}"), &whole);
        assert_eq!(reader.post(&path, &json!({})).await.expect(409).code(), "no_document");
        stripe.set_answer(&format!("/v1/invoices/{id}"), answer(500, &[("stripe-should-retry", "false")], "{}"));
        assert_eq!(reader.post(&path, &json!({})).await.expect(503).code(), "stripe_unavailable");
    }
}
