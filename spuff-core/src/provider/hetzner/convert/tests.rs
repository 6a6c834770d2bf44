use super::*;
use crate::provider::InstanceStatus;
use serde_json::json;

fn is_invalid(result: ProviderResult<impl std::fmt::Debug>, expected: &str, what: &str) -> String {
    let error = result.unwrap_err();
    assert!(
        matches!(&error, ProviderError::InvalidConfig { field, .. } if field == expected),
        "{what}: {error}"
    );
    error.to_string()
}

#[test]
fn images_are_numbers_or_names() {
    let system = |name: &str| Wanted::System(name.to_string());
    for (spec, expected) in [
        ("ubuntu:24.04", system("ubuntu-24.04")),
        ("debian:12", system("debian-12")),
        ("debian:12.5", system("debian-12")),
        ("docker-ce", Wanted::Any("docker-ce".to_string())),
        ("ubuntu-24.04", Wanted::Any("ubuntu-24.04".to_string())),
        ("4711", Wanted::Id(4711)),
        ("snapshot:9007199254740991", Wanted::Id(9_007_199_254_740_991)),
    ] {
        assert_eq!(image(&spec.parse().unwrap()).unwrap(), expected, "{spec}");
    }
    for spec in [
        "snapshot:my-snapshot",
        "snapshot:",
        "snapshot:ami-0abc",
        "",
        " ",
        "ubuntu:",
        "ubuntu:24 04",
        "debian:",
    ] {
        is_invalid(image(&spec.parse().unwrap()), "image", spec);
    }
}

#[test]
fn prices_are_net_and_by_location() {
    let read = |pricing| prices(serde_json::from_value(pricing).unwrap());
    let cost = |net: &str| json!({"net": net, "gross": "1.1900", "new": null});
    let list = read(json!({"currency": "USD", "vat_rate": "19.00", "server_types": [
        {"id": 22, "name": "cpx11", "prices": [
            {
                "location": "hel1", "price_hourly": cost("0.0070000000"),
                "price_monthly": cost("4.3680")
            },
            {"location": "sin", "price_hourly": cost("0.0110000000")},
            {"location": "hil", "price_hourly": cost("free")},
            {"location": "ash", "price_hourly": null}
        ]},
        {"id": 1, "name": "cx11", "prices": null}
    ]}));
    let told = |size: &str| -> Vec<_> {
        list[size].iter().map(|(at, price)| format!("{at} {price}")).collect()
    };
    assert_eq!(
        (told("cpx11"), told("cx11")),
        (vec!["hel1 0.007 USD".to_string(), "sin 0.011 USD".to_string()], vec![])
    );
    let nameless = read(json!({"currency": null, "server_types": [
        {"name": "cx22", "prices": [{"location": "fsn1", "price_hourly": cost("0.006")}]}
    ]}));
    assert!(nameless["cx22"].is_empty(), "a price in no currency");
    assert!(read(json!({})).is_empty());
}

#[test]
fn keys_are_numbers_names_or_fingerprints() {
    for (key, expected) in [
        ("2323", json!(2323)),
        ("my-key", json!("my-key")),
        ("+1", json!("+1")),
        ("a:b", json!("a:b")),
    ] {
        assert_eq!(ssh_key(key), expected, "{key}");
    }
    for (key, expected) in [
        ("b7:2f:30:a0:2f:6c:58:6c:21:04:58:61:ba:06:3b:2f", true),
        ("B7:2F:30:A0:2F:6C:58:6C:21:04:58:61:BA:06:3B:2F", true),
        ("b7:2f:30:a0:2f:6c:58:6c:21:04:58:61:ba:06:3b", false),
        ("b7:2f:30:a0:2f:6c:58:6c:21:04:58:61:ba:06:3b:xy", false),
        ("laptop", false),
        ("", false),
    ] {
        assert_eq!(is_fingerprint(key), expected, "{key}");
    }
}

#[test]
fn requests_are_checked() {
    let good = || InstanceRequest::new("web-1", "fsn1", "cx22");
    for request in [
        good(),
        InstanceRequest::new("Web-1.example.org", "", "cx22"),
        InstanceRequest::new(format!("{}.{}", "a".repeat(63), "b".repeat(63)), "fsn1", "cx22"),
        good().with_user_data("x".repeat(MAX_USER_DATA)),
    ] {
        assert!(check_request(&request).is_ok(), "{request:?}");
    }
    for (expected, request) in [
        ("name", InstanceRequest::new("", "fsn1", "cx22")),
        ("name", InstanceRequest::new("web_1", "fsn1", "cx22")),
        ("name", InstanceRequest::new("a".repeat(64), "fsn1", "cx22")),
        ("name", InstanceRequest::new("web..example", "fsn1", "cx22")),
        ("name", InstanceRequest::new("web-.example", "fsn1", "cx22")),
        ("name", InstanceRequest::new(["a"; 128].join("."), "fsn1", "cx22")),
        ("region", InstanceRequest::new("web-1", "Falkenstein, DE", "cx22")),
        ("size", InstanceRequest::new("web-1", "fsn1", "")),
        ("size", InstanceRequest::new("web-1", "fsn1", "cx 22")),
        ("user_data", good().with_user_data("é".repeat(MAX_USER_DATA / 2 + 1))),
        ("ssh_keys", good().with_ssh_key("")),
        ("labels", good().with_label("managed-by", "terraform")),
        ("image", good().with_image(ImageSpec::Snapshot("my-snapshot".to_string()))),
    ] {
        is_invalid(check_request(&request), expected, &format!("{request:?}"));
    }
}

#[test]
fn labels_are_checked_and_named() {
    let long = "x".repeat(63);
    let longer = "x".repeat(64);
    let (prefix, longer_prefix) =
        (format!("{}/k", "x".repeat(253)), format!("{}/k", "x".repeat(254)));
    for (key, value) in [
        ("env", "prod"),
        ("Env_1.a-b", ""),
        ("k", "2026-01-30"),
        ("spuff.rs/lease", "1_b.C-2"),
        (&long, &long),
        (&prefix, "v"),
    ] {
        assert!(check_label(key, value).is_ok(), "{key}={value}");
    }
    for (key, value, part) in [
        ("", "v", "empty"),
        ("/k", "v", "empty"),
        ("spuff.rs/", "v", "empty"),
        ("a/b/c", "v", "'/'"),
        ("k y", "v", "' '"),
        ("-k", "v", "begin and end"),
        ("k_", "v", "begin and end"),
        ("a_b/k", "v", "'_'"),
        ("hetzner.cloud/k", "v", "reserved"),
        ("k", "2026-01-30T23:55:00Z", "':'"),
        ("k", "who@example.org", "'@'"),
        ("k", "é", "'é'"),
        ("k", ".v", "begin and end"),
        ("k", &longer, "64 bytes in the value, but the limit is 63"),
        (&longer, "v", "64 bytes in the key, but the limit is 63"),
        (&longer_prefix, "v", "254 bytes in the prefix of the key, but the limit is 253"),
    ] {
        let message = is_invalid(check_label(key, value), &format!("labels[{key:?}]"), value);
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

fn server(addresses: Value) -> ProviderInstance {
    let mut server = json!({"id": 42, "status": "running"});
    server.as_object_mut().unwrap().extend(addresses.as_object().cloned().unwrap());
    instance(serde_json::from_value(server).unwrap())
}

#[test]
fn addresses_are_read_from_three_places() {
    let all = json!({
        "public_net": {
            "ipv4": {"ip": "203.0.113.9", "blocked": false}, "ipv6": {"ip": "2001:db8:1::/64"}
        },
        "private_net": [{"ip": "10.0.0.2", "network": 1}]
    });
    for (network, ip, count) in [
        (all, "203.0.113.9", 3),
        (
            json!({"public_net": {"ipv4": null, "ipv6": {"ip": "2001:db8:1::/64"}}}),
            "2001:db8:1::1",
            1,
        ),
        (json!({"public_net": {"ipv6": {"ip": "2001:db8:1::5/64"}}}), "2001:db8:1::5", 1),
        (json!({"public_net": {"ipv6": {"ip": "2001:db8:1::"}}}), "2001:db8:1::", 1),
        (
            json!({
                "public_net": {"ipv4": null, "ipv6": null}, "private_net": [{"ip": "10.0.0.2"}]
            }),
            "0.0.0.0",
            1,
        ),
        (
            json!({
                "public_net": {"ipv4": {"ip": null}, "ipv6": {"ip": "soon"}},
                "private_net": null
            }),
            "0.0.0.0",
            0,
        ),
        (json!({"public_net": null}), "0.0.0.0", 0),
    ] {
        let instance = server(network.clone());
        assert_eq!(
            (instance.ip.to_string().as_str(), instance.addresses.len()),
            (ip, count),
            "{network}"
        );
    }
}

#[test]
fn servers_are_read_without_what_is_missing() {
    let least = server(json!({}));
    assert_eq!((least.id.as_str(), least.region.as_str(), least.size.as_str()), ("42", "", ""));
    let full = server(json!({
        "name": "web-1", "created": "2026-01-30T23:55:00+00:00", "labels": {"env": "prod"},
        "location": {"name": "fsn1"}, "server_type": {"id": 1, "name": "cx22"},
        "something": ["new"]
    }));
    assert_eq!(
        (full.region.as_str(), full.size.as_str(), full.name.as_str()),
        ("fsn1", "cx22", "web-1")
    );
    assert_eq!(full.created_at.timestamp(), 1_769_817_300);
    assert_eq!(full.labels, HashMap::from([("env".to_string(), "prod".to_string())]));
}

#[test]
fn snapshots_are_ours_by_their_label() {
    let ours = json!({"managed-by": "spuff"});
    for (kind, deleted, labels, expected) in [
        ("snapshot", json!(null), ours.clone(), true),
        ("snapshot", json!(null), json!({"managed-by": "terraform"}), false),
        ("snapshot", json!(null), json!(null), false),
        ("snapshot", json!("2026-01-30T23:55:00+00:00"), ours.clone(), false),
        ("backup", json!(null), ours, false),
    ] {
        let image =
            json!({"id": 1, "type": kind, "name": null, "deleted": deleted, "labels": labels});
        assert_eq!(
            is_managed_snapshot(&serde_json::from_value(image.clone()).unwrap()),
            expected,
            "{image}"
        );
    }
}

fn actions(states: &[(u64, &str)]) -> Vec<Action> {
    let read = |(id, status): &(u64, &str)| {
        let error = json!({"code": "action_failed", "message": "Action failed"});
        let action = json!({
            "id": id, "command": format!("step_{id}"), "status": status, "error": error
        });
        serde_json::from_value(action).unwrap()
    };
    states.iter().map(read).collect()
}

#[test]
fn actions_stand_together() {
    for (ids, states, expected) in [
        (&[1, 2][..], &[(1, "success"), (2, "success")][..], "success"),
        // The API may fill `error` while an action is running.
        (&[1, 2], &[(1, "success"), (2, "running")], "running step_2"),
        (&[1, 2], &[(1, "running"), (2, "error")], "failed step_2"),
        (&[1, 2], &[(1, "queued"), (2, "success")], "running step_1"),
        (&[1, 2], &[(1, "success")], "unknown"),
        (&[1], &[(1, "success"), (9, "error")], "success"),
        (&[], &[], "unknown"),
    ] {
        let actions = actions(states);
        let found = match progress(ids, &actions) {
            Progress::Failed(action) => format!("failed {}", action.command),
            Progress::Running(action) => format!("running {}", action.command),
            Progress::Success => "success".to_string(),
            Progress::Unknown => "unknown".to_string(),
        };
        assert_eq!(found, expected, "{ids:?} of {states:?}");
    }
}

#[test]
fn a_create_says_all_that_was_asked_for() {
    let request = InstanceRequest::new("web-1", "fsn1", "cx22")
        .with_user_data("#!/bin/sh")
        .with_label("env", "prod");
    let sent = create_server(&request, json!(7), vec![json!("laptop")]).unwrap();
    let expected = json!({
        "name": "web-1", "server_type": "cx22", "location": "fsn1", "image": 7,
        "ssh_keys": ["laptop"], "user_data": "#!/bin/sh",
        "labels": {"env": "prod", "managed-by": "spuff"},
        "public_net": {"enable_ipv4": true, "enable_ipv6": true},
        "start_after_create": true
    });
    assert_eq!(serde_json::to_value(sent).unwrap(), expected);
    let image =
        create_image("before the upgrade", BTreeMap::from([("managed-by", "spuff".to_string())]));
    let expected = json!({"type": "snapshot", "description": "before the \
     upgrade", "labels": {"managed-by": "spuff"}});
    assert_eq!(serde_json::to_value(image).unwrap(), expected);
}

#[test]
fn a_server_that_is_deleted_says_so() {
    let status = |status: &str| {
        instance(serde_json::from_value(json!({"id": 42, "status": status})).unwrap())
    };
    assert!(status("deleting").status.is_ending());
    for other in ["running", "off", "unknown", "new-word"] {
        assert!(!status(other).status.is_ending(), "{other}");
    }
    assert_eq!(status("running").status, InstanceStatus::Active);
}

#[test]
fn a_snapshot_is_called_like_its_description() {
    let image = json!({
        "id": 7, "type": "snapshot", "description": "before",
        "created": "2026-01-30T23:55:00+00:00", "labels": {"env": "prod"}
    });
    let (read, labels) = labelled_snapshot(serde_json::from_value(image).unwrap());
    assert_eq!((read.id.as_str(), read.name.as_str()), ("7", "before"));
    assert_eq!(read.created_at.map(|time| time.timestamp()), Some(1_769_817_300));
    assert_eq!(labels, HashMap::from([("env".to_string(), "prod".to_string())]));
}
