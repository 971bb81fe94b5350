//! Adding a payment method, making one the default, removing one.

use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State as From};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::super::answer::{self, Fields, Frame, Problem};
use super::super::authenticate;
use super::super::wallet::{self, Wallet};
use super::super::{call, missing};
use super::{Portal, within};
use crate::sandbox::engine::Handle;
use crate::sandbox::errors::Answer;
use crate::sandbox::json::Json as _;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(super) fn router() -> Router<Handle> {
    Router::new()
        .route("/p/session/{id}/cards/new", get(ask).post(add))
        .route("/p/session/{id}/cards/{card}", post(change))
}

#[derive(Template)]
#[template(path = "sandbox/portal_card.html")]
struct CardPage {
    frame: Frame,
    seller: String,
    back: (String, String),
    wallet: Wallet,
    terms: String,
    action: String,
}

fn may_add(portal: &Portal) -> bool {
    portal.is_for("payment_method_update") || portal.allows("payment_method_update")
}

async fn ask(From(handle): From<Handle>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    within(&handle, &id, &headers, |_, portal| {
        if !may_add(portal) {
            return missing(&headers);
        }
        let page = CardPage::new(portal, Wallet::empty(portal.words), Vec::new());
        answer::page(StatusCode::OK, &page.frame, &page)
    })
}

async fn add(
    From(handle): From<Handle>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = Fields::parse(&body);
    within(&handle, &id, &headers, |state, portal| {
        if !may_add(portal) {
            return missing(&headers);
        }
        let chosen = wallet::choose(&fields, &[], state.clock.now(), portal.words);
        let saved = chosen.and_then(|chosen| {
            let saved = state.attempt(|state| {
                let card = wallet::payment_method(state, &chosen, &[])?.id();
                if authenticate::asked_by(state, &card) {
                    let session = portal.session.text("id");
                    return Ok(Some(authenticate::begin(state, session, &card)));
                }
                save(state, portal.customer(), &card)?;
                Ok(None)
            });
            saved.map_err(|error| vec![wallet::refusal(portal.words, &error)])
        });
        match saved {
            Ok(Some(bank)) => answer::see_other(&bank),
            Ok(None) => portal.done("card-added"),
            Err(problems) => {
                let page = CardPage::new(portal, Wallet::empty(portal.words).again(&fields), problems);
                answer::page(StatusCode::UNPROCESSABLE_ENTITY, &page.frame, &page)
            }
        }
    })
}

/// What follows once the bank has let a card be saved for a session, or has not.
pub(in super::super) fn after_bank(
    state: &mut State,
    session: &str,
    card: &str,
    passed: bool,
    headers: &HeaderMap,
) -> Response {
    let Some(portal) = Portal::load(state, session, headers) else { return missing(headers) };
    let saved = if passed { state.attempt(|state| save(state, portal.customer(), card)) } else { Ok(()) };
    let problem = match saved {
        Ok(()) if passed => return portal.done("card-added"),
        Ok(()) => Problem::of_page(portal.words.say("authentication-failed")),
        Err(error) => wallet::refusal(portal.words, &error),
    };
    let page = CardPage::new(&portal, Wallet::empty(portal.words), vec![problem]);
    answer::page(StatusCode::UNPROCESSABLE_ENTITY, &page.frame, &page)
}

/// Attaches a card and makes it what coming payments are charged to.
fn save(state: &mut State, customer: &str, card: &str) -> Answer<()> {
    call(state, "POST", &format!("/v1/payment_methods/{card}/attach"), &[("customer", customer)])?;
    make_default(state, customer, card)
}

/// The default of the customer, and of those subscriptions that have a card of their own.
fn make_default(state: &mut State, customer: &str, card: &str) -> Answer<()> {
    let form = [("invoice_settings[default_payment_method]", card)];
    call(state, "POST", &format!("/v1/customers/{customer}"), &form)?;
    let own_card = state.store.all(Kind::Subscription).filter(|subscription| {
        let over = matches!(subscription.text("status"), "canceled" | "incomplete_expired");
        subscription.text("customer") == customer
            && !over
            && subscription.maybe_text("default_payment_method").is_some()
    });
    for subscription in own_card.map(|subscription| subscription.id()).collect::<Vec<_>>() {
        call(
            state,
            "POST",
            &format!("/v1/subscriptions/{subscription}"),
            &[("default_payment_method", card)],
        )?;
    }
    Ok(())
}

async fn change(
    From(handle): From<Handle>,
    Path((id, card)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = Fields::parse(&body);
    within(&handle, &id, &headers, |state, portal| {
        let own = wallet::cards_of(state, portal.customer()).iter().any(|known| known.text("id") == card);
        if !own || !portal.allows("payment_method_update") {
            return missing(&headers);
        }
        let changed = state.attempt(|state| match fields.get("do") {
            "default" => make_default(state, portal.customer(), &card).map(|()| "made-default"),
            _ => call(state, "POST", &format!("/v1/payment_methods/{card}/detach"), &[])
                .map(|_: Value| "removed-card"),
        });
        changed.map_or_else(
            |_| missing(&headers),
            |done| answer::see_other(&portal.path(&format!("?home=true&done={done}"))),
        )
    })
}

impl CardPage {
    fn new(portal: &Portal, wallet: Wallet, problems: Vec<Problem>) -> Self {
        let words = portal.words;
        Self {
            frame: portal.frame(words.say("add-card-title")).with_errors(problems),
            seller: portal.seller.clone(),
            back: portal.back(),
            wallet,
            terms: words.fill("save-card-terms", "seller", &portal.seller),
            action: portal.path("/cards/new"),
        }
    }
}
