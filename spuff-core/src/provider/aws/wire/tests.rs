use super::super::convert;
use super::*;
use crate::http::changed::{each_element, reply as bytes};
use crate::provider::InstanceStatus;

fn reply(body: &str) -> Reply {
    bytes(body.to_string())
}

#[test]
fn sets_are_read_whether_full_empty_or_absent() {
    let text = r#"<?xml version="1.0" encoding="UTF-8"?>
            <DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><reservationSet>
            <item><groupSet/><instancesSet><item><instanceId>i-1</instanceId><new><item>1</item></new>
              <instanceState><code>16</code><name>running</name></instanceState><launchTime>2026-01-05T10:00:00.000Z</launchTime>
              <tagSet><item><key>Name</key><value>a &amp; b</value></item><item><key>empty</key><value/></item></tagSet>
              <networkInterfaceSet/></item><item><instanceId>i-2</instanceId><launchTime/></item></instancesSet></item>
            <item><instancesSet/></item><item/></reservationSet><nextToken/></DescribeInstancesResponse>"#;
    let (instances, next) = read::<DescribeInstances>(&reply(text)).unwrap().into_parts();
    assert_eq!((instances.len(), next.as_str()), (2, ""));
    let tags: Vec<_> = instances[0]
        .tag_set
        .item
        .iter()
        .map(|tag| (tag.key.as_str(), tag.value.as_str()))
        .collect();
    assert_eq!(tags, [("Name", "a & b"), ("empty", "")]);
    assert_eq!(instances[0].launch_time.unwrap().timestamp(), 1_767_607_200);
    assert_eq!((instances[1].instance_id.as_str(), instances[1].launch_time), ("i-2", None));
}

#[test]
fn another_document_is_not_an_empty_one() {
    for body in [
        "",
        " ",
        "<html><body>Welcome</body></html>",
        "<RunInstancesResponse/>",
        "{}",
        "<DescribeInstancesResponse><reservationSet><item>",
        "<DescribeInstancesResponse><reservationSet></DescribeInstancesResponse>",
    ] {
        assert!(read::<DescribeInstances>(&reply(body)).is_err(), "{body}");
    }
    assert!(read::<DescribeInstances>(&reply("<DescribeInstancesResponse/>")).is_ok());
}

const INSTANCES: &str = r#"<?xml version="1.0" encoding="UTF-8"?><DescribeInstancesResponse><requestId>r</requestId>
        <reservationSet><item><reservationId>r-1</reservationId><groupSet/><instancesSet><item><instanceId>i-1</instanceId>
        <amiLaunchIndex>3</amiLaunchIndex><instanceState><code>16</code><name>running</name></instanceState>
        <stateReason><code>c</code><message>m</message></stateReason><instanceType>t3.micro</instanceType>
        <launchTime>2026-01-05T10:00:00.000Z</launchTime><ipAddress>203.0.113.7</ipAddress>
        <privateIpAddress>10.0.0.2</privateIpAddress><ipv6Address>2600::1</ipv6Address><networkInterfaceSet><item>
        <association><publicIp>203.0.113.7</publicIp></association>
        <attachment><deviceIndex>0</deviceIndex><attachTime>2026-01-05T10:00:00.000Z</attachTime></attachment>
        <ipv6AddressesSet><item><ipv6Address>2600::1</ipv6Address></item></ipv6AddressesSet></item></networkInterfaceSet>
        <tagSet><item><key>managed-by</key><value>spuff</value></item></tagSet></item></instancesSet></item></reservationSet>
        <nextToken>more</nextToken></DescribeInstancesResponse>"#;

#[test]
fn an_instance_reads_as_what_it_is_when_an_element_is_not_as_ever() {
    let sets = ["reservationSet", "instancesSet", "item"];
    for (element, how, text) in each_element(INSTANCES) {
        let (instances, next) = match read::<DescribeInstances>(&reply(&text)) {
            Ok(read) => read.into_parts(),
            Err(error) => {
                let error = error.to_string();
                let named = error.contains(&format!("`{element}`")) || matches!(how, "filled");
                // A changed `item` is reported as an item without an id.
                assert!(
                    named || (element == "item" && error.contains("instanceId")),
                    "{element} {how}: {error}"
                );
                assert!(!error.contains("canary"), "{element} {how}: {error}");
                assert!(
                    how != "removed" && how != "emptied"
                        || element.ends_with("Id")
                        || element == "item",
                    "{element} {how}"
                );
                continue;
            }
        };
        let whole = sets.contains(&element.as_str());
        assert!(
            instances.len() == 1 || (whole && how != "doubled"),
            "{element} {how}: {instances:?}"
        );
        assert!(element == "nextToken" || next == "more", "{element} {how}");
        for instance in instances {
            assert!(!convert::is_ending(&instance), "{element} {how}");
            let index = instance.ami_launch_index;
            assert!(
                index == Some(3) || (element == "amiLaunchIndex" && index.is_none()),
                "{element} {how}: {index:?}"
            );
            let told = convert::instance(instance, "us-east-1");
            assert!(
                told.id == "i-1" || (element == "instanceId" && how == "other"),
                "{element} {how}: {told:?}"
            );
            let made = told.known_created_at();
            assert!(
                made.is_some_and(|made| made.timestamp() == 1_767_607_200),
                "{element} {how}: {made:?}"
            );
            let stated = ["instanceState", "name"].contains(&element.as_str());
            assert!(
                stated || told.status == InstanceStatus::Active,
                "{element} {how}: {:?}",
                told.status
            );
            assert!(told.is_ready() || stated, "{element} {how}: {told:?}");
            let tagged = ["tagSet", "key", "value", "item"].contains(&element.as_str());
            assert!(tagged || told.is_managed(), "{element} {how}: {told:?}");
        }
    }
}

#[test]
fn an_image_stays_one_when_an_element_is_not_as_ever() {
    const IMAGES: &str = "<DescribeImagesResponse><requestId>r</requestId><imagesSet><item>\
        <imageId>ami-1</imageId><name>n</name><imageState>available</imageState>\
        <stateReason><code>c</code><message>m</message></stateReason>\
        <creationDate>2026-01-05T10:00:00.000Z</creationDate>\
        <rootDeviceName>/dev/sda1</rootDeviceName><rootDeviceType>ebs</rootDeviceType>\
        <blockDeviceMapping><item><deviceName>/dev/sda1</deviceName>\
        <ebs><snapshotId>snap-1</snapshotId></ebs></item></blockDeviceMapping>\
        <tagSet><item><key>managed-by</key><value>spuff</value></item></tagSet></item>\
        </imagesSet>\
        <nextToken>more</nextToken></DescribeImagesResponse>";
    for (element, how, text) in each_element(IMAGES) {
        match read::<DescribeImages>(&reply(&text)) {
            Ok(read) => {
                let (images, next) = read.into_parts();
                let whole = ["imagesSet", "item"].contains(&element.as_str());
                assert!(
                    images.len() == 1 || (whole && how != "doubled"),
                    "{element} {how}: {images:?}"
                );
                assert!(element == "nextToken" || next == "more", "{element} {how}");
                let tagged = ["tagSet", "key", "value", "item"].contains(&element.as_str());
                assert!(
                    tagged || images.iter().all(convert::is_managed_snapshot),
                    "{element} {how}: {images:?}"
                );
                assert!(!images.iter().any(convert::has_failed), "{element} {how}");
            }
            Err(error) => {
                let error = error.to_string();
                let named = error.contains(&format!("`{element}`")) || matches!(how, "filled");
                assert!(
                    named || (element == "item" && error.contains("imageId")),
                    "{element} {how}: {error}"
                );
                assert!(!error.contains("canary"), "{element} {how}: {error}");
            }
        }
    }
}
