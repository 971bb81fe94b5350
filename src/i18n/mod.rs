//! Languages: every text that a person reads, and numbers, money and dates the way that person writes them.
//!
//! Texts stand in Fluent files, one for each feature, `LANGUAGE/FEATURE.ftl`; a test holds the languages against each other and
//! both against the code. Nothing here knows of requests: the language is an argument, found by `web`.

mod format;
mod texts;
mod zones;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use texts::{Arg, Value};
pub use zones::{zone, zones_with};

use crate::money::Money;

/// A small value, however a template came by it: loops and matches hand out references to references.
pub trait Plain<T> {
    /// The value.
    fn plain(self) -> T;
}

macro_rules! plain {
    ($($value:ty),*) => {$(
        impl Plain<$value> for $value {
            fn plain(self) -> $value {
                self
            }
        }
        impl Plain<$value> for &$value {
            fn plain(self) -> $value {
                *self
            }
        }
        impl Plain<$value> for &&$value {
            fn plain(self) -> $value {
                **self
            }
        }
    )*};
}
plain!(i64, Money, Timestamp);

/// A language of the portal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English, spoken where nothing else is known.
    #[default]
    En,
    /// Spanish.
    Es,
}

impl Language {
    /// All of them, in the order of the switch.
    pub const ALL: [Self; 2] = [Self::En, Self::Es];

    /// The code of the language, for rows and for `lang` in HTML.
    pub const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Es => "es",
        }
    }

    /// The language's own name for itself.
    pub const fn own_name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Es => "Español",
        }
    }

    /// The language of a tag such as `es`, `es-MX` or `ES_mx`, if it is one of ours.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next()?;
        Self::ALL.into_iter().find(|language| primary.eq_ignore_ascii_case(language.code()))
    }

    /// The language that an `Accept-Language` header likes best among ours.
    ///
    /// Weights are kept as thousandths; a weight of 0 refuses a language; among equals the first one named wins.
    pub fn from_accept(header: &str) -> Option<Self> {
        let mut best: Option<(Self, u16)> = None;
        for part in header.split(',').take(32) {
            let mut pieces = part.split(';');
            let Some(language) = pieces.next().and_then(Self::from_tag) else { continue };
            let weight = pieces.find_map(|piece| piece.trim().strip_prefix("q=")).map_or(1000, thousandths);
            if weight > 0 && best.is_none_or(|(_, known)| weight > known) {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }
}

/// A weight such as `0.8` in thousandths; what is no weight counts as none.
fn thousandths(weight: &str) -> u16 {
    let (whole, part) = weight.trim().split_once('.').unwrap_or((weight.trim(), ""));
    if !part.bytes().all(|digit| digit.is_ascii_digit()) {
        return 0;
    }
    match whole {
        "1" => 1000,
        "0" => format!("{part:0<3.3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_visitor_gets_the_language_they_like_best() {
        assert_eq!(Language::from_accept("es-MX,es;q=0.9,en;q=0.8"), Some(Language::Es));
        assert_eq!(Language::from_accept("de, en;q=0.3, es;q=0.7"), Some(Language::Es));
        assert_eq!(Language::from_accept("en, es"), Some(Language::En));
        assert_eq!(Language::from_accept("es;q=0, en;q=0.1"), Some(Language::En));
        assert_eq!(Language::from_accept("fr, *"), None);
        assert_eq!(Language::from_accept("es;q=nonsense"), None);
    }

    #[test]
    fn a_tag_is_read_by_its_first_part() {
        assert_eq!(Language::from_tag("ES_mx"), Some(Language::Es));
        assert_eq!(Language::from_tag("est"), None);
        assert_eq!(Language::from_tag(""), None);
    }
}
