//! What use costs, exactly: Stripe's unit amounts with up to twelve decimals, and its tiers.
//!
//! Each part of a price is rounded to the minor unit by itself, halves away from zero, as each tier is a line of the invoice.

use crate::money::{Currency, Money};
use crate::stripe::snapshot::{CurrencyOption, Tier};

/// Decimals that Stripe takes in `unit_amount_decimal`.
const DIGITS: usize = 12;
/// One minor unit.
const ONE: i128 = 1_000_000_000_000;

/// Minor units with up to twelve decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal(i128);

impl Decimal {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Whole minor units.
    pub const fn whole(minor: i64) -> Self {
        Self(minor as i128 * ONE)
    }

    /// Reads `12` or `0.0003`; none for what is no such number, or below zero.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let numeric = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
        if whole.is_empty() || whole.len() > 15 || part.len() > DIGITS || !numeric(whole) || !numeric(part) {
            return None;
        }
        let part: i128 = format!("{part:0<DIGITS$}").parse().ok()?;
        Some(Self(whole.parse::<i128>().ok()? * ONE + part))
    }

    /// So many times, rounded to the minor unit; none where that does not fit.
    pub fn times(self, count: i64) -> Option<i64> {
        let exact = self.0.checked_mul(i128::from(count))?;
        let rounded = (exact.checked_abs()?.checked_add(ONE / 2)?) / ONE;
        i64::try_from(rounded * exact.signum()).ok()
    }

    /// As Stripe writes it.
    pub fn text(self) -> String {
        let (whole, part) = (self.0 / ONE, self.0 % ONE);
        let part = format!("{part:0>DIGITS$}");
        match part.trim_end_matches('0') {
            "" => whole.to_string(),
            digits => format!("{whole}.{digits}"),
        }
    }

    fn of(whole: Option<i64>, decimal: Option<&str>) -> Self {
        decimal.and_then(Self::parse).or(whole.map(Self::whole)).unwrap_or(Self::ZERO)
    }
}

/// A step of a tariff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The last unit it holds for; none is without end.
    pub up_to: Option<i64>,
    /// Of each unit in it.
    pub unit: Decimal,
    /// Once, for reaching it.
    pub flat: Decimal,
}

/// How units become an amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// All units cost the same.
    Unit(Decimal),
    /// Each unit costs what its step says.
    Graduated(Vec<Step>),
    /// All units cost what the step of the last one says.
    Volume(Vec<Step>),
}

/// A price, in the currency it is paid in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// What it is in.
    pub currency: Currency,
    /// How it counts.
    pub scheme: Scheme,
}

/// A price's row, as far as it makes a tariff.
#[derive(Clone, Debug, Default)]
pub struct PriceRow {
    /// The main currency.
    pub currency: String,
    /// Minor units.
    pub unit_amount: Option<i64>,
    /// The same, with fractions.
    pub unit_amount_decimal: Option<String>,
    /// `graduated` or `volume`.
    pub tiers_mode: Option<String>,
    /// JSON.
    pub tiers: Option<String>,
    /// JSON: currency -> amounts.
    pub currency_options: String,
}

impl Tariff {
    /// The tariff of a price in a currency; none where it is not sold in that currency, or has no amount.
    pub fn of(row: &PriceRow, currency: Currency) -> Option<Self> {
        let main: Currency = row.currency.parse().ok()?;
        let option = if main == currency {
            CurrencyOption {
                unit_amount: row.unit_amount,
                unit_amount_decimal: row.unit_amount_decimal.clone(),
                tax_behavior: None,
                tiers: row.tiers.as_deref().and_then(|tiers| serde_json::from_str(tiers).ok()),
            }
        } else {
            let mut options: std::collections::BTreeMap<String, CurrencyOption> =
                serde_json::from_str(&row.currency_options).ok()?;
            options.remove(currency.code())?
        };
        let steps = |tiers: &[Tier]| tiers.iter().map(step).collect();
        let scheme = match (row.tiers_mode.as_deref(), option.tiers.as_deref()) {
            (Some("volume"), Some(tiers)) if !tiers.is_empty() => Scheme::Volume(steps(tiers)),
            (Some(_), Some(tiers)) if !tiers.is_empty() => Scheme::Graduated(steps(tiers)),
            (Some(_), _) => return None,
            (None, _) => {
                if option.unit_amount.is_none() && option.unit_amount_decimal.is_none() {
                    return None;
                }
                Scheme::Unit(Decimal::of(option.unit_amount, option.unit_amount_decimal.as_deref()))
            }
        };
        Some(Self { currency, scheme })
    }

    /// What so many units cost; none where that does not fit.
    pub fn cost(&self, quantity: i64) -> Option<Money> {
        let quantity = quantity.max(0);
        let minor = match &self.scheme {
            Scheme::Unit(unit) => unit.times(quantity)?,
            Scheme::Volume(steps) => match steps.iter().find(|s| s.up_to.is_none_or(|last| quantity <= last))
            {
                Some(step) => step.unit.times(quantity)?.checked_add(step.flat.times(1)?)?,
                None => 0,
            },
            Scheme::Graduated(steps) => graduated(steps, quantity)?,
        };
        Some(Money::new(minor, self.currency))
    }

    /// What the units beyond `included` cost, given that `used` are billed together with `earlier` ones of the months before.
    pub fn beyond(&self, earlier: i64, included: i64, used: i64) -> Option<Money> {
        if used <= included {
            return Some(Money::zero(self.currency));
        }
        let from = earlier.checked_add(included)?;
        if from == 0 {
            return self.cost(used);
        }
        let more = self.cost(earlier.checked_add(used)?)?.minus(self.cost(from)?).ok()?;
        // A volume price can fall when a step is reached: then the units beyond cost nothing more.
        Some(Money::new(more.minor.max(0), self.currency))
    }
}

fn step(tier: &Tier) -> Step {
    Step {
        up_to: tier.up_to,
        unit: Decimal::of(tier.unit_amount, tier.unit_amount_decimal.as_deref()),
        flat: Decimal::of(tier.flat_amount, tier.flat_amount_decimal.as_deref()),
    }
}

fn graduated(steps: &[Step], quantity: i64) -> Option<i64> {
    let (mut sum, mut below) = (0_i64, 0);
    for (index, step) in steps.iter().enumerate() {
        let top = step.up_to.unwrap_or(i64::MAX).min(quantity);
        if top <= below && index > 0 {
            break;
        }
        let within = step.unit.times((top - below).max(0))?;
        sum = sum.checked_add(within)?.checked_add(step.flat.times(1)?)?;
        below = top;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(up_to: Option<i64>, unit: &str, flat: i64) -> Step {
        Step { up_to, unit: Decimal::parse(unit).expect("a number"), flat: Decimal::whole(flat) }
    }

    fn tariff(scheme: Scheme) -> Tariff {
        Tariff { currency: Currency::EUR, scheme }
    }

    fn cents(tariff: &Tariff, quantity: i64) -> i64 {
        tariff.cost(quantity).expect("an amount").minor
    }

    #[test]
    fn a_fraction_of_a_cent_is_exact_until_the_end() {
        let tokens = tariff(Scheme::Unit(Decimal::parse("0.0003").expect("a number")));
        assert_eq!(cents(&tokens, 1_000_000), 300);
        assert_eq!(cents(&tokens, 1_666), 0);
        assert_eq!(cents(&tokens, 1_667), 1);
        assert_eq!(tokens.cost(crate::usage::MOST).map(|m| m.minor), Some(2_702_159_776_422));
        assert_eq!(Decimal::parse("0.0003").expect("a number").text(), "0.0003");
        for bad in ["", ".", ".5", "-1", "1e3", "1.0000000000001", "9999999999999999", "ten"] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn graduated_steps_add_up_and_volume_takes_the_last() {
        let steps = vec![step(Some(10), "0", 0), step(Some(20), "5", 100), step(None, "2.5", 0)];
        let graduated = tariff(Scheme::Graduated(steps.clone()));
        assert_eq!(
            [0, 10, 11, 20, 21, 24].map(|quantity| cents(&graduated, quantity)),
            [0, 0, 105, 150, 153, 160]
        );
        let volume = tariff(Scheme::Volume(steps));
        assert_eq!([0, 10, 11, 20, 21].map(|quantity| cents(&volume, quantity)), [0, 0, 155, 200, 53]);
        assert_eq!(graduated.beyond(0, 10, 24).map(|m| m.minor), Some(160));
        assert_eq!(graduated.beyond(0, 20, 24).map(|m| m.minor), Some(10));
        assert_eq!(volume.beyond(0, 20, 21).map(|m| m.minor), Some(0));
        assert_eq!(graduated.beyond(0, 24, 24).map(|m| m.minor), Some(0));
        // The months of a year are billed together: each costs what the sum costs more.
        assert_eq!(graduated.beyond(11, 0, 10).map(|m| m.minor), Some(153 - 105));
        assert_eq!(graduated.beyond(10, 10, 14).map(|m| m.minor), Some(10));
    }

    #[test]
    fn a_price_speaks_the_currencies_it_has() {
        let row = PriceRow {
            currency: "eur".into(),
            unit_amount_decimal: Some("0.0003".into()),
            currency_options: r#"{"usd":{"unit_amount":null,"unit_amount_decimal":"0.00035","tax_behavior":null,"tiers":null}}"#.into(),
            ..PriceRow::default()
        };
        assert_eq!(
            Tariff::of(&row, Currency::USD).and_then(|t| t.cost(1_000_000)),
            Some(Money::new(350, Currency::USD))
        );
        assert_eq!(Tariff::of(&row, "chf".parse().expect("a currency")), None);
        let tiered = PriceRow {
            currency: "eur".into(),
            tiers_mode: Some("graduated".into()),
            tiers: Some(r#"[{"up_to":10,"unit_amount":0},{"up_to":null,"unit_amount":null,"unit_amount_decimal":"1.5"}]"#.into()),
            ..PriceRow::default()
        };
        assert_eq!(
            Tariff::of(&tiered, Currency::EUR).and_then(|t| t.cost(12)),
            Some(Money::new(3, Currency::EUR))
        );
        assert_eq!(Tariff::of(&PriceRow { tiers: None, ..tiered }, Currency::EUR), None);
    }

    #[test]
    fn what_does_not_fit_is_no_amount() {
        let dear = tariff(Scheme::Unit(Decimal::whole(i64::MAX)));
        assert_eq!(dear.cost(2), None);
    }
}
