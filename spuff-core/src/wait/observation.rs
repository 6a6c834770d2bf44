//! What one poll of a resource has observed.

use crate::http::Failure;
use crate::provider::error::{ErrorContext, ErrorParts, ProviderError, ProviderResult};
use crate::provider::{InstanceStatus, ProviderInstance};

/// What a poll has observed.
#[derive(Debug, Clone)]
pub(crate) enum Observation<T> {
    /// It is ready.
    Done(T),
    /// It is not ready yet, with the state for a timeout's message.
    Pending(String),
    /// It is stopped and does not start by itself, with the state for an error's message.
    Stopped(String),
    /// It does not exist.
    Absent,
    /// The poll failed with a transient error.
    Unclear(String),
    /// The API has refused the credentials, which it may also do briefly during an outage.
    Refused(Box<ErrorParts>),
}

impl<T> Observation<T> {
    /// Turns a transient failure into an observation; returns any other as an error.
    pub(crate) fn past(error: ProviderError) -> ProviderResult<Self> {
        match error {
            ProviderError::Authentication { .. } => {
                Ok(Self::Refused(Box::new(ErrorParts::from(&error))))
            }
            error if error.is_transient() => Ok(Self::Unclear(error.to_string())),
            error => Err(error),
        }
    }

    /// As [`past`](Self::past), for a read: a capacity, quota or conflict error says nothing about
    /// the resource, so it is transient. The exception is one whose context names an instance: the
    /// provider module concluded it from the instance itself.
    pub(crate) fn unread(error: ProviderError) -> ProviderResult<Self> {
        let is_concluded = error.context().is_some_and(|context| context.instance_id.is_some());
        match error {
            // No provider concludes this from an instance: the id is that of the call.
            ProviderError::QuotaExceeded { .. } => Ok(Self::Unclear(error.to_string())),
            ProviderError::Capacity { .. } | ProviderError::Conflict { .. } if !is_concluded => {
                Ok(Self::Unclear(error.to_string()))
            }
            error => Self::past(error),
        }
    }

    /// Whether the poll has shown the state of the resource, or its absence.
    pub(super) fn is_clear(&self) -> bool {
        !matches!(self, Self::Unclear(_) | Self::Refused(_))
    }
}

impl<T> Observation<T> {
    /// The observation of a request for a resource; only an absence is retried. The pipeline has
    /// already retried other failures.
    pub(crate) fn of_answer(answered: ProviderResult<T>) -> ProviderResult<Self> {
        match answered {
            Ok(answer) => Ok(Self::Done(answer)),
            Err(ProviderError::NotFound { .. }) => Ok(Self::Absent),
            Err(error) => Err(error),
        }
    }

    /// Whether a resource that was read is in the wanted state.
    pub(crate) fn of_state(
        read: ProviderResult<T>,
        state: impl Fn(&T) -> &str,
        wanted: &str,
    ) -> ProviderResult<Self> {
        match read {
            Ok(thing) if state(&thing) == wanted => Ok(Self::Done(thing)),
            Ok(thing) => Ok(Self::Pending(state(&thing).to_string())),
            Err(ProviderError::NotFound { .. }) => Ok(Self::Absent),
            Err(error) => Self::unread(error),
        }
    }
}

impl Observation<ProviderInstance> {
    /// Whether an instance that was read is ready, pending, or can never be ready.
    pub(crate) fn of_instance(
        read: ProviderResult<ProviderInstance>,
        provider: &str,
    ) -> ProviderResult<Self> {
        match read {
            Ok(instance) if instance.is_ready() => Ok(Self::Done(instance)),
            Ok(instance) if instance.status == InstanceStatus::Archive => {
                let context = ErrorContext::new(provider).with_instance_id(instance.id);
                Err(ProviderError::conflict("the instance is archived and will not start", false)
                    .with_context(context))
            }
            Ok(instance) if instance.status == InstanceStatus::Active => {
                Ok(Self::Pending("active, no public address yet".to_string()))
            }
            Ok(instance) => Ok(Self::Pending(instance.status.to_string())),
            Err(ProviderError::NotFound { .. }) => Ok(Self::Absent),
            Err(error) => Self::unread(error),
        }
    }
}

impl Observation<()> {
    /// Whether a delete was accepted. A busy resource is pending; the pipeline has already retried
    /// other failures.
    pub(crate) fn of_delete(sent: Result<(), Failure>) -> ProviderResult<Self> {
        match sent.map_err(ProviderError::from) {
            Ok(()) => Ok(Self::Done(())),
            Err(ProviderError::NotFound { .. }) => Ok(Self::Absent),
            Err(error @ ProviderError::Conflict { retryable: true, .. }) => {
                Ok(Self::Pending(error.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    /// The result of a delete: whether the resource existed. One that is gone counts as deleted.
    pub(crate) fn deleted(ended: ProviderResult<()>) -> ProviderResult<bool> {
        match ended {
            Err(ProviderError::NotFound { .. }) => Ok(false),
            ended => ended.map(|()| true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_is_refused_for_want_of_room_tells_nothing_of_the_machine() {
        let refused = [
            ProviderError::capacity("full"),
            ProviderError::quota("test", "full"),
            ProviderError::conflict("busy", false),
        ];
        for error in refused {
            let words = error.to_string();
            assert!(
                matches!(Observation::of_instance(Err(error), "test"), Ok(Observation::Unclear(_))),
                "{words}"
            );
        }
        let concluded = ProviderError::conflict("it cannot run", false)
            .with_context(ErrorContext::new("test").with_instance_id("42"));
        assert!(matches!(
            Observation::of_instance(Err(concluded), "test"),
            Err(ProviderError::Conflict { .. })
        ));
    }

    #[test]
    fn a_machine_that_was_read_is_ready_or_on_its_way_or_never_will_be() {
        let read = |status, ip: &str| {
            let machine =
                ProviderInstance::new("42", ip.parse().unwrap(), status, Default::default());
            Observation::of_instance(Ok(machine), "test")
        };
        let there = "203.0.113.7";
        let none = "0.0.0.0";
        assert!(matches!(
            read(InstanceStatus::Active, there),
            Ok(Observation::Done(machine)) if machine.id == "42"
        ));
        assert!(matches!(
            read(InstanceStatus::Active, none),
            Ok(Observation::Pending(state)) if state.contains("no public address")
        ));
        assert!(matches!(
            read(InstanceStatus::New, there),
            Ok(Observation::Pending(state)) if !state.contains("address")
        ));
        assert!(matches!(read(InstanceStatus::Off, there), Ok(Observation::Pending(_))));
        let error = read(InstanceStatus::Archive, there).unwrap_err();
        assert!(
            matches!(error, ProviderError::Conflict { retryable: false, .. })
                && error.is_instance_failure("42"),
            "{error}"
        );
        let absent =
            Observation::of_instance(Err(ProviderError::not_found("instance", "42")), "test");
        assert!(matches!(absent, Ok(Observation::Absent)));
    }

    #[test]
    fn what_a_failure_says_of_a_thing_is_told() {
        let refused = Observation::<()>::past(ProviderError::auth("test", "no")).unwrap();
        let unclear = Observation::<()>::past(ProviderError::unavailable("502")).unwrap();
        assert!(matches!((&refused, &unclear), (Observation::Refused(_), Observation::Unclear(_))));
        assert!(!refused.is_clear() && !unclear.is_clear());
        for look in [
            Observation::Done(()),
            Observation::Pending(String::new()),
            Observation::Stopped(String::new()),
            Observation::Absent,
        ] {
            assert!(look.is_clear(), "{look:?}");
        }
        assert!(matches!(
            Observation::<()>::past(ProviderError::capacity("full")),
            Err(ProviderError::Capacity { .. })
        ));

        let state = |read: ProviderResult<&'static str>| {
            Observation::of_state(read, |state| *state, "available")
        };
        assert!(matches!(state(Ok("available")), Ok(Observation::Done("available"))));
        assert!(matches!(state(Ok("pending")), Ok(Observation::Pending(now)) if now == "pending"));
        assert!(matches!(
            state(Err(ProviderError::not_found("image", "7"))),
            Ok(Observation::Absent)
        ));
        assert!(matches!(state(Err(ProviderError::capacity("full"))), Ok(Observation::Unclear(_))));
        assert!(matches!(Observation::of_answer(Ok(7)), Ok(Observation::Done(7))));
        assert!(matches!(
            Observation::<u32>::of_answer(Err(ProviderError::not_found("image", "7"))),
            Ok(Observation::Absent)
        ));
        assert!(matches!(
            Observation::<u32>::of_answer(Err(ProviderError::unavailable("502"))),
            Err(ProviderError::Unavailable { .. })
        ));
    }

    #[test]
    fn a_delete_is_taken_or_put_off_or_refused() {
        let sent = |error: ProviderError| Observation::of_delete(Err(Failure::Rejected(error)));
        assert!(matches!(Observation::of_delete(Ok(())), Ok(Observation::Done(()))));
        assert!(matches!(sent(ProviderError::not_found("instance", "7")), Ok(Observation::Absent)));
        assert!(matches!(sent(ProviderError::conflict("busy", true)), Ok(Observation::Pending(_))));
        assert!(matches!(
            sent(ProviderError::conflict("protected", false)),
            Err(ProviderError::Conflict { .. })
        ));
        let gone = Observation::deleted(Err(ProviderError::not_found("instance", "7")));
        assert!(matches!((gone, Observation::deleted(Ok(()))), (Ok(false), Ok(true))));
        assert!(Observation::deleted(Err(ProviderError::conflict("protected", false))).is_err());
    }
}
