//! The gate: exact under any concurrency, harmless when repeated.

use billing_portal::stripe::snapshot::SubscriptionStatus;
use billing_portal::usage::{MOST, Outcome, Refusal, Report, store};

use super::{DAY, hard, level, more, soft};
use crate::support::portal::Portal;

const REFUSED: Outcome = Outcome::Refused(Refusal::LimitReached);

both_databases! {
    async fn a_hard_limit_is_reached_and_never_passed(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 3, &[("messages", hard(10))]).await;
        let answers = portal
            .report(&norte.id, vec![more("messages", 9, "a"), more("messages", 2, "b"), more("messages", 1, "c"), more("messages", 1, "d")])
            .await;
        let seen: Vec<_> = answers.iter().map(|answer| (answer.outcome, answer.standing.used, answer.standing.remaining())).collect();
        assert_eq!(
            seen,
            [
                (Outcome::Recorded, 9, Some(1)),
                (REFUSED, 9, Some(1)),
                (Outcome::Recorded, 10, Some(0)),
                (REFUSED, 10, Some(0)),
            ]
        );
        let end = portal.clock.now().as_second() + 27 * DAY;
        assert_eq!(answers[0].standing.reset_at.unwrap().as_second(), end);
        portal.assert_balanced().await;
        // The next period begins at nothing, before Stripe's event about it has come.
        portal.clock.pass(27 * DAY);
        assert_eq!(portal.used(&norte.id, "messages").await, 0);
        assert_eq!(portal.report(&norte.id, vec![more("messages", 10, "e")]).await[0].standing.used, 10);
    }

    async fn a_soft_limit_is_passed_and_reported(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 3, &[("messages", soft(10))]).await;
        let answer = portal.report(&norte.id, vec![more("messages", 25, "a")]).await[0];
        assert_eq!((answer.outcome, answer.standing.used, answer.standing.remaining()), (Outcome::Recorded, 25, Some(0)));
        assert!(answer.standing.is_over());
    }

    async fn a_repeated_key_changes_nothing_and_answers_the_same(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 3, &[("messages", hard(10)), ("users", hard(3))]).await;
        let reports = || vec![more("messages", 4, "a"), more("messages", 7, "b"), level("users", 2, "c"), level("users", 4, "d")];
        let first = portal.report(&norte.id, reports()).await;
        let before = portal.books().await;
        portal.report(&norte.id, vec![more("messages", 1, "other")]).await;
        let again = portal.report(&norte.id, reports()).await;
        let outcomes: Vec<_> = again.iter().map(|answer| answer.outcome).collect();
        assert_eq!(outcomes, [Outcome::Duplicate, REFUSED, Outcome::Duplicate, REFUSED]);
        for (one, other) in first.iter().zip(&again) {
            assert_eq!(one.standing, other.standing);
        }
        assert_eq!(portal.books().await.len(), before.len() + 1);
        // Within one report as well, and only for the same content and the same tenant.
        let sur = portal.tenant("Sur").await;
        portal.subscribe(&sur, 3, &[("messages", hard(10))]).await;
        let answers = portal
            .report(
                &sur.id,
                vec![
                    more("messages", 4, "a"),
                    more("messages", 4, "a"),
                    more("messages", 5, "a"),
                    level("users", 4, "a"),
                    Report { occurred_at: portal.at(0), ..more("messages", 4, "a") },
                ],
            )
            .await;
        let outcomes: Vec<_> = answers.iter().map(|answer| answer.outcome).collect();
        assert_eq!(outcomes, [Outcome::Recorded, Outcome::Duplicate, Outcome::Conflict, Outcome::Conflict, Outcome::Conflict]);
        assert_eq!(portal.used(&sur.id, "messages").await, 4);
        portal.assert_balanced().await;
    }

    async fn late_events_count_for_their_own_period_and_day(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let start = portal.clock.now().as_second() - 2 * DAY;
        portal.subscribe_for(&norte, start, start + 30 * DAY, &[("messages", hard(10))]).await;
        portal.run(&format!("update subscriptions set started_at = {}", start - 300 * DAY)).await;
        let late = |days: i64, quantity, key: &str| Report { occurred_at: portal.at(-days * DAY), ..more("messages", quantity, key) };
        let answers = portal.report(&norte.id, vec![late(3, 7, "a"), late(35, 1, "b"), late(1, 9, "c"), late(3, 4, "d")]).await;
        let used: Vec<_> = answers.iter().map(|answer| (answer.outcome == Outcome::Recorded, answer.standing.used)).collect();
        assert_eq!(used, [(true, 7), (true, 1), (true, 9), (false, 7)]);
        assert_eq!(answers[0].standing.reset_at.unwrap().as_second(), start);
        assert_eq!(portal.used(&norte.id, "messages").await, 9);
        portal.assert_balanced().await;
        let ahead = Report { occurred_at: portal.at(300), ..more("messages", 1, "e") };
        assert_eq!(portal.report(&norte.id, vec![ahead]).await[0].standing.used, 10);
        let today = portal.clock.now().as_second().div_euclid(DAY);
        let mut tx = portal.db.read().await.unwrap();
        let days = store::history(&mut tx, &norte.id, &portal.app.catalog, Some("messages"), today - 40, today).await.unwrap();
        let days: Vec<_> = days.iter().map(|day| (today - day.day, day.quantity)).collect();
        assert_eq!(days, [(35, 1), (3, 7), (1, 9), (0, 1)]);
    }

    async fn a_gauge_is_a_level_and_old_news_do_not_change_it(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 20, &[("users", hard(5))]).await;
        let old = |days: i64, value, key: &str| Report { occurred_at: portal.at(-days * DAY), ..level("users", value, key) };
        let answers = portal
            .report(&norte.id, vec![level("users", 4, "a"), old(2, 9, "b"), level("users", 6, "c"), level("users", 5, "d"), level("users", 0, "e")])
            .await;
        let seen: Vec<_> = answers.iter().map(|answer| (answer.outcome, answer.standing.used)).collect();
        assert_eq!(
            seen,
            [(Outcome::Recorded, 4), (Outcome::Recorded, 4), (REFUSED, 4), (Outcome::Recorded, 5), (Outcome::Recorded, 0)]
        );
        assert!(answers.iter().all(|answer| answer.standing.reset_at.is_none()));
        // A plan that became smaller: what is there may go down, not up.
        portal.report(&norte.id, vec![level("users", 5, "f")]).await;
        portal.run("update products set limits = '{\"users\":{\"limit\":1,\"hard\":true}}'").await;
        let answers = portal.report(&norte.id, vec![level("users", 4, "g"), level("users", 5, "h"), level("users", 4, "i")]).await;
        let seen: Vec<_> = answers.iter().map(|answer| (answer.outcome, answer.standing.used)).collect();
        assert_eq!(seen, [(Outcome::Recorded, 4), (REFUSED, 4), (Outcome::Recorded, 4)]);
        // A level does not end with the period.
        portal.clock.pass(40 * DAY);
        assert_eq!(portal.used(&norte.id, "users").await, 4);
    }

    async fn without_a_plan_the_free_limits_hold_and_nothing_else(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let free = portal.app.catalog.free.limits["messages"].limit.unwrap();
        let answers = portal.report(&norte.id, vec![more("messages", free, "a"), more("messages", 1, "b"), more("ai_tokens", 1, "c")]).await;
        assert_eq!(answers[0].outcome, Outcome::Recorded);
        assert_eq!(answers[1].outcome, REFUSED);
        assert_eq!(answers[2].outcome, Outcome::Refused(Refusal::NotInPlan));
        assert_eq!(portal.count("select count(*) from usage_outbox").await, 0);
        // The period of the new subscription is another, and so is the plan.
        portal.clock.pass(60);
        portal.subscribe(&norte, 0, &[("messages", hard(5))]).await;
        let answers = portal.report(&norte.id, vec![more("messages", 5, "d"), more("ai_tokens", 1, "e")]).await;
        assert!(answers.iter().all(|answer| answer.outcome == Outcome::Recorded));
        assert_eq!(portal.count("select count(*) from usage_outbox").await, 1);
        // And when it is over, what was used since then counts, by the free limits.
        let status = SubscriptionStatus::Canceled;
        portal.clock.pass(60);
        portal.run(&format!("update subscriptions set status = '{status}', ended_at = {}", portal.clock.now().as_second())).await;
        let answer = portal.report(&norte.id, vec![more("messages", free, "f")]).await[0];
        assert_eq!((answer.outcome, answer.standing.used), (Outcome::Recorded, free));
    }

    async fn a_tenant_that_does_not_exist_leaves_no_row(portal: Portal) {
        let nobody = "ten_nobody".parse().unwrap();
        let answer = portal.report(&nobody, vec![more("messages", 1, "a")]).await[0];
        assert_eq!(answer.outcome, Outcome::Refused(Refusal::NotInPlan));
        assert!(portal.books().await.is_empty());
        let mut tx = portal.db.read().await.unwrap();
        let (catalog, now) = (&portal.app.catalog, portal.clock.now());
        assert_eq!(store::check(&mut tx, &nobody, catalog, "messages", 1, now).await.unwrap(), None);
        assert!(store::summary(&mut tx, &nobody, catalog, now).await.unwrap().is_none());
    }

    async fn a_sum_that_would_wrap_is_refused(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 3, &[("messages", soft(1))]).await;
        portal.report(&norte.id, vec![more("messages", 1, "a")]).await;
        portal.run(&format!("update usage_totals set total = {}", i64::MAX - MOST)).await;
        let answers = portal.report(&norte.id, vec![more("messages", MOST, "b"), more("messages", 1, "c")]).await;
        assert_eq!((answers[0].outcome, answers[0].standing.used), (Outcome::Recorded, i64::MAX));
        assert_eq!(answers[1].outcome, Outcome::Refused(Refusal::TooLarge));
    }

    async fn a_threshold_tells_once_in_a_period(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 3, &[("messages", hard(10)), ("users", hard(5))]).await;
        let causes = async || {
            let mut tx = portal.db.read().await.unwrap();
            let rows: Vec<(String, String)> =
                tx.query_built("select cause, data from mails order by cause".into()).all().await.unwrap();
            rows
        };
        portal.report(&norte.id, vec![more("messages", 7, "a")]).await;
        assert!(causes().await.is_empty());
        portal.report(&norte.id, vec![more("messages", 1, "b"), more("messages", 1, "c")]).await;
        let start = portal.clock.now().as_second() - 3 * DAY;
        let (cause, data) = &causes().await[0];
        assert_eq!(*cause, format!("usage_threshold:{}:messages:{start}:80", norte.id));
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!((data["percent"].as_i64(), data["used"].as_i64(), data["limit"].as_i64()), (Some(80), Some(8), Some(10)));
        // A level that goes up and down again tells once.
        for (key, value) in [("d", 4), ("e", 1), ("f", 5), ("g", 0), ("h", 5)] {
            portal.report(&norte.id, vec![level("users", value, key)]).await;
        }
        portal.report(&norte.id, vec![more("messages", 1, "i"), more("messages", 1, "j")]).await;
        let percents: Vec<_> = causes().await.iter().map(|(cause, _)| cause.rsplit(':').next().unwrap().to_owned()).collect();
        assert_eq!(percents, ["100", "80", "100", "80"]);
        portal.clock.pass(30 * DAY);
        portal.report(&norte.id, vec![more("messages", 10, "k")]).await;
        assert_eq!(causes().await.len(), 5, "who leaps over both hears of the higher one");
    }

    async fn a_batch_of_a_thousand_keeps_its_order(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 3, &[("messages", hard(700))]).await;
        let reports = (0..1_000).map(|number| more("messages", 1, format!("{number}"))).collect();
        let answers = portal.report(&norte.id, reports).await;
        for (number, answer) in (1..).zip(&answers) {
            assert_eq!(answer.outcome == Outcome::Recorded, number <= 700, "{number}");
            assert_eq!(answer.standing.used, number.min(700));
        }
        portal.assert_balanced().await;
    }

    async fn old_keys_are_forgotten_and_young_ones_are_not(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 3, &[("messages", hard(10))]).await;
        portal.report(&norte.id, vec![more("messages", 1, "old")]).await;
        portal.clock.pass(35 * DAY);
        portal.report(&norte.id, vec![more("messages", 1, "young")]).await;
        let forget = async || billing_portal::usage::work::forget(&portal.db, portal.clock.now()).await.unwrap();
        assert_eq!(forget().await, 0);
        portal.clock.pass(6 * DAY);
        assert_eq!(forget().await, 1);
        assert_eq!(portal.count("select count(*) from usage_events where key = 'young'").await, 1);
    }
}
