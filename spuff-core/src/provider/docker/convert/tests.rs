use serde_json::{Value, json};

use super::*;
use crate::provider::config::ProviderConfig;

fn good() -> InstanceRequest {
    InstanceRequest::new("web-1", "app", "2x4g").with_label("env", "prod")
}

#[test]
fn requests_are_checked() {
    for request in [
        good(),
        InstanceRequest::new("ab", "", ""),
        InstanceRequest::new("a".repeat(MAX_NAME), "bridge", "0.001x6m"),
        good().with_user_data("x".repeat(MAX_USER_DATA)),
    ] {
        assert!(check_request(&request).is_ok(), "{request:?}");
    }
    for (expected, request) in [
        ("name", InstanceRequest::new("a", "app", "")),
        ("name", InstanceRequest::new("a".repeat(MAX_NAME + 1), "app", "")),
        ("region", InstanceRequest::new("web-1", "a b", "")),
        ("region", InstanceRequest::new("web-1", "host", "")),
        ("region", InstanceRequest::new("web-1", "none", "")),
        ("size", InstanceRequest::new("web-1", "app", "2x5m")),
        ("user_data", good().with_user_data("x".repeat(MAX_USER_DATA + 1))),
        ("labels", good().with_label("", "x")),
        ("labels", good().with_label(MACHINE_KEY, "x")),
        ("labels", good().with_label(SNAPSHOT_KEY, "x")),
        ("labels", good().with_label("spuff-port-80/tcp", "x")),
    ] {
        let error = check_request(&request).unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == expected),
            "{expected}: {error}"
        );
    }
}

/// Returns the body sent to the engine, and the request in the instance's label.
fn made(request: &InstanceRequest, options: &Options) -> (Value, Value) {
    let boot = Boot::new(request, "7", &options.environment).unwrap();
    let mut body =
        serde_json::to_value(container(request, "debian:12", &boot, options).unwrap()).unwrap();
    let body_of = body.as_object_mut().unwrap();
    assert_eq!(body_of.remove("Entrypoint").unwrap(), json!(boot.entrypoint()));
    let asked = body_of["Labels"].as_object_mut().unwrap().remove(MACHINE_KEY).unwrap();
    (body, serde_json::from_str(asked.as_str().unwrap()).unwrap())
}

#[test]
fn a_container_is_all_that_was_asked_for() {
    let labels = json!({"env": "prod", "managed-by": "spuff"});
    let options = Options::new(&ProviderConfig::default().with_option("ports", "8080:80")).unwrap();
    let (body, asked) = made(&good(), &options);
    let mount = json!({"Target": "/.spuff", "Type": "volume", "VolumeOptions": {"NoCopy": true}});
    let host = json!({
        "Init": true, "NetworkMode": "app", "RestartPolicy": {"Name": "always"}, "Mounts": [mount],
        "NanoCpus": 2_000_000_000, "Memory": 4_i64 << 30,
        "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}
    });
    let expected = json!({
        "Hostname": "web-1", "Image": "debian:12", "Cmd": [], "User": "0", "WorkingDir": "/",
        "ExposedPorts": {"80/tcp": {}}, "Labels": labels, "HostConfig": host
    });
    assert_eq!(body, expected);
    let expected = json!({
        "name": "web-1", "region": "app", "size": "2x4g", "labels": labels, "snapshot": false,
        "marked": true
    });
    assert_eq!(asked, expected);

    let least =
        InstanceRequest::new("web-1", "", "").with_image(ImageSpec::Snapshot("s".to_string()));
    let (body, asked) = made(&least, &Options::default());
    let host = &body["HostConfig"];
    assert_eq!(
        (&host["NetworkMode"], &host["NanoCpus"], &host["Memory"]),
        (&json!("bridge"), &Value::Null, &Value::Null)
    );
    assert_eq!(
        (&asked["region"], &asked["size"], &asked["snapshot"]),
        (&json!("bridge"), &json!(""), &json!(true))
    );
}

fn inspection(name: &str, asked: Option<&Value>, state: Value) -> ContainerInspectResponse {
    let mut labels = json!({"env": "of the image"});
    if let Some(asked) = asked {
        labels[MACHINE_KEY] = json!(asked.to_string());
    }
    let seen = json!({
        "Id": "0f", "Name": name, "Created": "2026-01-30T23:55:00Z", "Config": {"Labels": labels},
        "State": state, "HostConfig": {"NetworkMode": "app"},
        "NetworkSettings": {
            "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "53/udp": null},
            "Networks": {"app": {"IPAddress": "172.18.0.2"}}
        }
    });
    serde_json::from_value(seen).unwrap()
}

fn as_asked() -> Value {
    json!({
        "name": "web-1", "region": "app", "size": "2x4g", "labels": {"env": "prod"},
        "snapshot": true, "marked": true
    })
}

fn machine(size: &str, env: &str) -> ProviderInstance {
    let labels = [("env", env), ("spuff-port-80/tcp", "0.0.0.0:8080")];
    let ip = "172.18.0.2".parse().unwrap();
    ProviderInstance {
        name: "web-1".to_string(),
        region: "app".to_string(),
        size: size.to_string(),
        labels: labels.map(|(key, value)| (key.to_string(), value.to_string())).into(),
        addresses: vec![Address::public(ip)],
        ..ProviderInstance::new(
            "0f",
            ip,
            InstanceStatus::Active,
            DateTime::from_timestamp(1_769_817_300, 0).unwrap(),
        )
    }
}

#[test]
fn an_inspected_machine_is_what_it_was_asked_to_be() {
    let running = json!({"Status": "running", "StartedAt": "2026-01-30T23:55:01Z"});
    let seen = |name: &str, asked: Option<&Value>| {
        inspected(inspection(name, asked, running.clone()), Reach::Direct)
    };
    assert_eq!(
        seen("/web-1", Some(&as_asked())),
        Seen { instance: machine("2x4g", "prod"), is_marked: true }
    );
    assert_eq!(
        seen("/web-1", None),
        Seen { instance: machine("", "of the image"), is_marked: false },
        "not made by spuff"
    );
    let other = seen("/web-2", Some(&as_asked()));
    assert_eq!(
        (other.instance.size.as_str(), other.is_marked),
        ("", false),
        "its label came with its image"
    );

    let unhealthy = json!({"Status": "running", "Health": {"Status": "unhealthy"}});
    let status = |state| {
        inspected(inspection("/web-1", Some(&as_asked()), state), Reach::Direct).instance.status
    };
    assert_eq!(status(unhealthy), InstanceStatus::Unknown("unhealthy".to_string()));
    let podman = |began: &str| status(json!({"Status": "created", "StartedAt": began}));
    assert_eq!(podman("2026-01-30T23:55:01Z"), InstanceStatus::Off, "it ran before the power went");
    assert_eq!(
        (podman("0001-01-01T00:00:00Z"), podman("")),
        (InstanceStatus::New, InstanceStatus::New)
    );
    let exited = json!({"Status": "exited", "StartedAt": "0001-01-01T00:00:00Z"});
    assert_eq!(
        (status(exited), status(json!({}))),
        (InstanceStatus::Off, InstanceStatus::Unknown("unknown".to_string()))
    );
}

#[test]
fn a_listed_machine_is_the_one_that_is_inspected() {
    let summary = |asked: Value| -> ContainerSummary {
        let listed = json!({
            "Id": "0f", "Names": ["/web-1"], "Created": 1_769_817_300, "State": "running",
            "Status": "Up 2 seconds",
            "Labels": {"env": "of the image", (MACHINE_KEY): asked.to_string()},
            "Ports": [
                {"PrivatePort": 80, "PublicPort": 8080, "IP": "0.0.0.0", "Type": "tcp"},
                {"PrivatePort": 53, "Type": "udp"}
            ],
            "NetworkSettings": {"Networks": {"app": {"IPAddress": "172.18.0.2"}}}
        });
        serde_json::from_value(listed).unwrap()
    };
    let seen = listed(summary(as_asked()), Reach::Direct).unwrap();
    assert_eq!(seen, Seen { instance: machine("2x4g", "prod"), is_marked: true });
    let mut earlier = as_asked();
    earlier.as_object_mut().unwrap().remove("marked");
    assert!(
        !listed(summary(earlier), Reach::Direct).unwrap().is_marked,
        "an earlier version's first process leaves no mark"
    );
}

#[test]
fn what_a_container_is_shows_in_its_state_and_its_label() {
    for (state, expected) in [
        ("running", true),
        ("restarting", true),
        ("exited", false),
        ("created", false),
        ("paused", false),
    ] {
        assert_eq!(
            runs(&inspection("/web-1", None, json!({"Status": state}))),
            expected,
            "{state}"
        );
    }
    assert!(
        !runs(&ContainerInspectResponse::default())
            && !has_begun(&ContainerInspectResponse::default())
    );
    for (name, asked, expected) in [
        ("/web-1", Some(as_asked()), true),
        ("/web-2", Some(as_asked()), false),
        ("/web-1", None, false),
    ] {
        let seen = inspection(name, asked.as_ref(), json!({}));
        assert_eq!(
            (is_of_snapshot(&seen), is_marked(&seen)),
            (expected, expected),
            "{name} {asked:?}"
        );
    }
    let mut plain = as_asked();
    (plain["snapshot"], plain["marked"]) = (json!(false), json!(false));
    let plain = inspection("/web-1", Some(&plain), json!({}));
    assert!(!is_of_snapshot(&plain) && !is_marked(&plain));
}

#[test]
fn a_network_without_a_name_is_the_one_that_every_engine_has() {
    for (mode, expected) in
        [(None, "bridge"), (Some(""), "bridge"), (Some("default"), "bridge"), (Some("app"), "app")]
    {
        assert_eq!(network(mode), expected, "{mode:?}");
    }
}

#[test]
fn sizes() {
    const G: i64 = 1 << 30;
    for (size, limit) in [
        ("2x4g", (2_000_000_000, 4 * G)),
        ("0.5x512m", (500_000_000, G / 2)),
        ("1x6144k", (1_000_000_000, 6 << 20)),
        ("0.001x6m", (1_000_000, 6 << 20)),
    ] {
        assert_eq!(limits(size).unwrap(), Some(limit), "{size}");
    }
    assert_eq!(limits("").unwrap(), None);
    for size in [
        "2",
        "x4g",
        "2x",
        "2x4",
        "0x1g",
        "0.0009x1g",
        "1000001x1g",
        "-1x1g",
        "1e3x1g",
        "2x1.5g",
        "2x5m",
        "infx1g",
        "2x4t",
        "s-1vcpu-1gb",
        "2x99999999999g",
        "2xé",
    ] {
        let error = limits(size).unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "size"),
            "{size}"
        );
        assert!(error.to_string().contains("2x4g"), "{error}");
    }
}

#[test]
fn states() {
    let table = [
        ("created", "", InstanceStatus::New),
        ("running", "", InstanceStatus::Active),
        ("running", "starting", InstanceStatus::New),
        ("running", "healthy", InstanceStatus::Active),
        ("running", "none", InstanceStatus::Active),
        ("running", "unhealthy", InstanceStatus::Unknown("unhealthy".to_string())),
        ("restarting", "", InstanceStatus::New),
        ("paused", "", InstanceStatus::Unknown("paused".to_string())),
        ("exited", "", InstanceStatus::Off),
        ("removing", "", InstanceStatus::Off),
        ("dead", "", InstanceStatus::Unknown("dead".to_string())),
        ("", "", InstanceStatus::Unknown("unknown".to_string())),
    ];
    for (state, health, expected) in table {
        assert_eq!(status(state, health), expected, "{state} {health}");
    }
}

#[test]
fn ids_are_whole() {
    assert!(check_id("id", &"0f".repeat(32)).is_ok());
    for id in ["", "web-1", "0f0f0f0f0f0f", &"g".repeat(64), &"0".repeat(65)] {
        assert!(check_id("id", id).is_err(), "{id}");
    }
}

#[test]
fn addresses_begin_with_those_of_the_region() {
    let network = |v4: &str, v6: &str| EndpointSettings {
        ip_address: Some(v4.to_string()),
        global_ipv6_address: Some(v6.to_string()),
        ..EndpointSettings::default()
    };
    let networks = HashMap::from([
        ("app".to_string(), network("172.18.0.2", "")),
        ("bridge".to_string(), network("172.17.0.2", "fd00::2")),
    ]);
    let shown = |region: &str| {
        addresses(&networks, region, "running", Reach::Direct)
            .iter()
            .map(|address| address.ip.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(shown("bridge"), ["172.17.0.2", "fd00::2", "172.18.0.2"]);
    assert_eq!(shown("app")[0], "172.18.0.2");
    let six = HashMap::from([("six".to_string(), network("", "fd00::3"))]);
    assert_eq!(
        Address::primary(&addresses(&six, "six", "running", Reach::Direct)).to_string(),
        "fd00::3"
    );
    assert!(addresses(&six, "six", "exited", Reach::Direct).is_empty());

    let host = IpAddr::from(Ipv4Addr::new(192, 0, 2, 7));
    let seen = |reach| {
        let seen = addresses(&networks, "app", "running", reach);
        let shown =
            seen.iter().map(|address| (address.ip.to_string(), address.public)).collect::<Vec<_>>();
        (shown, primary(&seen).to_string())
    };
    let own = [("172.18.0.2", false), ("172.17.0.2", false), ("fd00::2", false)]
        .map(|(ip, public)| (ip.to_string(), public));
    let (shown, ip) = seen(Reach::Published(Some(host)));
    assert_eq!(
        (shown[0].clone(), &shown[1..], ip.as_str()),
        ((host.to_string(), true), &own[..], "192.0.2.7")
    );
    assert_eq!(seen(Reach::Published(None)), (own.to_vec(), "172.18.0.2".to_string()));
    assert!(addresses(&six, "six", "exited", Reach::Published(Some(host))).is_empty());
}

#[test]
fn published_ports_are_labels() {
    let bound = |inside: &str, ip: &str, port: &str| {
        (inside.to_string(), Some(ip.to_string()), port.to_string())
    };
    let ports = [
        bound("80/tcp", "::", "8080"),
        bound("80/tcp", "0.0.0.0", "8080"),
        bound("53/udp", "", "32768"),
    ];
    let labels: Vec<_> = published(ports.into_iter()).collect();
    let expected =
        [("spuff-port-53/udp", "0.0.0.0:32768"), ("spuff-port-80/tcp", "0.0.0.0:8080,[::]:8080")];
    assert_eq!(labels, expected.map(|(key, value)| (key.to_string(), value.to_string())));
}

#[test]
fn what_an_image_hands_down_is_no_machine() {
    assert!(no_machine().1.is_empty(), "nobody reads anything from it");
    let labels = HashMap::from([no_machine(), ("managed-by".to_string(), "spuff".to_string())]);
    let container = ContainerSummary { labels: Some(labels), ..ContainerSummary::default() };
    assert_eq!(listed(container, Reach::Direct), None);

    // From an image that `docker commit` made, without spuff.
    let asked = Asked { name: "web-1".to_string(), ..Asked::default() };
    let labels = HashMap::from([(MACHINE_KEY.to_string(), serde_json::to_string(&asked).unwrap())]);
    let container = |name: &str| ContainerSummary {
        labels: Some(labels.clone()),
        names: Some(vec![name.to_string()]),
        ..ContainerSummary::default()
    };
    assert_eq!(listed(container("/web-1"), Reach::Direct).unwrap().instance.name, "web-1");
    assert_eq!(listed(container("/web-2"), Reach::Direct), None);
}

#[test]
fn health_in_a_list_is_a_part_of_a_sentence() {
    let asked =
        serde_json::to_string(&Asked { name: "a".to_string(), ..Asked::default() }).unwrap();
    let labels = HashMap::from([(MACHINE_KEY.to_string(), asked)]);
    for (told, status) in [
        ("Up 2 seconds", InstanceStatus::Active),
        ("Up 2 seconds (healthy)", InstanceStatus::Active),
        ("Up 2 seconds (health: starting)", InstanceStatus::New),
        ("Up 1 minute (unhealthy)", InstanceStatus::Unknown("unhealthy".to_string())),
    ] {
        let container = ContainerSummary {
            labels: Some(labels.clone()),
            names: Some(vec!["/b/c".to_string(), "/a".to_string()]),
            state: Some(bollard::models::ContainerSummaryStateEnum::RUNNING),
            status: Some(told.to_string()),
            ..ContainerSummary::default()
        };
        assert_eq!(listed(container, Reach::Direct).unwrap().instance.status, status, "{told}");
    }
}
