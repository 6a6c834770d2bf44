//! The default network of each region: a VPC, its subnets and its security groups, and their reads.
//!
//! Each zone has a public subnet, and the region has one private subnet without public addresses.
//! The group `default` accepts no connections from the internet; `ssh` accepts SSH.

use std::net::Ipv4Addr;

use super::call::Call;
use super::catalogue::{ACCOUNT, Region, ZONES};
use super::filters::Filters;
use super::ids;
use super::page::Window;
use super::problem::{Outcome, Problem};
use super::xml::Xml;

pub(super) const SUBNETS: usize = 4;
/// The subnet without public addresses.
pub(super) const PRIVATE_SUBNET: usize = 3;
pub(super) const GROUPS: [(&str, &str); 2] =
    [("default", "default VPC security group"), ("ssh", "SSH from anywhere")];

pub(super) fn vpc(region: &str) -> String {
    ids::fixed("vpc-", region, "vpc")
}

pub(super) fn subnet(region: &str, index: usize) -> String {
    ids::fixed("subnet-", region, &format!("subnet {index}"))
}

pub(super) fn group(region: &str, index: usize) -> String {
    ids::fixed("sg-", region, &format!("group {index}"))
}

/// The index of a subnet's zone.
pub(super) fn zone_of(subnet: usize) -> usize {
    subnet % ZONES.len()
}

/// The private address of an instance.
pub(super) fn private_address(subnet: usize, machine: u64) -> Ipv4Addr {
    let host = 4 + u32::try_from(machine % 16_370).unwrap_or_default();
    let block = u32::try_from(subnet % SUBNETS).unwrap_or_default() << 14;
    (u32::from(Ipv4Addr::new(172, 31, 0, 0)) | block | host).into()
}

/// The index of a subnet, by its id.
pub(super) fn find_subnet(region: &str, id: &str) -> Outcome<usize> {
    if !id.starts_with("subnet-") {
        return Err(Problem::new(
            "InvalidSubnetID.Malformed",
            format!("Invalid id: \"{id}\" (expecting \"subnet-...\")"),
        ));
    }
    let found = (0..SUBNETS).find(|index| subnet(region, *index) == id);
    found.ok_or_else(|| {
        Problem::new("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist"))
    })
}

/// The index of a security group, by its id.
pub(super) fn find_group(region: &str, id: &str) -> Outcome<usize> {
    if !id.starts_with("sg-") {
        return Err(Problem::new(
            "InvalidGroupId.Malformed",
            format!("Invalid id: \"{id}\" (expecting \"sg-...\")"),
        ));
    }
    let found = (0..GROUPS.len()).find(|index| group(region, *index) == id);
    found.ok_or_else(|| {
        Problem::new("InvalidGroup.NotFound", format!("The security group '{id}' does not exist"))
    })
}

/// The index of the default VPC's security group of this name.
pub(super) fn find_group_named(region: &str, name: &str) -> Outcome<usize> {
    let missing = || {
        let message =
            format!("The security group '{name}' does not exist in default VPC '{}'", vpc(region));
        Problem::new("InvalidGroup.NotFound", message)
    };
    GROUPS.iter().position(|(known, _)| *known == name).ok_or_else(missing)
}

pub(super) fn show_groups(xml: &mut Xml, region: &str, groups: &[usize]) {
    xml.set("groupSet", groups, |xml, index| {
        xml.text("groupId", &group(region, *index));
        xml.text("groupName", GROUPS.get(*index).map_or("", |(name, _)| name));
    });
}

pub(super) fn describe_vpcs(call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let id = vpc(call.region.name);
    let asked = call.params.list("VpcId");
    if let Some(other) = asked.iter().find(|other| **other != id) {
        return Err(Problem::new(
            "InvalidVpcID.NotFound",
            format!("The vpc ID '{other}' does not exist"),
        ));
    }
    let known = [
        "vpc-id",
        "is-default",
        "isDefault",
        "state",
        "cidr",
        "cidr-block",
        "owner-id",
        "tag-key",
        "tag",
    ];
    let filters = Filters::read(&call.params, &known)?;
    let shown = filters.hold(|name, is| match name {
        "vpc-id" => is(&id),
        "is-default" | "isDefault" => is("true"),
        "state" => is("available"),
        "cidr" | "cidr-block" => is("172.31.0.0/16"),
        "owner-id" => is(ACCOUNT),
        _ => false,
    });
    xml.set("vpcSet", shown.then_some(()), |xml, ()| {
        xml.text("vpcId", &id);
        xml.text("ownerId", ACCOUNT);
        xml.text("state", "available");
        xml.text("cidrBlock", "172.31.0.0/16");
        xml.set("cidrBlockAssociationSet", [()], |xml, ()| {
            xml.text("cidrBlock", "172.31.0.0/16");
            xml.text("associationId", &ids::fixed("vpc-cidr-assoc-", call.region.name, "cidr"));
            xml.within("cidrBlockState", |xml| xml.text("state", "associated"));
        });
        xml.text("dhcpOptionsId", &ids::fixed("dopt-", call.region.name, "dhcp"));
        xml.text("instanceTenancy", "default");
        xml.flag("isDefault", true);
        xml.tags("tagSet", []);
    });
    Ok(())
}

fn in_subnet(region: &Region, index: usize, name: &str, is: &dyn Fn(&str) -> bool) -> bool {
    let public = index != PRIVATE_SUBNET;
    match name {
        "subnet-id" => is(&subnet(region.name, index)),
        "vpc-id" => is(&vpc(region.name)),
        "availability-zone" | "availabilityZone" => is(&region.zone(zone_of(index))),
        "default-for-az" | "defaultForAz" => is(if public { "true" } else { "false" }),
        "map-public-ip-on-launch" => is(if public { "true" } else { "false" }),
        "state" => is("available"),
        "cidr-block" | "cidr" => is(&cidr(index)),
        "owner-id" => is(ACCOUNT),
        _ => false,
    }
}

fn cidr(subnet: usize) -> String {
    format!("172.31.{}.0/18", subnet % SUBNETS * 64)
}

pub(super) fn describe_subnets(call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let region = call.region;
    let asked: Vec<usize> = call
        .params
        .list("SubnetId")
        .iter()
        .map(|id| find_subnet(region.name, id))
        .collect::<Outcome<_>>()?;
    let known = [
        "subnet-id",
        "vpc-id",
        "availability-zone",
        "availabilityZone",
        "default-for-az",
        "defaultForAz",
        "map-public-ip-on-launch",
        "state",
        "cidr-block",
        "cidr",
        "owner-id",
        "tag-key",
        "tag",
    ];
    let filters = Filters::read(&call.params, &known)?;
    let window = Window::read(&call.params, call.effects, (5, 1000))?;
    let shown = (0..SUBNETS).filter(|index| asked.is_empty() || asked.contains(index));
    let shown = shown.filter(|index| filters.hold(|name, is| in_subnet(region, *index, name, is)));
    let page = window.page(shown.map(|index| (index as u64, index)));
    xml.set("subnetSet", page.items, |xml, index| {
        let public = index != PRIVATE_SUBNET;
        xml.text("subnetId", &subnet(region.name, index));
        xml.text(
            "subnetArn",
            &format!("arn:aws:ec2:{}:{ACCOUNT}:subnet/{}", region.name, subnet(region.name, index)),
        );
        xml.text("state", "available");
        xml.text("ownerId", ACCOUNT);
        xml.text("vpcId", &vpc(region.name));
        xml.text("cidrBlock", &cidr(index));
        xml.set("ipv6CidrBlockAssociationSet", [()], |xml, ()| {
            xml.text("ipv6CidrBlock", &format!("2001:db8:{index}::/64"));
            xml.text(
                "associationId",
                &ids::fixed("subnet-cidr-assoc-", region.name, &index.to_string()),
            );
            xml.within("ipv6CidrBlockState", |xml| xml.text("state", "associated"));
        });
        xml.value("availableIpAddressCount", 16_379);
        xml.text("availabilityZone", &region.zone(zone_of(index)));
        xml.text("availabilityZoneId", &format!("{}-az{}", region.zone_id, zone_of(index) + 1));
        xml.flag("defaultForAz", public);
        xml.flag("mapPublicIpOnLaunch", public);
        xml.flag("assignIpv6AddressOnCreation", false);
        xml.flag("mapCustomerOwnedIpOnLaunch", false);
        xml.flag("enableDns64", false);
        xml.flag("ipv6Native", false);
        xml.within("privateDnsNameOptionsOnLaunch", |xml| {
            xml.text("hostnameType", "ip-name");
            xml.flag("enableResourceNameDnsARecord", false);
            xml.flag("enableResourceNameDnsAAAARecord", false);
        });
        xml.tags("tagSet", []);
    });
    xml.maybe("nextToken", page.next.as_deref());
    Ok(())
}

pub(super) fn describe_security_groups(call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let region = call.region.name;
    let by_id = call.params.list("GroupId").into_iter().map(|id| find_group(region, id));
    let by_name =
        call.params.list("GroupName").into_iter().map(|name| find_group_named(region, name));
    let asked: Vec<usize> = by_id.chain(by_name).collect::<Outcome<_>>()?;
    let known = ["group-id", "group-name", "vpc-id", "description", "owner-id", "tag-key", "tag"];
    let filters = Filters::read(&call.params, &known)?;
    let window = Window::read(&call.params, call.effects, (5, 1000))?;
    let shown =
        GROUPS.iter().enumerate().filter(|(index, _)| asked.is_empty() || asked.contains(index));
    let shown = shown.filter(|(index, (name, description))| {
        filters.hold(|field, is| match field {
            "group-id" => is(&group(region, *index)),
            "group-name" => is(name),
            "vpc-id" => is(&vpc(region)),
            "description" => is(description),
            "owner-id" => is(ACCOUNT),
            _ => false,
        })
    });
    let page = window.page(shown.map(|(index, group)| (index as u64, (index, group))));
    xml.set("securityGroupInfo", page.items, |xml, (index, (name, description))| {
        let id = group(region, index);
        xml.text("ownerId", ACCOUNT);
        xml.text("groupId", &id);
        xml.text("groupName", name);
        xml.text("groupDescription", description);
        xml.text("vpcId", &vpc(region));
        xml.text(
            "securityGroupArn",
            &format!("arn:aws:ec2:{region}:{ACCOUNT}:security-group/{id}"),
        );
        xml.set("ipPermissions", [()], |xml, ()| {
            let open = *name == "ssh";
            xml.text("ipProtocol", if open { "tcp" } else { "-1" });
            if open {
                xml.value("fromPort", 22);
                xml.value("toPort", 22);
            }
            xml.set("groups", (!open).then_some(()), |xml, ()| {
                xml.text("userId", ACCOUNT);
                xml.text("groupId", &id);
            });
            xml.set("ipRanges", open.then_some(()), |xml, ()| xml.text("cidrIp", "0.0.0.0/0"));
            xml.set("ipv6Ranges", open.then_some(()), |xml, ()| xml.text("cidrIpv6", "::/0"));
            xml.texts("prefixListIds", []);
        });
        xml.set("ipPermissionsEgress", [()], |xml, ()| {
            xml.text("ipProtocol", "-1");
            xml.texts("groups", []);
            xml.set("ipRanges", [()], |xml, ()| xml.text("cidrIp", "0.0.0.0/0"));
            xml.texts("ipv6Ranges", []);
            xml.texts("prefixListIds", []);
        });
        xml.tags("tagSet", []);
    });
    xml.maybe("nextToken", page.next.as_deref());
    Ok(())
}
