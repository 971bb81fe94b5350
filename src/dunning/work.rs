//! One step of dunning: the case that is due, taken one step further.

use jiff::Timestamp;

use super::{Case, DAY, Due, State, Step, due, store};
use crate::app::App;
use crate::audit::Actor;
use crate::db::{Result, Tx};
use crate::mail::{self, New};
use crate::stripe::calls::invoices;
use crate::stripe::calls::subscriptions::{self, Reason};
use crate::stripe::snapshot::InvoiceStatus;
use crate::stripe::{Budget, CustomerId, Error, InvoiceId, SubscriptionId};
use crate::sync;

/// How long a claim holds, in seconds: longer than a call to Stripe may take.
const LEASE: i64 = 120;

/// Takes one case that is due one step further; whether there was one. `app.clock.now()` is the time that drives it.
///
/// # Errors
/// The database did not answer.
pub async fn step(app: &App) -> Result<bool> {
    let (now, wall) = (app.clock.now(), app.clock.wall().as_second());
    if !store::is_due(&mut app.db.read().await?, now, wall).await? {
        return Ok(false);
    }
    let mut tx = app.db.write().await?;
    let Some(mut case) = store::claim(&mut tx, now, wall, wall + LEASE).await? else { return Ok(false) };
    if case.restricts_at.is_none() {
        let (dated, is_whole) = store::dated(&mut tx, &case).await?;
        case = dated;
        if !is_whole && case.attempts == 1 {
            tx.commit().await?;
            look(app, &case, now).await?;
            return Ok(true);
        }
    }
    let ends = take(&mut tx, app, &case, now).await?;
    tx.commit().await?;
    if let Some(due) = ends {
        end(app, &case, &due, now).await?;
    }
    Ok(true)
}

/// Does all that the database can do by itself; what is left is the end of the subscription, which is Stripe's to do.
async fn take(tx: &mut Tx, app: &App, case: &Case, now: Timestamp) -> Result<Option<Due>> {
    if case.restricts_at.is_none() {
        store::fix_days(tx, case, &app.catalog.dunning).await?;
        return Ok(None);
    }
    if store::is_over(tx, case).await? {
        store::close(tx, case, State::Ended, &Actor::Job("dunning"), now).await?;
        return Ok(None);
    }
    let Some(due) = due(&store::steps(tx, &case.invoice_id).await?, now) else {
        store::again(tx, case, now.as_second().saturating_add(DAY), "nothing is due").await?;
        return Ok(None);
    };
    if due.step == Step::Cancel {
        return Ok(Some(due));
    }
    let case = Case { cancels_at: due.cancels_at.or(case.cancels_at), ..case.clone() };
    if store::done(tx, &case, &due, now).await?
        && let Some(letter) = due.step.letter(case.facts())
    {
        mail::stage(tx, &New::of(&letter, case.invoice_id.clone()).tenant(case.tenant_id.as_str()), now)
            .await?;
    }
    Ok(None)
}

/// The end of a subscription, if Stripe too says that the payment is missing: an event that is lost or waits must not cost anybody
/// a plan that was paid for.
async fn end(app: &App, case: &Case, due: &Due, now: Timestamp) -> Result<()> {
    match is_missing(app, case).await {
        Ok(true) => cancel(app, case, due, now).await,
        Ok(false) => {
            tracing::warn!(
                invoice = case.invoice_id,
                "an invoice was settled and nobody told; its subscription stays"
            );
            learn(app, case, now).await
        }
        Err(error) => postpone(app, case, now, &error.to_string()).await,
    }
}

/// Whether the payment is missing at this moment, by Stripe's own word.
async fn is_missing(app: &App, case: &Case) -> std::result::Result<bool, Error> {
    let Ok(id) = case.invoice_id.parse::<InvoiceId>() else { return Ok(true) };
    let invoice = invoices::get_one(&app.stripe, &id, Budget::work()).await?.value;
    Ok(invoice.status == Some(InvoiceStatus::Open) && invoice.amount_remaining > 0)
}

/// Brings what Stripe knows of the customer here, which closes the case as the lost event would have.
async fn learn(app: &App, case: &Case, now: Timestamp) -> Result<()> {
    let Ok(customer) = case.customer_id.parse::<CustomerId>() else {
        return postpone(app, case, now, "the customer's id cannot be read").await;
    };
    let by = Actor::Job("dunning");
    let learnt = sync::work::refetch(&app.db, &app.stripe, &app.clock, &customer, &by, Budget::work()).await;
    let error = match learnt {
        Ok(()) => "Stripe says that nothing is missing".to_owned(),
        Err(sync::work::Error::Db(error)) => return Err(error),
        Err(error) => error.to_string(),
    };
    // Of a case that is closed now, nothing is put off.
    postpone(app, case, now, &error).await
}

/// Asks Stripe when the payment first failed, once: the days of a case are the same in whatever order events come.
async fn look(app: &App, case: &Case, now: Timestamp) -> Result<()> {
    let Ok(customer) = case.customer_id.parse::<CustomerId>() else {
        return postpone(app, case, now, "the customer's id cannot be read").await;
    };
    let by = Actor::Job("dunning");
    match sync::work::refetch(&app.db, &app.stripe, &app.clock, &customer, &by, Budget::work()).await {
        Ok(()) => {
            let mut tx = app.db.write().await?;
            store::give_back(&mut tx, case).await?;
            tx.commit().await
        }
        Err(sync::work::Error::Db(error)) => Err(error),
        Err(error) => postpone(app, case, now, &error.to_string()).await,
    }
}

/// Tries again later, longer each time.
async fn postpone(app: &App, case: &Case, now: Timestamp, error: &str) -> Result<()> {
    let mut tx = app.db.write().await?;
    let wait = 60 << case.attempts.clamp(1, 6);
    store::again(&mut tx, case, now.as_second() + wait, error).await?;
    tx.commit().await?;
    app.bell.ring();
    Ok(())
}

/// Ends the subscription at Stripe. Doing it twice is doing it once: what is over already is not there any more.
async fn cancel(app: &App, case: &Case, due: &Due, now: Timestamp) -> Result<()> {
    let reason = Reason { feedback: None, comment: Some(format!("Payment missing: {}", case.name())) };
    let id = case.subscription_id.as_deref().and_then(|id| id.parse::<SubscriptionId>().ok());
    let ended = match id {
        None => Ok(()),
        Some(id) => {
            subscriptions::cancel_now(&app.stripe, &id, &reason, false, Budget::work()).await.map(drop)
        }
    };
    match ended {
        Ok(()) | Err(Error::NotFound { .. }) => {}
        Err(error) => {
            tracing::warn!(invoice = case.invoice_id, %error, "a subscription could not be ended; trying again");
            return postpone(app, case, now, &error.to_string()).await;
        }
    }
    let mut tx = app.db.write().await?;
    store::done(&mut tx, case, due, now).await?;
    store::close(&mut tx, case, State::Ended, &Actor::Job("dunning"), now).await?;
    // Stripe's event tells of it; should it be lost, this does.
    if let Ok(customer) = case.customer_id.parse() {
        sync::store::request_refetch(&mut tx, &customer, app.clock.wall().as_second()).await?;
    }
    tx.commit().await?;
    app.bell.ring();
    Ok(())
}
