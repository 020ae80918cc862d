//! A secret is replaced while its sender sends, as docs/SOURCES.md says, in a folder that Kubernetes mounts.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use super::scene::{Sender, processed, with_file};
use crate::{
    faults::{until, until_ready},
    harness::Harness,
    processes::Process,
};

const OLD: &str = "the first s3cret of stripe";
const NEW: &str = "the second s3cret of stripe";

/// Senders that send one event after another.
const SENDERS: u32 = 4;

/// `stripe` leads to `..data/stripe`, and `..data` to a folder that is never changed.
fn mount(folder: &Path, version: &str, secrets: &[&str]) {
    let versioned = folder.join(version);
    fs::create_dir(&versioned).unwrap();
    fs::write(versioned.join("stripe"), secrets.join("\n")).unwrap();
    symlink(version, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

async fn swapped(process: &Process, times: usize) {
    let is_swapped = async || process.log().matches("event=\"sources_swapped\"").count() >= times;
    until(is_swapped, || "the secrets were not read again".into()).await;
}

#[tokio::test]
async fn a_secret_is_replaced_under_load_and_nothing_is_refused_or_lost() {
    let mut harness = Harness::embedded();
    let secrets = harness.folder.path().join("secrets");
    fs::create_dir(&secrets).unwrap();
    mount(&secrets, "..1", &[OLD]);
    symlink("..data/stripe", secrets.join("stripe")).unwrap();
    let file = "[sources.stripe]\nsecrets = [\"file:secrets/stripe\"]\nlines = true\n";
    with_file(&mut harness, file);
    harness.environment.insert("PROCESSING_DELAY", "0s".into());
    let process = harness.process("").await;
    let api = process.url();
    until_ready(&harness, &api).await;

    let (is_new, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let sent = AtomicU32::new(0);
    let old = Sender::new("stripe", "stripe", OLD);
    let new = Sender::new("stripe", "stripe", NEW);
    let send = async || {
        while !is_over.load(Ordering::Relaxed) {
            let id = sent.fetch_add(1, Ordering::Relaxed);
            let body = format!(r#"{{"id":"evt_{id}","type":"t"}}"#);
            // The machine may have no time for it just now; but none is ever refused.
            loop {
                let sender = if is_new.load(Ordering::Relaxed) {
                    &new
                } else {
                    &old
                };
                match sender
                    .send(&harness, &api, body.as_str())
                    .await
                    .status()
                    .as_u16()
                {
                    200 => break,
                    503 => {}
                    status => panic!("evt_{id} is answered {status}"),
                }
            }
        }
    };
    let rotate = async {
        mount(&secrets, "..2", &[OLD, NEW]);
        fs::remove_dir_all(secrets.join("..1")).unwrap();
        swapped(&process, 1).await;
        is_new.store(true, Ordering::Relaxed);
        let before = sent.load(Ordering::Relaxed);
        let is_new_in_use = async || sent.load(Ordering::Relaxed) > before + 2 * SENDERS;
        until(is_new_in_use, || "nobody sends".into()).await;
        mount(&secrets, "..3", &[NEW]);
        swapped(&process, 2).await;
        let before = sent.load(Ordering::Relaxed);
        let goes_on = async || sent.load(Ordering::Relaxed) > before + 2 * SENDERS;
        until(goes_on, || "nobody sends".into()).await;
        is_over.store(true, Ordering::Relaxed);
    };
    let senders = futures::future::join_all((0..SENDERS).map(|_| send()));
    tokio::join!(senders, rotate);

    let sent = sent.load(Ordering::Relaxed);
    assert!(sent > 20, "{sent}");
    for id in 0..sent {
        processed(&harness, &api, "stripe", &format!("evt_{id}")).await;
    }
    assert_eq!(harness.rows().await, u64::from(sent));
    let refused = old.send(&harness, &api, r#"{"id":"evt_x"}"#).await;
    assert_eq!(refused.status(), 401);
    let log = process.log();
    assert!(!log.contains("s3cret"), "{log}");
}
