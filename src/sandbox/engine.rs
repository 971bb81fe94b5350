//! The handle that everything outside the state goes through: one lock, one transaction, no await while it is held.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::billing::due;
use super::errors::Answer;
use super::state::{Cause, State};

/// A running sandbox, from within. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Handle(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Something may be ready to deliver.
    deliver: Notify,
    /// Counts the changes of the delivery queue.
    changes: watch::Sender<u64>,
}

impl Handle {
    /// Around a state.
    pub(crate) fn new(state: State) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            deliver: Notify::new(),
            changes: watch::Sender::new(0),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` at the present moment, after everything that fell due before it. An error leaves no trace.
    pub(crate) fn run<T>(&self, cause: Cause, work: impl FnOnce(&mut State) -> Answer<T>) -> Answer<T> {
        let result = {
            let mut state = self.lock();
            let now = state.clock.now();
            due::catch_up(&mut state, "", now);
            state.at = now;
            state.cause = cause;
            state.scope.clear();
            let result = state.attempt(work);
            state.cause = Cause::default();
            state.commit();
            // What this made due at once, such as the notice of a short trial.
            let (scope, at) = (state.scope.clone(), state.at);
            due::catch_up(&mut state, &scope, at);
            result
        };
        self.nudge();
        result
    }

    /// Reads or changes what is not an object: clock, faults, deliveries.
    pub(crate) fn peek<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.lock())
    }

    /// Tells the delivery worker and whoever waits for it that the queue may have changed.
    pub(crate) fn nudge(&self) {
        self.0.deliver.notify_one();
        self.0.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Waits for a nudge.
    pub(crate) async fn nudged(&self) {
        self.0.deliver.notified().await;
    }

    /// A view of the queue's changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }
}
