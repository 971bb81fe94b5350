//! One step of sending: claim a mail, write it, hand it over, note what became of it.
//!
//! Each arrow is a commit of its own, so that a crash at any point leaves a state that says what to do:
//! waiting → sending (claimed for a while; taken back when that is over) → handed (nobody can prove any more that it was not
//! sent; never tried again by itself) → sent. The mail is marked as handed after the server has agreed to take it and before
//! its first byte leaves.

use jiff::{SignedDuration, Timestamp};

use super::Letter;
use super::render::{self, Written};
use super::smtp::{Failure, Parcel};
use super::store::{self, Claimed, Outcome};
use crate::app::App;
use crate::db::{Result, Tx};
use crate::metrics::names;

/// How long a claim holds, in seconds: longer than both steps of the way to the server.
pub const LEASE: i64 = 300;

/// Mails that one step gives up.
const AT_ONCE: i64 = 50;

/// Waits before the next try, in seconds, by the number of tries that failed. After the last, the mail has failed.
const WAITS: [i64; 7] = [60, 300, 1_800, 7_200, 21_600, 43_200, 86_400];

/// Sends one mail that is due; whether there was one.
///
/// # Errors
/// The database did not answer. The mail is taken up again when its claim is over.
pub async fn step(app: &App) -> Result<bool> {
    let now = app.clock.now();
    if !store::is_due(&mut app.db.read().await?, now).await? {
        return Ok(false);
    }
    let mut tx = app.db.write().await?;
    give_up(&mut tx, app, now).await?;
    let until = now.saturating_add(SignedDuration::from_secs(LEASE)).unwrap_or(now);
    let claimed = store::claim(&mut tx, now, until).await?;
    tx.commit().await?;
    let Some(mail) = claimed else { return Ok(false) };
    let outcome = send(app, &mail, now).await?;
    if let Outcome::Again { error, .. } | Outcome::Failed { error } = &outcome {
        tracing::warn!(
            mail = mail.id,
            kind = mail.kind.as_str(),
            attempt = mail.attempts,
            error,
            "a mail did not go out"
        );
    }
    if let Some(word) = outcome.as_str() {
        metrics::counter!(names::MAILS, "outcome" => word).increment(1);
    }
    let mut tx = app.db.write().await?;
    store::finish(&mut tx, &mail, &outcome, app.config.mail.reveals_secrets, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// Ends the mails of which nobody knows whether they were sent, as every mail ends: with its entry, and without its secret.
async fn give_up(tx: &mut Tx, app: &App, now: Timestamp) -> Result<()> {
    let error = "the program stopped while the server was taking the mail: it may have been sent".to_owned();
    let outcome = Outcome::Failed { error };
    for mail in store::uncertain(tx, now, AT_ONCE).await? {
        tracing::warn!(mail = mail.id, kind = mail.kind.as_str(), "a mail may or may not have been sent");
        metrics::counter!(names::MAILS, "outcome" => "failed").increment(1);
        store::finish(tx, &mail, &outcome, app.config.mail.reveals_secrets, now).await?;
    }
    Ok(())
}

async fn send(app: &App, mail: &Claimed, now: Timestamp) -> Result<Outcome> {
    let failed = |error: String| Ok(Outcome::Failed { error });
    let Some((to, written)) = write(app, mail).await? else {
        return failed("what the mail is about is not in its row as expected".to_owned());
    };
    let Some(to) = to else { return failed("there is no address to send it to".to_owned()) };
    if Letter::read(mail.kind, &mail.data)
        .is_ok_and(|letter| letter.expires_at().is_some_and(|at| at <= app.clock.wall().as_second()))
    {
        return failed("its link had expired before it could be sent".to_owned());
    }
    let Some((server, sender)) = &app.config.mail.server else { return Ok(Outcome::Kept { address: to }) };
    let parcel = match Parcel::pack(sender, &to, &mail.message_id(), &written, app.clock.wall()) {
        Ok(parcel) => parcel,
        Err(failure) => return Ok(outcome(mail, &failure, now)),
    };
    let offered = match server.offer(&parcel).await {
        Ok(offered) => offered,
        Err(failure) => return Ok(outcome(mail, &failure, now)),
    };
    let mut tx = app.db.write().await?;
    let is_ours = store::mark_handed(&mut tx, mail, now).await?;
    tx.commit().await?;
    if !is_ours {
        offered.leave().await;
        return Ok(Outcome::Lost);
    }
    Ok(match offered.hand_over(&parcel).await {
        Ok(()) => Outcome::Sent { address: to },
        Err(failure) => outcome(mail, &failure, now),
    })
}

/// The mail in words, and where it goes; none where its facts cannot be read.
///
/// # Errors
/// The database did not answer.
pub async fn write(app: &App, mail: &Claimed) -> Result<Option<(Option<String>, Written)>> {
    let Ok(letter) = Letter::read(mail.kind, &mail.data) else { return Ok(None) };
    let mut tx = app.db.read().await?;
    let (reader, address) = store::reader(&mut tx, mail, &letter).await?;
    drop(tx);
    match render::write(&letter, &reader, &app.config.site, &app.catalog) {
        Ok(written) => Ok(Some((address, written))),
        Err(error) => {
            tracing::error!(mail = mail.id, %error, "a mail could not be written");
            Ok(None)
        }
    }
}

fn outcome(mail: &Claimed, failure: &Failure, now: Timestamp) -> Outcome {
    let error = failure.to_string();
    let tries = usize::try_from(mail.tries()).unwrap_or(usize::MAX);
    match (failure, WAITS.get(tries.saturating_sub(1))) {
        (Failure::Passing(_), Some(wait)) => Outcome::Again { due_at: now.as_second() + wait, error },
        (Failure::Passing(_) | Failure::Final(_) | Failure::Uncertain(_), _) => Outcome::Failed { error },
    }
}
