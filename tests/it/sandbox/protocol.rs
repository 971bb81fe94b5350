//! Stripe's HTTP: keys, errors, idempotency, lists, expansion, faults.

use billing_portal::sandbox::API_VERSION;
use serde_json::json;

use super::client::{Account, START, int, text};

#[tokio::test]
async fn only_test_keys_open_the_door_and_a_live_key_is_refused() {
    let account = Account::open().await;
    for (key, why) in [
        ("", "did not provide"),
        ("Bearer sk_live_abcdefghijkl", "live"),
        ("Bearer rk_live_abcdefghijkl", "live"),
        ("Bearer pk_test_abcdefghijkl", "Invalid API Key"),
        ("Bearer nonsense", "Invalid API Key"),
        ("Basic c2tfbGl2ZV94eXo6", "live"),
    ] {
        let answer = account.send("GET", "/v1/customers", "", &[("authorization", key)]).await;
        assert_eq!(answer.status, 401, "{key}");
        assert!(text(&answer.body, "/error/message").contains(why), "{key}: {}", answer.body);
        assert_eq!(answer.body["error"]["type"], "invalid_request_error");
    }
    // sk_test_123 as the user name of basic authentication, and a restricted key.
    for key in ["Basic c2tfdGVzdF8xMjM6", "Bearer rk_test_1"] {
        assert_eq!(account.send("GET", "/v1/customers", "", &[("authorization", key)]).await.status, 200);
    }
}

#[tokio::test]
async fn every_answer_says_when_by_which_version_and_under_which_id() {
    let account = Account::open().await;
    let answer = account.ask("GET", "/v1/customers/cus_0", "").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.headers["stripe-version"], API_VERSION);
    assert_eq!(answer.headers["date"], "Sun, 01 Nov 2026 00:00:00 GMT");
    assert!(answer.headers["request-id"].to_str().unwrap().starts_with("req_"));
    let error = &answer.body["error"];
    assert_eq!((error["code"].as_str(), error["param"].as_str()), (Some("resource_missing"), Some("id")));
    assert_eq!(error["message"], "No such customer: 'cus_0'");
    account.pass(3600).await;
    assert_eq!(
        account.ask("GET", "/v1/customers", "").await.headers["date"],
        "Sun, 01 Nov 2026 01:00:00 GMT"
    );
    let unknown = account.refused(404, "GET", "/v1/nonsense", "").await;
    assert!(text(&unknown, "/message").contains("Unrecognized request URL"));
}

#[tokio::test]
async fn parameters_that_stripe_does_not_take_are_named() {
    let account = Account::open().await;
    let error = account.refused(400, "POST", "/v1/customers", "nmae=x&address[citty]=y").await;
    assert_eq!(error["code"], "parameter_unknown");
    assert_eq!(error["message"], "Received unknown parameters: nmae, address[citty]");
    let error = account.refused(400, "POST", "/v1/products", "description=x").await;
    assert_eq!((error["code"].as_str(), error["param"].as_str()), (Some("parameter_missing"), Some("name")));
    let error = account.refused(400, "GET", "/v1/customers?limit=0", "").await;
    assert_eq!(
        (error["code"].as_str(), error["param"].as_str()),
        (Some("parameter_invalid_integer"), Some("limit"))
    );
    let error =
        account.refused(400, "POST", "/v1/prices", "currency=usd&unit_amount=x&product_data[name]=P").await;
    assert_eq!(error["code"], "parameter_invalid_integer");
    let error = account.refused(400, "POST", "/v1/customers", "name[first]=x").await;
    assert_eq!(error["param"], "name");
    let error = account.refused(400, "POST", "/v1/products", "name=").await;
    assert_eq!(error["code"], "parameter_invalid_empty");
    assert_eq!(account.get("/v1/customers").await["data"], json!([]), "nothing was made");
}

#[tokio::test]
async fn an_empty_value_clears_a_field_and_metadata_is_merged() {
    let account = Account::open().await;
    let customer = account
        .post("/v1/customers", "name=A&description=d&metadata[a]=1&metadata[b]=2&address[city]=K")
        .await;
    let path = format!("/v1/customers/{}", text(&customer, "/id"));
    let changed = account.post(&path, "description=&metadata[a]=&metadata[c]=%26%C3%A9&address=").await;
    assert_eq!(changed["description"], json!(null));
    assert_eq!(changed["address"], json!(null));
    assert_eq!(changed["metadata"], json!({ "b": "2", "c": "&é" }));
    assert_eq!(account.post(&path, "metadata=").await["metadata"], json!({}));
    let error = account.refused(400, "POST", &path, &format!("metadata[{}]=x", "k".repeat(41))).await;
    assert!(text(&error, "/message").contains("40 characters"));
    let error = account.refused(400, "POST", &path, &format!("metadata[k]={}", "x".repeat(501))).await;
    assert!(text(&error, "/message").contains("500 characters"));
}

#[tokio::test]
async fn an_idempotency_key_repeats_the_answer_and_guards_against_another_request() {
    let account = Account::open().await;
    let headers = [
        ("authorization", "Bearer sk_test_1"),
        ("idempotency-key", "k1"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let first = account.send("POST", "/v1/customers", "name=A", &headers).await;
    let again = account.send("POST", "/v1/customers", "name=A", &headers).await;
    assert_eq!(first.body, again.body);
    assert!(first.headers.get("idempotent-replayed").is_none());
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.headers["original-request"], first.headers["request-id"]);
    let other = account.send("POST", "/v1/customers", "name=B", &headers).await;
    assert_eq!((other.status, text(&other.body, "/error/type")), (400, "idempotency_error".into()));
    assert_eq!(account.get("/v1/customers").await["data"].as_array().unwrap().len(), 1);

    // A refused request has done nothing: its key is free for the right one.
    let headers = [
        ("authorization", "Bearer sk_test_1"),
        ("idempotency-key", "k2"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    assert_eq!(account.send("POST", "/v1/customers", "nmae=A", &headers).await.status, 400);
    assert_eq!(account.send("POST", "/v1/customers", "name=A", &headers).await.status, 200);
}

#[tokio::test]
async fn a_key_in_use_is_a_conflict() {
    let account = Account::open().await;
    account.control("faults", json!({ "path": "/v1/customers", "hang_ms": 300 })).await;
    let headers = [
        ("authorization", "Bearer sk_test_1"),
        ("idempotency-key", "k"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let slow = account.send("POST", "/v1/customers", "name=A", &headers);
    let quick = async {
        loop {
            let answer = account.send("POST", "/v1/customers", "name=A", &headers).await;
            // The slow one may not have come first yet; whichever waits has the key.
            if answer.status == 409 || answer.headers.contains_key("idempotent-replayed") {
                return answer.status;
            }
        }
    };
    let (slow, quick) = tokio::join!(slow, quick);
    assert_eq!((slow.status, quick), (200, 409));
}

#[tokio::test]
async fn lists_are_paged_by_cursor_newest_first() {
    let account = Account::open().await;
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(text(&account.post("/v1/customers", &format!("name={n}")).await, "/id"));
        account.pass(10).await;
    }
    let ids = |list: &serde_json::Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|item| text(item, "/id")).collect()
    };
    made.reverse();
    let first = account.get("/v1/customers?limit=2").await;
    assert_eq!((ids(&first), first["has_more"].as_bool()), (made[..2].to_vec(), Some(true)));
    assert_eq!((first["object"].as_str(), first["url"].as_str()), (Some("list"), Some("/v1/customers")));
    let next = account.get(&format!("/v1/customers?limit=3&starting_after={}", made[1])).await;
    assert_eq!((ids(&next), next["has_more"].as_bool()), (made[2..].to_vec(), Some(false)));
    let back = account.get(&format!("/v1/customers?limit=2&ending_before={}", made[3])).await;
    assert_eq!((ids(&back), back["has_more"].as_bool()), (made[1..3].to_vec(), Some(true)));
    let range =
        account.get(&format!("/v1/customers?created[gte]={}&created[lt]={}", START + 10, START + 30)).await;
    assert_eq!(ids(&range), made[2..4].to_vec());
    let error = account.refused(400, "GET", "/v1/customers?starting_after=cus_0", "").await;
    assert_eq!(error["param"], "starting_after");
}

#[tokio::test]
async fn ids_are_expanded_to_four_levels() {
    let account = Account::open().await;
    let (price, customer) =
        (account.price("Plan", 1000, "month").await, account.customer("pm_card_visa").await);
    let sub = text(&account.subscribe(&customer, &price, "").await, "/id");
    let path = format!(
        "/v1/subscriptions/{sub}?expand[]=customer&expand[]=items.data.price.product&expand[]=latest_invoice.payments.data.payment.payment_intent"
    );
    let shown = account.get(&path).await;
    assert_eq!(shown["customer"]["object"], "customer");
    assert_eq!(text(&shown, "/items/data/0/price/product/name"), "Plan");
    assert_eq!(text(&shown, "/latest_invoice/payments/data/0/payment/payment_intent/status"), "succeeded");
    let listed = account.get("/v1/subscriptions?expand[]=data.latest_invoice.customer").await;
    assert_eq!(text(&listed, "/data/0/latest_invoice/customer/id"), customer);
    let error = account.refused(400, "GET", &format!("/v1/subscriptions/{sub}?expand[]=nonsense"), "").await;
    assert!(text(&error, "/message").contains("cannot be expanded (nonsense)"));
    let error = account.refused(400, "GET", &format!("/v1/subscriptions/{sub}?expand[]=a.b.c.d.e"), "").await;
    assert!(text(&error, "/message").contains("4 levels"));
}

#[tokio::test]
async fn failures_come_on_demand_and_pass() {
    let account = Account::open().await;
    account.control("faults", json!({ "path": "/v1/customers", "status": 429, "times": 2 })).await;
    assert_eq!(account.refused(429, "GET", "/v1/customers", "").await["code"], "rate_limit");
    assert_eq!(account.ask("GET", "/v1/products", "").await.status, 200, "another path is well");
    account.refused(429, "POST", "/v1/customers", "name=A").await;
    account.get("/v1/customers").await;

    account
        .control("faults", json!({ "path": "/v1/customers", "method": "POST", "status": 500, "after": true }))
        .await;
    account.refused(500, "POST", "/v1/customers", "name=kept").await;
    assert_eq!(
        account.get("/v1/customers").await["data"][0]["name"],
        "kept",
        "carried out, though the answer was lost"
    );

    account.control("faults", json!({ "path": "/v1/customers", "garbage": true })).await;
    assert_eq!(account.ask("GET", "/v1/customers", "").await.body, json!(null));
    account.control("faults", json!({ "path": "/v1/customers", "cut": true })).await;
    let headers = [("authorization", "Bearer sk_test_1")];
    assert!(account.try_send("GET", "/v1/customers", "", &headers).await.is_err());
    account.get("/v1/customers").await;
    account.stop().await;
}

#[tokio::test]
async fn the_switches_are_for_this_machine_and_not_for_other_sites_pages() {
    let account = Account::open().await;
    let headers = [("origin", "http://evil.example")];
    assert_eq!(account.send("POST", "/_sandbox/clock/next", "", &headers).await.status, 403);
    let clock = account.control("clock", json!(null)).await;
    assert_eq!((int(&clock, "/now"), clock["frozen"].as_bool()), (START, Some(true)));
}
