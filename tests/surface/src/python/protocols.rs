//! The protocols of providers written in Python.

use std::collections::BTreeSet;

use super::{docstring, first_line, given, imported, own_nouns, paragraphs, returned, signature};
use crate::model::{Parameter, Verb};

/// The protocols of what a provider can do beside what every one can: the end of the name, what
/// such a provider does, and its methods. Other operations have a protocol each.
const PROTOCOLS: [(&str, &str, &[&str]); 7] = [
    ("Snapshots", "that has snapshots", &["create_snapshot", "list_snapshots", "delete_snapshot"]),
    ("Wait", "that has a way of its own to wait", &["wait_ready"]),
    ("SnapshotLabels", "that tells its snapshots' labels", &["list_labelled_snapshots"]),
    ("Resolve", "that finds what was made under a key", &["resolve", "resolve_snapshot"]),
    ("Labels", "that can change labels", &["set_labels"]),
    ("SshKeys", "whose account has SSH keys", &["get_ssh_keys"]),
    ("Prices", "that knows what instances cost", &["hourly_price"]),
];

/// The two forms of a method of a provider.
const FORMS: [(&str, &str, bool); 2] =
    [("Blocking", "plain methods", false), ("Asyncio", "`async def` methods", true)];

pub(super) fn file(verbs: &[Verb]) -> Result<String, String> {
    let mut groups: Vec<(String, String, Vec<&Verb>)> = Vec::new();
    let optional: Vec<_> = verbs.iter().filter(|verb| !verb.is_required()).collect();
    for (name, doc, methods) in PROTOCOLS {
        let own = |verb: &&&Verb| methods.contains(&verb.name.as_str());
        let methods = optional.iter().filter(own).copied().collect();
        groups.push((name.to_string(), doc.to_string(), methods));
    }
    for verb in &optional {
        let is_new = !PROTOCOLS.iter().any(|(_, _, known)| known.contains(&verb.name.as_str()));
        if is_new {
            groups.push((verb.pascal(), format!("that has `{}`", verb.name), vec![verb]));
        }
    }
    let mut names = BTreeSet::from(["ProviderFactory".to_string()]);
    let mut classes = String::new();
    for (form, methods, is_async) in FORMS {
        names.insert(format!("{form}Provider"));
        let told = if is_async {
            "They run on an event loop of spuff's own, in another thread."
        } else {
            "Each runs in a thread of its own, where it may block."
        };
        classes += &format!(
            "\n\nclass {form}Provider(Protocol):
    \"\"\"A provider with {methods}.\n\n    {told}\n    \"\"\"\n"
        );
        for verb in verbs.iter().filter(|verb| verb.is_required()) {
            classes += &method(verb, is_async)?;
        }
    }
    for (name, doc, methods) in &groups {
        for (form, with, is_async) in FORMS {
            names.insert(format!("With{form}{name}"));
            classes += &format!(
                "\n\nclass With{form}{name}({form}Provider, Protocol):
    \"\"\"A provider with {with} {doc}.\"\"\"\n"
            );
            for verb in methods {
                classes += &method(verb, is_async)?;
            }
        }
    }
    let names: String = names.iter().map(|name| format!("    \"{name}\",\n")).collect();
    Ok(include_str!("../../templates/protocol.py.in")
        .replace("@FIRST_LINE\n", &first_line())
        .replace("@NOUNS\n", &imported(&own_nouns(verbs)))
        .replace("@NAMES\n", &names)
        .replace("@CLASSES\n", &classes))
}

/// A method of a protocol.
fn method(verb: &Verb, is_async: bool) -> Result<String, String> {
    let one = |one: &Parameter| format!("{}: {}", one.name, given(&one.given));
    let mut arguments = vec!["self".to_string()];
    arguments.extend(verb.parameters.iter().map(one));
    if !verb.parameters.is_empty() {
        arguments.push("/".to_string());
    }
    let result = returned(&verb.returned).1;
    let result = if is_async { format!("Awaitable[{result}]") } else { result.to_string() };
    let doc = docstring(verb, &paragraphs(verb, &["Implementations"])?, "        ")?;
    let declared = signature(&verb.name, &arguments, &result, "    ", "");
    Ok(format!("\n{declared}{doc}        ...\n"))
}
