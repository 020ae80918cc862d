//! Transactions that have become `FAILED`, grouped by what they have in common.

use api::failures::grouped;
use entity::{
    Verdict,
    lifecycle::failed::{PORTION, failed_between},
};
use sea_orm::{DatabaseConnection, DbErr};
use serde_json::{Value, json};

pub const KIND: &str = "hookline.transactions.failed";
/// Portions that are read for one event: 10,000 failures. Of more it is said that there are more.
const PORTIONS_MAX: usize = 10;
/// Groups that are told.
const GROUPS_MAX: usize = 20;
/// A failure is stamped when its statement begins, and seen when that has committed.
const SETTLED_AFTER_MS: i64 = 7_000;

/// What has failed since `from` and, as far as it is certain to be seen, until `now`.
pub async fn gather(
    db: &DatabaseConnection,
    from: i64,
    now: i64,
) -> Result<Option<(i64, Value)>, DbErr> {
    let to = now - SETTLED_AFTER_MS;
    if to <= from {
        return Ok(None);
    }
    let (mut all, mut more) = (Vec::new(), false);
    for portion in 0..PORTIONS_MAX {
        let failed = failed_between(db, (from, to), portion).await?;
        more = failed.len() == PORTION;
        // What an operator has given up is no news to operators.
        all.extend(
            failed
                .into_iter()
                .filter(|one| one.verdict != Verdict::GivenUp),
        );
        if !more {
            break;
        }
    }
    if all.is_empty() {
        return Ok(None);
    }
    let count = all.len();
    let mut groups = grouped(all);
    groups.truncate(GROUPS_MAX);
    Ok(Some((
        to,
        json!({"count": count, "more": more, "groups": groups}),
    )))
}

#[cfg(test)]
mod tests {
    use entity::lifecycle::clock;

    use super::*;
    use crate::alerts::scene::{database, execute};

    /// So many have failed just now, each in a way of its own of so many ways.
    async fn fail(db: &DatabaseConnection, count: usize, ways: usize) {
        execute(
            db,
            &format!(
                "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) \
                 INSERT INTO failures (id, verdict, reason, failed_at) \
                 SELECT randomblob(16), 'PERMANENT', char(97 + n % {ways}), strftime('%Y-%m-%dT%H:%M:%fZ', 'now') FROM numbers"
            ),
        )
        .await;
    }

    #[tokio::test]
    async fn a_failure_is_told_when_all_that_failed_with_it_are_certain_to_be_seen() {
        let db = database().await;
        let before = clock(&db).await.unwrap() - 1;
        fail(&db, 3, 1).await;
        let now = clock(&db).await.unwrap();
        for soon in [before, now, now + SETTLED_AFTER_MS - 1_000] {
            assert_eq!(gather(&db, before, soon).await.unwrap(), None);
        }
        let later = now + SETTLED_AFTER_MS;
        let given_up =
            "UPDATE failures SET verdict = 'GIVEN_UP' WHERE id = (SELECT min(id) FROM failures)";
        execute(&db, given_up).await;
        let (to, data) = gather(&db, before, later).await.unwrap().unwrap();
        assert_eq!((to, &data["count"]), (now, &json!(2)));
        assert_eq!(data["more"], false);
        assert_eq!(gather(&db, to, later).await.unwrap(), None);
    }

    #[tokio::test]
    async fn of_very_many_the_most_are_told_and_that_there_are_more() {
        let db = database().await;
        let before = clock(&db).await.unwrap() - 1;
        let most = PORTIONS_MAX * PORTION;
        fail(&db, most + 1, GROUPS_MAX + 1).await;
        let later = clock(&db).await.unwrap() + SETTLED_AFTER_MS;
        let (_, data) = gather(&db, before, later).await.unwrap().unwrap();
        assert_eq!(
            (&data["count"], &data["more"]),
            (&json!(most), &json!(true))
        );
        assert_eq!(data["groups"].as_array().unwrap().len(), GROUPS_MAX);
    }
}
