//! Maps an EC2 request to the kind of request that all clouds share.

use super::super::route::Route;
use super::params::Params;

pub(super) fn of(params: &Params<'_>) -> Route {
    match params.get("Action").unwrap_or_default() {
        "RunInstances" => Route::CreateInstance,
        "DescribeInstances" | "DescribeInstanceStatus"
            if by_id(params, "InstanceId", "instance-id") =>
        {
            Route::GetInstance
        }
        "DescribeInstances" | "DescribeInstanceStatus" => Route::ListInstances,
        "DescribeInstanceAttribute" | "GetConsoleOutput" => Route::GetInstance,
        "ModifyInstanceAttribute" => Route::UpdateInstance,
        "StartInstances" | "StopInstances" | "RebootInstances" => Route::PowerInstance,
        "TerminateInstances" => Route::DestroyInstance,
        "CreateImage" | "CreateSnapshot" => Route::CreateSnapshot,
        "DescribeImages" if by_id(params, "ImageId", "image-id") => Route::GetSnapshot,
        "DescribeImages" if params.list("Owner").contains(&"self") => Route::ListSnapshots,
        "DescribeSnapshots" if by_id(params, "SnapshotId", "snapshot-id") => Route::GetSnapshot,
        "DescribeSnapshots" => Route::ListSnapshots,
        "DeregisterImage" | "DeleteSnapshot" => Route::DeleteSnapshot,
        "CreateTags" | "DeleteTags" => tagged(params),
        "DescribeKeyPairs" | "ImportKeyPair" | "CreateKeyPair" | "DeleteKeyPair" => Route::SshKeys,
        "DescribeImages"
        | "DescribeRegions"
        | "DescribeAvailabilityZones"
        | "DescribeInstanceTypes"
        | "DescribeInstanceTypeOfferings" => Route::Catalogue,
        _ => Route::Other,
    }
}

fn by_id(params: &Params<'_>, list: &str, filter: &str) -> bool {
    let filtered = |number: u32| params.get(&format!("Filter.{number}.Name")) == Some(filter);
    params.has(list) || params.numbers("Filter").into_iter().any(filtered)
}

fn tagged(params: &Params<'_>) -> Route {
    let first = params.list("ResourceId").first().copied().unwrap_or_default();
    match first.split_once('-').map_or("", |(prefix, _)| prefix) {
        "i" => Route::UpdateInstance,
        "ami" | "snap" => Route::UpdateSnapshot,
        _ => Route::Other,
    }
}
