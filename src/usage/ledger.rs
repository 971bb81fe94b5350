//! The books of one commit: events are applied one after the other to the totals that were read, and what changed is written
//! afterwards, once for each total, day and hour.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::period::{Window, day_of};
use super::{Answer, Change, Event, Outcome, Standing, Terms, judge};
use crate::catalog::policy::Catalog;
use crate::catalog::product::Limit;
use crate::clock::from_seconds;
use crate::tenants::TenantId;

/// Shares of a limit that tell somebody, in per cent.
pub(super) const THRESHOLDS: [u16; 2] = [80, 100];
/// What is billed goes out added up by hours, in seconds.
pub(super) const HOUR: i64 = 3_600;
/// The period under which a gauge's level is kept.
pub(super) const LEVEL: i64 = 0;

/// Which total.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot {
    pub(super) tenant: String,
    pub(super) metric: String,
    pub(super) period_start: i64,
}

/// A total of a period, or a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) period_end: i64,
    pub(super) value: i64,
    pub(super) at: i64,
}

/// What a day gets: more of a counter, or the last level of a gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DayChange {
    pub(super) change: Change,
    pub(super) at: i64,
}

/// A share of a limit that was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Threshold {
    pub(super) tenant: TenantId,
    pub(super) metric: String,
    pub(super) period_start: i64,
    pub(super) percent: u16,
    pub(super) standing: Standing,
}

/// The books.
pub(super) struct Ledger<'a> {
    catalog: &'a Catalog,
    terms: &'a HashMap<String, Terms>,
    totals: HashMap<Slot, Total>,
    touched: BTreeSet<Slot>,
    days: BTreeMap<(Slot, i64), DayChange>,
    hours: BTreeMap<Slot, i64>,
    thresholds: Vec<Threshold>,
}

/// What there is to write.
pub(super) struct Changes {
    pub(super) totals: Vec<(Slot, Total)>,
    /// With the day.
    pub(super) days: Vec<(Slot, i64, DayChange)>,
    /// For Stripe: the slot's period is the hour.
    pub(super) hours: Vec<(Slot, i64)>,
    pub(super) thresholds: Vec<Threshold>,
}

/// The total that an event changes, and the period it falls in.
pub(super) fn slot(event: &Event, terms: &Terms) -> (Slot, Window) {
    let window = terms.cycle.window(from_seconds(event.at));
    let period_start = match event.change {
        Change::Add(_) => window.start.as_second(),
        Change::Set(_) => LEVEL,
    };
    let tenant = event.tenant.as_str().to_owned();
    (Slot { tenant, metric: event.metric.clone(), period_start }, window)
}

impl<'a> Ledger<'a> {
    /// Books that begin with these totals.
    pub(super) fn new(
        catalog: &'a Catalog,
        terms: &'a HashMap<String, Terms>,
        totals: HashMap<Slot, Total>,
    ) -> Self {
        Self {
            catalog,
            terms,
            totals,
            touched: BTreeSet::new(),
            days: BTreeMap::new(),
            hours: BTreeMap::new(),
            thresholds: Vec::new(),
        }
    }

    /// Applies an event whose key is new; none where nobody knows the tenant.
    pub(super) fn apply(&mut self, event: &Event) -> Option<Answer> {
        let terms = self.terms.get(event.tenant.as_str())?;
        let (slot, window) = slot(event, terms);
        let limit = terms.limit(self.catalog, &event.metric);
        let before = self.totals.get(&slot).copied().unwrap_or_default();
        let answer = match event.change {
            Change::Add(quantity) => self.add(event, &slot, window, before, quantity, limit),
            Change::Set(value) => self.set(event, &slot, before, value, limit),
        };
        if answer.outcome == Outcome::Recorded {
            self.note_day(event, &slot, window);
            self.note_thresholds(event, before.value, answer.standing, window);
        }
        Some(answer)
    }

    fn add(
        &mut self,
        event: &Event,
        slot: &Slot,
        window: Window,
        before: Total,
        quantity: i64,
        limit: Limit,
    ) -> Answer {
        let after = before.value.checked_add(quantity);
        let refusal = judge(before.value, after, limit);
        let value = if refusal.is_none() { after.unwrap_or(before.value) } else { before.value };
        if refusal.is_none() {
            let total = Total { period_end: window.end.as_second(), value, at: before.at.max(event.at) };
            self.put(slot, total);
            let at = from_seconds(event.at);
            if self.terms[&slot.tenant].is_billed(self.catalog, &event.metric, at) {
                // An hour never reaches back into another period, which Stripe bills apart.
                let hour = (event.at.div_euclid(HOUR) * HOUR).max(window.start.as_second());
                *self.hours.entry(Slot { period_start: hour, ..slot.clone() }).or_default() += quantity;
            }
        }
        answer(refusal, Standing { used: value, limit, reset_at: Some(window.end) })
    }

    fn set(&mut self, event: &Event, slot: &Slot, before: Total, value: i64, limit: Limit) -> Answer {
        let standing = |used| Standing { used, limit, reset_at: None };
        if event.at < before.at {
            // News of the past: for the history alone.
            return answer(None, standing(before.value));
        }
        if let Some(refusal) = judge(before.value, Some(value), limit) {
            return answer(Some(refusal), standing(before.value));
        }
        self.put(slot, Total { period_end: 0, value, at: event.at });
        answer(None, standing(value))
    }

    fn put(&mut self, slot: &Slot, total: Total) {
        self.totals.insert(slot.clone(), total);
        self.touched.insert(slot.clone());
    }

    fn note_day(&mut self, event: &Event, slot: &Slot, window: Window) {
        let day = day_of(from_seconds(event.at));
        let slot = Slot { period_start: window.start.as_second(), ..slot.clone() };
        let new = DayChange { change: event.change, at: event.at };
        let known = self.days.entry((slot, day)).or_insert(DayChange { change: new.change, at: i64::MIN });
        known.change = match (known.change, new.change) {
            (Change::Add(sum), Change::Add(more)) if known.at > i64::MIN => Change::Add(sum + more),
            (level @ Change::Set(_), Change::Set(_)) if known.at > event.at => level,
            (_, change) => change,
        };
        known.at = known.at.max(event.at);
    }

    fn note_thresholds(&mut self, event: &Event, before: i64, standing: Standing, window: Window) {
        let Some(limit) = standing.limit.limit.filter(|limit| *limit > 0) else { return };
        let is_at =
            |used: i64, percent: u16| i128::from(used) * 100 >= i128::from(limit) * i128::from(percent);
        // Who leaps over both hears of the higher one.
        let reached = |percent: &u16| is_at(standing.used, *percent) && !is_at(before, *percent);
        self.thresholds.extend(THRESHOLDS.into_iter().rev().find(reached).map(|percent| Threshold {
            tenant: event.tenant.clone(),
            metric: event.metric.clone(),
            period_start: window.start.as_second(),
            percent,
            standing,
        }));
    }

    /// What there is to write, each in the order of its key.
    pub(super) fn close(self) -> Changes {
        let Self { mut totals, touched, days, hours, thresholds, .. } = self;
        Changes {
            totals: touched
                .into_iter()
                .map(|slot| (totals.remove(&slot).unwrap_or_default(), slot))
                .map(|(total, slot)| (slot, total))
                .collect(),
            days: days.into_iter().map(|((slot, day), change)| (slot, day, change)).collect(),
            hours: hours.into_iter().collect(),
            thresholds,
        }
    }
}

fn answer(refusal: Option<super::Refusal>, standing: Standing) -> Answer {
    Answer { outcome: refusal.map_or(Outcome::Recorded, Outcome::Refused), standing }
}
