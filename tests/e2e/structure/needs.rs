//! Which file of a crate needs what of which other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    slice,
};

use super::source::Source;

/// Names passed on from module to module, at most: a name may be passed on in a circle.
const STEPS_MAX: usize = 16;

/// For each file, what it needs of each other. Files are named by their paths in the crate's folder of sources.
pub(super) type Needs = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// A module's names, from the crate's root on.
type Module = Vec<String>;

struct Crate {
    root: String,
    modules: BTreeMap<Module, Source>,
}

/// Where a path leads.
enum Target {
    Module(Module),
    /// Something defined in this module.
    In(Module),
}

/// What the files of the crate in `src` need, whose modules begin in the file `root`.
pub(super) fn needs(src: &Path, root: &str) -> Needs {
    let mut modules = BTreeMap::new();
    let mut ahead = vec![Module::new()];
    while let Some(module) = ahead.pop() {
        let path = src.join(file(root, &module));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let source = Source::read(&text);
        let children = source.children.iter();
        ahead.extend(children.map(|child| [&module[..], slice::from_ref(child)].concat()));
        modules.insert(module, source);
    }
    let root = root.to_owned();
    let all = Crate { root, modules };
    let of_each = all.modules.iter();
    of_each
        .map(|(module, source)| (file(&all.root, module), all.needs_of(module, source)))
        .collect()
}

fn file(root: &str, module: &Module) -> String {
    match module.is_empty() {
        true => root.into(),
        false => {
            let path: PathBuf = module.iter().collect();
            path.with_extension("rs").display().to_string()
        }
    }
}

impl Crate {
    fn needs_of(&self, module: &Module, source: &Source) -> BTreeMap<String, BTreeSet<String>> {
        let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut need = |of: &Module, name: String| {
            if of != module {
                needs.entry(file(&self.root, of)).or_default().insert(name);
            }
        };
        for one in &source.uses {
            let is_used = !one.is_public || source.names.contains(&one.name);
            match self.resolve(module, &one.path, STEPS_MAX) {
                Some(Target::In(of)) if is_used => need(&of, one.path[one.path.len() - 1].clone()),
                Some(Target::Module(of)) if one.name == "*" && is_used => need(&of, "*".into()),
                // Of a module by itself nothing is needed, only of what is in it: see the paths.
                _ => {}
            }
        }
        for path in &source.paths {
            if let Some(Target::In(of)) = self.resolve(module, path, STEPS_MAX) {
                need(&of, last_two(path));
            }
        }
        needs
    }

    /// Where `path` leads that stands in `module`; nowhere if that is another crate.
    fn resolve(&self, module: &Module, path: &[String], steps: usize) -> Option<Target> {
        let steps = steps.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.descend(Module::new(), rest, steps),
            "self" => self.descend(module.clone(), rest, steps),
            "super" => {
                let mut above = module.clone();
                above.pop()?;
                let mut rest = rest;
                while let [name, after @ ..] = rest
                    && name == "super"
                {
                    above.pop()?;
                    rest = after;
                }
                self.descend(above, rest, steps)
            }
            _ => {
                let source = &self.modules[module];
                let is_here = source.children.contains(first)
                    || source.uses.iter().any(|one| one.name == *first);
                is_here
                    .then(|| self.descend(module.clone(), path, steps))
                    .flatten()
            }
        }
    }

    /// Where `path` leads from within `module`.
    fn descend(&self, mut module: Module, path: &[String], steps: usize) -> Option<Target> {
        let Some((name, rest)) = path.split_first() else {
            return Some(Target::Module(module));
        };
        let source = &self.modules[&module];
        if name == "*" {
            return Some(Target::Module(module));
        }
        if source.children.contains(name) {
            module.push(name.clone());
            return self.descend(module, rest, steps);
        }
        if let Some(one) = source.uses.iter().find(|one| one.name == *name) {
            let path = [&one.path[..], rest].concat();
            return self.resolve(&module, &path, steps);
        }
        if source.defined.contains(name) {
            return Some(Target::In(module));
        }
        let everything = source.uses.iter().filter(|one| one.name == "*");
        let passed_on = everything
            .filter_map(|one| match self.resolve(&module, &one.path, steps)? {
                Target::Module(of) if self.has(&of, name) => self.descend(of, path, steps),
                _ => None,
            })
            .next();
        // What is made by a macro has no word of its own.
        passed_on.or(Some(Target::In(module)))
    }

    fn has(&self, module: &Module, name: &String) -> bool {
        let source = &self.modules[module];
        source.defined.contains(name) || source.uses.iter().any(|one| one.name == *name)
    }
}

fn last_two(path: &[String]) -> String {
    path[path.len().saturating_sub(2)..].join("::")
}
