//! Who is told when, that a limit is near or reached.

use billing_portal::usage::{Outcome, Report, work};

use super::{DAY, hard, level, more};
use crate::support::portal::Portal;

impl Portal {
    /// What was told: metric, share and how much was used, in the order of metrics and periods.
    async fn told(&self) -> Vec<String> {
        let mut tx = self.db.read().await.unwrap();
        let rows: Vec<(String,)> = tx
            .query_built("select data from mails where kind = 'usage_threshold' order by cause".into())
            .all()
            .await
            .unwrap();
        let words = |data: &str| {
            let data: serde_json::Value = serde_json::from_str(data).unwrap();
            format!("{} {} {}", data["metric"].as_str().unwrap(), data["percent"], data["used"])
        };
        rows.iter().map(|(data,)| words(data)).collect()
    }

    async fn day(&self) {
        let app = &self.app;
        work::daily(&self.db, &app.stripe, &app.catalog, &self.clock, "a worker").await.unwrap();
    }
}

both_databases! {
    async fn a_limit_that_only_refuses_is_told_as_reached_once(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 3, &[("messages", hard(10)), ("users", hard(5))]).await;
        let reports = vec![more("messages", 9, "a"), more("messages", 2, "b"), more("messages", 2, "c"), level("users", 3, "d"), level("users", 6, "e")];
        portal.report(&norte.id, reports).await;
        assert_eq!(portal.told().await, ["messages 100 9", "messages 80 9", "users 100 3"]);
        portal.report(&norte.id, vec![more("messages", 2, "f"), level("users", 7, "g")]).await;
        assert_eq!(portal.told().await.len(), 3);
        // What the plan does not have at all is no limit that was reached.
        portal.report(&norte.id, vec![more("conversations", 1, "h")]).await;
        assert_eq!(portal.told().await.len(), 3);
    }

    async fn who_was_told_of_all_of_it_is_not_told_of_less_afterwards(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 3, &[("users", hard(5))]).await;
        for (key, value) in [("a", 5), ("b", 1), ("c", 4), ("d", 0), ("e", 5)] {
            portal.report(&norte.id, vec![level("users", value, key)]).await;
        }
        assert_eq!(portal.told().await, ["users 100 5"]);
        // In one report as well.
        let sur = portal.tenant("Sur").await;
        portal.subscribe(&sur, 3, &[("users", hard(5))]).await;
        portal.report(&sur.id, vec![level("users", 5, "a"), level("users", 1, "b"), level("users", 4, "c")]).await;
        assert_eq!(portal.told().await, ["users 100 5", "users 100 5"]);
    }

    async fn a_period_that_is_over_tells_nobody(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        let start = portal.clock.now().as_second() - 2 * DAY;
        portal.subscribe_for(&norte, start, start + 30 * DAY, &[("messages", hard(10))]).await;
        portal.run(&format!("update subscriptions set started_at = {}", start - 300 * DAY)).await;
        let late = |quantity, key: &str| Report { occurred_at: portal.at(-3 * DAY), ..more("messages", quantity, key) };
        let answers = portal.report(&norte.id, vec![late(9, "a"), late(2, "b"), late(1, "c")]).await;
        assert_eq!(answers[2].outcome, Outcome::Recorded);
        assert!(portal.told().await.is_empty());
    }

    async fn a_level_is_told_of_where_the_limit_came_down_to_it_and_when_a_period_begins_above_it(portal: Portal) {
        let norte = portal.tenant("Norte").await;
        portal.subscribe(&norte, 3, &[("users", hard(50)), ("chatbots", hard(10)), ("storage_mb", hard(100))]).await;
        portal.report(&norte.id, vec![level("users", 5, "a"), level("chatbots", 9, "b"), level("storage_mb", 7, "c")]).await;
        assert_eq!(portal.told().await, ["chatbots 80 9"]);
        portal.day().await;
        assert_eq!(portal.told().await.len(), 1, "once in a period");
        portal.run("update products set limits = '{\"users\":{\"limit\":4,\"hard\":true},\"chatbots\":{\"limit\":10,\"hard\":true}}'").await;
        portal.clock.pass(DAY);
        portal.day().await;
        // Nothing of storage is included any more: that is no limit to be near to.
        assert_eq!(portal.told().await, ["chatbots 80 9", "users 100 5"]);
        portal.clock.pass(30 * DAY);
        portal.day().await;
        assert_eq!(portal.told().await, ["chatbots 80 9", "chatbots 80 9", "users 100 5", "users 100 5"]);
    }
}
