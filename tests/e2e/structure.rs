//! One way through each crate: no file needs, directly or over others, a file that needs it.
//!
//! A file needs another if it uses what is defined there. To declare a module, or only to pass a name on (`pub use`), is no
//! need, and what tests use does not count. Methods are not seen: an `impl` may stand in several files.

mod needs;
mod source;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use needs::{Needs, needs};

/// The folders of the workspace's crates. The root package is one of them.
fn crates() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = fs::read_dir(root).unwrap().map(|entry| entry.unwrap());
    let mut crates: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
    crates.push(root.to_owned());
    crates.retain(|folder| folder.join("Cargo.toml").is_file() && folder.join("src").is_dir());
    crates.sort();
    crates
}

/// The groups of files that need each other.
fn circles(needs: &Needs) -> Vec<BTreeSet<&str>> {
    let within_reach = |start: &str| {
        let mut reached = BTreeSet::new();
        let mut ahead = vec![start];
        while let Some(file) = ahead.pop() {
            for next in needs[file].keys() {
                if reached.insert(next.as_str()) {
                    ahead.push(next);
                }
            }
        }
        reached
    };
    let mut circles: Vec<BTreeSet<&str>> = Vec::new();
    for file in needs.keys() {
        if circles.iter().any(|circle| circle.contains(file.as_str())) {
            continue;
        }
        let mut circle = within_reach(file);
        circle.retain(|other| within_reach(other).contains(file.as_str()));
        if !circle.is_empty() {
            circles.push(circle);
        }
    }
    circles
}

/// What is to be mended in the crate in `folder`; empty if nothing is.
fn report(folder: &Path) -> String {
    let mut report = String::new();
    for root in ["lib.rs", "main.rs"] {
        let src = folder.join("src");
        if !src.join(root).is_file() {
            continue;
        }
        let needs = needs(&src, root);
        for circle in circles(&needs) {
            let files = circle.len();
            let src = src.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(&src);
            writeln!(report, "{files} files of {} need each other", src.display()).unwrap();
            for file in &circle {
                let within = needs[*file].iter();
                for (other, names) in within.filter(|(other, _)| circle.contains(other.as_str())) {
                    let names: Vec<_> = names.iter().map(String::as_str).collect();
                    let names = names.join(", ");
                    writeln!(report, "    {file} needs {names} of {other}").unwrap();
                }
            }
        }
    }
    report
}

#[test]
fn no_files_of_a_crate_need_each_other() {
    let crates = crates();
    assert!(crates.len() > 8, "{crates:?}");
    let report: String = crates.iter().map(|folder| report(folder)).collect();
    assert!(
        report.is_empty(),
        "move what several of them need to a file that needs none of them:\n{report}"
    );
}

/// Reports on a crate of these files.
fn report_on(files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join("src").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    report(folder.path())
}

#[test]
fn files_that_need_each_other_are_found() {
    let report = report_on(&[
        ("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::A;\n"),
        (
            "a.rs",
            "use crate::{\n    b::{self as other, Unused as _},\n};\npub struct A(other::B);\n",
        ),
        (
            "b.rs",
            "pub struct B;\nfn f() { let _ = crate::c::inner::deep(); }\n",
        ),
        ("c.rs", "pub(crate) mod inner;\n"),
        ("c/inner.rs", "use crate::A;\npub(crate) fn deep() {}\n"),
    ]);
    let (head, needs) = report.split_once('\n').unwrap();
    assert!(head.starts_with("3 files of "), "{head}");
    assert_eq!(
        needs,
        "    \
         a.rs needs Unused, other::B of b.rs\n    \
         b.rs needs inner::deep of c/inner.rs\n    \
         c/inner.rs needs A of a.rs\n"
    );
}

#[test]
fn a_parent_that_uses_its_child_and_is_used_by_it_is_found() {
    let child = (
        "child.rs",
        "use super::LIMIT;\npub fn f() -> u32 { LIMIT }\n",
    );
    for parent in [
        "mod child;\nconst LIMIT: u32 = 1;\nuse child::f;\nfn g() { f(); }\n",
        "mod child;\nconst LIMIT: u32 = 1;\nfn g() { child::f(); }\n",
        "mod child;\nconst LIMIT: u32 = 1;\npub use child::f;\nfn g() { f(); }\n",
    ] {
        let report = report_on(&[("main.rs", parent), child]);
        assert!(
            report.contains("child.rs needs LIMIT of main.rs"),
            "{report}"
        );
    }
}

#[test]
fn names_passed_on_tests_comments_and_texts_are_no_needs() {
    let report = report_on(&[
        (
            "lib.rs",
            "mod a;\nmod b;\npub use a::{f, A};\npub const LIMIT: u32 = 1;\n\
             // a::f();\n/* /* a::f() */ */\nconst TEXT: &str = r#\"\"a::f()\"#;\nconst QUOTE: char = '\"';\n\
             #[cfg(test)]\nmod tests { use super::a::f; }\n",
        ),
        (
            "a.rs",
            "use crate::LIMIT;\npub struct A;\npub fn f<'a>() -> u32 { LIMIT }\n#[cfg(test)]\nmod tests;\n",
        ),
        ("a/tests.rs", "use crate::b::B;\n"),
        ("b.rs", "pub use crate::A;\npub struct B(super::A);\n"),
    ]);
    assert_eq!(report, "");
}
