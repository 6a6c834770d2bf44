//! The functions that read the fields of a handle.

use super::handle::Handle;
use super::types::{c_type, missing, nothing, part_pointer, told, unit, with_article};
use super::{getter_name, needs_has};
use crate::model::singular;
use crate::nouns::{Field, Kind, Shape};

impl Handle<'_> {
    /// The functions that read a field.
    pub(super) fn getters(&mut self, field: &Field) -> Result<(), String> {
        let (snake, name) = (self.snake.clone(), self.noun.name.clone());
        let mut doc = self.doc(&format!("{name}::{}", field.name), &field.doc)?;
        let own = getter_name(field);
        let this = format!("{snake}: *const {name}");
        let place = format!("optional({snake})?.{}", self.place(field));
        match field.shape {
            Shape::Map => {
                let one = with_article(&singular(&field.name));
                self.count(field, doc);
                for (part, at, doc) in [
                    (
                        "key",
                        "(key, _)| key",
                        format!("The key of {one}, in the order of the keys."),
                    ),
                    ("value", "(_, value)| value", format!("The value of {one}.")),
                ] {
                    let doc = [format!("{doc} NULL past the end.")];
                    let signature = format!("{own}_{part}({this}, index: usize) -> *const c_char");
                    let body = format!(
                        "field({snake}, |parts| parts.{}.get(index).map(|{at}), |text| \
                         text.as_ptr())\n",
                        field.name
                    );
                    self.export(&doc, &signature, &body);
                }
            }
            Shape::List => {
                self.count(field, doc);
                let doc = [format!(
                    "One of them.{} {} past the end.",
                    unit(&field.kind),
                    nothing(&field.kind)
                )];
                let signature = format!("{own}({this}, index: usize) -> {}", c_type(&field.kind));
                let body = match part_pointer(&field.kind) {
                    Some(give) => {
                        format!("field({snake}, |parts| parts.{}.get(index), {give})\n", field.name)
                    }
                    None => format!(
                        "getter({}, || {})\n",
                        missing(&field.kind),
                        told(&field.kind, &format!("{place}.get(index)?"), true)
                    ),
                };
                self.export(&doc, &signature, &body);
            }
            Shape::One | Shape::Optional => {
                let optional_value = field.shape == Shape::Optional;
                if let (Some(last), true) = (doc.last_mut(), optional_value) {
                    *last += &match &field.kind {
                        Kind::Bool | Kind::Number(_) => format!(
                            " {} if there is none: spuff_{snake}_has_{own} says whether there is.",
                            nothing(&field.kind)
                        ),
                        kind => format!("{} {} if there is none.", unit(kind), nothing(kind)),
                    };
                } else if let Some(last) = doc.last_mut() {
                    *last += unit(&field.kind);
                }
                let signature = format!("{own}({this}) -> {}", c_type(&field.kind));
                let body = match part_pointer(&field.kind) {
                    Some(give) => {
                        let value = if optional_value {
                            format!("parts.{}.as_ref()", field.name)
                        } else {
                            format!("Some(&parts.{})", field.name)
                        };
                        format!("field({snake}, |parts| {value}, {give})\n")
                    }
                    None => {
                        let value =
                            if optional_value { format!("{place}?") } else { place.clone() };
                        format!(
                            "getter({}, || {})\n",
                            missing(&field.kind),
                            told(&field.kind, &value, false)
                        )
                    }
                };
                self.export(&doc, &signature, &body);
                if needs_has(field) {
                    let doc = [format!("Whether there is a value for spuff_{snake}_{own}.")];
                    let signature = format!("has_{own}({this}) -> bool");
                    let body = format!("getter(false, || Some({place}.is_some()))\n");
                    self.export(&doc, &signature, &body);
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, field: &Field, mut doc: Vec<String>) {
        let (snake, name) = (self.snake.clone(), self.noun.name.clone());
        if let Some(last) = doc.last_mut() {
            *last += " Here how many there are; 0 for NULL.";
        }
        let signature = format!("{}_count({snake}: *const {name}) -> usize", getter_name(field));
        let body = format!("getter(0, || Some(optional({snake})?.{}.len()))\n", self.place(field));
        self.export(&doc, &signature, &body);
    }
}
