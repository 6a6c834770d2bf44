//! What the manifest says of itself is true of everything it brings along: the oldest compiler that
//! it names is enough, and no licence among the dependencies asks more of a user than MIT and
//! Apache-2.0 do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test tells what it found, and may panic"
)]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::process::Command;

use serde::Deserialize;

const STATED: &str = env!("CARGO_PKG_RUST_VERSION");

/// Each can be kept by a user who passes the licence texts on with the program.
const ALLOWED: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize, Clone)]
struct Package {
    id: String,
    name: String,
    version: String,
    rust_version: Option<String>,
    license: Option<String>,
    license_file: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

/// Everything that is compiled, on any platform and with any feature, where this crate is used: all
/// but what only its tests need.
fn dependencies() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--all-features"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).unwrap();
    let packages: HashMap<_, _> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let nodes: HashMap<_, _> =
        metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let own =
        |package: &&Package| package.name == env!("CARGO_PKG_NAME") && package.source.is_none();

    let mut ahead = vec![metadata.packages.iter().find(own).unwrap().id.as_str()];
    let mut seen = HashSet::new();
    while let Some(id) = ahead.pop() {
        if !seen.insert(id) {
            continue;
        }
        let needed = |dependency: &&Dependency| {
            dependency.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"))
        };
        ahead
            .extend(nodes[id].deps.iter().filter(needed).map(|dependency| dependency.pkg.as_str()));
    }
    let found: Vec<_> = seen.into_iter().map(|id| packages[id].clone()).collect();
    assert!(found.len() > 50, "a walk that finds {} packages has gone wrong", found.len());
    found
}

fn version(text: &str) -> (u32, u32, u32) {
    let mut parts = text.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

#[test]
fn the_stated_compiler_is_enough_for_every_dependency() {
    let mut floors: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for package in dependencies().iter().filter(|package| package.name != env!("CARGO_PKG_NAME")) {
        if let Some(needed) = &package.rust_version {
            floors
                .entry(version(needed))
                .or_default()
                .push(format!("{} {} ({needed})", package.name, package.version));
        }
    }
    let (highest, setting) = floors.pop_last().unwrap();
    println!("stated: {STATED}; needed: {highest:?} by {}", setting.join(", "));
    if let Some((next, setting)) = floors.pop_last() {
        println!("without these: {next:?} by {}", setting.join(", "));
    }
    assert!(
        highest <= version(STATED),
        "rust-version is {STATED}, but newer is needed by {}",
        setting.join(", ")
    );
}

#[test]
fn no_dependency_has_a_licence_that_asks_for_more() {
    let mut by_licence: BTreeMap<String, u32> = BTreeMap::new();
    let mut refused = Vec::new();
    for package in dependencies() {
        let licence =
            package.license.clone().unwrap_or_else(|| format!("file {:?}", package.license_file));
        if !allows(&licence) {
            refused.push(format!("{} {}: {licence}", package.name, package.version));
        }
        *by_licence.entry(licence).or_default() += 1;
    }
    println!("{by_licence:#?}");
    assert!(refused.is_empty(), "not on the list of allowed licences: {}", refused.join("; "));
}

/// Whether an SPDX expression can be fulfilled with allowed licences only. An exception (`WITH`)
/// only adds permissions; `/` is how `OR` was written once.
fn allows(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut at = 0;
    let allowed = any_of(&words, &mut at);
    allowed == Some(true) && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize) -> Option<bool> {
    let mut allowed = all_of(words, at)?;
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        allowed |= all_of(words, at)?;
    }
    Some(allowed)
}

fn all_of(words: &[&str], at: &mut usize) -> Option<bool> {
    let mut allowed = one(words, at)?;
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        allowed &= one(words, at)?;
    }
    Some(allowed)
}

fn one(words: &[&str], at: &mut usize) -> Option<bool> {
    let word = words.get(*at)?;
    *at += 1;
    if *word == "(" {
        let allowed = any_of(words, at)?;
        *at += 1;
        return (words.get(*at - 1) == Some(&")")).then_some(allowed);
    }
    if words.get(*at) == Some(&"WITH") {
        *at += 2;
    }
    Some(ALLOWED.contains(word))
}

#[test]
fn licence_expressions_are_understood() {
    for good in [
        "MIT",
        "MIT OR Apache-2.0",
        "MIT/Apache-2.0",
        "MIT OR GPL-3.0-only",
        "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "GPL-2.0-only AND ISC OR MIT",
    ] {
        assert!(allows(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0-only",
        "LGPL-2.1-or-later",
        "MPL-2.0",
        "MIT AND GPL-3.0-only",
        "MIT AND (GPL-3.0-only OR AGPL-3.0-only)",
        "GPL-2.0-only WITH Classpath-exception-2.0",
        "(MIT",
        "MIT)",
        "MIT Apache-2.0",
        "MIT OR",
        "file Some(\"LICENSE\")",
    ] {
        assert!(!allows(bad), "{bad}");
    }
}

#[test]
fn versions_are_compared_as_numbers() {
    assert!(
        version("1.9") < version("1.88")
            && version("1.88") == version("1.88.0")
            && version("1.88.1") > version("1.88")
    );
}

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// The files of the package as it would be published.
fn packaged() -> HashSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["package", "--list", "--allow-dirty", "--package", env!("CARGO_PKG_NAME")])
        .current_dir(CRATE)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| line.replace('\\', "/")).collect()
}

/// The files below a folder of the crate, as the package names them.
fn below(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(format!("{CRATE}/{folder}")).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_package_has_what_a_user_needs_and_no_more() {
    let files = packaged();
    let sources = below("src");
    assert!(sources.len() > 100, "a walk that finds {} files has gone wrong", sources.len());
    let needed = ["Cargo.toml", "LICENSE", "README.md"].map(String::from);
    let missing: Vec<_> =
        needed.iter().chain(&sources).filter(|file| !files.contains(*file)).collect();
    assert!(missing.is_empty(), "not in the package: {missing:?}");
    let strays: Vec<_> = files
        .iter()
        .filter(|file| file.starts_with("tests/") || file.starts_with("benches/"))
        .collect();
    assert!(strays.is_empty(), "they cannot run there: {strays:?}");
}

/// It is a symbolic link, in whose place some checkouts have a file with its path.
#[test]
fn the_packaged_licence_is_that_of_the_repository() {
    let licence = |folder: &str| std::fs::read_to_string(format!("{CRATE}/{folder}LICENSE"));
    assert_eq!(licence("").unwrap(), licence("../").unwrap());
}

/// What a file includes, or links to: paths from its folder.
fn leads(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("{CRATE}/{file}"));
    let text = text.unwrap_or_else(|error| panic!("{file}: {error}"));
    let after = |mark: &'static str, end: char| {
        let told = text.split(mark).skip(1);
        told.map(|rest| rest.split(end).next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    if file.ends_with(".md") {
        let mut links = after("](", ')');
        links.retain(|link| !link.starts_with("http") && !link.starts_with('#'));
        return links.iter().map(|link| link.split('#').next().unwrap().to_owned()).collect();
    }
    let mut found = Vec::new();
    for include in ["include_str!(", "include_bytes!(", "include!(", "#[path = "] {
        for argument in after(include, ')') {
            let path = argument.split('"').nth(1);
            found.push(path.unwrap_or_else(|| panic!("{file}: {include}{argument}")).to_owned());
        }
    }
    found
}

#[test]
fn what_a_packaged_file_leads_to_is_packaged_too() {
    let files = packaged();
    let mut found = 0;
    for file in files.iter().filter(|file| file.ends_with(".md") || file.ends_with(".rs")) {
        for lead in leads(file) {
            let mut path: Vec<_> = file.split('/').collect();
            path.pop();
            for part in lead.split('/') {
                match part {
                    ".." if path.pop().is_some() => {}
                    part => path.push(part),
                }
            }
            let path = path.join("/");
            assert!(files.contains(&path), "{file} leads to {lead}, which is not in the package");
            found += 1;
        }
    }
    assert!(found > 15, "a search that finds {found} paths has gone wrong");
}
