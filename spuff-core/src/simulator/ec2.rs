//! AWS EC2: the Query API 2016-11-15, with the parts of SSM and STS that its clients also call.
//!
//! These behaviors cost money: an id that is not found just after a launch may still start;
//! deregistering an AMI leaves its EBS snapshots; a volume can outlive its instance; the volumes of
//! a stopped instance are billed.

mod actions;
mod amis;
mod attributes;
mod call;
mod catalogue;
mod catalogue_actions;
mod disks;
mod filters;
mod holdings;
mod ids;
mod instances;
mod keys;
mod limits;
mod network;
mod page;
mod params;
mod power;
mod problem;
mod publish;
mod routes;
mod run;
mod show;
mod signature;
mod snapshots;
mod ssm;
mod state;
mod status;
mod sts;
mod tags;
mod types;
mod xml;

use std::collections::{BTreeMap, HashMap};

use chrono::TimeDelta;

use super::account::{Account, Image, Machine};
use super::backend::{Answer, Asked, Backend, Refusal};
use super::clock::Moment;
use super::fault::Effects;
use super::inspect::{Kind, Resource};
use super::options::{Options, Timings};
use super::route::Route;
use call::Call;
use holdings::{Ami, Attachment, Launch, Launched, Place, Stored, Volume};
use limits::Limits;
use params::Params;
use problem::{Outcome, Problem};
use signature::Signer;
use xml::Xml;

const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";
const VERSION: &str = "2016-11-15";
/// How long terminated instances and deregistered AMIs are remembered.
const REMEMBERED: TimeDelta = TimeDelta::hours(1);

/// The simulated cloud.
pub(super) struct Ec2 {
    account: Account,
    timings: Timings,
    rng: fastrand::Rng,
    /// The enabled regions; if empty, all regions that need no opt-in.
    enabled: &'static [&'static str],
    limits: Limits,
    request_id: String,
    /// The regions that have received a request.
    places: HashMap<&'static str, Place>,
    launches: HashMap<u64, Launch>,
    /// Launches by region and client token.
    launched: HashMap<(&'static str, String), Launched>,
    volumes: BTreeMap<u64, Volume>,
    amis: HashMap<u64, Ami>,
    /// When each deregistered AMI was deregistered.
    deregistered: HashMap<u64, Moment>,
    stored: BTreeMap<u64, Stored>,
}

/// The service that a request is for: all share one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Ec2,
    Ssm,
    Sts,
}

impl Service {
    fn of(asked: &Asked<'_>) -> Self {
        if asked.headers.contains_key(ssm::TARGET) {
            return Self::Ssm;
        }
        match Signer::of(asked).map(|signer| signer.service) {
            Some("ssm") => Self::Ssm,
            Some("sts") => Self::Sts,
            _ => Self::Ec2,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::Ssm => "ssm",
            Self::Sts => "sts",
        }
    }
}

impl Ec2 {
    pub(super) fn new(options: &Options, _now: Moment) -> Self {
        Self {
            account: Account::new("aws", options, ids::of_kind, REMEMBERED),
            timings: options.timings_of("aws"),
            rng: fastrand::Rng::with_seed(options.seed.wrapping_mul(31) ^ 0xec2),
            enabled: options.regions,
            limits: Limits::default(),
            request_id: String::new(),
            places: HashMap::new(),
            launches: HashMap::new(),
            launched: HashMap::new(),
            volumes: BTreeMap::new(),
            amis: HashMap::new(),
            deregistered: HashMap::new(),
            stored: BTreeMap::new(),
        }
    }

    /// Returns the region's resources, which are created on its first request.
    fn place(&mut self, region: &'static catalogue::Region, now: Moment) -> &mut Place {
        let account = &mut self.account;
        self.places.entry(region.name).or_insert_with(|| Place {
            keys: keys::at_first(account, region.name, now),
            parameters: publish::publish(account, region.name, now),
        })
    }

    /// Removes the data of instances that the world has removed.
    fn sweep(&mut self, now: Moment) {
        if self.launches.len() != self.account.machine_count() {
            let account = &self.account;
            self.launches.retain(|id, _| account.machine(*id).is_some());
            self.volumes.retain(|_, volume| {
                volume.attachment(account.machine(volume.machine), now) != Attachment::Gone
            });
        }
    }

    fn next_request_id(&mut self) {
        let number = self.rng.u128(..);
        let a = number >> 96;
        let b = (number >> 80) & 0xffff;
        let c = (number >> 64) & 0xfff;
        let d = (number >> 48) & 0x3fff | 0x8000;
        let e = number & 0xffff_ffff_ffff;
        self.request_id = format!("{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{e:012x}");
    }

    /// Carries out an EC2 action.
    fn act(&mut self, asked: &Asked<'_>, now: Moment, effects: Effects) -> Outcome<Vec<u8>> {
        let params = Params::of(asked);
        let region = region_of(asked, Service::Ec2)?;
        let missing = || {
            Problem::new(
                "MissingAction",
                "The request is missing an action or operation parameter.",
            )
        };
        let name = params.get("Action").ok_or_else(missing)?;
        let version = params.need("Version")?;
        if version != VERSION {
            let message =
                format!("The requested version ({version}) of service AmazonEC2 does not exist");
            return Err(Problem::new("NoSuchVersion", message));
        }
        let unknown = || {
            Problem::new(
                "InvalidAction",
                format!("The action {name} is not valid for this web service."),
            )
        };
        let action = actions::find(name).ok_or_else(unknown)?;
        if let Some(parameter) = params.unknown(action.known) {
            return Err(Problem::new(
                "UnknownParameter",
                format!("The parameter {parameter} is not recognized"),
            ));
        }
        if params.flag("DryRun")? == Some(true) {
            let message = "Request would have succeeded, but DryRun flag is set.";
            return Err(Problem::new("DryRunOperation", message).with_status(412));
        }
        self.place(region, now);
        let mut xml = Xml::root(action.reply, NAMESPACE);
        xml.text("requestId", &self.request_id);
        (action.run)(self, &Call { params, region, now, effects }, &mut xml)?;
        Ok(xml.finish(action.reply))
    }
}

/// Returns the region that a request was signed for.
fn region_of(asked: &Asked<'_>, service: Service) -> Outcome<&'static catalogue::Region> {
    let signer = Signer::of(asked)
        .filter(|signer| signer.service == service.name())
        .ok_or_else(Problem::auth)?;
    catalogue::usable(signer.region).ok_or_else(Problem::auth)
}

impl Backend for Ec2 {
    fn account(&self) -> &Account {
        &self.account
    }

    fn account_mut(&mut self) -> &mut Account {
        &mut self.account
    }

    fn content_type(&self, asked: &Asked<'_>) -> &'static str {
        match Service::of(asked) {
            Service::Ec2 => "text/xml;charset=UTF-8",
            Service::Sts => "text/xml",
            Service::Ssm => "application/x-amz-json-1.1",
        }
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        match Service::of(asked) {
            Service::Ec2 => routes::of(&Params::of(asked)),
            Service::Ssm => Route::Catalogue,
            Service::Sts => Route::Other,
        }
    }

    fn token<'a>(&self, asked: &Asked<'a>) -> &'a str {
        Signer::of(asked).map_or("", |signer| signer.key)
    }

    fn pace(&mut self, asked: &Asked<'_>, _: Route, now: Moment) -> Result<(), TimeDelta> {
        let region = Signer::of(asked).and_then(|signer| catalogue::usable(signer.region));
        let Some(region) = region else { return Ok(()) };
        match Service::of(asked) {
            Service::Ec2 => self.limits.take(&Params::of(asked), region.name, now),
            Service::Ssm => self.limits.take_parameter(region.name, now),
            Service::Sts => Ok(()),
        }
    }

    /// EC2 sends no rate limit headers.
    fn common_headers(&mut self, _: &Asked<'_>, _: Moment) -> Vec<(&'static str, String)> {
        vec![("x-amzn-requestid", self.request_id.clone()), ("server", "AmazonEC2".to_string())]
    }

    fn refuse(&mut self, asked: &Asked<'_>, refusal: Refusal) -> Answer {
        self.next_request_id();
        let service = Service::of(asked);
        let is_unsigned =
            matches!(refusal, Refusal::Unauthorized) && asked.header("authorization").is_empty();
        let answer = match service {
            Service::Ec2 if is_unsigned && Signer::of(asked).is_none() => {
                Problem::unsigned().into_answer(&self.request_id)
            }
            Service::Ec2 => Problem::of(refusal).into_answer(&self.request_id),
            Service::Ssm => ssm::refuse(refusal, is_unsigned),
            Service::Sts => sts::refuse(refusal).into_sts_answer(&self.request_id),
        };
        match refusal {
            Refusal::RateLimited { retry_after: Some(seconds) } => {
                answer.with_header("retry-after", seconds)
            }
            _ => answer,
        }
    }

    fn answer(&mut self, asked: &Asked<'_>, now: Moment, effects: Effects) -> Answer {
        self.next_request_id();
        self.sweep(now);
        match Service::of(asked) {
            Service::Ec2 => match self.act(asked, now, effects) {
                Ok(body) => Answer::new(200, body),
                Err(problem) => problem.into_answer(&self.request_id),
            },
            Service::Ssm => ssm::answer(self, asked, now),
            Service::Sts => match sts::answer(asked, &self.request_id) {
                Ok(body) => Answer::new(200, body),
                Err(problem) => problem.into_sts_answer(&self.request_id),
            },
        }
    }

    fn instance_state(&self, machine: &Machine, now: Moment) -> &'static str {
        state::of_machine(machine, now).1
    }

    fn snapshot_state(&self, image: &Image, now: Moment) -> &'static str {
        state::of_image(image, now)
    }

    fn left_over(&self, now: Moment) -> Vec<Resource> {
        let resource =
            |kind, id, name: &str, region: &str, state: &str, created_at, labels| Resource {
                provider: self.account.provider.to_string(),
                kind,
                id: ids::of_kind(kind, id),
                name: name.to_string(),
                region: region.to_string(),
                state: state.to_string(),
                ending: false,
                created_at,
                labels,
            };
        let snapshots = self
            .stored
            .iter()
            .filter(|(_, copy)| copy.ami.is_none_or(|ami| self.account.image(ami).is_none()));
        let snapshots = snapshots.map(|(id, copy)| {
            let status = copy.status(now);
            resource(
                Kind::DiskSnapshot,
                *id,
                &copy.description,
                copy.region,
                status,
                copy.created,
                copy.tags.clone(),
            )
        });
        let disks = self.volumes.iter().filter(|(_, volume)| {
            disks::outlives(volume, self.account.machine(volume.machine), now)
        });
        let disks = disks.map(|(id, volume)| {
            resource(
                Kind::Disk,
                *id,
                &volume.device,
                volume.region,
                "available",
                volume.created,
                volume.tags.clone(),
            )
        });
        snapshots.chain(disks).collect()
    }
}
