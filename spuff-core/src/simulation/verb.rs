//! The operations that the programs of a run use.

use std::time::Duration;

use fastrand::Rng;

use super::limits::Limits;
use crate::simulator::Fault;

/// An operation of the contract, or one composed of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// `create_instance`.
    Create,
    /// `create_instance` with an idempotency key.
    CreateKeyed,
    /// `create_and_wait`.
    CreateAndWait,
    /// `create_and_wait` with an idempotency key.
    CreateAndWaitKeyed,
    /// `with_instance`.
    WithInstance,
    /// `fleet::create_instances`.
    CreateMany,
    /// `placement::place_instance`.
    Place,
    /// `wait_ready`.
    WaitReady,
    /// `get_instance`.
    Get,
    /// `list_instances`.
    List,
    /// `destroy_instance`.
    Destroy,
    /// `fleet::destroy_instances`.
    DestroyMany,
    /// `create_snapshot`.
    CreateSnapshot,
    /// `list_snapshots`.
    ListSnapshots,
    /// `delete_snapshot`.
    DeleteSnapshot,
    /// `resolve`.
    Resolve,
    /// `resolve_snapshot`.
    ResolveSnapshot,
    /// `set_labels`.
    SetLabels,
    /// `lease::renew`.
    Renew,
    /// `lease::reap` of expired resources.
    Reap,
    /// `lease::reap` of an owner's old resources.
    ReapOld,
    /// `lease::list_owned`.
    ListOwned,
    /// `hourly_price`.
    HourlyPrice,
    /// `get_ssh_keys`.
    SshKeys,
}

use Verb::*;

/// Each operation, with its weight in the draw.
pub(super) const WEIGHTS: [(Verb, u32); 24] = [
    (Create, 14),
    (CreateKeyed, 12),
    (CreateAndWait, 8),
    (CreateAndWaitKeyed, 4),
    (WithInstance, 5),
    (CreateMany, 4),
    (Place, 4),
    (WaitReady, 6),
    (Get, 8),
    (List, 5),
    (Destroy, 14),
    (DestroyMany, 3),
    (CreateSnapshot, 5),
    (ListSnapshots, 3),
    (DeleteSnapshot, 4),
    (Resolve, 5),
    (ResolveSnapshot, 3),
    (SetLabels, 4),
    (Renew, 3),
    (Reap, 3),
    (ReapOld, 3),
    (ListOwned, 3),
    (HourlyPrice, 3),
    (SshKeys, 3),
];

/// Factor on the weights of the operations in focus.
const FOCUSED: u32 = 8;

/// The focus of a run, so that operations that are otherwise rare meet often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Focus {
    Everything,
    Snapshots,
    Labels,
    Lists,
}

impl Focus {
    pub(super) const ALL: [Self; 4] =
        [Self::Everything, Self::Snapshots, Self::Labels, Self::Lists];

    fn is_on(self, verb: Verb) -> bool {
        match self {
            Self::Everything => false,
            Self::Snapshots => {
                matches!(verb, CreateSnapshot | ListSnapshots | DeleteSnapshot | ResolveSnapshot)
            }
            Self::Labels => matches!(verb, SetLabels | Renew | Reap | ListOwned),
            Self::Lists => matches!(verb, List | ListOwned | ListSnapshots),
        }
    }
}

impl Verb {
    pub(super) fn draw(focus: Focus, rng: &mut Rng) -> Self {
        let weights = WEIGHTS.map(|(verb, weight)| {
            (verb, if focus.is_on(verb) { weight * FOCUSED } else { weight })
        });
        let mut left = rng.u32(..weights.iter().map(|(_, weight)| *weight).sum::<u32>());
        for (verb, weight) in weights {
            if left < weight {
                return verb;
            }
            left -= weight;
        }
        Get
    }

    /// Whether its requests can meet a fault of this kind.
    pub(super) fn can_meet(self, fault: Fault) -> bool {
        let makes = matches!(
            self,
            Create
                | CreateKeyed
                | CreateAndWait
                | CreateAndWaitKeyed
                | WithInstance
                | CreateMany
                | Place
        );
        let ends =
            matches!(self, Destroy | DestroyMany | Reap | ReapOld | WithInstance | CreateMany)
                || matches!(self, CreateAndWait | CreateAndWaitKeyed);
        let lists = matches!(
            self,
            List | ListOwned
                | ListSnapshots
                | Reap
                | ReapOld
                | WaitReady
                | Resolve
                | ResolveSnapshot
        );
        match fault {
            Fault::NotYetVisible { .. } | Fault::StuckCreating => makes || self == CreateSnapshot,
            Fault::CapacityOut | Fault::QuotaReached | Fault::Vanishes { .. } => makes,
            Fault::ShiftingPages => lists || makes || self == CreateSnapshot,
            Fault::Locked => ends || matches!(self, CreateSnapshot | DeleteSnapshot),
            Fault::ActionFails => makes || ends || self == CreateSnapshot,
            _ => true,
        }
    }

    /// Returns its name in logs and tables.
    pub fn name(self) -> &'static str {
        match self {
            Create => "create_instance",
            CreateKeyed => "create_instance, keyed",
            CreateAndWait => "create_and_wait",
            CreateAndWaitKeyed => "create_and_wait, keyed",
            WithInstance => "with_instance",
            CreateMany => "create_instances",
            Place => "place_instance",
            WaitReady => "wait_ready",
            Get => "get_instance",
            List => "list_instances",
            Destroy => "destroy_instance",
            DestroyMany => "destroy_instances",
            CreateSnapshot => "create_snapshot",
            ListSnapshots => "list_snapshots",
            DeleteSnapshot => "delete_snapshot",
            Resolve => "resolve",
            ResolveSnapshot => "resolve_snapshot",
            SetLabels => "set_labels",
            Renew => "renew",
            Reap => "reap",
            ReapOld => "reap, old",
            ListOwned => "list_owned",
            HourlyPrice => "hourly_price",
            SshKeys => "get_ssh_keys",
        }
    }

    /// Returns the longest time until a caller has a reply, with a margin for requests in transit.
    pub(super) fn bound(self, limits: &Limits) -> Duration {
        let ask = limits.http_request * 2;
        let ready = limits.instance_ready;
        let action = limits.action_complete;
        // A fleet waits this long when an API takes no more requests.
        let patience = Duration::from_secs(2 * 3600);
        let limit = match self {
            Create | CreateKeyed | Place | Resolve => ready * 2 + ask * 3,
            CreateAndWait | CreateAndWaitKeyed => ready * 3 + action + ask * 4,
            WithInstance => ready * 3 + action * 2 + ask * 5,
            CreateMany => patience + ready * 4 + action * 2 + ask * 8,
            WaitReady => ready + ask,
            Get | List | ListOwned | HourlyPrice | SshKeys | ListSnapshots => ask,
            Destroy | DeleteSnapshot => action + ask,
            DestroyMany => patience + action * 2 + ask * 4,
            CreateSnapshot => action * 2 + ask * 3,
            ResolveSnapshot => ready * 2 + action + ask * 3,
            SetLabels | Renew => ask * 2 + action,
            Reap | ReapOld => action * 3 + ask * 6 + Duration::from_secs(600),
        };
        limit + Duration::from_secs(5)
    }
}
