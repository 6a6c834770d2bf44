//! Checks of waits: what ends a wait, and what does not.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::instances::is_ready;
use super::rule::{self, Tried, not_applicable};
use super::trial::Trial;
use crate::provider::{ProviderError, ProviderTimeouts};

/// A deadline shorter than any boot.
const SHORT: Duration = Duration::from_millis(1);
/// How long after [`SHORT`] a poll must begin to be certainly later, even on a busy computer.
const CERTAINLY_LATER: Duration = Duration::from_millis(250);
/// How long after the instance is ready a wait with a short deadline must last to count as endless.
const ENDLESS: Duration = Duration::from_secs(10);
/// How often a future is polled before it is dropped.
const POLLS: [usize; 3] = [1, 2, 3];

pub(super) async fn wait_ready_of_absent_is_not_found(trial: Trial) -> Tried {
    let id = &trial.subject.absent_id;
    match trial.call("wait_ready", trial.provider.wait_ready(id)).await? {
        Err(ProviderError::NotFound { .. }) => Ok(()),
        Err(error) => Err(rule::GONE.broken(format!(
            "{id} does not exist, and it ended with {}: {error}",
            error.kind().name()
        ))),
        Ok(found) => {
            Err(rule::GONE.broken(format!("{id} does not exist, and it returned {}", found.id)))
        }
    }
}

/// Uses an instance that does not exist, so that no wait is long.
pub(super) async fn timeouts_beyond_reason_are_borne(trial: Trial) -> Tried {
    let id = &trial.subject.absent_id;
    let usual = trial.subject.timeouts;
    for (limit, poll_interval) in [
        (Duration::MAX, usual.poll_interval),
        (Duration::MAX, Duration::ZERO),
        (Duration::ZERO, Duration::MAX),
    ] {
        let instance_ready = limit;
        let action_complete = limit;
        let timeouts = ProviderTimeouts { instance_ready, action_complete, poll_interval, ..usual };
        let beyond = trial.with_timeouts(timeouts)?;
        match trial.call("wait_ready", beyond.provider.wait_ready(id)).await? {
            Err(ProviderError::NotFound { .. } | ProviderError::Timeout { .. }) => {}
            ended => {
                return Err(rule::BEYOND_REASON
                    .broken(format!("with {timeouts:?} wait_ready of {id} gave {ended:?}")));
            }
        }
    }
    Ok(())
}

pub(super) async fn wait_ready_of_destroyed_is_not_found(trial: Trial) -> Tried {
    let id = &trial.create(&trial.request()).await?.id;
    trial.wait_ready(id).await?;
    trial.destroy(id).await?;
    // During the read lag the instance may still seem to exist; a missed deadline is a final
    // answer.
    let certain = |ended: &_| {
        matches!(ended, Err(ProviderError::NotFound { .. } | ProviderError::Timeout { .. }))
    };
    match trial.settle(|| trial.call("wait_ready", trial.provider.wait_ready(id)), certain).await? {
        Err(ProviderError::NotFound { .. }) => Ok(()),
        Err(error) => Err(rule::GONE.broken(format!(
            "{id} was destroyed, and it ended with {}: {error}",
            error.kind().name()
        ))),
        Ok(_) => Err(rule::GONE.broken(format!("{id} was destroyed, and it returned it as ready"))),
    }
}

/// Asserts no duration, only an order. A wait of 1 ms must not return an instance as ready that was
/// seen not ready long after that 1 ms, nor continue after it is ready.
pub(super) async fn deadline_ends_the_wait(trial: Trial) -> Tried {
    let patient = trial.subject.timeouts;
    let hurried = trial.with_timeouts(ProviderTimeouts {
        instance_ready: SHORT,
        poll_interval: patient.instance_ready,
        ..patient
    })?;
    let id = &hurried.create(&trial.request()).await?.id;
    if trial.found(id).await?.is_ready() {
        return Err(not_applicable("the instance is ready at once"));
    }

    let began = Instant::now();
    let mut late = false;
    let observe = async {
        while began.elapsed() < patient.instance_ready {
            let asked = began.elapsed();
            match trial.get(id).await? {
                Some(machine) if machine.is_ready() => break,
                Some(_) => late |= asked > SHORT + CERTAINLY_LATER,
                None => {}
            }
            trial.pause().await;
        }
        sleep(ENDLESS).await;
        Tried::Ok(())
    };
    let ended = tokio::select! {
        biased;
        ended = hurried.call("wait_ready", hurried.provider.wait_ready(id)) => ended?,
        observed = observe => {
            observed?;
            return Err(rule::DEADLINE.broken(format!("with {SHORT:?} it was still waiting \
             {ENDLESS:?} after {id} was ready")));
        }
    };
    match ended {
        Err(ProviderError::Timeout { .. }) => {}
        Ok(machine) if late => {
            return Err(rule::DEADLINE.broken(format!(
                "with {SHORT:?} it waited on until {} was {}",
                machine.id, machine.status
            )));
        }
        Ok(machine) => {
            is_ready(&machine)?;
            return Err(not_applicable("the instance is ready almost at once"));
        }
        Err(error) => {
            return Err(
                rule::DEADLINE.broken(format!("it ended with {}: {error}", error.kind().name()))
            );
        }
    }
    let look = || trial.call("get_instance", trial.provider.get_instance(id));
    let known = trial.settle(look, |read| matches!(read, Ok(Some(_)))).await?;
    rule::TIMED_OUT.holds(matches!(known, Ok(Some(_))), || {
        format!("after the timeout get_instance of {id} gave {known:?}")
    })?;
    is_ready(&trial.wait_ready(id).await?)
}

pub(super) async fn dropped_futures_lose_nothing(trial: Trial) -> Tried {
    let id = &trial.create(&trial.request()).await?.id;
    for polls in POLLS {
        poll_and_drop(trial.provider.get_instance(id), polls).await;
        poll_and_drop(trial.provider.list_instances(), polls).await;
        poll_and_drop(trial.provider.wait_ready(id), polls).await;
    }
    let lost = |what: &str| rule::DROPPED.broken(format!("after dropped reads, {what}"));
    let found = trial.settle(
        || trial.call("get_instance", trial.provider.get_instance(id)),
        |read| matches!(read, Ok(Some(_))),
    );
    found
        .await?
        .map_err(|error| lost(&format!("get_instance failed: {error}")))?
        .ok_or_else(|| lost("the instance is gone"))?;
    let list = trial.call("list_instances", trial.provider.list_instances()).await?;
    list.map_err(|error| lost(&format!("list_instances failed: {error}")))?;
    let ready = trial.call("wait_ready", trial.provider.wait_ready(id)).await?;
    ready.map_err(|error| lost(&format!("wait_ready failed: {error}"))).map(drop)
}

async fn poll_and_drop<T>(future: impl Future<Output = T>, polls: usize) {
    let mut future = pin!(future);
    for _ in 0..polls {
        let ended =
            std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready()))
                .await;
        if ended {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
}
