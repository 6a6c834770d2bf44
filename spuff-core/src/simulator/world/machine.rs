//! A machine: what it was made of, and what it is at a moment.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::clock::Moment;
use super::{Architecture, Rate, Sight};

/// What a machine is doing.
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

/// A size of machines in a cloud's catalogue.
#[derive(Debug)]
pub(in super::super) struct Size {
    pub(in super::super) name: &'static str,
    /// What the cloud says of it: a family, or a line for humans.
    pub(in super::super) class: &'static str,
    pub(in super::super) cpus: u32,
    pub(in super::super) memory_mib: u32,
    pub(in super::super) disk_gib: u32,
    pub(in super::super) architecture: Architecture,
    pub(in super::super) gpu: bool,
    pub(in super::super) regions: &'static [&'static str],
    pub(in super::super) rate: Rate,
}

/// What a machine is made of.
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

/// A machine.
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
    /// The first address of the machine's own /64.
    pub(in super::super) ipv6: Option<Ipv6Addr>,
    pub(in super::super) private: Ipv4Addr,
    /// Until when an action holds it.
    pub(in super::super) locked_until: Moment,
    /// Its create has failed, or will at its end.
    pub(in super::super) failed: bool,
    /// What was asked for besides, in the cloud's words.
    pub(in super::super) features: Vec<&'static str>,
    pub(super) states: Vec<(Moment, Power)>,
    pub(super) sight: Sight,
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
            sight: Sight::now(now),
        }
    }

    /// From then on it is in that state. Plans are made in the order of their times; one that is
    /// earlier than others takes their place.
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

    /// As [`power`](Self::power), but for one that is being deleted what it was before.
    pub(in super::super) fn power_before_end(&self, now: Moment) -> Power {
        let past = self
            .states
            .iter()
            .rev()
            .filter(|(moment, power)| *moment <= now && *power != Power::Deleting);
        past.map(|(_, power)| *power).next().unwrap_or(Power::Booting)
    }

    /// Since when it is in the state that it is in.
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

    /// When it will be, or was, gone, if that is known.
    pub(in super::super) fn gone_at(&self) -> Option<Moment> {
        self.states.iter().find(|(_, power)| *power == Power::Gone).map(|(moment, _)| *moment)
    }
}

/// A public, a private and an IPv6 address that no other of 131,072 machines has: of ranges that
/// lead nowhere.
fn addresses(id: u64) -> (Ipv4Addr, Ipv6Addr, Ipv4Addr) {
    let low = u32::try_from(id % (1 << 17)).unwrap_or_default();
    let public = u32::from(Ipv4Addr::new(198, 18, 0, 0)) | low;
    let private = u32::from(Ipv4Addr::new(10, 0, 0, 0)) | low;
    let network =
        (u128::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0))) | (u128::from(low) << 64);
    (public.into(), (network | 1).into(), private.into())
}
