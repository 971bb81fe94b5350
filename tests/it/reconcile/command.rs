//! `reconcile`: what it prints, and what its exit code says.

use std::time::Duration;

use billing_portal::reconcile::cli::Reconcile;
use clap::Parser;
use serde_json::{Value, json};

use crate::support::world::World;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    wish: Reconcile,
}

/// The command with these words: its exit code (1 for an error, in words), what it printed, and what it told of its progress.
async fn reconcile(world: &World, words: &[&str]) -> (u8, String, String) {
    let wish = Line::parse_from([&["reconcile"], words].concat()).wish;
    let (mut out, mut news) = (Vec::new(), Vec::new());
    let clock = world.portal.clock.clone();
    // Time goes by while it waits for the second look.
    let passing = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            clock.pass(5);
        }
    });
    let done = wish.run_with(&world.means(), &mut out, &mut news).await;
    passing.abort();
    let mut news = String::from_utf8(news).unwrap();
    let code = done.unwrap_or_else(|error| {
        news.push_str(&error.to_string());
        1
    });
    (code, String::from_utf8(out).unwrap(), news)
}

both_databases! {
    async fn the_exit_code_says_whether_anything_is_left(world: World) {
        let one = world.subscriber("Norte", "professional").await;
        let (code, out, news) = reconcile(&world, &[]).await;
        assert_eq!(code, 0, "{out}{news}");
        assert!(out.contains("Looked at 1 customers") && out.contains("Open: 0. Put right: 0."), "{out}");
        assert!(out.contains("customers a second"), "{out}");
        assert!(news.contains("subscriptions: 1 objects listed; ") && news.contains("customers a second"), "{news}");

        world.drift(&one.subscription, "/cancel_at_period_end", json!(true)).await;
        let (code, out, _) = reconcile(&world, &[]).await;
        assert_eq!(code, 2, "{out}");
        assert!(out.contains("cancel_at_period_end: false here, true at Stripe"), "{out}");
        let (code, out, _) = reconcile(&world, &["--format", "json"]).await;
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &report["run"]["open"], &report["findings"][0]["kind"]), (2, &json!(1), &json!("stale_row")));
        assert!(report["run"]["seconds"].is_i64() && report["run"]["customers_per_second"].is_i64(), "{report}");
        let (code, out, _) = reconcile(&world, &["--format", "csv"]).await;
        assert_eq!(code, 2);
        assert!(out.lines().nth(1).unwrap().starts_with("critical,stale_row,open,subscription,") || out.contains("major,stale_row,open,subscription,"), "{out}");
        let (code, out, _) = reconcile(&world, &["--repair"]).await;
        assert_eq!(code, 0, "{out}");
        assert!(out.contains("Put right: 1."), "{out}");
    }

    async fn a_report_that_is_good_does_not_hide_what_is_left(world: World) {
        world.subscriber("Norte", "professional").await;
        world.enter().await;
        let (code, out, _) = reconcile(&world, &["--validate"]).await;
        assert_eq!(code, 0, "{out}");
        assert!(out.contains("revenue") && out.contains("pass"), "{out}");
        // A name is no money and no subscription: no check falls, and the finding is left all the same.
        let customer = world.text("select id from customers").await;
        world.drift(&customer, "/name", json!("Norte Ltd")).await;
        let (code, out, news) = reconcile(&world, &["--validate"]).await;
        assert_eq!(code, 2, "{out}");
        assert!(!out.contains("fail") && news.contains("1 findings are left"), "{out}{news}");
        let (code, out, _) = reconcile(&world, &["--repair", "--validate", "--format", "json"]).await;
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, report["checks"].as_array().unwrap().len()), (0, 8));
        world.portal.run("update webhook_events set state = 'parked' where id in (select min(id) from webhook_events)").await;
        let (code, out, _) = reconcile(&world, &["--validate", "--format", "csv"]).await;
        assert_eq!(code, 2, "a check that fails is enough");
        assert!(out.contains("webhooks,fail"), "{out}");
    }

    async fn what_cannot_be_carried_out_is_said_in_words(world: World) {
        world.subscriber("Norte", "professional").await;
        world.switch("faults", json!({ "path": "/v1/customers", "times": 9, "status": 401 })).await;
        let (code, _, news) = reconcile(&world, &[]).await;
        assert_eq!(code, 1);
        assert!(news.to_lowercase().contains("key"), "{news}");
        world.control.ask(http::Method::DELETE, "faults", &json!(null)).await.unwrap();
        world.stripe.forget();
        world.begin(false).await;
        let (code, _, news) = reconcile(&world, &[]).await;
        assert_eq!(code, 1);
        assert!(news.contains("another run is under way"), "{news}");
    }
}

#[test]
fn a_command_leaves_half_of_the_rate_to_the_portal_unless_it_is_told_otherwise() {
    let rate = |words: &[&str]| Line::parse_from([&["reconcile"], words].concat()).wish.rate(80);
    assert_eq!((rate(&[]), rate(&["--rate", "75"])), (40, 75));
    assert!(Line::try_parse_from(["reconcile", "--rate", "0"]).is_err());
}
