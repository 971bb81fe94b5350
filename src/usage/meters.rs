//! What Stripe's meters are told, and what they tell: names for what is sent, waits after a failure, error reports.

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{MOST, OLDEST};

/// Tries of one part before staff have to look at it: with the waits between them some nine hours.
pub const TRIES: i64 = 12;

/// What Stripe tells of use that it could not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportKind {
    /// A meter did not take some reports.
    #[default]
    ErrorReport,
    /// Reports name no meter that there is.
    NoMeter,
}

impl ReportKind {
    /// The kinds.
    const ALL: [Self; 2] = [Self::ErrorReport, Self::NoMeter];

    /// Stripe's type of the event.
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::ErrorReport => "v1.billing.meter.error_report_triggered",
            Self::NoMeter => "v1.billing.meter.no_meter_found",
        }
    }

    /// As it stands in the row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ErrorReport => "error_report",
            Self::NoMeter => "no_meter",
        }
    }

    /// The key of what it means.
    pub const fn key(self) -> &'static str {
        match self {
            Self::ErrorReport => "usage-report-errors",
            Self::NoMeter => "usage-report-no-meter",
        }
    }
}

/// The word is no kind of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no kind of report about meters")]
pub struct NoKind;

impl std::str::FromStr for ReportKind {
    type Err = NoKind;

    fn from_str(word: &str) -> Result<Self, NoKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or(NoKind)
    }
}

crate::text_column!(ReportKind);

/// How long Stripe knows a part by its name, in seconds: it promises a day, of which an hour is left for clocks and queues.
pub const KNOWN_FOR: i64 = 23 * 3_600;

/// The name under which a part is sent. It is the same whenever the part is tried again: Stripe counts it once.
///
/// At most 100 characters, as Stripe takes: what is longer becomes the digest of itself.
pub fn identifier(tenant: &str, metric: &str, window_start: i64, part: i64) -> String {
    let name = format!("{tenant}:{metric}:{window_start}:{part}");
    if name.len() <= 100 {
        return name;
    }
    Sha256::digest(&name).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Tenant, metric and hour of an identifier of ours.
pub fn named(identifier: &str) -> Option<(&str, &str, i64)> {
    let (rest, _part) = identifier.rsplit_once(':')?;
    let (rest, window) = rest.rsplit_once(':')?;
    let (tenant, metric) = rest.split_once(':')?;
    Some((tenant, metric, window.parse().ok()?))
}

/// How much of what waits goes out as one part: Stripe takes integers of up to fifteen digits.
pub fn part_of(waiting: i64) -> i64 {
    waiting.min(MOST / 10)
}

/// The time that a part is reported for: in the hour that it was used in, but never older than Stripe takes. A minute is left
/// for the way there.
pub fn reported_at(window_start: i64, now: i64) -> i64 {
    window_start.max(now.saturating_sub(OLDEST - 60))
}

/// Whether what was used in an hour is too old to be reported at all.
pub fn is_too_old(window_start: i64, now: i64) -> bool {
    window_start < now.saturating_sub(OLDEST)
}

/// Seconds to wait after so many failures: a minute, doubling, an hour at most.
pub fn wait(attempts: i64) -> i64 {
    60_i64.saturating_mul(1 << attempts.clamp(0, 6)).min(3_600)
}

/// What Stripe could not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorReport {
    /// The event's id.
    pub event: String,
    /// What it tells.
    pub kind: ReportKind,
    /// The meter.
    pub meter: Option<String>,
    /// How many reports it is about.
    pub count: i64,
    /// Stripe's words for developers.
    pub summary: String,
    /// Samples.
    pub samples: Vec<Sample>,
}

/// A report that could not be counted, as a sample.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct Sample {
    /// Stripe's code, such as `meter_event_customer_not_found`.
    pub code: String,
    /// Stripe's words.
    pub message: String,
    /// Our name of the part, if Stripe told it.
    pub identifier: Option<String>,
}

impl ErrorReport {
    /// Reads the event: whole, as the API gives it, or thin, as it is delivered, when only meter and id are known. None for
    /// what is no such event.
    pub fn read(payload: &[u8]) -> Option<Self> {
        Self::read_value(&serde_json::from_slice(payload).ok()?)
    }

    /// The same, from JSON that was read.
    pub fn read_value(event: &Value) -> Option<Self> {
        let kind = ReportKind::ALL.into_iter().find(|kind| event["type"] == kind.event_type())?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let data = &event["data"];
        let types = data["reason"]["error_types"].as_array().map_or(&[][..], Vec::as_slice);
        let samples = types.iter().flat_map(|kind| {
            let code = text(&kind["code"]);
            let errors = kind["sample_errors"].as_array().map_or(&[][..], Vec::as_slice);
            errors.iter().map(move |error| Sample {
                code: code.clone(),
                message: text(&error["error_message"]),
                identifier: error["request"]["identifier"].as_str().map(str::to_owned),
            })
        });
        let count = data["reason"]["error_count"].as_i64().unwrap_or(0);
        Some(Self {
            event: event["id"].as_str()?.to_owned(),
            kind,
            meter: event["related_object"]["id"].as_str().map(str::to_owned),
            count,
            summary: text(&data["developer_message_summary"]),
            samples: samples.take(50).collect(),
        })
    }

    /// Whether the event came thin, without what it is about.
    pub fn is_thin(&self) -> bool {
        self.count == 0 && self.samples.is_empty() && self.summary.is_empty()
    }
}

/// A summary's number as a whole one; none where it has a fraction, which sums of integers never have.
pub fn whole(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let text = number.to_string();
        text.strip_suffix(".0").and_then(|whole| whole.parse().ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_named_after_what_it_is_of() {
        let name = identifier("ten_1", "ai_tokens", 1_800_000_000, 3);
        assert_eq!(name, "ten_1:ai_tokens:1800000000:3");
        assert_eq!(named(&name), Some(("ten_1", "ai_tokens", 1_800_000_000)));
        assert_eq!(named("somebody else's"), None);
        assert_eq!(identifier(&"t".repeat(64), &"m".repeat(40), 1_800_000_000, 3).len(), 64);
    }

    #[test]
    fn an_error_report_is_read_whole_and_thin() {
        let whole = br#"{"id":"evt_1","object":"v2.core.event","type":"v1.billing.meter.error_report_triggered",
            "livemode":false,"created":"2026-11-21T06:20:52.246Z","related_object":{"id":"mtr_1","type":"billing.meter"},
            "data":{"developer_message_summary":"There is 1 invalid event","reason":{"error_count":1,"error_types":[
            {"code":"meter_event_no_customer_defined","error_count":1,"sample_errors":[{"error_message":"no customer",
            "request":{"identifier":"ten_1:ai_tokens:1800000000:1"}}]}]}}}"#;
        let report = ErrorReport::read(whole).expect("a report");
        assert_eq!((report.count, report.meter.as_deref(), report.is_thin()), (1, Some("mtr_1"), false));
        assert_eq!(report.samples[0].identifier.as_deref(), Some("ten_1:ai_tokens:1800000000:1"));
        let thin = br#"{"id":"evt_2","type":"v1.billing.meter.error_report_triggered","related_object":{"id":"mtr_1"}}"#;
        assert!(ErrorReport::read(thin).expect("a report").is_thin());
        let lost = br#"{"id":"evt_4","type":"v1.billing.meter.no_meter_found","related_object":null}"#;
        assert_eq!(ErrorReport::read(lost).expect("a report").kind, ReportKind::NoMeter);
        assert_eq!(ErrorReport::read(br#"{"id":"evt_3","type":"invoice.paid"}"#), None);
        assert_eq!(ErrorReport::read(b"[]"), None);
    }

    #[test]
    fn old_use_is_reported_for_the_oldest_time_that_is_taken() {
        assert_eq!(reported_at(1_000_000, 1_000_500), 1_000_000);
        let now = 1_000_000 + OLDEST;
        assert_eq!(reported_at(1_000_000, now), 1_000_060);
        assert!(!is_too_old(1_000_000, now) && is_too_old(1_000_000, now + 1));
        assert_eq!([0, 1, 5, 6, 50].map(wait), [60, 120, 1_920, 3_600, 3_600]);
    }

    #[test]
    fn a_sum_of_integers_is_one() {
        let number = |text: &str| serde_json::from_str(text).expect("a number");
        assert_eq!(
            [whole(&number("7")), whole(&number("7.0")), whole(&number("7.5"))],
            [Some(7), Some(7), None]
        );
    }
}
