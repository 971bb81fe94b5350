//! Raising alarms and taking them back, with all that follows from it.

use jiff::Timestamp;
use serde_json::json;

use super::{Alarm, store};
use crate::audit::{self, Actor, Entry};
use crate::db::{Result, Tx};
use crate::mail::{self, Letter, letter};

/// Says of some alarms which of them are on, each with what is wrong in words, and takes the others back. A mail goes to
/// `support`, where there is such an address, once for each time that an alarm goes on.
///
/// # Errors
/// The database did not answer.
pub async fn settle(
    tx: &mut Tx,
    of: &[Alarm],
    on: &[(Alarm, String)],
    support: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    for alarm in of {
        let at = now.as_second();
        match on.iter().find(|(found, _)| found == alarm) {
            Some((_, detail)) => {
                tracing::error!(alarm = alarm.as_str(), detail, "something needs a person");
                if store::raise(tx, *alarm, detail, at).await? {
                    note(tx, "alarm.raised", *alarm, detail, now).await?;
                    mail_to(tx, support, *alarm, now).await?;
                }
            }
            None => {
                if store::clear(tx, *alarm).await? {
                    tracing::info!(alarm = alarm.as_str(), "is right again");
                    note(tx, "alarm.cleared", *alarm, "", now).await?;
                }
            }
        }
    }
    Ok(())
}

async fn note(tx: &mut Tx, action: &'static str, alarm: Alarm, detail: &str, now: Timestamp) -> Result<()> {
    let after = (!detail.is_empty()).then(|| json!({ "detail": detail }));
    let entry = Entry::new(Actor::Job("watch"), action, now).object(alarm.as_str()).change(None, after);
    audit::record(tx, &entry).await.map(drop)
}

async fn mail_to(tx: &mut Tx, support: Option<&str>, alarm: Alarm, now: Timestamp) -> Result<()> {
    let Some(to) = support else { return Ok(()) };
    let since = now.as_second();
    let letter = letter::Alarm { to: to.to_owned(), name: alarm.as_str().to_owned(), since };
    let cause = format!("{}:{since}", alarm.as_str());
    mail::stage(tx, &mail::New::of(&Letter::Alarm(letter), cause), now).await.map(drop)
}
