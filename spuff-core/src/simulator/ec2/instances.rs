//! Instances: finding them by ids or filters, and reading them.
//!
//! An id that is not visible yet fails the whole call; a filter omits it.

use super::super::account::{Machine, Power};
use super::super::clock::Moment;
use super::super::inspect::Kind;
use super::call::Call;
use super::catalogue::{ACCOUNT, architecture};
use super::filters::{Filters, on_tags};
use super::holdings::{Launch, tags_of};
use super::ids::{self, Named};
use super::page::Window;
use super::problem::{Outcome, Problem};
use super::xml::Xml;
use super::{Ec2, network, show, state};

/// The simulated filters.
const FILTERS: [&str; 30] = [
    "architecture",
    "availability-zone",
    "block-device-mapping.volume-id",
    "client-token",
    "dns-name",
    "group-id",
    "group-name",
    "image-id",
    "instance-id",
    "instance-state-code",
    "instance-state-name",
    "instance-type",
    "instance.group-id",
    "instance.group-name",
    "ip-address",
    "key-name",
    "network-interface.subnet-id",
    "network-interface.vpc-id",
    "owner-id",
    "private-dns-name",
    "private-ip-address",
    "reservation-id",
    "root-device-name",
    "root-device-type",
    "state-reason-code",
    "subnet-id",
    "tag",
    "tag-key",
    "virtualization-type",
    "vpc-id",
];

impl Ec2 {
    /// Resolves instance ids, all of which must be visible in the region. Counts as a read of each.
    pub(super) fn find_machines(&mut self, call: &Call<'_>, texts: &[&str]) -> Outcome<Vec<u64>> {
        let mut found = Vec::with_capacity(texts.len());
        let mut missing = Vec::new();
        for text in texts {
            match ids::read("i-", text) {
                Named::Malformed => {
                    return Err(Problem::new(
                        "InvalidInstanceID.Malformed",
                        format!("Invalid id: \"{text}\""),
                    ));
                }
                Named::Thing(id) => match self.account.read_machine(id, call.now) {
                    Some(machine) if machine.region == call.region.name => found.push(id),
                    _ => missing.push(*text),
                },
                Named::Nothing => missing.push(*text),
            }
        }
        let message = match missing.as_slice() {
            [] => {
                let mut seen = std::collections::HashSet::new();
                found.retain(|id| seen.insert(*id));
                return Ok(found);
            }
            [one] => format!("The instance ID '{one}' does not exist"),
            several => format!("The instance IDs '{}' do not exist", several.join(", ")),
        };
        Err(Problem::new("InvalidInstanceID.NotFound", message))
    }

    /// Resolves the single `InstanceId` parameter.
    pub(super) fn find_machine(&mut self, call: &Call<'_>) -> Outcome<u64> {
        let found = self.find_machines(call, &[call.params.need("InstanceId")?])?;
        found.first().copied().ok_or_else(|| Problem::missing("InstanceId"))
    }

    /// Resolves the `InstanceId` list, which must not be empty.
    pub(super) fn need_machines(&mut self, call: &Call<'_>) -> Outcome<Vec<u64>> {
        let asked = call.params.list("InstanceId");
        if asked.is_empty() {
            Err(Problem::missing("InstanceId"))
        } else {
            self.find_machines(call, &asked)
        }
    }

    /// Instances that may match the filters, oldest first: narrowed by an index if possible,
    /// otherwise all.
    fn candidates<'w>(
        &'w self,
        call: &Call<'_>,
        filters: &Filters<'_>,
        from: u64,
    ) -> Box<dyn Iterator<Item = u64> + 'w> {
        let mut few: Vec<u64> = if let Some(texts) = filters.exactly("instance-id") {
            let named = texts.iter().map(|text| ids::read("i-", text));
            named
                .filter_map(|named| if let Named::Thing(id) = named { Some(id) } else { None })
                .collect()
        } else if let Some(tokens) = filters.exactly("client-token") {
            let launched = tokens
                .iter()
                .filter_map(|token| self.launched.get(&(call.region.name, (*token).to_string())));
            launched.flat_map(|launched| launched.machines.iter().copied()).collect()
        } else if let Some(names) = filters.exactly("tag:Name").filter(|names| !names.contains(&""))
        {
            names.iter().flat_map(|name| self.account.ids_named(name).iter().copied()).collect()
        } else {
            return Box::new(self.account.machines_from(from).map(|machine| machine.id));
        };
        few.sort_unstable();
        few.dedup();
        Box::new(few.into_iter())
    }

    /// Whether an instance is in the region and matches the filters.
    fn passes(&self, id: u64, call: &Call<'_>, filters: &Filters<'_>) -> bool {
        let found = self.account.machine(id).zip(self.launches.get(&id));
        found.is_some_and(|(machine, launch)| {
            machine.region == call.region.name
                && filters.hold(|name, is| self.in_machine(machine, launch, call.now, name, is))
        })
    }

    fn in_machine(
        &self,
        machine: &Machine,
        launch: &Launch,
        now: Moment,
        name: &str,
        is: &dyn Fn(&str) -> bool,
    ) -> bool {
        let alive = !matches!(machine.power(now), Power::Gone);
        let in_net = |id: String| alive && is(&id);
        match name {
            "instance-id" => is(&ids::of_kind(Kind::Instance, machine.id)),
            "instance-state-name" => is(state::of_machine(machine, now).1),
            "instance-state-code" => is(&state::of_machine(machine, now).0.to_string()),
            "instance-type" => is(machine.size.name),
            "image-id" => is(&ids::of_kind(Kind::Snapshot, machine.image)),
            "key-name" => launch.key.as_deref().is_some_and(is),
            "client-token" => launch.token.as_deref().is_some_and(is),
            "reservation-id" => is(&ids::name("r-", launch.reservation)),
            "owner-id" => is(ACCOUNT),
            "architecture" => is(architecture(machine.size.architecture)),
            "availability-zone" => is(&state::zone(machine, launch)),
            "vpc-id" | "network-interface.vpc-id" => in_net(network::vpc(machine.region)),
            "subnet-id" | "network-interface.subnet-id" => {
                in_net(network::subnet(machine.region, launch.subnet))
            }
            "private-ip-address" => {
                alive && is(&network::private_address(launch.subnet, machine.id).to_string())
            }
            "private-dns-name" => alive && is(&show::private_name(machine, launch)),
            "ip-address" => {
                self.public_address(machine, now).is_some_and(|address| is(&address.to_string()))
            }
            "dns-name" => self
                .public_address(machine, now)
                .is_some_and(|address| is(&show::public_name(machine.region, address))),
            "group-id" | "instance.group-id" => {
                launch.groups.iter().any(|group| is(&network::group(machine.region, *group)))
            }
            "group-name" | "instance.group-name" => launch
                .groups
                .iter()
                .filter_map(|group| network::GROUPS.get(*group))
                .any(|(name, _)| is(name)),
            "root-device-name" => is(launch.root_device),
            "root-device-type" => is("ebs"),
            "virtualization-type" => is("hvm"),
            "state-reason-code" => {
                show::reason(machine, launch, now).is_some_and(|(code, _)| is(code))
            }
            "block-device-mapping.volume-id" => {
                alive && launch.volumes.iter().any(|id| is(&ids::of_kind(Kind::Disk, *id)))
            }
            _ => match &launch.tags_before {
                Some((until, before)) if now < *until => on_tags(
                    before.iter().map(|(key, value)| (key.as_str(), value.as_str())),
                    name,
                    is,
                ),
                _ => on_tags(tags_of(machine, launch), name, is),
            },
        }
    }
}

/// Returns the requested page of instances, by ids or filters.
pub(super) fn page(
    backend: &mut Ec2,
    call: &Call<'_>,
    known: &[&str],
    set: &str,
) -> Outcome<(Vec<u64>, Option<String>)> {
    let asked = call.params.list("InstanceId");
    let filters = Filters::read(&call.params, known)?;
    if !asked.is_empty() {
        if call.params.has("MaxResults") {
            let message =
                format!("The parameter {set} cannot be used with the parameter maxResults");
            return Err(Problem::combination(message));
        }
        let mut found = backend.find_machines(call, &asked)?;
        found.retain(|id| backend.passes(*id, call, &filters));
        return Ok((found, None));
    }
    let window = Window::read(&call.params, call.effects, (5, 1000))?;
    let passing = backend
        .candidates(call, &filters, window.from)
        .filter(|id| backend.passes(*id, call, &filters));
    let page = window.page(passing.map(|id| (id, id)));
    // Invisible instances are removed last: a page may be empty without being the last.
    let seen =
        page.items.into_iter().filter(|id| backend.account.lists_machine(*id, call.now)).collect();
    Ok((seen, page.next))
}

pub(super) fn describe(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let (found, next) = page(backend, call, &FILTERS, "instancesSet")?;
    let found: Vec<_> = found
        .iter()
        .filter_map(|id| backend.account.machine(*id).zip(backend.launches.get(id)))
        .collect();
    let reservations = found.chunk_by(|(_, one), (_, other)| one.reservation == other.reservation);
    xml.set("reservationSet", reservations, |xml, machines| {
        if let Some((_, launch)) = machines.first() {
            xml.text("reservationId", &ids::name("r-", launch.reservation));
        }
        xml.text("ownerId", ACCOUNT);
        xml.texts("groupSet", []);
        xml.set("instancesSet", machines, |xml, (machine, launch)| {
            show::instance(xml, backend, machine, launch, call.now)
        });
    });
    xml.maybe("nextToken", next.as_deref());
    Ok(())
}
