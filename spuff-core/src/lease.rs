//! Leases: whose machines there are, until when, and the end of those that nobody wants any more.
//!
//! Stands on the contract alone, so that it works with every provider whose machines keep labels. Owner and end of a lease
//! are labels that the create call writes ([`InstanceRequest::owner`](crate::provider::InstanceRequest::owner),
//! [`ttl`](crate::provider::InstanceRequest::ttl), or the provider options `owner` and `ttl`, which snapshots carry too).
//!
//! DigitalOcean and Hetzner have no machine that ends itself: one that is stopped, or whose owner has crashed, costs money
//! until somebody destroys it. Run [`reap`] regularly, from cron or a CI job. On EC2 a leased machine is terminated when it
//! shuts down; nothing shuts it down but itself.
//!
//! # Examples
//! ```no_run
//! use std::sync::Arc;
//! use spuff_core::lease::{self, Reap};
//! use spuff_core::provider::{Provider, ProviderRegistry};
//!
//! # async fn example() -> Result<(), spuff_core::provider::ProviderError> {
//! let provider: Arc<dyn Provider> = ProviderRegistry::with_defaults().from_env("hetzner")?.into();
//! for ended in lease::reap(&provider, &Reap::expired()).await? {
//!     println!("{ended}");
//! }
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clock;
use crate::create::{self, contained};
use crate::progress;
use crate::provider::error::{ErrorParts, ProviderError, ProviderResult};
use crate::provider::{EXPIRES_KEY, MANAGED_BY_KEY, MANAGED_BY_VALUE, OWNER_KEY, Provider, ProviderInstance};

/// How often it is looked whether a machine that waits for its end is wanted after all.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How many are ended at once: few enough for the clouds' limits.
const AT_ONCE: usize = 8;

/// The end of a lease, by the labels of what is leased.
pub fn expires_at(labels: &HashMap<String, String>) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(labels.get(EXPIRES_KEY)?.parse().ok()?, 0)
}

/// The machines of an owner, of those that spuff manages: also stopped ones.
///
/// # Errors
/// As [`Provider::list_instances`]; [`ProviderError::InvalidConfig`] for an owner that cannot be one.
pub async fn list_owned(provider: &dyn Provider, owner: &str) -> ProviderResult<Vec<ProviderInstance>> {
    create::check_owner(owner)?;
    let mut owned = provider.list_instances().await?;
    owned.retain(|instance| instance.labels.get(OWNER_KEY).is_some_and(|value| value == owner));
    Ok(owned)
}

/// How much longer than asked for a renewed lease may be: this part of it, and never longer than that.
const COARSE_PART: i64 = 60;
const COARSE_SECONDS: i64 = 300;

/// Lets the lease of a machine end that long from now or a little later, whether or not it had one: by up to a sixtieth of it, and
/// five minutes at most, so that leases that are renewed again and again end at few different times. Each is an object of its own
/// in an account at DigitalOcean. Tells when the end is.
///
/// # Errors
/// As [`Provider::set_labels`]; [`ProviderError::InvalidConfig`] for a `ttl` under a second.
pub async fn renew(provider: &dyn Provider, id: &str, ttl: Duration) -> ProviderResult<DateTime<Utc>> {
    let labels = HashMap::from([(EXPIRES_KEY.to_string(), coarse(create::expiry(ttl)?, ttl))]);
    provider.set_labels(id, &labels).await?;
    Ok(expires_at(&labels).unwrap_or_default())
}

/// The end of a lease, in seconds since 1970, as a renewal writes it.
fn coarse(end: String, ttl: Duration) -> String {
    let grain = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX).div_euclid(COARSE_PART).clamp(1, COARSE_SECONDS);
    let rounded = end.parse::<i64>().ok().and_then(|end| Some(end.checked_add(grain - 1)?.div_euclid(grain) * grain));
    rounded.map_or(end, |rounded| rounded.to_string())
}

/// What [`reap`] ends: of what spuff manages, that for which everything that is said here is true.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Reap {
    expired: bool,
    older_than: Option<Duration>,
    owner: Option<String>,
    dry_run: bool,
    now: Option<DateTime<Utc>>,
    confirm_within: Duration,
}

impl Reap {
    fn new() -> Self {
        let confirm_within = Duration::from_secs(300);
        Self { expired: false, older_than: None, owner: None, dry_run: false, now: None, confirm_within }
    }

    /// What has a lease that is over.
    pub fn expired() -> Self {
        Self { expired: true, ..Self::new() }
    }

    /// What was made longer ago than this, leased or not. What has no known age is not old.
    pub fn older_than(age: Duration) -> Self {
        Self { older_than: Some(age), ..Self::new() }
    }

    /// What belongs to an owner.
    pub fn owned_by(owner: impl Into<String>) -> Self {
        Self { owner: Some(owner.into()), ..Self::new() }
    }

    /// From what a caller has said, where that may be nothing: the choices of bindings and of command lines.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when nothing was said: that is never everything.
    pub fn from_choices(expired: bool, older_than: Option<Duration>, owner: Option<String>) -> ProviderResult<Self> {
        if !expired && older_than.is_none() && owner.is_none() {
            return Err(ProviderError::invalid_config("reap", "nothing was said; choose expired leases, an age or an owner"));
        }
        Ok(Self { expired, older_than, owner, ..Self::new() })
    }

    /// And only that whose lease is over.
    pub fn and_expired(mut self) -> Self {
        self.expired = true;
        self
    }

    /// And only that which was made longer ago than this.
    pub fn and_older_than(mut self, age: Duration) -> Self {
        self.older_than = Some(age);
        self
    }

    /// And only that which belongs to this owner.
    pub fn and_owned_by(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Only tells what would be ended.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// The time by which leases and ages are judged; now by default.
    pub fn at(mut self, now: DateTime<Utc>) -> Self {
        self.now = Some(now);
        self
    }

    /// How long to wait until what was ended is seen to be gone; five minutes by default.
    pub fn confirm_within(mut self, time: Duration) -> Self {
        self.confirm_within = time;
        self
    }

    /// `age` tells how old it is at a time, where that is known.
    pub(crate) fn takes(&self, labels: &HashMap<String, String>, age: impl Fn(DateTime<Utc>) -> Option<Duration>) -> bool {
        let now = self.now.unwrap_or_else(clock::utc);
        let managed = labels.get(MANAGED_BY_KEY).is_some_and(|value| value == MANAGED_BY_VALUE);
        let owned = self.owner.as_ref().is_none_or(|owner| labels.get(OWNER_KEY) == Some(owner));
        let expired = !self.expired || expires_at(labels).is_some_and(|end| end <= now);
        let old = self.older_than.is_none_or(|limit| age(now).is_some_and(|age| age > limit));
        managed && owned && expired && old
    }
}

/// What is ended: a machine or a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reapable {
    /// A machine.
    Instance,
    /// A snapshot.
    Snapshot,
}

impl Reapable {
    /// `instance` or `snapshot`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Snapshot => "snapshot",
        }
    }
}

/// What became of one thing that [`reap`] found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reaped {
    /// What it is.
    pub kind: Reapable,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its owner, if it has one.
    pub owner: Option<String>,
    /// The end of its lease, if it has one.
    pub expires_at: Option<DateTime<Utc>>,
    /// `Ok(true)`: it has been ended, and was seen to be gone. `Ok(false)`: a dry run. Otherwise it still exists.
    pub outcome: ProviderResult<bool>,
}

impl Reaped {
    fn state(&self) -> &'static str {
        match &self.outcome {
            Ok(true) => "gone",
            Ok(false) => "would be ended",
            Err(_) => "still exists",
        }
    }
}

impl Reaped {
    /// Whether it is a snapshot that was deleted.
    fn is_deleted(&self) -> bool {
        self.kind == Reapable::Snapshot && matches!(self.outcome, Ok(true))
    }
}

impl fmt::Display for Reaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, owner) = (self.kind.as_str(), self.owner.as_deref().unwrap_or("nobody"));
        write!(f, "{kind} {} ({}, of {owner}): ", self.id, self.name)?;
        f.write_str(self.state())?;
        self.outcome.as_ref().err().map_or(Ok(()), |error| write!(f, ": {error}"))
    }
}

/// Ends machines and snapshots that spuff manages and that `which` says: each with a result of its own, so that one that
/// cannot be ended does not keep the others alive.
///
/// A machine is read once more before it is ended, and every five seconds while its end is waited for, as that of one that is
/// locked: where its lease was renewed meanwhile, it is left alone, and is not among the results.
///
/// When it is dropped half-way, what was begun goes on at the cloud; run it again for the rest.
///
/// # Errors
/// When the machines cannot be listed. A provider that has no snapshots is reaped of its machines.
pub async fn reap(provider: &Arc<dyn Provider>, which: &Reap) -> ProviderResult<Vec<Reaped>> {
    if let Some(owner) = &which.owner {
        create::check_owner(owner)?;
    }
    let mut found = Vec::new();
    for instance in provider.list_instances().await? {
        if which.takes(&instance.labels, |now| instance.age(now)) {
            found.push((Reapable::Instance, instance.id, instance.name, instance.labels));
        }
    }
    if provider.supports_snapshots() {
        for (snapshot, labels) in provider.list_labelled_snapshots().await? {
            if which.takes(&labels, |now| snapshot.age(now)) {
                found.push((Reapable::Snapshot, snapshot.id, snapshot.name, labels));
            }
        }
    }
    let began = Instant::now();
    let report = |reaped: &Reaped| progress::report("reap", &reaped.id, reaped.state(), began.elapsed());
    let (limit, mut ending, here) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new(), create::Here::current());
    for (place, (kind, id, name, labels)) in found.into_iter().enumerate() {
        let (provider, limit, which) = (provider.clone(), limit.clone(), which.clone());
        ending.spawn(here.clone().scope(async move {
            // The semaphore is never closed.
            let _turn = limit.acquire().await;
            let outcome = match (which.dry_run, kind) {
                (true, _) => Ok(false),
                (false, Reapable::Instance) => match contained(end(&*provider, &id, &which)).await {
                    Ok(false) => return None,
                    ended => ended,
                },
                (false, Reapable::Snapshot) => contained(provider.delete_snapshot(&id)).await.map(|()| true),
            };
            let (owner, expires_at) = (labels.get(OWNER_KEY).cloned(), expires_at(&labels));
            Some((place, Reaped { kind, id, name, owner, expires_at, outcome }))
        }));
    }
    let mut reaped = Vec::new();
    while let Some(ended) = ending.join_next().await {
        match ended {
            Ok(None) => {}
            Ok(Some((place, ended))) => {
                if !ended.is_deleted() {
                    report(&ended);
                }
                reaped.push((place, ended));
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    let deleted = reaped.iter_mut().map(|(_, reaped)| reaped).filter(|reaped| reaped.is_deleted()).collect();
    see_deleted(&**provider, deleted, which.confirm_within, report).await;
    reaped.sort_by_key(|(place, _)| *place);
    Ok(reaped.into_iter().map(|(_, reaped)| reaped).collect())
}

/// Ends a machine and sees that it is gone; `false` where it is not to be ended any more.
async fn end(provider: &dyn Provider, id: &str, which: &Reap) -> ProviderResult<bool> {
    if is_wanted(provider, id, which).await? {
        return Ok(false);
    }
    tokio::select! {
        biased;
        ended = provider.destroy_instance(id) => ended?,
        () = wanted(provider, id, which) => return Ok(false),
    }
    let mut confirming = Confirming::new(which.confirm_within);
    loop {
        match provider.get_instance(id).await {
            Ok(None) => return Ok(true),
            Err(error) if !error.may_pass() => return Err(error),
            _ if confirming.is_over() => return Err(confirming.timeout(id)),
            _ => confirming.pause().await,
        }
    }
}

/// Whether somebody wants a machine that is to be ended: what is absent nobody does.
async fn is_wanted(provider: &dyn Provider, id: &str, which: &Reap) -> ProviderResult<bool> {
    let read = provider.get_instance(id).await?;
    Ok(read.is_some_and(|instance| !which.takes(&instance.labels, |now| instance.age(now))))
}

/// Ends when a machine that is to be ended is wanted after all. One that cannot be read is not known to be.
async fn wanted(provider: &dyn Provider, id: &str, which: &Reap) {
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        if is_wanted(provider, id, which).await.unwrap_or(false) {
            return;
        }
    }
}

/// Sees that snapshots which were deleted are gone: by one list for all of them, for an account may have thousands.
async fn see_deleted(provider: &dyn Provider, mut left: Vec<&mut Reaped>, within: Duration, report: impl Fn(&Reaped)) {
    let mut confirming = Confirming::new(within);
    while !left.is_empty() {
        let listed = contained(provider.list_snapshots()).await;
        let is_over = confirming.is_over();
        let outcome = |id: &str| match &listed {
            Ok(all) if all.iter().all(|snapshot| snapshot.id != id) => Some(Ok(true)),
            Err(error) if !error.may_pass() => Some(Err(ErrorParts::from(error).into())),
            _ if is_over => Some(Err(confirming.timeout(id))),
            _ => None,
        };
        left.retain_mut(|reaped| {
            let Some(outcome) = outcome(&reaped.id) else { return true };
            reaped.outcome = outcome;
            report(reaped);
            false
        });
        if !left.is_empty() {
            confirming.pause().await;
        }
    }
}

/// How long, and how often, it is looked whether something is gone.
struct Confirming {
    began: Instant,
    within: Duration,
    pause: Duration,
}

impl Confirming {
    fn new(within: Duration) -> Self {
        Self { began: Instant::now(), within, pause: Duration::from_millis(50) }
    }

    fn is_over(&self) -> bool {
        self.began.elapsed() >= self.within
    }

    fn timeout(&self, id: &str) -> ProviderError {
        ProviderError::timeout(format!("the end of {id}"), self.began.elapsed())
    }

    async fn pause(&mut self) {
        tokio::time::sleep(self.pause.min(self.within.saturating_sub(self.began.elapsed()))).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(5));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use async_trait::async_trait;
    use chrono::TimeDelta;

    use super::*;
    use crate::provider::{InstanceRequest, Snapshot};

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
        let ours = labels(&[(MANAGED_BY_KEY, MANAGED_BY_VALUE), (OWNER_KEY, "ci"), (EXPIRES_KEY, "1999999999")]);
        let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(86_400));
        let made = ProviderInstance { created_at: now - TimeDelta::hours(2), ..ProviderInstance::default() };
        let takes = |which: Reap, labels: &HashMap<String, String>| which.at(now).takes(labels, |now| made.age(now));
        assert!(takes(Reap::expired(), &ours) && takes(Reap::owned_by("ci"), &ours) && takes(Reap::older_than(hour), &ours));
        assert!(takes(Reap::expired().and_owned_by("ci").and_older_than(hour), &ours));
        assert!(!takes(Reap::expired().and_owned_by("dev"), &ours) && !takes(Reap::older_than(day), &ours));
        assert!(!Reap::older_than(hour).at(now).takes(&ours, |_| None), "an age that is not known is no age");
        let unknown = ProviderInstance::default();
        assert!(!Reap::older_than(hour).takes(&ours, |now| unknown.age(now)), "1970 is no time");
        assert!(takes(Reap::from_choices(true, Some(hour), Some("ci".to_string())).unwrap(), &ours));
        assert!(!takes(Reap::from_choices(true, Some(day), Some("ci".to_string())).unwrap(), &ours));
        assert!(!takes(Reap::from_choices(false, None, Some("dev".to_string())).unwrap(), &ours));
        let nothing = Reap::from_choices(false, None, None).unwrap_err();
        assert!(matches!(&nothing, ProviderError::InvalidConfig { field, .. } if field == "reap"), "{nothing}");
        for (what, other) in [
            ("not managed", labels(&[(OWNER_KEY, "ci"), (EXPIRES_KEY, "1")])),
            ("another's", labels(&[(MANAGED_BY_KEY, "x"), (OWNER_KEY, "ci"), (EXPIRES_KEY, "1")])),
            ("later", labels(&[(MANAGED_BY_KEY, MANAGED_BY_VALUE), (EXPIRES_KEY, "2000000001")])),
            ("no lease", labels(&[(MANAGED_BY_KEY, MANAGED_BY_VALUE)])),
            ("not a time", labels(&[(MANAGED_BY_KEY, MANAGED_BY_VALUE), (EXPIRES_KEY, "soon")])),
        ] {
            assert!(!takes(Reap::expired(), &other), "{what}");
        }
    }

    #[test]
    fn each_thing_that_is_said_counts_by_itself() {
        let now = DateTime::from_timestamp(2_000_000_000, 0).unwrap();
        let lease = |end: &str| labels(&[(MANAGED_BY_KEY, MANAGED_BY_VALUE), (OWNER_KEY, "ci"), (EXPIRES_KEY, end)]);
        let (over, runs) = (lease("2000000000"), lease("2000000001"));
        let age = Duration::from_secs(7200);
        let takes = |which: Reap, labels: &HashMap<String, String>| which.at(now).takes(labels, |_| Some(age));
        let choices = |expired, older_than, owner: Option<&str>| {
            Reap::from_choices(expired, older_than, owner.map(str::to_string)).unwrap()
        };
        for which in [Reap::expired(), Reap::owned_by("ci").and_expired(), choices(true, None, None)] {
            assert!(takes(which.clone(), &over) && !takes(which.clone(), &runs), "{which:?}");
        }
        for which in [Reap::owned_by("dev"), Reap::expired().and_owned_by("dev"), choices(false, None, Some("dev"))] {
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
            (Reapable::Instance, Ok(true), "instance 7 (web-1, of ci): gone"),
            (Reapable::Snapshot, Ok(false), "snapshot 7 (web-1, of ci): would be ended"),
            (Reapable::Snapshot, Err(ProviderError::conflict("in use", false)), "snapshot 7 (web-1, of ci): still exists: "),
        ] {
            let (id, name, owner) = ("7".to_string(), "web-1".to_string(), Some("ci".to_string()));
            let reaped = Reaped { kind, id, name, owner, expires_at: None, outcome };
            assert!(reaped.to_string().starts_with(expected), "{reaped}");
            assert_eq!(reaped.to_string().ends_with(reaped.state()), reaped.outcome.is_ok(), "{reaped}");
        }
    }

    /// Machines, of no known age or locked; and snapshots, of which some are listed for a while after they were deleted.
    struct Shed {
        machines: Vec<ProviderInstance>,
        /// After how many reads the lease of one that is locked is renewed.
        renewed_after: usize,
        reads: AtomicUsize,
        snapshots: Mutex<Vec<(Snapshot, u32)>>,
        lists: AtomicUsize,
        /// How often snapshots can be listed before that is refused.
        most_lists: usize,
    }

    #[async_trait]
    impl Provider for Shed {
        fn name(&self) -> &str {
            "shed"
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
            let end = if self.reads.fetch_add(1, Relaxed) < self.renewed_after { "1" } else { "9999999999" };
            Ok(Some(leased(id, end)))
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
            if self.lists.fetch_add(1, Relaxed) >= self.most_lists {
                return Err(ProviderError::auth("shed", "revoked"));
            }
            let mut all = self.snapshots.lock().unwrap();
            let shown = all.iter().filter(|(_, lists)| *lists > 0).map(|(snapshot, _)| snapshot.clone()).collect();
            all.iter_mut().for_each(|(_, lists)| *lists = if *lists < 100 { lists.saturating_sub(1) } else { *lists });
            Ok(shown)
        }

        async fn delete_snapshot(&self, id: &str) -> ProviderResult<()> {
            let mut all = self.snapshots.lock().unwrap();
            let (_, lists) = all.iter_mut().find(|(snapshot, _)| snapshot.id == id).unwrap();
            if id.ends_with('7') {
                return Err(ProviderError::conflict("in use", false));
            }
            // One that ends in nine is listed until the end of days.
            *lists = if id.ends_with('9') { u32::MAX } else { 2 };
            Ok(())
        }
    }

    fn leased(id: &str, end: &str) -> ProviderInstance {
        let labels = labels(&[(MANAGED_BY_KEY, MANAGED_BY_VALUE), (EXPIRES_KEY, end)]);
        ProviderInstance { id: id.to_string(), labels, ..ProviderInstance::default() }
    }

    fn shed(snapshots: usize, most_lists: usize) -> (Arc<Shed>, Arc<dyn Provider>) {
        let made = Some(Utc::now() - TimeDelta::days(2));
        let snapshot = |number| (Snapshot { id: format!("s-{number}"), name: String::new(), created_at: made }, 1000);
        let ours = labels(&[(MANAGED_BY_KEY, MANAGED_BY_VALUE)]);
        let machine = |created_at| ProviderInstance { created_at, labels: ours.clone(), ..ProviderInstance::default() };
        let machines = [DateTime::UNIX_EPOCH, DateTime::<Utc>::MIN_UTC, Utc::now() + TimeDelta::days(1)].map(machine).to_vec();
        let snapshots = Mutex::new((0..snapshots).map(snapshot).collect());
        let (lists, reads, renewed_after) = Default::default();
        let shed = Arc::new(Shed { machines, snapshots, lists, reads, renewed_after, most_lists });
        (shed.clone(), shed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_whose_age_is_not_known_is_not_ended_for_its_age() {
        let (_, provider) = shed(0, usize::MAX);
        for age in [Duration::ZERO, Duration::from_secs(86_400), Duration::from_secs(10 * 365 * 86_400)] {
            assert!(reap(&provider, &Reap::older_than(age)).await.unwrap().is_empty(), "{age:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_is_renewed_before_the_end_is_kept() {
        let shed = |renewed_after| {
            let machines = vec![leased("locked", "1")];
            let (snapshots, lists, reads) = Default::default();
            Arc::new(Shed { machines, renewed_after, snapshots, lists, reads, most_lists: usize::MAX })
        };
        for (renewed_after, reads) in [(0, 1), (1, 2), (3, 4)] {
            let shed = shed(renewed_after);
            let provider: Arc<dyn Provider> = shed.clone();
            assert!(reap(&provider, &Reap::expired()).await.unwrap().is_empty(), "{renewed_after}");
            assert_eq!(shed.reads.load(Relaxed), reads);
        }
        let provider: Arc<dyn Provider> = shed(usize::MAX);
        let reaped = reap(&provider, &Reap::expired()).await.unwrap();
        assert!(matches!(reaped[0].outcome, Err(ProviderError::Conflict { .. })), "{reaped:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn snapshots_are_seen_to_be_gone_by_one_list_for_all() {
        let (shed, provider) = shed(40, usize::MAX);
        let reaped = reap(&provider, &Reap::older_than(Duration::from_secs(86_400))).await.unwrap();
        assert_eq!(reaped.len(), 40);
        for (number, reaped) in reaped.iter().enumerate() {
            assert_eq!((reaped.id.clone(), reaped.kind), (format!("s-{number}"), Reapable::Snapshot));
            match number % 10 {
                7 => assert!(matches!(reaped.outcome, Err(ProviderError::Conflict { .. })), "{reaped:?}"),
                9 => assert!(matches!(reaped.outcome, Err(ProviderError::Timeout { .. })), "{reaped:?}"),
                _ => assert!(matches!(reaped.outcome, Ok(true)), "{reaped:?}"),
            }
        }
        // In five minutes; each by itself would have been thousands.
        assert!(shed.lists.load(Relaxed) < 100, "{} lists", shed.lists.load(Relaxed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_is_refused_ends_the_look_for_what_was_deleted() {
        let (shed, provider) = shed(3, 1);
        let began = Instant::now();
        let reaped = reap(&provider, &Reap::older_than(Duration::from_secs(86_400))).await.unwrap();
        assert!(reaped.iter().all(|reaped| matches!(reaped.outcome, Err(ProviderError::Authentication { .. }))), "{reaped:?}");
        assert_eq!((reaped.len(), shed.lists.load(Relaxed), began.elapsed()), (3, 2, Duration::ZERO));
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
}
