//! Parses YAML into a tree of nodes with their positions.
//!
//! Reads scalars as PyYAML does, on which cloud-init relies: by YAML 1.1, in which `yes` is a
//! boolean. A scalar keeps its text beside its meaning, since the two may differ.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use super::scalar::{self, Scalar};
use crate::provider::error::{ProviderError, ProviderResult};

/// Limits on a document after its aliases are expanded.
const MAX_NODES: usize = 50_000;
const MAX_BYTES: usize = 8 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl From<&Marker> for Place {
    fn from(marker: &Marker) -> Self {
        Self { line: marker.line(), column: marker.col() + 1 }
    }
}

impl Place {
    fn error(self, message: &str) -> ProviderError {
        let message = format!("line {}, column {}: {message}", self.line, self.column);
        ProviderError::invalid_config("user_data", message)
    }
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) value: Value,
    /// The size of this node and all below it.
    size: Size,
}

#[derive(Debug)]
pub(super) enum Value {
    Scalar(Scalar, String),
    /// Decoded `!!binary`.
    Bytes(Vec<u8>),
    List(Vec<Rc<Node>>),
    Map(Vec<(String, Rc<Node>)>),
}

#[derive(Debug, Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.nodes = self.nodes.saturating_add(other.nodes);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Returns the one document of a text; `None` if it is empty.
pub(super) fn parse(text: &str) -> ProviderResult<Option<Rc<Node>>> {
    let mut composer = Composer::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(refused)?;
        composer.take(event, Place::from(&span.start))?;
    }
    Ok(composer.root)
}

fn refused(error: ScanError) -> ProviderError {
    Place::from(error.marker()).error(&format!("not YAML: {}", error.info()))
}

#[derive(Default)]
struct Composer {
    root: Option<Rc<Node>>,
    documents: usize,
    open: Vec<Open>,
    /// Nodes by anchor; `None` while a node is open.
    anchors: HashMap<usize, Option<Rc<Node>>>,
}

/// A list or map that has not ended.
struct Open {
    at: Place,
    anchor: usize,
    size: Size,
    kind: Kind,
}

enum Kind {
    List(Vec<Rc<Node>>),
    Map(Map),
}

#[derive(Default)]
struct Map {
    entries: Vec<(String, Rc<Node>)>,
    /// The keys of the entries.
    names: HashSet<String>,
    merged: Vec<Rc<Node>>,
    key: Option<Key>,
}

enum Key {
    Name(String),
    Merge,
}

impl Composer {
    fn take(&mut self, event: Event<'_>, at: Place) -> ProviderResult<()> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(at.error("a second document begins; keep one"));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar_value(&text, style, tag.as_deref(), at)?;
                let size = Size { nodes: 1, bytes: text.len() };
                self.finish(Node { at, value, size }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(Kind::List(Vec::new()), anchor, tag.as_deref(), at)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.open(Kind::Map(Map::default()), anchor, tag.as_deref(), at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(at),
            Event::Alias(id) => {
                let named = self.anchors.get(&id).cloned().flatten();
                self.place(
                    named.ok_or_else(|| {
                        at.error("an alias inside the value that it names; write it out")
                    })?,
                    at,
                )
            }
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        kind: Kind,
        anchor: usize,
        tag: Option<&Tag>,
        at: Place,
    ) -> ProviderResult<()> {
        let own = if matches!(kind, Kind::List(_)) { "seq" } else { "map" };
        check_tag(tag, &[own], at)?;
        self.open.push(Open { at, anchor, size: Size { nodes: 1, bytes: 0 }, kind });
        Ok(())
    }

    fn close(&mut self, at: Place) -> ProviderResult<()> {
        let Some(open) = self.open.pop() else {
            return Err(at.error("not YAML: an end without a beginning"));
        };
        let value = match open.kind {
            Kind::List(items) => Value::List(items),
            Kind::Map(map) => Value::Map(map.merge()?),
        };
        self.finish(Node { at: open.at, value, size: open.size }, open.anchor)
    }

    fn finish(&mut self, node: Node, anchor: usize) -> ProviderResult<()> {
        let at = node.at;
        let node = Rc::new(node);
        if anchor > 0 {
            self.anchors.insert(anchor, Some(Rc::clone(&node)));
        }
        self.place(node, at)
    }

    /// Adds a node to its parent. An aliased node counts each time.
    fn place(&mut self, node: Rc<Node>, at: Place) -> ProviderResult<()> {
        let size = node.size;
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.size.add(size);
        if open.size.nodes > MAX_NODES || open.size.bytes > MAX_BYTES {
            let limit = format!(
                "more than {MAX_NODES} values or {MAX_BYTES} bytes, aliases expanded; shorten it"
            );
            return Err(at.error(&limit));
        }
        match &mut open.kind {
            Kind::List(items) => items.push(node),
            Kind::Map(map) => map.take(node, at)?,
        }
        Ok(())
    }
}

impl Map {
    fn take(&mut self, node: Rc<Node>, at: Place) -> ProviderResult<()> {
        match self.key.take() {
            None => self.key = Some(self.key_of(&node, at)?),
            Some(Key::Name(name)) => {
                self.names.insert(name.clone());
                self.entries.push((name, node));
            }
            Some(Key::Merge) => self.merged.push(node),
        }
        Ok(())
    }

    fn key_of(&self, node: &Node, at: Place) -> ProviderResult<Key> {
        match &node.value {
            Value::Scalar(Scalar::Merge, _) => Ok(Key::Merge),
            Value::Scalar(Scalar::Text, name) => {
                if self.names.contains(name) {
                    return Err(at.error(&format!("the key {name:?} is given twice; keep one")));
                }
                Ok(Key::Name(name.clone()))
            }
            Value::Scalar(other, text) => {
                Err(at.error(&format!("the key {text} is {other} in YAML; put it in quotes")))
            }
            _ => Err(at.error("a key that is not a word")),
        }
    }

    /// Adds the entries of `<<`: existing keys win, then the first source.
    fn merge(mut self) -> ProviderResult<Vec<(String, Rc<Node>)>> {
        for source in &self.merged {
            let sources = if let Value::List(sources) = &source.value {
                sources.as_slice()
            } else {
                std::slice::from_ref(source)
            };
            for source in sources {
                let Value::Map(entries) = &source.value else {
                    return Err(source.at.error("<< takes a map, or a list of maps"));
                };
                for (name, node) in entries {
                    if self.names.insert(name.clone()) {
                        self.entries.push((name.clone(), Rc::clone(node)));
                    }
                }
            }
        }
        Ok(self.entries)
    }
}

fn scalar_value(
    text: &str,
    style: ScalarStyle,
    tag: Option<&Tag>,
    at: Place,
) -> ProviderResult<Value> {
    match tag.map(suffix) {
        Some(Some("binary")) => {
            let packed: String = text.split_ascii_whitespace().collect();
            let bytes = BASE64_STANDARD
                .decode(packed)
                .map_err(|error| at.error(&format!("not base64: {error}")))?;
            return Ok(Value::Bytes(bytes));
        }
        Some(_) => check_tag(tag, &["str"], at)?,
        None if style == ScalarStyle::Plain => {
            return Ok(Value::Scalar(scalar::resolve(text), text.to_string()));
        }
        None => {}
    }
    Ok(Value::Scalar(Scalar::Text, text.to_string()))
}

/// Returns the name of a standard YAML tag; for `!`, which makes a scalar a text, `str`.
fn suffix(tag: &Tag) -> Option<&str> {
    match (tag.handle(), tag.suffix()) {
        ("tag:yaml.org,2002:", suffix) => Some(suffix),
        ("", "!") | ("!", "") => Some("str"),
        _ => None,
    }
}

fn check_tag(tag: Option<&Tag>, allowed: &[&str], at: Place) -> ProviderResult<()> {
    match tag {
        Some(tag) if !suffix(tag).is_some_and(|suffix| allowed.contains(&suffix)) => {
            Err(at.error(&format!("the tag {} has no meaning here; leave it out", tag.original())))
        }
        _ => Ok(()),
    }
}
