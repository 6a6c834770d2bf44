//! The nouns of the contract: plain structs that operations take and return, and the plain enums
//! among their fields.

use std::rc::Rc;

use syn::{
    Attribute, Expr, Fields, FnArg, ImplItem, Item, ItemEnum, ItemImpl, ItemStruct, ItemTrait, Lit,
    Pat, Stmt, Type,
};

use crate::doc::Doc;
use crate::model::{doc_lines, inside, shown};

/// What every language writes by hand, though it may be a field: each has the functions that a
/// noun has.
const BY_HAND: [&str; 1] = ["Price"];

/// What every language writes by hand, and no noun can have as a field.
const RICHER: [&str; 6] = [
    "ImageSpec",
    "InstanceRequest",
    "InstanceStatus",
    "ProviderConfig",
    "ProviderInstance",
    "ProviderTimeouts",
];

/// What the nouns must derive.
const DERIVED: [&str; 5] = ["Debug", "Clone", "PartialEq", "Serialize", "Deserialize"];

/// Numbers, as Rust calls them.
const NUMBERS: [&str; 6] = ["u16", "u32", "u64", "i64", "usize", "f64"];

/// An enum whose values are words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) doc: Doc,
    /// The name of each value, its word, and its documentation.
    pub(crate) values: Vec<(String, String, Doc)>,
    /// Whether it has a value that takes any other word.
    pub(crate) is_open: bool,
}

/// What one value of a field is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Text,
    Bool,
    Number(&'static str),
    Duration,
    Time,
    Ip,
    Choice(Rc<Choice>),
    /// Another noun, by its name; it may be one that is written by hand.
    Noun(String),
}

/// How many values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    One,
    Optional,
    List,
    /// Texts by their keys.
    Map,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) doc: Doc,
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
}

impl Field {
    pub(crate) fn is(&self, kind: &Kind, shape: Shape) -> bool {
        self.kind == *kind && self.shape == shape
    }
}

/// A plain struct of the contract.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Noun {
    pub(crate) name: String,
    pub(crate) doc: Doc,
    pub(crate) fields: Vec<Field>,
    /// The fields that its `new` takes; `None` where it is made by `Default`.
    pub(crate) required: Option<Vec<String>>,
    /// Whether an operation returns one, or perhaps one.
    pub(crate) is_returned: bool,
    /// Whether an operation returns many of it.
    pub(crate) is_listed: bool,
    /// Whether an operation returns it with labels beside it: C and Go have them in the noun.
    pub(crate) is_labelled: bool,
}

impl Noun {
    /// Whether all of it may be left out.
    pub(crate) fn is_option(&self) -> bool {
        self.required.is_none()
    }

    /// Whether its `new` takes a field.
    pub(crate) fn requires(&self, field: &Field) -> bool {
        self.required.iter().flatten().any(|name| *name == field.name)
    }

    /// The fields that its `new` takes, in its order.
    pub(crate) fn required(&self) -> Vec<&Field> {
        let find = |name: &String| self.fields.iter().find(|field| field.name == *name);
        self.required.iter().flatten().filter_map(find).collect()
    }

    /// The fields that are set afterwards.
    pub(crate) fn others(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| !self.requires(field))
    }

    pub(crate) fn has_id(&self) -> bool {
        self.fields.iter().any(|field| field.name == "id" && field.is(&Kind::Text, Shape::One))
    }
}

/// The enums among the fields of some nouns, each once.
pub(crate) fn choices(nouns: &[Rc<Noun>]) -> Vec<Rc<Choice>> {
    let mut found: Vec<Rc<Choice>> = Vec::new();
    for field in nouns.iter().flat_map(|noun| &noun.fields) {
        if let Kind::Choice(choice) = &field.kind
            && !found.contains(choice)
        {
            found.push(choice.clone());
        }
    }
    found
}

/// Reads nouns from the items of the contract, each when it is first named.
pub(crate) struct Nouns<'a> {
    items: &'a [Item],
    /// The results of all operations, in words.
    results: Vec<String>,
    /// Those that are being read: one that has itself as a field would have no end.
    open: Vec<String>,
    pub(crate) found: Vec<Rc<Noun>>,
}

impl<'a> Nouns<'a> {
    pub(crate) fn new(items: &'a [Item]) -> Self {
        Self { items, results: Vec::new(), open: Vec::new(), found: Vec::new() }
    }

    /// Looks at what the operations of the contract return.
    pub(crate) fn mark_uses(&mut self, contract: &ItemTrait) {
        for item in &contract.items {
            if let syn::TraitItem::Fn(method) = item
                && let syn::ReturnType::Type(_, returned) = &method.sig.output
            {
                self.results.push(shown(returned));
            }
        }
    }

    /// The noun of a type; `None` where the type is no struct of the contract.
    ///
    /// # Errors
    /// What is not plain about it, and what to do about that.
    pub(crate) fn find(&mut self, found: &Type) -> Result<Option<Rc<Noun>>, String> {
        let name = shown(found);
        if let Some(known) = self.found.iter().find(|noun| noun.name == name) {
            return Ok(Some(known.clone()));
        }
        if RICHER.contains(&name.as_str()) || BY_HAND.contains(&name.as_str()) {
            return Ok(None);
        }
        let Some(item) = self.items.iter().find_map(|item| match item {
            Item::Struct(item) if item.ident == name => Some(item),
            _ => None,
        }) else {
            return Ok(None);
        };
        if self.open.contains(&name) {
            return Err(format!("{name} has itself as a field: give it the other's id"));
        }
        self.open.push(name.clone());
        let noun = Rc::new(self.noun(name, item)?);
        self.open.pop();
        self.found.push(noun.clone());
        Ok(Some(noun))
    }

    fn noun(&mut self, name: String, item: &ItemStruct) -> Result<Noun, String> {
        let doc = documented(&name, &item.attrs)?;
        derives(&name, &item.attrs)?;
        let Fields::Named(named) = &item.fields else {
            return Err(format!("{name} has fields without names: name them"));
        };
        let mut fields = Vec::new();
        for field in &named.named {
            let Some(ident) = &field.ident else { continue };
            let path = format!("{name}::{ident}");
            if !matches!(field.vis, syn::Visibility::Public(_)) {
                return Err(format!("{path} is not public: a noun has public fields only"));
            }
            let (kind, shape) = self.kind(&path, &field.ty)?;
            let doc = documented(&path, &field.attrs)?;
            fields.push(Field { name: ident.to_string(), doc, kind, shape });
        }
        let required = match self.method(&name, "new") {
            Some(new) => Some(required(&name, &new.sig, &fields)?),
            None if derived(&item.attrs).iter().any(|found| found == "Default") => None,
            None => {
                return Err(format!(
                    "{name} has neither `pub fn new`, which takes the fields that it must have, \
                     nor #[derive(Default)]: give it one. A Default that is written by hand does \
                     not do: what is left out in Go is zero"
                ));
            }
        };
        let returns = |text: String| self.results.iter().any(|result| result.contains(&text));
        let (is_listed, is_labelled) =
            (returns(format!("<Vec<{name}>>")), returns(format!("<Vec<({name},HashMap<")));
        let is_returned =
            returns(format!("<Option<{name}>>")) || returns(format!("ProviderResult<{name}>"));
        let is_listed = is_listed || is_labelled;
        let noun = Noun { name, doc, fields, required, is_returned, is_listed, is_labelled };
        distinct(&noun)?;
        Ok(noun)
    }

    /// The kind of a field, and how many values it has.
    fn kind(&mut self, path: &str, found: &Type) -> Result<(Kind, Shape), String> {
        let text = shown(found);
        if ["HashMap<String,String>", "BTreeMap<String,String>"].contains(&text.as_str()) {
            return Ok((Kind::Text, Shape::Map));
        }
        let (inner, shape) = match (inside(found, "Option"), inside(found, "Vec")) {
            (Some(inner), _) => (inner, Shape::Optional),
            (_, Some(inner)) => (inner, Shape::List),
            _ => (found, Shape::One),
        };
        let word = shown(inner);
        let kind = match word.as_str() {
            "String" => Kind::Text,
            "bool" => Kind::Bool,
            "Duration" => Kind::Duration,
            "DateTime<Utc>" => Kind::Time,
            "IpAddr" => Kind::Ip,
            name if BY_HAND.contains(&name) => Kind::Noun(word),
            name => {
                if let Some(number) = NUMBERS.iter().find(|number| **number == name) {
                    Kind::Number(number)
                } else if name.contains("Secret") {
                    return Err(format!(
                        "{path} is a secret: write its noun by hand in each language, where it is \
                         neither shown nor written as JSON"
                    ));
                } else if let Some(choice) = self.choice(name)? {
                    Kind::Choice(Rc::new(choice))
                } else if self.find(inner)?.is_some() {
                    Kind::Noun(word)
                } else {
                    return Err(no_rule(path, &text));
                }
            }
        };
        Ok((kind, shape))
    }

    /// The enum of a name.
    fn choice(&self, name: &str) -> Result<Option<Choice>, String> {
        let item = self.items.iter().find_map(|item| match item {
            Item::Enum(item) if item.ident == name && !RICHER.contains(&name) => Some(item),
            _ => None,
        });
        item.map(|item| self.words(name, item)).transpose()
    }

    fn words(&self, name: &str, item: &ItemEnum) -> Result<Choice, String> {
        derives(name, &item.attrs)?;
        let doc = documented(name, &item.attrs)?;
        let parsed = self.items.iter().any(|item| match item {
            Item::Impl(item) => {
                is_of(item, name)
                    && item.trait_.iter().any(|(path, _)| {
                        path.segments.last().is_some_and(|last| last.ident == "FromStr")
                    })
            }
            _ => false,
        });
        let words = self.method(name, "as_str").and_then(|method| arms(&method.block));
        let (Some(words), true) = (words, parsed) else {
            return Err(format!(
                "{name} is an enum without `pub fn as_str`, one match with a word for each value, \
                 or without FromStr: give it both; every language shows its values as words"
            ));
        };
        let mut choice = Choice { name: name.to_string(), doc, values: Vec::new(), is_open: false };
        for value in &item.variants {
            let ident = value.ident.to_string();
            let word = words.iter().find(|(known, _)| *known == ident).map(|(_, word)| word);
            let doc = documented(&format!("{name}::{ident}"), &value.attrs)?;
            match (&value.fields, word) {
                (Fields::Unit, Some(Some(word))) => {
                    choice.values.push((ident, word.clone(), doc));
                }
                (Fields::Unnamed(fields), Some(None))
                    if fields.unnamed.len() == 1
                        && fields.unnamed.first().is_some_and(|one| shown(&one.ty) == "String") =>
                {
                    choice.is_open = true;
                }
                _ => {
                    return Err(format!(
                        "{name}::{ident} has no word in `as_str`: a value of a plain enum has one, \
                         or holds a String, which is its word"
                    ));
                }
            }
        }
        Ok(choice)
    }

    /// A function of a type.
    fn method(&self, name: &str, function: &str) -> Option<&'a syn::ImplItemFn> {
        let own = self.items.iter().filter_map(|item| match item {
            Item::Impl(item) if item.trait_.is_none() && is_of(item, name) => Some(item),
            _ => None,
        });
        own.flat_map(|item| &item.items).find_map(|item| match item {
            ImplItem::Fn(method) if method.sig.ident == function => Some(method),
            _ => None,
        })
    }
}

fn is_of(item: &ItemImpl, name: &str) -> bool {
    shown(&item.self_ty) == name
}

fn no_rule(path: &str, text: &str) -> String {
    format!(
        "{path}: there is no rule for the field of type {text}: use String, bool, {}, Duration, \
         DateTime<Utc>, IpAddr, Price, another plain struct or enum of the contract, an Option or \
         a Vec of these, or a map of String; or write the noun by hand in each language",
        NUMBERS.join(", ")
    )
}

/// The documentation of an item.
fn documented(path: &str, attributes: &[Attribute]) -> Result<Doc, String> {
    let doc = Doc::read(&doc_lines(attributes));
    if doc.summary.is_empty() {
        return Err(format!("{path} has no documentation: every language shows it"));
    }
    Ok(doc)
}

/// The traits that an item derives.
fn derived(attributes: &[Attribute]) -> Vec<String> {
    let mut names = Vec::new();
    for attribute in attributes.iter().filter(|one| one.path().is_ident("derive")) {
        // What does not parse is the compiler's to report.
        let _ = attribute.parse_nested_meta(|meta| {
            names.extend(meta.path.segments.last().map(|last| last.ident.to_string()));
            Ok(())
        });
    }
    names
}

fn derives(name: &str, attributes: &[Attribute]) -> Result<(), String> {
    let found = derived(attributes);
    let missing: Vec<_> =
        DERIVED.into_iter().filter(|wanted| !found.iter().any(|one| one == wanted)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("{name} does not derive {}: every language needs that", missing.join(", ")))
}

/// The fields that `new` takes, in its order.
fn required(
    name: &str,
    signature: &syn::Signature,
    fields: &[Field],
) -> Result<Vec<String>, String> {
    let mut required = Vec::new();
    for argument in &signature.inputs {
        let FnArg::Typed(argument) = argument else { continue };
        let Pat::Ident(pattern) = &*argument.pat else { continue };
        let own = pattern.ident.to_string();
        let field = fields.iter().find(|field| field.name == own);
        if !field.is_some_and(|field| field.shape == Shape::One) {
            return Err(format!(
                "{name}::new takes {own}, which is no field with one value: name it as the field \
                 that it fills, and set lists, maps and options afterwards"
            ));
        }
        required.push(own);
    }
    if required.is_empty() {
        return Err(format!("{name}::new takes nothing: derive Default in its place"));
    }
    Ok(required)
}

/// The values of an enum by the arms of a match, with their words; `None` is the word that a value
/// holds.
fn arms(block: &syn::Block) -> Option<Vec<(String, Option<String>)>> {
    let Some(Stmt::Expr(Expr::Match(found), None)) = block.stmts.last() else { return None };
    let mut arms = Vec::new();
    for arm in &found.arms {
        let path = match &arm.pat {
            Pat::Path(pattern) => &pattern.path,
            Pat::TupleStruct(pattern) => &pattern.path,
            _ => return None,
        };
        let word = match &*arm.body {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => return None,
            },
            Expr::Path(_) => None,
            _ => return None,
        };
        arms.push((path.segments.last()?.ident.to_string(), word));
    }
    Some(arms)
}

/// Refuses fields whose functions would have one name in C.
fn distinct(noun: &Noun) -> Result<(), String> {
    let mut names = std::collections::BTreeSet::new();
    for field in &noun.fields {
        let name = crate::c::nouns::getter_name(field);
        if ["free", "clone", "new", "to_json", "from_json"].contains(&name.as_str())
            || !names.insert(name.clone())
        {
            return Err(format!(
                "{}: two functions of C would be called {name}: give {} another name",
                noun.name, field.name
            ));
        }
    }
    Ok(())
}

/// A field of labels, which C and Go have in a noun that is returned with labels beside it.
pub(crate) fn labels_beside() -> Field {
    let doc = Doc::read(&["Its labels; only operations that say so read them.".to_string()]);
    Field { name: "labels".to_string(), doc, kind: Kind::Text, shape: Shape::Map }
}
