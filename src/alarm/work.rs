//! Raising alarms and taking them back, with all that follows from it.

use jiff::Timestamp;
use serde_json::json;

use super::{Alarm, Kind, store};
use crate::audit::{self, Actor, Entry};
use crate::db::{Result, Tx};
use crate::mail::{self, Letter, letter};

/// Says of some kinds of alarms which of them are on, and takes the others back. Mails go out once for each time that an alarm
/// goes on: to `support`, or to each of the staff where no such address is named.
///
/// # Errors
/// The database did not answer.
pub async fn settle(
    tx: &mut Tx,
    of: &[Kind],
    on: &[Alarm],
    support: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    for alarm in on {
        let (kind, detail) = (alarm.kind.as_str(), alarm.detail.as_str());
        tracing::error!(alarm = kind, about = alarm.about, detail, "something needs a person");
        if store::raise(tx, alarm, now.as_second()).await? {
            note(tx, "alarm.raised", &alarm.cause(), detail, now).await?;
            tell(tx, alarm, support, now).await?;
        }
    }
    for raised in store::raised(tx).await? {
        let is_ours = raised.kind.parse().is_ok_and(|kind: Kind| of.contains(&kind));
        let is_over = is_ours && !on.iter().any(|alarm| alarm.cause() == raised.cause);
        if is_over && store::clear(tx, &raised.cause).await? {
            tracing::info!(alarm = raised.cause, "is right again");
            note(tx, "alarm.cleared", &raised.cause, "", now).await?;
        }
    }
    Ok(())
}

async fn note(tx: &mut Tx, action: &'static str, cause: &str, detail: &str, now: Timestamp) -> Result<()> {
    let after = (!detail.is_empty()).then(|| json!({ "detail": detail }));
    let entry = Entry::new(Actor::Job("watch"), action, now).object(cause).change(None, after);
    audit::record(tx, &entry).await.map(drop)
}

async fn tell(tx: &mut Tx, alarm: &Alarm, support: Option<&str>, now: Timestamp) -> Result<()> {
    let since = now.as_second();
    let letter = Letter::Alarm(letter::Alarm {
        to: support.map(str::to_owned),
        kind: alarm.kind.as_str().to_owned(),
        since: Some(since),
        facts: alarm.facts.clone(),
    });
    let cause = format!("{}:{since}", alarm.cause());
    if support.is_some() {
        return mail::stage(tx, &mail::New::of(&letter, cause), now).await.map(drop);
    }
    for user in store::staff(tx).await? {
        mail::stage(tx, &mail::New::of(&letter, format!("{cause}:{user}")).user(user), now).await?;
    }
    Ok(())
}
