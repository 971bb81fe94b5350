//! What can be seen in Stripe.

use url::Url;

use super::{Check, destination, mails, skew};
use crate::catalog;
use crate::catalog::policy::Catalog;
use crate::catalog::setup::{self, Outcome};
use crate::clock::Clock;
use crate::db::Db;
use crate::stripe::calls::account;
use crate::stripe::snapshot::WebhookEndpoint;
use crate::stripe::{API_VERSION, Budget, Error, Stripe};
use crate::webhooks::{endpoint, secrets, store};

/// What this module looks at, for saying that it could not.
const NAMES: [&str; 11] = [
    "account",
    "clock",
    "webhook_endpoint",
    "webhook_events",
    "webhook_version",
    "webhook_secret",
    destination::NAME,
    "catalogue",
    "portal_configuration",
    "tax",
    mails::RECEIPTS,
];

/// What the checks work with.
pub struct Patient<'a> {
    /// The way to Stripe.
    pub stripe: &'a Stripe,
    /// What is to be in Stripe.
    pub catalog: &'a Catalog,
    /// The rows; none where the database cannot be read.
    pub db: Option<&'a Db>,
    /// Both times.
    pub clock: &'a Clock,
    /// What browsers see.
    pub public_url: &'a Url,
    /// How many signing secrets the configuration names.
    pub given_secrets: usize,
}

/// All checks that ask Stripe. The first shows whether the others make sense.
pub async fn examine(patient: &Patient<'_>) -> Vec<Check> {
    let account = match account::account(patient.stripe, Budget::page()).await {
        Ok(account) => account,
        Err(error) => {
            let skipped = NAMES.map(|name| Check::skipped(name, "Stripe did not answer"));
            return std::iter::once(key_failed(&error)).chain(skipped).collect();
        }
    };
    let mode = if patient.stripe.is_live() { "live" } else { "test" };
    let id = &account.value.id;
    let mut checks = vec![Check::good("key", format!("Stripe accepts the {mode} key of {id}"))];
    checks.push(may_charge(account.value.charges_enabled, patient.stripe.is_live()));
    checks.push(skew(patient.clock.wall().as_second(), account.date.as_second()));
    checks.extend(webhooks(patient).await);
    checks.push(destination::check(patient).await);
    checks.extend(catalogue(patient).await);
    checks.push(tax(patient).await);
    checks.extend(mails::checks(patient).await);
    checks
}

fn key_failed(error: &Error) -> Check {
    match error {
        Error::Unauthorized { .. } => Check::failure(
            "key",
            "Stripe does not accept the secret key",
            "Take the key from the dashboard (Developers, API keys) again. A restricted key (rk_…) needs to read the account, and to \
             write customers, subscriptions, invoices, Checkout, the customer portal, products, prices, meters, webhook endpoints and event destinations.",
        ),
        error => Check::failure(
            "key",
            format!("the key could not be tried: {error}"),
            "See whether this machine reaches STRIPE_API_BASE (https, port 443), and https://status.stripe.com.",
        ),
    }
}

fn may_charge(charges_enabled: bool, live: bool) -> Check {
    let fix = "Finish the activation of the account in Stripe's dashboard; until then no payment succeeds.";
    match (charges_enabled, live) {
        (true, _) => Check::good("account", "the account can take payments"),
        (false, true) => Check::failure("account", "the account cannot take payments yet", fix),
        (false, false) => {
            let says = "the account cannot take real payments yet; test payments work";
            Check::notice("account", says, fix)
        }
    }
}

/// A check that Stripe refused to answer, for want of a permission as a rule.
fn refused(name: &'static str, error: &Error) -> Check {
    let fix =
        "Give the restricted key the permission to read this, or use the account's secret key for doctor.";
    Check::warning(name, format!("could not be asked: {error}"), fix)
}

async fn webhooks(patient: &Patient<'_>) -> Vec<Check> {
    let there = match account::webhook_endpoints(patient.stripe, Budget::page()).await {
        Ok(there) => there.value,
        Err(error) => {
            let skipped = ["webhook_events", "webhook_version", "webhook_secret"]
                .map(|name| Check::skipped(name, "Stripe did not tell its endpoints"));
            return std::iter::once(refused("webhook_endpoint", &error)).chain(skipped).collect();
        }
    };
    let url = patient.public_url.join("/webhooks/stripe").map_or_else(|_| String::new(), String::from);
    let ours: Vec<_> = there.iter().filter(|endpoint| endpoint.url == url).collect();
    let Some(endpoint) = ours.iter().find(|endpoint| endpoint.status == "enabled").or(ours.first()) else {
        let others: Vec<_> = there.iter().map(|endpoint| endpoint.url.as_str()).collect();
        let beside =
            if others.is_empty() { String::new() } else { format!("; there is {}", others.join(", ")) };
        let check = Check::failure(
            "webhook_endpoint",
            format!("no endpoint in Stripe sends to {url}{beside}"),
            "Run `billing-portal setup` with this PUBLIC_URL. If you forward events to your own machine with `stripe listen`, \
             this is as it has to be.",
        );
        let skipped =
            ["webhook_events", "webhook_version"].map(|name| Check::skipped(name, "there is no endpoint"));
        return std::iter::once(check).chain(skipped).chain([secret(patient, None).await]).collect();
    };
    let mut checks = vec![standing(endpoint, ours.len(), &url)];
    checks.push(match endpoint::lacks(endpoint).as_slice() {
        [] => Check::good("webhook_events", "the endpoint is sent every type of event that is needed"),
        lacking => Check::failure(
            "webhook_events",
            format!("the endpoint is not sent {}", lacking.join(", ")),
            "Run `billing-portal setup`: it adds them.",
        ),
    });
    checks.push(if endpoint.api_version.as_deref() == Some(API_VERSION) {
        Check::good("webhook_version", format!("events are written in version {API_VERSION}"))
    } else {
        let version = endpoint.api_version.as_deref().unwrap_or("the account's default version");
        Check::warning(
            "webhook_version",
            format!("events are written in {version} and not in {API_VERSION}: each costs a call to Stripe"),
            "An endpoint's version cannot be changed: `billing-portal setup --rotate-webhook-secret` replaces the endpoint.",
        )
    });
    checks.push(secret(patient, Some(endpoint)).await);
    checks
}

fn standing(endpoint: &WebhookEndpoint, count: usize, url: &str) -> Check {
    if endpoint.status != "enabled" {
        return Check::failure(
            "webhook_endpoint",
            format!("the endpoint {} is switched off: no event comes", endpoint.id),
            "Run `billing-portal setup`, or switch it on in the dashboard under Developers, Webhooks. Stripe switches an endpoint \
             off that failed for days.",
        );
    }
    if count > 1 {
        return Check::warning(
            "webhook_endpoint",
            format!("{count} endpoints send to {url}: each event comes as often"),
            "`billing-portal setup --rotate-webhook-secret` leaves one.",
        );
    }
    Check::good("webhook_endpoint", format!("{} sends to {url}", endpoint.id))
}

/// The secrets that are stored; none where the database cannot be read.
async fn stored_secrets(patient: &Patient<'_>) -> Option<Vec<store::Sealed>> {
    let mut tx = patient.db?.read().await.ok()?;
    let wall = patient.clock.wall().as_second();
    store::secrets(&mut tx, patient.stripe.is_live(), wall).await.ok()
}

/// Whether the secret of what Stripe calls `id` is stored and can be read; none where the database cannot be.
pub(super) async fn secret_opens(patient: &Patient<'_>, id: &str) -> Option<bool> {
    let rows = stored_secrets(patient).await?;
    Some(rows.iter().any(|row| row.endpoint_id == id && secrets::unseal(patient.stripe, row).is_some()))
}

/// Whether deliveries of the endpoint can be believed.
async fn secret(patient: &Patient<'_>, endpoint: Option<&WebhookEndpoint>) -> Check {
    const NAME: &str = "webhook_secret";
    let Some(rows) = stored_secrets(patient).await else {
        return Check::skipped(NAME, "the database cannot be read");
    };
    let rows: Vec<_> = rows.into_iter().filter(|row| row.kind == store::Kind::Endpoint).collect();
    let opens = |row: &&store::Sealed| secrets::unseal(patient.stripe, row).is_some();
    let of_endpoint =
        rows.iter().find(|row| endpoint.is_some_and(|endpoint| endpoint.id.as_str() == row.endpoint_id));
    let fix = "Run `billing-portal setup --rotate-webhook-secret` with the key that serves: it replaces the endpoint and stores the new secret.";
    match of_endpoint {
        Some(row) if opens(&row) => {
            Check::good(NAME, format!("the signing secret of {} is stored", row.endpoint_id))
        }
        _ if patient.given_secrets > 0 => Check::notice(
            NAME,
            "the configuration names signing secrets; whether one is this endpoint's shows with the first delivery",
            "Send a test event from the dashboard, or let setup store the secret.",
        ),
        Some(_) => Check::failure(
            NAME,
            "the signing secret was stored with another Stripe key and cannot be read",
            fix,
        ),
        None if rows.iter().any(|row| opens(&row)) => {
            Check::failure(NAME, "a signing secret is stored, but of another endpoint", fix)
        }
        None => Check::failure(NAME, "there is no signing secret: `serve` would not start", fix),
    }
}

/// What setup would do, without doing it.
async fn catalogue(patient: &Patient<'_>) -> Vec<Check> {
    let wish = setup::Wish { update: false, dry: true };
    let report = match setup::run(patient.stripe, patient.catalog, wish).await {
        Ok(report) => report,
        Err(error) => {
            let skipped = Check::skipped("portal_configuration", "Stripe did not tell what it has");
            return vec![refused("catalogue", &error), skipped];
        }
    };
    let named = |outcome: Outcome| -> Vec<String> {
        let items = report
            .items
            .iter()
            .filter(|item| item.outcome == outcome && item.object != "portal_configuration");
        items.map(|item| format!("{} {}", item.object, item.name)).collect()
    };
    let (missing, differing) = (named(Outcome::Missing), named(Outcome::Differs));
    let catalogue = if !missing.is_empty() {
        let says = format!("missing in Stripe: {}", missing.join(", "));
        Check::failure("catalogue", says, "Run `billing-portal setup`.")
    } else if !differing.is_empty() {
        let says = format!("other in Stripe than in the catalogue: {}", differing.join(", "));
        let fix = "Stripe is what counts. Put the catalogue right, or run `billing-portal setup --update`.";
        Check::warning("catalogue", says, fix)
    } else {
        Check::good(
            "catalogue",
            "products, prices, meters and coupons are in Stripe as the catalogue has them",
        )
    };
    vec![catalogue, configuration(patient, &report).await]
}

/// The configuration of Stripe's customer portal: there, as it is to be, and known here.
async fn configuration(patient: &Patient<'_>, report: &setup::Report) -> Check {
    const NAME: &str = "portal_configuration";
    let item = report.items.iter().find(|item| item.object == NAME);
    let (Some(item), Some(id)) = (item, &report.portal_configuration) else {
        let says = "Stripe's customer portal is not configured: Stripe may refuse to open it";
        return Check::failure(NAME, says, "Run `billing-portal setup`.");
    };
    if item.outcome == Outcome::Differs {
        let says = format!("{id} allows something else than setup had it allow");
        return Check::warning(NAME, says, "`billing-portal setup --update` puts it back.");
    }
    let Some(db) = patient.db else { return Check::good(NAME, format!("{id} is in Stripe")) };
    let noted = match db.read().await {
        Ok(mut tx) => {
            catalog::store::portal_configuration(&mut tx, patient.stripe.is_live()).await.ok().flatten()
        }
        Err(_) => None,
    };
    if noted.as_ref() == Some(id) {
        Check::good(NAME, format!("{id} is in Stripe, and what the portal opens"))
    } else {
        let says =
            format!("{id} is in Stripe, but this database does not know it: the account's default is opened");
        Check::warning(NAME, says, "Run `billing-portal setup` with this database.")
    }
}

async fn tax(patient: &Patient<'_>) -> Check {
    const NAME: &str = "tax";
    if !patient.catalog.policy.automatic_tax {
        return Check::good(NAME, "the catalogue does without Stripe Tax (automatic_tax = false)");
    }
    match account::tax_settings(patient.stripe, Budget::page()).await {
        Ok(settings) if settings.value.status == "active" => Check::good(NAME, "Stripe Tax is set up"),
        Ok(settings) => Check::failure(
            NAME,
            format!("Stripe Tax lacks {}: Checkout would fail", settings.value.missing.join(", ")),
            "Finish it in the dashboard under Settings, Tax, or say automatic_tax = false in the catalogue.",
        ),
        Err(error) => refused(NAME, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn an_account_that_takes_no_payments_is_a_failure_in_live_mode_alone() {
        let verdict = |charges_enabled: bool, live: bool| may_charge(charges_enabled, live).verdict;
        let told = [verdict(true, true), verdict(false, true), verdict(false, false)];
        assert_eq!(told, [Verdict::Good, Verdict::Failure, Verdict::Notice]);
    }
}
