//! What is asked of the list: states, days, and the place where a page begins.

use std::str::FromStr;

use crate::stripe::InvoiceId;
use jiff::civil::Date;
use jiff::tz::TimeZone;

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

    /// A state by its word.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
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

/// What is asked of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Only these.
    pub status: Option<StatusFilter>,
    /// Made from the first second on, and before the second; unix seconds.
    pub span: (i64, i64),
    /// Where the page begins.
    pub after: Option<Cursor>,
}

/// The first second of the first day, and the second after the last of the last one, in a time zone; unix seconds.
pub fn span(from: Option<Date>, to: Option<Date>, zone: &TimeZone) -> (i64, i64) {
    let start_of = |day: Date| day.to_zoned(zone.clone()).ok().map(|start| start.timestamp().as_second());
    let from = from.and_then(start_of).unwrap_or(i64::MIN);
    let until = to.and_then(|day| day.tomorrow().ok()).and_then(start_of).unwrap_or(i64::MAX);
    (from, until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written_and_nothing_else_is_one() {
        let cursor = Cursor { created_at: 17, id: "in_1".into() };
        assert_eq!(cursor.text().parse(), Ok(cursor));
        for text in ["", "x", "17", "17.", "x.in_1", "1.in/../.."] {
            assert_eq!(text.parse::<Cursor>(), Err(NotACursor), "{text:?}");
        }
    }

    #[test]
    fn days_begin_and_end_in_the_time_zone_of_the_tenant() {
        let madrid = TimeZone::get("Europe/Madrid").expect("a zone");
        let day = "2026-03-29".parse().ok();
        let (from, until) = span(day, day, &madrid);
        assert_eq!(until - from, 23 * 3600, "the day on which the clocks go forward");
        assert_eq!(span(None, None, &madrid), (i64::MIN, i64::MAX));
    }
}
