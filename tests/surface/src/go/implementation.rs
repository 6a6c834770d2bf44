//! Providers written in Go: their interfaces, and the functions that the library calls.

use std::collections::BTreeSet;

use super::bridge::declared_in_c;
use super::{camel, declaration, declared, doc, listed, lower_camel, nouns, returned};
use crate::FIRST_LINE;
use crate::doc::wrapped;
use crate::model::{Given, Parameter, Returned, Thing, Verb, pascal, snake};

/// The interfaces of what a provider written in Go can do beside what every one can: name, what it
/// is, and its methods. Other operations have an interface each, `<Method>Implementation`.
const INTERFACES: [(&str, &str, &[&str]); 7] = [
    (
        "Waiter",
        "A Waiter has a way of its own to wait; for others spuff polls GetInstance.",
        &["wait_ready"],
    ),
    (
        "Snapshotter",
        "A Snapshotter makes snapshots.",
        &["create_snapshot", "list_snapshots", "delete_snapshot"],
    ),
    ("Resolver", "A Resolver finds instances by the keys that they were made under.", &["resolve"]),
    (
        "SnapshotResolver",
        "A SnapshotResolver finds snapshots by the keys that they were made under.",
        &["resolve_snapshot"],
    ),
    ("Labeller", "A Labeller changes labels.", &["set_labels"]),
    ("KeyLister", "A KeyLister reads the SSH keys of the account.", &["get_ssh_keys"]),
    ("Pricer", "A Pricer knows what instances cost.", &["hourly_price"]),
];

const IMPLEMENTATION: &str = "\
// An Implementation is a provider written in Go: the operations that every one has. Others are in
// the interfaces below; a provider has those whose methods its type has, and Close, where it has
// one, ends it.
//
// The methods are called by many goroutines at once. Their context ends when the caller has left.
// An abandoned create runs to completion, and its instance is destroyed or kept, as the request
// says. Errors are best an *Error, with the fields that its kind has; a Kind that is wrapped is
// known as such, and so are the errors of contexts. A nil *Error is no error. A panic becomes an
// error of the kind Internal. What a create has made before it failed is returned beside the error:
// it is ended, or kept, as the caller has said, and the error tells its id.
";

/// The interface that has a method.
fn interface(name: &str) -> String {
    let found = INTERFACES.iter().find(|(_, _, methods)| methods.contains(&name));
    found.map_or_else(
        || format!("{}Implementation", camel(name)),
        |(interface, _, _)| (*interface).to_string(),
    )
}

pub(super) fn interfaces(table: &[(&str, &Verb)]) -> Result<String, String> {
    let mut text = format!(
        "{FIRST_LINE}

// The interfaces of providers written in Go.

package spuff

// #include \"bridge.h\"
import \"C\"

import (
	\"context\"
	\"reflect\"
)

{IMPLEMENTATION}type Implementation interface {{
"
    );
    for (name, verb) in table.iter().filter(|(_, verb)| verb.is_required()) {
        text += &method(name, verb)?;
    }
    text += "}\n";
    let mut written = BTreeSet::new();
    for (name, _) in table.iter().filter(|(_, verb)| !verb.is_required()) {
        let interface = interface(name);
        if !written.insert(interface.clone()) {
            continue;
        }
        let known = INTERFACES.iter().find(|(known, _, _)| *known == interface);
        let (doc, names) = known.map_or_else(
            || (format!("A {interface} has {}.", camel(name)), vec![*name]),
            |(_, doc, methods)| ((*doc).to_string(), methods.to_vec()),
        );
        text += &format!("\n{}", wrapped(&[doc], "// ", 100));
        text += &format!("type {interface} interface {{\n");
        for (name, verb) in table.iter().filter(|(name, _)| names.contains(name)) {
            text += &method(name, verb)?;
        }
        text += "}\n";
    }
    text += "
// abilitiesOf are those of a type of providers.
func abilitiesOf(made reflect.Type) C.spuffgo_abilities {
	return C.spuffgo_abilities{
";
    let optional = || table.iter().filter(|(_, verb)| !verb.is_required());
    let longest = optional().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, _) in optional() {
        let key = format!("{name}:");
        text += &format!(
            "\t\t{key:width$} C.bool(made.Implements(reflect.TypeFor[{}]())),\n",
            interface(name),
            width = longest + 1
        );
    }
    Ok(text + "\t}\n}\n")
}

/// A method of an interface.
fn method(name: &str, verb: &Verb) -> Result<String, String> {
    let start = format!("\t{}(", camel(name));
    let declared = declaration(&start, &declared(verb), &format!(") {}", returned(verb)));
    Ok(doc(name, verb, "\t// ", &["Implementations"])? + &declared)
}

pub(super) fn exported(table: &[(&str, &Verb)]) -> String {
    let mut text = format!(
        "{FIRST_LINE}

// The functions that the library calls of a provider written in Go.

package spuff

// #include <spuff.h>
import \"C\"

import \"context\"
"
    );
    for (name, verb) in table {
        let go_name = camel(name);
        let mut declared = vec!["self C.uintptr_t".to_string()];
        let mut passed = vec!["ctx".to_string()];
        for Parameter { name, given } in &verb.parameters {
            let own = lower_camel(name);
            match given {
                Given::Text => {
                    declared.push(format!("{own} *C.char"));
                    passed.push(format!("C.GoString({own})"));
                }
                Given::Request => {
                    declared.push(format!("{own} *C.spuff_request"));
                    passed.push(format!("requestOf({own})"));
                }
                Given::Noun(noun) => {
                    declared.push(format!("{own} *C.spuff_{}", snake(&noun.name)));
                    passed.push(format!("{}Of({own})", nouns::lower(&noun.name)));
                }
                Given::Labels => {
                    declared.push("keys, values **C.char".to_string());
                    declared.push("count C.size_t".to_string());
                    passed.push("labelsOf(keys, values, count)".to_string());
                }
            }
        }
        declared.push("cancel *C.spuff_cancel".to_string());
        let handle = verb.returned.handle();
        if verb.returned.is_list() {
            declared.push(format!("list *C.spuff_{handle}"));
        } else if verb.returned != Returned::Nothing {
            declared.push(format!("out **C.spuff_{handle}"));
        }
        declared.push("failure **C.spuff_error".to_string());
        let of =
            if verb.is_required() { "p".to_string() } else { format!("p.({})", interface(name)) };
        let call = format!("{of}.{go_name}({})", passed.join(", "));
        let kind = pascal(&handle);
        let body = match &verb.returned {
            Returned::Nothing => format!("\t\treturn {call}\n"),
            Returned::One(thing) | Returned::Maybe(thing) => {
                let has_id = match thing {
                    Thing::Instance => true,
                    Thing::Noun(noun) => noun.has_id(),
                    Thing::Price | Thing::Text => false,
                };
                let hand = if has_id { "handed" } else { "handedWhole" };
                let place = if verb.returned.is_optional() { "" } else { "&" };
                format!(
                    "\t\tmade, err := {call}
\t\treturn {hand}({place}made, err, out, (*{kind}).give)\n"
                )
            }
            _ => format!("\t\tfound, err := {call}\n\t\treturn listed{kind}(found, err, list)\n"),
        };
        text += &format!("\n//export spuffgo{go_name}\n");
        let start = format!("func spuffgo{go_name}(");
        text += &declaration(&start, &declared, ") C.int32_t {");
        text += &format!(
            "\twork := func(ctx context.Context, p Implementation) error {{
{body}\t}}
	return answer(self, cancel, failure, \"{name}\", work)
}}
"
        );
    }
    text
}

pub(super) fn filled(table: &[(&str, &Verb)]) -> String {
    let mut text = format!(
        "{FIRST_LINE}

/* The functions of a provider written in Go: each goes to the exported function of its name. */
#include \"bridge.h\"

#include \"_cgo_export.h\"

#define NUMBER(pointer) ((uintptr_t)(pointer))
"
    );
    for (name, verb) in table {
        let mut declared = vec!["void *self".to_string()];
        declared.extend(declared_in_c(verb));
        declared.push("const spuff_cancel *cancel".to_string());
        let mut passed = vec!["NUMBER(self)".to_string()];
        for Parameter { name, given } in &verb.parameters {
            match given {
                Given::Text => passed.push(format!("(char *){name}")),
                Given::Request => passed.push(format!("(spuff_request *){name}")),
                Given::Noun(noun) => {
                    passed.push(format!("(spuff_{} *){name}", snake(&noun.name)));
                }
                Given::Labels => {
                    passed
                        .extend(["(char **)keys", "(char **)values", "count"].map(str::to_string));
                }
            }
        }
        passed.push("(spuff_cancel *)cancel".to_string());
        let handle = verb.returned.handle();
        if verb.returned.is_list() {
            declared.push(format!("spuff_{handle} *list"));
            passed.push("list".to_string());
        } else if verb.returned != Returned::Nothing {
            declared.push(format!("spuff_{handle} **out"));
            passed.push("out".to_string());
        }
        declared.push("spuff_error **error".to_string());
        passed.push("error".to_string());
        text += "\n";
        let start = format!("static int32_t {name}(");
        text += &listed(&start, &declared, ") {", &" ".repeat(start.len()));
        let start = format!("  return spuffgo{}(", camel(name));
        text += &listed(&start, &passed, ");", &" ".repeat(start.len()));
        text += "}\n";
    }
    text += "\nvoid spuffgo_fill(spuff_provider_vtable *table, spuffgo_abilities abilities) {\n";
    for (name, verb) in table {
        text += &if verb.is_required() {
            format!("  table->{name} = {name};\n")
        } else {
            format!("  table->{name} = abilities.{name} ? {name} : NULL;\n")
        };
    }
    text + "}\n"
}
