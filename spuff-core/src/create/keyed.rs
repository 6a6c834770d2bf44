//! One instance per key in this process. A create joins the one in progress or returns what was
//! just made; after an unknown outcome it polls before it sends.
//!
//! The provider modules do not implement this.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::background::{Cancel, background, run_to_completion};
use super::keys::{Entry, Keys, Stake, Turn, still_busy};
use super::looking::look_now;
use super::room::{Room, is_leaving};
use super::{
    About, CreateKey, Lookup, Site, destroy_with_retry, hash_of_key, poll_until_visible, resolve,
};
use crate::http::Deadline;
use crate::provider::ProviderInstance;
use crate::provider::config::OnCancel;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::wait::Pauses;

const OPERATION: Operation = Operation::CreateInstance;

/// Creates an instance by `work` and runs it to completion. If the caller leaves, destroys or keeps
/// the instance as the request says, unless another caller under the same key waits for it or has
/// it.
///
/// # Errors
/// Those of `work`; [`ProviderError::Conflict`] if another request used this key.
pub(crate) async fn keyed<R, W>(
    room: &R,
    create_key: &CreateKey,
    on_cancel: OnCancel,
    work: impl FnOnce(R, Cancel) -> W + Send + 'static,
) -> ProviderResult<ProviderInstance>
where
    R: Room,
    W: Future<Output = ProviderResult<ProviderInstance>> + Send + 'static,
{
    let room = room.clone();
    let create_key = create_key.clone();
    let about = About::new(OPERATION, room.name(), &create_key.name);
    let work = |cancel: Cancel| async move {
        let consistency_delay = room.http().consistency_delay();
        let deadline = Deadline::after(room.http().timeouts().instance_ready);
        let mut turn = match begin(&room, &create_key, &cancel, deadline).await? {
            Begun::Turn(turn) => turn,
            Begun::Made(made, stake) => return Ok((made.adopted_if(true), stake)),
        };
        if let Some(found) = look_first(&room, &create_key, &mut turn, &cancel, deadline).await? {
            turn.found(&found, consistency_delay);
            return Ok((found.adopted_if(true), None));
        }
        let made = work(room.clone(), cancel).await?;
        if on_cancel == OnCancel::Keep || made.adopted {
            turn.found(&made, consistency_delay);
            return Ok((made, None));
        }
        let site = Site::current();
        let id = made.id.clone();
        // Hold the turn until the instance is gone, so that no create under this key finds it.
        let ending = move |turn: Option<Turn>| {
            let about = About::new(Operation::DestroyInstance, room.name(), &id);
            background(&site, about, async move {
                destroy_with_retry(&room, &id).await;
                drop(turn);
            });
        };
        let stake = turn.made(&made, consistency_delay, ending);
        Ok((made, Some(stake)))
    };
    let on_abandoned = |(made, stake): (ProviderInstance, Option<Arc<Stake>>)| async move {
        debug!(id = made.id, is_kept = stake.is_none(), "the caller of a create has left");
    };
    let (made, stake) = run_to_completion(about, work, on_abandoned).await?;
    // The caller whose create made the instance may have left. Then the first caller that takes it
    // owns it, so that one caller destroys it.
    Ok(match stake {
        Some(stake) => made.adopted_if(!stake.keep()),
        None => made,
    })
}

/// How a create begins.
enum Begun {
    Turn(Turn),
    Made(ProviderInstance, Option<Arc<Stake>>),
}

/// Waits until no other create under the same key is in progress. Returns the instance if that
/// create made it.
async fn begin<R: Room>(
    room: &R,
    create_key: &CreateKey,
    cancel: &Cancel,
    deadline: Deadline,
) -> ProviderResult<Begun> {
    let keys = room.http().shared::<Keys>();
    // While this is held, the other create's instance is not destroyed when its own caller leaves.
    let mut joined = None;
    let mut has_waited = false;
    let mut pauses = Pauses::new(room.http().read_lag().poll_interval);
    loop {
        let mut changes = keys.changes();
        match keys.enter(create_key, cancel, room.http().consistency_delay())? {
            Entry::Turn(turn) => return Ok(Begun::Turn(turn)),
            Entry::Made(made, stake) if has_waited && !is_leaving(room, &made) => {
                return Ok(Begun::Made(made, stake));
            }
            Entry::Made(made, stake) => match room.get_instance(&made.id).await {
                Ok(Some(now)) if !is_leaving(room, &now) => return Ok(Begun::Made(now, stake)),
                // Its absence is not conclusive yet: an instance that is not listed in time exists
                // nevertheless.
                Err(ProviderError::Timeout { .. })
                    if keys.is_new(create_key) && !is_leaving(room, &made) =>
                {
                    return Ok(Begun::Made(made, stake));
                }
                Err(error) => return Err(error),
                // Lists may not show it yet, so wait for its end here.
                Ok(Some(_)) => {
                    wait_for_end(create_key, &made.id, cancel, deadline, &mut pauses).await?
                }
                Ok(None) => keys.forget(&made.id),
            },
            Entry::Busy(stake) => {
                has_waited = true;
                joined = stake.or(joined);
                if tokio::time::timeout(deadline.remaining(), changes.changed()).await.is_err() {
                    return Err(still_busy(OPERATION, create_key));
                }
                cancel.check()?;
            }
        }
    }
}

/// Returns what any process made under the key before. If the last create in this process ended
/// without a reply, polls until the read lag has passed. Waits until an instance that is being
/// destroyed is gone.
///
/// # Errors
/// Those of the polls; [`ProviderError::Conflict`] if another request used this key, or if an
/// instance being destroyed is not gone by the deadline.
async fn look_first<R: Room>(
    room: &R,
    create_key: &CreateKey,
    turn: &mut Turn,
    cancel: &Cancel,
    deadline: Deadline,
) -> ProviderResult<Option<ProviderInstance>> {
    if !create_key.is_caller_supplied() {
        return Ok(None);
    }
    // No request was sent, so a failed poll is returned at once.
    if let Some(made) = found_now(room, create_key, cancel, deadline).await? {
        return Ok(Some(made));
    }
    let Some(since) = turn.since else { return Ok(None) };
    let mut read_lag = room.http().read_lag();
    let look = || async {
        Ok(match create_key.adopted(room.found_under(&create_key.key).await?)? {
            Lookup::Found(made) if is_leaving(room, &made) => Lookup::Ambiguous(vec![made.id]),
            found => found,
        })
    };
    read_lag.consistency_delay = read_lag
        .consistency_delay
        .saturating_sub(Instant::now().saturating_duration_since(since))
        .max(Duration::from_millis(1));
    let unknown = |candidates: &[String], why: &str| {
        let message = format!("the outcome of an earlier create under this key is unknown{why}");
        ProviderError::unknown_outcome(OPERATION, &create_key.key, message)
            .with_candidates(candidates)
    };
    let found = poll_until_visible(deadline, read_lag, false, look, unknown).await?.ours();
    turn.nothing_before();
    if found.is_some() { Ok(found) } else { found_now(room, create_key, cancel, deadline).await }
}

/// Returns the instance under a key, after any that is being destroyed is gone.
async fn found_now<R: Room>(
    room: &R,
    create_key: &CreateKey,
    cancel: &Cancel,
    deadline: Deadline,
) -> ProviderResult<Option<ProviderInstance>> {
    let mut pauses = Pauses::new(room.http().read_lag().poll_interval);
    loop {
        let Some(made) = look_now(room, create_key).await? else { return Ok(None) };
        if !is_leaving(room, &made) {
            return Ok(Some(made));
        }
        wait_for_end(create_key, &made.id, cancel, deadline, &mut pauses).await?;
    }
}

/// Pauses during the wait for an instance of this key that is being destroyed.
///
/// # Errors
/// [`ProviderError::Conflict`] at the deadline; [`Cancel::error`] if the caller has left.
pub(crate) async fn wait_for_end(
    create_key: &CreateKey,
    id: &str,
    cancel: &Cancel,
    deadline: Deadline,
    pauses: &mut Pauses,
) -> ProviderResult<()> {
    if deadline.remaining().is_zero() {
        return Err(create_key.still_ending(id));
    }
    cancel.check()?;
    tokio::time::sleep(pauses.next(deadline)).await;
    Ok(())
}

/// Searches for what any process made under a key. Returns `None` if certainly nothing was made.
///
/// # Errors
/// [`ProviderError::UnknownOutcome`] if the polls fail, show several candidates, or a create is in
/// progress.
pub(crate) async fn resolve_keyed<R: Room>(
    room: &R,
    key: &str,
) -> ProviderResult<Option<ProviderInstance>> {
    let http = room.http();
    let key_hash = hash_of_key(key);
    let keys = http.shared::<Keys>();
    let look = || async {
        Ok(match room.found_anywhere(key).await? {
            Some(made) => Lookup::Found(made),
            None if keys.is_busy(&key_hash) => Lookup::Ambiguous(Vec::new()),
            None => Lookup::Nothing,
        })
    };
    resolve(http.read_lag(), OPERATION, key, http.timeouts().instance_ready, look).await
}
