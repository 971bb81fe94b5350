//! What every answer has, whatever the feature behind it: headers, language, errors as pages, protected forms, cached assets,
//! and a server that strangers cannot hold.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use billing_portal::clock::Clock;
use billing_portal::error::{Error, FieldError, Result, WayOn};
use billing_portal::web::server::{Limits, serve};
use billing_portal::web::{self, Flash, Form, Html, Page, Person, Site, TenantChoice, Visit};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

/// A page with a form, as features write them.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}{% import "macros.html" as ui %}
{% block title %}Probe{% endblock %}
{% block main %}<h1>Probe</h1><form method="post" action="/probe">{{ ui::csrf(page) }}
{{ ui::field(page, "name", "Name", name, "text", "name", true) }}<button>Send</button></form>{% endblock %}"#
)]
struct Probe {
    page: Page,
    name: String,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn take(page: Page, Form(form): Form<Named>) -> Result<axum::response::Response> {
    if form.name.is_empty() {
        let page = page.with_errors(vec![FieldError::new("name", "web-field-missing").with("field", "name")]);
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(Probe { page, name: form.name })).into_response());
    }
    Ok(web::redirect("/probe").flash(Flash::success("i18n-today")).into_response())
}

fn site(public_url: &str) -> Arc<Site> {
    Arc::new(Site::new(public_url.parse().expect("a url"), Clock::system()))
}

fn router_at(public_url: &str) -> Router {
    let routes = Router::new()
        .route(
            "/probe",
            get(|page: Page| async { Html(Probe { page, name: "Ana & <Bea>".into() }) }).post(take),
        )
        .route("/panic", get(panics))
        .route("/internal", get(|| async { Error::internal("the password is hunter2") }))
        .route("/down", get(|| async { Error::Unavailable("no route to host db-7".into()) }))
        .route("/stripe", get(|| async { Error::StripeUnavailable { request_id: None } }))
        .route("/private", get(|| async { Error::SignInRequired { next: "/private?a=1&b=2".into() } }))
        .route("/often", get(|| async { Error::TooManyRequests { retry_after: 90 } }))
        .route(
            "/over",
            get(|| async {
                Error::Gone {
                    reason: "web-not-found-text",
                    way_on: Some(WayOn::new("/plans", "web-nav-plans")),
                }
            }),
        )
        .route("/numbered/{id}", get(|_: axum::extract::Path<u32>| async { "a number" }))
        .route("/signed-in", get(signed_in))
        .route("/api/thing", post(|| async { Error::field("quantity", "web-field-missing") }))
        .merge(web::health::router(|()| async { false }));
    web::furnish(routes, site(public_url))
}

fn router() -> Router {
    router_at("http://billing.test/")
}

async fn panics() -> &'static str {
    panic!("on purpose")
}

async fn signed_in(visit: axum::Extension<Arc<Visit>>, page: Page) -> Html<Probe> {
    let choice = |id: &str, name: &str| TenantChoice { id: id.into(), name: name.into() };
    visit.introduce(Person {
        name: "Ana López".into(),
        email: "ana@example.com".into(),
        tenant: Some(choice("t1", "Norte & Sur")),
        other_tenants: vec![choice("t2", "Otra")],
        reads_billing: true,
        ..Person::default()
    });
    Html(Probe { page, name: String::new() })
}

async fn ask(router: &Router, request: Request<Body>) -> (Response<()>, String) {
    let answer = router.clone().oneshot(request).await.expect("infallible");
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    (Response::from_parts(parts, ()), String::from_utf8(bytes.to_vec()).expect("UTF-8"))
}

fn get_request(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).expect("a request")
}

fn header_of<'a>(answer: &'a Response<()>, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().expect("text"))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let start = text.find(before).unwrap_or_else(|| panic!("{before} is missing in {text}")) + before.len();
    &text[start..start + text[start..].find(after).expect("an end")]
}

/// The form of the probe page: the cookies to send and the token.
async fn form(router: &Router) -> (String, String) {
    let (answer, page) = ask(router, get_request("/probe")).await;
    let cookie = header_of(&answer, "set-cookie").split(';').next().expect("a cookie").to_owned();
    (cookie, between(&page, "name=\"csrf\" value=\"", "\"").to_owned())
}

fn posted(cookie: &str, body: String) -> http::request::Builder {
    Request::post("/probe")
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::CONTENT_LENGTH, body.len())
}

async fn send(router: &Router, cookie: &str, body: &str, extra: &[(&str, &str)]) -> (Response<()>, String) {
    let mut request = posted(cookie, body.to_owned());
    for (name, value) in extra {
        request = request.header(*name, *value);
    }
    ask(router, request.body(Body::from(body.to_owned())).expect("a request")).await
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let router = router_at("https://billing.test/");
    let mut nonces = std::collections::BTreeSet::new();
    for path in [
        "/probe",
        "/nowhere",
        "/panic",
        "/internal",
        "/down",
        "/often",
        "/over",
        "/api/nowhere",
        "/private",
        "/healthz",
        "/readyz",
    ] {
        let (answer, _) = ask(&router, get_request(path)).await;
        let policy = header_of(&answer, "content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self' 'nonce-",
            "style-src 'self'",
            "base-uri 'none'",
            "object-src 'none'",
            "frame-ancestors 'none'",
            "form-action 'self' https://checkout.stripe.com https://billing.stripe.com https://invoice.stripe.com",
        ] {
            assert!(policy.contains(part), "{path}: {part} is not in {policy}");
        }
        assert!(nonces.insert(between(policy, "nonce-", "'").to_owned()), "{path}: a nonce came twice");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("strict-transport-security", "max-age=63072000; includeSubDomains"),
        ] {
            assert_eq!(header_of(&answer, name), value, "{path}");
        }
        assert!(header_of(&answer, "permissions-policy").contains("camera=()"), "{path}");
        assert!(!header_of(&answer, "x-request-id").is_empty(), "{path}");
    }
    let (answer, _) = ask(&self::router(), get_request("/probe")).await;
    assert_eq!(header_of(&answer, "strict-transport-security"), "", "plain http promises nothing");
}

#[tokio::test]
async fn an_error_is_a_page_in_the_visitors_language_with_a_way_on() {
    let cases = [
        ("GET", "/nowhere", 404, "There is nothing here", "Aquí no hay nada", "href=\"/\""),
        (
            "DELETE",
            "/probe",
            405,
            "This page does not work that way",
            "Esta página no funciona así",
            "href=\"/\"",
        ),
        (
            "GET",
            "/panic",
            500,
            "Something went wrong on our side",
            "Algo ha fallado por nuestra parte",
            "href=\"/\"",
        ),
        (
            "GET",
            "/internal",
            500,
            "Something went wrong on our side",
            "Algo ha fallado por nuestra parte",
            "href=\"/\"",
        ),
        ("GET", "/down", 503, "We will be right back", "Volvemos enseguida", "href=\"/\""),
        ("GET", "/stripe", 503, "does not answer", "no responde", "href=\"/\""),
        ("GET", "/often", 429, "Please wait 2 minutes", "Espere 2 minutos", "href=\"/\""),
        ("GET", "/over", 410, "This is over", "Esto ha terminado", "href=\"/plans\""),
        ("GET", "/numbered/x", 400, "We could not read that", "No hemos podido leerlo", "href=\"/\""),
    ];
    let router = router();
    for (method, path, status, english, spanish, way_on) in cases {
        for (language, words) in [("en", english), ("es-MX", spanish)] {
            let request =
                Request::builder().method(method).uri(path).header(header::ACCEPT_LANGUAGE, language);
            let (answer, page) = ask(&router, request.body(Body::empty()).expect("a request")).await;
            assert_eq!(answer.status(), status, "{path}");
            assert!(page.contains(words), "{path} in {language}: {page}");
            assert!(page.contains(way_on), "{path}: no way on");
            assert!(page.contains(&format!("<html lang=\"{}\"", &language[..2])), "{path}");
            for inside in ["hunter2", "on purpose", "db-7"] {
                assert!(!page.contains(inside), "{path} shows {inside}");
            }
            if status == 500 {
                assert!(
                    page.contains(header_of(&answer, "x-request-id")),
                    "{path}: the number of the request is missing"
                );
            }
        }
    }
    let (answer, _) = ask(&router, Request::delete("/probe").body(Body::empty()).expect("a request")).await;
    assert_eq!(header_of(&answer, "allow"), "GET,HEAD,POST");
}

#[tokio::test]
async fn a_program_gets_its_errors_as_json() {
    let router = router();
    let (answer, body) = ask(&router, get_request("/api/nowhere")).await;
    assert_eq!(
        (answer.status(), header_of(&answer, "content-type")),
        (StatusCode::NOT_FOUND, "application/json")
    );
    assert!(body.contains("\"code\":\"not_found\""), "{body}");
    let (answer, body) =
        ask(&router, Request::post("/api/thing").body(Body::empty()).expect("a request")).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(body.contains("\"details\":{\"quantity\":"), "{body}");
    let (answer, _) = ask(&router, get_request("/webhooks/nowhere")).await;
    assert_eq!(header_of(&answer, "content-type"), "application/json");
}

#[tokio::test]
async fn who_must_sign_in_is_sent_there_and_back() {
    let (answer, _) = ask(&router(), get_request("/private?a=1&b=2")).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(header_of(&answer, "location"), "/sign-in?next=%2Fprivate%3Fa%3D1%26b%3D2");
}

#[tokio::test]
async fn a_form_of_ours_is_taken_and_leaves_its_message_once() {
    let router = router();
    let (cookie, token) = form(&router).await;
    let own = [("origin", "http://billing.test"), ("sec-fetch-site", "same-origin")];
    let (answer, _) = send(&router, &cookie, &format!("csrf={token}&name=Ana"), &own).await;
    assert_eq!((answer.status(), header_of(&answer, "location")), (StatusCode::SEE_OTHER, "/probe"));
    let flash = header_of(&answer, "set-cookie").split(';').next().expect("a cookie").to_owned();
    assert_eq!(flash, "flash=success.i18n-today");

    let request = Request::get("/probe").header(header::COOKIE, format!("{cookie}; {flash}"));
    let (answer, page) = ask(&router, request.body(Body::empty()).expect("a request")).await;
    assert!(between(&page, "<div class=\"banner success\" role=\"status\">", "</div>").contains("today"));
    assert!(
        header_of(&answer, "set-cookie").starts_with("flash=; ")
            && header_of(&answer, "set-cookie").contains("Max-Age=0")
    );
}

/// Its name, the cookie sent, the body, other headers.
type Forgery<'a> = (&'a str, &'a str, String, &'a [(&'a str, &'a str)]);

#[tokio::test]
async fn a_forged_form_changes_nothing() {
    let router = router();
    let (cookie, token) = form(&router).await;
    let (other_cookie, other_token) = form(&router).await;
    let good = format!("csrf={token}&name=Ana");
    let cases: [Forgery<'_>; 9] = [
        ("no token", &cookie, "name=Ana".into(), &[]),
        ("an empty token", &cookie, "csrf=&name=Ana".into(), &[]),
        ("another visitor's token", &cookie, format!("csrf={other_token}&name=Ana"), &[]),
        ("another visitor's cookie", &other_cookie, good.clone(), &[]),
        ("no cookie", "", good.clone(), &[]),
        ("another site", &cookie, good.clone(), &[("sec-fetch-site", "cross-site")]),
        ("another origin", &cookie, good.clone(), &[("origin", "http://evil.test")]),
        ("another scheme", &cookie, good.clone(), &[("origin", "https://billing.test")]),
        ("no origin to speak of", &cookie, good.clone(), &[("origin", "null")]),
    ];
    for (name, cookie, body, extra) in cases {
        let (answer, page) = send(&router, cookie, &body, extra).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{name}");
        assert!(page.contains("Nothing was changed"), "{name}");
    }
    let (answer, _) = send(&router, &cookie, &good, &[]).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "the same form, not forged");
    let unreferred = [("origin", "null"), ("sec-fetch-site", "same-origin")];
    let (answer, _) = send(&router, &cookie, &good, &unreferred).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "of a page of ours that tells nobody where it is");
    let (answer, _) = send(&router, &cookie, "name=Ana", &unreferred).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "which needs the token like any other");
    let foreign = [("origin", "http://evil.test"), ("sec-fetch-site", "same-origin")];
    let (answer, _) = send(&router, &cookie, &good, &foreign).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "no browser says so");
}

#[tokio::test]
async fn the_token_follows_the_session_and_is_not_its_secret() {
    let router = router();
    let token = async |session: &str| {
        let request = Request::get("/probe").header(header::COOKIE, format!("billing_session={session}"));
        let (answer, page) = ask(&router, request.body(Body::empty()).expect("a request")).await;
        assert_eq!(header_of(&answer, "set-cookie"), "", "a session needs no secret beside it");
        assert!(!page.contains(session));
        between(&page, "name=\"csrf\" value=\"", "\"").to_owned()
    };
    let (before, after) = (token("sessionbefore").await, token("sessionafter").await);
    assert_ne!(before, after);
    let (answer, _) =
        send(&router, "billing_session=sessionafter", &format!("csrf={before}&name=A"), &[]).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let (answer, _) =
        send(&router, "billing_session=sessionafter", &format!("csrf={after}&name=A"), &[]).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn cookies_are_held_to_this_host_on_https() {
    let (answer, _) = ask(&router_at("https://billing.test/"), get_request("/probe?lang=es")).await;
    let set: Vec<_> =
        answer.headers().get_all(header::SET_COOKIE).iter().map(|v| v.to_str().expect("text")).collect();
    assert_eq!(set.len(), 2);
    for cookie in set {
        assert!(cookie.starts_with("__Host-"), "{cookie}");
        for flag in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(flag), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
}

#[tokio::test]
async fn a_form_that_is_too_large_or_of_another_kind_is_refused() {
    let router = router();
    let (cookie, token) = form(&router).await;
    let large = format!("csrf={token}&name={}", "x".repeat(web::FORM_LIMIT));
    let (answer, page) = send(&router, &cookie, &large, &[]).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(page.contains("That is too much at once"));
    let request = Request::post("/probe")
        .header(header::COOKIE, &cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let (answer, _) = ask(&router, request.body(Body::from(large)).expect("a request")).await;
    assert_eq!(
        answer.status(),
        StatusCode::PAYLOAD_TOO_LARGE,
        "a length that was not announced counts as well"
    );
    let request = Request::post("/probe").header(header::CONTENT_TYPE, "application/json");
    let (answer, _) = ask(&router, request.body(Body::from("{}")).expect("a request")).await;
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn what_cannot_be_accepted_is_named_and_what_was_typed_is_kept() {
    let router = router();
    let (cookie, token) = form(&router).await;
    let (answer, page) = send(&router, &cookie, &format!("csrf={token}&name="), &[]).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(between(&page, "<title>", "</title>").starts_with("Error: Probe"));
    assert!(page.contains("<a href=\"#name\">The field “name” is missing.</a>"));
    assert!(
        page.contains("id=\"name\"")
            && page.contains("aria-invalid=\"true\" aria-describedby=\"name-error\"")
    );
    let (answer, page) = send(&router, &cookie, &format!("csrf={token}"), &[]).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.contains("The field “name” is missing."));
    let (_, page) = ask(&router, get_request("/probe")).await;
    assert!(page.contains("value=\"Ana &#38; &#60;Bea&#62;\""), "escaped: {page}");
}

#[tokio::test]
async fn the_language_is_the_one_asked_for_then_the_cookies_then_the_browsers() {
    let router = router();
    let lang = async |path: &str, cookie: &str, accept: &str| {
        let request =
            Request::get(path).header(header::COOKIE, cookie).header(header::ACCEPT_LANGUAGE, accept);
        let (_, page) = ask(&router, request.body(Body::empty()).expect("a request")).await;
        between(&page, "<html lang=\"", "\"").to_owned()
    };
    assert_eq!(lang("/probe", "", "fr").await, "en");
    assert_eq!(lang("/probe", "", "es").await, "es");
    assert_eq!(lang("/probe", "language=en", "es").await, "en");
    assert_eq!(lang("/probe?lang=es", "language=en", "en").await, "es");
    assert_eq!(lang("/probe?lang=xx", "language=es", "en").await, "es");
}

#[tokio::test]
async fn the_layout_shows_who_is_signed_in_and_where_they_are() {
    let (_, page) = ask(&router(), get_request("/signed-in")).await;
    for part in [
        "Norte &#38; Sur",
        "Ana López",
        "ana@example.com",
        "action=\"/sign-out\"",
        "name=\"tenant\" value=\"t2\"",
        "href=\"/invoices\"",
        ">AL</span>",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    assert!(!page.contains("href=\"/staff\""), "staff pages are for staff");
    let (_, page) = ask(&router(), get_request("/probe")).await;
    assert!(page.contains("href=\"/sign-in\"") && !page.contains("/invoices"));
}

#[tokio::test]
async fn assets_are_kept_for_ever_under_their_hashed_names() {
    let router = router();
    let address = web::assets::address("app.css");
    let request = Request::get(&address).header(header::ACCEPT_ENCODING, "br, gzip;q=0.5");
    let answer =
        router.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("infallible");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip");
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
    assert_eq!(answer.headers()[header::VARY], "Accept-Encoding");
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
    let tag = answer.headers()[header::ETAG].clone();
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes()[..2], [0x1f, 0x8b]);

    let request =
        Request::get(&address).header(header::ACCEPT_ENCODING, "gzip").header(header::IF_NONE_MATCH, tag);
    let (answer, body) = ask(&router, request.body(Body::empty()).expect("a request")).await;
    assert_eq!((answer.status(), body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    let (answer, body) = ask(&router, get_request(&address)).await;
    assert!(header_of(&answer, "content-encoding").is_empty() && body.contains("--accent"));
    let request = Request::get(&address).header(header::ACCEPT_ENCODING, "gzip;q=0");
    assert_eq!(
        header_of(&ask(&router, request.body(Body::empty()).expect("a request")).await.0, "content-encoding"),
        ""
    );
    for gone in ["/static/app.css", &format!("{address}.gz"), "/static/..%2fCargo.toml"] {
        assert_eq!(ask(&router, get_request(gone)).await.0.status(), StatusCode::NOT_FOUND, "{gone}");
    }
}

#[tokio::test]
async fn health_is_plain_and_readiness_tells_the_truth() {
    let router = router();
    assert_eq!(ask(&router, get_request("/healthz")).await.1, "ok\n");
    let (answer, body) = ask(&router, get_request("/readyz")).await;
    assert_eq!((answer.status(), body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable\n"));
}

/// A server with little patience; dropping the sender stops it.
async fn server() -> (std::net::SocketAddr, tokio::sync::oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let limits = Limits {
        header: Duration::from_millis(200),
        body: Duration::from_millis(300),
        connections: 2,
        stop: Duration::from_secs(5),
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let routes = Router::new()
        .route("/probe", get(|page: Page| async { Html(Probe { page, name: String::new() }) }).post(take));
    let router = web::furnish(routes, site("http://billing.test/"));
    let running = tokio::spawn(serve(listener, router, limits, async {
        let _ = stopped.await;
    }));
    (address, stop, running)
}

/// What comes back until the server hangs up.
async fn answer_to(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await;
    let _ = read.expect("the server hung up in time");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn dripping_headers_and_silence_are_cut_off() {
    let (address, _stop, _running) = server().await;
    let mut silent = TcpStream::connect(address).await.expect("a connection");
    let mut dripping = TcpStream::connect(address).await.expect("a connection");
    dripping.write_all(b"GET /probe HTTP/1.1\r\nHost: bill").await.expect("written");
    // Both places are taken: this one is served only because the others are cut off.
    let mut honest = TcpStream::connect(address).await.expect("a connection");
    honest
        .write_all(b"GET /probe HTTP/1.1\r\nHost: billing.test\r\nConnection: close\r\n\r\n")
        .await
        .expect("written");
    assert!(answer_to(&mut honest).await.starts_with("HTTP/1.1 200 OK"));
    assert!(!answer_to(&mut dripping).await.contains("200 OK"));
    assert_eq!(answer_to(&mut silent).await, "");
}

#[tokio::test]
async fn a_stalling_body_is_cut_off() {
    let (address, _stop, _running) = server().await;
    let mut stalling = TcpStream::connect(address).await.expect("a connection");
    let head = "POST /probe HTTP/1.1\r\nHost: billing.test\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n";
    stalling.write_all(head.as_bytes()).await.expect("written");
    stalling.write_all(b"csrf=").await.expect("written");
    assert!(answer_to(&mut stalling).await.starts_with("HTTP/1.1 400 Bad Request"));
}

#[tokio::test]
async fn a_stop_answers_what_was_begun_and_waits_for_nothing_else() {
    let (address, stop, running) = server().await;
    let mut half = TcpStream::connect(address).await.expect("a connection");
    half.write_all(b"GET /probe HTTP/1.1\r\n").await.expect("written");
    let mut begun = TcpStream::connect(address).await.expect("a connection");
    let head = "POST /probe HTTP/1.1\r\nHost: billing.test\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n";
    begun.write_all(head.as_bytes()).await.expect("written");
    let mut go_on = [0; 25];
    begun.read_exact(&mut go_on).await.expect("the handler reads the body");
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    drop(stop);
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    begun.write_all(b"csrf=xx").await.expect("written");
    assert!(answer_to(&mut begun).await.starts_with("HTTP/1.1 403 Forbidden"), "answered, though stopping");
    tokio::time::timeout(Duration::from_secs(4), running)
        .await
        .expect("stopped in time")
        .expect("without a panic");
}
