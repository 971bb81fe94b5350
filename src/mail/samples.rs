//! Samples of each kind of mail, with the facts that change its words.

use super::{Kind, Letter};

/// The sample of a kind under an empty name, and what it becomes where its facts are others, each under a name of its own.
pub fn variants(kind: Kind) -> Vec<(&'static str, Letter)> {
    let change = |name: &'static str, change: fn(&mut Letter)| {
        let mut letter = Letter::sample(kind);
        change(&mut letter);
        (name, letter)
    };
    let mut all = vec![("", Letter::sample(kind))];
    match kind {
        Kind::PaymentFailed | Kind::PaymentUrgent | Kind::PaymentFinal | Kind::AccessRestricted => {
            all.push(change("undated", without_days));
        }
        Kind::AccessRestored => all.extend([
            change("unrestricted", |letter| restored(letter, false, false, false)),
            change("still_owed", |letter| restored(letter, false, true, false)),
            change("waived", |letter| restored(letter, true, false, true)),
        ]),
        Kind::UpcomingInvoice | Kind::TrialEnding => all.push(change("no_card", without_card)),
        Kind::PlanChanged => all.push(change("first", |letter| {
            if let Letter::PlanChanged(facts) = letter {
                (facts.from, facts.price) = (None, None);
            }
        })),
        Kind::Cancelled => all.extend([
            change("ended", |letter| cancelled(letter, false)),
            change("unpaid", |letter| cancelled(letter, true)),
        ]),
        Kind::ChangePlanned => all.push(change("undone", |letter| {
            if let Letter::ChangePlanned(facts) = letter {
                facts.undone = true;
            }
        })),
        Kind::Resumed | Kind::PaymentsPaused | Kind::PaymentsResumed => {
            all.push(change("other_date", other_date));
        }
        Kind::UsageThreshold => all.extend([
            change("soft", |letter| used(letter, 80, false)),
            change("used_up", |letter| used(letter, 100, true)),
            change("used_up_soft", |letter| used(letter, 100, false)),
        ]),
        _ => {}
    }
    all
}

fn without_days(letter: &mut Letter) {
    if let Letter::PaymentFailed(facts)
    | Letter::PaymentUrgent(facts)
    | Letter::PaymentFinal(facts)
    | Letter::AccessRestricted(facts) = letter
    {
        (facts.restricts_at, facts.cancels_at, facts.number) = (None, None, None);
    }
}

fn without_card(letter: &mut Letter) {
    match letter {
        Letter::UpcomingInvoice(facts) => facts.can_charge = false,
        Letter::TrialEnding(facts) => (facts.can_charge, facts.price) = (false, None),
        _ => {}
    }
}

fn restored(letter: &mut Letter, was_restricted: bool, still_owed: bool, waived: bool) {
    if let Letter::AccessRestored(facts) = letter {
        (facts.was_restricted, facts.still_owed, facts.waived) = (was_restricted, still_owed, waived);
    }
}

fn cancelled(letter: &mut Letter, unpaid: bool) {
    if let Letter::Cancelled(facts) = letter {
        (facts.ended, facts.unpaid) = (true, unpaid);
    }
}

/// A date where the sample has none, and none where it has one.
fn other_date(letter: &mut Letter) {
    match letter {
        Letter::Resumed(facts) => facts.renews_at = None,
        Letter::PaymentsPaused(facts) => facts.at = Some(1_797_832_000),
        Letter::PaymentsResumed(facts) => facts.at = None,
        _ => {}
    }
}

fn used(letter: &mut Letter, percent: u16, hard: bool) {
    if let Letter::UsageThreshold(facts) = letter {
        (facts.percent, facts.hard) = (percent, hard);
        facts.used = facts.limit / 100 * i64::from(percent);
    }
}
