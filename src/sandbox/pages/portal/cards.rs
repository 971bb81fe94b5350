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
use super::super::wallet::{self, Chosen, Wallet};
use super::super::{call, missing};
use super::{Portal, within};
use crate::sandbox::actions::{self, CardInput};
use crate::sandbox::engine::Handle;
use crate::sandbox::json::Json as _;
use crate::sandbox::state::State;

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
        let page = CardPage::new(portal, Wallet::new(portal.words, None), Vec::new());
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
        match wallet::choose(&fields, false, state.clock.now(), portal.words) {
            Ok(Chosen::New(card)) => save(state, portal, &card, &fields),
            Ok(Chosen::OnFile) => missing(&headers),
            Err(problems) => again(portal, &fields, problems),
        }
    })
}

/// Saves a card and makes it what coming payments are charged to, or leads to the bank first.
fn save(state: &mut State, portal: &Portal, card: &CardInput, fields: &Fields) -> Response {
    match state.attempt(|state| actions::update_payment_method(state, portal.customer(), card)) {
        Ok(_) => portal.done("card-added"),
        Err(refusal) if wallet::wants_bank(&refusal) => {
            answer::see_other(&authenticate::begin(state, portal.session.text("id"), Some(card)))
        }
        Err(refusal) => again(portal, fields, vec![wallet::refusal(portal.words, &refusal)]),
    }
}

/// What follows once the bank has let a card be saved for a session; none where it has not.
pub(in super::super) fn after_bank(
    state: &mut State,
    session: &str,
    card: Option<CardInput>,
    headers: &HeaderMap,
) -> Response {
    let Some(portal) = Portal::load(state, session, headers) else { return missing(headers) };
    match card {
        Some(card) => save(state, &portal, &card, &Fields::default()),
        None => {
            let problem = Problem::of_page(portal.words.say("authentication-failed"));
            again(&portal, &Fields::default(), vec![problem])
        }
    }
}

fn again(portal: &Portal, fields: &Fields, problems: Vec<Problem>) -> Response {
    let page = CardPage::new(portal, Wallet::new(portal.words, None).again(fields), problems);
    answer::page(StatusCode::UNPROCESSABLE_ENTITY, &page.frame, &page)
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
            "default" => actions::make_default(state, portal.customer(), &card).map(|()| "made-default"),
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
