//! Any interleaving of tasks at two gates, as of two replicas, keeps every limit and loses nothing; any replay changes nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use billing_portal::catalog::product::Limit;
use billing_portal::db::Db;
use billing_portal::tenants::Tenant;
use billing_portal::usage::{Answer, Event, Gate, Outcome, Refusal, Report};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{DAY, HOUR, hard, level, more, soft};
use crate::support::cases::cases;
use crate::support::databases::{FromDb as _, on_postgres, on_sqlite};
use crate::support::portal::Portal;

/// Tenants of a plan: batches name them in any order, so that locks are asked for in opposite orders.
const TENANTS: usize = 3;

/// A report as it is drawn: which tenant, how many hours ago, what.
#[derive(Clone, Debug)]
struct Wish {
    tenant: usize,
    hours: i64,
    metric: u8,
    amount: i64,
    key: u32,
}

/// What happens between two waves of tasks.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Nothing,
    /// The plan allows less, or more.
    Limit(i64),
    /// The period ends, before anybody has told us of the next one.
    Period,
    /// Periods begin on another day from now on.
    Anchor,
    /// The subscription is over.
    End,
}

#[derive(Clone, Debug)]
struct Plan {
    /// Of messages: how many, and whether more is refused.
    limit: i64,
    is_hard: bool,
    /// Each with tasks that run at the same time, each of them batches in their order.
    waves: Vec<(Vec<Vec<Vec<Wish>>>, Turn)>,
}

fn any_wish() -> impl Strategy<Value = Wish> {
    (0..TENANTS, 0..60_i64, 0..3_u8, 1..6_i64, 0..80_u32)
        .prop_map(|(tenant, hours, metric, amount, key)| Wish { tenant, hours, metric, amount, key })
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let turn = prop_oneof![
        2 => Just(Turn::Nothing),
        2 => (5..60_i64).prop_map(Turn::Limit),
        2 => Just(Turn::Period),
        2 => Just(Turn::Anchor),
        1 => Just(Turn::End),
    ];
    let batch = prop::collection::vec(any_wish(), 1..8);
    let tasks = prop::collection::vec(prop::collection::vec(batch, 1..4), 1..8);
    (10..40_i64, any::<bool>(), prop::collection::vec((tasks, turn), 1..4))
        .prop_map(|(limit, is_hard, waves)| Plan { limit, is_hard, waves })
}

impl Wish {
    fn report(&self, now: i64) -> Report {
        let report = match self.metric {
            0 => more("messages", self.amount, format!("m{}", self.key)),
            1 => more("ai_tokens", self.amount, format!("t{}", self.key)),
            _ => level("users", self.amount, format!("u{}", self.key)),
        };
        let occurred_at =
            (self.hours > 0).then(|| billing_portal::clock::from_seconds(now - self.hours * HOUR));
        Report { occurred_at, ..report }
    }
}

/// A portal, and the companies of one case.
struct Case<'a> {
    portal: &'a Portal,
    tenants: Vec<Tenant>,
    gates: [Gate; 2],
}

impl Case<'_> {
    fn event(&self, wish: &Wish, now: i64) -> Event {
        let tenant = &self.tenants[wish.tenant].id;
        let now_at = billing_portal::clock::from_seconds(now);
        Event::new(tenant, &self.portal.app.catalog, wish.report(now), now_at).unwrap()
    }

    fn ids(&self) -> String {
        self.tenants.iter().map(|tenant| format!("'{}'", tenant.id)).collect::<Vec<_>>().join(", ")
    }

    /// Runs the tasks of a wave at the same time, every second one at the other gate.
    async fn wave(&self, tasks: &[Vec<Vec<Wish>>], now: i64) -> Vec<(Wish, Answer)> {
        let mut running = tokio::task::JoinSet::new();
        for (number, task) in tasks.iter().enumerate() {
            let gate = self.gates[number % 2].clone();
            let batches: Vec<(Vec<Wish>, Vec<Event>)> = task
                .iter()
                .map(|batch| (batch.clone(), batch.iter().map(|wish| self.event(wish, now)).collect()))
                .collect();
            running.spawn(async move {
                let mut seen = Vec::new();
                for (wishes, events) in batches {
                    let answers = gate.record(events).await.unwrap();
                    seen.extend(wishes.into_iter().zip(answers));
                }
                seen
            });
        }
        running.join_all().await.into_iter().flatten().collect()
    }

    async fn turn(&self, turn: Turn, is_hard: bool) {
        let (portal, ids) = (self.portal, self.ids());
        let now = portal.clock.now().as_second();
        match turn {
            Turn::Nothing => {}
            Turn::Limit(limit) => {
                let limits = serde_json::to_string(&limits(limit, is_hard)).unwrap();
                let products: Vec<_> =
                    self.tenants.iter().map(|tenant| format!("'prod_{}'", tenant.id)).collect();
                portal
                    .run(&format!(
                        "update products set limits = '{limits}' where id in ({})",
                        products.join(", ")
                    ))
                    .await;
            }
            Turn::Period => portal.clock.pass(21 * DAY),
            Turn::Anchor => {
                let end = now + 30 * DAY;
                portal
                    .run(&format!("update subscriptions set current_period_start = {now}, current_period_end = {end} where tenant_id in ({ids}) and status = 'active'"))
                    .await;
            }
            Turn::End => {
                portal
                    .run(&format!("update subscriptions set status = 'canceled', ended_at = {now} where tenant_id in ({ids}) and status = 'active'"))
                    .await;
            }
        }
        // Nothing happens in the second in which terms change.
        portal.clock.pass(1);
    }

    /// What these tenants' rows say, one number.
    async fn sum(&self, what: &str, tenant: &Tenant) -> i64 {
        self.portal
            .count(&format!("select cast(coalesce(({what} and tenant_id = '{}'), 0) as bigint)", tenant.id))
            .await
    }
}

fn limits(messages: i64, is_hard: bool) -> BTreeMap<&'static str, Limit> {
    let messages = if is_hard { hard(messages) } else { soft(messages) };
    BTreeMap::from([("messages", messages), ("users", hard(4))])
}

async fn run(portal: &Portal, number: u32, plan: &Plan) {
    let mut tenants = Vec::new();
    for letter in 0..TENANTS {
        let tenant = portal.tenant(&format!("Crowd {number} {letter}")).await;
        let limits: Vec<_> = limits(plan.limit, plan.is_hard).into_iter().collect();
        portal.subscribe(&tenant, 10, &limits).await;
        tenants.push(tenant);
    }
    let gates = [portal.app.usage.clone(), Gate::start(portal.db.clone(), &portal.app.catalog)];
    let case = Case { portal, tenants, gates };
    let (mut answered, mut waves) = (Vec::new(), Vec::new());
    for (tasks, turn) in &plan.waves {
        let now = portal.clock.now().as_second();
        let seen = case.wave(tasks, now).await;
        for (wish, answer) in &seen {
            let Answer { outcome, standing } = answer;
            let is_over = standing.limit.limit.is_some_and(|limit| standing.used > limit);
            // What was taken did not pass a hard limit; and no soft one refuses.
            if *outcome == Outcome::Recorded && standing.limit.hard && wish.metric != 2 {
                assert!(!is_over, "{wish:?} {answer:?}");
            }
            if *outcome == Outcome::Refused(Refusal::LimitReached) {
                assert!(standing.limit.hard, "{wish:?} {answer:?}");
            }
        }
        answered.extend(seen);
        waves.push((tasks, now));
        case.turn(*turn, plan.is_hard).await;
    }
    // Nothing is lost: what was answered as recorded is what the books have, each key once.
    for (index, tenant) in case.tenants.iter().enumerate() {
        for (metric, name) in [(0, "messages"), (1, "ai_tokens")] {
            let recorded = answered.iter().filter(|(wish, answer)| {
                wish.tenant == index && wish.metric == metric && answer.outcome == Outcome::Recorded
            });
            let sum: i64 = recorded.map(|(wish, _)| wish.amount).sum();
            let total = format!("select sum(total) from usage_totals where metric = '{name}'");
            assert_eq!(case.sum(&total, tenant).await, sum, "{name} of {index}");
            let events = format!(
                "select sum(amount) from usage_events where outcome = 'recorded' and metric = '{name}'"
            );
            assert_eq!(case.sum(&events, tenant).await, sum, "{name} of {index}");
        }
        let tokens =
            "select sum(amount) from usage_events where metric = 'ai_tokens' and outcome = 'recorded'";
        let outbox = "select sum(quantity) from usage_outbox where metric = 'ai_tokens'";
        assert_eq!(case.sum(tokens, tenant).await, case.sum(outbox, tenant).await, "what is billed goes out");
        assert!(case.sum("select max(total) from usage_totals where metric = 'users'", tenant).await <= 4);
    }
    portal.assert_balanced().await;
    // Any replay, in another order and under whatever holds by now, changes nothing.
    let before = portal.books().await;
    for (tasks, now) in waves.iter().rev() {
        for task in tasks.iter().rev() {
            for batch in task.iter().rev() {
                // The same time is named again; what named none is heard of now.
                let events = batch.iter().map(|wish| case.event(wish, *now)).collect();
                let answers = case.gates[0].record(events).await.unwrap();
                assert!(answers.iter().all(|answer| answer.outcome != Outcome::Recorded), "{answers:?}");
            }
        }
    }
    assert_eq!(portal.books().await, before);
    case.gates[1].stop().await;
}

async fn plans(db: Db, count: u32) {
    let portal = Portal::from_db(db).await;
    let mut runner = TestRunner::new(cases(count, 200));
    let numbers = AtomicU32::new(1);
    let done = runner.run(&any_plan(), |plan| {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let case = run(&portal, number, &plan);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(case));
        Ok(())
    });
    if let Err(error) = done {
        panic!("{error}");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn any_interleaving_of_tasks_keeps_every_limit_and_loses_nothing_on_sqlite() {
    runtime().block_on(on_sqlite(|db: Db| plans(db, 32)));
}

#[test]
fn any_interleaving_of_tasks_keeps_every_limit_and_loses_nothing_on_postgres() {
    runtime().block_on(on_postgres(|db: Db| plans(db, 16)));
}
