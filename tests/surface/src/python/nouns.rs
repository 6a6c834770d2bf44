//! Python: each noun as a class that cannot be changed, with its stub.

mod stubs;

use std::collections::BTreeSet;
use std::rc::Rc;

use super::{PACKAGE, Python};
use crate::doc::{summary, wrapped};
use crate::model::snake;
use crate::nouns::{Field, Kind, Noun, Shape};
use crate::{FIRST_LINE, File};

/// What a class takes without a keyword, though it has a default.
const BY_POSITION: [(&str, &[&str]); 1] = [("Snapshot", &["name", "created_at"])];

/// Their lists are tables in notebooks: spuff-py/src/outcome.rs has them.
const TABLES: [&str; 1] = ["Snapshot"];

pub(crate) fn files(nouns: &[Rc<Noun>], package: &str) -> Result<Vec<File>, String> {
    let mut sorted: Vec<_> = nouns.iter().collect();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    let mut modules = format!(
        "{FIRST_LINE}\n\n//! The nouns of the contract: a class each, which cannot be changed.\n\n"
    );
    let (mut used, mut added) = (String::new(), String::new());
    for noun in &sorted {
        let name = &noun.name;
        modules += &format!("mod {};\n", snake(name));
        used += &format!("pub(crate) use {}::{name};\n", snake(name));
        added += &format!("module.add_class::<{name}>()?;\n");
    }
    modules += &format!(
        "
use pyo3::prelude::*;

{used}
/// Puts the classes into the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {{
{added}Ok(())
}}
"
    );
    let mut files = vec![File::rust("spuff-py/src/nouns.rs", modules)];
    for noun in &sorted {
        let path = format!("spuff-py/src/nouns/{}.rs", snake(&noun.name));
        files.push(File::rust(&path, class(noun)?));
    }
    files.push(File::plain("spuff-py/python/spuff/_nouns.py", stubs::exported(&sorted)));
    files.push(File::plain(PACKAGE, stubs::offered(&sorted, package)?));
    files.push(File::plain("spuff-py/python/spuff/_nouns.pyi", stubs::stubs(&sorted)?));
    Ok(files)
}

/// How an argument that fills a field is declared.
struct Argument {
    /// Its type in Rust.
    kind: String,
    /// Its default in Rust, and in the stub; `None` where it must be given.
    default: Option<(&'static str, &'static str)>,
    /// Its type in the stub.
    stub: String,
    /// What Rust makes of it.
    value: String,
    /// Whether `None` leaves the field as it is.
    is_left_out: bool,
}

/// A value as Python gives it: its type in Rust, and what becomes of `value`.
fn taken(kind: &Kind, value: &str) -> (String, String) {
    match kind {
        Kind::Text => ("String".to_string(), value.to_string()),
        Kind::Bool => ("bool".to_string(), value.to_string()),
        Kind::Number(number) => ((*number).to_string(), value.to_string()),
        Kind::Duration => ("Seconds".to_string(), format!("{value}.0")),
        Kind::Time => ("Moment".to_string(), format!("{value}.0")),
        Kind::Ip => ("IpAddr".to_string(), value.to_string()),
        Kind::Choice(_) => ("Parsed<_>".to_string(), format!("{value}.0")),
        Kind::Noun(name) => (format!("Py<{name}>"), format!("{value}.get().0.clone()")),
    }
}

/// The type of a value that Python is given, in the stub.
fn stub_of(kind: &Kind, is_given: bool) -> String {
    match kind {
        Kind::Text => "str".to_string(),
        Kind::Bool => "bool".to_string(),
        Kind::Number("f64") => "float".to_string(),
        Kind::Number(_) => "int".to_string(),
        Kind::Duration if is_given => "_Seconds".to_string(),
        Kind::Duration => "float".to_string(),
        Kind::Time => "datetime".to_string(),
        Kind::Ip if is_given => "IPv4Address | IPv6Address | str".to_string(),
        Kind::Ip => "IPv4Address | IPv6Address".to_string(),
        Kind::Choice(choice) if choice.is_open => "str".to_string(),
        Kind::Choice(choice) => {
            let words: Vec<_> =
                choice.values.iter().map(|(_, word, _)| format!("\"{word}\"")).collect();
            format!("Literal[{}]", words.join(", "))
        }
        Kind::Noun(name) => name.clone(),
    }
}

fn argument(noun: &Noun, field: &Field) -> Argument {
    let name = &field.name;
    let stub = stub_of(&field.kind, true);
    let (one, value) = taken(&field.kind, name);
    let none = Some(("None", "None"));
    match field.shape {
        Shape::Map => Argument {
            kind: "Option<HashMap<String, String>>".to_string(),
            default: none,
            stub: "dict[str, str] | None".to_string(),
            value: format!("{name}.into_iter().collect()"),
            is_left_out: true,
        },
        Shape::List => {
            let (one, each) = taken(&field.kind, "one");
            let value = if each == "one" {
                name.clone()
            } else {
                format!("{name}.into_iter().map(|one| {each}).collect()")
            };
            Argument {
                kind: format!("Option<Vec<{one}>>"),
                default: none,
                stub: format!("list[{stub}] | None"),
                value,
                is_left_out: true,
            }
        }
        Shape::Optional => {
            let (one, each) = taken(&field.kind, "one");
            let value =
                if each == "one" { name.clone() } else { format!("{name}.map(|one| {each})") };
            Argument {
                kind: format!("Option<{one}>"),
                default: none,
                stub: format!("{stub} | None"),
                value,
                is_left_out: false,
            }
        }
        Shape::One => {
            let is_required = noun.requires(field) && !is_by_position(noun, field);
            let plain = match &field.kind {
                Kind::Text => Some(("\"\".to_string()", "...")),
                Kind::Bool => Some(("false", "False")),
                Kind::Number("f64") => Some(("0.0", "0.0")),
                Kind::Number(_) => Some(("0", "0")),
                Kind::Duration => Some(("Seconds(Duration::ZERO)", "...")),
                _ => None,
            };
            if is_required {
                return Argument { kind: one, default: None, stub, value, is_left_out: false };
            }
            match plain {
                Some(default) => {
                    let default = Some(default);
                    Argument { kind: one, default, stub, value, is_left_out: false }
                }
                None => Argument {
                    kind: format!("Option<{one}>"),
                    default: none,
                    stub: format!("{stub} | None"),
                    value,
                    is_left_out: true,
                },
            }
        }
    }
}

/// Whether Python has a default for a field that `new` takes, or takes one without a keyword that
/// others take with it.
fn is_by_position(noun: &Noun, field: &Field) -> bool {
    BY_POSITION
        .iter()
        .any(|(name, fields)| *name == noun.name && fields.contains(&field.name.as_str()))
}

/// The fields that are taken without a keyword, and the others.
fn in_order(noun: &Noun) -> (Vec<&Field>, Vec<&Field>) {
    let mut first = noun.required();
    let others: Vec<_> = noun.others().collect();
    let (positional, others): (Vec<&Field>, Vec<&Field>) =
        others.into_iter().partition(|field| is_by_position(noun, field));
    first.extend(positional);
    (first, others)
}

/// The type and the value of a getter.
fn getter(field: &Field) -> (String, String) {
    let place = format!("self.0.{}", field.name);
    let one = |value: &str, is_borrowed: bool| match &field.kind {
        Kind::Text => ("&str".to_string(), format!("{value}.as_str()")),
        Kind::Duration => ("f64".to_string(), format!("{value}.as_secs_f64()")),
        Kind::Choice(_) => ("&str".to_string(), format!("{value}.as_str()")),
        Kind::Noun(name) => (name.clone(), format!("{name}({value}.clone())")),
        kind => {
            let rust = match kind {
                Kind::Bool => "bool",
                Kind::Number(number) => number,
                Kind::Time => "DateTime<Utc>",
                _ => "IpAddr",
            };
            let copied = if is_borrowed { format!("*{value}") } else { value.to_string() };
            (rust.to_string(), copied)
        }
    };
    match field.shape {
        Shape::One => {
            let (kind, value) = one(&place, false);
            let is_text = field.kind == Kind::Text;
            (kind, if is_text { format!("&{place}") } else { value })
        }
        Shape::Optional if field.kind == Kind::Text => {
            ("Option<&str>".to_string(), format!("{place}.as_deref()"))
        }
        Shape::Optional => {
            let (kind, value) = one("value", true);
            let all = if value == "*value" {
                place
            } else {
                format!("{place}.as_ref().map(|value| {value})")
            };
            (format!("Option<{kind}>"), all)
        }
        Shape::List => {
            let (kind, value) = one("value", true);
            let all = if value == "*value" {
                format!("{place}.clone()")
            } else {
                format!("{place}.iter().map(|value| {value}).collect()")
            };
            (format!("Vec<{kind}>"), all)
        }
        Shape::Map => {
            let pair = "(key.as_str(), value.as_str())";
            (
                "HashMap<&str, &str>".to_string(),
                format!("{place}.iter().map(|(key, value)| {pair}).collect()"),
            )
        }
    }
}

/// The line that shows a field, where it says something.
fn shown(noun: &Noun, field: &Field) -> String {
    let name = &field.name;
    let is_required = noun.requires(field) && !is_by_position(noun, field);
    let key = if is_required { "" } else { name.as_str() };
    let place = format!("self.0.{name}");
    let plain = format!("shown = shown.value(\"{key}\", self.{name}())?;\n");
    match (&field.kind, field.shape) {
        (Kind::Text, Shape::One) => format!("shown = shown.text(\"{key}\", &{place})?;\n"),
        (_, Shape::One) if is_required => plain,
        (_, Shape::Optional) => format!("if {place}.is_some() {{\n{plain}}}\n"),
        (_, Shape::List | Shape::Map) => format!("if !{place}.is_empty() {{\n{plain}}}\n"),
        (Kind::Bool, Shape::One) => format!("if {place} {{\n{plain}}}\n"),
        (Kind::Number("f64"), Shape::One) => format!("if {place}.abs() > 0.0 {{\n{plain}}}\n"),
        (Kind::Number(_), Shape::One) => format!("if {place} != 0 {{\n{plain}}}\n"),
        (Kind::Duration, Shape::One) => format!("if !{place}.is_zero() {{\n{plain}}}\n"),
        _ => plain,
    }
}

/// Whether a field has a part in the hash: equal values have equal ones without it too.
fn is_hashed(field: &Field) -> bool {
    let has_hash = !matches!(field.kind, Kind::Number("f64") | Kind::Noun(_) | Kind::Choice(_));
    has_hash && field.shape != Shape::Map
}

fn class(noun: &Noun) -> Result<String, String> {
    let name = &noun.name;
    let doc = wrapped(&summary(name, &noun.doc, &Python)?, "/// ", 100);
    let (first, others) = in_order(noun);
    let mut signature: Vec<String> = Vec::new();
    let mut declared = String::new();
    let mut made = String::new();
    for (at, field) in first.iter().chain(&others).enumerate() {
        if at == first.len() {
            signature.push("*".to_string());
        }
        let own = &field.name;
        let Argument { kind, default, value, is_left_out, .. } = argument(noun, field);
        let kind = match &field.kind {
            Kind::Choice(choice) => kind.replace("<_>", &format!("<{}>", core_of(&choice.name))),
            _ => kind,
        };
        declared += &format!("{own}: {kind}, ");
        signature.push(default.map_or_else(|| own.clone(), |(value, _)| format!("{own}={value}")));
        if noun.requires(field) {
            continue;
        }
        made += &if is_left_out {
            format!("if let Some({own}) = {own} {{\nmade.0.{own} = {value};\n}}\n")
        } else {
            format!("made.0.{own} = {value};\n")
        };
    }
    let core = core_of(name);
    let passed: Vec<_> = noun.required().iter().map(|field| argument(noun, field).value).collect();
    let start = if noun.is_option() {
        format!("Self({core}::default())")
    } else {
        format!("Self({core}::new({}))", passed.join(", "))
    };
    let body = if made.is_empty() {
        format!("{start}\n")
    } else {
        format!("let mut made = {start};\n{made}made\n")
    };
    let mut getters = String::new();
    let mut hashed = String::new();
    let mut repr = String::new();
    for field in first.iter().chain(&others) {
        let path = format!("{name}::{}", field.name);
        let doc = wrapped(&summary(&path, &field.doc, &Python)?, "    /// ", 100);
        let (kind, value) = getter(field);
        let own = &field.name;
        getters +=
            &format!("\n{doc}    #[getter]\n    fn {own}(&self) -> {kind} {{\n{value}\n}}\n");
        repr += &shown(noun, field);
        if is_hashed(field) {
            hashed += &format!("self.0.{own}.hash(&mut hasher);\n");
        }
    }
    let hash = if hashed.is_empty() {
        "fn __hash__(&self) -> u64 {\n0\n}\n".to_string()
    } else {
        format!(
            "fn __hash__(&self) -> u64 {{
let mut hasher = DefaultHasher::new();
{hashed}hasher.finish()
}}
"
        )
    };
    let text = format!(
        "{doc}#[pyclass(frozen, eq, name = \"{name}\", module = \"spuff\")]
#[derive(PartialEq)]
pub(crate) struct {name}(pub(crate) {core});

impl {name} {{
    /// What a method of a provider written in Python returned.
    pub(crate) fn returned(answer: &Bound<'_, PyAny>) -> PyResult<{core}> {{
        match answer.cast::<Self>() {{
            Ok(made) => Ok(made.get().0.clone()),
            Err(_) => Err(PyTypeError::new_err(format!(
                \"the method must return a spuff.{name}, not {{}}\", answer.repr()?
            ))),
        }}
    }}
}}

#[pymethods]
impl {name} {{
    #[new]
    #[pyo3(signature = ({}))]
    fn new({declared}) -> Self {{
        {body}    }}
{getters}
    /// All of it as JSON, as every language of the library writes it.
    fn to_json(&self) -> PyResult<String> {{
        json::written(&self.0)
    }}

    /// Makes one from JSON.
    #[staticmethod]
    fn from_json(text: &str) -> PyResult<Self> {{
        json::read(text).map(Self)
    }}

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {{
        let mut shown = Shown::new(py, \"{name}\");
{repr}Ok(shown.end())
    }}

    {hash}
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<json::Pickled<'py>> {{
        Ok((py.get_type::<Self>().getattr(\"from_json\")?, (self.to_json()?,)))
    }}
}}

impl Outcome for {core} {{
    fn into_python(self, py: Python<'_>, _: &Subject) -> PyResult<Py<PyAny>> {{
        {name}(self).into_py_any(py)
    }}
}}
{}",
        signature.join(", "),
        list_outcome(noun)
    );
    let repr_is_fixed = repr.is_empty();
    let text = if repr_is_fixed { text.replace("let mut shown", "let shown") } else { text };
    Ok(format!(
        "{FIRST_LINE}\n\n//! {}\n\n{}\n{text}",
        noun.doc.summary.first().map_or("", String::as_str).split(". ").next().unwrap_or_default(),
        imports(noun, &text)
    ))
}

/// A type of the contract, where Python has one of the same name.
fn core_of(name: &str) -> String {
    format!("provider::{name}")
}

/// A list of the noun as a result.
fn list_outcome(noun: &Noun) -> String {
    if !noun.is_listed || TABLES.contains(&noun.name.as_str()) {
        return String::new();
    }
    format!(
        "
impl Outcome for Vec<{core}> {{
    fn into_python(self, py: Python<'_>, _: &Subject) -> PyResult<Py<PyAny>> {{
        self.into_iter().map({name}).collect::<Vec<_>>().into_py_any(py)
    }}
}}
",
        core = core_of(&noun.name),
        name = noun.name
    )
}

/// The imports, found by the names that the text uses.
fn imports(noun: &Noun, text: &str) -> String {
    let uses = |name: &str| text.contains(name);
    let mut lines = String::new();
    for (used, line) in [
        ("HashMap<", "use std::collections::HashMap;\n"),
        ("DefaultHasher", "use std::hash::{DefaultHasher, Hash, Hasher};\n"),
        ("IpAddr", "use std::net::IpAddr;\n"),
        ("Duration::", "use std::time::Duration;\n"),
    ] {
        if uses(used) {
            lines += line;
        }
    }
    lines += "\n";
    if uses("DateTime<Utc>") {
        lines += "use chrono::{DateTime, Utc};\n";
    }
    lines += "use pyo3::IntoPyObjectExt;\nuse pyo3::exceptions::PyTypeError;\n";
    lines += "use pyo3::prelude::*;\nuse spuff_core::provider;\n\nuse crate::call::Subject;\n";
    lines += "use crate::json;\n";
    let others: BTreeSet<_> = noun
        .fields
        .iter()
        .filter_map(|field| match &field.kind {
            Kind::Noun(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    for other in others {
        let module = if other == "Price" { "price" } else { "nouns" };
        lines += &format!("use crate::{module}::{other};\n");
    }
    lines += "use crate::outcome::Outcome;\n";
    let seconds: Vec<_> =
        ["Moment", "Parsed", "Seconds"].into_iter().filter(|name| uses(name)).collect();
    if !seconds.is_empty() {
        lines += &format!("use crate::seconds::{{{}}};\n", seconds.join(", "));
    }
    lines + "use crate::show::Shown;\n"
}
