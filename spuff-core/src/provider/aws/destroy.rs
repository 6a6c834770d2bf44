//! Ends machines: an id that is not found just after a launch may still start and cost money.

use super::AwsProvider;
use super::convert;
use super::query::Query;
use super::region::Place;
use super::region_search::Asking;
use super::wire::{self, Document, TerminateInstances};
use crate::http::{Call, Class, Deadline};
use crate::provider::error::ProviderResult;
use crate::wait::{Observation, Wait};

impl AwsProvider {
    /// Ends a machine of that place; [`NotFound`](crate::ProviderError::NotFound) when it is not
    /// there.
    pub(super) async fn destroy_at(
        &self,
        place: &Place,
        id: &str,
        deadline: Deadline,
    ) -> ProviderResult<()> {
        let query = &Query::new("TerminateInstances").with("InstanceId.1", id);
        let timeouts = self.http.timeouts();
        let wait = Wait::new("destroy_instance", ("instance", id), deadline.remaining(), timeouts);
        // Ended machines are known for an hour. One that is not may have been made a moment ago, by
        // another client.
        let settled = self.recent.endable_until(id, deadline.remaining());
        let ended = wait.absent_until(Some(settled)).until(|| async move {
            let call =
                place.ec2("destroy_instance", Class::Idempotent, query).about("instance", id);
            let look = self.delete::<TerminateInstances>(&call).await?;
            if !matches!(look, Observation::Absent) {
                return Ok(look);
            }
            // Just after a launch, not found does not mean that nothing will start and cost money.
            let asking = Asking { operation: "destroy_instance", errand: &self.http.errand() };
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

    /// Whether a delete was taken, with the reply read: a proxy's page is not one.
    pub(super) async fn delete<T: Document>(
        &self,
        call: &Call<'_>,
    ) -> ProviderResult<Observation<()>> {
        Observation::of_delete(self.http.told(call, |reply| wire::read::<T>(reply).map(drop)).await)
    }
}
