//! A noun's handle: what it is, how it is freed and copied, and its JSON.

use std::collections::BTreeSet;

use super::types::{is_part, part_type, part_value};
use super::{For, module};
use crate::FIRST_LINE;
use crate::doc::{Doc, summary, wrapped};
use crate::model::{plural, snake};
use crate::nouns::{Field, Kind, Noun, labels_beside};

/// A noun's handle, as it is written.
pub(super) struct Handle<'a> {
    pub(super) noun: &'a Noun,
    /// Its fields, and the labels beside it.
    pub(super) fields: Vec<Field>,
    /// `stop_report`
    pub(super) snake: String,
    /// `StopReports`, where there are lists of it.
    pub(super) list: Option<String>,
    pub(super) text: String,
}

impl<'a> Handle<'a> {
    pub(super) fn new(noun: &'a Noun) -> Self {
        let mut fields = noun.fields.clone();
        if noun.is_labelled {
            fields.push(labels_beside());
        }
        let list = noun.is_listed.then(|| plural(&noun.name));
        Self { noun, fields, snake: snake(&noun.name), list, text: String::new() }
    }

    fn is_beside(&self, field: &Field) -> bool {
        self.noun.is_labelled && field.name == "labels"
    }

    /// Where a field stands in the handle.
    pub(super) fn place(&self, field: &Field) -> String {
        let inner = if self.is_beside(field) { "" } else { "inner." };
        format!("{inner}{}", field.name)
    }

    /// What getters point to is made at the first of them.
    pub(super) fn has_parts(&self) -> bool {
        self.fields.iter().any(is_part)
    }

    pub(super) fn file(mut self) -> Result<String, String> {
        self.structure()?;
        self.free_and_clone();
        for field in self.fields.clone() {
            self.getters(&field)?;
        }
        self.json();
        self.make();
        for field in self.fields.clone() {
            self.setter(&field);
        }
        self.lists();
        let one = snake(&self.noun.name);
        let lists = self.list.as_ref().map(|list| format!(" and `spuff_{}`", snake(list)));
        let title = format!("//! `spuff_{one}`{}.", lists.unwrap_or_default());
        Ok(format!("{FIRST_LINE}\n\n{title}\n\n{}\n{}", self.imports(), self.text))
    }

    /// The imports, found by the names that the text uses.
    fn imports(&self) -> String {
        let code: Vec<_> =
            self.text.lines().filter(|line| !line.trim_start().starts_with("///")).collect();
        let code = code.join("\n");
        let uses = |name: &str| {
            let is_function = name.starts_with(|letter: char| letter.is_lowercase());
            code.match_indices(name).any(|(at, _)| {
                let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
                let rest = &code[at + name.len()..];
                let ends = match rest.strip_prefix('(') {
                    None if is_function && name != "c_char" => false,
                    _ => !rest.starts_with(is_word),
                };
                !code[..at].ends_with(is_word) && ends
            })
        };
        let listed = |names: &[&str]| -> String {
            names.iter().copied().filter(|name| uses(name)).collect::<Vec<_>>().join(", ")
        };
        let mut lines = String::new();
        let mut add = |path: &str, names: &[&str]| {
            let names = listed(names);
            if !names.is_empty() {
                lines += &format!("use {path}::{{{names}}};\n");
            }
        };
        add("std::collections", &["HashMap"]);
        add("std::ffi", &["CString", "c_char"]);
        add("std::ptr", &["null", "null_mut"]);
        add("std::sync", &["OnceLock"]);
        add("std::time", &["Duration"]);
        lines += &format!("\nuse spuff_core::provider::{} as Core;\n\n", self.noun.name);
        let mut add = |path: &str, names: &[&str]| {
            let names = listed(names);
            if !names.is_empty() {
                lines += &format!("use {path}::{{{names}}};\n");
            }
        };
        add(
            "crate::boundary",
            &[
                "Failure",
                "Out",
                "Outcome",
                "c_pairs",
                "c_text",
                "getter",
                "guard",
                "handle",
                "handle_mut",
                "into_raw",
                "moment",
                "optional",
                "parsed",
                "release",
                "take_place",
                "text",
            ],
        );
        add("crate::error", &["Code", "Error", "millis"]);
        add("crate::json", &["labels_of", "read", "with_labels", "written"]);
        let others: BTreeSet<_> = self
            .noun
            .fields
            .iter()
            .filter_map(|field| match &field.kind {
                Kind::Noun(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        for other in others {
            lines += &format!("use crate::{}::{other};\n", module(&other));
        }
        lines
    }

    pub(super) fn doc(&self, path: &str, doc: &Doc) -> Result<Vec<String>, String> {
        summary(path, doc, &For::Callers)
    }

    /// Writes a function that C sees.
    pub(super) fn export(&mut self, doc: &[String], signature: &str, body: &str) {
        self.text += &format!(
            "\n{}#[unsafe(no_mangle)]
pub unsafe extern \"C\" fn spuff_{}_{signature} {{\n{body}}}\n",
            wrapped(doc, "/// ", 100),
            self.snake
        );
    }

    fn structure(&mut self) -> Result<(), String> {
        let Self { noun, snake, .. } = &self;
        let name = &noun.name;
        let mut doc = self.doc(name, &noun.doc)?;
        let owner = if noun.is_option() {
            format!("Owned by the caller that made it, freed with spuff_{snake}_free.")
        } else {
            format!(
                "Owned by the caller that got it, freed with spuff_{snake}_free, unless it was got \
                 from another handle, which owns it."
            )
        };
        let rule = format!(
            "{owner} What its getters give lives as long as it does, and no setter is called. Any \
             thread may read it."
        );
        if let Some(last) = doc.last_mut() {
            *last += &format!(" {rule}");
        }
        let beside =
            if noun.is_labelled { "    pub(crate) labels: HashMap<String, String>,\n" } else { "" };
        let parts = if self.has_parts() { "    parts: OnceLock<Parts>,\n" } else { "" };
        let mut text = format!(
            "{}pub struct {name} {{\n    pub(crate) inner: Core,\n{beside}{parts}    json: \
             OnceLock<CString>,\n}}\n",
            wrapped(&doc, "/// ", 100)
        );
        let fresh = if self.has_parts() { "parts: OnceLock::new(), " } else { "" }.to_string()
            + "json: OnceLock::new()";
        if self.has_parts() {
            text += "\n/// What getters point to.\nstruct Parts {\n";
            for field in self.fields.iter().filter(|field| is_part(field)) {
                text += &format!("    {}: {},\n", field.name, part_type(field));
            }
            text += "}\n";
        }
        text += &if noun.is_labelled {
            format!(
                "
impl From<Core> for {name} {{
    fn from(inner: Core) -> Self {{
        (inner, HashMap::new()).into()
    }}
}}

impl From<(Core, HashMap<String, String>)> for {name} {{
    fn from((inner, labels): (Core, HashMap<String, String>)) -> Self {{
        Self {{ inner, labels, {fresh} }}
    }}
}}
"
            )
        } else {
            format!(
                "
impl From<Core> for {name} {{
    fn from(inner: Core) -> Self {{
        Self {{ inner, {fresh} }}
    }}
}}
"
            )
        };
        if self.has_parts() {
            let mut made = String::new();
            for field in self.fields.iter().filter(|field| is_part(field)) {
                let value = part_value(field, &format!("self.{}", self.place(field)));
                made += &format!("{}: {value},\n", field.name);
            }
            text += &format!(
                "
impl {name} {{
    fn parts(&self) -> &Parts {{
        self.parts.get_or_init(|| Parts {{ {made} }})
    }}
}}

fn field<T: ?Sized, P>(
    {snake}: *const {name}, field: impl FnOnce(&Parts) -> Option<&T>, give: fn(&T) -> *const P,
) -> *const P {{
    getter(null(), || Some(give(field(optional({snake})?.parts())?)))
}}
"
            );
        }
        self.text = text;
        Ok(())
    }

    fn free_and_clone(&mut self) {
        let snake = self.snake.clone();
        let name = self.noun.name.clone();
        let doc = [format!(
            "Frees a handle and sets *{snake} to NULL; what it tells of stays. NULL, or a pointer \
             to NULL, is fine: twice is harmless."
        )];
        let signature = format!("free({snake}: *mut *mut {name})");
        self.export(&doc, &signature, &format!("release({snake});\n"));
        let doc = [
            "Makes a copy of a handle, such as of one that another owns. The caller owns it. NULL \
              for NULL."
                .to_string(),
        ];
        let signature = format!("clone({snake}: *const {name}) -> *mut {name}");
        let copied = if self.noun.is_labelled {
            format!("({snake}.inner.clone(), {snake}.labels.clone()).into()")
        } else {
            format!("{snake}.inner.clone().into()")
        };
        let body = format!(
            "getter(null_mut(), || {{
let {snake} = optional({snake})?;
Some(into_raw({copied}))
}})\n"
        );
        self.export(&doc, &signature, &body);
    }

    fn json(&mut self) {
        let (snake, name) = (self.snake.clone(), self.noun.name.clone());
        let doc = [format!(
            "All of it as JSON, which the handle owns, as spuff_{snake}_from_json reads it. NULL \
             for NULL."
        )];
        let signature = format!("to_json({snake}: *const {name}) -> *const c_char");
        let value = if self.noun.is_labelled {
            format!("with_labels(&{snake}.inner, &{snake}.labels)")
        } else {
            format!("written(&{snake}.inner)")
        };
        let body = format!(
            "getter(null(), || {{
let {snake} = optional({snake})?;
Some({snake}.json.get_or_init(|| {value}).as_ptr())
}})\n"
        );
        self.export(&doc, &signature, &body);
        let doc = [
            "Makes a handle from JSON. The caller owns *out.".to_string(),
            format!(
                "Errors: SPUFF_INVALID_CONFIG for NULL, for text that is not UTF-8, and for what \
                 is no such JSON{}.",
                if self.noun.has_id() { ", or has an empty id" } else { "" }
            ),
        ];
        let signature = format!(
            "from_json(json: *const c_char, out: *mut *mut {name}, error: *mut *mut Error) -> Code"
        );
        let checked = if self.noun.has_id() {
            "if inner.id.is_empty() {
return Err(Failure::argument(\"id\", \"must not be empty; give the cloud's id\"));
}\n"
        } else {
            ""
        };
        let value = if self.noun.is_labelled { "(inner, labels_of(json)?)" } else { "inner" };
        let body = format!(
            "guard(error, || {{
let out = Out::new(out, \"out\")?;
let json = text(json, \"json\")?;
let inner: Core = read(json)?;
{checked}out.put({value}.into());
Ok(())
}})\n"
        );
        self.export(&doc, &signature, &body);
    }
}
