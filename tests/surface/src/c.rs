//! C: each operation as a function that blocks and as one that calls back, the table of a provider
//! written in C, and the provider that is made from one.

mod foreign;
pub(crate) mod nouns;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::doc::{Words, sections, summary, wrapped};
use crate::model::{Given, Parameter, Returned, Thing, Verb, core_names, plural, snake};
use crate::nouns::Noun;
use crate::{FIRST_LINE, File};

pub(crate) use table::in_order;

pub(crate) const TABLE: &str = "spuff-ffi/src/vtable/verbs.rs";

/// `committed` has the fields of the table as it is now.
pub(crate) fn files(
    verbs: &[Verb],
    found: &[Rc<Noun>],
    committed: &str,
) -> Result<Vec<File>, String> {
    let mut files = vec![
        File::rust("spuff-ffi/src/verb/verbs.rs", constructors(verbs)),
        File::rust("spuff-ffi/src/provider/verbs.rs", blocking(verbs)?),
        File::rust("spuff-ffi/src/submit/verbs.rs", submitted(verbs, found)),
        File::rust(TABLE, table::file(verbs, committed)?),
        File::rust("spuff-ffi/src/c_provider/verbs.rs", foreign::file(verbs)),
    ];
    files.extend(nouns::files(found)?);
    Ok(files)
}

/// The names of the functions: for callers, or in the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Callers,
    Table,
}

impl Words for For {
    fn link(&self, path: &str, label: &str) -> Option<String> {
        let (root, name) = path.split_once("::")?;
        match (root, name, self) {
            ("ProviderError", "is_instance_failure", _) => {
                Some("spuff_error_is_instance_failure".to_string())
            }
            ("ProviderError", kind, _) => Some(format!("SPUFF_{}", screaming(kind))),
            ("ErrorContext", field, _) => Some(format!("`{field}`")),
            ("Self", verb, Self::Table) => Some(format!("`{verb}`")),
            ("Self", verb, Self::Callers) => Some(format!("spuff_provider_{verb}")),
            ("ProviderInstance", field, Self::Table) => Some(format!("`{field}`")),
            ("ProviderInstance", field, Self::Callers) => Some(format!("spuff_instance_{field}")),
            ("InstanceRequest", "ssh_keys", _) => Some("spuff_request_add_ssh_key".to_string()),
            ("InstanceRequest", field, _) if label != path => Some(field.replace('_', " ")),
            ("InstanceRequest", field, _) => Some(format!("spuff_request_set_{field}")),
            ("crate", "create_and_wait", _) => Some("spuff_provider_create_and_wait".to_string()),
            ("crate", "settled", _) => Some("spuff_settled".to_string()),
            ("ImageSpec", "Snapshot", _) => {
                Some("spuff_request_set_image, behind `snapshot:`,".to_string())
            }
            (noun, field, Self::Callers) => Some(format!("spuff_{}_{field}", snake(noun))),
            _ => None,
        }
    }

    fn code(&self, word: &str) -> String {
        match word {
            "None" => "NULL".to_string(),
            "true" | "false" => word.to_string(),
            word => format!("`{word}`"),
        }
    }
}

/// `QuotaExceeded` as `QUOTA_EXCEEDED`.
fn screaming(kind: &str) -> String {
    let mut name = String::new();
    for letter in kind.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_uppercase());
    }
    name
}

/// The type of a handle.
fn handle(returned: &Returned) -> String {
    match returned.thing() {
        None => "()".to_string(),
        Some(Thing::Text) => "Strings".to_string(),
        Some(thing) if returned.is_list() => plural(thing.short()),
        Some(thing) => thing.short().to_string(),
    }
}

/// The type of the function that gets a result.
fn callback(returned: &Returned) -> String {
    match returned {
        Returned::Nothing => "DoneCallback".to_string(),
        returned => format!("{}Callback", handle(returned)),
    }
}

/// The imports of the handles that operations take and return, by their modules.
fn handles<'a>(verbs: impl Iterator<Item = &'a Verb>, results_too: bool) -> String {
    let mut modules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |module: &str, name: &str| {
        modules.entry(module.to_string()).or_default().insert(name.to_string());
    };
    for verb in verbs {
        for parameter in &verb.parameters {
            match &parameter.given {
                Given::Request => add("request", "Request"),
                Given::Noun(noun) => add(&nouns::module(&noun.name), &noun.name),
                Given::Text | Given::Labels => {}
            }
        }
        let name = handle(&verb.returned);
        match verb.returned.thing() {
            // A list of texts is made by its own function, also where no signature names it.
            Some(Thing::Text) => add("strings", &name),
            _ if !results_too => {}
            Some(Thing::Instance) => add("instance", &name),
            Some(thing) => add(&nouns::module(thing.short()), &name),
            None => {}
        }
    }
    let line = |(module, names): (&String, &BTreeSet<String>)| {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        format!("use crate::{module}::{{{}}};\n", names.join(", "))
    };
    modules.iter().map(line).collect()
}

/// A result as a handle, or as perhaps one.
fn as_handle(returned: &Returned, value: &str) -> String {
    match returned {
        Returned::Nothing => value.to_string(),
        Returned::List(Thing::Text) => format!("Strings::new({value})"),
        Returned::One(_) | Returned::List(Thing::Instance) => format!("{value}.into()"),
        Returned::Maybe(_) => format!("{value}.map(Into::into)"),
        Returned::List(_) | Returned::Labelled(_) => format!("{value}.into_iter().collect()"),
    }
}

/// The arguments as C gives them.
fn declared(verb: &Verb) -> String {
    let one = |Parameter { name, given }: &Parameter| match given {
        Given::Text => format!("{name}: *const c_char, "),
        Given::Request => format!("{name}: *const Request, "),
        Given::Noun(noun) => format!("{name}: *const {}, ", noun.name),
        Given::Labels => {
            let array = "*const *const c_char";
            format!("keys: {array}, values: {array}, count: usize, ")
        }
    };
    verb.parameters.iter().map(one).collect()
}

/// The arguments as the operation takes them, from those of C.
fn read(verb: &Verb) -> String {
    let one = |Parameter { name, given }: &Parameter| match given {
        Given::Text => format!("text({name}, \"{name}\")?"),
        Given::Noun(noun) if noun.is_option() => {
            format!("optional({name}).map(|given| given.inner.clone()).unwrap_or_default()")
        }
        Given::Request | Given::Noun(_) => format!("handle({name}, \"{name}\")?.inner.clone()"),
        Given::Labels => "owned_pairs(keys, values, count)?".to_string(),
    };
    verb.parameters.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn constructors(verbs: &[Verb]) -> String {
    let mut text = format!(
        "{FIRST_LINE}

//! The operations of the contract, each with its arguments.

use std::collections::HashMap;

use spuff_core::provider::{{{}}};

use super::Verb;

",
        core_names(verbs.iter()).into_iter().collect::<Vec<_>>().join(", ")
    );
    for verb in verbs {
        let Verb { name, returned, .. } = verb;
        let mut declared = Vec::new();
        let mut copies = String::new();
        let mut passed = Vec::new();
        for Parameter { name, given } in &verb.parameters {
            declared.push(match given {
                Given::Text => format!("{name}: &str"),
                given => format!("{name}: {}", given.rust().trim_start_matches('&')),
            });
            if *given == Given::Text {
                copies += &format!("let own_{name} = {name}.to_string();\n");
                passed.push(format!("&own_{name}"));
            } else {
                passed.push(format!("&{name}"));
            }
        }
        let moved = if verb.parameters.is_empty() { "" } else { "move " };
        let about = verb.instance_id().map(|id| format!(".about({id})")).unwrap_or_default();
        text += &format!(
            "pub(crate) fn {name}({}) -> Verb<{}> {{
{copies}Verb::new(\"{name}\", {moved}|provider| async move {{ provider.{name}({}).await }}){about}
}}

",
            declared.join(", "),
            returned.rust(),
            passed.join(", "),
        );
    }
    text
}

/// What the documentation of a function says of its result and its observer.
fn notes(verb: &Verb) -> String {
    let mut notes = Vec::new();
    if verb.returned.is_optional() {
        notes.push("*out is NULL, with SPUFF_OK, if there is none.");
    }
    if verb.returned != Returned::Nothing {
        notes.push("The caller owns *out.");
    }
    if verb.parameters.iter().any(|parameter| parameter.given == Given::Labels) {
        notes.push("`keys` and `values` are `count` each.");
    }
    if verb
        .parameters
        .iter()
        .any(|parameter| matches!(&parameter.given, Given::Noun(noun) if noun.is_option()))
    {
        notes.push("`options` may be NULL: all by default.");
    }
    if verb.waits() {
        notes.push("`observer` gets the progress; it may be NULL.");
    }
    notes.join(" ")
}

/// The documentation of a function that blocks.
fn doc(verb: &Verb) -> Result<String, String> {
    let mut doc = summary(&verb.name, &verb.doc, &For::Callers)?;
    let notes = notes(verb);
    if let (Some(last), false) = (doc.last_mut(), notes.is_empty()) {
        *last += &format!(" {notes}");
    }
    doc.extend(sections(&verb.name, &verb.doc, &["Errors", "Cancellation"], &For::Callers)?);
    Ok(wrapped(&doc, "/// ", 100))
}

fn blocking(verbs: &[Verb]) -> Result<String, String> {
    let optional = optional(verbs);
    let mut text = format!(
        "{FIRST_LINE}

//! The operations of the contract that block.

use std::ffi::c_char;
use std::ptr::null;

use super::Provider;
use crate::boundary::{{Out, guard, handle, {optional}owned_pairs, text}};
use crate::cancel::Cancel;
use crate::error::{{Code, Error}};
use crate::progress::Observer;
use crate::verb;
{}",
        handles(verbs.iter(), true)
    );
    for verb in verbs {
        let Verb { name, returned, .. } = verb;
        let handle = handle(returned);
        let (observer, observed) =
            if verb.waits() { ("observer: *const Observer, ", "observer") } else { ("", "null()") };
        let (out, body) = if *returned == Returned::Nothing {
            let call = format!("verb::{name}({}).block(provider, cancel, {observed})", read(verb));
            (String::new(), call)
        } else {
            let put = if returned.is_optional() { "set_some" } else { "put" };
            let made = format!("verb.block(provider, cancel, {observed})?");
            let body = format!(
                "let out = Out::new(out, \"out\")?;
let verb = verb::{name}({});
out.{put}({});
Ok(())",
                read(verb),
                as_handle(returned, &made)
            );
            (format!("out: *mut *mut {handle}, "), body)
        };
        text += &format!(
            "
{}#[unsafe(no_mangle)]
pub unsafe extern \"C\" fn spuff_provider_{name}(
    provider: *const Provider, {}cancel: *const Cancel, {observer}{out}error: *mut *mut Error,
) -> Code {{
    guard(error, || {{
        {body}
    }})
}}
",
            doc(verb)?,
            declared(verb)
        );
    }
    Ok(text)
}

/// What options need, where an operation takes any.
fn optional(verbs: &[Verb]) -> &'static str {
    let mut all = verbs.iter().flat_map(|verb| &verb.parameters);
    let is_option = |one: &Parameter| matches!(&one.given, Given::Noun(noun) if noun.is_option());
    if all.any(is_option) { "optional, " } else { "" }
}

/// The functions that get the results of operations.
fn callbacks(found: &[Rc<Noun>]) -> String {
    let mut text = String::new();
    let mut add = |name: &str, argument: &str, doc: &str| {
        text += &format!(
            "
{}pub type {name}Callback = Option<
    unsafe extern \"C\" fn(
        user_data: *mut c_void, code: Code, {argument}: *mut {name}, error: *mut Error,
    ),
>;
",
            wrapped(&[format!("{doc} All else as spuff_done_callback.")], "/// ", 100)
        );
    };
    for noun in found {
        let one = snake(&noun.name);
        if noun.is_returned {
            let doc = format!(
                "Called with a spuff_{one}, which the callback owns: NULL if there is none."
            );
            add(&noun.name, &one, &doc);
        }
        if noun.is_listed {
            let list = plural(&noun.name);
            let many = snake(&list);
            add(&list, &many, &format!("Called with spuff_{many}, which the callback owns."));
        }
    }
    text
}

fn submitted(verbs: &[Verb], found: &[Rc<Noun>]) -> String {
    let is_noun =
        |name: &str| found.iter().any(|noun| noun.name == name || plural(&noun.name) == name);
    let by_hand: BTreeSet<String> = verbs
        .iter()
        .filter(|verb| !is_noun(&handle(&verb.returned)))
        .map(|verb| callback(&verb.returned))
        .collect();
    let by_hand: Vec<_> = by_hand.into_iter().collect();
    let mut modules = String::new();
    for noun in found {
        let mut names = Vec::new();
        let is_given = verbs
            .iter()
            .flat_map(|verb| &verb.parameters)
            .any(|one| matches!(&one.given, Given::Noun(given) if given.name == noun.name));
        if noun.is_returned || is_given {
            names.push(noun.name.clone());
        }
        if noun.is_listed {
            names.push(plural(&noun.name));
        }
        if !names.is_empty() {
            modules +=
                &format!("use crate::{}::{{{}}};\n", nouns::module(&noun.name), names.join(", "));
        }
    }
    let mut text = format!(
        "{FIRST_LINE}

//! The operations of the contract that call back.

use std::ffi::{{c_char, c_void}};
use std::ptr::null;

use super::{{Callback, {}, submit, submit_done}};
use crate::boundary::{{guard, handle, {}owned_pairs, text}};
use crate::cancel::Cancel;
use crate::error::{{Code, Error}};
{modules}use crate::progress::Observer;
use crate::provider::Provider;
use crate::request::Request;
use crate::strings::Strings;
use crate::verb;
{}",
        by_hand.join(", "),
        optional(verbs),
        callbacks(found)
    );
    for verb in verbs {
        let Verb { name, returned, .. } = verb;
        let callback = callback(returned);
        let (observer, observed) =
            if verb.waits() { ("observer: *const Observer, ", "observer") } else { ("", "null()") };
        let end = if *returned == Returned::Nothing {
            format!("submit_done(verb, (provider, cancel, {observed}), callback, user_data)")
        } else {
            let made = as_handle(returned, "made");
            let made = if returned.is_optional() { made } else { format!("Some({made})") };
            format!(
                "let callback = Callback::new(callback, user_data)?;
submit(verb, (provider, cancel, {observed}), callback, |made| {made})"
            )
        };
        let none = if returned.is_optional() { ", with NULL if there is none" } else { "" };
        let doc = format!("As spuff_provider_{name}; `callback` gets the outcome{none}.");
        text += &format!(
            "
{}#[unsafe(no_mangle)]
pub unsafe extern \"C\" fn spuff_provider_{name}_submit(
    provider: *const Provider, {}cancel: *const Cancel, {observer}callback: {callback},
    user_data: *mut c_void, error: *mut *mut Error,
) -> Code {{
    guard(error, || {{
        let verb = verb::{name}({});
        {end}
    }})
}}
",
            wrapped(&[doc], "/// ", 100),
            declared(verb),
            read(verb)
        );
    }
    text
}
