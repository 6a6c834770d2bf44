//! Launching: what may be asked for, and that one token launches once.

use super::*;

#[tokio::test]
async fn a_launch_is_pending_without_an_address_and_comes_up() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let reply = ec2.run(&[]).await.good();
    assert!(
        reply.text.contains("<instanceState><code>0</code><name>pending</name></instanceState>"),
        "{}",
        reply.text
    );
    assert_eq!((reply.all("ipAddress").len(), reply.all("privateIpAddress").len()), (0, 3));
    assert!(reply.one("launchTime").ends_with(".000Z"));
    assert_eq!(reply.header("content-type"), "text/xml;charset=UTF-8");
    let id = reply.one("instanceId");
    assert!(id.starts_with("i-0") && id.len() == 19, "{id}");

    cloud.advance(seconds(17));
    assert_eq!(ec2.state(&id).await, "pending");
    cloud.advance(seconds(1));
    let shown = ec2.ask("DescribeInstances", &[("InstanceId.1", &id)]).await.good();
    assert!(shown.text.contains("<code>16</code><name>running</name>"), "{}", shown.text);
    assert!(shown.all("ipAddress").is_empty(), "the address comes a moment later");
    cloud.advance(seconds(2));
    let shown = ec2.ask("DescribeInstances", &[("InstanceId.1", &id)]).await.good();
    assert_eq!(shown.one("ipAddress"), shown.one("publicIp"));
    assert!(shown.one("ipAddress").starts_with("198.1"), "{}", shown.text);
}

#[tokio::test]
async fn even_an_instant_launch_is_pending_at_first() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let reply = ec2.run(&[]).await.good();
    assert!(
        reply.text.contains("<name>pending</name>") && reply.all("ipAddress").is_empty(),
        "{}",
        reply.text
    );
    assert_eq!(ec2.state(&reply.one("instanceId")).await, "running");
}

#[tokio::test]
async fn one_token_launches_once() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let token = ("ClientToken", "once");
    let first = ec2.launch(&[token]).await;
    assert_eq!(ec2.launch(&[token]).await, first);
    cloud.advance(seconds(60));
    assert_eq!(ec2.launch(&[token]).await, first);
    assert_eq!(cloud.instances().len(), 1);

    let mismatch = (400, "IdempotentParameterMismatch".to_string());
    assert_eq!(ec2.run(&[token, ("UserData", "eA==")]).await.code(), mismatch);
    assert_eq!(ec2.run(&[token, ("MaxCount", "2")]).await.code(), mismatch);
    let found = ec2
        .ask(
            "DescribeInstances",
            &[("Filter.1.Name", "client-token"), ("Filter.1.Value.1", "once")],
        )
        .await
        .good();
    assert_eq!(
        (found.one("instanceId"), found.one("clientToken")),
        (first.clone(), "once".to_string())
    );

    // A token belongs to its region.
    let elsewhere = Asker::new(&cloud, "eu-west-1");
    assert_ne!(elsewhere.launch(&[token]).await, first);

    ec2.ask("TerminateInstances", &[("InstanceId.1", &first)]).await.good();
    assert_eq!(ec2.run(&[token]).await.code(), (400, "IdempotentInstanceTerminated".to_string()));
    cloud.advance(seconds(7200));
    assert_eq!(
        ec2.run(&[token]).await.code(),
        (400, "IdempotentInstanceTerminated".to_string()),
        "never again"
    );
    let long = "x".repeat(65);
    assert_eq!(ec2.run(&[("ClientToken", &long)]).await.code().1, "InvalidParameterValue");
    assert_eq!(ec2.run(&[("ClientToken", "ü")]).await.code().1, "InvalidParameterValue");
    ec2.launch(&[("ClientToken", &long[..64])]).await;
}

#[tokio::test]
async fn several_machines_are_one_reservation() {
    let cloud = manual().with_quota(3).start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let reply =
        ec2.run(&[("MinCount", "1"), ("MaxCount", "2"), ("ClientToken", "two")]).await.good();
    assert_eq!(
        (reply.all("instanceId").len(), reply.all("amiLaunchIndex")),
        (2, vec!["0".to_string(), "1".to_string()])
    );
    assert_eq!(
        ec2.run(&[("MaxCount", "2"), ("ClientToken", "two")]).await.all("instanceId"),
        reply.all("instanceId")
    );
    // It may be fewer than asked for, but not fewer than the least.
    assert_eq!(
        ec2.run(&[("MinCount", "2"), ("MaxCount", "5")]).await.code(),
        (400, "InstanceLimitExceeded".to_string())
    );
    assert_eq!(
        ec2.run(&[("MinCount", "1"), ("MaxCount", "5")]).await.good().all("instanceId").len(),
        1
    );
    cloud.advance(seconds(60));
    let all = ec2.ask("DescribeInstances", &[]).await.good();
    assert_eq!((all.all("reservationId").len(), all.all("instanceId").len()), (2, 3));
}

#[tokio::test]
async fn what_has_been_terminated_counts_for_a_while() {
    let cloud = instant().with_quota(1).start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = ec2.launch(&[]).await;
    cloud.advance(seconds(60));
    ec2.ask("TerminateInstances", &[("InstanceId.1", &id)]).await.good();
    assert_eq!(ec2.run(&[]).await.code().1, "InstanceLimitExceeded");
    cloud.advance(seconds(31));
    ec2.launch(&[]).await;
}

#[tokio::test]
async fn what_cannot_be_launched_is_refused() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "eu-central-1");
    let subnets = ec2.ask("DescribeSubnets", &[]).await.good().all("subnetId");
    let (subnet, group) =
        (subnets[1].as_str(), ec2.ask("DescribeSecurityGroups", &[]).await.good().one("groupId"));
    let big = base64_of(16 * 1024 + 1);
    let table: &[(Given<'_>, &str)] = &[
        (&[("ImageId", "")], "MissingParameter"),
        (&[("ImageId", "ubuntu")], "InvalidAMIID.Malformed"),
        (&[("ImageId", "ami-12345678")], "InvalidAMIID.NotFound"),
        (&[("ImageId", "ami-0123456789abcdef0")], "InvalidAMIID.NotFound"),
        (&[("InstanceType", "t9.nano")], "InvalidParameterValue"),
        (&[("InstanceType", "t4g.micro")], "InvalidParameterValue"),
        (&[("InstanceType", "m1.small")], "Unsupported"),
        (&[("InstanceType", "")], "Unsupported"),
        (&[("MinCount", "")], "MissingParameter"),
        (&[("MaxCount", "")], "MissingParameter"),
        (&[("MinCount", "0")], "InvalidParameterValue"),
        (&[("MinCount", "many")], "InvalidParameterValue"),
        (&[("MaxCount", "-1")], "InvalidParameterValue"),
        (&[("MaxCount", "1001")], "InvalidParameterValue"),
        (&[("MinCount", "3"), ("MaxCount", "2")], "InvalidParameterCombination"),
        (&[("KeyName", "nobody")], "InvalidKeyPair.NotFound"),
        (&[("SubnetId", "subnet-12345678")], "InvalidSubnetID.NotFound"),
        (&[("SubnetId", "here")], "InvalidSubnetID.Malformed"),
        (&[("SecurityGroupId.1", "sg-12345678")], "InvalidGroup.NotFound"),
        (&[("SecurityGroupId.1", "default")], "InvalidGroupId.Malformed"),
        (&[("SecurityGroup.1", "nobody")], "InvalidGroup.NotFound"),
        (&[("Placement.AvailabilityZone", "eu-central-1z")], "InvalidParameterValue"),
        (
            &[("Placement.AvailabilityZone", "eu-central-1a"), ("SubnetId", subnet)],
            "InvalidParameterCombination",
        ),
        (
            &[("NetworkInterface.1.DeviceIndex", "0"), ("SubnetId", subnet)],
            "InvalidParameterCombination",
        ),
        (
            &[("NetworkInterface.1.DeviceIndex", "0"), ("SecurityGroupId.1", &group)],
            "InvalidParameterCombination",
        ),
        (&[("NetworkInterface.1.SubnetId", subnet)], "MissingParameter"),
        (
            &[
                ("NetworkInterface.1.DeviceIndex", "1"),
                ("NetworkInterface.1.AssociatePublicIpAddress", "true"),
            ],
            "InvalidParameterCombination",
        ),
        (
            &[
                ("NetworkInterface.1.DeviceIndex", "0"),
                ("NetworkInterface.1.NetworkInterfaceId", "eni-1"),
            ],
            "InvalidNetworkInterfaceID.NotFound",
        ),
        (&[("UserData", "no base64!")], "InvalidUserData.Malformed"),
        (&[("UserData", &big)], "InvalidParameterValue"),
        (&[("BlockDeviceMapping.1.Ebs.VolumeSize", "9")], "MissingParameter"),
        (&[("BlockDeviceMapping.1.DeviceName", "/dev/sdf")], "MissingParameter"),
        (
            &[
                ("BlockDeviceMapping.1.DeviceName", "/dev/sda1"),
                ("BlockDeviceMapping.1.Ebs.VolumeSize", "7"),
            ],
            "InvalidBlockDeviceMapping",
        ),
        (
            &[
                ("BlockDeviceMapping.1.DeviceName", "/dev/sda1"),
                ("BlockDeviceMapping.1.Ebs.VolumeType", "ssd"),
            ],
            "InvalidParameterValue",
        ),
        (&[("InstanceInitiatedShutdownBehavior", "explode")], "InvalidParameterValue"),
        (&[("MetadataOptions.HttpTokens", "never")], "InvalidParameterValue"),
        (&[("DisableApiTermination", "perhaps")], "InvalidParameterValue"),
        (&[("Flavor", "sweet")], "UnknownParameter"),
        (&[("DryRun", "true")], "DryRunOperation"),
    ];
    for (parameters, code) in table {
        assert_eq!(ec2.run(parameters).await.code().1, *code, "{parameters:?}");
    }
    assert!(cloud.instances().is_empty());
    cloud.assert_no_leaks();
    ec2.launch(&[("UserData", &base64_of(16 * 1024)), ("KeyName", "laptop"), ("SubnetId", subnet)])
        .await;
}

/// So many bytes, in base64.
fn base64_of(bytes: usize) -> String {
    let whole = bytes / 3;
    let rest = bytes % 3;
    "AAAA".repeat(whole) + ["", "AA==", "AAA="][rest]
}

#[tokio::test]
async fn the_network_decides_on_the_address() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let subnets = ec2
        .ask(
            "DescribeSubnets",
            &[("Filter.1.Name", "map-public-ip-on-launch"), ("Filter.1.Value.1", "false")],
        )
        .await
        .good();
    let private = subnets.one("subnetId");
    let table: &[(Given<'_>, bool)] = &[
        (&[], true),
        (&[("SubnetId", &private)], false),
        (
            &[("NetworkInterface.1.DeviceIndex", "0"), ("NetworkInterface.1.SubnetId", &private)],
            false,
        ),
        (
            &[
                ("NetworkInterface.1.DeviceIndex", "0"),
                ("NetworkInterface.1.AssociatePublicIpAddress", "false"),
            ],
            false,
        ),
        (
            &[
                ("NetworkInterface.1.DeviceIndex", "0"),
                ("NetworkInterface.1.SubnetId", &private),
                ("NetworkInterface.1.AssociatePublicIpAddress", "true"),
            ],
            true,
        ),
    ];
    for (parameters, public) in table {
        let id = ec2.launch(parameters).await;
        let shown = ec2.ask("DescribeInstances", &[("InstanceId.1", &id)]).await.good();
        assert_eq!(!shown.one("ipAddress").is_empty(), *public, "{parameters:?}");
        assert!(shown.one("privateIpAddress").starts_with("172.31."));
    }
    let six = ec2.launch(&[("Ipv6AddressCount", "1")]).await;
    let shown = ec2.ask("DescribeInstances", &[("InstanceId.1", &six)]).await.good();
    assert!(shown.one("ipv6Address").starts_with("2001:db8:"), "{}", shown.text);
    let groups = ec2.ask("DescribeSecurityGroups", &[("GroupName.1", "default")]).await.good();
    assert_eq!(shown.one("groupId"), groups.one("groupId"));
    assert!(
        !groups.text.contains("<fromPort>22</fromPort>"),
        "nobody comes in by the default group"
    );
}
