//! XML in EC2's format: elements without attributes, and sets of `item`s.
//!
//! The output is well-formed for any input text.

use std::fmt::{Display, Write};

use chrono::{Datelike, Timelike};

use super::super::clock::Moment;

/// The namespace of STS.
pub(super) const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// A document under construction.
#[derive(Debug)]
pub(super) struct Xml(String);

impl Xml {
    /// Starts a document with this root, which [`finish`](Self::finish) closes.
    pub(super) fn root(name: &str, namespace: &str) -> Self {
        let mut text = String::with_capacity(4096);
        text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<");
        text.push_str(name);
        if !namespace.is_empty() {
            text.push_str(" xmlns=\"");
            text.push_str(namespace);
            text.push('"');
        }
        text.push('>');
        Self(text)
    }

    pub(super) fn finish(mut self, name: &str) -> Vec<u8> {
        self.close(name);
        self.0.into_bytes()
    }

    fn open(&mut self, name: &str) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
    }

    fn close(&mut self, name: &str) {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// Writes an element with child elements.
    pub(super) fn within(&mut self, name: &str, inner: impl FnOnce(&mut Self)) {
        self.open(name);
        inner(self);
        self.close(name);
    }

    /// Writes an element with escaped text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.open(name);
        escape(&mut self.0, text);
        self.close(name);
    }

    /// Writes an element with escaped text, if there is one.
    pub(super) fn maybe(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// Writes an element with a number, an address, or another value that needs no escaping.
    pub(super) fn value(&mut self, name: &str, value: impl Display) {
        self.open(name);
        // Writing into a string cannot fail.
        let _ = write!(self.0, "{value}");
        self.close(name);
    }

    pub(super) fn flag(&mut self, name: &str, flag: bool) {
        self.text(name, if flag { "true" } else { "false" });
    }

    /// Writes a time in whole seconds, as EC2 does.
    pub(super) fn time(&mut self, name: &str, time: Moment) {
        self.open(name);
        let parts = [
            (time.year().unsigned_abs(), 4, '-'),
            (time.month(), 2, '-'),
            (time.day(), 2, 'T'),
            (time.hour(), 2, ':'),
            (time.minute(), 2, ':'),
            (time.second(), 2, '.'),
        ];
        for (number, width, after) in parts {
            for place in (0..width).rev() {
                let digit = number / 10_u32.pow(place) % 10;
                self.0.push(char::from_digit(digit, 10).unwrap_or('0'));
            }
            self.0.push(after);
        }
        self.0.push_str("000Z");
        self.close(name);
    }

    /// Writes a set: one `item` for each.
    pub(super) fn set<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut item: impl FnMut(&mut Self, T),
    ) {
        self.open(name);
        for one in items {
            self.open("item");
            item(self, one);
            self.close("item");
        }
        self.close(name);
    }

    /// Writes a set of texts.
    pub(super) fn texts<'t>(&mut self, name: &str, items: impl IntoIterator<Item = &'t str>) {
        self.set(name, items, |xml, text| escape(&mut xml.0, text));
    }

    /// Writes a set of tags.
    pub(super) fn tags<'t>(
        &mut self,
        name: &str,
        tags: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) {
        self.set(name, tags, |xml, (key, value)| {
            xml.text("key", key);
            xml.text("value", value);
        });
    }
}

/// Escapes text; characters that XML cannot represent become a question mark.
fn escape(out: &mut String, text: &str) {
    let plain =
        |byte: u8| (b' '..0x7f).contains(&byte) && !matches!(byte, b'<' | b'>' | b'&' | b'"');
    if text.bytes().all(plain) {
        out.push_str(text);
        return;
    }
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\t' => out.push_str("&#9;"),
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => out.push('?'),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_written_is_well_formed() {
        let mut xml = Xml::root("R", "http://x/");
        xml.text("a", "<b>&\"\u{1}\n ü \u{ffff}");
        xml.within("c", |xml| xml.flag("d", true));
        xml.tags("tagSet", [("k", ""), ("l", "m")]);
        xml.texts("none", []);
        let time = "2026-01-05T09:07:03.999Z".parse().unwrap();
        xml.time("t", time);
        xml.maybe("absent", None);
        let text = String::from_utf8(xml.finish("R")).unwrap();
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<R \
         xmlns=\"http://x/\"><a>&lt;b&gt;&amp;&quot;?&#10; ü ?</a>\
            <c><d>true</d></c><tagSet><item><key>k</key><value></value></item>\
            <item><key>l</key><value>m</value></item></tagSet>\
            <none></none><t>2026-01-05T09:07:03.000Z</t></R>";
        assert_eq!(text, expected);
    }
}
