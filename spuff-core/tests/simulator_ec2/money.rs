//! What is paid for, and what is left behind.

use super::*;
use spuff_core::simulator::{Fault, Route};

/// What each kind of thing has cost, in millionths of a dollar.
fn cost(cloud: &Cloud, kind: Kind) -> u64 {
    cloud.bill().lines.iter().filter(|line| line.kind == kind).map(|line| line.micros).sum()
}

#[tokio::test]
async fn only_running_is_paid_by_the_second() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = ec2.launch(&[]).await;
    cloud.advance(seconds(18));
    assert_eq!(cost(&cloud, Kind::Instance), 0, "pending costs nothing");
    cloud.advance(seconds(1));
    assert_eq!(cost(&cloud, Kind::Instance), 10_400 * 60 / 3600, "a minute at least");
    cloud.advance(seconds(3599));
    assert_eq!(cost(&cloud, Kind::Instance), 10_400);
    ec2.ask("StopInstances", &[("InstanceId.1", &id)]).await.good();
    let disk = cost(&cloud, Kind::Disk);
    let address = cost(&cloud, Kind::Address);
    cloud.advance(seconds(7200));
    assert_eq!(
        (cost(&cloud, Kind::Instance), cost(&cloud, Kind::Address)),
        (10_400, address),
        "stopped"
    );
    assert!(cost(&cloud, Kind::Disk) > disk * 2, "but the disk is paid for");
    ec2.ask("StartInstances", &[("InstanceId.1", &id)]).await.good();
    cloud.advance(seconds(15 + 30));
    assert_eq!(
        cost(&cloud, Kind::Instance),
        10_400 + 10_400 * 60 / 3600,
        "each start costs a minute at least"
    );
    assert!(cost(&cloud, Kind::Address) > address);
    ec2.ask("TerminateInstances", &[("InstanceId.1", &id)]).await.good();
    let total = cloud.bill().total("USD");
    cloud.advance(seconds(86_400));
    assert_eq!(cloud.bill().total("USD"), total);
    cloud.assert_no_leaks();
}

#[tokio::test]
async fn what_never_runs_costs_no_compute() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let ended = ec2.launch(&[]).await;
    cloud.advance(seconds(5));
    ec2.ask("TerminateInstances", &[("InstanceId.1", &ended)]).await.good();
    cloud.inject(Fault::ActionFails.once("aws", Route::CreateInstance));
    ec2.launch(&[]).await;
    cloud.inject(Fault::StuckCreating.once("aws", Route::CreateInstance));
    ec2.launch(&[]).await;
    cloud.advance(seconds(7200));
    assert_eq!(cost(&cloud, Kind::Instance), 0);
    assert_eq!(left(&cloud), [Kind::Instance], "the one that is stuck");
}

#[tokio::test]
async fn a_disk_can_outlive_its_machine() {
    let cloud = manual().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let disks = [
        ("BlockDeviceMapping.1.DeviceName", "/dev/sda1"),
        ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "false"),
        ("BlockDeviceMapping.2.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.2.Ebs.VolumeSize", "100"),
        ("TagSpecification.1.ResourceType", "volume"),
        ("TagSpecification.1.Tag.1.Key", "k"),
        ("TagSpecification.1.Tag.1.Value", "v"),
    ];
    let id = ec2.launch(&disks).await;
    cloud.advance(seconds(60));
    let shown = ec2.ask("DescribeInstances", &[("InstanceId.1", &id)]).await.good();
    assert_eq!(
        shown.all("deviceName"),
        ["/dev/sda1", "/dev/xvda"],
        "another device is another disk"
    );
    let volumes = ec2
        .ask("DescribeVolumes", &[("Filter.1.Name", "tag:k"), ("Filter.1.Value.1", "v")])
        .await
        .good();
    let names = ec2
        .ask(
            "DescribeVolumes",
            &[("Filter.1.Name", "attachment.instance-id"), ("Filter.1.Value.1", &id)],
        )
        .await
        .good();
    assert_eq!(volumes.all("volumeId").len(), 4, "each names itself twice");
    assert_eq!(volumes.text.split("requestId").nth(2), names.text.split("requestId").nth(2));
    let first = volumes.one("volumeId");
    assert_eq!(
        ec2.ask("DeleteVolume", &[("VolumeId", &first)]).await.code(),
        (400, "VolumeInUse".to_string())
    );

    ec2.ask("TerminateInstances", &[("InstanceId.1", &id)]).await.good();
    assert_eq!(left(&cloud), [Kind::Disk, Kind::Disk]);
    cloud.advance(seconds(7200));
    assert_eq!(left(&cloud), [Kind::Disk, Kind::Disk], "also when the machine is forgotten");
    let before = cost(&cloud, Kind::Disk);
    cloud.advance(seconds(3600));
    assert_eq!(cost(&cloud, Kind::Disk) - before, 8 * 80_000 / 730 + 100 * 100_000 / 730);
    for id in ec2.ask("DescribeVolumes", &[]).await.good().all("volumeId") {
        ec2.ask("DeleteVolume", &[("VolumeId", &id)]).await.good();
    }
    cloud.assert_no_leaks();
}

#[tokio::test]
async fn copies_of_disks_are_paid_for_until_they_are_deleted() {
    let cloud = instant().start().unwrap();
    let ec2 = Asker::new(&cloud, "us-east-1");
    let id = ec2.launch(&[]).await;
    let image = ec2
        .ask("CreateImage", &[("InstanceId", &id), ("Name", "image")])
        .await
        .good()
        .one("imageId");
    ec2.ask("TerminateInstances", &[("InstanceId.1", &id)]).await.good();
    ec2.ask("DeregisterImage", &[("ImageId", &image)]).await.good();
    cloud.advance(seconds(3600));
    let hour = cost(&cloud, Kind::DiskSnapshot);
    assert_eq!((hour, cost(&cloud, Kind::Snapshot)), (8 * 3 * 50_000 / 10 / 730, 0));
    let copy = cloud.leaks().remove(0);
    assert!(copy.kind == Kind::DiskSnapshot && copy.name.contains(&image), "{copy}");
    ec2.ask("DeleteSnapshot", &[("SnapshotId", &copy.id)]).await.good();
    cloud.advance(seconds(3600));
    assert_eq!(cost(&cloud, Kind::DiskSnapshot), hour);
    cloud.assert_no_leaks();
}
