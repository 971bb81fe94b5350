//! Whether a row is what the audit's entries about it say.
//!
//! Entries of one second have no order of their own, so the newest of them is not looked for. They are laid end to end: each goes
//! from what was before to what is after, and what a path ends in is what the row has to be.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::audit::redact::redact;

/// An entry, as far as it tells of facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Unix seconds.
    pub at: i64,
    /// What was before; none: there was nothing.
    pub before: Option<Value>,
    /// What is after.
    pub after: Option<Value>,
}

/// Whether the latest path of the `steps` ends in these facts. There is more than one path where somebody changed the row between
/// two entries: once the program has put it right, the row is told of again. States are compared in what all of them name: an older
/// program may have told of less.
pub fn tells(steps: &[Step], facts: Value) -> bool {
    // Most rows have one entry, which says what they are.
    if let [only] = steps
        && only.after.as_ref() == Some(&facts)
    {
        return true;
    }
    let facts = redact(facts);
    let names = common(steps.iter().flat_map(|step| [&step.before, &step.after]).flatten().chain([&facts]));
    let key = |state: &Value| {
        let part = names.iter().map(|name| (name.clone(), state[name.as_str()].clone()));
        Value::Object(part.collect::<Map<_, _>>()).to_string()
    };
    // How often each state was come to, less how often it was left, and when it was come to last.
    let mut states: BTreeMap<Option<String>, (i64, i64)> = BTreeMap::new();
    for step in steps {
        states.entry(step.before.as_ref().map(key)).or_insert((0, i64::MIN)).0 -= 1;
        let (degree, last) = states.entry(step.after.as_ref().map(key)).or_insert((0, i64::MIN));
        (*degree, *last) = (*degree + 1, step.at.max(*last));
    }
    states.retain(|_, (degree, _)| *degree > 0);
    let newest = states.values().map(|(_, last)| *last).max();
    states.get(&Some(key(&facts))).is_some_and(|(_, last)| Some(*last) == newest)
}

/// What all states name.
fn common<'a>(states: impl Iterator<Item = &'a Value>) -> BTreeSet<String> {
    let names = |state: &Value| -> BTreeSet<String> {
        state.as_object().map(|state| state.keys().cloned().collect()).unwrap_or_default()
    };
    states.map(names).reduce(|all, own| &all & &own).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn step(before: Value, after: Value) -> Step {
        let some = |state: Value| (!state.is_null()).then_some(state);
        Step { at: 1, before: some(before), after: some(after) }
    }

    #[test]
    fn a_path_is_followed_in_whatever_order_its_steps_are_read() {
        let state = |n: i64| json!({ "n": n, "more": "x" });
        let mut steps = vec![
            step(state(1), state(2)),
            step(Value::Null, state(1)),
            step(state(2), state(1)),
            step(state(1), state(3)),
        ];
        for _ in 0..steps.len() {
            steps.rotate_left(1);
            assert!(tells(&steps, state(3)));
            for other in [state(1), state(2), state(4), json!({ "n": 3, "more": "y" })] {
                assert!(!tells(&steps, other));
            }
        }
        assert!(!tells(&steps[..2], state(3)), "an entry is missing");
        assert!(!tells(&[], state(3)));
    }

    #[test]
    fn what_was_removed_and_came_again_is_told() {
        let state = |n: i64| json!({ "n": n });
        let steps = [step(Value::Null, state(1)), step(state(1), Value::Null), step(Value::Null, state(1))];
        assert!(tells(&steps, state(1)));
        assert!(!tells(&steps[..2], state(1)), "it was removed");
    }

    #[test]
    fn a_row_that_was_changed_in_between_is_told_of_again_when_it_was_put_right() {
        let state = |n: i64| json!({ "n": n });
        let mut steps = vec![step(Value::Null, state(1)), Step { at: 2, ..step(state(9), state(1)) }];
        assert!(tells(&steps, state(1)));
        assert!(!tells(&steps, state(9)));
        steps[1].after = Some(state(2));
        assert!(tells(&steps, state(2)));
        assert!(!tells(&steps, state(1)), "an end, and not the latest");
    }

    #[test]
    fn a_fact_that_an_older_program_did_not_tell_of_is_not_compared() {
        let steps = [
            step(Value::Null, json!({ "n": 1 })),
            step(json!({ "n": 1, "new": 5 }), json!({ "n": 2, "new": 5 })),
        ];
        assert!(tells(&steps, json!({ "n": 2, "new": 6 })));
        assert!(!tells(&steps, json!({ "n": 1, "new": 5 })));
    }
}
