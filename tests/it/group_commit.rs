//! Group commit: every waiter learns the truth about its own row.

use std::collections::HashSet;

use billing_portal::db::{self, Batch, Db, GroupCommit, Tx, bulk};

struct Notes;

impl Batch for Notes {
    type Row = (String, i64);
    /// Whether the row is new.
    type Outcome = bool;

    async fn write(&self, tx: &mut Tx, rows: &[Self::Row]) -> db::Result<Vec<bool>> {
        let insert = bulk!("insert into notes (id, size) values " rows "($1, $2)"
            " on conflict (id) do nothing returning id");
        let new: Vec<(String,)> =
            tx.insert_many(insert, rows, |query, (id, size)| query.bind(id).bind(*size)).await?;
        let mut new: HashSet<String> = new.into_iter().map(|(id,)| id).collect();
        Ok(rows.iter().map(|(id, _)| new.remove(id)).collect())
    }
}

async fn with_table(db: &Db) {
    let mut tx = db.write().await.unwrap();
    let table = "create table notes (id text primary key, size bigint not null check (size >= 0))";
    tx.query_built(table.to_owned()).run().await.unwrap();
    tx.commit().await.unwrap();
}

async fn stored(db: &Db) -> Vec<i64> {
    let mut tx = db.read().await.unwrap();
    let rows: Vec<(i64,)> =
        tx.query_built("select size from notes order by size".to_owned()).all().await.unwrap();
    rows.into_iter().map(|(size,)| size).collect()
}

/// Hands in all rows at once, so that they share commits; the outcomes in the order of the rows.
async fn put_all(
    notes: &GroupCommit<(String, i64), bool>,
    rows: Vec<(String, i64)>,
) -> Vec<db::Result<bool>> {
    let tasks: Vec<_> = rows
        .into_iter()
        .map(|row| {
            let notes = notes.clone();
            tokio::spawn(async move { notes.put(row).await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

both_databases! {
    async fn each_waiter_learns_whether_its_row_was_new(db: Db) {
        with_table(&db).await;
        let notes = GroupCommit::start(db.clone(), Notes);
        assert!(notes.put(("known".into(), 0)).await.unwrap());
        assert!(!notes.put(("known".into(), 1)).await.unwrap());
        // Twice the same id in one crowd: one of the two is new.
        let crowd = (0..400).map(|number| (format!("{}", number / 2), number)).collect();
        let new = put_all(&notes, crowd).await.into_iter().filter(|outcome| *outcome.as_ref().unwrap()).count();
        assert_eq!(new, 200);
        assert_eq!(stored(&db).await.len(), 201);
    }

    async fn one_bad_row_fails_alone(db: Db) {
        with_table(&db).await;
        let notes = GroupCommit::start(db.clone(), Notes);
        let crowd = (0..100).map(|number| (format!("{number}"), if number % 37 == 5 { -1 } else { number })).collect();
        let outcomes = put_all(&notes, crowd).await;
        for (number, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(new) => assert!(new && number % 37 != 5, "{number}"),
                Err(error) => assert!(number % 37 == 5 && !error.is_unavailable(), "{number}: {error}"),
            }
        }
        assert_eq!(stored(&db).await.len(), 97);
        assert!(notes.put(("afterwards".into(), 1)).await.unwrap());
    }

    async fn what_is_acknowledged_is_there_for_every_reader(db: Db) {
        with_table(&db).await;
        let notes = GroupCommit::start(db.clone(), Notes);
        for number in 0..20 {
            notes.put((format!("{number}"), number)).await.unwrap();
            assert_eq!(stored(&db).await.len(), usize::try_from(number).unwrap() + 1);
        }
    }

    async fn nobody_is_told_of_success_when_the_database_is_gone(db: Db) {
        with_table(&db).await;
        let notes = GroupCommit::start(db.clone(), Notes);
        db.close().await;
        let outcomes = put_all(&notes, (0..50).map(|number| (format!("{number}"), number)).collect()).await;
        assert!(outcomes.into_iter().all(|outcome| outcome.unwrap_err().is_unavailable()));
    }

    async fn stopping_finishes_what_was_taken_and_takes_no_more(db: Db) {
        with_table(&db).await;
        let notes = GroupCommit::start(db.clone(), Notes);
        let waiting = tokio::spawn({
            let notes = notes.clone();
            async move { put_all(&notes, (0..300).map(|number| (format!("{number}"), number)).collect()).await }
        });
        tokio::task::yield_now().await;
        notes.stop().await;
        let kept = stored(&db).await.len();
        assert!(notes.put(("late".into(), 1)).await.unwrap_err().is_unavailable());
        let acknowledged = waiting.await.unwrap().into_iter().filter(Result::is_ok).count();
        assert_eq!(kept, acknowledged);
        assert_eq!(stored(&db).await.len(), kept);
        notes.stop().await;
    }
}
