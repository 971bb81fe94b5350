//! The pricing page.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use serde::Deserialize;

use super::policy::Catalog;
use super::pricing::{self, Action, Cell, Compared, Looker, Shown};
use super::{Interval, Offer, store};
use crate::app::App;
use crate::auth::Visitor;
use crate::error::Result;
use crate::money::Currency;
use crate::subscription::view::{Banner, Help};
use crate::subscription::{self, Billing};
use crate::web::{Html, Page};

/// The routes of the catalogue.
pub fn router() -> Router<App> {
    Router::new().route("/plans", get(plans))
}

/// What the address of the pricing page says.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    interval: String,
    #[serde(default)]
    currency: String,
}

/// A switch between intervals or currencies: a link that works without script.
struct Choice {
    name: String,
    query: String,
    is_current: bool,
    saving: Option<String>,
}

/// A plan in its column.
struct Card {
    slug: String,
    name: String,
    description: String,
    price: Option<String>,
    per: String,
    note: String,
    features: Vec<String>,
    is_highlighted: bool,
    is_current: bool,
    per_seat: bool,
    action: Action,
}

#[derive(Template)]
#[template(path = "catalog/plans.html")]
struct Plans {
    page: Page,
    banner: Option<Banner>,
    intervals: Vec<Choice>,
    currencies: Vec<Choice>,
    locked: Option<String>,
    cards: Vec<Card>,
    names: Vec<String>,
    comparison: Vec<Compared>,
    metered: Vec<String>,
    interval: Interval,
    currency: Currency,
    /// Seats there are, or one.
    seats: i64,
    may_change: bool,
    here: String,
}

async fn plans(
    page: Page,
    State(app): State<App>,
    Visitor(visitor): Visitor,
    Query(asked): Query<Asked>,
) -> Result<Html<Plans>> {
    let at = visitor.as_ref().and_then(|visitor| visitor.at.as_ref()).filter(|at| at.role.reads_billing());
    let mut tx = app.db.read().await?;
    let offer = store::offer(&mut tx).await?;
    let billing = match at {
        Some(at) => subscription::store::billing(&mut tx, at.tenant.id.as_str()).await?,
        None => Billing::default(),
    };
    drop(tx);

    let ids: Vec<&str> = at
        .map(|at| [Some(at.tenant.id.as_str()), at.tenant.external_id.as_deref()])
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    let live = billing.live();
    let looker = Looker {
        ids: &ids,
        may_buy: at.is_some_and(|at| at.role.manages_billing()),
        signed_in: visitor.is_some(),
        trial_used: billing.trial_used,
        current: live.and_then(|live| Some((live.product_id.as_deref()?, live.price_id.as_deref()))),
    };
    let locked = billing.customer.as_ref().and_then(|customer| customer.currency);
    let currencies = pricing::currencies(&offer, app.catalog.currency);
    let currency = locked.unwrap_or_else(|| asked_currency(&asked, &currencies, app.catalog.currency));
    let interval = asked_interval(&asked, &offer, &billing);
    let shown = pricing::shown(&offer, &looker, interval, currency);
    Ok(Html(Plans {
        banner: billing
            .subscription
            .as_ref()
            .and_then(|subscription| Banner::new(&page, &billing, subscription)),
        intervals: interval_choices(&page, &shown, interval, currency),
        currencies: if locked.is_some() {
            Vec::new()
        } else {
            currency_choices(&currencies, interval, currency)
        },
        locked: locked.filter(|_| currencies.len() > 1).map(|currency| currency.code().to_ascii_uppercase()),
        cards: shown.iter().map(|shown| card(&page, shown, interval)).collect(),
        names: shown.iter().map(|shown| shown.plan.name(page.language()).to_owned()).collect(),
        comparison: pricing::comparison(&app.catalog, &shown, page.language()),
        metered: metered(&page, &app.catalog, &offer, interval, currency),
        here: form_urlencoded::byte_serialize(page.here().as_bytes()).collect(),
        seats: live.map_or(1, |live| live.quantity),
        may_change: looker.may_buy,
        interval,
        currency,
        page,
    }))
}

/// The currency asked for, if a plan has it.
fn asked_currency(asked: &Asked, known: &[Currency], default: Currency) -> Currency {
    asked.currency.parse().ok().filter(|currency| known.contains(currency)).unwrap_or(default)
}

/// The interval asked for, else the one that the tenant pays by, else the month.
fn asked_interval(asked: &Asked, offer: &Offer, billing: &Billing) -> Interval {
    let paid_by = || {
        let price = billing.live()?.price_id.as_deref()?;
        offer.plans.iter().flat_map(|plan| &plan.prices).find(|own| own.id == price).map(|own| own.interval)
    };
    match asked.interval.parse().ok().or_else(paid_by) {
        Some(Interval::Year) => Interval::Year,
        _ => Interval::Month,
    }
}

fn interval_choices(page: &Page, shown: &[Shown<'_>], interval: Interval, currency: Currency) -> Vec<Choice> {
    let saving = pricing::saving(shown, currency)
        .map(|percent| page.ta("catalog-save", [("share", page.percent(percent * 100))]));
    let choice = |of: Interval, name: &str, saving| Choice {
        name: page.t(name),
        query: format!("interval={of}&currency={currency}"),
        is_current: of == interval,
        saving,
    };
    vec![choice(Interval::Month, "catalog-monthly", None), choice(Interval::Year, "catalog-yearly", saving)]
}

fn currency_choices(known: &[Currency], interval: Interval, currency: Currency) -> Vec<Choice> {
    let choice = |of: &Currency| Choice {
        name: of.code().to_ascii_uppercase(),
        query: format!("interval={interval}&currency={of}"),
        is_current: *of == currency,
        saving: None,
    };
    if known.len() > 1 { known.iter().map(choice).collect() } else { Vec::new() }
}

fn card(page: &Page, shown: &Shown<'_>, interval: Interval) -> Card {
    let plan = shown.plan;
    let note = match (shown.action, &shown.instead_of) {
        (Action::Buy { trial_days }, _) if trial_days > 0 => page.ta("catalog-trial", [("days", trial_days)]),
        (_, Some(months)) => page.ta("catalog-instead-of", [("price", page.money_short(months))]),
        (_, None) if interval == Interval::Year => page.t("catalog-billed-yearly"),
        (_, None) => page.t("catalog-billed-monthly"),
    };
    Card {
        slug: plan.slug.clone(),
        name: plan.name(page.language()).to_owned(),
        description: plan.description(page.language()).unwrap_or_default().to_owned(),
        price: shown.price.as_ref().map(|price| page.money_short(price)),
        per: page.t(per(interval, plan.facts.per_seat)),
        note,
        features: plan.marketing_features(page.language()).to_vec(),
        is_highlighted: plan.facts.highlighted,
        is_current: shown.is_current,
        per_seat: plan.facts.per_seat,
        action: shown.action,
    }
}

/// The key of the words behind a price.
pub(crate) fn per(interval: Interval, per_seat: bool) -> &'static str {
    match (interval, per_seat) {
        (Interval::Day, false) => "catalog-per-day",
        (Interval::Day, true) => "catalog-per-seat-day",
        (Interval::Week, false) => "catalog-per-week",
        (Interval::Week, true) => "catalog-per-seat-week",
        (Interval::Month, false) => "catalog-per-month",
        (Interval::Month, true) => "catalog-per-seat-month",
        (Interval::Year, false) => "catalog-per-year",
        (Interval::Year, true) => "catalog-per-seat-year",
    }
}

/// A line for each thing that is billed after use: “AI tokens: €3.00 for 1,000,000, billed after use”.
fn metered(
    page: &Page,
    catalog: &Catalog,
    offer: &Offer,
    interval: Interval,
    currency: Currency,
) -> Vec<String> {
    let line = |metered: &super::Metered| {
        let price = metered.price(interval, currency).or_else(|| metered.price(Interval::Month, currency))?;
        let amount = price.amounts.get(&currency)?;
        let decimal = amount.decimal.clone().or_else(|| amount.unit.map(|unit| unit.to_string()))?;
        let declared = catalog.metered.iter().find(|declared| declared.metric == metered.metric);
        let units = declared.map_or(1, |declared| declared.shown_per);
        let name = catalog
            .metric(&metered.metric)
            .map_or(metered.metric.as_str(), |m| pricing::words(&m.name, page.language()));
        let cost = page.language().unit_price(&decimal, units, currency)?;
        let args = [("name", page.arg(name)), ("price", page.arg(&cost)), ("units", page.arg(&units))];
        Some(page.ta("catalog-metered", args))
    };
    offer.metered.iter().filter_map(line).collect()
}
