//! The decision of access, row by row: every status, every day that matters, every role.

use billing_portal::access::{Access, Level, Reason, decide};
use billing_portal::auth::Role;
use billing_portal::catalog::policy::{Catalog, Dunning, EMBEDDED};
use billing_portal::i18n::Language;
use billing_portal::stripe::snapshot::SubscriptionStatus as S;

use Level::{Blocked, Full, ReadOnly};

/// Status, days past due; then level, reason and days until it is less, for the tenant as such.
type Row = (Option<&'static str>, Option<i64>, Level, Reason, Option<i64>);

const TABLE: &[Row] = &[
    (None, None, Full, Reason::Free, None),
    (None, Some(400), Full, Reason::Free, None),
    (Some("trialing"), None, Full, Reason::Trial, None),
    (Some("trialing"), Some(7), ReadOnly, Reason::Overdue, Some(14)),
    (Some("active"), None, Full, Reason::Active, None),
    (Some("active"), Some(0), Full, Reason::PastDue, Some(7)),
    (Some("active"), Some(7), ReadOnly, Reason::Overdue, Some(14)),
    (Some("past_due"), None, Full, Reason::PastDue, Some(7)),
    (Some("past_due"), Some(-1), Full, Reason::PastDue, Some(7)),
    (Some("past_due"), Some(0), Full, Reason::PastDue, Some(7)),
    (Some("past_due"), Some(6), Full, Reason::PastDue, Some(1)),
    (Some("past_due"), Some(7), ReadOnly, Reason::Overdue, Some(14)),
    (Some("past_due"), Some(20), ReadOnly, Reason::Overdue, Some(1)),
    (Some("past_due"), Some(21), Blocked, Reason::Unpaid, None),
    (Some("past_due"), Some(i64::MAX), Blocked, Reason::Unpaid, None),
    (Some("unpaid"), None, Blocked, Reason::Unpaid, None),
    (Some("unpaid"), Some(0), Blocked, Reason::Unpaid, None),
    (Some("unpaid"), Some(30), Blocked, Reason::Unpaid, None),
    (Some("canceled"), None, Full, Reason::Ended, None),
    (Some("canceled"), Some(30), Full, Reason::Ended, None),
    (Some("incomplete"), None, Full, Reason::Incomplete, None),
    (Some("incomplete"), Some(30), Full, Reason::Incomplete, None),
    (Some("incomplete_expired"), None, Full, Reason::Ended, None),
    (Some("incomplete_expired"), Some(30), Full, Reason::Ended, None),
    (Some("paused"), None, ReadOnly, Reason::Paused, None),
    (Some("paused"), Some(30), ReadOnly, Reason::Paused, None),
    (Some("hibernating"), None, ReadOnly, Reason::Unknown, None),
    (Some("hibernating"), Some(0), ReadOnly, Reason::Unknown, None),
    (Some(""), None, ReadOnly, Reason::Unknown, None),
];

/// What of the tenant's access a person of each role has.
fn for_role(tenant: Access, role: Role) -> Access {
    match (role, tenant.level) {
        (Role::Operator, _) => Access { level: Blocked, reason: Reason::Role, until: None },
        (Role::Supervisor, Full) => Access { level: ReadOnly, reason: Reason::Supervisor, ..tenant },
        _ => tenant,
    }
}

#[test]
fn each_status_and_day_and_role_has_its_access() {
    for (status, days, level, reason, until) in TABLE {
        let status = status.map(S::from);
        let tenant = Access { level: *level, reason: *reason, until: *until };
        let about = format!("{status:?} on day {days:?}");
        assert_eq!(decide(status.as_ref(), *days, &Dunning::default(), None), tenant, "{about}");
        for role in Role::ALL {
            let decided = decide(status.as_ref(), *days, &Dunning::default(), Some(role));
            assert_eq!(decided, for_role(tenant, role), "{about} as {role:?}");
        }
    }
}

/// The decision once more, told the other way round: first what is lost, then why.
fn oracle(
    status: &str,
    missing: Option<i64>,
    (restrict, cancel): (i64, i64),
    role: Option<Role>,
) -> (Level, &'static str, Option<i64>) {
    let pays = ["active", "trialing", "past_due"].contains(&status);
    let days = if status == "past_due" { Some(missing.unwrap_or(0)) } else { missing.filter(|_| pays) };
    let gone = status == "unpaid" || days.is_some_and(|days| days >= cancel);
    let limited = ["paused", "hibernating"].contains(&status) || days.is_some_and(|days| days >= restrict);
    let level = if gone {
        Blocked
    } else if limited {
        ReadOnly
    } else {
        Full
    };
    let until =
        days.filter(|_| !gone).map(|days| if limited { cancel - days } else { restrict - days.max(0) });
    let reason = match (level, days) {
        (Blocked, _) => "unpaid",
        (ReadOnly, Some(_)) => "overdue",
        (Full, Some(_)) => "past_due",
        (_, None) => match status {
            "paused" => "paused",
            "hibernating" => "unknown_status",
            "trialing" => "trial",
            "active" => "active",
            "incomplete" => "incomplete",
            "none" => "free",
            _ => "ended",
        },
    };
    match role {
        Some(Role::Operator) => (Blocked, "role", None),
        Some(Role::Supervisor) if level == Full => (ReadOnly, "supervisor", until),
        _ => (level, reason, until),
    }
}

#[test]
fn every_status_day_policy_and_role_has_the_access_that_another_telling_of_the_rule_gives() {
    let policy = |restrict, cancel| Dunning { restrict, cancel, ..Dunning::default() };
    let policies = [Dunning::default(), policy(1, 2), policy(2, 4), policy(20, 60), policy(100, 365)];
    let statuses = [
        "none",
        "trialing",
        "active",
        "past_due",
        "unpaid",
        "canceled",
        "incomplete",
        "incomplete_expired",
        "paused",
        "hibernating",
    ];
    let mut compared = 0;
    for (policy, status) in policies.iter().flat_map(|policy| statuses.map(|status| (policy, status))) {
        let days =
            (-1..=i64::from(policy.cancel) + 1).map(Some).chain([None, Some(i64::MIN), Some(i64::MAX)]);
        let stripes = Some(S::from(status)).filter(|_| status != "none");
        for days in days {
            for role in Role::ALL.into_iter().map(Some).chain([None]) {
                let got = decide(stripes.as_ref(), days, policy, role);
                let limits = (i64::from(policy.restrict), i64::from(policy.cancel));
                let about = format!("{status}, day {days:?}, {limits:?}, {role:?}");
                let wanted = oracle(status, days, limits, role);
                assert_eq!((got.level, got.reason.as_str(), got.until), wanted, "{about}");
                compared += 1;
            }
        }
    }
    assert!(compared > 20_000, "{compared}");
}

#[test]
fn the_table_has_every_status_with_and_without_a_missing_payment() {
    let known = [
        "trialing",
        "active",
        "past_due",
        "unpaid",
        "canceled",
        "incomplete",
        "incomplete_expired",
        "paused",
    ];
    for word in known {
        assert!(!matches!(S::from(word), S::Other(_)), "{word}");
        for missing in [true, false] {
            let covered = TABLE.iter().any(|row| row.0 == Some(word) && row.1.is_some() == missing);
            assert!(covered, "{word}, a payment missing: {missing}");
        }
    }
}

#[test]
fn access_never_grows_with_the_days() {
    let policy = Dunning { restrict: 1, cancel: 3, ..Dunning::default() };
    for policy in [Dunning::default(), policy] {
        for (status, ..) in TABLE {
            let status = status.map(S::from);
            let levels: Vec<_> =
                (0..40).map(|day| decide(status.as_ref(), Some(day), &policy, None).level).collect();
            assert!(levels.is_sorted_by(|earlier, later| earlier >= later), "{status:?}: {levels:?}");
        }
    }
}

#[test]
fn until_names_the_very_day_on_which_it_is_less() {
    for day in 0..21 {
        let today = decide(Some(&S::PastDue), Some(day), &Dunning::default(), None);
        let then = day + today.until.unwrap();
        let level = |day| decide(Some(&S::PastDue), Some(day), &Dunning::default(), None).level;
        assert_eq!(level(then - 1), today.level, "the day before, seen from day {day}");
        assert!(level(then) < today.level, "the day, seen from day {day}");
    }
}

#[test]
fn every_reason_has_its_words() {
    for (_, _, _, reason, _) in TABLE {
        for language in Language::ALL {
            assert!(language.has(reason.key()), "{reason:?}");
        }
    }
}

#[test]
fn the_catalogue_decides_the_days_and_is_told_when_they_make_no_sense() {
    let with = |dunning: &str| {
        let (before, rest) = EMBEDDED.split_once("[dunning]").unwrap();
        let after = rest.split_once("[[metrics]]").unwrap().1;
        Catalog::parse(&format!("{before}[dunning]\n{dunning}\n[[metrics]]{after}"))
    };
    assert_eq!(Catalog::parse(EMBEDDED).unwrap().dunning, Dunning::default());
    assert_eq!(with("").unwrap().dunning, Dunning::default());
    let changed = with("restrict = 5\nfinal = 10\ncancel = 12").unwrap().dunning;
    assert_eq!(
        (changed.reminder, changed.urgent, changed.restrict, changed.last, changed.cancel),
        (0, 3, 5, 10, 12)
    );
    for (wrong, at) in [
        ("urgent = 0", "dunning.urgent"),
        ("restrict = 3", "dunning.restrict"),
        ("final = 30", "dunning.cancel"),
        ("cancel = 366", "dunning.cancel"),
        ("cancel = -1", "cancel"),
        ("pause = 3", "pause"),
    ] {
        let told = with(wrong).unwrap_err().to_string();
        assert!(told.contains(at), "{wrong}: {told}");
    }
}
