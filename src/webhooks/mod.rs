//! The inbox of Stripe's events.
//!
//! A delivery is verified, stored durably and acknowledged; everything else happens afterwards, and no event is ever lost: not
//! by a body that cannot be read, not by a type that nobody knows, not by a customer that is not ours yet. What is done with
//! each type stands in one table, [`TYPES`]. Nothing here writes a projection: that is `sync`.

pub mod cli;
pub mod destination;
pub mod endpoint;
pub mod health;
pub mod readable;
pub mod secrets;
pub mod store;
pub mod web;
pub mod work;

pub use store::{Inbox, Kept};

use crate::stripe::snapshot::Envelope;

/// What is done with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Its object is a customer: applied when newer, asked for otherwise.
    Customer,
    /// Its object is a subscription: applied when newer, asked for otherwise.
    Subscription,
    /// Its object is an invoice: applied when newer, asked for otherwise.
    Invoice,
    /// Its object is a charge: applied when newer, asked for otherwise.
    Charge,
    /// Told by its charge as well: asked for only where that charge never came.
    Payment,
    /// Says that something about a customer has changed that it does not carry whole: the customer is asked for.
    Refetch,
    /// A session of Stripe Checkout has ended.
    Checkout,
    /// The catalogue has changed: it is asked for as a whole.
    Catalogue,
    /// Kept for staff to see.
    Kept,
    /// Nothing of ours depends on it.
    NotNeeded,
}

use Treatment::{
    Catalogue, Charge, Checkout, Customer, Invoice, Kept as ForStaff, NotNeeded, Payment, Refetch,
    Subscription,
};

/// Every type that the portal knows, what is done with it, and why. A type that is not here is stored and not needed.
pub const TYPES: &[(&str, Treatment, &str)] = &[
    ("customer.created", Customer, "names its tenant in the metadata"),
    ("customer.updated", Customer, "billing details, balance, default payment method"),
    ("customer.deleted", Refetch, "ends all of its subscriptions with it"),
    ("customer.tax_id.created", Refetch, "tax ids are kept with the customer"),
    ("customer.tax_id.updated", Refetch, "the authority has answered"),
    ("customer.tax_id.deleted", Refetch, "tax ids are kept with the customer"),
    ("customer.discount.created", Refetch, "changes what the next invoice costs"),
    ("customer.discount.updated", Refetch, "changes what the next invoice costs"),
    ("customer.discount.deleted", Refetch, "changes what the next invoice costs"),
    ("customer.subscription.created", Subscription, "a tenant has a plan"),
    ("customer.subscription.updated", Subscription, "status, plan, seats, period, cancellation"),
    ("customer.subscription.deleted", Subscription, "over: back to the free plan"),
    ("customer.subscription.paused", Subscription, "the trial ended without a payment method"),
    ("customer.subscription.resumed", Subscription, "in force again"),
    (
        "customer.subscription.trial_will_end",
        Subscription,
        "three days before; the snapshot is as good as any",
    ),
    ("customer.subscription.pending_update_applied", Subscription, "the change that waited was paid"),
    ("customer.subscription.pending_update_expired", Subscription, "the change that waited was dropped"),
    ("subscription_schedule.created", Refetch, "a change is planned: kept with its subscription"),
    ("subscription_schedule.updated", Refetch, "another change is planned"),
    ("subscription_schedule.released", Refetch, "the planned change was dropped, or all are done"),
    ("subscription_schedule.canceled", Refetch, "the planned change went with its subscription"),
    ("subscription_schedule.completed", Refetch, "all planned changes are done"),
    ("subscription_schedule.aborted", Refetch, "the subscription ended under it"),
    ("subscription_schedule.expiring", NotNeeded, "a week's notice of completed"),
    ("invoice.created", Invoice, "a draft"),
    ("invoice.updated", Invoice, "amounts, attempts"),
    ("invoice.finalized", Invoice, "has a number and is due"),
    ("invoice.finalization_failed", Invoice, "stays a draft; Stripe says why in its dashboard"),
    ("invoice.paid", Invoice, "paid, with or without money"),
    ("invoice.payment_succeeded", Invoice, "the same, for money"),
    ("invoice.payment_failed", Invoice, "the subscription may be past due"),
    ("invoice.payment_action_required", Invoice, "the customer has to authenticate"),
    ("invoice.overdue", Invoice, "sent, and its date is over"),
    ("invoice.sent", Invoice, "Stripe mailed it"),
    ("invoice.voided", Invoice, "taken back"),
    ("invoice.marked_uncollectible", Invoice, "given up"),
    ("invoice.deleted", Refetch, "a draft is gone"),
    ("invoice.upcoming", Refetch, "has no id: the preview is asked for ahead of the renewal"),
    ("invoice_payment.paid", NotNeeded, "told by its invoice"),
    ("invoiceitem.created", NotNeeded, "told by its invoice"),
    ("invoiceitem.deleted", NotNeeded, "told by its invoice"),
    ("credit_note.created", Refetch, "changes what is left of its invoice"),
    ("credit_note.updated", Refetch, "changes what is left of its invoice"),
    ("credit_note.voided", Refetch, "changes what is left of its invoice"),
    ("payment_intent.succeeded", Payment, "money came: its charge says how much"),
    ("payment_intent.payment_failed", Payment, "money did not: its charge says why"),
    ("charge.succeeded", Charge, "money came"),
    ("charge.failed", Charge, "money did not"),
    ("charge.pending", Charge, "the bank has still to say"),
    ("charge.captured", Charge, "money came"),
    ("charge.expired", Charge, "was never captured"),
    ("charge.updated", Charge, "details of a charge"),
    ("charge.refunded", Charge, "money went back"),
    ("charge.refund.updated", Refetch, "a refund failed or came through"),
    ("refund.created", Refetch, "money is to go back"),
    ("refund.updated", Refetch, "a refund failed or came through"),
    ("refund.failed", Refetch, "money did not go back"),
    ("charge.dispute.created", Refetch, "its charge is contested"),
    ("charge.dispute.updated", Refetch, "evidence"),
    ("charge.dispute.closed", Refetch, "won or lost"),
    ("charge.dispute.funds_withdrawn", Refetch, "money went back"),
    ("charge.dispute.funds_reinstated", Refetch, "money came again"),
    ("checkout.session.completed", Checkout, "the customer is through"),
    ("checkout.session.expired", Checkout, "too late: another may be opened"),
    ("checkout.session.async_payment_succeeded", Checkout, "money that was on its way came"),
    ("checkout.session.async_payment_failed", Checkout, "money that was on its way did not"),
    ("payment_method.attached", Refetch, "the payment method on file is shown"),
    ("payment_method.detached", Refetch, "the payment method on file is shown"),
    ("payment_method.updated", Refetch, "a new date of expiry"),
    ("payment_method.automatically_updated", Refetch, "the bank has sent a new card"),
    ("product.created", Catalogue, "plans come from products"),
    ("product.updated", Catalogue, "plans come from products"),
    ("product.deleted", Catalogue, "a plan is gone"),
    ("price.created", Catalogue, "an event does not carry tiers and currencies"),
    ("price.updated", Catalogue, "an event does not carry tiers and currencies"),
    ("price.deleted", Catalogue, "a price is gone"),
    ("billing.meter.created", ForStaff, "what is billed by use has changed"),
    ("billing.meter.updated", ForStaff, "what is billed by use has changed"),
    ("billing.meter.deactivated", ForStaff, "use is billed no more"),
    ("billing.meter.reactivated", ForStaff, "use is billed again"),
    ("v1.billing.meter.error_report_triggered", ForStaff, "use that was reported could not be billed"),
    ("v1.billing.meter.no_meter_found", ForStaff, "use that was reported has no meter"),
    ("setup_intent.succeeded", NotNeeded, "told by payment_method.attached"),
    ("payment_intent.created", NotNeeded, "told by what comes of it"),
];

/// What is done with events of a type.
pub fn treatment(kind: &str) -> Treatment {
    TYPES.iter().find(|(name, _, _)| *name == kind).map_or(NotNeeded, |(_, treatment, _)| *treatment)
}

/// The types that an endpoint has to be sent. Those of API version 2 (`v1.…`, thin events) are [`thin_types`].
pub fn needed_types() -> impl Iterator<Item = &'static str> {
    let needed =
        TYPES.iter().filter(|(name, treatment, _)| *treatment != NotNeeded && !name.starts_with("v1."));
    needed.map(|(name, _, _)| *name)
}

/// The types of version 2 of the API that an event destination has to be sent.
pub fn thin_types() -> impl Iterator<Item = &'static str> {
    let needed =
        TYPES.iter().filter(|(name, treatment, _)| *treatment != NotNeeded && name.starts_with("v1."));
    needed.map(|(name, _, _)| *name)
}

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// To be worked on.
    Pending,
    /// Its customer is not ours, or not yet.
    Waiting,
    /// Carried out.
    Done,
    /// Nothing of ours depends on it.
    NotNeeded,
    /// Tried often enough: staff have to look at it.
    Parked,
}

impl State {
    /// As it stands in the row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::NotNeeded => "not_needed",
            Self::Parked => "parked",
        }
    }
}

impl State {
    /// All of them, in the order of their life.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Waiting, Self::Done, Self::NotNeeded, Self::Parked];

    /// The key of its name.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Pending => "events-state-pending",
            Self::Waiting => "events-state-waiting",
            Self::Done => "events-state-done",
            Self::NotNeeded => "events-state-not-needed",
            Self::Parked => "events-state-parked",
        }
    }

    /// How it looks on a badge.
    pub const fn tone(self) -> &'static str {
        match self {
            Self::Pending => "info",
            Self::Waiting => "warning",
            Self::Done => "success",
            Self::NotNeeded => "plain",
            Self::Parked => "danger",
        }
    }
}

/// The word is no state of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no state of an event")]
pub struct NoState;

impl std::str::FromStr for State {
    type Err = NoState;

    fn from_str(word: &str) -> Result<Self, NoState> {
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or(NoState)
    }
}

crate::text_column!(State);

/// Which events to list. What is empty filters nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this type.
    pub kind: String,
    /// In this state.
    pub state: Option<State>,
    /// Of this tenant, by its id, or of this customer, by Stripe's.
    pub whose: String,
    /// That came from this moment on; unix seconds.
    pub from: Option<i64>,
    /// That came before this moment; unix seconds.
    pub until: Option<i64>,
    /// That stand after this one: when it came, and its id.
    pub after: Option<(i64, String)>,
}

/// Events that one deed works on again at most.
pub const MOST_REPLAYED: usize = 500;

/// What an event begins as, and why where that is not the usual thing.
pub fn first_state(envelope: &Envelope, livemode: bool) -> (State, Option<&'static str>) {
    if envelope.livemode != livemode {
        let words = if envelope.livemode {
            "of live mode, and the key is a test key"
        } else {
            "of test mode, and the key is a live key"
        };
        return (State::NotNeeded, Some(words));
    }
    match treatment(&envelope.kind) {
        NotNeeded => (State::NotNeeded, None),
        ForStaff => (State::Done, None),
        _ => (State::Pending, None),
    }
}

/// Tries after which work that fails for a reason that does not pass is parked.
pub const TRIES: i64 = 6;

/// Seconds to wait before the next try, after so many that failed: from 5 seconds to 15 minutes.
pub fn wait(attempts: i64) -> i64 {
    5_i64.saturating_mul(3_i64.saturating_pow(u32::try_from(attempts).unwrap_or(0).min(8))).min(900)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_type_stands_once_in_the_table_with_its_reason() {
        let names: HashSet<_> = TYPES.iter().map(|(name, _, _)| name).collect();
        assert_eq!(names.len(), TYPES.len());
        assert!(TYPES.iter().all(|(_, _, why)| !why.is_empty()));
    }

    #[test]
    fn a_type_that_nobody_knows_is_not_needed() {
        assert_eq!(treatment("invoice.levitated"), NotNeeded);
        assert_eq!(treatment("customer.subscription.deleted"), Subscription);
    }

    #[test]
    fn an_endpoint_is_sent_what_is_needed_and_nothing_else() {
        let needed: Vec<_> = needed_types().collect();
        assert!(needed.contains(&"invoice.paid") && !needed.contains(&"setup_intent.succeeded"));
        for kind in needed {
            let known: stripe_misc::webhook_endpoint::CreateWebhookEndpointEnabledEvents =
                kind.parse().unwrap();
            assert!(!format!("{known:?}").starts_with("Unknown"), "{kind} is no type of Stripe's");
        }
    }

    #[test]
    fn waits_grow_and_have_a_bound() {
        assert_eq!([0, 1, 2, 3, 4, 5, 100].map(wait), [5, 15, 45, 135, 405, 900, 900]);
    }

    #[test]
    fn an_event_of_the_other_mode_is_kept_and_marked() {
        let payload = br#"{"id":"evt_1","type":"invoice.paid","created":1,"livemode":true,"data":{"object":{"id":"in_1"}}}"#;
        let envelope = Envelope::read(payload).unwrap();
        assert_eq!(first_state(&envelope, true).0, State::Pending);
        let (state, why) = first_state(&envelope, false);
        assert!(state == State::NotNeeded && why.is_some());
    }
}
