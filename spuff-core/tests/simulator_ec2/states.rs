//! The states of machines, and what changes them.

use super::*;
use spuff_core::simulator::{Fault, Route};

#[tokio::test]
async fn an_ended_machine_is_seen_for_an_hour() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = ec2
        .launch(&[
            ("TagSpecification.1.ResourceType", "instance"),
            ("TagSpecification.1.Tag.1.Key", "k"),
            ("TagSpecification.1.Tag.1.Value", "v"),
        ])
        .await;
    cloud.advance(seconds(60));
    let ended = ec2.ask("TerminateInstances", &[("InstanceId.1", &id)]).await.good();
    let states = "<currentState><code>32</code><name>shutting-down</name></currentState>\
                  <previousState><code>16</code><name>running</name></previousState>";
    assert!(ended.text.contains(states), "{}", ended.text);
    assert_eq!(ec2.state(&id).await, "shutting-down");
    cloud.advance(seconds(30));
    let shown = ec2.ask("DescribeInstances", &[("InstanceId.1", &id)]).await.good();
    assert!(
        shown.text.contains("<code>48</code><name>terminated</name>")
            && shown.text.contains("<key>k</key>"),
        "{}",
        shown.text
    );
    assert!(shown.text.contains("<code>Client.UserInitiatedShutdown</code>"), "{}", shown.text);
    for gone in ["ipAddress", "privateIpAddress", "vpcId", "volumeId", "networkInterfaceId"] {
        assert!(shown.all(gone).is_empty(), "{gone}");
    }
    let again = ec2.ask("TerminateInstances", &[("InstanceId.1", &id)]).await.good();
    assert_eq!(again.all("name"), ["terminated", "terminated"]);
    assert!(cloud.instances().is_empty());
    cloud.advance(seconds(3599));
    assert_eq!(ec2.state(&id).await, "terminated");
    cloud.advance(seconds(1));
    assert_eq!(
        ec2.ask("DescribeInstances", &[("InstanceId.1", &id)]).await.code().1,
        "InvalidInstanceID.NotFound"
    );
}

#[tokio::test]
async fn a_stop_takes_the_address_and_a_start_gives_another() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = ec2.launch(&[]).await;
    let by_id = [("InstanceId.1", id.as_str())];
    cloud.advance(seconds(5));
    assert_eq!(
        ec2.ask("StopInstances", &by_id).await.code().1,
        "IncorrectInstanceState",
        "it is pending"
    );
    cloud.advance(seconds(55));
    let before = ec2.ask("DescribeInstances", &by_id).await.good();
    let stopped = ec2.ask("StopInstances", &by_id).await.good();
    assert_eq!(stopped.all("name"), ["stopping", "running"]);
    assert_eq!(stopped.all("code"), ["64", "16"]);
    assert_eq!(
        ec2.ask("StartInstances", &by_id).await.code().1,
        "IncorrectInstanceState",
        "it is stopping"
    );
    assert_eq!(ec2.ask("RebootInstances", &by_id).await.code().1, "IncorrectInstanceState");
    cloud.advance(seconds(15));
    let off = ec2.ask("DescribeInstances", &by_id).await.good();
    assert!(
        off.text.contains("<code>80</code><name>stopped</name>") && off.all("ipAddress").is_empty(),
        "{}",
        off.text
    );
    assert_eq!(off.one("privateIpAddress"), before.one("privateIpAddress"));
    assert_eq!(ec2.ask("StopInstances", &by_id).await.good().all("name"), ["stopped", "stopped"]);
    cloud.advance(seconds(60));
    assert_eq!(ec2.ask("StartInstances", &by_id).await.good().all("name"), ["pending", "stopped"]);
    cloud.advance(seconds(20));
    let after = ec2.ask("DescribeInstances", &by_id).await.good();
    assert_eq!(ec2.state(&id).await, "running");
    assert_ne!(after.one("ipAddress"), before.one("ipAddress"));
    assert!(!after.one("ipAddress").is_empty());
    // The launch time is that of the last start; when the disk was attached tells the creation.
    assert_ne!(after.one("launchTime"), before.one("launchTime"));
    assert_eq!(after.one("attachTime"), before.one("launchTime"));
    assert_eq!(ec2.ask("StartInstances", &by_id).await.good().all("name"), ["running", "running"]);
    ec2.ask("TerminateInstances", &by_id).await.good();
    for action in ["StopInstances", "StartInstances", "RebootInstances"] {
        assert_eq!(ec2.ask(action, &by_id).await.code().1, "IncorrectInstanceState", "{action}");
    }
}

#[tokio::test]
async fn a_protected_machine_cannot_be_ended() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let (free, id) =
        (ec2.launch(&[]).await, ec2.launch(&[("DisableApiTermination", "true")]).await);
    let both = [("InstanceId.1", free.as_str()), ("InstanceId.2", id.as_str())];
    assert_eq!(
        ec2.ask("TerminateInstances", &both).await.code(),
        (400, "OperationNotPermitted".to_string())
    );
    assert_eq!(ec2.state(&free).await, "running", "nothing was ended");
    let read = [("InstanceId", id.as_str()), ("Attribute", "disableApiTermination")];
    assert_eq!(ec2.ask("DescribeInstanceAttribute", &read).await.good().one("value"), "true");
    let change = [("InstanceId", id.as_str()), ("DisableApiTermination.Value", "false")];
    ec2.ask("ModifyInstanceAttribute", &change).await.good();
    assert_eq!(ec2.ask("DescribeInstanceAttribute", &read).await.good().one("value"), "false");
    ec2.ask("TerminateInstances", &both).await.good();
    cloud.assert_no_leaks();
}

#[tokio::test]
async fn a_type_changes_only_while_it_is_stopped() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = ec2.launch(&[("UserData", "aGk=")]).await;
    let change =
        [("InstanceId", id.as_str()), ("Attribute", "instanceType"), ("Value", "t3.small")];
    assert_eq!(
        ec2.ask("ModifyInstanceAttribute", &change).await.code().1,
        "IncorrectInstanceState"
    );
    ec2.ask("StopInstances", &[("InstanceId.1", &id)]).await.good();
    ec2.ask("ModifyInstanceAttribute", &change).await.good();
    for (attribute, value) in [
        ("instanceType", "t3.small"),
        ("userData", "aGk="),
        ("instanceInitiatedShutdownBehavior", "stop"),
    ] {
        let read = ec2
            .ask("DescribeInstanceAttribute", &[("InstanceId", &id), ("Attribute", attribute)])
            .await
            .good();
        assert_eq!(read.one("value"), value, "{attribute}");
    }
    for attribute in [
        "groupSet",
        "blockDeviceMapping",
        "kernel",
        "productCodes",
        "sourceDestCheck",
        "enclaveOptions",
    ] {
        let read = ec2
            .ask("DescribeInstanceAttribute", &[("InstanceId", &id), ("Attribute", attribute)])
            .await
            .good();
        assert!(read.text.contains(&format!("<{attribute}>")), "{attribute}");
    }
    let wrong =
        ec2.ask("DescribeInstanceAttribute", &[("InstanceId", &id), ("Attribute", "colour")]).await;
    assert_eq!(wrong.code().1, "InvalidParameterValue");
}

#[tokio::test]
async fn what_is_to_vanish_does_so_whatever_is_done_to_it() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    cloud.inject(Fault::Vanishes { after: 300 }.once("aws", Route::CreateInstance));
    let id = ec2.launch(&[]).await;
    let by_id = [("InstanceId.1", id.as_str())];
    for action in ["StopInstances", "StartInstances"] {
        cloud.advance(seconds(60));
        ec2.ask(action, &by_id).await.good();
    }
    cloud.advance(seconds(60));
    assert_eq!(ec2.state(&id).await, "running");
    cloud.advance(seconds(120));
    assert_eq!(ec2.state(&id).await, "terminated");
    let total = cloud.bill().total("USD");
    cloud.advance(seconds(3600));
    assert_eq!(ec2.ask("DescribeInstances", &by_id).await.code().1, "InvalidInstanceID.NotFound");
    assert_eq!(cloud.bill().total("USD"), total);
}

#[tokio::test]
async fn a_thousand_can_be_ended_at_once() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let ids = ec2.run(&[("MaxCount", "1000")]).await.good().all("instanceId");
    let names: Vec<String> = (0..1001).map(|number| format!("InstanceId.{number}")).collect();
    let all: Vec<(&str, &str)> = names
        .iter()
        .zip(ids.iter().chain(&ids))
        .map(|(name, id)| (name.as_str(), id.as_str()))
        .collect();
    assert_eq!(ec2.ask("TerminateInstances", &all).await.code().1, "InvalidParameterValue");
    assert_eq!(
        ec2.ask("TerminateInstances", &all[..1000]).await.good().all("currentState").len(),
        1000
    );
    cloud.assert_no_leaks();
}
