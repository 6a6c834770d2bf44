//! Rust without `async`: the blocking provider, the trait `SyncProvider`, and the provider that is
//! made from one.

use std::collections::BTreeSet;

use crate::doc::{Words, sections, summary, wrapped};
use crate::model::{
    EMPTY_WITHOUT, Given, LABELLED_SNAPSHOTS, Parameter, SNAPSHOTS, Verb, core_names, pascal,
};
use crate::{FIRST_LINE, File};

/// What the generated provider leaves to a method of `FromSync`, and its name.
const IN_ITS_OWN_WAY: [(&str, &str); 4] = [
    ("create_instance", "create_to_completion"),
    ("wait_ready", "wait_or_poll"),
    ("create_snapshot", "snapshot_to_completion"),
    (SNAPSHOTS, "list_without_labels"),
];

pub(crate) fn files(verbs: &[Verb]) -> Result<Vec<File>, String> {
    Ok(vec![
        File::rust("spuff-core/src/blocking/verbs.rs", blocking(verbs)?),
        File::rust("spuff-core/src/blocking/sync_provider.rs", sync_provider(verbs)?),
        File::rust("spuff-core/src/blocking/implement/verbs.rs", from_sync(verbs)),
    ])
}

/// Links as they are: a file has the types of its signatures in scope.
struct InScope<'a>(&'a BTreeSet<String>);

impl Words for InScope<'_> {
    fn link(&self, path: &str, label: &str) -> Option<String> {
        let root = path.split("::").next()?;
        Some(if root == "Self" || root == "crate" || self.0.contains(root) {
            if path == label { format!("[`{label}`]") } else { format!("[`{label}`]({path})") }
        } else {
            let short = label.rsplit("::").next()?;
            format!("[`{short}`](crate::provider::{path})")
        })
    }

    fn code(&self, word: &str) -> String {
        format!("`{word}`")
    }
}

/// The types of the contract that these operations name, but for the map.
fn imports<'a>(verbs: impl Iterator<Item = &'a Verb>) -> BTreeSet<String> {
    let mut names = core_names(verbs);
    names.insert("ProviderResult".to_string());
    names
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// `, id: &str, name: &str`
fn declared(verb: &Verb) -> String {
    let one = |parameter: &Parameter| format!(", {}: {}", parameter.name, parameter.given.rust());
    verb.parameters.iter().map(one).collect()
}

/// `id, name`
fn passed(verb: &Verb) -> String {
    let names: Vec<_> = verb.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    names.join(", ")
}

fn blocking(verbs: &[Verb]) -> Result<String, String> {
    let imports = imports(verbs.iter());
    let mut text = format!(
        "{FIRST_LINE}

//! The operations of the blocking provider: those of the contract.

use std::collections::HashMap;

use super::Provider;
use crate::provider::{{{}}};

impl Provider {{
",
        list(&imports)
    );
    for verb in verbs {
        let Verb { name, returned, .. } = verb;
        let mut doc = summary(name, &verb.doc, &InScope(&imports))?;
        doc.push(format!(
            "# Errors\nAs [`{name}`](crate::provider::Provider::{name}) of the async provider."
        ));
        text += &wrapped(&doc, "    /// ", 100);
        text += &format!(
            "    pub fn {name}(&self{}) -> ProviderResult<{}> {{
        self.run(|provider| async move {{ provider.{name}({}).await }})
    }}

",
            declared(verb),
            returned.rust(),
            passed(verb)
        );
    }
    Ok(text + "}\n")
}

fn sync_provider(verbs: &[Verb]) -> Result<String, String> {
    let own = || verbs.iter().filter(|verb| verb.name != SNAPSHOTS);
    let mut imports = imports(own());
    imports.insert("ProviderError".to_string());
    let mut text = format!(
        "{FIRST_LINE}

//! The trait of blocking providers.

use std::collections::HashMap;

use super::CancelToken;
use crate::provider::{{Operation, {}}};

/// A provider with blocking operations, for [`from_sync`](super::from_sync). They are those of
/// [`Provider`](crate::provider::Provider), each with a token that is cancelled when its caller has
/// left: a long operation should check it.
#[allow(unused_variables, reason = \"a default body uses none of its arguments\")]
pub trait SyncProvider: Send + Sync + 'static {{
    /// The provider's name, for logs and messages.
    fn name(&self) -> &str;

",
        list(&imports)
    );
    for verb in own() {
        let Verb { name, returned, .. } = verb;
        let words = InScope(&imports);
        let mut doc = summary(name, &verb.doc, &words)?;
        doc.extend(sections(name, &verb.doc, &["Implementations"], &words)?);
        let (body, note) = default(verb);
        doc.extend(note);
        text += &wrapped(&doc, "    /// ", 100);
        text += &format!(
            "    fn {name}(&self{}, cancel: &CancelToken) -> ProviderResult<{}>{body}\n\n",
            declared(verb),
            returned.rust(),
        );
    }
    Ok(text
        + "    /// Whether the snapshot operations work. `false` by default.
    fn supports_snapshots(&self) -> bool {
        false
    }
}

fn not_supported<T>(feature: Operation) -> ProviderResult<T> {
    Err(ProviderError::NotSupported { feature: feature.to_string() })
}
")
}

/// The body without which an operation is required, and what its documentation says of it.
fn default(verb: &Verb) -> (String, Option<String>) {
    if verb.is_required() {
        return (";".to_string(), None);
    }
    if EMPTY_WITHOUT.contains(&verb.name.as_str()) {
        let note = "By default there are none.".to_string();
        return (" {\nOk(Vec::new())\n}".to_string(), Some(note));
    }
    let mut note = "By default [`NotSupported`](ProviderError::NotSupported)".to_string();
    if verb.name == "wait_ready" {
        note += ": then [`get_instance`](Self::get_instance) is polled until the instance is ready \
                 or `instance_ready` has passed";
    }
    // Snapshots are listed by one operation here, whichever a caller uses.
    let feature = if verb.name == LABELLED_SNAPSHOTS { pascal(SNAPSHOTS) } else { verb.pascal() };
    (format!(" {{\nnot_supported(Operation::{feature})\n}}"), Some(note + "."))
}

fn from_sync(verbs: &[Verb]) -> String {
    let imports = imports(verbs.iter());
    let mut text = format!(
        "{FIRST_LINE}

//! The operations of a provider that is made from a blocking one.

use std::collections::HashMap;

use async_trait::async_trait;

use super::FromSync;
use crate::blocking::SyncProvider;
use crate::provider::{{Provider, {}}};

#[async_trait]
impl<P: SyncProvider> Provider for FromSync<P> {{
    fn name(&self) -> &str {{
        self.provider.name()
    }}

",
        list(&imports)
    );
    for verb in verbs {
        let Verb { name, returned, .. } = verb;
        text += &format!(
            "    async fn {name}(&self{}) -> ProviderResult<{}> {{\n{}    }}\n\n",
            declared(verb),
            returned.rust(),
            called(verb)
        );
    }
    text + "    fn supports_snapshots(&self) -> bool {
        self.provider.supports_snapshots()
    }
}
"
}

/// The body of an operation that is made from a blocking one.
fn called(verb: &Verb) -> String {
    if let Some((_, own)) = IN_ITS_OWN_WAY.iter().find(|(name, _)| *name == verb.name) {
        return format!("self.{own}({}).await\n", passed(verb));
    }
    let mut body = String::new();
    let mut arguments = String::new();
    for parameter in &verb.parameters {
        let name = &parameter.name;
        let copy = if parameter.given == Given::Text { "to_string" } else { "clone" };
        body += &format!("let {name} = {name}.{copy}();\n");
        arguments += &format!("&{name}, ");
    }
    let moved = if verb.parameters.is_empty() { "" } else { "move " };
    body + &format!(
        "self.call({moved}|provider, cancel| provider.{}({arguments}cancel)).await\n",
        verb.name
    )
}
