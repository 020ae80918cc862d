//! The inputs from which fuzzing starts, and those that it has found: none makes it panic.

use std::{fs, path::PathBuf};

#[path = "../../fuzz/input.rs"]
mod input;

/// How many of the inputs in this folder are taken for genuine.
fn run(folder: &str, target: fn(&[u8]) -> Option<bool>) -> (usize, usize) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(folder);
    let (mut judged, mut genuine) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        if let Some(is_genuine) = target(&bytes) {
            judged += 1;
            genuine += usize::from(is_genuine);
        }
        for end in (0..bytes.len()).step_by(7) {
            target(&bytes[..end]);
        }
    }
    (judged, genuine)
}

#[test]
fn the_corpus_is_judged() {
    let (judged, genuine) = run("judge", input::judge);
    assert!(judged >= 38 && genuine >= 15, "{judged} {genuine}");
    assert_eq!(run("settings", input::settings), (6, 6));
}
