//! What people read tells the truth.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{harness::Harness, processes::run};

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(path)).expect(path)
}

/// The settings in the order of the help text.
pub(crate) async fn settings() -> Vec<String> {
    let harness = Harness::embedded();
    let help = run(harness.folder.path(), &["--help"], &harness.environment)
        .await
        .stdout;
    let (_, settings) = help.split_once("Settings:").unwrap();
    settings
        .split("[env: ")
        .skip(1)
        .map(|rest| rest.split(['=', ']']).next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_openapi_document_is_the_committed_one() {
    let harness = Harness::embedded();
    let printed = run(harness.folder.path(), &["openapi"], &harness.environment)
        .await
        .stdout;
    assert!(
        printed == read("docs/openapi.json"),
        "the API has changed; if that is meant: cargo run -- openapi > docs/openapi.json"
    );
}

#[tokio::test]
async fn the_docs_are_served_and_need_no_internet() {
    let mut harness = Harness::embedded();
    let api = harness.start("").await.url();
    let page = harness
        .get(&format!("{api}/docs"))
        .await
        .text()
        .await
        .unwrap();
    assert!(page.contains("SwaggerUIBundle"));
    for outside in [
        "src=\"http",
        "src='http",
        "href=\"http",
        "@import",
        "url(http",
    ] {
        let head = page.split("<body>").next().unwrap();
        assert!(!head.contains(&format!("<script {outside}")), "{outside}");
        assert!(!head.contains(&format!("<link {outside}")), "{outside}");
    }
    let document = harness
        .get(&format!("{api}/openapi.json"))
        .await
        .text()
        .await
        .unwrap();
    assert_eq!(document.trim_end(), read("docs/openapi.json").trim_end());
}

#[test]
fn every_operation_and_field_is_described() {
    let document: serde_json::Value = serde_json::from_str(&read("docs/openapi.json")).unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for text in ["summary", "description", "operationId"] {
                assert!(operation[text].is_string(), "{method} {path} has no {text}");
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                let description = response["description"].as_str().unwrap();
                assert!(!description.is_empty(), "{method} {path} {status}");
            }
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let referred = schema["$ref"].as_str().and_then(|to| {
                let path = to.strip_prefix('#')?;
                document.pointer(path)
            });
            let schema = referred.unwrap_or(schema);
            assert!(schema["description"].is_string(), "{name}.{field}");
        }
    }
}

#[tokio::test]
async fn the_readme_and_the_example_list_every_setting_in_the_order_of_the_help() {
    let settings = settings().await;
    assert!(settings.len() > 8, "{settings:?}");
    let in_order = |text: &str, mark: &dyn Fn(&str) -> String| {
        let places: Vec<_> = settings
            .iter()
            .map(|name| text.find(&mark(name)).ok_or(name))
            .collect();
        assert!(
            places.iter().all(Result::is_ok) && places.is_sorted(),
            "{settings:?}: {places:?}"
        );
    };
    in_order(&read("README.md"), &|name| format!("| `{name}`"));
    in_order(&read(".env.example"), &|name| format!("{name}="));
}

/// Every file in these folders, and in folders within them.
fn files_in(mut folders: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    files
}

/// What the service is made of; the first is the process.
const CRATES: [&str; 8] = [
    "",
    "api",
    "consumer",
    "entity",
    "meter",
    "migration",
    "queue",
    "trace",
];

fn product() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    files_in(CRATES.map(|name| root.join(name).join("src")).into())
}

#[test]
fn every_test_that_the_documents_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = CRATES
        .iter()
        .chain(&["failpoint", "lab", "model", "testbed"]);
    let folders = folders.flat_map(|name| ["src", "tests"].map(|part| root.join(name).join(part)));
    let text_of = |folders, end: &str| -> String {
        let files = files_in(folders).into_iter();
        files
            .filter(|file| file.extension().is_some_and(|is| is == end))
            .map(|file| fs::read_to_string(file).unwrap())
            .collect()
    };
    let code = text_of(folders.filter(|folder| folder.is_dir()).collect(), "rs");
    let documents = text_of(vec![root.join("docs")], "md");
    // What is between backticks and has the words of a sentence.
    let names = documents.split('`').filter(|text| {
        let is_name = |c: char| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit();
        let is_metric = text.starts_with("hookline_") || text.starts_with("http_server_");
        text.chars().all(is_name) && text.matches('_').count() > 3 && !is_metric
    });
    let names: BTreeSet<&str> = names.collect();
    assert!(names.len() > 50, "{names:?}");
    for name in names {
        assert!(code.contains(&format!("fn {name}(")), "{name}");
    }
}

#[test]
fn every_function_that_the_documents_name_is_in_its_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents: String = files_in(vec![root.join("docs")])
        .into_iter()
        .filter(|file| file.extension().is_some_and(|is| is == "md"))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    // `path/of/file.rs` or `path/of/file.rs: Type::function`.
    let named = documents.split('`').filter_map(|text| {
        let (file, name) = match text.split_once(".rs: ") {
            Some((file, name)) => (format!("{file}.rs"), Some(name)),
            None => (text.to_owned(), None),
        };
        let is_path = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/_.".contains(c);
        let is_file = file.ends_with(".rs") && file.contains('/') && file.chars().all(is_path);
        is_file.then_some((file, name))
    });
    let named: BTreeSet<(String, Option<&str>)> = named.collect();
    assert!(named.len() > 60, "{named:?}");
    for (file, name) in named {
        let code = fs::read_to_string(root.join(&file));
        let code = code.unwrap_or_else(|error| panic!("{file}: {error}"));
        let words = name.into_iter().flat_map(|name| name.split("::"));
        for word in words {
            let is_there = ["fn", "struct", "enum", "impl", "const"]
                .iter()
                .any(|kind| {
                    code.match_indices(&format!("{kind} {word}"))
                        .any(|(at, found)| {
                            let next = code[at + found.len()..].chars().next();
                            !next.is_some_and(|c| c.is_alphanumeric() || c == '_')
                        })
                });
            assert!(is_there, "{file} has no {word}");
        }
    }
}

#[test]
fn every_log_line_has_an_event_and_every_event_is_in_the_docs() {
    let mut events = BTreeSet::new();
    for file in product() {
        let code = fs::read_to_string(&file).unwrap();
        for level in ["info", "warn", "error"] {
            for line in code.split(&format!("tracing::{level}!(")).skip(1) {
                let event = line.trim_start().strip_prefix("event = \"");
                let event = event.and_then(|rest| rest.split_once('"'));
                let (event, _) = event.unwrap_or_else(|| {
                    let start: String = line.chars().take(80).collect();
                    panic!("{}: no event first in {start}", file.display())
                });
                events.insert(event.to_owned());
            }
        }
    }
    let operations = read("docs/OPERATIONS.md");
    let (_, lines) = operations.split_once("| `event` |").unwrap();
    let lines = lines
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let named: BTreeSet<String> = lines
        .filter_map(|line| line.split('|').nth(1))
        .flat_map(|column| column.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    assert!(named.len() > 20, "{named:?}");
    assert_eq!(named, events);
}

#[test]
fn the_readme_names_the_two_commands() {
    let readme = read("README.md");
    assert!(readme.contains("cargo run\n") && readme.contains("scripts/test\n"));
}
