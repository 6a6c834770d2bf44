//! Python: the operations of both faces with their stubs, the protocols of providers written in
//! Python, and the calls of their methods.

pub(crate) mod nouns;
mod protocols;

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::doc::{Words, sections, summary, wrapped};
use crate::model::{
    EMPTY_WITHOUT, Given, LABELLED_SNAPSHOTS, Parameter, Returned, SNAPSHOTS, Thing, Verb,
    core_names,
};
use crate::nouns::Noun;
use crate::{FIRST_LINE, File};

/// These take the fields of a request by keyword: they are written by hand, with their stubs.
const BY_KEYWORD: [&str; 1] = ["create_instance"];

/// The package, which offers the nouns: what is generated of it stands in a file that is written
/// by hand.
pub(crate) const PACKAGE: &str = "spuff-py/python/spuff/__init__.py";

/// `package` is the text of that file as it is now.
pub(crate) fn files(
    verbs: &[Verb],
    found: &[Rc<Noun>],
    package: &str,
) -> Result<Vec<File>, String> {
    let mut files = vec![
        File::rust("spuff-py/src/provider/verbs.rs", methods(verbs)?),
        File::rust("spuff-py/src/python_provider/verbs.rs", calls(verbs)),
        File::plain("spuff-py/python/spuff/_verbs.pyi", stubs(verbs)?),
        File::plain("spuff-py/python/spuff/protocol.py", protocols::file(verbs)?),
    ];
    files.extend(nouns::files(found, package)?);
    Ok(files)
}

struct Python;

impl Words for Python {
    fn link(&self, path: &str, label: &str) -> Option<String> {
        let (root, name) = path.split_once("::")?;
        match (root, name) {
            ("ProviderError", "is_instance_failure") => {
                Some("`SpuffError.is_instance_failure`".to_string())
            }
            ("ProviderError", kind) => Some(format!("`{kind}Error`")),
            ("InstanceRequest", field) if label == path => {
                Some(format!("`InstanceRequest.{field}`"))
            }
            ("Self" | "InstanceRequest" | "ProviderInstance" | "ErrorContext", name) => {
                Some(format!("`{name}`"))
            }
            ("crate", "create_and_wait") => Some("`create_and_wait`".to_string()),
            ("crate", "settled") => Some("`spuff.settled`".to_string()),
            ("ImageSpec", "Snapshot") => Some("`ImageSpec.snapshot`".to_string()),
            (noun, field) => Some(format!("`{noun}.{field}`")),
        }
    }

    fn code(&self, word: &str) -> String {
        match word {
            "true" => "`True`".to_string(),
            "false" => "`False`".to_string(),
            word => format!("`{word}`"),
        }
    }
}

fn paragraphs(verb: &Verb, titles: &[&str]) -> Result<Vec<String>, String> {
    let mut doc = summary(&verb.name, &verb.doc, &Python)?;
    doc.extend(sections(&verb.name, &verb.doc, titles, &Python)?);
    Ok(doc)
}

/// A docstring. Its first line is a sentence, as linters ask.
fn docstring(verb: &Verb, paragraphs: &[String], before: &str) -> Result<String, String> {
    docstring_of(&verb.name, paragraphs, before)
}

/// As [`docstring`], of anything.
fn docstring_of(name: &str, paragraphs: &[String], before: &str) -> Result<String, String> {
    let quotes = "\"\"\"";
    let width = 100 - before.len() - quotes.len();
    let (first, others) = paragraphs.split_first().ok_or("nothing is documented")?;
    if others.is_empty() && first.len() + quotes.len() <= width {
        return Ok(format!("{before}{quotes}{first}{quotes}\n"));
    }
    let (sentence, rest) = match first.split_once(". ") {
        Some((sentence, rest)) if first.len() > width => (format!("{sentence}."), Some(rest)),
        _ => (first.clone(), None),
    };
    let rest: Vec<_> = rest.map(str::to_string).into_iter().chain(others.to_vec()).collect();
    if sentence.len() > width || rest.is_empty() {
        return Err(format!(
            "{name}: the first sentence of its documentation has {} letters in Python, where it \
             must fit in a line: shorten it",
            sentence.len()
        ));
    }
    let rest = wrapped(&rest, before, 100);
    Ok(format!("{before}{quotes}{sentence}\n\n{rest}{before}{quotes}\n"))
}

/// The type of an argument.
fn given(given: &Given) -> &str {
    match given {
        Given::Text => "str",
        Given::Labels => "dict[str, str]",
        Given::Request => "InstanceRequest",
        Given::Noun(noun) => &noun.name,
    }
}

/// An argument of both faces, with its type: what is called `options` may be left out.
fn argument(Parameter { name, given: found }: &Parameter) -> String {
    match found {
        Given::Noun(noun) if noun.is_option() => format!("{name}: {} | None = None", noun.name),
        found => format!("{name}: {}", given(found)),
    }
}

/// The type of a result, and what a provider may return for it.
fn returned(returned: &Returned) -> (String, String) {
    let name = match returned.thing() {
        None => "None",
        Some(Thing::Text) => "str",
        Some(thing) => thing.short(),
    };
    match returned {
        Returned::Nothing | Returned::One(_) => (name.to_string(), name.to_string()),
        Returned::Maybe(_) => (format!("{name} | None"), format!("{name} | None")),
        Returned::List(_) => {
            let list = match name {
                "Instance" | "Snapshot" => format!("{name}s"),
                name => format!("list[{name}]"),
            };
            (list, format!("Iterable[{name}]"))
        }
        Returned::Labelled(_) => {
            let pair = format!("tuple[{name}, dict[str, str]]");
            (format!("list[{pair}]"), format!("Iterable[{pair}]"))
        }
    }
}

/// The nouns that operations take or return.
fn own_nouns(verbs: &[Verb]) -> BTreeSet<String> {
    let mut names = core_names(verbs.iter());
    for by_hand in ["InstanceRequest", "Price", "ProviderInstance"] {
        names.remove(by_hand);
    }
    names
}

/// The methods of both faces.
fn methods(verbs: &[Verb]) -> Result<String, String> {
    let mut used = BTreeSet::new();
    for one in verbs.iter().flat_map(|verb| &verb.parameters) {
        if let Given::Noun(noun) = &one.given {
            used.insert(noun.name.as_str());
        }
    }
    let used: Vec<_> = used.into_iter().collect();
    let imports = match used.as_slice() {
        [] => String::new(),
        used => format!("use crate::nouns::{{{}}};\n", used.join(", ")),
    };
    let mut text = format!(
        "{FIRST_LINE}

//! The operations of the contract.

use std::collections::HashMap;

use pyo3::prelude::*;

use super::{{PyOutcome, Verbs}};
{imports}use crate::seconds::Seconds;

#[pymethods]
impl Verbs {{
"
    );
    for verb in verbs.iter().filter(|verb| !BY_KEYWORD.contains(&verb.name.as_str())) {
        let Verb { name, .. } = verb;
        let names: Vec<_> = verb.parameters.iter().map(|one| one.name.as_str()).collect();
        let mut copies = String::new();
        let mut signature = String::new();
        for Parameter { name, given } in &verb.parameters {
            let is_option = matches!(given, Given::Noun(noun) if noun.is_option());
            signature += &if is_option { format!("{name}=None, ") } else { format!("{name}, ") };
            copies += &match given {
                Given::Noun(_) if is_option => format!(
                    "let {name} = {name}.map(|given| given.get().0.clone()).unwrap_or_default();\n"
                ),
                Given::Noun(_) => format!("let {name} = {name}.get().0.clone();\n"),
                _ => String::new(),
            };
        }
        signature += "*, timeout=None";
        let declared: Result<String, String> =
            verb.parameters.iter().map(|parameter| declared(name, parameter)).collect();
        let mut declared = declared?;
        declared += "timeout: Option<Seconds>, ";
        let mut call = format!("self.call(\"{name}\")");
        if let Some(id) = verb.instance_id() {
            call += &format!(".about_instance(&{id})");
        }
        call += ".with_timeout(timeout)";
        if verb.waits() {
            signature += ", on_progress=None";
            declared += "on_progress: Option<Py<PyAny>>, ";
            call += ".with_progress(on_progress)";
        }
        let passed: Vec<_> = names.iter().map(|name| format!("&{name}")).collect();
        text += &wrapped(&paragraphs(verb, &[])?, "    /// ", 100);
        text += &format!(
            "    #[pyo3(signature = ({signature}))]
    fn {name}(&self, py: Python<'_>, {declared}) -> PyOutcome {{
        {copies}let call = {call};
        call.run(py, |provider| async move {{ provider.{name}({}).await }})
    }}

",
            passed.join(", ")
        );
    }
    Ok(text + "}\n")
}

/// An argument of a method.
fn declared(verb: &str, Parameter { name, given }: &Parameter) -> Result<String, String> {
    match given {
        Given::Text => Ok(format!("{name}: String, ")),
        Given::Labels => Ok(format!("{name}: HashMap<String, String>, ")),
        Given::Noun(noun) if noun.is_option() => Ok(format!("{name}: Option<Py<{}>>, ", noun.name)),
        Given::Noun(noun) => Ok(format!("{name}: Py<{}>, ", noun.name)),
        Given::Request => Err(format!(
            "{verb} takes a request, whose fields Python takes by keyword: write it in \
             spuff-py/src/provider.rs and tests/surface/templates/jobs.pyi.in, and add it to \
             BY_KEYWORD in tests/surface/src/python.rs"
        )),
    }
}

/// The operations of a provider written in Python.
fn calls(verbs: &[Verb]) -> String {
    let mut names = core_names(verbs.iter());
    names.extend(["Operation", "ProviderResult"].map(str::to_string));
    let mut text = format!(
        "{FIRST_LINE}

//! The operations of a provider written in Python: each calls its method.

use std::collections::HashMap;

use spuff_core::blocking::{{CancelToken, SyncProvider}};
use spuff_core::provider::{{{}}};

use super::{{InPython, a_price, a_text, an_instance, each, none_without, nothing, perhaps}};
use crate::{{nouns, request}};

impl SyncProvider for InPython {{
    fn name(&self) -> &str {{
        &self.name
    }}

",
        names.into_iter().collect::<Vec<_>>().join(", ")
    );
    for verb in verbs.iter().filter(|verb| verb.name != SNAPSHOTS) {
        let Verb { name, .. } = verb;
        let declared: String = verb
            .parameters
            .iter()
            .map(|one| format!("{}: {}, ", one.name, one.given.rust()))
            .collect();
        let passed: String = verb
            .parameters
            .iter()
            .map(|Parameter { name, given }| match given {
                Given::Noun(noun) => format!("nouns::{}({name}.clone()), ", noun.name),
                Given::Request => format!("request::InstanceRequest({name}.clone()), "),
                Given::Text | Given::Labels => format!("{name}, "),
            })
            .collect();
        let one = match verb.returned.thing() {
            None => "nothing".to_string(),
            Some(Thing::Instance) => "an_instance".to_string(),
            Some(Thing::Price) => "a_price".to_string(),
            Some(Thing::Text) => "a_text".to_string(),
            Some(Thing::Noun(noun)) => format!("nouns::{}::returned", noun.name),
        };
        let read = match &verb.returned {
            Returned::Nothing | Returned::One(_) => one,
            Returned::Maybe(_) => format!("perhaps({one})"),
            Returned::List(_) => format!("each({one})"),
            Returned::Labelled(_) => format!("each(with_labels({one}))"),
        };
        let operation = format!("Operation::{}", verb.pascal());
        let call = format!("self.call({operation}, cancel, ({passed}), {read})");
        let body = if name == LABELLED_SNAPSHOTS {
            "self.list_with_labels(cancel)".to_string()
        } else if EMPTY_WITHOUT.contains(&name.as_str()) {
            format!("none_without({operation}, {call})")
        } else {
            call
        };
        text += &format!(
            "    fn {name}(&self, {declared}cancel: &CancelToken) -> ProviderResult<{}> {{
        {body}
    }}

",
            verb.returned.rust()
        );
    }
    text + "    fn supports_snapshots(&self) -> bool {
        self.snapshots
    }
}
"
}

/// A declaration in one line, or with an argument a line.
fn signature(name: &str, arguments: &[String], returned: &str, indent: &str, body: &str) -> String {
    let line = format!("{indent}def {name}({}) -> {returned}:{body}", arguments.join(", "));
    if line.len() <= 100 {
        return line + "\n";
    }
    let arguments: String =
        arguments.iter().map(|argument| format!("{indent}    {argument},\n")).collect();
    format!("{indent}def {name}(\n{arguments}{indent}) -> {returned}:{body}\n")
}

/// How one face differs from the other, in the stubs of what is written by hand.
struct Face {
    name: &'static str,
    words: [(&'static str, &'static str); 3],
    is_async: bool,
}

const FACES: [Face; 2] = [
    Face {
        name: "Provider",
        words: [("@Scope", "Scope"), ("@Watch", "Watch"), ("@a_with", "a `with`")],
        is_async: false,
    },
    Face {
        name: "AsyncProvider",
        words: [
            ("@Scope", "AsyncScope"),
            ("@Watch", "_asyncio.Watch"),
            ("@a_with", "an `async with`"),
        ],
        is_async: true,
    },
];

impl Face {
    /// What an operation with such a result returns.
    fn returned(&self, result: &str) -> String {
        if self.is_async { format!("_Verb[{result}]") } else { result.to_string() }
    }

    /// What is written by hand, as this face has it: `@(..)` is a result.
    fn filled(&self, template: &str) -> String {
        let mut text = template.to_string();
        for (token, word) in self.words {
            text = text.replace(token, word);
        }
        let mut parts = text.split("@(");
        let mut done = parts.next().unwrap_or_default().to_string();
        for part in parts {
            let (result, rest) = part.split_once(")@").unwrap_or((part, ""));
            done += &self.returned(result);
            done += rest;
        }
        done
    }
}

fn stubs(verbs: &[Verb]) -> Result<String, String> {
    let mut text =
        include_str!("../templates/verbs.pyi.in").replace("@NOUNS\n", &imported(&own_nouns(verbs)));
    for face in &FACES {
        let mut generated = String::new();
        for verb in verbs.iter().filter(|verb| !BY_KEYWORD.contains(&verb.name.as_str())) {
            generated += &stub(verb, face)?;
        }
        let jobs = face
            .filled(include_str!("../templates/jobs.pyi.in"))
            .replace("@OPERATIONS\n", &generated);
        text = text.replace(&format!("@{}\n", face.name), &jobs);
    }
    Ok(format!("{}\n{text}", first_line()))
}

/// The first line in the comments of Python.
fn first_line() -> String {
    format!("# {}\n", FIRST_LINE.trim_start_matches("// "))
}

fn stub(verb: &Verb, face: &Face) -> Result<String, String> {
    let mut arguments = vec!["self".to_string()];
    arguments.extend(verb.parameters.iter().map(argument));
    arguments.extend(["*", "timeout: _Seconds | None = None"].map(str::to_string));
    if verb.waits() {
        arguments.push("on_progress: _OnProgress | None = None".to_string());
    }
    let returned = face.returned(&returned(&verb.returned).0);
    let doc = paragraphs(verb, &["Errors", "Cancellation"])?;
    let declared = signature(&verb.name, &arguments, &returned, "    ", "");
    Ok(declared + &docstring(verb, &doc, "        ")? + "\n")
}

/// An import, in one line or with a name a line.
fn import_of(module: &str, names: &[&str]) -> String {
    let line = format!("from {module} import {}\n", names.join(", "));
    if line.len() <= 101 {
        return line;
    }
    let each: String = names.iter().map(|name| format!("    {name},\n")).collect();
    format!("from {module} import (\n{each})\n")
}

/// An import of the nouns, in one line or with a name a line.
fn imported(nouns: &BTreeSet<String>) -> String {
    let names: Vec<_> = nouns.iter().map(String::as_str).collect();
    import_of("._nouns", &names)
}
