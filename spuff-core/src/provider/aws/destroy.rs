//! Destroys instances: one that is not found just after a launch may still start and cost money.

use super::AwsProvider;
use super::convert;
use super::query::Query;
use super::region::Place;
use super::region_search::Asking;
use super::wire::{self, Document, TerminateInstances};
use crate::http::{Call, Class, Deadline};
use crate::provider::error::ProviderResult;
use crate::provider::operation::Operation;
use crate::wait::{Observation, Wait};

impl AwsProvider {
    /// Destroys an instance in `place`; returns [`NotFound`](crate::ProviderError::NotFound) if it
    /// is not there.
    pub(super) async fn destroy_at(
        &self,
        place: &Place,
        id: &str,
        deadline: Deadline,
    ) -> ProviderResult<()> {
        let query = &Query::new("TerminateInstances").with("InstanceId.1", id);
        let timeouts = self.http.timeouts();
        let wait =
            Wait::new(Operation::DestroyInstance, ("instance", id), deadline.remaining(), timeouts);
        // EC2 knows ended instances for an hour. Another client may have just created an unknown
        // one.
        let settled = self.recent.endable_until(id, deadline.remaining());
        let ended = wait.grace_until(Some(settled)).until(|| async move {
            let call = place
                .ec2(Operation::DestroyInstance, Class::Idempotent, query)
                .about("instance", id);
            let look = self.delete::<TerminateInstances>(&call).await?;
            if !matches!(look, Observation::Absent) {
                return Ok(look);
            }
            // Just after a launch, a missing instance may still start and cost money.
            let asking =
                Asking { operation: Operation::DestroyInstance, errand: &self.http.errand() };
            match self.seen(asking, place, id).await {
                Ok(Some(instance)) if convert::is_ending(&instance) => Ok(Observation::Done(())),
                Ok(Some(instance)) => Ok(Observation::Pending(format!(
                    "{}, but not found",
                    instance.instance_state.name
                ))),
                Ok(None) => Ok(Observation::Absent),
                Err(error) => Observation::past(error),
            }
        });
        ended.await
    }

    /// Sends a delete and reads its reply: a proxy's page does not count as success.
    pub(super) async fn delete<T: Document>(
        &self,
        call: &Call<'_>,
    ) -> ProviderResult<Observation<()>> {
        Observation::of_delete(self.http.told(call, |reply| wire::read::<T>(reply).map(drop)).await)
    }
}
