//! Tags: their rules, and that filters lag behind them.

use super::*;

fn tagged(number: usize, key: &str, value: &str) -> [(String, String); 2] {
    [
        (format!("Tag.{number}.Key"), key.to_string()),
        (format!("Tag.{number}.Value"), value.to_string()),
    ]
}

async fn tag(ec2: &Asker, action: &str, id: &str, tags: &[[(String, String); 2]]) -> Reply {
    let mut parameters = vec![("ResourceId.1", id)];
    parameters.extend(tags.iter().flatten().map(|(name, value)| (name.as_str(), value.as_str())));
    ec2.ask(action, &parameters).await
}

#[tokio::test]
async fn tags_have_rules() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = ec2.launch(&[]).await;
    let key = "k".repeat(128);
    let value = "ü".repeat(256);
    tag(
        &ec2,
        "CreateTags",
        &id,
        &[tagged(1, &key, &value), tagged(2, "Name", ""), tagged(3, "a=b/ü <&>", "")],
    )
    .await
    .good();
    let shown = ec2
        .ask("DescribeTags", &[("Filter.1.Name", "resource-id"), ("Filter.1.Value.1", &id)])
        .await
        .good();
    assert_eq!(shown.all("key"), ["Name".to_string(), "a=b/ü <&>".to_string(), key.clone()]);
    let many: Vec<_> =
        (1..=50).map(|number| tagged(number, &format!("key {number}"), "")).collect();
    for (tags, code) in [
        (vec![tagged(1, "aws:x", "")], "InvalidParameterValue"),
        (vec![tagged(1, "AWS:x", "")], "InvalidParameterValue"),
        (vec![tagged(1, "", "x")], "InvalidParameterValue"),
        (vec![tagged(1, &"k".repeat(129), "")], "InvalidParameterValue"),
        (vec![tagged(1, "k", &"v".repeat(257))], "InvalidParameterValue"),
        (many, "TagLimitExceeded"),
        (vec![], "MissingParameter"),
    ] {
        assert_eq!(tag(&ec2, "CreateTags", &id, &tags).await.code().1, code);
    }
    for (id, code) in [
        ("i-12345678", "InvalidInstanceID.NotFound"),
        ("ami-12345678", "InvalidAMIID.NotFound"),
        ("snap-12345678", "InvalidSnapshot.NotFound"),
        ("vol-12345678", "InvalidVolume.NotFound"),
        ("key-12345678", "InvalidKeyPair.NotFound"),
        ("banana", "InvalidID"),
    ] {
        assert_eq!(
            tag(&ec2, "CreateTags", id, &[tagged(1, "k", "v")]).await.code().1,
            code,
            "{id}"
        );
    }
    let prefix = [("TagSpecification.1.ResourceType", "instance")];
    let one = |number: usize| {
        [
            format!("TagSpecification.1.Tag.{number}.Key"),
            format!("TagSpecification.1.Tag.{number}.Value"),
        ]
    };
    for (more, code) in [
        (vec![], "InvalidParameterValue"),
        (vec![(one(1)[0].clone(), "k"), (one(2)[0].clone(), "k")], "InvalidParameterValue"),
        (
            (1..=51)
                .map(|number| {
                    (
                        one(number)[0].clone(),
                        Box::leak(format!("k{number}").into_boxed_str()) as &str,
                    )
                })
                .collect(),
            "TagLimitExceeded",
        ),
    ] {
        let more: Vec<(&str, &str)> = prefix
            .into_iter()
            .chain(more.iter().map(|(name, value)| (name.as_str(), *value)))
            .collect();
        assert_eq!(ec2.run(&more).await.code().1, code);
    }
    let wrong =
        [("TagSpecification.1.ResourceType", "image"), ("TagSpecification.1.Tag.1.Key", "k")];
    assert_eq!(ec2.run(&wrong).await.code().1, "InvalidParameterValue");
}

#[tokio::test]
async fn filters_lag_behind_a_change_of_tags() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = ec2.launch(&[]).await;
    cloud.advance(seconds(60));
    tag(&ec2, "CreateTags", &id, &[tagged(1, "Name", "web"), tagged(2, "env", "prod")])
        .await
        .good();
    let found = async |filter: &str, value: &str| {
        let filters = [("Filter.1.Name", filter), ("Filter.1.Value.1", value)];
        !ec2.ask("DescribeInstances", &filters).await.good().all("instanceId").is_empty()
    };
    let shown = ec2.ask("DescribeInstances", &[("InstanceId.1", &id)]).await.good();
    assert!(shown.text.contains("<key>Name</key><value>web</value>"), "{}", shown.text);
    assert!(!found("tag:env", "prod").await && !found("tag:Name", "web").await);
    cloud.advance(seconds(4));
    assert!(found("tag:env", "prod").await && found("tag:Name", "web").await);
    assert_eq!(
        (cloud.instances()[0].name.as_str(), cloud.instances()[0].labels["env"].as_str()),
        ("web", "prod")
    );

    tag(&ec2, "DeleteTags", &id, &[tagged(1, "env", "test")]).await.good();
    cloud.advance(seconds(4));
    assert!(found("tag:env", "prod").await, "it had another value");
    let key_only = ec2.ask("DeleteTags", &[("ResourceId.1", &id), ("Tag.1.Key", "env")]).await;
    key_only.good();
    assert!(found("tag:env", "prod").await, "filters lag");
    cloud.advance(seconds(4));
    assert!(!found("tag:env", "prod").await);
    tag(&ec2, "DeleteTags", &id, &[]).await.good();
    cloud.advance(seconds(4));
    assert!(!found("tag-key", "*").await);
    assert_eq!(cloud.instances()[0].name, "");
}

#[tokio::test]
async fn everything_can_be_tagged() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = ec2.launch(&[]).await;
    let image = ec2
        .ask("CreateImage", &[("InstanceId", &id), ("Name", "image")])
        .await
        .good()
        .one("imageId");
    let copy = ec2.ask("DescribeImages", &[("ImageId.1", &image)]).await.good().one("snapshotId");
    let disk = ec2.ask("DescribeVolumes", &[]).await.good().one("volumeId");
    let key = ec2.ask("DescribeKeyPairs", &[]).await.good().one("keyPairId");
    for thing in [&id, &image, &copy, &disk, &key] {
        tag(&ec2, "CreateTags", thing, &[tagged(1, "k", "v")]).await.good();
    }
    let shown = ec2
        .ask("DescribeTags", &[("Filter.1.Name", "key"), ("Filter.1.Value.1", "k")])
        .await
        .good();
    assert_eq!(shown.all("resourceType"), ["instance", "image", "snapshot", "volume"]);
    for (action, filter) in [
        ("DescribeImages", "imageId"),
        ("DescribeSnapshots", "snapshotId"),
        ("DescribeVolumes", "volumeId"),
        ("DescribeKeyPairs", "keyPairId"),
    ] {
        let found =
            ec2.ask(action, &[("Filter.1.Name", "tag:k"), ("Filter.1.Value.1", "v")]).await.good();
        assert_eq!(found.all(filter).len(), if filter == "volumeId" { 2 } else { 1 }, "{action}");
    }
    let others = ec2.image().await;
    assert_eq!(
        tag(&ec2, "CreateTags", &others, &[tagged(1, "k", "v")]).await.code(),
        (403, "UnauthorizedOperation".to_string())
    );
}
