//! Many waiters, few requests: everything that is waited for in an account is looked at together.
//!
//! Stands on the wait loop's looks. Each waiter keeps its own deadline and end, and asks for one look after the other; when
//! the next one is due, one task looks at all that have asked, in as few requests as the cloud's room can.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tracing::{Instrument, Span, debug};

use super::Look;
use super::turns::{Answer, Asked, Newcomers, OVERDUE, Subject, Turn, Turns};
use crate::provider::error::{ErrorParts, ProviderError, ProviderResult};

/// How often somebody else takes over from a task that has broken off.
const TRIES: usize = 3;

/// How often whoever looks shows that its runtime goes on.
const BEAT: Duration = Duration::from_secs(1);

/// Whoever is told "not yet" asks again within this time, or has left.
const LINGER: Duration = Duration::from_secs(1);

/// What looking at several things has shown, in their order.
pub(crate) struct Seen<T> {
    pub(crate) looks: Vec<ProviderResult<Look<T>>>,
    /// How many requests it took.
    pub(crate) requests: usize,
}

/// How a room looks at many things at once.
#[async_trait]
pub(crate) trait Lookout: Clone + Send + Sync + 'static {
    type Thing: Clone + Send + 'static;
    type Hint: Clone + Send + Sync + 'static;

    /// How long the account takes to earn a request: looking spends no more than is earned meanwhile.
    fn earned(&self) -> Duration;

    /// Looks at all of these, in as few requests as it takes.
    async fn look_at(&self, subjects: &[Subject<Self::Hint>]) -> Seen<Self::Thing>;
}

/// Everything of one kind that is waited for in an account.
pub(crate) struct Watcher<T, H> {
    state: Mutex<Turns<T, H>>,
    asked: Notify,
}

impl<T, H> Default for Watcher<T, H> {
    fn default() -> Self {
        Self { state: Mutex::default(), asked: Notify::new() }
    }
}

impl<T: Clone + Send + 'static, H: Clone + Send + Sync + 'static> Watcher<T, H> {
    /// The next look at something, when it is due. `room` looks, for all, if nobody does yet.
    ///
    /// # Errors
    /// Those of the look.
    pub(crate) async fn look<R: Lookout<Thing = T, Hint = H>>(
        self: &Arc<Self>,
        room: &R,
        subject: &Subject<H>,
        is_first: bool,
        poll_interval: Duration,
    ) -> ProviderResult<Look<T>> {
        let mut tries = TRIES;
        while tries > 0 {
            let (answer, answered) = oneshot::channel();
            let Turn { begins, epoch, due } = self.state().ask(subject.clone(), is_first, poll_interval, answer);
            if begins {
                let driver = Driver { watcher: self.clone(), epoch, is_over: false };
                tokio::spawn(driver.run(room.clone()).instrument(Span::current()));
            } else {
                self.asked.notify_one();
            }
            // The runtime of the one that looked for all may have ended, or stand still; then another one does.
            match self.answer(answered, epoch, due).await {
                Some(Ok(look)) => return look,
                Some(Err(_)) => tries -= 1,
                None => {}
            }
        }
        Err(ProviderError::Internal { message: "whoever looked for all has broken off".to_string() })
    }

    /// The answer, or that whoever was to give it has broken off. `None` where that one stands still.
    async fn answer<A>(&self, mut answered: oneshot::Receiver<A>, epoch: u64, mut due: Instant) -> Option<Result<A, RecvError>> {
        loop {
            match tokio::time::timeout_at(due + OVERDUE, &mut answered).await {
                Ok(answer) => return Some(answer),
                Err(_) if self.state().stands_still(epoch) => return None,
                Err(_) => due = Instant::now(),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, Turns<T, H>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that looks for all, as long as anybody waits.
struct Driver<T, H> {
    watcher: Arc<Watcher<T, H>>,
    epoch: u64,
    is_over: bool,
}

impl<T: Clone + Send + 'static, H: Clone + Send + Sync + 'static> Driver<T, H> {
    async fn run<R: Lookout<Thing = T, Hint = H>>(mut self, room: R) {
        // When those that were told "not yet" must have asked again, or have left.
        let mut linger = None;
        loop {
            let due = {
                let mut state = self.watcher.state();
                if !state.beat(self.epoch) {
                    self.is_over = true;
                    return;
                }
                state.waiting.retain(|asked| !asked.answer.is_closed());
                let due = state.waiting.iter().map(|asked| asked.due).min().or(linger);
                let Some(due) = due.filter(|_| !state.waiting.is_empty() || linger.is_some_and(|end| Instant::now() < end))
                else {
                    state.is_driven = false;
                    self.is_over = true;
                    return;
                };
                due
            };
            if due > Instant::now() {
                tokio::select! {
                    // Whoever asks may be due earlier.
                    () = self.watcher.asked.notified() => {}
                    () = tokio::time::sleep_until(due) => {}
                }
                // Somebody else may have taken over meanwhile.
                continue;
            }
            let asked = self.watcher.state().take(Instant::now());
            if !asked.is_empty() {
                let goes_on = self.look_at(&room, asked).await;
                linger = goes_on.then(|| Instant::now() + self.watcher.state().pause.min(LINGER));
            }
        }
    }

    /// Looks, tells everybody, and says whether anybody may ask again.
    async fn look_at<R: Lookout<Thing = T, Hint = H>>(&self, room: &R, asked: Vec<Asked<T, H>>) -> bool {
        let interval = asked.iter().map(|asked| asked.poll_interval).min().unwrap_or_default();
        let mut answers: HashMap<String, Vec<Answer<T>>> = HashMap::with_capacity(asked.len());
        let (mut subjects, mut first) = (Vec::with_capacity(asked.len()), HashSet::new());
        for Asked { subject, is_first, answer, .. } in asked {
            if is_first {
                first.insert(subject.id.clone());
            }
            let known = answers.entry(subject.id.clone()).or_default();
            known.push(answer);
            if known.len() == 1 {
                subjects.push(subject);
            }
        }
        let Seen { looks, requests } = {
            let mut look = room.look_at(&subjects);
            loop {
                match tokio::time::timeout(BEAT, &mut look).await {
                    Ok(seen) => break seen,
                    Err(_) => drop(self.watcher.state().beat(self.epoch)),
                }
            }
        };
        debug!(subjects = subjects.len(), requests, "looked at all");

        let (mut newcomers, mut goes_on) = (Newcomers::None, false);
        for (subject, look) in subjects.iter().zip(&looks) {
            let is_done = matches!(look, Ok(Look::Done(_)));
            goes_on |= !is_done && look.is_ok();
            if first.contains(&subject.id) {
                newcomers = match newcomers {
                    Newcomers::Ready => Newcomers::Ready,
                    _ if is_done => Newcomers::Ready,
                    _ => Newcomers::NotReady,
                };
            }
        }
        let earned = room.earned().saturating_mul(u32::try_from(requests).unwrap_or(u32::MAX));
        self.watcher.state().looked(interval, earned, newcomers);
        for (subject, look) in subjects.iter().zip(looks) {
            let mut answers = answers.remove(&subject.id).unwrap_or_default();
            let last = answers.pop();
            // Whoever has left is not told.
            answers.into_iter().for_each(|answer| drop(answer.send(again(&look))));
            if let Some(answer) = last {
                drop(answer.send(look));
            }
        }
        goes_on
    }
}

impl<T, H> Drop for Driver<T, H> {
    /// Broken off, with its runtime: those that wait begin anew.
    fn drop(&mut self) {
        if !self.is_over {
            self.watcher.state.lock().unwrap_or_else(PoisonError::into_inner).broken_off(self.epoch);
        }
    }
}

/// The same look, for another waiter.
fn again<T: Clone>(look: &ProviderResult<Look<T>>) -> ProviderResult<Look<T>> {
    match look {
        Ok(look) => Ok(look.clone()),
        Err(error) => Err(ProviderError::from(ErrorParts::from(error))),
    }
}

/// The same outcome for all, of a request that was to tell of all.
pub(crate) fn for_all<T: Clone>(error: ProviderError, count: usize) -> Vec<ProviderResult<Look<T>>> {
    let look = Look::past(error);
    let copies = (1..count).map(|_| again(&look)).collect::<Vec<_>>();
    copies.into_iter().chain([look]).take(count).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    /// A cloud whose things are ready some time after the beginning, as their ids say.
    #[derive(Clone)]
    struct Room {
        began: Instant,
        ticks: Arc<AtomicUsize>,
        /// Of each look.
        requests: usize,
        fails: bool,
        /// Looks, and does not come to an end.
        slow: bool,
    }

    impl Room {
        fn new() -> Self {
            Self { began: Instant::now(), ticks: Arc::default(), requests: 1, fails: false, slow: false }
        }
    }

    #[async_trait]
    impl Lookout for Room {
        type Thing = u64;
        type Hint = ();

        fn earned(&self) -> Duration {
            Duration::from_secs(1)
        }

        async fn look_at(&self, subjects: &[Subject<()>]) -> Seen<u64> {
            self.ticks.fetch_add(1, Relaxed);
            if self.slow {
                std::future::pending::<()>().await;
            }
            if self.fails {
                return Seen { looks: for_all(ProviderError::auth("test", "no"), subjects.len()), requests: self.requests };
            }
            let now = self.began.elapsed().as_secs();
            let look = |ready: u64| if now >= ready { Look::Done(ready) } else { Look::Pending("booting".to_string()) };
            let looks = subjects.iter().map(|subject| Ok(look(subject.id.parse().unwrap()))).collect();
            Seen { looks, requests: self.requests }
        }
    }

    type Watched = Arc<Watcher<u64, ()>>;

    /// Waits for a thing; when it was seen to be ready.
    async fn wait(watcher: Watched, room: Room, ready: u64) -> ProviderResult<u64> {
        let subject = Subject { id: ready.to_string(), hint: (), is_new: false };
        let mut is_first = true;
        loop {
            match watcher.look(&room, &subject, std::mem::take(&mut is_first), INTERVAL).await? {
                Look::Done(_) => return Ok(room.began.elapsed().as_secs()),
                _ => continue,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_waiters_share_each_look() {
        let (watcher, room) = (Watched::default(), Room::new());
        let waits = (0..1000).map(|at| wait(watcher.clone(), room.clone(), 30 + at % 30));
        let seen = futures_util::future::join_all(waits).await;
        for (at, seen) in seen.into_iter().enumerate() {
            let (seen, ready) = (seen.unwrap(), 30 + at as u64 % 30);
            assert!(seen >= ready && seen <= ready + INTERVAL.as_secs() + 1, "{ready} was seen at {seen}");
        }
        let ticks = room.ticks.load(Relaxed);
        assert!((12..=17).contains(&ticks), "{ticks} looks in a minute");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_costs_much_is_seldom() {
        let (watcher, room) = (Watched::default(), Room { requests: 20, ..Room::new() });
        wait(watcher, room.clone(), 60).await.unwrap();
        assert_eq!(room.ticks.load(Relaxed), 4, "at 0, 20, 40 and 60 seconds");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_ready_is_seen_at_once_by_one_after_the_other() {
        let (watcher, room) = (Watched::default(), Room::new());
        for _ in 0..10 {
            assert_eq!(wait(watcher.clone(), room.clone(), 0).await.unwrap(), 0);
        }
        let slow = tokio::spawn(wait(watcher.clone(), room.clone(), 30));
        tokio::time::sleep(Duration::from_secs(12)).await;
        let at = room.began.elapsed().as_secs();
        assert!(wait(watcher.clone(), room.clone(), 0).await.unwrap() <= at + INTERVAL.as_secs());
        assert!(slow.await.unwrap().unwrap() <= 36);
    }

    #[tokio::test(start_paused = true)]
    async fn newcomers_do_not_make_the_others_wait() {
        let (watcher, room) = (Watched::default(), Room::new());
        let slow = tokio::spawn(wait(watcher.clone(), room.clone(), 30));
        while room.began.elapsed().as_secs() < 40 && !slow.is_finished() {
            wait(watcher.clone(), room.clone(), 0).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(slow.await.unwrap().unwrap() <= 36);
    }

    #[tokio::test(start_paused = true)]
    async fn newcomers_without_end_take_no_more_than_is_earned() {
        let (watcher, room) = (Watched::default(), Room { requests: 3, ..Room::new() });
        let mut waits = Vec::new();
        for _ in 0..150 {
            waits.push(tokio::spawn(wait(watcher.clone(), room.clone(), 60)));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let ticks = room.ticks.load(Relaxed);
        assert!((8..=12).contains(&ticks), "{ticks} looks of three seconds each in half a minute");
        for wait in waits {
            wait.await.unwrap().unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_failure_is_told_to_all_and_one_that_leaves_is_forgotten() {
        let (watcher, room) = (Watched::default(), Room { fails: true, ..Room::new() });
        let gone = tokio::time::timeout(Duration::ZERO, wait(watcher.clone(), room.clone(), 9)).await;
        assert!(gone.is_err());
        let waits = (0..3).map(|_| wait(watcher.clone(), room.clone(), 7));
        for failed in futures_util::future::join_all(waits).await {
            assert!(matches!(failed, Err(ProviderError::Authentication { .. })));
        }
        tokio::time::sleep(INTERVAL * 10).await;
        assert!(!watcher.state().is_driven, "nobody looks for nobody");
    }

    #[test]
    fn a_runtime_that_ends_hands_over() {
        let (watcher, room) = (Watched::default(), Room::new());
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let first = runtime();
        let (begun, second) = (wait(watcher.clone(), room.clone(), 3600), runtime());
        assert!(first.block_on(async { tokio::time::timeout(Duration::from_secs(8), begun).await }).is_err());
        let (there, here) = (watcher.clone(), Room { began: Instant::now(), ..room });
        let waiting = std::thread::spawn(move || second.block_on(wait(there, here, 0)));
        // Ends the task that looks for both.
        drop(first);
        assert!(waiting.join().unwrap().is_ok());
    }

    /// Its clock is real: that of a runtime that stands still would stand still too.
    #[test]
    fn a_runtime_that_stands_still_hands_over() {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for slow in [false, true] {
            let (watcher, room) = (Watched::default(), Room { slow, ..Room::new() });
            let first = runtime();
            let begun = wait(watcher.clone(), room.clone(), 3600);
            assert!(first.block_on(async { tokio::time::timeout(Duration::from_millis(300), begun).await }).is_err());
            let room = Room { slow: false, ..room };
            let second = async { tokio::time::timeout(Duration::from_secs(60), wait(watcher, room, 0)).await };
            assert!(runtime().block_on(second).is_ok_and(|ready| ready.is_ok()), "it stood still in a look: {slow}");
            // It goes on, and finds that it is not needed.
            first.block_on(async { tokio::time::sleep(Duration::from_millis(10)).await });
        }
    }
}
