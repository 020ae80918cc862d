//! What one file says of modules and names, read from its words alone. It takes a module that has no file of its own for a part
//! of the file, and knows no `#[path]`: there is neither, but in tests.

use std::collections::BTreeSet;

/// The words before a name that is defined.
const DEFINING: [&str; 9] = [
    "fn", "struct", "enum", "union", "const", "static", "type", "trait", "mod",
];

/// A file, its tests left out.
#[derive(Default)]
pub(super) struct Source {
    /// The modules that have files of their own.
    pub(super) children: BTreeSet<String>,
    pub(super) defined: BTreeSet<String>,
    pub(super) uses: Vec<Use>,
    /// Paths of several names, as they stand outside of `use`.
    pub(super) paths: BTreeSet<Vec<String>>,
    /// Names that stand alone or begin a path.
    pub(super) names: BTreeSet<String>,
}

/// One name that `use` brings in.
pub(super) struct Use {
    pub(super) path: Vec<String>,
    /// What it is called here; `*` for everything.
    pub(super) name: String,
    /// Whether others may have it from here.
    pub(super) is_public: bool,
}

impl Source {
    pub(super) fn read(text: &str) -> Self {
        let words = without_tests(&words(text));
        let mut source = Self::default();
        let mut at = 0;
        while at < words.len() {
            let before = at
                .checked_sub(1)
                .map_or("", |before| words[before].as_str());
            let word = words[at].as_str();
            // `impl Trait + use<>` is none.
            if word == "use" && words.get(at + 1).is_some_and(|next| next != "<") {
                let end = at + position(&words[at..], ";");
                let is_public = matches!(before, "pub" | ")");
                for (path, name) in tree(&words[at + 1..end]) {
                    source.uses.push(Use {
                        path,
                        name,
                        is_public,
                    });
                }
                at = end + 1;
            } else if !is_name(word) || matches!(before, "." | "::") {
                at += 1;
            } else if DEFINING.contains(&before) {
                if before == "mod" && words.get(at + 1).is_some_and(|next| next == ";") {
                    source.children.insert(word.into());
                }
                source.defined.insert(word.into());
                at += 1;
            } else {
                let path = path(&words[at..]);
                at += 2 * path.len() - 1;
                source.names.insert(path[0].clone());
                if path.len() > 1 {
                    source.paths.insert(path);
                }
            }
        }
        source
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

fn position(words: &[String], wanted: &str) -> usize {
    let position = words.iter().position(|word| word == wanted);
    position.unwrap_or(words.len())
}

/// The path that `words` begin with.
fn path(words: &[String]) -> Vec<String> {
    let mut path = vec![words[0].clone()];
    let mut rest = &words[1..];
    while let [colons, name, ..] = rest
        && colons == "::"
        && is_name(name)
    {
        path.push(name.clone());
        rest = &rest[2..];
    }
    path
}

/// What stands between `use` and its end: each path, and its name here.
fn tree(words: &[String]) -> Vec<(Vec<String>, String)> {
    let brace = position(words, "{");
    if brace < words.len() {
        let prefix = words[..brace].iter().filter(|word| *word != "::");
        let prefix: Vec<_> = prefix.cloned().collect();
        let inner = &words[brace + 1..words.len() - 1];
        let branches = parts(inner).into_iter().flat_map(tree);
        return branches
            .map(|(path, name)| {
                let path = [prefix.clone(), path].concat();
                match path.as_slice() {
                    [path @ .., last] if last == "self" && !path.is_empty() => {
                        let name = match name == "self" {
                            true => path[path.len() - 1].clone(),
                            false => name,
                        };
                        (path.to_vec(), name)
                    }
                    _ => (path, name),
                }
            })
            .collect();
    }
    let end = position(words, "as");
    let path = words[..end].iter().filter(|word| *word != "::");
    let path: Vec<_> = path.cloned().collect();
    let Some(name) = words.get(end + 1).or(path.last()) else {
        return Vec::new();
    };
    let name = name.clone();
    vec![(path, name)]
}

/// Splits at the commas that are in no braces.
fn parts(words: &[String]) -> Vec<&[String]> {
    let mut depth = 0;
    let is_end = |word: &String| {
        match word.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        depth == 0 && word == ","
    };
    words
        .split(is_end)
        .filter(|part| !part.is_empty())
        .collect()
}

/// Leaves out what `#[cfg(test)]` stands before.
fn without_tests(words: &[String]) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut rest = words;
    while let Some(word) = rest.first() {
        if rest.len() > MARK.len() && rest.iter().zip(MARK).all(|(word, mark)| word == mark) {
            rest = &rest[MARK.len()..];
            rest = &rest[item(rest)..];
        } else {
            kept.push(word.clone());
            rest = &rest[1..];
        }
    }
    kept
}

/// How many words the item, variant or arm has that `words` begin with.
fn item(words: &[String]) -> usize {
    let is_item = DEFINING.contains(&words[0].as_str())
        || ["pub", "use", "impl", "async", "#"].contains(&words[0].as_str());
    let mut depth = 0;
    for (index, word) in words.iter().enumerate() {
        match word.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        match word.as_str() {
            _ if depth < 0 => return index,
            ";" | "}" if depth == 0 => return index + 1,
            "," if depth == 0 && !is_item => return index + 1,
            _ => {}
        }
    }
    words.len()
}

/// Names, numbers, `::` and single signs, without comments, texts and lifetimes.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment(rest)
        } else if first == '"' {
            string(rest)
        } else if first == '\'' {
            quote(rest)
        } else if is_part(first) {
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            if matches!(word, "r" | "br" | "cr") && after.starts_with(['"', '#']) {
                end + raw_string(after)
            } else {
                words.push(word.into());
                end
            }
        } else if rest.starts_with("::") {
            words.push("::".into());
            2
        } else {
            if !first.is_whitespace() {
                words.push(first.into());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    words
}

fn comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let step = match text.as_bytes()[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// After its `r`. What is a name that is a keyword, too (`r#type`), loses its mark.
fn raw_string(text: &str) -> usize {
    let hashes = text.len() - text.trim_start_matches('#').len();
    if !text[hashes..].starts_with('"') {
        return hashes;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let from = hashes + 1;
    let length = text[from..].find(&end);
    length.map_or(text.len(), |length| from + length + end.len())
}

/// A character, or the sign and the name of a lifetime.
fn quote(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let from = at + escaped.len_utf8();
            text[from..]
                .find('\'')
                .map_or(text.len(), |end| from + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        (Some((at, _)), _) => {
            let end = text[at..].find(|c: char| !c.is_alphanumeric() && c != '_');
            end.map_or(text.len(), |end| at + end)
        }
        _ => text.len(),
    }
}
