//! What is to be done with each of a customer's waiting events: apply it, or ask Stripe.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::db::Tx;
use crate::stripe::snapshot::{
    Charge, CheckoutSession, CheckoutStatus, Customer, Invoice, Subscription, parse,
};
use crate::stripe::{API_VERSION, CustomerId};
use crate::sync::{self, Error, Snapshot};
use crate::webhooks::store::{self, Waiting};
use crate::webhooks::{Treatment, treatment};

/// What is known of a customer's objects before its events are worked on.
#[derive(Debug)]
pub(super) struct Known {
    /// On a test clock, an event's time is not Stripe's: nothing can be put in order with it.
    test_clock: bool,
    /// Up to when the customer is known. An object without a row was not there then.
    customer: i64,
    /// Up to when each object is known, by its id.
    objects: HashMap<String, i64>,
}

/// What is to be done with one event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Its object is strictly newer than what is known.
    Apply(Snapshot),
    /// Only Stripe can tell.
    Ask,
    /// Nothing beside what others do.
    Nothing,
}

/// What is to be done with all of them, in their order.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
}

/// The few fields by which an object names others.
#[derive(Default, Deserialize)]
struct Names {
    id: Option<String>,
    charge: Option<serde_json::Value>,
    payment_intent: Option<serde_json::Value>,
    latest_charge: Option<serde_json::Value>,
}

/// The object of an event, as it stands in its bytes.
pub(super) fn object(event: &Waiting) -> Option<&RawValue> {
    serde_json::from_str::<Body<'_>>(&event.payload).ok().map(|body| body.data.object)
}

fn names(event: &Waiting) -> Names {
    object(event).and_then(|object| serde_json::from_str(object.get()).ok()).unwrap_or_default()
}

/// An id, whether it came alone or with its object.
fn id_of(value: Option<&serde_json::Value>) -> Option<&str> {
    let value = value?;
    value.as_str().or_else(|| value["id"].as_str())
}

impl Known {
    /// Reads what is known of the customer and of every object that the events are about.
    pub(super) async fn load(tx: &mut Tx, customer: &CustomerId, events: &[Waiting]) -> Result<Self, Error> {
        let row = sync::store::customer(tx, customer).await?;
        let mut objects = HashMap::new();
        for event in events {
            let names = names(event);
            let kind = treatment(&event.kind);
            let id = match kind {
                Treatment::Payment => id_of(names.latest_charge.as_ref()).map(str::to_owned),
                Treatment::Checkout => checkout(event).and_then(|checkout| checkout.subscription),
                _ => names.id,
            };
            let Some(id) = id.filter(|id| !objects.contains_key(id)) else { continue };
            if let Some(seen_at) = sync::store::seen_at(tx, &id).await? {
                objects.insert(id, seen_at);
            }
        }
        let test_clock = row.as_ref().is_some_and(|row| row.test_clock.is_some());
        Ok(Self { test_clock, customer: row.map_or(0, |row| row.seen_at), objects })
    }

    /// Whether something of that id and time is strictly newer than what is known.
    fn is_news(&self, id: &str, created: i64) -> bool {
        created > self.objects.get(id).copied().unwrap_or(self.customer)
    }
}

impl Plan {
    /// The plan for events in Stripe's order.
    pub(super) fn of(events: &[Waiting], mut known: Known) -> Self {
        let steps = events.iter().map(|event| step(event, &mut known)).collect();
        Self { steps }
    }

    /// Whether Stripe has to be asked.
    pub(super) fn asks(&self) -> bool {
        self.steps.contains(&Step::Ask)
    }
}

fn step(event: &Waiting, known: &mut Known) -> Step {
    match treatment(&event.kind) {
        Treatment::NotNeeded | Treatment::Kept => Step::Nothing,
        Treatment::Refetch | Treatment::Catalogue => Step::Ask,
        Treatment::Payment => {
            let charge = names(event).latest_charge;
            let told = id_of(charge.as_ref()).is_none_or(|charge| known.objects.contains_key(charge));
            if told { Step::Nothing } else { Step::Ask }
        }
        Treatment::Checkout => {
            let subscription = checkout(event).and_then(|checkout| checkout.subscription);
            let told = subscription.is_none_or(|id| known.objects.contains_key(&id));
            if told { Step::Nothing } else { Step::Ask }
        }
        Treatment::Customer | Treatment::Subscription | Treatment::Invoice | Treatment::Charge => {
            news(event, known).map_or(Step::Ask, Step::Apply)
        }
    }
}

/// The snapshot of an event that is written in our version, can be read, and is strictly newer than what is known.
fn news(event: &Waiting, known: &mut Known) -> Option<Snapshot> {
    if known.test_clock || event.api_version.as_deref() != Some(API_VERSION) {
        return None;
    }
    let (id, snapshot) = read(event)?;
    if !known.is_news(&id, event.created_at) {
        return None;
    }
    if matches!(snapshot, Snapshot::Customer(_)) {
        known.customer = event.created_at;
    }
    known.objects.insert(id, event.created_at);
    Some(snapshot)
}

fn read(event: &Waiting) -> Option<(String, Snapshot)> {
    let json = object(event)?.get().as_bytes();
    Some(match treatment(&event.kind) {
        Treatment::Customer => {
            let customer: Customer = parse(json).ok()?;
            (customer.id.to_string(), Snapshot::Customer(Box::new(customer)))
        }
        Treatment::Subscription => {
            let subscription: Subscription = parse(json).ok()?;
            (subscription.id.to_string(), Snapshot::Subscription(Box::new(subscription), sync::Plan::Unseen))
        }
        Treatment::Invoice => {
            let invoice: Invoice = parse(json).ok().filter(|invoice: &Invoice| !invoice.lines.has_more)?;
            (invoice.id.as_ref()?.to_string(), Snapshot::Invoice(Box::new(invoice)))
        }
        Treatment::Charge => {
            let charge: Charge = parse(json).ok()?;
            (charge.id.to_string(), Snapshot::Charge(Box::new(charge)))
        }
        _ => return None,
    })
}

/// What an event says of a session of Stripe Checkout.
#[derive(Debug)]
pub(super) struct Checkout {
    stripe_id: String,
    reference: Option<String>,
    complete: bool,
    subscription: Option<String>,
}

/// What an event says of a session, where it is about one.
pub(super) fn checkout(event: &Waiting) -> Option<Checkout> {
    if treatment(&event.kind) != Treatment::Checkout {
        return None;
    }
    let session: CheckoutSession = parse(object(event)?.get().as_bytes()).ok()?;
    Some(Checkout {
        stripe_id: session.id.to_string(),
        complete: session.status != Some(CheckoutStatus::Expired),
        subscription: session.subscription_id().map(ToString::to_string),
        reference: session.client_reference_id,
    })
}

impl Checkout {
    /// Closes the session's row.
    pub(super) async fn close(&self, tx: &mut Tx, at: i64) -> Result<(), Error> {
        let (reference, subscription) = (self.reference.as_deref(), self.subscription.as_deref());
        Ok(store::close_checkout(tx, &self.stripe_id, reference, self.complete, subscription, at).await?)
    }
}

/// Whose event it is that names no customer but a charge, a payment or its own id.
pub(super) async fn owner(tx: &mut Tx, event: &Waiting) -> Result<Option<CustomerId>, Error> {
    let names = names(event);
    let charges = [id_of(names.charge.as_ref()), names.id.as_deref()];
    for charge in charges.into_iter().flatten() {
        if let Some(customer) = sync::store::customer_of_charge(tx, charge).await? {
            return Ok(Some(customer));
        }
    }
    match id_of(names.payment_intent.as_ref()) {
        Some(intent) => Ok(sync::store::customer_of_intent(tx, intent).await?),
        None => Ok(None),
    }
}
