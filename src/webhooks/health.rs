//! Whether Stripe's events arrive: decided from what Stripe says of the endpoint and of its newest events.

use crate::alarm::{Alarm, Kind};

/// How long an event may be on its way, in seconds, before its absence means something. A delivery takes seconds; one that
/// failed is tried again within minutes.
pub const GRACE: i64 = 900;

/// A day's events that are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct EventDay {
    /// Days since 1970, UTC.
    pub day: i64,
    /// That Stripe brought, if late.
    pub delivered: i64,
    /// That were taken from Stripe's list and never brought.
    pub fetched: i64,
}

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The endpoint that sends here: Stripe's id of it, and whether it is switched on.
    pub endpoint: Option<(String, bool)>,
    /// Whether there was one: its secret is stored.
    pub was_made: bool,
    /// An event that is needed, is older than [`GRACE`], newer than everything that was delivered, and was not: its id, and
    /// Stripe's time of it.
    pub missed: Option<(String, i64)>,
}

/// The alarms that this module decides about.
pub const OF: [Kind; 3] = [Kind::WebhooksSilent, Kind::WebhooksDisabled, Kind::WebhooksMissing];

/// What is wrong.
pub fn alarms(facts: &Facts) -> Vec<Alarm> {
    let mut on = Vec::new();
    match &facts.endpoint {
        Some((id, false)) => {
            let words = format!("the webhook endpoint {id} is disabled in Stripe");
            on.push(Alarm::new(Kind::WebhooksDisabled, words));
        }
        None if facts.was_made => {
            let words = "the webhook endpoint that setup made is gone from Stripe";
            on.push(Alarm::new(Kind::WebhooksMissing, words));
        }
        _ => {}
    }
    if let Some((id, at)) = &facts.missed {
        let words = format!("Stripe has {id}, made at {at} (unix seconds), and did not deliver it");
        on.push(Alarm::new(Kind::WebhooksSilent, words));
    }
    on
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(facts: &Facts) -> Vec<Kind> {
        alarms(facts).into_iter().map(|alarm| alarm.kind).collect()
    }

    #[test]
    fn nothing_is_wrong_where_nothing_is_known_or_all_is_well() {
        assert_eq!(on(&Facts::default()), []);
        let well = Facts { endpoint: Some(("we_1".into(), true)), was_made: true, missed: None };
        assert_eq!(on(&well), []);
    }

    #[test]
    fn an_endpoint_that_is_off_or_gone_and_events_that_did_not_come_are_alarms() {
        let off = Facts { endpoint: Some(("we_1".into(), false)), was_made: true, missed: None };
        assert_eq!(on(&off), [Kind::WebhooksDisabled]);
        let gone = Facts { was_made: true, missed: Some(("evt_1".into(), 5)), ..Facts::default() };
        assert_eq!(on(&gone), [Kind::WebhooksMissing, Kind::WebhooksSilent]);
    }
}
