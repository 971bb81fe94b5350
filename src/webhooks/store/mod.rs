//! The rows of the inbox.

mod days;
mod secrets;
mod view;

pub use days::days;
pub use secrets::{
    Kind, NoKind, Sealed, forget_secrets, keep_secret, last_delivered, retire_secrets, secrets, was_delivered,
};
pub use view::{
    Consequence, Full, Stats, Summary, consequences, one, page, parked, replay, replay_parked, stats,
};

use std::collections::{HashMap, HashSet};

use sha2::{Digest as _, Sha256};

use crate::db::{Batch, Db, GroupCommit, Result, Tx, bulk, sql};
use crate::stripe::snapshot::Envelope;
use crate::webhooks::{State, first_state};
use days::Coming;

/// An event on its way into the inbox.
#[derive(Clone, Debug)]
pub struct Delivery {
    envelope: Envelope,
    payload: String,
    hash: String,
    /// Whether these are the bytes that were signed, and not Stripe's list.
    signed: bool,
    state: State,
    error: Option<&'static str>,
    received_at: i64,
}

impl Delivery {
    /// A delivery whose signature was checked. What cannot be read is kept under a name made of its bytes, for staff.
    pub fn signed(payload: &[u8], livemode: bool, received_at: i64) -> Self {
        Self::new(payload, true, livemode, received_at)
    }

    /// An event that Stripe lists. Its text differs from that of its delivery: it never conflicts with one.
    pub fn listed(payload: &[u8], livemode: bool, received_at: i64) -> Self {
        Self::new(payload, false, livemode, received_at)
    }

    fn new(payload: &[u8], signed: bool, livemode: bool, received_at: i64) -> Self {
        let hash: String = Sha256::digest(payload).iter().map(|byte| format!("{byte:02x}")).collect();
        let (envelope, (state, error)) = match Envelope::read(payload) {
            Some(envelope) => {
                let first = first_state(&envelope, livemode);
                (envelope, first)
            }
            None => (
                unreadable(&hash, livemode, received_at),
                (State::Parked, Some("is no event that can be read")),
            ),
        };
        // Postgres has no text with a zero byte in it, and JSON has no use for one.
        let payload = String::from_utf8_lossy(payload).replace('\0', "\u{fffd}");
        Self { envelope, payload, hash, signed, state, error, received_at }
    }

    /// Stripe's id, or the name of what cannot be read.
    pub fn id(&self) -> &str {
        self.envelope.id.as_str()
    }

    /// Its type.
    pub fn kind(&self) -> &str {
        &self.envelope.kind
    }

    fn is_needed(&self) -> bool {
        self.state != State::NotNeeded
    }

    fn origin(&self) -> &'static str {
        if self.signed { "delivery" } else { "list" }
    }
}

fn unreadable(hash: &str, livemode: bool, received_at: i64) -> Envelope {
    #[expect(clippy::expect_used, reason = "hexadecimal digits are an id")]
    let id = format!("unreadable_{hash}").parse().expect("an id");
    Envelope {
        id,
        kind: "unreadable".to_owned(),
        api_version: None,
        livemode,
        created: received_at,
        object_id: None,
        customer_id: None,
    }
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is new, and there is something to do.
    New,
    /// It was there already.
    Duplicate,
    /// Another payload was there under its id: that one stands, this one is kept beside it.
    Conflict,
}

impl Kept {
    /// Its word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
        }
    }
}

/// The way into the inbox: many deliveries at once share one durable commit.
pub type Inbox = GroupCommit<Delivery, Kept>;

impl Inbox {
    /// Opens the inbox of a database.
    pub fn open(db: Db) -> Self {
        Self::start(db, Insert)
    }
}

struct Insert;

#[derive(sqlx::FromRow)]
struct Stored {
    id: String,
    payload_hash: String,
    origin: String,
    state: State,
    received_at: i64,
}

/// What is known of a row that was there already.
struct Known {
    hash: String,
    is_listed: bool,
    is_needed: bool,
    received_at: i64,
}

impl From<&Delivery> for Known {
    fn from(row: &Delivery) -> Self {
        Self {
            hash: row.hash.clone(),
            is_listed: !row.signed,
            is_needed: row.is_needed(),
            received_at: row.received_at,
        }
    }
}

impl Batch for Insert {
    type Row = Delivery;
    type Outcome = Kept;

    async fn write(&self, tx: &mut Tx, rows: &[Delivery]) -> Result<Vec<Kept>> {
        let returned: Vec<(String,)> = tx
            .insert_many(
                bulk!(
                    "insert into webhook_events (id, type, api_version, livemode, created_at, object_id, customer_id, payload, payload_hash, state, error, due_at, received_at, origin) values "
                    rows "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
                    " on conflict (id) do nothing returning id"
                ),
                rows,
                |query, row| {
                    query
                        .bind(row.envelope.id.to_string())
                        .bind(row.envelope.kind.clone())
                        .bind(row.envelope.api_version.clone())
                        .bind(row.envelope.livemode)
                        .bind(row.envelope.created)
                        .bind(row.envelope.object_id.clone())
                        .bind(row.envelope.customer_id.clone())
                        .bind(row.payload.clone())
                        .bind(row.hash.clone())
                        .bind(row.state.as_str())
                        .bind(row.error)
                        .bind(row.received_at)
                        .bind(row.received_at)
                        .bind(row.origin())
                },
            )
            .await?;
        let mut new: HashSet<String> = returned.into_iter().map(|(id,)| id).collect();
        let mut known: HashMap<String, Known> = HashMap::new();
        let mut coming = Coming::default();
        let mut outcomes = Vec::with_capacity(rows.len());
        for row in rows {
            outcomes.push(if new.remove(row.id()) {
                known.insert(row.id().to_owned(), row.into());
                if row.is_needed() {
                    coming.came(row.received_at, row.signed);
                }
                Kept::New
            } else {
                again(tx, row, &mut known, &mut coming).await?
            });
        }
        coming.add(tx).await?;
        Ok(outcomes)
    }
}

/// One that was there already: the same, or another payload under the same id. What was fetched from Stripe's list gives way to
/// the bytes that were signed.
async fn again(
    tx: &mut Tx,
    row: &Delivery,
    known: &mut HashMap<String, Known>,
    coming: &mut Coming,
) -> Result<Kept> {
    if !row.signed {
        return Ok(Kept::Duplicate);
    }
    if !known.contains_key(row.id()) {
        let stored: Option<Stored> = tx
            .query(sql!(
                "select id, payload_hash, origin, state, received_at from webhook_events where id = $1"
            ))
            .bind(row.id())
            .optional()
            .await?;
        known.extend(stored.map(|stored| {
            let known = Known {
                hash: stored.payload_hash,
                is_listed: stored.origin == "list",
                is_needed: stored.state != State::NotNeeded,
                received_at: stored.received_at,
            };
            (stored.id, known)
        }));
    }
    let Some(stored) = known.get_mut(row.id()) else { return Ok(Kept::Duplicate) };
    if stored.is_listed {
        tx.query(sql!(
            "update webhook_events set payload = $2, payload_hash = $3, origin = 'delivery' where id = $1"
        ))
        .bind(row.id())
        .bind(row.payload.as_str())
        .bind(row.hash.as_str())
        .run()
        .await?;
        if stored.is_needed {
            coming.was_brought(stored.received_at);
        }
        *stored = Known { hash: row.hash.clone(), is_listed: false, ..*stored };
        return Ok(Kept::Duplicate);
    }
    if stored.hash == row.hash {
        return Ok(Kept::Duplicate);
    }
    tx.query(sql!("update webhook_events set conflict = $2 where id = $1 and conflict is null"))
        .bind(row.id())
        .bind(row.payload.as_str())
        .run()
        .await?;
    Ok(Kept::Conflict)
}

/// An event that waits for work.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Waiting {
    /// Stripe's id.
    pub id: String,
    /// Its type.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// The version its object is written in.
    pub api_version: Option<String>,
    /// Stripe's time, unix seconds.
    pub created_at: i64,
    /// Its bytes.
    pub payload: String,
    /// Tries that failed.
    pub attempts: i64,
}

/// Customers with events that are due, in the order in which they came; none for events without a customer.
///
/// # Errors
/// The database did not answer; so with all functions here.
pub async fn due(tx: &mut Tx, wall: i64) -> Result<Vec<Option<String>>> {
    let rows: Vec<(Option<String>,)> = tx
        .query(sql!(
            "select customer_id from webhook_events where state = 'pending' and due_at <= $1 order by due_at limit 1000"
        ))
        .bind(wall)
        .all()
        .await?;
    let mut seen = HashSet::new();
    Ok(rows
        .into_iter()
        .map(|(customer,)| customer)
        .filter(|customer| seen.insert(customer.clone()))
        .collect())
}

/// The events of a customer that are due, in Stripe's order.
///
/// # Errors
/// See [`due`].
pub async fn of_customer(tx: &mut Tx, customer: &str, wall: i64) -> Result<Vec<Waiting>> {
    tx.query(sql!(
        "select id, type, api_version, created_at, payload, attempts from webhook_events"
        " where customer_id = $1 and state = 'pending' and due_at <= $2 order by created_at, received_at, id limit 200"
    ))
    .bind(customer)
    .bind(wall)
    .all()
    .await
}

/// The events without a customer that are due, in Stripe's order.
///
/// # Errors
/// See [`due`].
pub async fn of_nobody(tx: &mut Tx, wall: i64) -> Result<Vec<Waiting>> {
    tx.query(sql!(
        "select id, type, api_version, created_at, payload, attempts from webhook_events"
        " where customer_id is null and state = 'pending' and due_at <= $1 order by created_at, received_at, id limit 200"
    ))
    .bind(wall)
    .all()
    .await
}

/// Says where an event stands now.
///
/// # Errors
/// See [`due`].
pub async fn settle(tx: &mut Tx, id: &str, state: State, error: Option<&str>, wall: i64) -> Result<()> {
    tx.query(sql!("update webhook_events set state = $2, error = $3, processed_at = $4 where id = $1"))
        .bind(id)
        .bind(state.as_str())
        .bind(error)
        .bind(wall)
        .run()
        .await?;
    Ok(())
}

/// Has an event tried again later.
///
/// # Errors
/// See [`due`].
pub async fn postpone(tx: &mut Tx, id: &str, due_at: i64, error: &str) -> Result<()> {
    tx.query(sql!(
        "update webhook_events set attempts = attempts + 1, due_at = $2, error = $3 where id = $1"
    ))
    .bind(id)
    .bind(due_at)
    .bind(error)
    .run()
    .await?;
    Ok(())
}

/// Says whose event it is, once that is known.
///
/// # Errors
/// See [`due`].
pub async fn belongs_to(tx: &mut Tx, id: &str, customer: &str) -> Result<()> {
    tx.query(sql!("update webhook_events set customer_id = $2 where id = $1"))
        .bind(id)
        .bind(customer)
        .run()
        .await?;
    Ok(())
}

/// Closes the row of a session of Stripe Checkout that has ended. A row that has ended already stays as it is.
///
/// # Errors
/// See [`due`].
pub async fn close_checkout(
    tx: &mut Tx,
    stripe_id: &str,
    reference: Option<&str>,
    complete: bool,
    subscription: Option<&str>,
    at: i64,
) -> Result<()> {
    tx.query(sql!(
        "update checkout_sessions set state = $3, stripe_id = $1, subscription_id = coalesce($4, subscription_id),"
        " completed_at = $5 where (stripe_id = $1 or (stripe_id is null and id = $2)) and state in ('starting', 'open')"
    ))
    .bind(stripe_id)
    .bind(reference)
    .bind(if complete { "complete" } else { "expired" })
    .bind(subscription)
    .bind(complete.then_some(at))
    .run()
    .await?;
    Ok(())
}

/// Takes the right to do a single job of the cluster until `until`; false where another has it.
///
/// # Errors
/// See [`due`].
pub async fn take_job(tx: &mut Tx, name: &str, holder: &str, wall: i64, until: i64) -> Result<bool> {
    let taken = tx
        .query(sql!(
            "insert into leases (name, holder, until) values ($1, $2, $3) on conflict (name) do update"
            " set holder = excluded.holder, until = excluded.until where leases.until <= $4"
        ))
        .bind(name)
        .bind(holder)
        .bind(until)
        .bind(wall)
        .run()
        .await?;
    Ok(taken == 1)
}

/// Wakes events that wait for a customer which has been attached meanwhile.
///
/// # Errors
/// See [`due`].
pub async fn wake_strays(tx: &mut Tx, wall: i64) -> Result<u64> {
    tx.query(sql!(
        "update webhook_events set state = 'pending', due_at = $1 where state = 'waiting'"
        " and customer_id in (select id from customers)"
    ))
    .bind(wall)
    .run()
    .await
}
