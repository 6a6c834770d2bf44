//! Reads of the catalogue and the account: regions, zones, instance types, limits.

use super::Ec2;
use super::call::Call;
use super::catalogue::{self, REGIONS, SIZES, ZONES, architecture};
use super::filters::Filters;
use super::network;
use super::page::Window;
use super::problem::{Outcome, Problem};
use super::types;
use super::xml::Xml;

pub(super) fn regions(ec2: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let asked = call.params.list("RegionName");
    let all = call.params.flag("AllRegions")?.unwrap_or_default();
    let unknown: Vec<&str> = asked
        .iter()
        .copied()
        .filter(|name| !REGIONS.iter().any(|region| region.name == *name))
        .collect();
    if !unknown.is_empty() {
        return Err(Problem::value(format!("Invalid region provided: {}", unknown.join(", "))));
    }
    let filters = Filters::read(&call.params, &["endpoint", "opt-in-status", "region-name"])?;
    let endpoint = |name: &str| format!("ec2.{name}.amazonaws.com");
    let opt_in = |region: &catalogue::Region| {
        if region.opt_in { "not-opted-in" } else { "opt-in-not-required" }
    };
    let shown = REGIONS.iter().filter(|region| {
        let is_enabled = ec2.enabled.is_empty() || ec2.enabled.contains(&region.name);
        (all || !region.opt_in && is_enabled)
            && (asked.is_empty() || asked.contains(&region.name))
            && filters.hold(|name, is| match name {
                "endpoint" => is(&endpoint(region.name)),
                "opt-in-status" => is(opt_in(region)),
                _ => is(region.name),
            })
    });
    xml.set("regionInfo", shown, |xml, region| {
        xml.text("regionName", region.name);
        xml.text("regionEndpoint", &endpoint(region.name));
        xml.text("optInStatus", opt_in(region));
    });
    Ok(())
}

pub(super) fn zones(_: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let region = call.region;
    let names = call.params.list("ZoneName");
    let zone_ids = call.params.list("ZoneId");
    let id = |index: usize| format!("{}-az{}", region.zone_id, index + 1);
    for name in &names {
        if !(0..ZONES.len()).any(|index| region.zone(index) == *name) {
            return Err(Problem::value(format!("Invalid availability zone: [{name}]")));
        }
    }
    let known = [
        "group-name",
        "opt-in-status",
        "region-name",
        "state",
        "zone-id",
        "zone-name",
        "zone-type",
    ];
    let filters = Filters::read(&call.params, &known)?;
    let shown = (0..ZONES.len()).filter(|index| {
        let asked = names.contains(&region.zone(*index).as_str())
            || zone_ids.contains(&id(*index).as_str());
        (asked || names.is_empty() && zone_ids.is_empty())
            && filters.hold(|name, is| match name {
                "group-name" => is(&format!("{}-zg-1", region.name)),
                "opt-in-status" => is("opt-in-not-required"),
                "region-name" => is(region.name),
                "state" => is("available"),
                "zone-id" => is(&id(*index)),
                "zone-name" => is(&region.zone(*index)),
                _ => is("availability-zone"),
            })
    });
    xml.set("availabilityZoneInfo", shown, |xml, index| {
        xml.text("zoneName", &region.zone(index));
        xml.text("zoneState", "available");
        xml.text("regionName", region.name);
        xml.text("zoneId", &id(index));
        xml.text("zoneType", "availability-zone");
        xml.text("optInStatus", "opt-in-not-required");
        xml.text("groupName", &format!("{}-zg-1", region.name));
        xml.text("groupLongName", &format!("{} 1", region.long_name));
        xml.text("networkBorderGroup", region.name);
        xml.texts("messageSet", []);
    });
    Ok(())
}

const TYPE_FILTERS: [&str; 9] = [
    "bare-metal",
    "burstable-performance-supported",
    "current-generation",
    "free-tier-eligible",
    "hypervisor",
    "instance-type",
    "memory-info.size-in-mib",
    "processor-info.supported-architecture",
    "vcpu-info.default-vcpus",
];

pub(super) fn types(_: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let asked = call.params.list("InstanceType");
    let offered = |name: &str| {
        SIZES.iter().any(|size| size.name == name && catalogue::is_offered(size, call.region.name))
    };
    let unknown: Vec<&str> = asked.iter().copied().filter(|name| !offered(name)).collect();
    if !unknown.is_empty() {
        let message =
            format!("The following supplied instance types do not exist: [{}]", unknown.join(", "));
        return Err(Problem::new("InvalidInstanceType", message));
    }
    if asked.len() > 100 {
        return Err(Problem::value("The maximum number of instance types is 100"));
    }
    if !asked.is_empty() && call.params.has("MaxResults") {
        return Err(Problem::combination(
            "The parameter instanceTypes cannot be used with the parameter maxResults",
        ));
    }
    let filters = Filters::read(&call.params, &TYPE_FILTERS)?;
    let window = Window::read(&call.params, call.effects, (5, 100))?;
    let shown = SIZES.iter().enumerate().filter(|(_, size)| {
        catalogue::is_offered(size, call.region.name)
            && (asked.is_empty() || asked.contains(&size.name))
            && filters.hold(|name, is| match name {
                "bare-metal" => is("false"),
                "burstable-performance-supported" => is(word(size.name.starts_with('t'))),
                "current-generation" => is(word(types::is_current(size))),
                "free-tier-eligible" => is(word(types::is_free(size))),
                "hypervisor" => types::hypervisor(size).is_some_and(is),
                "instance-type" => is(size.name),
                "memory-info.size-in-mib" => is(&size.memory_mib.to_string()),
                "processor-info.supported-architecture" => is(architecture(size.architecture)),
                _ => is(&size.cpus.to_string()),
            })
    });
    let page = window.page(shown.map(|(index, size)| (index as u64, size)));
    xml.set("instanceTypeSet", page.items, types::show);
    xml.maybe("nextToken", page.next.as_deref());
    Ok(())
}

fn word(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

pub(super) fn offerings(_: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let region = call.region;
    let kind = call.params.get("LocationType").unwrap_or("region");
    let locations: Vec<String> = match kind {
        "region" => vec![region.name.to_string()],
        "availability-zone" => (0..ZONES.len()).map(|index| region.zone(index)).collect(),
        "availability-zone-id" => {
            (0..ZONES.len()).map(|index| format!("{}-az{}", region.zone_id, index + 1)).collect()
        }
        other => return Err(Problem::value(format!("Invalid value '{other}' for locationType."))),
    };
    let filters = Filters::read(&call.params, &["instance-type", "location"])?;
    let window = Window::read(&call.params, call.effects, (5, 1000))?;
    let offered = SIZES.iter().filter(|size| catalogue::is_offered(size, region.name));
    let all = offered.flat_map(|size| locations.iter().map(move |location| (size.name, location)));
    let shown = all.enumerate().filter(|(_, (size, location))| {
        filters.hold(|name, is| if name == "location" { is(location) } else { is(size) })
    });
    let page = window.page(shown.map(|(index, offering)| (index as u64, offering)));
    xml.set("instanceTypeOfferingSet", page.items, |xml, (size, location)| {
        xml.text("instanceType", size);
        xml.text("locationType", kind);
        xml.text("location", location);
    });
    xml.maybe("nextToken", page.next.as_deref());
    Ok(())
}

pub(super) fn account(_: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let vpc = network::vpc(call.region.name);
    let all = [
        ("supported-platforms", "VPC"),
        ("default-vpc", vpc.as_str()),
        ("max-instances", "20"),
        ("vpc-max-security-groups-per-interface", "5"),
        ("max-elastic-ips", "5"),
        ("vpc-max-elastic-ips", "5"),
    ];
    let asked = call.params.list("AttributeName");
    let shown = all.iter().filter(|(name, _)| asked.is_empty() || asked.contains(name));
    xml.set("accountAttributeSet", shown, |xml, (name, value)| {
        xml.text("attributeName", name);
        xml.set("attributeValueSet", [()], |xml, ()| xml.text("attributeValue", value));
    });
    Ok(())
}

/// Always empty: elastic addresses are not simulated.
pub(super) fn addresses(_: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    if let Some(address) = call.params.list("PublicIp").first() {
        return Err(Problem::new(
            "InvalidAddress.NotFound",
            format!("Address '{address}' not found."),
        ));
    }
    if let Some(id) = call.params.list("AllocationId").first() {
        return Err(Problem::new(
            "InvalidAllocationID.NotFound",
            format!("The allocation ID '{id}' does not exist"),
        ));
    }
    xml.texts("addressesSet", []);
    Ok(())
}
