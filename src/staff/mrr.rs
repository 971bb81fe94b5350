//! What a subscription is worth, month by month, and what a change of that is called.
//!
//! Monthly recurring revenue is what active and past due subscriptions bill for a month: quantity times price, less coupons that
//! come again, without tax, without what is metered. Everything is reckoned for a **year**, in whole minor units: a month's price
//! twelve times, a year's once. A month is the twelfth of that, divided once, when it is shown. Weeks count 52 a year, days 365.
//! A price that is charged every so many units of time is divided and rounded once, half up, where it does not come out even.

use serde::Deserialize;

use crate::money::Currency;
use crate::stripe::snapshot::SubscriptionStatus;

/// Months of a year.
pub const MONTHS: i64 = 12;

/// Whether a subscription in this state counts. A trial is not revenue yet; what Stripe has given up collecting is none any more.
pub const fn counts(status: &SubscriptionStatus) -> bool {
    matches!(status, SubscriptionStatus::Active | SubscriptionStatus::PastDue)
}

/// An item of a subscription's row.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Item {
    /// The price's id.
    pub price: String,
    /// How many; none where use is metered.
    pub quantity: Option<i64>,
}

/// What an item bills at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Minor units, for all of its quantity.
    pub amount: i64,
    /// `day`, `week`, `month`, `year`.
    pub interval: String,
    /// Every so many of them.
    pub count: i64,
}

/// What a coupon takes off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discount {
    /// Millionths of the amount.
    pub share: i64,
    /// Minor units at a time, with what they are in.
    pub amount: Option<(i64, Currency)>,
}

impl Discount {
    /// The share from per cent as Stripe writes them: `12.5` is 125,000 millionths. None for what is no number.
    pub fn share_of(percent: &str) -> Option<i64> {
        let (whole, part) = percent.split_once('.').unwrap_or((percent, ""));
        let digits: String = part.chars().chain("0000".chars()).take(4).collect();
        let share = whole.parse::<i64>().ok()?.checked_mul(10_000)?.checked_add(digits.parse().ok()?)?;
        (0..=1_000_000).contains(&share).then_some(share)
    }
}

/// What lines are worth in a year after discounts, minor units. None where it does not fit.
///
/// As on an invoice, a share is taken off each line and rounded to the minor unit, and an amount off what is left of them, the first
/// line first; never below nothing.
pub fn annual(lines: &[Line], discounts: &[Discount], currency: Currency) -> Option<i64> {
    let mut amounts: Vec<i64> = lines.iter().map(|line| line.amount.max(0)).collect();
    for discount in discounts {
        let mut left =
            discount.amount.filter(|(_, of)| *of == currency).map_or(0, |(amount, _)| amount.max(0));
        for amount in &mut amounts {
            let share = (i128::from(*amount) * i128::from(discount.share) + 500_000) / 1_000_000;
            *amount -= i64::try_from(share).ok()?.min(*amount);
            let off = left.min(*amount);
            *amount -= off;
            left -= off;
        }
    }
    lines.iter().zip(amounts).try_fold(0_i64, |sum, (line, amount)| sum.checked_add(yearly(amount, line)?))
}

fn yearly(amount: i64, line: &Line) -> Option<i64> {
    let times: i128 = match line.interval.as_str() {
        "year" => 1,
        "month" => 12,
        "week" => 52,
        "day" => 365,
        _ => return Some(0),
    };
    let count = i128::from(line.count.max(1));
    i64::try_from((i128::from(amount) * times * 2 + count) / (count * 2)).ok()
}

/// A month of what is worth so much in a year, rounded half away from nothing.
pub fn month_of(annual: i64) -> i64 {
    let half = if annual < 0 { -MONTHS / 2 } else { MONTHS / 2 };
    annual.saturating_add(half) / MONTHS
}

/// What a change of a tenant's worth is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Worth something for the first time.
    New,
    /// Worth more.
    Expansion,
    /// Worth less.
    Contraction,
    /// Worth nothing any more.
    Churned,
    /// Worth something again.
    Reactivated,
}

impl Kind {
    /// All of them, in the order of pages.
    pub const ALL: [Self; 5] =
        [Self::New, Self::Reactivated, Self::Expansion, Self::Contraction, Self::Churned];

    /// As it stands in rows and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Expansion => "expansion",
            Self::Contraction => "contraction",
            Self::Churned => "churned",
            Self::Reactivated => "reactivated",
        }
    }

    /// The key of its name.
    pub const fn key(self) -> &'static str {
        match self {
            Self::New => "staff-mrr-new",
            Self::Expansion => "staff-mrr-expansion",
            Self::Contraction => "staff-mrr-contraction",
            Self::Churned => "staff-mrr-churned",
            Self::Reactivated => "staff-mrr-reactivated",
        }
    }

    /// The kind of a change from one worth to another; none where they are equal. `known` says whether the tenant was ever worth
    /// something in this currency.
    pub fn of(before: i64, after: i64, known: bool) -> Option<Self> {
        match (before, after) {
            (before, after) if before == after => None,
            (0, _) if known => Some(Self::Reactivated),
            (0, _) => Some(Self::New),
            (_, 0) => Some(Self::Churned),
            (before, after) if after > before => Some(Self::Expansion),
            _ => Some(Self::Contraction),
        }
    }

    /// What it does to the number of tenants that are worth something.
    pub const fn tenants(self) -> i64 {
        match self {
            Self::New | Self::Reactivated => 1,
            Self::Churned => -1,
            Self::Expansion | Self::Contraction => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(amount: i64, interval: &str, count: i64) -> Line {
        Line { amount, interval: interval.to_owned(), count }
    }

    fn off(share: i64, amount: i64) -> Discount {
        Discount { share, amount: (amount > 0).then_some((amount, Currency::EUR)) }
    }

    #[test]
    fn a_year_is_exact_and_divided_once() {
        let worth = |lines: &[Line], discounts: &[Discount]| annual(lines, discounts, Currency::EUR);
        assert_eq!(worth(&[line(2900, "month", 1)], &[]), Some(34_800));
        assert_eq!(worth(&[line(29_000, "year", 1)], &[]), Some(29_000));
        assert_eq!(month_of(29_000), 2417);
        assert_eq!(worth(&[line(1000, "month", 3), line(700, "week", 1)], &[]), Some(4000 + 36_400));
        assert_eq!(worth(&[line(100, "month", 5)], &[]), Some(240));
        assert_eq!(worth(&[line(100, "day", 7)], &[]), Some(5214));
        assert_eq!(worth(&[line(i64::MAX, "month", 1)], &[]), None);
    }

    #[test]
    fn coupons_are_taken_off_as_on_an_invoice() {
        let worth = |lines: &[Line], discounts: &[Discount]| annual(lines, discounts, Currency::EUR);
        assert_eq!(Discount::share_of("12.5"), Some(125_000));
        assert_eq!(Discount::share_of("33.3333"), Some(333_333));
        assert_eq!((Discount::share_of("x"), Discount::share_of("101")), (None, None));
        assert_eq!(worth(&[line(2900, "month", 1)], &[off(500_000, 0)]), Some(17_400));
        // 29.00 less an eighth is 25.375: the eighth, 3.625, is rounded to 3.63.
        assert_eq!(worth(&[line(2900, "month", 1)], &[off(125_000, 0)]), Some((2900 - 363) * 12));
        assert_eq!(worth(&[line(2900, "month", 1)], &[off(0, 400), off(500_000, 0)]), Some(15_000));
        assert_eq!(worth(&[line(300, "month", 1), line(500, "month", 1)], &[off(0, 400)]), Some(4800));
        assert_eq!(worth(&[line(300, "month", 1)], &[off(0, 900), off(1_000_000, 0)]), Some(0));
        let yen = Discount { share: 0, amount: Some((400, "jpy".parse().expect("a currency"))) };
        assert_eq!(worth(&[line(300, "month", 1)], &[yen]), Some(3600), "an amount of another currency");
    }

    #[test]
    fn a_change_has_one_name() {
        use Kind::{Churned, Contraction, Expansion, New, Reactivated};
        let named = |before, after| Kind::of(before, after, before > 0);
        assert_eq!([named(0, 5), named(5, 9), named(9, 3)], [Some(New), Some(Expansion), Some(Contraction)]);
        assert_eq!([named(3, 0), named(3, 3)], [Some(Churned), None]);
        assert_eq!(Kind::of(0, 5, true), Some(Reactivated));
        let counted: i64 = Kind::ALL.iter().map(|kind| kind.tenants()).sum();
        assert_eq!(counted, 1);
    }
}
