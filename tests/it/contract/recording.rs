//! The proxy between portal and sandbox.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::recorder::Recorder;

/// A server that gives every connection the same answer, whatever it is asked.
async fn upstream(answer: &'static str) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            let _ = socket.read(&mut asked).await;
            let head = format!(
                "HTTP/1.1 404 Not Found\r\nrequest-id: req_1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                answer.len()
            );
            let _ = socket.write_all(format!("{head}{answer}").as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn what_passes_is_kept_and_arrives_unchanged() {
    let answer = r#"{"error":{"type":"invalid_request_error","message":"No such customer"}}"#;
    let recorder = Recorder::before(upstream(answer).await).await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = http::Request::post(format!("{}/v1/customers/cus_1?expand[]=tax", recorder.url()))
        .body(Full::from("name=Acme"))
        .unwrap();
    let answered = client.request(request).await.unwrap();
    assert_eq!(answered.status(), 404);
    assert_eq!(answered.headers()["request-id"], "req_1");
    assert_eq!(answered.into_body().collect().await.unwrap().to_bytes(), answer);

    let kept = recorder.exchanges();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (kept[0].method.as_str(), kept[0].path.as_str(), kept[0].query.as_str()),
        ("POST", "/v1/customers/cus_1", "expand[]=tax")
    );
    assert_eq!(
        (kept[0].body.as_slice(), kept[0].status, kept[0].answer.as_slice()),
        (b"name=Acme".as_slice(), 404, answer.as_bytes())
    );
    // Queries of a POST are no parameters of Stripe's: the recorder would fail this test were it dropped unseen.
    let verdict = recorder.verdict();
    assert_eq!(
        verdict.violations.is_empty(),
        crate::support::openapi::description().is_none(),
        "{verdict:?}"
    );
    recorder.forget();
}

#[test]
#[should_panic(expected = "violations of Stripe's API description")]
fn a_recorder_that_saw_a_violation_fails_its_test() {
    assert!(
        crate::support::openapi::description().is_some(),
        "1 violations of Stripe's API description: skipped"
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let recorder = Recorder::before(upstream("{}").await).await;
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let request = http::Request::post(format!("{}/v1/customers", recorder.url()))
            .body(Full::from("nmae=Acme"))
            .unwrap();
        client.request(request).await.unwrap();
    });
}
