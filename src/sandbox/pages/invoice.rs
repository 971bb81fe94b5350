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
use super::wallet::{self, Chosen, Wallet};
use super::words::Words;
use super::{missing, seller, sheet};
use crate::sandbox::actions::{self, CardInput};
use crate::sandbox::billing::payments;
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
    if invoice.text("status") != "open" {
        return refuse(
            state,
            invoice,
            fields,
            words,
            vec![Problem::of_page(words.say("invoice-not-payable"))],
        );
    }
    let on_file = payments::method_for(state, invoice).is_some();
    match wallet::choose(fields, on_file, state.clock.now(), words) {
        Ok(Chosen::OnFile) => charge(state, invoice, None, fields, words),
        Ok(Chosen::New(card)) => charge(state, invoice, Some(&card), fields, words),
        Err(problems) => refuse(state, invoice, fields, words, problems),
    }
}

fn charge(
    state: &mut State,
    invoice: &Value,
    card: Option<&CardInput>,
    fields: &Fields,
    words: Words,
) -> Response {
    let id = invoice.text("id");
    let refusal = match state.attempt(|state| actions::pay_invoice(state, id, card)) {
        Ok(()) => return answer::see_other(&format!("/i/{id}?paid=true")),
        Err(refusal) if wallet::wants_bank(&refusal) => {
            return answer::see_other(&authenticate::begin(state, id, card));
        }
        Err(refusal) => refusal,
    };
    let unpaid = state.find(Kind::Invoice, id);
    refuse(state, &unpaid, fields, words, vec![wallet::refusal(words, &refusal)])
}

/// What follows once the bank has let the invoice be paid, or has not.
pub(super) fn after_bank(
    state: &mut State,
    id: &str,
    card: Option<&CardInput>,
    passed: bool,
    headers: &HeaderMap,
) -> Response {
    let Some((invoice, words)) = load(state, id, headers) else { return missing(headers) };
    let none = Fields::default();
    if passed {
        return charge(state, &invoice, card, &none, words);
    }
    refuse(state, &invoice, &none, words, vec![Problem::of_page(words.say("authentication-failed"))])
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
        let on_file = payments::method_for(state, invoice).map(|card| state.find(Kind::PaymentMethod, &card));
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
            wallet: Wallet::new(words, on_file.as_deref()),
            action: format!("/i/{id}"),
            flash: String::new(),
        }
    }
}
