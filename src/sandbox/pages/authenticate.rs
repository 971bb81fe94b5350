//! The bank's page between a card and its payment: a test bank that passes or fails on demand.
//!
//! What waits for it stands as a private note on the object that the card is for, and is gone once the bank has spoken.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State as From};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::answer::{self, Fields, Frame};
use super::notice::NoticePage;
use super::words::Words;
use super::{checkout, invoice, missing, portal, seller, wallet};
use crate::sandbox::cards::{self, Behavior};
use crate::sandbox::engine::Handle;
use crate::sandbox::json::Json as _;
use crate::sandbox::state::{Cause, State};
use crate::sandbox::store::Kind;

pub(super) fn router() -> Router<Handle> {
    Router::new().route("/bank/{id}", get(ask).post(decide))
}

/// The private note's key.
const NOTE: &str = "bank";

/// Whether the bank wants to be asked before this card is saved or charged: it asks once, some cards always.
pub(super) fn asked_by(state: &State, card: &str) -> bool {
    let card = state.find(Kind::PaymentMethod, card);
    let set_up = card.note("authenticated").as_bool().unwrap_or_default();
    match card.note("number").as_str().and_then(cards::by_number).map(|card| card.behavior) {
        Some(Behavior::AlwaysAuthenticates) => true,
        Some(Behavior::Authenticates) => !set_up,
        _ => false,
    }
}

/// Leaves the card with the bank. Gives the address of the bank's page.
pub(super) fn begin(state: &mut State, owner: &str, card: &str) -> String {
    if let Some(kind) = Kind::of_id(owner) {
        state.amend(kind, owner, |object| object.set_note(NOTE, json!(card)));
    }
    format!("/bank/{owner}")
}

/// What waits for the bank: the object that the card is for, and the card.
struct Waiting {
    kind: Kind,
    object: Arc<Value>,
    card: Arc<Value>,
}

impl Waiting {
    fn load(state: &State, owner: &str) -> Option<Self> {
        let kind = Kind::of_id(owner)?;
        let object = state.find(kind, owner);
        let card = state.find(Kind::PaymentMethod, object.note(NOTE).as_str()?);
        card.is_object().then_some(Self { kind, object, card })
    }
}

#[derive(Template)]
#[template(path = "sandbox/authenticate.html")]
struct BankPage {
    frame: Frame,
    message: String,
    seller: String,
    card: String,
    /// Empty where nothing is charged.
    amount: String,
    action: String,
}

async fn ask(From(handle): From<Handle>, Path(owner): Path<String>, headers: HeaderMap) -> Response {
    handle.peek(|state| {
        let Some(waiting) = Waiting::load(state, &owner) else { return over(state, &owner, &headers) };
        let object = &waiting.object;
        let words = Words::of(object.text("locale"), &headers);
        let amount = match waiting.kind {
            Kind::Session => object.int("amount_total"),
            Kind::Invoice => object.int("amount_remaining"),
            _ => 0,
        };
        let charged = amount > 0;
        let message = if charged { "authentication-message" } else { "authentication-setup-message" };
        let page = BankPage {
            frame: Frame::new(words, words.say("authentication-title"))
                .leading_to(object.text("success_url"))
                .leading_to(object.text("/flow/after_completion/redirect/return_url")),
            message: words.say(message),
            seller: seller(state),
            card: wallet::name(words, &waiting.card),
            amount: if charged { words.money(amount, object.text("currency")) } else { String::new() },
            action: format!("/bank/{owner}"),
        };
        answer::page(StatusCode::OK, &page.frame, &page)
    })
}

async fn decide(
    From(handle): From<Handle>,
    Path(owner): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let passed = Fields::parse(&body).get("result") == "complete";
    let decided = handle.run(Cause::default(), |state| {
        let Some(waiting) = Waiting::load(state, &owner) else { return Ok(over(state, &owner, &headers)) };
        state.amend(waiting.kind, &owner, |object| object.set_note(NOTE, Value::Null));
        let card = waiting.card.id();
        if passed {
            state.amend(Kind::PaymentMethod, &card, |card| card.set_note("authenticated", json!(true)));
        }
        Ok(match waiting.kind {
            Kind::Session => checkout::after_bank(state, &owner, &card, passed, &headers),
            Kind::Invoice => invoice::after_bank(state, &owner, &card, passed, &headers),
            _ => portal::after_bank(state, &owner, &card, passed, &headers),
        })
    });
    decided.unwrap_or_else(|_| missing(&headers))
}

/// Nothing waits here: the bank has spoken already, or was never asked.
fn over(state: &State, owner: &str, headers: &HeaderMap) -> Response {
    let Some(object) =
        Kind::of_id(owner).map(|kind| state.find(kind, owner)).filter(|object| object.is_object())
    else {
        return missing(headers);
    };
    let words = Words::of(object.text("locale"), headers);
    let frame = Frame::new(words, words.say("authentication-title"));
    let onward = object.maybe_text("url").or(object.maybe_text("hosted_invoice_url")).unwrap_or_default();
    let label = words.say("go-back");
    NoticePage::answer(
        StatusCode::CONFLICT,
        frame,
        words.say("authentication-over"),
        onward.to_owned(),
        label,
    )
}
