//! Files that change, and what is swapped in.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use source::Request;
use tempfile::TempDir;
use time::OffsetDateTime;

use super::*;

fn watch(file: PathBuf) -> Watch {
    let given = Given {
        file: Some(file),
        variables: Variables::of(&[]),
    };
    Watch::of(given).unwrap()
}

/// A folder with `sources.toml` and `secret`, and its watch.
fn scene(document: &str, secret: &str) -> (TempDir, Watch) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), secret).unwrap();
    let file = folder.path().join("sources.toml");
    fs::write(&file, document).unwrap();
    (folder, watch(file))
}

const GITHUB: &str = "[sources.github]\nsecrets = 'file:secret'";

/// Whether the source takes what is signed with this secret.
fn takes(watch: &Watch, source: &str, secret: &str) -> bool {
    let settings = source::Settings {
        preset: Some("github".into()),
        ..source::Settings::default()
    };
    let credentials = source::Credentials {
        secrets: vec![secret.into()],
        ..source::Credentials::default()
    };
    let sender = source::Source::new(&settings, &credentials).unwrap();
    let unsigned = Request {
        method: "POST",
        url: "",
        query: "",
        headers: &[],
        body: b"{}",
        now: OffsetDateTime::now_utc(),
    };
    let headers = sender.sign(&unsigned).unwrap();
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let request = Request {
        headers: &headers,
        ..unsigned
    };
    let present = watch.sources().borrow().clone();
    let source = present.get(source).unwrap();
    source.source.prove(&request).is_ok()
}

fn faults(watch: &Watch) -> Vec<String> {
    watch.sources().borrow().faults().to_vec()
}

const OLD: &str = "the old secret of github";
const NEW: &str = "the new secret of github";

#[test]
fn a_new_secret_is_swapped_in_and_the_snapshot_in_hand_stays() {
    let (folder, mut watch) = scene(GITHUB, OLD);
    let mut sources = watch.sources();
    let in_hand = sources.borrow_and_update().clone();
    watch.look(|| {});
    assert!(!sources.has_changed().unwrap(), "nothing has changed");
    fs::write(folder.path().join("secret"), format!("{NEW}\n")).unwrap();
    watch.look(|| {});
    assert!(sources.has_changed().unwrap());
    assert!(takes(&watch, "github", NEW) && !takes(&watch, "github", OLD));
    assert!(!Arc::ptr_eq(&in_hand, &sources.borrow()));
    assert_eq!(faults(&watch), [""; 0]);
}

/// As Kubernetes mounts a secret: `secret` leads to `..data/secret`, and `..data` to a folder that is never changed.
fn mount(folder: &Path, version: &str, secret: &str) {
    let versioned = folder.join(version);
    fs::create_dir(&versioned).unwrap();
    fs::write(versioned.join("secret"), secret).unwrap();
    symlink(version, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

#[test]
fn a_symbolic_link_that_is_turned_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    mount(folder.path(), "..2026_11_28_10_00", OLD);
    symlink("..data/secret", folder.path().join("secret")).unwrap();
    let file = folder.path().join("sources.toml");
    fs::write(&file, GITHUB).unwrap();
    let mut watch = watch(file);
    assert!(takes(&watch, "github", OLD));
    mount(folder.path(), "..2026_11_28_11_00", NEW);
    fs::remove_dir_all(folder.path().join("..2026_11_28_10_00")).unwrap();
    watch.look(|| {});
    assert!(takes(&watch, "github", NEW) && !takes(&watch, "github", OLD));
}

#[test]
fn what_was_last_good_stays_whatever_becomes_of_a_file() {
    let (folder, mut watch) = scene(GITHUB, OLD);
    let secret = folder.path().join("secret");
    let spoilt: [(&dyn Fn(), &str); 5] = [
        (
            &|| fs::remove_file(&secret).unwrap(),
            "file:secret does not exist",
        ),
        (&|| fs::write(&secret, "").unwrap(), "file:secret is empty"),
        (
            &|| fs::write(&secret, [0xff; 20]).unwrap(),
            "file:secret is not UTF-8",
        ),
        (
            &|| fs::write(&secret, "********").unwrap(),
            "a secret is a placeholder",
        ),
        (
            &|| fs::write(&secret, "short").unwrap(),
            "must have 8 or more",
        ),
    ];
    for (spoil, told) in spoilt {
        spoil();
        watch.look(|| {});
        assert!(takes(&watch, "github", OLD), "{told}");
        let faults = faults(&watch);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(
            faults[0].starts_with("SOURCES_FILE, source github: ") && faults[0].contains(told),
            "{faults:?}"
        );
        assert_eq!(watch.told.faults.len(), 1);
    }
    fs::write(&secret, NEW).unwrap();
    watch.look(|| {});
    assert!(takes(&watch, "github", NEW) && !takes(&watch, "github", OLD));
    assert_eq!(faults(&watch), [""; 0]);
}

#[test]
fn a_file_that_vanishes_keeps_its_content_beside_one_that_changes() {
    let document = "[sources.github]\nsecrets = ['file:secret', 'file:other']";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sources.toml");
    fs::write(&file, document).unwrap();
    fs::write(folder.path().join("secret"), OLD).unwrap();
    fs::write(folder.path().join("other"), "another secret of github").unwrap();
    let mut watch = watch(file);
    fs::remove_file(folder.path().join("secret")).unwrap();
    fs::write(folder.path().join("other"), NEW).unwrap();
    watch.look(|| {});
    assert!(takes(&watch, "github", NEW) && takes(&watch, "github", OLD));
    assert_eq!(faults(&watch).len(), 1);
}

#[test]
fn what_is_just_being_written_is_left_for_the_next_time() {
    let (folder, mut watch) = scene(GITHUB, OLD);
    let secret = folder.path().join("secret");
    fs::write(&secret, &NEW[..10]).unwrap();
    watch.look(|| fs::write(&secret, NEW).unwrap());
    assert!(takes(&watch, "github", OLD) && !takes(&watch, "github", &NEW[..10]));
    watch.look(|| {});
    assert!(takes(&watch, "github", NEW));
}

#[test]
fn one_source_that_is_wrong_holds_up_no_other() {
    let document = format!("{GITHUB}\n[sources.other]\npreset = 'github'\nsecrets = 'file:other'");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sources.toml");
    fs::write(folder.path().join("secret"), OLD).unwrap();
    fs::write(folder.path().join("other"), OLD).unwrap();
    fs::write(&file, document).unwrap();
    let mut watch = watch(file);
    fs::write(folder.path().join("secret"), NEW).unwrap();
    fs::remove_file(folder.path().join("other")).unwrap();
    watch.look(|| {});
    assert!(takes(&watch, "github", NEW) && takes(&watch, "other", OLD));
}

#[test]
fn an_old_secret_goes_with_its_optional_file_and_the_last_one_stays() {
    let document = "[sources.github]\nsecrets = ['file:secret?optional', 'file:previous?optional']";
    let folder = tempfile::tempdir().unwrap();
    let (file, secret, previous) = (
        folder.path().join("sources.toml"),
        folder.path().join("secret"),
        folder.path().join("previous"),
    );
    fs::write(&file, document).unwrap();
    fs::write(&secret, NEW).unwrap();
    fs::write(&previous, OLD).unwrap();
    let mut watch = watch(file);
    assert!(takes(&watch, "github", NEW) && takes(&watch, "github", OLD));
    fs::remove_file(previous).unwrap();
    watch.look(|| {});
    assert!(takes(&watch, "github", NEW) && !takes(&watch, "github", OLD));
    assert_eq!(faults(&watch), [""; 0]);
    fs::remove_file(secret).unwrap();
    watch.look(|| {});
    assert!(takes(&watch, "github", NEW));
    assert_eq!(faults(&watch).len(), 1);
}

#[test]
fn the_document_is_read_again_and_a_wrong_one_changes_nothing() {
    let (folder, mut watch) = scene(GITHUB, OLD);
    let file = folder.path().join("sources.toml");
    fs::write(folder.path().join("other"), NEW).unwrap();
    let added = format!("{GITHUB}\n[sources.other]\npreset = 'github'\nsecrets = 'file:other'");
    fs::write(&file, &added).unwrap();
    watch.look(|| {});
    assert!(takes(&watch, "github", OLD) && takes(&watch, "other", NEW));
    for wrong in ["", "[sources", "[sources.github]\nsecretz = 1", "[sources]"] {
        fs::write(&file, wrong).unwrap();
        watch.look(|| {});
        assert!(
            takes(&watch, "github", OLD) && takes(&watch, "other", NEW),
            "{wrong}"
        );
        let faults = faults(&watch);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("SOURCES_FILE"), "{faults:?}");
    }
    // A new one that cannot be made holds up nothing.
    let absent = format!("{GITHUB}\n[sources.absent]\npreset = 'github'\nsecrets = 'file:absent'");
    fs::write(&file, absent).unwrap();
    watch.look(|| {});
    assert!(watch.sources().borrow().get("absent").is_none());
    assert!(watch.sources().borrow().get("other").is_none());
    assert_eq!(
        faults(&watch),
        ["SOURCES_FILE, source absent: file:absent does not exist"]
    );
    fs::write(folder.path().join("absent"), NEW).unwrap();
    watch.look(|| {});
    assert!(takes(&watch, "absent", NEW));
    assert_eq!(faults(&watch), [""; 0]);
}

#[tokio::test]
async fn what_changes_while_it_runs_is_swapped_in_until_it_is_stopped() {
    let (folder, watch) = scene(GITHUB, OLD);
    let mut sources = watch.sources();
    sources.borrow_and_update();
    let stop = CancellationToken::new();
    let running = tokio::spawn(watch.run(Duration::from_millis(10), stop.clone()));
    fs::write(folder.path().join("secret"), NEW).unwrap();
    let soon = Duration::from_secs(30);
    tokio::time::timeout(soon, sources.changed())
        .await
        .unwrap()
        .unwrap();
    stop.cancel();
    tokio::time::timeout(soon, running)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
