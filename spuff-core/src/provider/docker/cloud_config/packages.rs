//! `package_update`, `package_upgrade` and `packages`.

use super::read::{Fields, Item};
use super::shell::Script;
use crate::provider::error::ProviderResult;

#[derive(Debug)]
pub(super) struct Packages<'a> {
    update: bool,
    upgrade: bool,
    /// Names with their versions, which may be empty.
    install: Vec<(&'a str, &'a str)>,
}

pub(super) fn read<'a>(fields: &mut Fields<'a>) -> ProviderResult<Packages<'a>> {
    let update = fields.take_bool("package_update")?.unwrap_or_default();
    let upgrade = fields.take_bool("package_upgrade")?.unwrap_or_default();
    let install =
        fields.take("packages").map(|item| item.list("packages")).transpose()?.unwrap_or_default();
    let install = install.iter().map(package).collect::<ProviderResult<_>>()?;
    Ok(Packages { update, upgrade, install })
}

fn package<'a>(item: &Item<'a>) -> ProviderResult<(&'a str, &'a str)> {
    if let Some(managers) = item.as_map() {
        // Packages of one manager, such as `apt` or `snap`.
        let first = managers.first();
        return Err(first
            .map_or_else(|| item.wants("a name, or [name, version]"), |item| item.unsupported()));
    }
    let Some(pair) = item.as_list() else {
        return Ok((name(item)?, ""));
    };
    match pair.as_slice() {
        [package, version] if version.is_null() => Ok((name(package)?, "")),
        [package, version] => Ok((name(package)?, checked(version, version.word()?)?)),
        _ => Err(item.invalid("must be a name, or [name, version]")),
    }
}

fn name<'a>(item: &Item<'a>) -> ProviderResult<&'a str> {
    let name = checked(item, item.text()?)?;
    if name.is_empty() { Err(item.invalid("the name must not be empty")) } else { Ok(name) }
}

/// Checks that a word is no option of a package manager.
fn checked<'a>(item: &Item<'a>, word: &'a str) -> ProviderResult<&'a str> {
    if word.starts_with('-') || word.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(item.invalid("must be one package, without options and white space"));
    }
    Ok(word)
}

/// Updates the package lists once: container images come without them.
pub(super) fn write(script: &mut Script, packages: &Packages<'_>) {
    if packages.update || packages.upgrade || !packages.install.is_empty() {
        script.package_step("package_update", "spuff_update", &[]);
    }
    if packages.upgrade {
        script.package_step("package_upgrade", "spuff_upgrade", &[]);
    }
    if !packages.install.is_empty() {
        let words: Vec<_> =
            packages.install.iter().flat_map(|(name, version)| [*name, *version]).collect();
        script.package_step("packages", "spuff_packages", &words);
    }
}
