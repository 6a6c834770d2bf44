//! The messages that users read keep to the words of the field, and the advice of each kind of
//! error to its text.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use spuff_core::provider::{ErrorKind, ErrorParts, ProviderError};
use syn::buffer::Cursor;
use syn::parse::{Parse, ParseStream};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, LitStr, Macro, Meta};

/// Words that no message has: an instance, an operation, or the actor is meant.
const REFUSED: [&str; 6] = ["machine", "machines", "nobody", "verb", "verbs", "whoever"];

/// Sources whose texts are not spuff's own: simulated clouds speak as the real ones do.
const FOREIGN: [&str; 1] = ["spuff-core/src/simulator"];

#[test]
fn each_kind_of_error_advises_what_to_do() {
    let expected = [
        "Check the token, its permissions, and that it belongs to this provider and project.",
        "Wait for `retry_after`, and send fewer requests at once.",
        "Check the id, the project and the region; it may have been deleted.",
        "Destroy what is not needed, or ask the cloud for a higher limit.",
        "Change the named field, or give the named argument.",
        "Use another provider, or do without.",
        "Check the resource: the operation may still finish; raise the timeout if it does.",
        "Check the connection, proxy and endpoint, then retry.",
        "Read the cloud's message; give its support the request id.",
        "Build with the feature of that provider.",
        "Use one of the registered names, or register the provider.",
        "Read the message.",
        "Wait until the resource is free, or use another name.",
        "Try another region or size, or later.",
        "Wait and retry.",
        "Resolve the key before creating again: that returns the instance or snapshot, if there is \
         one.",
        "Retry if needed; wait for the background work before the program ends.",
        "Report it, with the message.",
    ];
    for (kind, expected) in ErrorKind::ALL.into_iter().zip(expected) {
        assert_eq!(kind.advice(), expected, "{}", kind.name());
        let error = ProviderError::from(ErrorParts::new(kind, "said"));
        assert_eq!((error.kind(), error.advice()), (kind, expected));
    }
    assert_eq!(expected.len(), ErrorKind::ALL.len());
    let mut parts = ErrorParts::new(ErrorKind::Cancelled, "said");
    (parts.instance_id, parts.instance_exists, parts.instance_ending) =
        (Some("7".to_string()), Some(true), true);
    assert_eq!(
        ProviderError::from(parts).advice(),
        "Wait for the background work before the program ends: the instance is being destroyed."
    );
}

/// The string literals of a file, without those of its tests and documentation.
#[derive(Default)]
struct Texts(Vec<String>);

impl Texts {
    /// Takes the literals of a macro's arguments.
    fn take(&mut self, mut cursor: Cursor<'_>) {
        while let Some((_, next)) = cursor.token_tree() {
            if let Some((inside, ..)) = cursor.any_group() {
                self.take(inside);
            } else if let Some((literal, _)) = cursor.literal() {
                let text = syn::parse_str::<LitStr>(&literal.to_string());
                self.0.extend(text.map(|text| text.value()));
            }
            cursor = next;
        }
    }
}

impl Parse for Texts {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut texts = Self::default();
        input.step(|cursor| {
            texts.take(*cursor);
            Ok(((), Cursor::empty()))
        })?;
        Ok(texts)
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string().contains("test"),
        _ => false,
    })
}

impl<'ast> Visit<'ast> for Texts {
    fn visit_item(&mut self, item: &'ast Item) {
        if !matches!(item, Item::Mod(module) if is_test(&module.attrs)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta
            && list.path.is_ident("error")
        {
            self.0.extend(syn::parse2::<Self>(list.tokens.clone()).unwrap().0);
        }
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.0.extend(syn::parse2::<Self>(call.tokens.clone()).unwrap().0);
    }

    fn visit_lit_str(&mut self, text: &'ast LitStr) {
        self.0.push(text.value());
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of_path = |path: PathBuf| {
        let is_own = !path.ends_with("tests") && !path.ends_with("tests.rs");
        match path.extension() {
            _ if !is_own => Vec::new(),
            Some(extension) if extension == "rs" => vec![path],
            _ if path.is_dir() => sources(&path),
            _ => Vec::new(),
        }
    };
    paths.flat_map(of_path).collect()
}

/// What a message says itself, without its placeholders.
fn own_words(text: &str) -> Vec<String> {
    let parts = text.split('{').enumerate();
    let own = parts.map(|(at, part)| if at == 0 { part } else { part.rsplit('}').next().unwrap() });
    let words = own.flat_map(|part| part.split(|c: char| !c.is_ascii_alphabetic()));
    words.map(str::to_ascii_lowercase).collect()
}

#[test]
fn no_message_has_a_word_that_spuff_does_not_use() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut read = 0;
    for package in ["spuff-core/src", "spuff-ffi/src", "spuff-py/src"] {
        for file in sources(&root.join(package)) {
            if FOREIGN.iter().any(|foreign| file.starts_with(root.join(foreign))) {
                continue;
            }
            let mut texts = Texts::default();
            texts.visit_file(&syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap());
            for text in texts.0.iter().filter(|text| text.contains(' ')) {
                read += 1;
                let refused = own_words(text).into_iter().find(|word| REFUSED.contains(&&**word));
                assert_eq!(refused, None, "{}: {text:?}", file.display());
            }
        }
    }
    assert!(read > 800, "only {read} texts were found");
}
