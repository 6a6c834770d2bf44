//! A create under a key where nothing but looking keeps a second machine out: how a look is kept
//! fresh until it is sent.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::background::Cancel;
use super::room::{Room, is_leaving};
use super::{CreateCall, CreateKey, Dedup, Lookup};
use crate::http::{Call, Failure, Reply, Sight};
use crate::provider::ProviderInstance;
use crate::provider::error::{ProviderError, ProviderResult};

/// So many looks in a row must show nothing before a first machine is made, where nothing else
/// keeps a second one out: one list that comes back wrong is not to cost one.
const LOOKS: u32 = 2;
/// So many at most, where the account's pace or a slow reply makes each of them old.
const MOST_LOOKS: u32 = 5;
/// How old a look may be when a create that stands on it is sent.
const FRESH: Duration = Duration::from_secs(1);

/// What there is under a key, as of this moment where nothing but looking keeps a second one out: a
/// look that had to wait for a part of what it shows is repeated.
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
    // A simulated cloud without limits has no pace, and its time need not be faster.
    let paced = room.http().paced(FRESH);
    as_of.elapsed() < if paced.is_zero() { FRESH } else { paced }
}

/// The call of a create under a key where nothing but looking keeps a second machine out: one that
/// has waited for the account's pace, or for the cloud to take it, looks again before it is sent.
pub(crate) struct Looking<'a, R> {
    room: &'a R,
    create_key: &'a CreateKey,
    call: Call<'a>,
    looked: Mutex<Instant>,
    found: Mutex<Option<ProviderInstance>>,
}

/// What a create comes to that looks again before it is sent.
pub(crate) enum Answer {
    /// The cloud's.
    Reply(Reply),
    /// It was not sent: this was made under its key while it waited.
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
    /// Those of the looks; [`ProviderError::Conflict`] when something was made under the key in the
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

    fn operation(&self) -> &'static str {
        self.call.operation
    }

    fn sight(&self) -> Sight {
        self.room.http().sight()
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
