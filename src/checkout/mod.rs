//! From the pricing page through Stripe Checkout and back.
//!
//! Owns what may be ordered, the one session that a tenant may have open, and the way back. It never grants anything: a plan
//! is in force when `sync` has written the subscription that Stripe knows of.

pub mod api;
mod start;
pub mod store;
pub mod web;
pub mod work;

pub use start::{customer, place, refresh, start};
pub use web::router;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::{Interval, Offer, Plan};
use crate::error::FieldError;
use crate::money::Currency;
use crate::stripe::calls::checkout::{CheckoutDiscount, NewCheckout};
use crate::stripe::{CustomerId, PriceId};

/// Most seats in one order: more is a slip of the finger, or a contract.
pub const MAX_QUANTITY: i64 = 10_000;

/// Most days of a trial that a program may ask for.
pub const MAX_TRIAL_DAYS: u16 = 30;

/// A session is given back to who asks again while it has this much time left, in seconds. Stripe makes none that would be
/// open for less than half an hour (`expires_at` of <https://docs.stripe.com/api/checkout/sessions/create>).
const REUSE_SECONDS: i64 = 31 * 60;

/// What somebody asked for, as it was typed.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Wish {
    /// The plan's slug or id.
    #[serde(default)]
    pub plan: String,
    /// `month` or `year`.
    #[serde(default)]
    pub interval: String,
    /// How many seats; absent is one.
    #[serde(default)]
    pub quantity: Option<String>,
    /// In which currency; absent is the catalogue's.
    #[serde(default)]
    pub currency: Option<String>,
    /// Days that are free first; absent is what the plan gives. No form has it.
    #[serde(skip)]
    pub trial_days: Option<u16>,
    /// What is taken off, by its word; absent lets the customer type a code on Stripe's page. No form has it.
    #[serde(skip)]
    pub coupon: Option<String>,
    /// Where to after paying, a path of ours. No form has it.
    #[serde(skip)]
    pub success: Option<String>,
    /// Where to after turning back, a path of ours. No form has it.
    #[serde(skip)]
    pub cancel: Option<String>,
}

/// Whose word a wish is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The customer's: gets what the plan gives, and what promotion codes give.
    Customer,
    /// The host application's own: may give longer trials, and coupons that no code is for.
    Host,
}

/// Who asks, as our rows know them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buyer {
    /// The Stripe customer, if there is one.
    pub customer: Option<CustomerId>,
    /// The currency that Stripe has locked for this customer.
    pub currency: Option<Currency>,
    /// Whether the tenant has had its trial.
    pub trial_used: bool,
    /// The subscription that is not over, if there is one.
    pub subscription: Option<String>,
}

/// What will be bought: everything that a session is made of, kept with its row, so that a retry asks Stripe for the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The plan's slug.
    pub plan: String,
    /// The plan's price.
    pub price: PriceId,
    /// Prices that are billed after use, beside it.
    pub metered: Vec<PriceId>,
    /// How many of the plan's price.
    pub quantity: i64,
    /// In which currency.
    pub currency: Currency,
    /// Days that are free first; 0 is none.
    pub trial_days: u16,
    /// What is taken off.
    #[serde(default)]
    pub discount: CheckoutDiscount,
    /// Where to after paying, a path of ours.
    #[serde(default)]
    pub success: Option<String>,
    /// Where to after turning back, a path of ours.
    #[serde(default)]
    pub cancel: Option<String>,
}

/// Why an order cannot be, named for the field that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such plan, or not for this tenant: both look the same.
    NoSuchPlan,
    /// The interval is none.
    NoSuchInterval,
    /// The plan has no price for this interval and currency.
    NoSuchPrice,
    /// The currency is none.
    NoSuchCurrency,
    /// Stripe bills this customer in another currency.
    CurrencyLocked(Currency),
    /// The number of seats is none, below one, or above [`MAX_QUANTITY`].
    Quantity,
    /// The plan is not sold by seat.
    NotPerSeat,
    /// The tenant has had its trial.
    TrialUsed,
    /// The plan gives a customer this many free days, and no more.
    TrialTooLong(u16),
    /// No discount of that word can be used.
    NoSuchDiscount,
}

impl Refusal {
    /// The field of the form.
    pub fn field(self) -> &'static str {
        match self {
            Self::NoSuchPlan => "plan",
            Self::NoSuchInterval | Self::NoSuchPrice => "interval",
            Self::NoSuchCurrency | Self::CurrencyLocked(_) => "currency",
            Self::Quantity | Self::NotPerSeat => "quantity",
            Self::TrialUsed | Self::TrialTooLong(_) => "trial_days",
            Self::NoSuchDiscount => "coupon",
        }
    }

    /// The text that says it.
    pub fn key(self) -> &'static str {
        match self {
            Self::NoSuchPlan => "checkout-no-such-plan",
            Self::NoSuchInterval => "checkout-no-such-interval",
            Self::NoSuchPrice => "checkout-no-such-price",
            Self::NoSuchCurrency => "checkout-no-such-currency",
            Self::CurrencyLocked(_) => "checkout-currency-locked",
            Self::Quantity => "checkout-quantity",
            Self::NotPerSeat => "checkout-not-per-seat",
            Self::TrialUsed => "checkout-trial-used",
            Self::TrialTooLong(_) => "checkout-trial-long",
            Self::NoSuchDiscount => "checkout-no-such-discount",
        }
    }
}

impl From<Refusal> for FieldError {
    fn from(refusal: Refusal) -> Self {
        let error = Self::new(refusal.field(), refusal.key());
        match refusal {
            Refusal::CurrencyLocked(currency) => error.with("currency", currency.code().to_uppercase()),
            Refusal::Quantity => error.with("most", MAX_QUANTITY),
            Refusal::TrialTooLong(most) => error.with("most", i64::from(most)),
            _ => error,
        }
    }
}

/// Turns a wish into an order, without its discount, which Stripe knows. `ids` are the tenant's, ours and the host's; `default`
/// is the currency where none is asked for.
///
/// # Errors
/// Whatever was asked for and is not for sale to this buyer, each field once; nothing is guessed.
pub fn order(
    wish: &Wish,
    offer: &Offer,
    ids: &[&str],
    buyer: &Buyer,
    default: Currency,
    trust: Trust,
) -> Result<Order, Vec<Refusal>> {
    let mut wrong = Vec::new();
    let plan = note(&mut wrong, offer.plan_for_sale(&wish.plan, ids).ok_or(Refusal::NoSuchPlan));
    let interval = note(&mut wrong, interval(&wish.interval));
    let currency = note(&mut wrong, currency(wish, buyer, default));
    let price = match (plan, interval, currency) {
        (Some(plan), Some(interval), Some(currency)) => {
            note(&mut wrong, plan.price(interval, currency).ok_or(Refusal::NoSuchPrice))
        }
        _ => None,
    };
    let price = price.and_then(|price| note(&mut wrong, price.id.parse().map_err(|_| Refusal::NoSuchPlan)));
    let quantity = note(&mut wrong, quantity(wish.quantity.as_deref(), 1, plan));
    let trial_days = plan.and_then(|plan| note(&mut wrong, trial_days(wish, plan, buyer, trust)));
    let (Some(plan), Some(price), Some(interval), Some(currency), Some(quantity), Some(trial_days)) =
        (plan, price, interval, currency, quantity, trial_days)
    else {
        return Err(wrong);
    };
    let metered = offer.metered.iter().filter_map(|metered| metered.price(interval, currency));
    Ok(Order {
        plan: plan.slug.clone(),
        price,
        metered: metered.filter_map(|price| price.id.parse().ok()).collect(),
        quantity,
        currency,
        trial_days,
        discount: CheckoutDiscount::AskForCode,
        success: wish.success.clone(),
        cancel: wish.cancel.clone(),
    })
}

/// What is right; what is wrong is noted.
pub fn note<T>(wrong: &mut Vec<Refusal>, result: Result<T, Refusal>) -> Option<T> {
    result.map_err(|refusal| wrong.push(refusal)).ok()
}

/// A tenant has one trial. What is asked for and cannot be is said, never given less in silence.
fn trial_days(wish: &Wish, plan: &Plan, buyer: &Buyer, trust: Trust) -> Result<u16, Refusal> {
    let given = plan.facts.trial_days;
    match wish.trial_days {
        None if buyer.trial_used => Ok(0),
        None => Ok(given),
        Some(0) => Ok(0),
        Some(_) if buyer.trial_used => Err(Refusal::TrialUsed),
        Some(days) if days > given && trust == Trust::Customer => Err(Refusal::TrialTooLong(given)),
        Some(days) => Ok(days),
    }
}

fn currency(wish: &Wish, buyer: &Buyer, default: Currency) -> Result<Currency, Refusal> {
    let asked = match wish.currency.as_deref().filter(|text| !text.is_empty()) {
        None => return Ok(buyer.currency.unwrap_or(default)),
        Some(text) => text.parse().map_err(|_| Refusal::NoSuchCurrency)?,
    };
    match buyer.currency {
        Some(locked) if locked != asked => Err(Refusal::CurrencyLocked(locked)),
        _ => Ok(asked),
    }
}

/// How often a wish is charged.
///
/// # Errors
/// It names no interval.
pub fn interval(text: &str) -> Result<Interval, Refusal> {
    text.parse().map_err(|_| Refusal::NoSuchInterval)
}

/// How many of a plan's price a wish is for, `absent` where it does not say. Without a plan it is judged as for any.
///
/// # Errors
/// It is no number of seats, or the plan has none.
pub fn quantity(text: Option<&str>, absent: i64, plan: Option<&Plan>) -> Result<i64, Refusal> {
    let quantity = match text.map(str::trim).filter(|text| !text.is_empty()) {
        None => absent,
        Some(text) => text.parse().map_err(|_| Refusal::Quantity)?,
    };
    match quantity {
        1 => Ok(1),
        2..=MAX_QUANTITY if plan.is_none_or(|plan| plan.facts.per_seat) => Ok(quantity),
        2..=MAX_QUANTITY => Err(Refusal::NotPerSeat),
        _ => Err(Refusal::Quantity),
    }
}

/// Where a session stands, in our row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The row is there, Stripe was asked or will be.
    Starting,
    /// The customer can pay.
    Open,
    /// The customer is through.
    Complete,
    /// Too late, or given up for another.
    Expired,
}

impl State {
    /// As it stands in the row.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Expired => "expired",
        }
    }

    pub(crate) fn from_row(text: &str) -> Self {
        match text {
            "starting" => Self::Starting,
            "open" => Self::Open,
            "complete" => Self::Complete,
            _ => Self::Expired,
        }
    }
}

/// A session, in our row.
#[derive(Clone, Debug)]
pub struct Session {
    /// Ours; also what makes Stripe's idempotency key.
    pub id: String,
    /// The tenant that buys.
    pub tenant_id: String,
    /// Stripe's id, once it has one.
    pub stripe_id: Option<String>,
    /// Where it stands.
    pub state: State,
    /// What is bought.
    pub order: Order,
    /// What Stripe is asked for, word for word the same at each try.
    pub request: NewCheckout,
    /// Where the customer pays.
    pub url: Option<String>,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// What to do for who wants to buy while a session is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go on with it: it is for the same order.
    Reuse,
    /// Ask Stripe for it, under the same key: it was started and never answered.
    Ask,
    /// Close it first: it is for another order, or nearly over.
    Replace,
}

impl Session {
    /// What to do for who wants `order` now.
    pub fn next(&self, order: &Order, now: Timestamp) -> Next {
        let fresh = self.expires_at.as_second() - now.as_second() > REUSE_SECONDS;
        match self.state {
            _ if self.order != *order || !fresh => Next::Replace,
            State::Open if self.url.is_some() => Next::Reuse,
            State::Starting => Next::Ask,
            _ => Next::Replace,
        }
    }
}
