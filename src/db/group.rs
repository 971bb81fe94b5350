//! Group commit: rows that many tasks insert at the same moment share one durable commit.
//!
//! A disk syncs some thousand times a second whatever is in the sync. One task writes; while it waits for the disk the next
//! rows gather, and go together. Nothing waits for company on purpose: an idle server commits a single row at once.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::{Db, Error, Result, Tx};

/// The most rows of one commit.
const MOST: usize = 1_024;

/// What is done with the rows of one commit.
pub trait Batch: Send + Sync + 'static {
    /// What is handed in.
    type Row: Send + Sync + 'static;
    /// What becomes of it: stored, already there, refused by a limit.
    type Outcome: Send + 'static;

    /// Writes `rows` and gives the outcome of each, in their order. It is called again with fewer of the rows when the
    /// transaction failed, and must not act on anything but `tx`.
    fn write(
        &self,
        tx: &mut Tx,
        rows: &[Self::Row],
    ) -> impl Future<Output = Result<Vec<Self::Outcome>>> + Send;
}

/// The way in to one writing task. Cloning is cheap; the task ends with the last clone, or with [`stop`](Self::stop).
#[derive(Debug)]
pub struct GroupCommit<Row, Outcome> {
    queue: mpsc::Sender<Waiting<Row, Outcome>>,
    stop: Arc<watch::Sender<bool>>,
}

#[derive(Debug)]
struct Waiting<Row, Outcome> {
    row: Row,
    told: oneshot::Sender<Result<Outcome>>,
}

impl<Row, Outcome> Clone for GroupCommit<Row, Outcome> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), stop: Arc::clone(&self.stop) }
    }
}

impl<Row: Send + Sync + 'static, Outcome: Send + 'static> GroupCommit<Row, Outcome> {
    /// Starts the writing task on the runtime of the caller.
    pub fn start(db: Db, batch: impl Batch<Row = Row, Outcome = Outcome>) -> Self {
        let (queue, rows) = mpsc::channel(2 * MOST);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(write_all(db, batch, rows, stopped));
        Self { queue, stop: Arc::new(stop) }
    }

    /// Hands in a row, waits while too many are waiting before it, and returns once it is durable.
    ///
    /// # Errors
    /// When the row was not kept, or it is not known whether it was: nothing may be acknowledged.
    pub async fn put(&self, row: Row) -> Result<Outcome> {
        let (told, outcome) = oneshot::channel();
        self.queue.send(Waiting { row, told }).await.map_err(|_| Error::Stopped)?;
        outcome.await.unwrap_or(Err(Error::Stopped))
    }

    /// Hands in several rows, which are written in their order though not all in one commit, and returns once every one is
    /// durable: their outcomes in the same order.
    ///
    /// # Errors
    /// When one was not kept, or it is not known whether it was. Others may have been.
    pub async fn put_all(&self, rows: Vec<Row>) -> Result<Vec<Outcome>> {
        let mut waiting = Vec::with_capacity(rows.len());
        for row in rows {
            let (told, outcome) = oneshot::channel();
            self.queue.send(Waiting { row, told }).await.map_err(|_| Error::Stopped)?;
            waiting.push(outcome);
        }
        let mut outcomes = Vec::with_capacity(waiting.len());
        for outcome in waiting {
            outcomes.push(outcome.await.unwrap_or(Err(Error::Stopped))?);
        }
        Ok(outcomes)
    }

    /// Takes no more rows, and returns when those that are waiting have been written and answered.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        self.stop.closed().await;
    }
}

/// The task: whatever is waiting, in one commit, until nobody can hand in any more. Its end of `stopped` lives as long.
async fn write_all<B: Batch>(
    db: Db,
    batch: B,
    mut rows: mpsc::Receiver<Waiting<B::Row, B::Outcome>>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut waiting = Vec::with_capacity(MOST);
    loop {
        let taken = tokio::select! {
            biased;
            Ok(_) = stopped.wait_for(|stop| *stop), if !rows.is_closed() => {
                rows.close();
                continue;
            }
            taken = rows.recv_many(&mut waiting, MOST) => taken,
        };
        if taken == 0 {
            return;
        }
        let (now, told): (Vec<_>, Vec<_>) = waiting.drain(..).map(|one| (one.row, one.told)).unzip();
        if let Err(down) = settle(&db, &batch, &now, told).await {
            // The database is gone: who queued meanwhile hears it now, and not after as many more time limits.
            while let Ok(one) = rows.try_recv() {
                let _ = one.told.send(Err(Error::Group(Arc::clone(&down))));
            }
        }
        // Who has just been answered may have the next row at hand: it goes with the next commit and not with the one after.
        tokio::task::yield_now().await;
    }
}

/// Writes the rows and tells each waiter. Where the database refuses the batch it is halved until the bad row stands alone,
/// so that it fails alone, at the price of a few commits. An error where there is no database to write to.
async fn settle<B: Batch>(
    db: &Db,
    batch: &B,
    rows: &[B::Row],
    told: Vec<oneshot::Sender<Result<B::Outcome>>>,
) -> std::result::Result<(), Arc<Error>> {
    let mut told: Vec<_> = told.into_iter().map(Some).collect();
    let mut tell = |index: usize, outcome| {
        // Nobody may be listening any more: a browser that went away. The row is kept all the same.
        if let Some(waiter) = told.get_mut(index).and_then(Option::take) {
            let _ = waiter.send(outcome);
        }
    };
    let mut parts: Vec<Range<usize>> = Vec::with_capacity(2);
    parts.push(0..rows.len());
    while let Some(part) = parts.pop() {
        match commit(db, batch, &rows[part.clone()]).await {
            Ok(outcomes) => part.zip(outcomes).for_each(|(index, outcome)| tell(index, Ok(outcome))),
            Err(error) if error.is_unavailable() => {
                let down = Arc::new(error);
                parts.push(part);
                parts
                    .into_iter()
                    .flatten()
                    .for_each(|index| tell(index, Err(Error::Group(Arc::clone(&down)))));
                return Err(down);
            }
            Err(error) if part.len() == 1 => tell(part.start, Err(error)),
            Err(error) => {
                tracing::warn!(rows = part.len(), %error, "a group of rows was refused; halving it");
                let middle = part.start + part.len() / 2;
                parts.extend([middle..part.end, part.start..middle]);
            }
        }
    }
    Ok(())
}

async fn commit<B: Batch>(db: &Db, batch: &B, rows: &[B::Row]) -> Result<Vec<B::Outcome>> {
    let mut tx = db.write().await?;
    let outcomes = batch.write(&mut tx, rows).await?;
    tx.commit().await?;
    Ok(outcomes)
}
