//! Instance attributes, which are read and changed one at a time.

use super::super::account::Power;
use super::super::inspect::Kind;
use super::call::Call;
use super::problem::{Outcome, Problem};
use super::xml::Xml;
use super::{Ec2, catalogue, ids, network};

pub(super) fn describe(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let attribute = call.params.need("Attribute")?;
    let id = backend.find_machine(call)?;
    let Some((machine, launch)) = backend.account.machine(id).zip(backend.launches.get(&id)) else {
        return Ok(());
    };
    let text = |xml: &mut Xml, value: &str| xml.within(attribute, |xml| xml.text("value", value));
    let flag = |xml: &mut Xml, value: bool| xml.within(attribute, |xml| xml.flag("value", value));
    xml.text("instanceId", &ids::of_kind(Kind::Instance, id));
    match attribute {
        "instanceType" => text(xml, machine.size.name),
        "userData" => xml.within("userData", |xml| xml.maybe("value", launch.user_data.as_deref())),
        "disableApiTermination" => flag(xml, launch.protected),
        "disableApiStop" => flag(xml, false),
        "instanceInitiatedShutdownBehavior" => {
            text(xml, if launch.ends_at_shutdown { "terminate" } else { "stop" })
        }
        "rootDeviceName" => text(xml, launch.root_device),
        "sourceDestCheck" => flag(xml, launch.source_dest_check),
        "ebsOptimized" => flag(xml, launch.ebs_optimized),
        "enaSupport" => flag(xml, true),
        "sriovNetSupport" => text(xml, "simple"),
        "enclaveOptions" => xml.within(attribute, |xml| xml.flag("enabled", false)),
        "groupSet" => network::show_groups(xml, machine.region, &launch.groups),
        "kernel" | "ramdisk" => xml.within(attribute, |_| {}),
        "productCodes" => xml.texts(attribute, []),
        "blockDeviceMapping" => {
            let volumes = launch
                .volumes
                .iter()
                .filter_map(|id| backend.volumes.get(id).map(|volume| (id, volume)));
            xml.set(attribute, volumes, |xml, (id, volume)| {
                xml.text("deviceName", &volume.device);
                xml.within("ebs", |xml| {
                    xml.text("volumeId", &ids::of_kind(Kind::Disk, *id));
                    xml.text("status", "attached");
                    xml.time("attachTime", volume.created);
                    xml.flag("deleteOnTermination", volume.ends_with_machine);
                });
            });
        }
        other => {
            let message =
                format!("Value ({other}) for parameter attribute is invalid. Unknown attribute.");
            return Err(Problem::value(message));
        }
    }
    Ok(())
}

/// A change of one attribute, in either of its two request forms.
struct Change<'a, 'c> {
    call: &'a Call<'c>,
}

impl<'a> Change<'a, '_> {
    /// The name of the parameter with the new value, if the request changes this attribute.
    fn of(&self, attribute: &str) -> Option<String> {
        let params = &self.call.params;
        let capital: String = attribute
            .chars()
            .take(1)
            .flat_map(char::to_uppercase)
            .chain(attribute.chars().skip(1))
            .collect();
        if params.has(&capital) {
            return Some(format!("{capital}.Value"));
        }
        (params.get("Attribute") == Some(attribute)).then(|| "Value".to_string())
    }

    fn flag(&self, attribute: &str) -> Outcome<Option<bool>> {
        self.of(attribute).map_or(Ok(None), |name| self.call.params.flag(&name))
    }

    fn text(&self, attribute: &str) -> Option<&'a str> {
        self.of(attribute).and_then(|name| self.call.params.get(&name))
    }
}

pub(super) fn modify(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let id = backend.find_machine(call)?;
    let change = Change { call };
    let protected = change.flag("disableApiTermination")?;
    let source_dest_check = change.flag("sourceDestCheck")?;
    let ebs_optimized = change.flag("ebsOptimized")?;
    let ends_at_shutdown =
        change.text("instanceInitiatedShutdownBehavior").map(|word| match word {
            "stop" => Ok(false),
            "terminate" => Ok(true),
            other => Err(Problem::value(format!(
                "Invalid value '{other}' for instanceInitiatedShutdownBehavior."
            ))),
        });
    let ends_at_shutdown = ends_at_shutdown.transpose()?;
    let groups = call
        .params
        .list("GroupId")
        .into_iter()
        .map(|group| network::find_group(call.region.name, group));
    let groups: Vec<usize> = groups.collect::<Outcome<_>>()?;
    let user_data = change.text("userData").map(str::to_string);
    let size = change.text("instanceType").map(|name| {
        let known =
            catalogue::any_size(name).filter(|size| catalogue::is_offered(size, call.region.name));
        known.ok_or_else(|| Problem::value(format!("Invalid value '{name}' for InstanceType.")))
    });
    let size = size.transpose()?;
    let power = backend.account.machine(id).map_or(Power::Gone, |machine| machine.power(call.now));
    let must_be_off = size.is_some() || user_data.is_some();
    if power == Power::Gone || must_be_off && power != Power::Off {
        let state = if power == Power::Gone { "existing" } else { "'stopped'" };
        let message = format!(
            "The instance '{}' is not in the {state} state.",
            ids::of_kind(Kind::Instance, id)
        );
        return Err(Problem::new("IncorrectInstanceState", message));
    }
    let mut endings = Vec::new();
    for number in call.params.numbers("BlockDeviceMapping") {
        let prefix = format!("BlockDeviceMapping.{number}");
        let device = call.params.need(&format!("{prefix}.DeviceName"))?;
        let ends = call.params.flag(&format!("{prefix}.Ebs.DeleteOnTermination"))?;
        let volumes = backend.launches.get(&id).into_iter().flat_map(|launch| &launch.volumes);
        let volume = volumes.copied().find(|volume| {
            backend.volumes.get(volume).is_some_and(|volume| volume.device == device)
        });
        let missing = || {
            let message = format!("No device is currently mapped at {device}");
            Problem::new("InvalidInstanceAttributeValue", message)
        };
        endings.push((volume.ok_or_else(missing)?, ends));
    }
    for (volume, ends) in endings {
        if let (Some(volume), Some(ends)) = (backend.volumes.get_mut(&volume), ends) {
            volume.ends_with_machine = ends;
        }
    }
    if let (Some(size), Some(machine)) = (size, backend.account.machine_mut(id)) {
        machine.size = size;
    }
    if let Some(launch) = backend.launches.get_mut(&id) {
        launch.protected = protected.unwrap_or(launch.protected);
        launch.source_dest_check = source_dest_check.unwrap_or(launch.source_dest_check);
        launch.ebs_optimized = ebs_optimized.unwrap_or(launch.ebs_optimized);
        launch.ends_at_shutdown = ends_at_shutdown.unwrap_or(launch.ends_at_shutdown);
        launch.user_data = user_data.or(launch.user_data.take());
        if !groups.is_empty() {
            launch.groups = groups;
        }
    }
    xml.flag("return", true);
    Ok(())
}
