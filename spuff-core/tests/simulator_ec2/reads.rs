//! Reading machines: ids, filters, pages, and what is not seen yet.

use super::*;

#[tokio::test]
async fn what_was_just_launched_may_not_be_found() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = ec2
        .launch(&[
            ("TagSpecification.1.ResourceType", "instance"),
            ("TagSpecification.1.Tag.1.Key", "a"),
            ("TagSpecification.1.Tag.1.Value", "b"),
        ])
        .await;
    let missing = (400, "InvalidInstanceID.NotFound".to_string());
    let by_id = [("InstanceId.1", id.as_str())];
    let by_filter = [("Filter.1.Name", "instance-id"), ("Filter.1.Value.1", id.as_str())];
    let by_tag = [("Filter.1.Name", "tag:a"), ("Filter.1.Value.1", "b")];
    for action in
        ["DescribeInstances", "TerminateInstances", "StopInstances", "DescribeInstanceStatus"]
    {
        let refused = ec2.ask(action, &by_id).await;
        assert_eq!(refused.code(), missing, "{action}");
        assert_eq!(refused.one("Message"), format!("The instance ID '{id}' does not exist"));
    }
    assert_eq!(cloud.instances().len(), 1, "and yet it exists");
    for filter in [&by_filter, &by_tag] {
        assert!(ec2.ask("DescribeInstances", filter).await.good().all("instanceId").is_empty());
    }
    cloud.advance(seconds(2));
    assert_eq!(ec2.ask("DescribeInstances", &by_id).await.good().one("instanceId"), id);
    assert!(
        ec2.ask("DescribeInstances", &by_tag).await.good().all("instanceId").is_empty(),
        "lists lag longer"
    );
    cloud.advance(seconds(2));
    for filter in [&by_filter, &by_tag] {
        assert_eq!(ec2.ask("DescribeInstances", filter).await.good().one("instanceId"), id);
    }
}

#[tokio::test]
async fn one_unknown_id_fails_a_call_and_a_filter_leaves_it_out() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = ec2.launch(&[]).await;
    let one = "i-0123456789abcdef0";
    let two = "i-1234abcd";
    for action in ["DescribeInstances", "TerminateInstances"] {
        let refused = ec2
            .ask(action, &[("InstanceId.1", &id), ("InstanceId.2", one), ("InstanceId.3", two)])
            .await;
        assert_eq!(refused.code(), (400, "InvalidInstanceID.NotFound".to_string()));
        assert_eq!(refused.one("Message"), format!("The instance IDs '{one}, {two}' do not exist"));
        assert_eq!(
            ec2.ask(action, &[("InstanceId.1", "42")]).await.code(),
            (400, "InvalidInstanceID.Malformed".to_string())
        );
    }
    assert_eq!(ec2.state(&id).await, "running", "nothing was ended");
    let filter = [
        ("Filter.1.Name", "instance-id"),
        ("Filter.1.Value.1", one),
        ("Filter.1.Value.2", &id),
        ("Filter.1.Value.3", "42"),
    ];
    assert_eq!(
        ec2.ask("DescribeInstances", &filter).await.good().all("instanceId"),
        std::slice::from_ref(&id)
    );
    // Another region knows nothing of it.
    let elsewhere = Asker::new(&cloud, "eu-west-1");
    assert_eq!(
        elsewhere.ask("DescribeInstances", &[("InstanceId.1", &id)]).await.code().1,
        "InvalidInstanceID.NotFound"
    );
    assert!(elsewhere.ask("DescribeInstances", &[]).await.good().all("instanceId").is_empty());
}

#[tokio::test]
async fn filters_add_up_and_their_values_are_alternatives() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let mut ids = Vec::new();
    for (name, kind) in [("web-1", "a"), ("web-2", "a"), ("db*1", "")] {
        let tags = [
            ("TagSpecification.1.ResourceType", "instance"),
            ("TagSpecification.1.Tag.1.Key", "Name"),
            ("TagSpecification.1.Tag.1.Value", name),
            ("TagSpecification.1.Tag.2.Key", "kind"),
            ("TagSpecification.1.Tag.2.Value", kind),
        ];
        ids.push(ec2.launch(&tags).await);
    }
    ec2.ask("StopInstances", &[("InstanceId.1", &ids[1])]).await.good();
    let table: &[(Given<'_>, &[usize])] = &[
        (&[], &[0, 1, 2]),
        (&[("Filter.1.Name", "tag:Name"), ("Filter.1.Value.1", "web-1")], &[0]),
        (&[("Filter.1.Name", "tag:Name"), ("Filter.1.Value.1", "Web-1")], &[]),
        (&[("Filter.1.Name", "tag:Name"), ("Filter.1.Value.1", "web-?")], &[0, 1]),
        (
            &[
                ("Filter.1.Name", "tag:Name"),
                ("Filter.1.Value.1", "*-1"),
                ("Filter.1.Value.2", "db\\*1"),
            ],
            &[0, 2],
        ),
        (&[("Filter.1.Name", "tag:kind"), ("Filter.1.Value.1", "")], &[2]),
        (&[("Filter.1.Name", "tag-key"), ("Filter.1.Value.1", "kind")], &[0, 1, 2]),
        (&[("Filter.1.Name", "tag-key"), ("Filter.1.Value.1", "other")], &[]),
        (
            &[
                ("Filter.1.Name", "tag:kind"),
                ("Filter.1.Value.1", "a"),
                ("Filter.2.Name", "instance-state-name"),
                ("Filter.2.Value.1", "stopped"),
                ("Filter.2.Value.2", "pending"),
            ],
            &[1],
        ),
        (
            &[
                ("Filter.1.Name", "instance-type"),
                ("Filter.1.Value.1", "t3.*"),
                ("InstanceId.1", &ids[2]),
            ],
            &[2],
        ),
    ];
    for (filters, expected) in table {
        let expected: Vec<_> = expected.iter().map(|index| ids[*index].clone()).collect();
        assert_eq!(
            ec2.ask("DescribeInstances", filters).await.good().all("instanceId"),
            expected,
            "{filters:?}"
        );
    }
    let names: Vec<String> = (1..=201).map(|number| format!("Filter.1.Value.{number}")).collect();
    let mut many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    many.push(("Filter.1.Name", "instance-id"));
    assert_eq!(ec2.ask("DescribeInstances", &many).await.code().1, "FilterLimitExceeded");
    ec2.ask("DescribeInstances", &many[1..]).await.good();
    for wrong in [
        &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")][..],
        &[("Filter.1.Name", "tag:"), ("Filter.1.Value.1", "red")],
        &[("Filter.1.Value.1", "red")],
        &[("Filter.1.Name", "instance-id")],
    ] {
        assert_eq!(
            ec2.ask("DescribeInstances", wrong).await.code().1,
            "InvalidParameterValue",
            "{wrong:?}"
        );
    }
}

#[tokio::test]
async fn pages_hold_everything_once() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let launched = ec2.run(&[("MaxCount", "12")]).await.good().all("instanceId");
    let mut found = Vec::new();
    let mut sizes = Vec::new();
    let mut token = None::<String>;
    loop {
        let mut parameters = vec![("MaxResults", "5")];
        parameters.extend(token.as_deref().map(|token| ("NextToken", token)));
        let page = ec2.ask("DescribeInstances", &parameters).await.good();
        let ids = page.all("instanceId");
        sizes.push(ids.len());
        found.extend(ids);
        // What ends meanwhile moves nothing.
        ec2.ask("TerminateInstances", &[("InstanceId.1", &launched[0])]).await.good();
        token = Some(page.one("nextToken")).filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    assert_eq!((found, sizes), (launched.clone(), vec![5, 5, 2]));
    assert_eq!(
        ec2.ask("DescribeInstances", &[]).await.good().all("instanceId").len(),
        12,
        "everything without a size"
    );

    for (parameters, code) in [
        (&[("MaxResults", "4")][..], "InvalidParameterValue"),
        (&[("MaxResults", "1001")], "InvalidParameterValue"),
        (&[("MaxResults", "ten")], "InvalidParameterValue"),
        (&[("MaxResults", "5"), ("InstanceId.1", &launched[1])], "InvalidParameterCombination"),
        (&[("NextToken", "again")], "InvalidPaginationToken"),
    ] {
        assert_eq!(ec2.ask("DescribeInstances", parameters).await.code().1, code, "{parameters:?}");
    }
    ec2.ask("DescribeInstances", &[("MaxResults", "1000")]).await.good();
}

#[tokio::test]
async fn a_page_may_be_empty_and_not_the_last() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    ec2.run(&[("MaxCount", "7")]).await.good();
    let page = ec2.ask("DescribeInstances", &[("MaxResults", "5")]).await.good();
    assert!(
        page.all("instanceId").is_empty() && !page.one("nextToken").is_empty(),
        "{}",
        page.text
    );
    let token = page.one("nextToken");
    cloud.advance(seconds(60));
    let page =
        ec2.ask("DescribeInstances", &[("MaxResults", "5"), ("NextToken", &token)]).await.good();
    assert_eq!((page.all("instanceId").len(), page.one("nextToken")), (2, String::new()));
}

#[tokio::test]
async fn the_status_tells_of_machines_that_run() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = ec2.launch(&[]).await;
    cloud.advance(seconds(5));
    let by_id = ("InstanceId.1", id.as_str());
    assert!(ec2.ask("DescribeInstanceStatus", &[by_id]).await.good().all("instanceId").is_empty());
    let all =
        ec2.ask("DescribeInstanceStatus", &[by_id, ("IncludeAllInstances", "true")]).await.good();
    assert!(all.text.contains("<status>not-applicable</status>"), "{}", all.text);
    cloud.advance(seconds(13));
    assert!(
        ec2.ask("DescribeInstanceStatus", &[by_id])
            .await
            .good()
            .text
            .contains("<status>initializing</status>")
    );
    cloud.advance(seconds(15));
    assert!(
        ec2.ask("DescribeInstanceStatus", &[by_id])
            .await
            .good()
            .text
            .contains("<status>ok</status>")
    );
    assert!(
        !ec2.ask("GetConsoleOutput", &[("InstanceId", &id)]).await.good().one("output").is_empty()
    );
    ec2.ask("RebootInstances", &[by_id]).await.good();
    assert!(
        ec2.ask("DescribeInstanceStatus", &[by_id])
            .await
            .good()
            .text
            .contains("<status>initializing</status>")
    );
    assert_eq!(ec2.state(&id).await, "running");
    let names: Vec<String> = (1..=101).map(|number| format!("InstanceId.{number}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), id.as_str())).collect();
    assert_eq!(ec2.ask("DescribeInstanceStatus", &many).await.code().1, "InvalidParameterValue");
}
