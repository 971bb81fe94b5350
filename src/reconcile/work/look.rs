//! The judge: each suspect is asked for by itself, and what differs counts when two looks find the very same.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::{Error, Means, Step, advance, save};
use crate::audit::redact;
use crate::clock::from_seconds;
use crate::money::{Currency, Money};
use crate::reconcile::store::{self, Run};
use crate::reconcile::{Change, Finding, GRACE, Kind, LOOKS, Repair, Severity, State, diff, fingerprint};
use crate::stripe::calls::{catalog, customers};
use crate::stripe::{self, Budget, CustomerId};
use crate::sync::store as rows;
use crate::sync::{self, PriceRow, ProductRow, Whole};

/// Suspects that are looked at in one step: six calls or so for each.
const AT_ONCE: i64 = 8;

/// What a look came to.
enum Look {
    /// This is off; nothing, where both sides agree.
    Found(Vec<Finding>),
    /// Not now: what is known of it is about to change.
    Later,
    /// Stripe said nothing that could be read.
    Unreadable(String),
}

/// Looks at the suspects that are due, or says when the next ones are.
pub(super) async fn suspects(means: &Means, run: &mut Run, holder: &str) -> Result<Step, Error> {
    let wall = means.wall();
    let mut tx = means.db.read().await?;
    let due = store::due_suspects(&mut tx, &run.id, wall, AT_ONCE).await?;
    let next = store::next_due(&mut tx, &run.id).await?;
    drop(tx);
    if due.is_empty() {
        let tx = means.db.write().await?;
        return match next {
            None => advance(tx, means, run, holder).await,
            Some(at) => {
                let mut tx = tx;
                if !store::save(&mut tx, run, holder, at, Some(at + store::LEASE)).await? {
                    return Err(Error::Lost);
                }
                tx.commit().await?;
                Ok(Step::Until(at))
            }
        };
    }
    let mut looked = Vec::with_capacity(due.len());
    // One after the other would wait for each answer; all at once would be a burst.
    let mut looking = tokio::task::JoinSet::new();
    for (subject, looks) in due {
        let means = means.clone();
        let is_last = looks + 1 >= LOOKS;
        looking.spawn(async move {
            let seen = look(&means, &subject, is_last).await;
            (subject, looks, seen)
        });
    }
    while let Some(one) = looking.join_next().await {
        match one {
            Ok((subject, looks, seen)) => looked.push((subject, looks, seen?)),
            Err(error) => tracing::error!(%error, "a look broke off"),
        }
    }
    let mut tx = means.db.write().await?;
    for (subject, looks, seen) in looked {
        run.progress.fetched += 1;
        settle(&mut tx, run, &subject, looks, seen, wall).await?;
    }
    save(tx, means, run, holder).await
}

/// Keeps what a look found, or forgets what it did not find again.
async fn settle(
    tx: &mut crate::db::Tx,
    run: &Run,
    subject: &str,
    looks: i64,
    seen: Look,
    wall: i64,
) -> Result<(), Error> {
    let is_last = looks + 1 >= LOOKS;
    let found = match seen {
        Look::Later => {
            store::postpone(tx, &run.id, subject, wall + GRACE, None).await?;
            return Ok(());
        }
        Look::Unreadable(error) if !is_last => {
            store::postpone(tx, &run.id, subject, wall + GRACE, Some(&error)).await?;
            return Ok(());
        }
        Look::Unreadable(error) => {
            let mut found =
                Finding::new(Kind::NotCompared, Severity::Major, "customer", subject, Repair::ByHand);
            found.changes = vec![Change::new("error", Value::Null, error)];
            found.customer = Some(subject.to_owned());
            store::keep(tx, &run.id, subject, &found, State::Open, wall).await?;
            store::drop_suspect(tx, &run.id, subject).await?;
            return Ok(());
        }
        Look::Found(found) => found,
    };
    let before: HashSet<String> = store::confirm(tx, &run.id, subject)
        .await?
        .iter()
        .map(|row| fingerprint(row.kind, &row.object_id, &row.changes()))
        .collect();
    store::drop_checking(tx, &run.id, subject).await?;
    let mut is_open = false;
    for finding in found.into_iter().map(clean) {
        let state = if before.contains(&finding.fingerprint()) { State::Open } else { State::Checking };
        if state == State::Checking && is_last {
            continue; // Another thing at each look: on the move.
        }
        is_open |= state == State::Checking;
        store::keep(tx, &run.id, subject, &finding, state, wall).await?;
    }
    if is_open {
        store::postpone(tx, &run.id, subject, wall + GRACE, None).await?;
    } else {
        store::drop_suspect(tx, &run.id, subject).await?;
    }
    Ok(())
}

/// Without card numbers that somebody typed into a name: what is compared is what is kept.
fn clean(mut finding: Finding) -> Finding {
    if let Ok(changes) = serde_json::from_value(redact::redact(json!(finding.changes))) {
        finding.changes = changes;
    }
    finding
}

async fn look(means: &Means, subject: &str, is_last: bool) -> Result<Look, Error> {
    if subject == "catalogue" {
        return catalogue(means).await;
    }
    if let Some((tenant, metric)) = subject.strip_prefix("usage/").and_then(|rest| rest.split_once('/')) {
        return usage(means, tenant, metric).await;
    }
    match subject.parse::<CustomerId>() {
        Ok(id) => customer(means, &id, is_last).await,
        Err(error) => Ok(Look::Unreadable(error.to_string())),
    }
}

async fn catalogue(means: &Means) -> Result<Look, Error> {
    let budget = Budget::work();
    let (products, prices) =
        tokio::try_join!(catalog::products(&means.stripe, budget), catalog::prices(&means.stripe, budget))?;
    let products: Vec<_> = products.value.iter().map(|product| ProductRow::new(product, 0)).collect();
    let prices: Vec<_> = prices.value.iter().map(|price| PriceRow::new(price, 0)).collect();
    let here = rows::catalogue(&mut means.db.read().await?).await?;
    Ok(Look::Found(diff::catalogue((&here.0, &here.1), (&products, &prices))))
}

async fn usage(means: &Means, tenant: &str, metric: &str) -> Result<Look, Error> {
    let (db, stripe, now) = (&means.db, &means.stripe, means.clock.now());
    let differ = crate::usage::work::compare_metric(db, stripe, now, tenant, metric).await?;
    let found = differ.into_iter().map(|one| {
        let period = from_seconds(one.period_start).to_zoned(jiff::tz::TimeZone::UTC).date();
        let id = format!("{tenant}/{metric}/{period}");
        let mut found = Finding::new(Kind::UsageDiffers, Severity::Major, "usage", &id, Repair::ByHand);
        found.customer = Some(one.customer);
        found.tenant = Some(tenant.to_owned());
        found.changes = vec![Change::new("quantity", one.ours, one.theirs)];
        found
    });
    Ok(Look::Found(found.collect()))
}

async fn customer(means: &Means, id: &CustomerId, is_last: bool) -> Result<Look, Error> {
    let mut tx = means.db.read().await?;
    if !is_last && store::waits_for_work(&mut tx, id.as_str()).await? {
        return Ok(Look::Later);
    }
    let live = rows::live_ids(&mut tx, id).await?;
    drop(tx);
    let whole = match sync::work::fetch(&means.stripe, id, &live, Budget::work()).await {
        Ok(whole) => whole,
        Err(stripe::Error::NotFound { .. }) => return unknown_at_stripe(means, id).await,
        Err(error) if error.is_safe_to_retry() => return Err(error.into()),
        Err(error @ (stripe::Error::Unreadable { .. } | stripe::Error::Refused(_))) => {
            return Ok(Look::Unreadable(error.to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    // Read after the fetch: what was written meanwhile is in it.
    let mut tx = means.db.read().await?;
    let here = rows::rows_of(&mut tx, id).await?;
    if here.customer.is_none() {
        drop(tx);
        return stranger(means, &whole).await.map(Look::Found);
    }
    let now = means.clock.now().as_second();
    let with_method = !store::method_is_due(&mut tx, id.as_str(), now).await?;
    Ok(Look::Found(diff::examine(&whole, &here, means.stripe.is_live(), with_method)))
}

/// Stripe knows nothing of a customer that has a row, or of one of its subscriptions: rows of another account, or of the other
/// mode of it.
async fn unknown_at_stripe(means: &Means, id: &CustomerId) -> Result<Look, Error> {
    let here = rows::rows_of(&mut means.db.read().await?, id).await?;
    let is_empty = here.subscriptions.is_empty() && here.invoices.is_empty() && here.charges.is_empty();
    let Some(row) = here.customer.filter(|row| !(row.deleted && is_empty)) else {
        return Ok(Look::Found(Vec::new()));
    };
    let mut sums = BTreeMap::new();
    for invoice in here.invoices.iter().filter(|invoice| invoice.amount_paid > 0) {
        *sums.entry(invoice.currency).or_insert(0) += invoice.amount_paid;
    }
    let is_there = customers::get_one(&means.stripe, id, Budget::work()).await.is_ok();
    if is_there {
        return Ok(Look::Unreadable("one of the customer's objects is unknown to Stripe".to_owned()));
    }
    let livemode = means.stripe.is_live();
    let (kind, change, repair) = if row.livemode == livemode {
        (Kind::OrphanRow, Change::new("id", row.id.as_str(), Value::Null), Repair::Remove)
    } else {
        (Kind::WrongMode, Change::new("livemode", row.livemode, livemode), Repair::ByHand)
    };
    let mut found = Finding::new(kind, Severity::Critical, "customer", row.id.as_str(), repair);
    found.customer = Some(row.id.to_string());
    found.tenant = Some(row.tenant_id);
    found.changes = vec![change];
    found.changes.extend(paid(&sums).map(|(field, minor)| Change::new(&field, minor, Value::Null)));
    found.amount = most(&sums);
    Ok(Look::Found(vec![found]))
}

/// A customer of Stripe's that names a tenant and has no row.
async fn stranger(means: &Means, whole: &Whole) -> Result<Vec<Finding>, Error> {
    let customer = whole.customer();
    let subscriptions = whole.subscriptions().iter();
    let named = customer
        .tenant()
        .or_else(|| subscriptions.clone().find_map(|one| one.metadata.get("tenant_id").map(String::as_str)));
    let Some(tenant) = named.filter(|_| !customer.deleted) else { return Ok(Vec::new()) };
    let is_live = subscriptions.clone().any(|one| !one.status.is_over());
    let mut tx = means.db.read().await?;
    let exists = store::tenant_exists(&mut tx, tenant).await?;
    let has_another = store::tenant_has_customer(&mut tx, tenant).await?;
    drop(tx);
    let live = |if_live, otherwise| if is_live { if_live } else { otherwise };
    let (kind, severity, repair) = match (exists, has_another) {
        (false, _) => (Kind::UnknownTenant, live(Severity::Major, Severity::Minor), Repair::ByHand),
        (true, true) => (Kind::SecondCustomer, live(Severity::Critical, Severity::Minor), Repair::ByHand),
        (true, false) => (Kind::MissingRow, live(Severity::Critical, Severity::Major), Repair::Attach),
    };
    let mut found = Finding::new(kind, severity, "customer", customer.id.as_str(), repair);
    found.customer = Some(customer.id.to_string());
    found.tenant = Some(tenant.to_owned());
    found.changes = vec![Change::new("tenant_id", Value::Null, tenant)];
    let sums = whole.paid();
    found.changes.extend(paid(&sums).map(|(field, minor)| Change::new(&field, Value::Null, minor)));
    found.amount = most(&sums);
    Ok(vec![found])
}

/// What was paid, one field for each currency.
fn paid(sums: &BTreeMap<Currency, i64>) -> impl Iterator<Item = (String, i64)> + '_ {
    sums.iter().map(|(currency, minor)| (format!("amount_paid_{}", currency.code()), *minor))
}

/// The largest of some sums: a customer pays in one currency, but for rare invoices.
fn most(sums: &BTreeMap<Currency, i64>) -> Option<Money> {
    sums.iter().max_by_key(|(_, minor)| **minor).map(|(currency, minor)| Money::new(*minor, *currency))
}
