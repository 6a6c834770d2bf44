//! For tests: changes each field of a reply in turn, as a cloud might some day.

use std::fmt::Debug;

use bytes::Bytes;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::Reply;

/// The value in place of a field; `None` if the field is removed.
pub(crate) type Written = Option<Value>;

/// All values that replace a field.
fn ways() -> Vec<Written> {
    let canary = || json!("canary-word");
    let values = [
        json!(null),
        json!(""),
        json!(" "),
        canary(),
        json!(true),
        json!(false),
        json!(0),
        json!(7),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(1e300),
        json!([]),
        json!({}),
        json!(["canary-word"]),
        json!([null]),
        json!({"canary-word": "canary-word"}),
        json!({"0": {"id": null}}),
    ];
    std::iter::once(None).chain(values.into_iter().map(Some)).collect()
}

pub(crate) fn reply(body: impl Into<Bytes>) -> Reply {
    Reply { status: 200, headers: HeaderMap::new(), body: body.into() }
}

/// Whether a list of two items has the right `count` after a change: only null or an array empties
/// it.
pub(crate) fn are_left(path: &str, written: &Written, items: &str, count: usize) -> bool {
    let left = match path.strip_prefix(items) {
        Some("") => 0,
        Some("[0]" | "[1]") if matches!(written, None | Some(Value::Null)) => 1,
        _ => 2,
    };
    let emptied = matches!(written, Some(Value::Null | Value::Array(_)));
    count == left && (path != items || emptied)
}

/// Tries each change of a reply: the value read must be right, or the error must name the field
/// without its content.
pub(crate) fn try_each<T: DeserializeOwned + Debug>(
    whole: &Value,
    is_right: impl Fn(&str, &Written, T) -> bool,
) {
    let read = |reply: &Value| self::reply(reply.to_string()).json::<T>();
    assert!(read(whole).is_ok(), "{:?}", read(whole));
    for (path, written, reply) in each(whole) {
        match read(&reply) {
            Ok(read) => {
                let told = format!("{read:?}");
                assert!(is_right(&path, &written, read), "{path} = {written:?} is read as {told}");
            }
            Err(error) => {
                let text = error.to_string();
                let key = path.rsplit('.').next().and_then(|key| key.split('[').next()).unwrap();
                // One type reads the lists of all resources.
                let is_list = !path.contains(['.', '[']) && text.contains("`list`");
                // A key that may be user data is not shown.
                let is_own = key.contains('-') && text.contains('…');
                assert!(text.contains(key) || is_list || is_own, "{path} = {written:?}: {text}");
                assert!(!text.contains("canary"), "{path} = {written:?}: {text}");
            }
        }
    }
}

/// Whether the value is absent, null or empty.
pub(crate) fn is_nothing(written: &Written) -> bool {
    let nothing =
        [json!(null), json!(""), json!([]), json!({}), json!([null]), json!(false), json!(" ")];
    written.as_ref().is_none_or(|value| nothing.contains(value))
}

/// Every reply that differs in one field: its path (such as `droplet.networks.v4[0].type`), the new
/// value, and the reply.
pub(crate) fn each(whole: &Value) -> Vec<(String, Written, Value)> {
    let mut places = Vec::new();
    find("", String::new(), whole, &mut places);
    let mut all = Vec::new();
    for (path, pointer) in places {
        for written in ways() {
            let mut reply = whole.clone();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            match (reply.pointer_mut(parent).unwrap(), &written) {
                (Value::Object(object), None) => drop(object.remove(key)),
                (Value::Array(list), None) => drop(list.remove(key.parse().unwrap())),
                (_, Some(value)) => *reply.pointer_mut(&pointer).unwrap() = value.clone(),
                _ => continue,
            }
            all.push((path.clone(), written, reply));
        }
    }
    all
}

fn find(path: &str, pointer: String, value: &Value, places: &mut Vec<(String, String)>) {
    let object = |object: &Map<String, Value>, places: &mut Vec<(String, String)>| {
        for (key, value) in object {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
            places.push((path.clone(), pointer.clone()));
            find(&path, pointer, value, places);
        }
    };
    match value {
        Value::Object(fields) => object(fields, places),
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                let path = format!("{path}[{at}]");
                let pointer = format!("{pointer}/{at}");
                places.push((path.clone(), pointer.clone()));
                find(&path, pointer, value, places);
            }
        }
        _ => {}
    }
}

/// Every XML that differs in one element, which is emptied, removed, doubled, or has another text.
pub(crate) fn each_element(whole: &str) -> Vec<(String, &'static str, String)> {
    let mut all = Vec::new();
    let mut open: Vec<(String, usize, usize)> = Vec::new();
    let mut at = 0;
    while let Some(start) = whole[at..].find('<').map(|found| at + found) {
        let end = start + whole[start..].find('>').unwrap() + 1;
        let tag = &whole[start + 1..end - 1];
        at = end;
        if let Some(name) = tag.strip_suffix('/') {
            all.extend(written(whole, name, (start, end, end, end)));
        } else if tag.starts_with('/') {
            let (name, from, content) = open.pop().unwrap();
            // A changed root makes another document.
            if !open.is_empty() {
                all.extend(written(whole, &name, (from, content, start, end)));
            }
        } else if !tag.starts_with('?') {
            open.push((tag.split_whitespace().next().unwrap().to_string(), start, end));
        }
    }
    all
}

fn written(
    whole: &str,
    name: &str,
    (from, content, closing, to): (usize, usize, usize, usize),
) -> Vec<(String, &'static str, String)> {
    let before = &whole[..from];
    let element = &whole[from..to];
    let after = &whole[to..];
    let is_text = !whole[content..closing].contains('<');
    let with = |middle: &str| format!("{before}{middle}{after}");
    let mut all = vec![
        (name.to_string(), "emptied", with(&format!("<{name}/>"))),
        (name.to_string(), "blank", with(&format!("<{name}>\n  </{name}>"))),
        (name.to_string(), "nil", with(&format!("<{name} xsi:nil=\"true\"/>"))),
        (name.to_string(), "removed", with("")),
        (name.to_string(), "doubled", with(&format!("{element}{element}"))),
        (
            name.to_string(),
            "filled",
            with(&format!("<{name}><new><item>canary-word</item></new></{name}>")),
        ),
    ];
    if is_text {
        all.extend(
            ["canary-word", "-1", "18446744073709551616", "true"]
                .map(|text| (name.to_string(), "other", with(&format!("<{name}>{text}</{name}>")))),
        );
    }
    all
}
