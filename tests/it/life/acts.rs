//! What can happen in the life of a subscription: done on pages, in Stripe's dashboard, or by time alone.

use proptest::prelude::*;

use super::PAYS;

pub(super) const PLANS: [&str; 3] = ["starter", "professional", "enterprise"];
pub(super) const INTERVALS: [&str; 2] = ["month", "year"];
pub(super) const CURRENCIES: [&str; 4] = ["eur", "usd", "jpy", "kwd"];
pub(super) const CODES: [&str; 3] = ["", "50OFF", "FIRST_MONTH_FREE"];
/// Cards that somebody may come with: one that pays, one that is declined, one that is declined when it is charged later.
pub(super) const CARDS: [&str; 3] = [PAYS, "4000000000000002", "4000000000000341"];
/// Coupons of the dashboard's: for ever, for two months, a fixed amount of euros.
pub(super) const COUPONS: [(&str, &str, &str); 3] =
    [("TENTH", "percent_off", "10"), ("QUARTER", "percent_off", "25"), ("FIVE", "amount_off", "500")];

/// What is bought: plan, interval, seats.
pub(super) type Wish = (usize, usize, i64);

/// Something that is done, or happens.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Subscribe {
        wish: Wish,
        currency: usize,
        code: usize,
        card: usize,
    },
    /// Reviewed, confirmed so many seconds later.
    Change {
        wish: Wish,
        wait: i64,
    },
    Undo,
    Cancel {
        now: bool,
    },
    Resume,
    Pause,
    Collect,
    BreakCard {
        asks: bool,
    },
    PayAll,
    /// Tokens are used.
    Use {
        tokens: i64,
    },
    /// Somebody works in Stripe's dashboard.
    Dashboard(Deed),
    Pass {
        seconds: i64,
    },
}

/// What somebody does in Stripe's dashboard.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// A subscription whose first payment fails, for a tenant that has none.
    Incomplete,
    /// A trial that ends in sleep without a card.
    SleepyTrial,
    Edit {
        wish: Wish,
    },
    Coupon {
        which: usize,
    },
    Balance {
        minor: i64,
    },
    Refund,
    Sleep,
    EndWithPeriod,
}

fn wish() -> impl Strategy<Value = Wish> {
    (0..PLANS.len(), 0..INTERVALS.len(), 1_i64..6)
}

fn subscribe() -> impl Strategy<Value = Act> {
    (wish(), 0..CURRENCIES.len(), 0..CODES.len(), prop_oneof![3 => Just(0), 1 => 0..CARDS.len()])
        .prop_map(|(wish, currency, code, card)| Act::Subscribe { wish, currency, code, card })
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        1 => Just(Deed::Incomplete),
        1 => Just(Deed::SleepyTrial),
        2 => wish().prop_map(|wish| Deed::Edit { wish }),
        2 => (0..COUPONS.len()).prop_map(|which| Deed::Coupon { which }),
        2 => (-9_000_i64..3_000).prop_map(|minor| Deed::Balance { minor }),
        1 => Just(Deed::Refund),
        1 => Just(Deed::Sleep),
        1 => Just(Deed::EndWithPeriod),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    // Mostly confirmed at once, or within the time that a quote holds; now and then too late, or after a renewal.
    let wait = prop_oneof![3 => Just(0_i64), 3 => 1_i64..890, 1 => 890_i64..4_000];
    prop_oneof![
        6 => (wish(), wait).prop_map(|(wish, wait)| Act::Change { wish, wait }),
        2 => subscribe(),
        1 => Just(Act::Undo),
        1 => any::<bool>().prop_map(|now| Act::Cancel { now }),
        1 => Just(Act::Resume),
        1 => Just(Act::Pause),
        1 => Just(Act::Collect),
        1 => any::<bool>().prop_map(|asks| Act::BreakCard { asks }),
        1 => Just(Act::PayAll),
        1 => (1_i64..5_000_000).prop_map(|tokens| Act::Use { tokens }),
        3 => deed().prop_map(Act::Dashboard),
        2 => (1_i64..2 * 86_400).prop_map(|seconds| Act::Pass { seconds }),
        2 => (1_i64..40 * 86_400).prop_map(|seconds| Act::Pass { seconds }),
    ]
}

pub(super) fn life() -> impl Strategy<Value = Vec<Act>> {
    (subscribe(), prop::collection::vec(act(), 3..8)).prop_map(|(first, mut rest)| {
        rest.insert(0, first);
        rest
    })
}

/// Lives that lead through every state that a subscription can be in, beside those that chance leads.
pub(super) fn charted() -> Vec<Vec<Act>> {
    let days = |days: i64| Act::Pass { seconds: days * 86_400 };
    let buy = |plan: usize| Act::Subscribe { wish: (plan, 0, 2), currency: 0, code: 0, card: 0 };
    let late = Act::BreakCard { asks: false };
    let soon = Act::Pass { seconds: 28 * 86_400 + 79_000 };
    vec![
        // Trialing, changed in the trial, active, late, unpaid, paid again.
        vec![
            buy(0),
            Act::Change { wish: (2, 0, 1), wait: 60 },
            days(11),
            late.clone(),
            days(32),
            days(22),
            Act::PayAll,
        ],
        // Incomplete, then over; declined at first, then bought.
        vec![
            Act::Subscribe { wish: (1, 0, 3), currency: 2, code: 1, card: 1 },
            Act::Dashboard(Deed::Incomplete),
            days(2),
            Act::Subscribe { wish: (1, 0, 3), currency: 0, code: 1, card: 0 },
        ],
        // Asleep without a card, woken in vain, twice, and then in earnest.
        vec![
            Act::Dashboard(Deed::SleepyTrial),
            days(4),
            Act::Resume,
            late.clone(),
            Act::Resume,
            Act::Resume,
            Act::PayAll,
            days(40),
        ],
        // Changed in a trial that no invoice follows, for want of a card.
        vec![Act::Dashboard(Deed::SleepyTrial), Act::Change { wish: (0, 0, 1), wait: 0 }, days(4)],
        // A plan by the month beside use by the year, as somebody left it in the dashboard.
        vec![
            buy(1),
            Act::Change { wish: (1, 1, 1), wait: 0 },
            Act::Dashboard(Deed::Edit { wish: (2, 0, 1) }),
            Act::Change { wish: (0, 0, 1), wait: 0 },
            days(33),
        ],
        // An upgrade that fails shortly before the renewal, and whose invoice nobody may pay afterwards.
        vec![
            buy(1),
            soon.clone(),
            late,
            Act::Change { wish: (2, 0, 1), wait: 0 },
            days(1),
            Act::PayAll,
            days(33),
        ],
        // Ended with the period, taken back, ended at once, and bought again.
        vec![
            buy(2),
            Act::Cancel { now: false },
            Act::Resume,
            Act::Dashboard(Deed::Refund),
            Act::Cancel { now: true },
            Act::Subscribe { wish: (1, 1, 2), currency: 3, code: 0, card: 0 },
        ],
        // A quote that the renewal overtakes, and seats twice in one period, with use, a coupon and a credit.
        vec![
            buy(1),
            soon,
            Act::Change { wish: (2, 0, 1), wait: 800 },
            Act::Change { wish: (1, 0, 5), wait: 5 },
            Act::Dashboard(Deed::Coupon { which: 2 }),
            Act::Dashboard(Deed::Balance { minor: -7_777 }),
            Act::Use { tokens: 3_333_333 },
            Act::Change { wish: (2, 1, 1), wait: 0 },
            days(40),
        ],
    ]
}
