//! C: each noun as a handle with its getters and setters, and the list of such handles.

mod getters;
mod handle;
mod makers;
mod setters;
mod types;

use std::rc::Rc;

use handle::Handle;

use super::For;
use crate::model::{singular, snake};
use crate::nouns::{Field, Kind, Noun, Shape};
use crate::{FIRST_LINE, File};

pub(crate) fn files(nouns: &[Rc<Noun>]) -> Result<Vec<File>, String> {
    let mut modules = format!(
        "{FIRST_LINE}

//! The nouns of the contract, a file each, with the functions that make and read them.

"
    );
    let mut names: Vec<_> = nouns.iter().map(|noun| snake(&noun.name)).collect();
    names.sort();
    for name in &names {
        modules += &format!("pub mod {name};\n");
    }
    let mut files = vec![File::rust("spuff-ffi/src/nouns.rs", modules)];
    for noun in nouns {
        let path = format!("spuff-ffi/src/nouns/{}.rs", snake(&noun.name));
        files.push(File::rust(&path, Handle::new(noun).file()?));
    }
    files.push(File::plain("tests/ffi/zz_nouns.h", makers::makers(nouns)));
    Ok(files)
}

/// The module of a noun's handle, from the root of the crate.
pub(crate) fn module(noun: &str) -> String {
    match noun {
        "Price" => "price".to_string(),
        noun => format!("nouns::{}", snake(noun)),
    }
}

/// What the getter of a field is called behind `spuff_<noun>_`: of a list and a map, that of one.
pub(crate) fn getter_name(field: &Field) -> String {
    let own = match field.shape {
        Shape::One | Shape::Optional => field.name.clone(),
        Shape::List | Shape::Map => singular(&field.name),
    };
    match field.kind {
        Kind::Duration | Kind::Time => format!("{own}_ms"),
        _ => own,
    }
}

/// What the setter of a field is called behind `spuff_<noun>_`.
pub(crate) fn setter_name(field: &Field) -> String {
    match field.shape {
        Shape::One | Shape::Optional => format!("set_{}", getter_name(field)),
        Shape::List | Shape::Map => format!("add_{}", getter_name(field)),
    }
}

/// Whether a value is a text in C.
pub(crate) fn is_text(kind: &Kind) -> bool {
    matches!(kind, Kind::Text | Kind::Ip | Kind::Choice(_))
}

/// Whether there must be a function that says whether a field has a value.
pub(crate) fn needs_has(field: &Field) -> bool {
    field.shape == Shape::Optional && matches!(field.kind, Kind::Bool | Kind::Number(_))
}
