//! The functions that make a handle, set its fields, and make and fill lists of handles.

use super::handle::Handle;
use super::types::with_article;
use super::{getter_name, setter_name};
use crate::doc::wrapped;
use crate::model::{singular, snake};
use crate::nouns::{Field, Kind, Shape};

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

impl Handle<'_> {
    /// The function that makes a handle, and what setters do.
    pub(super) fn make(&mut self) {
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
    pub(super) fn setter(&mut self, field: &Field) {
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

    pub(super) fn lists(&mut self) {
        let Some(list) = self.list.clone() else { return };
        let (one, name) = (self.snake.clone(), self.noun.name.clone());
        let many = snake(&list);
        let doc = [format!(
            "A list of spuff_{one} handles. Owned by the caller that got it, freed with \
             spuff_{many}_free, with what is in it: a pointer to one of them stays good until \
             then, also while more are added. Any thread may read it."
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
