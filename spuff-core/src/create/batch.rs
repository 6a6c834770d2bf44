//! Several instances by one request: one create key for the batch, and a key derived from it for
//! each instance.
//!
//! The key of an instance leads to that instance alone, so that its outcome can be resolved
//! separately.

use std::future::Future;

use super::background::{Cancel, run_to_completion};
use super::key::key_of_part;
use super::room::Room;
use super::{About, CreateKey, Keys, destroy_with_retry, on_abandoned, warn_of};
use crate::provider::ProviderInstance;
use crate::provider::config::{InstanceRequest, OnCancel};
use crate::provider::error::{ErrorParts, ProviderError, ProviderResult};
use crate::provider::operation::Operation;

/// The outcome of each instance of a batch.
pub(crate) type Batch = Vec<ProviderResult<ProviderInstance>>;

/// Returns requests that differ only in name. They share the labels of the request tagged once.
pub(crate) fn named_batch(
    tagged: &InstanceRequest,
    requests: &[InstanceRequest],
) -> Vec<InstanceRequest> {
    requests
        .iter()
        .map(|request| InstanceRequest { name: request.name.clone(), ..tagged.clone() })
        .collect()
}

/// Returns the unknown outcome for each instance, under its own key.
fn unknown(error: &ProviderError, create_key: &CreateKey, parts: &[String]) -> Batch {
    let of_part = |part: &String| {
        let mut told = ErrorParts::from(error);
        told.key = Some(key_of_part(create_key, part));
        Err(ProviderError::from(told))
    };
    parts.iter().map(of_part).collect()
}

/// Creates instances by `work` and runs it to completion, as [`keyed`](super::keyed) does for one.
/// `parts` identify the instances.
///
/// # Errors
/// Those of `work`, except that an unknown outcome is returned for each instance.
pub(crate) async fn instances<R, W>(
    room: &R,
    create_key: &CreateKey,
    parts: Vec<String>,
    on_cancel: OnCancel,
    work: impl FnOnce(R, Cancel) -> W,
) -> ProviderResult<Batch>
where
    R: Room,
    W: Future<Output = ProviderResult<Batch>> + Send + 'static,
{
    let owner = room.clone();
    let unwanted_batch = move |made: Batch| async move {
        for made in &made {
            match made {
                Ok(made) => on_abandoned(&owner, made, on_cancel).await,
                Err(error @ ProviderError::UnknownOutcome { .. }) => warn_of(error),
                Err(error) => {
                    if let Some(id) = error.instance_id().filter(|_| on_cancel == OnCancel::Destroy)
                    {
                        destroy_with_retry(&owner, id).await;
                    }
                }
            }
        }
    };
    let work = |cancel: Cancel| {
        let (keys, consistency_delay, tagged) =
            (room.http().shared::<Keys>(), room.http().consistency_delay(), create_key.clone());
        let making = work(room.clone(), cancel.clone());
        async move {
            // No other create has this batch's key. If it ends unresolved, that is recorded for
            // later creates under a part of the key.
            let _turn = keys.enter(&tagged, &cancel, consistency_delay)?;
            making.await
        }
    };
    match run_to_completion(
        About::new(Operation::CreateInstance, room.name(), &create_key.name),
        work,
        unwanted_batch,
    )
    .await
    {
        Err(error @ ProviderError::UnknownOutcome { .. }) => {
            Ok(unknown(&error, create_key, &parts))
        }
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::part_of_key;
    use super::*;

    #[test]
    fn each_part_has_a_key_of_its_own() {
        let (create_key, _) = CreateKey::of(&InstanceRequest::new("a", "b", "c")).unwrap();
        let key = key_of_part(&create_key, "web-1");
        assert_eq!(part_of_key(&key), Some((create_key.key.as_str(), "web-1")));
        for other in [
            create_key.key.as_str(),
            "order/7",
            "",
            &"g".repeat(40),
            &format!("{}:x", create_key.key),
        ] {
            assert_eq!(part_of_key(other), None, "{other}");
        }
        let there = format!("{}@us-west-2", create_key.key);
        assert_eq!(
            part_of_key(&format!("{there}/7")),
            Some((there.as_str(), "7")),
            "a key that carries its place"
        );
        let unknown = ProviderError::unknown_outcome(
            Operation::CreateInstance,
            &create_key.key,
            "the reply was lost",
        );
        let told = super::unknown(&unknown, &create_key, &["a", "b"].map(str::to_string));
        let keys: Vec<_> = told
            .iter()
            .map(|failed| ErrorParts::from(failed.as_ref().unwrap_err()).key.unwrap())
            .collect();
        assert_eq!(keys, [format!("{}/a", create_key.key), format!("{}/b", create_key.key)]);
    }
}
