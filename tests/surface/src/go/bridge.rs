//! The C between the methods of a provider and the library.

use std::collections::BTreeSet;

use super::listed;
use crate::FIRST_LINE;
use crate::model::{Given, Parameter, Verb, snake};

/// The arguments of an operation in C.
pub(super) fn declared_in_c(verb: &Verb) -> Vec<String> {
    let one = |Parameter { name, given }: &Parameter| match given {
        Given::Text => vec![format!("const char *{name}")],
        Given::Request => vec![format!("const spuff_request *{name}")],
        Given::Noun(noun) => vec![format!("const spuff_{} *{name}", snake(&noun.name))],
        Given::Labels => ["const char *const *keys", "const char *const *values", "size_t count"]
            .map(str::to_string)
            .to_vec(),
    };
    verb.parameters.iter().flat_map(one).collect()
}

/// The declaration of what Go calls for an operation, behind which `after` comes.
fn bridge_declaration(verb: &Verb, after: &str) -> String {
    let mut declared = vec!["const spuff_provider *provider".to_string()];
    declared.extend(declared_in_c(verb));
    declared.push("const spuff_cancel *cancel".to_string());
    if verb.waits() {
        declared.push("bool observed".to_string());
    }
    declared.extend(["uintptr_t call", "spuff_error **error"].map(str::to_string));
    let start = format!("spuff_code spuffgo_{}(", verb.name);
    listed(&start, &declared, &format!("){after}"), &" ".repeat(start.len()))
}

/// The kinds of results, each of which has a callback.
fn kinds(verbs: &[Verb]) -> BTreeSet<String> {
    verbs.iter().map(|verb| verb.returned.handle()).collect()
}

/// The name of the callback for a kind of results.
fn callback(kind: &str) -> String {
    if kind.is_empty() { "spuffgo_done".to_string() } else { format!("spuffgo_{kind}_done") }
}

/// The declaration of a callback, behind which `after` comes.
fn callback_declaration(kind: &str, after: &str) -> String {
    let mut declared = vec!["void *call".to_string(), "spuff_code code".to_string()];
    if !kind.is_empty() {
        declared.push(format!("spuff_{kind} *made"));
    }
    declared.push("spuff_error *error".to_string());
    let start = format!("void {}(", callback(kind));
    listed(&start, &declared, &format!("){after}"), &" ".repeat(start.len()))
}

pub(super) fn header(verbs: &[Verb], table: &[(&str, &Verb)]) -> String {
    let mut text = format!(
        "{FIRST_LINE}

/* What Go cannot say itself, for each operation of the contract. */
#ifndef SPUFF_GO_ZZ_BRIDGE_H
#define SPUFF_GO_ZZ_BRIDGE_H

#include <spuff.h>

/* Operations that call back: `call` is the number of a Go call, which is told of the outcome once,
 * and of the progress where it is observed. */
"
    );
    for verb in verbs {
        text += &bridge_declaration(verb, ";");
    }
    text += "\n/* The callbacks of these, for each kind of result. */\n";
    for kind in kinds(verbs) {
        text += &callback_declaration(&kind, ";");
    }
    text += "
/* What a provider written in Go can do beside what every one can. */
typedef struct spuffgo_abilities {
";
    for (name, verb) in table {
        if !verb.is_required() {
            text += &format!("  bool {name};\n");
        }
    }
    text + "} spuffgo_abilities;

/* Puts the functions of a provider written in Go into a table. */
void spuffgo_fill(spuff_provider_vtable *table, spuffgo_abilities abilities);

#endif
"
}

pub(super) fn file(verbs: &[Verb]) -> String {
    let mut text = format!(
        "{FIRST_LINE}

/* The library's callbacks on one side, Go's exported functions on the other. */
#include \"bridge.h\"

#include \"_cgo_export.h\"

#define CALL(number) ((void *)(number))
#define NUMBER(pointer) ((uintptr_t)(pointer))
"
    );
    for kind in kinds(verbs) {
        let made = if kind.is_empty() { "NULL" } else { "made" };
        text += &format!(
            "\n{}  spuffgoDone(NUMBER(call), code, {made}, error);\n}}\n",
            callback_declaration(&kind, " {")
        );
    }
    for verb in verbs {
        text += &format!("\n{}", bridge_declaration(verb, " {"));
        let mut passed = vec!["provider".to_string()];
        for Parameter { name, given } in &verb.parameters {
            match given {
                Given::Labels => passed.extend(["keys", "values", "count"].map(str::to_string)),
                Given::Text | Given::Request | Given::Noun(_) => passed.push(name.clone()),
            }
        }
        passed.push("cancel".to_string());
        if verb.waits() {
            text += "  spuff_observer who = spuffgo_observer(observed, call);\n";
            passed.push("&who".to_string());
        }
        passed.extend([
            callback(&verb.returned.handle()),
            "CALL(call)".to_string(),
            "error".to_string(),
        ]);
        let start = format!("  return spuff_provider_{}_submit(", verb.name);
        text += &listed(&start, &passed, ");", &" ".repeat(start.len()));
        text += "}\n";
    }
    text
}
