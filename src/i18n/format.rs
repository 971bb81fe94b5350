//! Numbers, money, shares and times, by the rules of the language (CLDR's, through ICU).

use std::cell::OnceCell;

use icu_calendar::{Date, Iso};
use icu_datetime::DateTimeFormatter;
use icu_datetime::fieldsets::{self, zone};
use icu_decimal::DecimalFormatter;
use icu_decimal::input::Decimal;
use icu_locale_core::{Locale, locale};
use icu_time::zone::models::AtTime;
use icu_time::{TimeZoneInfo, ZonedDateTime};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use jiff_icu::ConvertFrom as _;

use super::Language;
use crate::money::{Currency, Money};

/// Between a number and what it counts: a space at which no line breaks.
const NO_BREAK: char = '\u{a0}';

/// Formatters are dear to make and not shareable between threads: one set for each thread and language.
struct Formatters {
    decimal: Option<DecimalFormatter>,
    date: Option<DateTimeFormatter<fieldsets::YMD>>,
    day: Option<DateTimeFormatter<fieldsets::MD>>,
    month: Option<DateTimeFormatter<fieldsets::YM>>,
    date_time: Option<DateTimeFormatter<fieldsets::Combo<fieldsets::YMDT, zone::SpecificShort>>>,
}

thread_local! {
    static ENGLISH: OnceCell<Formatters> = const { OnceCell::new() };
    static SPANISH: OnceCell<Formatters> = const { OnceCell::new() };
}

impl Formatters {
    fn new(locale: &Locale) -> Self {
        Self {
            decimal: logged(DecimalFormatter::try_new(locale.into(), <_>::default())),
            date: logged(DateTimeFormatter::try_new(locale.into(), fieldsets::YMD::medium())),
            day: logged(DateTimeFormatter::try_new(locale.into(), fieldsets::MD::medium())),
            month: logged(DateTimeFormatter::try_new(locale.into(), fieldsets::YM::long())),
            date_time: logged(DateTimeFormatter::try_new(
                locale.into(),
                fieldsets::YMD::medium().with_time_hm().with_zone(zone::SpecificShort),
            )),
        }
    }
}

fn logged<T, E: std::fmt::Display>(made: Result<T, E>) -> Option<T> {
    made.inspect_err(|error| tracing::error!(%error, "the data of a language is missing")).ok()
}

impl Language {
    /// A whole number with the separators of the language: 10,000 or 10.000.
    pub fn number(self, number: i64) -> String {
        self.decimal(Decimal::from(number))
    }

    /// An amount with as many decimals as its currency has: €29.00 or 29,00 €.
    pub fn money(self, money: Money) -> String {
        let mut digits = Decimal::from(i128::from(money.minor).unsigned_abs());
        digits.multiply_pow10(-i16::from(money.currency.exponent()));
        let digits = self.decimal(digits);
        let sign = if money.minor < 0 { "-" } else { "" };
        self.with_symbol(&digits, sign, money.currency)
    }

    fn with_symbol(self, digits: &str, sign: &str, currency: Currency) -> String {
        let code = currency.code().to_ascii_uppercase();
        match (self, self.symbol(currency)) {
            (Self::En, Some(symbol)) => format!("{sign}{symbol}{digits}"),
            (Self::En, None) => format!("{sign}{code}{NO_BREAK}{digits}"),
            (Self::Es, symbol) => format!("{sign}{digits}{NO_BREAK}{}", symbol.unwrap_or(&code)),
        }
    }

    /// An amount without the decimals where they are all nought, for large print: €29 or 29 €.
    pub fn money_short(self, money: Money) -> String {
        let unit = 10_i64.pow(u32::from(money.currency.exponent()));
        if money.minor % unit != 0 {
            return self.money(money);
        }
        let whole = self.money(money);
        let zeros = usize::from(money.currency.exponent());
        let tail = format!("{}{}", self.decimal_separator(), "0".repeat(zeros));
        if zeros == 0 { whole } else { whole.replacen(&tail, "", 1) }
    }

    /// What so many units cost, at a price for one in minor units with decimals, as Stripe writes it: a million units at
    /// `0.0003` of EUR are €3.00. Decimals beyond those of the currency are shown where there are any.
    pub fn unit_price(self, decimal: &str, units: u64, currency: Currency) -> Option<String> {
        let (whole, part) = decimal.split_once('.').unwrap_or((decimal, ""));
        let digits: i128 = format!("{whole}{part}").parse().ok()?;
        let mut price = Decimal::from(digits.checked_mul(i128::from(units))?);
        price.multiply_pow10(-i16::try_from(part.len()).ok()? - i16::from(currency.exponent()));
        price.absolute.trim_end();
        price.absolute.pad_end(-i16::from(currency.exponent()));
        Some(self.with_symbol(&self.decimal(price), "", currency))
    }

    /// A share from hundredths of a per cent: 1750 is 17.5%.
    pub fn percent(self, basis_points: i64) -> String {
        let mut share = Decimal::from(basis_points);
        share.multiply_pow10(-2);
        share.absolute.trim_end();
        match self {
            Self::En => format!("{}%", self.decimal(share)),
            Self::Es => format!("{}{NO_BREAK}%", self.decimal(share)),
        }
    }

    /// The day on which a time falls in a time zone: Nov 21, 2026.
    pub fn date(self, at: Timestamp, zone: &TimeZone) -> String {
        let day = Date::convert_from(at.to_zoned(zone.clone()).date());
        self.formatted(at, |f| f.date.as_ref().map(|date| date.format(&day).to_string()))
    }

    /// The day without its year, for axes and short lists: Nov 21.
    pub fn day(self, at: Timestamp, zone: &TimeZone) -> String {
        let day = Date::convert_from(at.to_zoned(zone.clone()).date());
        self.formatted(at, |f| f.day.as_ref().map(|date| date.format(&day).to_string()))
    }

    /// The month of a time: November 2026.
    pub fn month(self, at: Timestamp, zone: &TimeZone) -> String {
        let day = Date::convert_from(at.to_zoned(zone.clone()).date());
        self.formatted(at, |f| f.month.as_ref().map(|date| date.format(&day).to_string()))
    }

    /// Day, time and the name of the zone: Nov 21, 2026, 5:56 AM GMT+1.
    pub fn date_time(self, at: Timestamp, zone: &TimeZone) -> String {
        let zoned = ZonedDateTime::<Iso, TimeZoneInfo<AtTime>>::convert_from(&at.to_zoned(zone.clone()));
        self.formatted(at, |f| f.date_time.as_ref().map(|date_time| date_time.format(&zoned).to_string()))
    }

    /// How far a day is from today, in words: today, tomorrow, in 5 days, 3 days ago.
    pub fn relative_day(self, at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
        let (day, today) = (at.to_zoned(zone.clone()).date(), now.to_zoned(zone.clone()).date());
        let days = i64::from(day.since(today).map_or(0, |span| span.get_days()));
        match days {
            0 => self.word("i18n-today"),
            1 => self.word("i18n-tomorrow"),
            -1 => self.word("i18n-yesterday"),
            2.. => self.text("i18n-in-days", &[("days", days)]),
            _ => self.text("i18n-days-ago", &[("days", -days)]),
        }
    }

    fn decimal(self, number: Decimal) -> String {
        self.with_formatters(|f| f.decimal.as_ref().map(|decimal| decimal.format(&number).to_string()))
            .unwrap_or_else(|| number.to_string())
    }

    const fn decimal_separator(self) -> char {
        match self {
            Self::En => '.',
            Self::Es => ',',
        }
    }

    /// The sign of a currency where readers of the language know it; the others go by their code.
    fn symbol(self, currency: Currency) -> Option<&'static str> {
        match (self, currency.code()) {
            (_, "eur") => Some("€"),
            (Self::En, "usd") => Some("$"),
            (Self::Es, "usd") => Some("US$"),
            (_, "gbp") => Some("£"),
            (_, "jpy") => Some("¥"),
            (Self::En, "inr") => Some("₹"),
            (Self::En, "krw") => Some("₩"),
            (Self::En, "brl") => Some("R$"),
            (Self::En, "cad") => Some("CA$"),
            (Self::En, "aud") => Some("A$"),
            (Self::En, "mxn") => Some("MX$"),
            _ => None,
        }
    }

    fn formatted(self, at: Timestamp, format: impl FnOnce(&Formatters) -> Option<String>) -> String {
        self.with_formatters(format).unwrap_or_else(|| at.to_string())
    }

    fn with_formatters<T>(self, use_them: impl FnOnce(&Formatters) -> T) -> T {
        match self {
            Self::En => ENGLISH.with(|cell| use_them(cell.get_or_init(|| Formatters::new(&locale!("en"))))),
            Self::Es => SPANISH.with(|cell| use_them(cell.get_or_init(|| Formatters::new(&locale!("es"))))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(language: Language, minor: i64, code: &str) -> String {
        language.money(Money::new(minor, code.parse().expect("a currency")))
    }

    #[test]
    fn money_has_the_decimals_of_its_currency_and_the_order_of_the_language() {
        assert_eq!(money(Language::En, 2900, "eur"), "€29.00");
        assert_eq!(money(Language::Es, 2900, "eur"), "29,00\u{a0}€");
        assert_eq!(money(Language::En, -123_456_789, "usd"), "-$1,234,567.89");
        assert_eq!(money(Language::Es, -123_456_789, "usd"), "-1.234.567,89\u{a0}US$");
        assert_eq!(money(Language::En, 2900, "jpy"), "¥2,900");
        assert_eq!(money(Language::En, 2900, "kwd"), "KWD\u{a0}2.900");
        assert_eq!(money(Language::Es, 5, "chf"), "0,05\u{a0}CHF");
        assert_eq!(money(Language::En, i64::MIN, "eur"), "-€92,233,720,368,547,758.08");
    }

    #[test]
    fn large_print_drops_decimals_only_where_they_are_nought() {
        let short = |language: Language, minor, code: &str| {
            language.money_short(Money::new(minor, code.parse().expect("a currency")))
        };
        assert_eq!(short(Language::En, 2900, "eur"), "€29");
        assert_eq!(short(Language::Es, 2900, "eur"), "29\u{a0}€");
        assert_eq!(short(Language::En, 2950, "eur"), "€29.50");
        assert_eq!(short(Language::En, 100_000, "jpy"), "¥100,000");
        assert_eq!(short(Language::En, 1_000_000, "kwd"), "KWD\u{a0}1,000");
    }

    #[test]
    fn a_price_of_many_units_is_whole_where_it_can_be() {
        let price = |decimal, units| Language::En.unit_price(decimal, units, Currency::EUR);
        assert_eq!(price("0.0003", 1_000_000).as_deref(), Some("€3.00"));
        assert_eq!(price("0.0003", 1).as_deref(), Some("€0.000003"));
        assert_eq!(price("12", 3).as_deref(), Some("€0.36"));
        assert_eq!(price("1.5", 1).as_deref(), Some("€0.015"));
        assert_eq!(price("cheap", 1), None);
        assert_eq!(
            Language::Es.unit_price("0.0003", 1_000_000, Currency::EUR).as_deref(),
            Some("3,00\u{a0}€")
        );
    }

    #[test]
    fn numbers_and_shares_follow_the_language() {
        assert_eq!(Language::En.number(10_000), "10,000");
        assert_eq!(Language::Es.number(10_000), "10.000");
        assert_eq!(Language::Es.number(1000), "1000");
        assert_eq!(Language::En.percent(1750), "17.5%");
        assert_eq!(Language::Es.percent(1700), "17\u{a0}%");
        assert_eq!(Language::En.percent(-50), "-0.5%");
    }

    #[test]
    fn dates_fall_on_the_day_of_the_time_zone() {
        let at: Timestamp = "2026-11-21T23:30:00Z".parse().expect("a time");
        let madrid = TimeZone::get("Europe/Madrid").expect("a zone");
        assert_eq!(Language::En.date(at, &TimeZone::UTC), "Nov 21, 2026");
        assert_eq!(Language::En.date(at, &madrid), "Nov 22, 2026");
        assert_eq!(Language::Es.date(at, &madrid), "22 nov 2026");
        assert_eq!(Language::En.day(at, &madrid), "Nov 22");
        assert_eq!(Language::Es.month(at, &madrid), "noviembre de 2026");
        let text = Language::En.date_time(at, &madrid);
        assert!(text.starts_with("Nov 22, 2026, 12:30") && text.ends_with("GMT+1"), "{text}");
        assert!(Language::En.date_time(at, &TimeZone::UTC).ends_with("UTC"));
    }

    #[test]
    fn days_are_told_from_today() {
        let now: Timestamp = "2026-11-21T23:30:00Z".parse().expect("a time");
        let madrid = TimeZone::get("Europe/Madrid").expect("a zone");
        let told =
            |at: &str, zone: &TimeZone| Language::En.relative_day(at.parse().expect("a time"), now, zone);
        assert_eq!(told("2026-11-21T01:00:00Z", &TimeZone::UTC), "today");
        assert_eq!(told("2026-11-22T00:00:00Z", &TimeZone::UTC), "tomorrow");
        assert_eq!(told("2026-11-22T00:00:00Z", &madrid), "today");
        assert_eq!(told("2026-12-31T00:00:00Z", &TimeZone::UTC), "in 40 days");
        assert_eq!(told("2026-11-19T00:00:00Z", &TimeZone::UTC), "2 days ago");
    }
}
