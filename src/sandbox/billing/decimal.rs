//! Exact amounts with fractions, and the one place that rounds them.

/// The digits after the point that Stripe takes in `unit_amount_decimal`.
const DIGITS: usize = 12;
/// One minor unit.
const ONE: i128 = 1_000_000_000_000;

/// A number of minor units with up to twelve decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal(i128);

impl Decimal {
    /// A whole number.
    pub(crate) fn whole(number: i64) -> Self {
        Self(i128::from(number) * ONE)
    }

    /// Reads `12`, `0.0003` or `-1.5`; none for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || whole.len() > 15
            || fraction.len() > DIGITS
            || !numeric(whole)
            || !numeric(fraction)
        {
            return None;
        }
        let padded = format!("{fraction:0<DIGITS$}");
        let value = whole.parse::<i128>().ok()? * ONE + padded.parse::<i128>().ok()?;
        Some(Self(sign * value))
    }

    /// Times a quantity, rounded to the minor unit, halves away from zero.
    pub(crate) fn times(self, quantity: i64) -> i64 {
        divide(self.0.saturating_mul(i128::from(quantity)), ONE)
    }

    /// The amount in major units of a currency with so many digits after the point, as a decimal text with at least those
    /// digits: 0.0003 cents are `0.000003` dollars.
    pub(crate) fn major(self, digits: usize) -> String {
        let one = ONE.unsigned_abs() * 10_u128.pow(u32::try_from(digits).unwrap_or_default());
        let (whole, fraction) = (self.0.unsigned_abs() / one, self.0.unsigned_abs() % one);
        let sign = if self.0 < 0 { "-" } else { "" };
        let all = format!("{fraction:0>width$}", width = DIGITS + digits);
        let (kept, rest) = all.split_at(digits);
        let rest = rest.trim_end_matches('0');
        if kept.is_empty() && rest.is_empty() {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{kept}{rest}")
        }
    }

    /// The number when it has no fraction.
    pub(crate) fn as_whole(self) -> Option<i64> {
        (self.0 % ONE == 0).then(|| i64::try_from(self.0 / ONE).ok()).flatten()
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) =
            (self.0.unsigned_abs() / ONE.unsigned_abs(), self.0.unsigned_abs() % ONE.unsigned_abs());
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let digits = format!("{fraction:0>DIGITS$}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// `amount * part / of`, rounded to the minor unit, halves away from zero; zero when `of` is zero.
pub(crate) fn share(amount: i64, part: i64, of: i64) -> i64 {
    divide(i128::from(amount) * i128::from(part), i128::from(of))
}

/// Division that rounds to the nearest, halves away from zero. The only rounding of money there is.
fn divide(dividend: i128, divisor: i128) -> i64 {
    if divisor == 0 {
        return 0;
    }
    let (n, d) = if divisor < 0 { (-dividend, -divisor) } else { (dividend, divisor) };
    let magnitude = (n.abs() * 2 + d) / (d * 2);
    i64::try_from(n.signum() * magnitude).unwrap_or(if n < 0 { i64::MIN } else { i64::MAX })
}

/// Splits `amount` over `weights` in proportion, to the unit: the parts add up, no part exceeds its weight while `amount`
/// does not exceed their sum.
pub(crate) fn split(amount: i64, weights: &[i64]) -> Vec<i64> {
    let total: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if total <= 0 {
        return vec![0; weights.len()];
    }
    let (mut parts, mut taken, mut seen) = (Vec::with_capacity(weights.len()), 0_i64, 0_i128);
    for weight in weights {
        seen += i128::from(*weight);
        // What all up to here take together, less what was taken: the remainder wanders along and is never lost.
        let until = i64::try_from(i128::from(amount) * seen / total).unwrap_or(amount);
        parts.push(until - taken);
        taken = until;
    }
    parts
}
