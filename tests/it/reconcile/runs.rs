//! Runs: what is on its way is no finding, what was begun goes on, and there is one at a time.

use billing_portal::audit::Actor;
use billing_portal::reconcile::store;
use billing_portal::reconcile::work::{self, Step};
use billing_portal::reconcile::{RunState, Stage, State};
use serde_json::json;

use super::HOLDER;
use crate::support::world::World;

both_databases! {
    async fn after_lost_events_one_run_makes_every_row_what_stripe_says(world: World) {
        let mut all = Vec::new();
        for name in ["Norte", "Sur", "Este", "Oeste"] {
            all.push(world.subscriber(name, "professional").await);
        }
        world.switch("deliveries/hold", json!({})).await;
        world.post(&format!("/subscriptions/{}", all[0].subscription), json!({ "cancel_at_period_end": true })).await;
        world.post(&format!("/customers/{}", all[1].customer), json!({ "name": "Sur Ltd", "balance": -500 })).await;
        let charge = world.text(&format!("select id from charges where customer_id = '{}'", all[2].customer)).await;
        world.post("/refunds", json!({ "charge": charge })).await;
        world.switch("cards", json!({ "customer": all[3].customer, "number": "4000000000000341" })).await;
        // A renewal for everybody, one of which fails: invoices, charges, new periods, all of it untold.
        world.switch("clock/advance", json!({ "seconds": 86_400 * 32 })).await;
        world.portal.clock.pass(86_400 * 32);
        world.switch("deliveries/drop", json!({})).await;
        world.switch("deliveries/release", json!({})).await;
        world.settle().await;
        let found = world.compare(true).await;
        assert!(found.len() > 10 && found.iter().all(|one| one.ends_with("repaired")), "{found:?}");
        assert_eq!(world.compare(false).await, [""; 0]);
        let states = "select count(*) from subscriptions where status in ('active', 'canceled', 'past_due')";
        assert_eq!(world.portal.count(states).await, 4);
        assert_eq!(world.portal.count("select count(*) from subscriptions where status = 'past_due'").await, 1);
        assert_eq!(world.portal.count("select count(*) from subscriptions where status = 'canceled'").await, 1);
    }

    async fn an_event_that_comes_during_the_run_is_no_finding(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        world.switch("deliveries/hold", json!({})).await;
        world.post(&format!("/subscriptions/{}", one.subscription), json!({ "cancel_at_period_end": true })).await;
        let run = world.begin(false).await;
        // Up to the first look, which sees the difference.
        while world.portal.count("select count(*) from reconciliation_findings where state = 'checking'").await == 0 {
            assert_ne!(work::step(&world.means(), HOLDER).await.unwrap(), Step::Nothing);
        }
        assert!(world.findings(&run).await.is_empty(), "nothing is said after one look");
        world.switch("deliveries/release", json!({})).await;
        world.settle().await;
        assert_eq!(world.finish(&run).await.state, RunState::Done);
        assert!(world.findings(&run).await.is_empty());
        assert_eq!(world.portal.count("select count(*) from reconciliation_findings").await, 0);
    }

    async fn what_was_told_and_waits_for_work_is_looked_at_later(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        world.post(&format!("/subscriptions/{}", one.subscription), json!({ "cancel_at_period_end": true })).await;
        world.control.idle().await.unwrap();
        let run = world.begin(false).await;
        while world.run_row(&run).await.stage != Stage::Suspects {
            work::step(&world.means(), HOLDER).await.unwrap();
        }
        work::step(&world.means(), HOLDER).await.unwrap();
        let looked = "select count(*) from reconciliation_findings";
        assert_eq!(world.portal.count(looked).await, 0, "it is not even looked at");
        world.settle().await;
        assert_eq!(world.finish(&run).await.state, RunState::Done);
        assert_eq!(world.portal.count(looked).await, 0);
    }

    async fn a_run_whose_worker_is_gone_is_taken_up_by_another(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        world.drift(&one.subscription, "/cancel_at_period_end", json!(true)).await;
        let run = world.begin(true).await;
        for _ in 0..3 {
            work::step(&world.means(), "the first").await.unwrap();
        }
        let reached = world.run_row(&run).await;
        assert_eq!(work::step(&world.means(), HOLDER).await.unwrap(), Step::Nothing, "the first has it");
        world.portal.clock.pass(store::LEASE + 1);
        work::step(&world.means(), HOLDER).await.unwrap();
        assert_ne!(world.run_row(&run).await.stage, Stage::Customers);
        assert!(reached.progress.customers <= world.run_row(&run).await.progress.customers);
        assert_eq!(work::step(&world.means(), "the first").await.unwrap(), Step::Nothing, "and now the second");
        assert_eq!(world.finish(&run).await.state, RunState::Done);
        assert!(world.findings(&run).await.iter().all(|row| row.state == State::Repaired));
        assert_eq!(world.compare(false).await, [""; 0]);
    }

    async fn there_is_one_run_at_a_time(world: World) {
        world.begin(false).await;
        let mut tx = world.portal.db.write().await.unwrap();
        let second = work::begin(&mut tx, &world.portal.clock, true, &Actor::Command, None, None).await.unwrap();
        assert_eq!(second, None);
        tx.commit().await.unwrap();
        assert_eq!(world.portal.count("select count(*) from reconciliation_runs").await, 1);
        assert_eq!(world.portal.count("select count(*) from audit_entries where action = 'reconciliation.started'").await, 1);
    }

    async fn a_stripe_that_is_away_is_waited_for_and_a_wrong_key_is_not(world: World) {
        world.subscriber("Norte", "professional").await;
        world.switch("faults", json!({ "path": "/v1/customers", "times": 4, "status": 503 })).await;
        let run = world.begin(false).await;
        assert!(matches!(work::step(&world.means(), HOLDER).await.unwrap(), Step::Until(_)));
        let waiting = world.run_row(&run).await;
        assert_eq!((waiting.state, waiting.attempts, waiting.error.is_some()), (RunState::Running, 1, true));
        assert_eq!(world.finish(&run).await.state, RunState::Done);
        world.switch("faults", json!({ "path": "/v1/customers", "times": 9, "status": 401 })).await;
        let run = world.begin(false).await;
        let failed = world.finish(&run).await;
        assert_eq!((failed.state, failed.error.is_some()), (RunState::Failed, true));
        world.control.ask(http::Method::DELETE, "faults", &json!(null)).await.unwrap();
        world.stripe.forget();
    }

    async fn the_night_comes_once(world: World) {
        let begun = async || work::nightly(&world.means()).await.unwrap();
        assert!(!begun().await, "the first look fixes the night");
        world.portal.clock.pass(20 * 3_600);
        assert!(!begun().await, "five in the morning and twenty hours: it is one o'clock");
        world.portal.clock.pass(3_600);
        assert!(begun().await);
        assert!(!begun().await);
        let run = world.text("select id from reconciliation_runs").await;
        let ended = world.finish(&run).await;
        assert_eq!((ended.state, ended.repairs), (RunState::Done, false));
        world.portal.clock.pass(24 * 3_600);
        assert!(begun().await);
    }
}
