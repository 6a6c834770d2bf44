use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::provider::config::OnCancel;
use crate::provider::error::ErrorContext;
use crate::provider::{Provider, ProviderInstance};

/// A candidate that disappears ended at an unknown time: the read lag counts from the observation
/// of its absence.
#[tokio::test(start_paused = true)]
async fn what_was_not_sure_is_given_its_time_once_it_is_over() {
    let read_lag = ReadLag {
        poll_interval: Duration::from_secs(5),
        consistency_delay: Duration::from_secs(30),
    };
    let began = Instant::now();
    let looks = AtomicUsize::new(0);
    let look = || async {
        match (looks.fetch_add(1, Ordering::Relaxed), began.elapsed().as_secs()) {
            (0, _) => Ok(Lookup::Ambiguous(vec!["what goes on".to_string()])),
            // The reply does not arrive.
            (1, _) => {
                tokio::time::sleep(Duration::from_secs(30)).await;
                Err(ProviderError::timeout("look", Duration::from_secs(30)))
            }
            (_, ..50) => Ok(Lookup::Nothing),
            _ => Ok(Lookup::Found(7)),
        }
    };
    let found =
        resolve(read_lag, Operation::Resolve, "order-7", Duration::from_secs(300), look).await;
    assert_eq!(found.unwrap(), Some(7), "after {:?}", began.elapsed());
}

/// Part of a slow poll was answered at its start, when lists did not show the result yet.
#[tokio::test(start_paused = true)]
async fn a_slow_look_is_as_old_as_its_beginning() {
    let read_lag = ReadLag {
        poll_interval: Duration::from_secs(5),
        consistency_delay: Duration::from_secs(30),
    };
    let began = Instant::now();
    let look = || async {
        let found = if began.elapsed().as_secs() < 10 { Lookup::Nothing } else { Lookup::Found(7) };
        tokio::time::sleep(Duration::from_secs(29)).await;
        Ok(found)
    };
    let found =
        resolve(read_lag, Operation::Resolve, "order-7", Duration::from_secs(300), look).await;
    assert_eq!(found.unwrap(), Some(7), "after {:?}", began.elapsed());
    let nothing = || async {
        tokio::time::sleep(Duration::from_secs(31)).await;
        Ok(Lookup::<u32>::Nothing)
    };
    let began = Instant::now();
    assert_eq!(
        resolve(read_lag, Operation::Resolve, "order-7", Duration::from_secs(300), nothing)
            .await
            .unwrap(),
        None
    );
    assert!(began.elapsed() < Duration::from_secs(70), "{:?}", began.elapsed());
}

const READ_LAG: ReadLag =
    ReadLag { poll_interval: Duration::from_secs(4), consistency_delay: Duration::from_secs(30) };

/// A call with scripted replies; the last one repeats.
struct Script<'a> {
    answers: &'a [fn() -> Result<u32, Failure>],
    sends: &'a AtomicUsize,
}

impl CreateCall for Script<'_> {
    type Reply = u32;

    fn operation(&self) -> Operation {
        Operation::CreateInstance
    }

    fn read_lag(&self) -> ReadLag {
        READ_LAG
    }

    async fn send(&self, _: &Cancel) -> Result<u32, Failure> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.answers[self.sends.fetch_add(1, Ordering::Relaxed).min(self.answers.len() - 1)]()
    }
}

/// The conditions of a create.
#[derive(Clone, Copy)]
struct Stand {
    /// Whether the key is an idempotency key.
    is_caller_supplied: bool,
    dedup: Dedup,
    /// Whether the caller leaves during the first call.
    leaves: bool,
    limit: u64,
}

const OURS: Stand =
    Stand { is_caller_supplied: false, dedup: Dedup::ByCloud, leaves: false, limit: 300 };
const GIVEN: Stand = Stand { is_caller_supplied: true, ..OURS };
const LOOKING: Stand = Stand { dedup: Dedup::LookupFirst, ..OURS };

/// Runs a create. Returns its outcome as text, the number of sends and polls, and the seconds it
/// took.
async fn create(
    stand: Stand,
    answers: &[fn() -> Result<u32, Failure>],
    looks: &[fn() -> ProviderResult<Lookup<u32>>],
) -> (String, usize, usize, u64) {
    let mut request = crate::provider::InstanceRequest::new("web-1", "here", "small");
    request.idempotency_key = stand.is_caller_supplied.then(|| "order-7".to_string());
    let (create_key, _) = CreateKey::of(&request).unwrap();
    let (sends, looked, cancel, began) =
        (AtomicUsize::new(0), AtomicUsize::new(0), Cancel::default(), Instant::now());
    let call = Script { answers, sends: &sends };
    let deadline = Deadline::after(Duration::from_secs(stand.limit));
    let create =
        Create { call, create_key: &create_key, dedup: stand.dedup, deadline, cancel: &cancel };
    let read = |reply: &u32| {
        if *reply == 0 { Err(ProviderError::not_the_api(200, "a page")) } else { Ok(*reply) }
    };
    let look = || {
        let found = looks[looked.fetch_add(1, Ordering::Relaxed).min(looks.len() - 1)];
        async move { found() }
    };
    let leave = async {
        if !stand.leaves {
            std::future::pending().await
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        cancel.leave();
        std::future::pending().await
    };
    let made = tokio::select! {
        made = create.make_or_find(read, look) => made,
        () = leave => unreachable!(),
    };
    let word = match made {
        Ok((made, origin)) => format!("{made} {origin:?}"),
        Err(error) => error.to_string(),
    };
    let is_open = cancel.open_since().is_some();
    assert_eq!(is_open, word.contains("unknown"), "what is not known is noted: {word}");
    (word, sends.into_inner(), looked.into_inner(), began.elapsed().as_secs())
}

fn lost() -> Result<u32, Failure> {
    Err(Failure::Unknown(ProviderError::timeout(Operation::CreateInstance, Duration::from_secs(1))))
}

fn busy() -> Result<u32, Failure> {
    Err(Failure::Rejected(ProviderError::conflict("busy", true)))
}

fn taken() -> Result<u32, Failure> {
    Err(Failure::Rejected(ProviderError::conflict("taken", false)))
}

fn full() -> Result<u32, Failure> {
    Err(Failure::Rejected(ProviderError::capacity("full")))
}

fn nothing() -> ProviderResult<Lookup<u32>> {
    Ok(Lookup::Nothing)
}

fn ours() -> ProviderResult<Lookup<u32>> {
    Ok(Lookup::Found(8))
}

#[tokio::test(start_paused = true)]
async fn a_create_that_is_answered_is_not_looked_for() {
    assert_eq!(create(OURS, &[|| Ok(7)], &[nothing]).await, ("7 Answered".to_string(), 1, 0, 1));
    assert_eq!(
        create(GIVEN, &[busy, || Ok(7)], &[nothing]).await,
        ("7 Answered".to_string(), 2, 0, 3),
        "busy once"
    );
    let (word, sends, looks, _) = create(OURS, &[full], &[nothing]).await;
    assert!(word.contains("full") && (sends, looks) == (1, 0), "{word}");
    let gone = Stand { leaves: true, ..OURS };
    let (word, sends, looks, _) = create(gone, &[busy], &[nothing]).await;
    assert!(word.contains("cancelled") && (sends, looks) == (1, 0), "{word}: {sends}");
}

/// A request sent just before the caller left may have made something, which no other call would
/// look for.
#[tokio::test(start_paused = true)]
async fn a_create_whose_caller_has_left_is_looked_for_beyond_its_deadline() {
    type Look = fn() -> ProviderResult<Lookup<u32>>;
    let late: Look = || Err(ProviderError::timeout("look", Duration::from_secs(1)));
    // Only the last poll is answered.
    let after = |last: Look| [vec![late; 25], vec![last]].concat();
    for stand in [OURS, LOOKING, GIVEN] {
        let (waits, gone) =
            (Stand { limit: 60, ..stand }, Stand { limit: 60, leaves: true, ..stand });
        let (word, .., seconds) = create(gone, &[lost], &after(ours)).await;
        assert!(word == "8 Recovered" && seconds > 60, "{word} after {seconds} s");
        let (word, .., seconds) = create(gone, &[lost], &after(nothing)).await;
        assert!(word.contains("nothing was made") && seconds > 60, "{word} after {seconds} s");
        let (word, .., seconds) = create(gone, &[lost], &[late]).await;
        assert!(
            word.contains("unknown") && (660..670).contains(&seconds),
            "{word} after {seconds} s"
        );
        let (word, .., seconds) = create(waits, &[lost], &[late]).await;
        assert!(
            word.contains("unknown") && (60..63).contains(&seconds),
            "{word} after {seconds} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_busy_is_tried_until_the_deadline() {
    let (word, sends, looks, seconds) =
        create(Stand { limit: 60, ..OURS }, &[busy], &[nothing]).await;
    assert!(
        word.contains("busy") && looks == 0 && seconds >= 60,
        "{word} after {sends} in {seconds} s"
    );
    assert!((10..20).contains(&sends), "{sends}");
}

#[tokio::test(start_paused = true)]
async fn a_create_without_an_answer_is_sent_again_where_the_cloud_keeps_a_second_one_out() {
    assert_eq!(
        create(OURS, &[lost, || Ok(7)], &[nothing]).await,
        ("7 Recovered".to_string(), 2, 0, 3)
    );
    let unread = create(OURS, &[|| Ok(0), || Ok(7)], &[nothing]).await;
    assert_eq!(unread, ("7 Recovered".to_string(), 2, 0, 3), "a reply that cannot be read");
    let (word, sends, looks, seconds) =
        create(Stand { limit: 60, ..OURS }, &[lost], &[nothing]).await;
    assert!(word.contains("unknown") && looks == 0 && seconds == 60, "{word} after {seconds} s");
    assert!((10..20).contains(&sends), "{sends}");
    // The refusal says that one exists, but none is found.
    let (word, sends, looks, _) = create(OURS, &[lost, taken], &[nothing]).await;
    assert!(
        word.contains("unknown")
            && word.contains("; the retry was refused: ")
            && sends == 2
            && looks >= 2,
        "{word}"
    );
    assert_eq!(create(OURS, &[lost, taken], &[ours]).await.0, "8 Recovered");
    let (word, _, looks, _) = create(OURS, &[lost, full], &[nothing]).await;
    assert!(!word.contains("unknown") && word.contains("full") && looks >= 2, "{word}");
    assert_eq!(
        create(OURS, &[lost, busy, || Ok(7)], &[nothing]).await.0,
        "7 Recovered",
        "a refusal that passes says nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn a_create_without_an_answer_is_looked_for_where_nothing_else_keeps_a_second_one_out() {
    assert_eq!(create(LOOKING, &[lost, || Ok(7)], &[ours]).await.0, "8 Recovered");
    let (word, sends, looks, seconds) = create(LOOKING, &[lost, || Ok(7)], &[nothing]).await;
    assert_eq!((word.as_str(), sends), ("7 Recovered", 2), "it is certain that it was not made");
    assert!(looks >= 2 && seconds >= 30, "{looks} looks in {seconds} s");
    assert_eq!(create(LOOKING, &[lost, || Ok(7)], &[|| Ok(Lookup::Taken)]).await.0, "7 Recovered");
    let (word, sends, ..) =
        create(LOOKING, &[lost], &[|| Ok(Lookup::Ambiguous(vec!["8".to_string()]))]).await;
    assert!(word.contains("unknown") && word.contains("it may be 8") && sends == 1, "{word}");
    let (word, ..) = create(LOOKING, &[lost], &[|| Err(ProviderError::unavailable("502"))]).await;
    assert!(word.contains("unknown") && word.contains("; the lookup failed: "), "{word}");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_is_not_sent_again() {
    let leaves = Stand { leaves: true, ..OURS };
    let (word, sends, looks, _) = create(leaves, &[lost, || Ok(7)], &[nothing]).await;
    assert!(word.contains("cancelled") && sends == 1 && looks >= 2, "{word} after {sends}");
    assert_eq!(create(leaves, &[lost, || Ok(7)], &[ours]).await.0, "8 Recovered");
}

#[tokio::test(start_paused = true)]
async fn a_callers_own_key_may_have_made_what_is_there_already() {
    assert_eq!(create(GIVEN, &[taken], &[ours]).await.0, "8 Found");
    let (word, sends, looks, _) = create(GIVEN, &[taken], &[nothing]).await;
    assert!(
        word.contains("taken") && !word.contains("unknown") && sends > 2 && looks >= 2,
        "{word}"
    );
    let (word, sends, looks, _) =
        create(Stand { dedup: Dedup::LookupFirst, ..GIVEN }, &[taken], &[nothing]).await;
    assert!(
        word.contains("taken") && !word.contains("unknown") && sends == 1 && looks >= 2,
        "{word}"
    );
    // The owner of the name may have gone between the refusal and the poll.
    let (word, sends, looks, seconds) = create(GIVEN, &[taken, || Ok(7)], &[nothing]).await;
    assert_eq!((word.as_str(), sends, looks), ("7 Answered", 2, 1));
    assert!(seconds < 30, "it waits for no list: {seconds} s");
    let (word, _, looks, _) = create(GIVEN, &[full], &[ours]).await;
    assert!(word.contains("full") && looks == 0, "{word}");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_becomes_free_is_waited_for() {
    let leaving = || Ok(Lookup::Leaving("6".to_string()));
    assert_eq!(
        create(OURS, &[taken, taken, || Ok(7)], &[leaving]).await,
        ("7 Answered".to_string(), 3, 2, 5)
    );
    // During the read lag, one that is not listed may be leaving.
    let (word, sends, _, seconds) = create(OURS, &[taken], &[nothing]).await;
    assert!(
        word.contains("taken") && sends > 2 && (30..40).contains(&seconds),
        "{word} after {seconds} s"
    );
    // It begins anew when the one that has the name was seen in between.
    let seen = [nothing, leaving, leaving, leaving, leaving, leaving, nothing];
    let (word, _, _, seconds) = create(OURS, &[taken], &seen).await;
    assert!(word.contains("taken") && seconds > 40, "{word} after {seconds} s");
    let (word, sends, looks, _) = create(OURS, &[taken], &[ours]).await;
    assert!(word.contains("taken") && (sends, looks) == (1, 1), "{word}: somebody else's");
    let (word, _, _, seconds) = create(Stand { limit: 20, ..OURS }, &[taken], &[leaving]).await;
    assert!(word.contains("taken") && (20..24).contains(&seconds), "{word} after {seconds} s");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_is_denied_is_given_up_where_that_loses_nothing() {
    let denied = || async { Err::<Lookup<u32>, _>(ProviderError::auth("test", "no")) };
    let began = Instant::now();
    let resolved =
        resolve(READ_LAG, Operation::Resolve, "order-7", Duration::from_secs(300), denied).await;
    assert!(matches!(&resolved, Err(ProviderError::UnknownOutcome { .. })), "{resolved:?}");
    assert_eq!(began.elapsed().as_millis(), 1000 + 1500, "three times");
    let began = Instant::now();
    let looks = AtomicUsize::new(0);
    let at_times = || async {
        match looks.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => Ok(Lookup::<u32>::Ambiguous(Vec::new())),
            _ => Err(ProviderError::auth("test", "no")),
        }
    };
    let resolved =
        resolve(READ_LAG, Operation::Resolve, "order-7", Duration::from_secs(300), at_times).await;
    assert!(
        resolved.is_err() && began.elapsed() == Duration::from_secs(300),
        "{resolved:?} after {:?}",
        began.elapsed()
    );
    let others = || async { Ok(Lookup::Others(Ok(9))) };
    assert_eq!(
        resolve(READ_LAG, Operation::Resolve, "order-7", Duration::from_secs(300), others)
            .await
            .unwrap(),
        Some(9)
    );
    let conflict =
        || async { Err::<Lookup<u32>, _>(ProviderError::conflict("other parameters", false)) };
    let resolved =
        resolve(READ_LAG, Operation::Resolve, "order-7", Duration::from_secs(300), conflict).await;
    assert!(matches!(&resolved, Err(ProviderError::Conflict { .. })), "{resolved:?}");
}

/// A cloud with one instance whose destroy fails as scripted.
struct Stubborn {
    /// The result of each destroy; the last one repeats.
    answers: &'static [fn() -> ProviderResult<()>],
    /// When each destroy was requested.
    asked: std::sync::Mutex<Vec<Instant>>,
}

#[async_trait::async_trait]
impl Provider for Stubborn {
    fn name(&self) -> &str {
        "stubborn"
    }

    async fn create_instance(
        &self,
        _: &crate::provider::InstanceRequest,
    ) -> ProviderResult<ProviderInstance> {
        Err(ProviderError::capacity("full"))
    }

    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        assert!(Ending::is_of("stubborn", id));
        let mut asked = self.asked.lock().unwrap();
        asked.push(Instant::now());
        self.answers[(asked.len() - 1).min(self.answers.len() - 1)]()
    }

    async fn get_instance(&self, _: &str) -> ProviderResult<Option<ProviderInstance>> {
        Ok(None)
    }

    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        Ok(Vec::new())
    }

    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        Err(ProviderError::not_found("instance", id))
    }

    async fn create_snapshot(&self, _: &str, _: &str) -> ProviderResult<crate::provider::Snapshot> {
        Err(ProviderError::capacity("full"))
    }

    async fn list_snapshots(&self) -> ProviderResult<Vec<crate::provider::Snapshot>> {
        Ok(Vec::new())
    }

    async fn delete_snapshot(&self, _: &str) -> ProviderResult<()> {
        Ok(())
    }
}

/// Destroys an unwanted instance. Returns the number of attempts, the pauses between them in
/// milliseconds, and the total time.
async fn ended(answers: &'static [fn() -> ProviderResult<()>]) -> (usize, Vec<u128>, Duration) {
    let began = Instant::now();
    let cloud = Stubborn { answers, asked: std::sync::Mutex::default() };
    destroy_with_retry(&cloud, "7").await;
    let asked = cloud.asked.into_inner().unwrap();
    let pauses = asked.windows(2).map(|two| (two[1] - two[0]).as_millis()).collect();
    (asked.len(), pauses, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_nobody_wants_is_destroyed_as_soon_as_that_can_be() {
    assert_eq!(ended(&[|| Ok(())]).await, (1, vec![], Duration::ZERO));
    let (tries, pauses, _) = ended(&[
        || Err(ProviderError::auth("stubborn", "no")),
        || Err(ProviderError::capacity("full")),
        || Ok(()),
    ])
    .await;
    assert_eq!((tries, pauses), (3, vec![100, 200]));
    let (_, pauses, took) = ended(&[|| Err(ProviderError::unavailable("502"))]).await;
    assert_eq!(pauses[..9], [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 20_000]);
    assert_eq!(took, PERSISTENCE);
    let (tries, ..) =
        ended(&[|| Err(ProviderError::invalid_config("id", "no id")), || Ok(())]).await;
    assert_eq!(tries, 1, "what cannot pass by itself");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_kept_where_that_was_said_or_it_was_not_made() {
    for (on_cancel, adopted, expected) in [
        (OnCancel::Destroy, false, 1),
        (OnCancel::Destroy, true, 0),
        (OnCancel::Keep, false, 0),
        (OnCancel::Keep, true, 0),
    ] {
        let cloud = Stubborn { answers: &[|| Ok(())], asked: std::sync::Mutex::default() };
        let made = ProviderInstance { id: "7".to_string(), adopted, ..ProviderInstance::default() };
        on_abandoned(&cloud, &made, on_cancel).await;
        assert_eq!(cloud.asked.lock().unwrap().len(), expected, "{on_cancel:?} {adopted}");
    }
}

#[cfg(feature = "hetzner")]
#[test]
fn a_call_through_the_pipeline_is_known_by_its_verb() {
    let timeouts = crate::provider::ProviderTimeouts::default();
    let cloud = crate::provider::hetzner::HetznerProvider::new("token", timeouts).unwrap();
    let making = (cloud.http(), Call::get(Operation::CreateInstance, "/servers"));
    assert_eq!(
        (making.operation(), making.read_lag().poll_interval),
        (Operation::CreateInstance, timeouts.poll_interval)
    );
}

#[test]
fn an_unknown_outcome_shows_the_context_of_its_cause_once() {
    let context = || ErrorContext::new("hetzner").with_status(401).with_code("unauthorized");
    for failed in [ProviderError::auth("hetzner", "no"), ProviderError::api(401, "no")] {
        let failed = failed.with_context(context());
        let error = still_open(Operation::CreateSnapshot, "order-7", "7", failed);
        let text = error.to_string();
        assert_eq!((text.matches("HTTP 401").count(), error.context()), (1, Some(&context())));
        assert!(text.ends_with("no; it may be 7 (hetzner, HTTP 401, unauthorized)"), "{text}");
    }
}
