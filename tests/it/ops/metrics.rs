//! The figures that Prometheus reads.

use axum::body::Body;
use billing_portal::metrics::{names, store, web};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::support::databases::{FromDb as _, fresh_sqlite};
use crate::support::portal::Portal;

/// The value of a line of the exposition: the name, and each of these labels.
fn value(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let mut lines = text.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
    let line = lines.find(|line| labels.iter().all(|label| line.contains(label)))?;
    line.rsplit(' ').next()?.parse().ok()
}

both_databases! {
    async fn what_waits_is_counted(portal: Portal) {
        portal.run("insert into webhook_events (id, type, livemode, created_at, payload, payload_hash, state, due_at, received_at)
            values ('evt_1', 'a', false, 5, '{}', '', 'pending', 0, 7), ('evt_2', 'a', false, 5, '{}', '', 'parked', 0, 9),
            ('evt_3', 'a', false, 5, '{}', '', 'done', 0, 11)").await;
        portal.run("insert into mails (id, cause, kind, data, state, due_at, created_at)
            values ('m1', 'c1', 'receipt', '{}', 'waiting', 0, 0), ('m2', 'c2', 'receipt', '{}', 'failed', 0, 0)").await;
        portal.run("insert into alarms (cause, kind, detail, since, seen_at) values ('webhooks_silent', 'webhooks_silent', 'x', 0, 0)").await;
        let depths = store::depths(&mut portal.db.read().await.unwrap()).await.unwrap();
        assert_eq!((depths.pending, depths.waiting, depths.parked), (1, 0, 1));
        assert_eq!((depths.oldest_pending, depths.last_received), (Some(7), Some(11)));
        assert_eq!((depths.mails, depths.mails_failed, depths.alarms), (1, 1, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_are_read_on_an_address_of_their_own() {
    let handle = web::install().unwrap();
    let (db, _folder) = fresh_sqlite().await;
    let portal = Portal::from_db(db).await;
    let mut browser = portal.browser();
    browser.get("/plans").await.expect(StatusCode::OK);
    browser.get("/no-such-page/of-a-stranger").await.expect(StatusCode::NOT_FOUND);
    browser.get("/metrics").await.expect(StatusCode::NOT_FOUND);
    portal
        .run("insert into webhook_events (id, type, livemode, created_at, payload, payload_hash, state, due_at, received_at)
              values ('evt_1', 'a', false, 5, '{}', '', 'pending', 0, 1795237100)")
        .await;

    let router = web::router(portal.app.clone(), handle);
    let answer = router.oneshot(Request::get("/metrics").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&text).unwrap();
    let plans = value(text, names::REQUESTS, &["route=\"/plans\"", "method=\"GET\"", "status=\"200\""]);
    assert!(plans.is_some_and(|count| count >= 1.0), "{text}");
    assert!(!text.contains("of-a-stranger"), "an address that a stranger made up is no label");
    let within = value(text, &format!("{}_bucket", names::DURATION), &["route=\"/plans\"", "le=\"10\""]);
    assert!(within.is_some_and(|count| count >= 1.0), "{text}");
    assert_eq!(value(text, names::EVENTS, &["state=\"pending\""]), Some(1.0), "{text}");
    assert_eq!(value(text, names::OLDEST, &[]), Some(100.0), "{text}");
    assert_eq!(value(text, names::QUEUE, &["queue=\"mails\""]), Some(0.0), "{text}");
    assert!(value(text, names::STRIPE, &["outcome=\"answered\""]).is_some(), "{text}");
    assert!(text.contains(&format!("# TYPE {} counter", names::REQUESTS)), "{text}");
}
