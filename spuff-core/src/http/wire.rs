//! Liberal reading of the clouds' replies, for all wire types: null, empty or absent, numbers as
//! text and text as numbers. A value without a meaning in its place is an error, or none if the
//! type has that; never a guess.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::time;
use crate::provider::InstanceStatus;

/// Below this, every whole number is exact in double precision.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// The key of an XML element's text, and the prefix of its attributes' keys.
const TEXT: &str = "$text";
const ATTRIBUTE: char = '@';

/// A type whose value may be null, empty or, with `#[serde(default)]`, absent; it then reads as
/// empty.
pub(crate) trait Liberal<'de>: Sized {
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// A value that may be null, empty or, with `#[serde(default)]`, absent.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Liberal<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    T::read(deserializer)
}

/// Reads the items of a list. An empty list may be null; any other value is an error.
pub(crate) fn items<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(ListVisitor { may_be_empty_text: false, items: PhantomData })
}

/// Reads an id that may be a number or text. An empty one is an error.
pub(crate) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let given = Scalar::deserialize(deserializer)?;
    match given.count() {
        Some(number) => Ok(number.to_string()),
        None if matches!(&given, Scalar::Text(text) if !text.trim().is_empty()) => {
            Ok(given.text()?.trim().to_string())
        }
        None => Err(D::Error::custom("no id")),
    }
}

/// Reads a numeric id, which may be written as text.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Scalar::deserialize(deserializer)?.count().ok_or_else(|| D::Error::custom("no number"))
}

/// Reads a time in any spelling that a cloud has used; `None` if it is not one.
pub(crate) fn time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    Ok(match Scalar::deserialize(deserializer)? {
        Scalar::Text(text) => time::read(&text),
        Scalar::Whole(number) => time::of_number(number as f64),
        Scalar::Number(number) => time::of_number(number),
        _ => None,
    })
}

/// Parses text, such as an address; `None` if that fails.
pub(crate) fn parsed<'de, D: Deserializer<'de>, T: FromStr>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let text = Scalar::deserialize(deserializer)?.text::<D::Error>();
    Ok(text.ok().and_then(|text| text.trim().parse().ok()))
}

/// Reads a cloud's word for a state.
pub(crate) fn status<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<InstanceStatus, D::Error> {
    Ok(word(&Scalar::deserialize(deserializer)?.text::<D::Error>().unwrap_or_default()))
}

/// Reads a word in lower case, because its case has no meaning.
pub(crate) fn lower<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Scalar::deserialize(deserializer)?.text::<D::Error>()?.trim().to_ascii_lowercase())
}

/// The state if a reply states none.
pub(crate) fn no_status() -> InstanceStatus {
    InstanceStatus::Unknown("unknown".to_string())
}

/// Parses a cloud's word for a state, in lower or upper case.
pub(crate) fn word(word: &str) -> InstanceStatus {
    let word = word.trim();
    if word.is_empty() {
        return no_status();
    }
    match InstanceStatus::from_word(word) {
        InstanceStatus::Unknown(_) => match InstanceStatus::from_word(&word.to_ascii_lowercase()) {
            InstanceStatus::Unknown(_) => InstanceStatus::Unknown(word.to_string()),
            known => known,
        },
        known => known,
    }
}

/// The value in a scalar's place.
enum Scalar<'de> {
    Nothing,
    Text(Cow<'de, str>),
    Whole(i128),
    Number(f64),
    Flag(bool),
    /// A list or an object that is not empty.
    Many,
}

impl<'de> Scalar<'de> {
    /// As text, which is empty for [`Nothing`](Self::Nothing).
    fn text<E: Error>(self) -> Result<Cow<'de, str>, E> {
        Ok(match self {
            Self::Nothing => Cow::Borrowed(""),
            Self::Text(text) => text,
            Self::Whole(number) => number.to_string().into(),
            Self::Number(number) => number.to_string().into(),
            Self::Flag(flag) => flag.to_string().into(),
            Self::Many => return Err(E::custom("expected a string, found a list or an object")),
        })
    }

    /// As a whole number, at least zero.
    fn count(&self) -> Option<u64> {
        match self {
            Self::Whole(number) => u64::try_from(*number).ok(),
            Self::Text(text) => text
                .trim()
                .parse()
                .ok()
                .filter(|_| text.trim().bytes().all(|byte| byte.is_ascii_digit())),
            Self::Number(number) if (0.0..EXACT).contains(number) && number.fract() == 0.0 => {
                Some(*number as u64)
            }
            _ => None,
        }
    }

    fn is_nothing(&self) -> bool {
        match self {
            Self::Nothing | Self::Flag(false) => true,
            Self::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Nothing)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Whole(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Whole(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(text.to_string().into()))
    }

    /// Borrows the text: a long list has thousands, and none of them is copied.
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar<'de>, A::Error> {
        let mut found = Scalar::Nothing;
        while list.next_element::<IgnoredAny>()?.is_some() {
            found = Scalar::Many;
        }
        Ok(found)
    }

    /// An element of XML is an object with a text.
    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Scalar<'de>, A::Error> {
        let mut found = Scalar::Nothing;
        while let Some(key) = object.next_key::<String>()? {
            if key == TEXT {
                found = object.next_value()?;
            } else {
                object.next_value::<IgnoredAny>()?;
                if !key.starts_with(ATTRIBUTE) {
                    found = Scalar::Many;
                }
            }
        }
        Ok(found)
    }
}

impl<'de> Liberal<'de> for String {
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Scalar::deserialize(deserializer)?.text()?.into_owned())
    }
}

impl<'de> Liberal<'de> for Option<String> {
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Scalar::deserialize(deserializer)?;
        if given.is_nothing() { Ok(None) } else { given.text().map(|text| Some(text.into_owned())) }
    }
}

impl<'de> Liberal<'de> for Option<u64> {
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Scalar::deserialize(deserializer)?;
        if given.is_nothing() {
            return Ok(None);
        }
        given.count().map(Some).ok_or_else(|| D::Error::custom("no number"))
    }
}

impl<'de> Liberal<'de> for bool {
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Scalar::deserialize(deserializer)?;
        if given.is_nothing() {
            return Ok(false);
        }
        match given.text::<D::Error>()?.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(D::Error::custom("expected true or false")),
        }
    }
}

/// A number; zero if it cannot be read, which is not a price.
impl<'de> Liberal<'de> for f64 {
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Scalar::deserialize(deserializer)? {
            Scalar::Number(number) => number,
            given => given
                .text::<D::Error>()
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or_default(),
        })
    }
}

impl<'de, T: Deserialize<'de>> Liberal<'de> for Vec<T> {
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor { may_be_empty_text: true, items: PhantomData })
    }
}

struct ListVisitor<T> {
    may_be_empty_text: bool,
    items: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
        if text.is_empty() && self.may_be_empty_text {
            Ok(Vec::new())
        } else {
            Err(E::custom("expected a list, found a string"))
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Vec<T>, A::Error> {
        match object.next_key::<IgnoredAny>()? {
            None if self.may_be_empty_text => Ok(Vec::new()),
            _ => Err(A::Error::custom("expected a list, found an object")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(Item(item)) = list.next_element()? {
            items.extend(item);
        }
        Ok(items)
    }
}

/// An item of a list; null is none. It rejects a list, which a derived type would read as its
/// fields in order.
struct Item<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor(PhantomData))
    }
}

/// Reads the one resource of a reply; null is an error.
pub(crate) fn thing<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let Item(thing) = Item::deserialize(deserializer)?;
    thing.ok_or_else(|| D::Error::custom("expected an object, found null"))
}

struct ItemVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ItemVisitor<T> {
    type Value = Item<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a string")
    }

    fn visit_unit<E>(self) -> Result<Item<T>, E> {
        Ok(Item(None))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Item<T>, E> {
        T::deserialize(text.into_deserializer()).map(|item| Item(Some(item)))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Item<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|item| Item(Some(item)))
    }
}

/// Labels and similar maps. An empty one may be written as an empty list.
impl<'de> Liberal<'de> for HashMap<String, String> {
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value(String);

        impl<'de> Deserialize<'de> for Value {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::read(deserializer).map(Self)
            }
        }

        let read = object::<D, HashMap<String, Value>>(deserializer, |_| None)?;
        Ok(read.into_iter().map(|(key, Value(value))| (key, value)).collect())
    }
}

/// Reads an object, which may be null or empty. `named` reads one that is written as text.
pub(crate) fn object<'de, D, T>(
    deserializer: D,
    named: fn(&str) -> Option<T>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    deserializer.deserialize_any(ObjectVisitor { named })
}

struct ObjectVisitor<T> {
    named: fn(&str) -> Option<T>,
}

impl<'de, T: Default + Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        if text.trim().is_empty() {
            return Ok(T::default());
        }
        (self.named)(text).ok_or_else(|| E::custom("expected an object, found a string"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<T, A::Error> {
        match list.next_element::<IgnoredAny>()? {
            None => Ok(T::default()),
            Some(_) => Err(A::Error::custom("expected an object, found a list")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object))
    }
}

/// Implements [`Liberal`] for object types; with a function, also for a text in their place.
macro_rules! objects {
    ($($of:ty $(: $named:expr)?),* $(,)?) => {
        $(impl<'de> $crate::http::wire::Liberal<'de> for $of {
            fn read<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[allow(unused_mut, unused_assignments, reason = "where it has no such text")]
                let mut named: fn(&str) -> Option<Self> = |_| None;
                $(named = $named;)?
                $crate::http::wire::object(deserializer, named)
            }
        })*
    };
}
pub(crate) use objects;

#[cfg(test)]
mod tests;
