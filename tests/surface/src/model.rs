//! The contract as the surfaces need it: each operation of the trait, with types that every
//! language has a word for.

use quote::ToTokens;
use syn::{Attribute, Expr, FnArg, Item, Lit, Meta, Pat, ReturnType, TraitItem, TraitItemFn};

use crate::doc::Doc;

/// Methods without `async` are written by hand in each language.
const BY_HAND: [&str; 3] = ["name", "max_batch_size", "supports_snapshots"];
/// Fleets alone call these: no other language offers them.
const OF_FLEETS: [&str; 1] = ["create_batch"];

/// What a provider in another language must have; without any other operation it is complete too.
pub(crate) const REQUIRED: [&str; 4] =
    ["create_instance", "destroy_instance", "get_instance", "list_instances"];

/// Without these a provider in another language has none, which is no error.
pub(crate) const EMPTY_WITHOUT: [&str; 1] = ["get_ssh_keys"];

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    Text,
    Labels,
    Request,
}

const GIVEN: [(&str, Given); 3] = [
    ("&str", Given::Text),
    ("&HashMap<String, String>", Given::Labels),
    ("&InstanceRequest", Given::Request),
];

/// The type of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returned {
    Nothing,
    Instance,
    MaybeInstance,
    Instances,
    Snapshot,
    MaybeSnapshot,
    Snapshots,
    LabelledSnapshots,
    Texts,
    Price,
}

const RETURNED: [(&str, Returned); 10] = [
    ("()", Returned::Nothing),
    ("ProviderInstance", Returned::Instance),
    ("Option<ProviderInstance>", Returned::MaybeInstance),
    ("Vec<ProviderInstance>", Returned::Instances),
    ("Snapshot", Returned::Snapshot),
    ("Option<Snapshot>", Returned::MaybeSnapshot),
    ("Vec<Snapshot>", Returned::Snapshots),
    ("Vec<(Snapshot, HashMap<String, String>)>", Returned::LabelledSnapshots),
    ("Vec<String>", Returned::Texts),
    ("Price", Returned::Price),
];

impl Given {
    /// As the trait says it.
    pub(crate) fn rust(self) -> &'static str {
        let found = GIVEN.iter().find(|(_, given)| *given == self);
        found.map_or("", |(text, _)| text)
    }
}

impl Returned {
    /// As the trait says it, inside `ProviderResult`.
    pub(crate) fn rust(self) -> &'static str {
        let found = RETURNED.iter().find(|(_, returned)| *returned == self);
        found.map_or("", |(text, _)| text)
    }

    /// Whether there may be none.
    pub(crate) fn is_optional(self) -> bool {
        matches!(self, Self::MaybeInstance | Self::MaybeSnapshot)
    }

    /// Whether it is a list, which a provider in C fills.
    pub(crate) fn is_list(self) -> bool {
        matches!(self, Self::Instances | Self::Snapshots | Self::LabelledSnapshots | Self::Texts)
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
        let is_its = |parameter: &&Parameter| match parameter.name.as_str() {
            "instance_id" => true,
            "id" => !self.name.contains("snapshot"),
            _ => false,
        };
        self.parameters.iter().find(is_its).map(|parameter| parameter.name.as_str())
    }
}

pub(crate) fn pascal(name: &str) -> String {
    name.split('_').map(capital).collect()
}

pub(crate) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Reads the operations of the trait `Provider`.
///
/// # Errors
/// What has no rule, and what to do about it.
pub(crate) fn read(source: &str) -> Result<Vec<Verb>, String> {
    let file = syn::parse_file(source).map_err(|error| format!("the contract: {error}"))?;
    let contract = file.items.into_iter().find_map(|item| match item {
        Item::Trait(found) if found.ident == "Provider" => Some(found),
        _ => None,
    });
    let contract = contract.ok_or("the contract has no trait Provider")?;
    let mut verbs = Vec::new();
    for item in contract.items {
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
            verbs.push(verb(name, &method)?);
        }
    }
    Ok(verbs)
}

fn verb(name: String, method: &TraitItemFn) -> Result<Verb, String> {
    let mut parameters = Vec::new();
    for argument in &method.sig.inputs {
        if let FnArg::Typed(argument) = argument {
            let Pat::Ident(pattern) = &*argument.pat else {
                return Err(format!("{name}: an argument has no name: give it one"));
            };
            parameters.push(Parameter {
                name: pattern.ident.to_string().trim_start_matches('_').to_string(),
                given: known(&name, "argument", &argument.ty, &GIVEN)?,
            });
        }
    }
    let ReturnType::Type(_, returned) = &method.sig.output else {
        return Err(format!("{name} returns nothing: let it return a ProviderResult"));
    };
    let returned = result_type(returned)
        .ok_or_else(|| format!("{name} returns no ProviderResult: let it return one"))?;
    let returned = known(&name, "result", returned, &RETURNED)?;
    let doc = Doc::read(&doc_lines(&method.attrs));
    if doc.summary.is_empty() {
        return Err(format!("{name} has no documentation: every language shows it"));
    }
    Ok(Verb { name, doc, parameters, returned })
}

/// What stands in `ProviderResult<..>`.
fn result_type(returned: &syn::Type) -> Option<&syn::Type> {
    let syn::Type::Path(path) = returned else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "ProviderResult")?;
    match &last.arguments {
        syn::PathArguments::AngleBracketed(inner) => match inner.args.first()? {
            syn::GenericArgument::Type(inner) => Some(inner),
            _ => None,
        },
        _ => None,
    }
}

/// The rule for a type.
fn known<T: Copy>(
    verb: &str,
    role: &str,
    found: &syn::Type,
    rules: &[(&str, T)],
) -> Result<T, String> {
    let plain = |text: &str| text.replace(' ', "");
    let found = found.to_token_stream().to_string();
    let rule = rules.iter().find(|(text, _)| plain(text) == plain(&found));
    rule.map(|(_, rule)| *rule).ok_or_else(|| {
        let all: Vec<_> = rules.iter().map(|(text, _)| *text).collect();
        format!(
            "{verb}: there is no rule for the {role} of type {}: use one of {}, or add a variant \
             to tests/surface/src/model.rs and a match arm in each language that the compiler then \
             names",
            plain(&found),
            all.join(", ")
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
