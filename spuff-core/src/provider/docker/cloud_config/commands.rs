//! `bootcmd` and `runcmd`.

use super::read::Item;
use super::shell::{Script, quote};
use crate::provider::error::ProviderResult;

/// Commands for the shell; `None` for one that does nothing, so that the others keep their numbers.
pub(super) type Commands = Vec<Option<String>>;

pub(super) fn read(item: &Item<'_>) -> ProviderResult<Commands> {
    item.list("commands")?.iter().map(command).collect()
}

/// A string is shell code; a list holds the words of one command.
fn command(item: &Item<'_>) -> ProviderResult<Option<String>> {
    if item.is_null() {
        return Ok(None);
    }
    let Some(words) = item.as_list() else {
        let text = item
            .as_text()
            .ok_or_else(|| item.wants("a command as a string, or as a list of its words"))?;
        item.text()?;
        return Ok((!text.trim().is_empty()).then(|| text.to_string()));
    };
    let words: Vec<_> =
        words.iter().map(|word| word.word().map(quote)).collect::<ProviderResult<_>>()?;
    Ok((!words.is_empty()).then(|| words.join(" ")))
}

pub(super) fn write(script: &mut Script, name: &str, commands: &Commands) {
    if commands.iter().any(Option::is_some) {
        script.commands(name, commands);
    }
}
