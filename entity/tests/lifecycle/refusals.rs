//! The ledger of refusals.

use entity::{Refusal, SourceName, lifecycle::refusals, refusal};
use sea_orm::{ConnectionTrait as _, QueryOrder as _};

use crate::*;

on_both! {
    a_line_is_kept_as_it_was_written_and_once
    what_is_old_is_forgotten
    what_is_too_many_is_forgotten_from_the_oldest_on
    pages_have_every_line_once_and_those_of_one_source_if_that_is_asked
}

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn line(reason: &'static str, skew_s: Option<i64>, body: &[u8]) -> Refusal {
    let source: SourceName = "stripe".parse().unwrap();
    Refusal::new(source, reason, skew_s, body)
}

async fn ledger(db: &DatabaseConnection) -> Vec<refusal::Model> {
    let all = refusal::Entity::find().order_by_asc(refusal::Column::Id);
    all.all(db).await.unwrap()
}

async fn a_line_is_kept_as_it_was_written_and_once(db: DatabaseConnection) {
    let lines = [
        line("stale", Some(-301), b"{}"),
        line("mismatch", None, b""),
        line("malformed", None, &[0xff; 1000]),
    ];
    for _ in 0..2 {
        refusals::record(&db, &lines).await.unwrap();
    }
    let kept = ledger(&db).await;
    assert_eq!(kept.len(), lines.len());
    for (kept, line) in kept.into_iter().zip(lines) {
        let read = Refusal {
            id: kept.id,
            source: kept.source,
            reason: line.reason,
            skew_s: kept.skew_s,
            size: kept.size,
            hash: kept.hash,
        };
        assert_eq!(read, line);
        assert_eq!(kept.reason, line.reason);
        let age = time::OffsetDateTime::now_utc() - kept.refused_at;
        assert!(age.abs() < time::Duration::minutes(5), "{age}");
    }
}

async fn what_is_old_is_forgotten(db: DatabaseConnection) {
    let old = line("mismatch", None, b"old");
    let new = line("mismatch", None, b"new");
    refusals::record(&db, &[old.clone(), new.clone()])
        .await
        .unwrap();
    let aged = match db.get_database_backend() {
        sea_orm::DbBackend::Postgres => "refused_at - interval '8 days'",
        _ => "strftime('%Y-%m-%dT%H:%M:%fZ', refused_at, '-8 days')",
    };
    let hash: String = old.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let is_old = match db.get_database_backend() {
        sea_orm::DbBackend::Postgres => format!("hash = decode('{hash}', 'hex')"),
        _ => format!("hash = unhex('{hash}')"),
    };
    let age = format!("UPDATE refusals SET refused_at = {aged} WHERE {is_old}");
    db.execute_unprepared(&age).await.unwrap();
    assert_eq!(refusals::forget(&db, WEEK, 10).await.unwrap(), 1);
    let kept = ledger(&db).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].id, new.id);
}

async fn what_is_too_many_is_forgotten_from_the_oldest_on(db: DatabaseConnection) {
    let lines: Vec<Refusal> = (0..2500).map(|_| line("mismatch", None, b"")).collect();
    refusals::record(&db, &lines).await.unwrap();
    assert_eq!(refusals::forget(&db, WEEK, 2500).await.unwrap(), 0);
    assert_eq!(refusals::forget(&db, WEEK, 3).await.unwrap(), 2497);
    let kept: Vec<_> = ledger(&db).await.iter().map(|kept| kept.id).collect();
    let newest: Vec<_> = lines[2497..].iter().map(|line| line.id).collect();
    assert_eq!(kept, newest);
    assert_eq!(refusals::forget(&db, WEEK, 0).await.unwrap(), 3);
}

async fn pages_have_every_line_once_and_those_of_one_source_if_that_is_asked(
    db: DatabaseConnection,
) {
    let (stripe, github): (SourceName, SourceName) =
        ("stripe".parse().unwrap(), "github".parse().unwrap());
    let lines: Vec<Refusal> = (0..refusals::LOOKED_AT_MAX + 5)
        .map(|number| {
            let source = if number == 3 { &github } else { &stripe };
            Refusal::new(source.clone(), "mismatch", None, b"")
        })
        .collect();
    for lines in lines.chunks(500) {
        refusals::record(&db, lines).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut below = Some(Uuid::max());
    while let Some(from) = below {
        let (page, next) = refusals::page(&db, None, from, 700).await.unwrap();
        seen.extend(page.into_iter().map(|line| line.id));
        below = next;
    }
    let written: Vec<Uuid> = lines.iter().rev().map(|line| line.id).collect();
    assert_eq!(seen, written);
    // The only one of its source is beyond what the first page looks at.
    let (page, next) = refusals::page(&db, Some(&github), Uuid::max(), 10)
        .await
        .unwrap();
    assert!(page.is_empty());
    let (page, next) = refusals::page(&db, Some(&github), next.unwrap(), 10)
        .await
        .unwrap();
    assert_eq!(page.len(), 1);
    assert_eq!((page[0].id, next), (lines[3].id, None));
}
