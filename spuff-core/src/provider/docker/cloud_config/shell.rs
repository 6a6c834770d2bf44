//! Writes the script.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

const BASE: &str = include_str!("shell/base.sh");
const ACCOUNTS: &str = include_str!("shell/accounts.sh");
const PACKAGES: &str = include_str!("shell/packages.sh");
const COMMANDS: &str = include_str!("shell/commands.sh");
/// Never occurs in base64.
const END: &str = "-----";
const LINE: usize = 76;

/// Quotes a text as one shell word; it may hold anything but NUL.
pub(in super::super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Steps in order. A step calls a function of the included parts with its arguments.
#[derive(Debug, Default)]
pub(super) struct Script {
    steps: String,
    accounts: bool,
    packages: bool,
    commands: bool,
    last: String,
}

impl Script {
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.last.is_empty()
    }

    /// Adds a step; its failure message contains `name`.
    pub(super) fn step(&mut self, name: &str, function: &str, arguments: &[&str]) {
        let line = call(name, function, arguments);
        self.steps.push_str(&format!("{line} </dev/null\n"));
    }

    /// Adds a step that reads bytes.
    pub(super) fn step_with(
        &mut self,
        name: &str,
        function: &str,
        arguments: &[&str],
        bytes: &[u8],
    ) {
        let line = call(name, function, arguments);
        let packed = BASE64_STANDARD.encode(bytes);
        self.steps.push_str(&format!("{line} <<'{END}'\n"));
        for start in (0..packed.len()).step_by(LINE) {
            self.steps.push_str(&packed[start..packed.len().min(start + LINE)]);
            self.steps.push('\n');
        }
        self.steps.push_str(&format!("{END}\n"));
    }

    pub(super) fn account_step(&mut self, name: &str, function: &str, arguments: &[&str]) {
        self.accounts = true;
        self.step(name, function, arguments);
    }

    pub(super) fn package_step(&mut self, name: &str, function: &str, arguments: &[&str]) {
        self.packages = true;
        self.step(name, function, arguments);
    }

    /// Adds commands that run in sequence in one subshell, so that a `cd` or a variable holds for
    /// later ones. `None` counts, but does nothing.
    pub(super) fn commands(&mut self, name: &str, commands: &[Option<String>]) {
        self.commands = true;
        self.steps.push_str(&format!("(\nspuff_begin {} {}\n", quote(name), commands.len()));
        for command in commands {
            if let Some(command) = command {
                self.steps.push_str(&format!("eval {}\n", quote(command)));
            }
            self.steps.push_str("spuff_next \"$?\"\n");
        }
        // Not `|| spuff_fail`, which would disable a `set -e` in the commands.
        self.steps.push_str(&format!(") </dev/null\nspuff_check {} \"$?\"\n", quote(name)));
    }

    /// Sets the final message.
    pub(super) fn say_last(&mut self, text: &str) {
        self.last = format!("printf '%s\\n' {} >&2\n", quote(text));
    }

    pub(super) fn text(&self) -> String {
        let parts = [
            (true, BASE),
            (self.accounts, ACCOUNTS),
            (self.packages, PACKAGES),
            (self.commands, COMMANDS),
        ];
        let mut text = "#!/bin/sh\n".to_string();
        for (_, part) in parts.into_iter().filter(|(needed, _)| *needed) {
            text.push_str(part);
        }
        text.push_str(&format!("\n{}{}spuff_end\n", self.steps, self.last));
        text
    }
}

fn call(name: &str, function: &str, arguments: &[&str]) -> String {
    let words: Vec<_> = arguments.iter().map(|argument| quote(argument)).collect();
    format!("spuff_try {} {function} {}", quote(name), words.join(" ")).trim_end().to_string()
}
