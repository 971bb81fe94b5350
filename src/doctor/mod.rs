//! `doctor`: whether this installation can work, each failure in words and with what to do about it. It changes nothing,
//! neither in Stripe nor here.

pub mod account;
pub mod cli;
mod destination;
pub mod house;
mod mails;

use serde::Serialize;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it is to be.
    Good,
    /// Cannot be seen from here: a person has to look.
    Notice,
    /// Works, but not as well as it could.
    Warning,
    /// Does not work.
    Failure,
    /// Could not be looked at, because of another failure.
    Skipped,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name, for scripts.
    pub name: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What was found.
    pub says: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Check {
    /// All is well.
    pub fn good(name: &'static str, says: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Good, says: says.into(), fix: None }
    }

    /// A person has to look.
    pub fn notice(name: &'static str, says: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Notice, says: says.into(), fix: Some(fix.into()) }
    }

    /// It works, but.
    pub fn warning(name: &'static str, says: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warning, says: says.into(), fix: Some(fix.into()) }
    }

    /// It does not work.
    pub fn failure(name: &'static str, says: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Failure, says: says.into(), fix: Some(fix.into()) }
    }

    /// It could not be looked at.
    pub fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Skipped, says: why.into(), fix: None }
    }
}

/// All checks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order in which they build on each other.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether nothing fails.
    pub fn is_sound(&self) -> bool {
        self.checks.iter().all(|check| check.verdict != Verdict::Failure)
    }

    /// One check by its name.
    pub fn of(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }

    /// For people: a line for each check, what to do under it, and the sum.
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        for check in &self.checks {
            let word = match check.verdict {
                Verdict::Good => "ok",
                Verdict::Notice => "look",
                Verdict::Warning => "warning",
                Verdict::Failure => "FAILED",
                Verdict::Skipped => "skipped",
            };
            lines.push(format!("{word:<8} {:<22} {}", check.name, check.says));
            lines.extend(check.fix.iter().map(|fix| format!("{:<31} -> {fix}", "")));
        }
        let count = |verdict| self.checks.iter().filter(|check| check.verdict == verdict).count();
        lines.push(format!(
            "\n{} checks: {} failed, {} warnings, {} to look at yourself",
            self.checks.len(),
            count(Verdict::Failure),
            count(Verdict::Warning),
            count(Verdict::Notice)
        ));
        lines.join("\n")
    }
}

/// Seconds between two clocks from which it gets close, and from which Stripe's signatures are refused.
const SKEW: (i64, i64) = (30, 300);

/// How far this machine's clock is from Stripe's.
pub fn skew(ours: i64, stripes: i64) -> Check {
    let off = ours.saturating_sub(stripes);
    let way = if off < 0 { "behind" } else { "ahead of" };
    let says = format!("this machine's clock is {} seconds {way} Stripe's", off.abs());
    let fix = "Let the machine keep its time by NTP (systemd-timesyncd, chrony): webhook signatures are only accepted within five minutes.";
    match off.abs() {
        off if off > SKEW.1 => Check::failure("clock", says, fix),
        off if off > SKEW.0 => Check::warning("clock", says, fix),
        _ => Check::good("clock", "this machine's clock agrees with Stripe's"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_what_signatures_bear() {
        let verdicts = [0, 30, -31, 300, 301, -301].map(|off| skew(1_000 + off, 1_000).verdict);
        let (good, warning, failure) = (Verdict::Good, Verdict::Warning, Verdict::Failure);
        assert_eq!(verdicts, [good, good, warning, warning, failure, failure]);
        assert!(skew(600, 1_000).says.contains("400 seconds behind"));
    }

    #[test]
    fn a_report_is_sound_while_nothing_fails_and_says_what_to_do() {
        let mut report =
            Report { checks: vec![Check::good("key", "fine"), Check::warning("mail", "none", "set it")] };
        assert!(report.is_sound());
        report.checks.push(Check::failure("endpoint", "gone", "make one"));
        assert!(!report.is_sound());
        let text = report.text();
        for words in ["ok ", "FAILED", "-> make one", "3 checks: 1 failed, 1 warnings"] {
            assert!(text.contains(words), "{text}");
        }
    }
}
