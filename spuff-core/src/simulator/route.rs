//! The kinds of requests, the same for every cloud.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Route {
    /// Creates an instance.
    CreateInstance,
    /// Reads one instance, or several by their ids.
    GetInstance,
    /// Reads a page of instances.
    ListInstances,
    /// Changes an instance's name or labels.
    UpdateInstance,
    /// Starts, stops or reboots an instance.
    PowerInstance,
    /// Destroys an instance.
    DestroyInstance,
    /// Creates a snapshot of an instance.
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
