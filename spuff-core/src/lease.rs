//! Leases: whose machines there are, until when, and the end of those that nobody wants any more.
//!
//! Owner and end of a lease are labels that the create call writes
//! ([`InstanceRequest::owner`](crate::provider::InstanceRequest::owner),
//! [`ttl`](crate::provider::InstanceRequest::ttl), or the provider options `owner` and `ttl`, which
//! snapshots carry too).
//!
//! DigitalOcean and Hetzner have no machine that ends itself: one that is stopped, or whose owner
//! has crashed, costs money until somebody destroys it. Run [`reap`] regularly, from cron or a CI
//! job. On EC2 a leased machine is terminated when it shuts down; nothing shuts it down but itself.
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

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clock;
use crate::create::{self, catch_panic};
use crate::progress;
use crate::provider::error::{ErrorParts, ProviderError, ProviderResult};
use crate::provider::{Provider, ProviderInstance, labels};

/// After this time a destroy that was sent has been carried out, and shows.
const ON_ITS_WAY: Duration = Duration::from_secs(30);
/// How often it is looked whether a machine that waits for its end is wanted after all.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How many are ended at once: few enough for the clouds' limits.
const AT_ONCE: usize = 8;

/// The end of a lease, by the labels of what is leased.
pub fn expires_at(labels: &HashMap<String, String>) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(labels.get(labels::EXPIRES_AT)?.parse().ok()?, 0)
}

/// The machines of an owner, of those that spuff manages: also stopped ones.
///
/// # Errors
/// As [`Provider::list_instances`]; [`ProviderError::InvalidConfig`] for an owner that cannot be
/// one.
pub async fn list_owned(
    provider: &dyn Provider,
    owner: &str,
) -> ProviderResult<Vec<ProviderInstance>> {
    create::check_owner(owner)?;
    let mut owned = provider.list_instances().await?;
    owned.retain(|instance| instance.labels.get(labels::OWNER).is_some_and(|value| value == owner));
    Ok(owned)
}

/// How much longer than asked for a renewed lease may be: this part of it, and never longer than
/// that.
const COARSE_PART: i64 = 60;
const COARSE_SECONDS: i64 = 300;

/// Lets the lease of a machine end that long from now or a little later, whether or not it had one:
/// by up to a sixtieth of it, and five minutes at most, so that leases that are renewed again and
/// again end at few different times. Each is an object of its own in an account at DigitalOcean.
/// Tells when the end is.
///
/// # Errors
/// As [`Provider::set_labels`]; [`ProviderError::InvalidConfig`] for a `ttl` under a second.
pub async fn renew(
    provider: &dyn Provider,
    id: &str,
    ttl: Duration,
) -> ProviderResult<DateTime<Utc>> {
    let labels =
        HashMap::from([(labels::EXPIRES_AT.to_string(), coarse(create::expiry(ttl)?, ttl))]);
    provider.set_labels(id, &labels).await?;
    Ok(expires_at(&labels).unwrap_or_default())
}

/// The end of a lease, in seconds since 1970, as a renewal writes it.
fn coarse(end: String, ttl: Duration) -> String {
    let grain = i64::try_from(ttl.as_secs())
        .unwrap_or(i64::MAX)
        .div_euclid(COARSE_PART)
        .clamp(1, COARSE_SECONDS);
    let rounded = end
        .parse::<i64>()
        .ok()
        .and_then(|end| Some(end.checked_add(grain - 1)?.div_euclid(grain) * grain));
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
        Self {
            expired: false,
            older_than: None,
            owner: None,
            dry_run: false,
            now: None,
            confirm_within,
        }
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

    /// From what a caller has said, where that may be nothing: the choices of bindings and of
    /// command lines.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when nothing was said: that is never everything.
    pub fn from_choices(
        expired: bool,
        older_than: Option<Duration>,
        owner: Option<String>,
    ) -> ProviderResult<Self> {
        if !expired && older_than.is_none() && owner.is_none() {
            return Err(ProviderError::invalid_config(
                "reap",
                "nothing was said; choose expired leases, an age or an owner",
            ));
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
    pub(crate) fn takes(
        &self,
        labels: &HashMap<String, String>,
        age: impl Fn(DateTime<Utc>) -> Option<Duration>,
    ) -> bool {
        let now = self.now.unwrap_or_else(clock::utc);
        let managed =
            labels.get(labels::MANAGED_BY).is_some_and(|value| value == labels::MANAGED_BY_VALUE);
        let owned =
            self.owner.as_ref().is_none_or(|owner| labels.get(labels::OWNER) == Some(owner));
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
    /// `Ok(true)`: it has been ended, and was seen to be gone. `Ok(false)`: a dry run. Otherwise it
    /// may still exist: the error tells what hindered its end, or the look for it.
    pub outcome: ProviderResult<bool>,
}

impl Reaped {
    fn state(&self) -> &'static str {
        match &self.outcome {
            Ok(true) => "gone",
            Ok(false) => "would be ended",
            Err(_) => "may still exist",
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

/// Ends machines and snapshots that spuff manages and that `which` says: each with a result of its
/// own, so that one that cannot be ended does not keep the others alive.
///
/// A machine is read once more before it is ended, and every five seconds while its end is waited
/// for, as that of one that is locked. Where its lease was renewed meanwhile, it is left alone, and
/// is not among the results; unless its destroy had been carried out by then: for half a minute it
/// is looked whether it goes.
///
/// When it is dropped half-way, what was begun goes on at the cloud; run it again for the rest.
///
/// # Errors
/// When the machines cannot be listed. A provider that has no snapshots is reaped of its machines.
pub async fn reap(provider: &Arc<dyn Provider>, which: &Reap) -> ProviderResult<Vec<Reaped>> {
    if let Some(owner) = &which.owner {
        create::check_owner(owner)?;
    }
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for instance in provider.list_instances().await? {
        if which.takes(&instance.labels, |now| instance.age(now))
            && seen.insert((Reapable::Instance, instance.id.clone()))
        {
            found.push((Reapable::Instance, instance.id, instance.name, instance.labels));
        }
    }
    if provider.supports_snapshots() {
        for (snapshot, labels) in provider.list_labelled_snapshots().await? {
            if which.takes(&labels, |now| snapshot.age(now))
                && seen.insert((Reapable::Snapshot, snapshot.id.clone()))
            {
                found.push((Reapable::Snapshot, snapshot.id, snapshot.name, labels));
            }
        }
    }
    let began = Instant::now();
    let report =
        |reaped: &Reaped| progress::report("reap", &reaped.id, reaped.state(), began.elapsed());
    let (limit, mut ending, here) =
        (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new(), create::Here::current());
    for (place, (kind, id, name, labels)) in found.into_iter().enumerate() {
        let (provider, limit, which) = (provider.clone(), limit.clone(), which.clone());
        ending.spawn(here.clone().scope(async move {
            // The semaphore is never closed.
            let _turn = limit.acquire().await;
            let outcome = match (which.dry_run, kind) {
                (true, _) => Ok(false),
                (false, Reapable::Instance) => {
                    match catch_panic(end(&*provider, &id, &which)).await {
                        Ok(false) => return None,
                        ended => ended,
                    }
                }
                (false, Reapable::Snapshot) => {
                    catch_panic(provider.delete_snapshot(&id)).await.map(|()| true)
                }
            };
            let (owner, expires_at) = (labels.get(labels::OWNER).cloned(), expires_at(&labels));
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
    let deleted =
        reaped.iter_mut().map(|(_, reaped)| reaped).filter(|reaped| reaped.is_deleted()).collect();
    see_deleted(&**provider, deleted, which.confirm_within, report).await;
    reaped.sort_by_key(|(place, _)| *place);
    Ok(reaped.into_iter().map(|(_, reaped)| reaped).collect())
}

/// Ends a machine and sees that it is gone; `false` where it is not to be ended any more.
async fn end(provider: &dyn Provider, id: &str, which: &Reap) -> ProviderResult<bool> {
    if is_wanted(provider, id, which).await? {
        return Ok(false);
    }
    let mut is_left = tokio::select! {
        biased;
        ended = provider.destroy_instance(id) => ended.map(|()| false)?,
        () = wanted(provider, id, which) => true,
    };
    // A destroy that was sent before may have been carried out, or be on its way: then the lease
    // was renewed too late.
    let mut confirming = Confirming::new(if is_left { ON_ITS_WAY } else { which.confirm_within });
    loop {
        match confirming.look(id, provider.get_instance(id)).await {
            Ok(None) => return Ok(true),
            Ok(Some(instance)) if is_left && instance.status.is_ending() => {
                (is_left, confirming.within) = (false, which.confirm_within);
            }
            Ok(Some(_)) if is_left && confirming.is_over() => return Ok(false),
            Err(error) if !error.is_transient() => return Err(error),
            _ if confirming.is_over() => return Err(confirming.timeout(id)),
            _ => {}
        }
        confirming.pause().await;
    }
}

/// Whether somebody wants a machine that is to be ended: what is absent nobody does.
async fn is_wanted(provider: &dyn Provider, id: &str, which: &Reap) -> ProviderResult<bool> {
    let read = provider.get_instance(id).await?;
    Ok(read.is_some_and(|instance| !which.takes(&instance.labels, |now| instance.age(now))))
}

/// Ends when a machine that is to be ended is wanted after all. One that cannot be read is not
/// known to be.
async fn wanted(provider: &dyn Provider, id: &str, which: &Reap) {
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        if is_wanted(provider, id, which).await.unwrap_or(false) {
            return;
        }
    }
}

/// Sees that snapshots which were deleted are gone: by one list for all of them, for an account may
/// have thousands.
async fn see_deleted(
    provider: &dyn Provider,
    mut left: Vec<&mut Reaped>,
    within: Duration,
    report: impl Fn(&Reaped),
) {
    let mut confirming = Confirming::new(within);
    while !left.is_empty() {
        let listed = confirming.look("snapshots", catch_panic(provider.list_snapshots())).await;
        let is_over = confirming.is_over();
        let outcome = |id: &str| match &listed {
            Ok(all) if all.iter().all(|snapshot| snapshot.id != id) => Some(Ok(true)),
            Err(error) if !error.is_transient() => Some(Err(ErrorParts::from(error).into())),
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

    /// A look, which takes a second at least, and no longer than there is time.
    async fn look<T>(
        &self,
        id: &str,
        look: impl Future<Output = ProviderResult<T>>,
    ) -> ProviderResult<T> {
        let limit = self.within.saturating_sub(self.began.elapsed()).max(Duration::from_secs(1));
        tokio::time::timeout(limit, look).await.unwrap_or_else(|_| Err(self.timeout(id)))
    }

    async fn pause(&mut self) {
        tokio::time::sleep(self.pause.min(self.within.saturating_sub(self.began.elapsed()))).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(5));
    }
}

#[cfg(test)]
mod tests;
