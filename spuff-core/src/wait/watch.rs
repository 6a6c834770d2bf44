//! Many waiters, few requests: everything that is waited for in an account is looked at together.
//!
//! Stands on the wait loop's looks. Each waiter keeps its own deadline and end, and asks for one look after the other; when
//! the next one is due, one task looks at all that have asked, in as few requests as the cloud's room can.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
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
    /// What a client knows of a thing: two that know the same are told the same.
    type Hint: Clone + Eq + Hash + Send + Sync + 'static;

    /// Whose credentials it looks with, where the clients of an account may have others: things are looked at together only for
    /// the same ones.
    fn identity(&self) -> usize {
        0
    }

    /// Whether the cloud has accepted these credentials before.
    fn is_accepted(&self) -> bool;

    /// How long the account takes to earn a request: looking spends no more than is earned meanwhile.
    fn earned(&self) -> Duration;

    /// Looks at all of these, in as few requests as it takes.
    async fn look_at(&self, subjects: &[Subject<Self::Hint>]) -> Seen<Self::Thing>;
}

/// Everything of one kind that is waited for in an account.
pub(crate) struct Watcher<R: Lookout> {
    state: Mutex<Turns<R>>,
    asked: Notify,
}

impl<R: Lookout> Default for Watcher<R> {
    fn default() -> Self {
        Self { state: Mutex::default(), asked: Notify::new() }
    }
}

impl<R: Lookout> Watcher<R> {
    /// The next look at something by `room`, when it is due, together with all that others wait for.
    ///
    /// # Errors
    /// Those of the look.
    pub(crate) async fn look(
        self: &Arc<Self>,
        room: &Arc<R>,
        subject: &Subject<R::Hint>,
        is_first: bool,
        poll_interval: Duration,
    ) -> ProviderResult<Look<R::Thing>> {
        let mut tries = TRIES;
        while tries > 0 {
            let (answer, answered) = oneshot::channel();
            let asked = (room.clone(), subject.clone());
            let Turn { begins, epoch, due } = self.state().ask(asked, is_first, poll_interval, answer);
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

    fn state(&self) -> MutexGuard<'_, Turns<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that looks for all, as long as anybody waits.
struct Driver<R: Lookout> {
    watcher: Arc<Watcher<R>>,
    epoch: u64,
    is_over: bool,
}

/// All that one identity looks at.
struct Group<R: Lookout> {
    room: Arc<R>,
    subjects: Vec<Subject<R::Hint>>,
    /// For each subject, whether it is looked at for the first time, and who asks.
    asking: Vec<(bool, Vec<Answer<R::Thing>>)>,
    places: HashMap<(String, R::Hint), usize>,
}

impl<R: Lookout> Group<R> {
    fn new(room: Arc<R>) -> Self {
        Self { room, subjects: Vec::new(), asking: Vec::new(), places: HashMap::new() }
    }

    fn add(&mut self, subject: Subject<R::Hint>, is_first: bool, answer: Answer<R::Thing>) {
        let at = *self.places.entry((subject.id.clone(), subject.hint.clone())).or_insert(self.subjects.len());
        match (self.subjects.get_mut(at), self.asking.get_mut(at)) {
            (Some(known), Some((was_first, answers))) => {
                // Who has seen it is to hear of its end.
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

impl<R: Lookout> Driver<R> {
    async fn run(mut self, room: Arc<R>) {
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
                    biased;
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
    async fn look_at(&self, room: &Arc<R>, asked: Vec<Asked<R>>) -> bool {
        let interval = asked.iter().map(|asked| asked.poll_interval).min().unwrap_or_default();
        // The connections of its own room are those of its own runtime.
        let mut groups = vec![Group::new(room.clone())];
        for Asked { room, subject, is_first, answer, .. } in asked {
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
            let mut looks = join_all(groups.iter().map(|group| group.room.look_at(&group.subjects)));
            loop {
                match tokio::time::timeout(BEAT, &mut looks).await {
                    Ok(seen) => break seen,
                    Err(_) => drop(self.watcher.state().beat(self.epoch)),
                }
            }
        };

        let (mut newcomers, mut goes_on, mut earned) = (Newcomers::None, false, Duration::ZERO);
        for (group, Seen { looks, requests }) in groups.iter().zip(&seen) {
            debug!(subjects = group.subjects.len(), requests, "looked at all");
            earned += group.room.earned().saturating_mul(u32::try_from(*requests).unwrap_or(u32::MAX));
            for ((is_first, _), look) in group.asking.iter().zip(looks) {
                let is_done = matches!(look, Ok(Look::Done(_)));
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
        self.watcher.state().looked(interval, earned, newcomers);
        for (group, Seen { looks, .. }) in groups.into_iter().zip(seen) {
            for ((_, mut answers), look) in group.asking.into_iter().zip(looks) {
                let last = answers.pop();
                // Whoever has left is not told.
                answers.into_iter().for_each(|answer| drop(answer.send(again(&look))));
                if let Some(answer) = last {
                    drop(answer.send(look));
                }
            }
        }
        goes_on
    }
}

impl<R: Lookout> Drop for Driver<R> {
    /// Broken off, with its runtime: those that wait begin anew.
    fn drop(&mut self) {
        if !self.is_over {
            self.watcher.state.lock().unwrap_or_else(PoisonError::into_inner).broken_off(self.epoch);
        }
    }
}

/// The same look, for another waiter.
pub(super) fn again<T: Clone>(look: &ProviderResult<Look<T>>) -> ProviderResult<Look<T>> {
    match look {
        Ok(look) => Ok(look.clone()),
        Err(error) => Err(ProviderError::from(ErrorParts::from(error))),
    }
}

/// The same outcome for all, of a request that was to tell of all.
pub(crate) fn for_all<T: Clone>(error: ProviderError, count: usize) -> Vec<ProviderResult<Look<T>>> {
    let look = Look::unread(error);
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

        fn is_accepted(&self) -> bool {
            false
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

    type Watched = Arc<Watcher<Room>>;

    /// Waits for a thing; when it was seen to be ready.
    async fn wait(watcher: Watched, room: Room, ready: u64) -> ProviderResult<u64> {
        let subject = Subject { id: ready.to_string(), hint: (), is_new: false };
        let (mut is_first, asker) = (true, Arc::new(room.clone()));
        loop {
            match watcher.look(&asker, &subject, std::mem::take(&mut is_first), INTERVAL).await? {
                Look::Done(_) => return Ok(room.began.elapsed().as_secs()),
                Look::Refused(error) => return Err((*error).into()),
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

    /// A client of an account: its things are there for its own credentials, in its own region.
    #[derive(Clone)]
    struct Client {
        identity: usize,
        is_refused: bool,
        looks: Arc<AtomicUsize>,
    }

    #[async_trait]
    impl Lookout for Client {
        type Thing = (usize, &'static str);
        type Hint = &'static str;

        fn identity(&self) -> usize {
            self.identity
        }

        fn is_accepted(&self) -> bool {
            false
        }

        fn earned(&self) -> Duration {
            Duration::from_millis(1)
        }

        async fn look_at(&self, subjects: &[Subject<&'static str>]) -> Seen<Self::Thing> {
            self.looks.fetch_add(1, Relaxed);
            if self.is_refused {
                return Seen { looks: for_all(ProviderError::auth("test", "no"), subjects.len()), requests: 1 };
            }
            Seen { looks: subjects.iter().map(|subject| Ok(Look::Done((self.identity, subject.hint)))).collect(), requests: 1 }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_identity_looks_for_itself_and_each_region_is_told_its_own() {
        let watcher = Arc::<Watcher<Client>>::default();
        let client = |identity, is_refused| Client { identity, is_refused, looks: Arc::default() };
        let (one, also_one, two, refused) = (client(1, false), client(1, false), client(2, false), client(3, true));
        let ask = |client: &Client, hint| {
            let (watcher, client) = (watcher.clone(), Arc::new(client.clone()));
            let subject = Subject { id: "i-1".to_string(), hint, is_new: false };
            async move { watcher.look(&client, &subject, true, INTERVAL).await }
        };
        let asked = [(&one, "east"), (&also_one, "west"), (&one, "west"), (&two, "east"), (&refused, "east")];
        let told = join_all(asked.map(|(client, hint)| ask(client, hint))).await;
        for (told, (client, hint)) in told.into_iter().zip(asked) {
            match told.unwrap() {
                Look::Done(seen) => assert_eq!(seen, (client.identity, hint)),
                Look::Refused(_) => assert!(client.is_refused),
                look => panic!("{look:?}"),
            }
        }
        let looks = [&one, &also_one, &two, &refused].map(|client| client.looks.load(Relaxed));
        assert_eq!(looks, [1, 0, 1, 1], "one identity looks once, whichever of its clients asks");
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
    fn stands_still(slow: bool) {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (watcher, room) = (Watched::default(), Room { slow, ..Room::new() });
        let first = runtime();
        let begun = wait(watcher.clone(), room.clone(), 3600);
        assert!(first.block_on(async { tokio::time::timeout(Duration::from_millis(300), begun).await }).is_err());
        let room = Room { slow: false, ..room };
        let second = async { tokio::time::timeout(Duration::from_secs(60), wait(watcher, room, 0)).await };
        assert!(runtime().block_on(second).is_ok_and(|ready| ready.is_ok()));
        // It goes on, and finds that it is not needed.
        first.block_on(async { tokio::time::sleep(Duration::from_millis(10)).await });
    }

    #[test]
    fn a_runtime_that_stands_still_hands_over() {
        stands_still(false);
    }

    #[test]
    fn a_runtime_that_stands_still_in_a_look_hands_over() {
        stands_still(true);
    }

    #[tokio::test]
    async fn who_asks_for_the_same_is_told_by_one_look() {
        let (answer, mut told): (Vec<_>, Vec<_>) = (0..4).map(|_| oneshot::channel()).unzip();
        let mut answers = answer.into_iter();
        let mut group = Group::new(Arc::new(Room::new()));
        let subject = |id: &str, is_new| Subject { id: id.to_string(), hint: (), is_new };
        for (id, is_new, is_first) in [("1", true, false), ("2", true, false), ("1", false, true), ("2", true, false)] {
            group.add(subject(id, is_new), is_first, answers.next().unwrap());
        }
        let subjects: Vec<_> = group.subjects.iter().map(|subject| (subject.id.as_str(), subject.is_new)).collect();
        assert_eq!(subjects, [("1", false), ("2", true)], "who has seen it is to hear of its end");
        let asking: Vec<_> = group.asking.iter().map(|(is_first, answers)| (*is_first, answers.len())).collect();
        assert_eq!(asking, [(true, 2), (false, 2)]);
        drop(group);
        assert!(told.iter_mut().all(|told| told.try_recv().is_err()));
    }
}
