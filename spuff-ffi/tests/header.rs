//! The committed header and the committed list of symbols are those of the sources, and every
//! exported function runs behind the boundary. `tests/ffi/header` writes them anew.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// In [`ORDER`], the nouns that are generated, by their names.
const NOUNS: &str = "nouns/";

/// The sources in the order of use.
const ORDER: [&str; 24] = [
    "registry",
    "config",
    "request",
    "provider",
    "instance",
    "error",
    "cancel",
    "progress",
    NOUNS,
    "strings",
    "submit",
    "fleet",
    "outcomes",
    "reap",
    "price",
    "placement",
    "placed",
    "attempts",
    "placement_verbs",
    "log",
    "version",
    "vtable",
    "simulator",
    "conformance",
];

fn header() -> String {
    let mut config = cbindgen::Config::from_file(folder().join("cbindgen.toml")).unwrap();
    for noun in nouns() {
        for name in [pascal(&noun), pascal(&format!("{noun}_callback"))] {
            let shown = format!("spuff_{}", snake(&name));
            config.export.rename.insert(name, shown);
        }
    }
    let names: HashMap<String, String> =
        config.export.rename.iter().map(|(rust, c)| (c.clone(), rust.clone())).collect();
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(folder().join("src/lib.rs"))
        .generate()
        .unwrap();
    let mut written = Vec::new();
    bindings.write(&mut written);
    // The codes are everywhere: their names are to be short.
    let text = String::from_utf8(written).unwrap().replace("SPUFF_CODE_", "SPUFF_");
    in_sections(&text, &names)
}

/// The header in the order of use: what is named everywhere, then for each source a heading, its
/// types and its functions.
fn in_sections(header: &str, names: &HashMap<String, String>) -> String {
    let (opening, body) = header.split_once("#include <stdint.h>\n").unwrap();
    let sources = sources();
    let mut parts: HashMap<String, Vec<String>> = HashMap::new();
    let mut forward = String::new();
    let mut code = String::new();
    for item in body
        .split("\n\n")
        .map(|item| item.trim_matches('\n'))
        .filter(|item| !item.is_empty() && !is_frame(item))
    {
        let name = name_of(item);
        let item = match item.split_once(&format!("typedef struct {name} ")) {
            Some((text, rest)) => {
                forward += &format!("typedef struct {name} {name};\n");
                let members = rest
                    .strip_suffix(&format!(" {name};"))
                    .map(|members| format!(" {members}"))
                    .unwrap_or_default();
                format!("{text}struct {name}{members};")
            }
            None => marked(item, &name),
        };
        let owner = sources
            .iter()
            .find(|source| source.has(&name, names))
            .unwrap_or_else(|| panic!("no source has {name}"));
        if name == "spuff_code" {
            code = item;
        } else {
            parts.entry(owner.name.clone()).or_default().push(item);
        }
    }
    let mut text = MACROS.replace("@VERSION@", &version());
    text += &format!(
        "#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n/* ---- what is named everywhere ---- \
         */\n\n{forward}\n{code}\n"
    );
    let mut map = Vec::new();
    let is_noun = |source: &&Source| source.is_noun;
    let nouns: Vec<&str> =
        sources.iter().filter(is_noun).map(|source| source.name.as_str()).collect();
    let in_order = ORDER.iter().flat_map(|name| match *name {
        NOUNS => nouns.clone(),
        name => vec![name],
    });
    for name in in_order {
        let items = parts.remove(name).unwrap();
        let title = &sources.iter().find(|source| source.name == name).unwrap().title;
        map.push(format!(" * - {title}"));
        text += &format!("\n/* ---- {title} ---- */\n\n{}\n", items.join("\n\n"));
    }
    assert!(parts.is_empty(), "ORDER has each source: {:?}", parts.keys());
    text += "\n#ifdef __cplusplus\n} /* extern \"C\" */\n#endif\n\n#endif /* SPUFF_H */\n";
    let opening = opening.replace("@MAP@", &map.join("\n")).replace("\n\n\n", "\n");
    format!("{opening}#include <stdint.h>\n\n{text}")
}

/// The version as macros.
fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut lines = format!("#define SPUFF_VERSION \"{version}\"\n");
    for (name, number) in ["MAJOR", "MINOR", "PATCH"].iter().zip(version.split(['.', '-'])) {
        lines += &format!("#define SPUFF_VERSION_{name} {number}\n");
    }
    lines
}

const MACROS: &str = "\
/// The version that this header is of; spuff_version tells that of the library.
@VERSION@
/* Define SPUFF_SHARED where the library is a DLL of Windows. */
#if defined(_WIN32) && defined(SPUFF_SHARED)
#define SPUFF_EXPORTED __declspec(dllimport)
#elif defined(__GNUC__)
#define SPUFF_EXPORTED __attribute__((visibility(\"default\")))
#else
#define SPUFF_EXPORTED
#endif

/* What must be looked at, or freed. */
#if defined(__GNUC__)
#define SPUFF_MUST_USE __attribute__((warn_unused_result))
#else
#define SPUFF_MUST_USE
#endif

";

/// What opens and closes the part for C++, and the file.
fn is_frame(item: &str) -> bool {
    item.contains("extern \"C\"")
        || item.starts_with("#endif")
        || item.starts_with("#ifdef __cplusplus\n}")
}

/// What an item declares.
fn name_of(item: &str) -> String {
    let code: String =
        item.lines().filter(|line| !line.starts_with("///")).collect::<Vec<_>>().join(" ");
    let found = |before: &str, text: &str| {
        let rest = text.split_once(before)?.1.trim_start_matches(['*', ' ']);
        let name: String = rest
            .chars()
            .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
            .collect();
        (!name.is_empty()).then_some(name)
    };
    let name = if code.starts_with("enum ") {
        found("enum ", &code)
    } else if code.starts_with("typedef struct ") {
        found("typedef struct ", &code)
    } else if code.starts_with("typedef ") {
        found("(*", &code)
    } else {
        code.split_once('(')
            .and_then(|(before, _)| before.rsplit([' ', '*']).next().map(str::to_string))
    };
    name.unwrap_or_else(|| panic!("what is this: {item}"))
}

/// A function with what the compiler is told of it; anything else as it is.
fn marked(item: &str, name: &str) -> String {
    let Some(at) = item
        .lines()
        .position(|line| line.contains(&format!("{name}(")) && !line.starts_with("///"))
    else {
        return item.to_string();
    };
    let mut lines: Vec<&str> = item.lines().collect();
    let answers_code = lines[at].starts_with("spuff_code ");
    let of_a_cloud = [
        "spuff_provider_",
        "spuff_place_",
        "spuff_settled",
        "spuff_registry_",
        "spuff_cloud_start",
    ];
    let makes = ["_new", "_clone", "_with_defaults", "_with_deadline_ms"];
    let must_use = if answers_code {
        of_a_cloud.iter().any(|start| name.starts_with(start))
    } else {
        makes.iter().any(|end| name.ends_with(end))
    };
    lines.insert(at, if must_use { "SPUFF_EXPORTED SPUFF_MUST_USE" } else { "SPUFF_EXPORTED" });
    lines.join("\n")
}

/// A source: its name, what its first line says, and its text.
struct Source {
    name: String,
    is_noun: bool,
    title: String,
    text: String,
}

impl Source {
    /// Whether it has what C calls that.
    fn has(&self, name: &str, names: &HashMap<String, String>) -> bool {
        let rust = names.get(name).cloned().unwrap_or_else(|| pascal(name));
        let types = ["struct", "enum", "type"].map(|kind| format!("pub {kind} {rust}"));
        let ends = |at: usize, found: &str| {
            !self.text[at + found.len()..].starts_with(|next: char| next.is_alphanumeric())
        };
        self.text.contains(&format!("extern \"C\" fn {name}("))
            || types.iter().any(|found| {
                self.text.match_indices(found.as_str()).any(|(at, found)| ends(at, found))
            })
    }
}

/// `spuff_log_level` as `LogLevel`.
fn pascal(name: &str) -> String {
    let words = name.trim_start_matches("spuff_").split('_');
    words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// `StopReport` as `stop_report`.
fn snake(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

/// The nouns that are generated, as C calls them behind `spuff_`: of those that have lists, also
/// these.
fn nouns() -> Vec<String> {
    let named = |source: Source| -> Vec<String> {
        let declared = source.text.split("\npub struct ").skip(1);
        let name =
            |text: &str| text.split(|letter: char| !letter.is_alphanumeric()).next().map(snake);
        declared.filter_map(name).collect()
    };
    sources().into_iter().filter(|source| source.is_noun).flat_map(named).collect()
}

fn sources() -> Vec<Source> {
    let source = |(path, _): (PathBuf, Vec<(String, String)>)| {
        let text = with_verbs(&path);
        let title = text
            .lines()
            .find(|line| line.starts_with("//! "))
            .unwrap()
            .strip_prefix("//! ")
            .unwrap()
            .trim_end_matches('.')
            .to_string();
        let is_noun = path.parent() == Some(&folder().join("src/nouns"));
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        Source { name, is_noun, title, text }
    };
    exports().into_iter().map(source).collect()
}

/// The line on which a function is declared.
fn declared(header: &[&str], function: &str) -> usize {
    let call = format!("{function}(");
    let comment = |line: &str| line.starts_with("///") || line.starts_with(" *");
    header.iter().position(|line| line.contains(&call) && !comment(line)).unwrap()
}

/// A source, and the operations that are generated beside it.
fn with_verbs(path: &Path) -> String {
    let generated = fs::read_to_string(path.with_extension("").join("verbs.rs"));
    fs::read_to_string(path).unwrap() + &generated.unwrap_or_default()
}

/// The sources, and the functions that each exports, with their bodies.
fn exports() -> Vec<(PathBuf, Vec<(String, String)>)> {
    let entries = ["src", "src/nouns"].map(|path| fs::read_dir(folder().join(path)).unwrap());
    let entries = entries.into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut sources: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    sources.sort();
    let functions = |path: PathBuf| {
        let source = with_verbs(&path);
        let found = source.split("#[unsafe(no_mangle)]\n").skip(1).map(|part| {
            let name = part
                .split_once("extern \"C\" fn ")
                .unwrap()
                .1
                .split_once('(')
                .unwrap()
                .0
                .to_string();
            let body = part
                .split_once(" {\n")
                .unwrap()
                .1
                .split_once("\n}\n")
                .unwrap()
                .0
                .trim()
                .to_string();
            (name, body)
        });
        let found = found.collect();
        (path, found)
    };
    sources.into_iter().map(functions).collect()
}

#[test]
fn the_header_is_that_of_the_sources() {
    let written = header();
    let committed = folder().join("../include/spuff.h");
    if std::env::var_os("SPUFF_WRITE_HEADER").is_some() {
        fs::write(&committed, &written).unwrap();
    }
    let old = fs::read_to_string(&committed).unwrap();
    let differs = written.lines().zip(old.lines()).find(|(new, old)| new != old);
    assert!(
        written == old,
        "include/spuff.h is not up to date: run tests/ffi/header; the first line that differs: \
         {differs:?}"
    );
}

#[test]
fn the_list_of_symbols_is_that_of_the_sources() {
    let mut names: Vec<String> =
        exports().into_iter().flat_map(|(_, found)| found).map(|(name, _)| name).collect();
    names.sort();
    let written = names.join("\n") + "\n";
    let committed = folder().join("symbols.txt");
    if std::env::var_os("SPUFF_WRITE_HEADER").is_some() {
        fs::write(&committed, &written).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&committed).unwrap(),
        written,
        "symbols.txt is not up to date: run tests/ffi/header"
    );
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
        assert!(
            verb == "free" || verbs.lines().any(|known| known == verb),
            "tests/verbs.txt has {verb}"
        );
    }
}

#[test]
fn every_exported_function_runs_behind_the_boundary() {
    let ways = ["guard(", "getter(", "release(", "field(", "of("];
    for (path, functions) in exports() {
        for (name, body) in functions {
            assert!(
                ways.iter().any(|way| body.starts_with(way)),
                "{name} of {} begins with {body:?}",
                path.display()
            );
        }
    }
}

#[test]
fn every_verb_that_waits_has_a_form_that_calls_back() {
    let functions: Vec<String> =
        exports().into_iter().flat_map(|(_, found)| found).map(|(name, _)| name).collect();
    for (_, found) in exports() {
        for (name, body) in found {
            if body.contains(".block(") {
                let form = format!("{name}_submit");
                assert!(functions.contains(&form), "{form}");
            }
        }
    }
}

#[test]
fn every_exported_function_is_described() {
    let header = header();
    let lines: Vec<&str> = header.lines().collect();
    for (_, functions) in exports() {
        for (name, _) in functions {
            let before = declared(&lines, &name) - 1;
            assert!(lines[before].starts_with("SPUFF_EXPORTED"), "{name} says that it is exported");
            assert!(lines[before - 1].starts_with("///"), "{name} has a text before it");
        }
    }
}
