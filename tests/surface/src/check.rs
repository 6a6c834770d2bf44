//! What a contract may not say, because it would be turned into something wrong without a word: in
//! the operations, in their documentation, and in the table of C.

use quote::ToTokens;
use syn::{Fields, FnArg, Item, Pat, ReturnType, TraitItem, TraitItemFn};

use crate::model::{ABOUT_INSTANCES, doc_lines, pascal};

/// Operations that return an instance or a snapshot and make none. What makes one is seen through
/// when its caller leaves: the generated provider must do that in its own way.
const READS: [&str; 1] = ["wait_ready"];
const MAKES: [&str; 2] = ["create_instance", "create_snapshot"];

/// Operations with a body of their own, which each language writes too.
const WITH_DEFAULT: [&str; 2] = ["get_ssh_keys", "list_labelled_snapshots"];

const SECTIONS: [&str; 6] =
    ["Cancellation", "Default", "Errors", "Implementations", "See also", "Waits"];

/// Checks the trait `Provider` of the contract's files.
///
/// # Errors
/// What is wrong, and what to do about it.
pub(crate) fn contract(sources: &[String]) -> Result<(), String> {
    let (mut nouns, mut methods) = (Vec::new(), Vec::new());
    for source in sources {
        let file = syn::parse_file(source).map_err(|error| format!("the contract: {error}"))?;
        for item in file.items {
            match item {
                Item::Trait(found) if found.ident == "Provider" => methods.extend(found.items),
                Item::Struct(found) => nouns.push(found.ident.to_string()),
                _ => {}
            }
        }
    }
    for item in methods {
        if let TraitItem::Fn(method) = item
            && method.sig.asyncness.is_some()
            && method.sig.ident != "create_batch"
        {
            operation(&method, &nouns)?;
        }
    }
    Ok(())
}

fn operation(method: &TraitItemFn, nouns: &[String]) -> Result<(), String> {
    let name = method.sig.ident.to_string();
    makes_nothing_unseen(&name, &method.sig.output)?;
    names_its_id(&name, method, nouns)?;
    if let Some(body) = &method.default
        && !WITH_DEFAULT.contains(&name.as_str())
        && !is_not_supported(&body.to_token_stream().to_string())
    {
        return Err(format!(
            "{name} has a default body of its own, which a provider in another language would not \
             have: return NotSupported there and compose it in a function beside the trait, or \
             write it in each language and add {name} to WITH_DEFAULT in tests/surface/src/check.rs"
        ));
    }
    documentation(&name, &doc_lines(&method.attrs))
}

fn makes_nothing_unseen(name: &str, output: &ReturnType) -> Result<(), String> {
    let ReturnType::Type(_, returned) = output else { return Ok(()) };
    let returned = returned.to_token_stream().to_string().replace(' ', "");
    let is_one = ["ProviderInstance", "Snapshot"]
        .iter()
        .any(|noun| returned == format!("ProviderResult<{noun}>"));
    if is_one && !READS.contains(&name) && !MAKES.contains(&name) {
        return Err(format!(
            "{name} returns an instance or a snapshot: if it makes none, add it to READS in \
             tests/surface/src/check.rs; if it makes one, see it through for a caller that leaves, \
             as create_to_completion does, and add it to IN_ITS_OWN_WAY in rust.rs and to MAKES"
        ));
    }
    Ok(())
}

/// An `id` is that of the noun that the operation's name ends with.
fn names_its_id(name: &str, method: &TraitItemFn, nouns: &[String]) -> Result<(), String> {
    let arguments = method.sig.inputs.iter().filter_map(|argument| match argument {
        FnArg::Typed(argument) => match &*argument.pat {
            Pat::Ident(pattern) => Some(pattern.ident.to_string()),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    });
    let arguments: Vec<_> =
        arguments.map(|name| name.trim_start_matches('_').to_string()).collect();
    if !arguments.iter().any(|argument| argument == "id") || ABOUT_INSTANCES.contains(&name) {
        return Ok(());
    }
    let noun = name.rsplit_once('_').map_or("", |(_, noun)| noun);
    let is_known = noun == "instance" || nouns.contains(&pascal(noun));
    if is_known && !arguments.contains(&format!("{noun}_id")) {
        return Ok(());
    }
    Err(format!(
        "{name} has an argument `id`, and its name does not say of what: end the name with a noun \
         of the contract, or name the argument after it, such as `instance_id`"
    ))
}

fn is_not_supported(body: &str) -> bool {
    let body = body.replace(' ', "");
    body.starts_with("{Err(ProviderError::NotSupported{feature:Operation::")
        && body.ends_with(".to_string()})}")
}

fn documentation(name: &str, lines: &[String]) -> Result<(), String> {
    for line in lines.iter().map(|line| line.trim()) {
        if let Some(title) = line.strip_prefix("# ") {
            if !SECTIONS.contains(&title) {
                return Err(format!(
                    "{name}: the languages have no rule for the section `# {title}`: use one of \
                     {}, or add it to SECTIONS in tests/surface/src/check.rs and to those that \
                     show it",
                    SECTIONS.join(", ")
                ));
            }
            continue;
        }
        let is_numbered = line.split_once(". ").is_some_and(|(number, _)| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        let is_marked =
            ["- ", "* ", "+ ", "```", "#", "|", "> "].iter().any(|mark| line.starts_with(mark));
        if is_numbered || is_marked {
            return Err(format!(
                "{name}: {line:?} is a list, a table, a quotation or an example, which would be \
                 joined to the lines beside it: write sentences"
            ));
        }
        let is_bare = |at: usize| !line[..at].ends_with('`');
        if line.match_indices("](").any(|(at, _)| is_bare(at)) {
            return Err(format!(
                "{name}: a link in {line:?} is not in backticks: write [`name`](…)"
            ));
        }
    }
    Ok(())
}

/// The fields of the table of C with their types, a line each, as a file that only grows.
///
/// # Errors
/// If the table is not that of `before` with more at its end: providers that were built earlier
/// have the functions at those places, and with those arguments.
pub(crate) fn table(before: &str, generated: &str) -> Result<String, String> {
    let file = syn::parse_file(generated).map_err(|error| format!("the table: {error}"))?;
    let fields = file.items.into_iter().find_map(|item| match item {
        Item::Struct(found) if found.ident == "ProviderVtable" => match found.fields {
            Fields::Named(fields) => Some(fields.named),
            _ => None,
        },
        _ => None,
    });
    let fields = fields.ok_or("the generated table has no struct ProviderVtable")?;
    let mut lines = Vec::new();
    for field in &fields {
        let name = field.ident.as_ref().map_or(String::new(), ToString::to_string);
        lines.push(format!("{name}: {}", shown(&field.ty)));
    }
    for (at, was) in before.lines().enumerate() {
        let is = lines.get(at).map_or("nothing", String::as_str);
        if is != was {
            return Err(format!(
                "the C table only grows at its end: field {} was `{was}` and would be `{is}`; \
                 providers that were built before would be called with other functions or \
                 arguments. Keep it, and add what is new at the end",
                at + 1
            ));
        }
    }
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}

/// A type without what a formatter decides.
fn shown(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (long, short) in [
        (" :", ":"),
        (" ,", ","),
        (" < ", "<"),
        (" >", ">"),
        ("fn (", "fn("),
        ("* mut ", "*mut "),
        ("* const ", "*const "),
        (",)", ")"),
        (",>", ">"),
    ] {
        text = text.replace(long, short);
    }
    text
}

/// The operations of the table in their order.
pub(crate) fn functions(table: &str) -> Vec<&str> {
    let names = table.lines().filter_map(|line| line.split_once(": ").map(|(name, _)| name));
    names.skip_while(|name| *name != "create_instance").collect()
}
