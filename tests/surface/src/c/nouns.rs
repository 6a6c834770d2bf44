//! C: each noun as a handle with its getters and setters, and the list of such handles.

use std::collections::BTreeSet;

use super::For;
use crate::doc::{summary, wrapped};
use crate::model::{plural, singular, snake};
use crate::nouns::{Field, Kind, Noun, Shape, labels_beside};
use crate::{FIRST_LINE, File};

pub(crate) fn files(nouns: &[std::rc::Rc<Noun>]) -> Result<Vec<File>, String> {
    let mut modules = format!(
        "{FIRST_LINE}\n\n//! The nouns of the contract, a file each, with the functions that make and read them.\n\n"
    );
    let mut names: Vec<_> = nouns.iter().map(|noun| snake(&noun.name)).collect();
    names.sort();
    for name in &names {
        modules += &format!("pub mod {name};\n");
    }
    let mut files = vec![File::rust("spuff-ffi/src/nouns.rs", modules)];
    for noun in nouns {
        let path = format!("spuff-ffi/src/nouns/{}.rs", snake(&noun.name));
        files.push(File::rust(&path, Handle::new(noun).file()?));
    }
    files.push(File::plain("tests/ffi/zz_nouns.h", makers(nouns)));
    Ok(files)
}

/// The module of a noun's handle, from the root of the crate.
pub(crate) fn module(noun: &str) -> String {
    match noun {
        "Price" => "price".to_string(),
        noun => format!("nouns::{}", snake(noun)),
    }
}

/// What the getter of a field is called behind `spuff_<noun>_`: of a list and a map, that of one.
pub(crate) fn getter_name(field: &Field) -> String {
    let own = match field.shape {
        Shape::One | Shape::Optional => field.name.clone(),
        Shape::List | Shape::Map => singular(&field.name),
    };
    match field.kind {
        Kind::Duration | Kind::Time => format!("{own}_ms"),
        _ => own,
    }
}

/// What the setter of a field is called behind `spuff_<noun>_`.
pub(crate) fn setter_name(field: &Field) -> String {
    match field.shape {
        Shape::One | Shape::Optional => format!("set_{}", getter_name(field)),
        Shape::List | Shape::Map => format!("add_{}", getter_name(field)),
    }
}

/// Whether a value is a text in C.
pub(crate) fn is_text(kind: &Kind) -> bool {
    matches!(kind, Kind::Text | Kind::Ip | Kind::Choice(_))
}

/// Whether there must be a function that says whether a field has a value.
pub(crate) fn needs_has(field: &Field) -> bool {
    field.shape == Shape::Optional && matches!(field.kind, Kind::Bool | Kind::Number(_))
}

/// An argument of C's for a value: its name, its type, and the value that is made of it.
struct Argument {
    name: String,
    kind: String,
    value: String,
}

fn argument(kind: &Kind, name: &str, is_setter: bool) -> Argument {
    let text = "*const c_char".to_string();
    let at = if is_setter { "unix_ms".to_string() } else { format!("{name}_ms") };
    let (name, kind, value) = match kind {
        Kind::Text => (name.to_string(), text, format!("text({name}, \"{name}\")?.to_string()")),
        Kind::Ip | Kind::Choice(_) => {
            (name.to_string(), text, format!("parsed({name}, \"{name}\")?"))
        }
        Kind::Bool => (name.to_string(), "bool".to_string(), name.to_string()),
        Kind::Number(number) => (name.to_string(), (*number).to_string(), name.to_string()),
        Kind::Duration => {
            let own = format!("{name}_ms");
            let value = format!("Duration::from_millis({own})");
            (own, "u64".to_string(), value)
        }
        Kind::Time => (at.clone(), "i64".to_string(), format!("moment({at}, \"{at}\")?")),
        Kind::Noun(noun) => (
            name.to_string(),
            format!("*const {noun}"),
            format!("handle({name}, \"{name}\")?.inner.clone()"),
        ),
    };
    Argument { name, kind, value }
}

/// A noun's handle, as it is written.
struct Handle<'a> {
    noun: &'a Noun,
    /// Its fields, and the labels beside it.
    fields: Vec<Field>,
    /// `stop_report`
    snake: String,
    /// `StopReports`, where there are lists of it.
    list: Option<String>,
    text: String,
}

impl<'a> Handle<'a> {
    fn new(noun: &'a Noun) -> Self {
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
    fn place(&self, field: &Field) -> String {
        let inner = if self.is_beside(field) { "" } else { "inner." };
        format!("{inner}{}", field.name)
    }

    /// What getters point to is made at the first of them.
    fn has_parts(&self) -> bool {
        self.fields.iter().any(is_part)
    }

    fn file(mut self) -> Result<String, String> {
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

    fn doc(&self, path: &str, doc: &crate::doc::Doc) -> Result<Vec<String>, String> {
        summary(path, doc, &For::Callers)
    }

    /// Writes a function that C sees.
    fn export(&mut self, doc: &[String], signature: &str, body: &str) {
        self.text += &format!(
            "\n{}#[unsafe(no_mangle)]\npub unsafe extern \"C\" fn spuff_{}_{signature} {{\n{body}}}\n",
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

    /// The functions that read a field.
    fn getters(&mut self, field: &Field) -> Result<(), String> {
        let (snake, name) = (self.snake.clone(), self.noun.name.clone());
        let mut doc = self.doc(&format!("{name}::{}", field.name), &field.doc)?;
        let own = getter_name(field);
        let this = format!("{snake}: *const {name}");
        let place = format!("optional({snake})?.{}", self.place(field));
        match field.shape {
            Shape::Map => {
                let one = with_article(&singular(&field.name));
                self.count(field, doc);
                for (part, at, doc) in [
                    (
                        "key",
                        "(key, _)| key",
                        format!("The key of {one}, in the order of the keys."),
                    ),
                    ("value", "(_, value)| value", format!("The value of {one}.")),
                ] {
                    let doc = [format!("{doc} NULL past the end.")];
                    let signature = format!("{own}_{part}({this}, index: usize) -> *const c_char");
                    let body = format!(
                        "field({snake}, |parts| parts.{}.get(index).map(|{at}), |text| \
                         text.as_ptr())\n",
                        field.name
                    );
                    self.export(&doc, &signature, &body);
                }
            }
            Shape::List => {
                self.count(field, doc);
                let doc = [format!(
                    "One of them.{} {} past the end.",
                    unit(&field.kind),
                    nothing(&field.kind)
                )];
                let signature = format!("{own}({this}, index: usize) -> {}", c_type(&field.kind));
                let body = match part_pointer(&field.kind) {
                    Some(give) => {
                        format!("field({snake}, |parts| parts.{}.get(index), {give})\n", field.name)
                    }
                    None => format!(
                        "getter({}, || {})\n",
                        missing(&field.kind),
                        told(&field.kind, &format!("{place}.get(index)?"), true)
                    ),
                };
                self.export(&doc, &signature, &body);
            }
            Shape::One | Shape::Optional => {
                let optional_value = field.shape == Shape::Optional;
                if let (Some(last), true) = (doc.last_mut(), optional_value) {
                    *last += &match &field.kind {
                        Kind::Bool | Kind::Number(_) => format!(
                            " {} if there is none: spuff_{snake}_has_{own} says whether there is.",
                            nothing(&field.kind)
                        ),
                        kind => format!("{} {} if there is none.", unit(kind), nothing(kind)),
                    };
                } else if let Some(last) = doc.last_mut() {
                    *last += unit(&field.kind);
                }
                let signature = format!("{own}({this}) -> {}", c_type(&field.kind));
                let body = match part_pointer(&field.kind) {
                    Some(give) => {
                        let value = if optional_value {
                            format!("parts.{}.as_ref()", field.name)
                        } else {
                            format!("Some(&parts.{})", field.name)
                        };
                        format!("field({snake}, |parts| {value}, {give})\n")
                    }
                    None => {
                        let value =
                            if optional_value { format!("{place}?") } else { place.clone() };
                        format!(
                            "getter({}, || {})\n",
                            missing(&field.kind),
                            told(&field.kind, &value, false)
                        )
                    }
                };
                self.export(&doc, &signature, &body);
                if needs_has(field) {
                    let doc = [format!("Whether there is a value for spuff_{snake}_{own}.")];
                    let signature = format!("has_{own}({this}) -> bool");
                    let body = format!("getter(false, || Some({place}.is_some()))\n");
                    self.export(&doc, &signature, &body);
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, field: &Field, mut doc: Vec<String>) {
        let (snake, name) = (self.snake.clone(), self.noun.name.clone());
        if let Some(last) = doc.last_mut() {
            *last += " Here how many there are; 0 for NULL.";
        }
        let signature = format!("{}_count({snake}: *const {name}) -> usize", getter_name(field));
        let body = format!("getter(0, || Some(optional({snake})?.{}.len()))\n", self.place(field));
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
            "Errors: SPUFF_INVALID_CONFIG for NULL, for text that is not UTF-8, and for what is no \
             such JSON."
                .to_string(),
        ];
        let signature = format!(
            "from_json(json: *const c_char, out: *mut *mut {name}, error: *mut *mut Error) -> Code"
        );
        let value = if self.noun.is_labelled {
            "let inner: Core = read(json)?;\nout.put((inner, labels_of(json)?).into());"
        } else {
            "let inner: Core = read(json)?;\nout.put(inner.into());"
        };
        let body = format!(
            "guard(error, || {{
let out = Out::new(out, \"out\")?;
let json = text(json, \"json\")?;
{value}
Ok(())
}})\n"
        );
        self.export(&doc, &signature, &body);
    }

    /// The function that makes a handle, and what setters do.
    fn make(&mut self) {
        let (snake, name) = (self.snake.clone(), self.noun.name.clone());
        let required = self.noun.required();
        if required.is_empty() {
            let doc = ["Makes a handle without values. Never NULL.".to_string()];
            let signature = format!("new() -> *mut {name}");
            let body =
                format!("getter(null_mut(), || Some(into_raw({name}::from(Core::default()))))\n");
            self.export(&doc, &signature, &body);
        } else {
            let mut arguments = String::new();
            let mut lines = String::new();
            let mut passed = Vec::new();
            for field in required {
                let Argument { name, kind, value } = argument(&field.kind, &field.name, false);
                arguments += &format!("{name}: {kind}, ");
                lines += &format!("let {} = {value};\n", field.name);
                if field.name == "id" && field.kind == Kind::Text {
                    lines += "if id.is_empty() {
return Err(Failure::argument(\"id\", \"must not be empty; give the cloud's id\"));
}\n";
                }
                passed.push(field.name.clone());
            }
            let empty = if self.noun.has_id() && passed.iter().any(|name| name == "id") {
                ", and for an empty id"
            } else {
                ""
            };
            let doc = [
                "Makes a handle, for a provider written in C to return. The caller owns *out, \
                 until a provider's function has returned it."
                    .to_string(),
                format!(
                    "Errors, here and in the setters: SPUFF_INVALID_CONFIG for NULL, for text that \
                     is not UTF-8 or not what its field has, for a time beyond 262,000 \
                     years{empty}."
                ),
            ];
            let signature =
                format!("new({arguments}out: *mut *mut {name}, error: *mut *mut Error) -> Code");
            let body = format!(
                "guard(error, || {{
let out = Out::new(out, \"out\")?;
{lines}out.put(Core::new({}).into());
Ok(())
}})\n",
                passed.join(", ")
            );
            self.export(&doc, &signature, &body);
        }
        if self.fields.iter().any(|field| !self.noun.requires(field)) {
            let mut forget = String::new();
            if self.has_parts() {
                forget += &format!("{snake}.parts = OnceLock::new();\n");
            }
            self.text += &format!(
                "
fn change({snake}: *mut {name}, change: impl FnOnce(&mut {name})) -> Outcome<()> {{
let {snake} = handle_mut({snake}, \"{snake}\")?;
change({snake});
{forget}{snake}.json = OnceLock::new();
Ok(())
}}
"
            );
        }
    }

    /// The function that sets a field that `new` does not take.
    fn setter(&mut self, field: &Field) {
        if self.noun.requires(field) {
            return;
        }
        let (snake, name) = (self.snake.clone(), self.noun.name.clone());
        let getter = format!("spuff_{snake}_{}", getter_name(field));
        let place = format!("{snake}.{}", self.place(field));
        let errors = if self.noun.is_option() {
            "Errors: SPUFF_INVALID_CONFIG for NULL, for text that is not UTF-8 or not what its \
             field has, and for a time beyond 262,000 years."
        } else {
            ""
        };
        let (doc, arguments, lines, done) = match field.shape {
            Shape::Map => (
                format!("Adds {}, or replaces its value.", with_article(&singular(&field.name))),
                "key: *const c_char, value: *const c_char, ".to_string(),
                "let key = text(key, \"key\")?.to_string();
let value = text(value, \"value\")?.to_string();\n"
                    .to_string(),
                format!("drop({place}.insert(key, value))"),
            ),
            shape => {
                let own =
                    if shape == Shape::List { singular(&field.name) } else { field.name.clone() };
                let Argument { name: own, kind, value } = argument(&field.kind, &own, true);
                let (doc, done) = match shape {
                    Shape::List => (
                        format!("Adds one to what {getter} gives."),
                        format!("{place}.push(value)"),
                    ),
                    Shape::Optional => {
                        (format!("Sets what {getter} gives."), format!("{place} = Some(value)"))
                    }
                    _ => (format!("Sets what {getter} gives."), format!("{place} = value")),
                };
                (doc, format!("{own}: {kind}, "), format!("let value = {value};\n"), done)
            }
        };
        let mut doc = vec![doc];
        if !errors.is_empty() {
            doc.push(errors.to_string());
        }
        let signature = format!(
            "{}({snake}: *mut {name}, {arguments}error: *mut *mut Error) -> Code",
            setter_name(field)
        );
        let body = format!("guard(error, || {{\n{lines}change({snake}, |{snake}| {done})\n}})\n");
        self.export(&doc, &signature, &body);
    }

    fn lists(&mut self) {
        let Some(list) = self.list.clone() else { return };
        let (one, name) = (self.snake.clone(), self.noun.name.clone());
        let many = snake(&list);
        let doc = [format!(
            "A list of spuff_{one} handles. Owned by the caller that got it, freed with \
             spuff_{many}_free, with what is in it: a pointer to one of them stays good until then, \
             also while more are added. Any thread may read it."
        )];
        self.text += &format!(
            "
{doc}#[derive(Default)]
pub struct {list}(
    #[allow(clippy::vec_box, reason = \"callers hold pointers to them\")]
    pub(crate)  Vec<Box<{name}>>,
);

impl<T: Into<{name}>> FromIterator<T> for {list} {{
    fn from_iter<I: IntoIterator<Item = T>>({many}: I) -> Self {{
        Self({many}.into_iter().map(|{one}| Box::new({one}.into())).collect())
    }}
}}
",
            doc = wrapped(&doc, "/// ", 100)
        );
        self.snake = many.clone();
        let doc = ["Makes an empty list. Never NULL.".to_string()];
        self.export(
            &doc,
            &format!("new() -> *mut {list}"),
            &format!("getter(null_mut(), || Some(into_raw({list}::default())))\n"),
        );
        let doc = [format!(
            "Frees a list and sets *{many} to NULL. NULL, or a pointer to NULL, is fine: twice is \
             harmless."
        )];
        self.export(
            &doc,
            &format!("free({many}: *mut *mut {list})"),
            &format!("release({many});\n"),
        );
        let doc = ["How many there are. 0 for NULL.".to_string()];
        self.export(
            &doc,
            &format!("count({many}: *const {list}) -> usize"),
            &format!("getter(0, || Some(optional({many})?.0.len()))\n"),
        );
        let doc = ["One of them, which the list owns. NULL past the end.".to_string()];
        self.export(
            &doc,
            &format!("get({many}: *const {list}, index: usize) -> *const {name}"),
            &format!(
                "getter(null(), || optional({many})?.0.get(index).map(|one| \
                 std::ptr::from_ref(&**one)))\n"
            ),
        );
        let doc = [
            format!(
                "Adds one to a list that a provider written in C was given to fill, and sets \
                 *{one} to NULL: the list owns it."
            ),
            "Errors: SPUFF_INVALID_CONFIG for NULL.".to_string(),
        ];
        self.export(
            &doc,
            &format!(
                "push({many}: *mut {list}, {one}: *mut *mut {name}, error: *mut *mut Error) -> Code"
            ),
            &format!(
                "guard(error, || {{
let {many} = handle_mut({many}, \"{many}\")?;
let {one} = take_place({one}).ok_or_else(|| Failure::argument(\"{one}\", \"must not be NULL\"))?;
{many}.0.push({one});
Ok(())
}})\n"
            ),
        );
    }
}

/// Whether a getter of a field points to something that the handle owns.
fn is_part(field: &Field) -> bool {
    is_text(&field.kind) || matches!(field.kind, Kind::Noun(_))
}

/// The type of what getters point to.
fn part_type(field: &Field) -> String {
    let one = match &field.kind {
        Kind::Noun(name) => name.as_str(),
        _ => "CString",
    };
    match field.shape {
        Shape::One => one.to_string(),
        Shape::Optional => format!("Option<{one}>"),
        Shape::List => format!("Vec<{one}>"),
        Shape::Map => "Vec<(CString, CString)>".to_string(),
    }
}

/// How what getters point to is made of the field at a place.
fn part_value(field: &Field, place: &str) -> String {
    let of = |value: &str| match &field.kind {
        Kind::Noun(name) => format!("{name}::from({value}.clone())"),
        Kind::Text => format!("c_text({value}.as_str())"),
        Kind::Choice(_) => format!("c_text({value}.as_str())"),
        _ => format!("c_text({value}.to_string())"),
    };
    match field.shape {
        Shape::One => of(place),
        Shape::Optional => format!("{place}.as_ref().map(|value| {})", of("value")),
        Shape::List => format!("{place}.iter().map(|value| {}).collect()", of("value")),
        Shape::Map => format!("c_pairs(&{place})"),
    }
}

/// What makes the pointer of what the handle owns; `None` where a getter gives a number.
fn part_pointer(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Noun(_) => Some("std::ptr::from_ref"),
        kind if is_text(kind) => Some("|text| text.as_ptr()"),
        _ => None,
    }
}

/// The type that a getter gives.
fn c_type(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "bool".to_string(),
        Kind::Number(number) => (*number).to_string(),
        Kind::Duration | Kind::Time => "i64".to_string(),
        Kind::Noun(name) => format!("*const {name}"),
        _ => "*const c_char".to_string(),
    }
}

/// What a getter gives where there is no value.
fn missing(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "false",
        Kind::Number("f64") => "0.0",
        Kind::Number(_) => "0",
        Kind::Duration | Kind::Time => "-1",
        _ => "null()",
    }
}

/// `address` as `an address`.
fn with_article(name: &str) -> String {
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {}", name.replace('_', " "))
}

/// What the number of a time is.
fn unit(kind: &Kind) -> &'static str {
    match kind {
        Kind::Duration => " In milliseconds.",
        Kind::Time => " In milliseconds since 1970 (UTC).",
        _ => "",
    }
}

/// That in words.
fn nothing(kind: &Kind) -> &'static str {
    match kind {
        Kind::Number(_) => "0",
        kind if part_pointer(kind).is_some() => "NULL",
        kind => missing(kind),
    }
}

/// What a getter gives of a value, which is borrowed or not.
fn told(kind: &Kind, value: &str, is_borrowed: bool) -> String {
    let copied = if is_borrowed { format!("*{value}") } else { value.to_string() };
    match kind {
        Kind::Duration => format!("millis(Some({copied}))"),
        Kind::Time => format!("Some({value}.timestamp_millis())"),
        _ => format!("Some({copied})"),
    }
}

/// What the tests of all functions of C need to make each handle.
fn makers(nouns: &[std::rc::Rc<Noun>]) -> String {
    let mut text = format!(
        "{FIRST_LINE}

/* What makes each noun for the calls that robustness.py writes, and takes it in a callback. */
#ifndef SPUFF_TEST_ZZ_NOUNS_H
#define SPUFF_TEST_ZZ_NOUNS_H
"
    );
    for noun in nouns {
        text += &maker(noun);
    }
    text += "\n#endif\n";
    text
}

/// A value that a test gives, in C.
fn sample(kind: &Kind, field: &str) -> (String, String) {
    let plain = |value: &str| (String::new(), value.to_string());
    match kind {
        Kind::Text => plain(&format!("\"{field}\"")),
        Kind::Ip => plain("\"192.0.2.7\""),
        Kind::Choice(choice) => {
            let word = choice.values.first().map_or("word", |(_, word, _)| word.as_str());
            plain(&format!("\"{word}\""))
        }
        Kind::Bool => plain("true"),
        Kind::Number(_) | Kind::Duration | Kind::Time => plain("7"),
        Kind::Noun(other) => {
            let other = snake(other);
            let made = format!("    spuff_{other} *{field} = make_{other}();\n");
            (made, field.to_string())
        }
    }
}

fn maker(noun: &Noun) -> String {
    let handle = Handle::new(noun);
    let one = snake(&noun.name);
    let (mut before, mut after, mut steps) = (String::new(), String::new(), String::new());
    let mut arguments = String::new();
    for field in &handle.fields {
        let own =
            if field.shape == Shape::List { singular(&field.name) } else { field.name.clone() };
        let (made, mut value) = sample(&field.kind, &own);
        if field.name == "id" {
            value = "\"7\"".to_string();
        }
        before += &made;
        if let Kind::Noun(other) = &field.kind {
            after += &format!("    spuff_{}_free(&{value});\n", snake(other));
        }
        if noun.requires(field) {
            continue;
        }
        let values =
            if field.shape == Shape::Map { "\"key\", \"value\"".to_string() } else { value };
        let call = format!("spuff_{one}_{}(made, {values}, &error)", setter_name(field));
        steps += &format!("    worked({call}, &error,\n           \"{}\");\n", field.name);
    }
    for field in noun.required() {
        let value = if field.name == "id" {
            "\"7\"".to_string()
        } else {
            sample(&field.kind, &field.name).1
        };
        arguments += &format!("{value}, ");
    }
    let create = if noun.is_option() {
        format!("    spuff_{one} *made = spuff_{one}_new();\n    spuff_error *error = NULL;\n")
    } else {
        format!(
            "    spuff_{one} *made = NULL;\n    spuff_error *error = NULL;\n    \
             worked(spuff_{one}_new({arguments}&made, &error), &error,\n           \"{one}\");\n"
        )
    };
    let mut text = format!(
        "\nstatic spuff_{one} *make_{one}(void) {{\n{before}{create}{steps}{after}    return made;\n}}\n"
    );
    if noun.is_returned {
        text += &format!("ON_RESULT({one})\n");
    }
    if let Some(list) = &handle.list {
        let many = snake(list);
        text += &format!(
            "
static spuff_{many} *make_{many}(void) {{
    spuff_{many} *made = spuff_{many}_new();
    spuff_{one} *one = make_{one}();
    spuff_error *error = NULL;
    worked(spuff_{many}_push(made, &one, &error), &error, \"{many}\");
    return made;
}}
ON_RESULT({many})
"
        );
    }
    text
}
