//! The table of a provider written in C.

use super::{For, declared, handle, handles};
use crate::FIRST_LINE;
use crate::check;
use crate::doc::{sections, summary, wrapped};
use crate::model::{LABELLED_SNAPSHOTS, Returned, SNAPSHOTS, Verb};

/// What a provider written in C does not have to do, and what holds then.
const WITHOUT: [(&str, &str); 3] = [
    ("wait_ready", "spuff polls `get_instance`"),
    ("create_snapshot", "there are no snapshots"),
    ("get_ssh_keys", "there are none"),
];

/// What the documentation of a function of the table says besides.
const TABLE_NOTES: [(&str, &str); 3] = [
    ("create_instance", "spuff_instance_set_adopted sets it."),
    ("set_labels", "There are `count` keys, and a value for each."),
    ("hourly_price", "spuff_price_new makes the price."),
];

/// The operations that a provider in C may have, by the names of their functions: snapshots are
/// listed by one, with their labels.
pub(super) fn of_table(verbs: &[Verb]) -> impl Iterator<Item = (&str, &Verb)> {
    let listed = verbs.iter().filter(|verb| verb.name != SNAPSHOTS);
    listed.map(|verb| match verb.name.as_str() {
        LABELLED_SNAPSHOTS => (SNAPSHOTS, verb),
        name => (name, verb),
    })
}

/// The operations of the table: those of the committed one keep their places, new ones come last.
pub(crate) fn in_order<'a>(
    verbs: &'a [Verb],
    committed: &str,
) -> Result<Vec<(&'a str, &'a Verb)>, String> {
    let before = check::functions(committed);
    let all: Vec<_> = of_table(verbs).collect();
    let mut ordered = Vec::new();
    for field in &before {
        let found = all.iter().find(|(name, _)| name == field).ok_or_else(|| {
            format!(
                "the table has {field}, and the contract does not: a function is never taken out \
                 of the table"
            )
        })?;
        ordered.push(*found);
    }
    let is_new = |(name, _): &&(&str, &Verb)| !before.contains(name);
    ordered.extend(all.iter().filter(is_new));
    Ok(ordered)
}

pub(super) fn file(verbs: &[Verb], committed: &str) -> Result<String, String> {
    let ordered = in_order(verbs, committed)?;
    let template = include_str!("../../templates/vtable.rs.in")
        .replace("@HANDLES\n", &handles(verbs.iter(), true));
    let mut text = format!("{FIRST_LINE}\n\n{template}");
    let mut empty = String::new();
    for (name, verb) in ordered {
        let returned = &verb.returned;
        let handle = handle(returned);
        let out = match returned {
            Returned::Nothing => String::new(),
            returned if returned.is_list() => format!("list: *mut {handle}, "),
            _ => format!("out: *mut *mut {handle}, "),
        };
        text += &format!(
            "{}    pub {name}: Option<unsafe extern \"C\" fn(
        self_: *mut c_void, {}cancel: *const Cancel, {out}error: *mut *mut Error,
    ) -> i32>,
",
            table_doc(name, verb)?,
            declared(verb)
        );
        empty += &format!("{name}: None,\n");
    }
    text += &format!(
        "}}

impl ProviderVtable {{
    /// A table without functions.
    pub(super) const EMPTY: Self = Self {{
        size: size_of::<Self>(),
        user_data: null_mut(),
        drop: None,
        max_user_data: 0,
        drops_labels: false,
        connect: None,
        disconnect: None,
{empty}    }};
}}
"
    );
    Ok(text)
}

/// The documentation of a function of the table.
fn table_doc(name: &str, verb: &Verb) -> Result<String, String> {
    let mut doc = summary(name, &verb.doc, &For::Table)?;
    doc.extend(sections(name, &verb.doc, &["Implementations"], &For::Table)?);
    if verb.returned.is_list() {
        doc.push("Fills the list.".to_string());
    } else if verb.returned.is_optional() {
        doc.push("Leaves *out NULL if there is none.".to_string());
    }
    doc.extend(TABLE_NOTES.iter().find(|(of, _)| *of == name).map(|(_, note)| (*note).to_string()));
    if !verb.is_required() {
        let without = WITHOUT.iter().find(|(of, _)| *of == name);
        let without = without.map_or("the operation is not supported", |(_, text)| text);
        doc.push(format!("NULL: {without}."));
    }
    Ok(wrapped(&[doc.join(" ")], "    /// ", 100))
}
