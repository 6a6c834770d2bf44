//! The provider that is made from a table: each operation calls its function.

use super::table::of_table;
use super::{handle, handles};
use crate::FIRST_LINE;
use crate::model::{EMPTY_WITHOUT, Given, Parameter, Returned, Thing, Verb, core_names, snake};

pub(super) fn file(verbs: &[Verb]) -> String {
    let own = || of_table(verbs).map(|(_, verb)| verb);
    let mut names = vec!["ProviderResult".to_string()];
    for name in core_names(own()) {
        let is_handle = !["InstanceRequest", "ProviderInstance"].contains(&name.as_str());
        names.push(if is_handle { format!("{name} as Core{name}") } else { name });
    }
    let mut text = format!(
        "{FIRST_LINE}

//! The operations of a provider made from a table: each calls its function.

use std::collections::HashMap;

use spuff_core::blocking::{{CancelToken, SyncProvider}};
use spuff_core::provider::{{{}}};

use super::{{Foreign, argument, there}};
use crate::boundary::c_pairs;
{}

// SAFETY of all calls below: they are the caller's functions, called as the header says, with what
// lives as long as the call.
impl SyncProvider for Foreign {{
    fn name(&self) -> &str {{
        self.name
    }}

",
        names.join(", "),
        handles(own(), true)
    );
    for (function, verb) in of_table(verbs) {
        let arguments: String = verb
            .parameters
            .iter()
            .map(|parameter| match &parameter.given {
                Given::Noun(noun) => format!("{}: &Core{}, ", parameter.name, noun.name),
                given => format!("{}: {}, ", parameter.name, given.rust()),
            })
            .collect();
        text += &format!(
            "    fn {}(&self, {arguments}cancel: &CancelToken) -> ProviderResult<{}> {{
{}    }}

",
            verb.name,
            core(&verb.returned),
            called(function, verb)
        );
    }
    text + "    fn supports_snapshots(&self) -> bool {
        self.table.0.create_snapshot.is_some()
    }
}
"
}

/// A result, where C has a type of the same name.
fn core(returned: &Returned) -> String {
    match returned.thing() {
        Some(thing @ (Thing::Price | Thing::Noun(_))) => {
            let name = thing.rust();
            returned.rust().replacen(name, &format!("Core{name}"), 1)
        }
        _ => returned.rust(),
    }
}

/// The body of an operation that calls a function of the table.
fn called(function: &str, verb: &Verb) -> String {
    let mut body = if EMPTY_WITHOUT.contains(&verb.name.as_str()) {
        format!("let Some(function) = self.table.0.{function} else {{ return Ok(Vec::new()) }};\n")
    } else {
        format!("let function = there(self.table.0.{function}, \"{function}\")?;\n")
    };
    let mut arguments = String::new();
    for Parameter { name, given } in &verb.parameters {
        match given {
            Given::Text => {
                body += &format!("let {name} = argument({name}, \"{name}\")?;\n");
                arguments += &format!("{name}.as_ptr(), ");
            }
            Given::Request => {
                body += &format!("let {name} = Request::from({name}.clone());\n");
                arguments += &format!("&raw const {name}, ");
            }
            Given::Noun(noun) => {
                body += &format!("let {name} = {}::from({name}.clone());\n", noun.name);
                arguments += &format!("&raw const {name}, ");
            }
            Given::Labels => {
                body += &format!("let {name} = c_pairs({name});\n");
                for (part, pattern) in [("keys", "(key, _)| key"), ("values", "(_, value)| value")]
                {
                    body += &format!(
                        "let {part}: Vec<_> = {name}.iter().map(|{pattern}.as_ptr()).collect();\n"
                    );
                }
                arguments += &format!("keys.as_ptr(), values.as_ptr(), {name}.len(), ");
            }
        }
    }
    let handle = handle(&verb.returned);
    let place = match &verb.returned {
        Returned::Nothing => "",
        returned if returned.is_list() => "list, ",
        _ => "out, ",
    };
    body += &format!(
        "// SAFETY: see above.
let call = |state, cancel, {place}error| unsafe {{
    function(state, {arguments}cancel, {place}error)
}};
"
    );
    let creates = verb.name.starts_with("create_");
    let made = format!("self.must_make::<{handle}>(\"{function}\", cancel, call)");
    let items = match &verb.returned {
        Returned::Nothing => return body + &format!("self.done(\"{function}\", cancel, call)\n"),
        Returned::One(Thing::Instance) if creates => {
            return body + &format!("Ok({made}.map_err(|beside| beside.of_create())?.inner)\n");
        }
        Returned::One(Thing::Noun(noun)) if creates && noun.has_id() => {
            let what = snake(&noun.name).replace('_', " ");
            return body
                + &format!(
                    "let noted = {made}
    .map_err(|beside| beside.noting(\"{what}\", |made| &made.inner.id));
Ok(noted?.inner)\n"
                );
        }
        Returned::One(_) => return body + &format!("Ok({made}?.inner)\n"),
        Returned::Maybe(_) => {
            return body
                + &format!(
                    "let found = self.made::<{handle}>(\"{function}\", cancel, call)?;
Ok(found.map(|found| found.inner))\n"
                );
        }
        Returned::List(Thing::Text) => "found.into_plain()",
        Returned::List(_) => "found.0.into_iter().map(|one| one.inner).collect()",
        Returned::Labelled(_) => "found.0.into_iter().map(|one| (one.inner, one.labels)).collect()",
    };
    body + &format!(
        "let found: {handle} = self.filled(\"{function}\", cancel, call)?;\nOk({items})\n"
    )
}
