//! An instance: its parameters, and its state at a moment.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::clock::Moment;
use super::{Architecture, Rate, Visibility};

/// The power state of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Power {
    Booting,
    Running,
    Stopping,
    Off,
    Starting,
    Deleting,
    Gone,
}

/// An instance size in a cloud's catalogue.
#[derive(Debug)]
pub(in super::super) struct Size {
    pub(in super::super) name: &'static str,
    /// The cloud's description: a family, or a display text.
    pub(in super::super) class: &'static str,
    pub(in super::super) cpus: u32,
    pub(in super::super) memory_mib: u32,
    pub(in super::super) disk_gib: u32,
    pub(in super::super) architecture: Architecture,
    pub(in super::super) gpu: bool,
    pub(in super::super) regions: &'static [&'static str],
    pub(in super::super) rate: Rate,
}

/// The parameters of a new instance.
#[derive(Debug)]
pub(in super::super) struct NewMachine {
    pub(in super::super) name: String,
    pub(in super::super) region: &'static str,
    pub(in super::super) size: &'static Size,
    pub(in super::super) image: u64,
    pub(in super::super) labels: BTreeMap<String, String>,
    pub(in super::super) keys: Vec<u64>,
    pub(in super::super) user_data: Option<String>,
    pub(in super::super) ipv4: bool,
    pub(in super::super) ipv6: bool,
}

/// An instance.
#[derive(Debug)]
pub(in super::super) struct Machine {
    pub(in super::super) id: u64,
    pub(in super::super) name: String,
    pub(in super::super) region: &'static str,
    pub(in super::super) size: &'static Size,
    pub(in super::super) image: u64,
    pub(in super::super) labels: BTreeMap<String, String>,
    pub(in super::super) keys: Vec<u64>,
    pub(in super::super) user_data: Option<String>,
    pub(in super::super) created: Moment,
    pub(in super::super) ipv4: Option<Ipv4Addr>,
    /// The first address of the instance's own /64.
    pub(in super::super) ipv6: Option<Ipv6Addr>,
    pub(in super::super) private: Ipv4Addr,
    /// When the action that locks it ends.
    pub(in super::super) locked_until: Moment,
    /// Whether its creation has failed or will fail.
    pub(in super::super) failed: bool,
    /// Further requested features, as the cloud names them.
    pub(in super::super) features: Vec<&'static str>,
    pub(super) states: Vec<(Moment, Power)>,
    pub(super) visibility: Visibility,
}

impl Machine {
    pub(super) fn new(id: u64, new: NewMachine, now: Moment) -> Self {
        let (ipv4, ipv6, private) = addresses(id);
        Self {
            id,
            name: new.name,
            region: new.region,
            size: new.size,
            image: new.image,
            labels: new.labels,
            keys: new.keys,
            user_data: new.user_data,
            created: now,
            ipv4: new.ipv4.then_some(ipv4),
            ipv6: new.ipv6.then_some(ipv6),
            private,
            locked_until: now,
            failed: false,
            features: Vec::new(),
            states: vec![(now, Power::Booting)],
            visibility: Visibility::now(now),
        }
    }

    /// Schedules a state from a moment on, and drops all states scheduled for later.
    pub(in super::super) fn plan(&mut self, from: Moment, power: Power) {
        self.states.retain(|(moment, _)| *moment <= from);
        self.states.push((from, power));
    }

    pub(in super::super) fn power(&self, now: Moment) -> Power {
        self.states
            .iter()
            .rev()
            .find(|(moment, _)| *moment <= now)
            .map_or(Power::Booting, |(_, power)| *power)
    }

    /// Like [`power`](Self::power), but during deletion returns the state before it.
    pub(in super::super) fn power_before_end(&self, now: Moment) -> Power {
        let past = self
            .states
            .iter()
            .rev()
            .filter(|(moment, power)| *moment <= now && *power != Power::Deleting);
        past.map(|(_, power)| *power).next().unwrap_or(Power::Booting)
    }

    /// When its current state began.
    pub(in super::super) fn since(&self, now: Moment) -> Moment {
        self.states
            .iter()
            .rev()
            .find(|(moment, _)| *moment <= now)
            .map_or(self.created, |(moment, _)| *moment)
    }

    pub(in super::super) fn exists(&self, now: Moment) -> bool {
        self.power(now) != Power::Gone
    }

    pub(in super::super) fn is_locked(&self, now: Moment) -> bool {
        now < self.locked_until
    }

    /// When it will be or was gone, if known.
    pub(in super::super) fn gone_at(&self) -> Option<Moment> {
        self.states.iter().find(|(_, power)| *power == Power::Gone).map(|(moment, _)| *moment)
    }
}

/// The public IPv4, IPv6 and private IPv4 address of an instance, unique among 131,072 instances.
/// The ranges are not routed.
fn addresses(id: u64) -> (Ipv4Addr, Ipv6Addr, Ipv4Addr) {
    let low = u32::try_from(id % (1 << 17)).unwrap_or_default();
    let public = u32::from(Ipv4Addr::new(198, 18, 0, 0)) | low;
    let private = u32::from(Ipv4Addr::new(10, 0, 0, 0)) | low;
    let network =
        (u128::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0))) | (u128::from(low) << 64);
    (public.into(), (network | 1).into(), private.into())
}
