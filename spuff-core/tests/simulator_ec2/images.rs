//! AMIs, the copies of disks that they stand on, and the images that others publish.

use super::*;

async fn running(cloud: &Cloud, ec2: &Asker) -> String {
    let id = ec2.launch(&[]).await;
    cloud.advance(seconds(60));
    id
}

#[tokio::test]
async fn an_image_is_made_and_boots() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = running(&cloud, &ec2).await;
    let create = [
        ("InstanceId", id.as_str()),
        ("Name", "web [1]"),
        ("NoReboot", "true"),
        ("TagSpecification.1.ResourceType", "image"),
        ("TagSpecification.1.Tag.1.Key", "managed-by"),
        ("TagSpecification.1.Tag.1.Value", "me"),
        ("TagSpecification.2.ResourceType", "snapshot"),
        ("TagSpecification.2.Tag.1.Key", "of"),
        ("TagSpecification.2.Tag.1.Value", "web"),
    ];
    let image = ec2.ask("CreateImage", &create).await.good().one("imageId");
    let by_id = [("ImageId.1", image.as_str())];
    let own =
        [("Owner.1", "self"), ("Filter.1.Name", "tag:managed-by"), ("Filter.1.Value.1", "me")];
    assert_eq!(
        ec2.ask("DescribeImages", &by_id).await.code(),
        (400, "InvalidAMIID.NotFound".to_string()),
        "not seen yet"
    );
    cloud.advance(seconds(2));
    ec2.ask("DescribeImages", &by_id).await.good();
    assert!(
        ec2.ask("DescribeImages", &own).await.good().all("imageId").is_empty(),
        "lists lag longer"
    );
    cloud.advance(seconds(2));
    let shown = ec2.ask("DescribeImages", &own).await.good();
    assert_eq!(
        (shown.one("imageId"), shown.one("imageState"), shown.one("name")),
        (image.clone(), "pending".into(), "web [1]".into())
    );
    assert_eq!(
        (shown.one("rootDeviceName"), shown.one("sourceInstanceId")),
        ("/dev/sda1".to_string(), id.clone())
    );
    let copy = shown.one("snapshotId");
    assert_eq!(
        ec2.run(&[("ImageId", &image)]).await.code().1,
        "InvalidAMIID.Unavailable",
        "it is pending"
    );

    let copies = ec2.ask("DescribeSnapshots", &[("Owner.1", "self")]).await.good();
    assert_eq!(
        (copies.one("snapshotId"), copies.one("status")),
        (copy.clone(), "pending".to_string())
    );
    let description = format!("Created by CreateImage({id}) for {image}");
    assert_eq!((copies.one("description"), copies.one("value")), (description, "web".to_string()));
    let filter = [
        ("Filter.1.Name", "description"),
        ("Filter.1.Value.1", &*format!("Created by CreateImage(*) for {image}*")),
    ];
    assert_eq!(ec2.ask("DescribeSnapshots", &filter).await.good().one("snapshotId"), copy);

    let taken = ec2.ask("CreateImage", &[("InstanceId", &id), ("Name", "web [1]")]).await;
    assert_eq!(taken.code(), (400, "InvalidAMIName.Duplicate".to_string()));
    assert!(taken.one("Message").contains(&image));
    cloud.advance(seconds(116));
    assert_eq!(ec2.ask("DescribeImages", &by_id).await.good().one("imageState"), "available");
    assert_eq!(
        ec2.ask("DescribeSnapshots", &[("SnapshotId.1", &copy)]).await.good().one("progress"),
        "100%"
    );
    let restored = ec2.run(&[("ImageId", &image)]).await.good();
    assert_eq!(restored.one("imageId"), image);
    // It fits no smaller disk and no other processor.
    let small = [
        ("BlockDeviceMapping.1.DeviceName", "/dev/sda1"),
        ("BlockDeviceMapping.1.Ebs.VolumeSize", "7"),
        ("ImageId", image.as_str()),
    ];
    assert_eq!(ec2.run(&small).await.code().1, "InvalidBlockDeviceMapping");
    assert_eq!(
        ec2.run(&[("ImageId", &image), ("InstanceType", "t4g.micro")]).await.code().1,
        "InvalidParameterValue"
    );
    // It belongs to its region, and the name to the region and account.
    let elsewhere = Asker::new(&cloud, "eu-west-1");
    assert_eq!(elsewhere.ask("DescribeImages", &by_id).await.code().1, "InvalidAMIID.NotFound");
    assert_eq!(elsewhere.run(&[("ImageId", &image)]).await.code().1, "InvalidAMIID.NotFound");
}

#[tokio::test]
async fn deregistering_leaves_the_copies_of_disks() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = running(&cloud, &ec2).await;
    let image = ec2
        .ask("CreateImage", &[("InstanceId", &id), ("Name", "one"), ("NoReboot", "true")])
        .await
        .good()
        .one("imageId");
    cloud.advance(seconds(300));
    let copy = ec2.ask("DescribeImages", &[("ImageId.1", &image)]).await.good().one("snapshotId");
    let used = ec2.ask("DeleteSnapshot", &[("SnapshotId", &copy)]).await;
    assert_eq!(used.code(), (400, "InvalidSnapshot.InUse".to_string()));
    assert!(used.one("Message").contains(&image), "{}", used.text);
    assert_eq!(left(&cloud), [Kind::Instance, Kind::Snapshot]);

    assert_eq!(
        ec2.ask("DeregisterImage", &[("ImageId", &image)]).await.good().one("return"),
        "true"
    );
    assert_eq!(left(&cloud), [Kind::Instance, Kind::DiskSnapshot], "the copy is still paid for");
    for (action, parameter) in [("DescribeImages", "ImageId.1"), ("DeregisterImage", "ImageId")] {
        assert_eq!(
            ec2.ask(action, &[(parameter, &image)]).await.code().1,
            "InvalidAMIID.Unavailable",
            "{action}"
        );
    }
    assert_eq!(
        ec2.ask("DeleteSnapshot", &[("SnapshotId", &copy)]).await.code().1,
        "InvalidSnapshot.InUse",
        "for a while"
    );
    cloud.advance(seconds(4));
    ec2.ask("DeleteSnapshot", &[("SnapshotId", &copy)]).await.good();
    assert_eq!(
        ec2.ask("DeleteSnapshot", &[("SnapshotId", &copy)]).await.code().1,
        "InvalidSnapshot.NotFound"
    );
    assert_eq!(left(&cloud), [Kind::Instance]);
    cloud.advance(seconds(3600));
    assert_eq!(
        ec2.ask("DescribeImages", &[("ImageId.1", &image)]).await.code().1,
        "InvalidAMIID.NotFound"
    );

    let image =
        ec2.ask("CreateImage", &[("InstanceId", &id), ("Name", "one")]).await.good().one("imageId");
    cloud.advance(seconds(300));
    let copy = ec2.ask("DescribeImages", &[("ImageId.1", &image)]).await.good().one("snapshotId");
    let both = ec2
        .ask("DeregisterImage", &[("ImageId", &image), ("DeleteAssociatedSnapshots", "true")])
        .await
        .good();
    assert_eq!((both.one("snapshotId"), both.one("returnCode")), (copy, "success".to_string()));
    assert_eq!(left(&cloud), [Kind::Instance]);
}

#[tokio::test]
async fn making_an_image_reboots_unless_told_not_to() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = running(&cloud, &ec2).await;
    let status = async || {
        ec2.ask("DescribeInstanceStatus", &[("InstanceId.1", &id)]).await.good().one("status")
    };
    assert_eq!(status().await, "ok");
    ec2.ask("CreateImage", &[("InstanceId", &id), ("Name", "live"), ("NoReboot", "true")])
        .await
        .good();
    assert_eq!(status().await, "ok");
    cloud.advance(seconds(20));
    ec2.ask("CreateImage", &[("InstanceId", &id), ("Name", "still")]).await.good();
    assert_eq!(status().await, "initializing");
}

#[tokio::test]
async fn copies_of_one_disk_are_paced() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = running(&cloud, &ec2).await;
    let create = async |name: &str| {
        ec2.ask("CreateImage", &[("InstanceId", &id), ("Name", name), ("NoReboot", "true")]).await
    };
    create("image 0").await.good();
    assert_eq!(
        create("image 1").await.code(),
        (400, "SnapshotCreationPerVolumeRateExceeded".to_string())
    );
    for number in 1..5 {
        cloud.advance(seconds(15));
        create(&format!("image {number}")).await.good();
    }
    cloud.advance(seconds(15));
    assert_eq!(create("image 5").await.code().1, "ConcurrentSnapshotLimitExceeded");
    let disk = ec2.ask("DescribeVolumes", &[]).await.good().one("volumeId");
    assert_eq!(
        ec2.ask("CreateSnapshot", &[("VolumeId", &disk)]).await.code().1,
        "ConcurrentSnapshotLimitExceeded"
    );
    cloud.advance(seconds(120));
    let copy =
        ec2.ask("CreateSnapshot", &[("VolumeId", &disk), ("Description", "by hand")]).await.good();
    assert_eq!((copy.one("status"), copy.one("volumeId")), ("pending".to_string(), disk));
    // No machine boots from it.
    assert_eq!(
        ec2.run(&[("ImageId", &copy.one("snapshotId"))]).await.code().1,
        "InvalidAMIID.Malformed"
    );
    assert!(left(&cloud).contains(&Kind::DiskSnapshot));
}

#[tokio::test]
async fn what_makes_no_image_is_refused() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = ec2.launch(&[]).await;
    cloud.advance(seconds(5));
    assert_eq!(
        ec2.ask("CreateImage", &[("InstanceId", &id), ("Name", "early")]).await.code().1,
        "IncorrectInstanceState"
    );
    cloud.advance(seconds(55));
    let long = "x".repeat(129);
    for (parameters, code) in [
        (&[("InstanceId", id.as_str())][..], "MissingParameter"),
        (&[("Name", "name")], "MissingParameter"),
        (&[("InstanceId", "i-12345678"), ("Name", "name")], "InvalidInstanceID.NotFound"),
        (&[("InstanceId", &id), ("Name", "ab")], "InvalidAMIName.Malformed"),
        (&[("InstanceId", &id), ("Name", &long)], "InvalidAMIName.Malformed"),
        (&[("InstanceId", &id), ("Name", "a:b")], "InvalidAMIName.Malformed"),
        (&[("InstanceId", &id), ("Name", "name"), ("NoReboot", "maybe")], "InvalidParameterValue"),
    ] {
        assert_eq!(ec2.ask("CreateImage", parameters).await.code().1, code, "{parameters:?}");
    }
    let published = ec2.image().await;
    assert_eq!(
        ec2.ask("DeregisterImage", &[("ImageId", &published)]).await.code(),
        (403, "AuthFailure".to_string())
    );
    assert!(cloud.snapshots().is_empty());
}

#[tokio::test]
async fn publishers_are_told_apart_by_their_owner() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let name = ["ubuntu/images/hvm-ssd*/ubuntu-*-24.04-amd64-server-*"];
    let filters = [
        ("Filter.1.Name", "name"),
        ("Filter.1.Value.1", name[0]),
        ("Filter.2.Name", "architecture"),
        ("Filter.2.Value.1", "x86_64"),
    ];
    let anyone = ec2.ask("DescribeImages", &filters).await.good();
    let owned = ec2
        .ask("DescribeImages", &[&filters[..], &[("Owner.1", "099720109477")]].concat())
        .await
        .good();
    assert_eq!(
        (anyone.all("imageId").len(), owned.all("imageId").len()),
        (3, 2),
        "somebody has published a look-alike"
    );
    let newest = |reply: &Reply| {
        let dates = reply.all("creationDate").into_iter().zip(reply.all("imageId"));
        dates.max().unwrap().1
    };
    assert_ne!(newest(&anyone), newest(&owned), "and it is newer");
    assert_eq!(newest(&owned), ec2.image().await);

    for (parameter, root) in [
        (
            "/aws/service/canonical/ubuntu/server/22.04/stable/current/arm64/hvm/ebs-gp2/ami-id",
            "/dev/sda1",
        ),
        ("/aws/service/debian/release/12/latest/amd64", "/dev/xvda"),
        ("/aws/service/debian/release/13/latest/arm64", "/dev/xvda"),
        ("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64", "/dev/xvda"),
    ] {
        let (status, reply) =
            ec2.ssm("GetParameter", &serde_json::json!({"Name": parameter}).to_string()).await;
        assert_eq!((status, reply["Parameter"]["Name"].as_str()), (200, Some(parameter)));
        let image = reply["Parameter"]["Value"].as_str().unwrap().to_string();
        let shown = ec2.ask("DescribeImages", &[("ImageId.1", &image)]).await.good();
        assert_eq!(
            (shown.one("rootDeviceName"), shown.one("isPublic")),
            (root.to_string(), "true".to_string())
        );
        assert_eq!(shown.one("architecture") == "arm64", parameter.contains("arm64"));
    }
    for missing in [
        "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp2/ami-id",
        "x",
        "",
    ] {
        let (status, reply) =
            ec2.ssm("GetParameter", &serde_json::json!({"Name": missing}).to_string()).await;
        assert_eq!(
            (status, reply["__type"].as_str()),
            (400, Some("ParameterNotFound")),
            "{missing}"
        );
    }
    let two = r#"{"Names": ["/aws/service/debian/release/12/latest/amd64", "nothing"]}"#;
    let (status, reply) = ec2.ssm("GetParameters", two).await;
    assert_eq!(
        (status, reply["Parameters"].as_array().unwrap().len(), &reply["InvalidParameters"][0]),
        (200, 1, &"nothing".into())
    );
    for (action, body, kind) in [
        ("GetParameter", "{}", "ValidationException"),
        ("GetParameter", "{", "SerializationException"),
        ("GetParameters", r#"{"Names": []}"#, "ValidationException"),
        ("PutParameter", "{}", "UnknownOperationException"),
    ] {
        let (status, reply) = ec2.ssm(action, body).await;
        assert_eq!((status, reply["__type"].as_str()), (400, Some(kind)), "{action} {body}");
    }
}
