//! Go: each noun as a struct, copied from a handle of the library's and given as one, and each enum
//! as a type of words.

use std::rc::Rc;

use super::{Go, camel, lower_camel};
use crate::c::nouns::{getter_name, needs_has, setter_name};
use crate::doc::{Doc, summary, wrapped};
use crate::model::{plural, snake};
use crate::nouns::{Choice, Field, Kind, Noun, Shape, choices, labels_beside};
use crate::{FIRST_LINE, File};

pub(crate) fn files(nouns: &[Rc<Noun>]) -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    for noun in nouns {
        let path = format!("spuff-ffi/go/zz_{}.go", snake(&noun.name));
        files.push(File::plain(&path, file(noun)?));
    }
    for choice in choices(nouns) {
        let path = format!("spuff-ffi/go/zz_{}.go", snake(&choice.name));
        files.push(File::plain(&path, words(&choice)?));
    }
    Ok(files)
}

/// `StopReport` as `stopReport`.
pub(crate) fn lower(name: &str) -> String {
    lower_camel(&snake(name))
}

/// A sentence that begins with a name, as Go's comments do.
fn named(name: &str, path: &str, doc: &Doc) -> Result<Vec<String>, String> {
    let mut doc = summary(path, doc, &Go)?;
    if let Some(first) = doc.first_mut() {
        let (word, rest) = first.split_once(' ').unwrap_or((first, ""));
        let is_many = name.ends_with('s') && !name.ends_with("ss");
        let is = if is_many { "are" } else { "is" };
        *first = match word {
            "Whether" => format!("{name} says whether {rest}"),
            "A" | "An" if path == name => {
                let article = if name.starts_with(['A', 'E', 'I', 'O', 'U']) { "An" } else { "A" };
                format!("{article} {name} is {} {rest}", word.to_lowercase())
            }
            "The" | "A" | "An" | "Its" | "How" | "What" | "Where" | "When" | "Which" | "Every" => {
                format!("{name} {is} {} {rest}", word.to_lowercase())
            }
            _ => {
                let mut letters = first.chars();
                let start: String =
                    letters.next().into_iter().flat_map(char::to_lowercase).collect();
                format!("{name}: {start}{}", letters.as_str())
            }
        };
    }
    Ok(doc)
}

/// The type of one value.
fn one_type(kind: &Kind) -> String {
    match kind {
        Kind::Text => "string".to_string(),
        Kind::Bool => "bool".to_string(),
        Kind::Number(number) => numbers(number).0.to_string(),
        Kind::Duration => "time.Duration".to_string(),
        Kind::Time => "time.Time".to_string(),
        Kind::Ip => "netip.Addr".to_string(),
        Kind::Choice(choice) => choice.name.clone(),
        Kind::Noun(name) => name.clone(),
    }
}

/// A number in Go, and in C as Go calls it.
fn numbers(number: &str) -> (&'static str, &'static str) {
    match number {
        "u16" => ("uint16", "C.uint16_t"),
        "u32" => ("uint32", "C.uint32_t"),
        "i64" => ("int64", "C.int64_t"),
        "usize" => ("uint", "C.size_t"),
        "f64" => ("float64", "C.double"),
        _ => ("uint64", "C.uint64_t"),
    }
}

/// Whether the zero of a type stands for nothing, so that no pointer is needed.
fn zero_is_none(kind: &Kind) -> bool {
    matches!(kind, Kind::Time | Kind::Ip | Kind::Choice(_))
}

fn field_type(field: &Field) -> String {
    let one = one_type(&field.kind);
    match field.shape {
        Shape::One => one,
        Shape::Optional if zero_is_none(&field.kind) => one,
        Shape::Optional => format!("*{one}"),
        Shape::List => format!("[]{one}"),
        Shape::Map => "map[string]string".to_string(),
    }
}

/// What a getter's answer is in Go.
fn read(kind: &Kind, call: &str) -> String {
    match kind {
        Kind::Text => format!("C.GoString({call})"),
        Kind::Bool => format!("bool({call})"),
        Kind::Number(number) => format!("{}({call})", numbers(number).0),
        Kind::Duration => format!("time.Duration({call}) * time.Millisecond"),
        Kind::Time => format!("moment({call})"),
        Kind::Ip => format!("addressOf({call})"),
        Kind::Choice(choice) => format!("{}(C.GoString({call}))", choice.name),
        Kind::Noun(name) => format!("{}Of({call})", lower(name)),
    }
}

/// The lines that copy a field of a handle.
fn copied(snake: &str, field: &Field) -> String {
    let own = camel(&field.name);
    let getter = format!("C.spuff_{snake}_{}", getter_name(field));
    let call = format!("{getter}(pointer)");
    match field.shape {
        Shape::One => format!("\tmade.{own} = {}\n", read(&field.kind, &call)),
        Shape::Optional if zero_is_none(&field.kind) => match field.kind {
            Kind::Time => format!("\tmade.{own} = {}\n", read(&field.kind, &call)),
            _ => format!(
                "\tif text := {call}; text != nil {{\n\t\tmade.{own} = {}\n\t}}\n",
                read(&field.kind, "text")
            ),
        },
        Shape::Optional => {
            let (is, value) = match &field.kind {
                _ if needs_has(field) => (
                    format!("bool(C.spuff_{snake}_has_{}(pointer))", getter_name(field)),
                    read(&field.kind, &call),
                ),
                Kind::Duration => {
                    let is = format!("took := {call}; took >= 0");
                    (is, read(&field.kind, "took"))
                }
                kind => (format!("one := {call}; one != nil"), read(kind, "one")),
            };
            format!("\tif {is} {{\n\t\tmade.{own} = Ptr({value})\n\t}}\n")
        }
        Shape::List => format!(
            "\tfor at := range {getter}_count(pointer) {{\n\t\tmade.{own} = append(made.{own}, \
             {})\n\t}}\n",
            read(&field.kind, &format!("{getter}(pointer, at)"))
        ),
        Shape::Map => format!(
            "\tmade.{own} = make(map[string]string)
	for at := range {getter}_count(pointer) {{
		key := C.GoString({getter}_key(pointer, at))
		made.{own}[key] = C.GoString({getter}_value(pointer, at))
	}}
"
        ),
    }
}

/// The lines that make an argument of C's, and the argument. `value` is what Go has.
fn argument(kind: &Kind, name: &str, value: &str, indent: &str) -> (String, String) {
    let own = lower_camel(name);
    let text =
        |value: String| (format!("{indent}{own} := b.add(\"{name}\", {value})\n"), own.clone());
    let plain = |value: String| (format!("{indent}{own} := {value}\n"), own.clone());
    match kind {
        Kind::Text => text(value.to_string()),
        Kind::Ip => text(format!("{value}.String()")),
        Kind::Choice(_) => text(format!("string({value})")),
        Kind::Bool => plain(format!("C.bool({value})")),
        Kind::Number(number) => plain(format!("{}({value})", numbers(number).1)),
        Kind::Duration => plain(format!("b.units(\"{name}\", {value}, time.Millisecond)")),
        Kind::Time => plain(format!("C.int64_t({value}.UnixMilli())")),
        Kind::Noun(noun) => {
            let handle = snake(noun);
            let lines = format!(
                "{indent}{own} := new(*C.spuff_{handle})
{indent}if err := {value}.give({own}); err != nil && b.err == nil {{
{indent}	b.err = err
{indent}}}
{indent}defer C.spuff_{handle}_free({own})
"
            );
            (lines, format!("*{own}"))
        }
    }
}

/// A call of a setter as a step of a build.
fn step(setter: &str, arguments: &str, indent: &str) -> String {
    format!(
        "{indent}b.step(func(failure **C.spuff_error) C.spuff_code {{
{indent}	return {setter}(*made, {arguments}, failure)
{indent}}})
"
    )
}

/// The lines that set a field of a handle.
fn set(snake: &str, field: &Field) -> String {
    let own = format!("n.{}", camel(&field.name));
    let setter = format!("C.spuff_{snake}_{}", setter_name(field));
    let inner = |value: &str, indent: &str| {
        let (lines, argument) = argument(&field.kind, &field.name, value, indent);
        lines + &step(&setter, &argument, indent)
    };
    match field.shape {
        Shape::One if field.kind == Kind::Time => {
            format!("\tif !{own}.IsZero() {{\n{}\t}}\n", inner(&own, "\t\t"))
        }
        Shape::One => inner(&own, "\t"),
        Shape::Optional => {
            let is = match field.kind {
                Kind::Time => format!("!{own}.IsZero()"),
                Kind::Ip => format!("{own}.IsValid()"),
                Kind::Choice(_) => format!("{own} != \"\""),
                _ => format!("{own} != nil"),
            };
            let value = match field.kind {
                Kind::Noun(_) | Kind::Time | Kind::Ip | Kind::Choice(_) => own,
                _ => format!("*{own}"),
            };
            format!("\tif {is} {{\n{}\t}}\n", inner(&value, "\t\t"))
        }
        Shape::List => format!("\tfor _, one := range {own} {{\n{}\t}}\n", inner("one", "\t\t")),
        Shape::Map => format!(
            "\tfor key, value := range {own} {{
		key, value := b.add(\"{name}\", key), b.add(\"{name}\", value)
{}	}}
",
            step(&setter, "key, value", "\t\t"),
            name = field.name
        ),
    }
}

fn file(noun: &Noun) -> Result<String, String> {
    let name = &noun.name;
    let (snake, own) = (snake(name), lower(name));
    let mut fields = noun.fields.clone();
    if noun.is_labelled {
        fields.push(labels_beside());
    }
    let mut structure = wrapped(&named(name, name, &noun.doc)?, "// ", 100);
    structure += &format!("type {name} struct {{\n");
    for field in &fields {
        let path = format!("{name}::{}", field.name);
        let mut doc = named(&camel(&field.name), &path, &field.doc)?;
        if let (Some(last), Shape::Optional) = (doc.last_mut(), field.shape) {
            let none = if zero_is_none(&field.kind) { "Zero" } else { "Nil" };
            *last += &format!(" {none} if there is none.");
        }
        structure += &wrapped(&doc, "\t// ", 97);
        structure += &format!("\t{} {}\n", camel(&field.name), field_type(field));
    }
    structure += "}\n";
    let mut of = format!(
        "
// {own}Of copies one of the library's.
func {own}Of(pointer *C.spuff_{snake}) (made {name}) {{
"
    );
    for field in &fields {
        of += &copied(&snake, field);
    }
    of += "\treturn made\n}\n";
    let text = structure + &of + &taken(noun) + &given(noun, &fields) + &json(noun);
    let imports: String = ["net/netip", "time"]
        .into_iter()
        .filter(|path| text.contains(&format!("{}.", path.trim_start_matches("net/"))))
        .map(|path| format!("\t\"{path}\"\n"))
        .collect();
    let imports = match imports.lines().count() {
        0 => String::new(),
        1 => format!("import {}\n", imports.trim()),
        _ => format!("import (\n{imports})\n"),
    };
    let gap = if imports.is_empty() { "" } else { "\n" };
    Ok(format!(
        "{FIRST_LINE}

package spuff

// #include <spuff.h>
import \"C\"

{imports}{gap}{text}"
    ))
}

/// The functions that take over a handle, or a list.
fn taken(noun: &Noun) -> String {
    let name = &noun.name;
    let (snake, own) = (snake(name), lower(name));
    let mut text = format!(
        "
// take{name} copies one that the caller owns, and frees its handle.
func take{name}(pointer *C.spuff_{snake}) ({name}, error) {{
	defer C.spuff_{snake}_free(&pointer)
	return {own}Of(pointer), nil
}}
"
    );
    if noun.is_returned {
        text += &format!(
            "
// takeFound{name} is take{name} of what may not be there.
func takeFound{name}(pointer *C.spuff_{snake}) (*{name}, error) {{
	if pointer == nil {{
		return nil, nil
	}}
	made, err := take{name}(pointer)
	return &made, err
}}
"
        );
    }
    if noun.is_listed {
        let list = plural(name);
        let many = self::snake(&list);
        text += &format!(
            "
// take{list} copies a list that the caller owns, and frees it.
func take{list}(list *C.spuff_{many}) ([]{name}, error) {{
	defer C.spuff_{many}_free(&list)
	made := make([]{name}, 0, C.spuff_{many}_count(list))
	for at := range C.spuff_{many}_count(list) {{
		made = append(made, {own}Of(C.spuff_{many}_get(list, at)))
	}}
	return made, nil
}}

// listed{list} fills a list of the library's.
func listed{list}(found []{name}, err error, list *C.spuff_{many}) error {{
	if err != nil {{
		return err
	}}
	for at := range found {{
		one := new(*C.spuff_{snake})
		if err := found[at].give(one); err != nil {{
			return err
		}}
		C.spuff_{many}_push(list, one, nil)
	}}
	return nil
}}
"
        );
    }
    if noun.has_id() {
        text += &format!("\nfunc (n {name}) id() string {{ return n.ID }}\n");
    }
    text
}

/// The method that gives the library a handle.
fn given(noun: &Noun, fields: &[Field]) -> String {
    let name = &noun.name;
    let snake = snake(name);
    let mut text = format!(
        "
// give makes one for the library to own.
func (n *{name}) give(out **C.spuff_{snake}) error {{
	b := newBuild()
"
    );
    if noun.is_option() {
        text += &format!("\tmade := new(*C.spuff_{snake})\n\t*made = C.spuff_{snake}_new()\n");
    } else {
        text += &format!("\tmade := new(*C.spuff_{snake})\n");
        let mut arguments = Vec::new();
        for field in noun.required() {
            let value = format!("n.{}", camel(&field.name));
            let (lines, own) = argument(&field.kind, &field.name, &value, "\t");
            text += &lines;
            arguments.push(own);
        }
        text += &format!(
            "\tb.step(func(failure **C.spuff_error) C.spuff_code {{
		return C.spuff_{snake}_new({}, made, failure)
	}})
",
            arguments.join(", ")
        );
    }
    for field in fields.iter().filter(|field| !noun.requires(field)) {
        text += &set(&snake, field);
    }
    text + &format!(
        "\tif err := b.end(); err != nil {{
		C.spuff_{snake}_free(made)
		return err
	}}
	*out = *made
	return nil
}}
"
    )
}

/// The methods that write and read JSON, as the library does.
fn json(noun: &Noun) -> String {
    let name = &noun.name;
    let snake = snake(name);
    format!(
        "
// MarshalJSON writes it as every language of the library does.
func (n {name}) MarshalJSON() ([]byte, error) {{
	made := new(*C.spuff_{snake})
	if err := n.give(made); err != nil {{
		return nil, err
	}}
	defer C.spuff_{snake}_free(made)
	return []byte(C.GoString(C.spuff_{snake}_to_json(*made))), nil
}}

// UnmarshalJSON reads what every language of the library writes.
func (n *{name}) UnmarshalJSON(text []byte) (err error) {{
	b := newBuild()
	made := new(*C.spuff_{snake})
	json := b.add(\"json\", string(text))
	b.step(func(failure **C.spuff_error) C.spuff_code {{
		return C.spuff_{snake}_from_json(json, made, failure)
	}})
	if err := b.end(); err != nil {{
		return err
	}}
	*n, err = take{name}(*made)
	return err
}}
"
    )
}

/// An enum as a type of words.
fn words(choice: &Choice) -> Result<String, String> {
    let name = &choice.name;
    let mut doc = named(name, name, &choice.doc)?;
    if choice.is_open {
        doc.push("Words that have no constant here are kept.".to_string());
    }
    let mut text = format!("{FIRST_LINE}\n\npackage spuff\n\n{}", wrapped(&doc, "// ", 100));
    text += &format!("type {name} string\n\nconst (\n");
    for (value, word, doc) in &choice.values {
        let path = format!("{name}::{value}");
        text += &wrapped(&named(&format!("{name}{value}"), &path, doc)?, "\t// ", 97);
        text += &format!("\t{name}{value} {name} = \"{word}\"\n");
    }
    Ok(text + ")\n")
}
