//! Whether Stripe would tell of use that its meters could not count.

use super::Check;
use super::account::{Patient, secret_opens};
use crate::stripe::Budget;
use crate::stripe::calls::destinations;
use crate::webhooks::destination::{by_hand, is_barred, lacks};

/// The check's name.
pub(super) const NAME: &str = "event_destination";

const SETUP: &str = "Run `billing-portal setup`: it puts the destination right.";

/// The event destination: there, on, sent what is needed, signed with a secret that is known.
pub(super) async fn check(patient: &Patient<'_>) -> Check {
    if !patient.catalog.bills_by_meter() {
        return Check::good(NAME, "the catalogue bills nothing by a meter: none is needed");
    }
    let url = patient.public_url.join("/webhooks/stripe").map_or_else(|_| String::new(), String::from);
    let there = match destinations::list(patient.stripe, Budget::page()).await {
        Ok(there) => there.value,
        Err(error) if is_barred(&error) => {
            let says = format!("the key may not ask for event destinations: {error}");
            return Check::notice(NAME, says, format!("If there is none yet: {}", by_hand(&url)));
        }
        Err(error) => {
            let fix = "Ask again when Stripe answers; https://status.stripe.com says how it is.";
            return Check::warning(NAME, format!("could not be asked: {error}"), fix);
        }
    };
    let ours: Vec<_> = there.iter().filter(|one| one.is_at(&url)).collect();
    let Some(one) = ours.iter().find(|one| one.status == "enabled").or(ours.first()) else {
        let says = format!(
            "no event destination sends to {url}: nobody would hear of use that Stripe's meters could not count"
        );
        return Check::warning(NAME, says, "Run `billing-portal setup` with this PUBLIC_URL.");
    };
    if one.status != "enabled" {
        return Check::warning(NAME, format!("the event destination {} is switched off", one.id), SETUP);
    }
    let lacking = lacks(one);
    if !lacking.is_empty() {
        return Check::warning(NAME, format!("{} is not sent {}", one.id, lacking.join(", ")), SETUP);
    }
    match secret_opens(patient, one.id.as_str()).await {
        None => Check::skipped(NAME, "the database cannot be read"),
        Some(true) => Check::good(NAME, format!("{} tells {url} of use that could not be counted", one.id)),
        Some(false) if patient.given_secrets > 0 => Check::notice(
            NAME,
            format!(
                "whether a signing secret of the configuration is that of {} shows with its first event",
                one.id
            ),
            "Send a test event from the dashboard, or let setup store the secret.",
        ),
        Some(false) => Check::warning(
            NAME,
            format!("the signing secret of {} is not stored here: its events are refused", one.id),
            "Run `billing-portal setup --rotate-webhook-secret` with the key that serves: it replaces the destination too.",
        ),
    }
}
