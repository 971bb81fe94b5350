//! Counting for the eight checks, keeping the report, and telling what cannot wait.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Error, Means, cards};
use crate::alarm::{self, Alarm};
use crate::audit;
use crate::clock::DAY;
use crate::db::Tx;
use crate::reconcile::checks::{self, Compared, DAYS, FRESH_HOURS, Facts, Refunds, Verdict};
use crate::reconcile::store::checks::{self as rows, Report};
use crate::reconcile::{Severity, State, store};
use crate::sync;

/// Events about refunds that are read at once, and at most.
const STEP: i64 = 200;
const MOST: i64 = 20_000;

/// Makes the report of a run that has just ended, if there is one without; whether there was.
///
/// # Errors
/// The database did not answer.
pub async fn pending(means: &Means, support: Option<&str>) -> Result<bool, Error> {
    let run = rows::without_report(&mut means.db.read().await?, means.wall()).await?;
    match run {
        None => Ok(false),
        Some(run) => make(means, Some(&run), support).await.map(|_| true),
    }
}

/// Counts, judges, keeps the report and raises what is alarming. It rests on this run, or on the latest one that is fresh.
///
/// # Errors
/// The database did not answer.
pub async fn make(means: &Means, run: Option<&str>, support: Option<&str>) -> Result<Report, Error> {
    let (wall, until) = (means.wall(), means.clock.now().as_second());
    let since = until - DAYS * DAY;
    let (facts, run) = gather(means, run, since, wall).await?;
    let report =
        Report { id: rows::new_id(), run, since, until, checks: checks::judge(&facts), made_at: wall };
    let alarms = checks::alarms(&facts);
    let mut tx = means.db.write().await?;
    rows::keep_report(&mut tx, &report).await?;
    alarm::work::settle(&mut tx, &checks::ALARMS, &alarms, support, means.clock.now()).await?;
    if let Some(run) = &report.run {
        settle_findings(&mut tx, means, run, support).await?;
    }
    let seal = audit::store::mark(&mut tx, wall).await?;
    tx.commit().await?;
    let failed: Vec<&str> = report
        .checks
        .iter()
        .filter(|one| one.verdict == Verdict::Fail)
        .map(|one| one.check.as_str())
        .collect();
    tracing::info!(report = report.id, ?failed, audit_seal = seal, "validation report made");
    Ok(report)
}

/// Raises the alarm about what a run found to be critical and is still open, or takes it back.
///
/// # Errors
/// The database did not answer.
pub(super) async fn settle_findings(
    tx: &mut Tx,
    means: &Means,
    run: &str,
    support: Option<&str>,
) -> Result<(), Error> {
    let is_open = |one: &&store::Counts| one.severity == Severity::Critical && one.state == State::Open;
    let count: i64 = store::count(tx, run).await?.iter().filter(is_open).map(|one| one.count).sum();
    let on = (count > 0).then(|| Alarm {
        facts: alarm::Facts { count: Some(count), ..alarm::Facts::default() },
        ..Alarm::new(alarm::Kind::Findings, format!("{count} critical findings of the run {run} are open"))
    });
    let on = Vec::from_iter(on);
    Ok(alarm::work::settle(tx, &[alarm::Kind::Findings], &on, support, means.clock.now()).await?)
}

async fn gather(
    means: &Means,
    run: Option<&str>,
    since: i64,
    wall: i64,
) -> Result<(Facts, Option<String>), Error> {
    let mut tx = means.db.read().await?;
    let run = match run {
        Some(run) => store::run(&mut tx, run).await?,
        None => store::latest_done(&mut tx, wall - FRESH_HOURS * 3_600).await?,
    };
    let compared = match &run {
        Some(run) => {
            let rows::Apart { money: apart, subscriptions, unread } = rows::apart(&mut tx, &run.id).await?;
            let (paid, looked_at) = (run.progress.paid.clone(), run.progress.subscriptions);
            Some(Compared { paid, apart, subscriptions, looked_at, unread })
        }
        None => None,
    };
    let world = wall - DAYS * DAY;
    let webhooks = rows::webhooks(&mut tx, world, wall).await?;
    let payments = rows::payments(&mut tx, since).await?;
    let duplicates = rows::duplicates(&mut tx, since).await?;
    let audit = audit::store::coverage(&mut tx).await?;
    let untold = sync::store::untold(&mut tx).await?;
    drop(tx);
    audit::work::keep_redacted(&means.db, wall).await?;
    let log_lines = audit::store::redacted_since(&mut means.db.read().await?, world.div_euclid(DAY)).await?;
    let facts = Facts {
        compared,
        webhooks,
        payments,
        duplicates,
        audit: audit.into_iter().map(|one| (one.what, one.rows, one.missing)).collect(),
        untold: untold.into_iter().map(|one| (one.table.to_owned(), one.changed, one.ids)).collect(),
        places: cards::search(means).await?,
        log_lines,
        refunds: refunds(means, world).await?,
    };
    Ok((facts, run.map(|run| run.id)))
}

/// An event about a refund, as far as it matters.
#[derive(Deserialize)]
struct Told {
    created: i64,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Refund,
}

#[derive(Deserialize)]
struct Refund {
    id: String,
    #[serde(default)]
    created: i64,
    #[serde(default)]
    status: String,
}

/// What events tell of refunds: from when one was asked for to when it came through.
async fn refunds(means: &Means, world: i64) -> Result<Refunds, Error> {
    /// One refund: when it was asked for, when it came through, whether it failed.
    #[derive(Default)]
    struct Course {
        asked: i64,
        through: Option<i64>,
        failed: bool,
    }
    let mut courses: HashMap<String, Course> = HashMap::new();
    let (mut after, mut read) = (String::new(), 0);
    while read < MOST {
        let page = rows::refund_events(&mut means.db.read().await?, world, &after, STEP).await?;
        let Some((last, _)) = page.last() else { break };
        after.clone_from(last);
        read += STEP;
        for told in page.iter().filter_map(|(_, payload)| serde_json::from_str::<Told>(payload).ok()) {
            let refund = told.data.object;
            let course = courses.entry(refund.id).or_default();
            course.asked = if course.asked == 0 { refund.created } else { course.asked.min(refund.created) };
            match refund.status.as_str() {
                "succeeded" => {
                    course.through = Some(course.through.map_or(told.created, |at| at.min(told.created)));
                }
                "failed" | "canceled" => course.failed = true,
                _ => {}
            }
        }
    }
    let now = means.clock.now().as_second();
    let took = |course: &Course| match course.through {
        _ if course.failed => DAY,
        Some(at) => (at - course.asked).max(0),
        None => (now - course.asked).max(0),
    };
    let times: Vec<i64> = courses.values().map(took).collect();
    Ok(Refunds {
        count: i64::try_from(times.len()).unwrap_or(i64::MAX),
        late: i64::try_from(times.iter().filter(|time| **time >= DAY).count()).unwrap_or(i64::MAX),
        slowest: times.into_iter().max(),
    })
}

/// A report as files have it.
pub fn report_json(report: &Report) -> Value {
    let time = |at: i64| crate::clock::from_seconds(at).to_string();
    json!({
        "id": report.id, "run": report.run, "since": time(report.since), "until": time(report.until),
        "made_at": time(report.made_at), "checks": report.checks,
    })
}
