//! Table of the simulated actions: their parameters, functions and throttling.
//!
//! Any other action is refused as unknown.

use super::call::Call;
use super::problem::Outcome;
use super::xml::Xml;
use super::{
    Ec2, amis, attributes, catalogue_actions, disks, instances, keys, network, power, run,
    snapshots, status, tags,
};

/// An action's throttling: the burst size, and the refill in requests per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// 100 and 20; 50 and 10 if the request has no filter, no id and no page size.
    Describe,
    /// Separate values of the action.
    Own(u32, u32),
}

/// Reads of single resources.
const READ: Pace = Pace::Own(100, 20);
/// Changes.
const CHANGE: Pace = Pace::Own(50, 5);

type Run = fn(&mut Ec2, &Call<'_>, &mut Xml) -> Outcome<()>;

/// An action.
pub(super) struct Action {
    pub(super) name: &'static str,
    /// The root element of its reply.
    pub(super) reply: &'static str,
    pub(super) pace: Pace,
    pub(super) known: &'static [&'static str],
    pub(super) run: Run,
}

pub(super) fn find(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().find(|action| action.name == name)
}

macro_rules! actions {
    ($($name:ident, $pace:expr, $run:expr, [$($known:ident)*];)*) => {
        static ACTIONS: &[Action] = &[$(Action {
            name: stringify!($name),
            reply: concat!(stringify!($name), "Response"),
            pace: $pace,
            known: &["DryRun", $(stringify!($known)),*],
            run: $run,
        }),*];
    };
}

actions! {
    DescribeInstances, Pace::Describe, instances::describe,
        [Filter IncludeManagedResources InstanceId MaxResults NextToken];
    RunInstances, Pace::Own(5, 2), run::run_instances,
        [AdditionalInfo BlockDeviceMapping CapacityReservationSpecification ClientToken CpuOptions
         CreditSpecification DisableApiStop DisableApiTermination EbsOptimized
         ElasticGpuSpecification ElasticInferenceAccelerator EnablePrimaryIpv6 EnclaveOptions
         HibernationOptions IamInstanceProfile ImageId InstanceInitiatedShutdownBehavior
         InstanceMarketOptions InstanceType Ipv6Address Ipv6AddressCount KernelId KeyName
         LaunchTemplate LicenseSpecification MaintenanceOptions MaxCount MetadataOptions MinCount
         Monitoring NetworkInterface NetworkPerformanceOptions Operator Placement
         PrivateDnsNameOptions PrivateIpAddress RamdiskId SecondaryInterface SecurityGroup
         SecurityGroupId SubnetId TagSpecification UserData];
    TerminateInstances, Pace::Own(100, 5), power::terminate, [Force InstanceId SkipOsShutdown];
    StopInstances, CHANGE, power::stop, [Force Hibernate InstanceId SkipOsShutdown];
    StartInstances, Pace::Own(5, 2), power::start, [AdditionalInfo InstanceId];
    RebootInstances, CHANGE, power::reboot, [InstanceId];
    DescribeInstanceStatus, Pace::Describe, status::describe,
        [Filter IncludeAllInstances IncludeManagedResources InstanceId MaxResults NextToken];
    DescribeInstanceCreditSpecifications, Pace::Describe, status::describe_credits,
        [Filter InstanceId MaxResults NextToken];
    GetConsoleOutput, READ, status::console, [InstanceId Latest];
    DescribeInstanceAttribute, READ, attributes::describe, [Attribute InstanceId];
    ModifyInstanceAttribute, CHANGE, attributes::modify,
        [Attribute BlockDeviceMapping DisableApiStop DisableApiTermination EbsOptimized EnaSupport
         EnclaveOptions GroupId InstanceId InstanceInitiatedShutdownBehavior InstanceType Kernel
         Ramdisk SourceDestCheck SriovNetSupport UserData Value];
    CreateTags, Pace::Own(100, 10), tags::create, [ResourceId Tag];
    DeleteTags, Pace::Own(100, 10), tags::delete, [ResourceId Tag];
    DescribeTags, Pace::Describe, tags::describe, [Filter MaxResults NextToken];
    CreateImage, CHANGE, amis::create,
        [BlockDeviceMapping BootModeOverride Description InstanceId Name NoReboot SnapshotLocation
         TagSpecification];
    DescribeImages, Pace::Describe, amis::describe,
        [ExecutableBy Filter ImageId IncludeDeprecated IncludeDisabled MaxResults NextToken Owner];
    DeregisterImage, Pace::Own(100, 5), amis::deregister, [DeleteAssociatedSnapshots ImageId];
    CreateSnapshot, Pace::Own(100, 5), snapshots::create,
        [Description Location OutpostArn TagSpecification VolumeId];
    DescribeSnapshots, Pace::Describe, snapshots::describe,
        [Filter MaxResults NextToken Owner RestorableBy SnapshotId];
    DeleteSnapshot, Pace::Own(100, 5), snapshots::delete, [SnapshotId];
    DescribeVolumes, Pace::Describe, disks::describe,
        [Filter IncludeManagedResources MaxResults NextToken VolumeId];
    DeleteVolume, CHANGE, disks::delete, [VolumeId];
    DescribeKeyPairs, Pace::Describe, keys::describe, [Filter IncludePublicKey KeyName KeyPairId];
    ImportKeyPair, CHANGE, keys::import, [KeyName PublicKeyMaterial TagSpecification];
    CreateKeyPair, CHANGE, keys::create, [KeyFormat KeyName KeyType TagSpecification];
    DeleteKeyPair, CHANGE, keys::delete, [KeyName KeyPairId];
    DescribeRegions, READ, catalogue_actions::regions, [AllRegions Filter RegionName];
    DescribeAvailabilityZones, READ, catalogue_actions::zones,
        [AllAvailabilityZones Filter ZoneId ZoneName];
    DescribeInstanceTypes, Pace::Describe, catalogue_actions::types,
        [Filter IncludeUnsupportedInRegion InstanceType MaxResults NextToken];
    DescribeInstanceTypeOfferings, Pace::Describe, catalogue_actions::offerings,
        [Filter LocationType MaxResults NextToken];
    DescribeAccountAttributes, READ, catalogue_actions::account, [AttributeName];
    DescribeAddresses, Pace::Describe, catalogue_actions::addresses, [AllocationId Filter PublicIp];
    DescribeVpcs, Pace::Describe, |_, call, xml| network::describe_vpcs(call, xml),
        [Filter MaxResults NextToken VpcId];
    DescribeSubnets, Pace::Describe, |_, call, xml| network::describe_subnets(call, xml),
        [Filter MaxResults NextToken SubnetId];
    DescribeSecurityGroups, Pace::Describe,
        |_, call, xml| network::describe_security_groups(call, xml),
        [Filter GroupId GroupName MaxResults NextToken];
}
