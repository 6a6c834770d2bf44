//! `groups`, `users` and `ssh_authorized_keys`.

use std::collections::HashSet;

use super::files::absolute;
use super::read::Item;
use super::shell::Script;
use crate::provider::error::ProviderResult;

/// cloud-init's name for the user of the image. In a container that is root, which exists.
const DEFAULT_USER: &str = "default";
const MAX_NAME: usize = 32;

#[derive(Debug)]
pub(super) struct Group<'a> {
    item: Item<'a>,
    name: &'a str,
    members: Vec<&'a str>,
}

/// Groups in their order, each once.
#[derive(Default)]
struct Groups<'a> {
    all: Vec<Group<'a>>,
    names: HashSet<&'a str>,
}

#[derive(Debug, Default)]
pub(super) struct User<'a> {
    path: String,
    name: &'a str,
    uid: &'a str,
    gecos: &'a str,
    homedir: &'a str,
    shell: &'a str,
    primary_group: &'a str,
    groups: Vec<&'a str>,
    system: bool,
    no_create_home: bool,
    no_user_group: bool,
    unlocked: bool,
    sudo: Vec<&'a str>,
    keys: Vec<&'a str>,
}

/// Reads comma-separated names, a list of names and maps, or a map of names to their members.
pub(super) fn groups<'a>(item: &Item<'a>) -> ProviderResult<Vec<Group<'a>>> {
    let mut groups = Groups::default();
    if item.as_text().is_some() {
        push_names(&mut groups, item)?;
    } else if let Some(items) = item.as_list() {
        for item in &items {
            match item.as_map() {
                Some(_) => push_map(&mut groups, item)?,
                None => {
                    push_group(&mut groups, item.clone(), word(item, item.text()?)?, Vec::new())?
                }
            }
        }
    } else {
        push_map(&mut groups, item)?;
    }
    Ok(groups.all)
}

fn push_names<'a>(groups: &mut Groups<'a>, item: &Item<'a>) -> ProviderResult<()> {
    names(item)?.into_iter().try_for_each(|name| push_group(groups, item.clone(), name, Vec::new()))
}

fn push_map<'a>(groups: &mut Groups<'a>, item: &Item<'a>) -> ProviderResult<()> {
    let Some(fields) = item.as_map() else {
        return Err(item.wants("names, a list of groups, or a map of groups with their members"));
    };
    for (name, members) in fields.rest() {
        let name = word(&members, name)?;
        let of = if members.is_null() { Vec::new() } else { names(&members)? };
        push_group(groups, members, name, of)?;
    }
    Ok(())
}

fn push_group<'a>(
    groups: &mut Groups<'a>,
    item: Item<'a>,
    name: &'a str,
    members: Vec<&'a str>,
) -> ProviderResult<()> {
    if !groups.names.insert(name) {
        return Err(item.invalid(&format!("the group {name} is listed twice; keep one")));
    }
    groups.all.push(Group { item, name, members });
    Ok(())
}

/// Reads comma-separated names, or a list of names.
fn names<'a>(item: &Item<'a>) -> ProviderResult<Vec<&'a str>> {
    if let Some(items) = item.as_list() {
        return items.iter().map(|item| word(item, item.text()?)).collect();
    }
    let text = item.as_text().ok_or_else(|| item.wants("names, or a list of names"))?;
    text.split(',').map(str::trim).map(|name| word(item, name)).collect()
}

/// Checks the name of a user or group: no option, and nothing that ends a field of /etc/passwd.
fn word<'a>(item: &Item<'a>, name: &'a str) -> ProviderResult<&'a str> {
    let name = name.trim();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let plain = name.strip_suffix('$').unwrap_or(name);
    if plain.starts_with(['-', '.'])
        || plain.is_empty()
        || name.len() > MAX_NAME
        || !plain.chars().all(allowed)
    {
        let wanted = format!(
            "not a name of a user or group: use up to {MAX_NAME} letters, digits, '_', '-' and '.'"
        );
        return Err(item.invalid(&wanted));
    }
    Ok(name)
}

pub(super) fn users<'a>(item: &Item<'a>) -> ProviderResult<Vec<User<'a>>> {
    let mut users = Vec::new();
    let mut names_of_users = HashSet::new();
    let mut push = |item: &Item<'a>, user: User<'a>| {
        if !names_of_users.insert(user.name) {
            return Err(item.invalid(&format!("the user {} is listed twice; keep one", user.name)));
        }
        users.push(user);
        Ok(())
    };
    let named = |item: &Item<'a>, name| User { path: item.path.clone(), name, ..User::default() };
    if item.as_text().is_some() {
        let names = names(item)?.into_iter().filter(|name| *name != DEFAULT_USER);
        names.map(|name| named(item, name)).try_for_each(|user| push(item, user))?;
        return Ok(users);
    }
    for item in &item.list("users")? {
        match item.as_text() {
            Some(DEFAULT_USER) => {}
            Some(name) => push(item, named(item, word(item, name)?))?,
            None => push(item, user(item)?)?,
        }
    }
    Ok(users)
}

fn user<'a>(item: &Item<'a>) -> ProviderResult<User<'a>> {
    let Some(fields) = item.as_map() else {
        return Err(item.wants("the name of a user, or a map"));
    };
    let mut fields = fields.loosely()?;
    let name = fields.take("name").ok_or_else(|| item.invalid("the name is missing"))?;
    if name.as_text() == Some(DEFAULT_USER) {
        return Err(
            name.invalid("the image's user is root, which cannot be changed here; name a user")
        );
    }
    let mut text =
        |key: &str, read: fn(&Item<'a>) -> ProviderResult<&'a str>| -> ProviderResult<&'a str> {
            Ok(fields.take(key).map(|item| read(&item)).transpose()?.unwrap_or_default())
        };
    let mut user = User {
        path: item.path.clone(),
        name: word(&name, name.text()?)?,
        uid: text("uid", uid)?,
        gecos: text("gecos", field)?,
        homedir: text("homedir", |item| absolute(item).and_then(|_| field(item)))?,
        shell: text("shell", |item| absolute(item).and_then(|_| field(item)))?,
        primary_group: text("primary_group", |item| word(item, item.text()?))?,
        ..User::default()
    };
    user.groups =
        fields.take("groups").map(|item| groups_of_user(&item)).transpose()?.unwrap_or_default();
    user.system = fields.take_bool("system")?.unwrap_or_default();
    user.no_create_home = fields.take_bool("no_create_home")?.unwrap_or_default();
    user.no_user_group = fields.take_bool("no_user_group")?.unwrap_or_default();
    user.unlocked = fields.take_bool("lock_passwd")?.is_some_and(|lock| !lock);
    user.sudo = fields.take("sudo").map(|item| rules(&item)).transpose()?.unwrap_or_default();
    if let Some(item) = fields.take("ssh_authorized_keys") {
        user.keys = keys(&item)?;
        if user.system || user.no_create_home {
            return Err(item.invalid(
                "a user without a home directory has no place for keys; leave system and \
                 no_create_home out",
            ));
        }
    }
    fields.finish()?;
    Ok(user)
}

fn groups_of_user<'a>(item: &Item<'a>) -> ProviderResult<Vec<&'a str>> {
    let Some(fields) = item.as_map() else {
        return names(item);
    };
    let group = |(name, item): (_, Item<'a>)| {
        if item.is_null() { word(&item, name) } else { Err(item.wants("null")) }
    };
    fields.rest().into_iter().map(group).collect()
}

fn uid<'a>(item: &Item<'a>) -> ProviderResult<&'a str> {
    let text = item.word()?;
    if text.parse::<u32>().is_err() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(item.invalid("a user id must be a whole number"));
    }
    Ok(text)
}

/// Reads a field of /etc/passwd.
fn field<'a>(item: &Item<'a>) -> ProviderResult<&'a str> {
    let text = item.line()?;
    if text.contains(':') {
        Err(item.invalid("must not contain ':', which separates fields in /etc/passwd"))
    } else {
        Ok(text)
    }
}

/// Reads one rule or several; `false` means none.
fn rules<'a>(item: &Item<'a>) -> ProviderResult<Vec<&'a str>> {
    let rule = |item: &Item<'a>| {
        let rule = item.line()?;
        if rule.trim().is_empty() {
            Err(item.invalid("the rule must not be empty; leave it out"))
        } else {
            Ok(rule)
        }
    };
    if let Some(items) = item.as_list() {
        return items.iter().map(rule).collect();
    }
    match item.boolean() {
        Ok(false) => Ok(Vec::new()),
        _ if item.as_text().is_some() => Ok(vec![rule(item)?]),
        _ => Err(item.wants("a rule such as 'ALL=(ALL) NOPASSWD:ALL', or a list of rules")),
    }
}

pub(super) fn keys<'a>(item: &Item<'a>) -> ProviderResult<Vec<&'a str>> {
    let key = |item: &Item<'a>| {
        let key = item.line()?.trim();
        if key.is_empty() { Err(item.invalid("the key must not be empty")) } else { Ok(key) }
    };
    item.list("public keys")?.iter().map(key).collect()
}

pub(super) fn write(
    script: &mut Script,
    groups: &[Group<'_>],
    users: &[User<'_>],
    root_keys: &[&str],
) {
    for group in groups {
        script.account_step(&group.item.path, "spuff_group", &[group.name]);
    }
    for user in users {
        write_user(script, user);
    }
    for group in groups.iter().filter(|group| !group.members.is_empty()) {
        let arguments: Vec<_> =
            std::iter::once(group.name).chain(group.members.iter().copied()).collect();
        script.account_step(&group.item.path, "spuff_members", &arguments);
    }
    if !root_keys.is_empty() {
        let arguments: Vec<_> = std::iter::once("root").chain(root_keys.iter().copied()).collect();
        script.account_step("ssh_authorized_keys", "spuff_keys", &arguments);
    }
}

fn write_user(script: &mut Script, user: &User<'_>) {
    let is =
        [(user.system, "system"), (user.no_create_home, "homeless"), (user.no_user_group, "alone")];
    let is: Vec<_> = is.into_iter().filter_map(|(so, word)| so.then_some(word)).collect();
    let is = is.join(" ");
    let groups = user.groups.join(",");
    let mut arguments = vec![
        user.name,
        user.uid,
        user.gecos,
        user.homedir,
        user.shell,
        user.primary_group,
        &groups,
        &is,
    ];
    arguments.extend(&user.groups);
    script.account_step(&user.path, "spuff_user", &arguments);
    let lock = if user.unlocked { "spuff_unlock" } else { "spuff_lock" };
    script.account_step(&format!("{}.lock_passwd", user.path), lock, &[user.name]);
    for (key, function, values) in
        [("sudo", "spuff_sudo", &user.sudo), ("ssh_authorized_keys", "spuff_keys", &user.keys)]
    {
        if !values.is_empty() {
            let arguments: Vec<_> =
                std::iter::once(user.name).chain(values.iter().copied()).collect();
            script.account_step(&format!("{}.{key}", user.path), function, &arguments);
        }
    }
}
