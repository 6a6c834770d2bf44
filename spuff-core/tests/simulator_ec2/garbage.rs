//! Whatever is sent gets an answer in EC2's form.

use super::*;

#[tokio::test]
async fn garbage_is_refused_in_ec2s_form() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    for (body, code) in [
        ("", "MissingAction"),
        ("{\"Action\": \"RunInstances\"}", "MissingAction"),
        ("&&&===&", "MissingAction"),
        ("Action=", "MissingAction"),
        ("Action=DescribeInstances", "MissingParameter"),
        ("Action=DescribeInstances&Version=2099-01-01", "NoSuchVersion"),
        ("Action=ExplodeInstances&Version=2016-11-15", "InvalidAction"),
        ("Action=describeinstances&Version=2016-11-15", "InvalidAction"),
        ("Action=%3Cscript%3E&Version=2016-11-15", "InvalidAction"),
        ("Action=DescribeInstances&Version=2016-11-15&Colour=red", "UnknownParameter"),
        ("Action=DescribeInstances&Version=2016-11-15&Filter.9999999999999.Name=x", ""),
        ("Action=DescribeInstances&Version=2016-11-15&Filter.-1.Name=x&Filter=7&Filter.=8", ""),
        (
            "Action=DescribeInstances&Version=2016-11-15&InstanceId.1=%00%ff",
            "InvalidInstanceID.Malformed",
        ),
        (
            "Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i-%F0%9F%A6%80",
            "InvalidInstanceID.Malformed",
        ),
        ("Action=RunInstances&Version=2016-11-15", "MissingParameter"),
        ("Action=TerminateInstances&Version=2016-11-15", "MissingParameter"),
        ("Action=CreateTags&Version=2016-11-15&ResourceId.1=-", "InvalidID"),
        ("Action=CreateTags&Version=2016-11-15", "MissingParameter"),
        ("Action=DeleteSnapshot&Version=2016-11-15&SnapshotId=snap", "InvalidSnapshotID.Malformed"),
        (
            "Action=DescribeSnapshots&Version=2016-11-15&SnapshotId.1=snap-00000000",
            "InvalidSnapshot.NotFound",
        ),
        ("Action=DeleteVolume&Version=2016-11-15&VolumeId=7", "InvalidParameterValue"),
        ("Action=DescribeVpcs&Version=2016-11-15&VpcId.1=vpc-1", "InvalidVpcID.NotFound"),
        ("Action=ModifyInstanceAttribute&Version=2016-11-15", "MissingParameter"),
    ] {
        let reply = ec2.raw(body).await;
        assert!(reply.text.starts_with("<?xml"), "{body}: {}", reply.text);
        assert_eq!(reply.one("Code"), code, "{body}: {}", reply.text);
    }
    let refused = ec2.raw("Action=%3Cscript%3E&Version=2016-11-15").await;
    assert!(!refused.text.contains("<script>"), "{}", refused.text);
    for method in [reqwest::Method::PUT, reqwest::Method::DELETE, reqwest::Method::PATCH] {
        let request = ec2
            .http
            .request(method, &ec2.url)
            .header("authorization", signature("us-east-1", "ec2"));
        assert_eq!(ec2.send(request.body("x=y")).await.code().1, "MissingAction");
    }
    assert!(cloud.instances().is_empty());
}

#[tokio::test]
async fn random_bytes_never_stop_the_cloud() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let actions = [
        "RunInstances",
        "DescribeInstances",
        "DescribeImages",
        "CreateTags",
        "CreateImage",
        "DescribeInstanceTypes",
        "ImportKeyPair",
        "DescribeVolumes",
        "ModifyInstanceAttribute",
        "DescribeSubnets",
        "DeregisterImage",
        "DescribeInstanceStatus",
    ];
    let names = [
        "InstanceId.1",
        "InstanceId",
        "ImageId",
        "ImageId.1",
        "Filter.1.Name",
        "Filter.1.Value.1",
        "MaxResults",
        "NextToken",
        "MinCount",
        "MaxCount",
        "InstanceType",
        "UserData",
        "Name",
        "ResourceId.1",
        "Tag.1.Key",
        "TagSpecification.1.ResourceType",
        "TagSpecification.1.Tag.1.Key",
        "NetworkInterface.1.DeviceIndex",
        "BlockDeviceMapping.1.DeviceName",
        "BlockDeviceMapping.1.Ebs.VolumeSize",
        "ClientToken",
        "PublicKeyMaterial",
        "KeyName",
        "Attribute",
        "Value",
        "SubnetId.1",
    ];
    let image = ec2.image().await;
    let values = [
        "",
        "1",
        "0",
        "-1",
        "4294967296",
        "true",
        "i-0123456789abcdef0",
        "ami-00000000",
        "t3.micro",
        "instance",
        "tag:k",
        "*",
        "\\",
        "%25",
        "%00",
        "%F0%9F%A6%80",
        "AAAA",
        "/dev/sda1",
        "subnet-",
        "instance-id",
        "5",
        &image,
    ];
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..1500 {
        let mut body = format!("Action={}&Version=2016-11-15", actions[rng.usize(..actions.len())]);
        for _ in 0..rng.usize(..6) {
            body += &format!(
                "&{}={}",
                names[rng.usize(..names.len())],
                values[rng.usize(..values.len())]
            );
        }
        if rng.u8(..) < 20 {
            body = (0..rng.usize(..80)).map(|_| char::from(rng.u8(32..127))).collect();
        }
        let reply = ec2.raw(body.clone()).await;
        assert!(
            matches!(reply.status, 200 | 400 | 403 | 412),
            "{body}: {} {}",
            reply.status,
            reply.text
        );
        assert!(reply.text.starts_with("<?xml"), "{body}: {}", reply.text);
    }
}
