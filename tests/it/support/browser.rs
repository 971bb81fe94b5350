//! A browser without a screen: keeps cookies, carries the token of the page it looks at, follows where it is told to.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::body::Body;
use billing_portal::web::Peer;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

/// One person's browser.
#[derive(Clone)]
pub(crate) struct Browser {
    router: Router,
    address: IpAddr,
    language: &'static str,
    cookies: BTreeMap<String, String>,
    token: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// A header's value; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where it leads.
    pub(crate) fn location(&self) -> &str {
        self.header("location")
    }

    /// The answer, which must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: StatusCode) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// The answer, which must show all of these words.
    #[track_caller]
    pub(crate) fn shows(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.body.contains(word), "{word} is missing in {}", self.body);
        }
        self
    }
}

impl Browser {
    pub(crate) fn new(router: Router) -> Self {
        let address = IpAddr::from([192, 0, 2, 1]);
        Self { router, address, language: "en", cookies: BTreeMap::new(), token: String::new() }
    }

    /// The same browser at another address.
    pub(crate) fn at(mut self, address: &str) -> Self {
        self.address = address.parse().unwrap();
        self
    }

    /// The same browser, asking for another language.
    pub(crate) fn speaking(mut self, language: &'static str) -> Self {
        self.language = language;
        self
    }

    /// A cookie's value.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Has a cookie as if from elsewhere.
    pub(crate) fn plant(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Looks at a page.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// Sends a form of the page it looked at last.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("csrf", &self.token)
            .extend_pairs(fields)
            .finish();
        self.send(Method::POST, path, Some(form)).await
    }

    /// Goes where an answer leads.
    pub(crate) async fn follow(&mut self, answer: &Answer) -> Answer {
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        self.get(answer.location()).await
    }

    /// Signs in by the form, on the way to `next`.
    pub(crate) async fn sign_in(&mut self, email: &str, password: &str, next: &str) -> Answer {
        self.get(&format!("/sign-in?next={next}")).await;
        self.post("/sign-in", &[("email", email), ("password", password), ("next", next)]).await
    }

    async fn send(&mut self, method: Method, path: &str, form: Option<String>) -> Answer {
        let mut request =
            Request::builder().method(method).uri(path).header(header::ACCEPT_LANGUAGE, self.language);
        request = request.header(header::USER_AGENT, "Browser/1");
        if !self.cookies.is_empty() {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if form.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let mut request = request.body(form.map_or_else(Body::empty, Body::from)).unwrap();
        request.extensions_mut().insert(Peer(SocketAddr::new(self.address, 4_000)));
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        self.keep_cookies(&parts.headers);
        if let Some((_, rest)) = body.split_once("name=\"csrf\" value=\"") {
            rest.split('"').next().unwrap_or_default().clone_into(&mut self.token);
        }
        Answer { status: parts.status, headers: parts.headers, body }
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for line in headers.get_all(header::SET_COOKIE) {
            let cookie = cookie::Cookie::parse(line.to_str().unwrap()).unwrap();
            if cookie.max_age().is_some_and(|age| age.is_zero()) {
                self.cookies.remove(cookie.name());
            } else {
                self.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
    }
}
