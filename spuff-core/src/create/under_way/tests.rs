use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::create::{background, run_to_completion};
use crate::provider::error::ProviderResult;

fn about(name: &str) -> About {
    About::new(Operation::CreateInstance, "test", name)
}

/// Runs a create that takes 1 s; rolling back its result takes another 1 s.
async fn create(name: &str, on_abandoned: &Arc<AtomicUsize>) -> ProviderResult<u32> {
    let on_abandoned = on_abandoned.clone();
    let work = |_| async {
        sleep(Duration::from_secs(1)).await;
        Ok(7)
    };
    let end = move |_: u32| async move {
        About::new(Operation::DestroyInstance, "test", "7").here();
        sleep(Duration::from_secs(1)).await;
        on_abandoned.fetch_add(1, Ordering::Relaxed);
    };
    run_to_completion(about(name), work, end).await
}

async fn waited(work: impl Future<Output = ()>) -> u64 {
    let began = Instant::now();
    work.await;
    began.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_caller_waits_is_not_waited_for() {
    let group = Group::new();
    let on_abandoned = Arc::default();
    let (made, waited) =
        tokio::join!(group.run(create("a", &on_abandoned)), waited(group.settled()));
    assert_eq!((made.unwrap(), waited), (7, 0));
    let task = tokio::spawn({
        let group = group.clone();
        let on_abandoned = on_abandoned.clone();
        async move { group.run(create("b", &on_abandoned)).await }
    });
    sleep(Duration::from_millis(10)).await;
    assert_eq!(self::waited(group.settled()).await, 0);
    assert_eq!(task.await.unwrap().unwrap(), 7);
    assert_eq!(on_abandoned.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_caller_was_dropped_or_aborted_just_now_is_waited_for() {
    let group = Group::new();
    let on_abandoned = Arc::<AtomicUsize>::default();
    let _ = timeout(Duration::from_millis(10), group.run(create("a", &on_abandoned))).await;
    assert_eq!((waited(group.settled()).await, on_abandoned.load(Ordering::Relaxed)), (1, 1));
    let task = tokio::spawn({
        let group = group.clone();
        let on_abandoned = on_abandoned.clone();
        async move { group.run(create("b", &on_abandoned)).await }
    });
    sleep(Duration::from_millis(10)).await;
    task.abort();
    // The task has not noticed yet.
    assert_eq!((waited(group.settled()).await, on_abandoned.load(Ordering::Relaxed)), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_create_that_is_held_and_not_polled_counts_until_it_has_ended() {
    let group = Group::new();
    let on_abandoned = Arc::default();
    let mut held = Box::pin(group.run(create("a", &on_abandoned)));
    let began = Instant::now();
    let _ = timeout(Duration::from_millis(10), &mut held).await;
    group.settled().await;
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    assert_eq!(held.await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn what_others_have_left_is_not_waited_for_by_a_group_but_by_all() {
    let ours = Group::new();
    let theirs = Group::new();
    let on_abandoned = Arc::default();
    let _ = timeout(Duration::from_millis(10), theirs.run(create("a", &on_abandoned))).await;
    assert_eq!(waited(ours.settled()).await, 0);
    assert_eq!(waited(Group::of_all([&ours, &theirs]).settled()).await, 1);
    assert_eq!(on_abandoned.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn what_begins_later_is_waited_for_where_it_is_a_part_of_what_was_there() {
    let group = Group::new();
    let done = Arc::<AtomicUsize>::default();
    let parts = Arc::<AtomicUsize>::default();
    group
        .run(async {
            let parts = parts.clone();
            background(&Site::current(), about("whole"), async move {
                sleep(Duration::from_secs(1)).await;
                background(&Site::current(), about("part"), async move {
                    sleep(Duration::from_secs(1)).await;
                    parts.fetch_add(1, Ordering::Relaxed);
                });
            });
        })
        .await;
    let later = group.run(async {
        // One after the other, so that one is always running.
        for _ in 0..5 {
            let done = done.clone();
            background(&Site::current(), about("another"), async move {
                sleep(Duration::from_secs(2)).await;
                done.fetch_add(1, Ordering::Relaxed);
            });
            sleep(Duration::from_secs(1)).await;
        }
    });
    let (waited, ()) = tokio::join!(waited(group.settled()), later);
    assert_eq!((waited, parts.load(Ordering::Relaxed)), (2, 1));
    group.settled().await;
    assert_eq!(done.load(Ordering::Relaxed), 5);
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_told_in_words() {
    let ours = || {
        under_way()
            .iter()
            .map(ToString::to_string)
            .filter(|one| one.ends_with(" at told"))
            .collect::<Vec<_>>()
    };
    let work = |_| async {
        sleep(Duration::from_secs(1)).await;
        Ok(7)
    };
    let end = |_: u32| async {
        About::new(Operation::DestroyInstance, "told", "7").here();
        sleep(Duration::from_secs(1)).await;
    };
    let create =
        run_to_completion(About::new(Operation::CreateInstance, "told", "web-1"), work, end);
    let _ = timeout(Duration::from_millis(10), create).await;
    assert_eq!(ours(), ["create_instance of web-1 at told"]);
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(ours(), ["destroy_instance of 7 at told"]);
    settled().await;
    assert!(ours().is_empty());
}
