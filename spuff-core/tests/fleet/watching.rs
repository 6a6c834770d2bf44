//! Machines that are watched as a stream.

use futures_util::{Stream, StreamExt};
use spuff_core::fleet::{FleetOptions, create_instances, watch};
use spuff_core::{Phase, Progress};

use super::*;
use fake_provider::{FakeProvider, Fate};

async fn all(stream: &mut (impl Stream<Item = Progress> + Unpin)) -> Vec<Progress> {
    let mut seen = Vec::new();
    while let Some(progress) = StreamExt::next(stream).await {
        seen.push(progress);
    }
    seen
}

#[tokio::test]
async fn a_stream_of_what_is_seen_and_then_the_outcomes() {
    for name in PROVIDERS {
        let cloud = cloud();
        let provider = provider(&cloud, name);
        let made = create_instances(&provider, &requests(name, 6), FleetOptions::default()).await;
        let ids = given(&made);
        let mut watch = watch(&provider, ids.clone());
        let seen = all(&mut watch).await;
        assert!(watch.next().await.is_none(), "{name}: the end is the end");
        for (index, id) in ids.iter().enumerate() {
            let told: Vec<_> =
                seen.iter().filter(|progress| progress.index == Some(index)).collect();
            assert!(told.iter().all(|progress| progress.id == *id), "{name}: {told:?}");
            assert_eq!(
                told.last().map(|progress| progress.phase),
                Some(Phase::Ready),
                "{name}: {told:?}"
            );
        }
        assert_eq!(given(&watch.into_outcomes()), ids, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn results_come_as_they_are_known() {
    let (_, provider) = FakeProvider::new([("m-1", Fate::WaitsForEver), ("m-2", Fate::NeverReady)]);
    let made = create_instances(&provider, &requests("fake", 3), FleetOptions::default()).await;
    let mut watch = watch(&provider, given(&made));
    let one = watch.next().await.unwrap();
    let two = watch.next().await.unwrap();
    let mut phases = [(one.index, one.phase), (two.index, two.phase)];
    phases.sort_by_key(|(index, _)| *index);
    assert_eq!(phases, [(Some(0), Phase::Ready), (Some(2), Phase::Failed)]);
    let patience = tokio::time::timeout(Duration::from_secs(3600), watch.next());
    assert!(patience.await.is_err(), "the third is waited for");
    assert!(watch.into_outcomes().is_empty(), "before the end there are none");
}

#[tokio::test(start_paused = true)]
async fn none_are_watched_to_the_end_at_once() {
    let (_, provider) = FakeProvider::new([]);
    let mut watch = watch(&provider, Vec::<String>::new());
    assert!(watch.next().await.is_none() && watch.into_outcomes().is_empty());
}
