//! What a change would cost: the quote that programs are given.

use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Wanted, effective_at, refuse, wrong};
use crate::api::view::told;
use crate::api::{Draft, TenantManager};
use crate::app::App;
use crate::change::{self, Bought, Difference, LimitChange, Review, Timing, Verdict, Wish};
use crate::clock::from_seconds;
use crate::error::Result;
use crate::stripe::Budget;
use crate::subscription::api::Plan;
use crate::tenants::Tenant;

/// What a change would cost, in Stripe's own reckoning. Amounts are minor units of `currency`; nothing has changed yet.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Preview {
    #[schema(example = "eur")]
    currency: String,
    /// Given back for what is left of the period.
    #[schema(example = 1450)]
    credit: i64,
    /// Charged for what is new.
    #[schema(example = 4950)]
    charge: i64,
    /// Taken off by coupons.
    discount: i64,
    /// Taxes on top.
    tax: i64,
    /// Taxes that the amounts contain already.
    tax_included: i64,
    /// What the customer's balance does: below zero, its credit is used up; above, what was owed is asked for.
    balance: i64,
    /// What is given back beyond what is charged: it stays as credit for later invoices.
    credit_kept: i64,
    /// Charged when the change is made: charge − credit − discount + tax + balance + credit_kept.
    #[schema(example = 3500)]
    due_today: i64,
    /// What the invoice after the change asks for as things stand: with taxes, discounts, use so far and the customer's balance;
    /// null where none follows, as at the end of a trial that is paused for want of a payment method.
    #[schema(example = 9900)]
    next_invoice: Option<i64>,
    /// When that is.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_invoice_at: Option<Timestamp>,
    /// What the plan costs in each period from then on, before discounts, taxes and what is billed after use.
    #[schema(example = 9900)]
    recurring: i64,
    /// When it takes effect: now, or with the end of the period; until then it can be undone.
    #[schema(value_type = String, format = DateTime)]
    effective_at: Timestamp,
    /// Whether it waits for the end of the period.
    is_scheduled: bool,
    from: Side,
    to: Side,
    /// Ids of features that come.
    features_gained: Vec<String>,
    /// Ids of features that go.
    features_lost: Vec<String>,
    /// Limits of the new plan that are below what will be in use when it takes effect. What is counted by the period is among
    /// them only where the change falls into the period.
    limits_exceeded: Vec<Exceeded>,
    /// Hand it to `PUT /subscription/update`: then exactly this is charged, or nothing.
    quote: String,
    /// Until when the quote holds.
    #[schema(value_type = String, format = DateTime)]
    quote_expires_at: Timestamp,
}

/// What is bought, before or after.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChangeSide)]
struct Side {
    plan: Plan,
    #[schema(example = "month")]
    billing_interval: &'static str,
    quantity: i64,
}

/// A limit that is below what is in use.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExceededLimit)]
struct Exceeded {
    #[schema(example = "users")]
    metric_type: String,
    current_value: i64,
    limit_value: i64,
    /// By how much the use is beyond the limit.
    #[schema(example = 4)]
    exceeded_by: i64,
    /// Whether it is a level, to be reduced before `effective_at`; what is counted cannot be, and starts anew with the next
    /// period.
    can_be_reduced: bool,
}

impl Exceeded {
    fn new(limit: LimitChange) -> Option<Self> {
        Some(Self {
            limit_value: limit.to.and_then(|to| to.limit).unwrap_or(0),
            metric_type: limit.metric,
            current_value: limit.used,
            exceeded_by: limit.verdict.beyond()?,
            can_be_reduced: matches!(limit.verdict, Verdict::Reduce(_)),
        })
    }
}

impl Side {
    fn new(bought: &Bought<'_>, tenant: &Tenant) -> Self {
        Self {
            plan: Plan::new(bought.plan, tenant),
            billing_interval: bought.price.interval.as_str(),
            quantity: bought.quantity,
        }
    }
}

/// Preview a change of plan, interval or seats.
///
/// Upgrades take effect at once and settle the rest of the period to the second; downgrades wait for its end. 409 says what
/// has to be done first, such as `payment_missing` or `subscription_ending`.
#[utoipa::path(
    post, path = "/subscription/preview", tag = "subscription", operation_id = "preview_change", request_body = Wanted,
    security(("key" = ["billing:write"]), ("token" = ["owner", "admin"])),
    responses((status = 200, description = "What it would cost, with a quote.", body = Preview))
)]
pub(super) async fn preview(
    State(app): State<App>,
    manager: TenantManager,
    draft: Draft<Wish>,
) -> Result<axum::Json<Preview>> {
    let tenant = &manager.tenant;
    let facts = change::facts(&app, tenant).await?;
    let decided = change::decide(&draft.value, tenant, &facts).map_err(refuse);
    if draft.is_wrong() {
        return Err(draft.refused(wrong(decided)));
    }
    let (from, to) = decided?;
    let review = change::review(&app, tenant, &facts, &from, &to, Budget::page()).await.map_err(told)?;
    let difference = change::difference(from.plan, to.plan, &facts.used, review.quote.timing);
    let quote = review.quote.sign(&app.stripe.derive_key("quote"));
    let sides = (Side::new(&from, tenant), Side::new(&to, tenant));
    Ok(axum::Json(shown(review, sides, difference, quote, app.clock.now())))
}

fn shown(
    review: Review,
    (from, to): (Side, Side),
    difference: Difference,
    quote: String,
    now: Timestamp,
) -> Preview {
    let exceeded = difference.limits.into_iter().filter_map(Exceeded::new);
    let figures = review.figures;
    Preview {
        currency: review.currency.code().to_owned(),
        credit: figures.credit.saturating_neg(),
        charge: figures.charge,
        discount: figures.discount,
        tax: figures.tax,
        tax_included: figures.tax_included,
        balance: figures.balance,
        credit_kept: figures.credit_kept,
        due_today: figures.due,
        next_invoice: review.next.map(|next| next.due),
        next_invoice_at: review.next.and_then(|next| next.at).map(from_seconds),
        recurring: review.recurring,
        effective_at: effective_at(review.quote.timing, now),
        is_scheduled: review.quote.timing != Timing::Now,
        from,
        to,
        features_gained: difference.gained,
        features_lost: difference.lost,
        limits_exceeded: exceeded.collect(),
        quote,
        quote_expires_at: from_seconds(review.quote.expires_at),
    }
}
