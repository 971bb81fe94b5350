//! `event`: the inbox on the command line.

use std::io::Write as _;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::{Filter, State, readable, store, work};
use crate::audit::{self, Actor, Entry};
use crate::cli::Format;
use crate::clock::Clock;
use crate::db::Db;
use crate::stripe::{Budget, Stripe};

/// What can be done with events.
#[derive(Clone, Debug, Subcommand)]
pub enum Event {
    /// List events, the latest first
    List {
        /// Only those that stand so
        #[arg(long, value_parser = states())]
        state: Option<State>,
        /// Only those of this type, such as invoice.paid
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
        /// Only those of this customer (`cus_…`) or tenant (`ten_…`)
        #[arg(long)]
        customer: Option<String>,
        /// Only those that came from this time or day (UTC) on: 2026-11-25 or 2026-11-25T08:00:00Z
        #[arg(long, value_parser = since)]
        since: Option<Timestamp>,
        /// Only those that came before this time, or until the end of this day (UTC)
        #[arg(long, value_parser = until)]
        until: Option<Timestamp>,
        /// How many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
        limit: i64,
        /// How to print them
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Show one event with what was sent, without secrets
    Show {
        /// Stripe's id (`evt_…`)
        id: String,
    },
    /// Work on an event again; all that are parked without an id
    Replay {
        /// Stripe's id (`evt_…`)
        id: Option<String>,
    },
    /// Fetch from Stripe what it could not deliver in the last 30 days
    Recover,
    /// Count events by state
    Stats {
        /// How to print them
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no such event.
    #[error("there is no event {0}")]
    NoSuchEvent(String),
    /// Stripe or the database did not answer.
    #[error(transparent)]
    Sync(#[from] crate::sync::Error),
    /// Stripe has to be asked, and nobody said how.
    #[error("this needs Stripe's secret key")]
    NoKey,
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] crate::db::Error),
    /// Nobody reads what is printed.
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

impl Event {
    /// Whether Stripe has to be asked for it.
    pub fn asks_stripe(&self) -> bool {
        matches!(self, Self::Recover)
    }

    /// Does it, and prints on standard output.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(self, db: &Db, clock: &Clock, stripe: Option<&Stripe>) -> Result<(), Failure> {
        let text = match self {
            Self::List { state, kind, customer, since, until, limit, format } => {
                let filter = Filter {
                    kind: kind.unwrap_or_default(),
                    state,
                    whose: customer.unwrap_or_default(),
                    from: since.map(Timestamp::as_second),
                    until: until.map(Timestamp::as_second),
                    after: None,
                };
                list(db, &filter, limit, format).await?
            }
            Self::Show { id } => show(db, &id).await?,
            Self::Replay { id } => replay(db, clock, id.as_deref()).await?,
            Self::Recover => recover(db, clock, stripe.ok_or(Failure::NoKey)?).await?,
            Self::Stats { format } => stats(db, clock, format).await?,
        };
        Ok(writeln!(std::io::stdout(), "{text}")?)
    }
}

fn states() -> impl TypedValueParser<Value = State> {
    PossibleValuesParser::new(State::ALL.map(State::as_str)).try_map(|word| word.parse::<State>())
}

/// The beginning of a day, or a time.
fn since(words: &str) -> Result<Timestamp, String> {
    moment(words, 0)
}

/// The end of a day, or a time.
fn until(words: &str) -> Result<Timestamp, String> {
    moment(words, 1)
}

/// A time, or so many days after the beginning of a day, UTC.
fn moment(words: &str, days: i64) -> Result<Timestamp, String> {
    if let Ok(at) = words.parse::<Timestamp>() {
        return Ok(at);
    }
    let day = words.parse::<Date>().and_then(|day| day.checked_add(days.days()));
    day.and_then(|day| day.to_zoned(TimeZone::UTC))
        .map(|day| day.timestamp())
        .map_err(|_| "say a day (2026-11-25) or a time (2026-11-25T08:00:00Z)".to_owned())
}

/// The latest events of a filter.
///
/// # Errors
/// The database did not answer.
pub async fn list(db: &Db, filter: &Filter, limit: i64, format: Format) -> Result<String, Failure> {
    let events = store::page(&mut db.read().await?, filter, limit).await?;
    if format == Format::Json {
        return Ok(json!({ "data": events.iter().map(store::Summary::json).collect::<Vec<_>>() }).to_string());
    }
    let lines = events.iter().map(|event| {
        let error = event.error.as_deref().unwrap_or_default();
        format!(
            "{:<10} {:<32} {:<44} {:<24} {error}",
            event.state.as_str(),
            event.id,
            event.kind,
            event.customer_id.as_deref().unwrap_or("-")
        )
        .trim_end()
        .to_owned()
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// One event as JSON, its payload too, as staff's pages show it.
///
/// # Errors
/// There is no such event, or the database did not answer.
pub async fn show(db: &Db, id: &str) -> Result<String, Failure> {
    let mut tx = db.read().await?;
    let event = store::one(&mut tx, id).await?.ok_or_else(|| Failure::NoSuchEvent(id.to_owned()))?;
    let mut shown = event.summary.json();
    shown["payload"] = readable::clean(&event.payload);
    shown["conflict"] = json!(event.conflict.as_deref().map(readable::clean));
    Ok(format!("{shown:#}"))
}

/// Has an event worked on again by the running portal; all that are parked without an id.
///
/// # Errors
/// There is no such event, or the database did not answer.
pub async fn replay(db: &Db, clock: &Clock, id: Option<&str>) -> Result<String, Failure> {
    let mut tx = db.write().await?;
    let wall = clock.wall().as_second();
    let woken = match id {
        Some(id) => store::replay(&mut tx, id, wall).await?,
        None => store::replay_parked(&mut tx, wall).await?,
    };
    let action = if id.is_some() { "event.replayed" } else { "events.replayed" };
    let mut entry =
        Entry::new(Actor::Command, action, clock.now()).change(None, Some(json!({ "count": woken })));
    entry.object = id.map(str::to_owned);
    if woken > 0 {
        audit::record(&mut tx, &entry).await?;
    }
    tx.commit().await?;
    match id {
        Some(id) if woken == 0 => Err(Failure::NoSuchEvent(id.to_owned())),
        _ => Ok(format!("{woken} to be worked on again")),
    }
}

/// Takes in what Stripe could not deliver, for the running portal to work on.
///
/// # Errors
/// Stripe or the database did not answer.
pub async fn recover(db: &Db, clock: &Clock, stripe: &Stripe) -> Result<String, Failure> {
    let inbox = store::Inbox::open(db.clone());
    let new = work::take_in(&inbox, stripe, clock.wall().as_second(), Budget::work()).await;
    inbox.stop().await;
    let new = new?;
    let mut tx = db.write().await?;
    let entry = Entry::new(Actor::Command, "events.recovered", clock.now());
    audit::record(&mut tx, &entry.change(None, Some(json!({ "count": new })))).await?;
    tx.commit().await?;
    Ok(format!("{new} missing events were fetched; the running portal works on them"))
}

/// How many events stand how, and how old the oldest is that waits for work.
///
/// # Errors
/// The database did not answer.
pub async fn stats(db: &Db, clock: &Clock, format: Format) -> Result<String, Failure> {
    let stats = store::stats(&mut db.read().await?).await?;
    let age = stats.oldest_pending.map(|at| clock.wall().as_second() - at);
    let counts = ["pending", "waiting", "done", "not_needed", "parked"]
        .map(|state| (state, stats.counts.get(state).copied().unwrap_or(0)));
    if format == Format::Json {
        let mut all: serde_json::Map<String, Value> =
            counts.into_iter().map(|(state, count)| (state.to_owned(), json!(count))).collect();
        all.insert("total".to_owned(), json!(stats.counts.values().sum::<i64>()));
        all.insert("conflicts".to_owned(), json!(stats.conflicts));
        all.insert("oldest_pending_seconds".to_owned(), json!(age));
        all.insert("last_received_at".to_owned(), json!(stats.last_received));
        return Ok(Value::Object(all).to_string());
    }
    let mut lines: Vec<String> =
        counts.into_iter().map(|(state, count)| format!("{state:<12} {count:>8}")).collect();
    lines.push(format!("{:<12} {:>8}", "conflicts", stats.conflicts));
    lines.extend(age.map(|age| format!("the oldest that waits for work came {age} seconds ago")));
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_counts_whole_and_a_time_is_taken_as_it_is() {
        let said =
            |words: &str| (since(words).map(|at| at.to_string()), until(words).map(|at| at.to_string()));
        let (from, to) = said("2026-11-25");
        assert_eq!(
            (from.as_deref(), to.as_deref()),
            (Ok("2026-11-25T00:00:00Z"), Ok("2026-11-26T00:00:00Z"))
        );
        let (from, to) = said("2026-11-25T08:00:00Z");
        assert_eq!(
            (from.as_deref(), to.as_deref()),
            (Ok("2026-11-25T08:00:00Z"), Ok("2026-11-25T08:00:00Z"))
        );
        assert!(since("yesterday").is_err());
    }
}
