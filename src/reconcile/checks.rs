//! The eight checks of the validation report: what is counted, what is allowed, and what is worth an alarm. Whole numbers
//! throughout: shares are parts per million, rounded up, so that nothing that is off ever looks like nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Unknown, words};
use crate::alarm::{self, Alarm};
use crate::clock::DAY;
use crate::money::{Currency, Money};

/// The days that a report looks back on.
pub const DAYS: i64 = 30;

/// Hours after which a comparison with Stripe says nothing any more about today.
pub const FRESH_HOURS: i64 = 48;

/// A discrepancy of money worth an alarm: 100 EUR. Every currency is judged by itself, by the same number of its minor units, since
/// amounts of two currencies have no sum: 10,000 cents, 10,000 yen.
pub const ALARMING_AMOUNT: i64 = 10_000;

/// A share of failed webhooks worth an alarm: 1 %.
pub const ALARMING_WEBHOOKS: i64 = 10_000;

words! {
    /// What is checked.
    Check {
        /// Money that was paid, here and at Stripe.
        Revenue = "revenue", "reconcile-check-revenue";
        /// Events that were carried out.
        Webhooks = "webhooks", "reconcile-check-webhooks";
        /// Charges that failed.
        Payments = "payments", "reconcile-check-payments";
        /// Charges that were made twice.
        Duplicates = "duplicates", "reconcile-check-duplicates";
        /// Changes without an entry in the audit.
        Audit = "audit", "reconcile-check-audit";
        /// Card numbers at rest or in logs.
        Cards = "cards", "reconcile-check-cards";
        /// How long refunds take.
        Refunds = "refunds", "reconcile-check-refunds";
        /// Subscriptions that are not what Stripe says.
        Subscriptions = "subscriptions", "reconcile-check-subscriptions";
    }
}

impl Check {
    /// The key of the sentence that says what is counted.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Revenue => "reconcile-checks-revenue",
            Self::Webhooks => "reconcile-checks-webhooks",
            Self::Payments => "reconcile-checks-payments",
            Self::Duplicates => "reconcile-checks-duplicates",
            Self::Audit => "reconcile-checks-audit",
            Self::Cards => "reconcile-checks-cards",
            Self::Refunds => "reconcile-checks-refunds",
            Self::Subscriptions => "reconcile-checks-subscriptions",
        }
    }

    /// What its figure is measured in.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Revenue | Self::Webhooks | Self::Payments | Self::Audit => Unit::Ppm,
            Self::Duplicates | Self::Cards | Self::Subscriptions => Unit::Count,
            Self::Refunds => Unit::Seconds,
        }
    }

    /// The figure that is not allowed to be reached, or, for shares that must be high, that must be.
    pub const fn threshold(self) -> i64 {
        match self {
            Self::Revenue => 100,
            Self::Webhooks => 999_000,
            Self::Payments => 20_000,
            Self::Audit => 1_000_000,
            Self::Refunds => DAY,
            Self::Duplicates | Self::Cards | Self::Subscriptions => 0,
        }
    }

    /// Whether a figure is good.
    pub const fn holds(self, figure: i64) -> bool {
        match self {
            Self::Webhooks | Self::Audit => figure >= self.threshold(),
            Self::Revenue | Self::Payments | Self::Refunds => figure < self.threshold(),
            Self::Duplicates | Self::Cards | Self::Subscriptions => figure == 0,
        }
    }

    /// The key of the words that say what is asked for.
    pub const fn asked(self) -> &'static str {
        match self {
            Self::Webhooks | Self::Audit => "reconcile-at-least",
            Self::Revenue | Self::Payments | Self::Refunds => "reconcile-less-than",
            Self::Duplicates | Self::Cards | Self::Subscriptions => "reconcile-none-at-all",
        }
    }
}

words! {
    /// What a figure is measured in.
    Unit {
        /// Parts of a million.
        Ppm = "ppm", "reconcile-unit-ppm";
        /// So many.
        Count = "count", "reconcile-unit-count";
        /// Seconds.
        Seconds = "seconds", "reconcile-unit-seconds";
    }
}

words! {
    /// How a check ended.
    Verdict {
        /// As it must be.
        Pass = "pass", "reconcile-verdict-pass";
        /// Not as it must be.
        Fail = "fail", "reconcile-verdict-fail";
        /// There was nothing to judge by.
        Unknown = "unknown", "reconcile-verdict-unknown";
    }
}

impl Verdict {
    /// How it looks on a badge.
    pub const fn tone(self) -> &'static str {
        match self {
            Self::Pass => "success",
            Self::Fail => "danger",
            Self::Unknown => "info",
        }
    }
}

/// What a figure was made of: so many of so many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Of what: a currency, a table, two charges.
    pub name: String,
    /// What counts against it.
    pub part: i64,
    /// Of how much.
    pub of: i64,
}

impl Part {
    /// So many of so many.
    pub fn new(name: impl Into<String>, part: i64, of: i64) -> Self {
        Self { name: name.into(), part, of }
    }
}

/// A check with its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// What was checked.
    pub check: Check,
    /// How it ended.
    pub verdict: Verdict,
    /// The figure, in the check's unit; none where there was nothing to judge by.
    pub figure: Option<i64>,
    /// What is asked for.
    pub threshold: i64,
    /// What the figure is measured in.
    pub unit: Unit,
    /// What it was made of.
    pub parts: Vec<Part>,
}

impl Checked {
    fn new(check: Check, figure: Option<i64>, parts: Vec<Part>) -> Self {
        let verdict = match figure {
            None => Verdict::Unknown,
            Some(figure) if check.holds(figure) => Verdict::Pass,
            Some(_) => Verdict::Fail,
        };
        Self { check, verdict, figure, threshold: check.threshold(), unit: check.unit(), parts }
    }
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What the latest comparison says; none where there is no fresh one.
    pub compared: Option<Compared>,
    /// Events that came, and those of them that were not carried out.
    pub webhooks: (i64, i64),
    /// Charges that were tried, and those of them that failed.
    pub payments: (i64, i64),
    /// Charges that look as if they had been made twice: two ids each.
    pub duplicates: Vec<(String, String)>,
    /// Tables: rows that an entry must tell of, and those without one.
    pub audit: Vec<(String, i64, i64)>,
    /// Rows that are otherwise than their entries say: the table, how many, some of them by their ids.
    pub untold: Vec<(String, i64, Vec<String>)>,
    /// Places that are searched for card numbers.
    pub places: Vec<Searched>,
    /// Lines of the log of the period from which something that passes as a card number was taken out before they were written.
    pub log_lines: i64,
    /// Refunds of the period.
    pub refunds: Refunds,
}

/// How far a place has been searched for card numbers: a large one takes several reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// Which.
    pub place: &'static str,
    /// Texts that the present round has read.
    pub read: i64,
    /// Texts that there are.
    pub size: i64,
    /// Whether every text was read at least once.
    pub is_known: bool,
    /// Ids of texts that hold a number.
    pub found: Vec<String>,
}

impl Facts {
    /// Where a card number stands.
    fn cards(&self) -> impl Iterator<Item = String> + '_ {
        let place = |one: &'_ Searched| {
            let name = one.place;
            one.found.iter().map(move |id| format!("{name} {id}")).collect::<Vec<_>>()
        };
        self.places.iter().flat_map(place)
    }
}

/// What the latest comparison says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// What Stripe says was paid, by currency.
    pub paid: BTreeMap<Currency, i64>,
    /// By how much what was paid differs, by currency; both directions count.
    pub apart: BTreeMap<Currency, i64>,
    /// Subscriptions that differ.
    pub subscriptions: i64,
    /// Subscriptions that were compared.
    pub looked_at: i64,
    /// Customers that could not be compared.
    pub unread: i64,
}

/// Refunds of a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refunds {
    /// How many.
    pub count: i64,
    /// Those that failed, or took a day and longer.
    pub late: i64,
    /// The longest, in seconds; one that has not come through counts up to now, one that failed as a day.
    pub slowest: Option<i64>,
}

/// What the audit covers, table by table, and which rows it tells of otherwise than they are.
fn audited(facts: &Facts) -> Vec<Part> {
    let changed = |table: &str| -> i64 {
        facts.untold.iter().filter(|(other, ..)| other == table).map(|(_, changed, _)| *changed).sum()
    };
    let tables =
        facts.audit.iter().map(|(table, rows, missing)| Part::new(table, missing + changed(table), *rows));
    let named = facts
        .untold
        .iter()
        .flat_map(|(table, _, ids)| ids.iter().map(move |id| Part::new(format!("{table} {id}"), 1, 1)));
    tables.chain(named).collect()
}

/// So many parts of a million, rounded up; nothing of nothing is nothing, and something of nothing is all of it.
pub fn ppm(part: i64, of: i64) -> i64 {
    if part <= 0 {
        return 0;
    }
    if of <= 0 {
        return 1_000_000;
    }
    let (part, of) = (i128::from(part), i128::from(of));
    i64::try_from((part * 1_000_000 + of - 1) / of).unwrap_or(i64::MAX)
}

/// Judges what was counted: all eight, in their order.
pub fn judge(facts: &Facts) -> Vec<Checked> {
    let (events, lost) = facts.webhooks;
    let (tried, failed) = facts.payments;
    let share = |part: i64, of: i64| (of > 0).then(|| ppm(part, of));
    let revenue: Option<Vec<Part>> = facts.compared.as_ref().map(|compared| {
        let currencies =
            compared.paid.keys().chain(compared.apart.keys()).collect::<std::collections::BTreeSet<_>>();
        let sum = |sums: &BTreeMap<Currency, i64>, one: &Currency| sums.get(one).copied().unwrap_or(0);
        currencies
            .into_iter()
            .map(|one| Part::new(one.code(), sum(&compared.apart, one), sum(&compared.paid, one)))
            .collect()
    });
    let worst =
        revenue.as_ref().map(|parts| parts.iter().map(|one| ppm(one.part, one.of)).max().unwrap_or(0));
    let rows: i64 = facts.audit.iter().map(|(_, rows, _)| *rows).sum();
    let missing: i64 = facts.audit.iter().map(|(.., missing)| *missing).sum();
    let changed: i64 = facts.untold.iter().map(|(_, changed, _)| *changed).sum();
    let covered = (rows > 0).then(|| 1_000_000 - ppm(missing + changed, rows));
    let consistent = facts.compared.as_ref();
    // What could not be compared may be anything: a figure that is bad stays bad, and a good one is not known.
    let known = |figure: Option<i64>, check: Check| {
        let is_whole = consistent.is_some_and(|compared| compared.unread == 0);
        figure.filter(|figure| is_whole || !check.holds(*figure))
    };
    vec![
        Checked::new(Check::Revenue, known(worst, Check::Revenue), revenue.unwrap_or_default()),
        Checked::new(
            Check::Webhooks,
            share(lost, events).map(|lost| 1_000_000 - lost),
            vec![Part::new("events", lost, events)],
        ),
        Checked::new(Check::Payments, share(failed, tried), vec![Part::new("charges", failed, tried)]),
        Checked::new(
            Check::Duplicates,
            Some(count(facts.duplicates.len())),
            facts.duplicates.iter().map(|(one, other)| Part::new(format!("{one} {other}"), 1, 1)).collect(),
        ),
        Checked::new(Check::Audit, covered, audited(facts)),
        card_data(facts),
        Checked::new(
            Check::Refunds,
            facts.refunds.slowest,
            vec![Part::new("refunds", facts.refunds.late, facts.refunds.count)],
        ),
        Checked::new(
            Check::Subscriptions,
            known(consistent.map(|compared| compared.subscriptions), Check::Subscriptions),
            consistent
                .map(|compared| Part::new("subscriptions", compared.subscriptions, compared.looked_at))
                .into_iter()
                .collect(),
        ),
    ]
}

/// Card data in texts and in the log. As long as some place was not read to its end, finding nothing says nothing.
fn card_data(facts: &Facts) -> Checked {
    let mut parts: Vec<Part> = facts.cards().map(|place| Part::new(place, 1, 1)).collect();
    let found = count(parts.len());
    let sum = |of: fn(&Searched) -> i64| facts.places.iter().map(of).fold(0, i64::saturating_add);
    parts.push(Part::new("texts", found, sum(|one| one.read)));
    parts.push(Part::new("log", facts.log_lines, facts.log_lines));
    parts.push(Part::new("read", sum(|one| one.read), sum(|one| one.size)));
    let partly = facts.places.iter().filter(|one| one.read < one.size);
    parts.extend(partly.map(|one| Part::new(format!("read {}", one.place), one.read, one.size)));
    let figure = found.saturating_add(facts.log_lines);
    let is_known = figure > 0 || facts.places.iter().all(|one| one.is_known);
    Checked::new(Check::Cards, is_known.then_some(figure), parts)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The alarms that the report decides about.
pub const ALARMS: [alarm::Kind; 4] =
    [alarm::Kind::Revenue, alarm::Kind::Webhooks, alarm::Kind::Duplicates, alarm::Kind::Cards];

/// What somebody has to know at once.
pub fn alarms(facts: &Facts) -> Vec<Alarm> {
    let alarm =
        |kind, about: &str, detail: String, facts| Alarm { kind, about: about.to_owned(), detail, facts };
    let at = |place: String| alarm::Facts { place: Some(place), ..alarm::Facts::default() };
    let mut all = Vec::new();
    for (currency, apart) in facts.compared.iter().flat_map(|compared| &compared.apart) {
        if *apart > ALARMING_AMOUNT {
            let amount = Money::new(*apart, *currency);
            let detail = format!(
                "what was paid differs from Stripe's figures by {} {}",
                amount.decimal(),
                currency.code()
            );
            let facts = alarm::Facts { amount: Some(amount), ..alarm::Facts::default() };
            all.push(alarm(alarm::Kind::Revenue, currency.code(), detail, facts));
        }
    }
    let lost = ppm(facts.webhooks.1, facts.webhooks.0);
    if lost > ALARMING_WEBHOOKS {
        let detail = format!("{lost} of a million events were not delivered or not carried out");
        let facts = alarm::Facts { ppm: Some(lost), ..alarm::Facts::default() };
        all.push(alarm(alarm::Kind::Webhooks, "", detail, facts));
    }
    for (one, other) in &facts.duplicates {
        let detail = format!("the charges {one} and {other} took one payment twice");
        let place = at(format!("{one}, {other}"));
        all.push(alarm(alarm::Kind::Duplicates, &format!("{one}:{other}"), detail, place));
    }
    for place in facts.cards() {
        let detail = format!("a card number stands in {place}");
        all.push(alarm(alarm::Kind::Cards, &place, detail, at(place.clone())));
    }
    if facts.log_lines > 0 {
        let detail = format!("a card number was taken out of {} lines of the log", facts.log_lines);
        all.push(alarm(alarm::Kind::Cards, "log", detail, at("log".to_owned())));
    }
    all
}

#[cfg(test)]
mod tests;
