//! Money: whole minor units and a currency, never a float, and never two currencies in one sum.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Currencies whose minor unit is the unit itself, as Stripe charges them.
///
/// From Stripe's documentation of zero-decimal currencies. ISK and UGX are not in it: Stripe keeps two decimals for them, always `00`.
const ZERO_DECIMAL: [&str; 15] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"];

/// Currencies of a thousand minor units, from the same page of Stripe's documentation.
const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

/// A currency: three lowercase letters, as Stripe writes ISO 4217 codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"eur");
    /// The dollar of the United States.
    pub const USD: Self = Self(*b"usd");

    /// The code in lowercase, as it stands in rows and in Stripe's objects.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("xxx")
    }

    /// The code, under the name that columns are written by.
    pub fn as_str(&self) -> &str {
        self.code()
    }

    /// What an amount that is charged must be a multiple of, in minor units: ISK and UGX have no fractions for all their two
    /// decimals, and no card network takes the last of three (<https://docs.stripe.com/currencies>).
    pub fn step(&self) -> i64 {
        match (self.code(), self.exponent()) {
            ("isk" | "ugx", _) => 100,
            (_, 3) => 10,
            _ => 1,
        }
    }

    /// How many decimals the amount has: an amount of 100 minor units is 1.00 at two, 100 at none, 0.100 at three.
    pub fn exponent(&self) -> u8 {
        if ZERO_DECIMAL.contains(&self.code()) {
            0
        } else if THREE_DECIMAL.contains(&self.code()) {
            3
        } else {
            2
        }
    }
}

crate::db::text_column!(Currency);

/// The text is not three letters of the Latin alphabet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a currency is three letters")]
pub struct NotACurrency;

impl FromStr for Currency {
    type Err = NotACurrency;

    fn from_str(text: &str) -> Result<Self, NotACurrency> {
        let letters: [u8; 3] = text.as_bytes().try_into().map_err(|_| NotACurrency)?;
        if letters.iter().all(u8::is_ascii_alphabetic) {
            Ok(Self(letters.map(|l| l.to_ascii_lowercase())))
        } else {
            Err(NotACurrency)
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = NotACurrency;

    fn try_from(text: String) -> Result<Self, NotACurrency> {
        text.parse()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An amount of one currency, in its minor units: 2900 of EUR is 29.00 EUR, 2900 of JPY is 2,900 JPY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Minor units; negative where money goes back.
    pub minor: i64,
    /// What it is counted in.
    pub currency: Currency,
}

/// Why two amounts have no sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The amounts are of different currencies.
    #[error("amounts in {0} and {1} have no sum")]
    Currencies(Currency, Currency),
    /// The result does not fit.
    #[error("the amount is too large")]
    Overflow,
}

impl Money {
    /// An amount in minor units.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in a currency.
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// The sum.
    ///
    /// # Errors
    /// Where the currencies differ or the sum does not fit.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.with(other, i64::checked_add)
    }

    /// The difference.
    ///
    /// # Errors
    /// Where the currencies differ or the difference does not fit.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.with(other, i64::checked_sub)
    }

    /// The amount so many times.
    ///
    /// # Errors
    /// Where the product does not fit.
    pub fn times(self, count: i64) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(count).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.minor == 0
    }

    fn with(self, other: Self, calculate: fn(i64, i64) -> Option<i64>) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Currencies(self.currency, other.currency));
        }
        let minor = calculate(self.minor, other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// The amount as a plain decimal number with a point, for files that programs read: `29.00`, `2900`, `-0.500`.
    pub fn decimal(self) -> String {
        let exponent = usize::from(self.currency.exponent());
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.minor.unsigned_abs(), width = exponent + 1);
        let (whole, part) = digits.split_at(digits.len() - exponent);
        if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
    }
}

/// Sums by currency, in the order in which the currencies came up.
///
/// # Errors
/// Where a sum does not fit.
pub fn totals(amounts: impl IntoIterator<Item = Money>) -> Result<Vec<Money>, MoneyError> {
    let mut sums: Vec<Money> = Vec::new();
    for amount in amounts {
        match sums.iter_mut().find(|sum| sum.currency == amount.currency) {
            Some(sum) => *sum = sum.plus(amount)?,
            None => sums.push(amount),
        }
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_three_letters_and_nothing_else() {
        assert_eq!("EUR".parse::<Currency>(), Ok(Currency::EUR));
        for bad in ["", "eu", "euro", "e1r", "€", "eü", "e r"] {
            assert_eq!(bad.parse::<Currency>(), Err(NotACurrency), "{bad}");
        }
    }

    #[test]
    fn sums_never_mix_currencies_and_never_wrap() {
        let euro = Money::new(100, Currency::EUR);
        assert_eq!(euro.plus(Money::new(50, Currency::EUR)), Ok(Money::new(150, Currency::EUR)));
        assert_eq!(
            euro.plus(Money::new(50, Currency::USD)),
            Err(MoneyError::Currencies(Currency::EUR, Currency::USD))
        );
        assert_eq!(Money::new(i64::MAX, Currency::EUR).plus(euro), Err(MoneyError::Overflow));
        assert_eq!(Money::new(i64::MIN, Currency::EUR).minus(euro), Err(MoneyError::Overflow));
        assert_eq!(euro.times(i64::MAX), Err(MoneyError::Overflow));
    }

    #[test]
    fn no_amount_is_charged_that_the_currency_has_no_coin_for() {
        let step =
            |code: &str| code.parse::<Currency>().map(|currency| (currency.exponent(), currency.step()));
        assert_eq!(step("eur"), Ok((2, 1)));
        assert_eq!(step("jpy"), Ok((0, 1)));
        assert_eq!(step("kwd"), Ok((3, 10)));
        assert_eq!((step("ugx"), step("isk")), (Ok((2, 100)), Ok((2, 100))));
    }

    #[test]
    fn decimals_follow_the_currency() {
        let amount = |minor, code: &str| Money::new(minor, code.parse().expect("a currency")).decimal();
        assert_eq!(amount(2900, "eur"), "29.00");
        assert_eq!(amount(-5, "eur"), "-0.05");
        assert_eq!(amount(2900, "jpy"), "2900");
        assert_eq!(amount(500, "kwd"), "0.500");
        assert_eq!(amount(i64::MIN, "eur"), "-92233720368547758.08");
    }

    #[test]
    fn totals_are_kept_by_currency() {
        let sums = totals([
            Money::new(1, Currency::EUR),
            Money::new(2, Currency::USD),
            Money::new(3, Currency::EUR),
        ]);
        assert_eq!(sums, Ok(vec![Money::new(4, Currency::EUR), Money::new(2, Currency::USD)]));
    }
}
