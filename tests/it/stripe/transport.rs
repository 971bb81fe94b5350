use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use billing_portal::stripe::calls::{account, customers};
use billing_portal::stripe::{Budget, Error, Key, Stripe, StripeConfig};
use stripe_client_core::{IdempotencyKey, RequestStrategy, StripeRequest as _};

use super::stripe;
use crate::support::script::{Answer, Script, answer};

const ACCOUNT: &str = r#"{"id":"acct_1","object":"account","charges_enabled":true}"#;
const CUSTOMER: &str = r#"{"id":"cus_1","object":"customer","metadata":{"tenant_id":"t1"}}"#;

fn new_customer() -> customers::NewCustomer {
    customers::NewCustomer {
        tenant_id: "t1".into(),
        name: "Ann".into(),
        email: "ann@example.com".into(),
        locale: "es".into(),
    }
}

#[tokio::test]
async fn a_call_names_the_version_the_key_and_us_and_keeps_stripes_clock() {
    let script = Script::start(vec![answer(200, &[], ACCOUNT)]).await;
    let fetched = account::account(&stripe(&script), Budget::page()).await.unwrap();
    assert_eq!(fetched.value.id.as_str(), "acct_1");
    assert_eq!(fetched.date.as_second(), 1_700_000_000);
    assert_eq!(fetched.request_id.as_deref(), Some("req_1"));
    let asked = &script.asked()[0];
    assert_eq!(asked.line, "GET /v1/account");
    assert_eq!(asked.header("authorization"), Some("Bearer sk_test_123"));
    assert_eq!(asked.header("stripe-version"), Some("2026-09-30.endive"));
    assert!(asked.header("user-agent").unwrap().starts_with("billing-portal/"));
    assert_eq!(asked.header("idempotency-key"), None);
}

#[tokio::test]
async fn every_try_of_a_post_carries_the_same_key_and_body() {
    let busy = answer(503, &[], "{}");
    let script =
        Script::start(vec![busy.clone(), Answer::Cut(Vec::new()), busy, answer(200, &[], CUSTOMER)]).await;
    let stripe = stripe(&script);
    let key = Key::new("customer-t1").unwrap();
    let made = customers::create(&stripe, &new_customer(), &key, Budget::page()).await.unwrap();
    assert_eq!(made.value.tenant(), Some("t1"));
    let asked = script.asked();
    assert_eq!(asked.len(), 4);
    for one in &asked {
        assert_eq!(
            (one.line.as_str(), one.header("idempotency-key")),
            ("POST /v1/customers", Some("customer-t1"))
        );
        assert_eq!(one.body, asked[0].body);
    }
    assert_eq!(stripe.outcomes().retries.load(Ordering::Relaxed), 3);
    assert_eq!(stripe.outcomes().calls(), 1);
}

#[tokio::test]
async fn a_post_through_the_typed_builders_has_one_key_for_all_tries_too() {
    let made = r#"{"id":"cus_1","object":"customer","created":1,"livemode":false}"#;
    let script =
        Script::start(vec![answer(500, &[], "{}"), answer(200, &[], made), answer(200, &[], made)]).await;
    let stripe = stripe(&script);
    let request = stripe_core::customer::CreateCustomer::new();
    request.customize().send(&stripe).await.unwrap();
    let mine = RequestStrategy::Idempotent(IdempotencyKey::new("mine").unwrap());
    request.customize().request_strategy(mine).send(&stripe).await.unwrap();
    let keys: Vec<_> =
        script.asked().iter().map(|asked| asked.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(keys[0], keys[1]);
    assert_eq!(keys[0].len(), 32);
    assert_eq!(keys[2], "mine");
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let script =
        Script::start(vec![answer(429, &[("retry-after", "1")], "{}"), answer(200, &[], ACCOUNT)]).await;
    let start = Instant::now();
    account::account(&stripe(&script), Budget::page()).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_wait_that_is_longer_than_the_budget_is_not_begun() {
    let script = Script::start(vec![answer(429, &[("retry-after", "3600")], "{}")]).await;
    let start = Instant::now();
    let error = account::account(&stripe(&script), Budget::page()).await.unwrap_err();
    assert!(matches!(error, Error::RateLimited), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn stripes_word_about_another_try_is_obeyed() {
    let no = answer(503, &[("stripe-should-retry", "false")], "{}");
    let script = Script::start(vec![no, answer(200, &[], ACCOUNT)]).await;
    let error = account::account(&stripe(&script), Budget::page()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { status: Some(503) }), "{error}");
    assert_eq!(script.asked().len(), 1);

    let yes =
        answer(400, &[("stripe-should-retry", "true")], r#"{"error":{"type":"invalid_request_error"}}"#);
    let script = Script::start(vec![yes, answer(200, &[], ACCOUNT)]).await;
    account::account(&stripe(&script), Budget::page()).await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_told_at_once_and_not_tried_again() {
    let body = r#"{"error":{"type":"card_error","code":"card_declined","decline_code":"insufficient_funds","param":"","message":"Your card has insufficient funds."}}"#;
    let script = Script::start(vec![answer(402, &[], body)]).await;
    let error = account::account(&stripe(&script), Budget::page()).await.unwrap_err();
    let Error::Refused(refusal) = &error else { panic!("{error}") };
    assert_eq!((refusal.status, refusal.code.as_deref()), (402, Some("card_declined")));
    assert_eq!(refusal.decline_code.as_deref(), Some("insufficient_funds"));
    assert_eq!(refusal.request_id.as_deref(), Some("req_1"));
    assert!(!error.is_safe_to_retry());
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn a_wrong_key_and_a_missing_object_have_names() {
    let error = r#"{"error":{"type":"invalid_request_error","code":"resource_missing"}}"#;
    let script =
        Script::start(vec![answer(401, &[], error), answer(403, &[], error), answer(404, &[], error)]).await;
    let stripe = stripe(&script);
    let ask = async || account::account(&stripe, Budget::page()).await.unwrap_err();
    assert!(matches!(ask().await, Error::Unauthorized { status: 401, .. }));
    assert!(matches!(ask().await, Error::Unauthorized { status: 403, .. }));
    assert!(matches!(ask().await, Error::NotFound { request_id: Some(id) } if id == "req_1"));
}

#[tokio::test]
async fn a_proxys_html_is_unavailability_and_tried_again() {
    let html = answer(502, &[("content-type", "text/html")], "<html>Bad gateway</html>");
    let script = Script::start(vec![html.clone(), html.clone(), html.clone(), html]).await;
    let error = account::account(&stripe(&script), Budget::page()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { status: Some(502) }), "{error}");
    assert!(error.is_safe_to_retry());
    assert_eq!(script.asked().len(), 4);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_names_the_place() {
    let script = Script::start(vec![
        answer(200, &[], "<html>"),
        answer(200, &[], r#"{"id":7}"#),
        answer(200, &[], ""),
    ])
    .await;
    let stripe = stripe(&script);
    let ask = async || account::account(&stripe, Budget::page()).await.unwrap_err().to_string();
    assert!(ask().await.contains("not JSON"));
    assert!(ask().await.contains("at id"));
    assert!(ask().await.contains("ends too early"));
    assert_eq!(stripe.outcomes().unreadable.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_asked_for_again() {
    let cut = Answer::Cut(
        b"HTTP/1.1 200 OK\r\ndate: Tue, 14 Nov 2023 22:13:20 GMT\r\ncontent-length: 100\r\n\r\n{\"id\":"
            .to_vec(),
    );
    let script = Script::start(vec![cut, answer(200, &[], ACCOUNT)]).await;
    let fetched = account::account(&stripe(&script), Budget::page()).await.unwrap();
    assert_eq!(fetched.value.id.as_str(), "acct_1");
}

#[tokio::test]
async fn an_answer_without_stripes_clock_is_not_believed() {
    let bare = Answer::Bytes(
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ACCOUNT}", ACCOUNT.len()).into_bytes(),
    );
    let script = Script::start(vec![bare]).await;
    let error = account::account(&stripe(&script), Budget::page()).await.unwrap_err();
    assert!(error.to_string().contains("Date"), "{error}");
}

#[tokio::test]
async fn silence_ends_with_the_try_and_the_call_with_its_budget() {
    let script = Script::start(vec![Answer::Silence, answer(200, &[], ACCOUNT)]).await;
    let stripe = stripe(&script);
    assert!(account::account(&stripe, Budget::page()).await.is_ok(), "the second try is answered");

    let script = Script::start(vec![Answer::Silence, Answer::Silence]).await;
    let start = Instant::now();
    let stripe = super::stripe(&script);
    let error = account::account(&stripe, Budget::of(Duration::from_millis(150))).await.unwrap_err();
    assert!(matches!(error, Error::Timeout), "{error}");
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(stripe.outcomes().timed_out.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn nobody_there_is_unavailability() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let base = format!("http://{gone}").parse().unwrap();
    let mut config = StripeConfig::new("sk_test_1".parse().unwrap(), Some(base)).unwrap();
    config.first_wait = Duration::from_millis(1);
    let error = account::account(&Stripe::new(config).unwrap(), Budget::page()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { status: None }), "{error}");
}

#[tokio::test]
async fn our_own_limit_holds_calls_back() {
    let script = Script::start(vec![answer(200, &[], ACCOUNT); 8]).await;
    let mut config = StripeConfig::new("sk_test_1".parse().unwrap(), Some(script.url.clone())).unwrap();
    config.rate = 4;
    let stripe = Stripe::new(config).unwrap();
    let start = Instant::now();
    for _ in 0..6 {
        account::account(&stripe, Budget::page()).await.unwrap();
    }
    assert!(start.elapsed() >= Duration::from_millis(450), "{:?}", start.elapsed());
    let error = account::account(&stripe, Budget::of(Duration::from_millis(5))).await.unwrap_err();
    assert!(matches!(error, Error::RateLimited), "{error}");
}

#[tokio::test]
async fn connections_are_kept_and_a_base_may_have_a_path() {
    let script = Script::start(vec![answer(200, &[], ACCOUNT); 2]).await;
    let base = script.url.join("/stripe/").unwrap();
    let config = StripeConfig::new("sk_test_1".parse().unwrap(), Some(base)).unwrap();
    account::account(&Stripe::new(config).unwrap(), Budget::page()).await.unwrap();
    assert_eq!(script.asked()[0].line, "GET /stripe/v1/account");
}

#[test]
fn a_live_key_is_never_sent_over_plain_http() {
    let live = || "sk_live_123".parse().unwrap();
    assert!(StripeConfig::new(live(), Some("http://127.0.0.1:12111".parse().unwrap())).is_err());
    assert!(StripeConfig::new(live(), None).is_ok());
    for odd in ["ftp://example.com", "data:text/plain,x", "http://127.0.0.1/?a=b"] {
        assert!(
            StripeConfig::new("sk_test_1".parse().unwrap(), Some(odd.parse().unwrap())).is_err(),
            "{odd}"
        );
    }
}

#[tokio::test]
async fn nothing_printed_shows_the_key() {
    let script = Script::start(Vec::new()).await;
    let shown = format!("{:?}", stripe(&script));
    assert!(!shown.contains("sk_test_123"), "{shown}");
}
