//! Sessions in the database, behind a small cache: a page of a signed-in person costs no query for its session.
//!
//! A row's `id` is a digest of the id that the browser holds. A session ends when it was not used for twelve hours, and
//! seven days after its sign-in whatever happens: the store keeps both limits, whatever a cookie says.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quick_cache::sync::Cache;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use tower_sessions::SessionStore as Store;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store;

use super::{Db, Result, Tx, sql};
use crate::clock::Clock;

/// Seconds without a request after which a session is over.
const IDLE: i64 = 12 * 60 * 60;
/// Seconds after sign-in at which a session is over.
const ABSOLUTE: i64 = 7 * 24 * 60 * 60;
/// Seconds between two notes that a session is in use: no write per request.
const TOUCH: i64 = 5 * 60;
/// How long a cached session is believed. Another process may have ended it meanwhile; this one forgets it at once.
const BELIEVED: Duration = Duration::from_secs(5);
/// Sessions kept in memory.
const CACHED: usize = 10_000;
/// Rows deleted by one step of the work.
const SWEPT: i64 = 1_000;

/// Sessions, for `tower_sessions`. Cloning is cheap and shares the cache.
///
/// Of a session's data it reads `user_id`, `address` and `agent` (texts, copied to columns of their own) and `created` (unix
/// seconds of the sign-in; a session that has none counts from when it was made).
#[derive(Clone, Debug)]
pub struct SessionStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    clock: Clock,
    cache: Cache<String, Arc<Cached>>,
}

#[derive(Debug)]
struct Cached {
    data: Value,
    created_at: i64,
    seen_at: AtomicI64,
    expires_at: AtomicI64,
    read: Instant,
}

/// A session as its owner sees it in a list. Not a way in: `id` is a digest.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SessionInfo {
    /// What names the session in [`SessionStore::end`].
    pub id: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds of the last request, to within five minutes.
    pub seen_at: i64,
    /// Unix seconds.
    pub expires_at: i64,
    /// The address that signed in, or nothing.
    pub address: String,
    /// The browser that signed in, as it names itself, or nothing.
    pub agent: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    data: String,
    created_at: i64,
    seen_at: i64,
    expires_at: i64,
}

impl SessionStore {
    /// A store with an empty cache. `clock.wall()` is its time.
    pub fn new(db: Db, clock: Clock) -> Self {
        Self(Arc::new(Inner { db, clock, cache: Cache::new(CACHED) }))
    }

    /// What names a session outside the browser that holds it.
    pub fn handle(id: &Id) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(id.0.to_le_bytes()))
    }

    /// The live sessions of a user, the last used first.
    ///
    /// # Errors
    /// When the database does not answer; so with the functions below.
    pub async fn of_user(&self, user: &str) -> Result<Vec<SessionInfo>> {
        self.0
            .db
            .read()
            .await?
            .query(sql!(
                "select id, created_at, seen_at, expires_at, address, agent from sessions
                 where user_id = $1 and expires_at > $2 order by seen_at desc, id"
            ))
            .bind(user)
            .bind(self.now())
            .all()
            .await
    }

    /// Ends one session of a user, by its handle; whether there was one.
    ///
    /// # Errors
    /// As [`of_user`](Self::of_user).
    pub async fn end(&self, user: &str, handle: &str) -> Result<bool> {
        let mut tx = self.0.db.write().await?;
        let ended = tx
            .query(sql!("delete from sessions where id = $1 and user_id = $2"))
            .bind(handle)
            .bind(user)
            .run()
            .await?;
        tx.commit().await?;
        if ended > 0 {
            self.0.cache.remove(handle);
        }
        Ok(ended > 0)
    }

    /// Ends all sessions of a user but the one with the handle `keep`; how many.
    ///
    /// # Errors
    /// As [`of_user`](Self::of_user).
    pub async fn end_others(&self, user: &str, keep: Option<&str>) -> Result<usize> {
        let mut tx = self.0.db.write().await?;
        let ended = Self::end_others_within(&mut tx, user, keep).await?;
        tx.commit().await?;
        self.forget(&ended);
        Ok(ended.len())
    }

    /// The same in the transaction of the change that asks for it. Once that is committed, the handles are to be
    /// [forgotten](Self::forget).
    ///
    /// # Errors
    /// As [`of_user`](Self::of_user).
    pub async fn end_others_within(tx: &mut Tx, user: &str, keep: Option<&str>) -> Result<Vec<String>> {
        let ended: Vec<(String,)> = tx
            .query(sql!("delete from sessions where user_id = $1 and id <> $2 returning id"))
            .bind(user)
            .bind(keep.unwrap_or_default())
            .all()
            .await?;
        Ok(ended.into_iter().map(|(handle,)| handle).collect())
    }

    /// Takes sessions that have ended out of memory.
    pub fn forget(&self, handles: &[String]) {
        for handle in handles {
            self.0.cache.remove(handle);
        }
    }

    /// One step of work: deletes sessions that are over, up to a thousand; how many.
    ///
    /// # Errors
    /// As [`of_user`](Self::of_user).
    pub async fn delete_expired(&self) -> Result<u64> {
        let mut tx = self.0.db.write().await?;
        let deleted = tx
            .query(sql!(
                "delete from sessions where id in
                 (select id from sessions where expires_at <= $1 limit $2" pg " for update skip locked" ")"
            ))
            .bind(self.now())
            .bind(SWEPT)
            .run()
            .await?;
        tx.commit().await?;
        Ok(deleted)
    }

    fn now(&self) -> i64 {
        self.0.clock.wall().as_second()
    }

    /// A new row; `false` where the id is taken.
    async fn insert(&self, handle: &str, record: &Record, now: i64) -> Result<bool> {
        let data = Value::from_iter(record.data.clone());
        let created = signed_in(&data).unwrap_or(now);
        let mut tx = self.0.db.write().await?;
        let inserted = tx
            .query(sql!(
                "insert into sessions (id, user_id, data, created_at, seen_at, expires_at, address, agent)
                 values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (id) do nothing"
            ))
            .bind(handle)
            .bind(text(&data, "user_id"))
            .bind(data.to_string())
            .bind(created)
            .bind(now)
            .bind(expiry(now, created))
            .bind(text(&data, "address").unwrap_or_default())
            .bind(text(&data, "agent").unwrap_or_default())
            .run()
            .await?;
        tx.commit().await?;
        Ok(inserted > 0)
    }

    /// Changes a row. A session that was ended meanwhile stays ended.
    async fn update(&self, handle: &str, record: &Record, now: i64) -> Result<()> {
        let data = Value::from_iter(record.data.clone());
        let mut tx = self.0.db.write().await?;
        let kept: Option<(i64,)> = tx
            .query(sql!("select created_at from sessions where id = $1 and expires_at > $2" pg " for update"))
            .bind(handle)
            .bind(now)
            .optional()
            .await?;
        let Some((kept,)) = kept else { return Ok(()) };
        let created = signed_in(&data).unwrap_or(kept);
        tx.query(sql!(
            "update sessions set user_id = $2, data = $3, created_at = $4, seen_at = $5, expires_at = $6,
             address = $7, agent = $8 where id = $1"
        ))
        .bind(handle)
        .bind(text(&data, "user_id"))
        .bind(data.to_string())
        .bind(created)
        .bind(now)
        .bind(expiry(now, created))
        .bind(text(&data, "address").unwrap_or_default())
        .bind(text(&data, "agent").unwrap_or_default())
        .run()
        .await?;
        tx.commit().await
    }

    /// The live session, from the cache or the database.
    async fn find(&self, handle: &str, now: i64) -> Result<Option<Arc<Cached>>> {
        if self.0.cache.peek(handle).is_some_and(|cached| cached.read.elapsed() > BELIEVED) {
            self.0.cache.remove(handle);
        }
        let found = match self.0.cache.get_value_or_guard_async(handle).await {
            Ok(cached) => Some(cached),
            Err(guard) => match self.read(handle).await? {
                None => None,
                Some(cached) => {
                    let cached = Arc::new(cached);
                    // Refused when the session was ended while it was being read: then it is not remembered.
                    let _ = guard.insert(Arc::clone(&cached));
                    Some(cached)
                }
            },
        };
        Ok(found.filter(|cached| cached.expires_at.load(Ordering::Relaxed) > now))
    }

    async fn read(&self, handle: &str) -> Result<Option<Cached>> {
        let read = Instant::now();
        let row: Option<Row> = self
            .0
            .db
            .read()
            .await?
            .query(sql!("select data, created_at, seen_at, expires_at from sessions where id = $1"))
            .bind(handle)
            .optional()
            .await?;
        Ok(row.map(|row| Cached {
            data: serde_json::from_str(&row.data).unwrap_or_default(),
            created_at: row.created_at,
            seen_at: AtomicI64::new(row.seen_at),
            expires_at: AtomicI64::new(row.expires_at),
            read,
        }))
    }

    /// Notes that the session is in use, every few minutes, by one of the requests that see it due.
    async fn touch(&self, handle: &str, cached: &Cached, now: i64) -> Result<()> {
        let seen = cached.seen_at.load(Ordering::Relaxed);
        let due = now - seen >= TOUCH;
        if !due || cached.seen_at.compare_exchange(seen, now, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return Ok(());
        }
        let expires = expiry(now, cached.created_at);
        cached.expires_at.store(expires, Ordering::Relaxed);
        let mut tx = self.0.db.write().await?;
        tx.query(sql!("update sessions set seen_at = $2, expires_at = $3 where id = $1 and seen_at < $2"))
            .bind(handle)
            .bind(now)
            .bind(expires)
            .run()
            .await?;
        tx.commit().await
    }
}

#[async_trait]
impl Store for SessionStore {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        while !self.insert(&Self::handle(&record.id), record, self.now()).await.map_err(backend)? {
            record.id = Id::default();
        }
        Ok(())
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        let handle = Self::handle(&record.id);
        let saved = self.update(&handle, record, self.now()).await;
        self.0.cache.remove(&handle);
        saved.map_err(backend)
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let (handle, now) = (Self::handle(id), self.now());
        let Some(cached) = self.find(&handle, now).await.map_err(backend)? else { return Ok(None) };
        if let Err(error) = self.touch(&handle, &cached, now).await {
            tracing::warn!(%error, "the use of a session could not be noted");
        }
        let data = cached.data.as_object().cloned().unwrap_or_default().into_iter().collect();
        let expires = OffsetDateTime::from_unix_timestamp(cached.expires_at.load(Ordering::Relaxed));
        Ok(Some(Record {
            id: *id,
            data,
            expiry_date: expires.map_err(|error| session_store::Error::Decode(error.to_string()))?,
        }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        let handle = Self::handle(id);
        let deleted = async {
            let mut tx = self.0.db.write().await?;
            tx.query(sql!("delete from sessions where id = $1")).bind(&handle).run().await?;
            tx.commit().await
        };
        let deleted = deleted.await;
        self.0.cache.remove(&handle);
        deleted.map_err(backend)
    }
}

fn backend(error: super::Error) -> session_store::Error {
    session_store::Error::Backend(error.to_string())
}

/// When a session ends that is used at `now` and was signed in at `created`.
fn expiry(now: i64, created: i64) -> i64 {
    now.saturating_add(IDLE).min(created.saturating_add(ABSOLUTE))
}

fn signed_in(data: &Value) -> Option<i64> {
    data.get("created")?.as_i64()
}

fn text<'a>(data: &'a Value, key: &str) -> Option<&'a str> {
    data.get(key)?.as_str()
}
