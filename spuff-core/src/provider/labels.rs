//! The labels that spuff sets on the instances and snapshots that it makes.
//!
//! At DigitalOcean, whose tags have no values, a label is the tag `key:value`.
//!
//! # Examples
//! ```
//! use spuff_core::provider::labels;
//!
//! assert_eq!((labels::MANAGED_BY, labels::MANAGED_BY_VALUE), ("managed-by", "spuff"));
//! ```

/// On every instance and snapshot made by spuff, with the value [`MANAGED_BY_VALUE`].
pub const MANAGED_BY: &str = "managed-by";
/// The value of [`MANAGED_BY`].
pub const MANAGED_BY_VALUE: &str = "spuff";
/// A hash of the create key.
pub const CREATE_KEY: &str = "spuff-key";
/// A digest of a request with an [`idempotency_key`](super::InstanceRequest::idempotency_key): a
/// different request under the same key is a [`Conflict`](super::ProviderError::Conflict).
pub const REQUEST_DIGEST: &str = "spuff-digest";
/// The [`owner`](super::InstanceRequest::owner).
pub const OWNER: &str = "spuff-owner";
/// The end of the lease, in seconds since 1970.
pub const EXPIRES_AT: &str = "spuff-expires";
