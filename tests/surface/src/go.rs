//! Go: the methods of a provider, the interfaces of one written in Go, and the C between them and
//! the library.

mod bridge;
mod implementation;
pub(crate) mod nouns;

use std::rc::Rc;

use crate::doc::{Words, sections, summary, wrapped};
use crate::model::{Given, Parameter, Returned, Thing, Verb, capital, plural, snake};
use crate::nouns::Noun;
use crate::{FIRST_LINE, File, c};

/// `committed` is the file with the table of C as it is now.
pub(crate) fn files(
    verbs: &[Verb],
    found: &[Rc<Noun>],
    committed: &str,
) -> Result<Vec<File>, String> {
    let table = c::in_order(verbs, committed)?;
    let mut files = vec![
        File::plain("spuff-ffi/go/zz_provider.go", provider(verbs)?),
        File::plain("spuff-ffi/go/zz_bridge.h", bridge::header(verbs, &table)),
        File::plain("spuff-ffi/go/zz_bridge.c", bridge::file(verbs)),
        File::plain("spuff-ffi/go/zz_implementation.go", implementation::interfaces(&table)?),
        File::plain("spuff-ffi/go/zz_vtable.go", implementation::exported(&table)),
        File::plain("spuff-ffi/go/zz_vtable.c", implementation::filled(&table)),
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
            ("ProviderError", "is_instance_failure") => Some("Error.IsInstanceFailure".to_string()),
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
