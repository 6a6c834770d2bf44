//! Go: the methods of a provider, the interfaces of one written in Go, and the C between them and
//! the library.

pub(crate) mod nouns;

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::doc::{Words, sections, summary, wrapped};
use crate::model::{Given, Parameter, Returned, Thing, Verb, capital, pascal, plural, snake};
use crate::nouns::Noun;
use crate::{FIRST_LINE, File, c};

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

/// `committed` is the file with the table of C as it is now.
pub(crate) fn files(
    verbs: &[Verb],
    found: &[Rc<Noun>],
    committed: &str,
) -> Result<Vec<File>, String> {
    let table = c::in_order(verbs, committed)?;
    let mut files = vec![
        File::plain("spuff-ffi/go/zz_provider.go", provider(verbs)?),
        File::plain("spuff-ffi/go/zz_bridge.h", bridge_header(verbs, &table)),
        File::plain("spuff-ffi/go/zz_bridge.c", bridge(verbs)),
        File::plain("spuff-ffi/go/zz_implementation.go", implementation(&table)?),
        File::plain("spuff-ffi/go/zz_vtable.go", exported(&table)),
        File::plain("spuff-ffi/go/zz_vtable.c", filled(&table)),
    ];
    files.extend(nouns::files(found)?);
    Ok(files)
}

/// `get_ssh_keys` as `GetSSHKeys`.
fn camel(name: &str) -> String {
    let word = |word| match word {
        "cpu" => "CPU".to_string(),
        "id" => "ID".to_string(),
        "ip" => "IP".to_string(),
        "ssh" => "SSH".to_string(),
        word => capital(word),
    };
    name.split('_').map(word).collect()
}

/// `instance_id` as `instanceID`.
fn lower_camel(name: &str) -> String {
    match name.split_once('_') {
        Some((first, rest)) => format!("{first}{}", camel(rest)),
        None => name.to_string(),
    }
}

struct Go;

impl Words for Go {
    fn link(&self, path: &str, label: &str) -> Option<String> {
        let (root, name) = path.split_once("::")?;
        match (root, name) {
            ("ProviderError", kind) => Some(kind.to_string()),
            ("Self", verb) => Some(camel(verb)),
            ("ErrorContext" | "ProviderInstance", field) => Some(camel(field)),
            ("InstanceRequest", field) if label != path => Some(field.replace('_', " ")),
            ("InstanceRequest", field) => Some(format!("InstanceRequest.{}", camel(field))),
            ("crate", name @ ("create_and_wait" | "settled")) => Some(camel(name)),
            ("ImageSpec", "Snapshot") => Some("SnapshotImage".to_string()),
            (noun, field) => Some(format!("{noun}.{}", camel(field))),
        }
    }

    fn code(&self, word: &str) -> String {
        match word {
            "None" => "nil".to_string(),
            word if word.contains('_') && !word.contains('=') => camel(word),
            word => word.to_string(),
        }
    }
}

/// The documentation of a method, which begins with its name.
fn doc(name: &str, verb: &Verb, before: &str, titles: &[&str]) -> Result<String, String> {
    let mut doc = summary(name, &verb.doc, &Go)?;
    if let Some(first) = doc.first_mut() {
        let mut letters = first.chars();
        let start = letters.next().into_iter().flat_map(char::to_lowercase).collect::<String>();
        *first = format!("{} {start}{}", camel(name), letters.as_str());
    }
    doc.extend(sections(name, &verb.doc, titles, &Go)?);
    Ok(wrapped(&doc, before, 100 - before.matches('\t').count() * 3))
}

/// A type of a result, and what stands for it beside an error.
fn result(returned: &Returned) -> (String, String) {
    let pair = |kind: String, none: &str| (kind, none.to_string());
    let name = match returned.thing() {
        None => return pair(String::new(), ""),
        Some(Thing::Text) => "string",
        Some(thing) => thing.short(),
    };
    match returned {
        Returned::One(_) => pair(name.to_string(), &format!("{name}{{}}")),
        Returned::Maybe(_) => pair(format!("*{name}"), "nil"),
        _ => pair(format!("[]{name}"), "nil"),
    }
}

/// The function that takes a result's handle over.
fn take(returned: &Returned) -> String {
    let name = match returned.thing() {
        None => return "done".to_string(),
        Some(Thing::Text) => return "takeStrings".to_string(),
        Some(thing) => thing.short(),
    };
    match returned {
        Returned::Maybe(Thing::Instance) => "takeFound".to_string(),
        Returned::Maybe(_) => format!("takeFound{name}"),
        Returned::List(_) | Returned::Labelled(_) => format!("take{}", plural(name)),
        _ => format!("take{name}"),
    }
}

/// How wide a line is shown.
fn width(line: &str) -> usize {
    line.chars().map(|letter| if letter == '\t' { 4 } else { 1 }).sum()
}

/// A declaration in Go, in one line or with its arguments in lines of their own.
fn declaration(start: &str, arguments: &[String], after: &str) -> String {
    let line = format!("{start}{}{after}", arguments.join(", "));
    if width(&line) <= 100 {
        return line + "\n";
    }
    let indent: String = start.chars().take_while(|letter| *letter == '\t').collect();
    let inner = format!("{indent}\t");
    format!("{start}\n{}{indent}{after}\n", listed(&inner, arguments, ",", &inner))
}

/// `before`, the items with commas between, and `after`, in lines of 100 columns. Further lines are
/// indented by `more`.
fn listed(before: &str, items: &[String], after: &str, more: &str) -> String {
    let mut lines = Vec::new();
    let mut line = before.to_string();
    for (at, item) in items.iter().enumerate() {
        let is_last = at + 1 == items.len();
        let text = if is_last { format!("{item}{after}") } else { format!("{item},") };
        let gap = if at == 0 { "" } else { " " };
        if width(&line) + gap.len() + width(&text) > 100 {
            lines.push(std::mem::replace(&mut line, format!("{more}{text}")));
        } else {
            line += &format!("{gap}{text}");
        }
    }
    lines.push(line);
    lines.join("\n") + "\n"
}

/// The arguments of a method, after its context; neighbours of one type name it once.
fn declared(verb: &Verb) -> Vec<String> {
    let kind = |given: &Given| match given {
        Given::Text => "string".to_string(),
        Given::Labels => "map[string]string".to_string(),
        Given::Request => "InstanceRequest".to_string(),
        Given::Noun(noun) => noun.name.clone(),
    };
    let mut declared = vec!["ctx context.Context".to_string()];
    for (at, Parameter { name, given }) in verb.parameters.iter().enumerate() {
        let next = verb.parameters.get(at + 1).map(|next| &next.given);
        let name = lower_camel(name);
        declared.push(if next == Some(given) { name } else { format!("{name} {}", kind(given)) });
    }
    declared
}

/// The end of a declaration: what a method returns.
fn returned(verb: &Verb) -> String {
    match result(&verb.returned).0.as_str() {
        "" => "error".to_string(),
        made => format!("({made}, error)"),
    }
}

fn provider(verbs: &[Verb]) -> Result<String, String> {
    let mut text = format!(
        "{FIRST_LINE}

// The operations of a provider.

package spuff

// #include \"bridge.h\"
import \"C\"

import (
	\"context\"
	\"unsafe\"
)
"
    );
    for verb in verbs {
        text += &format!("\n{}", doc(&verb.name, verb, "// ", &["Errors", "Cancellation"])?);
        if verb.waits() {
            text += "//\n// OnProgress observes the progress.\n";
        }
        let mut declared = declared(verb);
        if verb.waits() {
            declared.push("options ...Option".to_string());
        }
        let start = format!("func (p *Provider) {}(", camel(&verb.name));
        text += &declaration(&start, &declared, &format!(") {} {{", returned(verb)));
        text += &called(verb);
        text += "}\n";
    }
    Ok(text)
}

/// The body of a method that calls the library.
fn called(verb: &Verb) -> String {
    let mut body = String::new();
    let (made, none) = result(&verb.returned);
    let mut has_error = false;
    let mut texts = Vec::new();
    let mut labels = None;
    let mut arguments = vec!["c.provider".to_string()];
    for Parameter { name, given } in &verb.parameters {
        let own = lower_camel(name);
        match given {
            Given::Text => {
                arguments.push(format!("c.arguments[{}]", texts.len()));
                texts.push(format!("\"{name}\", {own}"));
            }
            Given::Labels => {
                for part in ["unsafe.SliceData(keys)", "unsafe.SliceData(values)"] {
                    arguments.push(part.to_string());
                }
                arguments.push("C.size_t(len(keys))".to_string());
                labels = Some((name, own));
            }
            Given::Noun(noun) => {
                let handle = snake(&noun.name);
                let nothing = if none.is_empty() { "" } else { ", " };
                body += &format!(
                    "\t{own}Given := new(*C.spuff_{handle})
	if err := {own}.give({own}Given); err != nil {{
		return {none}{nothing}err
	}}
	defer C.spuff_{handle}_free({own}Given)
"
                );
                arguments.push(format!("*{own}Given"));
            }
            Given::Request => {
                has_error = true;
                let nothing = if none.is_empty() { "" } else { ", " };
                body += &format!(
                    "\twanted, err := {own}.make()
	if err != nil {{
		return {none}{nothing}err
	}}
	defer C.spuff_request_free(&wanted)
"
                );
                arguments.push("wanted".to_string());
            }
        }
    }
    let count = texts.len();
    let mut given = match texts.as_slice() {
        [] => "nil".to_string(),
        texts => format!("given({})", texts.join(", ")),
    };
    let mut inside = String::new();
    if let Some((name, own)) = labels {
        body += &format!(
            "\targuments := {given}
	for key, value := range {own} {{
		arguments = append(arguments, \"{name}\", key, \"{name}\", value)
	}}
"
        );
        given = "arguments".to_string();
        inside = format!(
            "\t\tvar keys, values []*C.char
		for at := {count}; at < len(c.arguments); at += 2 {{
			keys, values = append(keys, c.arguments[at]), append(values, c.arguments[at+1])
		}}
"
        );
    }
    arguments.push("c.token.pointer".to_string());
    let mut observe = "nil";
    if verb.waits() {
        body += "\tobserve := chosen(options).observe\n";
        arguments.push("observe != nil".to_string());
        observe = "observe";
    }
    arguments.extend(["number", "c.failure"].map(str::to_string));
    body += "\tsubmit := func(c *call, number C.uintptr_t) C.spuff_code {\n";
    body += &inside;
    let start = format!("\t\treturn C.spuffgo_{}(", verb.name);
    body += &listed(&start, &arguments, ")", "\t\t\t");
    body += "\t}\n";
    if verb.returned == Returned::Nothing {
        let assign = if has_error { "=" } else { ":=" };
        return body
            + &format!(
                "\t_, err {assign} await(ctx, p, {given}, {observe}, submit, done)\n\treturn err\n"
            );
    }
    body + &format!(
        "\ttake := func(made unsafe.Pointer) ({made}, error) {{
		return {}((*C.spuff_{})(made))
	}}
	return await(ctx, p, {given}, {observe}, submit, take)
",
        take(&verb.returned),
        verb.returned.handle()
    )
}

/// The arguments of an operation in C.
fn declared_in_c(verb: &Verb) -> Vec<String> {
    let one = |Parameter { name, given }: &Parameter| match given {
        Given::Text => vec![format!("const char *{name}")],
        Given::Request => vec![format!("const spuff_request *{name}")],
        Given::Noun(noun) => vec![format!("const spuff_{} *{name}", snake(&noun.name))],
        Given::Labels => ["const char *const *keys", "const char *const *values", "size_t count"]
            .map(str::to_string)
            .to_vec(),
    };
    verb.parameters.iter().flat_map(one).collect()
}

/// The declaration of what Go calls for an operation, behind which `after` comes.
fn bridge_declaration(verb: &Verb, after: &str) -> String {
    let mut declared = vec!["const spuff_provider *provider".to_string()];
    declared.extend(declared_in_c(verb));
    declared.push("const spuff_cancel *cancel".to_string());
    if verb.waits() {
        declared.push("bool observed".to_string());
    }
    declared.extend(["uintptr_t call", "spuff_error **error"].map(str::to_string));
    let start = format!("spuff_code spuffgo_{}(", verb.name);
    listed(&start, &declared, &format!("){after}"), &" ".repeat(start.len()))
}

/// The kinds of results, each of which has a callback.
fn kinds(verbs: &[Verb]) -> BTreeSet<String> {
    verbs.iter().map(|verb| verb.returned.handle()).collect()
}

/// The name of the callback for a kind of results.
fn callback(kind: &str) -> String {
    if kind.is_empty() { "spuffgo_done".to_string() } else { format!("spuffgo_{kind}_done") }
}

/// The declaration of a callback, behind which `after` comes.
fn callback_declaration(kind: &str, after: &str) -> String {
    let mut declared = vec!["void *call".to_string(), "spuff_code code".to_string()];
    if !kind.is_empty() {
        declared.push(format!("spuff_{kind} *made"));
    }
    declared.push("spuff_error *error".to_string());
    let start = format!("void {}(", callback(kind));
    listed(&start, &declared, &format!("){after}"), &" ".repeat(start.len()))
}

fn bridge_header(verbs: &[Verb], table: &[(&str, &Verb)]) -> String {
    let mut text = format!(
        "{FIRST_LINE}

/* What Go cannot say itself, for each operation of the contract. */
#ifndef SPUFF_GO_ZZ_BRIDGE_H
#define SPUFF_GO_ZZ_BRIDGE_H

#include <spuff.h>

/* Operations that call back: `call` is the number of a Go call, which is told of the outcome once,
 * and of the progress where it is observed. */
"
    );
    for verb in verbs {
        text += &bridge_declaration(verb, ";");
    }
    text += "\n/* The callbacks of these, for each kind of result. */\n";
    for kind in kinds(verbs) {
        text += &callback_declaration(&kind, ";");
    }
    text += "
/* What a provider written in Go can do beside what every one can. */
typedef struct spuffgo_abilities {
";
    for (name, verb) in table {
        if !verb.is_required() {
            text += &format!("  bool {name};\n");
        }
    }
    text + "} spuffgo_abilities;

/* Puts the functions of a provider written in Go into a table. */
void spuffgo_fill(spuff_provider_vtable *table, spuffgo_abilities abilities);

#endif
"
}

fn bridge(verbs: &[Verb]) -> String {
    let mut text = format!(
        "{FIRST_LINE}

/* The library's callbacks on one side, Go's exported functions on the other. */
#include \"bridge.h\"

#include \"_cgo_export.h\"

#define CALL(number) ((void *)(number))
#define NUMBER(pointer) ((uintptr_t)(pointer))
"
    );
    for kind in kinds(verbs) {
        let made = if kind.is_empty() { "NULL" } else { "made" };
        text += &format!(
            "\n{}  spuffgoDone(NUMBER(call), code, {made}, error);\n}}\n",
            callback_declaration(&kind, " {")
        );
    }
    for verb in verbs {
        text += &format!("\n{}", bridge_declaration(verb, " {"));
        let mut passed = vec!["provider".to_string()];
        for Parameter { name, given } in &verb.parameters {
            match given {
                Given::Labels => passed.extend(["keys", "values", "count"].map(str::to_string)),
                Given::Text | Given::Request | Given::Noun(_) => passed.push(name.clone()),
            }
        }
        passed.push("cancel".to_string());
        if verb.waits() {
            text += "  spuff_observer who = spuffgo_observer(observed, call);\n";
            passed.push("&who".to_string());
        }
        passed.extend([
            callback(&verb.returned.handle()),
            "CALL(call)".to_string(),
            "error".to_string(),
        ]);
        let start = format!("  return spuff_provider_{}_submit(", verb.name);
        text += &listed(&start, &passed, ");", &" ".repeat(start.len()));
        text += "}\n";
    }
    text
}

/// The interface that has a method.
fn interface(name: &str) -> String {
    let found = INTERFACES.iter().find(|(_, _, methods)| methods.contains(&name));
    found.map_or_else(
        || format!("{}Implementation", camel(name)),
        |(interface, _, _)| (*interface).to_string(),
    )
}

fn implementation(table: &[(&str, &Verb)]) -> Result<String, String> {
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

fn exported(table: &[(&str, &Verb)]) -> String {
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

fn filled(table: &[(&str, &Verb)]) -> String {
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
