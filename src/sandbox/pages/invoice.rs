//! The hosted page of an invoice, and its PDF.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State as From};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use super::answer::{self, Fields, Frame, Problem};
use super::authenticate;
use super::wallet::{self, Wallet};
use super::words::Words;
use super::{call, missing, seller, sheet};
use crate::sandbox::billing::payments::{self, Presence};
use crate::sandbox::engine::Handle;
use crate::sandbox::json::Json as _;
use crate::sandbox::pdf::{self, Sheet};
use crate::sandbox::state::{Cause, State};
use crate::sandbox::store::Kind;

pub(super) fn router() -> Router<Handle> {
    Router::new().route("/i/{id}", get(show).post(pay)).route("/i/{id}/pdf", get(download))
}

#[derive(Template)]
#[template(path = "sandbox/invoice.html")]
struct InvoicePage {
    frame: Frame,
    seller: String,
    sheet: Sheet,
    status: String,
    /// Class of the status' tag.
    status_tone: &'static str,
    amount: String,
    pdf: String,
    payable: bool,
    wallet: Wallet,
    action: String,
    flash: String,
}

#[derive(Deserialize)]
struct Came {
    #[serde(default)]
    paid: bool,
}

async fn show(
    From(handle): From<Handle>,
    Path(id): Path<String>,
    Query(came): Query<Came>,
    headers: HeaderMap,
) -> Response {
    handle.peek(|state| {
        let Some((invoice, words)) = load(state, &id, &headers) else { return missing(&headers) };
        let mut page = InvoicePage::new(state, &invoice, words, Vec::new());
        if came.paid && invoice.text("status") == "paid" {
            page.flash = words.say("invoice-just-paid");
        }
        answer::page(StatusCode::OK, &page.frame, &page)
    })
}

async fn pay(
    From(handle): From<Handle>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = Fields::parse(&body);
    let paid = handle.run(Cause::default(), |state| {
        let Some((invoice, words)) = load(state, &id, &headers) else { return Ok(missing(&headers)) };
        Ok(settle(state, &invoice, &fields, words))
    });
    paid.unwrap_or_else(|_| missing(&headers))
}

/// Charges the chosen card, or leads to the bank first.
fn settle(state: &mut State, invoice: &Value, fields: &Fields, words: Words) -> Response {
    let refused = |state: &State, problems| refuse(state, invoice, fields, words, problems);
    if invoice.text("status") != "open" {
        return refused(state, vec![Problem::of_page(words.say("invoice-not-payable"))]);
    }
    let own = wallet::cards_of(state, invoice.text("customer"));
    let chosen = match wallet::choose(fields, &own, state.clock.now(), words) {
        Ok(chosen) => chosen,
        Err(problems) => return refused(state, problems),
    };
    let card = match state.attempt(|state| wallet::payment_method(state, &chosen, &[])) {
        Ok(card) => card.id(),
        Err(error) => return refused(state, vec![wallet::refusal(words, &error)]),
    };
    if authenticate::asked_by(state, &card) {
        return answer::see_other(&authenticate::begin(state, &invoice.id(), &card));
    }
    charge(state, invoice, &card, words)
}

/// Attaches the card, as Stripe's page does with a card that paid, and pays.
fn charge(state: &mut State, invoice: &Value, card: &str, words: Words) -> Response {
    let (id, customer) = (invoice.id(), invoice.text("customer"));
    let attached = state.find(Kind::PaymentMethod, card).text("customer") == customer;
    let ready = match attached {
        true => Ok(Value::Null),
        false => {
            call(state, "POST", &format!("/v1/payment_methods/{card}/attach"), &[("customer", customer)])
        }
    };
    let outcome = ready.map(|_| payments::collect(state, &id, Some(card), Presence::Authenticated));
    let refusal = match outcome.map(|outcome| outcome.error()) {
        Ok(None) => return answer::see_other(&format!("/i/{id}?paid=true")),
        Ok(Some(error)) | Err(error) => error,
    };
    let unpaid = state.find(Kind::Invoice, &id);
    refuse(state, &unpaid, &Fields::default(), words, vec![wallet::refusal(words, &refusal)])
}

/// What follows once the bank has let the invoice be paid, or has not.
pub(super) fn after_bank(
    state: &mut State,
    id: &str,
    card: &str,
    passed: bool,
    headers: &HeaderMap,
) -> Response {
    let Some((invoice, words)) = load(state, id, headers) else { return missing(headers) };
    if passed && invoice.text("status") == "open" {
        return charge(state, &invoice, card, words);
    }
    let problem = if passed { "invoice-not-payable" } else { "authentication-failed" };
    refuse(state, &invoice, &Fields::default(), words, vec![Problem::of_page(words.say(problem))])
}

fn refuse(state: &State, invoice: &Value, fields: &Fields, words: Words, problems: Vec<Problem>) -> Response {
    let mut page = InvoicePage::new(state, invoice, words, problems);
    page.wallet = page.wallet.again(fields);
    answer::page(StatusCode::UNPROCESSABLE_ENTITY, &page.frame, &page)
}

async fn download(From(handle): From<Handle>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    handle.peek(|state| {
        let Some((invoice, words)) = load(state, &id, &headers) else { return missing(&headers) };
        let name = sheet::number(&invoice, words);
        let name = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>();
        let headers = [
            (header::CONTENT_TYPE, "application/pdf".to_owned()),
            (header::CONTENT_DISPOSITION, format!("attachment; filename=\"Invoice-{name}.pdf\"")),
            (header::CACHE_CONTROL, "no-store".to_owned()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        ];
        (headers, pdf::write(&sheet::of(state, &invoice, words))).into_response()
    })
}

/// The invoice, in its customer's language where that is one of ours.
fn load(state: &mut State, id: &str, headers: &HeaderMap) -> Option<(Arc<Value>, Words)> {
    let invoice = state.store.get(Kind::Invoice, id)?.clone();
    let customer = state.find(Kind::Customer, invoice.text("customer"));
    let preferred = customer.items("preferred_locales").first().and_then(Value::as_str).unwrap_or_default();
    Some((invoice, Words::of(preferred, headers)))
}

impl InvoicePage {
    fn new(state: &State, invoice: &Value, words: Words, problems: Vec<Problem>) -> Self {
        let (id, status, currency) = (invoice.id(), invoice.text("status"), invoice.text("currency"));
        let payable = status == "open" && invoice.int("amount_remaining") > 0;
        let amount = if payable { invoice.int("amount_remaining") } else { invoice.int("total") };
        let title = format!("{} {}", words.say("invoice-title"), sheet::number(invoice, words));
        Self {
            frame: Frame::new(words, title).with_errors(problems),
            seller: seller(state),
            sheet: sheet::of(state, invoice, words),
            status: words.say(&format!("invoice-status-{status}")),
            status_tone: match status {
                "paid" => "good",
                "open" | "uncollectible" => "bad",
                _ => "",
            },
            amount: words.money(amount, currency),
            pdf: format!("/i/{id}/pdf"),
            payable,
            wallet: Wallet::new(state, invoice.text("customer"), words),
            action: format!("/i/{id}"),
            flash: String::new(),
        }
    }
}
