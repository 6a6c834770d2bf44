//! Converts a `#cloud-config` to a script, for instances without cloud-init.
//!
//! Each key does what cloud-init's documentation says. Refuses keys that are not supported, and
//! values that cloud-init would read as something other than written: nothing is dropped.

mod accounts;
mod commands;
mod files;
mod packages;
mod read;
mod scalar;
mod shell;
mod yaml;

#[cfg(test)]
mod tests;

use self::files::When;
use self::read::{Item, unsupported};
use self::shell::Script;
pub(super) use self::shell::quote;
use crate::provider::error::ProviderResult;

/// Returns the script of a cloud-config; `None` if it asks for nothing. The script runs once,
/// including `bootcmd`, which cloud-init repeats at each boot.
///
/// The steps follow cloud-init's stages, except the time zone, which comes after the packages since
/// container images have no zones. Members join their groups once the users exist.
pub(super) fn script(text: &str) -> ProviderResult<Option<String>> {
    let Some(root) = yaml::parse(text)? else {
        return Ok(None);
    };
    let root = Item::root(&root);
    if root.is_null() {
        return Ok(None);
    }
    let mut fields = root.map()?;
    let bootcmd =
        fields.take("bootcmd").map(|item| commands::read(&item)).transpose()?.unwrap_or_default();
    let files =
        fields.take("write_files").map(|item| files::read(&item)).transpose()?.unwrap_or_default();
    let groups =
        fields.take("groups").map(|item| accounts::groups(&item)).transpose()?.unwrap_or_default();
    let users =
        fields.take("users").map(|item| accounts::users(&item)).transpose()?.unwrap_or_default();
    let keys = fields
        .take("ssh_authorized_keys")
        .map(|item| accounts::keys(&item))
        .transpose()?
        .unwrap_or_default();
    let packages = packages::read(&mut fields)?;
    let timezone = fields.take("timezone").map(|item| timezone(&item)).transpose()?;
    let runcmd =
        fields.take("runcmd").map(|item| commands::read(&item)).transpose()?.unwrap_or_default();
    let last = fields.take("final_message").map(|item| final_message(&item)).transpose()?;
    fields.finish()?;

    let mut script = Script::default();
    commands::write(&mut script, "bootcmd", &bootcmd);
    files::write(&mut script, &files, When::Early);
    accounts::write(&mut script, &groups, &users, &keys);
    packages::write(&mut script, &packages);
    if let Some(zone) = timezone {
        script.step("timezone", "spuff_timezone", &[zone]);
    }
    files::write(&mut script, &files, When::Late);
    commands::write(&mut script, "runcmd", &runcmd);
    if let Some(text) = last {
        script.say_last(text);
    }
    Ok((!script.is_empty()).then(|| script.text()))
}

/// Reads the name of a file below `/usr/share/zoneinfo`.
fn timezone<'a>(item: &Item<'a>) -> ProviderResult<&'a str> {
    let name = item.text()?;
    let part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-+".contains(c))
    };
    if name.starts_with('-') || !name.split('/').all(part) {
        return Err(item.invalid("not a time zone; use one such as Europe/Berlin"));
    }
    Ok(name)
}

/// Refuses placeholders, which cloud-init would replace with the time and the like.
fn final_message<'a>(item: &Item<'a>) -> ProviderResult<&'a str> {
    let text = item.text()?.trim();
    if text.contains('$')
        || text.contains("{{")
        || text.contains("{%")
        || text.starts_with("## template:")
    {
        return Err(unsupported(&format!("{} with placeholders", item.path)));
    }
    Ok(text)
}
