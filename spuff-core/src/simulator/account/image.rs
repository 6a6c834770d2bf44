//! An image: a public one of the cloud, or a snapshot of an instance.

use std::collections::BTreeMap;

use super::super::clock::Moment;
use super::Visibility;

/// The processor architecture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) enum Architecture {
    #[default]
    X86,
    Arm,
}

/// The parameters of a new image.
#[derive(Debug, Default)]
pub(in super::super) struct NewImage {
    /// The name; for a public image, its slug.
    pub(in super::super) name: String,
    pub(in super::super) description: String,
    /// Whether it is a public image of the cloud.
    pub(in super::super) public: bool,
    pub(in super::super) distribution: &'static str,
    pub(in super::super) architecture: Architecture,
    pub(in super::super) regions: Vec<&'static str>,
    pub(in super::super) min_disk_gib: u32,
    /// Size in hundredths of a GiB.
    pub(in super::super) size_centi_gib: u32,
    /// The id and name of the instance that it is a snapshot of.
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
    /// Whether its creation has failed or will fail.
    pub(in super::super) failed: bool,
    pub(super) ready: Option<Moment>,
    pub(super) visibility: Visibility,
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
            visibility: Visibility::now(now),
        }
    }

    /// Whether it is usable. An image whose creation failed never is.
    pub(in super::super) fn is_available(&self, now: Moment) -> bool {
        !self.failed && self.has_ended(now)
    }

    /// When its creation ends or ended; `None` if it never does.
    pub(in super::super) fn ready_at(&self) -> Option<Moment> {
        self.ready
    }

    /// Whether its creation has ended, successfully or not.
    pub(in super::super) fn has_ended(&self, now: Moment) -> bool {
        self.ready.is_some_and(|ready| ready <= now)
    }
}
