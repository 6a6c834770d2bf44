//! The types of the classes, and the module that has them.

use std::rc::Rc;

use super::{Argument, argument, in_order, stub_of};
use crate::doc::summary;
use crate::nouns::{Field, Noun, Shape};
use crate::python::{PACKAGE, Python, docstring_of, first_line, import_of, signature};

/// The module that has the classes, so that their types have a file of their own.
pub(super) fn exported(nouns: &[&Rc<Noun>]) -> String {
    let names: Vec<_> = nouns.iter().map(|noun| noun.name.as_str()).collect();
    let imports = import_of("._spuff", &names);
    format!(
        "{}
\"\"\"The nouns of the contract.\"\"\"

{imports}
{}",
        first_line(),
        all("=", &names)
    )
}

/// The package with the names of the nouns in it: an import and an addition to `__all__`, which
/// type checkers read only where they are written out.
pub(super) fn offered(nouns: &[&Rc<Noun>], package: &str) -> Result<String, String> {
    let names: Vec<_> = nouns.iter().map(|noun| noun.name.as_str()).collect();
    let imports = import_of("._nouns", &names);
    let package = replaced(package, "from ._nouns import ", &imports)?;
    replaced(&package, "__all__ += [", &all("+=", &names))
}

/// A text with another statement in the place of the one that begins so, which ends with its line
/// or its bracket.
fn replaced(text: &str, start: &str, statement: &str) -> Result<String, String> {
    let missing =
        || format!("{PACKAGE} has no line that begins with {start:?}: restore it, with any names");
    let at = text.find(&format!("\n{start}")).ok_or_else(missing)? + 1;
    let line = text[at..].find('\n').map_or(text.len(), |end| at + end);
    let closed = ["\n)\n", "\n]\n"].iter().filter_map(|end| text[at..].find(end)).min();
    let end = match closed {
        Some(end) if text[..line].ends_with(['(', '[']) => at + end + 2,
        _ => line,
    };
    Ok(format!("{}{}{}", &text[..at], statement.trim_end(), &text[end..]))
}

/// What a module offers.
fn all(sign: &str, names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let line = format!("__all__ {sign} [{}]\n", quoted.join(", "));
    if line.len() <= 101 {
        return line;
    }
    let each: String = quoted.iter().map(|name| format!("    {name},\n")).collect();
    format!("__all__ {sign} [\n{each}]\n")
}

/// The type of a getter, in the stub.
fn stub_getter(field: &Field) -> String {
    let one = stub_of(&field.kind, false);
    match field.shape {
        Shape::One => one,
        Shape::Optional => format!("{one} | None"),
        Shape::List => format!("list[{one}]"),
        Shape::Map => "dict[str, str]".to_string(),
    }
}

pub(super) fn stubs(nouns: &[&Rc<Noun>]) -> Result<String, String> {
    let mut classes = String::new();
    for noun in nouns {
        classes += &stub(noun)?;
    }
    let names: Vec<_> = nouns.iter().map(|noun| noun.name.as_str()).collect();
    let uses = |name: &str| {
        classes.match_indices(name).any(|(at, _)| {
            let is_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '`';
            !classes[..at].ends_with(is_word) && !classes[at + name.len()..].starts_with(is_word)
        })
    };
    let mut imports = "from collections.abc import Callable\n".to_string();
    for (name, line) in [
        ("datetime", "from datetime import datetime\n"),
        ("IPv4Address", "from ipaddress import IPv4Address, IPv6Address\n"),
    ] {
        if uses(name) {
            imports += line;
        }
    }
    let literal = if uses("Literal") { "Literal, final" } else { "final" };
    imports += &format!("from typing import {literal}\n");
    let own: String = [
        ("Price", "from ._placement import Price\n"),
        ("_Seconds", "from ._values import _Seconds\n"),
    ]
    .into_iter()
    .filter(|(name, _)| uses(name))
    .map(|(_, line)| line)
    .collect();
    if !own.is_empty() {
        imports += &format!("\n{own}");
    }
    Ok(format!("{}\n{imports}\n{}{classes}", first_line(), all("=", &names)))
}

fn stub(noun: &Noun) -> Result<String, String> {
    let name = &noun.name;
    let doc = docstring_of(name, &summary(name, &noun.doc, &Python)?, "    ")?;
    let (first, others) = in_order(noun);
    let mut arguments = vec!["cls".to_string()];
    for (at, field) in first.iter().chain(&others).enumerate() {
        if at == first.len() {
            arguments.push("*".to_string());
        }
        let Argument { stub, default, .. } = argument(noun, field);
        let default = default.map(|(_, shown)| format!(" = {shown}")).unwrap_or_default();
        arguments.push(format!("{}: {stub}{default}", field.name));
    }
    let new = signature("__new__", &arguments, name, "    ", " ...");
    let mut text = format!("\n@final\nclass {name}:\n{doc}\n{new}");
    for field in first.iter().chain(&others) {
        let path = format!("{name}::{}", field.name);
        let doc = docstring_of(&path, &summary(&path, &field.doc, &Python)?, "        ")?;
        text += &format!(
            "    @property\n    def {}(self) -> {}:\n{doc}\n",
            field.name,
            stub_getter(field)
        );
    }
    Ok(text
        + &format!(
            "    def to_json(self) -> str:
        \"\"\"All of it as JSON, as every language of the library writes it.\"\"\"

    @staticmethod
    def from_json(text: str) -> {name}:
        \"\"\"Makes one from JSON.\"\"\"

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[Callable[[str], {name}], tuple[str]]: ...
"
        ))
}
