//! `RunInstances`: validation, and idempotency by the client token.
//!
//! The request is fully validated before anything is created.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use chrono::TimeDelta;

use super::super::account::{Architecture, NewMachine, Power, Size};
use super::super::clock::Moment;
use super::super::fault::Fault;
use super::super::inspect::Kind;
use super::call::Call;
use super::catalogue::{self, ACCOUNT, architecture};
use super::disks::Disks;
use super::holdings::{Launch, Launched, NAME_TAG, Tags};
use super::ids;
use super::problem::{Outcome, Problem};
use super::tags::Specifications;
use super::xml::Xml;
use super::{Ec2, REMEMBERED, network, show};

/// Maximum decoded bytes of user data.
const MAX_USER_DATA: usize = 16 * 1024;
const MAX_TOKEN: usize = 64;
/// How long a terminated instance still counts against the quota.
const STILL_COUNTED: TimeDelta = TimeDelta::seconds(30);

/// The network placement of an instance.
struct Position {
    subnet: usize,
    groups: Vec<usize>,
    public: bool,
    ipv6: bool,
}

pub(super) fn run_instances(backend: &mut Ec2, call: &Call<'_>, xml: &mut Xml) -> Outcome<()> {
    let params = &call.params;
    let token = params.get("ClientToken");
    if token.is_some_and(|token| token.len() > MAX_TOKEN || !token.is_ascii()) {
        return Err(Problem::value(format!(
            "ClientToken must be at most {MAX_TOKEN} ASCII characters long"
        )));
    }
    let key = token.map(|token| (call.region.name, token.to_string()));
    if let Some(launched) = key.as_ref().and_then(|key| backend.launched.get(key)) {
        let machines = again(backend, launched, call)?;
        show_reservation(backend, &machines, call.now, xml);
        return Ok(());
    }
    let machines = launch(backend, call)?;
    if let Some(key) = key {
        backend
            .launched
            .insert(key, Launched { meaning: meaning(call), machines: machines.clone() });
    }
    // A new instance is shown as pending, however fast it boots.
    show_reservation(backend, &machines, call.now - TimeDelta::milliseconds(1), xml);
    Ok(())
}

/// A hash of the request's parameters, equal for equal requests.
fn meaning(call: &Call<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    call.params.meaning().for_each(|pair| pair.hash(&mut hasher));
    hasher.finish()
}

/// Returns the instances of the token's first launch, if the requests are equal.
fn again(backend: &Ec2, launched: &Launched, call: &Call<'_>) -> Outcome<Vec<u64>> {
    if launched.meaning != meaning(call) {
        let message = "Arguments on this idempotent request are inconsistent with arguments used \
         in previous request(s).";
        return Err(Problem::new("IdempotentParameterMismatch", message));
    }
    let alive = |id: &u64| {
        let machine = backend.account.machine(*id);
        machine.is_some_and(|machine| {
            !matches!(machine.power(call.now), Power::Deleting | Power::Gone)
        })
    };
    if launched.machines.iter().all(alive) {
        return Ok(launched.machines.clone());
    }
    let message = "The instance that was launched with this client token has been terminated.";
    Err(Problem::new("IdempotentInstanceTerminated", message))
}

fn launch(backend: &mut Ec2, call: &Call<'_>) -> Outcome<Vec<u64>> {
    let params = &call.params;
    let now = call.now;
    let count = |name: &str| -> Outcome<u32> {
        params.need(name)?;
        let count = params.number(name)?.unwrap_or_default();
        let message = || {
            format!(
                "Value ({count}) for parameter {name} is invalid. Expecting a value between 1 and \
                 1000."
            )
        };
        if (1..=1000).contains(&count) { Ok(count) } else { Err(Problem::value(message())) }
    };
    let image_id = image(backend, call)?;
    let least = count("MinCount")?;
    let most = count("MaxCount")?;
    if least > most {
        let message = format!("MinCount ({least}) must not be greater than MaxCount ({most})");
        return Err(Problem::combination(message));
    }
    let size = size(call)?;
    let found = backend.account.image(image_id).ok_or_else(|| Problem::missing("ImageId"))?;
    check_architecture(size, found.architecture)?;
    let position = position(call)?;
    let key = key(backend, call)?;
    let user_data = user_data(call)?;
    let disks = Disks::read(backend, call, image_id)?;
    let allowed = ["instance", "volume", "network-interface", "spot-instances-request"];
    let mut specifications = Specifications::read(params, &allowed)?;
    let ends_at_shutdown = match params.get("InstanceInitiatedShutdownBehavior") {
        None | Some("stop") => false,
        Some("terminate") => true,
        Some(other) => {
            let message = format!(
                "Value ({other}) for parameter instanceInitiatedShutdownBehavior is invalid. \
                 Expecting stop or terminate."
            );
            return Err(Problem::value(message));
        }
    };
    let imds_v2 = match params.get("MetadataOptions.HttpTokens") {
        None | Some("optional") => false,
        Some("required") => true,
        Some(other) => {
            return Err(Problem::value(format!(
                "Value ({other}) for parameter HttpTokens is invalid."
            )));
        }
    };
    let protected = params.flag("DisableApiTermination")?;
    let monitored = params.flag("Monitoring.Enabled")?;
    let ebs_optimized = params.flag("EbsOptimized")?;
    let hop_limit = params.number("MetadataOptions.HttpPutResponseHopLimit")?;
    let count = allowed_count(backend, call, size, &position, (least, most))?;

    let tags = specifications.take("instance");
    let volume_tags = specifications.take("volume");
    let reservation = backend.account.next_id();
    let mut machines = Vec::new();
    for index in 0..count {
        let id = make(backend, call, size, image_id, &position, &tags);
        let volumes =
            disks.make(backend, call, id, network::zone_of(position.subnet), &volume_tags);
        let launch = Launch {
            reservation,
            index,
            subnet: position.subnet,
            groups: position.groups.clone(),
            key: key.clone(),
            token: params.get("ClientToken").map(str::to_string),
            user_data: user_data.clone(),
            root_device: disks.root_device,
            volumes,
            named: tags.contains_key(NAME_TAG),
            tags_before: None,
            started: now,
            booted: now,
            ended_by_user: false,
            protected: protected.unwrap_or_default(),
            ends_at_shutdown,
            monitored: monitored.unwrap_or_default(),
            ebs_optimized: ebs_optimized.unwrap_or_default(),
            source_dest_check: true,
            imds_v2,
            hop_limit: hop_limit.unwrap_or(1),
            credits: params.get("CreditSpecification.CpuCredits").map(str::to_string),
        };
        backend.launches.insert(id, launch);
        if let Some(gone) =
            backend.account.machine(id).and_then(super::super::account::Machine::gone_at)
        {
            backend.settle(id, gone);
        }
        machines.push(id);
    }
    Ok(machines)
}

fn make(
    backend: &mut Ec2,
    call: &Call<'_>,
    size: &'static Size,
    image: u64,
    position: &Position,
    tags: &Tags,
) -> u64 {
    let mut labels = tags.clone();
    let new = NewMachine {
        name: labels.remove(NAME_TAG).unwrap_or_default(),
        region: call.region.name,
        size,
        image,
        labels,
        keys: Vec::new(),
        user_data: None,
        ipv4: position.public,
        ipv6: position.ipv6,
    };
    let (id, _) = backend.account.launch(new, "RunInstances", call.now, call.effects);
    if position.public {
        backend.account.charge(Kind::Address, id, "", call.now, catalogue::ADDRESS);
    }
    id
}

fn image(backend: &mut Ec2, call: &Call<'_>) -> Outcome<u64> {
    let text = call.params.need("ImageId")?;
    let id = backend.find_image(call, text)?;
    let image = backend.account.image(id).filter(|image| image.is_available(call.now));
    let unavailable = || {
        Problem::new("InvalidAMIID.Unavailable", format!("The image ID '{text}' is not available"))
    };
    image.map(|image| image.id).ok_or_else(unavailable)
}

fn size(call: &Call<'_>) -> Outcome<&'static Size> {
    let name = call.params.get("InstanceType").unwrap_or("m1.small");
    let size = catalogue::any_size(name)
        .ok_or_else(|| Problem::value(format!("Invalid value '{name}' for InstanceType.")))?;
    if catalogue::is_offered(size, call.region.name) {
        return Ok(size);
    }
    let message = "The requested configuration is currently not supported. Please check the \
     documentation for supported configurations.";
    Err(Problem::new("Unsupported", message))
}

fn check_architecture(size: &Size, image: Architecture) -> Outcome<()> {
    if size.architecture == image {
        return Ok(());
    }
    let of_size = architecture(size.architecture);
    let of_image = architecture(image);
    Err(Problem::value(format!(
        "The architecture '{of_size}' of the specified instance type does not match the \
         architecture '{of_image}' of the \
         specified AMI. Specify an instance type and an AMI that have matching architectures, and \
         try again."
    )))
}

fn position(call: &Call<'_>) -> Outcome<Position> {
    let params = &call.params;
    let region = call.region.name;
    let zone = params.get("Placement.AvailabilityZone");
    let zone = zone.map(|zone| {
        let known = (0..catalogue::ZONES.len()).find(|index| call.region.zone(*index) == zone);
        known.ok_or_else(|| Problem::value(format!("Invalid availability zone: [{zone}]")))
    });
    let zone = zone.transpose()?;
    let interfaces = params.numbers("NetworkInterface");
    let first =
        |name: &str| interfaces.first().map(|number| format!("NetworkInterface.{number}.{name}"));
    let (mut public, mut subnet, mut groups, mut ipv6) =
        (None, params.get("SubnetId"), Vec::new(), params.number("Ipv6AddressCount")?);
    if interfaces.is_empty() {
        for id in params.list("SecurityGroupId") {
            groups.push(network::find_group(region, id)?);
        }
        for name in params.list("SecurityGroup") {
            groups.push(network::find_group_named(region, name)?);
        }
    } else {
        let outside = [
            ("SubnetId", "subnet ID"),
            ("SecurityGroupId", "security groups"),
            ("SecurityGroup", "security groups"),
        ];
        if let Some((_, what)) = outside.iter().find(|(name, _)| params.has(name)) {
            let message = format!(
                "Network interfaces and an instance-level {what} may not be specified on the same \
                 request"
            );
            return Err(Problem::combination(message));
        }
        for number in &interfaces {
            if let Some(id) = params.get(&format!("NetworkInterface.{number}.NetworkInterfaceId")) {
                let message = format!("The networkInterface ID '{id}' does not exist");
                return Err(Problem::new("InvalidNetworkInterfaceID.NotFound", message));
            }
            let index = format!("NetworkInterface.{number}.DeviceIndex");
            let zero = params.number(&index)?.ok_or_else(|| Problem::missing(&index))? == 0;
            let asks = params.has("NetworkInterface")
                && params
                    .flag(&format!("NetworkInterface.{number}.AssociatePublicIpAddress"))?
                    .is_some();
            if asks && (!zero || interfaces.len() > 1) {
                let message = "The associatePublicIpAddress parameter cannot be specified when \
                 launching with multiple network interfaces.";
                return Err(Problem::combination(message));
            }
        }
        let of_first = |name: &str| first(name).and_then(|name| params.get(&name));
        public =
            first("AssociatePublicIpAddress").map(|name| params.flag(&name)).transpose()?.flatten();
        subnet = of_first("SubnetId");
        ipv6 = first("Ipv6AddressCount").map(|name| params.number(&name)).transpose()?.flatten();
        for id in first("SecurityGroupId").map(|name| params.list(&name)).unwrap_or_default() {
            groups.push(network::find_group(region, id)?);
        }
    }
    let subnet = subnet.map(|id| network::find_subnet(region, id)).transpose()?;
    if let (Some(subnet), Some(zone)) = (subnet, zone)
        && network::zone_of(subnet) != zone
    {
        let message = "The availability zone does not match that of the subnet";
        return Err(Problem::combination(message));
    }
    let subnet = subnet.or(zone).unwrap_or_default();
    if groups.is_empty() {
        groups.push(0);
    }
    groups.dedup();
    let public = public.unwrap_or(subnet != network::PRIVATE_SUBNET);
    Ok(Position { subnet, groups, public, ipv6: ipv6.unwrap_or_default() > 0 })
}

fn key(backend: &Ec2, call: &Call<'_>) -> Outcome<Option<String>> {
    let Some(name) = call.params.get("KeyName") else { return Ok(None) };
    let known =
        backend.places.get(call.region.name).is_some_and(|place| place.keys.contains_key(name));
    let missing =
        || Problem::new("InvalidKeyPair.NotFound", format!("The key pair '{name}' does not exist"));
    known.then(|| Some(name.to_string())).ok_or_else(missing)
}

fn user_data(call: &Call<'_>) -> Outcome<Option<String>> {
    let Some(text) = call.params.get("UserData") else { return Ok(None) };
    let plain: String = text.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(&plain).or_else(|_| STANDARD_NO_PAD.decode(&plain));
    let bytes = bytes.map_err(|_| {
        Problem::new("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.")
    })?;
    if bytes.len() > MAX_USER_DATA {
        return Err(Problem::value(format!("User data is limited to {MAX_USER_DATA} bytes")));
    }
    Ok(Some(plain))
}

/// How many of the requested instances may be launched.
fn allowed_count(
    backend: &Ec2,
    call: &Call<'_>,
    size: &Size,
    position: &Position,
    (least, most): (u32, u32),
) -> Outcome<u32> {
    if call.effects.is(Fault::CapacityOut) {
        let zone = call.region.zone(network::zone_of(position.subnet));
        let message = format!(
            "We currently do not have sufficient {} capacity in the Availability Zone you \
             requested ({zone}). Our system will be \
             working on provisioning additional capacity.",
            size.name
        );
        return Err(Problem::new("InsufficientInstanceCapacity", message).with_status(500));
    }
    let counted_at: Moment = call.now - STILL_COUNTED;
    let left = if call.effects.is(Fault::QuotaReached) {
        0
    } else {
        backend.account.quota_left(counted_at)
    };
    let left = u32::try_from(left).unwrap_or(u32::MAX);
    if left >= least {
        return Ok(left.min(most));
    }
    let message = format!(
        "Your quota allows for {left} more running instance(s). You requested at least {least}"
    );
    Err(Problem::new("InstanceLimitExceeded", message))
}

fn show_reservation(backend: &Ec2, machines: &[u64], now: Moment, xml: &mut Xml) {
    let found =
        machines.iter().filter_map(|id| backend.account.machine(*id).zip(backend.launches.get(id)));
    let found: Vec<_> = found.collect();
    if let Some((_, launch)) = found.first() {
        xml.text("reservationId", &ids::name("r-", launch.reservation));
    }
    xml.text("ownerId", ACCOUNT);
    xml.texts("groupSet", []);
    xml.set("instancesSet", found, |xml, (machine, launch)| {
        show::instance(xml, backend, machine, launch, now)
    });
}

impl Ec2 {
    /// Resolves an image id: visible, and in the region. Counts as a read.
    pub(super) fn find_image(&mut self, call: &Call<'_>, text: &str) -> Outcome<u64> {
        let malformed = || {
            Problem::new(
                "InvalidAMIID.Malformed",
                format!("Invalid id: \"{text}\" (expecting \"ami-...\")"),
            )
        };
        let id = ids::read("ami-", text).thing(malformed)?;
        let missing = || {
            Problem::new("InvalidAMIID.NotFound", format!("The image id '[{text}]' does not exist"))
        };
        let id = id.ok_or_else(missing)?;
        if self.deregistered.get(&id).is_some_and(|at| call.now < *at + REMEMBERED) {
            return Err(Problem::new(
                "InvalidAMIID.Unavailable",
                format!("The image ID '{text}' is no longer available"),
            ));
        }
        let image = self
            .account
            .read_image(id, call.now)
            .filter(|image| image.regions.contains(&call.region.name));
        image.map(|image| image.id).ok_or_else(missing)
    }
}
