//! Databases and logs as SQLite makes them, as a crash leaves them, and as somebody mixes them.

use std::{fs, path::PathBuf};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use sea_orm::sqlx::{
    self, AssertSqlSafe, ConnectOptions, Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tempfile::TempDir;

use super::{Foreign, compare};

/// Small, so that a small database has many.
const PAGE_BYTES: usize = 512;

/// The bytes of a database and of its log at one moment: what a crash then leaves.
#[derive(Clone)]
struct State {
    database: Vec<u8>,
    log: Vec<u8>,
}

/// A database that is written to.
struct Written {
    folder: TempDir,
    connection: SqliteConnection,
    /// The claim's.
    anchor: SqliteConnection,
}

impl Written {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut written = Self {
            connection: connect(&folder).await,
            anchor: connect(&folder).await,
            folder,
        };
        written.run("CREATE TABLE t (n integer, s text)").await;
        written
    }

    async fn run(&mut self, statement: &str) {
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut self.connection)
            .await
            .unwrap();
    }

    /// Fifty rows more: the file grows.
    async fn grow(&mut self) {
        self.run(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) \
             INSERT INTO t SELECT i, hex(randomblob(50)) FROM n",
        )
        .await;
    }

    /// Every row otherwise: the file keeps its size.
    async fn rewrite(&mut self) {
        self.run("UPDATE t SET s = hex(randomblob(50))").await;
    }

    async fn raise_counter(&mut self) {
        crate::claim::change_counter::raise(&mut self.anchor)
            .await
            .unwrap();
    }

    async fn checkpoint(&mut self) {
        self.run("PRAGMA wal_checkpoint(PASSIVE)").await;
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn state(&self) -> State {
        State {
            database: fs::read(self.path("x.db")).unwrap(),
            log: fs::read(self.path("x.db-wal")).unwrap(),
        }
    }

    /// A copy such as `.backup` and `VACUUM INTO` make.
    async fn copy(&mut self) -> Vec<u8> {
        let path = self.path("copy.db");
        self.run(&format!("VACUUM INTO '{}'", path.display())).await;
        let copy = fs::read(&path).unwrap();
        fs::remove_file(path).unwrap();
        copy
    }
}

async fn connect(folder: &TempDir) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("x.db"))
        .create_if_missing(true)
        .page_size(PAGE_BYTES as u32)
        .journal_mode(SqliteJournalMode::Wal)
        // What a crash leaves is copied here, not waited for.
        .synchronous(SqliteSynchronous::Off)
        .pragma("wal_autocheckpoint", "0");
    options.connect().await.unwrap()
}

/// What is found for a database with this log beside it.
fn compared(database: &[u8], log: &[u8]) -> Option<Foreign> {
    let folder = tempfile::tempdir().unwrap();
    let [database_path, log_path] = ["x.db", "x.db-wal"].map(|name| folder.path().join(name));
    fs::write(&database_path, database).unwrap();
    fs::write(&log_path, log).unwrap();
    let database = fs::File::open(database_path).unwrap();
    compare(Some(&database), &log_path).unwrap()
}

/// What somebody may do to a database while it is in use.
const STATEMENTS: [&str; 14] = [
    "INSERT INTO t SELECT 1, hex(randomblob(200)) FROM t LIMIT 40",
    "INSERT INTO t VALUES (2, hex(randomblob(3000)))",
    "UPDATE t SET s = hex(randomblob(50)) WHERE n = 1",
    "DELETE FROM t WHERE rowid % 3 = 0",
    "BEGIN; UPDATE t SET s = hex(randomblob(50)); ROLLBACK",
    "BEGIN; INSERT INTO t SELECT 3, hex(randomblob(900)) FROM t LIMIT 50; COMMIT",
    "PRAGMA cache_size = 10; UPDATE t SET s = hex(randomblob(60)); PRAGMA cache_size = 1000",
    "CREATE TABLE IF NOT EXISTS u (n); INSERT INTO u VALUES (1); DROP TABLE u",
    "CREATE VIEW IF NOT EXISTS v AS SELECT * FROM t; DROP VIEW v",
    "VACUUM",
    "PRAGMA user_version = 7",
    "PRAGMA wal_checkpoint(PASSIVE)",
    "PRAGMA wal_checkpoint(RESTART)",
    "PRAGMA wal_checkpoint(TRUNCATE)",
];

#[tokio::test]
async fn what_a_crash_leaves_belongs_together_whatever_was_done() {
    for seed in 0..12 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut written = Written::new().await;
        written.grow().await;
        let mut others = [
            connect(&written.folder).await,
            connect(&written.folder).await,
        ];
        let mut last = 0;
        for _ in 0..80 {
            let statement = STATEMENTS[random.random_range(0..STATEMENTS.len())];
            let who = random.random_range(0..5_usize);
            match who {
                0 => written.raise_counter().await,
                1 => others[0] = connect(&written.folder).await,
                2 => written.run(statement).await,
                _ => {
                    let run = sqlx::raw_sql(statement).execute(&mut others[who - 3]);
                    run.await.unwrap();
                }
            }
            let State { database, log } = written.state();
            assert_eq!(compared(&database, &log), None, "{seed}: {statement}");
            let counter = super::big_endian(&database[super::CHANGE_COUNTER_AT..]);
            assert!(
                counter >= last,
                "{seed}: {statement}: {counter} after {last}"
            );
            last = counter;
        }
    }
}

#[tokio::test]
async fn a_log_that_has_lost_its_end_or_ends_in_rubbish_belongs_to_its_database() {
    let mut written = Written::new().await;
    written.checkpoint().await;
    written.grow().await;
    written.raise_counter().await;
    written.rewrite().await;
    let State { database, log } = written.state();
    for length in (0..log.len()).step_by(100) {
        assert_eq!(compared(&database, &log[..length]), None, "{length}");
        let mut rubbish = log.clone();
        rubbish[length..].fill(7);
        assert_eq!(compared(&database, &rubbish), None, "{length}");
    }
}

#[tokio::test]
async fn a_checkpoint_that_stopped_anywhere_leaves_what_belongs_together() {
    let mut written = Written::new().await;
    written.grow().await;
    written.raise_counter().await;
    written.checkpoint().await;
    written.grow().await;
    written.raise_counter().await;
    written.rewrite().await;
    written.raise_counter().await;
    let before = written.state();
    written.checkpoint().await;
    let after = written.state();
    let pages = after.database.len() / PAGE_BYTES;
    // After a loss of power any of the pages may be on the disk, and the file may have any size in between.
    for seed in 0..200_usize {
        let mut torn = after.database.clone();
        let kept = before.database.len().max((seed % (pages + 1)) * PAGE_BYTES);
        torn.truncate(kept);
        for (page, old) in before.database.chunks(PAGE_BYTES).enumerate() {
            if (seed >> (page % 8)) & 1 == 0 {
                torn[page * PAGE_BYTES..][..PAGE_BYTES].copy_from_slice(old);
            }
        }
        assert_eq!(compared(&torn, &before.log), None, "{seed}");
    }
}

#[tokio::test]
async fn a_copy_of_before_the_log_is_told_by_its_counter() {
    let mut written = Written::new().await;
    written.grow().await;
    written.raise_counter().await;
    written.checkpoint().await;
    written.rewrite().await;
    let copies = [written.copy().await, written.state().database];
    for _ in 0..2 {
        written.rewrite().await;
        written.raise_counter().await;
    }
    written.checkpoint().await;
    written.rewrite().await;
    written.raise_counter().await;
    let newer = written.state();
    for copy in copies {
        let foreign = compared(&copy, &newer.log);
        assert!(
            matches!(foreign, Some(Foreign::Counter { .. })),
            "{foreign:?}"
        );
    }
}

#[tokio::test]
async fn a_copy_that_is_smaller_is_told_by_its_size() {
    let mut written = Written::new().await;
    written.grow().await;
    let copies = [written.copy().await, written.state().database];
    written.grow().await;
    written.checkpoint().await;
    written.run("UPDATE t SET n = 0 WHERE rowid = 1").await;
    let newer = written.state();
    for copy in copies {
        let foreign = compared(&copy, &newer.log);
        assert!(
            matches!(foreign, Some(Foreign::Smaller { .. })),
            "{foreign:?}"
        );
    }
}

#[tokio::test]
async fn a_newer_file_beside_an_older_log_is_told() {
    let mut written = Written::new().await;
    written.checkpoint().await;
    written.rewrite().await;
    written.raise_counter().await;
    let older = written.state();
    written.grow().await;
    written.raise_counter().await;
    written.checkpoint().await;
    let newer = written.state();
    let foreign = compared(&newer.database, &older.log);
    assert!(
        matches!(foreign, Some(Foreign::Counter { .. })),
        "{foreign:?}"
    );
}

#[tokio::test]
async fn no_database_and_an_empty_one_are_told() {
    let mut written = Written::new().await;
    written.grow().await;
    let log = written.state().log;
    assert_eq!(compared(&[], &log), Some(Foreign::Empty));
    let found = compare(None, &written.path("x.db-wal")).unwrap();
    assert_eq!(found, Some(Foreign::Empty));
}

#[tokio::test]
async fn without_a_log_there_is_nothing_to_tell() {
    let written = Written::new().await;
    let found = compare(None, &written.path("nothing")).unwrap();
    assert_eq!(found, None);
    assert_eq!(compared(&written.state().database, &[]), None);
    assert_eq!(compared(&[], &[0; 5000]), None);
    written.connection.close().await.unwrap();
}
