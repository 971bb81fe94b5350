//! Failures on demand, for the tests of whoever calls.

use std::time::Duration;

use serde_json::{Value, json};

use super::errors::{Answer, ApiError};
use super::json::Json;

/// What a request that meets a fault gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An error answer with this status, in Stripe's format, and these fields beside the usual ones.
    Status(u16, Value),
    /// No answer for this long, then the true one.
    Hang(Duration),
    /// 200 with a body that is not JSON.
    Garbage,
    /// The connection ends without an answer.
    Cut,
}

#[derive(Debug)]
struct Rule {
    prefix: String,
    method: Option<String>,
    left: i64,
    /// The request is carried out all the same: only its answer is lost.
    after: bool,
    fault: Fault,
}

/// The faults in force.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Rule>);

impl Faults {
    /// Adds a rule: `{path, method?, times?, status, error? | hang_ms | garbage | cut, after?}`.
    pub(crate) fn add(&mut self, wish: &Value) -> Answer<()> {
        let fault = if let Some(status) = wish.maybe_int("status") {
            let status = u16::try_from(status).ok().filter(|status| (400..600).contains(status));
            let status = status.ok_or_else(|| ApiError::invalid("status", "must be 400 to 599"))?;
            Fault::Status(status, wish["error"].clone())
        } else if let Some(millis) = wish.maybe_int("hang_ms") {
            Fault::Hang(Duration::from_millis(u64::try_from(millis).unwrap_or(0).min(120_000)))
        } else if wish.flag("garbage") {
            Fault::Garbage
        } else if wish.flag("cut") {
            Fault::Cut
        } else {
            return Err(ApiError::refused("give one of status, hang_ms, garbage, cut"));
        };
        self.0.push(Rule {
            prefix: wish.maybe_text("path").unwrap_or("/").to_owned(),
            method: wish.maybe_text("method").map(str::to_uppercase),
            left: wish.maybe_int("times").unwrap_or(1).max(1),
            after: wish.flag("after"),
            fault,
        });
        Ok(())
    }

    /// The fault for a request, if one is due, and whether the request is carried out first. Counts it.
    pub(crate) fn meet(&mut self, method: &str, path: &str) -> Option<(Fault, bool)> {
        let rule = self.0.iter_mut().find(|rule| {
            rule.left > 0
                && path.starts_with(&rule.prefix)
                && rule.method.as_deref().is_none_or(|m| m == method)
        })?;
        rule.left -= 1;
        let met = (rule.fault.clone(), rule.after);
        self.0.retain(|rule| rule.left > 0);
        Some(met)
    }

    /// Removes all rules.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The rules in force.
    pub(crate) fn show(&self) -> Value {
        let rules = self.0.iter().map(|rule| {
            json!({ "path": rule.prefix, "method": rule.method, "left": rule.left, "after": rule.after,
                    "fault": format!("{:?}", rule.fault) })
        });
        json!({ "faults": rules.collect::<Vec<_>>() })
    }
}
