//! What the hosted pages do on behalf of the person in front of them: pay a session, change a card, cancel, pay an invoice.
//!
//! The pages hold an [`engine::Handle`](super::engine::Handle) and call these within its `run`.

use serde_json::{Value, json};

use super::billing::payments::{self, Outcome, Presence};
use super::billing::{PaymentBehavior, cycle, discounts, end, invoices, subscribe};
use super::cards::{self, Behavior, Decline};
use super::errors::{Answer, ApiError};
use super::json::Json;
use super::objects::payment_methods::{self, Holder};
use super::objects::{checkout, customers, promotion_codes, tax_ids};
use super::state::State;
use super::store::Kind;

/// A card as it was typed in, and who pays. No `Debug`: a number must not come into a log.
#[derive(Clone, Default)]
pub(crate) struct CardInput {
    /// The number; only Stripe's test numbers are taken.
    pub(crate) number: String,
    /// Month, 1 to 12.
    pub(crate) exp_month: i64,
    /// Year, four digits.
    pub(crate) exp_year: i64,
    /// The card's holder or the company.
    pub(crate) name: Option<String>,
    /// E-mail address.
    pub(crate) email: Option<String>,
    /// Stripe's address object, or null.
    pub(crate) address: Value,
    /// A tax id: its type (`eu_vat`) and value.
    pub(crate) tax_id: Option<(String, String)>,
    /// Whether the holder has just authenticated with the bank.
    pub(crate) authenticated: bool,
}

/// Where the browser goes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Redirect(pub(crate) String);

/// Puts a promotion code on an open session (or takes it off, with an empty one): the session's amounts follow.
pub(crate) fn enter_code(state: &mut State, id: &str, code: &str) -> Answer<()> {
    let mut session = open_session(state, id)?;
    if !session.flag("allow_promotion_codes") {
        return Err(ApiError::refused("This session takes no promotion codes."));
    }
    session["discounts"] = json!([]);
    if !code.trim().is_empty() {
        let found = promotion_codes::by_code(state, code.trim());
        let found = found.ok_or_else(|| {
            ApiError::invalid("code", "This code is invalid.").code("promotion_code_invalid")
        })?;
        discounts::by_code(state, found.text("id"), session.text("customer"), "code")?;
        session["discounts"] = json!([{ "coupon": null, "promotion_code": found["id"] }]);
    }
    checkout::reckon(state, &mut session)?;
    state.store.put(Kind::Session, session);
    Ok(())
}

fn open_session(state: &mut State, id: &str) -> Answer<Value> {
    let session = state.need(Kind::Session, id, "id")?;
    if session.text("status") != "open" {
        return Err(ApiError::refused(format!("This session is {}.", session.text("status")))
            .code("session_not_open"));
    }
    if let Some(customer) = session.maybe_text("customer") {
        state.customer(customer, "customer")?;
    }
    Ok(Value::clone(&session))
}

/// Pays a checkout session: the customer is made or brought up to date, the card saved, the subscription made and paid.
/// A refusal leaves everything as it was.
pub(crate) fn complete_checkout(state: &mut State, id: &str, input: &CardInput) -> Answer<Redirect> {
    let mut session = open_session(state, id)?;
    let customer = payer(state, &session, input)?;
    let free = session.int("amount_total") == 0 && session.text("payment_method_collection") == "if_required";
    let method =
        if free && input.number.trim().is_empty() { None } else { Some(save_card(state, &customer, input)?) };
    let mut order = checkout::order(state, &session, &customer)?;
    order.fields["default_payment_method"] = json!(method);
    let sub = subscribe::place(state, &order)?;
    let presence = if input.authenticated { Presence::Authenticated } else { Presence::Away };
    subscribe::settle(state, &sub, PaymentBehavior::Refuse, presence)?;
    if let Some(method) = &method {
        let default = state
            .find(Kind::Customer, &customer)
            .maybe_text("/invoice_settings/default_payment_method")
            .is_some();
        if !default {
            state.update(Kind::Customer, &customer, "customer.updated", |customer| {
                customer["invoice_settings"]["default_payment_method"] = json!(method);
            });
        }
    }
    session["customer"] = json!(customer);
    checkout::reckon_paid(state, &mut session, &sub);
    finish_session(state, session, &customer, &sub, input);
    let template = state.find(Kind::Session, id).text("success_url").to_owned();
    Ok(Redirect(template.replace("{CHECKOUT_SESSION_ID}", id)))
}

/// The customer who pays: the session's, brought up to date as it allows, or a new one.
fn payer(state: &mut State, session: &Value, input: &CardInput) -> Answer<String> {
    let (id, update) = match session.maybe_text("customer") {
        Some(id) => (id.to_owned(), session.note("update").clone()),
        None => (
            customers::anew(state, input.email.as_deref().or(session.maybe_text("customer_email"))),
            json!({ "address": true, "name": true }),
        ),
    };
    let existing = state.find(Kind::Customer, &id).maybe_text("/address/country").is_some();
    if session.flag("/automatic_tax/enabled") && !existing && input.address.maybe_text("country").is_none() {
        return Err(ApiError::invalid("address", "Your billing address is required.")
            .code("customer_tax_location_invalid"));
    }
    state.update(Kind::Customer, &id, "customer.updated", |customer| {
        if update.flag("address") && input.address.is_object() {
            customer["address"] = input.address.clone();
        }
        if let Some(name) = input.name.as_deref().filter(|_| update.flag("name")) {
            customer["name"] = json!(name);
        }
    });
    if let Some((kind, value)) = &input.tax_id
        && session.flag("/tax_id_collection/enabled")
    {
        let known =
            state.store.all(Kind::TaxId).any(|t| t.text("customer") == id && t.text("value") == value);
        if !known {
            tax_ids::add(state, &id, kind, value)?;
        }
    }
    Ok(id)
}

fn finish_session(state: &mut State, mut session: Value, customer: &str, sub: &str, input: &CardInput) {
    let id = session.id();
    let invoice = state.find(Kind::Subscription, sub).look("latest_invoice").clone();
    let buyer = state.find(Kind::Customer, customer);
    let mine: Vec<Value> = state
        .store
        .all(Kind::TaxId)
        .filter(|tax_id| tax_id.text("customer") == customer)
        .map(|tax_id| json!({ "type": tax_id["type"], "value": tax_id["value"] }))
        .collect();
    let address = if input.address.is_object() { input.address.clone() } else { buyer["address"].clone() };
    let paid = session.int("amount_total") > 0;
    session["status"] = json!("complete");
    session["payment_status"] = json!(if paid { "paid" } else { "no_payment_required" });
    session["subscription"] = json!(sub);
    session["invoice"] = invoice;
    session["url"] = Value::Null;
    session["customer_details"] = json!({
        "address": address, "business_name": null, "email": buyer.maybe_text("email").or(input.email.as_deref()),
        "individual_name": null, "name": input.name.as_deref().or(buyer.maybe_text("name")), "phone": buyer["phone"],
        "tax_exempt": buyer["tax_exempt"], "tax_ids": mine,
    });
    state.store.put(Kind::Session, session);
    let complete = state.find(Kind::Session, &id);
    state.emit("checkout.session.completed", &complete, None);
}

/// Saves a card with a customer; gives the payment method's id. A card that is refused at once is not saved.
fn save_card(state: &mut State, customer: &str, input: &CardInput) -> Answer<String> {
    let card = cards::by_number(&input.number).ok_or_else(|| payments::refusal(cards::NOT_A_TEST_CARD))?;
    check_expiry(state, input)?;
    let asks = matches!(card.behavior, Behavior::Authenticates | Behavior::AlwaysAuthenticates);
    if asks && !input.authenticated {
        return Err(ApiError::card(
            "subscription_payment_intent_requires_action",
            None,
            "Authentication is required.",
        ));
    }
    let holder =
        Holder { name: input.name.clone(), email: input.email.clone(), address: input.address.clone() };
    let method = payment_methods::make(state, card, (input.exp_month, input.exp_year), &holder);
    let id = payment_methods::attach_to(state, &method, customer)?;
    if input.authenticated {
        state.amend(Kind::PaymentMethod, &id, |method| method.set_note("authenticated", json!(true)));
    }
    Ok(id)
}

fn check_expiry(state: &State, input: &CardInput) -> Answer<()> {
    if !(1..=12).contains(&input.exp_month) {
        return Err(ApiError::card("invalid_expiry_month", None, "Your card's expiration month is invalid."));
    }
    let now = jiff::Timestamp::from_second(state.at).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
    let (year, month) = (i64::from(now.year()), i64::from(now.month()));
    if input.exp_year < year || (input.exp_year == year && input.exp_month < month) {
        return Err(ApiError::card("invalid_expiry_year", None, "Your card's expiration year is invalid."));
    }
    Ok(())
}

/// Saves a card with a customer and makes it the one that is charged, by default and for every live subscription. What is
/// overdue is left to the customer to pay.
pub(crate) fn update_payment_method(state: &mut State, customer: &str, input: &CardInput) -> Answer<String> {
    state.customer(customer, "customer")?;
    let method = save_card(state, customer, input)?;
    make_default(state, customer, &method)?;
    Ok(method)
}

/// Makes a saved payment method the one that is charged.
pub(crate) fn make_default(state: &mut State, customer: &str, method: &str) -> Answer<()> {
    let found = state.need(Kind::PaymentMethod, method, "payment_method")?;
    if found.text("customer") != customer {
        return Err(ApiError::no_such(Kind::PaymentMethod.noun(), method, "payment_method"));
    }
    state.update(Kind::Customer, customer, "customer.updated", |customer| {
        customer["invoice_settings"]["default_payment_method"] = json!(method);
    });
    let own = state.store.all(Kind::Subscription).filter(|sub| {
        sub.text("customer") == customer && sub.maybe_text("default_payment_method").is_some() && live(sub)
    });
    let subs: Vec<String> = own.map(|sub| sub.id()).collect();
    for sub in subs {
        state.update(Kind::Subscription, &sub, "customer.subscription.updated", |sub| {
            sub["default_payment_method"] = json!(method);
        });
    }
    Ok(())
}

fn live(sub: &Value) -> bool {
    !matches!(sub.text("status"), "canceled" | "incomplete_expired")
}

/// A live subscription of a customer.
fn own(state: &mut State, customer: &str, sub: &str) -> Answer<Value> {
    state.customer(customer, "customer")?;
    let found = state.need(Kind::Subscription, sub, "subscription")?;
    if found.text("customer") != customer || !live(&found) {
        return Err(ApiError::no_such(Kind::Subscription.noun(), sub, "subscription"));
    }
    Ok(Value::clone(&found))
}

/// Cancels a customer's subscription as the portal's configuration says: at the end of the period, or at once.
pub(crate) fn cancel(
    state: &mut State,
    customer: &str,
    sub: &str,
    immediately: bool,
    feedback: Option<&str>,
    comment: Option<&str>,
) -> Answer<()> {
    let before = own(state, customer, sub)?;
    if before.maybe_text("schedule").is_some() && !immediately {
        return Err(ApiError::refused("A change of this subscription is scheduled. Undo it first."));
    }
    let at = state.at;
    state.amend(Kind::Subscription, sub, |sub| {
        sub["cancellation_details"]["feedback"] = json!(feedback);
        sub["cancellation_details"]["comment"] = json!(comment);
        sub["cancellation_details"]["reason"] = json!("cancellation_requested");
        sub["canceled_at"] = json!(at);
        if !immediately {
            sub["cancel_at_period_end"] = json!(true);
            sub["cancel_at"] = json!(cycle::latest_end(sub));
        }
    });
    if immediately {
        return end::cancel(state, sub, true, false);
    }
    replan(state, sub);
    state.tell_update(Kind::Subscription, sub, "customer.subscription.updated", &before);
    Ok(())
}

fn replan(state: &mut State, sub: &str) {
    let mut planned = Value::clone(&state.find(Kind::Subscription, sub));
    cycle::plan_notices(state, &mut planned);
    state.store.put(Kind::Subscription, planned);
}

/// Takes a cancellation at the end of the period back.
pub(crate) fn reactivate(state: &mut State, customer: &str, sub: &str) -> Answer<()> {
    let before = own(state, customer, sub)?;
    state.amend(Kind::Subscription, sub, |sub| {
        sub["cancel_at_period_end"] = json!(false);
        sub["cancel_at"] = Value::Null;
        sub["canceled_at"] = Value::Null;
        sub["cancellation_details"] =
            json!({ "comment": null, "feedback": null, "feedback_option": null, "reason": null });
    });
    replan(state, sub);
    state.tell_update(Kind::Subscription, sub, "customer.subscription.updated", &before);
    Ok(())
}

/// Changes a customer's details: the fields given, of `name`, `email`, `phone` and `address`.
pub(crate) fn update_customer(state: &mut State, customer: &str, fields: &Value) -> Answer<()> {
    state.customer(customer, "customer")?;
    state.update(Kind::Customer, customer, "customer.updated", |customer| {
        for field in ["name", "email", "phone", "address"] {
            if let Some(value) = fields.get(field) {
                customer[field] = value.clone();
            }
        }
    });
    Ok(())
}

/// Adds a tax id to a customer.
pub(crate) fn add_tax_id(state: &mut State, customer: &str, kind: &str, value: &str) -> Answer<()> {
    state.customer(customer, "customer")?;
    tax_ids::add(state, customer, kind, value).map(|_| ())
}

/// Pays an open invoice with a card typed in, which is saved, or with the one on file. A refused charge stays on record.
pub(crate) fn pay_invoice(state: &mut State, id: &str, card: Option<&CardInput>) -> Answer<()> {
    let invoice = state.need(Kind::Invoice, id, "id")?;
    let customer = invoice.text("customer").to_owned();
    state.customer(&customer, "customer")?;
    if invoice.text("status") != "open" {
        return Err(ApiError::refused(format!("This invoice is {}.", invoice.text("status")))
            .code("invoice_not_open"));
    }
    let method = match card {
        Some(card) => Some(save_card(state, &customer, card)?),
        None => None,
    };
    let authenticated = card.is_some_and(|card| card.authenticated);
    let presence = if authenticated { Presence::Authenticated } else { Presence::Away };
    match payments::collect(state, id, method.as_deref(), presence) {
        Outcome::Paid => {
            if let (Some(method), Some(_)) = (&method, invoices::subscription_of(&invoice)) {
                make_default(state, &customer, method)?;
            }
            Ok(())
        }
        outcome => Err(outcome.error().map_or_else(|| payments::refusal(DECLINE), ApiError::lasting)),
    }
}

/// What is said when nothing else is known.
const DECLINE: Decline = cards::DECLINED;
