//! Databases and logs as SQLite makes them, as a crash leaves them, and as somebody mixes them.

use std::{fs, path::PathBuf};

use sea_orm::sqlx::{
    self, AssertSqlSafe, ConnectOptions, Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
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
}

impl Written {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connection = SqliteConnectOptions::new()
            .filename(folder.path().join("x.db"))
            .create_if_missing(true)
            .page_size(PAGE_BYTES as u32)
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("wal_autocheckpoint", "0")
            .connect()
            .await
            .unwrap();
        let mut written = Self { folder, connection };
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

    async fn raise_mark(&mut self) {
        crate::claim::raise_mark(&mut self.connection)
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

/// What is found for a database with this log beside it.
fn compared(database: &[u8], log: &[u8]) -> Option<Foreign> {
    let folder = tempfile::tempdir().unwrap();
    let [database_path, log_path] = ["x.db", "x.db-wal"].map(|name| folder.path().join(name));
    fs::write(&database_path, database).unwrap();
    fs::write(&log_path, log).unwrap();
    let database = fs::File::open(database_path).unwrap();
    compare(Some(&database), &log_path).unwrap()
}

/// States of one database through several logs: grown and rewritten, with marks and without.
async fn history() -> Vec<State> {
    let mut written = Written::new().await;
    let mut states = vec![written.state()];
    for step in 0..24 {
        match step % 4 {
            0 => written.grow().await,
            1 => written.rewrite().await,
            2 => written.raise_mark().await,
            3 if step % 8 == 7 => written.checkpoint().await,
            // What somebody does who tidies up: the file becomes smaller.
            _ => written.run("DELETE FROM t WHERE n % 3 = 0; VACUUM").await,
        }
        states.push(written.state());
    }
    states
}

#[tokio::test]
async fn what_a_crash_leaves_belongs_together() {
    for state in history().await {
        assert_eq!(compared(&state.database, &state.log), None);
    }
}

#[tokio::test]
async fn a_log_that_has_lost_its_end_or_ends_in_rubbish_belongs_to_its_database() {
    let mut written = Written::new().await;
    written.checkpoint().await;
    written.grow().await;
    written.raise_mark().await;
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
    written.raise_mark().await;
    written.checkpoint().await;
    written.grow().await;
    written.raise_mark().await;
    written.rewrite().await;
    written.raise_mark().await;
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
async fn a_copy_of_before_the_log_is_told_by_its_mark() {
    let mut written = Written::new().await;
    written.grow().await;
    written.raise_mark().await;
    written.checkpoint().await;
    written.rewrite().await;
    let copies = [written.copy().await, written.state().database];
    for _ in 0..2 {
        written.rewrite().await;
        written.raise_mark().await;
    }
    written.checkpoint().await;
    written.rewrite().await;
    written.raise_mark().await;
    let newer = written.state();
    for copy in copies {
        let foreign = compared(&copy, &newer.log);
        assert!(matches!(foreign, Some(Foreign::Mark { .. })), "{foreign:?}");
    }
}

#[tokio::test]
async fn a_copy_that_is_smaller_is_told_without_a_mark() {
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
    written.raise_mark().await;
    let older = written.state();
    written.raise_mark().await;
    written.checkpoint().await;
    let newer = written.state();
    let foreign = compared(&newer.database, &older.log);
    assert!(matches!(foreign, Some(Foreign::Mark { .. })), "{foreign:?}");
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
