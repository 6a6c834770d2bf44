use std::io::Read;
use std::net::IpAddr;

use chrono::DateTime;
use flate2::read::GzDecoder;

use super::*;
use crate::provider::InstanceStatus;
use crate::provider::aws::wire::{
    Association, Attachment, BlockDevice, EbsSnapshot, Ipv6Address, Items, NetworkInterface,
    Reason, State,
};

fn good() -> InstanceRequest {
    InstanceRequest::new("web-1", "us-east-1", "t3.micro")
}

fn refused(request: &InstanceRequest) -> (String, String) {
    match check_request(request).unwrap_err() {
        ProviderError::InvalidConfig { field, message } => (field, message),
        other => panic!("{other}"),
    }
}

#[test]
fn requests_are_checked() {
    let labels = |count: usize| (0..count).map(|at| (format!("k{at}"), String::new())).collect();
    for request in [
        good(),
        InstanceRequest::new("Wëb 1 / ü", "", "u-6tb1.112xlarge"),
        good().with_label("k".repeat(128), "ü".repeat(256)),
        good().with_label("Name", "web-1").with_label("empty", ""),
        good().with_labels(labels(48)),
        good().with_ssh_key("my key"),
        good().with_user_data("é".repeat(MAX_USER_DATA / 2)),
        good().with_user_data("compressible ".repeat(100_000)),
    ] {
        assert!(check_request(&request).is_ok(), "{request:?}");
    }
    let noise: String = (0..60_000).map(|_| fastrand::alphanumeric()).collect();
    for (expected, request) in [
        ("name", InstanceRequest::new("", "", "t3.micro")),
        ("name", InstanceRequest::new("ü".repeat(257), "", "t3.micro")),
        ("size", InstanceRequest::new("web-1", "", "")),
        ("size", InstanceRequest::new("web-1", "", "t3 micro")),
        ("ssh_keys", good().with_ssh_key("a").with_ssh_key("b")),
        ("ssh_keys", good().with_ssh_key("")),
        ("user_data", good().with_user_data(noise)),
        ("labels", good().with_labels(labels(49))),
        ("labels", good().with_label("managed-by", "terraform")),
        ("labels[\"Name\"]", good().with_label("Name", "other")),
        ("labels[\"\"]", good().with_label("", "x")),
        ("labels[\"aws:x\"]", good().with_label("aws:x", "x")),
        ("labels[\"k\"]", good().with_label("k", "ü".repeat(257))),
    ] {
        assert_eq!(refused(&request).0, expected);
    }
    assert_eq!(
        refused(&good().with_label("k".repeat(129), "")).0,
        format!("labels[{:?}]", "k".repeat(129))
    );
}

#[test]
fn user_data_is_compressed_only_where_it_must_be() {
    let sent = |text: &str| {
        user_data(&good().with_user_data(text))
            .map(|sent| BASE64_STANDARD.decode(sent.unwrap()).unwrap())
    };
    assert_eq!(sent("#!/bin/sh\n").unwrap(), b"#!/bin/sh\n");
    let most = "x".repeat(MAX_USER_DATA);
    assert_eq!(sent(&most).unwrap(), most.as_bytes());

    let long = "x".repeat(MAX_USER_DATA + 1);
    let compressed = sent(&long).unwrap();
    let mut text = String::new();
    GzDecoder::new(&compressed[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, long);
    assert_eq!(sent(&long).unwrap(), compressed, "the same text is the same bytes");

    let noise: String = (0..60_000).map(|_| fastrand::alphanumeric()).collect();
    let (_, message) = refused(&good().with_user_data(&noise));
    let numbers: Vec<usize> = message
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    assert!(
        numbers.len() == 3
            && numbers[0] == 60_000
            && numbers[1] > MAX_USER_DATA
            && numbers[2] == MAX_USER_DATA,
        "{message}"
    );

    assert_eq!(user_data(&good()).unwrap(), None);
    assert_eq!(user_data(&good().with_user_data("")).unwrap(), None);
}

#[test]
fn the_network_is_said_in_one_place() {
    let image = BootImage { id: "ami-01234567".to_string(), root_device: None };
    let body = |subnet: Option<&str>, group: Option<&str>| {
        let network =
            Network { subnet: subnet.map(Into::into), security_group: group.map(Into::into) };
        run_instances(&good(), 1, &image, &network, "key").unwrap().body()
    };
    let interface =
        "&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.AssociatePublicIpAddress=true";
    for (subnet, group, expected) in [
        (
            Some("subnet-1"),
            None,
            format!("{interface}&NetworkInterface.1.SubnetId=subnet-1&MetadataOptions"),
        ),
        (
            None,
            Some("sg-1"),
            format!("{interface}&NetworkInterface.1.SecurityGroupId.1=sg-1&MetadataOptions"),
        ),
        (
            Some("subnet-1"),
            Some("sg-1"),
            format!(
                "{interface}&NetworkInterface.1.SubnetId=subnet-1\
                 &NetworkInterface.1.SecurityGroupId.1=sg-1&MetadataOptions"
            ),
        ),
    ] {
        assert!(body(subnet, group).contains(&expected), "{expected}");
    }
    assert!(
        body(None, None).contains(&format!("{interface}&MetadataOptions"))
            && !body(None, None).contains("BlockDeviceMapping")
    );
}

#[test]
fn ids_have_a_prefix_and_hexadecimal_digits() {
    for id in ["i-01234567", "i-0123456789abcdef0"] {
        assert!(check_id("id", id, "i-").is_ok(), "{id}");
    }
    for id in [
        "",
        "i-",
        "42",
        "i-0123456",
        "i-0123456789abcdef01",
        "i-0123456G",
        "I-01234567",
        "ami-01234567",
        "i-0123456*",
    ] {
        let error = check_id("id", id, "i-").unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "id"),
            "{id}"
        );
    }
}

#[test]
fn image_names_have_an_alphabet() {
    for name in ["abc", "before the upgrade (2026-01-05)", "a/b.c-d'e@f_[g]", &"x".repeat(128)] {
        assert!(check_image_name(name).is_ok(), "{name}");
    }
    for name in ["", "ab", "   ", "a:b", "größe", "a\nb", &"x".repeat(129)] {
        let error = check_image_name(name).unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "name"),
            "{name}"
        );
    }
}

fn interface(index: &str, public_ip: &str, v6: &[&str], attached: &str) -> NetworkInterface {
    NetworkInterface {
        association: Association { public_ip: public_ip.to_string() },
        attachment: Attachment {
            device_index: index.to_string(),
            attach_time: DateTime::parse_from_rfc3339(attached).ok().map(|time| time.to_utc()),
        },
        ipv6_addresses_set: Items {
            item: v6.iter().map(|ip| Ipv6Address { ipv6_address: (*ip).to_string() }).collect(),
        },
    }
}

#[test]
fn addresses_come_in_the_order_of_their_use() {
    let first = "2026-01-05T10:00:00Z";
    let second = "2026-01-06T10:00:00Z";
    let read = |ip: &str, v6: &str, interfaces: Vec<NetworkInterface>| {
        let read = Instance {
            ip_address: ip.to_string(),
            private_ip_address: "172.31.0.5".to_string(),
            ipv6_address: v6.to_string(),
            launch_time: DateTime::parse_from_rfc3339("2026-02-01T10:00:00Z")
                .ok()
                .map(|time| time.to_utc()),
            network_interface_set: Items { item: interfaces },
            ..Instance::default()
        };
        let read = instance(read, "us-east-1");
        let private: Vec<_> = read
            .addresses
            .iter()
            .filter(|address| !address.public)
            .map(|address| address.ip)
            .collect();
        assert_eq!(private, ["172.31.0.5".parse::<IpAddr>().unwrap()]);
        (read.ip.to_string(), read.addresses.len(), read.created_at.to_rfc3339())
    };
    let expected = |ip: &str, addresses: usize, created: &str| {
        (ip.to_string(), addresses, created.replace('Z', "+00:00"))
    };
    let launch = "2026-02-01T10:00:00Z";
    assert_eq!(read("", "", vec![]), expected("0.0.0.0", 1, launch));
    assert_eq!(read("203.0.113.5", "2001:db8::5", vec![]), expected("203.0.113.5", 3, launch));
    assert_eq!(read("", "2001:db8::5", vec![]), expected("2001:db8::5", 2, launch));
    let two = || {
        vec![
            interface("1", "203.0.113.9", &["2001:db8::9"], second),
            interface("0", "203.0.113.5", &["2001:db8::5"], first),
        ]
    };
    assert_eq!(read("203.0.113.5", "2001:db8::5", two()), expected("203.0.113.5", 5, first));
    assert_eq!(read("", "", two()), expected("203.0.113.5", 5, first));
    assert_eq!(
        read("", "", vec![interface("0", "", &["2001:db8::5"], first)]),
        expected("2001:db8::5", 2, first)
    );
    assert_eq!(read("", "", vec![interface("1", "", &[], second)]), expected("0.0.0.0", 1, launch));
}

#[test]
fn what_aws_tags_is_no_label() {
    let tags = [
        ("Name", "web-1"),
        ("aws:cloudformation:stack-id", "x"),
        ("managed-by", "spuff"),
        ("env", ""),
    ];
    let tag_set = Items {
        item: tags
            .map(|(key, value)| Tag { key: key.to_string(), value: value.to_string() })
            .into(),
    };
    let read = instance(Instance { tag_set, ..Instance::default() }, "us-east-1");
    let labels = HashMap::from([
        ("managed-by".to_string(), "spuff".to_string()),
        ("env".to_string(), String::new()),
    ]);
    assert_eq!((read.name.as_str(), read.labels), ("web-1", labels));
}

#[test]
fn a_failed_launch_has_the_clouds_reason() {
    let ended = |code: &str, message: &str| {
        failed_launch(&Instance {
            instance_id: "i-01234567".to_string(),
            instance_state: State { name: "terminated".to_string() },
            state_reason: Reason { code: code.to_string(), message: message.to_string() },
            ..Instance::default()
        })
    };
    for code in ["Server.InsufficientInstanceCapacity", "Server.InsufficientVolumeCapacity"] {
        let error = ended(code, "Server.InsufficientInstanceCapacity: none left");
        let context = error.context().unwrap();
        assert!(
            matches!(
                &error,
                ProviderError::Capacity { message, .. } if message.ends_with("none left")
            ),
            "{error}"
        );
        assert_eq!(
            (context.code.as_deref(), context.instance_id.as_deref()),
            (Some(code), Some("i-01234567"))
        );
    }
    let error = ended("Client.InternalError", "");
    assert!(
        matches!(&error, ProviderError::Api { .. })
            && error.to_string().contains("Client.InternalError"),
        "{error}"
    );
    assert_eq!(error.context().unwrap().instance_id.as_deref(), Some("i-01234567"));
    for code in ["", "Client.UserInitiatedShutdown"] {
        assert!(
            matches!(
                ended(code, "User initiated"),
                ProviderError::NotFound { id, .. } if id == "i-01234567"
            ),
            "{code}"
        );
    }
}

fn tagged(tags: &[(&str, &str)]) -> Items<Tag> {
    Items {
        item: tags
            .iter()
            .map(|(key, value)| Tag { key: (*key).to_string(), value: (*value).to_string() })
            .collect(),
    }
}

#[test]
fn a_create_says_all_that_was_asked_for() {
    let image =
        BootImage { id: "ami-01234567".to_string(), root_device: Some("/dev/sda1".to_string()) };
    let body = |request: &InstanceRequest, count| {
        run_instances(request, count, &image, &Network::default(), "key").unwrap().body()
    };
    let request =
        good().with_ssh_key("laptop").with_user_data("#!/bin/sh").with_label("env", "prod");
    let one = body(&request, 1);
    for part in [
        "Action=RunInstances&",
        "&MinCount=1&MaxCount=1&ClientToken=key&InstanceType=t3.micro&ImageId=ami-01234567\
         &UserData=IyEvYmluL3No&KeyName=laptop&",
        "&BlockDeviceMapping.1.DeviceName=%2Fdev%2Fsda1\
         &BlockDeviceMapping.1.Ebs.DeleteOnTermination=true&",
        "&MetadataOptions.HttpTokens=required&",
        "&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=Name\
         &TagSpecification.1.Tag.1.Value=web-1&",
        "&TagSpecification.2.ResourceType=volume&TagSpecification.2.Tag.1.Key=Name&",
        "Tag.2.Key=env&TagSpecification.2.Tag.2.Value=prod&",
    ] {
        assert!(one.contains(part), "{part:?} is not in {one}");
    }
    assert!(!one.contains("Shutdown"));
    let leased = body(&request.clone().with_ttl(std::time::Duration::from_secs(60)), 1);
    assert!(leased.contains("&InstanceInitiatedShutdownBehavior=terminate&"), "{leased}");
    let some = body(&request, 3);
    assert!(
        some.contains("&MinCount=3&MaxCount=3&") && !some.contains("Key=Name"),
        "several are named later: {some}"
    );

    let body = create_tags("i-01234567", &[("Name", "web-1"), ("env", "prod")]).body();
    let expected =
        "&ResourceId.1=i-01234567&Tag.1.Key=Name&Tag.1.Value=web-1&Tag.2.Key=env&Tag.2.Value=prod";
    assert!(body.starts_with("Action=CreateTags&") && body.ends_with(expected), "{body}");
}

#[test]
fn a_size_that_the_chosen_zone_lacks_is_a_wrong_one() {
    let refused = |subnet: Option<&str>, code: &str| {
        let network = Network { subnet: subnet.map(Into::into), security_group: None };
        let context = ErrorContext::new(NAME).with_code(code);
        network.refused(ProviderError::capacity("not in this zone").with_context(context))
    };
    let wrong = refused(Some("subnet-1"), UNSUPPORTED);
    assert!(
        matches!(&wrong, ProviderError::InvalidConfig { field, .. } if field == "size"),
        "{wrong}"
    );
    assert!(wrong.to_string().contains("not in this zone"), "{wrong}");
    for other in
        [refused(None, UNSUPPORTED), refused(Some("subnet-1"), "InsufficientInstanceCapacity")]
    {
        assert!(matches!(other, ProviderError::Capacity { .. }), "{other}");
    }
}

#[test]
fn a_machine_is_read_whole() {
    let read = Instance {
        instance_id: "i-01234567".to_string(),
        instance_state: State { name: "running".to_string() },
        instance_type: "t3.micro".to_string(),
        ip_address: "203.0.113.5".to_string(),
        launch_time: DateTime::from_timestamp(1_769_817_300, 0),
        tag_set: tagged(&[("Name", "web-1"), ("env", "prod")]),
        ..Instance::default()
    };
    let ip: IpAddr = "203.0.113.5".parse().unwrap();
    let expected = ProviderInstance {
        name: "web-1".to_string(),
        region: "us-east-1".to_string(),
        size: "t3.micro".to_string(),
        labels: [("env".to_string(), "prod".to_string())].into(),
        addresses: vec![Address { ip, public: true }],
        ..ProviderInstance::new(
            "i-01234567",
            ip,
            InstanceStatus::Active,
            DateTime::from_timestamp(1_769_817_300, 0).unwrap(),
        )
    };
    assert_eq!(instance(read, "us-east-1"), expected);
}

#[test]
fn states_say_what_is_on_its_way_out() {
    for (state, stopped, ending) in [
        ("pending", false, false),
        ("running", false, false),
        ("stopping", true, false),
        ("stopped", true, false),
        ("shutting-down", false, true),
        ("terminated", false, true),
    ] {
        let read =
            Instance { instance_state: State { name: state.to_string() }, ..Instance::default() };
        assert_eq!((is_stopped(&read), is_ending(&read)), (stopped, ending), "{state}");
        assert_eq!(instance(read, "us-east-1").status.is_ending(), ending, "{state}");
    }
}

#[test]
fn tags_tell_whose_a_thing_is() {
    let tags = tagged(&[("spuff-key", "7"), ("spuff-request", "x")]).item;
    assert!(is_made_under(&tags, "7") && !is_made_under(&tags, "8") && !is_made_under(&[], "7"));
    assert!(
        has_digest(&tagged(&[(labels::REQUEST_DIGEST, "x")]).item)
            && !has_digest(&tagged(&[("env", "x")]).item)
    );
}

#[test]
fn images_are_ours_by_their_tag_and_fail_by_their_state() {
    let image = |state: &str, tags: &[(&str, &str)]| Image {
        image_id: "ami-01234567".to_string(),
        name: "before".to_string(),
        image_state: state.to_string(),
        creation_date: DateTime::from_timestamp(1_769_817_300, 0),
        tag_set: tagged(tags),
        ..Image::default()
    };
    let ours = [(labels::MANAGED_BY, labels::MANAGED_BY_VALUE), ("aws:x", "y")];
    for (state, tags, expected) in [
        ("available", &ours[..], true),
        ("pending", &ours, true),
        ("deregistered", &ours, false),
        ("available", &[(labels::MANAGED_BY, "terraform")], false),
        ("available", &[], false),
    ] {
        assert_eq!(is_managed_snapshot(&image(state, tags)), expected, "{state} {tags:?}");
    }
    for (state, expected) in [
        ("failed", true),
        ("error", true),
        ("invalid", true),
        ("available", false),
        ("pending", false),
    ] {
        assert_eq!(has_failed(&image(state, &[])), expected, "{state}");
    }
    let (read, labels) = labelled_snapshot(image("available", &ours));
    assert_eq!((read.id.as_str(), read.name.as_str()), ("ami-01234567", "before"));
    assert_eq!(read.created_at.map(|time| time.timestamp()), Some(1_769_817_300));
    assert_eq!(
        labels,
        [(labels::MANAGED_BY.to_string(), labels::MANAGED_BY_VALUE.to_string())].into()
    );

    for (code, expected) in [("", "failed"), ("Client.Denied", "Client.Denied")] {
        let reason = Reason { code: code.to_string(), message: " no room ".to_string() };
        let error =
            failed_image(&Image { state_reason: reason, ..image("failed", &[]) }, "i-01234567");
        let context = error.context().unwrap();
        assert_eq!(
            (context.code.as_deref(), context.instance_id.as_deref()),
            (Some(expected), Some("i-01234567"))
        );
        assert!(
            error.to_string().contains("ami-01234567 exists, but its state is failed: no room"),
            "{error}"
        );
    }

    let device = |id: &str| BlockDevice { ebs: EbsSnapshot { snapshot_id: id.to_string() } };
    let stands = Image {
        block_device_mapping: Items { item: vec![device("snap-1"), device(""), device("snap-2")] },
        ..Image::default()
    };
    assert_eq!(stored(&stands), ["snap-1", "snap-2"]);
    assert_eq!(description_of("ami-01234567"), "Created by CreateImage(*) for ami-01234567*");
}
