//! Collecting what an invoice asks for: payment intent, charge, and what their outcome means.

use serde_json::{Value, json};

use super::{invoices, status};
use crate::sandbox::cards::{self, Behavior, Decline};
use crate::sandbox::errors::ApiError;
use crate::sandbox::json::Json;
use crate::sandbox::objects::{charges, disputes};
use crate::sandbox::settings::DAY;
use crate::sandbox::state::State;
use crate::sandbox::store::Kind;

/// Whether the customer is there to authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Nobody is there.
    Away,
    /// The customer has just authenticated.
    Authenticated,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is paid.
    Paid,
    /// The bank refused.
    Declined(Decline),
    /// The bank wants the customer to authenticate.
    NeedsAction,
    /// There is no payment method to charge.
    NoMethod,
}

impl Outcome {
    /// The error of a request that wanted the payment to succeed.
    pub(crate) fn error(self) -> Option<ApiError> {
        match self {
            Self::Paid => None,
            Self::Declined(decline) => Some(refusal(decline)),
            Self::NeedsAction => Some(ApiError::card(
                "subscription_payment_intent_requires_action",
                None,
                "Payment for this subscription requires additional user action before it can be completed successfully.",
            )),
            Self::NoMethod => Some(ApiError::invalid(
                "payment_method",
                "This customer has no attached payment source or default payment method. Please consider adding a \
                 default payment method.",
            )
            .code("resource_missing")),
        }
    }
}

/// The error of a refused card.
pub(crate) fn refusal(decline: Decline) -> ApiError {
    ApiError::card(decline.code, decline.decline_code, decline.message)
}

/// Prepares the payment of a finalized invoice: a payment intent and the invoice payment that ties them.
pub(crate) fn prepare(state: &mut State, invoice_id: &str) {
    let invoice = state.find(Kind::Invoice, invoice_id);
    let amount = invoice.int("amount_remaining");
    let intent = state.id("pi_");
    let secret = state.token(&format!("{intent}_secret_"), 24);
    let object = charges::intent(state, &intent, &invoice, amount, &secret);
    state.create(Kind::PaymentIntent, object, "payment_intent.created");
    let id = state.id("inpay_");
    let payment = json!({
        "id": id, "object": "invoice_payment", "amount_paid": null, "amount_requested": amount, "created": state.at,
        "currency": invoice["currency"], "invoice": invoice_id, "is_default": true, "livemode": false,
        "payment": { "payment_intent": intent, "type": "payment_intent" }, "status": "open",
        "status_transitions": { "canceled_at": null, "paid_at": null },
    });
    state.create(Kind::InvoicePayment, payment, "");
    state.amend(Kind::Invoice, invoice_id, |invoice| {
        invoice.set_note("intent", json!(intent));
        invoice.set_note("payment", json!(id));
        invoice.set_note("confirmation_secret", json!({ "client_secret": secret, "type": "payment_intent" }));
    });
}

/// The payment method that an invoice is charged to.
pub(crate) fn method_for(state: &State, invoice: &Value) -> Option<String> {
    let subscription = invoices::subscription_of(invoice).map(|id| state.find(Kind::Subscription, id));
    let customer = state.find(Kind::Customer, invoice.text("customer"));
    let candidates = [
        invoice.maybe_text("default_payment_method"),
        subscription.as_ref().and_then(|sub| sub.maybe_text("default_payment_method")),
        customer.maybe_text("/invoice_settings/default_payment_method"),
    ];
    candidates
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .find(|id| state.find(Kind::PaymentMethod, id).maybe_text("customer") == Some(customer.text("id")))
}

/// Tries to collect an open invoice.
pub(crate) fn collect(state: &mut State, id: &str, method: Option<&str>, presence: Presence) -> Outcome {
    let invoice = state.find(Kind::Invoice, id);
    if invoice.text("status") == "paid" {
        return Outcome::Paid;
    }
    let method = method.map(str::to_owned).or_else(|| method_for(state, &invoice));
    let outcome = match &method {
        None => Outcome::NoMethod,
        Some(method) => authorize(state, method, presence),
    };
    match (outcome, &method) {
        (Outcome::Paid, Some(method)) => succeed(state, &invoice, method),
        _ => fail(state, &invoice, method.as_deref(), outcome),
    }
    outcome
}

/// What a card answers.
fn authorize(state: &State, method: &str, presence: Presence) -> Outcome {
    let method = state.find(Kind::PaymentMethod, method);
    let card = method.note("number").as_str().and_then(cards::by_number);
    let set_up = method.note("authenticated").as_bool().unwrap_or_default();
    match card.map(|card| card.behavior) {
        None => Outcome::Declined(cards::NOT_A_TEST_CARD),
        Some(Behavior::Pays | Behavior::Disputes) => Outcome::Paid,
        Some(Behavior::Refused(decline) | Behavior::RefusedLater(decline)) => Outcome::Declined(decline),
        Some(Behavior::Authenticates) if set_up => Outcome::Paid,
        Some(Behavior::Authenticates | Behavior::AlwaysAuthenticates) => match presence {
            Presence::Authenticated => Outcome::Paid,
            Presence::Away => Outcome::NeedsAction,
        },
    }
}

fn succeed(state: &mut State, invoice: &Value, method: &str) {
    let intent = invoice.note("intent").as_str().unwrap_or_default().to_owned();
    let amount = invoice.int("amount_remaining");
    let charge = charges::make(state, invoice, method, &intent, None);
    let at = state.at;
    state.amend(Kind::PaymentIntent, &intent, |intent| {
        intent["status"] = json!("succeeded");
        intent["amount_received"] = json!(amount);
        intent["latest_charge"] = json!(charge);
        intent["payment_method"] = json!(method);
        intent["last_payment_error"] = Value::Null;
        intent["next_action"] = Value::Null;
    });
    let paid_intent = state.find(Kind::PaymentIntent, &intent);
    state.emit("payment_intent.succeeded", &paid_intent, None);
    if let Some(payment) = invoice.note("payment").as_str() {
        state.amend(Kind::InvoicePayment, payment, |payment| {
            payment["status"] = json!("paid");
            payment["amount_paid"] = json!(amount);
            payment["status_transitions"]["paid_at"] = json!(at);
        });
        let payment = state.find(Kind::InvoicePayment, payment);
        state.emit("invoice_payment.paid", &payment, None);
    }
    let id = invoice.id();
    state.amend(Kind::Invoice, &id, |invoice| {
        invoice["attempt_count"] = json!(invoice.int("attempt_count") + 1);
    });
    invoices::mark_paid(state, &id);
    let card = state.find(Kind::PaymentMethod, method).note("number").as_str().and_then(cards::by_number);
    if card.is_some_and(|card| card.behavior == Behavior::Disputes) {
        // The charge was just made: it can be disputed.
        let _ = disputes::open(state, &charge, "fraudulent");
    }
}

fn fail(state: &mut State, invoice: &Value, method: Option<&str>, outcome: Outcome) {
    let id = invoice.id();
    let intent = invoice.note("intent").as_str().unwrap_or_default().to_owned();
    let decline = match outcome {
        Outcome::Declined(decline) => Some(decline),
        _ => None,
    };
    let charge = decline
        .zip(method)
        .map(|(decline, method)| charges::make(state, invoice, method, &intent, Some(decline)));
    state.amend(Kind::PaymentIntent, &intent, |object| {
        if outcome == Outcome::NeedsAction {
            object["status"] = json!("requires_action");
            object["payment_method"] = json!(method);
            object["next_action"] =
                json!({ "type": "use_stripe_sdk", "use_stripe_sdk": { "type": "three_d_secure_redirect" } });
        } else {
            object["status"] = json!("requires_payment_method");
            object["payment_method"] = Value::Null;
            object["latest_charge"] = json!(charge);
            object["last_payment_error"] =
                outcome.error().map_or(Value::Null, |error| error.body()["error"].clone());
        }
    });
    let told = state.find(Kind::PaymentIntent, &intent);
    let event = if outcome == Outcome::NeedsAction { "requires_action" } else { "payment_failed" };
    if !told.is_null() {
        state.emit(&format!("payment_intent.{event}"), &told, None);
    }
    count_attempt(state, &id);
    let failed = state.find(Kind::Invoice, &id);
    state.emit("invoice.payment_failed", &failed, None);
    if outcome == Outcome::NeedsAction {
        state.emit("invoice.payment_action_required", &failed, None);
    }
    state.tell_update(Kind::Invoice, &id, "invoice.updated", invoice);
    status::after_failure(state, &failed);
}

/// Counts a failed attempt and plans the next: so many days after the first failure. A subscription's first invoice is not
/// tried again by itself.
fn count_attempt(state: &mut State, id: &str) {
    let (at, days) = (state.at, state.settings.retry_days.clone());
    state.amend(Kind::Invoice, id, |invoice| {
        let first = invoice.note("first_failure").as_i64().unwrap_or(at);
        let attempts = invoice.int("attempt_count") + 1;
        invoice.set_note("first_failure", json!(first));
        invoice["attempted"] = json!(true);
        invoice["attempt_count"] = json!(attempts);
        let retried = !matches!(invoice.text("billing_reason"), "subscription_create" | "manual")
            && invoice.note("pending_update").is_null()
            && invoice.note("resumes") != "attempt"
            && invoice.text("collection_method") == "charge_automatically";
        let next = days.iter().map(|day| first + day * DAY).find(|next| *next > at);
        invoice["next_payment_attempt"] = json!(next.filter(|_| retried));
        if next.is_none() {
            invoice["auto_advance"] = json!(false);
        }
    });
}

/// Cancels the payment of an invoice that will not be paid.
pub(crate) fn abandon(state: &mut State, invoice: &str) {
    let invoice = state.find(Kind::Invoice, invoice);
    let at = state.at;
    if let Some(intent) = invoice.note("intent").as_str() {
        state.amend(Kind::PaymentIntent, intent, |intent| {
            intent["status"] = json!("canceled");
            intent["canceled_at"] = json!(at);
            intent["cancellation_reason"] = json!("void_invoice");
        });
        let intent = state.find(Kind::PaymentIntent, intent);
        state.emit("payment_intent.canceled", &intent, None);
    }
    if let Some(payment) = invoice.note("payment").as_str() {
        state.amend(Kind::InvoicePayment, payment, |payment| {
            payment["status"] = json!("canceled");
            payment["status_transitions"]["canceled_at"] = json!(at);
        });
    }
}
