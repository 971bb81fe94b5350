//! Late events: they are judged by what held when they happened, and go into the period of then.

use billing_portal::usage::{Outcome, Refusal, Report, store};

use super::{DAY, HOUR, hard, more};
use crate::support::portal::Portal;

const REFUSED: Outcome = Outcome::Refused(Refusal::LimitReached);

impl Portal {
    /// A report of use, so many seconds ago.
    fn ago(&self, seconds: i64, metric: &str, quantity: i64, key: &str) -> Report {
        Report { occurred_at: self.at(-seconds), ..more(metric, quantity, key) }
    }
}

both_databases! {
    async fn what_was_used_before_a_cancellation_counts_for_the_plan_of_then(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 10, &[("messages", hard(200))]).await;
        portal.report(&norte.id, vec![more("messages", 150, "a"), more("ai_tokens", 5, "b")]).await;
        portal.clock.pass(HOUR);
        let ended = portal.clock.now().as_second();
        portal.run(&format!("update subscriptions set status = 'canceled', ended_at = {ended}")).await;
        portal.clock.pass(2 * HOUR);
        let answers = portal
            .report(
                &norte.id,
                vec![
                    portal.ago(3 * HOUR - 60, "messages", 50, "c"),
                    portal.ago(3 * HOUR - 60, "messages", 1, "d"),
                    portal.ago(3 * HOUR - 60, "ai_tokens", 7, "e"),
                    // On the free plan since then: of its own, and no tokens.
                    more("messages", 100, "f"),
                    more("messages", 1, "g"),
                    more("ai_tokens", 1, "h"),
                    portal.ago(HOUR, "messages", 1, "i"),
                ],
            )
            .await;
        let seen: Vec<_> = answers.iter().map(|answer| (answer.outcome, answer.standing.used)).collect();
        assert_eq!(
            seen,
            [
                (Outcome::Recorded, 200),
                (REFUSED, 200),
                (Outcome::Recorded, 12),
                (Outcome::Recorded, 100),
                (REFUSED, 100),
                (Outcome::Refused(Refusal::NotInPlan), 0),
                (REFUSED, 100),
            ]
        );
        assert_eq!(answers[0].standing.reset_at.unwrap().as_second(), ended);
        assert_eq!(portal.count("select cast(sum(quantity) as bigint) from usage_outbox").await, 12, "billed with its period");
        portal.assert_balanced().await;
    }

    async fn another_subscription_does_not_change_what_held_before(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 20, &[("messages", hard(200))]).await;
        portal.report(&norte.id, vec![portal.ago(12 * DAY, "messages", 190, "a")]).await;
        let now = portal.clock.now().as_second();
        let (ended, began) = (now - 10 * DAY, now - 5 * DAY);
        portal.run(&format!("update subscriptions set status = 'canceled', ended_at = {ended}")).await;
        portal
            .run(&format!(
                "insert into subscriptions (id, tenant_id, customer_id, status, currency, product_id, items, current_period_start,\
                 current_period_end, livemode, started_at, created_at, seen_at) select 'sub_second', tenant_id, customer_id, 'active',\
                 currency, product_id, items, {began}, {}, livemode, {began}, {began}, seen_at from subscriptions",
                began + 30 * DAY
            ))
            .await;
        let answers = portal
            .report(
                &norte.id,
                vec![
                    // Of the first one, whose limit is nearly used up; between the two; of the second one.
                    portal.ago(11 * DAY, "messages", 10, "b"),
                    portal.ago(11 * DAY, "messages", 1, "c"),
                    portal.ago(7 * DAY, "messages", 100, "d"),
                    portal.ago(7 * DAY, "messages", 1, "e"),
                    portal.ago(4 * DAY, "messages", 200, "f"),
                    more("messages", 1, "g"),
                    portal.ago(25 * DAY, "ai_tokens", 1, "h"),
                ],
            )
            .await;
        let seen: Vec<_> = answers.iter().map(|answer| (answer.outcome, answer.standing.used)).collect();
        assert_eq!(
            seen,
            [
                (Outcome::Recorded, 200),
                (REFUSED, 200),
                (Outcome::Recorded, 100),
                (REFUSED, 100),
                (Outcome::Recorded, 200),
                (REFUSED, 200),
                (Outcome::Refused(Refusal::NotInPlan), 0),
            ]
        );
        portal.assert_balanced().await;
    }

    async fn another_day_on_which_periods_begin_opens_no_second_total(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let limits = [("messages", hard(10))];
        portal.subscribe(&norte, 20, &limits).await;
        let start = portal.clock.now().as_second() - 20 * DAY;
        portal.report(&norte.id, vec![portal.ago(2 * DAY, "messages", 9, "a")]).await;
        // By the year from now on: the period begins anew.
        let anchor = portal.clock.now().as_second();
        portal
            .run(&format!("update subscriptions set current_period_start = {anchor}, current_period_end = {}", anchor + 365 * DAY))
            .await;
        portal.clock.pass(HOUR);
        let answers = portal
            .report(
                &norte.id,
                vec![
                    portal.ago(2 * HOUR, "messages", 1, "b"),
                    portal.ago(3 * DAY, "messages", 1, "c"),
                    more("messages", 10, "d"),
                    more("messages", 1, "e"),
                ],
            )
            .await;
        let seen: Vec<_> = answers.iter().map(|answer| (answer.outcome, answer.standing.used)).collect();
        assert_eq!(seen, [(Outcome::Recorded, 10), (REFUSED, 10), (Outcome::Recorded, 10), (REFUSED, 10)]);
        assert_eq!(answers[0].standing.reset_at.unwrap().as_second(), anchor, "it ended earlier than it was to");
        assert_eq!(portal.count("select count(*) from usage_totals").await, 2);
        portal.assert_balanced().await;
        // Its page still finds it.
        let mut tx = portal.db.read().await.unwrap();
        let (catalog, now) = (&portal.app.catalog, portal.clock.now());
        let at = billing_portal::clock::from_seconds(start);
        let page = store::periods(&mut tx, &norte.id, catalog, "messages", at, now).await.unwrap().unwrap();
        assert_eq!((page.shown.start.as_second(), page.shown.end.as_second()), (start, anchor));
        assert_eq!(page.days.iter().map(|(_, quantity)| quantity).sum::<i64>(), 10);
    }

    async fn use_of_before_the_first_subscription_is_on_the_free_plan(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 1, &[("messages", hard(1_000))]).await;
        let free = portal.app.catalog.free.limits["messages"].limit.unwrap();
        let answers = portal
            .report(&norte.id, vec![portal.ago(2 * DAY, "messages", free, "a"), portal.ago(2 * DAY, "messages", 1, "b")])
            .await;
        assert_eq!((answers[0].outcome, answers[1].outcome), (Outcome::Recorded, REFUSED));
        // With use of the free month in the books, the month of the subscription is still its own.
        let answer = portal.report(&norte.id, vec![more("messages", 1_000, "c")]).await[0];
        assert_eq!((answer.outcome, answer.standing.used), (Outcome::Recorded, 1_000));
        portal.assert_balanced().await;
    }

    async fn a_trial_that_was_extended_still_shows_what_was_used(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let start = portal.clock.now().as_second() - 10 * DAY;
        portal.subscribe_for(&norte, start, start + 14 * DAY, &[("messages", hard(10))]).await;
        portal.report(&norte.id, vec![more("messages", 7, "a")]).await;
        portal.run(&format!("update subscriptions set status = 'trialing', current_period_end = {}", start + 28 * DAY)).await;
        portal.clock.pass(8 * DAY);
        let mut tx = portal.db.read().await.unwrap();
        let (catalog, now) = (&portal.app.catalog, portal.clock.now());
        let standings = store::standings(&mut tx, &norte.id, catalog, now).await.unwrap().unwrap();
        let (_, messages) = standings.iter().find(|(metric, _)| metric == "messages").unwrap();
        assert_eq!((messages.used, messages.reset_at.unwrap().as_second()), (7, start + 28 * DAY));
        drop(tx);
        assert_eq!(portal.used(&norte.id, "messages").await, 7);
    }
}
