//! Everything the sandbox knows, and the few ways to change it.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::clock::Clock;
use super::copies::Copies;
use super::deliver::{self, Deliveries};
use super::errors::{Answer, ApiError};
use super::events;
use super::faults::Faults;
use super::idempotency::Keys;
use super::ids::Ids;
use super::json::{Json, public};
use super::settings::Settings;
use super::store::{Kind, Store};

/// The one state, behind one mutex.
pub(crate) struct State {
    /// The objects.
    pub(crate) store: Store,
    /// The clock.
    pub(crate) clock: Clock,
    /// The moment the present work happens at, in unix seconds: the clock's, a test clock's, or that of what is due.
    pub(crate) at: i64,
    /// What the account has configured.
    pub(crate) settings: Settings,
    /// Where the hosted pages are.
    pub(crate) public_url: String,
    /// The request that causes the present work: its id and its idempotency key.
    pub(crate) cause: Cause,
    /// Answers kept for idempotent replay.
    pub(crate) keys: Keys,
    /// Failures asked for.
    pub(crate) faults: Faults,
    /// Webhook deliveries.
    pub(crate) deliveries: Deliveries,
    /// Changes leave no event behind, as if it had been lost at its very source.
    pub(crate) quiet: bool,
    /// Customers that exist as copies of one.
    pub(crate) copies: Copies,
    ids: Ids,
    /// How far each clock has come (the global one under the empty name), in unix seconds.
    pub(crate) reached: HashMap<String, i64>,
    /// The test clock of the customer that the present work is about; empty for none.
    pub(crate) scope: String,
}

/// Who causes a change: shown in events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cause {
    /// The request's id; none for what the clock does.
    pub(crate) request: Option<String>,
    /// The idempotency key of the request.
    pub(crate) key: Option<String>,
}

impl State {
    /// An empty account.
    pub(crate) fn new(clock: Clock, seed: Option<u64>, public_url: String) -> Self {
        let at = clock.now();
        Self {
            store: Store::default(),
            at,
            clock,
            settings: Settings::default(),
            public_url,
            cause: Cause::default(),
            keys: Keys::default(),
            faults: Faults::default(),
            deliveries: Deliveries::default(),
            quiet: false,
            copies: Copies::default(),
            ids: Ids::new(seed),
            reached: HashMap::new(),
            scope: String::new(),
        }
    }

    /// A new id.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        self.ids.make(prefix, 24)
    }

    /// A new secret or token of some length.
    pub(crate) fn token(&mut self, prefix: &str, length: usize) -> String {
        self.ids.make(prefix, length)
    }

    /// Random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.ids.bits()
    }

    /// The object, or an error that names the parameter it was asked by.
    pub(crate) fn need(&self, kind: Kind, id: &str, param: &str) -> Answer<Arc<Value>> {
        self.store.get(kind, id).cloned().ok_or_else(|| ApiError::no_such(kind.noun(), id, param))
    }

    /// The object, or `Null`.
    pub(crate) fn find(&self, kind: Kind, id: &str) -> Arc<Value> {
        self.store.get(kind, id).cloned().unwrap_or_default()
    }

    /// A customer that exists and was not deleted; the present work then happens at that customer's time.
    pub(crate) fn customer(&mut self, id: &str, param: &str) -> Answer<Arc<Value>> {
        let customer = self.need(Kind::Customer, id, param)?;
        if customer.flag("deleted") {
            return Err(ApiError::no_such(Kind::Customer.noun(), id, param));
        }
        if let Some(clock) = customer.maybe_text("test_clock") {
            self.at = self.find(Kind::TestClock, clock).int("frozen_time");
            clock.clone_into(&mut self.scope);
        }
        Ok(customer)
    }

    /// Keeps a new object and tells of it.
    pub(crate) fn create(&mut self, kind: Kind, value: Value, event: &str) {
        let shown = value.clone();
        self.store.put(kind, value);
        if !event.is_empty() {
            self.emit(event, &shown, None);
        }
    }

    /// Changes an object without telling.
    pub(crate) fn amend(&mut self, kind: Kind, id: &str, change: impl FnOnce(&mut Value)) {
        let Some(value) = self.store.get(kind, id) else { return };
        let mut value = Value::clone(value);
        change(&mut value);
        self.store.put(kind, value);
    }

    /// Changes an object and, if that shows, tells of it with what was before.
    pub(crate) fn update(&mut self, kind: Kind, id: &str, event: &str, change: impl FnOnce(&mut Value)) {
        let Some(before) = self.store.get(kind, id).cloned() else { return };
        self.amend(kind, id, change);
        self.tell_update(kind, id, event, &before);
    }

    /// Tells of a change since `before`, if it shows.
    pub(crate) fn tell_update(&mut self, kind: Kind, id: &str, event: &str, before: &Value) {
        let after = self.find(kind, id);
        let previous = events::difference(&public(before), &public(&after));
        if let Some(previous) = previous {
            self.emit(event, &after, Some(previous));
        }
    }

    /// Records an event about an object as it is now.
    pub(crate) fn emit(&mut self, name: &str, object: &Value, previous: Option<Value>) {
        events::emit(self, name, object, previous);
    }

    /// Runs `work`; what it did stays only if it succeeded, or failed with a lasting error.
    pub(crate) fn attempt<T>(&mut self, work: impl FnOnce(&mut Self) -> Answer<T>) -> Answer<T> {
        let savepoint = self.store.savepoint();
        let at = self.at;
        let result = work(self);
        if result.as_ref().is_err_and(|error| !error.is_lasting()) {
            self.store.roll_back(savepoint);
            self.at = at;
        }
        result
    }

    /// Runs `work` and undoes it: what it answered is what would have happened.
    pub(crate) fn rehearse<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let savepoint = self.store.savepoint();
        let at = self.at;
        let result = work(self);
        self.store.roll_back(savepoint);
        self.at = at;
        result
    }

    /// Makes what was done final, and hands its events to the delivery worker.
    pub(crate) fn commit(&mut self) {
        for (kind, event) in self.store.commit() {
            deliver::enqueue(self, kind, &event);
        }
    }

    /// Counts objects by kind, for the control endpoints.
    pub(crate) fn counts(&self) -> Value {
        let kinds = [Kind::Customer, Kind::Subscription, Kind::Invoice, Kind::Charge, Kind::Event];
        let pairs: HashMap<_, _> = kinds.iter().map(|kind| (kind.noun(), self.store.count(*kind))).collect();
        json!(pairs)
    }
}
