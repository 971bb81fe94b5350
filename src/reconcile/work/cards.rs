//! Searching the texts of the database for card numbers, some of them with each report.

use super::{Error, Means};
use crate::audit::redact;
use crate::reconcile::checks::Searched;
use crate::reconcile::store::cards::{self as rows, PLACES, Search};

/// Texts that are read at once, and of one place for one report.
const STEP: i64 = 200;
const MOST: i64 = 100_000;
/// Card numbers in one place after which nobody needs to look for more.
const ENOUGH: usize = 20;

/// Goes on searching every place from where the report before has stopped, and looks again at what was found before.
///
/// # Errors
/// The database did not answer.
pub(super) async fn search(means: &Means) -> Result<Vec<Searched>, Error> {
    search_up_to(means, MOST).await
}

/// The same with up to `most` texts of each place.
///
/// # Errors
/// The database did not answer.
pub async fn search_up_to(means: &Means, most: i64) -> Result<Vec<Searched>, Error> {
    let mut all = Vec::new();
    for place in PLACES {
        let size = rows::size(&mut means.db.read().await?, place).await?;
        let before = rows::search(&mut means.db.read().await?, place).await?;
        let found = again(means, place, &before).await?;
        let mut now = Search { found, ..before.clone() };
        let read = go_on(means, place, &mut now, most).await?;
        all.push(Searched { place, read, size, is_known: now.is_known, found: now.found.clone() });
        if now != before {
            let mut tx = means.db.write().await?;
            rows::keep_search(&mut tx, place, &now).await?;
            tx.commit().await?;
        }
    }
    Ok(all)
}

/// Those of the texts in which a number was found that still hold it. One whose very name holds it is not kept by its name: it
/// stays until the next round begins, which finds it again.
async fn again(means: &Means, place: &str, before: &Search) -> Result<Vec<String>, Error> {
    let is_new_round = before.after.is_empty();
    let mut still = Vec::new();
    for id in &before.found {
        if id.contains(redact::REDACTED) {
            still.extend((!is_new_round).then(|| id.clone()));
            continue;
        }
        let page = rows::texts(&mut means.db.read().await?, place, id, 1).await?;
        if page.first().is_some_and(|(same, text)| same == id && redact::holds_card_number(text)) {
            still.push(id.clone());
        }
    }
    Ok(still)
}

/// Reads on, up to the end of the round; how many texts the round has read.
async fn go_on(means: &Means, place: &str, now: &mut Search, most: i64) -> Result<i64, Error> {
    let mut left = most;
    while left > 0 {
        // A page begins with the last text of the one before, which tells whether there is anything after it.
        let limit = left.min(STEP) + i64::from(!now.after.is_empty());
        let page = rows::texts(&mut means.db.read().await?, place, &now.after, limit).await?;
        let fresh: Vec<_> = page.into_iter().filter(|(id, _)| *id != now.after).collect();
        let Some((last, _)) = fresh.last() else {
            let read = now.seen;
            (now.after, now.seen, now.is_known) = (String::new(), 0, true);
            return Ok(read);
        };
        now.after.clone_from(last);
        let count = i64::try_from(fresh.len()).unwrap_or(STEP);
        (left, now.seen) = (left - count, now.seen + count);
        for (id, _) in fresh.iter().filter(|(_, text)| redact::holds_card_number(text)) {
            let id = redact::without_card_numbers(id).unwrap_or_else(|| id.clone());
            if now.found.len() < ENOUGH && !now.found.contains(&id) {
                now.found.push(id);
            }
        }
    }
    Ok(now.seen)
}
