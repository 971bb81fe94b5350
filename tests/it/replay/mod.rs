//! A long history, told again: the same mails and the same audit entries, each once.
//!
//! One sandbox makes the history. One portal hears each event once, in its order. Another hears each of them twice, in that order.
//! Others hear each of them twice, in any order, some of them again long after, and their workers break off now and then. In the end
//! all have told the same to the same people.

mod hearer;
mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use billing_portal::db::Db;
use billing_portal::sync::store::untold;
use billing_portal::webhooks::store::replay;
use billing_portal::{clock, worker};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::Value;

use hearer::{Hearer, Told};
use story::{Act, HISTORY, Story};

use crate::support::databases::{fresh_sqlite, on_postgres, on_sqlite};

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

/// Kinds of mails that the history has, beside the two of usage.
const KINDS: [&str; 10] = [
    "receipt",
    "payment_failed",
    "payment_urgent",
    "payment_final",
    "access_restricted",
    "access_restored",
    "upcoming_invoice",
    "trial_ending",
    "plan_changed",
    "cancelled",
];

fn shuffle<T>(random: &mut TestRng, items: &mut [T]) {
    for index in (1..items.len()).rev() {
        items.swap(index, random.random_range(0..=index));
    }
}

/// An order of its own for each seed.
fn order(seed: u8) -> TestRng {
    TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32])
}

/// How a portal hears.
enum Ear {
    /// Each event so often, in their order.
    InOrder(usize),
    /// Each event twice, and some again, in an order of its own, with work that breaks off.
    Torn(Box<TestRng>),
}

/// Hears what is new among the events.
async fn hear(hearer: &mut Hearer, ear: &mut Ear, events: &[Value]) {
    let new = &events[hearer.heard..];
    hearer.heard = events.len();
    match ear {
        Ear::InOrder(times) => {
            for event in new {
                for _ in 0..*times {
                    hearer.deliver(event).await;
                }
            }
        }
        Ear::Torn(random) => {
            let mut twice: Vec<&Value> = new.iter().flat_map(|event| [event, event]).collect();
            // And some that are long past.
            for _ in 0..2 {
                twice.extend(events.get(random.random_range(0..=events.len())));
            }
            shuffle(random, &mut twice);
            for event in twice {
                hearer.deliver(event).await;
                if random.random_range(0..4) == 0 {
                    let time = Duration::from_micros(random.random_range(1..9_000));
                    if tokio::time::timeout(time, worker::settle(&hearer.portal.app)).await.is_err() {
                        hearer.free().await;
                    }
                }
            }
        }
    }
    hearer.settle().await;
}

/// Lives through the whole history with all who hear of it; the first of them hears it once and in its order.
async fn live(story: &mut Story, all: &mut [(Hearer, Ear)]) {
    for (number, (act, seconds)) in HISTORY.iter().enumerate() {
        // While a payment is missing a day at a time, so that what falls due on the way is done on its day.
        let mut left = *seconds;
        story.act(*act).await;
        if let Act::Use(quantity) = act {
            for (hearer, ear) in &*all {
                let times = if matches!(ear, Ear::InOrder(1)) { 1 } else { 2 };
                hearer.used(*quantity, &number.to_string(), times).await;
            }
        }
        loop {
            story.listen().await;
            for (hearer, ear) in &mut *all {
                hear(hearer, ear, &story.events).await;
            }
            if left == 0 {
                break;
            }
            let missing = "select count(*) from dunning_cases where state = 'open'";
            let step = left.min(if all[0].0.portal.count(missing).await > 0 { DAY } else { 4 * DAY });
            left -= step;
            story.stripe.pass(step).await;
            let now = story.now().await;
            for (hearer, _) in &*all {
                hearer.portal.clock.travel_to(clock::from_seconds(now));
            }
        }
    }
}

/// Everything that was told, each entry with how often it was.
fn counted(entries: &[Told]) -> BTreeMap<&Told, usize> {
    let mut all = BTreeMap::new();
    for entry in entries {
        *all.entry(entry).or_default() += 1;
    }
    all
}

/// The entries about an object's steps are one path along states that it truly had at Stripe, in their order: from nothing, each
/// step from where the one before led, to the state that it has in the end. A step less than at Stripe is no lie: an event that
/// comes late has the object fetched as it is by then. One more, one twice or one backwards would be.
fn is_true(entries: &[Told], truth: &BTreeMap<String, Vec<Value>>) {
    let mut paths: BTreeMap<&str, Vec<&Told>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.is_step()) {
        paths.entry(&entry.object).or_default().push(entry);
    }
    assert_eq!(paths.keys().collect::<Vec<_>>(), truth.keys().collect::<Vec<_>>(), "of each object");
    for (object, path) in paths {
        let mut states = truth[object].iter();
        let mut reached = None;
        for step in &path {
            assert_eq!(step.before, reached, "{object} is one path: {path:#?}");
            reached = step.after.clone();
            let after: Value =
                serde_json::from_str(step.after.as_deref().expect("nothing is removed")).unwrap();
            assert!(
                states.any(|state| *state == after),
                "{object} was never so, or not then: {step:#?} of {:#?}",
                truth[object]
            );
        }
        assert_eq!(states.next(), None, "{object} is not told of to its end: {path:#?}");
    }
}

/// What `other` has told is what `quiet` has; where the order was the same, entry by entry.
async fn same(quiet: &Hearer, other: &Hearer, is_in_order: bool) {
    let (mails, again) = (quiet.mails().await, other.mails().await);
    let causes = |mails: &BTreeMap<String, String>| mails.keys().cloned().collect::<Vec<_>>();
    assert_eq!(causes(&again), causes(&mails));
    assert_eq!(again, mails, "and each says the same to the same");
    let (entries, again) = (quiet.entries().await, other.entries().await);
    if is_in_order {
        assert_eq!(counted(&again), counted(&entries));
    }
    let caused = |entries: &[Told]| {
        let mut caused: Vec<Told> = entries.iter().filter(|entry| !entry.is_step()).cloned().collect();
        caused.sort();
        caused
    };
    assert_eq!(caused(&again), caused(&entries));
}

/// The whole of it; `others` are told everything twice and in as many orders.
///
/// Each of them sends the same mails, and writes the same entries about all that has a cause of its own: missing payments, access,
/// mails. Of the entries about Stripe's objects some may be spared in another order, and nothing else may be otherwise: see
/// [`is_true`].
async fn told_twice_and_out_of_order(others: Vec<Db>, first_seed: u8) {
    let mut story = Story::begin().await;
    let mut folders = Vec::new();
    let mut all = Vec::new();
    for times in [1, 2] {
        let (db, folder) = fresh_sqlite().await;
        folders.push(folder);
        all.push((Hearer::new(db, &story).await, Ear::InOrder(times)));
    }
    for (db, seed) in others.into_iter().zip(first_seed..) {
        all.push((Hearer::new(db, &story).await, Ear::Torn(Box::new(order(seed)))));
    }
    live(&mut story, &mut all).await;

    let quiet = &all[0].0;
    let mails = quiet.mails().await;
    for kind in KINDS {
        let is_there = mails.keys().any(|cause| cause.starts_with(&format!("{kind}:")));
        assert!(is_there, "the history has no {kind}");
    }
    for share in ["80", "100"] {
        let told = mails.keys().filter(|cause| {
            cause.starts_with("usage_threshold:TENANT:messages:") && cause.ends_with(&format!(":{share}"))
        });
        assert_eq!(told.count(), 1, "{share} % is told once: {:#?}", mails.keys());
    }
    let entries = quiet.entries().await;
    let caused: Vec<&Told> = entries.iter().filter(|entry| !entry.is_step()).collect();
    assert_eq!(caused.iter().collect::<BTreeSet<_>>().len(), caused.len(), "each once");
    let truth = story.truth();
    for (hearer, ear) in &all {
        same(quiet, hearer, matches!(ear, Ear::InOrder(_))).await;
        is_true(&hearer.entries().await, &truth);
        for table in untold(&mut hearer.portal.db.read().await.unwrap()).await.unwrap() {
            assert!(table.rows > 0 && table.changed == 0, "{table:?}");
        }
    }
    let mut random = order(0);
    for (hearer, ear) in &all[..3] {
        told_once_more(hearer, &story.events, Some(&mut random).filter(|_| !matches!(ear, Ear::InOrder(2))))
            .await;
    }
    story.stripe.stop().await;
}

/// The whole history again: at the door, and by staff who have each event worked on anew; in its order, or in any. Nothing comes
/// of it.
async fn told_once_more(hearer: &Hearer, events: &[Value], random: Option<&mut TestRng>) {
    let before = hearer.everything().await;
    let mut all: Vec<&Value> = events.iter().chain(events).collect();
    if let Some(random) = random {
        shuffle(random, &mut all);
    }
    for (number, event) in all.into_iter().enumerate() {
        hearer.deliver(event).await;
        let mut tx = hearer.portal.db.write().await.unwrap();
        replay(&mut tx, event["id"].as_str().unwrap(), hearer.portal.clock.wall().as_second()).await.unwrap();
        tx.commit().await.unwrap();
        if number % 7 == 0 {
            hearer.settle().await;
        }
    }
    hearer.settle().await;
    let after = hearer.everything().await;
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:#?}");
    assert_eq!(after.len(), before.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_told_twice_and_in_eight_orders_says_the_same_to_the_same_people_on_sqlite() {
    on_sqlite(|first: Db| async {
        let mut others = vec![first];
        let mut folders = Vec::new();
        for _ in 1..8 {
            let (db, folder) = fresh_sqlite().await;
            folders.push(folder);
            others.push(db);
        }
        Box::pin(told_twice_and_out_of_order(others, 1)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_told_twice_and_out_of_order_says_the_same_to_the_same_people_on_postgres() {
    on_postgres(|db: Db| told_twice_and_out_of_order(vec![db], 101)).await;
}
