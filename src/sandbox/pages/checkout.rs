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
use super::{authenticate, call, missing, offer, seller, tax_id_type};
use crate::sandbox::actions;
use crate::sandbox::engine::Handle;
use crate::sandbox::errors::Answer;
use crate::sandbox::json::Json as _;
use crate::sandbox::pdf::Total;
use crate::sandbox::state::{Cause, State};
use crate::sandbox::store::Kind;

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

    /// The session as it is after a change, answered by its page.
    fn again(&self, state: &mut State, sent: &Fields, problems: Vec<Problem>) -> Response {
        let session = state.find(Kind::Session, self.id());
        let now = Self { session, words: self.words, seller: self.seller.clone() };
        now.page(state, StatusCode::UNPROCESSABLE_ENTITY, sent, problems)
    }

    /// Takes a promotion code.
    fn promote(&self, state: &mut State, sent: &Fields) -> Response {
        let code = sent.get("code");
        if code.is_empty() {
            return self.again(state, sent, vec![Problem::of("code", self.words.say("promotion-missing"))]);
        }
        match state.attempt(|state| actions::apply_promotion(state, self.id(), code)) {
            Ok(()) => answer::see_other(&format!("/c/pay/{}", self.id())),
            Err(_) => self.again(state, sent, vec![Problem::of("code", self.words.say("promotion-unknown"))]),
        }
    }

    fn demote(&self, state: &mut State, sent: &Fields) -> Response {
        match state.attempt(|state| actions::remove_promotion(state, self.id())) {
            Ok(()) => answer::see_other(&format!("/c/pay/{}", self.id())),
            Err(error) => self.again(state, sent, vec![Problem::of_page(error.field("message"))]),
        }
    }

    /// Reads the form, makes sure that the visitor has seen what is charged, then charges it.
    fn pay(&self, state: &mut State, sent: &Fields) -> Response {
        let customer = self.customer(state);
        let asked = Asked::by(&self.session, &customer);
        let details = match Details::read(sent, asked, &customer, self.words) {
            Ok(details) => details,
            Err(problems) => return self.again(state, sent, problems),
        };
        let chosen = match self.card(state, sent) {
            Ok(chosen) => chosen,
            Err(problems) => return self.again(state, sent, problems),
        };
        if let Err(error) = state.attempt(|state| self.settle(state, &details, asked)) {
            let field = if error.field("code") == "tax_id_invalid" { "tax_id" } else { "" };
            let message = if field.is_empty() {
                error.field("message").to_owned()
            } else {
                self.words.say("tax-id-wrong")
            };
            return self.again(state, sent, vec![Problem { field, message }]);
        }
        let total = state.find(Kind::Session, self.id()).int("amount_total");
        if sent.get("expected").parse() != Ok(total) {
            let changed = self.words.fill("total-changed", "amount", self.money(total));
            return self.again(state, sent, vec![Problem::of_page(changed)]);
        }
        let Some(chosen) = chosen else { return self.complete(state, None, sent) };
        match state.attempt(|state| self.make_card(state, &chosen, &details)) {
            Ok(card) if authenticate::asked_by(state, &card) => {
                answer::see_other(&authenticate::begin(state, self.id(), &card))
            }
            Ok(card) => self.complete(state, Some(&card), sent),
            Err(refusal) => self.again(state, sent, vec![wallet::refusal(self.words, &refusal)]),
        }
    }

    /// The card that was chosen; none where nothing has to be paid and the seller asks for none.
    fn card(&self, state: &State, sent: &Fields) -> Result<Option<Chosen>, Vec<Problem>> {
        if !self.card_needed() {
            return Ok(None);
        }
        let own = wallet::cards_of(state, self.session.text("customer"));
        wallet::choose(sent, &own, state.clock.now(), self.words).map(Some)
    }

    fn card_needed(&self) -> bool {
        self.session.text("payment_method_collection") != "if_required"
            || self.session.int("amount_total") > 0
    }

    fn make_card(&self, state: &mut State, chosen: &Chosen, details: &Details) -> Answer<String> {
        let billing = [
            ("billing_details[email]", details.email.as_str()),
            ("billing_details[address][country]", &details.country),
            ("billing_details[address][postal_code]", &details.postal_code),
        ];
        Ok(wallet::payment_method(state, chosen, &billing)?.id())
    }

    /// Gives the customer what was typed, and the session the totals that follow from it.
    fn settle(&self, state: &mut State, details: &Details, asked: Asked) -> Answer<()> {
        let customer = self.session.text("customer");
        let mut form = Vec::new();
        if asked.email {
            form.push(("email", details.email.as_str()));
        }
        if asked.whole_address {
            form.extend([
                ("name", details.name.as_str()),
                ("address[line1]", &details.line1),
                ("address[city]", &details.city),
            ]);
        }
        if asked.country {
            form.extend([
                ("address[country]", details.country.as_str()),
                ("address[postal_code]", &details.postal_code),
            ]);
        }
        call(state, "POST", &format!("/v1/customers/{customer}"), &form)?;
        let known = state
            .store
            .all(Kind::TaxId)
            .any(|tax_id| tax_id.text("customer") == customer && tax_id.text("value") == details.tax_id);
        if asked.tax_id && !details.tax_id.is_empty() && !known {
            let kind = tax_id_type(&details.country, &details.tax_id);
            let form = [("type", kind), ("value", details.tax_id.as_str())];
            call(state, "POST", &format!("/v1/customers/{customer}/tax_ids"), &form)?;
        }
        actions::refresh(state, self.id())
    }

    /// Charges the card and completes the session.
    fn complete(&self, state: &mut State, card: Option<&str>, sent: &Fields) -> Response {
        match actions::complete(state, self.id(), card) {
            Ok(()) => answer::see_other(&self.success_url()),
            Err(refusal) => self.again(state, sent, vec![wallet::refusal(self.words, &refusal)]),
        }
    }

    fn customer(&self, state: &State) -> Arc<Value> {
        state.find(Kind::Customer, self.session.text("customer"))
    }
}

impl CheckoutPage {
    fn new(state: &mut State, session: &Session, sent: &Fields, problems: Vec<Problem>) -> Self {
        let (object, words) = (&session.session, session.words);
        let items = offer::items(state, session.id());
        let trial_days = actions::trial_days(object);
        let customer = session.customer(state);
        let asked = Asked::by(object, &customer);
        let mut details = Details::known(&customer).again(sent);
        if details.country.is_empty() {
            words.home().clone_into(&mut details.country);
        }
        let total = object.int("amount_total");
        let recurring = offer::recurring(&items, words);
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
            then: offer::then(state, session, &items, trial_days),
            lines: items.iter().map(|item| offer::line(item, trial_days, words)).collect(),
            promotion: offer::promotion(state, session, sent.get("code")),
            sums: offer::sums(state, session),
            tax_by_address: object.flag("/automatic_tax/enabled"),
            asked,
            details,
            card_needed: session.card_needed(),
            wallet: Wallet::new(state, object.text("customer"), words).again(sent),
            action: format!("/c/pay/{}", session.id()),
            expected: total,
            pay,
            terms: words.fill(terms, "seller", &session.seller),
        }
    }
}

/// What follows once the bank has let the session be paid, or has not.
pub(super) fn after_bank(
    state: &mut State,
    id: &str,
    card: &str,
    passed: bool,
    headers: &HeaderMap,
) -> Response {
    let Some(session) = Session::load(state, id, headers) else { return missing(headers) };
    if let Some(closed) = session.closed() {
        return closed;
    }
    if passed {
        return session.complete(state, Some(card), &Fields::default());
    }
    let problem = Problem::of_page(session.words.say("authentication-failed"));
    session.again(state, &Fields::default(), vec![problem])
}
