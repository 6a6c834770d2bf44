//! Fuzz targets for Hetzner: the replies of each operation, labels and requests.

use serde_json::Value;

use super::wire::{
    Action, ActionReply, CreateImageReply, CreateServerReply, Image, ImageReply, LabelsReply, List,
    PricingReply, Server, ServerReply, ServerType, SshKey,
};
use super::{NAME, convert, errors};
use crate::fuzzing::checks::{
    Target, at_once, check_error, check_instance, check_refusal, check_snapshot, marked, request,
    text, words,
};
use crate::http::fuzzing::{discreet, read_json, read_page, refused, reply};
use crate::provider::shared::price_list::Prices;

pub(crate) const TARGETS: &[Target] = &[
    Target::new("hetzner_actions", actions),
    Target::new("hetzner_catalog", catalog),
    Target::new("hetzner_images", images),
    Target::new("hetzner_labels", labels),
    Target::new("hetzner_pricing", pricing),
    Target::new("hetzner_refusal", |input| refused(NAME, &reply(input), errors::refusal)),
    Target::new("hetzner_request", requests),
    Target::new("hetzner_servers", servers),
];

/// Replies of `create_instance`, `get_instance`, `list_instances`, `wait_ready`, `set_labels` and
/// `resolve`.
fn servers(input: &[u8]) {
    let reply = reply(input);
    let made = read_json::<CreateServerReply>(&reply).map(|reply| {
        let _ = (reply.action.map(|action| action.id), reply.next_actions.len());
        reply.server
    });
    let one = read_json::<ServerReply>(&reply).map(|reply| reply.server);
    for server in made.into_iter().chain(one).chain(read_page::<List<Server>>(&reply)) {
        let _ = server.locked;
        let instance = convert::instance(server);
        let _ = instance.status.is_ending();
        check_instance(&instance);
    }
    let _ = read_json::<LabelsReply>(&reply).map(|reply| (reply.server.id, reply.server.labels));
}

/// Replies of `create_snapshot`, `list_snapshots` and `resolve_snapshot`.
fn images(input: &[u8]) {
    let reply = reply(input);
    let made = read_json::<CreateImageReply>(&reply).map(|reply| reply.image);
    let one = read_json::<ImageReply>(&reply).map(|reply| reply.image);
    for image in made.into_iter().chain(one).chain(read_page::<List<Image>>(&reply)) {
        let _ = convert::is_managed_snapshot(&image);
        check_snapshot(&convert::labelled_snapshot(image).0);
    }
}

/// Replies about actions, including those of `destroy_instance`.
fn actions(input: &[u8]) {
    let reply = reply(input);
    let one = read_json::<ActionReply>(&reply).map(|reply| reply.action);
    let all: Vec<Action> = one.into_iter().chain(read_page::<List<Action>>(&reply)).collect();
    let ids: Vec<_> = all.iter().map(|action| action.id).collect();
    let is_whole = matches!(convert::progress(&ids, &all), convert::Progress::Success);
    assert!(!is_whole || all.iter().all(|action| action.status == "success"), "{all:?}");
    for action in &all {
        check_error(&discreet(errors::failed("42", action, "")));
    }
    let _ = reply.no_content();
}

/// Replies to the look-ups of a create.
fn catalog(input: &[u8]) {
    let reply = reply(input);
    for found in read_page::<List<ServerType>>(&reply) {
        let _ = (found.name, found.architecture);
    }
    for key in read_page::<List<SshKey>>(&reply) {
        assert_eq!(convert::ssh_key(&key.id.to_string()), Value::from(key.id));
        let _ = (convert::ssh_key(&key.name), convert::is_fingerprint(&key.fingerprint));
    }
}

/// Replies of `hourly_price`.
fn pricing(input: &[u8]) {
    let Some(read) = read_json::<PricingReply>(&reply(input)) else { return };
    let list = convert::prices(read.pricing);
    let sizes: Vec<_> = list.keys().cloned().collect();
    let prices = Prices::default();
    for (size, region) in sizes.iter().flat_map(|size| ["", "fsn1"].map(|region| (size, region))) {
        let price = at_once(prices.find(region, size, || std::future::ready(Ok(list.clone()))));
        let price = price.and_then(check_refusal);
        assert!(price.is_none_or(|price| !price.currency.is_empty()), "{size}");
    }
}

fn labels(input: &[u8]) {
    let text = text(input);
    let [key, value] = words(&text);
    let is_taken = check_refusal(convert::check_label(key, value)).is_some();
    // The API's own rule, written differently.
    assert!(
        !is_taken || (value.len() <= 63 && value.is_ascii() && !key.contains(char::is_whitespace)),
        "{key:?}={value:?}"
    );
}

fn requests(input: &[u8]) {
    let request = request(input);
    let _ = (convert::ssh_key(&request.name), convert::is_fingerprint(&request.name));
    let Some(request) = marked(&request) else { return };
    if check_refusal(convert::check_request(&request)).is_some() {
        let keys = request.ssh_keys.iter().map(|key| convert::ssh_key(key)).collect();
        let worded = check_refusal(convert::create_server(&request, Value::Null, keys))
            .map(|worded| serde_json::to_vec(&worded));
        assert!(matches!(worded, Some(Ok(_))), "a request that was checked cannot be worded");
    }
}
