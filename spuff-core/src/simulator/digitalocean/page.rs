//! Pages of lists, and JSON bodies.

use form_urlencoded::Serializer;
use serde::Serialize;
use serde::ser::SerializeMap;

use super::super::backend::{Answer, Asked, page_of};
use super::super::fault::{Effects, Fault};

const PER_PAGE: usize = 20;
const MAX_PER_PAGE: usize = 200;
/// Base of links, which never contain the address of the request.
pub(super) const HOME: &str = "https://api.digitalocean.com";

/// The requested page of a list.
#[derive(Debug)]
pub(super) struct Page {
    number: usize,
    size: usize,
    shift: bool,
    /// The path with the other parameters, to which `page` is appended.
    address: String,
}

impl Page {
    /// An invalid number counts as the default; a page size that is too large is capped.
    pub(super) fn of(asked: &Asked<'_>, effects: Effects) -> Self {
        let number = |name: &str| {
            asked
                .param(name)
                .and_then(|value| value.parse().ok())
                .filter(|number: &usize| *number > 0)
        };
        let mut others = Serializer::new(String::new());
        for (name, value) in
            form_urlencoded::parse(asked.query.as_bytes()).filter(|(name, _)| name != "page")
        {
            others.append_pair(&name, &value);
        }
        Self {
            number: number("page").unwrap_or(1),
            size: number("per_page").unwrap_or(PER_PAGE).min(MAX_PER_PAGE).min(effects.page),
            shift: effects.is(Fault::ShiftingPages),
            address: format!("{HOME}{}?{}", asked.path, others.finish()),
        }
    }

    /// Returns the items of the page, and the total.
    pub(super) fn cut<T>(&self, all: Vec<T>) -> (Vec<T>, usize) {
        let total = all.len();
        (page_of(all, self.number, self.size, self.shift), total)
    }

    fn links(&self, total: usize) -> Links {
        let last = total.div_ceil(self.size).max(1);
        let joint = if self.address.ends_with('?') { "" } else { "&" };
        let link = |number: usize| format!("{}{joint}page={number}", self.address);
        let back = self.number > 1;
        let on = self.number < last;
        let pages = Pages {
            first: back.then(|| link(1)),
            prev: back.then(|| link((self.number - 1).min(last))),
            next: on.then(|| link(self.number + 1)),
            last: on.then(|| link(last)),
        };
        Links { pages: (back || on).then_some(pages) }
    }

    /// Builds a reply with a page of a list.
    pub(super) fn answer<T: Serialize>(
        &self,
        key: &'static str,
        (items, total): (Vec<T>, usize),
    ) -> Answer {
        respond(200, &List { key, items, links: self.links(total), total })
    }
}

#[derive(Serialize)]
struct Links {
    #[serde(skip_serializing_if = "Option::is_none")]
    pages: Option<Pages>,
}

#[derive(Serialize)]
struct Pages {
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<String>,
}

struct List<T> {
    key: &'static str,
    items: Vec<T>,
    links: Links,
    total: usize,
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry(self.key, &self.items)?;
        map.serialize_entry("links", &self.links)?;
        map.serialize_entry("meta", &Total { total: self.total })?;
        map.end()
    }
}

#[derive(Serialize)]
struct Total {
    total: usize,
}

/// A JSON object with this one key.
pub(super) struct Keyed<T>(pub(super) &'static str, pub(super) T);

impl<T: Serialize> Serialize for Keyed<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde::Serializer::collect_map(serializer, [(self.0, &self.1)])
    }
}

/// Builds a reply with a JSON body.
pub(super) fn respond(status: u16, body: &impl Serialize) -> Answer {
    let mut text = Vec::with_capacity(4096);
    // Serializing plain structs into memory cannot fail.
    let _ = body.serialize(&mut serde_json::Serializer::new(&mut text));
    Answer::new(status, text)
}
