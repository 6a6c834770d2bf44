//! Fuzz targets for AWS: the replies of each operation, regions, queries, requests, and AWS's own
//! files.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use reqsign_core::StaticEnv;

use super::boot_image::BootImage;
use super::query::Query;
use super::region::{Places, REGIONS, host};
use super::wire::{
    self, CreateImage, CreateTags, DeleteSnapshot, DeregisterImage, DescribeImages,
    DescribeInstanceTypes, DescribeInstances, DescribeKeyPairs, DescribeRegions, DescribeSnapshots,
    Document, GetParameter, Listing, RunInstances, TerminateInstances,
};
use super::{NAME, convert, credentials, errors, lookup, profile};
use crate::create::CreateKey;
use crate::fuzzing::checks::{
    Target, check_error, check_instance, check_refusal, check_snapshot, check_unreadable, marked,
    request, text, words,
};
use crate::http::fuzzing::{discreet, read, read_json, refused, reply};
use crate::http::{Endpoint, Reply};
use crate::provider::config::ProviderConfig;

pub(crate) const TARGETS: &[Target] = &[
    Target::new("aws_chain", credentials::fuzzing::chain),
    Target::new("aws_credentials", credentials::fuzzing::answers),
    Target::new("aws_expirations", credentials::fuzzing::expirations),
    Target::new("aws_images", describe_images),
    Target::new("aws_instances", instances),
    Target::new("aws_lists", lists),
    Target::new("aws_profiles", profile::fuzzing::profiles),
    Target::new("aws_query", query),
    Target::new("aws_refusal", |input| refused(NAME, &reply(input), errors::refusal)),
    Target::new("aws_regions", regions),
    Target::new("aws_request", requests),
    Target::new("aws_sign_in", credentials::fuzzing::sign_in),
    Target::new("aws_words", profile::fuzzing::command_words),
];

/// Reads a document. A truncated one must be rejected if its root is the last element of the reply.
fn read_xml<T: Document>(reply: &Reply) -> Option<T> {
    let body = text(&reply.body);
    let start = format!("<{}", T::ROOT);
    let end = format!("</{}>", T::ROOT);
    let tag = body
        .split_once(&start)
        .and_then(|(_, rest)| rest.split_once('>'))
        .map_or("/", |(tag, _)| tag);
    let is_plain = !tag.ends_with('/') && !tag.contains('\'') && tag.matches('"').count() % 2 == 0;
    let is_last =
        body.trim_end().ends_with(&end) && body.matches(&end[..end.len() - 1]).count() == 1;
    if is_plain && is_last && !body.contains("<!") {
        return read(reply, wire::read::<T>);
    }
    wire::read::<T>(reply).inspect_err(check_unreadable).ok()
}

/// Replies of `create_instance`, `get_instance`, `list_instances`, `wait_ready`,
/// `destroy_instance`, `set_labels` and `resolve`.
fn instances(input: &[u8]) {
    let reply = reply(input);
    let made =
        read_xml::<RunInstances>(&reply).map(|reply| reply.instances_set.item).unwrap_or_default();
    let (listed, _) =
        read_xml::<DescribeInstances>(&reply).map(Listing::into_parts).unwrap_or_default();
    for mut instance in made.into_iter().chain(listed) {
        let _ = convert::has_digest(&instance.tag_set.item);
        let _ = (convert::is_stopped(&instance), convert::is_ending(&instance));
        // An error is about the instance that was requested, so it has a valid id.
        let id = std::mem::replace(&mut instance.instance_id, "i-0123456789abcdef0".to_string());
        check_error(&discreet(convert::failed_launch(&instance)));
        instance.instance_id = id;
        let instance = convert::instance(instance, "us-east-1");
        let _ = instance.status.is_ending();
        check_instance(&instance);
    }
    let _ = (read_xml::<TerminateInstances>(&reply), read_xml::<CreateTags>(&reply));
}

/// Replies of `create_snapshot`, `list_snapshots`, `delete_snapshot` and `resolve_snapshot`, and of
/// the look-ups of a create.
fn describe_images(input: &[u8]) {
    let reply = reply(input);
    let (listed, _) =
        read_xml::<DescribeImages>(&reply).map(Listing::into_parts).unwrap_or_default();
    for image in listed {
        let _ = (
            convert::is_managed_snapshot(&image),
            convert::has_failed(&image),
            convert::stored(&image),
        );
        check_error(&discreet(convert::failed_image(&image, "i-0123456789abcdef0")));
        check_snapshot(&convert::labelled_snapshot(image).0);
    }
    let _ = read_xml::<CreateImage>(&reply).map(|made| made.image_id);
    let _ = (read_xml::<DeregisterImage>(&reply), read_xml::<DeleteSnapshot>(&reply));
}

/// Replies of `get_ssh_keys`, and of the look-ups of a create.
fn lists(input: &[u8]) {
    let reply = reply(input);
    let _ = read_xml::<DescribeSnapshots>(&reply).map(|reply| reply.snapshot_set.item.len());
    let _ = read_xml::<DescribeKeyPairs>(&reply).map(|reply| reply.key_set.item.len());
    let _ =
        read_xml::<DescribeInstanceTypes>(&reply).map(|reply| reply.instance_type_set.item.len());
    let _ = read_xml::<DescribeRegions>(&reply).map(|reply| reply.region_info.item.len());
    let _ = read_json::<GetParameter>(&reply)
        .map(|reply| convert::check_id("image", &reply.parameter.value, "ami-"));
}

/// Regions become hosts that requests are signed for, so any other text must be rejected.
fn regions(input: &[u8]) {
    let text = text(input);
    let [region, regions, endpoint, key] = words(&text);
    let mut config = ProviderConfig::default().with_region(region).with_option(REGIONS, regions);
    config.endpoint = Some(endpoint.to_string()).filter(|endpoint| !endpoint.is_empty());
    let nothing = StaticEnv { home_dir: None, envs: Default::default() };
    let Some(places) = check_refusal(Places::new(&config, &nothing)) else { return };
    let _ = places.endpoint();
    for place in check_refusal(places.all()).into_iter().flatten() {
        let host = host("ec2", &place.region);
        assert!(matches!(Endpoint::parse(&host), Ok(parsed) if parsed.as_str() == host), "{host}");
    }
    let place = places.of_key(key);
    assert!(place.is_none_or(|place| key.contains(&place.region)));
}

/// The query sends what was given, and a filter matches only the value that it names.
fn query(input: &[u8]) {
    let text = text(input);
    let [name, value] = words(&text);
    let body =
        Query::new("DescribeTags").filter(name, &[value]).tags(&["image"], &[(name, value)]).body();
    let pairs: Vec<_> = body.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let read = |key: &str| {
        let found = pairs
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| *value)
            .unwrap_or_default();
        percent_decode_str(found).decode_utf8_lossy().into_owned()
    };
    let mut literal = String::new();
    let pattern = read("Filter.1.Value.1");
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        assert!(!matches!(letter, '*' | '?'), "{pattern}");
        literal.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    assert_eq!((literal.as_str(), read("Filter.1.Name").as_str()), (value, name));
    let tag = (read("TagSpecification.1.Tag.1.Key"), read("TagSpecification.1.Tag.1.Value"));
    assert_eq!((tag.0.as_str(), tag.1.as_str()), (name, value));
    let _ = (
        check_refusal(convert::check_image_name(value)),
        check_refusal(convert::check_id("id", value, "i-")),
    );
    let _ = check_refusal(convert::check_tags(&[(name, value)]));
}

fn requests(input: &[u8]) {
    let request = request(input);
    let _ = check_refusal(lookup::check(&request.image));
    let Some(request) = marked(&request) else { return };
    if check_refusal(convert::check_request(&request)).is_none() {
        return;
    }
    let image = BootImage {
        id: "ami-0123456789abcdef0".to_string(),
        root_device: Some("/dev/sda1".to_string()),
    };
    let worded = check_refusal(convert::run_instances(
        &request,
        1,
        &image,
        &convert::Network::default(),
        "key",
    ))
    .map(|query| query.body());
    let Some(body) = worded else { panic!("a request that was checked cannot be worded") };
    let sent = body.split('&').find_map(|pair| pair.strip_prefix("UserData="));
    let sent =
        sent.map(|sent| BASE64_STANDARD.decode(percent_decode_str(sent).collect::<Vec<_>>()));
    let is_sent = sent
        .as_ref()
        .is_none_or(|sent| matches!(sent, Ok(sent) if sent.len() <= convert::MAX_USER_DATA));
    assert!(
        is_sent
            && sent.is_some() == request.user_data.as_ref().is_some_and(|text| !text.is_empty())
    );
    let _ = CreateKey::random(&request.region)
        .map(|mark| crate::create::place_of_key(&mark.key).map(str::to_string));
}
