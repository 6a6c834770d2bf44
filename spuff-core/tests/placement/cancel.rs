//! Placements whose caller leaves.

use std::time::Duration;

use spuff_core::fleet::FleetOptions;
use spuff_core::placement::{place_instance, place_instances};
use spuff_core::settled;
use spuff_core::simulator::{Fault, PROVIDERS};

use super::*;

/// Dropped while the second candidate makes the machine: that is destroyed, and no third one asked.
#[tokio::test]
async fn a_machine_that_nobody_waits_for_is_destroyed_where_it_is() {
    for second in PROVIDERS {
        let [first, third] = match second {
            "digitalocean" => ["hetzner", "aws"],
            "hetzner" => ["digitalocean", "aws"],
            _ => ["digitalocean", "hetzner"],
        };
        let cloud = cloud();
        cloud.inject(Fault::CapacityOut.everywhere().at(first).on(Route::CreateInstance));
        cloud.inject(Fault::Slow { millis: 300 }.everywhere().at(second).on(Route::CreateInstance));
        let placement = placement(&cloud, &[first, second, third]);
        let request = request("web-1");
        let asked = async {
            while creates(&cloud, second) == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            placed = place_instance(&placement, &request) => panic!("{second}: it was not dropped \
             in the middle: {placed:?}"),
            () = asked => {}
        }
        settled().await;
        cloud.assert_no_leaks();
        assert_eq!(
            (creates(&cloud, first), creates(&cloud, second), cloud.request_count(third)),
            (1, 1, 0),
            "{second}"
        );
    }
}

/// One placement at three clouds where half of the creates are refused and some replies lost,
/// dropped at any moment.
async fn dropped_at(seed: u64) -> bool {
    let cloud = Options::default().with_clock(Clock::Fast(SPEED)).with_seed(seed).start().unwrap();
    for (fault, chance) in
        [(Fault::CapacityOut, 0.5), (Fault::ReplyLost, 0.1), (Fault::Slow { millis: 60 }, 0.3)]
    {
        cloud.inject(fault.everywhere().on(Route::CreateInstance).chance(chance));
    }
    let (placement, request) =
        (placement(&cloud, &["hetzner", "digitalocean", "aws"]), request("web-1"));
    // Every other one is not dropped.
    let patience = if seed.is_multiple_of(2) {
        Duration::from_millis(seed * 5)
    } else {
        Duration::from_secs(60)
    };
    let placed = tokio::time::timeout(patience, place_instance(&placement, &request)).await;
    settled().await;
    let left: Vec<_> = cloud.leaks().into_iter().map(|machine| machine.id).collect();
    let known: Vec<_> = placed.iter().flatten().map(|placed| placed.instance.id.clone()).collect();
    assert_eq!(left, known, "seed {seed}: {placed:?}");
    placed.is_err()
}

#[tokio::test]
async fn whenever_it_is_dropped_there_is_the_machine_that_was_told_or_none() {
    let dropped = futures_util::future::join_all((0..40).map(dropped_at)).await;
    assert!(dropped.contains(&true) && dropped.contains(&false), "all ended alike: {dropped:?}");
}

#[tokio::test]
async fn many_that_nobody_waits_for_are_destroyed_at_every_cloud() {
    let cloud = Options::default().with_clock(Clock::Fast(SPEED)).with_quota(10).start().unwrap();
    let placement = placement(&cloud, &["hetzner", "digitalocean", "aws"]);
    let requests: Vec<_> = (0..60).map(|number| request(&format!("web-{number}"))).collect();
    let options = FleetOptions::default().with_wait_ready(true);
    let spread = async {
        while PROVIDERS.iter().any(|name| alive(&cloud, name) < 5) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        placed = place_instances(&placement, &requests, options) => panic!("not dropped in the \
         middle: {placed:?}"),
        () = spread => {}
    }
    settled().await;
    cloud.assert_no_leaks();
}
