use super::*;

const TAGS: &str = "<tagSet><item><key>managed-by</key><value>spuff</value></item></tagSet>";

fn made() -> ResponseTemplate {
    reply("CreateImage", &format!("<imageId>{AMI}</imageId>"))
}

fn stored(ids: &[&str]) -> String {
    let devices: String = ids
        .iter()
        .map(|id| {
            format!(
                "<item><deviceName>x</deviceName><ebs><snapshotId>{id}</snapshotId></ebs></item>"
            )
        })
        .collect();
    format!(
        "<blockDeviceMapping>{devices}\
         <item><virtualName>ephemeral0</virtualName></item></blockDeviceMapping>{TAGS}"
    )
}

fn deleting(id: &str) -> MockBuilder {
    action("DeleteSnapshot").and(body_string_contains(format!("&SnapshotId={id}")))
}

fn done(action: &str) -> ResponseTemplate {
    reply(action, "<return>true</return>")
}

#[tokio::test]
async fn a_snapshot_is_an_image_that_can_be_used() {
    let server = MockServer::start().await;
    action("CreateImage").respond_with(made()).expect(1).mount(&server).await;
    once(action("DescribeImages"), images(&[], ""), &server).await;
    once(action("DescribeImages"), images(&[image(AMI, "pending", TAGS)], ""), &server).await;
    action("DescribeImages")
        .respond_with(images(&[image(AMI, "available", TAGS)], ""))
        .expect(1)
        .mount(&server)
        .await;
    let snapshot = provider(&server).create_snapshot(ID, "before the upgrade").await.unwrap();
    assert_eq!((snapshot.id.as_str(), snapshot.name), (AMI, format!("image {AMI}")));
    assert_eq!(snapshot.created_at.unwrap().to_rfc3339(), "2026-01-05T10:00:00+00:00");

    let sent = sent(&server, "CreateImage").await;
    let nonce = sent[0].rsplit('=').next().unwrap();
    assert_eq!(nonce.len(), 32);
    let tags = |at: u8, kind: &str| {
        let start = format!("TagSpecification.{at}");
        format!(
            "&{start}.ResourceType={kind}&{start}.Tag.1.Key=Name\
             &{start}.Tag.1.Value=before%20the%20upgrade\
             &{start}.Tag.2.Key=managed-by&{start}.Tag.2.Value=spuff&{start}.Tag.3.Key=spuff-key\
             &{start}.Tag.3.Value={nonce}"
        )
    };
    let expected = format!(
        "Action=CreateImage&Version=2016-11-15&InstanceId={ID}&Name=before%20the%20upgrade\
         &NoReboot=true{}{}",
        tags(1, "image"),
        tags(2, "snapshot"),
    );
    assert_eq!(sent, [expected]);
}

#[tokio::test]
async fn a_failed_image_is_told_with_its_reason() {
    let server = MockServer::start().await;
    action("CreateImage").respond_with(made()).expect(1).mount(&server).await;
    let reason = "<stateReason><code>Client.InternalError</code><message>key is \
     disabled</message></stateReason>";
    action("DescribeImages")
        .respond_with(images(&[image(AMI, "failed", reason)], ""))
        .expect(1)
        .mount(&server)
        .await;
    let error = provider(&server).create_snapshot(ID, "backup").await.unwrap_err();
    assert!(
        error.to_string().contains("key is disabled") && error.to_string().contains(AMI),
        "{error}"
    );
    assert_eq!(error.context().unwrap().code.as_deref(), Some("Client.InternalError"));
}

#[tokio::test]
async fn an_image_that_does_not_come_is_named_by_the_timeout() {
    let server = MockServer::start().await;
    action("CreateImage").respond_with(made()).expect(1).mount(&server).await;
    action("DescribeImages")
        .respond_with(images(&[image(AMI, "pending", "")], ""))
        .expect(2..)
        .mount(&server)
        .await;
    let error = hasty_provider(&server).create_snapshot(ID, "backup").await.unwrap_err();
    assert!(
        matches!(error, ProviderError::Timeout { .. })
            && error.to_string().contains(&format!("{AMI} (pending)")),
        "{error}"
    );
}

#[tokio::test]
async fn refusals_of_a_snapshot_have_their_kinds() {
    for (status, code, expected) in [
        (400, "InvalidInstanceID.NotFound", "not_found"),
        (400, "InvalidAMIName.Duplicate", "conflict"),
        (400, "IncorrectInstanceState", "conflict"),
        (400, "SnapshotLimitExceeded", "quota_exceeded"),
        (500, "InternalError", "unknown_outcome"),
    ] {
        let server = MockServer::start().await;
        let times = if expected == "unknown_outcome" { 2..u64::MAX } else { 1..2 };
        action("CreateImage")
            .respond_with(refusal(status, code, "no"))
            .expect(times)
            .mount(&server)
            .await;
        if expected == "not_found" {
            mount_regions(&server, &["eu-central-1"]).await;
        }
        let error = hasty_provider(&server).create_snapshot(ID, "backup").await.unwrap_err();
        assert_eq!(error.kind().name(), expected, "{code}: {error}");
    }
}

#[tokio::test]
async fn names_that_an_image_cannot_have_are_not_sent() {
    let server = MockServer::start().await;
    for name in ["", "ab", "a:b", "größe", &"x".repeat(129)] {
        assert!(
            is_invalid(&provider(&server).create_snapshot(ID, name).await.unwrap_err(), "name"),
            "{name}"
        );
    }
    assert!(nothing_sent(&server).await);
}

#[tokio::test]
async fn lists_follow_every_page_and_hold_only_what_is_ours() {
    let server = MockServer::start().await;
    let start = "Action=DescribeImages&Version=2016-11-15&Owner.1=self\
        &Filter.1.Name=tag%3Amanaged-by&Filter.1.Value.1=spuff&MaxResults=1000";
    let at = |number: u8| format!("ami-0000000{number}");
    let next = |token: &str| format!("<nextToken>{token}</nextToken>");
    let page = |token: &str, answer: ResponseTemplate| {
        Mock::given(wiremock::matchers::body_string(format!("{start}{token}")))
            .respond_with(answer)
            .expect(1)
            .mount(&server)
    };
    page(
        "",
        images(&[image(&at(1), "available", TAGS), image(&at(7), "available", "")], &next("a")),
    )
    .await;
    page("&NextToken=a", images(&[], &next("b"))).await;
    page(
        "&NextToken=b",
        images(&[image(&at(2), "pending", TAGS), image(&at(8), "deregistered", TAGS)], ""),
    )
    .await;
    let ids: Vec<_> = provider(&server)
        .list_snapshots()
        .await
        .unwrap()
        .into_iter()
        .map(|found| found.id)
        .collect();
    assert_eq!(ids, [at(1), at(2)]);
}

#[tokio::test]
async fn a_delete_takes_the_image_and_all_that_it_stood_on() {
    let server = MockServer::start().await;
    let known = images(
        &[image(AMI, "available", &stored(&["snap-00000001", "snap-00000002", "snap-00000003"]))],
        "",
    );
    action("DescribeImages").respond_with(known).expect(1).mount(&server).await;
    action("DeregisterImage").respond_with(done("DeregisterImage")).expect(1).mount(&server).await;
    deleting("snap-00000001").respond_with(done("DeleteSnapshot")).expect(1).mount(&server).await;
    let gone = refusal(400, "InvalidSnapshot.NotFound", "The snapshot does not exist.");
    deleting("snap-00000002").respond_with(gone).expect(1).mount(&server).await;
    let used = refusal(
        400,
        "InvalidSnapshot.InUse",
        "The snapshot snap-00000003 is currently in use by ami",
    );
    once(deleting("snap-00000003"), used, &server).await;
    deleting("snap-00000003").respond_with(done("DeleteSnapshot")).expect(1).mount(&server).await;
    provider(&server).delete_snapshot(AMI).await.unwrap();
    assert_eq!(
        sent(&server, "DeregisterImage").await,
        [format!("Action=DeregisterImage&Version=2016-11-15&ImageId={AMI}")]
    );
}

#[tokio::test]
async fn an_image_that_is_busy_is_deregistered_before_its_snapshots_are_deleted() {
    let server = MockServer::start().await;
    let known = images(&[image(AMI, "available", &stored(&["snap-00000001"]))], "");
    action("DescribeImages").respond_with(known).expect(1).mount(&server).await;
    once(
        action("DeregisterImage"),
        refusal(400, "DependencyViolation", "The image is in use"),
        &server,
    )
    .await;
    action("DeregisterImage").respond_with(done("DeregisterImage")).expect(1).mount(&server).await;
    deleting("snap-00000001").respond_with(done("DeleteSnapshot")).expect(1).mount(&server).await;
    provider(&server).delete_snapshot(AMI).await.unwrap();
}

#[tokio::test]
async fn what_could_not_be_deleted_is_named() {
    let server = MockServer::start().await;
    let known = images(
        &[image(AMI, "available", &stored(&["snap-00000001", "snap-00000002", "snap-00000003"]))],
        "",
    );
    action("DescribeImages").respond_with(known).expect(1).mount(&server).await;
    action("DeregisterImage").respond_with(done("DeregisterImage")).expect(1).mount(&server).await;
    let denied =
        refusal(403, "UnauthorizedOperation", "You are not authorized to perform this operation.");
    deleting("snap-00000001").respond_with(denied).expect(1).mount(&server).await;
    let used =
        refusal(400, "InvalidSnapshot.InUse", "The snapshot is currently in use by ami-99999999");
    deleting("snap-00000002").respond_with(used).expect(2..).mount(&server).await;
    deleting("snap-00000003").respond_with(done("DeleteSnapshot")).expect(1).mount(&server).await;
    let error = hasty_provider(&server).delete_snapshot(AMI).await.unwrap_err().to_string();
    for part in [
        AMI,
        "snap-00000001",
        "UnauthorizedOperation",
        "snap-00000002",
        "ami-99999999",
        "still cost money",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert!(!error.contains("snap-00000003"), "{error}");
}

#[tokio::test]
async fn a_delete_of_what_is_gone_takes_what_an_earlier_one_left() {
    for absent in [
        images(&[], ""),
        images(&[image(AMI, "deregistered", "")], ""),
        refusal(400, "InvalidAMIID.NotFound", "gone"),
        refusal(400, "InvalidAMIID.Unavailable", "gone"),
    ] {
        for left in [vec![], vec!["snap-00000001", "snap-00000002"]] {
            let server = MockServer::start().await;
            action("DescribeImages").respond_with(absent.clone()).expect(1).mount(&server).await;
            let items: String = left
                .iter()
                .map(|id| format!("<item><snapshotId>{id}</snapshotId></item>"))
                .collect();
            let found = reply("DescribeSnapshots", &format!("<snapshotSet>{items}</snapshotSet>"));
            action("DescribeSnapshots").respond_with(found).expect(1).mount(&server).await;
            action("DeleteSnapshot")
                .respond_with(done("DeleteSnapshot"))
                .expect(left.len() as u64)
                .mount(&server)
                .await;
            if left.is_empty() {
                mount_regions(&server, &["eu-central-1"]).await;
            }
            provider(&server).delete_snapshot(AMI).await.unwrap();
            let asked = format!(
                "Action=DescribeSnapshots&Version=2016-11-15&Owner.1=self\
                 &Filter.1.Name=tag%3Amanaged-by&Filter.1.Value.1=spuff\
                 &Filter.2.Name=description\
                 &Filter.2.Value.1=Created%20by%20CreateImage%28%2A%29%20for%20{AMI}%2A"
            );
            assert_eq!(sent(&server, "DescribeSnapshots").await, [asked]);
        }
    }
}

#[tokio::test]
async fn an_image_of_others_is_not_deleted() {
    let server = MockServer::start().await;
    let known = images(&[image(AMI, "available", &stored(&["snap-00000001"]))], "");
    action("DescribeImages").respond_with(known).expect(1).mount(&server).await;
    let denied = refusal(403, "AuthFailure", "Not authorized for image");
    action("DeregisterImage").respond_with(denied).expect(1).mount(&server).await;
    action("DeleteSnapshot").respond_with(done("DeleteSnapshot")).expect(0).mount(&server).await;
    let error = provider(&server).delete_snapshot(AMI).await.unwrap_err();
    assert!(matches!(error, ProviderError::Authentication { .. }), "{error}");
}
