//! Data falls one way: a file imports from its own floor's room, or from a floor below, and no
//! files import each other in a circle.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Meta, UseTree, Visibility};

/// From the ground up. The rooms of one floor do not see each other.
const FLOORS: &[&[&str]] = &[
    &["changes", "clock", "docs", "per_process", "signals"],
    &["provider"],
    &["logging", "progress", "random"],
    &["http"],
    &["wait"],
    &["create"],
    &["guard", "lease", "provider::shared"],
    &["fleet", "provider::aws", "provider::digitalocean", "provider::docker", "provider::hetzner"],
    &["placement", "provider::builtins", "scope"],
    &["blocking", "conformance", "simulator"],
    &["simulation"],
    &["fuzzing"],
];

/// Files that re-export what is above them, so that public paths stay short: only their `pub use`
/// may.
const FACES: [&str; 2] = ["", "provider"];

/// A module that has a file, by its path in the crate.
type Module = Vec<String>;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let below = folders.iter().flat_map(|folder| self::files(folder));
    let own = files
        .into_iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
    own.chain(below).collect()
}

fn module_of(file: &Path) -> Module {
    let path = file.strip_prefix(source()).unwrap().with_extension("");
    let mut module: Module = path.iter().map(|part| part.to_str().unwrap().to_string()).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    module
}

/// The paths that a file names, from the root of the crate.
struct Paths {
    file: Module,
    /// Modules inside the file.
    inside: Module,
    /// What an unqualified path may begin with: the file's own modules.
    children: BTreeSet<String>,
    is_face: bool,
    found: Vec<Vec<String>>,
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string().contains("test"),
        _ => false,
    })
}

impl Paths {
    fn of(file: &Path) -> Self {
        let parsed = syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap();
        let children = parsed.items.iter().filter_map(|item| match item {
            Item::Mod(child) if child.content.is_none() => Some(child.ident.to_string()),
            _ => None,
        });
        let module = module_of(file);
        let is_face = FACES.contains(&module.join("::").as_str());
        let mut paths = Self {
            children: children.collect(),
            file: module,
            inside: Vec::new(),
            is_face,
            found: Vec::new(),
        };
        paths.visit_file(&parsed);
        paths
    }

    fn note(&mut self, path: &[String]) {
        let Some(first) = path.first() else { return };
        let mut from: Module = self.file.iter().chain(&self.inside).cloned().collect();
        let mut rest = path;
        match first.as_str() {
            "crate" => (from, rest) = (Vec::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    from.pop();
                    rest = &rest[1..];
                }
            }
            child if self.inside.is_empty() && self.children.contains(child) => {}
            _ => return,
        }
        self.found.push(from.into_iter().chain(rest.iter().cloned()).collect());
    }

    fn tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: String| before.iter().cloned().chain([name]).collect::<Vec<_>>();
        match tree {
            UseTree::Path(path) => self.tree(&path.tree, &with(path.ident.to_string())),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before)),
            UseTree::Name(name) => self.note(&with(name.ident.to_string())),
            UseTree::Rename(rename) => self.note(&with(rename.ident.to_string())),
            UseTree::Glob(_) => self.note(before),
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.inside.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.inside.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !(self.is_face && matches!(item.vis, Visibility::Public(_))) {
            self.tree(&item.tree, &[]);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if parts.len() > 1 {
            self.note(&parts);
        }
        visit::visit_path(self, path);
    }
}

/// Which file imports which.
fn imports() -> BTreeMap<Module, BTreeSet<Module>> {
    let files: Vec<_> =
        files(&source()).into_iter().filter(|file| !file.ends_with("tests.rs")).collect();
    let files: Vec<_> =
        files.into_iter().filter(|file| !file.iter().any(|part| part == "tests")).collect();
    let modules: BTreeSet<_> = files.iter().map(|file| module_of(file)).collect();
    let of_file = |file: &PathBuf| {
        let paths = Paths::of(file);
        let target = |path: &Vec<String>| {
            (0..=path.len())
                .rev()
                .map(|end| path[..end].to_vec())
                .find(|path| modules.contains(path))
        };
        let targets =
            paths.found.iter().filter_map(target).filter(|target| *target != paths.file).collect();
        (paths.file, targets)
    };
    files.iter().map(of_file).collect()
}

/// The room of a module: what stands on a floor by itself.
fn room(module: &Module) -> String {
    let path = module.join("::");
    if module.contains(&"fuzzing".to_string()) {
        return "fuzzing".to_string();
    }
    let named = FLOORS
        .iter()
        .copied()
        .flatten()
        .filter(|room| path == **room || path.starts_with(&format!("{room}::")));
    named.max_by_key(|room| room.len()).map_or(path.clone(), ToString::to_string)
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&room))
}

#[test]
fn every_file_imports_from_below() {
    let mut found = Vec::new();
    for (module, targets) in imports() {
        let here = room(&module);
        let Some(at) = floor(&here) else {
            assert!(module.is_empty(), "{here} is on no floor: give it one");
            continue;
        };
        for target in targets.iter().filter(|target| !target.is_empty()) {
            let there = room(target);
            if here != there && floor(&there).is_none_or(|there| there >= at) {
                found.push(format!("{} imports {}", module.join("::"), target.join("::")));
            }
        }
    }
    assert!(found.is_empty(), "not from below:\n{}", found.join("\n"));
}

/// A parent and its own children may see each other: they are one thing in several files.
#[test]
fn no_files_import_each_other_in_a_circle() {
    let related = |one: &Module, other: &Module| one.starts_with(other) || other.starts_with(one);
    let mut imports = imports();
    imports
        .iter_mut()
        .for_each(|(module, targets)| targets.retain(|target| !related(module, target)));
    // What imports nothing that is left, or is imported by nothing, is in no circle, and is taken
    // away; what remains is.
    loop {
        let targets: BTreeSet<_> = imports.values().flatten().cloned().collect();
        let before = imports.len();
        imports.retain(|module, own| !own.is_empty() && targets.contains(module));
        if imports.len() == before {
            break;
        }
        let left: BTreeSet<_> = imports.keys().cloned().collect();
        imports.values_mut().for_each(|targets| targets.retain(|target| left.contains(target)));
    }
    let words = |(module, targets): (&Module, &BTreeSet<Module>)| {
        format!(
            "{} imports {}",
            module.join("::"),
            targets.iter().map(|path| path.join("::")).collect::<Vec<_>>().join(", ")
        )
    };
    assert!(
        imports.is_empty(),
        "in a circle:\n{}",
        imports.iter().map(words).collect::<Vec<_>>().join("\n")
    );
}
