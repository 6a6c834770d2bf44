//! The faults, as EC2 has them.

use super::*;
use spuff_core::simulator::{Fault, Route};

#[tokio::test]
async fn refusals_are_in_ec2s_words() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let table = [
        (Fault::Unauthorized, (401, "AuthFailure")),
        (Fault::RateLimited { retry_after: None, headers: true }, (503, "RequestLimitExceeded")),
        (
            Fault::RateLimited { retry_after: Some(7), headers: false },
            (503, "RequestLimitExceeded"),
        ),
        (Fault::ServerError { status: 500, committed: false }, (500, "InternalError")),
        (Fault::ServerError { status: 503, committed: true }, (503, "Unavailable")),
    ];
    for (fault, (status, code)) in table {
        cloud.inject(fault.once("aws", Route::ListInstances));
        let reply = ec2.ask("DescribeInstances", &[]).await;
        assert_eq!(reply.code(), (status, code.to_string()), "{fault:?}");
        let retry_after =
            if matches!(fault, Fault::RateLimited { retry_after: Some(_), .. }) { "7" } else { "" };
        assert_eq!(reply.header("retry-after"), retry_after);
    }
    for (fault, kind) in [
        (Fault::RateLimited { retry_after: None, headers: true }, "ThrottlingException"),
        (Fault::Unauthorized, "UnrecognizedClientException"),
        (Fault::ServerError { status: 500, committed: false }, "InternalServerError"),
    ] {
        cloud.inject(fault.once("aws", Route::Catalogue));
        let (_, reply) = ec2.ssm("GetParameter", "{}").await;
        assert_eq!(reply["__type"], kind);
    }
}

#[tokio::test]
async fn a_create_can_go_wrong_in_ec2s_ways() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let next = |fault: Fault| cloud.inject(fault.once("aws", Route::CreateInstance));
    next(Fault::CapacityOut);
    let refused = ec2.run(&[("Placement.AvailabilityZone", "us-east-1b")]).await;
    assert_eq!(refused.code(), (500, "InsufficientInstanceCapacity".to_string()));
    assert!(
        refused.one("Message").contains("t3.micro")
            && refused.one("Message").contains("us-east-1b")
    );
    next(Fault::QuotaReached);
    assert_eq!(ec2.run(&[]).await.code(), (400, "InstanceLimitExceeded".to_string()));
    assert!(cloud.instances().is_empty());

    next(Fault::ActionFails);
    let failed = ec2.launch(&[]).await;
    next(Fault::StuckCreating);
    let stuck = ec2.launch(&[]).await;
    next(Fault::Vanishes { after: 100 });
    let vanishing = ec2.launch(&[]).await;
    next(Fault::NotYetVisible { reads: 2 });
    let hidden = ec2.launch(&[]).await;
    cloud.advance(seconds(60));
    let shown = ec2.ask("DescribeInstances", &[("InstanceId.1", &failed)]).await.good();
    assert!(
        shown.text.contains("<name>terminated</name>")
            && shown.text.contains("<code>Server.InternalError</code>"),
        "{}",
        shown.text
    );
    assert_eq!(
        (ec2.state(&stuck).await, ec2.state(&vanishing).await),
        ("pending".to_string(), "running".to_string())
    );
    cloud.advance(seconds(60));
    let shown = ec2.ask("DescribeInstances", &[("InstanceId.1", &vanishing)]).await.good();
    assert!(shown.text.contains("<code>Client.InstanceInitiatedShutdown</code>"), "{}", shown.text);
    assert_eq!(
        ec2.ask("DescribeInstances", &[("InstanceId.1", &hidden)]).await.code().1,
        "InvalidInstanceID.NotFound"
    );
    let filter = [("Filter.1.Name", "instance-id"), ("Filter.1.Value.1", hidden.as_str())];
    assert!(ec2.ask("DescribeInstances", &filter).await.good().all("instanceId").is_empty());
    assert_eq!(ec2.state(&hidden).await, "running");
}

#[tokio::test]
async fn a_lost_reply_is_found_again_by_its_token() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    cloud.inject(
        Fault::ServerError { status: 500, committed: true }.once("aws", Route::CreateInstance),
    );
    assert_eq!(ec2.run(&[("ClientToken", "t")]).await.code().0, 500);
    let id = ec2.launch(&[("ClientToken", "t")]).await;
    assert_eq!((cloud.instances().len(), cloud.instances()[0].id.clone()), (1, id));
}

#[tokio::test]
async fn what_is_busy_is_not_changed() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = ec2.launch(&[]).await;
    let by_id = [("InstanceId.1", id.as_str())];
    let image = ec2
        .ask("CreateImage", &[("InstanceId", &id), ("Name", "image")])
        .await
        .good()
        .one("imageId");
    let copy = ec2.ask("DescribeImages", &[("ImageId.1", &image)]).await.good().one("snapshotId");
    let create = [("InstanceId", id.as_str()), ("Name", "another")];
    let table: &[(Route, &str, Given<'_>, &str)] = &[
        (Route::PowerInstance, "RebootInstances", &by_id, "IncorrectInstanceState"),
        (Route::PowerInstance, "StopInstances", &by_id, "IncorrectInstanceState"),
        (
            Route::UpdateInstance,
            "CreateTags",
            &[("ResourceId.1", &id), ("Tag.1.Key", "k")],
            "ConcurrentTagAccess",
        ),
        (
            Route::CreateSnapshot,
            "CreateImage",
            &create,
            "ConcurrentCreateImageNoRebootLimitExceeded",
        ),
        (Route::DestroyInstance, "TerminateInstances", &by_id, "OperationNotPermitted"),
        (Route::DeleteSnapshot, "DeregisterImage", &[("ImageId", &image)], "OperationNotPermitted"),
    ];
    for (route, action, parameters, code) in table {
        cloud.inject(Fault::Locked.once("aws", *route));
        assert_eq!(
            ec2.ask(action, parameters).await.code(),
            (400, (*code).to_string()),
            "{action}"
        );
        ec2.ask(action, parameters).await.good();
    }
    cloud.inject(Fault::Locked.once("aws", Route::DeleteSnapshot));
    assert_eq!(
        ec2.ask("DeleteSnapshot", &[("SnapshotId", &copy)]).await.code().1,
        "InvalidSnapshot.InUse"
    );
    ec2.ask("DeleteSnapshot", &[("SnapshotId", &copy)]).await.good();
}

#[tokio::test]
async fn an_image_can_fail() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = ec2.launch(&[]).await;
    cloud.advance(seconds(60));
    cloud.inject(Fault::ActionFails.once("aws", Route::CreateSnapshot));
    let image =
        ec2.ask("CreateImage", &[("InstanceId", &id), ("Name", "bad")]).await.good().one("imageId");
    cloud.advance(seconds(130));
    let shown = ec2.ask("DescribeImages", &[("ImageId.1", &image)]).await.good();
    assert_eq!(
        (shown.one("imageState"), shown.one("code")),
        ("failed".to_string(), "Server.InternalError".to_string())
    );
    assert_eq!(ec2.ask("DescribeSnapshots", &[]).await.good().one("status"), "error");
    assert_eq!(ec2.run(&[("ImageId", &image)]).await.code().1, "InvalidAMIID.Unavailable");
    cloud.inject(Fault::StuckCreating.once("aws", Route::CreateSnapshot));
    let image = ec2
        .ask("CreateImage", &[("InstanceId", &id), ("Name", "slow")])
        .await
        .good()
        .one("imageId");
    cloud.advance(seconds(86_400));
    assert_eq!(
        ec2.ask("DescribeImages", &[("ImageId.1", &image)]).await.good().one("imageState"),
        "pending"
    );
    cloud.inject(Fault::QuotaReached.once("aws", Route::CreateSnapshot));
    assert_eq!(
        ec2.ask("CreateImage", &[("InstanceId", &id), ("Name", "more")]).await.code().1,
        "SnapshotLimitExceeded"
    );
}

#[tokio::test]
async fn pages_can_shift() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let launched = ec2.run(&[("MaxCount", "8")]).await.good().all("instanceId");
    let token = ec2.ask("DescribeInstances", &[("MaxResults", "5")]).await.good().one("nextToken");
    cloud.inject(Fault::ShiftingPages.once("aws", Route::ListInstances));
    let page =
        ec2.ask("DescribeInstances", &[("MaxResults", "5"), ("NextToken", &token)]).await.good();
    assert_eq!(page.all("instanceId"), launched[4..], "the last of the page before comes again");
}

#[tokio::test]
async fn requests_are_known_by_what_they_are_for() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = "i-12345678";
    let table: &[(&str, Given<'_>, Route)] = &[
        ("RunInstances", &[], Route::CreateInstance),
        ("DescribeInstances", &[], Route::ListInstances),
        ("DescribeInstances", &[("InstanceId.1", id)], Route::GetInstance),
        (
            "DescribeInstances",
            &[("Filter.1.Name", "instance-id"), ("Filter.1.Value.1", id)],
            Route::GetInstance,
        ),
        (
            "DescribeInstances",
            &[("Filter.1.Name", "tag-key"), ("Filter.1.Value.1", id)],
            Route::ListInstances,
        ),
        ("DescribeInstanceStatus", &[("InstanceId.1", id)], Route::GetInstance),
        ("StopInstances", &[("InstanceId.1", id)], Route::PowerInstance),
        ("TerminateInstances", &[("InstanceId.1", id)], Route::DestroyInstance),
        ("ModifyInstanceAttribute", &[("InstanceId", id)], Route::UpdateInstance),
        ("CreateTags", &[("ResourceId.1", id)], Route::UpdateInstance),
        ("DeleteTags", &[("ResourceId.1", "ami-12345678")], Route::UpdateSnapshot),
        ("CreateTags", &[("ResourceId.1", "vol-12345678")], Route::Other),
        ("CreateImage", &[], Route::CreateSnapshot),
        ("DescribeImages", &[("ImageId.1", "ami-12345678")], Route::GetSnapshot),
        ("DescribeImages", &[("Owner.1", "self")], Route::ListSnapshots),
        ("DescribeImages", &[("Owner.1", "amazon")], Route::Catalogue),
        ("DescribeSnapshots", &[], Route::ListSnapshots),
        ("DeregisterImage", &[], Route::DeleteSnapshot),
        ("DeleteSnapshot", &[], Route::DeleteSnapshot),
        ("DescribeKeyPairs", &[], Route::SshKeys),
        ("DescribeInstanceTypes", &[], Route::Catalogue),
        ("Nonsense", &[], Route::Other),
    ];
    for (action, parameters, route) in table {
        ec2.ask(action, parameters).await;
        assert_eq!(cloud.requests().last().unwrap().route, *route, "{action} {parameters:?}");
    }
}
