use super::*;

fn wait(limit: u64, poll: Duration) -> Wait<'static> {
    let timeouts = ProviderTimeouts { poll_interval: poll, ..ProviderTimeouts::default() };
    Wait::new(Operation::WaitReady, ("instance", "7"), Duration::from_secs(limit), &timeouts)
}

/// Replies from a script; the last line is repeated.
async fn run(
    wait: Wait<'_>,
    script: Vec<fn() -> ProviderResult<Observation<u32>>>,
) -> (ProviderResult<u32>, usize) {
    let mut looks = 0;
    let result = wait
        .until(|| {
            let answer = script[looks.min(script.len() - 1)];
            looks += 1;
            async move { answer() }
        })
        .await;
    (result, looks)
}

fn pending() -> ProviderResult<Observation<u32>> {
    Ok(Observation::Pending("booting".to_string()))
}

const CONSISTENCY_DELAY: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn ends_when_done_and_bears_with_passing_errors() {
    let script: Vec<fn() -> _> =
        vec![pending, || Observation::past(ProviderError::unavailable("502")), || {
            Ok(Observation::Done(3))
        }];
    let (result, looks) = run(wait(300, Duration::from_secs(5)), script).await;
    assert_eq!((result.unwrap(), looks), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_kept_to_the_instant_and_names_the_last_state() {
    for poll in [0, 1, 500, 5000, 60_000] {
        let began = Instant::now();
        let (result, looks) = run(wait(30, Duration::from_millis(poll)), vec![pending]).await;
        let error = result.unwrap_err();
        assert!(
            matches!(error, ProviderError::Timeout { .. }) && error.to_string().contains("booting"),
            "{error}"
        );
        let spent = began.elapsed();
        assert!(
            spent >= Duration::from_secs(30) && spent < Duration::from_millis(30_010),
            "{spent:?} at {poll} ms"
        );
        assert!(looks <= 1502, "{looks} looks at {poll} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn an_absence_is_believed_unless_the_thing_is_new() {
    let (result, looks) =
        run(wait(300, Duration::from_secs(5)), vec![|| Ok(Observation::Absent)]).await;
    assert!(matches!(result, Err(ProviderError::NotFound { .. })) && looks == 1);

    let new =
        || wait(300, Duration::from_secs(5)).grace_until(Some(Instant::now() + CONSISTENCY_DELAY));
    let (result, _) = run(
        new(),
        vec![|| Ok(Observation::Absent), || Ok(Observation::Absent), || Ok(Observation::Done(1))],
    )
    .await;
    assert_eq!(result.unwrap(), 1);

    let (result, looks) = run(new(), vec![pending, || Ok(Observation::Absent)]).await;
    assert!(matches!(result, Err(ProviderError::NotFound { .. })) && looks == 2, "seen, then gone");

    let began = Instant::now();
    let (result, _) = run(new(), vec![|| Ok(Observation::Absent)]).await;
    assert!(
        matches!(result, Err(ProviderError::NotFound { .. }))
            && began.elapsed() >= CONSISTENCY_DELAY
    );
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_nothing_is_one_look() {
    let (result, looks) =
        run(wait(0, Duration::from_secs(5)), vec![|| Ok(Observation::Done(3))]).await;
    assert_eq!((result.unwrap(), looks), (3, 1));
    let (result, looks) = run(wait(0, Duration::from_secs(5)), vec![pending]).await;
    assert!(matches!(result, Err(ProviderError::Timeout { .. })) && looks == 1);
}

#[tokio::test(start_paused = true)]
async fn a_final_error_ends_the_wait_at_once() {
    let (result, looks) = run(
        wait(300, Duration::from_secs(5)),
        vec![|| Observation::past(ProviderError::capacity("sold out"))],
    )
    .await;
    assert!(matches!(result, Err(ProviderError::Capacity { .. })) && looks == 1);
}

#[tokio::test(start_paused = true)]
async fn accepted_credentials_are_refused_for_good_only_when_that_is_said_again_and_again() {
    let no = || Observation::past(ProviderError::auth("test", "no"));
    let unclear = || Observation::past(ProviderError::unavailable("502"));
    let done = || Ok(Observation::Done(3));
    let often = || wait(300, Duration::from_secs(5));
    let (result, looks) = run(often(), vec![no]).await;
    assert!(
        matches!(result, Err(ProviderError::Authentication { .. })) && looks == 1,
        "at the first look"
    );
    for refused in [
        vec![pending, no, done],
        vec![pending, no, no, pending, no, no, done],
        vec![pending, no, unclear, no, done],
    ] {
        assert_eq!(run(often(), refused).await.0.unwrap(), 3);
    }
    for refused in [vec![pending, no], vec![pending, no, unclear, no, no]] {
        let ends_after = refused.len().max(4);
        let (result, looks) = run(often(), refused).await;
        assert!(matches!(result, Err(ProviderError::Authentication { .. })), "{result:?}");
        assert_eq!(looks, ends_after);
    }
    let (result, looks) = run(wait(3600, Duration::from_secs(240)), vec![pending, no]).await;
    assert!(
        matches!(result, Err(ProviderError::Authentication { .. })) && looks == 3,
        "for half a minute"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_stopped_is_waited_for_as_long_as_somebody_may_be_starting_it() {
    let often = || wait(300, Duration::from_secs(5));
    let stopped: fn() -> ProviderResult<Observation<u32>> =
        || Ok(Observation::Stopped("stopped".to_string()));
    let (result, _) =
        run(often(), vec![stopped, stopped, pending, || Ok(Observation::Done(3))]).await;
    assert_eq!(result.unwrap(), 3);
    for script in [vec![stopped], vec![pending, stopped], vec![stopped, stopped, pending, stopped]]
    {
        let began = Instant::now();
        let (result, _) = run(often(), script).await;
        let error = result.unwrap_err();
        assert!(matches!(error, ProviderError::Conflict { retryable: false, .. }), "{error}");
        assert!(error.to_string().contains("instance 7 is stopped"), "{error}");
        assert!(
            began.elapsed() >= STOPPED_FOR && began.elapsed() < 2 * STOPPED_FOR,
            "{:?}",
            began.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_absence_of_what_was_never_seen_is_borne_for_a_while() {
    let unseen = |limit| wait(limit, Duration::from_secs(5)).unseen_for(CONSISTENCY_DELAY);
    let (result, _) = run(
        unseen(300),
        vec![|| Ok(Observation::Absent), || Ok(Observation::Absent), || Ok(Observation::Done(1))],
    )
    .await;
    assert_eq!(result.unwrap(), 1);
    let (result, looks) = run(unseen(300), vec![pending, || Ok(Observation::Absent)]).await;
    assert!(matches!(result, Err(ProviderError::NotFound { .. })) && looks == 2, "seen, then gone");
    for (limit, borne) in [(300, CONSISTENCY_DELAY), (60, CONSISTENCY_DELAY / 2)] {
        let began = Instant::now();
        let (result, _) = run(unseen(limit), vec![|| Ok(Observation::Absent)]).await;
        let spent = began.elapsed();
        assert!(
            matches!(result, Err(ProviderError::NotFound { .. }))
                && spent >= borne
                && spent < borne * 2,
            "{spent:?}"
        );
    }
}

/// Replies from a script, one line for each poll, and records each subject's `is_new`.
#[derive(Clone)]
struct Shown {
    script: &'static [fn() -> ProviderResult<Observation<u32>>],
    is_accepted: bool,
    asked: Arc<std::sync::Mutex<Vec<bool>>>,
}

#[async_trait::async_trait]
impl BatchPoll for Shown {
    type Thing = u32;
    type Hint = ();

    fn is_accepted(&self) -> bool {
        self.is_accepted
    }

    fn refill_interval(&self) -> Duration {
        Duration::ZERO
    }

    async fn poll_batch(&self, subjects: &[Subject<()>]) -> BatchObservation<u32> {
        let mut asked = self.asked.lock().unwrap();
        asked.push(subjects[0].is_new);
        let looks = vec![self.script[(asked.len() - 1).min(self.script.len() - 1)]()];
        BatchObservation { observations: looks, requests: 1 }
    }
}

async fn together(
    wait: Wait<'_>,
    is_accepted: bool,
    script: &'static [fn() -> ProviderResult<Observation<u32>>],
) -> (ProviderResult<u32>, Vec<bool>) {
    let shown = Shown { script, is_accepted, asked: Arc::default() };
    let waited = wait.together(&shown, &Arc::default(), ()).await;
    let asked = shown.asked.lock().unwrap().clone();
    (waited, asked)
}

#[tokio::test(start_paused = true)]
async fn a_list_is_told_whether_it_need_not_show_a_thing_yet() {
    const ABSENT: fn() -> ProviderResult<Observation<u32>> = || Ok(Observation::Absent);
    const DONE: fn() -> ProviderResult<Observation<u32>> = || Ok(Observation::Done(3));
    let new =
        || wait(300, Duration::from_secs(5)).grace_until(Some(Instant::now() + CONSISTENCY_DELAY));
    let (waited, asked) = together(new(), false, &[ABSENT, pending, DONE]).await;
    assert_eq!((waited.unwrap(), asked), (3, vec![true, true, false]), "it was seen");
    let (waited, asked) =
        together(wait(300, Duration::from_secs(5)), false, &[pending, DONE]).await;
    assert_eq!((waited.unwrap(), asked), (3, vec![false, false]), "it is not new");
    let (waited, asked) = together(new(), false, &[ABSENT]).await;
    assert!(matches!(waited, Err(ProviderError::NotFound { .. })), "{waited:?}");
    assert!(
        asked.len() > 10 && asked.iter().all(|is_new| *is_new),
        "as long as it was never seen: {asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn credentials_that_others_were_accepted_with_are_refused_for_good_only_again_and_again() {
    const NO: fn() -> ProviderResult<Observation<u32>> =
        || Observation::past(ProviderError::auth("test", "no"));
    let often = || wait(300, Duration::from_secs(5));
    let (waited, asked) = together(often(), true, &[NO, NO, || Ok(Observation::Done(3))]).await;
    assert_eq!((waited.unwrap(), asked.len()), (3, 3));
    let (waited, asked) = together(often(), true, &[NO]).await;
    assert!(
        matches!(waited, Err(ProviderError::Authentication { .. })) && asked.len() == 3,
        "{waited:?}"
    );
    let (waited, asked) = together(often(), false, &[NO]).await;
    assert!(
        matches!(waited, Err(ProviderError::Authentication { .. })) && asked.len() == 1,
        "{waited:?}"
    );
    let (waited, asked) = together(wait(0, Duration::from_secs(5)), true, &[pending]).await;
    assert!(
        matches!(waited, Err(ProviderError::Timeout { .. })) && asked.is_empty(),
        "a list takes no time of its own"
    );
}
