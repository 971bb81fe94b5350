//! What words of rows are called on pages; a word that we do not know stands for itself.

use crate::audit::words as actions;
use crate::dunning::Step;
use crate::mail;
use crate::money::{Currency, Money};
use crate::staff::mrr;
use crate::staff::timeline::{Kind, Moment};
use crate::web::Page;

/// Each status of a subscription, with the key of its name and its look.
pub(super) const STATUSES: [(&str, &str, &str); 8] = [
    ("active", "staff-status-active", "success"),
    ("trialing", "staff-status-trialing", "info"),
    ("past_due", "staff-status-past-due", "warning"),
    ("unpaid", "staff-status-unpaid", "danger"),
    ("incomplete", "staff-status-incomplete", "warning"),
    ("paused", "staff-status-paused", "warning"),
    ("canceled", "staff-status-canceled", "plain"),
    ("incomplete_expired", "staff-status-incomplete-expired", "plain"),
];

/// The name of a subscription's status.
pub(super) fn status(page: &Page, status: &str) -> String {
    let known = STATUSES.iter().find(|(word, _, _)| *word == status);
    known.map_or_else(|| status.to_owned(), |(_, key, _)| page.t(key))
}

/// The look of a subscription's status.
pub(super) fn tone(status: &str) -> &'static str {
    STATUSES.iter().find(|(word, _, _)| *word == status).map_or("plain", |(_, _, tone)| tone)
}

/// The name of an invoice's status.
pub(super) fn invoice(page: &Page, status: &str) -> String {
    let key = match status {
        "draft" => "invoices-draft",
        "open" => "invoices-open",
        "paid" => "invoices-paid",
        "uncollectible" => "invoices-uncollectible",
        "void" => "invoices-void",
        _ => return status.to_owned(),
    };
    page.t(key)
}

/// The state of an event.
fn event(page: &Page, state: &str) -> String {
    let key = match state {
        "pending" => "staff-event-pending",
        "waiting" => "staff-event-waiting",
        "done" => "staff-event-done",
        "not_needed" => "staff-event-not-needed",
        "parked" => "staff-event-parked",
        _ => return state.to_owned(),
    };
    page.t(key)
}

/// An amount of a row; nothing where it is in no currency.
pub(super) fn money(page: &Page, minor: i64, currency: Option<&str>) -> Option<String> {
    let currency: Currency = currency?.parse().ok()?;
    Some(page.money(Money::new(minor, currency)))
}

/// What a moment is called.
pub(super) fn what(page: &Page, moment: &Moment) -> String {
    let word = moment.what.as_str();
    let key = match Kind::read(&moment.kind) {
        Some(Kind::Audit) => actions::key(word),
        Some(Kind::Mail) => word.parse::<mail::Kind>().ok().map(mail::Kind::key),
        Some(Kind::Dunning) => word.parse::<Step>().ok().map(Step::key),
        Some(Kind::Mrr) => mrr::Kind::ALL.into_iter().find(|kind| kind.as_str() == word).map(mrr::Kind::key),
        Some(Kind::Invoice) => return page.ta("staff-moment-invoice", [("number", word)]),
        Some(Kind::Event) | None => None,
    };
    key.map_or_else(|| word.to_owned(), |key| page.t(key))
}

/// What is said beside it.
pub(super) fn detail(page: &Page, moment: &Moment) -> String {
    let word = moment.detail.as_deref().unwrap_or_default();
    match Kind::read(&moment.kind) {
        Some(Kind::Invoice) => invoice(page, word),
        Some(Kind::Event) => event(page, word),
        Some(Kind::Mail) => {
            word.parse::<mail::State>().map_or_else(|_| word.to_owned(), |state| page.t(state.key()))
        }
        Some(Kind::Audit) => {
            let kind = crate::audit::ActorKind::read(word);
            kind.map_or_else(|| word.to_owned(), |kind| page.t(kind.key()))
        }
        Some(Kind::Dunning | Kind::Mrr) | None => String::new(),
    }
}

/// The amount beside it. Of revenue: what it is for a month.
pub(super) fn amount(page: &Page, moment: &Moment) -> Option<String> {
    let is_mrr = Kind::read(&moment.kind) == Some(Kind::Mrr);
    let minor = if is_mrr { mrr::month_of(moment.amount) } else { moment.amount };
    money(page, minor, moment.currency.as_deref())
}
