//! Fuzz targets for DigitalOcean: the replies of each operation, tags, keys and requests.

use std::collections::{BTreeMap, HashMap};

use super::snapshot_key::SnapshotKey;
use super::wire::{
    Action, ActionReply, Droplet, DropletReply, Image, ImageReply, List, Reference, Size, SshKey,
    Tag, TagReply,
};
use super::{NAME, ProviderConfig, convert, errors, lookup};
use crate::fuzzing::checks::{
    Target, at_once, check_instance, check_refusal, check_snapshot, marked, request, text, words,
};
use crate::http::fuzzing::{read_json, read_page, refused, reply};
use crate::http::is_loopback;
use crate::provider::error::ProviderError;
use crate::provider::shared::defaults::Defaults;
use crate::provider::shared::price_list::Prices;
use crate::provider::shared::validate;

pub(crate) const TARGETS: &[Target] = &[
    Target::new("digitalocean_actions", actions),
    Target::new("digitalocean_droplets", droplets),
    Target::new("digitalocean_images", images),
    Target::new("digitalocean_keys", ssh_keys),
    Target::new("digitalocean_labels", labels),
    Target::new("digitalocean_options", options),
    Target::new("digitalocean_refusal", |input| refused(NAME, &reply(input), errors::refusal)),
    Target::new("digitalocean_request", requests),
    Target::new("digitalocean_sizes", sizes),
    Target::new("digitalocean_snapshot_key", snapshot_key),
    Target::new("digitalocean_tags", tags),
];

/// Replies of `create_instance`, `get_instance`, `list_instances`, `wait_ready`, `set_labels` and
/// `resolve`.
fn droplets(input: &[u8]) {
    let reply = reply(input);
    let one = read_json::<DropletReply>(&reply).map(|reply| reply.droplet);
    for droplet in one.into_iter().chain(read_page::<List<Droplet>>(&reply)) {
        check_instance(&convert::instance(droplet));
    }
}

/// Replies of `create_snapshot`, `list_snapshots` and `resolve_snapshot`.
fn images(input: &[u8]) {
    let reply = reply(input);
    let one = read_json::<ImageReply>(&reply).map(|reply| reply.image);
    for image in one.into_iter().chain(read_page::<List<Image>>(&reply)) {
        let _ = convert::is_managed_snapshot(&image);
        check_snapshot(&convert::labelled_snapshot(image).0);
    }
}

/// Replies about actions.
fn actions(input: &[u8]) {
    let reply = reply(input);
    let one = read_json::<ActionReply>(&reply).map(|reply| reply.action);
    for action in one.into_iter().chain(read_page::<List<Action>>(&reply)) {
        let _ = action.is_running_snapshot();
        let _ = action.started_at.map(|started| started - super::CLOCKS_APART);
    }
    let _ = reply.no_content();
}

/// Replies of `hourly_price`.
fn sizes(input: &[u8]) {
    let reply = reply(input);
    let list = convert::prices(read_page::<List<Size>>(&reply));
    let sizes: Vec<_> = list.keys().cloned().chain([String::new()]).collect();
    let prices = Prices::default();
    for size in sizes {
        let price = at_once(prices.find("nyc3", &size, || std::future::ready(Ok(list.clone()))));
        let price = price.and_then(check_refusal);
        assert!(price.is_none_or(|price| price.micros > 0 && price.currency == "USD"), "{size}");
    }
}

/// The options common to all providers; the input names one.
fn options(input: &[u8]) {
    let text = text(input);
    let [name, value] = words(&text);
    let config = ProviderConfig::default().with_option(name, value);
    match validate::known_options(&config, &[&Defaults::CLOUD]) {
        Ok(()) => drop(check_refusal(Defaults::new(&config))),
        Err(error) => assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == name),
            "{error:?}"
        ),
    }
}

/// Replies of `get_ssh_keys`, with the requested keys in a header.
fn ssh_keys(input: &[u8]) {
    let reply = reply(input);
    let known = read_page::<List<SshKey>>(&reply);
    let asked: Vec<_> = reply
        .header("asked")
        .into_iter()
        .flat_map(|asked| asked.split(',').map(str::to_string))
        .collect();
    let chosen = check_refusal(lookup::chosen(&known, &asked));
    assert!(chosen.is_none_or(|chosen| chosen.len() == asked.len()));
}

/// Replies of the tag cleanup after a destroy.
fn tags(input: &[u8]) {
    let reply = reply(input);
    let one = read_json::<TagReply>(&reply).map(|reply| reply.tag);
    for tag in one.into_iter().chain(read_page::<List<Tag>>(&reply)) {
        let _ = tag.is_on_nothing();
        if let Some((key, value)) = convert::label(&tag.name) {
            assert!(convert::tag(&key, &value).eq_ignore_ascii_case(&tag.name), "{:?}", tag.name);
        }
    }
}

/// A label survives the round trip through a tag, even if the API changes the tag's case.
fn labels(input: &[u8]) {
    let text = text(input);
    let [key, value] = words(&text);
    let Some(tags) = check_refusal(convert::tags(&BTreeMap::from([(key, value)]))) else { return };
    let label = HashMap::from([(key.to_string(), value.to_string())]);
    let shouted: Vec<_> = tags.iter().map(|tag| tag.to_ascii_uppercase()).collect();
    assert!(convert::labels(&tags) == label && convert::labels(&shouted) == label, "{tags:?}");
    let foreign: Vec<_> = text.lines().map(str::to_string).collect();
    assert!(convert::labels(&foreign).len() <= foreign.len());
}

fn snapshot_key(input: &[u8]) {
    let Some(key) = check_refusal(SnapshotKey::read(&text(input))) else { return };
    assert_eq!(SnapshotKey::read(&key.to_string()).ok().as_ref(), Some(&key));
    assert!(key.begun - super::SKEW < key.begun);
}

fn requests(input: &[u8]) {
    let request = request(input);
    let _ = (Reference::parse(&request.size), is_loopback(&request.region));
    let Some(request) = marked(&request) else { return };
    if check_refusal(convert::check_request(&request)).is_some() {
        let worded = check_refusal(convert::create_droplet(&request, Vec::new()))
            .map(|worded| serde_json::to_vec(&worded));
        assert!(matches!(worded, Some(Ok(_))), "a request that was checked cannot be worded");
    }
}
