use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use async_trait::async_trait;

use super::*;

const INTERVAL: Duration = Duration::from_secs(5);

/// A cloud whose resources become ready some time after the start: their ids are the seconds.
#[derive(Clone)]
struct Room {
    began: Instant,
    ticks: Arc<AtomicUsize>,
    /// For each poll.
    requests: usize,
    fails: bool,
    /// Its polls never end.
    slow: bool,
}

impl Room {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            ticks: Arc::default(),
            requests: 1,
            fails: false,
            slow: false,
        }
    }
}

#[async_trait]
impl BatchPoll for Room {
    type Thing = u64;
    type Hint = ();

    fn refill_interval(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn is_accepted(&self) -> bool {
        false
    }

    async fn poll_batch(&self, subjects: &[Subject<()>]) -> BatchObservation<u64> {
        self.ticks.fetch_add(1, Relaxed);
        if self.slow {
            std::future::pending::<()>().await;
        }
        if self.fails {
            return BatchObservation {
                observations: for_all(ProviderError::auth("test", "no"), subjects.len()),
                requests: self.requests,
            };
        }
        let now = self.began.elapsed().as_secs();
        let look = |ready: u64| {
            if now >= ready {
                Observation::Done(ready)
            } else {
                Observation::Pending("booting".to_string())
            }
        };
        let looks = subjects.iter().map(|subject| Ok(look(subject.id.parse().unwrap()))).collect();
        BatchObservation { observations: looks, requests: self.requests }
    }
}

type Watched = Arc<SharedPoller<Room>>;

/// Waits for a resource, and returns when it was seen to be ready.
async fn wait(poller: Watched, room: Room, ready: u64) -> ProviderResult<u64> {
    let subject = Subject { id: ready.to_string(), hint: (), is_new: false };
    let mut is_first = true;
    let asker = Arc::new(room.clone());
    loop {
        match poller.look(&asker, &subject, std::mem::take(&mut is_first), INTERVAL).await? {
            Observation::Done(_) => return Ok(room.began.elapsed().as_secs()),
            Observation::Refused(error) => return Err((*error).into()),
            _ => continue,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_waiters_share_each_look() {
    let poller = Watched::default();
    let room = Room::new();
    let waits = (0..1000).map(|at| wait(poller.clone(), room.clone(), 30 + at % 30));
    let seen = futures_util::future::join_all(waits).await;
    for (at, seen) in seen.into_iter().enumerate() {
        let seen = seen.unwrap();
        let ready = 30 + at as u64 % 30;
        assert!(
            seen >= ready && seen <= ready + INTERVAL.as_secs() + 1,
            "{ready} was seen at {seen}"
        );
    }
    let ticks = room.ticks.load(Relaxed);
    assert!((12..=17).contains(&ticks), "{ticks} looks in a minute");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_costs_much_is_seldom() {
    let poller = Watched::default();
    let room = Room { requests: 20, ..Room::new() };
    wait(poller, room.clone(), 60).await.unwrap();
    assert_eq!(room.ticks.load(Relaxed), 4, "at 0, 20, 40 and 60 seconds");
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_is_seen_at_once_by_one_after_the_other() {
    let poller = Watched::default();
    let room = Room::new();
    for _ in 0..10 {
        assert_eq!(wait(poller.clone(), room.clone(), 0).await.unwrap(), 0);
    }
    let slow = tokio::spawn(wait(poller.clone(), room.clone(), 30));
    tokio::time::sleep(Duration::from_secs(12)).await;
    let at = room.began.elapsed().as_secs();
    assert!(wait(poller.clone(), room.clone(), 0).await.unwrap() <= at + INTERVAL.as_secs());
    assert!(slow.await.unwrap().unwrap() <= 36);
}

#[tokio::test(start_paused = true)]
async fn newcomers_do_not_make_the_others_wait() {
    let poller = Watched::default();
    let room = Room::new();
    let slow = tokio::spawn(wait(poller.clone(), room.clone(), 30));
    while room.began.elapsed().as_secs() < 40 && !slow.is_finished() {
        wait(poller.clone(), room.clone(), 0).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(slow.await.unwrap().unwrap() <= 36);
}

#[tokio::test(start_paused = true)]
async fn newcomers_without_end_take_no_more_than_is_earned() {
    let poller = Watched::default();
    let room = Room { requests: 3, ..Room::new() };
    let mut waits = Vec::new();
    for _ in 0..150 {
        waits.push(tokio::spawn(wait(poller.clone(), room.clone(), 60)));
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
    let poller = Watched::default();
    let room = Room { fails: true, ..Room::new() };
    let gone = tokio::time::timeout(Duration::ZERO, wait(poller.clone(), room.clone(), 9)).await;
    assert!(gone.is_err());
    let waits = (0..3).map(|_| wait(poller.clone(), room.clone(), 7));
    for failed in futures_util::future::join_all(waits).await {
        assert!(matches!(failed, Err(ProviderError::Authentication { .. })));
    }
    tokio::time::sleep(INTERVAL * 10).await;
    assert!(!poller.state().is_driven, "nobody looks for nobody");
}

/// A client of an account: its resources are visible to its own credentials, in its own region.
#[derive(Clone)]
struct Client {
    identity: usize,
    is_refused: bool,
    looks: Arc<AtomicUsize>,
}

#[async_trait]
impl BatchPoll for Client {
    type Thing = (usize, &'static str);
    type Hint = &'static str;

    fn identity(&self) -> usize {
        self.identity
    }

    fn is_accepted(&self) -> bool {
        false
    }

    fn refill_interval(&self) -> Duration {
        Duration::from_millis(1)
    }

    async fn poll_batch(
        &self,
        subjects: &[Subject<&'static str>],
    ) -> BatchObservation<Self::Thing> {
        self.looks.fetch_add(1, Relaxed);
        if self.is_refused {
            return BatchObservation {
                observations: for_all(ProviderError::auth("test", "no"), subjects.len()),
                requests: 1,
            };
        }
        BatchObservation {
            observations: subjects
                .iter()
                .map(|subject| Ok(Observation::Done((self.identity, subject.hint))))
                .collect(),
            requests: 1,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_identity_looks_for_itself_and_each_region_is_told_its_own() {
    let poller = Arc::<SharedPoller<Client>>::default();
    let client = |identity, is_refused| Client { identity, is_refused, looks: Arc::default() };
    let (one, also_one, two, refused) =
        (client(1, false), client(1, false), client(2, false), client(3, true));
    let ask = |client: &Client, hint| {
        let poller = poller.clone();
        let client = Arc::new(client.clone());
        let subject = Subject { id: "i-1".to_string(), hint, is_new: false };
        async move { poller.look(&client, &subject, true, INTERVAL).await }
    };
    let asked =
        [(&one, "east"), (&also_one, "west"), (&one, "west"), (&two, "east"), (&refused, "east")];
    let told = join_all(asked.map(|(client, hint)| ask(client, hint))).await;
    for (told, (client, hint)) in told.into_iter().zip(asked) {
        match told.unwrap() {
            Observation::Done(seen) => assert_eq!(seen, (client.identity, hint)),
            Observation::Refused(_) => assert!(client.is_refused),
            look => panic!("{look:?}"),
        }
    }
    let looks = [&one, &also_one, &two, &refused].map(|client| client.looks.load(Relaxed));
    assert_eq!(looks, [1, 0, 1, 1], "one identity looks once, whichever of its clients asks");
}

#[test]
fn a_runtime_that_ends_hands_over() {
    let poller = Watched::default();
    let room = Room::new();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let first = runtime();
    let begun = wait(poller.clone(), room.clone(), 3600);
    let second = runtime();
    assert!(
        first
            .block_on(async { tokio::time::timeout(Duration::from_secs(8), begun).await })
            .is_err()
    );
    let there = poller.clone();
    let here = Room { began: Instant::now(), ..room };
    let waiting = std::thread::spawn(move || second.block_on(wait(there, here, 0)));
    // Ends the task that polls for both.
    drop(first);
    assert!(waiting.join().unwrap().is_ok());
}

/// Uses a real clock: the clock of a stalled runtime would stand still too.
fn is_stalled(slow: bool) {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let poller = Watched::default();
    let room = Room { slow, ..Room::new() };
    let first = runtime();
    let begun = wait(poller.clone(), room.clone(), 3600);
    assert!(
        first
            .block_on(async { tokio::time::timeout(Duration::from_millis(300), begun).await })
            .is_err()
    );
    let room = Room { slow: false, ..room };
    let second =
        async { tokio::time::timeout(Duration::from_secs(60), wait(poller, room, 0)).await };
    assert!(runtime().block_on(second).is_ok_and(|ready| ready.is_ok()));
    // It continues, and finds that it is not needed.
    first.block_on(async { tokio::time::sleep(Duration::from_millis(10)).await });
}

#[test]
fn a_runtime_that_stands_still_hands_over() {
    is_stalled(false);
}

#[test]
fn a_runtime_that_stands_still_in_a_look_hands_over() {
    is_stalled(true);
}

#[tokio::test]
async fn who_asks_for_the_same_is_told_by_one_look() {
    let (answer, mut told): (Vec<_>, Vec<_>) = (0..4).map(|_| oneshot::channel()).unzip();
    let mut answers = answer.into_iter();
    let mut group = Group::new(Arc::new(Room::new()));
    let subject = |id: &str, is_new| Subject { id: id.to_string(), hint: (), is_new };
    for (id, is_new, is_first) in
        [("1", true, false), ("2", true, false), ("1", false, true), ("2", true, false)]
    {
        group.add(subject(id, is_new), is_first, answers.next().unwrap());
    }
    let subjects: Vec<_> =
        group.subjects.iter().map(|subject| (subject.id.as_str(), subject.is_new)).collect();
    assert_eq!(subjects, [("1", false), ("2", true)], "who has seen it is to hear of its end");
    let asking: Vec<_> =
        group.asking.iter().map(|(is_first, answers)| (*is_first, answers.len())).collect();
    assert_eq!(asking, [(true, 2), (false, 2)]);
    drop(group);
    assert!(told.iter_mut().all(|told| told.try_recv().is_err()));
}
