//! The background work: a dull loop over the steps of the features, woken when there is something to do.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::app::App;
use crate::clock::Clock;
use crate::db::Db;
use crate::id;
use crate::stripe::Stripe;
use crate::webhooks::Inbox;
use crate::{audit, auth, checkout, dunning, mail, notices, reconcile, staff, sync, usage, webhooks};

/// How often the loop looks for what has fallen due by itself.
const TICK: Duration = Duration::from_secs(1);

/// How long a mail server or Stripe may take over what was begun when the program is to stop.
const FAREWELL: Duration = Duration::from_secs(20);

/// How often a process looks for alarms that another has raised.
const BOARD: Duration = Duration::from_secs(10);

/// Wakes the work when something has come in. Cloning is cheap; all clones are one bell.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// There is something to do. Heard also by a loop that is not listening at this moment.
    pub fn ring(&self) {
        self.0.notify_one();
    }

    async fn heard(&self) {
        self.0.notified().await;
    }
}

/// What the steps work with. Cloning is cheap.
#[derive(Clone)]
pub struct Tools {
    /// The rows.
    pub db: Db,
    /// The way to Stripe.
    pub stripe: Stripe,
    /// Both times.
    pub clock: Clock,
    /// Where events are kept.
    pub inbox: Inbox,
    /// What wakes the loop.
    pub bell: Bell,
    /// The portal: for steps that need its settings too.
    pub app: App,
}

impl From<&App> for Tools {
    fn from(app: &App) -> Self {
        Self {
            db: app.db.clone(),
            stripe: app.stripe.clone(),
            clock: app.clock.clone(),
            inbox: app.inbox.clone(),
            bell: app.bell.clone(),
            app: app.clone(),
        }
    }
}

impl From<App> for Tools {
    fn from(app: App) -> Self {
        Self::from(&app)
    }
}

/// Works until `halted` says so; what is begun is finished. A step that fails is logged and tried again at the next tick; work that
/// panics is begun again, so that a portal which answers also works.
pub async fn run(tools: impl Into<Tools>, halted: watch::Receiver<bool>) {
    let tools = tools.into();
    let mut looking = JoinSet::new();
    looking.spawn(alive("recovery", &tools, &halted, recover));
    looking.spawn(alive("daily", &tools, &halted, daily));
    looking.spawn(alive("reconciliation", &tools, &halted, compare));
    looking.spawn(alive("alarms", &tools, &halted, board));
    let mut beside = tokio::spawn(alive("beside", &tools, &halted, beside));
    alive("events", &tools, &halted, events).await;
    looking.shutdown().await;
    if tokio::time::timeout(FAREWELL, &mut beside).await.is_err() {
        beside.abort();
    }
}

/// Work that is begun again where it panicked.
fn alive<F: Future<Output = ()> + Send + 'static>(
    name: &'static str,
    tools: &Tools,
    halted: &watch::Receiver<bool>,
    work: impl Fn(Tools, watch::Receiver<bool>) -> F + Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let (tools, halted) = (tools.clone(), halted.clone());
    begun_again(name, TICK, move || work(tools.clone(), halted.clone()))
}

/// Does a piece of work to its end; where it panics, once more after a pause. Dropped, it takes the work with it.
async fn begun_again<F>(name: &'static str, pause: Duration, work: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let mut one = JoinSet::new();
        one.spawn(work());
        match one.join_next().await {
            Some(Err(error)) if error.is_panic() => {
                tracing::error!(work = name, "background work panicked; it is begun again");
                tokio::time::sleep(pause).await;
            }
            _ => return,
        }
    }
}

/// Events first: whenever something came in, and every tick.
async fn events(tools: Tools, mut halted: watch::Receiver<bool>) {
    while !*halted.borrow() {
        if once(&tools).await > 0 {
            continue;
        }
        tokio::select! {
            () = tools.bell.heard() => {}
            () = tokio::time::sleep(TICK) => {}
            _ = halted.changed() => break,
        }
    }
}

/// Works until nothing is left that is due now.
pub async fn settle(tools: impl Into<Tools>) {
    let tools = tools.into();
    while once(&tools).await + round(&tools.app).await > 0 {}
}

/// The work that waits for other machines, beside the events: a mail server that is slow must not keep a payment waiting.
/// Halted, it finishes what it is at: a mail that is on its way arrives.
async fn beside(tools: Tools, mut halted: watch::Receiver<bool>) {
    while !*halted.borrow() {
        if round(&tools.app).await > 0 {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            _ = halted.changed() => break,
        }
    }
}

/// One case of a missing payment, one payment page to close, one announcement, one link that somebody asked for, one mail, a batch of
/// seals and one of figures; how much was done.
async fn round(app: &App) -> usize {
    let mut done = 0;
    let cases = dunning::work::step(app).await.map(usize::from);
    let pages = checkout::work::step(app).await.map(usize::from);
    let notices = notices::work::step(app).await.map(usize::from);
    let links = auth::work::step(&app.auth).await.map(usize::from);
    let mails = mail::work::step(app).await.map(usize::from);
    let seals = audit::work::step(&app.db).await.map(|sealed| usize::from(sealed > 0));
    let figures = staff::work::step(&app.db).await;
    let all = [
        ("missing payments", cases),
        ("payment pages", pages),
        ("notices", notices),
        ("links", links),
        ("mails", mails),
        ("audit", seals),
        ("figures", figures),
    ];
    for (name, result) in all {
        match result {
            Ok(count) => done += count,
            Err(error) => tracing::error!(step = name, %error, "a step of background work failed"),
        }
    }
    done
}

/// One round over all steps; how much was done.
pub async fn once(tools: &Tools) -> usize {
    let events = webhooks::work::step(tools).await;
    let previews = sync::work::step(&tools.db, &tools.stripe, &tools.clock).await;
    let usage = usage::work::step(&tools.db, &tools.stripe, &tools.clock).await;
    let mut done = 0;
    for (name, result) in [
        ("events", events.map_err(|e| e.to_string())),
        ("previews", previews.map_err(|e| e.to_string())),
        ("usage", usage.map_err(|e| e.to_string())),
    ] {
        match result {
            Ok(count) => done += count,
            Err(error) => tracing::error!(step = name, %error, "a step of background work failed"),
        }
    }
    done
}

/// At the start and every ten minutes, in one process of several: takes in what Stripe could not deliver, and sees whether
/// deliveries arrive.
async fn recover(tools: Tools, halted: watch::Receiver<bool>) {
    let holder = id::random_text();
    let mut ago = webhooks::work::AT_FIRST;
    while !*halted.borrow() {
        match webhooks::work::recover(&tools, &holder, ago).await {
            Ok(None) => {}
            Ok(Some(taken)) => {
                ago = webhooks::work::EVERY;
                if taken > 0 {
                    tracing::info!(taken, "took in events that had not been delivered");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot ask Stripe for undelivered events; asking again later");
            }
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

/// At the start and once a day, in one process of several: holds usage against Stripe's and forgets what is old.
async fn daily(tools: Tools, halted: watch::Receiver<bool>) {
    let holder = id::random_text();
    while !*halted.borrow() {
        match usage::work::daily(&tools.db, &tools.stripe, &tools.app.catalog, &tools.clock, &holder).await {
            Ok(0) => {}
            Ok(compared) => tracing::info!(compared, "held usage against Stripe's"),
            Err(error) => tracing::warn!(%error, "cannot hold usage against Stripe's; an hour later again"),
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

/// Holds Stripe and the database against each other, when somebody has asked for it and every night, in one process of several.
async fn compare(tools: Tools, mut halted: watch::Receiver<bool>) {
    let means = reconcile::work::Means::from(&tools.app);
    let holder = id::random_text();
    while !*halted.borrow() {
        if let Err(error) = reconcile::work::nightly(&means).await {
            tracing::warn!(%error, "cannot tell whether it is night; looking again later");
        }
        if let Err(error) = audit::work::keep_redacted(&tools.db, tools.clock.wall().as_second()).await {
            tracing::warn!(%error, "cannot keep how many lines of the log were changed; trying again later");
        }
        let support = tools.app.config.site.support_email.as_deref();
        if let Err(error) = reconcile::work::checks::pending(&means, support).await {
            tracing::warn!(%error, "the validation report is made later");
        }
        match reconcile::work::step(&means, &holder).await {
            Ok(reconcile::work::Step::Done) => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "reconciliation stands still; going on later"),
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            _ = halted.changed() => break,
        }
    }
}

/// Keeps the alarms that staff's pages tell up to date, in each process.
async fn board(tools: Tools, halted: watch::Receiver<bool>) {
    while !*halted.borrow() {
        if let Err(error) = tools.app.config.site.board.look(&tools.db).await {
            tracing::warn!(%error, "cannot look for alarms; looking again");
        }
        tokio::time::sleep(BOARD).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn work_that_panics_is_begun_again_until_it_ends_well() {
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let work = move || {
            let nth = count.fetch_add(1, Ordering::SeqCst);
            async move { assert!(nth >= 2, "the first two times it panics") }
        };
        begun_again("test", Duration::ZERO, work).await;
        assert_eq!(begun.load(Ordering::SeqCst), 3);
    }
}
