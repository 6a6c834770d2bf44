//! Which instances one request can create, and how its refusal applies to each of them.

use std::collections::HashSet;
use std::ops::Range;

use super::abort::{AbortFlag, retry_while_rate_limited};
use crate::provider::error::{ErrorKind, ErrorParts, ProviderError, ProviderResult};
use crate::provider::{InstanceRequest, Provider, ProviderInstance};

/// Splits requests into runs that differ only in name, each no longer than one call accepts.
pub(super) fn batches(provider: &dyn Provider, requests: &[InstanceRequest]) -> Vec<Range<usize>> {
    let mut batches: Vec<Range<usize>> = Vec::new();
    let mut names = HashSet::new();
    for (index, request) in requests.iter().enumerate() {
        let fits = |batch: &&mut Range<usize>| {
            let first = &requests[batch.start];
            first.is_alike(request)
                && request.idempotency_key.is_none()
                && batch.len() < provider.max_batch_size(first)
        };
        match batches
            .last_mut()
            .filter(fits)
            .filter(|_| names.insert(request.name.to_ascii_lowercase()))
        {
            Some(batch) => batch.end += 1,
            None => {
                names = HashSet::from([request.name.to_ascii_lowercase()]);
                batches.push(index..index + 1);
            }
        }
    }
    batches
}

/// Creates a batch by one call. Returns `None` if the refusal may apply to only some of them.
pub(super) async fn create(
    provider: &dyn Provider,
    requests: &[InstanceRequest],
    abort: &AbortFlag,
) -> Option<Vec<ProviderResult<ProviderInstance>>> {
    match retry_while_rate_limited(|| provider.create_batch(requests), abort).await {
        Ok(created) => Some(created),
        Err(error) if is_about_some(&error) => None,
        Err(error) => Some(same_error_for_all(&error, requests.len())),
    }
}

/// Returns whether a refusal may apply to only some instances of a batch, such as missing capacity
/// or an invalid value.
fn is_about_some(error: &ProviderError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Capacity
            | ErrorKind::QuotaExceeded
            | ErrorKind::InvalidConfig
            | ErrorKind::Conflict
            | ErrorKind::NotFound
            | ErrorKind::NotSupported
    )
}

fn same_error_for_all(
    error: &ProviderError,
    count: usize,
) -> Vec<ProviderResult<ProviderInstance>> {
    let parts = ErrorParts::from(error);
    (0..count).map(|_| Err(parts.clone().into())).collect()
}

#[cfg(all(test, feature = "digitalocean"))]
mod tests {
    use super::*;
    use crate::provider::{ProviderConfig, ProviderRegistry};

    #[test]
    fn what_differs_in_its_name_only_is_made_together() {
        let config = ProviderConfig::new("token");
        let provider = ProviderRegistry::with_defaults().connect("digitalocean", config).unwrap();
        let like = |name: &str| InstanceRequest::new(name, "nyc3", "s-1vcpu-1gb");
        let many: Vec<_> = (0..23).map(|n| like(&format!("m-{n}"))).collect();
        assert_eq!(batches(&*provider, &many), [0..10, 10..20, 20..23]);
        let mixed = [
            like("a"),
            like("b"),
            like("B"),
            like("c").with_label("role", "db"),
            like("d").with_idempotency_key("k"),
            like("e").with_idempotency_key("k"),
            like("f"),
            InstanceRequest::new("g", "nyc3", "gpu-h100x1-80gb"),
            InstanceRequest::new("h", "nyc3", "gpu-h100x1-80gb"),
        ];
        assert_eq!(batches(&*provider, &mixed), [0..2, 2..3, 3..4, 4..5, 5..6, 6..7, 7..8, 8..9]);
    }
}
