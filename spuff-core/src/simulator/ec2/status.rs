//! Status checks, CPU credits and console output of instances.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::account::Machine;
use super::super::clock::Moment;
use super::super::inspect::Kind;
use super::call::Call;
use super::ids;
use super::instances::page;
use super::problem::Outcome;
use super::state::{of_machine, zone};
use super::xml::Xml;
use super::{Ec2, show};

const MAX_IDS: usize = 100;
const FILTERS: [&str; 6] = [
    "availability-zone",
    "instance-id",
    "instance-state-code",
    "instance-state-name",
    "tag",
    "tag-key",
];

/// Returns only running instances, unless the request asks for all.
pub(super) fn describe(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let all = call.params.flag("IncludeAllInstances")?.unwrap_or_default();
    let asked = call.params.list("InstanceId").len();
    if asked > MAX_IDS {
        let message = format!("The maximum number of instance IDs is {MAX_IDS}");
        return Err(super::problem::Problem::value(message));
    }
    let (found, next) = page(backend, call, &FILTERS, "instancesSet")?;
    let found =
        found.iter().filter_map(|id| backend.account.machine(*id).zip(backend.launches.get(id)));
    let found = found.filter(|(machine, _)| all || of_machine(machine, call.now).1 == "running");
    xml.set("instanceStatusSet", found, |xml, (machine, launch)| {
        xml.text("instanceId", &ids::of_kind(Kind::Instance, machine.id));
        xml.text("availabilityZone", &zone(machine, launch));
        show::code_and_name(xml, "instanceState", of_machine(machine, call.now));
        let (status, reachability) = checks(backend, machine, call.now);
        for check in ["systemStatus", "instanceStatus"] {
            xml.within(check, |xml| {
                xml.text("status", status);
                xml.set("details", (status != "not-applicable").then_some(()), |xml, ()| {
                    xml.text("name", "reachability");
                    xml.text("status", reachability);
                });
            });
        }
        xml.within("operator", |xml| xml.flag("managed", false));
    });
    xml.maybe("nextToken", next.as_deref());
    Ok(())
}

fn checks(backend: &Ec2, machine: &Machine, now: Moment) -> (&'static str, &'static str) {
    match of_machine(machine, now).1 {
        "running" if backend.has_passed_checks(machine, now) => ("ok", "passed"),
        "running" => ("initializing", "initializing"),
        _ => ("not-applicable", ""),
    }
}

pub(super) fn describe_credits(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let (found, next) = page(backend, call, &["instance-id"], "instancesSet")?;
    let found =
        found.iter().filter_map(|id| backend.account.machine(*id).zip(backend.launches.get(id)));
    let burstable = found.filter(|(machine, _)| machine.size.name.starts_with('t'));
    xml.set("instanceCreditSpecificationSet", burstable, |xml, (machine, launch)| {
        let usual = if machine.size.name.starts_with("t2.") { "standard" } else { "unlimited" };
        xml.text("instanceId", &ids::of_kind(Kind::Instance, machine.id));
        xml.text("cpuCredits", launch.credits.as_deref().unwrap_or(usual));
    });
    xml.maybe("nextToken", next.as_deref());
    Ok(())
}

pub(super) fn console(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let id = backend.find_machine(call)?;
    let ready = backend
        .account
        .machine(id)
        .is_some_and(|machine| backend.has_passed_checks(machine, call.now));
    let text = if ready {
        "[    0.000000] Linux version 6.8.0-aws\r\n[    1.504211] simulated login: "
    } else {
        ""
    };
    xml.text("instanceId", &ids::of_kind(Kind::Instance, id));
    xml.time("timestamp", call.now);
    xml.text("output", &STANDARD.encode(text));
    Ok(())
}
