//! An instance in EC2's format.
//!
//! Fields that a terminated instance loses are omitted: addresses, network, volumes.

use std::net::Ipv4Addr;

use super::super::account::{Image, Machine, Power};
use super::super::clock::Moment;
use super::super::inspect::Kind;
use super::catalogue::{ACCOUNT, architecture};
use super::holdings::{Launch, tags_of};
use super::xml::Xml;
use super::{Ec2, catalogue, ids, network, state};

impl Ec2 {
    /// The public address of a running instance, which appears a moment after the start.
    pub(super) fn public_address(&self, machine: &Machine, now: Moment) -> Option<Ipv4Addr> {
        let runs = machine.power(now) == Power::Running;
        let lag = super::super::clock::delta(self.timings.read_lag);
        machine.ipv4.filter(|_| runs && machine.since(now) + lag <= now)
    }
}

/// The DNS name of a public address.
pub(super) fn public_name(region: &str, address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    if region == "us-east-1" {
        return format!("ec2-{a}-{b}-{c}-{d}.compute-1.amazonaws.com");
    }
    format!("ec2-{a}-{b}-{c}-{d}.{region}.compute.amazonaws.com")
}

/// The DNS name of a private address.
pub(super) fn private_name(machine: &Machine, launch: &Launch) -> String {
    let [a, b, c, d] = network::private_address(launch.subnet, machine.id).octets();
    if machine.region == "us-east-1" {
        return format!("ip-{a}-{b}-{c}-{d}.ec2.internal");
    }
    format!("ip-{a}-{b}-{c}-{d}.{}.compute.internal", machine.region)
}

/// The reason for an instance's state.
pub(super) fn reason(
    machine: &Machine,
    launch: &Launch,
    now: Moment,
) -> Option<(&'static str, &'static str)> {
    match machine.power(now) {
        Power::Running => None,
        Power::Booting | Power::Starting => Some(("pending", "pending")),
        Power::Gone if machine.failed && !launch.ended_by_user => {
            Some(("Server.InternalError", "Server.InternalError: Internal error on launch"))
        }
        Power::Gone if !launch.ended_by_user => Some((
            "Client.InstanceInitiatedShutdown",
            "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
        )),
        Power::Stopping | Power::Off | Power::Deleting | Power::Gone => Some((
            "Client.UserInitiatedShutdown",
            "Client.UserInitiatedShutdown: User initiated shutdown",
        )),
    }
}

fn transition(machine: &Machine, launch: &Launch, now: Moment) -> String {
    match reason(machine, launch, now) {
        Some(("Client.UserInitiatedShutdown", _)) => {
            format!("User initiated ({})", machine.since(now).format("%Y-%m-%d %H:%M:%S GMT"))
        }
        Some(("Server.InternalError", _)) => "Server.InternalError".to_string(),
        _ => String::new(),
    }
}

pub(super) fn code_and_name(xml: &mut Xml, name: &str, (code, word): (u16, &str)) {
    xml.within(name, |xml| {
        xml.value("code", code);
        xml.text("name", word);
    });
}

/// Writes one instance of a set.
pub(super) fn instance(
    xml: &mut Xml,
    backend: &Ec2,
    machine: &Machine,
    launch: &Launch,
    now: Moment,
) {
    let power = machine.power(now);
    let alive = power != Power::Gone;
    let address = backend.public_address(machine, now);
    let public = address.map(|address| public_name(machine.region, address)).unwrap_or_default();
    let private = if alive { private_name(machine, launch) } else { String::new() };
    let private_address = network::private_address(launch.subnet, machine.id);
    xml.text("instanceId", &ids::of_kind(Kind::Instance, machine.id));
    xml.text("imageId", &ids::of_kind(Kind::Snapshot, machine.image));
    code_and_name(xml, "instanceState", state::of_machine(machine, now));
    xml.text("privateDnsName", &private);
    xml.text("dnsName", &public);
    xml.text("reason", &transition(machine, launch, now));
    xml.maybe("keyName", launch.key.as_deref());
    xml.value("amiLaunchIndex", launch.index);
    xml.texts("productCodes", []);
    xml.text("instanceType", machine.size.name);
    xml.time("launchTime", launch.started);
    xml.within("placement", |xml| {
        xml.text("availabilityZone", &state::zone(machine, launch));
        xml.text("groupName", "");
        xml.text("tenancy", "default");
    });
    xml.within("monitoring", |xml| {
        xml.text("state", if launch.monitored { "enabled" } else { "disabled" })
    });
    if alive {
        xml.text("subnetId", &network::subnet(machine.region, launch.subnet));
        xml.text("vpcId", &network::vpc(machine.region));
        xml.value("privateIpAddress", private_address);
        if let Some(address) = address {
            xml.value("ipAddress", address);
        }
        if let Some(address) = machine.ipv6 {
            xml.value("ipv6Address", address);
        }
        xml.flag("sourceDestCheck", launch.source_dest_check);
        network::show_groups(xml, machine.region, &launch.groups);
    }
    if let Some((code, message)) = reason(machine, launch, now) {
        xml.within("stateReason", |xml| {
            xml.text("code", code);
            xml.text("message", message);
        });
    }
    xml.text("architecture", architecture(machine.size.architecture));
    xml.text("rootDeviceType", "ebs");
    xml.text("rootDeviceName", launch.root_device);
    devices(xml, backend, launch, alive, power == Power::Booting);
    xml.text("virtualizationType", "hvm");
    xml.text("clientToken", launch.token.as_deref().unwrap_or_default());
    xml.tags("tagSet", tags_of(machine, launch));
    xml.text("hypervisor", "xen");
    xml.set("networkInterfaceSet", alive.then_some(()), |xml, ()| {
        interface(xml, machine, launch, (&private, &public), address)
    });
    xml.flag("ebsOptimized", launch.ebs_optimized);
    xml.flag("enaSupport", true);
    xml.within("cpuOptions", |xml| {
        let threads = threads(machine.size);
        xml.value("coreCount", machine.size.cpus / threads);
        xml.value("threadsPerCore", threads);
    });
    xml.within("capacityReservationSpecification", |xml| {
        xml.text("capacityReservationPreference", "open")
    });
    xml.within("hibernationOptions", |xml| xml.flag("configured", false));
    xml.within("enclaveOptions", |xml| xml.flag("enabled", false));
    xml.within("metadataOptions", |xml| {
        xml.text("state", "applied");
        xml.text("httpTokens", if launch.imds_v2 { "required" } else { "optional" });
        xml.value("httpPutResponseHopLimit", launch.hop_limit);
        xml.text("httpEndpoint", "enabled");
        xml.text("httpProtocolIpv6", "disabled");
        xml.text("instanceMetadataTags", "disabled");
    });
    xml.text("platformDetails", "Linux/UNIX");
    xml.text("usageOperation", "RunInstances");
    xml.time("usageOperationUpdateTime", machine.created);
    xml.within("privateDnsNameOptions", |xml| {
        xml.text("hostnameType", "ip-name");
        xml.flag("enableResourceNameDnsARecord", false);
        xml.flag("enableResourceNameDnsAAAARecord", false);
    });
    xml.within("maintenanceOptions", |xml| xml.text("autoRecovery", "default"));
    xml.text("currentInstanceBootMode", "legacy-bios");
    xml.within("operator", |xml| xml.flag("managed", false));
}

/// The number of threads per core.
pub(super) fn threads(size: &super::super::account::Size) -> u32 {
    let one =
        size.cpus < 2 || architecture(size.architecture) == "arm64" || size.name.starts_with("t2.");
    if one { 1 } else { 2 }
}

fn devices(xml: &mut Xml, backend: &Ec2, launch: &Launch, alive: bool, booting: bool) {
    let volumes =
        launch.volumes.iter().filter_map(|id| backend.volumes.get(id).map(|volume| (id, volume)));
    xml.set("blockDeviceMapping", volumes.filter(|_| alive), |xml, (id, volume)| {
        xml.text("deviceName", &volume.device);
        xml.within("ebs", |xml| {
            xml.text("volumeId", &ids::of_kind(Kind::Disk, *id));
            xml.text("status", if booting { "attaching" } else { "attached" });
            xml.time("attachTime", volume.created);
            xml.flag("deleteOnTermination", volume.ends_with_machine);
        });
    });
}

fn interface(
    xml: &mut Xml,
    machine: &Machine,
    launch: &Launch,
    (private, public): (&str, &str),
    address: Option<Ipv4Addr>,
) {
    let private_address = network::private_address(launch.subnet, machine.id);
    let association = |xml: &mut Xml| {
        if let Some(address) = address {
            xml.within("association", |xml| {
                xml.value("publicIp", address);
                xml.text("publicDnsName", public);
                xml.text("ipOwnerId", "amazon");
            });
        }
    };
    let [_, _, c, d] = private_address.octets();
    xml.text("networkInterfaceId", &ids::name("eni-", machine.id));
    xml.text("subnetId", &network::subnet(machine.region, launch.subnet));
    xml.text("vpcId", &network::vpc(machine.region));
    xml.text("description", "");
    xml.text("ownerId", ACCOUNT);
    xml.text("status", "in-use");
    xml.text("macAddress", &format!("02:5e:00:00:{c:02x}:{d:02x}"));
    xml.value("privateIpAddress", private_address);
    xml.text("privateDnsName", private);
    xml.flag("sourceDestCheck", launch.source_dest_check);
    network::show_groups(xml, machine.region, &launch.groups);
    xml.within("attachment", |xml| {
        xml.text("attachmentId", &ids::name("eni-attach-", machine.id));
        xml.value("deviceIndex", 0);
        xml.value("networkCardIndex", 0);
        xml.text("status", "attached");
        xml.time("attachTime", machine.created);
        xml.flag("deleteOnTermination", true);
    });
    association(xml);
    xml.set("privateIpAddressesSet", [()], |xml, ()| {
        xml.value("privateIpAddress", private_address);
        xml.text("privateDnsName", private);
        xml.flag("primary", true);
        association(xml);
    });
    xml.set("ipv6AddressesSet", machine.ipv6, |xml, address| {
        xml.value("ipv6Address", address);
        xml.flag("isPrimaryIpv6", false);
    });
    xml.text("interfaceType", "interface");
    xml.within("operator", |xml| xml.flag("managed", false));
}

/// Writes one image of a set.
pub(super) fn image(xml: &mut Xml, backend: &Ec2, image: &Image, now: Moment) {
    let publisher = super::publish::publisher(image);
    let ami = backend.amis.get(&image.id);
    let owner = super::publish::owner(image);
    let state = state::of_image(image, now);
    xml.text("imageId", &ids::of_kind(Kind::Snapshot, image.id));
    xml.text("imageLocation", &super::publish::location(image));
    xml.text("imageState", state);
    xml.text("imageOwnerId", owner);
    xml.time("creationDate", image.created);
    xml.flag("isPublic", image.public);
    xml.texts("productCodes", []);
    xml.text("architecture", catalogue::architecture(image.architecture));
    xml.text("imageType", "machine");
    xml.text("sriovNetSupport", "simple");
    xml.text("name", &image.name);
    if !image.description.is_empty() {
        xml.text("description", &image.description);
    }
    xml.text("rootDeviceType", "ebs");
    xml.text("rootDeviceName", ami.map_or(publisher.root_device, |ami| ami.root_device));
    let ebs = |xml: &mut Xml, snapshot: &str, gib: u32, kind: &str, ends_with_machine: bool| {
        xml.within("ebs", |xml| {
            xml.text("snapshotId", snapshot);
            xml.value("volumeSize", gib);
            xml.flag("deleteOnTermination", ends_with_machine);
            xml.text("volumeType", kind);
            xml.flag("encrypted", false);
        });
    };
    match ami {
        Some(ami) => xml.set("blockDeviceMapping", &ami.mappings, |xml, mapping| {
            xml.text("deviceName", &mapping.device);
            let snapshot = ids::of_kind(Kind::DiskSnapshot, mapping.stored);
            ebs(xml, &snapshot, mapping.gib, mapping.kind, mapping.ends_with_machine);
        }),
        None => xml.set("blockDeviceMapping", [()], |xml, ()| {
            xml.text("deviceName", publisher.root_device);
            let snapshot = ids::of_kind(Kind::DiskSnapshot, image.id);
            ebs(xml, &snapshot, publisher.root_gib, super::publish::root_kind(image), true);
        }),
    }
    xml.text("virtualizationType", "hvm");
    xml.tags("tagSet", image.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    xml.text("hypervisor", "xen");
    xml.flag("enaSupport", true);
    xml.text("platformDetails", "Linux/UNIX");
    xml.text("usageOperation", "RunInstances");
    xml.maybe("imageOwnerAlias", publisher.alias.filter(|_| image.public));
    if let Some(time) = super::publish::deprecated_at(image) {
        xml.time("deprecationTime", time);
    }
    if let Some((machine, _)) = &image.source {
        xml.text("sourceInstanceId", &ids::of_kind(Kind::Instance, *machine));
    }
    xml.text("deregistrationProtection", "disabled");
    if state == "failed" {
        xml.within("stateReason", |xml| {
            xml.text("code", "Server.InternalError");
            xml.text("message", "Server.InternalError: Internal error while the image was created");
        });
    }
}
