//! What people do to a SQLite file while a process has it, and between two processes.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, fcntl_lock},
    process::Signal,
};
use sea_orm::ConnectionTrait;

use super::until;
use crate::{
    harness::{Harness, webhook},
    processes::{Process, run},
};

/// A harness whose database is `data/hookline.db`.
fn harness() -> Harness {
    let mut harness = Harness::embedded();
    fs::create_dir(harness.folder.path().join("data")).unwrap();
    let url = url(&harness, "hookline.db");
    harness.environment.insert("DATABASE_URL", url);
    harness
}

fn url(harness: &Harness, name: &str) -> String {
    format!("sqlite:{}", path(harness, name).display())
}

fn path(harness: &Harness, name: &str) -> PathBuf {
    harness.folder.path().join("data").join(name)
}

/// All that SQLite keeps.
fn files(harness: &Harness) -> [PathBuf; 3] {
    ["hookline.db", "hookline.db-wal", "hookline.db-shm"].map(|name| path(harness, name))
}

/// Writes with a connection of its own, as somebody with a shell does.
async fn with_a_shell(harness: &Harness, statement: &str) {
    let url = url(harness, "hookline.db");
    let db = sea_orm::Database::connect(url).await.unwrap();
    db.execute_unprepared(statement).await.unwrap();
    db.close().await.unwrap();
}

/// Sends ten webhooks and returns those that were answered with 202.
async fn accepted(harness: &Harness, process: &Process) -> Vec<String> {
    let mut accepted = Vec::new();
    for i in 0..10 {
        let id = format!("after{i}");
        let request = harness
            .client
            .post(format!("{}/v1/webhooks/transactions", process.url()))
            .header("content-type", "application/json")
            .body(webhook(&id).to_string());
        if request
            .send()
            .await
            .is_ok_and(|answer| answer.status() == 202)
        {
            accepted.push(id);
        }
    }
    accepted
}

/// Does something to the file under a process. It must accept nothing more, say why, and end.
async fn accepts_nothing_and_ends(harness: &Harness, what: impl FnOnce(&Harness)) {
    let mut process = harness.process("").await;
    harness.send(&process.url(), "first").await;
    harness.processed(&process.url(), "first").await;
    what(harness);
    assert_eq!(accepted(harness, &process).await, Vec::<String>::new());
    assert_eq!(process.ended().await, Some(1), "{}", process.log());
    let log = process.log();
    assert!(log.contains("no longer in its place"), "{log}");
}

/// Starts and expects a refusal; returns its sentence.
async fn refused(harness: &Harness) -> String {
    let ended = run(harness.folder.path(), &[], &harness.environment).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let sentence = ended.stderr.lines().last().unwrap().to_owned();
    assert!(sentence.contains("DATABASE_URL"), "{sentence}");
    sentence
}

/// Ends in order.
async fn stop(mut process: Process) {
    process.signal(Signal::TERM);
    assert_eq!(process.ended().await, Some(0), "{}", process.log());
}

#[tokio::test]
async fn nothing_is_accepted_into_a_file_that_was_deleted() {
    accepts_nothing_and_ends(&harness(), |harness| {
        for file in files(harness) {
            fs::remove_file(file).unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_accepted_into_a_file_that_was_moved_with_its_folder() {
    let mut harness = harness();
    let relative = "sqlite:data/hookline.db".into();
    harness.environment.insert("DATABASE_URL", relative);
    accepts_nothing_and_ends(&harness, |harness| {
        let folder = harness.folder.path();
        fs::rename(folder.join("data"), folder.join("away")).unwrap();
    })
    .await;
    // Put back, it goes on.
    let folder = harness.folder.path();
    fs::rename(folder.join("away"), folder.join("data")).unwrap();
    let process = harness.process("").await;
    harness.processed(&process.url(), "first").await;
}

#[tokio::test]
async fn nothing_is_accepted_into_a_file_that_was_replaced() {
    accepts_nothing_and_ends(&harness(), |harness| {
        let other = path(harness, "other");
        fs::copy(path(harness, "hookline.db"), &other).unwrap();
        fs::rename(&other, path(harness, "hookline.db")).unwrap();
    })
    .await;
}

#[tokio::test]
async fn nothing_is_accepted_into_a_file_that_was_overwritten_with_an_older_copy() {
    let harness = harness();
    let process = harness.process("").await;
    stop(process).await;
    fs::copy(path(&harness, "hookline.db"), path(&harness, "copy.db")).unwrap();
    // A later run, so that the file is newer than the copy.
    let process = harness.process("").await;
    stop(process).await;
    accepts_nothing_and_ends(&harness, |harness| {
        fs::copy(path(harness, "copy.db"), path(harness, "hookline.db")).unwrap();
    })
    .await;
    let sentence = refused(&harness).await;
    assert!(sentence.contains("do not belong together"), "{sentence}");
}

#[tokio::test]
async fn nothing_is_accepted_into_a_log_that_was_deleted_and_what_was_in_it_is_saved() {
    let mut harness = harness();
    accepts_nothing_and_ends(&harness, |harness| {
        fs::remove_file(path(harness, "hookline.db-wal")).unwrap();
    })
    .await;
    let api = harness.start("").await.url();
    harness.processed(&api, "first").await;
}

#[tokio::test]
async fn a_file_that_vanishes_is_noticed_without_a_webhook() {
    let harness = harness();
    let mut process = harness.process("").await;
    fs::remove_file(path(&harness, "hookline.db")).unwrap();
    assert_eq!(process.ended().await, Some(1));
}

#[tokio::test]
async fn no_other_name_of_the_file_lets_a_second_process_in() {
    let mut harness = harness();
    let api = harness.start("").await.url();
    fs::create_dir(path(&harness, "linked")).unwrap();
    let database = path(&harness, "hookline.db");
    symlink(&database, path(&harness, "symbolic.db")).unwrap();
    fs::hard_link(&database, path(&harness, "linked/hard.db")).unwrap();
    // Somebody takes the lock beside the file for a leftover.
    fs::remove_file(path(&harness, "hookline.db.lock")).unwrap();
    let ours = harness.environment["DATABASE_URL"].clone();
    for name in ["hookline.db", "symbolic.db", "linked/hard.db"] {
        let url = url(&harness, name);
        harness.environment.insert("DATABASE_URL", url);
        let sentence = refused(&harness).await;
        assert!(sentence.contains("another hookline"), "{name}: {sentence}");
    }
    harness.environment.insert("DATABASE_URL", ours);
    harness.send(&api, "t1").await;
}

#[tokio::test]
async fn a_symbolic_link_is_as_good_as_the_name_until_it_leads_elsewhere() {
    let mut harness = harness();
    let link = path(&harness, "link.db");
    symlink(path(&harness, "hookline.db"), &link).unwrap();
    let url = url(&harness, "link.db");
    harness.environment.insert("DATABASE_URL", url);
    accepts_nothing_and_ends(&harness, |harness| {
        fs::copy(path(harness, "hookline.db"), path(harness, "other.db")).unwrap();
        fs::remove_file(&link).unwrap();
        symlink(path(harness, "other.db"), &link).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_process_of_an_older_version_keeps_the_schema_untouched_and_its_leftover_does_not() {
    let harness = harness();
    let lock = File::create(path(&harness, "hookline.db.lock")).unwrap();
    lock.try_lock().unwrap();
    let sentence = refused(&harness).await;
    assert!(sentence.contains("another hookline"), "{sentence}");
    let bytes = fs::metadata(path(&harness, "hookline.db")).unwrap().len();
    assert_eq!(bytes, 0, "it was changed before it was claimed");
    drop(lock);
    harness.process("").await;
}

#[tokio::test]
async fn a_running_process_keeps_its_tables() {
    let mut harness = harness();
    let api = harness.start("").await.url();
    let folder = harness.folder.path();
    let ended = run(folder, &["migrate", "fresh"], &harness.environment).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("another hookline"),
        "{}",
        ended.stderr
    );
    for command in ["up", "status"] {
        let ended = run(folder, &["migrate", command], &harness.environment).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    harness.send(&api, "t1").await;
}

#[tokio::test]
async fn a_folder_where_sqlite_cannot_share_memory_is_named() {
    let harness = harness();
    fs::create_dir(path(&harness, "hookline.db-shm")).unwrap();
    let sentence = refused(&harness).await;
    assert!(
        sentence.contains("cannot lock files or share memory"),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_file_that_another_program_has_locked_is_named() {
    let harness = harness();
    let file = File::create(path(&harness, "hookline.db")).unwrap();
    fcntl_lock(&file, FlockOperation::LockExclusive).unwrap();
    let sentence = refused(&harness).await;
    assert!(
        sentence.contains("is locked by another program"),
        "{sentence}"
    );
}

/// A copy of the database as it was, and a process that was killed some time after: `before` is in the copy, `after` is not.
async fn killed_after_a_copy(harness: &Harness) {
    let process = harness.process("").await;
    harness.send(&process.url(), "before").await;
    let copy = format!("VACUUM INTO '{}'", path(harness, "copy.db").display());
    with_a_shell(harness, &copy).await;
    for i in 0..100 {
        harness.send(&process.url(), &format!("between{i}")).await;
    }
    // The log begins anew: what was sent so far is only in the file.
    let log = path(harness, "hookline.db-wal");
    let begins_anew = async || {
        with_a_shell(harness, "PRAGMA wal_checkpoint(TRUNCATE)").await;
        fs::metadata(&log).unwrap().len() == 0
    };
    until(begins_anew, || "the log was never empty".into()).await;
    harness.send(&process.url(), "after").await;
    harness.processed(&process.url(), "after").await;
    process.kill().await;
}

#[tokio::test]
async fn a_copy_put_back_beside_the_log_of_what_was_there_is_refused_until_the_log_is_gone() {
    let mut harness = harness();
    killed_after_a_copy(&harness).await;
    fs::copy(path(&harness, "copy.db"), path(&harness, "hookline.db")).unwrap();
    for arguments in [&[][..], &["migrate", "up"]] {
        let folder = harness.folder.path();
        let ended = run(folder, arguments, &harness.environment).await;
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let [_, log, index] = files(&harness);
        let sentence = ended.stderr.lines().last().unwrap();
        assert!(sentence.contains("do not belong together"), "{sentence}");
        for file in [log, index] {
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(sentence.contains(name), "{sentence}");
        }
    }
    let [_, log, index] = files(&harness);
    fs::remove_file(log).unwrap();
    // The index is of no use without the log, and goes by itself.
    assert!(Path::new(&index).exists());
    let api = harness.start("").await.url();
    harness.processed(&api, "before").await;
    let after = harness.get(&format!("{api}/v1/transactions/after")).await;
    assert_eq!(after.status(), 404);
}

#[tokio::test]
async fn a_log_whose_database_is_missing_is_not_thrown_away() {
    let harness = harness();
    let process = harness.process("").await;
    harness.send(&process.url(), "first").await;
    process.kill().await;
    let [database, log, _] = files(&harness);
    let away = path(&harness, "away");
    fs::rename(&database, &away).unwrap();
    let kept = fs::read(&log).unwrap();
    let sentence = refused(&harness).await;
    assert!(sentence.contains("do not belong together"), "{sentence}");
    assert_eq!(fs::read(&log).unwrap(), kept);
    assert!(!database.exists());
    fs::rename(&away, &database).unwrap();
    let process = harness.process("").await;
    harness.processed(&process.url(), "first").await;
}

#[tokio::test]
async fn a_stop_leaves_no_log_that_a_copy_could_meet() {
    let harness = harness();
    let process = harness.process("").await;
    harness.send(&process.url(), "first").await;
    harness.processed(&process.url(), "first").await;
    stop(process).await;
    let log = fs::metadata(path(&harness, "hookline.db-wal"));
    assert_eq!(log.map_or(0, |log| log.len()), 0);
}

#[tokio::test]
async fn no_crash_makes_a_file_look_as_if_it_were_another() {
    let mut harness = harness();
    harness.environment.insert("PROCESSING_DELAY", "0s".into());
    for round in 0..12 {
        let process = harness.process("").await;
        let api = process.url();
        let ids = (0..40).map(|i| format!("t{round}-{i}"));
        harness.send_all(&api, ids).await;
        if round % 3 == 0 {
            with_a_shell(&harness, "PRAGMA wal_checkpoint(RESTART)").await;
            harness.send(&api, &format!("t{round}")).await;
        }
        process.kill().await;
        if round % 4 == 1 {
            // Somebody looks, and takes the log away with it.
            with_a_shell(&harness, "SELECT count(*) FROM transactions").await;
        }
    }
    harness.start("").await;
    harness.settled().await;
    assert!(harness.rows().await >= 480);
}

#[tokio::test]
#[ignore = "needs RabbitMQ: run scripts/test"]
async fn roles_share_a_file_and_a_process_with_its_own_queue_gets_none_of_it() {
    let mut harness = Harness::on_servers().await;
    let postgres = harness.environment["DATABASE_URL"].clone();
    fs::create_dir(harness.folder.path().join("data")).unwrap();
    let url = url(&harness, "hookline.db");
    harness.environment.insert("DATABASE_URL", url);
    let ended = run(
        harness.folder.path(),
        &["migrate", "up"],
        &harness.environment,
    )
    .await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let api = harness.process("api").await;
    let consumer = harness.process("consumer").await;
    harness.send(&api.url(), "t1").await;
    harness.processed(&api.url(), "t1").await;
    let broker = harness.environment.remove("AMQP_URL").unwrap();
    let sentence = refused(&harness).await;
    assert!(sentence.contains("another hookline"), "{sentence}");
    for process in [api, consumer] {
        stop(process).await;
    }
    let alone = harness.process("").await;
    harness.environment.insert("AMQP_URL", broker);
    let sentence = refused(&harness).await;
    assert!(sentence.contains("another hookline"), "{sentence}");
    stop(alone).await;
    harness.environment.insert("DATABASE_URL", postgres);
}
