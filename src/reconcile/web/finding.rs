//! One finding: what differs, why it matters, and what would put it right.

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use crate::app::App;
use crate::audit::Actor;
use crate::auth::Staff;
use crate::clock::from_seconds;
use crate::error::{Error, FieldError, Result, WayOn};
use crate::money::{Currency, Money};
use crate::reconcile::store::{self, FindingRow};
use crate::reconcile::work::Means;
use crate::reconcile::work::repair::{self, Refusal, Wish};
use crate::reconcile::{Change, Offer, Repair, State, serves};
use crate::stripe::Budget;
use crate::stripe::snapshot::SubscriptionStatus;
use crate::tenants;
use crate::web::{ClientAddress, Flash, Form, Html, Page, redirect};

/// Fields that hold money, in minor units of the finding's currency.
const MONEY: [&str; 10] = [
    "subtotal",
    "discount",
    "tax",
    "total",
    "starting_balance",
    "amount_due",
    "amount_paid",
    "amount_remaining",
    "amount",
    "amount_refunded",
];

#[derive(Template)]
#[template(path = "reconcile/finding.html")]
pub(super) struct FindingPage {
    page: Page,
    row: FindingRow,
    changes: Vec<Change>,
    tenant: Option<String>,
    keep: String,
    wanted: String,
}

impl FindingPage {
    /// A value in words: amounts, times and texts as people read them.
    fn value(&self, field: &str, value: &Value) -> String {
        match value {
            Value::Null => self.page.t("reconcile-nothing"),
            Value::Bool(true) => self.page.t("reconcile-yes"),
            Value::Bool(false) => self.page.t("reconcile-no"),
            Value::String(text) => text.clone(),
            Value::Number(number) => {
                let Some(whole) = number.as_i64() else { return number.to_string() };
                match self.row.currency.filter(|_| MONEY.contains(&field)) {
                    Some(currency) => self.page.money(Money::new(whole, currency)),
                    None if is_time(field) => self.page.date_time(from_seconds(whole)),
                    None => self.page.number(whole),
                }
            }
            other => other.to_string(),
        }
    }

    /// A subscription among which to choose, in words.
    fn choice(&self, choice: &Value) -> String {
        let text = |name: &str| choice[name].as_str().unwrap_or_default().to_owned();
        let currency: Option<Currency> = text("currency").parse().ok();
        let price = currency.zip(choice["unit_amount"].as_i64());
        let price = price.map(|(currency, minor)| self.page.money(Money::new(minor, currency)));
        let at =
            |name: &str| choice[name].as_i64().map(|at| self.page.date(from_seconds(at))).unwrap_or_default();
        let args = [
            ("product", text("product")),
            ("status", text("status")),
            ("price", price.unwrap_or_default()),
            ("created", at("created")),
            ("until", at("period_end")),
        ];
        self.page.ta("reconcile-choice", args)
    }

    fn is_choice(&self) -> bool {
        self.row.repair == Repair::KeepOne
    }

    /// What is asked, as long as the finding is open.
    fn offer(&self) -> Option<Offer> {
        self.row.offer().filter(|_| self.is_open())
    }

    /// The words about what would put it right.
    fn about(&self) -> &'static str {
        match self.row.offer() {
            Some(Offer::Tenant) => "reconcile-about-give",
            Some(Offer::Missing) => "reconcile-about-missing",
            _ => self.row.repair.about(),
        }
    }

    fn is_open(&self) -> bool {
        self.row.state == State::Open
    }

    fn settled(&self) -> String {
        self.row.settled_at.map(|at| self.page.date_time(from_seconds(at))).unwrap_or_default()
    }
}

fn is_time(field: &str) -> bool {
    field.ends_with("_at") || field.ends_with("_start") || field.ends_with("_end")
}

async fn load(page: Page, app: &App, id: &str) -> Result<FindingPage> {
    let mut tx = app.db.read().await?;
    let row = store::finding(&mut tx, id).await?.ok_or(Error::NotFound)?;
    let tenant = match row.tenant_id.as_deref().and_then(|id| id.parse::<tenants::TenantId>().ok()) {
        Some(id) => tenants::store::find(&mut tx, id.as_str()).await?.map(|tenant| tenant.name),
        None => None,
    };
    drop(tx);
    let changes = row.changes();
    let keep = if row.repair == Repair::KeepOne { proposed(&changes) } else { String::new() };
    Ok(FindingPage { page, changes, row, tenant, keep, wanted: String::new() })
}

/// Of several subscriptions, the one to keep unless somebody says otherwise: the one that serves best, and of those that was there
/// first. None, where nobody is served.
fn proposed(choices: &[Change]) -> String {
    let rank = |choice: &&Change| {
        let status: Option<SubscriptionStatus> = serde_json::from_value(choice.stripe["status"].clone()).ok();
        status.as_ref().and_then(serves).map(|rank| (rank, choice.stripe["created"].as_i64()))
    };
    let best = choices.iter().filter(|choice| rank(choice).is_some()).min_by_key(rank);
    best.map(|choice| choice.field.clone()).unwrap_or_default()
}

pub(super) async fn show(
    page: Page,
    Shared(app): Shared<App>,
    _: Staff,
    Path(id): Path<String>,
) -> Result<Html<FindingPage>> {
    Ok(Html(load(page, &app, &id).await?))
}

#[derive(Deserialize)]
pub(super) struct Asked {
    /// The subscription to keep, where there are two.
    #[serde(default)]
    keep: String,
    /// Whether the time that is left is credited.
    #[serde(default)]
    credit: String,
    /// The tenant that gets the customer.
    #[serde(default)]
    tenant: String,
}

pub(super) async fn repair(
    page: Page,
    Shared(app): Shared<App>,
    staff: Staff,
    ClientAddress(address): ClientAddress,
    Path(id): Path<String>,
    Form(asked): Form<Asked>,
) -> Result<Response> {
    let mut shown = load(page, &app, &id).await?;
    let back = format!("/staff/reconciliation/findings/{id}");
    let wish = Wish {
        keep: Some(asked.keep.clone()).filter(|keep| !keep.is_empty()),
        credit: asked.credit == "yes",
        tenant: Some(asked.tenant.trim().to_owned()).filter(|tenant| !tenant.is_empty()),
    };
    let actor = Actor::User(staff.user.id.as_str().to_owned());
    let means = Means::from(&app);
    let done = repair::one(&means, &shown.row, &wish, &actor, &address.to_string(), Budget::page()).await;
    match done {
        Ok(()) => Ok(redirect(back).flash(Flash::success("reconcile-repaired")).into_response()),
        Err(refusal) if of_field(&refusal, &wish).is_some() => {
            shown.page = shown.page.with_errors(of_field(&refusal, &wish).into_iter().collect());
            (shown.keep, shown.wanted) = (asked.keep, asked.tenant);
            Ok((http::StatusCode::UNPROCESSABLE_ENTITY, Html(shown)).into_response())
        }
        Err(refusal) => Err(explain(refusal, back)),
    }
}

/// What is wrong with a field, where it is one.
fn of_field(refusal: &Refusal, wish: &Wish) -> Option<FieldError> {
    let (field, words) = match refusal {
        Refusal::NotAChoice => ("keep", "reconcile-choose"),
        Refusal::WouldHurt => ("keep", "reconcile-would-hurt"),
        Refusal::NoSuchTenant => ("tenant", "reconcile-no-such-tenant"),
        Refusal::NotAttached if wish.tenant.is_some() => ("tenant", "reconcile-not-attached"),
        _ => return None,
    };
    Some(FieldError::new(field, words))
}

fn explain(refusal: Refusal, back: String) -> Error {
    let reason = match refusal {
        Refusal::Settled => "reconcile-settled-before",
        Refusal::ByHand | Refusal::NotAChoice | Refusal::WouldHurt | Refusal::NoSuchTenant => {
            "reconcile-about-by-hand"
        }
        Refusal::NothingMissing => "reconcile-nothing-missing",
        Refusal::TooOld => "reconcile-too-old",
        Refusal::NotAnOrphan => "reconcile-not-an-orphan",
        Refusal::NotAttached => "reconcile-not-attached",
        Refusal::Failed(error) => return error.into(),
    };
    Error::Conflict { reason, way_on: Some(WayOn { to: back, label: "reconcile-back" }) }
}
