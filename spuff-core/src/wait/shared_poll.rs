//! Shared polling: many waiters, few requests.
//!
//! Each waiter keeps its own deadline and result, and requests one poll after another. When the
//! next one is due, one task polls for all waiters, in as few requests as the provider module can.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tracing::{Instrument, Span, debug};

use super::Observation;
use super::batch_poll::{BatchObservation, BatchPoll, Subject};
use super::schedule::{Answer, Newcomers, OVERDUE, PendingPoll, PollSchedule, Ticket};
use crate::provider::error::{ErrorParts, ProviderError, ProviderResult};

/// How often a waiter starts over after the polling task was lost.
const TRIES: usize = 3;

/// How often the poller sends a heartbeat during a poll.
const BEAT: Duration = Duration::from_secs(1);

/// A waiter whose resource is not ready asks again within this time, or has left.
const LINGER: Duration = Duration::from_secs(1);

/// All waits for one kind of resource in an account.
pub(crate) struct SharedPoller<R: BatchPoll> {
    state: Mutex<PollSchedule<R>>,
    asked: Notify,
}

impl<R: BatchPoll> Default for SharedPoller<R> {
    fn default() -> Self {
        Self { state: Mutex::default(), asked: Notify::new() }
    }
}

impl<R: BatchPoll> SharedPoller<R> {
    /// Polls `subject` with `room` when its next poll is due, together with the other waiters'
    /// subjects.
    ///
    /// # Errors
    /// Those of the poll.
    pub(crate) async fn look(
        self: &Arc<Self>,
        room: &Arc<R>,
        subject: &Subject<R::Hint>,
        is_first: bool,
        poll_interval: Duration,
    ) -> ProviderResult<Observation<R::Thing>> {
        let mut tries = TRIES;
        while tries > 0 {
            let (answer, answered) = oneshot::channel();
            let asked = (room.clone(), subject.clone());
            let Ticket { begins, epoch, due } =
                self.state().ask(asked, is_first, poll_interval, answer);
            if begins {
                let driver = Driver { poller: self.clone(), epoch, is_over: false };
                tokio::spawn(driver.run(room.clone()).instrument(Span::current()));
            } else {
                self.asked.notify_one();
            }
            // The poller's runtime may have ended or be stalled; then another task takes over.
            match self.answer(answered, epoch, due).await {
                Some(Ok(look)) => return look,
                Some(Err(_)) => tries -= 1,
                None => {}
            }
        }
        Err(ProviderError::Internal {
            message: "the shared poller stopped unexpectedly".to_string(),
        })
    }

    /// Waits for the observation; an error if the poller was lost, `None` if it is stalled.
    async fn answer<A>(
        &self,
        mut answered: oneshot::Receiver<A>,
        epoch: u64,
        mut due: Instant,
    ) -> Option<Result<A, RecvError>> {
        loop {
            match tokio::time::timeout_at(due + OVERDUE, &mut answered).await {
                Ok(answer) => return Some(answer),
                Err(_) if self.state().is_stalled(epoch) => return None,
                Err(_) => due = Instant::now(),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, PollSchedule<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The poller: the task that polls for all, as long as there are waiters.
struct Driver<R: BatchPoll> {
    poller: Arc<SharedPoller<R>>,
    epoch: u64,
    is_over: bool,
}

/// All subjects that are polled with one identity.
struct Group<R: BatchPoll> {
    room: Arc<R>,
    subjects: Vec<Subject<R::Hint>>,
    /// For each subject, whether this is a first poll, and the waiters.
    asking: Vec<(bool, Vec<Answer<R::Thing>>)>,
    places: HashMap<(String, R::Hint), usize>,
}

impl<R: BatchPoll> Group<R> {
    fn new(room: Arc<R>) -> Self {
        Self { room, subjects: Vec::new(), asking: Vec::new(), places: HashMap::new() }
    }

    fn add(&mut self, subject: Subject<R::Hint>, is_first: bool, answer: Answer<R::Thing>) {
        let at = *self
            .places
            .entry((subject.id.clone(), subject.hint.clone()))
            .or_insert(self.subjects.len());
        match (self.subjects.get_mut(at), self.asking.get_mut(at)) {
            (Some(known), Some((was_first, answers))) => {
                // A waiter that has seen the resource must learn of its end.
                known.is_new &= subject.is_new;
                *was_first |= is_first;
                answers.push(answer);
            }
            _ => {
                self.subjects.push(subject);
                self.asking.push((is_first, vec![answer]));
            }
        }
    }
}

impl<R: BatchPoll> Driver<R> {
    async fn run(mut self, room: Arc<R>) {
        // When the waiters of the last poll must have asked again, or have left.
        let mut linger = None;
        loop {
            let due = {
                let mut state = self.poller.state();
                if !state.heartbeat(self.epoch) {
                    self.is_over = true;
                    return;
                }
                state.waiting.retain(|asked| !asked.answer.is_closed());
                let due = state.waiting.iter().map(|asked| asked.due).min().or(linger);
                let Some(due) = due.filter(|_| {
                    !state.waiting.is_empty() || linger.is_some_and(|end| Instant::now() < end)
                }) else {
                    state.is_driven = false;
                    self.is_over = true;
                    return;
                };
                due
            };
            if due > Instant::now() {
                tokio::select! {
                    biased;
                    // A new waiter may be due earlier.
                    () = self.poller.asked.notified() => {}
                    () = tokio::time::sleep_until(due) => {}
                }
                // Another task may have taken over meanwhile.
                continue;
            }
            let asked = self.poller.state().take(Instant::now());
            if !asked.is_empty() {
                let goes_on = self.poll_batch(&room, asked).await;
                linger = goes_on.then(|| Instant::now() + self.poller.state().pause.min(LINGER));
            }
        }
    }

    /// Polls, answers all waiters, and returns whether any may ask again.
    async fn poll_batch(&self, room: &Arc<R>, asked: Vec<PendingPoll<R>>) -> bool {
        let interval = asked.iter().map(|asked| asked.poll_interval).min().unwrap_or_default();
        // The poller's own `room` first: its connections belong to this runtime.
        let mut groups = vec![Group::new(room.clone())];
        for PendingPoll { room, subject, is_first, answer, .. } in asked {
            let identity = room.identity();
            match groups.iter_mut().find(|group| group.room.identity() == identity) {
                Some(group) => group.add(subject, is_first, answer),
                None => {
                    let mut group = Group::new(room);
                    group.add(subject, is_first, answer);
                    groups.push(group);
                }
            }
        }
        groups.retain(|group| !group.subjects.is_empty());
        let seen = {
            let mut looks =
                join_all(groups.iter().map(|group| group.room.poll_batch(&group.subjects)));
            loop {
                match tokio::time::timeout(BEAT, &mut looks).await {
                    Ok(seen) => break seen,
                    Err(_) => drop(self.poller.state().heartbeat(self.epoch)),
                }
            }
        };

        let (mut newcomers, mut goes_on, mut refill_interval) =
            (Newcomers::None, false, Duration::ZERO);
        for (group, BatchObservation { observations: looks, requests }) in groups.iter().zip(&seen)
        {
            debug!(subjects = group.subjects.len(), requests, "polled all");
            refill_interval += group
                .room
                .refill_interval()
                .saturating_mul(u32::try_from(*requests).unwrap_or(u32::MAX));
            for ((is_first, _), look) in group.asking.iter().zip(looks) {
                let is_done = matches!(look, Ok(Observation::Done(_)));
                goes_on |= !is_done && look.is_ok();
                if *is_first {
                    newcomers = match newcomers {
                        Newcomers::Ready => Newcomers::Ready,
                        _ if is_done => Newcomers::Ready,
                        _ => Newcomers::NotReady,
                    };
                }
            }
        }
        self.poller.state().looked(interval, refill_interval, newcomers);
        for (group, BatchObservation { observations: looks, .. }) in groups.into_iter().zip(seen) {
            for ((_, mut answers), look) in group.asking.into_iter().zip(looks) {
                let last = answers.pop();
                // A waiter that has left gets no answer.
                answers.into_iter().for_each(|answer| drop(answer.send(again(&look))));
                if let Some(answer) = last {
                    drop(answer.send(look));
                }
            }
        }
        goes_on
    }
}

impl<R: BatchPoll> Drop for Driver<R> {
    /// The task was dropped with its runtime: the waiters start over.
    fn drop(&mut self) {
        if !self.is_over {
            self.poller
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .poller_lost(self.epoch);
        }
    }
}

/// Copies an observation for another waiter.
pub(super) fn again<T: Clone>(
    look: &ProviderResult<Observation<T>>,
) -> ProviderResult<Observation<T>> {
    match look {
        Ok(look) => Ok(look.clone()),
        Err(error) => Err(ProviderError::from(ErrorParts::from(error))),
    }
}

/// The same outcome for all, of one failed request that was to read all.
pub(crate) fn for_all<T: Clone>(
    error: ProviderError,
    count: usize,
) -> Vec<ProviderResult<Observation<T>>> {
    let look = Observation::unread(error);
    let copies = (1..count).map(|_| again(&look)).collect::<Vec<_>>();
    copies.into_iter().chain([look]).take(count).collect()
}

#[cfg(test)]
mod tests;
