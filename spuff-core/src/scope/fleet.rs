//! Fleets scoped to a piece of work: all instances or none, and always destroyed.
//!
//! The `fleet` module creates them, with a guard for each instance.

use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::sync::Arc;

use tracing::warn;

use super::caught;
use crate::fleet::{destroy_instances, make_for_work};
use crate::guard::InstanceGuard;
use crate::provider::error::{ErrorKind, ProviderError, ProviderResult};
use crate::provider::{InstanceRequest, OnCancel, Provider, ProviderInstance};

/// A fleet that is incomplete: at least one of its instances failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct FleetError {
    /// One outcome for each instance, in the order of the requests.
    pub outcomes: Vec<ProviderResult<ProviderInstance>>,
    /// The position of the first instance that failed itself, rather than by the rollback of the
    /// fleet. If none did, the first error.
    pub first: usize,
}

impl FleetError {
    /// Returns all instances if none failed.
    ///
    /// # Errors
    /// All outcomes, if at least one instance failed.
    pub fn check(
        outcomes: Vec<ProviderResult<ProviderInstance>>,
    ) -> Result<Vec<ProviderInstance>, Self> {
        let by_itself = |outcome: &ProviderResult<_>| {
            matches!(
                outcome,
                Err(error) if error.kind() != ErrorKind::Cancelled
            )
        };
        let first = outcomes
            .iter()
            .position(by_itself)
            .or_else(|| outcomes.iter().position(Result::is_err));
        match first {
            Some(first) => Err(Self { outcomes, first }),
            None => Ok(outcomes.into_iter().flatten().collect()),
        }
    }

    /// Returns the error of the first failed instance.
    pub fn error(&self) -> Option<&ProviderError> {
        self.outcomes.get(self.first)?.as_ref().err()
    }
}

impl fmt::Display for FleetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.outcomes.iter().filter(|outcome| outcome.is_err()).count();
        write!(f, "{failed} of {} instances failed", self.outcomes.len())?;
        self.error().map_or(Ok(()), |error| write!(f, ", the first at {}: {error}", self.first))
    }
}

impl std::error::Error for FleetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error().map(|error| error as _)
    }
}

/// Creates many instances, waits until all are ready, runs `work` with them, and destroys them.
/// Destroys them also if `work` fails or panics, and in the background if the future is dropped
/// before it ends. `concurrency` limits the creates, or destroys, in progress at once. Adopted
/// instances are used and kept, as by [`with_instance`](super::with_instance).
///
/// # Errors
/// If one instance fails or cannot be polled, all are destroyed and `work` does not run. Those of
/// `work`. If `work` succeeded and an instance still exists, [`ProviderError::AfterCreate`] at that
/// instance's position; its destroy is retried in the background.
///
/// # Examples
/// ```no_run
/// use std::sync::Arc;
/// use spuff_core::provider::{InstanceRequest, Provider, ProviderRegistry};
/// use spuff_core::{FleetError, with_instances};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let provider: Arc<dyn Provider> = ProviderRegistry::with_defaults().from_env("hetzner")?.into();
/// let request = |n| InstanceRequest::new(format!("test-{n}"), "fsn1", "cx22");
/// let requests: Vec<_> = (0..5).map(request).collect();
/// let used = with_instances(&provider, &requests, 16, |machines| async move {
///     Ok::<_, FleetError>(machines.len())
/// })
/// .await?;
/// println!("{used} machines were used");
/// # Ok(())
/// # }
/// ```
pub async fn with_instances<T, E, W>(
    provider: &Arc<dyn Provider>,
    requests: &[InstanceRequest],
    concurrency: usize,
    work: impl FnOnce(Vec<ProviderInstance>) -> W,
) -> Result<T, E>
where
    E: From<FleetError>,
    W: Future<Output = Result<T, E>>,
{
    let machines = FleetError::check(make_for_work(provider, requests, concurrency).await)?;
    let guards: Vec<_> = machines
        .iter()
        .map(|machine| InstanceGuard::new(provider, machine.clone(), OnCancel::Destroy))
        .collect();
    let done = caught(async move { work(machines).await }).await;
    let own = guards.iter().map(InstanceGuard::instance).filter(|machine| !machine.adopted);
    let ids: Vec<_> = own.map(|machine| machine.id.clone()).collect();
    let mut ended = destroy_instances(provider, &ids, concurrency).await.into_iter();
    let outcomes = guards.into_iter().map(|guard| {
        let machine = guard.instance().clone();
        let ended = if machine.adopted { Ok(()) } else { ended.next().unwrap_or(Ok(())) };
        // Dropping the guard retries the destroy in the background.
        ended.map_err(|error| error.after_create(machine.id.clone(), None))?;
        guard.forget();
        Ok(machine)
    });
    let ended = FleetError::check(outcomes.collect());
    if let (Err(error), false) = (&ended, matches!(done, Ok(Ok(_)))) {
        warn!(%error, "instances could not be destroyed after their work failed, and cost money");
    }
    let value = done.unwrap_or_else(|panic| resume_unwind(panic))?;
    ended?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::operation::Operation;
    use std::error::Error;

    #[test]
    fn the_first_that_failed_by_itself_is_why_a_fleet_has() {
        let made =
            |id: &str| Ok(ProviderInstance { id: id.to_string(), ..ProviderInstance::default() });
        let cancelled = || {
            Err(ProviderError::Cancelled {
                operation: Operation::CreateInstances.to_string(),
                instance_id: None,
            })
        };
        let full = || Err(ProviderError::capacity("full"));
        let ids: Vec<_> = FleetError::check(vec![made("1"), made("2")])
            .unwrap()
            .into_iter()
            .map(|made| made.id)
            .collect();
        assert_eq!(ids, ["1", "2"]);
        for (outcomes, first, kind) in [
            (vec![made("1"), full()], 1, ErrorKind::Capacity),
            (vec![cancelled(), full(), full()], 1, ErrorKind::Capacity),
            (vec![made("1"), cancelled()], 1, ErrorKind::Cancelled),
        ] {
            let error = FleetError::check(outcomes).unwrap_err();
            assert_eq!((error.first, error.error().unwrap().kind()), (first, kind));
            assert_eq!(error.source().unwrap().to_string(), error.error().unwrap().to_string());
        }
    }
}
