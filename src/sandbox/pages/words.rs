//! The pages' own texts, in English and Spanish, with the formats of money and dates that go with them.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use http::HeaderMap;

use crate::sandbox::billing::lines;
use crate::sandbox::errors::ApiError;

/// A language that the pages speak.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Words {
    English,
    Spanish,
}

static TEXTS: LazyLock<HashMap<Words, FluentBundle<FluentResource>>> = LazyLock::new(|| {
    let english = bundle("en", include_str!("words/en.ftl"));
    let spanish = bundle("es", include_str!("words/es.ftl"));
    HashMap::from([(Words::English, english), (Words::Spanish, spanish)])
});

/// A text that does not parse is left out; the test below finds it missing.
fn bundle(code: &str, texts: &str) -> FluentBundle<FluentResource> {
    let language = code.parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    bundle.set_use_isolating(false);
    let texts = FluentResource::try_new(texts.to_owned()).unwrap_or_else(|(partly, _)| partly);
    bundle.add_resource_overriding(texts);
    bundle
}

impl Words {
    /// The language of an object's `locale`, else the visitor's, else English.
    pub(crate) fn of(locale: &str, headers: &HeaderMap) -> Self {
        let asked = headers.get(http::header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        // Stripe's `auto` and an absent locale leave it to the browser.
        let chosen = std::iter::once(locale).chain(asked.unwrap_or_default().split(','));
        chosen.filter_map(Self::parse).next().unwrap_or(Self::English)
    }

    fn parse(tag: &str) -> Option<Self> {
        match tag.trim().get(..2)?.to_ascii_lowercase().as_str() {
            "en" => Some(Self::English),
            "es" => Some(Self::Spanish),
            _ => None,
        }
    }

    /// The code for the page's `lang`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
        }
    }

    /// The text of a key.
    pub(crate) fn say(self, key: &str) -> String {
        self.format(key, &FluentArgs::new())
    }

    /// The text of a key with one value in it.
    pub(crate) fn fill(self, key: &str, name: &str, value: impl Display) -> String {
        self.fill_all(key, [(name, value.to_string())])
    }

    /// The text of a key with several values in it.
    pub(crate) fn fill_all<'a>(
        self,
        key: &str,
        values: impl IntoIterator<Item = (&'a str, String)>,
    ) -> String {
        self.format(key, &values.into_iter().collect())
    }

    /// The text of a key that depends on a count.
    pub(crate) fn count(self, key: &str, count: i64) -> String {
        self.format(key, &[("count", count)].into_iter().collect())
    }

    /// The text of a key that depends on a count, with one value in it.
    pub(crate) fn fill_count(self, key: &str, count: i64, name: &str, value: impl Display) -> String {
        let mut values = FluentArgs::new();
        values.set("count", count);
        values.set(name, value.to_string());
        self.format(key, &values)
    }

    fn format(self, key: &str, values: &FluentArgs<'_>) -> String {
        let bundle = &TEXTS[&self];
        let Some(text) = bundle.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned();
        };
        bundle.format_pattern(text, Some(values), &mut Vec::new()).into_owned()
    }

    /// An amount of minor units as it is written in this language: `€1,234.50`, `1.234,50 €`.
    pub(crate) fn money(self, minor: i64, currency: &str) -> String {
        let decimals = decimals(currency);
        let sign = if minor < 0 { "-" } else { "" };
        let digits = format!("{:0width$}", minor.unsigned_abs(), width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let (group, point) = match self {
            Self::English => (',', '.'),
            Self::Spanish => ('.', ','),
        };
        let mut number = grouped(whole, group);
        if decimals > 0 {
            number.push(point);
            number.push_str(fraction);
        }
        let symbol = symbol(currency);
        match self {
            Self::English if symbol.chars().count() == 1 => format!("{sign}{symbol}{number}"),
            Self::English => format!("{sign}{symbol} {number}"),
            Self::Spanish => format!("{sign}{number}\u{a0}{symbol}"),
        }
    }

    /// A day, from unix seconds, in UTC: the sandbox's account has no other time zone.
    pub(crate) fn date(self, seconds: i64) -> String {
        let Ok(at) = jiff::Timestamp::from_second(seconds) else { return String::new() };
        let day = at.to_zoned(jiff::tz::TimeZone::UTC);
        let month = self.say(&format!("month-{}", day.month()));
        self.fill_all(
            "date",
            [("day", day.day().to_string()), ("month", month), ("year", day.year().to_string())],
        )
    }

    /// The countries that a payer can choose, by their names in this language.
    pub(crate) fn countries(self) -> Vec<(&'static str, String)> {
        COUNTRIES.iter().map(|code| (*code, self.say(&format!("country-{code}")))).collect()
    }

    /// The country's name; its code where the pages have no name for it.
    pub(crate) fn country(self, code: &str) -> String {
        if COUNTRIES.contains(&code) { self.say(&format!("country-{code}")) } else { code.to_owned() }
    }

    /// The country that a form suggests to a reader whose country is not known.
    pub(crate) fn home(self) -> &'static str {
        match self {
            Self::English => "US",
            Self::Spanish => "ES",
        }
    }

    /// Why a payment was refused, in the words of Stripe: by its code where the pages have them, else as the engine said it.
    pub(crate) fn decline(self, refusal: &ApiError) -> String {
        let known = [refusal.field("decline_code"), refusal.field("code")];
        let text = known.iter().map(|code| (code, format!("decline-{code}"))).find_map(|(code, key)| {
            let text = self.say(&key);
            (!code.is_empty() && text != key).then_some(text)
        });
        text.unwrap_or_else(|| refusal.field("message").to_owned())
    }

    /// How often a price is charged: `per month`, `every 3 months`.
    pub(crate) fn every(self, interval: &str, count: i64) -> String {
        self.count(&format!("every-{interval}"), count.max(1))
    }
}

/// Countries in the order of their English names.
const COUNTRIES: [&str; 33] = [
    "AR", "AU", "AT", "BE", "BR", "CA", "CL", "CO", "CZ", "DK", "FI", "FR", "DE", "GR", "HU", "IE", "IT",
    "JP", "LU", "MX", "NL", "NZ", "NO", "PE", "PL", "PT", "SG", "ES", "SE", "CH", "GB", "US", "UY",
];

/// Decimals of a currency's major unit.
fn decimals(currency: &str) -> usize {
    usize::try_from(lines::exponent(currency)).unwrap_or(2)
}

fn symbol(currency: &str) -> String {
    match currency {
        "eur" => "€".to_owned(),
        "usd" => "$".to_owned(),
        "gbp" => "£".to_owned(),
        "jpy" => "¥".to_owned(),
        other => other.to_uppercase(),
    }
}

fn grouped(digits: &str, separator: char) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    /// Each key of a file with the variables that its text names.
    fn keys(texts: &str) -> BTreeMap<String, Vec<String>> {
        let mut keys = BTreeMap::new();
        let mut current = String::new();
        for line in texts.lines() {
            if let Some((key, _)) =
                line.split_once(" =").filter(|_| line.starts_with(|c: char| c.is_ascii_lowercase()))
            {
                key.clone_into(&mut current);
                keys.insert(current.clone(), Vec::new());
            }
            let variables = keys.entry(current.clone()).or_insert_with(Vec::new);
            for part in line.split('$').skip(1) {
                let name =
                    part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>();
                if !variables.contains(&name) {
                    variables.push(name);
                }
            }
            variables.sort();
        }
        keys.remove("");
        keys
    }

    fn sources(folder: &Path) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                text.push_str(&sources(&path));
            } else if path.extension().is_some_and(|ending| ending == "rs" || ending == "html") {
                text.push_str(&std::fs::read_to_string(&path).unwrap());
            }
        }
        text
    }

    #[test]
    fn both_languages_say_the_same_things() {
        assert_eq!(keys(include_str!("words/en.ftl")), keys(include_str!("words/es.ftl")));
        for words in [Words::English, Words::Spanish] {
            for key in keys(include_str!("words/en.ftl")).keys() {
                assert_ne!(&words.say(key), key, "{key} of {} does not parse", words.code());
            }
        }
    }

    #[test]
    fn every_text_is_used_and_every_used_text_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let used = sources(&root.join("src/sandbox/pages")) + &sources(&root.join("templates/sandbox"));
        let known = keys(include_str!("words/en.ftl"));
        // Keys that a value completes: `month-3`, `decline-card_declined`.
        let completed = [
            "month-",
            "every-",
            "invoice-status-",
            "subscription-status-",
            "reason-",
            "test-card-",
            "country-",
            "decline-",
        ];
        let is_used = |key: &&String| {
            used.contains(&format!("\"{key}\"")) || completed.iter().any(|start| key.starts_with(start))
        };
        let idle = known.keys().filter(|key| !is_used(key)).collect::<Vec<_>>();
        assert_eq!(idle, Vec::<&String>::new(), "texts that no page shows");
        for call in ["say(\"", "fill(\"", "fill_all(\"", "count(\"", "fill_count(\""] {
            for key in used.split(call).skip(1).filter_map(|rest| rest.split('"').next()) {
                let key = key.trim();
                assert!(
                    known.contains_key(key)
                        || !key.chars().all(|c| c.is_ascii_lowercase() || "-_".contains(c)),
                    "{key} is not written"
                );
            }
        }
    }

    #[test]
    fn money_is_written_as_the_language_writes_it() {
        assert_eq!(Words::English.money(123_450, "eur"), "€1,234.50");
        assert_eq!(Words::Spanish.money(123_450, "eur"), "1.234,50\u{a0}€");
        assert_eq!(Words::English.money(-5, "usd"), "-$0.05");
        assert_eq!(Words::English.money(1_234_567, "jpy"), "¥1,234,567");
        assert_eq!(Words::English.money(1500, "kwd"), "KWD 1.500");
    }

    #[test]
    fn days_are_written_as_the_language_writes_them() {
        assert_eq!(Words::English.date(1_790_000_000), "September 21, 2026");
        assert_eq!(Words::Spanish.date(1_790_000_000), "21 de septiembre de 2026");
    }

    #[test]
    fn the_object_decides_the_language_before_the_browser() {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::ACCEPT_LANGUAGE, "fr;q=0.9, es-MX;q=0.8, en".parse().unwrap());
        assert_eq!(Words::of("en", &headers), Words::English);
        assert_eq!(Words::of("auto", &headers), Words::Spanish);
        assert_eq!(Words::of("", &HeaderMap::new()), Words::English);
    }
}
