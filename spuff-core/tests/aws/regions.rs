//! Nothing is certain about a region that was not asked.

use super::*;

const HOME: &str = "eu-central-1";
const KEY: &str = "order-7";
const NONCE: &str = "df8cf80227ec3237922df0ecd88385c5";

fn unknown() -> ResponseTemplate {
    refusal(400, "InvalidInstanceID.NotFound", "The instance ID does not exist")
}

fn denied() -> ResponseTemplate {
    refusal(403, "UnauthorizedOperation", "You are not authorized to perform this operation.")
}

/// A machine with the label of a key.
fn labelled(nonce: &str) -> String {
    machine(ID, "running", ADDRESS).replace(
        "<tagSet>",
        &format!("<tagSet><item><key>spuff-key</key><value>{nonce}</value></item>"),
    )
}

/// A provider that was told which regions the account is used in, and whose lists show at once what
/// is new.
fn used_in(server: &MockServer, regions: &str) -> Box<dyn Provider> {
    let config = config(server).with_option("settling", "0.1").with_option("regions", regions);
    AwsFactory.create_with(&config).unwrap()
}

async fn mount(asked: MockBuilder, answer: ResponseTemplate, server: &MockServer) {
    asked.respond_with(answer).expect(1..).mount(server).await;
}

#[tokio::test]
async fn what_is_not_in_the_providers_region_is_looked_for_in_all_others() {
    let server = MockServer::start().await;
    once(action_in(HOME, "DescribeInstances"), unknown(), &server).await;
    mount_regions(&server, &[HOME, "ap-south-1", "us-west-2"]).await;
    once(action_in("ap-south-1", "DescribeInstances"), machines(&[], ""), &server).await;
    let there = action_in("us-west-2", "DescribeInstances");
    there
        .respond_with(machines(&[machine(ID, "running", ADDRESS)], ""))
        .expect(3)
        .mount(&server)
        .await;
    let provider = provider(&server);
    assert_eq!(provider.get_instance(ID).await.unwrap().unwrap().region, "us-west-2");
    // From now on it is one request.
    assert_eq!(provider.get_instance(ID).await.unwrap().unwrap().region, "us-west-2");
    once(action_in("us-west-2", "TerminateInstances"), reply("TerminateInstances", ""), &server)
        .await;
    provider.destroy_instance(ID).await.unwrap();
}

#[tokio::test]
async fn every_verb_on_a_machine_finds_its_region() {
    for verb in ["destroy", "wait", "label", "snapshot"] {
        let server = MockServer::start().await;
        mount_regions(&server, &[HOME, "us-west-2"]).await;
        for name in ["TerminateInstances", "DescribeInstances", "CreateTags", "CreateImage"] {
            let absent = if name == "DescribeInstances" { machines(&[], "") } else { unknown() };
            action_in(HOME, name).respond_with(absent).mount(&server).await;
        }
        mount(
            action_in("us-west-2", "DescribeInstances"),
            machines(&[machine(ID, "running", ADDRESS)], ""),
            &server,
        )
        .await;
        let image = |server| {
            action_in("us-west-2", "DescribeImages")
                .respond_with(images(&[image(AMI, "available", "")], ""))
                .mount(server)
        };
        let provider = used_in(&server, "");
        match verb {
            "destroy" => {
                mount(
                    action_in("us-west-2", "TerminateInstances"),
                    reply("TerminateInstances", ""),
                    &server,
                )
                .await;
                provider.destroy_instance(ID).await.unwrap();
            }
            "wait" => assert_eq!(provider.wait_ready(ID).await.unwrap().region, "us-west-2"),
            "label" => {
                mount(
                    action_in("us-west-2", "CreateTags"),
                    reply("CreateTags", "<return>true</return>"),
                    &server,
                )
                .await;
                provider
                    .set_labels(ID, &[("a".to_string(), "b".to_string())].into())
                    .await
                    .unwrap();
            }
            _ => {
                let made = reply("CreateImage", &format!("<imageId>{AMI}</imageId>"));
                mount(action_in("us-west-2", "CreateImage"), made, &server).await;
                image(&server).await;
                assert_eq!(provider.create_snapshot(ID, "nightly").await.unwrap().id, AMI);
            }
        }
    }
}

/// Each of three answers alone is in time.
#[tokio::test]
async fn a_verb_that_asks_region_after_region_has_the_time_of_one_that_asks() {
    for verb in ["get", "list"] {
        let server = MockServer::start().await;
        let slow = |answer: ResponseTemplate| answer.set_delay(Duration::from_millis(900));
        let regions: String = [HOME, "us-west-2"]
            .map(|region| format!("<item><regionName>{region}</regionName></item>"))
            .concat();
        let known = reply("DescribeRegions", &format!("<regionInfo>{regions}</regionInfo>"));
        action("DescribeRegions").respond_with(slow(known)).mount(&server).await;
        let of_home =
            if verb == "get" { unknown() } else { machines(&[], "<nextToken>2</nextToken>") };
        once(action_in(HOME, "DescribeInstances"), slow(of_home), &server).await;
        action("DescribeInstances")
            .respond_with(slow(machines(&[machine(ID, "running", ADDRESS)], "")))
            .mount(&server)
            .await;
        let timeouts =
            ProviderTimeouts { http_request: Duration::from_secs(1), ..support::timeouts() };
        let config = config(&server).with_timeouts(timeouts).with_option("regions", "all");
        let provider = AwsFactory.create_with(&config).unwrap();
        let asked = if verb == "get" {
            provider.get_instance(ID).await.map(drop)
        } else {
            provider.list_instances().await.map(drop)
        };
        assert!(matches!(asked, Err(ProviderError::Timeout { .. })), "{verb}: {asked:?}");
    }
}

/// A list may show a machine elsewhere while its own region is being asked.
#[tokio::test]
async fn what_is_seen_elsewhere_meanwhile_is_ended_there() {
    let server = MockServer::start().await;
    mount_regions(&server, &[HOME, "us-west-2"]).await;
    action_in(HOME, "TerminateInstances")
        .respond_with(unknown().set_delay(Duration::from_secs(1)))
        .mount(&server)
        .await;
    mount(action_in(HOME, "DescribeInstances"), machines(&[], ""), &server).await;
    mount(
        action_in("us-west-2", "DescribeInstances"),
        machines(&[machine(ID, "running", ADDRESS)], ""),
        &server,
    )
    .await;
    once(action_in("us-west-2", "TerminateInstances"), reply("TerminateInstances", ""), &server)
        .await;
    let provider = used_in(&server, "us-west-2");
    let (ended, listed) = tokio::join!(provider.destroy_instance(ID), provider.list_instances());
    ended.unwrap();
    assert_eq!(listed.unwrap().len(), 1);
}

#[tokio::test]
async fn a_snapshot_is_deleted_where_it_is() {
    // Also one of which only the EBS snapshots are left.
    for left in [false, true] {
        let server = MockServer::start().await;
        mount_regions(&server, &[HOME, "us-west-2"]).await;
        let tags = "<tagSet><item><key>managed-by</key><value>spuff</value></item></tagSet>";
        let ebs = "<blockDeviceMapping><item><ebs><snapshotId>snap-00000001</snapshotId></ebs>\
            </item></blockDeviceMapping>";
        let none = reply("DescribeSnapshots", "<snapshotSet/>");
        mount(action_in(HOME, "DescribeImages"), images(&[], ""), &server).await;
        mount(action_in(HOME, "DescribeSnapshots"), none, &server).await;
        let shown =
            if left { vec![] } else { vec![image(AMI, "available", &format!("{ebs}{tags}"))] };
        mount(action_in("us-west-2", "DescribeImages"), images(&shown, ""), &server).await;
        if left {
            let some = reply(
                "DescribeSnapshots",
                "<snapshotSet><item><snapshotId>snap-00000001</snapshotId></item></snapshotSet>",
            );
            mount(action_in("us-west-2", "DescribeSnapshots"), some, &server).await;
        } else {
            mount(action_in("us-west-2", "DeregisterImage"), reply("DeregisterImage", ""), &server)
                .await;
        }
        once(action_in("us-west-2", "DeleteSnapshot"), reply("DeleteSnapshot", ""), &server).await;
        provider(&server).delete_snapshot(AMI).await.unwrap();
    }
}

/// Neither the list of the regions nor one of them may be refused and passed over in silence.
#[tokio::test]
async fn a_region_that_cannot_be_asked_leaves_it_open_unless_those_in_use_were_said() {
    for no_list in [true, false] {
        let server = MockServer::start().await;
        if no_list {
            mount(action("DescribeRegions"), denied(), &server).await;
        } else {
            mount_regions(&server, &[HOME, "us-west-2"]).await;
            mount(action_in("us-west-2", "DescribeInstances"), denied(), &server).await;
        }
        mount(action_in(HOME, "DescribeInstances"), machines(&[], ""), &server).await;
        mount(action_in(HOME, "TerminateInstances"), unknown(), &server).await;
        let unsaid = used_in(&server, "");
        for error in [
            unsaid.get_instance(ID).await.unwrap_err(),
            unsaid.destroy_instance(ID).await.unwrap_err(),
        ] {
            assert!(matches!(error, ProviderError::Authentication { .. }), "{error}");
            for part in [
                ID,
                HOME,
                "not authorized",
                "option regions",
                if no_list { "another region" } else { "us-west-2" },
            ] {
                assert!(error.to_string().contains(part), "{part} in {error}");
            }
        }
        let timeouts =
            ProviderTimeouts { instance_ready: Duration::from_millis(500), ..support::timeouts() };
        let hasty = AwsFactory
            .create_with(&config(&server).with_timeouts(timeouts).with_option("settling", "0.1"))
            .unwrap();
        let error = hasty.resolve(KEY).await.unwrap_err();
        assert!(
            matches!(&error, ProviderError::UnknownOutcome { key, .. } if key == KEY),
            "{error}"
        );
        assert!(
            error.to_string().contains(HOME) && error.to_string().contains("option regions"),
            "{error}"
        );

        let said = used_in(&server, HOME);
        assert_eq!(said.get_instance(ID).await.unwrap(), None);
        said.destroy_instance(ID).await.unwrap();
        assert_eq!(said.resolve(KEY).await.unwrap(), None);
    }
}

/// Whoever has said which regions are used has not said that another one holds nothing.
#[tokio::test]
async fn a_region_that_was_not_said_and_fails_for_a_moment_leaves_it_open() {
    let server = MockServer::start().await;
    mount_regions(&server, &[HOME, "us-west-2"]).await;
    mount(
        action_in("us-west-2", "DescribeInstances"),
        refusal(503, "Unavailable", "try again"),
        &server,
    )
    .await;
    mount(action_in(HOME, "DescribeInstances"), machines(&[], ""), &server).await;
    mount(action_in(HOME, "TerminateInstances"), unknown(), &server).await;
    let timeouts =
        ProviderTimeouts { http_request: Duration::from_millis(500), ..support::timeouts() };
    let config = config(&server)
        .with_timeouts(timeouts)
        .with_option("settling", "0.1")
        .with_option("regions", HOME);
    let provider = AwsFactory.create_with(&config).unwrap();
    for error in [
        provider.get_instance(ID).await.unwrap_err(),
        provider.destroy_instance(ID).await.unwrap_err(),
    ] {
        assert!(error.is_retryable() && error.to_string().contains("us-west-2"), "{error}");
    }
}

#[tokio::test]
async fn a_region_that_was_said_must_answer() {
    let server = MockServer::start().await;
    mount_regions(&server, &[HOME]).await;
    mount(action_in(HOME, "DescribeInstances"), machines(&[], ""), &server).await;
    mount(action_in("us-west-2", "DescribeInstances"), denied(), &server).await;
    let provider = used_in(&server, "us-west-2");
    for error in
        [provider.get_instance(ID).await.unwrap_err(), provider.list_instances().await.unwrap_err()]
    {
        assert!(
            matches!(error, ProviderError::Authentication { .. })
                && error.to_string().contains("us-west-2"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn lists_read_the_regions_that_were_said_and_what_they_show_is_found_there() {
    for (regions, expected) in
        [("", 1), ("us-west-2", 2), ("us-west-2, eu-central-1", 2), ("all", 3)]
    {
        let server = MockServer::start().await;
        if regions == "all" {
            mount_regions(&server, &["ap-south-1", HOME, "us-west-2"]).await;
        }
        let id = |at: usize| format!("i-0000000{at}");
        for (at, region) in [HOME, "us-west-2", "ap-south-1"].into_iter().enumerate() {
            let listed = machines(&[machine(&id(at), "running", ADDRESS)], "");
            action_in(region, "DescribeInstances").respond_with(listed).mount(&server).await;
            let kept = image(
                &format!("ami-0000000{at}"),
                "available",
                "<tagSet><item><key>managed-by</key><value>spuff</value></item></tagSet>",
            );
            action_in(region, "DescribeImages")
                .respond_with(images(&[kept], ""))
                .mount(&server)
                .await;
        }
        let provider = used_in(&server, regions);
        let mut found: Vec<_> =
            provider.list_instances().await.unwrap().into_iter().map(|found| found.id).collect();
        found.sort();
        assert_eq!(found, (0..expected).map(id).collect::<Vec<_>>(), "{regions}");
        assert_eq!(provider.list_snapshots().await.unwrap().len(), expected, "{regions}");
        if expected > 1 {
            let ended = action_in("us-west-2", "TerminateInstances")
                .respond_with(reply("TerminateInstances", ""));
            ended.expect(1).mount(&server).await;
            provider.destroy_instance(&id(1)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_regions_cannot_be_is_refused() {
    let server = MockServer::start().await;
    let error = AwsFactory
        .create_with(&config(&server).with_option("regions", "everywhere"))
        .err()
        .unwrap();
    assert!(is_invalid(&error, "regions"), "{error}");
    assert!(AwsFactory.describe().option("regions").is_some());
}

#[tokio::test]
async fn a_key_is_looked_for_by_its_nonce_and_its_label_is_read() {
    for (label, expected) in [(NONCE, Some(ID)), ("0123456789abcdef0123456789abcdef", None)] {
        let server = MockServer::start().await;
        if expected.is_none() {
            mount_regions(&server, &[HOME]).await;
        }
        let asked =
            action("DescribeInstances").and(body_string_contains(format!("Value.1={NONCE}")));
        mount(asked, machines(&[labelled(label)], ""), &server).await;
        let found = used_in(&server, "").resolve(KEY).await.unwrap();
        assert_eq!(found.as_ref().map(|found| found.id.as_str()), expected);
    }
}

#[tokio::test]
async fn a_key_that_carries_its_region_leads_there_and_nowhere_else() {
    let server = MockServer::start().await;
    let key = format!("{}@us-west-2", "0".repeat(32));
    mount(action_in("us-west-2", "DescribeInstances"), machines(&[], ""), &server).await;
    assert_eq!(used_in(&server, "").resolve(&key).await.unwrap(), None);

    let server = MockServer::start().await;
    let error =
        provider(&server).create_instance(&good().with_idempotency_key(&key)).await.unwrap_err();
    assert!(
        is_invalid(&error, "idempotency_key") && error.to_string().contains("us-west-2"),
        "{error}"
    );
    assert!(nothing_sent(&server).await);
}

#[tokio::test]
async fn an_unknown_outcome_has_a_key_that_carries_the_region() {
    let server = MockServer::start().await;
    mount_image(&server, 1).await;
    mount(action_in("us-west-2", "RunInstances"), refusal(500, "InternalError", "oops"), &server)
        .await;
    let hasty = hasty_provider(&server);
    let error = hasty
        .create_instance(&InstanceRequest { region: "us-west-2".to_string(), ..good() })
        .await
        .unwrap_err();
    let ProviderError::UnknownOutcome { key, .. } = &error else { panic!("{error}") };
    assert!(key.ends_with("@us-west-2"), "{key}");
    // A list reads that region too, as something may be there.
    mount(action_in(HOME, "DescribeInstances"), machines(&[], ""), &server).await;
    mount(
        action_in("us-west-2", "DescribeInstances"),
        machines(&[machine(ID, "running", ADDRESS)], ""),
        &server,
    )
    .await;
    assert_eq!(hasty.list_instances().await.unwrap().len(), 1);
}
