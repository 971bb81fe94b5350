//! The pages that Stripe hosts: Checkout, the customer portal, invoices.
//!
//! They own what a visitor sees and types, and nothing else: each change is one of the calls that a program could make, or
//! one of the engine's actions. They work without script, in English and Spanish. Only test cards are taken; a card's
//! number goes from the form into the engine, and into no log.

mod answer;
mod authenticate;
mod checkout;
mod details;
mod invoice;
mod notice;
mod offer;
mod portal;
mod sheet;
mod wallet;
mod words;

use askama::Template;
use axum::Router;
use axum::extract::State as From;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use self::answer::Frame;
use self::notice::NoticePage;
use self::words::Words;
use super::engine::Handle;
use super::errors::{Answer, ApiError};
use super::form::{self, Params};
use super::routes::{self, Call};
use super::state::State;

/// Everything under the addresses that browsers see.
pub(crate) fn router() -> Router<Handle> {
    Router::new()
        .route("/", get(index))
        .route(answer::style_path(), get(style))
        .route("/assets/sandbox.svg", get(icon))
        .merge(checkout::router())
        .merge(authenticate::router())
        .merge(invoice::router())
        .merge(portal::router())
}

#[derive(Template)]
#[template(path = "sandbox/index.html")]
struct IndexPage {
    frame: Frame,
    base: String,
    version: &'static str,
}

async fn index(From(handle): From<Handle>, headers: HeaderMap) -> Response {
    let words = Words::of("", &headers);
    let base = handle.peek(|state| state.public_url.clone());
    let page =
        IndexPage { frame: Frame::new(words, words.say("index-title")), base, version: super::API_VERSION };
    answer::page(StatusCode::OK, &page.frame, &page)
}

/// A file that never changes under its name.
fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, text).into_response()
}

async fn style() -> Response {
    file("text/css; charset=utf-8", answer::STYLE)
}

async fn icon() -> Response {
    file("image/svg+xml", answer::ICON)
}

/// The page for what is not there.
fn missing(headers: &HeaderMap) -> Response {
    let words = Words::of("", headers);
    let frame = Frame::new(words, words.say("not-found-title"));
    NoticePage::answer(StatusCode::NOT_FOUND, frame, words.say("not-found"), String::new(), String::new())
}

/// Carries out one of the API's calls, as a program's request would be.
fn call(state: &mut State, method: &str, path: &str, form: &[(&str, &str)]) -> Answer<Value> {
    let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let node = form::decode(encoded.as_bytes())?;
    let (route, args) =
        routes::find(method, path).ok_or_else(|| ApiError::refused(format!("no such call: {path}")))?;
    form::check(&node, &format!("expand[] {}", route.allowed))?;
    (route.handler)(state, &Call { args, params: Params::new(&node) })
}

/// The name of the account, as pages and invoices show it.
fn seller(_: &State) -> String {
    "Sandbox".to_owned()
}

/// Stripe's type of a tax id, by the country that issued it.
fn tax_id_type(country: &str, value: &str) -> &'static str {
    let country = if country.is_empty() { value.get(..2).unwrap_or_default() } else { country };
    match country {
        "GB" => "gb_vat",
        "CH" => "ch_vat",
        "NO" => "no_vat",
        "US" => "us_ein",
        "AU" => "au_abn",
        "BR" => "br_cnpj",
        "CA" => "ca_bn",
        "CL" => "cl_tin",
        "CO" => "co_nit",
        "JP" => "jp_cn",
        "MX" => "mx_rfc",
        "NZ" => "nz_gst",
        "PE" => "pe_ruc",
        "SG" => "sg_uen",
        "AR" => "ar_cuit",
        "UY" => "uy_ruc",
        _ => "eu_vat",
    }
}
