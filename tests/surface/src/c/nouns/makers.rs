//! What the tests of all functions of C need to make each handle.

use std::rc::Rc;

use super::handle::Handle;
use super::setter_name;
use crate::FIRST_LINE;
use crate::model::{singular, snake};
use crate::nouns::{Kind, Noun, Shape};

/// The header that has it.
pub(super) fn makers(nouns: &[Rc<Noun>]) -> String {
    let mut text = format!(
        "{FIRST_LINE}

/* What makes each noun for the calls that robustness.py writes, and takes it in a callback. */
#ifndef SPUFF_TEST_ZZ_NOUNS_H
#define SPUFF_TEST_ZZ_NOUNS_H
"
    );
    for noun in nouns {
        text += &maker(noun);
    }
    text += "\n#endif\n";
    text
}

/// A value that a test gives, in C.
fn sample(kind: &Kind, field: &str) -> (String, String) {
    let plain = |value: &str| (String::new(), value.to_string());
    match kind {
        Kind::Text => plain(&format!("\"{field}\"")),
        Kind::Ip => plain("\"192.0.2.7\""),
        Kind::Choice(choice) => {
            let word = choice.values.first().map_or("word", |(_, word, _)| word.as_str());
            plain(&format!("\"{word}\""))
        }
        Kind::Bool => plain("true"),
        Kind::Number(_) | Kind::Duration | Kind::Time => plain("7"),
        Kind::Noun(other) => {
            let other = snake(other);
            let made = format!("    spuff_{other} *{field} = make_{other}();\n");
            (made, field.to_string())
        }
    }
}

fn maker(noun: &Noun) -> String {
    let handle = Handle::new(noun);
    let one = snake(&noun.name);
    let (mut before, mut after, mut steps) = (String::new(), String::new(), String::new());
    let mut arguments = String::new();
    for field in &handle.fields {
        let own =
            if field.shape == Shape::List { singular(&field.name) } else { field.name.clone() };
        let (made, mut value) = sample(&field.kind, &own);
        if field.name == "id" {
            value = "\"7\"".to_string();
        }
        before += &made;
        if let Kind::Noun(other) = &field.kind {
            after += &format!("    spuff_{}_free(&{value});\n", snake(other));
        }
        if noun.requires(field) {
            continue;
        }
        let values =
            if field.shape == Shape::Map { "\"key\", \"value\"".to_string() } else { value };
        let call = format!("spuff_{one}_{}(made, {values}, &error)", setter_name(field));
        steps += &format!("    worked({call}, &error,\n           \"{}\");\n", field.name);
    }
    for field in noun.required() {
        let value = if field.name == "id" {
            "\"7\"".to_string()
        } else {
            sample(&field.kind, &field.name).1
        };
        arguments += &format!("{value}, ");
    }
    let create = if noun.is_option() {
        format!("    spuff_{one} *made = spuff_{one}_new();\n    spuff_error *error = NULL;\n")
    } else {
        format!(
            "    spuff_{one} *made = NULL;\n    spuff_error *error = NULL;\n    \
             worked(spuff_{one}_new({arguments}&made, &error), &error,\n           \"{one}\");\n"
        )
    };
    let mut text = format!(
        "\nstatic spuff_{one} *make_{one}(void) {{
{before}{create}{steps}{after}    return made;\n}}\n"
    );
    text += &format!(
        "
/* What it is as JSON. */
static const char *json_of_{one}(void) {{
    static char text[4096];
    spuff_{one} *made = make_{one}();
    snprintf(text, sizeof text, \"%s\", spuff_{one}_to_json(made));
    spuff_{one}_free(&made);
    return text;
}}
"
    );
    if noun.is_returned {
        text += &format!("ON_RESULT({one})\n");
    }
    if let Some(list) = &handle.list {
        let many = snake(list);
        text += &format!(
            "
static spuff_{many} *make_{many}(void) {{
    spuff_{many} *made = spuff_{many}_new();
    spuff_{one} *one = make_{one}();
    spuff_error *error = NULL;
    worked(spuff_{many}_push(made, &one, &error), &error, \"{many}\");
    return made;
}}
ON_RESULT({many})
"
        );
    }
    text
}
