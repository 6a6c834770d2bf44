use super::*;
use spuff_core::provider::{Address, InstanceStatus};

fn unknown() -> ResponseTemplate {
    refusal(
        400,
        "InvalidInstanceID.NotFound",
        "The instance ID &apos;i-0123456789abcdef0&apos; does not exist",
    )
}

#[tokio::test]
async fn a_machine_is_read() {
    let server = MockServer::start().await;
    let more = "<ipAddress>203.0.113.5</ipAddress><networkInterfaceSet><item><association>\
        <publicIp>203.0.113.5</publicIp></association>\
        <ipv6AddressesSet><item><ipv6Address>2001:db8::5</ipv6Address></item></ipv6AddressesSet>\
        <attachment><attachTime>2026-01-04T09:00:00.000Z</attachTime><deviceIndex>0</deviceIndex>\
        </attachment></item></networkInterfaceSet>";
    action("DescribeInstances")
        .respond_with(machines(&[machine(ID, "running", more)], ""))
        .expect(1)
        .mount(&server)
        .await;
    let found = provider(&server).get_instance(ID).await.unwrap().unwrap();
    assert_eq!(
        (found.id.as_str(), found.status.clone(), found.ip.to_string().as_str()),
        (ID, InstanceStatus::Active, "203.0.113.5")
    );
    assert_eq!(
        (found.name.as_str(), found.region.as_str(), found.size.as_str()),
        ("web-1", "eu-central-1", "t3.micro")
    );
    assert_eq!(
        (found.labels.len(), found.labels["env"].as_str(), found.is_managed()),
        (2, "prod", true)
    );
    assert_eq!(found.created_at.to_rfc3339(), "2026-01-04T09:00:00+00:00");
    let public = |ip: &str| Address { ip: ip.parse().unwrap(), public: true };
    let private = Address { ip: "172.31.0.5".parse().unwrap(), public: false };
    assert_eq!(found.addresses, [public("203.0.113.5"), public("2001:db8::5"), private]);
    assert_eq!(
        sent(&server, "DescribeInstances").await,
        [format!("Action=DescribeInstances&Version=2016-11-15&InstanceId.1={ID}")]
    );
}

#[tokio::test]
async fn states_are_sorted() {
    for (state, expected) in [
        ("pending", Some(InstanceStatus::New)),
        ("running", Some(InstanceStatus::Active)),
        ("stopping", Some(InstanceStatus::Off)),
        ("stopped", Some(InstanceStatus::Off)),
        ("shutting-down", Some(InstanceStatus::Unknown("shutting-down".to_string()))),
        ("migrating", Some(InstanceStatus::Unknown("migrating".to_string()))),
        ("terminated", None),
    ] {
        let server = MockServer::start().await;
        action("DescribeInstances")
            .respond_with(machines(&[machine(ID, state, "")], ""))
            .expect(1)
            .mount(&server)
            .await;
        let found = provider(&server).get_instance(ID).await.unwrap();
        assert_eq!(found.map(|found| found.status), expected, "{state}");
    }
}

#[tokio::test]
async fn an_absent_machine_is_none() {
    for answer in [unknown(), machines(&[], ""), reply("DescribeInstances", "<reservationSet/>")] {
        let server = MockServer::start().await;
        action("DescribeInstances").respond_with(answer).expect(1).mount(&server).await;
        mount_regions(&server, &["eu-central-1"]).await;
        assert_eq!(provider(&server).get_instance(ID).await.unwrap(), None);
    }
}

#[tokio::test]
async fn ids_of_other_clouds_are_not_sent() {
    let server = MockServer::start().await;
    let provider = provider(&server);
    for id in ["", "42", "i-", "i-0123456", "ami-01234567", "i-01234567*", "I-01234567"] {
        for error in [
            provider.get_instance(id).await.unwrap_err(),
            provider.destroy_instance(id).await.unwrap_err(),
            provider.wait_ready(id).await.unwrap_err(),
        ] {
            assert!(is_invalid(&error, "id"), "{id}: {error}");
        }
        assert!(
            is_invalid(&provider.create_snapshot(id, "name").await.unwrap_err(), "instance_id"),
            "{id}"
        );
    }
    for id in ["", "42", "i-01234567", "snap-01234567"] {
        assert!(is_invalid(&provider.delete_snapshot(id).await.unwrap_err(), "id"), "{id}");
    }
    assert!(nothing_sent(&server).await);
}

#[tokio::test]
async fn lists_follow_every_page_and_hold_only_what_is_ours() {
    let server = MockServer::start().await;
    let filters = "&Filter.1.Name=tag%3Amanaged-by&Filter.1.Value.1=spuff\
        &Filter.2.Name=instance-state-name\
        &Filter.2.Value.1=pending&Filter.2.Value.2=running&Filter.2.Value.3=stopping\
        &Filter.2.Value.4=stopped&MaxResults=1000";
    let page = |token: &str| format!("Action=DescribeInstances&Version=2016-11-15{filters}{token}");
    let next = |token: &str| format!("<nextToken>{token}</nextToken>");
    let at = |number: u8| format!("i-0000000{number}");
    let foreign =
        machine(&at(8), "running", "").replace("<value>spuff</value>", "<value>other</value>");
    let ending = machine(&at(9), "shutting-down", "");
    let two = format!("{}{}", machine(&at(1), "running", ADDRESS), machine(&at(2), "stopped", ""));
    for (token, answer) in [
        ("", machines(&[two, foreign], &next("a/b"))),
        ("&NextToken=a%2Fb", machines(&[], &next("c"))),
        (
            "&NextToken=c",
            machines(
                &[machine(&at(2), "stopped", ""), machine(&at(3), "pending", ""), ending],
                "<nextToken/>",
            ),
        ),
    ] {
        let asked = Mock::given(wiremock::matchers::body_string(page(token)));
        asked.respond_with(answer).expect(1).mount(&server).await;
    }
    let ids: Vec<_> = provider(&server)
        .list_instances()
        .await
        .unwrap()
        .into_iter()
        .map(|found| found.id)
        .collect();
    assert_eq!(ids, [at(1), at(2), at(3)]);
}

#[tokio::test]
async fn a_destroy_is_one_call() {
    let server = MockServer::start().await;
    let ended = reply(
        "TerminateInstances",
        &format!("<instancesSet><item><instanceId>{ID}</instanceId></item></instancesSet>"),
    );
    action("TerminateInstances").respond_with(ended).expect(1).mount(&server).await;
    provider(&server).destroy_instance(ID).await.unwrap();
    assert_eq!(
        sent(&server, "TerminateInstances").await,
        [format!("Action=TerminateInstances&Version=2016-11-15&InstanceId.1={ID}")]
    );
}

#[tokio::test]
async fn a_destroy_of_what_has_ended_looks_once_more() {
    let server = MockServer::start().await;
    action("TerminateInstances").respond_with(unknown()).expect(1).mount(&server).await;
    let asked = action("DescribeInstances")
        .and(body_string_contains(format!("Filter.1.Name=instance-id&Filter.1.Value.1={ID}")));
    asked
        .respond_with(machines(&[machine(ID, "terminated", "")], ""))
        .expect(1)
        .mount(&server)
        .await;
    provider(&server).destroy_instance(ID).await.unwrap();
}

/// Another client may have made it a moment ago: it comes to light, and is ended.
#[tokio::test]
async fn a_destroy_of_what_is_not_known_is_tried_until_it_must_be() {
    let server = MockServer::start().await;
    action("TerminateInstances")
        .respond_with(unknown())
        .up_to_n_times(3)
        .expect(3)
        .mount(&server)
        .await;
    action("DescribeInstances").respond_with(machines(&[], "")).expect(3).mount(&server).await;
    action("TerminateInstances")
        .respond_with(reply("TerminateInstances", ""))
        .expect(1)
        .mount(&server)
        .await;
    provider(&server).destroy_instance(ID).await.unwrap();

    let server = MockServer::start().await;
    action("TerminateInstances").respond_with(unknown()).expect(2..).mount(&server).await;
    action("DescribeInstances").respond_with(machines(&[], "")).expect(2..).mount(&server).await;
    mount_regions(&server, &["eu-central-1"]).await;
    settling(&server, "0.2").destroy_instance(ID).await.unwrap();
}

#[tokio::test]
async fn a_destroy_does_not_believe_that_what_is_seen_is_not_there() {
    let server = MockServer::start().await;
    once(action("TerminateInstances"), unknown(), &server).await;
    action("DescribeInstances")
        .respond_with(machines(&[machine(ID, "pending", "")], ""))
        .expect(1)
        .mount(&server)
        .await;
    action("TerminateInstances")
        .respond_with(reply("TerminateInstances", ""))
        .expect(1)
        .mount(&server)
        .await;
    provider(&server).destroy_instance(ID).await.unwrap();
}

#[tokio::test]
async fn a_destroy_just_after_the_create_does_not_believe_an_absence() {
    let server = MockServer::start().await;
    mount_image(&server, 1).await;
    action("RunInstances").respond_with(created()).expect(1).mount(&server).await;
    action("TerminateInstances")
        .respond_with(unknown())
        .up_to_n_times(3)
        .expect(3)
        .mount(&server)
        .await;
    action("DescribeInstances").respond_with(machines(&[], "")).expect(3).mount(&server).await;
    action("TerminateInstances")
        .respond_with(reply("TerminateInstances", ""))
        .expect(1)
        .mount(&server)
        .await;
    let provider = provider(&server);
    let made = provider.create_instance(&good()).await.unwrap();
    provider.destroy_instance(&made.id).await.unwrap();
}

#[tokio::test]
async fn a_protected_machine_is_a_conflict_at_once() {
    let server = MockServer::start().await;
    let message = "The instance may not be terminated. Modify its disableApiTermination instance \
     attribute and try again.";
    action("TerminateInstances")
        .respond_with(refusal(400, "OperationNotPermitted", message))
        .expect(1)
        .mount(&server)
        .await;
    let error = provider(&server).destroy_instance(ID).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Conflict { retryable: false, .. })
            && error.to_string().contains("disableApi"),
        "{error}"
    );
}

#[tokio::test]
async fn a_page_of_a_proxy_has_destroyed_nothing() {
    let server = MockServer::start().await;
    let page = || ResponseTemplate::new(200).set_body_raw("<html>Welcome</html>", "text/html");
    action("TerminateInstances").respond_with(page()).expect(2..).mount(&server).await;
    let error = provider(&server).destroy_instance(ID).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Api { .. })
            && error.to_string().contains("TerminateInstancesResponse"),
        "{error}"
    );

    let server = MockServer::start().await;
    for asked in ["TerminateInstances", "CreateTags"] {
        action(asked).respond_with(page()).up_to_n_times(1).expect(1).mount(&server).await;
        action(asked)
            .respond_with(reply(asked, "<return>true</return>"))
            .expect(1)
            .mount(&server)
            .await;
    }
    provider(&server).destroy_instance(ID).await.unwrap();
    provider(&server)
        .set_labels(ID, &std::collections::HashMap::from([("env".to_string(), "prod".to_string())]))
        .await
        .unwrap();
}

#[tokio::test]
async fn keys_are_the_names_of_pairs() {
    let server = MockServer::start().await;
    let keys = "<keySet><item><keyPairId>key-1</keyPairId><keyName>me</keyName></item>\
        <item><keyName>you</keyName></item></keySet>";
    action("DescribeKeyPairs")
        .respond_with(reply("DescribeKeyPairs", keys))
        .expect(1)
        .mount(&server)
        .await;
    assert_eq!(provider(&server).get_ssh_keys().await.unwrap(), ["me", "you"]);
}

#[tokio::test]
async fn a_machine_that_was_just_made_is_read_when_it_comes_to_light() {
    let server = MockServer::start().await;
    mount_image(&server, 1).await;
    action("RunInstances").respond_with(created()).expect(1).mount(&server).await;
    action("DescribeInstances")
        .respond_with(unknown())
        .up_to_n_times(3)
        .expect(3)
        .mount(&server)
        .await;
    action("DescribeInstances")
        .respond_with(machines(&[machine(ID, "pending", "")], ""))
        .expect(1)
        .mount(&server)
        .await;
    let maker = provider(&server);
    let other = provider(&server);
    maker.create_instance(&good()).await.unwrap();
    assert!(
        other.get_instance(ID).await.unwrap().is_some(),
        "the account knows it, whichever provider object has made it"
    );
}
