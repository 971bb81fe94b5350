//! What several endpoints show or refuse alike.

use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::auth::Role;
use crate::error::{Error, FieldError, Refusal};
use crate::i18n::Language;
use crate::money::Money;

/// An amount of money.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Amount {
    /// Whole minor units.
    #[schema(example = 2900)]
    pub amount: i64,
    /// Three letters.
    #[schema(example = "eur")]
    pub currency: String,
}

impl From<Money> for Amount {
    fn from(money: Money) -> Self {
        Self { amount: money.minor, currency: money.currency.code().to_owned() }
    }
}

/// What a member is: owner and admin change billing, a supervisor reads it, an operator has nothing to do with it.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// Changes billing, and who belongs to the tenant; one always remains.
    Owner,
    /// Changes billing.
    Admin,
    /// Reads billing.
    Supervisor,
    /// Neither.
    Operator,
}

impl From<Role> for MemberRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Admin => Self::Admin,
            Role::Supervisor => Self::Supervisor,
            Role::Operator => Self::Operator,
        }
    }
}

/// A share that is kept in hundredths of a per cent, in per cent with two decimals.
pub fn percent(share: Option<i64>) -> Option<f64> {
    let share = share?;
    format!("{}.{:02}", share / 100, share % 100).parse().ok()
}

/// A way on for programs: the call that helps.
type WayOn = Option<(&'static str, &'static str)>;

const PREVIEW: WayOn = Some(("POST", "/subscription/preview"));
const PORTAL: WayOn = Some(("POST", "/portal"));
const RESUME: WayOn = Some(("POST", "/subscription/resume"));
const CREATE: WayOn = Some(("POST", "/subscription/create"));

/// What stands in the way: the key of the words that pages say, the code that programs are told, and what to do instead.
const STANDS_IN_THE_WAY: [(&str, &str, WayOn); 16] = [
    ("checkout-already-subscribed", "live_subscription", PREVIEW),
    ("checkout-busy", "checkout_busy", CREATE),
    ("change-no-subscription", "no_subscription", CREATE),
    ("change-unknown-plan", "special_subscription", None),
    ("change-pay-first", "payment_missing", PORTAL),
    ("change-paused", "subscription_paused", RESUME),
    ("change-ending", "subscription_ending", RESUME),
    ("change-waiting", "payment_awaited", PORTAL),
    ("change-nothing-planned", "nothing_planned", PREVIEW),
    ("change-meanwhile", "changed_meanwhile", PREVIEW),
    ("change-expired", "quote_expired", PREVIEW),
    ("cancel-not-now", "not_in_this_state", Some(("GET", "/subscription"))),
    ("cancel-no-payment-method", "no_payment_method", PORTAL),
    ("subscription-nothing-yet", "no_subscription", CREATE),
    ("subscription-task-not-offered", "task_not_offered", PREVIEW),
    ("invoices-no-link", "no_document", None),
];

/// An error of the rules that pages share, told to a program: a conflict with a code of its own and the call that helps.
pub fn told(error: Error) -> Error {
    let (status, reason) = match &error {
        Error::Conflict { reason, .. } => (StatusCode::CONFLICT, *reason),
        Error::Gone { reason, .. } => (StatusCode::GONE, *reason),
        _ => return error,
    };
    let Some((_, code, way_on)) = STANDS_IN_THE_WAY.iter().find(|(known, ..)| *known == reason) else {
        return error;
    };
    let details = way_on
        .map_or_else(|| json!({}), |(method, path)| json!({ "next": { "method": method, "path": path } }));
    let refusal = Refusal::new(status, code, Language::En.word(reason)).details(details);
    // Two orders of one moment: the next try finds the other's page.
    let passes = *code == "checkout_busy";
    if passes { refusal.retry_after(1).into() } else { refusal.into() }
}

/// The codes of all that stands in the way, each with the words for it.
pub(super) fn codes() -> impl Iterator<Item = (&'static str, String)> {
    STANDS_IN_THE_WAY.iter().map(|(reason, code, _)| (*code, Language::En.word(reason)))
}

/// A field of the forms that is wrong, by the name that the API has for it.
pub fn named(error: FieldError) -> FieldError {
    let field = match error.field.as_str() {
        "plan" => "plan_id",
        "interval" => "billing_interval",
        same => same,
    };
    FieldError { field: field.to_owned(), ..error }
}
