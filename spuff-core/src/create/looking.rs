//! Creates under a key at clouds that do not prevent duplicates: a poll must be recent when the
//! request is sent.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::background::Cancel;
use super::room::{Room, is_leaving};
use super::{CreateCall, CreateKey, Dedup, Lookup};
use crate::http::{Call, Failure, ReadLag, Reply};
use crate::provider::ProviderInstance;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;

/// Consecutive empty polls required before the first create, if only polling prevents duplicates:
/// one wrong list must not cause a duplicate.
const LOOKS: u32 = 2;
/// Maximum number of polls, if rate limits or slow replies make each of them stale.
const MOST_LOOKS: u32 = 5;
/// Maximum age of a poll when the create that relies on it is sent.
const FRESH: Duration = Duration::from_secs(1);

/// Returns the current instance under a key. If only polling prevents duplicates, repeats a poll
/// that is not recent.
pub(super) async fn look_now<R: Room>(
    room: &R,
    create_key: &CreateKey,
) -> ProviderResult<Option<ProviderInstance>> {
    for looks in 1..=MOST_LOOKS {
        let (made, as_of) = room.found_lately(&create_key.key).await?;
        if let Lookup::Found(made) = create_key.adopted(made)? {
            return Ok(Some(made));
        }
        if R::DEDUP == Dedup::ByCloud || (looks >= LOOKS && is_fresh(room, as_of)) {
            break;
        }
    }
    Ok(None)
}

fn is_fresh<R: Room>(room: &R, as_of: Instant) -> bool {
    // A simulated cloud without limits has no pace, and its clock need not run faster.
    let paced = room.http().paced(FRESH);
    as_of.elapsed() < if paced.is_zero() { FRESH } else { paced }
}

/// A create request under a key, at a cloud that does not prevent duplicates. If it waited for the
/// rate limit or for the API to accept it, it polls again before it is sent.
pub(crate) struct Looking<'a, R> {
    room: &'a R,
    create_key: &'a CreateKey,
    call: Call<'a>,
    looked: Mutex<Instant>,
    found: Mutex<Option<ProviderInstance>>,
}

/// The outcome of a create that polls before it is sent.
pub(crate) enum Answer {
    /// The API's reply.
    Reply(Reply),
    /// The request was not sent: this instance was made under its key while it waited.
    Found(ProviderInstance),
}

impl<'a, R: Room> Looking<'a, R> {
    pub(crate) fn new(
        room: &'a R,
        create_key: &'a CreateKey,
        call: Call<'a>,
        looked: Instant,
    ) -> Self {
        Self { room, create_key, call, looked: Mutex::new(looked), found: Mutex::default() }
    }

    /// # Errors
    /// Those of the polls; [`ProviderError::Conflict`] if an instance was made under the key in the
    /// meantime.
    async fn look_again(&self) -> ProviderResult<()> {
        let looked = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.create_key.is_caller_supplied() || is_fresh(self.room, looked) {
            return Ok(());
        }
        if let Some(made) = look_now(self.room, self.create_key).await? {
            let message = format!(
                "{} was made under the key {:?} while this create waited",
                made.id, self.create_key.key
            );
            if !is_leaving(self.room, &made) {
                *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
            }
            return Err(ProviderError::conflict(message, true));
        }
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Ok(())
    }
}

impl<R: Room> CreateCall for Looking<'_, R> {
    type Reply = Answer;

    fn operation(&self) -> Operation {
        self.call.operation
    }

    fn read_lag(&self) -> ReadLag {
        self.room.http().read_lag()
    }

    async fn send(&self, cancel: &Cancel) -> Result<Answer, Failure> {
        let check = || async {
            cancel.check()?;
            self.look_again().await
        };
        let sent = self.room.http().send_checked(&self.call, check).await;
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).take();
        found.map_or_else(|| sent.map(Answer::Reply), |found| Ok(Answer::Found(found)))
    }
}
