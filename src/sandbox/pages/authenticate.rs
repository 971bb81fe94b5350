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
use crate::sandbox::actions::CardInput;
use crate::sandbox::billing::payments;
use crate::sandbox::cards;
use crate::sandbox::engine::Handle;
use crate::sandbox::json::Json as _;
use crate::sandbox::state::{Cause, State};
use crate::sandbox::store::Kind;

pub(super) fn router() -> Router<Handle> {
    Router::new().route("/bank/{id}", get(ask).post(decide))
}

/// The private note's key.
const NOTE: &str = "bank";

/// Leaves a card with the bank: one that was typed, or none for the one on file. Gives the address of the bank's page.
pub(super) fn begin(state: &mut State, owner: &str, card: Option<&CardInput>) -> String {
    if let Some(kind) = Kind::of_id(owner) {
        state.amend(kind, owner, |object| object.set_note(NOTE, card.map_or_else(|| json!({}), pack)));
    }
    format!("/bank/{owner}")
}

fn pack(card: &CardInput) -> Value {
    json!({
        "number": card.number, "exp_month": card.exp_month, "exp_year": card.exp_year, "name": card.name,
        "email": card.email, "address": card.address, "tax_id": card.tax_id,
    })
}

/// The card as it was left, now authenticated; none for the one on file.
fn unpack(note: &Value) -> Option<CardInput> {
    let text = |at: &str| note.maybe_text(at).map(str::to_owned);
    let tax_id = note.look("tax_id");
    Some(CardInput {
        number: text("number")?,
        exp_month: note.int("exp_month"),
        exp_year: note.int("exp_year"),
        name: text("name"),
        email: text("email"),
        address: note.look("address").clone(),
        tax_id: tax_id[0]
            .as_str()
            .zip(tax_id[1].as_str())
            .map(|(kind, value)| (kind.to_owned(), value.to_owned())),
        authenticated: true,
    })
}

/// What waits for the bank: the object that is to be paid or changed.
struct Waiting {
    kind: Kind,
    object: Arc<Value>,
}

impl Waiting {
    fn load(state: &State, owner: &str) -> Option<Self> {
        let kind = Kind::of_id(owner)?;
        let object = state.find(kind, owner);
        object.note(NOTE).is_object().then_some(Self { kind, object })
    }

    /// The card in words.
    fn card(&self, state: &State, words: Words) -> String {
        match self.object.note(NOTE).maybe_text("number") {
            Some(number) => {
                let brand = cards::by_number(number).map_or("", |card| card.brand);
                let last4 = number.get(number.len().saturating_sub(4)..).unwrap_or_default();
                wallet::name(words, &json!({ "card": { "brand": brand, "last4": last4 } }))
            }
            None => wallet::name(words, &state.find(Kind::PaymentMethod, &on_file(state, &self.object))),
        }
    }
}

/// The saved card that an invoice is charged to.
fn on_file(state: &State, invoice: &Value) -> String {
    payments::method_for(state, invoice).unwrap_or_default()
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
            card: waiting.card(state, words),
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
        let card = unpack(waiting.object.note(NOTE));
        if passed && card.is_none() {
            let saved = on_file(state, &waiting.object);
            state.amend(Kind::PaymentMethod, &saved, |card| card.set_note("authenticated", json!(true)));
        }
        Ok(match waiting.kind {
            Kind::Session => checkout::after_bank(state, &owner, card.filter(|_| passed), &headers),
            Kind::Invoice => invoice::after_bank(state, &owner, card.as_ref(), passed, &headers),
            _ => portal::after_bank(state, &owner, card.filter(|_| passed), &headers),
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
