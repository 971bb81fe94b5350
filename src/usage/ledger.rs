//! The books of one commit: events are applied one after the other to the totals that were read, and what changed is written
//! afterwards, once for each total, day and hour.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::period::Window;
use super::{Answer, Change, Event, Outcome, Refusal, Standing, Terms, judge};
use crate::catalog::policy::Catalog;
use crate::catalog::product::Limit;
use crate::clock::{day_of, from_seconds};
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
    booked: &'a Booked,
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

/// Periods of the books that late events may fall into, by tenant, metric and time.
pub(super) type Booked = HashMap<(String, String, i64), Window>;

/// Whether a counter's event belongs to another period than the one that it comes in.
pub(super) fn is_late(event: &Event, terms: &Terms) -> bool {
    matches!(event.change, Change::Add(_))
        && !terms.window(from_seconds(event.now)).contains(from_seconds(event.at))
}

/// The period that an event falls in. What is late goes into the period of then if the books have it: another day on which
/// periods begin, or another plan, must not open a second one beside it, at zero.
fn window(event: &Event, terms: &Terms, booked: &Booked) -> Window {
    let at = from_seconds(event.at);
    let current = terms.window(from_seconds(event.now));
    if current.contains(at) {
        return current;
    }
    let name = (event.tenant.as_str().to_owned(), event.metric.clone(), event.at);
    let then = terms.at(at);
    let known = booked.get(&name).filter(|known| then.from().is_none_or(|from| known.start >= from));
    match known {
        // It may have ended earlier than it was to.
        Some(known) if at < current.start => Window { end: known.end.min(current.start), ..*known },
        Some(known) => *known,
        None => terms.window(at),
    }
}

/// The total that an event changes, and the period it falls in.
pub(super) fn slot(event: &Event, terms: &Terms, booked: &Booked) -> (Slot, Window) {
    let window = window(event, terms, booked);
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
        booked: &'a Booked,
        totals: HashMap<Slot, Total>,
    ) -> Self {
        Self {
            catalog,
            terms,
            booked,
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
        let (slot, window) = slot(event, terms, self.booked);
        // A counter is judged by what held when it was used; a level, however late, is what there is from now on.
        let limit = match event.change {
            Change::Add(_) => terms.at(from_seconds(event.at)).limit(self.catalog, &event.metric),
            Change::Set(_) => terms.limit(self.catalog, &event.metric),
        };
        let before = self.totals.get(&slot).copied().unwrap_or_default();
        let answer = match event.change {
            Change::Add(quantity) => self.add(event, &slot, window, before, quantity, limit),
            Change::Set(value) => self.set(event, &slot, before, value, limit),
        };
        if answer.outcome == Outcome::Recorded {
            self.note_day(event, &slot, window);
        }
        if window.contains(from_seconds(event.now)) {
            self.note_thresholds(event, before.value, answer, window);
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

    /// Notes a share of the limit that is reached for the first time. What a hard limit refuses has reached it, though what is
    /// used stays below.
    fn note_thresholds(&mut self, event: &Event, before: i64, answer: Answer, window: Window) {
        let Answer { outcome, standing } = answer;
        let percent = match outcome {
            Outcome::Refused(Refusal::LimitReached) => THRESHOLDS.last().copied(),
            Outcome::Recorded => reached(standing).filter(|percent| !is_at(before, standing.limit, *percent)),
            _ => None,
        };
        let Some(percent) = percent else { return };
        let (tenant, metric) = (event.tenant.clone(), event.metric.clone());
        let told = Threshold { tenant, metric, period_start: window.start.as_second(), percent, standing };
        let same = |one: &Threshold| {
            (&one.tenant, &one.metric, one.period_start, one.percent)
                == (&told.tenant, &told.metric, told.period_start, told.percent)
        };
        if !self.thresholds.iter().any(same) {
            self.thresholds.push(told);
        }
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

fn is_at(used: i64, limit: Limit, percent: u16) -> bool {
    let Some(limit) = limit.limit.filter(|limit| *limit > 0) else { return false };
    i128::from(used) * 100 >= i128::from(limit) * i128::from(percent)
}

/// The highest share that tells somebody and is reached: who leaps over several hears of that one alone.
pub(super) fn reached(standing: Standing) -> Option<u16> {
    THRESHOLDS.into_iter().rev().find(|percent| is_at(standing.used, standing.limit, *percent))
}

fn answer(refusal: Option<Refusal>, standing: Standing) -> Answer {
    Answer { outcome: refusal.map_or(Outcome::Recorded, Outcome::Refused), standing }
}
