//! What can be seen here: the database, the mail server, the settings.

use std::path::Path;
use std::time::Duration;

use url::Url;

use super::Check;
use crate::alarm;
use crate::catalog;
use crate::db::{Db, Result};
use crate::i18n::Language;
use crate::mail;
use crate::metrics;
use crate::stripe::API_BASE;

/// How long the mail server has to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// The database, opened without changing it, and what it says of itself.
pub async fn database(url: &str) -> (Option<Db>, Vec<Check>) {
    const NAME: &str = "database";
    // Opening would make the file.
    if let Some(file) = sqlite_file(url)
        && !Path::new(file).exists()
    {
        let says = format!("there is no database at {file} yet");
        let fix = "Run `billing-portal setup` or `billing-portal migrate`, or put DATABASE_URL right.";
        return (None, vec![Check::failure(NAME, says, fix)]);
    }
    let db = match Db::open(url).await {
        Ok(db) => db,
        Err(error) => {
            let fix = "Put DATABASE_URL right, and see whether the database runs and lets this user in.";
            return (None, vec![Check::failure(NAME, error.to_string(), fix)]);
        }
    };
    let checks = inside(&db).await;
    if checks.len() > 1 {
        return (Some(db), checks);
    }
    db.close().await;
    (None, checks)
}

/// Whether its tables are up to date, and, where they are, whether it keeps what it was given.
pub async fn inside(db: &Db) -> Vec<Check> {
    const NAME: &str = "database";
    match db.pending_migrations().await {
        Ok(0) => {
            vec![Check::good(NAME, "the database answers and its tables are up to date"), durable(db).await]
        }
        Ok(pending) => {
            let says = format!("{pending} migrations are still to be applied");
            vec![Check::failure(
                NAME,
                says,
                "Run `billing-portal migrate`; `serve` does so too when it starts.",
            )]
        }
        Err(error) => {
            let fix = "See whether the database runs and lets this user read.";
            vec![Check::failure(NAME, format!("the database does not answer: {error}"), fix)]
        }
    }
}

fn sqlite_file(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("sqlite:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    rest.split('?').next()
}

/// Whether what was acknowledged survives a power cut.
async fn durable(db: &Db) -> Check {
    const NAME: &str = "durability";
    match settings(db).await {
        Ok(lacking) if lacking.is_empty() => Check::good(NAME, "what is committed survives a power cut"),
        Ok(lacking) => Check::failure(
            NAME,
            format!("what is committed may be lost in a power cut: {}", lacking.join(", ")),
            "Switch these on in Postgres, or put the SQLite file on a local disk whose file system can do WAL.",
        ),
        Err(error) => {
            Check::warning(NAME, format!("could not be asked: {error}"), "Ask the database's operator.")
        }
    }
}

/// What of the database's settings is not as it has to be.
async fn settings(db: &Db) -> Result<Vec<String>> {
    let wanted: &[(&str, &[&str])] = match db {
        Db::Sqlite { .. } => &[
            ("select journal_mode from pragma_journal_mode", &["wal"]),
            ("select cast(synchronous as text) from pragma_synchronous", &["2", "3"]),
        ],
        Db::Postgres { .. } => &[
            ("select current_setting('fsync')", &["on"]),
            ("select current_setting('full_page_writes')", &["on"]),
            (
                "select current_setting('synchronous_commit')",
                &["on", "local", "remote_write", "remote_apply"],
            ),
        ],
    };
    let mut tx = db.read().await?;
    let mut lacking = Vec::new();
    for (question, right) in wanted {
        let (is,): (String,) = tx.query_built((*question).to_owned()).one().await?;
        if !right.contains(&is.as_str()) {
            let name = question.rsplit(['_', '\'']).find(|word| word.len() > 2).unwrap_or(question);
            lacking.push(format!("{name} is {is}"));
        }
    }
    Ok(lacking)
}

/// What the rows say: the mode they are of, plans to sell, events that wait for somebody, alarms.
pub async fn rows(db: &Db, live: bool) -> Vec<Check> {
    match read_rows(db, live).await {
        Ok(checks) => checks,
        Err(error) => {
            let fix = "See whether the database runs.";
            vec![Check::failure("rows", format!("the database does not answer: {error}"), fix)]
        }
    }
}

async fn read_rows(db: &Db, live: bool) -> Result<Vec<Check>> {
    let mut tx = db.read().await?;
    let foreign = catalog::store::of_other_mode(&mut tx, live).await?;
    let (ours, others) = if live { ("live", "test") } else { ("test", "live") };
    let mut checks = vec![if foreign {
        let says = format!("the key is a {ours} key, and the database holds customers of {others} mode");
        Check::failure("mode", says, "Use a database of its own for each mode: DATABASE_URL.")
    } else {
        Check::good("mode", format!("key and database are both of {ours} mode"))
    }];
    let plans = catalog::store::offer(&mut tx).await?.plans.len();
    checks.push(if plans == 0 {
        let says = "the database knows no plan: the pricing page is empty";
        Check::failure(
            "plans",
            says,
            "Run `billing-portal setup`, or `billing-portal sync` where Stripe has them.",
        )
    } else {
        Check::good("plans", format!("{plans} plans are known"))
    });
    let depths = metrics::store::depths(&mut tx).await?;
    checks.push(if depths.parked > 0 {
        let says = format!("{} events are parked: they failed too often", depths.parked);
        Check::warning(
            "events",
            says,
            "Look at them under /staff/events, or with `billing-portal event list --state parked`.",
        )
    } else {
        Check::good("events", "no event waits for somebody")
    });
    for raised in alarm::store::raised(&mut tx).await? {
        let remedy = raised.kind.parse::<alarm::Kind>().map(|kind| Language::En.word(kind.remedy()));
        checks.push(Check::failure("alarm", raised.detail, remedy.unwrap_or_default()));
    }
    Ok(checks)
}

/// Whether browsers and Stripe reach us as they have to.
pub fn address(public_url: &Url, live: bool) -> Check {
    const NAME: &str = "public_url";
    if public_url.scheme() == "https" {
        return Check::good(NAME, format!("browsers see {public_url}"));
    }
    let says = format!("browsers see {public_url}, which is not encrypted");
    let fix = "Put a proxy that speaks https before the portal, and name its address in PUBLIC_URL.";
    if live { Check::failure(NAME, says, fix) } else { Check::notice(NAME, says, fix) }
}

/// Whether pages may send the browser to those of a server in Stripe's place; nothing to say where it is Stripe itself.
pub fn redirects(api_base: &Url, allowed: &[Url]) -> Option<Check> {
    const NAME: &str = "redirect_origins";
    let origin = api_base.origin();
    if api_base.as_str().trim_end_matches('/') == API_BASE {
        return None;
    }
    let named = origin.ascii_serialization();
    if allowed.iter().any(|url| url.origin() == origin) {
        return Some(Check::good(NAME, format!("pages may send the browser to those of {named}")));
    }
    let says = format!(
        "pages may not send the browser to {named}, where payments would be made: nobody can subscribe"
    );
    Some(Check::failure(NAME, says, format!("Set STRIPE_REDIRECT_ORIGINS={named}.")))
}

/// Who may use the API. Settings that contradict each other have failed before this.
pub fn tokens(are_taken: bool) -> Check {
    let says = if are_taken {
        "tokens of the host application's users open the API, for the configured issuer and audience alone"
    } else {
        "API keys alone open the API: HOST_JWT_SECRET and HOST_JWT_JWKS are not set"
    };
    Check::good("host_tokens", says)
}

/// Whether mails go out, and whether anybody hears of alarms.
pub async fn post(mail: &mail::Settings, support_email: Option<&str>) -> Vec<Check> {
    let server = match &mail.server {
        None => Check::warning(
            "mail",
            "there is no mail server: mails are kept, and read by staff at /staff/mails alone",
            "Set SMTP_URL and MAIL_FROM.",
        ),
        Some((server, _)) => match tokio::time::timeout(PATIENCE, server.greet()).await {
            Ok(Ok(())) => Check::good("mail", format!("the mail server {server:?} answers")),
            Ok(Err(error)) => mail_failed(&error.to_string()),
            Err(_) => mail_failed("it did not answer in time"),
        },
    };
    let support = match support_email {
        Some(email) => Check::good("support_email", format!("alarms and questions go to {email}")),
        None => Check::warning(
            "support_email",
            "alarms go to each of the staff, and pages name no address for help",
            "Set SUPPORT_EMAIL.",
        ),
    };
    vec![server, support]
}

fn mail_failed(why: &str) -> Check {
    let fix =
        "Put SMTP_URL right (host, port, user, password), and see whether this machine may connect to it.";
    Check::failure("mail", format!("the mail server cannot be used: {why}"), fix)
}
