//! The outbox: rows of `mails`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::render::Reader;
use super::{Filter, Kind, Letter, New, State};
use crate::audit::{self, Actor, Entry};
use crate::clock::from_seconds;
use crate::db::{Result, Tx, sql};
use crate::i18n::Language;
use crate::id;

/// Stages a mail in the transaction of the change that it tells of; whether it is new. A second one of the same kind and
/// cause is left out.
///
/// # Errors
/// The database did not take it; so with all functions here.
pub async fn stage(tx: &mut Tx, mail: &New, now: Timestamp) -> Result<bool> {
    let staged = tx
        .query(sql!(
            "insert into mails (id, cause, kind, tenant_id, user_id, data, state, due_at, created_at)"
            " values ($1, $2, $3, $4, $5, $6, 'waiting', $7, $7) on conflict (cause) do nothing"
        ))
        .bind(id::random("mail"))
        .bind(format!("{}:{}", mail.kind.as_str(), mail.cause))
        .bind(mail.kind)
        .bind(mail.tenant.as_deref())
        .bind(mail.user.as_deref())
        .bind(mail.data.to_string())
        .bind(now.as_second())
        .run()
        .await?;
    Ok(staged > 0)
}

/// Whether a mail of that kind and cause was ever staged.
///
/// # Errors
/// See [`stage`].
pub async fn is_staged(tx: &mut Tx, kind: Kind, cause: &str) -> Result<bool> {
    let found: Option<(i64,)> = tx
        .query(sql!("select cast(1 as bigint) from mails where cause = $1"))
        .bind(format!("{}:{cause}", kind.as_str()))
        .optional()
        .await?;
    Ok(found.is_some())
}

/// A mail that this worker sends, until its claim is over.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Ours.
    pub id: String,
    /// What it tells.
    pub kind: Kind,
    /// The tenant it concerns.
    pub tenant: Option<String>,
    /// The user it goes to.
    pub user: Option<String>,
    /// The facts.
    pub data: Value,
    /// Claims so far, this one included: who claims later has a higher number, and only the highest may write.
    pub attempts: i64,
    /// How often somebody asked to send it again.
    pub resends: i64,
}

/// How many claims each sending by hand starts from, so that the waits begin anew.
const CLAIMS_A_SENDING: i64 = 1_000;

impl Claimed {
    /// What names the mail in the world: always the same, but for a mail that a person sends again.
    pub fn message_id(&self) -> String {
        match self.resends {
            0 => self.id.clone(),
            again => format!("{}.{again}", self.id),
        }
    }

    /// Tries of this sending, this one included.
    pub fn tries(&self) -> i64 {
        self.attempts - self.resends * CLAIMS_A_SENDING
    }
}

#[derive(sqlx::FromRow)]
struct ClaimedRow {
    id: String,
    kind: Kind,
    tenant_id: Option<String>,
    user_id: Option<String>,
    data: String,
    attempts: i64,
    resends: i64,
}

impl From<ClaimedRow> for Claimed {
    fn from(row: ClaimedRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            tenant: row.tenant_id,
            user: row.user_id,
            data: serde_json::from_str(&row.data).unwrap_or_default(),
            attempts: row.attempts,
            resends: row.resends,
        }
    }
}

/// Whether there is anything to do.
///
/// # Errors
/// See [`stage`].
pub async fn is_due(tx: &mut Tx, now: Timestamp) -> Result<bool> {
    let due: Option<(String,)> = tx
        .query(sql!("select id from mails where state in ('waiting', 'sending') and due_at <= $1 limit 1"))
        .bind(now.as_second())
        .optional()
        .await?;
    Ok(due.is_some())
}

/// Claims the mail that is due longest, one whose claim ran out included, unless it had been handed over.
///
/// # Errors
/// See [`stage`].
pub async fn claim(tx: &mut Tx, now: Timestamp, until: Timestamp) -> Result<Option<Claimed>> {
    let row: Option<ClaimedRow> = tx
        .query(sql!(
            "update mails set state = 'sending', attempts = attempts + 1, due_at = $2 where id in"
            " (select id from mails where state in ('waiting', 'sending') and due_at <= $1 and handed_at is null"
            " order by due_at, id limit 1" pg " for update skip locked" ")"
            " returning id, kind, tenant_id, user_id, data, attempts, resends"
        ))
        .bind(now.as_second())
        .bind(until.as_second())
        .optional()
        .await?;
    Ok(row.map(Claimed::from))
}

/// Notes that the mail is about to leave; whether the claim still holds. Without it nothing may be handed over.
///
/// # Errors
/// See [`stage`].
pub async fn mark_handed(tx: &mut Tx, mail: &Claimed, now: Timestamp) -> Result<bool> {
    let marked = tx
        .query(sql!(
            "update mails set handed_at = $3 where id = $1 and attempts = $2 and state = 'sending' and handed_at is null"
        ))
        .bind(&mail.id)
        .bind(mail.attempts)
        .bind(now.as_second())
        .run()
        .await?;
    Ok(marked == 1)
}

/// The mails that were handed over by a worker that then never came back: they may have been sent, so that only a person sends
/// them again. Up to `limit`, each for one worker.
///
/// # Errors
/// See [`stage`].
pub async fn uncertain(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<Claimed>> {
    let rows: Vec<ClaimedRow> = tx
        .query(sql!(
            "select id, kind, tenant_id, user_id, data, attempts, resends from mails"
            " where state = 'sending' and handed_at is not null and due_at <= $1 order by due_at, id limit $2"
            pg " for update skip locked"
        ))
        .bind(now.as_second())
        .bind(limit)
        .all()
        .await?;
    Ok(rows.into_iter().map(Claimed::from).collect())
}

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server has it.
    Sent {
        /// Where it went.
        address: String,
    },
    /// There is no server.
    Kept {
        /// Where it would have gone.
        address: String,
    },
    /// Not sent; to be tried again.
    Again {
        /// When; unix seconds.
        due_at: i64,
        /// In words.
        error: String,
    },
    /// Not tried again.
    Failed {
        /// In words.
        error: String,
    },
    /// The claim was over, and another worker has the mail.
    Lost,
}

impl Outcome {
    /// Its word in metrics; none where another worker has the mail.
    pub const fn as_str(&self) -> Option<&'static str> {
        match self {
            Self::Sent { .. } => Some("sent"),
            Self::Kept { .. } => Some("kept"),
            Self::Again { .. } => Some("again"),
            Self::Failed { .. } => Some("failed"),
            Self::Lost => None,
        }
    }
}

/// Notes what became of a try, with an entry in the audit where it is over. A link that lets its bearer in is erased then,
/// unless `reveals`.
///
/// # Errors
/// See [`stage`].
pub async fn finish(
    tx: &mut Tx,
    mail: &Claimed,
    outcome: &Outcome,
    reveals: bool,
    now: Timestamp,
) -> Result<()> {
    let (state, address, error, due_at) = match outcome {
        Outcome::Lost => return Ok(()),
        Outcome::Sent { address } => (State::Sent, Some(address), None, None),
        Outcome::Kept { address } => (State::Kept, Some(address), None, None),
        Outcome::Again { due_at, error } => (State::Waiting, None, Some(error), Some(*due_at)),
        Outcome::Failed { error } => (State::Failed, None, Some(error), None),
    };
    let mut data = mail.data.clone();
    if mail.kind.is_secret()
        && state.is_over()
        && !reveals
        && let Some(path) = data.get_mut("path")
    {
        *path = Value::String(String::new());
    }
    // Waiting again means that it was not sent for certain: the mark goes.
    let noted = tx
        .query(sql!(
            "update mails set state = $3, address = coalesce($4, address), error = $5, due_at = coalesce($6, due_at), data = $7,"
            " handed_at = case when $3 = 'waiting' then null else handed_at end,"
            " sent_at = case when $3 = 'sent' then $8 else sent_at end"
            " where id = $1 and attempts = $2 and state = 'sending'"
        ))
        .bind(&mail.id)
        .bind(mail.attempts)
        .bind(state)
        .bind(address)
        .bind(error.map(|error| error.chars().take(500).collect::<String>()))
        .bind(due_at)
        .bind(data.to_string())
        .bind(now.as_second())
        .run()
        .await?;
    if noted == 1 && state.is_over() {
        let action = match state {
            State::Sent => "mail.sent",
            State::Kept => "mail.kept",
            _ => "mail.failed",
        };
        let mut entry = Entry::new(Actor::Job("mail"), action, now)
            .object(&mail.id)
            .change(None, Some(json!({ "kind": mail.kind.as_str() })))
            .cause(format!("mail:{}:{}", mail.message_id(), state.as_str()));
        entry.tenant.clone_from(&mail.tenant);
        audit::record(tx, &entry).await?;
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct ReaderRow {
    tenant: Option<String>,
    tenant_email: Option<String>,
    tenant_language: Option<String>,
    tenant_zone: Option<String>,
    name: Option<String>,
    email: Option<String>,
    language: Option<String>,
    zone: Option<String>,
}

/// Who reads a mail and at which address: the user's, the invited person's, or the tenant's for bills.
///
/// # Errors
/// See [`stage`].
pub async fn reader(tx: &mut Tx, mail: &Claimed, letter: &Letter) -> Result<(Reader, Option<String>)> {
    let row: ReaderRow = tx
        .query(sql!(
            "select t.name as tenant, t.email as tenant_email, t.language as tenant_language, t.time_zone as tenant_zone,"
            " u.name, u.email, u.language, u.time_zone as zone from mails m left join tenants t on t.id = m.tenant_id"
            " left join users u on u.id = m.user_id where m.id = $1"
        ))
        .bind(&mail.id)
        .one()
        .await?;
    let language = row.language.or(row.tenant_language).and_then(|tag| Language::from_tag(&tag));
    let zone = row.zone.or(row.tenant_zone).and_then(|name| TimeZone::get(&name).ok());
    let reader = Reader {
        name: row.name,
        tenant: row.tenant,
        language: language.unwrap_or_default(),
        time_zone: zone.unwrap_or(TimeZone::UTC),
    };
    let invited = match letter {
        Letter::Invitation(invitation) => Some(invitation.email.clone()),
        Letter::Alarm(alarm) => alarm.to.clone(),
        _ => None,
    };
    Ok((reader, invited.or(row.email).or(row.tenant_email)))
}

/// A mail as staff see it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct MailRow {
    /// Ours.
    pub id: String,
    /// Kind and cause.
    pub cause: String,
    /// What it tells.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// The tenant it concerns.
    pub tenant_id: Option<String>,
    /// The tenant's name.
    pub tenant: Option<String>,
    /// The user it goes to.
    pub user_id: Option<String>,
    /// Where it went, or would go.
    pub address: Option<String>,
    /// JSON.
    pub data: String,
    /// Claims so far.
    pub attempts: i64,
    /// How often somebody asked to send it again.
    pub resends: i64,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub sent_at: Option<i64>,
    /// Why it did not go out.
    pub error: Option<String>,
}

impl MailRow {
    /// As a worker has it: for writing it.
    pub fn claimed(&self) -> Claimed {
        Claimed {
            id: self.id.clone(),
            kind: self.kind,
            tenant: self.tenant_id.clone(),
            user: self.user_id.clone(),
            data: serde_json::from_str(&self.data).unwrap_or_default(),
            attempts: self.attempts,
            resends: self.resends,
        }
    }

    /// When it was staged.
    pub fn created(&self) -> Timestamp {
        from_seconds(self.created_at)
    }

    /// When the server took it.
    pub fn sent(&self) -> Option<Timestamp> {
        self.sent_at.map(from_seconds)
    }

    /// Tries of the latest sending.
    pub fn tries(&self) -> i64 {
        self.claimed().tries()
    }
}

/// The columns of [`MailRow`].
macro_rules! columns {
    () => {
        concat!("select m.id, m.cause, m.kind, m.state, m.tenant_id, t.name as tenant, m.user_id, coalesce(m.address, u.email, t.email) as address,",
        " m.data, m.attempts, m.resends, m.created_at, m.sent_at, m.error from mails m left join tenants t on t.id = m.tenant_id",
        " left join users u on u.id = m.user_id ")
    };
}

macro_rules! filtered {
    () => {
        "($1 = '' or m.kind = $1) and ($2 = '' or m.state = $2)\
         and (m.created_at < $4 or (m.created_at = $4 and m.id < $5)) order by m.created_at desc, m.id desc limit $6"
    };
}

/// Mails, the newest first, those after `filter.after`.
///
/// # Errors
/// See [`stage`].
pub async fn list(tx: &mut Tx, filter: &Filter, limit: i64) -> Result<Vec<MailRow>> {
    let (at, id) = filter.after.clone().unwrap_or((i64::MAX, String::new()));
    // Of one tenant by its own index; of all by the time.
    let query = if filter.tenant.is_some() {
        tx.query(sql!(columns!() "where m.tenant_id = $3 and " filtered!()))
    } else {
        tx.query(sql!(columns!() "where $3 = '' and " filtered!()))
    };
    query
        .bind(filter.kind.map_or("", Kind::as_str))
        .bind(filter.state.map_or("", State::as_str))
        .bind(filter.tenant.as_deref().unwrap_or_default())
        .bind(at)
        .bind(id)
        .bind(limit)
        .all()
        .await
}

/// One mail.
///
/// # Errors
/// See [`stage`].
pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<MailRow>> {
    tx.query(sql!(columns!() "where m.id = $1")).bind(id).optional().await
}

/// Has a mail that is over sent once more, at a person's word; whether it is over.
///
/// # Errors
/// See [`stage`].
pub async fn resend(tx: &mut Tx, id: &str, now: Timestamp) -> Result<bool> {
    let set = tx
        .query(sql!(
            "update mails set state = 'waiting', resends = resends + 1, attempts = (resends + 1) * $3, due_at = $2,"
            " handed_at = null, error = null where id = $1 and state in ('sent', 'kept', 'failed')"
        ))
        .bind(id)
        .bind(now.as_second())
        .bind(CLAIMS_A_SENDING)
        .run()
        .await?;
    Ok(set == 1)
}
