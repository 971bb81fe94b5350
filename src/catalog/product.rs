//! What a Stripe product says about a plan, in its metadata.
//!
//! | key | value |
//! |---|---|
//! | `plan` | the slug; a product without it is no plan |
//! | `metric` | the metric that the product bills after use |
//! | `position` | place on the pricing page, 0 first |
//! | `highlighted`, `hidden`, `per_seat` | `true` |
//! | `tenants` | ids of the tenants that see a hidden plan, with commas |
//! | `trial_days` | days |
//! | `features` | ids of the features that it has, with commas |
//! | `limit_<metric>` | a number or `unlimited`; ` soft` behind it lets it be passed |
//! | `name_es`, `description_es`, `marketing_features_es` | Spanish words; the last with a line for each |
//!
//! Staff may edit all of it in Stripe's dashboard: what cannot be read counts as absent, a limit that cannot be read as zero.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::policy::Translation;

/// Longest trial that Stripe takes for a Checkout session, in days (`subscription_data.trial_period_days`).
pub const MAX_TRIAL_DAYS: u16 = 730;

/// How much of a metric a plan contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// How much; `None` is unlimited.
    pub limit: Option<i64>,
    /// It is never passed. A soft one is passed and reported.
    pub hard: bool,
}

/// A limit as people write it: a number, `"unlimited"`, `"1000 soft"`.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenLimit {
    Number(i64),
    Words(String),
}

impl Limit {
    /// Without end.
    pub const UNLIMITED: Self = Self { limit: None, hard: false };

    /// A limit from its words; `None` if they are none.
    pub fn parse(words: &str) -> Option<Self> {
        let words = words.trim();
        let (number, hard) = match words.strip_suffix(" soft") {
            Some(number) => (number.trim(), false),
            None => (words.strip_suffix(" hard").unwrap_or(words).trim(), true),
        };
        if number.eq_ignore_ascii_case("unlimited") {
            return Some(Self::UNLIMITED);
        }
        number.parse().ok().filter(|limit| *limit >= 0).map(|limit| Self { limit: Some(limit), hard })
    }

    /// Its words, as [`Limit::parse`] reads them.
    pub fn words(&self) -> String {
        match self.limit {
            None => "unlimited".into(),
            Some(limit) if self.hard => limit.to_string(),
            Some(limit) => format!("{limit} soft"),
        }
    }
}

impl TryFrom<WrittenLimit> for Limit {
    type Error = String;

    fn try_from(written: WrittenLimit) -> Result<Self, String> {
        let words = match written {
            WrittenLimit::Number(limit) => limit.to_string(),
            WrittenLimit::Words(words) => words,
        };
        Self::parse(&words)
            .ok_or_else(|| format!("{words:?} is no limit: write a number, \"unlimited\" or \"1000 soft\""))
    }
}

/// Reads the limits of the catalogue file, where they are written as people write them.
pub(super) fn written_limits<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, Limit>, D::Error> {
    let written = BTreeMap::<String, WrittenLimit>::deserialize(from)?;
    let limits = written.into_iter().map(|(metric, limit)| Ok((metric, Limit::try_from(limit)?)));
    limits.collect::<Result<_, String>>().map_err(serde::de::Error::custom)
}

/// Everything about a product that the portal needs and Stripe has no field for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductFacts {
    /// The plan's slug.
    pub plan: Option<String>,
    /// The metric that it bills.
    pub metric: Option<String>,
    /// Place on the pricing page.
    pub position: i64,
    /// Marked "Most popular".
    pub highlighted: bool,
    /// Shown only to `tenants`.
    pub hidden: bool,
    /// The quantity of its price is the number of seats.
    pub per_seat: bool,
    /// Ids of tenants, ours or the host's.
    pub tenants: Vec<String>,
    /// Days that are free for a tenant that never had a trial.
    pub trial_days: u16,
    /// Ids of features.
    pub features: Vec<String>,
    /// Limits by metric.
    pub limits: BTreeMap<String, Limit>,
    /// Words by language.
    pub translations: BTreeMap<String, Translation>,
}

impl ProductFacts {
    /// What a product's metadata says.
    pub fn from_metadata(metadata: &BTreeMap<String, String>) -> Self {
        let text = |key: &str| metadata.get(key).map(|value| value.trim()).filter(|value| !value.is_empty());
        let flag = |key: &str| text(key).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let list = |key: &str, separator: char| -> Vec<String> {
            let parts = text(key).unwrap_or_default().split(separator);
            parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let spanish = Translation {
            name: text("name_es").map(str::to_owned),
            description: text("description_es").map(str::to_owned),
            marketing_features: list("marketing_features_es", '\n'),
        };
        let limits = metadata.iter().filter_map(|(key, words)| {
            let metric = key.strip_prefix("limit_")?;
            Some((metric.to_owned(), Limit::parse(words).unwrap_or(Limit { limit: Some(0), hard: true })))
        });
        Self {
            plan: text("plan").map(str::to_owned),
            metric: text("metric").map(str::to_owned),
            position: text("position").and_then(|value| value.parse().ok()).unwrap_or_default(),
            highlighted: flag("highlighted"),
            hidden: flag("hidden"),
            per_seat: flag("per_seat"),
            tenants: list("tenants", ','),
            trial_days: text("trial_days")
                .and_then(|days| days.parse().ok())
                .unwrap_or(0)
                .min(MAX_TRIAL_DAYS),
            features: list("features", ','),
            limits: limits.collect(),
            translations: (spanish != Translation::default())
                .then(|| ("es".to_owned(), spanish))
                .into_iter()
                .collect(),
        }
    }

    /// The metadata that says it.
    pub fn to_metadata(&self) -> BTreeMap<String, String> {
        let mut metadata = BTreeMap::new();
        let mut set = |key: &str, value: String| {
            if !value.is_empty() {
                metadata.insert(key.to_owned(), value);
            }
        };
        let flag = |on: bool| if on { "true".to_owned() } else { String::new() };
        set("plan", self.plan.clone().unwrap_or_default());
        set("metric", self.metric.clone().unwrap_or_default());
        set("position", self.position.to_string());
        set("highlighted", flag(self.highlighted));
        set("hidden", flag(self.hidden));
        set("per_seat", flag(self.per_seat));
        set("tenants", self.tenants.join(","));
        set("trial_days", if self.trial_days > 0 { self.trial_days.to_string() } else { String::new() });
        set("features", self.features.join(","));
        for (metric, limit) in &self.limits {
            set(&format!("limit_{metric}"), limit.words());
        }
        for (language, words) in &self.translations {
            set(&format!("name_{language}"), words.name.clone().unwrap_or_default());
            set(&format!("description_{language}"), words.description.clone().unwrap_or_default());
            set(&format!("marketing_features_{language}"), words.marketing_features.join("\n"));
        }
        metadata
    }
}
