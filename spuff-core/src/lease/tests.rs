use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use async_trait::async_trait;
use chrono::TimeDelta;

use super::*;
use crate::provider::operation::Operation;
use crate::provider::{InstanceRequest, InstanceStatus, Snapshot};

fn labels(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_string(), (*value).to_string())).collect()
}

#[test]
fn renewed_leases_end_at_few_different_times_and_never_too_early() {
    for (ttl, end, expected) in [
        (1, "2000000001", "2000000001"),
        (119, "2000000001", "2000000001"),
        (3600, "2000000040", "2000000040"),
        (3600, "2000000041", "2000000100"),
        (u64::MAX, "2000000101", "2000000400"),
        (86_400, "9223372036854775807", "9223372036854775807"),
    ] {
        assert_eq!(coarse(end.to_string(), Duration::from_secs(ttl)), expected, "{end} of {ttl}");
    }
}

#[test]
fn everything_that_is_said_must_be_true_of_what_is_managed() {
    let now = DateTime::from_timestamp(2_000_000_000, 0).unwrap();
    let ours = labels(&[
        (labels::MANAGED_BY, labels::MANAGED_BY_VALUE),
        (labels::OWNER, "ci"),
        (labels::EXPIRES_AT, "1999999999"),
    ]);
    let hour = Duration::from_secs(3600);
    let day = Duration::from_secs(86_400);
    let made =
        ProviderInstance { created_at: now - TimeDelta::hours(2), ..ProviderInstance::default() };
    let takes = |which: Reap, labels: &HashMap<String, String>| {
        which.at(now).takes(labels, |now| made.age(now))
    };
    assert!(
        takes(Reap::expired(), &ours)
            && takes(Reap::owned_by("ci"), &ours)
            && takes(Reap::older_than(hour), &ours)
    );
    assert!(takes(Reap::expired().and_owned_by("ci").and_older_than(hour), &ours));
    assert!(
        !takes(Reap::expired().and_owned_by("dev"), &ours) && !takes(Reap::older_than(day), &ours)
    );
    assert!(
        !Reap::older_than(hour).at(now).takes(&ours, |_| None),
        "an age that is not known is no age"
    );
    let unknown = ProviderInstance::default();
    assert!(!Reap::older_than(hour).takes(&ours, |now| unknown.age(now)), "1970 is no time");
    assert!(takes(Reap::from_choices(true, Some(hour), Some("ci".to_string())).unwrap(), &ours));
    assert!(!takes(Reap::from_choices(true, Some(day), Some("ci".to_string())).unwrap(), &ours));
    assert!(!takes(Reap::from_choices(false, None, Some("dev".to_string())).unwrap(), &ours));
    let nothing = Reap::from_choices(false, None, None).unwrap_err();
    assert!(
        matches!(&nothing, ProviderError::InvalidConfig { field, .. } if field == "reap"),
        "{nothing}"
    );
    for (what, other) in [
        ("not managed", labels(&[(labels::OWNER, "ci"), (labels::EXPIRES_AT, "1")])),
        (
            "another's",
            labels(&[(labels::MANAGED_BY, "x"), (labels::OWNER, "ci"), (labels::EXPIRES_AT, "1")]),
        ),
        (
            "later",
            labels(&[
                (labels::MANAGED_BY, labels::MANAGED_BY_VALUE),
                (labels::EXPIRES_AT, "2000000001"),
            ]),
        ),
        ("no lease", labels(&[(labels::MANAGED_BY, labels::MANAGED_BY_VALUE)])),
        (
            "not a time",
            labels(&[(labels::MANAGED_BY, labels::MANAGED_BY_VALUE), (labels::EXPIRES_AT, "soon")]),
        ),
    ] {
        assert!(!takes(Reap::expired(), &other), "{what}");
    }
}

#[test]
fn each_thing_that_is_said_counts_by_itself() {
    let now = DateTime::from_timestamp(2_000_000_000, 0).unwrap();
    let lease = |end: &str| {
        labels(&[
            (labels::MANAGED_BY, labels::MANAGED_BY_VALUE),
            (labels::OWNER, "ci"),
            (labels::EXPIRES_AT, end),
        ])
    };
    let over = lease("2000000000");
    let runs = lease("2000000001");
    let age = Duration::from_secs(7200);
    let takes =
        |which: Reap, labels: &HashMap<String, String>| which.at(now).takes(labels, |_| Some(age));
    let choices = |expired, older_than, owner: Option<&str>| {
        Reap::from_choices(expired, older_than, owner.map(str::to_string)).unwrap()
    };
    for which in [Reap::expired(), Reap::owned_by("ci").and_expired(), choices(true, None, None)] {
        assert!(takes(which.clone(), &over) && !takes(which.clone(), &runs), "{which:?}");
    }
    for which in [
        Reap::owned_by("dev"),
        Reap::expired().and_owned_by("dev"),
        choices(false, None, Some("dev")),
    ] {
        assert!(!takes(which.clone(), &over), "{which:?}");
    }
    let older = age - Duration::from_secs(1);
    for (which, more) in [
        (Reap::older_than(older), Reap::older_than(age)),
        (Reap::owned_by("ci").and_older_than(older), Reap::owned_by("ci").and_older_than(age)),
        (choices(false, Some(older), None), choices(false, Some(age), None)),
    ] {
        assert!(takes(which.clone(), &runs) && !takes(more.clone(), &runs), "{which:?} {more:?}");
    }
    assert_eq!(
        Reap::expired().dry_run().confirm_within(age),
        Reap { expired: true, dry_run: true, confirm_within: age, ..Reap::new() }
    );
}

#[test]
fn what_became_of_each_is_told_in_a_word() {
    for (kind, outcome, expected) in [
        (Reapable::Instance, Ok(true), "instance 7 (web-1, owner ci): gone"),
        (Reapable::Snapshot, Ok(false), "snapshot 7 (web-1, owner ci): would be destroyed"),
        (
            Reapable::Snapshot,
            Err(ProviderError::conflict("in use", false)),
            "snapshot 7 (web-1, owner ci): may still exist: ",
        ),
    ] {
        let id = "7".to_string();
        let name = "web-1".to_string();
        let owner = Some("ci".to_string());
        let reaped = Reaped { kind, id, name, owner, expires_at: None, outcome };
        assert!(reaped.to_string().starts_with(expected), "{reaped}");
        assert_eq!(
            reaped.to_string().ends_with(reaped.state()),
            reaped.outcome.is_ok(),
            "{reaped}"
        );
    }
}

/// Instances that are locked or of unknown age, and snapshots, some of which are still listed for a
/// while after their deletion.
struct FakeProvider {
    machines: Vec<ProviderInstance>,
    /// Number of reads after which the lease of a locked instance is renewed, and after which the
    /// instance is gone.
    renewed_after: usize,
    gone_after: usize,
    /// Whether the API then reports that it is being destroyed.
    tells_its_end: bool,
    /// Number of reads after which reads are denied.
    denied_after: usize,
    reads: AtomicUsize,
    snapshots: Mutex<Vec<(Snapshot, u32)>>,
    lists: AtomicUsize,
    /// Number of snapshot lists before further ones are denied.
    most_lists: usize,
}

#[async_trait]
impl Provider for FakeProvider {
    fn name(&self) -> &str {
        "fake"
    }

    async fn create_instance(&self, _: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        Err(ProviderError::capacity("full"))
    }

    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        assert_eq!(id, "locked", "is not old");
        tokio::time::sleep(Duration::from_secs(600)).await;
        Err(ProviderError::conflict("locked", true))
    }

    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        let reads = self.reads.fetch_add(1, Relaxed);
        if reads >= self.denied_after {
            return Err(ProviderError::auth("fake", "revoked"));
        }
        let is_renewed = reads >= self.renewed_after;
        let status = if is_renewed && self.tells_its_end { "shutting-down" } else { "running" };
        let machine = leased(id, if is_renewed { "9999999999" } else { "1" });
        Ok((reads < self.gone_after)
            .then(|| ProviderInstance { status: InstanceStatus::from_word(status), ..machine }))
    }

    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        Ok(self.machines.clone())
    }

    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        Err(ProviderError::not_found("instance", id))
    }

    async fn create_snapshot(&self, _: &str, _: &str) -> ProviderResult<Snapshot> {
        Err(ProviderError::capacity("full"))
    }

    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        let lists = self.lists.fetch_add(1, Relaxed);
        if lists >= self.most_lists {
            return Err(ProviderError::auth("fake", "revoked"));
        }
        if lists == 1 && !self.snapshots.lock().unwrap().is_empty() {
            return Err(ProviderError::timeout(Operation::ListSnapshots, Duration::from_secs(1)));
        }
        let mut all = self.snapshots.lock().unwrap();
        let shown = all
            .iter()
            .filter(|(_, lists)| *lists > 0)
            .map(|(snapshot, _)| snapshot.clone())
            .collect();
        all.iter_mut().for_each(|(_, lists)| {
            *lists = if *lists < 100 { lists.saturating_sub(1) } else { *lists }
        });
        Ok(shown)
    }

    async fn delete_snapshot(&self, id: &str) -> ProviderResult<()> {
        let mut all = self.snapshots.lock().unwrap();
        let (_, lists) = all.iter_mut().find(|(snapshot, _)| snapshot.id == id).unwrap();
        if id.ends_with('7') {
            return Err(ProviderError::conflict("in use", false));
        }
        // A snapshot whose id ends in 9 is listed forever.
        *lists = if id.ends_with('9') { u32::MAX } else { 2 };
        Ok(())
    }
}

fn leased(id: &str, end: &str) -> ProviderInstance {
    let labels =
        labels(&[(labels::MANAGED_BY, labels::MANAGED_BY_VALUE), (labels::EXPIRES_AT, end)]);
    ProviderInstance { id: id.to_string(), labels, ..ProviderInstance::default() }
}

fn fake(snapshots: usize, most_lists: usize) -> (Arc<FakeProvider>, Arc<dyn Provider>) {
    let made = Some(Utc::now() - TimeDelta::days(2));
    let snapshot = |number| {
        (Snapshot { id: format!("s-{number}"), name: String::new(), created_at: made }, 1000)
    };
    let ours = labels(&[(labels::MANAGED_BY, labels::MANAGED_BY_VALUE)]);
    let machine = |created_at| ProviderInstance {
        created_at,
        labels: ours.clone(),
        ..ProviderInstance::default()
    };
    let machines =
        [DateTime::UNIX_EPOCH, DateTime::<Utc>::MIN_UTC, Utc::now() + TimeDelta::days(1)]
            .map(machine)
            .to_vec();
    let snapshots = Mutex::new((0..snapshots).map(snapshot).collect());
    let fake = Arc::new(FakeProvider { machines, snapshots, most_lists, ..lock() });
    (fake.clone(), fake)
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_age_is_not_known_is_not_ended_for_its_age() {
    let (_, provider) = fake(0, usize::MAX);
    for age in [Duration::ZERO, Duration::from_secs(86_400), Duration::from_secs(10 * 365 * 86_400)]
    {
        assert!(reap(&provider, &Reap::older_than(age)).await.unwrap().is_empty(), "{age:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_before_the_end_is_kept() {
    for renewed_after in [0, 1, 3] {
        let (_, provider) = locked(renewed_after, usize::MAX, false);
        let began = Instant::now();
        assert!(reap(&provider, &Reap::expired()).await.unwrap().is_empty(), "{renewed_after}");
        assert!(
            began.elapsed() < Duration::from_secs(300),
            "{renewed_after}: its end is not waited for"
        );
    }
    let reaped = reap(&locked(usize::MAX, usize::MAX, false).1, &Reap::expired()).await.unwrap();
    assert!(matches!(reaped[0].outcome, Err(ProviderError::Conflict { .. })), "{reaped:?}");
}

/// A destroy without a reply may have been carried out.
#[tokio::test(start_paused = true)]
async fn what_is_gone_though_its_lease_was_renewed_is_told() {
    for (gone_after, tells_its_end) in [(2, false), (4, false), (40, true)] {
        let (fake, provider) = locked(1, gone_after, tells_its_end);
        let reaped = reap(&provider, &Reap::expired()).await.unwrap();
        assert!(
            matches!(reaped[..], [Reaped { outcome: Ok(true), .. }]),
            "{gone_after}: {reaped:?}"
        );
        assert_eq!(fake.reads.load(Relaxed), gone_after + 1);
    }
    // For as long as any other destroy, and with the same pauses.
    let (fake, provider) = locked(1, usize::MAX, true);
    let reaped = reap(&provider, &Reap::expired()).await.unwrap();
    assert!(
        matches!(reaped[..], [Reaped { outcome: Err(ProviderError::Timeout { .. }), .. }]),
        "{reaped:?}"
    );
    assert!(fake.reads.load(Relaxed) < 100, "{} reads", fake.reads.load(Relaxed));
}

/// One instance, listed twice, whose destroy does not end. Takes the number of reads after which
/// its lease is renewed, and after which it is gone.
fn locked(
    renewed_after: usize,
    gone_after: usize,
    tells_its_end: bool,
) -> (Arc<FakeProvider>, Arc<dyn Provider>) {
    let fake = Arc::new(FakeProvider { renewed_after, gone_after, tells_its_end, ..lock() });
    (fake.clone(), fake)
}

fn lock() -> FakeProvider {
    FakeProvider {
        machines: vec![leased("locked", "1"), leased("locked", "1")],
        renewed_after: 0,
        gone_after: usize::MAX,
        tells_its_end: false,
        denied_after: usize::MAX,
        reads: AtomicUsize::default(),
        snapshots: Mutex::default(),
        lists: AtomicUsize::default(),
        most_lists: usize::MAX,
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_refused_ends_the_look_for_an_instance() {
    let provider: Arc<dyn Provider> =
        Arc::new(FakeProvider { renewed_after: 1, denied_after: 2, ..lock() });
    let began = Instant::now();
    let reaped = reap(&provider, &Reap::expired()).await.unwrap();
    assert!(
        matches!(reaped[..], [Reaped { outcome: Err(ProviderError::Authentication { .. }), .. }]),
        "{reaped:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn snapshots_are_seen_to_be_gone_by_one_list_for_all() {
    let (fake, provider) = fake(40, usize::MAX);
    let reaped = reap(&provider, &Reap::older_than(Duration::from_secs(86_400))).await.unwrap();
    assert_eq!(reaped.len(), 40);
    for (number, reaped) in reaped.iter().enumerate() {
        assert_eq!((reaped.id.clone(), reaped.kind), (format!("s-{number}"), Reapable::Snapshot));
        match number % 10 {
            7 => {
                assert!(matches!(reaped.outcome, Err(ProviderError::Conflict { .. })), "{reaped:?}")
            }
            9 => {
                assert!(matches!(reaped.outcome, Err(ProviderError::Timeout { .. })), "{reaped:?}")
            }
            _ => assert!(matches!(reaped.outcome, Ok(true)), "{reaped:?}"),
        }
    }
    // Within five minutes; separate reads would have been thousands.
    assert!(fake.lists.load(Relaxed) < 100, "{} lists", fake.lists.load(Relaxed));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_for_a_moment_does_not_end_the_look_for_what_was_deleted() {
    let (fake, provider) = fake(3, usize::MAX);
    let reaped = reap(&provider, &Reap::older_than(Duration::from_secs(86_400))).await.unwrap();
    assert!(reaped.len() == 3 && reaped.iter().all(Reaped::is_deleted), "{reaped:?}");
    assert!(fake.lists.load(Relaxed) > 3, "the second failed, and two showed them still");
}

#[tokio::test(start_paused = true)]
async fn only_what_is_asked_for_is_told() {
    let owned = |id: &str, owner: &str, end: &str| {
        let mut machine = leased(id, end);
        machine
            .labels
            .extend((!owner.is_empty()).then(|| (labels::OWNER.to_string(), owner.to_string())));
        machine
    };
    let machines = vec![
        owned("1", "ci", "1"),
        owned("2", "dev", "9999999999"),
        owned("3", "", "1"),
        owned("4", "ci", "9999999999"),
    ];
    let fake = FakeProvider { machines, ..lock() };
    let ids = |listed: Vec<ProviderInstance>| {
        listed.into_iter().map(|machine| machine.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(list_owned(&fake, "ci").await.unwrap()), ["1", "4"]);
    assert_eq!(ids(list_owned(&fake, "dev").await.unwrap()), ["2"]);
    let provider: Arc<dyn Provider> = Arc::new(fake);
    for (which, expected) in [
        (Reap::expired(), vec!["1", "3"]),
        (Reap::owned_by("ci"), vec!["1", "4"]),
        (Reap::owned_by("ops"), vec![]),
    ] {
        let reaped: Vec<_> = reap(&provider, &which.dry_run())
            .await
            .unwrap()
            .into_iter()
            .map(|reaped| reaped.id)
            .collect();
        assert_eq!(reaped, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_refused_ends_the_look_for_what_was_deleted() {
    let (fake, provider) = fake(3, 1);
    let began = Instant::now();
    let reaped = reap(&provider, &Reap::older_than(Duration::from_secs(86_400))).await.unwrap();
    assert!(
        reaped
            .iter()
            .all(|reaped| matches!(reaped.outcome, Err(ProviderError::Authentication { .. }))),
        "{reaped:?}"
    );
    assert_eq!((reaped.len(), fake.lists.load(Relaxed), began.elapsed()), (3, 2, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn the_pauses_of_a_look_for_what_has_ended_grow_to_the_end_of_its_time() {
    let mut confirming = Confirming::new(Duration::from_secs(20));
    let mut pauses = Vec::new();
    while !confirming.is_over() {
        let began = Instant::now();
        confirming.pause().await;
        pauses.push(began.elapsed().as_millis());
    }
    assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 3650]);
}
