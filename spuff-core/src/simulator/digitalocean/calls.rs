//! Parses a request into a call: by its method and path, and if one path has several uses, by its
//! query and body.
//!
//! Only this module knows the paths.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::super::backend::Asked;
use super::super::route::Route;
use super::problem::Problem;

/// A simulated API call. Names in paths are decoded and otherwise unchanged.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call<'a> {
    Account,
    Regions,
    Sizes,
    Keys,
    CreateKey,
    Key(Text<'a>),
    UpdateKey(Text<'a>),
    DeleteKey(Text<'a>),
    Droplets,
    CreateDroplets,
    DestroyTagged,
    Droplet(Text<'a>),
    DestroyDroplet(Text<'a>),
    DropletSnapshots(Text<'a>),
    DropletActions(Text<'a>),
    Act(Text<'a>),
    ActOnTagged,
    DropletAction(Text<'a>, Text<'a>),
    Leftovers(Text<'a>),
    Neighbors(Text<'a>),
    /// A list of a droplet that is always empty, under this key.
    NoneOf(Text<'a>, &'static str),
    Actions,
    Action(Text<'a>),
    Images,
    Image(Text<'a>),
    ImageActions(Text<'a>),
    UpdateImage(Text<'a>),
    DeleteImage(Text<'a>),
    Snapshots,
    Snapshot(Text<'a>),
    DeleteSnapshot(Text<'a>),
    Tags,
    CreateTag,
    Tag(Text<'a>),
    DeleteTag(Text<'a>),
    TagResources(Text<'a>),
    UntagResources(Text<'a>),
    /// A list of resources that are not simulated, always empty, under this key.
    NoneAtAll(&'static str),
}

type Text<'a> = Cow<'a, str>;

impl<'a> Call<'a> {
    pub(super) fn of(asked: &Asked<'a>) -> Option<Self> {
        let parts: Vec<&'a str> = asked.parts("/v2");
        let text = |part: &'a str| percent_decode_str(part).decode_utf8_lossy();
        let get = Method::GET;
        let post = Method::POST;
        let put = Method::PUT;
        let delete = Method::DELETE;
        let is = |method: &Method| asked.method == method;
        Some(match parts.as_slice() {
            ["account"] if is(&get) => Self::Account,
            ["regions"] if is(&get) => Self::Regions,
            ["sizes"] if is(&get) => Self::Sizes,
            ["account", "keys"] if is(&get) => Self::Keys,
            ["account", "keys"] if is(&post) => Self::CreateKey,
            ["account", "keys", key] if is(&get) => Self::Key(text(key)),
            ["account", "keys", key] if is(&put) => Self::UpdateKey(text(key)),
            ["account", "keys", key] if is(&delete) => Self::DeleteKey(text(key)),
            ["droplets"] if is(&get) => Self::Droplets,
            ["droplets"] if is(&post) => Self::CreateDroplets,
            ["droplets"] if is(&delete) => Self::DestroyTagged,
            ["droplets", "actions"] if is(&post) => Self::ActOnTagged,
            ["droplets", id] if is(&get) => Self::Droplet(text(id)),
            ["droplets", id] if is(&delete) => Self::DestroyDroplet(text(id)),
            ["droplets", id, "snapshots"] if is(&get) => Self::DropletSnapshots(text(id)),
            ["droplets", id, "actions"] if is(&get) => Self::DropletActions(text(id)),
            ["droplets", id, "actions"] if is(&post) => Self::Act(text(id)),
            ["droplets", id, "actions", action] if is(&get) => {
                Self::DropletAction(text(id), text(action))
            }
            ["droplets", id, "destroy_with_associated_resources"] if is(&get) => {
                Self::Leftovers(text(id))
            }
            ["droplets", id, "neighbors"] if is(&get) => Self::Neighbors(text(id)),
            ["droplets", id, "backups"] if is(&get) => Self::NoneOf(text(id), "backups"),
            ["droplets", id, "kernels"] if is(&get) => Self::NoneOf(text(id), "kernels"),
            ["droplets", id, "firewalls"] if is(&get) => Self::NoneOf(text(id), "firewalls"),
            ["actions"] if is(&get) => Self::Actions,
            ["actions", id] if is(&get) => Self::Action(text(id)),
            ["images"] if is(&get) => Self::Images,
            ["images", id] if is(&get) => Self::Image(text(id)),
            ["images", id] if is(&put) => Self::UpdateImage(text(id)),
            ["images", id] if is(&delete) => Self::DeleteImage(text(id)),
            ["images", id, "actions"] if is(&get) => Self::ImageActions(text(id)),
            ["snapshots"] if is(&get) => Self::Snapshots,
            ["snapshots", id] if is(&get) => Self::Snapshot(text(id)),
            ["snapshots", id] if is(&delete) => Self::DeleteSnapshot(text(id)),
            ["tags"] if is(&get) => Self::Tags,
            ["tags"] if is(&post) => Self::CreateTag,
            ["tags", name] if is(&get) => Self::Tag(text(name)),
            ["tags", name] if is(&delete) => Self::DeleteTag(text(name)),
            ["tags", name, "resources"] if is(&post) => Self::TagResources(text(name)),
            ["tags", name, "resources"] if is(&delete) => Self::UntagResources(text(name)),
            ["volumes"] if is(&get) => Self::NoneAtAll("volumes"),
            ["firewalls"] if is(&get) => Self::NoneAtAll("firewalls"),
            ["floating_ips"] if is(&get) => Self::NoneAtAll("floating_ips"),
            ["reserved_ips"] if is(&get) => Self::NoneAtAll("reserved_ips"),
            _ => return None,
        })
    }

    /// `is_own`: whether the image of an id belongs to the account.
    pub(super) fn route(&self, asked: &Asked<'_>, is_own: impl Fn(&str) -> bool) -> Route {
        match self {
            Self::CreateDroplets => Route::CreateInstance,
            Self::Droplet(_) => Route::GetInstance,
            Self::Droplets => Route::ListInstances,
            Self::DestroyDroplet(_) | Self::DestroyTagged => Route::DestroyInstance,
            Self::Act(_) | Self::ActOnTagged => {
                match body(asked).ok().as_ref().and_then(|body| body.get("type")?.as_str()) {
                    Some("snapshot") => Route::CreateSnapshot,
                    Some("rename") => Route::UpdateInstance,
                    Some("power_on" | "power_off" | "shutdown" | "reboot" | "power_cycle") => {
                        Route::PowerInstance
                    }
                    _ => Route::Other,
                }
            }
            Self::TagResources(_) | Self::UntagResources(_) => {
                let kind = body(asked).ok().and_then(|body| {
                    Some(body.get("resources")?.get(0)?.get("resource_type")?.to_string())
                });
                match kind.as_deref() {
                    Some(r#""image""#) => Route::UpdateSnapshot,
                    Some(r#""droplet""#) => Route::UpdateInstance,
                    _ => Route::Other,
                }
            }
            Self::DropletActions(_) | Self::DropletAction(..) | Self::Actions | Self::Action(_) => {
                Route::GetAction
            }
            Self::DropletSnapshots(_) | Self::Snapshots => Route::ListSnapshots,
            Self::Images
                if asked.param("private").is_some() || asked.param("tag_name").is_some() =>
            {
                Route::ListSnapshots
            }
            Self::Snapshot(_) => Route::GetSnapshot,
            Self::Image(id) if is_own(id) => Route::GetSnapshot,
            Self::UpdateImage(_) => Route::UpdateSnapshot,
            Self::DeleteImage(_) | Self::DeleteSnapshot(_) => Route::DeleteSnapshot,
            Self::Keys | Self::Key(_) => Route::SshKeys,
            Self::Regions | Self::Sizes | Self::Images | Self::Image(_) => Route::Catalogue,
            _ => Route::Other,
        }
    }

    /// Whether the tag service answers it, which formats some refusals differently.
    pub(super) fn is_for_tags(&self) -> bool {
        matches!(
            self,
            Self::Tags
                | Self::CreateTag
                | Self::Tag(_)
                | Self::DeleteTag(_)
                | Self::TagResources(_)
                | Self::UntagResources(_)
        )
    }
}

/// Parses the request's body, which must be a JSON object.
pub(super) fn body(asked: &Asked<'_>) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_slice(asked.body) {
        Ok(Value::Object(body)) => Ok(body),
        Ok(_) => Err(Problem::malformed("the body is no object")),
        Err(error) => Err(Problem::malformed(error.to_string())),
    }
}

/// Returns a string field; `None` if it is null or absent.
pub(super) fn text<'a>(
    body: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, Problem> {
    field(body, name, "string", Value::as_str)
}

/// Returns a boolean field; `None` if it is null or absent.
pub(super) fn flag(body: &Map<String, Value>, name: &str) -> Result<Option<bool>, Problem> {
    field(body, name, "boolean", Value::as_bool)
}

/// Returns the items of a list field; empty if it is null or absent.
pub(super) fn list<'a>(body: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], Problem> {
    field(body, name, "array", |value| value.as_array().map(Vec::as_slice))
        .map(Option::unwrap_or_default)
}

fn field<'a, T>(
    body: &'a Map<String, Value>,
    name: &str,
    kind: &str,
    read: impl Fn(&'a Value) -> Option<T>,
) -> Result<Option<T>, Problem> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(value)
            .map(Some)
            .ok_or_else(|| Problem::malformed(format!("{name} has to be of type {kind}"))),
    }
}
