//! What is asked of the list: states, days, and the place where a page begins.

use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::stripe::InvoiceId;

/// The states that a list can be narrowed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusFilter {
    /// To be paid.
    Open,
    /// Paid.
    Paid,
    /// Given up.
    Uncollectible,
    /// Taken back.
    Void,
}

impl StatusFilter {
    /// All, in the order of the list.
    pub const ALL: [Self; 4] = [Self::Open, Self::Paid, Self::Uncollectible, Self::Void];

    /// As it stands in rows and in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Uncollectible => "uncollectible",
            Self::Void => "void",
        }
    }

    /// The key of its word.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Open => "invoices-filter-open",
            Self::Paid => "invoices-filter-paid",
            Self::Uncollectible => "invoices-filter-uncollectible",
            Self::Void => "invoices-filter-void",
        }
    }
}

/// Where a page of the list begins: right after this invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Unix seconds.
    pub created_at: i64,
    /// Stripe's id.
    pub id: String,
}

impl Cursor {
    /// As it stands in addresses.
    pub fn text(&self) -> String {
        format!("{}.{}", self.created_at, self.id)
    }
}

/// The text is no place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no place in the list")]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (created_at, id) = text.split_once('.').ok_or(NotACursor)?;
        let id: InvoiceId = id.parse().map_err(|_| NotACursor)?;
        let created_at = created_at.parse().map_err(|_| NotACursor)?;
        Ok(Self { created_at, id: id.as_str().to_owned() })
    }
}

/// What was asked of the list, as it was typed.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Query {
    /// A [`StatusFilter`], or nothing.
    #[serde(default)]
    pub status: String,
    /// The first day, `YYYY-MM-DD`.
    #[serde(default)]
    pub from: String,
    /// The last day, `YYYY-MM-DD`.
    #[serde(default)]
    pub to: String,
    /// Where the page begins.
    #[serde(default)]
    pub after: String,
}

/// What was asked of the list, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only these.
    pub status: Option<StatusFilter>,
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub to: Option<Date>,
    /// Where the page begins.
    pub after: Option<Cursor>,
}

/// Which field of a [`Query`] cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadQuery {
    /// No such state.
    Status,
    /// No such day.
    From,
    /// No such day.
    To,
    /// The last day is before the first.
    Order,
    /// No such page.
    After,
}

impl Query {
    /// Understands what was asked.
    ///
    /// # Errors
    /// Each field that cannot be understood.
    pub fn filter(&self) -> Result<Filter, Vec<BadQuery>> {
        let mut bad = Vec::new();
        let status = StatusFilter::ALL.into_iter().find(|status| status.as_str() == self.status);
        if status.is_none() && !self.status.is_empty() {
            bad.push(BadQuery::Status);
        }
        let mut day = |text: &str, problem| match text.parse() {
            Ok(day) => Some(day),
            Err(_) => {
                bad.extend((!text.is_empty()).then_some(problem));
                None
            }
        };
        let (from, to): (Option<Date>, Option<Date>) =
            (day(&self.from, BadQuery::From), day(&self.to, BadQuery::To));
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            bad.push(BadQuery::Order);
        }
        let after: Option<Cursor> = self.after.parse().ok();
        if after.is_none() && !self.after.is_empty() {
            bad.push(BadQuery::After);
        }
        if bad.is_empty() { Ok(Filter { status, from, to, after }) } else { Err(bad) }
    }
}

impl Filter {
    /// The first second and the second after the last, as unix seconds, of the days in a time zone.
    pub fn span(&self, zone: &TimeZone) -> (i64, i64) {
        let start_of = |day: Date| day.to_zoned(zone.clone()).ok().map(|start| start.timestamp().as_second());
        let from = self.from.and_then(start_of).unwrap_or(i64::MIN);
        let until = self.to.and_then(|day| day.tomorrow().ok()).and_then(start_of).unwrap_or(i64::MAX);
        (from, until)
    }

    /// The same filter in an address, beginning after an invoice if one is given.
    pub fn query(&self, after: Option<&Cursor>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(status) = self.status {
            query.append_pair("status", status.as_str());
        }
        for (name, day) in [("from", self.from), ("to", self.to)] {
            if let Some(day) = day {
                query.append_pair(name, &day.to_string());
            }
        }
        if let Some(after) = after {
            query.append_pair("after", &after.text());
        }
        query.finish()
    }

    /// Whether it narrows anything.
    pub fn is_set(&self) -> bool {
        self.status.is_some() || self.from.is_some() || self.to.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(status: &str, from: &str, to: &str, after: &str) -> Query {
        Query { status: status.into(), from: from.into(), to: to.into(), after: after.into() }
    }

    #[test]
    fn a_filter_is_understood_or_each_bad_field_is_named() {
        let filter = query("paid", "2026-01-01", "2026-01-31", "17.in_1").filter().expect("understood");
        assert_eq!(filter.query(None), "status=paid&from=2026-01-01&to=2026-01-31");
        assert_eq!(filter.after, Some(Cursor { created_at: 17, id: "in_1".into() }));
        assert_eq!(query("", "", "", "").filter(), Ok(Filter::default()));
        let bad = query("lost", "2026-02-30", "tomorrow", "x").filter();
        assert_eq!(bad, Err(vec![BadQuery::Status, BadQuery::From, BadQuery::To, BadQuery::After]));
        assert_eq!(query("", "2026-02-02", "2026-02-01", "").filter(), Err(vec![BadQuery::Order]));
        assert_eq!(query("", "", "", "1.in/../..").filter(), Err(vec![BadQuery::After]));
    }

    #[test]
    fn days_begin_and_end_in_the_time_zone_of_the_tenant() {
        let madrid = TimeZone::get("Europe/Madrid").expect("a zone");
        let filter = query("", "2026-03-29", "2026-03-29", "").filter().expect("understood");
        let (from, until) = filter.span(&madrid);
        assert_eq!(until - from, 23 * 3600, "the day on which the clocks go forward");
    }
}
