//! The operations, by name.

use std::fmt;

/// What a call does: the operations of [`Provider`](crate::Provider), the jobs that use several of
/// them, and steps that an error or a progress report may name.
///
/// # Examples
/// ```
/// use spuff_core::provider::Operation;
///
/// let operation = Operation::named_in("create_instance of web-1").unwrap();
/// assert_eq!(operation, Operation::CreateInstance);
/// assert!(operation.creates());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is described at the method of its name")]
pub enum Operation {
    CreateInstance,
    CreateBatch,
    DestroyInstance,
    GetInstance,
    ListInstances,
    WaitReady,
    CreateSnapshot,
    ListSnapshots,
    ListLabelledSnapshots,
    DeleteSnapshot,
    Resolve,
    ResolveSnapshot,
    SetLabels,
    GetSshKeys,
    HourlyPrice,
    CreateAndWait,
    CreateInstances,
    DestroyInstances,
    WaitReadyMany,
    PlaceInstance,
    PlaceInstances,
    ListOwned,
    Renew,
    Reap,
    /// The wait for background tasks, see [`settled`](crate::settled).
    Settled,
    /// The connection to an engine, and its version.
    Connect,
    /// The search for credentials before a request.
    FindCredentials,
    /// The state of an action that the provider carries out.
    GetAction,
    /// The search for a network of an engine.
    FindNetwork,
    /// The search for an image of an engine, or for a file in it.
    InspectImage,
    PullImage,
    /// The upload of the boot files to a container.
    UploadBootFiles,
    StartInstance,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 33] = [
        Self::CreateInstance,
        Self::CreateBatch,
        Self::DestroyInstance,
        Self::GetInstance,
        Self::ListInstances,
        Self::WaitReady,
        Self::CreateSnapshot,
        Self::ListSnapshots,
        Self::ListLabelledSnapshots,
        Self::DeleteSnapshot,
        Self::Resolve,
        Self::ResolveSnapshot,
        Self::SetLabels,
        Self::GetSshKeys,
        Self::HourlyPrice,
        Self::CreateAndWait,
        Self::CreateInstances,
        Self::DestroyInstances,
        Self::WaitReadyMany,
        Self::PlaceInstance,
        Self::PlaceInstances,
        Self::ListOwned,
        Self::Renew,
        Self::Reap,
        Self::Settled,
        Self::Connect,
        Self::FindCredentials,
        Self::GetAction,
        Self::FindNetwork,
        Self::InspectImage,
        Self::PullImage,
        Self::UploadBootFiles,
        Self::StartInstance,
    ];

    /// The name in `snake_case`, as errors and progress reports show it in every language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateInstance => "create_instance",
            Self::CreateBatch => "create_batch",
            Self::DestroyInstance => "destroy_instance",
            Self::GetInstance => "get_instance",
            Self::ListInstances => "list_instances",
            Self::WaitReady => "wait_ready",
            Self::CreateSnapshot => "create_snapshot",
            Self::ListSnapshots => "list_snapshots",
            Self::ListLabelledSnapshots => "list_labelled_snapshots",
            Self::DeleteSnapshot => "delete_snapshot",
            Self::Resolve => "resolve",
            Self::ResolveSnapshot => "resolve_snapshot",
            Self::SetLabels => "set_labels",
            Self::GetSshKeys => "get_ssh_keys",
            Self::HourlyPrice => "hourly_price",
            Self::CreateAndWait => "create_and_wait",
            Self::CreateInstances => "create_instances",
            Self::DestroyInstances => "destroy_instances",
            Self::WaitReadyMany => "wait_ready_many",
            Self::PlaceInstance => "place_instance",
            Self::PlaceInstances => "place_instances",
            Self::ListOwned => "list_owned",
            Self::Renew => "renew",
            Self::Reap => "reap",
            Self::Settled => "settled",
            Self::Connect => "connect",
            Self::FindCredentials => "find_credentials",
            Self::GetAction => "get_action",
            Self::FindNetwork => "find_network",
            Self::InspectImage => "inspect_image",
            Self::PullImage => "pull_image",
            Self::UploadBootFiles => "upload_boot_files",
            Self::StartInstance => "start_instance",
        }
    }

    /// The operation whose name is the first word of a text, such as the `operation` of an error,
    /// which may go on with a subject and a state.
    pub fn named_in(text: &str) -> Option<Self> {
        let name = text.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        Self::ALL.into_iter().find(|operation| operation.as_str() == name)
    }

    /// The text for a timeout of this operation that a provider has worded: `words` as they are if
    /// they begin with the name of an operation, or else behind this one's name.
    ///
    /// # Examples
    /// ```
    /// use spuff_core::provider::Operation;
    ///
    /// assert_eq!(Operation::ListInstances.of_words("page 2"), "list_instances (page 2)");
    /// ```
    pub fn of_words(self, words: &str) -> String {
        // Words of a provider's own do not prove that an instance has failed to become ready.
        let name = if self == Self::WaitReady { Self::GetInstance } else { self };
        match words {
            "" => self.to_string(),
            _ if Self::named_in(words).is_some() => words.to_string(),
            _ => format!("{name} ({words})"),
        }
    }

    /// Whether it makes something that costs money: whether a call with an unknown outcome must not
    /// be repeated before its key is resolved.
    pub const fn creates(self) -> bool {
        self.created().is_some()
    }

    /// What it makes: `instance` or `snapshot`.
    pub const fn created(self) -> Option<&'static str> {
        match self {
            Self::CreateInstance
            | Self::CreateBatch
            | Self::CreateAndWait
            | Self::CreateInstances
            | Self::PlaceInstance
            | Self::PlaceInstances => Some("instance"),
            Self::CreateSnapshot => Some("snapshot"),
            Self::DestroyInstance
            | Self::GetInstance
            | Self::ListInstances
            | Self::WaitReady
            | Self::ListSnapshots
            | Self::ListLabelledSnapshots
            | Self::DeleteSnapshot
            | Self::Resolve
            | Self::ResolveSnapshot
            | Self::SetLabels
            | Self::GetSshKeys
            | Self::HourlyPrice
            | Self::DestroyInstances
            | Self::WaitReadyMany
            | Self::ListOwned
            | Self::Renew
            | Self::Reap
            | Self::Settled
            | Self::Connect
            | Self::FindCredentials
            | Self::GetAction
            | Self::FindNetwork
            | Self::InspectImage
            | Self::PullImage
            | Self::UploadBootFiles
            | Self::StartInstance => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<Operation> for String {
    fn from(operation: Operation) -> Self {
        operation.as_str().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_named_unless_they_name_an_operation() {
        let wait = Operation::WaitReady;
        assert_eq!(wait.of_words(""), "wait_ready");
        assert_eq!(wait.of_words("wait_ready of instance 42"), "wait_ready of instance 42");
        assert_eq!(wait.of_words("slow API"), "get_instance (slow API)");
        assert_eq!(Operation::CreateInstance.of_words("boot"), "create_instance (boot)");
    }

    #[test]
    fn every_operation_is_found_by_its_name() {
        for operation in Operation::ALL {
            for rest in ["", " of instance 42 (running)", " (the caller's deadline)", ": late"] {
                assert_eq!(Operation::named_in(&format!("{operation}{rest}")), Some(operation));
            }
        }
        for unknown in ["", "create", "create_instance_2", "action_complete", " wait_ready"] {
            assert_eq!(Operation::named_in(unknown), None, "{unknown:?}");
        }
    }
}
