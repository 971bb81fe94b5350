//! The lists: a hundred objects at a time against their rows. Nothing is judged here: what differs becomes a suspect.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Error, Means, Step, advance, save};
use crate::money::Currency;
use crate::reconcile::store::{self, Run, Table, Window};
use crate::reconcile::{Change, Finding, Kind, Repair, STRANGERS, Severity, State};
use crate::stripe::calls::subscriptions::Listed;
use crate::stripe::calls::{customers, invoices, payments, subscriptions};
use crate::stripe::snapshot::{Expandable, Invoice, List};
use crate::stripe::{Budget, Fetched, InvoiceId};
use crate::sync::store as rows;
use crate::sync::work::{invoice_row, subscription_row};
use crate::sync::{ChargeRow, CustomerRow, payment_method};

/// Rows of ours that are held against the list in one step.
const ROWS: i64 = 1_000;
/// Metrics of tenants that are compared in one step: two calls each.
const METRICS: i64 = 20;

/// Ids as a JSON array, for a query.
fn ids<'a>(all: impl Iterator<Item = &'a str>) -> String {
    Value::from_iter(all).to_string()
}

pub(super) async fn customers(means: &Means, run: &mut Run, holder: &str) -> Result<Step, Error> {
    let after = run.cursor.after.as_deref();
    let List { data, has_more } = customers::listed(&means.stripe, after, Budget::work()).await?.value;
    let names = ids(data.iter().map(|customer| customer.id.as_str()));
    let mut tx = means.db.read().await?;
    if after.is_none() {
        run.progress.total = Some(store::customers(&mut tx).await?);
    }
    let here: HashMap<_, CustomerRow> =
        rows::customers_among(&mut tx, &names).await?.into_iter().map(|row| (row.id.clone(), row)).collect();
    drop(tx);
    let livemode = means.stripe.is_live();
    let mut suspects = Vec::new();
    for customer in &data {
        let Some(row) = here.get(&customer.id) else {
            if customer.tenant().is_some() {
                suspects.push(customer.id.as_str());
            } else {
                run.progress.strangers += 1;
            }
            continue;
        };
        let there = CustomerRow::new(&row.tenant_id, Some(row), customer, row.seen_at);
        let is_ours = customer.tenant() == Some(row.tenant_id.as_str());
        if there != *row || !is_ours || customer.livemode != livemode {
            suspects.push(customer.id.as_str());
        }
    }
    run.progress.customers += count(data.len());
    let mut tx = means.db.write().await?;
    store::mark_listed(&mut tx, &names, means.wall()).await?;
    store::add_suspects(&mut tx, &run.id, &suspects, means.wall()).await?;
    match data.last().filter(|_| has_more) {
        Some(last) => {
            run.cursor.after = Some(last.id.to_string());
            save(tx, means, run, holder).await
        }
        None => advance(tx, means, run, holder).await,
    }
}

/// An object of a list that goes by age: when it was made, and whether it has a row.
struct Aged {
    created: i64,
    has_row: bool,
}

/// How many rows a page leaves unexplained, and where the next one goes on. Stripe lists the newest first; rows made in the time
/// between two pages' ends must be as many as the objects with a row that the lists have shown of that time. Where a second is
/// shared by many objects, they are counted when the list has left it.
async fn unexplained(
    means: &Means,
    run: &mut Run,
    table: Table,
    page: &[Aged],
    until: Option<i64>,
) -> Result<Option<Window>, Error> {
    let high = until.or(run.cursor.counted_to).unwrap_or(i64::MAX);
    let low =
        if run.cursor.after.is_some() { page.last().map_or(high, |last| last.created) } else { i64::MIN };
    if low >= high {
        run.cursor.carried += count(page.iter().filter(|object| object.has_row).count());
        run.cursor.counted_to = Some(high);
        return Ok(None);
    }
    let shown = page.iter().filter(|object| object.has_row && object.created > low && object.created <= high);
    let shown = count(shown.count()) + run.cursor.carried;
    run.cursor.carried = count(page.iter().filter(|object| object.has_row && object.created == low).count());
    run.cursor.counted_to = Some(low);
    let window = Window { table, after: low, until: high };
    let here = store::count_rows(&mut means.db.read().await?, window).await?;
    Ok((here > shown).then_some(window))
}

/// Ends a step over a page of a list that goes by age.
async fn end_of_page(
    means: &Means,
    run: &mut Run,
    holder: &str,
    suspects: &[&str],
    window: Option<Window>,
    more: bool,
) -> Result<Step, Error> {
    let wall = means.wall();
    let mut tx = means.db.write().await?;
    store::add_suspects(&mut tx, &run.id, suspects, wall).await?;
    if let Some(window) = window {
        store::suspect_rows(&mut tx, &run.id, window, wall).await?;
    }
    if more { save(tx, means, run, holder).await } else { advance(tx, means, run, holder).await }
}

/// The customers of a page that are ours.
async fn ours(means: &Means, names: &str) -> Result<HashMap<String, CustomerRow>, Error> {
    let here = rows::customers_among(&mut means.db.read().await?, names).await?;
    Ok(here.into_iter().map(|row| (row.id.to_string(), row)).collect())
}

pub(super) async fn subscriptions(means: &Means, run: &mut Run, holder: &str) -> Result<Step, Error> {
    let is_first = run.cursor.after.is_none();
    let listed = subscriptions::listed(&means.stripe, run.cursor.after.as_deref(), Budget::work()).await?;
    let Fetched { value: List { data, has_more }, date, .. } = listed;
    let date = date.as_second();
    let owners = ids(data.iter().map(|one| one.subscription.customer.as_str()));
    let ours = ours(means, &owners).await?;
    let mut tx = means.db.read().await?;
    let here: HashMap<_, _> =
        rows::subscriptions_among(&mut tx, &ids(data.iter().map(|one| one.subscription.id.as_str())))
            .await?
            .into_iter()
            .map(|row| (row.id.clone(), row))
            .collect();
    let twice = store::live_twice(&mut tx, &owners).await?;
    let plans = store::plan_products(&mut tx).await?;
    drop(tx);
    let livemode = means.stripe.is_live();
    let mut suspects: Vec<&str> = twice.iter().map(String::as_str).collect();
    let mut strangers = Vec::new();
    let mut aged = Vec::new();
    for Listed { subscription, schedule } in &data {
        let owner = subscription.customer.as_str();
        let Some(customer) = ours.get(owner) else {
            let named = subscription.metadata.contains_key("tenant_id");
            if named {
                suspects.push(owner);
            } else if !subscription.status.is_over() {
                strangers.push(stranger(subscription, &plans));
            }
            continue;
        };
        let row = here.get(&subscription.id);
        let tenant = customer.tenant_id.as_str();
        let there = subscription_row(tenant, row, subscription, schedule.clone(), date);
        let is_ours = subscription.metadata.get("tenant_id").is_none_or(|named| named == tenant);
        // What it is paid with comes before what the customer has chosen, and is kept with the customer.
        let method = subscription.default_payment_method.as_ref().and_then(Expandable::object);
        let method = method.filter(|_| !subscription.status.is_over()).map(payment_method);
        let is_paid_otherwise = method.is_some() && method != customer.payment_method;
        if row != Some(&there) || !is_ours || is_paid_otherwise || subscription.livemode != livemode {
            suspects.push(owner);
        }
        aged.push(Aged { created: subscription.created, has_row: row.is_some() && !customer.deleted });
    }
    run.progress.subscriptions += count(data.len());
    run.cursor.after = data.last().filter(|_| has_more).map(|one| one.subscription.id.to_string());
    let window = unexplained(means, run, Table::Subscriptions, &aged, is_first.then_some(date)).await?;
    keep_strangers(means, run, &strangers).await?;
    end_of_page(means, run, holder, &suspects, window, has_more && !data.is_empty()).await
}

/// A subscription in force whose customer is nobody's of ours. One that buys a plan of ours pays for what nobody gets.
fn stranger(subscription: &crate::stripe::snapshot::Subscription, plans: &[String]) -> Finding {
    let products = subscription.items.data.iter().map(|item| item.price.product.as_str());
    let buys_ours = products.clone().any(|product| plans.iter().any(|plan| plan == product));
    let severity = if buys_ours { Severity::Critical } else { Severity::Minor };
    Finding {
        customer: Some(subscription.customer.to_string()),
        changes: vec![
            Change::new("status", Value::Null, json!(subscription.status)),
            Change::new("product", Value::Null, json!(products.collect::<Vec<_>>())),
        ],
        ..Finding::new(Kind::NoTenant, severity, "subscription", subscription.id.as_str(), Repair::ByHand)
    }
}

/// Keeps findings about strangers: no row of ours is concerned, so that there is nothing to look at twice. Those that are no more
/// than good to know are kept up to a number.
async fn keep_strangers(means: &Means, run: &Run, found: &[Finding]) -> Result<(), Error> {
    if found.is_empty() {
        return Ok(());
    }
    let mut tx = means.db.write().await?;
    let kept = store::count(&mut tx, &run.id).await?;
    let mut room = STRANGERS
        - kept
            .iter()
            .filter(|one| one.kind == Kind::NoTenant && one.severity == Severity::Minor)
            .map(|one| one.count)
            .sum::<i64>();
    for finding in found {
        if finding.severity == Severity::Minor {
            if room <= 0 {
                continue;
            }
            room -= 1;
        }
        let subject = finding.customer.as_deref().unwrap_or_default();
        store::keep(&mut tx, &run.id, subject, finding, State::Open, means.wall()).await?;
    }
    tx.commit().await?;
    Ok(())
}

pub(super) async fn invoices(means: &Means, run: &mut Run, holder: &str) -> Result<Step, Error> {
    let is_first = run.cursor.after.is_none();
    let listed = invoices::listed(&means.stripe, run.cursor.after.as_deref(), Budget::work()).await?;
    let Fetched { value: List { data, has_more }, date, .. } = listed;
    let date = date.as_second();
    let name = |invoice: &Invoice| invoice.id.as_ref().map_or("", InvoiceId::as_str).to_owned();
    let owners = ids(data.iter().map(|invoice| invoice.customer.as_str()));
    let ours = ours(means, &owners).await?;
    // A customer that names a tenant and has no row is a suspect by now: what it pays is money of ours all the same.
    let named = store::suspects_among(&mut means.db.read().await?, &run.id, &owners).await?;
    let names: Vec<String> = data.iter().map(name).collect();
    let here: HashMap<_, _> =
        rows::invoices_among(&mut means.db.read().await?, &ids(names.iter().map(String::as_str)))
            .await?
            .into_iter()
            .map(|row| (row.id.to_string(), row))
            .collect();
    let mut suspects = Vec::new();
    let mut aged = Vec::new();
    for (invoice, name) in data.iter().zip(&names) {
        let row = here.get(name);
        aged.push(Aged { created: invoice.created, has_row: row.is_some() });
        let customer = ours.get(invoice.customer.as_str());
        if customer.is_some() || named.iter().any(|name| name == invoice.customer.as_str()) {
            paid(&mut run.progress.paid, invoice);
        }
        let Some(customer) = customer else { continue };
        if row != invoice_row(&customer.tenant_id, row, invoice, date).as_ref() {
            suspects.push(invoice.customer.as_str());
        }
    }
    run.progress.invoices += count(data.len());
    run.cursor.after = names.last().filter(|_| has_more).cloned();
    let window = unexplained(means, run, Table::Invoices, &aged, is_first.then_some(date)).await?;
    end_of_page(means, run, holder, &suspects, window, has_more && !data.is_empty()).await
}

fn paid(sums: &mut std::collections::BTreeMap<Currency, i64>, invoice: &Invoice) {
    let sum = sums.entry(invoice.currency).or_default();
    *sum = sum.saturating_add(invoice.amount_paid);
}

pub(super) async fn charges(means: &Means, run: &mut Run, holder: &str) -> Result<Step, Error> {
    let is_first = run.cursor.after.is_none();
    let listed = payments::listed(&means.stripe, run.cursor.after.as_deref(), Budget::work()).await?;
    let Fetched { value: List { data, has_more }, date, .. } = listed;
    let date = date.as_second();
    let owners = data.iter().filter_map(|charge| charge.customer.as_ref()).map(|id| id.as_str());
    let ours = ours(means, &ids(owners)).await?;
    let names = ids(data.iter().map(|charge| charge.id.as_str()));
    let here: HashMap<_, _> = rows::charges_among(&mut means.db.read().await?, &names)
        .await?
        .into_iter()
        .map(|row| (row.id.clone(), row))
        .collect();
    let mut suspects = Vec::new();
    let mut aged = Vec::new();
    for charge in &data {
        let row = here.get(&charge.id);
        aged.push(Aged { created: charge.created, has_row: row.is_some() });
        let Some((id, customer)) = charge.customer.as_ref().and_then(|id| Some((id, ours.get(id.as_str())?)))
        else {
            continue;
        };
        let seen_at = row.map_or(date, |row| row.seen_at);
        if row != Some(&ChargeRow::new(&customer.tenant_id, id, row, charge, seen_at)) {
            suspects.push(id.as_str());
        }
    }
    run.progress.charges += count(data.len());
    run.cursor.after = data.last().filter(|_| has_more).map(|charge| charge.id.to_string());
    let window = unexplained(means, run, Table::Charges, &aged, is_first.then_some(date)).await?;
    end_of_page(means, run, holder, &suspects, window, has_more && !data.is_empty()).await
}

/// The other way round: customers of ours that Stripe's list has not shown in this run, and rows of the other mode.
pub(super) async fn absent(means: &Means, run: &mut Run, holder: &str) -> Result<Step, Error> {
    let after = run.cursor.after.clone().unwrap_or_default();
    let page = store::absent(&mut means.db.read().await?, &after, run.started_at, ROWS).await?;
    let livemode = means.stripe.is_live();
    let suspects: Vec<&str> = page
        .iter()
        .filter(|(_, listed, mode)| !listed || *mode != livemode)
        .map(|(id, ..)| id.as_str())
        .collect();
    run.progress.rows += count(page.len());
    let mut tx = means.db.write().await?;
    store::add_suspects(&mut tx, &run.id, &suspects, means.wall()).await?;
    match page.last() {
        Some((last, ..)) => {
            run.cursor.after = Some(last.clone());
            save(tx, means, run, holder).await
        }
        None => advance(tx, means, run, holder).await,
    }
}

/// What Stripe was told of against what it counted, for each tenant and metric: this has no list.
pub(super) async fn usage(means: &Means, run: &mut Run, holder: &str) -> Result<Step, Error> {
    let after = (run.cursor.after.clone().unwrap_or_default(), run.cursor.beside.clone().unwrap_or_default());
    let now = means.clock.now();
    let page = crate::usage::work::compare_page(&means.db, &means.stripe, now, &after, METRICS).await?;
    let subjects: Vec<String> =
        page.differ.iter().map(|(tenant, metric)| format!("usage/{tenant}/{metric}")).collect();
    let suspects: Vec<&str> = subjects.iter().map(String::as_str).collect();
    run.progress.usage += count(page.made);
    let mut tx = means.db.write().await?;
    store::add_suspects(&mut tx, &run.id, &suspects, means.wall()).await?;
    match page.next {
        Some((tenant, metric)) => {
            (run.cursor.after, run.cursor.beside) = (Some(tenant), Some(metric));
            save(tx, means, run, holder).await
        }
        None => advance(tx, means, run, holder).await,
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
