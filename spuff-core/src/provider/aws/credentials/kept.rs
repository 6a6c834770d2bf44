//! Caches credentials, and renews them before they expire, once for all callers.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqsign_aws_v4::Credential;
use reqsign_core::time::Timestamp;
use tokio::time::Instant;
use tracing::debug;

use super::problem::{Found, Problem};

/// With less time left, one caller renews them and the others use the cached ones.
const ADVISED: Duration = Duration::from_secs(15 * 60);
/// With less time left, all callers wait for the new ones.
const NEEDED: Duration = Duration::from_secs(10 * 60);
/// The time that a signed request needs to arrive.
const HEADROOM: Duration = Duration::from_secs(15);
/// The pause between two attempts while the cached credentials are valid.
const PAUSE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Kept {
    state: Mutex<State>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    credential: Option<Credential>,
    /// The number of finished attempts, and the last one's failure and time.
    attempts: u64,
    failure: Option<Problem>,
    tried: Option<Instant>,
}

impl State {
    fn lasts(&self, time: Duration) -> Option<Credential> {
        let until = Timestamp::now() + time;
        self.credential.clone().filter(|kept| kept.expires_in.is_none_or(|expires| expires > until))
    }

    /// Returns the cached credentials if they are valid and it is too soon to try again.
    fn resting(&self) -> Option<Credential> {
        self.lasts(HEADROOM).filter(|_| self.tried.is_some_and(|tried| tried.elapsed() < PAUSE))
    }
}

impl Kept {
    /// Returns the cached credentials, or those of `source`. Reports a failure of `source` only if
    /// the cached credentials are no longer valid.
    pub(super) async fn get(
        &self,
        source: impl AsyncFnOnce() -> Found<Credential>,
    ) -> Found<Credential> {
        let (attempts, held) = {
            let state = self.state();
            if let Some(kept) = state.lasts(ADVISED).or_else(|| state.resting()) {
                return Ok(kept);
            }
            (state.attempts, state.lasts(NEEDED))
        };
        let _turn = match (self.turn.try_lock(), held) {
            (Ok(turn), _) => turn,
            (Err(_), Some(held)) => return Ok(held),
            (Err(_), None) => self.turn.lock().await,
        };
        // A caller that waited for another's attempt takes its result.
        if let Some(outcome) = self.outcome_since(attempts) {
            return outcome;
        }
        let found = source().await;
        let mut state = self.state();
        state.attempts += 1;
        state.tried = Some(Instant::now());
        match found {
            Ok(found) => {
                state.failure = None;
                state.credential = Some(found.clone());
                match state.lasts(HEADROOM) {
                    Some(found) => Ok(found),
                    None => Err(Problem::last("the credentials that were found have expired")),
                }
            }
            Err(problem) => {
                state.failure = Some(problem.clone());
                let held = state.lasts(HEADROOM);
                debug!(%problem, holds = held.is_some(), "no new credentials");
                held.ok_or(problem)
            }
        }
    }

    fn outcome_since(&self, attempts: u64) -> Option<Found<Credential>> {
        let state = self.state();
        if state.attempts == attempts {
            return None;
        }
        match (state.lasts(HEADROOM), &state.failure) {
            (Some(kept), _) => Some(Ok(kept)),
            (None, Some(problem)) => Some(Err(problem.clone())),
            (None, None) => None,
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
