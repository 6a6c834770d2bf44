//! Time that is moved by hand: many lives in a moment, and what they would have cost.

use std::sync::Arc;
use std::time::Instant;

use spuff_core::simulator::{Clock, Options, Route};
use tokio::task::JoinSet;

use super::*;

#[tokio::test]
async fn nothing_happens_until_time_is_moved() {
    for name in PROVIDERS {
        let cloud = Options::default().with_clock(Clock::Manual).start().unwrap();
        let provider = provider(&cloud, name, timeouts());
        let made = provider.create_instance(&request(name, "web-1")).await.unwrap();
        let began = cloud.now();
        cloud.advance(Duration::from_secs(5));
        assert!(!provider.get_instance(&made.id).await.unwrap().unwrap().is_ready(), "{name}");
        cloud.advance(Duration::from_secs(55));
        assert_eq!((cloud.now() - began).num_seconds(), 60);
        assert!(provider.get_instance(&made.id).await.unwrap().unwrap().is_ready(), "{name}");
        provider.destroy_instance(&made.id).await.unwrap();
        cloud.advance(Duration::from_secs(60));
        assert!(provider.get_instance(&made.id).await.unwrap().is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_thousand_lives_take_seconds() {
    const LIVES: usize = 1000;
    const AT_ONCE: usize = 50;
    let began = Instant::now();
    for name in PROVIDERS {
        let cloud = Options::default().with_clock(Clock::Manual).start().unwrap();
        let provider: Arc<dyn Provider> = provider(&cloud, name, timeouts()).into();
        let day = cloud.now();
        for batch in 0..LIVES / AT_ONCE {
            let mut creates = JoinSet::new();
            for number in 0..AT_ONCE {
                let (provider, request) =
                    (provider.clone(), request(name, &format!("m-{batch}-{number}")));
                creates.spawn(async move { provider.create_instance(&request).await.unwrap().id });
            }
            let ids = creates.join_all().await;
            cloud.advance(Duration::from_secs(60));
            assert_eq!(provider.list_instances().await.unwrap().len(), AT_ONCE, "{name}");
            for id in ids {
                assert!(provider.wait_ready(&id).await.unwrap().is_ready(), "{name}");
                provider.destroy_instance(&id).await.unwrap();
            }
            cloud.advance(Duration::from_secs(60));
        }
        cloud.assert_no_leaks();
        assert_eq!(cloud.route_count(name, Route::CreateInstance), LIVES as u64);
        let bill = cloud.bill();
        let machines = bill.lines.iter().filter(|line| line.until.is_some());
        assert!(
            machines.count() >= LIVES && bill.lines.iter().all(|line| line.micros > 0),
            "{name}"
        );
        println!(
            "{name}: {LIVES} lives, {} of the cloud's time, {} requests",
            cloud.now() - day,
            cloud.request_count(name)
        );
    }
    println!("{:.1} s of real time", began.elapsed().as_secs_f64());
}

/// A wait goes on while somebody else moves the time.
#[tokio::test]
async fn a_wait_ends_when_time_is_moved() {
    for name in PROVIDERS {
        let cloud = Options::default().with_clock(Clock::Manual).start().unwrap();
        let provider = provider(&cloud, name, timeouts());
        let made = provider.create_instance(&request(name, "web-1")).await.unwrap();
        let moved = async {
            for _ in 0..400 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                cloud.advance(Duration::from_secs(1));
            }
        };
        let life = async {
            provider.wait_ready(&made.id).await.unwrap();
            let snapshot = provider.create_snapshot(&made.id, "nightly").await.unwrap();
            provider.delete_snapshot(&snapshot.id).await.unwrap();
            provider.destroy_instance(&made.id).await.unwrap();
        };
        tokio::select! {
            () = life => {}
            () = moved => panic!("{name}: it was not ready after 400 s"),
        }
        cloud.assert_no_leaks();
    }
}
