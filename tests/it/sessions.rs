//! The session store: two limits of age, exact ends, no needless writes.

use std::collections::HashMap;

use billing_portal::clock::Clock;
use billing_portal::db::{Db, SessionStore};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tower_sessions::SessionStore as _;
use tower_sessions::session::{Id, Record};

use crate::support::databases::FromDb;

const HOUR: i64 = 3_600;

struct Sessions {
    db: Db,
    clock: Clock,
    store: SessionStore,
}

impl FromDb for Sessions {
    async fn from_db(db: Db) -> Self {
        let clock = Clock::fixed("2026-11-21T05:00:00Z".parse().unwrap());
        Self { store: SessionStore::new(db.clone(), clock.clone()), db, clock }
    }
}

impl Sessions {
    async fn begin(&self, user: &str) -> Id {
        let mut record = record(&[("user_id", json!(user)), ("agent", json!("Test/1"))]);
        self.store.create(&mut record).await.unwrap();
        record.id
    }

    async fn user(&self, id: &Id) -> Option<String> {
        let found = self.store.load(id).await.unwrap()?;
        Some(found.data.get("user_id")?.as_str()?.to_owned())
    }

    async fn row(&self, id: &Id) -> Option<(i64, i64)> {
        let mut tx = self.db.read().await.unwrap();
        tx.query_built("select seen_at, expires_at from sessions where id = $1".to_owned())
            .bind(SessionStore::handle(id))
            .optional()
            .await
            .unwrap()
    }

    fn now(&self) -> i64 {
        self.clock.wall().as_second()
    }
}

fn record(data: &[(&str, Value)]) -> Record {
    let data: HashMap<String, Value> =
        data.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    // The store keeps its own limits: what the cookie's layer asks for is not asked.
    Record { id: Id::default(), data, expiry_date: OffsetDateTime::UNIX_EPOCH }
}

both_databases! {
    async fn a_session_is_found_by_the_id_that_the_browser_holds(at: Sessions) {
        let id = at.begin("ana").await;
        assert_eq!(at.user(&id).await.as_deref(), Some("ana"));
        assert_eq!(at.user(&Id::default()).await, None);
        let mut tx = at.db.read().await.unwrap();
        let held = tx.query_built("select count(*) from sessions where id = $1 or data like $2".to_owned())
            .bind(id.to_string()).bind(format!("%{id}%")).one::<(i64,)>().await.unwrap();
        assert_eq!(held, (0,), "what is stored lets nobody in");
    }

    async fn an_id_that_is_taken_is_not_overwritten(at: Sessions) {
        let id = at.begin("ana").await;
        let mut second = record(&[("user_id", json!("eve"))]);
        second.id = id;
        at.store.create(&mut second).await.unwrap();
        assert_ne!(second.id, id);
        assert_eq!(at.user(&id).await.as_deref(), Some("ana"));
        assert_eq!(at.user(&second.id).await.as_deref(), Some("eve"));
    }

    async fn what_is_saved_is_loaded_at_once(at: Sessions) {
        let id = at.begin("ana").await;
        let mut loaded = at.store.load(&id).await.unwrap().unwrap();
        loaded.data.insert("flash".into(), json!("saved"));
        at.store.save(&loaded).await.unwrap();
        assert_eq!(at.store.load(&id).await.unwrap().unwrap().data["flash"], json!("saved"));
    }

    async fn an_unused_session_ends_after_twelve_hours(at: Sessions) {
        let id = at.begin("ana").await;
        at.clock.pass(12 * HOUR - 1);
        assert!(at.user(&id).await.is_some(), "and is used now");
        at.clock.pass(12 * HOUR - 1);
        assert!(at.user(&id).await.is_some());
        at.clock.pass(12 * HOUR);
        assert!(at.user(&id).await.is_none());
    }

    async fn a_used_session_ends_after_seven_days(at: Sessions) {
        let id = at.begin("ana").await;
        for _ in 0..24 * 7 - 1 {
            at.clock.pass(HOUR);
            assert!(at.user(&id).await.is_some());
        }
        at.clock.pass(HOUR);
        assert!(at.user(&id).await.is_none());
    }

    async fn a_new_id_does_not_renew_the_sign_in(at: Sessions) {
        let signed_in = at.now() - 7 * 24 * HOUR + 60;
        let mut renewed = record(&[("user_id", json!("ana")), ("created", json!(signed_in))]);
        at.store.create(&mut renewed).await.unwrap();
        assert!(at.user(&renewed.id).await.is_some());
        at.clock.pass(60);
        assert!(at.user(&renewed.id).await.is_none());
    }

    async fn its_use_is_noted_every_five_minutes_and_not_at_every_request(at: Sessions) {
        let id = at.begin("ana").await;
        let begun = at.now();
        at.clock.pass(299);
        for _ in 0..10 { at.user(&id).await; }
        assert_eq!(at.row(&id).await, Some((begun, begun + 12 * HOUR)));
        at.clock.pass(1);
        for _ in 0..10 { at.user(&id).await; }
        assert_eq!(at.row(&id).await, Some((begun + 300, begun + 300 + 12 * HOUR)));
    }

    async fn a_session_that_was_ended_is_ended_for_this_process_at_once(at: Sessions) {
        let (id, other, stranger) = (at.begin("ana").await, at.begin("ana").await, at.begin("bob").await);
        for id in [id, other, stranger] { assert!(at.user(&id).await.is_some()); }
        assert_eq!(at.store.end_others("ana", Some(&SessionStore::handle(&id))).await.unwrap(), 1);
        assert!(at.user(&other).await.is_none());
        assert!(at.user(&id).await.is_some());
        assert!(!at.store.end("bob", &SessionStore::handle(&id)).await.unwrap(), "another's session");
        assert!(at.user(&id).await.is_some());
        assert!(at.store.end("ana", &SessionStore::handle(&id)).await.unwrap());
        assert!(at.user(&id).await.is_none());
        at.store.delete(&stranger).await.unwrap();
        assert!(at.user(&stranger).await.is_none());
    }

    async fn saving_does_not_bring_an_ended_session_back(at: Sessions) {
        let id = at.begin("ana").await;
        let loaded = at.store.load(&id).await.unwrap().unwrap();
        at.store.delete(&id).await.unwrap();
        at.store.save(&loaded).await.unwrap();
        assert!(at.user(&id).await.is_none());
        assert_eq!(at.row(&id).await, None);
    }

    async fn a_user_sees_the_live_sessions_with_where_they_come_from(at: Sessions) {
        let old = at.begin("ana").await;
        at.clock.pass(11 * HOUR);
        let mut new = record(&[("user_id", json!("ana")), ("address", json!("192.0.2.1")), ("agent", json!("Test/2"))]);
        at.store.create(&mut new).await.unwrap();
        at.begin("bob").await;
        let seen = at.store.of_user("ana").await.unwrap();
        assert_eq!(seen.iter().map(|info| info.id.clone()).collect::<Vec<_>>(),
            [SessionStore::handle(&new.id), SessionStore::handle(&old)]);
        assert_eq!((seen[0].address.as_str(), seen[0].agent.as_str()), ("192.0.2.1", "Test/2"));
        at.clock.pass(HOUR);
        assert_eq!(at.store.of_user("ana").await.unwrap().len(), 1);
    }

    async fn sessions_that_are_over_are_deleted_and_the_others_kept(at: Sessions) {
        at.begin("ana").await;
        at.clock.pass(12 * HOUR);
        let live = at.begin("bob").await;
        assert_eq!(at.store.delete_expired().await.unwrap(), 1);
        assert_eq!(at.store.delete_expired().await.unwrap(), 0);
        assert!(at.user(&live).await.is_some());
    }

    async fn a_session_ended_while_it_is_being_read_is_not_remembered(at: Sessions) {
        for _ in 0..50 {
            let id = at.begin("ana").await;
            let reading = tokio::spawn({
                let store = at.store.clone();
                async move { store.load(&id).await.unwrap().is_some() }
            });
            at.store.delete(&id).await.unwrap();
            reading.await.unwrap();
            assert!(at.user(&id).await.is_none());
        }
    }
}
