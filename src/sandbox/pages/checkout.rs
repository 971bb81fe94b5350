//! The hosted Checkout page: what is bought, what it costs today and later, and the form that pays for it.
//!
//! What the page says is what the engine would charge: the amounts are the session's own. Where the address changes the
//! tax, the new total is shown first and nothing is charged before it was confirmed.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State as From};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::answer::{self, Fields, Frame, Problem};
use super::details::{Asked, Details};
use super::notice::NoticePage;
use super::wallet::{self, Chosen, Wallet};
use super::words::Words;
use super::{authenticate, missing, offer, seller, tax_id_type};
use crate::sandbox::actions::{self, CardInput};
use crate::sandbox::engine::Handle;
use crate::sandbox::errors::{Answer, ApiError};
use crate::sandbox::json::Json as _;
use crate::sandbox::pdf::Total;
use crate::sandbox::state::{Cause, State};
use crate::sandbox::store::Kind;

/// A card that pays, for finding out what would be charged.
const PAYS: &str = "4242424242424242";

pub(super) fn router() -> Router<Handle> {
    Router::new().route("/c/pay/{id}", get(show).post(act))
}

#[derive(Template)]
#[template(path = "sandbox/checkout.html")]
struct CheckoutPage {
    frame: Frame,
    seller: String,
    /// Where a visitor goes who does not want to pay; empty where the seller named no place.
    back: String,
    heading: String,
    price: String,
    price_note: String,
    /// What is charged later, where that differs from today.
    then: String,
    lines: Vec<LineView>,
    promotion: Promotion,
    sums: Vec<Total>,
    tax_by_address: bool,
    asked: Asked,
    details: Details,
    card_needed: bool,
    wallet: Wallet,
    action: String,
    /// The total that the visitor sees, in minor units.
    expected: i64,
    pay: String,
    terms: String,
}

/// A line of what is bought.
pub(super) struct LineView {
    pub(super) name: String,
    pub(super) amount: String,
    pub(super) details: Vec<String>,
}

/// The discount, or the place to type a code for one.
#[derive(Default)]
pub(super) struct Promotion {
    pub(super) offered: bool,
    pub(super) code: String,
    /// The name of the discount that is applied; empty without one.
    pub(super) applied: String,
    pub(super) meaning: String,
    pub(super) removable: bool,
}

async fn show(From(handle): From<Handle>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let shown = handle.run(Cause::default(), |state| {
        let Some(session) = Session::load(state, &id, &headers) else { return Ok(missing(&headers)) };
        Ok(session
            .closed()
            .unwrap_or_else(|| session.page(state, StatusCode::OK, &Fields::default(), Vec::new())))
    });
    shown.unwrap_or_else(|_| missing(&headers))
}

async fn act(
    From(handle): From<Handle>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = Fields::parse(&body);
    let acted = handle.run(Cause::default(), |state| {
        let Some(session) = Session::load(state, &id, &headers) else { return Ok(missing(&headers)) };
        if let Some(closed) = session.closed() {
            return Ok(closed);
        }
        Ok(match fields.get("do") {
            "promotion" => session.promote(state, &fields),
            "no-promotion" => session.demote(state, &fields),
            _ => session.pay(state, &fields),
        })
    });
    acted.unwrap_or_else(|_| missing(&headers))
}

/// An open or closed session, in its visitor's language.
pub(super) struct Session {
    pub(super) session: Arc<Value>,
    pub(super) words: Words,
    seller: String,
}

impl Session {
    fn load(state: &mut State, id: &str, headers: &HeaderMap) -> Option<Self> {
        let session = state.store.get(Kind::Session, id)?.clone();
        if let Some(customer) = session.maybe_text("customer") {
            // The present work then happens at the customer's time.
            state.customer(customer, "customer").ok()?;
        }
        let words = Words::of(session.text("locale"), headers);
        Some(Self { session, words, seller: seller(state) })
    }

    fn id(&self) -> &str {
        self.session.text("id")
    }

    /// An amount in the session's currency.
    pub(super) fn money(&self, minor: i64) -> String {
        self.words.money(minor, self.session.text("currency"))
    }

    /// Where the seller wants visitors who have paid.
    fn success_url(&self) -> String {
        self.session.text("success_url").replace("{CHECKOUT_SESSION_ID}", self.id())
    }

    fn frame(&self, title: String) -> Frame {
        Frame::new(self.words, title).leading_to(self.session.text("success_url"))
    }

    /// The page of a session that cannot be paid any more.
    fn closed(&self) -> Option<Response> {
        let (title, message, status, onward) = match self.session.text("status") {
            "complete" => ("session-complete-title", "session-complete", StatusCode::OK, self.success_url()),
            "expired" => {
                let back = self.session.text("cancel_url").to_owned();
                ("session-expired-title", "session-expired", StatusCode::GONE, back)
            }
            _ => return None,
        };
        let frame = self.frame(self.words.say(title));
        let message = self.words.fill(message, "seller", &self.seller);
        let label = self.words.fill("return-to", "seller", &self.seller);
        Some(NoticePage::answer(status, frame, message, onward, label))
    }

    fn page(&self, state: &mut State, status: StatusCode, sent: &Fields, problems: Vec<Problem>) -> Response {
        let page = CheckoutPage::new(state, self, sent, problems);
        answer::page(status, &page.frame, &page)
    }

    /// The page again, with what stands in the way.
    fn again(&self, state: &mut State, sent: &Fields, problems: Vec<Problem>) -> Response {
        self.page(state, StatusCode::UNPROCESSABLE_ENTITY, sent, problems)
    }

    /// Takes a promotion code.
    fn promote(&self, state: &mut State, sent: &Fields) -> Response {
        let code = sent.get("code");
        if code.is_empty() {
            return self.again(state, sent, vec![Problem::of("code", self.words.say("promotion-missing"))]);
        }
        match state.attempt(|state| actions::enter_code(state, self.id(), code)) {
            Ok(()) => answer::see_other(&format!("/c/pay/{}", self.id())),
            Err(_) => self.again(state, sent, vec![Problem::of("code", self.words.say("promotion-unknown"))]),
        }
    }

    fn demote(&self, state: &mut State, sent: &Fields) -> Response {
        match state.attempt(|state| actions::enter_code(state, self.id(), "")) {
            Ok(()) => answer::see_other(&format!("/c/pay/{}", self.id())),
            Err(error) => self.again(state, sent, vec![Problem::of_page(error.field("message"))]),
        }
    }

    /// Reads the form, makes sure that the visitor has seen what is charged, then charges it.
    fn pay(&self, state: &mut State, sent: &Fields) -> Response {
        let customer = self.customer(state);
        let asked = Asked::by(&self.session, &customer);
        let details = Details::read(sent, asked, self.words);
        let card = if self.card_needed() {
            wallet::choose(sent, false, state.clock.now(), self.words)
        } else {
            Ok(Chosen::OnFile)
        };
        let (details, card) = match (details, card) {
            (Ok(details), Ok(card)) => (details, card),
            (details, card) => {
                let problems = details.err().into_iter().chain(card.err()).flatten().collect();
                return self.again(state, sent, problems);
            }
        };
        let input = self.input(details, card, asked, &customer);
        // What would be charged, by charging it to a card that pays and undoing that.
        let quoted = match self.quote(state, &input) {
            Ok(quoted) => quoted,
            Err(refusal) => return self.again(state, sent, vec![self.problem(&refusal)]),
        };
        let total = quoted.session.int("amount_total");
        if sent.get("expected").parse() != Ok(total) {
            let changed = self.words.fill("total-changed", "amount", self.money(total));
            return quoted.again(state, sent, vec![Problem::of_page(changed)]);
        }
        self.complete(state, &input, &quoted, sent)
    }

    /// Everything that the engine needs to know of the payer.
    fn input(&self, details: Details, card: Chosen, asked: Asked, customer: &Value) -> CardInput {
        let card = match card {
            Chosen::New(card) => card,
            Chosen::OnFile => CardInput::default(),
        };
        let tax_id = Some(&details.tax_id).filter(|tax_id| asked.tax_id && !tax_id.is_empty());
        let tax_id = tax_id.map(|value| (tax_id_type(&details.country, value).to_owned(), value.clone()));
        CardInput {
            address: details.address(asked, customer),
            email: Some(details.email).filter(|email| asked.email && !email.is_empty()),
            name: if asked.whole_address { Some(details.name) } else { card.name.clone() },
            tax_id,
            ..card
        }
    }

    /// The session as it would be once it were paid.
    fn quote(&self, state: &mut State, input: &CardInput) -> Answer<Self> {
        let mut input = input.clone();
        if !input.number.is_empty() {
            PAYS.clone_into(&mut input.number);
        }
        let session = state.rehearse(|state| {
            actions::complete_checkout(state, self.id(), &input)?;
            Ok(state.find(Kind::Session, self.id()))
        })?;
        Ok(Self { session, words: self.words, seller: self.seller.clone() })
    }

    /// Charges the card and completes the session, or leads to the bank first.
    fn complete(&self, state: &mut State, input: &CardInput, quoted: &Self, sent: &Fields) -> Response {
        match state.attempt(|state| actions::complete_checkout(state, self.id(), input)) {
            Ok(onward) => answer::see_other(&onward.0),
            Err(refusal) if wallet::wants_bank(&refusal) => {
                answer::see_other(&authenticate::begin(state, self.id(), Some(input)))
            }
            Err(refusal) => quoted.again(state, sent, vec![self.problem(&refusal)]),
        }
    }

    /// A refusal in words, at the field that it is about.
    fn problem(&self, refusal: &ApiError) -> Problem {
        match refusal.field("code") {
            "tax_id_invalid" => Problem::of("tax_id", self.words.say("tax-id-wrong")),
            "customer_tax_location_invalid" => Problem::of("country", self.words.say("country-missing")),
            _ => wallet::refusal(self.words, refusal),
        }
    }

    fn card_needed(&self) -> bool {
        self.session.text("payment_method_collection") != "if_required"
            || self.session.int("amount_total") > 0
    }

    fn customer(&self, state: &State) -> Arc<Value> {
        state.find(Kind::Customer, self.session.text("customer"))
    }
}

impl CheckoutPage {
    fn new(state: &mut State, session: &Session, sent: &Fields, problems: Vec<Problem>) -> Self {
        let (object, words) = (&session.session, session.words);
        let items = offer::items(object);
        let trial_days = offer::trial_days(state, object);
        let customer = session.customer(state);
        let asked = Asked::by(object, &customer);
        let mut details = Details::known(object, &customer).again(sent);
        if details.country.is_empty() {
            words.home().clone_into(&mut details.country);
        }
        let total = object.int("amount_total");
        let recurring = offer::recurring(items, words);
        let names = items.iter().map(|item| item.text("description").to_owned()).collect::<Vec<_>>();
        let name = names.first().cloned().unwrap_or_default();
        let (heading, pay, terms) = match (&recurring, trial_days) {
            (None, _) => {
                ("pay-seller", words.fill("pay-amount", "amount", session.money(total)), "terms-payment")
            }
            (Some(_), 0) if total > 0 => (
                "subscribe-to",
                words.fill("pay-amount", "amount", session.money(total)),
                "terms-subscription",
            ),
            (Some(_), 0) => ("subscribe-to", words.say("subscribe"), "terms-subscription"),
            (Some(_), _) => ("try", words.say("start-trial"), "terms-subscription"),
        };
        let (price, price_note) = match trial_days {
            0 => (session.money(total), words.say("due-today-note")),
            days => (words.count("days-free", days), String::new()),
        };
        let heading = match heading {
            "pay-seller" => words.fill("pay-seller", "seller", &session.seller),
            "try" => words.fill("try", "name", name),
            _ => words.fill("subscribe-to", "name", name),
        };
        let title = words.fill("checkout-title", "seller", &session.seller);
        Self {
            frame: session.frame(title).with_errors(problems),
            seller: session.seller.clone(),
            back: object.text("cancel_url").to_owned(),
            heading,
            price,
            price_note,
            then: offer::then(state, session, items, trial_days),
            lines: items.iter().map(|item| offer::line(item, trial_days, words)).collect(),
            promotion: offer::promotion(state, session, sent.get("code")),
            sums: offer::sums(session),
            tax_by_address: object.flag("/automatic_tax/enabled"),
            asked,
            details,
            card_needed: session.card_needed(),
            wallet: Wallet::new(words, None).again(sent),
            action: format!("/c/pay/{}", session.id()),
            expected: total,
            pay,
            terms: words.fill(terms, "seller", &session.seller),
        }
    }
}

/// What follows once the bank has let the session be paid by a card; none where it has not.
pub(super) fn after_bank(
    state: &mut State,
    id: &str,
    card: Option<CardInput>,
    headers: &HeaderMap,
) -> Response {
    let Some(session) = Session::load(state, id, headers) else { return missing(headers) };
    if let Some(closed) = session.closed() {
        return closed;
    }
    let none = Fields::default();
    match card {
        Some(card) => session.complete(state, &card, &session, &none),
        None => {
            let problem = Problem::of_page(session.words.say("authentication-failed"));
            session.again(state, &none, vec![problem])
        }
    }
}
