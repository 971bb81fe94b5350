//! What rows are counted as, and what a month of figures says.
//!
//! A row counts for certain facts; where it changes, the facts of what it was are taken back and those of what it is are added.
//! Months are UTC's: the same for all staff, and the same as in Stripe's own reports by default.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::mrr::{Kind, month_of};
use crate::clock::from_seconds;
use crate::money::{Currency, Money};
use crate::stripe::snapshot::{ChargeStatus, InvoiceStatus};
use crate::sync::{ChargeRow, InvoiceRow, SubscriptionRow};

/// A month: year * 12 + month - 1.
pub type Month = i64;

/// The month of a moment, unix seconds.
pub fn month_at(seconds: i64) -> Month {
    let day = from_seconds(seconds).to_zoned(TimeZone::UTC).date();
    i64::from(day.year()) * 12 + i64::from(day.month()) - 1
}

/// The first day of a month.
pub fn first_day(month: Month) -> Date {
    let year = i16::try_from(month.div_euclid(12)).unwrap_or(1970);
    let number = i8::try_from(month.rem_euclid(12) + 1).unwrap_or(1);
    Date::new(year, number, 1).unwrap_or_default()
}

/// What a row counts for.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Fact {
    /// When; 0 for what is counted now.
    pub month: Month,
    /// What is counted.
    pub figure: String,
    /// The status, the kind.
    pub label: String,
    /// Empty for what is no money.
    pub currency: String,
    /// How many.
    pub count: i64,
    /// Minor units.
    pub amount: i64,
}

impl Fact {
    /// A fact.
    pub fn new(month: Month, figure: &str, label: &str, currency: &str, count: i64, amount: i64) -> Self {
        let [figure, label, currency] = [figure, label, currency].map(str::to_owned);
        Self { month, figure, label, currency, count, amount }
    }
}

/// What a subscription counts for: one of its status.
pub fn of_subscription(row: &SubscriptionRow) -> Vec<Fact> {
    vec![Fact::new(0, "subscriptions", row.status.as_str(), "", 1, 0)]
}

/// What a charge counts for: a payment that came or failed in the month it was made, and what of it went back in the month in
/// which a refund was first seen.
pub fn of_charge(row: &ChargeRow) -> Vec<Fact> {
    let (month, currency) = (month_at(row.created_at), row.currency.code());
    let mut facts = Vec::new();
    if matches!(row.status, ChargeStatus::Succeeded | ChargeStatus::Failed) {
        facts.push(Fact::new(month, "charges", row.status.as_str(), currency, 1, row.amount));
    }
    if row.amount_refunded > 0 {
        let seen = month_at(row.refunded_at.unwrap_or(row.created_at));
        facts.push(Fact::new(seen, "refunds", "", currency, 1, row.amount_refunded));
    }
    facts
}

/// What an invoice counts for: a payment that failed first and came after all.
pub fn of_invoice(row: &InvoiceRow) -> Vec<Fact> {
    let recovered = row.status == InvoiceStatus::Paid && row.attempt_count > 1 && row.amount_paid > 0;
    let at = row.paid_at.unwrap_or(row.seen_at);
    let fact = || Fact::new(month_at(at), "recovered", "", row.currency.code(), 1, row.amount_paid);
    recovered.then(fact).into_iter().collect()
}

/// What is to be added where a row counted for one thing and counts for another.
pub fn difference(old: Vec<Fact>, new: Vec<Fact>) -> Vec<Fact> {
    if old == new {
        return Vec::new();
    }
    let back = old.into_iter().map(|fact| Fact { count: -fact.count, amount: -fact.amount, ..fact });
    back.chain(new).collect()
}

/// A month in one currency. Amounts of revenue are minor units for a **year**; payments are what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MonthOf {
    /// Worth at its beginning.
    pub opening: i64,
    /// How much was added by each kind of change; negative where it was taken away.
    pub moved: BTreeMap<Kind, i64>,
    /// Worth at its end, or now.
    pub closing: i64,
    /// Tenants that were worth something at its beginning.
    pub tenants_opening: i64,
    /// Of each kind of change, how many.
    pub changes: BTreeMap<Kind, i64>,
    /// Tenants that are worth something at its end, or now.
    pub tenants: i64,
    /// Payments that came: how many, minor units.
    pub paid: (i64, i64),
    /// Payments that failed.
    pub failed: (i64, i64),
    /// Payments that failed first and came after all.
    pub recovered: (i64, i64),
    /// What went back.
    pub refunded: (i64, i64),
}

impl MonthOf {
    /// The share of tenants that were lost, in hundredths of a per cent; none where there were none to lose.
    pub fn churn(&self) -> Option<i64> {
        let lost = self.changes.get(&Kind::Churned).copied().unwrap_or(0);
        share(lost, self.tenants_opening)
    }

    /// The share of payments that failed, in hundredths of a per cent; none where there were none.
    pub fn failure(&self) -> Option<i64> {
        share(self.failed.0, self.failed.0 + self.paid.0)
    }

    /// A kind's movement, for a year.
    pub fn by(&self, kind: Kind) -> i64 {
        self.moved.get(&kind).copied().unwrap_or(0)
    }
}

/// Hundredths of a per cent, rounded half up.
pub fn share(part: i64, whole: i64) -> Option<i64> {
    (whole > 0).then(|| (part.saturating_mul(20_000).saturating_add(whole)) / (2 * whole))
}

/// One currency, month by month up to the present one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    /// What it is in.
    pub currency: Currency,
    /// The months, the oldest first.
    pub months: Vec<(Month, MonthOf)>,
}

impl Book {
    /// A month of what is worth so much in a year.
    pub fn monthly(&self, annual: i64) -> Money {
        Money::new(month_of(annual), self.currency)
    }

    /// An amount in its currency.
    pub fn money(&self, minor: i64) -> Money {
        Money::new(minor, self.currency)
    }

    /// The present month.
    pub fn now(&self) -> MonthOf {
        self.months.last().map(|(_, month)| month.clone()).unwrap_or_default()
    }
}

/// Everything the dashboard shows of figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Subscriptions by status.
    pub statuses: BTreeMap<String, i64>,
    /// The currencies, in the order of their codes.
    pub books: Vec<Book>,
}

impl Figures {
    /// The figures of `count` months up to `now`, from facts: of `mrr` all that ever were, of the rest those months at least.
    pub fn new(facts: &[Fact], now: Month, count: i64) -> Self {
        let statuses = facts.iter().filter(|fact| fact.figure == "subscriptions");
        let mut by_status = BTreeMap::new();
        for fact in statuses {
            *by_status.entry(fact.label.clone()).or_insert(0) += fact.count;
        }
        let mut by_currency: BTreeMap<Currency, Vec<&Fact>> = BTreeMap::new();
        for fact in facts {
            if let Ok(currency) = fact.currency.parse() {
                by_currency.entry(currency).or_default().push(fact);
            }
        }
        let books = by_currency
            .into_iter()
            .map(|(currency, facts)| Book { currency, months: months(&facts, now, count) });
        Self {
            statuses: by_status.into_iter().filter(|(_, count)| *count != 0).collect(),
            books: books.collect(),
        }
    }
}

fn months(facts: &[&Fact], now: Month, count: i64) -> Vec<(Month, MonthOf)> {
    let from = now - count + 1;
    let (mut worth, mut tenants) = (0, 0);
    for fact in facts.iter().filter(|fact| fact.figure == "mrr" && fact.month < from) {
        worth += fact.amount;
        tenants += tenants_of(fact);
    }
    let mut all = Vec::new();
    for month in from..=now {
        let mut of = MonthOf { opening: worth, tenants_opening: tenants, ..MonthOf::default() };
        for fact in facts.iter().filter(|fact| fact.month == month) {
            let payments = match (fact.figure.as_str(), fact.label.as_str()) {
                ("mrr", label) => {
                    if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == label) {
                        *of.moved.entry(kind).or_insert(0) += fact.amount;
                        *of.changes.entry(kind).or_insert(0) += fact.count;
                    }
                    worth += fact.amount;
                    tenants += tenants_of(fact);
                    continue;
                }
                ("charges", "succeeded") => &mut of.paid,
                ("charges", "failed") => &mut of.failed,
                ("recovered", _) => &mut of.recovered,
                ("refunds", _) => &mut of.refunded,
                _ => continue,
            };
            payments.0 += fact.count;
            payments.1 += fact.amount;
        }
        (of.closing, of.tenants) = (worth, tenants);
        all.push((month, of));
    }
    all
}

fn tenants_of(fact: &Fact) -> i64 {
    let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == fact.label);
    kind.map_or(0, |kind| kind.tenants() * fact.count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_numbered_and_named_back() {
        assert_eq!(month_at(0), 1970 * 12);
        assert_eq!(first_day(month_at(1_798_675_199)).to_string(), "2026-12-01");
        assert_eq!(first_day(2026 * 12 + 11).to_string(), "2026-12-01");
    }

    #[test]
    fn a_month_opens_with_what_the_one_before_closed_with() {
        let fact = |month, label: &str, count, amount| Fact::new(month, "mrr", label, "eur", count, amount);
        let facts = [
            fact(1, "new", 2, 240),
            fact(5, "expansion", 1, 60),
            fact(5, "churned", 1, -120),
            fact(6, "reactivated", 1, 120),
        ];
        let figures = Figures::new(&facts, 6, 2);
        let [(5, may), (6, june)] = &figures.books[0].months[..] else { panic!("two months") };
        assert_eq!((may.opening, may.closing, june.opening, june.closing), (240, 180, 180, 300));
        assert_eq!((may.churn(), june.churn()), (Some(5_000), Some(0)));
        assert_eq!((may.tenants, june.tenants), (1, 2));
    }

    #[test]
    fn nothing_is_added_where_nothing_changed() {
        let fact = Fact::new(0, "subscriptions", "active", "", 1, 0);
        assert_eq!(difference(vec![fact.clone()], vec![fact.clone()]), []);
        let both = difference(vec![fact.clone()], vec![Fact { label: "past_due".to_owned(), ..fact }]);
        assert_eq!(both.iter().map(|fact| fact.count).collect::<Vec<_>>(), [-1, 1]);
    }
}
