//! The committed header and the committed list of symbols are those of the sources, and every exported function runs behind the
//! boundary. `tests/ffi/header` writes them anew.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn header() -> String {
    let config = cbindgen::Config::from_file(folder().join("cbindgen.toml")).unwrap();
    let bindings = cbindgen::Builder::new().with_config(config).with_src(folder().join("src/lib.rs")).generate().unwrap();
    let mut written = Vec::new();
    bindings.write(&mut written);
    // The codes are everywhere: their names are to be short.
    let text = String::from_utf8(written).unwrap().replace("SPUFF_CODE_", "SPUFF_").replace("\n\n\n", "\n");
    in_sections(&text)
}

/// The header with a heading before the functions of each source: the line that the source begins with.
fn in_sections(header: &str) -> String {
    let mut lines: Vec<&str> = header.lines().collect();
    let headings: Vec<(String, String)> = exports()
        .into_iter()
        .filter_map(|(path, functions)| {
            let source = fs::read_to_string(path).unwrap();
            let title = source.lines().next().unwrap().strip_prefix("//! ").unwrap().trim_end_matches('.');
            Some((format!("/* ---- {title} ---- */"), functions.first()?.0.clone()))
        })
        .collect();
    for (heading, first) in &headings {
        let function = declared(&lines, first);
        let text = lines[..function].iter().rposition(|line| !line.starts_with("///")).unwrap() + 1;
        lines.splice(text..text, [heading.as_str(), ""]);
    }
    lines.join("\n") + "\n"
}

/// The line on which a function is declared.
fn declared(header: &[&str], function: &str) -> usize {
    let call = format!("{function}(");
    header.iter().position(|line| line.contains(&call) && !line.trim_start().starts_with("///")).unwrap()
}

/// The sources, and the functions that each exports, with their bodies.
fn exports() -> Vec<(PathBuf, Vec<(String, String)>)> {
    let mut sources: Vec<PathBuf> = fs::read_dir(folder().join("src")).unwrap().map(|entry| entry.unwrap().path()).collect();
    sources.sort();
    let functions = |path: PathBuf| {
        let source = fs::read_to_string(&path).unwrap();
        let found = source.split("#[unsafe(no_mangle)]\n").skip(1).map(|part| {
            let name = part.split_once("extern \"C\" fn ").unwrap().1.split_once('(').unwrap().0.to_string();
            let body = part.split_once(" {\n").unwrap().1.split_once("\n}\n").unwrap().0.trim().to_string();
            (name, body)
        });
        let found = found.collect();
        (path, found)
    };
    sources.into_iter().map(functions).collect()
}

#[test]
fn the_header_is_that_of_the_sources() {
    let (written, committed) = (header(), folder().join("../include/spuff.h"));
    if std::env::var_os("SPUFF_WRITE_HEADER").is_some() {
        fs::write(&committed, &written).unwrap();
    }
    let old = fs::read_to_string(&committed).unwrap();
    let differs = written.lines().zip(old.lines()).find(|(new, old)| new != old);
    assert!(written == old, "include/spuff.h is not up to date: run tests/ffi/header; the first line that differs: {differs:?}");
}

#[test]
fn the_list_of_symbols_is_that_of_the_sources() {
    let mut names: Vec<String> = exports().into_iter().flat_map(|(_, found)| found).map(|(name, _)| name).collect();
    names.sort();
    let written = names.join("\n") + "\n";
    let committed = folder().join("symbols.txt");
    if std::env::var_os("SPUFF_WRITE_HEADER").is_some() {
        fs::write(&committed, &written).unwrap();
    }
    assert_eq!(fs::read_to_string(&committed).unwrap(), written, "symbols.txt is not up to date: run tests/ffi/header");
    let header = header();
    for name in names {
        assert!(header.contains(&format!("{name}(")), "{name} is in the header");
    }
}

/// The verbs that are another one's with an observer.
const WATCHED: [(&str, &str); 1] = [("watch", "wait_ready_many")];

/// The verbs that every language has.
#[test]
fn every_verb_has_its_function() {
    let verbs = fs::read_to_string(folder().join("../tests/verbs.txt")).unwrap();
    let functions: Vec<String> = exports()
        .into_iter()
        .flat_map(|(_, found)| found)
        .filter_map(|(name, _)| Some(name.strip_prefix("spuff_provider_")?.to_string()))
        .collect();
    for verb in verbs.lines() {
        let verb = WATCHED.iter().find(|(watched, _)| *watched == verb).map_or(verb, |(_, by)| by);
        assert!(functions.iter().any(|function| function == verb), "spuff_provider_{verb}");
    }
    for function in &functions {
        let verb = function.strip_suffix("_submit").unwrap_or(function);
        assert!(verb == "free" || verbs.lines().any(|known| known == verb), "tests/verbs.txt has {verb}");
    }
}

#[test]
fn every_exported_function_runs_behind_the_boundary() {
    let ways = ["guard(", "getter(", "release(", "field(", "of("];
    for (path, functions) in exports() {
        for (name, body) in functions {
            assert!(ways.iter().any(|way| body.starts_with(way)), "{name} of {} begins with {body:?}", path.display());
        }
    }
}

#[test]
fn every_exported_function_is_described() {
    let header = header();
    let lines: Vec<&str> = header.lines().collect();
    for (_, functions) in exports() {
        for (name, _) in functions {
            assert!(lines[declared(&lines, &name) - 1].starts_with("///"), "{name} has a text before it");
        }
    }
}
