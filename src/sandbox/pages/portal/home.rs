//! The portal's first page, and the page after a task that ends in a word of thanks.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State as From};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::super::answer::{self, Frame};
use super::super::notice::NoticePage;
use super::super::wallet;
use super::super::{missing, sheet};
use super::{Portal, ending, licensed, period_end, plan_name, price_text, product_name, within};
use crate::sandbox::engine::Handle;
use crate::sandbox::json::Json as _;
use crate::sandbox::objects::portal::is_changeable;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

pub(super) fn router() -> Router<Handle> {
    Router::new().route("/p/session/{id}", get(show)).route("/p/session/{id}/done", get(thanks))
}

/// How many invoices the page lists.
const INVOICES: usize = 24;

/// Flash messages by the name that an address may carry.
const DONE: [&str; 9] = [
    "card-added",
    "made-default",
    "removed-card",
    "billing-updated",
    "canceled-at-end",
    "canceled-now",
    "kept",
    "updated-now",
    "updated-later",
];

#[derive(Template)]
#[template(path = "sandbox/portal.html")]
struct PortalPage {
    frame: Frame,
    seller: String,
    /// Where the customer came from; empty where the session does not say.
    back: String,
    flash: String,
    subscriptions: Vec<SubscriptionView>,
    cards: Vec<CardView>,
    /// Address of the form for a new card; empty where none may be added.
    add_card: String,
    billing: Vec<(String, Vec<String>)>,
    edit_billing: String,
    invoices: Option<Vec<InvoiceView>>,
}

struct SubscriptionView {
    plan: String,
    prices: Vec<String>,
    status: String,
    tone: &'static str,
    outlook: Vec<String>,
    /// Addresses; empty where the thing may not be done.
    update: String,
    cancel: String,
    keep: String,
}

struct CardView {
    name: String,
    label: String,
    default: bool,
    action: String,
    removable: bool,
}

struct InvoiceView {
    number: String,
    date: String,
    amount: String,
    status: String,
    tone: &'static str,
    href: String,
}

#[derive(Deserialize)]
struct Asked {
    /// The first page is asked for although the session was opened for a task.
    #[serde(default)]
    home: bool,
    #[serde(default)]
    done: String,
}

async fn show(
    From(handle): From<Handle>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    within(&handle, &id, &headers, |state, portal| {
        if !asked.home
            && let Some(task) = task(portal)
        {
            return answer::see_other(&task);
        }
        let flash = DONE.iter().find(|key| **key == asked.done).map(|key| portal.words.say(key));
        let page = PortalPage::new(state, portal, flash.unwrap_or_default());
        answer::page(StatusCode::OK, &page.frame, &page)
    })
}

async fn thanks(From(handle): From<Handle>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    within(&handle, &id, &headers, |_, portal| {
        if portal.flow().is_empty() {
            return missing(&headers);
        }
        let own = portal.session.maybe_text("/flow/after_completion/hosted_confirmation/custom_message");
        let message = own.map_or_else(|| portal.words.say("flow-done"), str::to_owned);
        let frame = portal.frame(portal.words.say("flow-done-title"));
        let (onward, label) = portal.back();
        NoticePage::answer(StatusCode::OK, frame, message, onward, label)
    })
}

/// The page of the task that the session was opened for.
fn task(portal: &Portal) -> Option<String> {
    let subscription = |key: &str| portal.session.text(&format!("/flow/{key}/subscription")).to_owned();
    let rest = match portal.flow() {
        "payment_method_update" => "/cards/new".to_owned(),
        "customer_update" => "/customer".to_owned(),
        "subscription_cancel" => format!("/subscriptions/{}/cancel", subscription("subscription_cancel")),
        "subscription_update" => format!("/subscriptions/{}/update", subscription("subscription_update")),
        "subscription_update_confirm" => {
            format!("/subscriptions/{}/confirm", subscription("subscription_update_confirm"))
        }
        _ => return None,
    };
    Some(portal.path(&rest))
}

impl PortalPage {
    fn new(state: &State, portal: &Portal, flash: String) -> Self {
        let words = portal.words;
        let name = portal.customer.maybe_text("name").or_else(|| portal.customer.maybe_text("email"));
        let name = name.map_or_else(|| words.say("portal-unnamed"), str::to_owned);
        let own = |id: &&std::sync::Arc<Value>| id.text("customer") == portal.customer();
        let running = state.store.all(Kind::Subscription).filter(own).rev();
        let running = running.filter(|one| portal.subscription(state, one.text("id")).is_some());
        let subscriptions = running.map(|one| SubscriptionView::new(state, portal, one)).collect::<Vec<_>>();
        let invoices = portal.allows("invoice_history").then(|| {
            let shown =
                state.store.all(Kind::Invoice).filter(own).rev().filter(|one| one.text("status") != "draft");
            shown.take(INVOICES).map(|invoice| InvoiceView::new(portal, invoice)).collect()
        });
        let changes_card = portal.allows("payment_method_update");
        let cards = wallet::cards_of(state, portal.customer());
        let removable = changes_card && (cards.len() > 1 || subscriptions.is_empty());
        Self {
            frame: portal.frame(words.fill("portal-title", "customer", name)),
            seller: portal.seller.clone(),
            back: portal.session.text("return_url").to_owned(),
            flash,
            cards: cards.iter().map(|card| CardView::new(portal, card, removable)).collect(),
            add_card: if changes_card { portal.path("/cards/new") } else { String::new() },
            billing: billing(state, portal),
            edit_billing: if portal.allows("customer_update") {
                portal.path("/customer")
            } else {
                String::new()
            },
            subscriptions,
            invoices,
        }
    }
}

impl SubscriptionView {
    fn new(state: &State, portal: &Portal, subscription: &Value) -> Self {
        let words = portal.words;
        let status = subscription.text("status");
        let address = |allowed: bool, task: &str| {
            let path = format!("/subscriptions/{}/{task}", subscription.text("id"));
            if allowed { portal.path(&path) } else { String::new() }
        };
        let ending = ending(subscription);
        let cancels = portal.allows("subscription_cancel");
        let prices =
            licensed(subscription).map(|item| price_text(words, &item["price"], item.int("quantity")));
        Self {
            plan: plan_name(state, subscription),
            prices: prices.collect(),
            status: words.say(&format!("subscription-status-{status}")),
            tone: match status {
                "active" | "trialing" => "good",
                "past_due" | "unpaid" | "incomplete" => "bad",
                _ => "",
            },
            outlook: outlook(state, portal, subscription, ending),
            update: address(
                portal.allows("subscription_update") && ending.is_none() && is_changeable(subscription),
                "update",
            ),
            cancel: address(cancels && ending.is_none(), "cancel"),
            keep: address(cancels && ending.is_some(), "keep"),
        }
    }
}

/// What happens to the subscription next.
fn outlook(state: &State, portal: &Portal, subscription: &Value, ending: Option<i64>) -> Vec<String> {
    let words = portal.words;
    let mut outlook = Vec::new();
    if subscription.text("status") == "trialing"
        && let Some(end) = subscription.maybe_int("trial_end")
    {
        outlook.push(words.fill("trial-ends-on", "date", words.date(end)));
    }
    match ending {
        Some(end) => outlook.push(words.fill("ends-on", "date", words.date(end))),
        None => outlook.push(words.fill("renews-on", "date", words.date(period_end(subscription)))),
    }
    let schedule = state.find(Kind::Schedule, subscription.text("schedule"));
    let next = schedule.items("phases").iter().find(|phase| phase.int("start_date") > state.at);
    if let Some(phase) = next {
        let price = phase.items("items").first().map(|item| item.text("price")).unwrap_or_default();
        let plan = product_name(state, &state.find(Kind::Price, price));
        let date = words.date(phase.int("start_date"));
        outlook.push(words.fill_all("changes-on", [("plan", plan), ("date", date)]));
    }
    outlook
}

impl CardView {
    fn new(portal: &Portal, card: &Value, removable: bool) -> Self {
        let default = portal.customer.text("/invoice_settings/default_payment_method");
        Self {
            name: wallet::name(portal.words, card),
            label: wallet::describe(portal.words, card),
            default: card.text("id") == default,
            action: portal.path(&format!("/cards/{}", card.text("id"))),
            removable,
        }
    }
}

impl InvoiceView {
    fn new(portal: &Portal, invoice: &Value) -> Self {
        let words = portal.words;
        let status = invoice.text("status");
        Self {
            number: sheet::number(invoice, words),
            date: words.date(sheet::issued(invoice)),
            amount: words.money(invoice.int("total"), invoice.text("currency")),
            status: words.say(&format!("invoice-status-{status}")),
            tone: match status {
                "paid" => "good",
                "open" | "uncollectible" => "bad",
                _ => "",
            },
            href: invoice.text("hosted_invoice_url").to_owned(),
        }
    }
}

/// The billing information: label and lines.
fn billing(state: &State, portal: &Portal) -> Vec<(String, Vec<String>)> {
    let words = portal.words;
    let one = |key: &str| portal.customer.maybe_text(key).map(str::to_owned).into_iter().collect::<Vec<_>>();
    let tax_ids = state.store.all(Kind::TaxId).filter(|tax_id| tax_id.text("customer") == portal.customer());
    let facts = [
        ("name", one("name")),
        ("email", one("email")),
        ("phone", one("phone")),
        ("address", sheet::address(portal.customer.look("address"), words)),
        ("tax-ids", tax_ids.map(|tax_id| tax_id.text("value").to_owned()).collect()),
    ];
    let given = |lines: Vec<String>| if lines.is_empty() { vec![words.say("none-given")] } else { lines };
    facts.into_iter().map(|(key, lines)| (words.say(key), given(lines))).collect()
}
