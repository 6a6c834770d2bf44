//! The contract as the surfaces need it: each operation of the trait, with types that every
//! language has a word for.

use std::collections::BTreeSet;
use std::rc::Rc;

use quote::ToTokens;
use syn::{
    Attribute, Expr, FnArg, GenericArgument, Item, Lit, Meta, Pat, PathArguments, ReturnType,
    TraitItem, TraitItemFn, Type,
};

use crate::doc::Doc;
use crate::nouns::{Noun, Nouns};

/// Methods without `async` are written by hand in each language.
const BY_HAND: [&str; 3] = ["name", "max_batch_size", "supports_snapshots"];
/// Fleets alone call these: no other language offers them.
const OF_FLEETS: [&str; 1] = ["create_batch"];

/// What a provider in another language must have; without any other operation it is complete too.
pub(crate) const REQUIRED: [&str; 4] =
    ["create_instance", "destroy_instance", "get_instance", "list_instances"];

/// Without these a provider in another language has none, which is no error.
pub(crate) const EMPTY_WITHOUT: [&str; 1] = ["get_ssh_keys"];

/// The operations besides `.._instance` whose `id` is that of an instance.
pub(crate) const ABOUT_INSTANCES: [&str; 2] = ["set_labels", "wait_ready"];

/// Lists of snapshots: a provider in another language has one of them, which returns the labels.
pub(crate) const SNAPSHOTS: &str = "list_snapshots";
pub(crate) const LABELLED_SNAPSHOTS: &str = "list_labelled_snapshots";

/// What every language writes by hand: operations that use several of the contract's.
const JOBS: [&str; 8] = [
    "create_and_wait",
    "create_instances",
    "destroy_instances",
    "list_owned",
    "reap",
    "renew",
    "wait_ready_many",
    "watch",
];

/// The names of all operations that every language has, a line each.
pub(crate) fn names(verbs: &[Verb]) -> String {
    let mut names: Vec<_> = verbs.iter().map(|verb| verb.name.as_str()).collect();
    names.extend(JOBS);
    names.extend(["name", "supports_snapshots"]);
    names.sort_unstable();
    names.join("\n") + "\n"
}

/// The type of an argument.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Given {
    Text,
    Labels,
    Request,
    Noun(Rc<Noun>),
}

impl Given {
    /// As the trait says it.
    pub(crate) fn rust(&self) -> String {
        match self {
            Self::Text => "&str".to_string(),
            Self::Labels => "&HashMap<String, String>".to_string(),
            Self::Request => "&InstanceRequest".to_string(),
            Self::Noun(noun) => format!("&{}", noun.name),
        }
    }
}

/// What an operation returns one of, or many.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Thing {
    Instance,
    Price,
    Text,
    Noun(Rc<Noun>),
}

impl Thing {
    /// As the trait says it.
    pub(crate) fn rust(&self) -> &str {
        match self {
            Self::Instance => "ProviderInstance",
            Self::Price => "Price",
            Self::Text => "String",
            Self::Noun(noun) => &noun.name,
        }
    }

    /// As C, Go and Python call it.
    pub(crate) fn short(&self) -> &str {
        match self {
            Self::Instance => "Instance",
            thing => thing.rust(),
        }
    }
}

/// The type of a result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Returned {
    Nothing,
    One(Thing),
    Maybe(Thing),
    List(Thing),
    /// A list, each with its labels.
    Labelled(Thing),
}

impl Returned {
    /// As the trait says it, inside `ProviderResult`.
    pub(crate) fn rust(&self) -> String {
        match self {
            Self::Nothing => "()".to_string(),
            Self::One(thing) => thing.rust().to_string(),
            Self::Maybe(thing) => format!("Option<{}>", thing.rust()),
            Self::List(thing) => format!("Vec<{}>", thing.rust()),
            Self::Labelled(thing) => format!("Vec<({}, HashMap<String, String>)>", thing.rust()),
        }
    }

    /// Whether there may be none.
    pub(crate) fn is_optional(&self) -> bool {
        matches!(self, Self::Maybe(_))
    }

    /// Whether it is a list, which a provider in C fills.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self, Self::List(_) | Self::Labelled(_))
    }

    pub(crate) fn thing(&self) -> Option<&Thing> {
        match self {
            Self::Nothing => None,
            Self::One(thing) | Self::Maybe(thing) | Self::List(thing) | Self::Labelled(thing) => {
                Some(thing)
            }
        }
    }

    /// The name of its handle in C, `spuff_<this>`; empty where there is none.
    pub(crate) fn handle(&self) -> String {
        let Some(thing) = self.thing() else { return String::new() };
        match thing {
            Thing::Text => "strings".to_string(),
            thing if self.is_list() => snake(&plural(thing.short())),
            thing => snake(thing.short()),
        }
    }
}

pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) given: Given,
}

/// An operation of the contract.
pub(crate) struct Verb {
    pub(crate) name: String,
    pub(crate) doc: Doc,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returned: Returned,
}

impl Verb {
    /// Whether it reports progress.
    pub(crate) fn waits(&self) -> bool {
        self.doc.section("Waits").is_some()
    }

    pub(crate) fn is_required(&self) -> bool {
        REQUIRED.contains(&self.name.as_str())
    }

    /// `create_snapshot` as `CreateSnapshot`.
    pub(crate) fn pascal(&self) -> String {
        pascal(&self.name)
    }

    /// The parameter with the id of the instance that the operation is about.
    pub(crate) fn instance_id(&self) -> Option<&str> {
        let is_about_one =
            self.name.ends_with("_instance") || ABOUT_INSTANCES.contains(&self.name.as_str());
        let is_its = |parameter: &&Parameter| match parameter.name.as_str() {
            "instance_id" => true,
            "id" => is_about_one,
            _ => false,
        };
        self.parameters.iter().find(is_its).map(|parameter| parameter.name.as_str())
    }
}

/// `StopReport` as `stop_report`.
pub(crate) fn snake(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

/// `address` as `addresses`, and `Policy` as `Policies`.
pub(crate) fn plural(name: &str) -> String {
    match name.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if name.ends_with(['s', 'x']) || name.ends_with("ch") => format!("{name}es"),
        _ => format!("{name}s"),
    }
}

/// `addresses` as `address`; what has no plural is as it was.
pub(crate) fn singular(name: &str) -> String {
    if let Some(stem) = name.strip_suffix("ies") {
        return format!("{stem}y");
    }
    let ends = ["sses", "xes", "ches"];
    let letters = if ends.iter().any(|end| name.ends_with(end)) { 2 } else { 1 };
    match name.strip_suffix('s') {
        Some(_) if !name.ends_with("ss") => name[..name.len() - letters].to_string(),
        _ => name.to_string(),
    }
}

pub(crate) fn pascal(name: &str) -> String {
    name.split('_').map(capital).collect()
}

pub(crate) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The types of the contract that operations take and return, but for the map.
pub(crate) fn core_names<'a>(verbs: impl Iterator<Item = &'a Verb>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for verb in verbs {
        for parameter in &verb.parameters {
            match &parameter.given {
                Given::Request => drop(names.insert("InstanceRequest".to_string())),
                Given::Noun(noun) => drop(names.insert(noun.name.clone())),
                Given::Text | Given::Labels => {}
            }
        }
        match verb.returned.thing() {
            None | Some(Thing::Text) => {}
            Some(thing) => drop(names.insert(thing.rust().to_string())),
        }
    }
    names
}

/// What the surfaces are made from.
pub(crate) struct Contract {
    pub(crate) verbs: Vec<Verb>,
    /// The nouns that the operations name, and those that are fields of these.
    pub(crate) nouns: Vec<Rc<Noun>>,
}

/// Reads the contract from the texts of its files.
///
/// # Errors
/// What has no rule, and what to do about it.
pub(crate) fn read(sources: &[String]) -> Result<Contract, String> {
    let mut items = Vec::new();
    for source in sources {
        let file = syn::parse_file(source).map_err(|error| format!("the contract: {error}"))?;
        items.extend(file.items);
    }
    let contract = items.iter().find_map(|item| match item {
        Item::Trait(found) if found.ident == "Provider" => Some(found),
        _ => None,
    });
    let contract = contract.ok_or("the contract has no trait Provider")?;
    let mut nouns = Nouns::new(&items);
    nouns.mark_uses(contract);
    let mut verbs = Vec::new();
    for item in &contract.items {
        let TraitItem::Fn(method) = item else {
            return Err("the trait Provider has an item that is no method: add a rule for it to \
                        tests/surface/src/model.rs"
                .to_string());
        };
        let name = method.sig.ident.to_string();
        if method.sig.asyncness.is_none() && !BY_HAND.contains(&name.as_str()) {
            return Err(format!(
                "{name} is not async: declare it in each language, and add it to BY_HAND in \
                 tests/surface/src/model.rs"
            ));
        }
        if method.sig.asyncness.is_some() && !OF_FLEETS.contains(&name.as_str()) {
            verbs.push(verb(name, method, &mut nouns)?);
        }
    }
    Ok(Contract { verbs, nouns: nouns.found })
}

fn verb(name: String, method: &TraitItemFn, nouns: &mut Nouns<'_>) -> Result<Verb, String> {
    let mut parameters = Vec::new();
    for argument in &method.sig.inputs {
        if let FnArg::Typed(argument) = argument {
            let Pat::Ident(pattern) = &*argument.pat else {
                return Err(format!("{name}: an argument has no name: give it one"));
            };
            let own = pattern.ident.to_string().trim_start_matches('_').to_string();
            let given = given(&name, &argument.ty, nouns)?;
            if let Given::Noun(noun) = &given
                && noun.is_option()
                && own != "options"
            {
                return Err(format!(
                    "{name}: {own} is of type {}, which has defaults: call it `options`, as what \
                     a caller may leave out is called",
                    noun.name
                ));
            }
            parameters.push(Parameter { name: own, given });
        }
    }
    let ReturnType::Type(_, returned) = &method.sig.output else {
        return Err(format!("{name} returns nothing: let it return a ProviderResult"));
    };
    let returned = inside(returned, "ProviderResult")
        .ok_or_else(|| format!("{name} returns no ProviderResult: let it return one"))?;
    let returned = result(&name, returned, nouns)?;
    let doc = Doc::read(&doc_lines(&method.attrs));
    if doc.summary.is_empty() {
        return Err(format!("{name} has no documentation: every language shows it"));
    }
    Ok(Verb { name, doc, parameters, returned })
}

/// What stands in `Name<..>`.
pub(crate) fn inside<'a>(found: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = found else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    match &last.arguments {
        PathArguments::AngleBracketed(inner) => match inner.args.first()? {
            GenericArgument::Type(inner) => Some(inner),
            _ => None,
        },
        _ => None,
    }
}

/// A type in words, without spaces.
pub(crate) fn shown(found: &Type) -> String {
    found.to_token_stream().to_string().replace(' ', "")
}

/// The type of an argument.
fn given(verb: &str, found: &Type, nouns: &mut Nouns<'_>) -> Result<Given, String> {
    match shown(found).as_str() {
        "&str" => return Ok(Given::Text),
        "&HashMap<String,String>" => return Ok(Given::Labels),
        "&InstanceRequest" => return Ok(Given::Request),
        _ => {}
    }
    if let Type::Reference(reference) = found
        && let Some(noun) = nouns.find(&reference.elem)?
    {
        return Ok(Given::Noun(noun));
    }
    Err(format!(
        "{verb}: there is no rule for the argument of type {}: use one of &str, &HashMap<String, \
         String>, &InstanceRequest, or a reference to a plain struct of the contract, in a file of \
         spuff-core/src/provider",
        shown(found)
    ))
}

/// The type of a result.
fn result(verb: &str, found: &Type, nouns: &mut Nouns<'_>) -> Result<Returned, String> {
    let text = shown(found);
    if text == "()" {
        return Ok(Returned::Nothing);
    }
    let labelled = inside(found, "Vec").and_then(|inner| match inner {
        Type::Tuple(pair) if pair.elems.len() == 2 => pair.elems.first(),
        _ => None,
    });
    let (shape, inner): (fn(Thing) -> Returned, &Type) =
        if let Some(inner) = labelled.filter(|_| text.ends_with(",HashMap<String,String>)>")) {
            (Returned::Labelled, inner)
        } else if let Some(inner) = inside(found, "Vec") {
            (Returned::List, inner)
        } else if let Some(inner) = inside(found, "Option") {
            (Returned::Maybe, inner)
        } else {
            (Returned::One, found)
        };
    let thing = match shown(inner).as_str() {
        "ProviderInstance" => Some(Thing::Instance),
        "Price" => Some(Thing::Price),
        "String" => Some(Thing::Text),
        _ => nouns.find(inner)?.map(Thing::Noun),
    };
    let returned = thing.map(shape);
    let has_rule = |returned: &Returned| match returned.thing() {
        Some(Thing::Text) => matches!(returned, Returned::List(_)),
        Some(Thing::Price) => matches!(returned, Returned::One(_)),
        Some(Thing::Instance) => !matches!(returned, Returned::Labelled(_)),
        _ => true,
    };
    returned.filter(has_rule).ok_or_else(|| {
        format!(
            "{verb}: there is no rule for the result of type {text}: use one of (), \
             ProviderInstance, Option<ProviderInstance>, Vec<ProviderInstance>, Vec<String>, \
             Price, or a plain struct of the contract, in a file of spuff-core/src/provider, an \
             Option or a Vec of it"
        )
    })
}

/// The lines of `///`, without the space that begins each.
pub(crate) fn doc_lines(attributes: &[Attribute]) -> Vec<String> {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(value) => match &value.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let lines = attributes.iter().filter_map(line);
    lines.map(|line| line.strip_prefix(' ').map_or(line.clone(), str::to_string)).collect()
}
