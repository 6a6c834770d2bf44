//! What a request is for, in words that hold for every cloud.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Route {
    /// Makes a machine.
    CreateInstance,
    /// Reads one machine, or several by their ids.
    GetInstance,
    /// Reads a page of machines.
    ListInstances,
    /// Changes a machine's name or labels.
    UpdateInstance,
    /// Starts, stops or reboots a machine.
    PowerInstance,
    /// Ends a machine.
    DestroyInstance,
    /// Makes a snapshot of a machine.
    CreateSnapshot,
    /// Reads one image or snapshot, or several by their ids.
    GetSnapshot,
    /// Reads a page of snapshots.
    ListSnapshots,
    /// Changes a snapshot's name or labels.
    UpdateSnapshot,
    /// Deletes a snapshot.
    DeleteSnapshot,
    /// Reads an action, or several.
    GetAction,
    /// Reads SSH keys.
    SshKeys,
    /// Reads regions, sizes or the cloud's own images.
    Catalogue,
    /// Anything else.
    Other,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
