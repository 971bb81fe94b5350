//! Ours held against Stripe's, and parts that staff have tried again.

use billing_portal::usage::{Report, work};
use http::StatusCode;
use serde_json::json;

use super::meters::Metered;
use super::{DAY, HOUR, more};

impl Metered {
    async fn compare(&self) -> usize {
        let now = self.portal.clock.now();
        work::compare(&self.portal.db, &self.portal.app.stripe, now).await.unwrap()
    }

    /// Both sides of the latest comparison.
    async fn sides(&self) -> (i64, i64) {
        let mut tx = self.portal.db.read().await.unwrap();
        tx.query_built("select ours, theirs from usage_comparisons".to_owned()).one().await.unwrap()
    }

    /// A part whose first try reached Stripe, or did not, and whose answer was lost; parked since then.
    async fn parked(&self, arrives: bool) {
        self.use_tokens(500, format!("parked {arrives}")).await;
        self.pass(60).await;
        let path = "/v1/billing/meter_events";
        if arrives {
            self.fault(json!({ "path": path, "method": "post", "cut": true, "after": true, "times": 4 }))
                .await;
        } else {
            self.fault(json!({ "path": path, "method": "post", "status": 500, "times": 4 })).await;
        }
        assert_eq!(self.step().await, 1);
        self.portal.run("update usage_outbox set state = 'parked', due_at = 0 where sent < quantity").await;
    }

    /// What the page of staff sends.
    async fn form(&self) -> Vec<(&'static str, String)> {
        let window = self.portal.count("select window_start from usage_outbox where state = 'parked'").await;
        vec![
            ("tenant", self.tenant.id.to_string()),
            ("metric", "ai_tokens".into()),
            ("window", window.to_string()),
        ]
    }
}

both_databases! {
    async fn a_tenant_with_steady_use_and_a_parked_part_is_compared_and_agrees(metered: Metered) {
        let portal = &metered.portal;
        for hour in 0..6 {
            metered.use_tokens(100, format!("{hour}")).await;
            metered.pass(61).await;
            while metered.step().await > 0 {}
            if hour == 2 {
                // More of the same hour, which Stripe does not take.
                metered.use_tokens(30, "refused".into()).await;
                metered.pass(61).await;
                metered.fault(json!({ "path": "/v1/billing/meter_events", "method": "post", "status": 400 })).await;
                assert_eq!(metered.step().await, 1);
            }
            let now = portal.clock.now().as_second();
            metered.pass(HOUR - now % HOUR).await;
        }
        // Always something on its way: the hour that is now.
        metered.use_tokens(7, "now".into()).await;
        assert_eq!(portal.count("select count(*) from usage_outbox where state = 'waiting'").await, 1);
        assert_eq!(portal.count("select count(*) from usage_outbox where state = 'parked' and sent = 100").await, 1);
        assert_eq!(metered.compare().await, 1);
        let (ours, theirs) = metered.sides().await;
        assert_eq!(ours, theirs);
        assert!((400..600).contains(&ours), "{ours}: all but the last hours");
    }

    async fn what_stripe_was_told_just_now_is_not_held_against_it(metered: Metered) {
        metered.use_tokens(500, "a".into()).await;
        metered.flush().await;
        metered.pass(HOUR / 2).await;
        assert_eq!(metered.compare().await, 0);
        metered.pass(2 * HOUR).await;
        assert_eq!(metered.compare().await, 1);
        assert_eq!(metered.sides().await, (500, 500));
        // Old use that is told late is as young: while it is on its way, and for an hour after that.
        let late = Report { occurred_at: metered.portal.at(-2 * HOUR), ..more("ai_tokens", 40, "late") };
        metered.portal.report(&metered.tenant.id, vec![late]).await;
        assert_eq!(metered.compare().await, 0);
        metered.flush().await;
        assert_eq!(metered.compare().await, 0);
        metered.pass(2 * HOUR).await;
        assert_eq!(metered.compare().await, 1);
        assert_eq!(metered.sides().await, (540, 540));
    }

    async fn one_customer_that_stripe_refuses_does_not_keep_the_others_from_being_looked_at(metered: Metered) {
        let portal = &metered.portal;
        metered.use_tokens(500, "a".into()).await;
        metered.flush().await;
        metered.pass(2 * HOUR).await;
        // Somebody who comes first, and whose customer is gone in Stripe.
        let gone = portal.tenant("Gone").await;
        let now = portal.clock.now().as_second();
        portal.subscribe(&gone, 3, &[]).await;
        portal
            .run(&format!(
                "insert into usage_outbox (tenant_id, metric, window_start, meter, quantity, claimed, sent, part, due_at, state)\
                 values ('{}', 'ai_tokens', {}, 'ai_tokens', 5, 5, 5, 1, 0, 'idle')",
                gone.id,
                now / HOUR * HOUR - 5 * HOUR
            ))
            .await;
        assert_eq!(metered.daily().await.unwrap(), 1);
        assert_eq!(metered.sides().await, (500, 500));
    }

    async fn a_look_that_broke_off_is_taken_up_an_hour_later(metered: Metered) {
        metered.use_tokens(500, "a".into()).await;
        metered.flush().await;
        metered.pass(2 * HOUR).await;
        metered.fault(json!({ "path": "/v1/billing/meters", "method": "get", "status": 500, "times": 4 })).await;
        assert!(metered.daily().await.is_err());
        assert_eq!(metered.daily().await.unwrap(), 0, "not at once");
        metered.pass(HOUR).await;
        assert_eq!(metered.daily().await.unwrap(), 1);
        metered.pass(2 * HOUR).await;
        assert_eq!(metered.daily().await.unwrap(), 0, "once a day");
    }

    async fn hours_of_one_tenant_go_out_one_after_the_other(metered: Metered) {
        let portal = &metered.portal;
        for hour in 0..3 {
            metered.use_tokens(100, format!("{hour}")).await;
            metered.pass(HOUR).await;
        }
        assert_eq!(portal.count("select count(*) from usage_outbox where state = 'waiting'").await, 3);
        let mut sent = Vec::new();
        for _ in 0..4 {
            sent.push(metered.step().await);
        }
        assert_eq!(sent, [1, 1, 1, 0]);
        // One that another worker is at keeps the others waiting, until its time is over.
        metered.use_tokens(1, "more".into()).await;
        metered.pass(61).await;
        let now = portal.clock.now().as_second();
        portal
            .run(&format!(
                "update usage_outbox set quantity = quantity + 1, claimed = claimed + 1, part = 2, state = 'waiting', due_at = {0},\
                 sending_until = {0} where window_start = (select min(window_start) from usage_outbox)",
                now + 100
            ))
            .await;
        assert_eq!(metered.step().await, 0);
        metered.pass(101).await;
        assert_eq!((metered.step().await, metered.step().await, metered.step().await), (1, 1, 0));
    }

    async fn a_part_that_had_arrived_long_ago_is_found_and_not_sent_again(metered: Metered) {
        let portal = &metered.portal;
        metered.parked(true).await;
        metered.pass(2 * DAY).await;
        let mut browser = metered.staff().await;
        browser.get("/staff/usage").await;
        let form = metered.form().await;
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = browser.post("/staff/usage/retry", &form).await;
        browser.follow(&answer).await.shows(&["Stripe has had it all the time"]);
        assert_eq!(portal.count("select sent from usage_outbox where state = 'idle'").await, 500);
        assert_eq!(portal.count("select count(*) from audit_entries where action = 'usage.report_found'").await, 1);
        assert_eq!(metered.step().await, 0);
        metered.pass(2 * HOUR).await;
        metered.compare().await;
        assert_eq!(metered.sides().await, (500, 500));
    }

    async fn a_part_that_never_arrived_is_sent_however_late(metered: Metered) {
        metered.parked(false).await;
        metered.pass(2 * DAY).await;
        let mut browser = metered.staff().await;
        browser.get("/staff/usage").await;
        let form = metered.form().await;
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = browser.post("/staff/usage/retry", &form).await;
        browser.follow(&answer).await.shows(&["It will be tried again at once."]);
        metered.flush().await;
        metered.pass(2 * HOUR).await;
        metered.compare().await;
        assert_eq!(metered.sides().await, (500, 500));
    }

    async fn what_nobody_can_tell_is_decided_by_a_person_who_sees_what_stripe_has(metered: Metered) {
        let portal = &metered.portal;
        metered.parked(true).await;
        metered.pass(2 * DAY).await;
        // Stripe says neither what was sent before nor what would be there with it.
        portal.run("update usage_outbox set quantity = 501, claimed = 501").await;
        let mut browser = metered.staff().await;
        browser.get("/staff/usage").await;
        let form = metered.form().await;
        let mut form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let page = browser.post("/staff/usage/retry", &form).await.expect(StatusCode::OK);
        page.shows(&["Report it all the same?", "<dd>501</dd>", "<dd>500</dd>", "name=\"confirm\" value=\"true\"", "billed twice"]);
        // Nor when Stripe does not answer.
        metered.fault(json!({ "path": "/v1/billing/meters", "method": "get", "status": 500, "times": 4 })).await;
        browser.post("/staff/usage/retry", &form).await.expect(StatusCode::OK).shows(&["could not be asked"]);
        assert_eq!(portal.count("select count(*) from usage_outbox where state = 'parked'").await, 1);
        assert_eq!(portal.count("select count(*) from audit_entries where action like 'usage.report%'").await, 0);
        form.push(("confirm", "true"));
        let answer = browser.post("/staff/usage/retry", &form).await;
        browser.follow(&answer).await.shows(&["It will be tried again at once."]);
        assert_eq!(metered.step().await, 1);
    }

    async fn within_a_day_stripe_knows_the_part_by_its_name(metered: Metered) {
        metered.parked(true).await;
        metered.pass(HOUR).await;
        let mut browser = metered.staff().await;
        browser.get("/staff/usage").await;
        let form = metered.form().await;
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = browser.post("/staff/usage/retry", &form).await;
        browser.follow(&answer).await.shows(&["It will be tried again at once."]);
        metered.flush().await;
        metered.pass(2 * HOUR).await;
        metered.compare().await;
        assert_eq!(metered.sides().await, (500, 500));
    }
}
