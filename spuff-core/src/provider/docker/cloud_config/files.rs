//! `write_files`.

use std::borrow::Cow;
use std::io::Read as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::read::MultiGzDecoder;

use super::read::Item;
use super::scalar::Scalar;
use super::shell::Script;
use super::yaml::Value;
use crate::provider::error::ProviderResult;

/// Limit on all files together, decoded.
const MAX_BYTES: usize = 8 * 1024 * 1024;
const DEFAULT_MODE: u32 = 0o644;
/// The script reads this as root.
const DEFAULT_OWNER: &str = "";
/// The script leaves the owner as it is.
const NO_OWNER: &str = "-";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Before users and packages exist.
    Early,
    /// After them.
    Late,
}

#[derive(Debug)]
pub(super) struct File<'a> {
    name: String,
    path: &'a str,
    content: Cow<'a, [u8]>,
    mode: u32,
    owner: String,
    append: bool,
    when: When,
}

pub(super) fn read<'a>(item: &Item<'a>) -> ProviderResult<Vec<File<'a>>> {
    let mut left = MAX_BYTES;
    let file = |item: &Item<'a>| {
        let file = read_file(item, left)?;
        left -= file.content.len();
        Ok(file)
    };
    item.list("files")?.iter().map(file).collect()
}

fn read_file<'a>(item: &Item<'a>, limit: usize) -> ProviderResult<File<'a>> {
    let mut fields = item.map()?;
    let path = fields.take("path").ok_or_else(|| item.invalid("the path is missing"))?;
    let encoding =
        fields.take("encoding").map(|item| encoding(&item)).transpose()?.unwrap_or_default();
    let content = fields
        .take("content")
        .map(|item| content(&item, encoding, limit))
        .transpose()?
        .unwrap_or_default();
    let file = File {
        name: item.path.clone(),
        path: absolute(&path)?,
        content,
        mode: fields
            .take("permissions")
            .map(|item| mode(&item))
            .transpose()?
            .unwrap_or(DEFAULT_MODE),
        owner: fields
            .take("owner")
            .map(|item| owner(&item))
            .transpose()?
            .unwrap_or_else(|| DEFAULT_OWNER.to_string()),
        append: fields.take_bool("append")?.unwrap_or_default(),
        when: if fields.take_bool("defer")?.unwrap_or_default() { When::Late } else { When::Early },
    };
    fields.finish()?;
    Ok(file)
}

pub(super) fn absolute<'a>(item: &Item<'a>) -> ProviderResult<&'a str> {
    let path = item.text()?;
    if !path.starts_with('/') {
        return Err(item.invalid("a path must begin with '/'"));
    }
    if path.ends_with('/') {
        return Err(item.invalid("a directory's path; name a file in it"));
    }
    Ok(path)
}

#[derive(Debug, Clone, Copy, Default)]
struct Encoding {
    base64: bool,
    gzip: bool,
}

fn encoding(item: &Item<'_>) -> ProviderResult<Encoding> {
    let (base64, gzip) = match item.text()?.trim().to_ascii_lowercase().as_str() {
        "" | "text/plain" => (false, false),
        "b64" | "base64" => (true, false),
        "gz" | "gzip" => (false, true),
        "gz+b64" | "gz+base64" | "gzip+b64" | "gzip+base64" => (true, true),
        _ => return Err(item.invalid("not an encoding; use text/plain, b64, gz, or gz+b64")),
    };
    Ok(Encoding { base64, gzip })
}

fn content<'a>(item: &Item<'a>, encoding: Encoding, limit: usize) -> ProviderResult<Cow<'a, [u8]>> {
    let mut bytes = match &item.node.value {
        Value::Bytes(bytes) => Cow::Borrowed(bytes.as_slice()),
        Value::Scalar(Scalar::Text, text) => Cow::Borrowed(text.as_bytes()),
        _ => return Err(item.wants("a string")),
    };
    if encoding.base64 {
        let packed: Vec<_> =
            bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let decoded = BASE64_STANDARD.decode(packed);
        bytes = Cow::Owned(decoded.map_err(|error| item.invalid(&format!("not base64: {error}")))?);
    }
    if encoding.gzip {
        let mut unpacked = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let read = MultiGzDecoder::new(bytes.as_ref()).take(most).read_to_end(&mut unpacked);
        read.map_err(|error| item.invalid(&format!("not gzip: {error}")))?;
        bytes = Cow::Owned(unpacked);
    }
    if bytes.len() > limit {
        return Err(item.invalid(&format!(
            "the files are larger than {MAX_BYTES} bytes; let the instance fetch them"
        )));
    }
    Ok(bytes)
}

/// Reads octal digits, quoted or not, as in YAML 1.1. Refuses decimal numbers: cloud-init reads
/// `644` as the mode 1204.
fn mode(item: &Item<'_>) -> ProviderResult<u32> {
    let digits = match &item.node.value {
        Value::Scalar(Scalar::Integer, text) if text.starts_with('0') => text,
        Value::Scalar(Scalar::Integer, _) => {
            return Err(item.invalid(
                "without a leading 0 this is a decimal number in YAML; write it as '0644'",
            ));
        }
        _ => item.text()?,
    };
    let digits = digits.strip_prefix("0o").unwrap_or(digits);
    let octal = digits.bytes().all(|byte| byte.is_ascii_digit());
    let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| octal && *mode <= 0o7777);
    mode.ok_or_else(|| item.invalid("permissions must be octal digits such as '0644'"))
}

/// Reads `user:group`, `user` or `:group`. `-1` and `none` leave it as it is.
fn owner(item: &Item<'_>) -> ProviderResult<String> {
    let text = item.text()?;
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    let part = |part: &str| {
        let part = part.trim();
        if part == "-1" || part.eq_ignore_ascii_case("none") {
            String::new()
        } else {
            part.to_string()
        }
    };
    let user = part(user);
    let group = part(group);
    for name in [&user, &group] {
        let allowed = |c: char| !c.is_whitespace() && !c.is_control() && c != ':';
        if name.starts_with('-') || !name.chars().all(allowed) {
            return Err(item.invalid("an owner must be user:group"));
        }
    }
    Ok(match (user.is_empty(), group.is_empty()) {
        (true, true) => NO_OWNER.to_string(),
        (false, true) => user,
        (_, false) => format!("{user}:{group}"),
    })
}

pub(super) fn write(script: &mut Script, files: &[File<'_>], when: When) {
    for file in files.iter().filter(|file| file.when == when) {
        let mode = format!("{:04o}", file.mode);
        let how = if file.append { "append" } else { "replace" };
        script.step_with(
            &file.name,
            "spuff_file",
            &[file.path, &mode, &file.owner, how],
            &file.content,
        );
    }
}
