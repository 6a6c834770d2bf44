//! C: each operation as a function that blocks and as one that calls back, the table of a provider
//! written in C, and the provider that is made from one.

use crate::check;
use crate::doc::{Words, sections, summary, wrapped};
use crate::model::{
    EMPTY_WITHOUT, Given, LABELLED_SNAPSHOTS, Parameter, Returned, SNAPSHOTS, Verb,
};
use crate::{FIRST_LINE, File};

pub(crate) const TABLE: &str = "spuff-ffi/src/vtable/verbs.rs";

/// What a provider written in C does not have to do, and what holds then.
const WITHOUT: [(&str, &str); 3] = [
    ("wait_ready", "spuff polls `get_instance`"),
    ("create_snapshot", "there are no snapshots"),
    ("get_ssh_keys", "there are none"),
];

/// What the documentation of a function of the table says besides.
const TABLE_NOTES: [(&str, &str); 3] = [
    ("create_instance", "spuff_instance_set_adopted sets it."),
    ("set_labels", "There are `count` keys, and a value for each."),
    ("hourly_price", "spuff_price_new makes the price."),
];

/// `committed` has the fields of the table as it is now.
pub(crate) fn files(verbs: &[Verb], committed: &str) -> Result<Vec<File>, String> {
    Ok(vec![
        File::rust("spuff-ffi/src/verb/verbs.rs", constructors(verbs)),
        File::rust("spuff-ffi/src/provider/verbs.rs", blocking(verbs)?),
        File::rust("spuff-ffi/src/submit/verbs.rs", submitted(verbs)),
        File::rust(TABLE, table(verbs, committed)?),
        File::rust("spuff-ffi/src/c_provider/verbs.rs", foreign(verbs)),
    ])
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

/// The type of a handle, and the name of its callback.
fn handle(returned: Returned) -> (&'static str, &'static str) {
    match returned {
        Returned::Nothing => ("()", "DoneCallback"),
        Returned::Instance | Returned::MaybeInstance => ("Instance", "InstanceCallback"),
        Returned::Instances => ("Instances", "InstancesCallback"),
        Returned::Snapshot | Returned::MaybeSnapshot => ("Snapshot", "SnapshotCallback"),
        Returned::Snapshots | Returned::LabelledSnapshots => ("Snapshots", "SnapshotsCallback"),
        Returned::Texts => ("Strings", "StringsCallback"),
        Returned::Price => ("Price", "PriceCallback"),
    }
}

/// A result as a handle, or as perhaps one.
fn as_handle(returned: Returned, value: &str) -> String {
    match returned {
        Returned::Nothing => value.to_string(),
        Returned::Instance | Returned::Instances | Returned::Snapshot | Returned::Price => {
            format!("{value}.into()")
        }
        Returned::MaybeInstance | Returned::MaybeSnapshot => format!("{value}.map(Into::into)"),
        Returned::Snapshots | Returned::LabelledSnapshots => {
            format!("{value}.into_iter().collect()")
        }
        Returned::Texts => format!("Strings::new({value})"),
    }
}

/// The arguments as C gives them.
fn declared(verb: &Verb) -> String {
    let one = |Parameter { name, given }: &Parameter| match given {
        Given::Text => format!("{name}: *const c_char, "),
        Given::Request => format!("{name}: *const Request, "),
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
        Given::Request => format!("handle({name}, \"{name}\")?.inner.clone()"),
        Given::Labels => "owned_pairs(keys, values, count)?".to_string(),
    };
    verb.parameters.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn constructors(verbs: &[Verb]) -> String {
    let mut text = format!(
        "{FIRST_LINE}

//! The operations of the contract, each with its arguments.

use std::collections::HashMap;

use spuff_core::provider::{{InstanceRequest, Price, ProviderInstance, Snapshot}};

use super::Verb;

"
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
    let mut text = format!(
        "{FIRST_LINE}

//! The operations of the contract that block.

use std::ffi::c_char;
use std::ptr::null;

use super::Provider;
use crate::boundary::{{Out, guard, handle, owned_pairs, text}};
use crate::cancel::Cancel;
use crate::error::{{Code, Error}};
use crate::instance::{{Instance, Instances}};
use crate::price::Price;
use crate::progress::Observer;
use crate::request::Request;
use crate::snapshot::{{Snapshot, Snapshots}};
use crate::strings::Strings;
use crate::verb;
"
    );
    for verb in verbs {
        let Verb { name, returned, .. } = verb;
        let (handle, _) = handle(*returned);
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
                as_handle(*returned, &made)
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

fn submitted(verbs: &[Verb]) -> String {
    let mut text = format!(
        "{FIRST_LINE}

//! The operations of the contract that call back.

use std::ffi::{{c_char, c_void}};
use std::ptr::null;

use super::{{
    Callback, DoneCallback, InstanceCallback, InstancesCallback, PriceCallback, SnapshotCallback,
    SnapshotsCallback, StringsCallback, submit, submit_done,
}};
use crate::boundary::{{guard, handle, owned_pairs, text}};
use crate::cancel::Cancel;
use crate::error::{{Code, Error}};
use crate::progress::Observer;
use crate::provider::Provider;
use crate::request::Request;
use crate::strings::Strings;
use crate::verb;
"
    );
    for verb in verbs {
        let Verb { name, returned, .. } = verb;
        let (_, callback) = handle(*returned);
        let (observer, observed) =
            if verb.waits() { ("observer: *const Observer, ", "observer") } else { ("", "null()") };
        let end = if *returned == Returned::Nothing {
            format!("submit_done(verb, (provider, cancel, {observed}), callback, user_data)")
        } else {
            let made = as_handle(*returned, "made");
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

/// The operations that a provider in C may have, by the names of their functions: snapshots are
/// listed by one, with their labels.
fn of_table(verbs: &[Verb]) -> impl Iterator<Item = (&str, &Verb)> {
    let listed = verbs.iter().filter(|verb| verb.name != SNAPSHOTS);
    listed.map(|verb| match verb.name.as_str() {
        LABELLED_SNAPSHOTS => (SNAPSHOTS, verb),
        name => (name, verb),
    })
}

/// The operations of the table: those of the committed one keep their places, new ones come last.
pub(crate) fn in_order<'a>(
    verbs: &'a [Verb],
    committed: &str,
) -> Result<Vec<(&'a str, &'a Verb)>, String> {
    let before = check::functions(committed);
    let all: Vec<_> = of_table(verbs).collect();
    let mut ordered = Vec::new();
    for field in &before {
        let found = all.iter().find(|(name, _)| name == field).ok_or_else(|| {
            format!(
                "the table has {field}, and the contract does not: a function is never taken out \
                 of the table"
            )
        })?;
        ordered.push(*found);
    }
    let is_new = |(name, _): &&(&str, &Verb)| !before.contains(name);
    ordered.extend(all.iter().filter(is_new));
    Ok(ordered)
}

fn table(verbs: &[Verb], committed: &str) -> Result<String, String> {
    let ordered = in_order(verbs, committed)?;
    let mut text = format!("{FIRST_LINE}\n\n{}", include_str!("../templates/vtable.rs.in"));
    let mut empty = String::new();
    for (name, verb) in ordered {
        let returned = verb.returned;
        let (handle, _) = handle(returned);
        let out = match returned {
            Returned::Nothing => String::new(),
            returned if returned.is_list() => format!("list: *mut {handle}, "),
            _ => format!("out: *mut *mut {handle}, "),
        };
        text += &format!(
            "{}    pub {name}: Option<unsafe extern \"C\" fn(
        self_: *mut c_void, {}cancel: *const Cancel, {out}error: *mut *mut Error,
    ) -> i32>,
",
            table_doc(name, verb)?,
            declared(verb)
        );
        empty += &format!("{name}: None,\n");
    }
    text += &format!(
        "}}

impl ProviderVtable {{
    /// A table without functions.
    pub(super) const EMPTY: Self = Self {{
        size: size_of::<Self>(),
        user_data: null_mut(),
        drop: None,
        max_user_data: 0,
        drops_labels: false,
        connect: None,
        disconnect: None,
{empty}    }};
}}
"
    );
    Ok(text)
}

/// The documentation of a function of the table.
fn table_doc(name: &str, verb: &Verb) -> Result<String, String> {
    let mut doc = summary(name, &verb.doc, &For::Table)?;
    doc.extend(sections(name, &verb.doc, &["Implementations"], &For::Table)?);
    if verb.returned.is_list() {
        doc.push("Fills the list.".to_string());
    } else if verb.returned.is_optional() {
        doc.push("Leaves *out NULL if there is none.".to_string());
    }
    doc.extend(TABLE_NOTES.iter().find(|(of, _)| *of == name).map(|(_, note)| (*note).to_string()));
    if !verb.is_required() {
        let without = WITHOUT.iter().find(|(of, _)| *of == name);
        let without = without.map_or("the operation is not supported", |(_, text)| text);
        doc.push(format!("NULL: {without}."));
    }
    Ok(wrapped(&[doc.join(" ")], "    /// ", 100))
}

fn foreign(verbs: &[Verb]) -> String {
    let mut text = format!(
        "{FIRST_LINE}

//! The operations of a provider made from a table: each calls its function.

use std::collections::HashMap;

use spuff_core::blocking::{{CancelToken, SyncProvider}};
use spuff_core::provider::{{
    InstanceRequest, Price as CorePrice, ProviderInstance, ProviderResult, Snapshot as CoreSnapshot,
}};

use super::{{Beside, Foreign, argument, there}};
use crate::boundary::c_pairs;
use crate::instance::{{Instance, Instances}};
use crate::price::Price;
use crate::request::Request;
use crate::snapshot::{{Snapshot, Snapshots}};
use crate::strings::Strings;

// SAFETY of all calls below: they are the caller's functions, called as the header says, with what
// lives as long as the call.
impl SyncProvider for Foreign {{
    fn name(&self) -> &str {{
        self.name
    }}

"
    );
    for (function, verb) in of_table(verbs) {
        let arguments: String = verb
            .parameters
            .iter()
            .map(|parameter| format!("{}: {}, ", parameter.name, parameter.given.rust()))
            .collect();
        text += &format!(
            "    fn {}(&self, {arguments}cancel: &CancelToken) -> ProviderResult<{}> {{
{}    }}

",
            verb.name,
            core(verb.returned),
            called(function, verb)
        );
    }
    text + "    fn supports_snapshots(&self) -> bool {
        self.table.0.create_snapshot.is_some()
    }
}
"
}

/// A result, where C has a type of the same name.
fn core(returned: Returned) -> String {
    returned.rust().replace("Snapshot", "CoreSnapshot").replace("Price", "CorePrice")
}

/// The body of an operation that calls a function of the table.
fn called(function: &str, verb: &Verb) -> String {
    let mut body = if EMPTY_WITHOUT.contains(&verb.name.as_str()) {
        format!("let Some(function) = self.table.0.{function} else {{ return Ok(Vec::new()) }};\n")
    } else {
        format!("let function = there(self.table.0.{function}, \"{function}\")?;\n")
    };
    let mut arguments = String::new();
    for Parameter { name, given } in &verb.parameters {
        match given {
            Given::Text => {
                body += &format!("let {name} = argument({name}, \"{name}\")?;\n");
                arguments += &format!("{name}.as_ptr(), ");
            }
            Given::Request => {
                body += &format!("let {name} = Request::from({name}.clone());\n");
                arguments += &format!("&raw const {name}, ");
            }
            Given::Labels => {
                body += &format!("let {name} = c_pairs({name});\n");
                for (part, pattern) in [("keys", "(key, _)| key"), ("values", "(_, value)| value")]
                {
                    body += &format!(
                        "let {part}: Vec<_> = {name}.iter().map(|{pattern}.as_ptr()).collect();\n"
                    );
                }
                arguments += &format!("keys.as_ptr(), values.as_ptr(), {name}.len(), ");
            }
        }
    }
    let (handle, _) = handle(verb.returned);
    let place = match verb.returned {
        Returned::Nothing => "",
        returned if returned.is_list() => "list, ",
        _ => "out, ",
    };
    body += &format!(
        "// SAFETY: see above.
let call = |state, cancel, {place}error| unsafe {{
    function(state, {arguments}cancel, {place}error)
}};
"
    );
    let creates = verb.name.starts_with("create_");
    body + &match verb.returned {
        Returned::Nothing => format!("self.done(\"{function}\", cancel, call)\n"),
        Returned::Instance | Returned::Snapshot if creates => format!(
            "let made = self.must_make::<{handle}>(\"{function}\", cancel, call);
made.map(|made| made.inner).map_err(Beside::<{handle}>::of_create)\n"
        ),
        Returned::Instance | Returned::Snapshot => {
            format!("Ok(self.must_make::<{handle}>(\"{function}\", cancel, call)?.inner)\n")
        }
        Returned::Price => {
            format!("Ok(self.must_make::<{handle}>(\"{function}\", cancel, call)?.into_inner())\n")
        }
        Returned::MaybeInstance | Returned::MaybeSnapshot => format!(
            "let found = self.made::<{handle}>(\"{function}\", cancel, call)?;
Ok(found.map(|found| found.inner))\n"
        ),
        returned => {
            let items = match returned {
                Returned::Instances => "found.0.into_iter().map(|one| one.inner).collect()",
                Returned::Snapshots => "found.0.into_iter().map(|one| one.inner).collect()",
                Returned::LabelledSnapshots => {
                    "found.0.into_iter().map(|one| (one.inner, one.labels)).collect()"
                }
                _ => "found.into_plain()",
            };
            format!(
                "let found: {handle} = self.filled(\"{function}\", cancel, call)?;\nOk({items})\n"
            )
        }
    }
}
