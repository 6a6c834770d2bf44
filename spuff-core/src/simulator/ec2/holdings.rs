//! EC2's data that the world does not store: launches of instances, volumes, the composition of
//! AMIs, and the key pairs of a region.

use std::collections::BTreeMap;

use super::super::account::{Machine, Power};
use super::super::clock::Moment;

pub(super) type Tags = BTreeMap<String, String>;

/// The tag with an instance's name. The world stores it separately from the labels.
pub(super) const NAME_TAG: &str = "Name";

/// An instance's launch parameters, and later changes.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) reservation: u64,
    /// The instance's index in its reservation.
    pub(super) index: u32,
    pub(super) subnet: usize,
    pub(super) groups: Vec<usize>,
    pub(super) key: Option<String>,
    pub(super) token: Option<String>,
    /// In base64.
    pub(super) user_data: Option<String>,
    pub(super) root_device: &'static str,
    pub(super) volumes: Vec<u64>,
    /// Whether the name tag exists; its value may be empty.
    pub(super) named: bool,
    /// The previous tags, which filters use until this moment.
    pub(super) tags_before: Option<(Moment, Tags)>,
    /// The time of the last start.
    pub(super) started: Moment,
    /// The time of the last boot, reboots included.
    pub(super) booted: Moment,
    /// Whether a request terminated it; otherwise it ended by itself.
    pub(super) ended_by_user: bool,
    pub(super) protected: bool,
    pub(super) ends_at_shutdown: bool,
    pub(super) monitored: bool,
    pub(super) ebs_optimized: bool,
    pub(super) source_dest_check: bool,
    pub(super) imds_v2: bool,
    pub(super) hop_limit: u32,
    pub(super) credits: Option<String>,
}

/// All tags of an instance, the name included.
pub(super) fn tags_of<'m>(
    machine: &'m Machine,
    launch: &Launch,
) -> impl Iterator<Item = (&'m str, &'m str)> + use<'m> {
    let name = launch.named.then_some((NAME_TAG, machine.name.as_str()));
    machine.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).chain(name)
}

/// A volume of an instance, or one that it has left behind.
#[derive(Debug)]
pub(super) struct Volume {
    pub(super) machine: u64,
    pub(super) device: String,
    pub(super) region: &'static str,
    pub(super) zone: String,
    pub(super) gib: u32,
    pub(super) kind: &'static str,
    pub(super) snapshot: Option<String>,
    pub(super) ends_with_machine: bool,
    pub(super) encrypted: bool,
    pub(super) created: Moment,
    pub(super) tags: Tags,
}

/// The attachment state of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attachment {
    InUse,
    Available,
    Gone,
}

impl Volume {
    /// Its state, from that of the instance it was created for.
    pub(super) fn attachment(&self, machine: Option<&Machine>, now: Moment) -> Attachment {
        match machine.map_or(Power::Gone, |machine| machine.power(now)) {
            Power::Gone if self.ends_with_machine => Attachment::Gone,
            Power::Gone => Attachment::Available,
            _ => Attachment::InUse,
        }
    }
}

/// An EBS snapshot: a copy of a volume.
#[derive(Debug)]
pub(super) struct Stored {
    /// The AMI that is based on it, even if that AMI is gone.
    pub(super) ami: Option<u64>,
    /// When it stops being in use by an AMI that is gone.
    pub(super) free_from: Option<Moment>,
    pub(super) volume: u64,
    pub(super) region: &'static str,
    pub(super) gib: u32,
    pub(super) centi_gib: u32,
    pub(super) description: String,
    pub(super) created: Moment,
    pub(super) listed_from: Moment,
    /// `None` if it is never completed.
    pub(super) ready: Option<Moment>,
    pub(super) fails: bool,
    pub(super) tags: Tags,
}

impl Stored {
    pub(super) fn status(&self, now: Moment) -> &'static str {
        match self.ready {
            Some(ready) if ready <= now && self.fails => "error",
            Some(ready) if ready <= now => "completed",
            _ => "pending",
        }
    }

    /// Progress from 0 to 100.
    pub(super) fn percent(&self, now: Moment) -> i64 {
        let Some(ready) = self.ready else { return 0 };
        let (whole, passed) =
            ((ready - self.created).num_milliseconds(), (now - self.created).num_milliseconds());
        if whole <= 0 { 100 } else { (passed.saturating_mul(100) / whole).clamp(0, 100) }
    }
}

/// A volume of an AMI.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) device: String,
    pub(super) stored: u64,
    pub(super) gib: u32,
    pub(super) kind: &'static str,
    pub(super) ends_with_machine: bool,
}

/// The composition of an AMI of the account.
#[derive(Debug)]
pub(super) struct Ami {
    pub(super) root_device: &'static str,
    pub(super) mappings: Vec<Mapping>,
}

/// An SSH key of a region.
#[derive(Debug)]
pub(super) struct KeyPair {
    pub(super) id: u64,
    pub(super) kind: &'static str,
    pub(super) fingerprint: String,
    pub(super) public_key: String,
    pub(super) created: Moment,
    pub(super) tags: Tags,
}

/// The account's keys in a region, and the public parameters there.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) keys: BTreeMap<String, KeyPair>,
    /// SSM's public parameters, with the ids of their images.
    pub(super) parameters: BTreeMap<String, u64>,
}

/// The instances that a client token has launched.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) meaning: u64,
    pub(super) machines: Vec<u64>,
}
