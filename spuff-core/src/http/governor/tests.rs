use super::super::budget::Limit;
use super::*;

static BUCKET: Budget =
    Budget { name: "test", limits: &[Limit::Bucket { burst: 2, per_second: 1.0 }] };
static NARROW: Budget =
    Budget { name: "narrow", limits: &[Limit::Bucket { burst: 1, per_second: 0.1 }] };
const PATIENCE: Duration = Duration::from_secs(60);

fn rate_cost() -> Costs<'static> {
    [None, Some(Cost { place: "", budget: &BUCKET, count: 1 })]
}

async fn go(governor: &Arc<Governor>, class: Class) -> Result<(), Duration> {
    governor.admit(rate_cost(), class, PATIENCE, |_| ()).await.map(drop)
}

/// Returns the order in which simultaneous requests are admitted, and after how many seconds each.
async fn order(classes: &[Class]) -> Vec<(usize, u64)> {
    let governor = Arc::new(Governor::new(1.0));
    // Nothing is left.
    go(&governor, Class::Safe).await.unwrap();
    go(&governor, Class::Safe).await.unwrap();
    let began = Instant::now();
    let admitted = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = tokio::task::JoinSet::new();
    for (at, class) in classes.iter().copied().enumerate() {
        let governor = governor.clone();
        let admitted = admitted.clone();
        tasks.spawn(async move {
            go(&governor, class).await.unwrap();
            admitted.lock().unwrap().push((at, began.elapsed().as_secs()));
        });
        tokio::task::yield_now().await;
    }
    while tasks.join_next().await.is_some() {}
    Arc::try_unwrap(admitted).unwrap().into_inner().unwrap()
}

#[tokio::test(start_paused = true)]
async fn all_come_in_order_and_at_the_pace() {
    assert_eq!(order(&[Class::Safe; 4]).await, [(0, 1), (1, 2), (2, 3), (3, 4)]);
}

#[tokio::test(start_paused = true)]
async fn writes_come_before_reads_which_are_not_forgotten() {
    use Class::{Idempotent, Once, Safe};
    let order: Vec<_> = order(&[Safe, Safe, Once, Once, Idempotent, Once, Once])
        .await
        .into_iter()
        .map(|(at, _)| at)
        .collect();
    assert_eq!(order, [2, 3, 4, 0, 5, 6, 1]);
}

#[tokio::test(start_paused = true)]
async fn one_that_leaves_or_is_not_polled_delays_nobody() {
    let governor = Arc::new(Governor::new(1.0));
    go(&governor, Class::Safe).await.unwrap();
    go(&governor, Class::Safe).await.unwrap();
    let mut stuck = Box::pin(go(&governor, Class::Once));
    let mut left = Box::pin(go(&governor, Class::Once));
    for future in [&mut stuck, &mut left] {
        assert!(futures_util::poll!(future).is_pending());
    }
    drop(left);
    let began = Instant::now();
    go(&governor, Class::Once).await.unwrap();
    assert_eq!(
        began.elapsed().as_secs(),
        2,
        "the first second's turn is held by the one that nobody polls"
    );
    stuck.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_has_no_patience_is_told_how_long_it_takes() {
    let governor = Arc::new(Governor::new(1.0));
    let narrow = [Some(Cost { place: "", budget: &NARROW, count: 1 }), rate_cost()[1]];
    let ask = |patience| governor.admit(narrow, Class::Safe, Duration::from_secs(patience), |_| ());
    ask(0).await.unwrap();
    let mut told = None;
    let due = governor
        .admit(narrow, Class::Safe, Duration::from_secs(5), |due| told = Some(due))
        .await
        .unwrap_err();
    assert!(
        due > Duration::from_secs(9) && due <= Duration::from_secs(10) && told.is_none(),
        "{due:?}"
    );
    ask(10).await.unwrap();
    // Another place has its own budget.
    let elsewhere = [Some(Cost { place: "elsewhere", budget: &NARROW, count: 1 }), None];
    governor.admit(elsewhere, Class::Safe, Duration::ZERO, |_| ()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_needs_much_to_be_left() {
    let governor = Arc::new(Governor::new(1.0));
    assert!(governor.has_left(rate_cost(), 1) && !governor.has_left(rate_cost(), 1000));
    while governor.has_left(rate_cost(), 0) {
        drop(governor.admit(rate_cost(), Class::Safe, Duration::ZERO, |_| {}).await.unwrap());
    }
    assert!(
        governor.admit(rate_cost(), Class::Safe, Duration::ZERO, |_| {}).await.is_err(),
        "it says what is so"
    );
    assert!(Governor::new(f64::INFINITY).has_left(rate_cost(), u32::MAX));
}

#[tokio::test(start_paused = true)]
async fn headers_and_refusals_are_heeded() {
    let headers = |left: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("ratelimit-remaining", left.parse().unwrap());
        headers
    };
    let governor = Arc::new(Governor::new(1.0));
    let permit = governor.admit(rate_cost(), Class::Safe, PATIENCE, |_| ()).await.unwrap();
    permit.told(&headers("0"));
    drop(permit);
    let began = Instant::now();
    let permit = governor.admit(rate_cost(), Class::Safe, PATIENCE, |_| ()).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 0, "what is told is rounded");
    permit.told(&headers("0"));
    drop(permit);
    let permit = governor.admit(rate_cost(), Class::Safe, PATIENCE, |_| ()).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 1, "others have used the rest");
    permit.refused(Some(Duration::from_secs(7)));
    drop(permit);
    go(&governor, Class::Safe).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 8, "nobody sends for as long as the cloud has said");
}

#[tokio::test(start_paused = true)]
async fn headers_beyond_reason_do_no_harm() {
    for told in ["4294967295", "18446744073709551615", "1e300", "inf"] {
        let governor = Arc::new(Governor::new(1.0));
        let permit = governor.admit(rate_cost(), Class::Safe, PATIENCE, |_| ()).await.unwrap();
        let names = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];
        permit.told(
            &names.into_iter().map(|name| (name.parse().unwrap(), told.parse().unwrap())).collect(),
        );
        permit.refused(Some(Duration::MAX));
        drop(permit);
        let began = Instant::now();
        go(&governor, Class::Safe).await.unwrap();
        assert_eq!(
            began.elapsed().as_secs(),
            HEADER_MAX_AGE.as_secs(),
            "{told}: what is left is not turned into nothing"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_pace_beyond_reason_does_no_harm() {
    for pace in [1e-300, 1e-7, 1e10, 1e300] {
        let governor = Arc::new(Governor::new(pace));
        assert!(governor.paced(Duration::from_secs(3600)) <= number::LONGEST);
        for _ in 0..3 {
            let _ = go(&governor, Class::Safe).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_infinite_pace_counts_nothing() {
    let governor = Arc::new(Governor::new(f64::INFINITY));
    let began = Instant::now();
    for _ in 0..1000 {
        go(&governor, Class::Safe).await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn places_of_which_all_is_left_make_room_for_others() {
    let governor = Arc::new(Governor::new(1.0));
    let go = |place: String| {
        let governor = governor.clone();
        async move {
            let both = Cost { place: &place, budget: &BUCKET, count: 1 };
            let one = Cost { place: &place, budget: &NARROW, count: 1 };
            governor.admit([Some(both), Some(one)], Class::Safe, PATIENCE, |_| ()).await.map(drop)
        }
    };
    for at in 0..MOST {
        go(format!("place-{at}")).await.unwrap();
        tokio::time::advance(Duration::from_secs(20)).await;
    }
    assert_eq!(governor.meters().len(), MOST);
    // This meter is used up, so it is not reused.
    go("busy".to_string()).await.unwrap();
    for at in 0..4 {
        go(format!("other-{at}")).await.unwrap();
    }
    let began = Instant::now();
    go("busy".to_string()).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(10));
}
