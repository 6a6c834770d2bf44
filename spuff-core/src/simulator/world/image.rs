//! An image: one of the cloud's own, or a snapshot of a machine.

use std::collections::BTreeMap;

use super::super::clock::Moment;
use super::Sight;

/// For which processors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) enum Architecture {
    #[default]
    X86,
    Arm,
}

/// What an image is made of.
#[derive(Debug, Default)]
pub(in super::super) struct NewImage {
    /// The name, or the slug of one of the cloud's own.
    pub(in super::super) name: String,
    pub(in super::super) description: String,
    /// One of the cloud's own.
    pub(in super::super) public: bool,
    pub(in super::super) distribution: &'static str,
    pub(in super::super) architecture: Architecture,
    pub(in super::super) regions: Vec<&'static str>,
    pub(in super::super) min_disk_gib: u32,
    /// Hundredths of a GiB.
    pub(in super::super) size_centi_gib: u32,
    /// The machine it was taken of, and its name.
    pub(in super::super) source: Option<(u64, String)>,
    pub(in super::super) labels: BTreeMap<String, String>,
}

/// An image.
#[derive(Debug)]
pub(in super::super) struct Image {
    pub(in super::super) id: u64,
    pub(in super::super) name: String,
    pub(in super::super) description: String,
    pub(in super::super) public: bool,
    pub(in super::super) distribution: &'static str,
    pub(in super::super) architecture: Architecture,
    pub(in super::super) regions: Vec<&'static str>,
    pub(in super::super) min_disk_gib: u32,
    pub(in super::super) size_centi_gib: u32,
    pub(in super::super) source: Option<(u64, String)>,
    pub(in super::super) labels: BTreeMap<String, String>,
    pub(in super::super) created: Moment,
    /// Making it has failed, or will at its end.
    pub(in super::super) failed: bool,
    pub(super) ready: Option<Moment>,
    pub(super) sight: Sight,
}

impl Image {
    pub(super) fn new(id: u64, new: NewImage, now: Moment, ready: Option<Moment>) -> Self {
        Self {
            id,
            name: new.name,
            description: new.description,
            public: new.public,
            distribution: new.distribution,
            architecture: new.architecture,
            regions: new.regions,
            min_disk_gib: new.min_disk_gib,
            size_centi_gib: new.size_centi_gib,
            source: new.source,
            labels: new.labels,
            created: now,
            failed: false,
            ready,
            sight: Sight::now(now),
        }
    }

    /// Whether it can be used; one whose making has failed never can.
    pub(in super::super) fn is_available(&self, now: Moment) -> bool {
        !self.failed && self.has_ended(now)
    }

    /// When its making ends, or has ended, if it ever does.
    pub(in super::super) fn ready_at(&self) -> Option<Moment> {
        self.ready
    }

    /// Whether its making has ended, well or not.
    pub(in super::super) fn has_ended(&self, now: Moment) -> bool {
        self.ready.is_some_and(|ready| ready <= now)
    }
}
