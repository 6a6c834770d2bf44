//! Leases: the owner and end of an instance, and the cleanup of instances no longer needed.
//!
//! Owner and end of a lease are labels that the create request writes
//! ([`InstanceRequest::owner`](crate::provider::InstanceRequest::owner),
//! [`ttl`](crate::provider::InstanceRequest::ttl), or the provider options `owner` and `ttl`, which
//! snapshots carry too).
//!
//! Instances at DigitalOcean and Hetzner do not end themselves. A stopped one, or one whose owner
//! has crashed, costs money until it is destroyed. Run [`reap`] regularly, from cron or a CI job.
//! On EC2 a leased instance is terminated when it shuts down; only the instance itself shuts it
//! down.
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
use crate::provider::operation::Operation;
use crate::provider::{Provider, ProviderInstance, labels};

/// Time after which a destroy that was sent has been carried out and is visible.
const ON_ITS_WAY: Duration = Duration::from_secs(30);
/// Interval of the check whether an instance about to be destroyed had its lease renewed.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Maximum number of concurrent destroys, below the clouds' limits.
const AT_ONCE: usize = 8;

/// Returns the end of a lease from the labels.
pub fn expires_at(labels: &HashMap<String, String>) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(labels.get(labels::EXPIRES_AT)?.parse().ok()?, 0)
}

/// Lists the managed instances of an owner, including stopped ones.
///
/// # Errors
/// As [`Provider::list_instances`]; [`ProviderError::InvalidConfig`] for an invalid owner.
pub async fn list_owned(
    provider: &dyn Provider,
    owner: &str,
) -> ProviderResult<Vec<ProviderInstance>> {
    create::check_owner(owner)?;
    let mut owned = provider.list_instances().await?;
    owned.retain(|instance| instance.labels.get(labels::OWNER).is_some_and(|value| value == owner));
    Ok(owned)
}

/// A renewed lease may exceed the request by a sixtieth of `ttl`, but at most by 300 s.
const COARSE_PART: i64 = 60;
const COARSE_SECONDS: i64 = 300;

/// Sets the lease of an instance to end after `ttl`, whether or not it had a lease. The end is
/// rounded up by at most a sixtieth of `ttl` and at most five minutes, so that repeated renewals
/// share few different ends: each is a separate tag in a DigitalOcean account. Returns the end.
///
/// # Errors
/// As [`Provider::set_labels`]; [`ProviderError::InvalidConfig`] for a zero `ttl` or one over 100
/// years.
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

/// Rounds the end of a lease, in seconds since 1970, up as a renewal does.
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

/// Selects what [`reap`] destroys: managed instances and snapshots that meet all conditions.
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

    /// Selects those whose lease has expired.
    pub fn expired() -> Self {
        Self { expired: true, ..Self::new() }
    }

    /// Selects those older than `age`, leased or not. An unknown age does not match.
    pub fn older_than(age: Duration) -> Self {
        Self { older_than: Some(age), ..Self::new() }
    }

    /// Selects those of an owner.
    pub fn owned_by(owner: impl Into<String>) -> Self {
        Self { owner: Some(owner.into()), ..Self::new() }
    }

    /// Builds the filter from the optional choices of a binding or command line.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] if no choice is made: that never selects everything.
    pub fn from_choices(
        expired: bool,
        older_than: Option<Duration>,
        owner: Option<String>,
    ) -> ProviderResult<Self> {
        if !expired && older_than.is_none() && owner.is_none() {
            return Err(ProviderError::invalid_config(
                "reap",
                "no filter: set `expired`, `older_than` or `owner`",
            ));
        }
        Ok(Self { expired, older_than, owner, ..Self::new() })
    }

    /// Also requires an expired lease.
    pub fn and_expired(mut self) -> Self {
        self.expired = true;
        self
    }

    /// Also requires that it is older than `age`.
    pub fn and_older_than(mut self, age: Duration) -> Self {
        self.older_than = Some(age);
        self
    }

    /// Also requires this owner.
    pub fn and_owned_by(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Only reports what would be destroyed.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Sets the time at which leases and ages are judged; now by default.
    pub fn at(mut self, now: DateTime<Utc>) -> Self {
        self.now = Some(now);
        self
    }

    /// Sets how long to wait until each destroyed resource is gone; five minutes by default.
    pub fn confirm_within(mut self, time: Duration) -> Self {
        self.confirm_within = time;
        self
    }

    /// Returns whether the filter matches. `age` returns the age at a time, if known.
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

/// The kind of resource: instance or snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reapable {
    /// An instance.
    Instance,
    /// A snapshot.
    Snapshot,
}

impl Reapable {
    /// Returns `instance` or `snapshot`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Snapshot => "snapshot",
        }
    }
}

/// The result for one resource that [`reap`] found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reaped {
    /// Its kind.
    pub kind: Reapable,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its owner, if it has one.
    pub owner: Option<String>,
    /// The end of its lease, if it has one.
    pub expires_at: Option<DateTime<Utc>>,
    /// `Ok(true)`: it was destroyed and confirmed gone. `Ok(false)`: a dry run. On an error it may
    /// still exist: the destroy or its confirmation failed.
    pub outcome: ProviderResult<bool>,
}

impl Reaped {
    fn state(&self) -> &'static str {
        match &self.outcome {
            Ok(true) => "gone",
            Ok(false) => "would be destroyed",
            Err(_) => "may still exist",
        }
    }
}

impl Reaped {
    /// Returns whether it is a deleted snapshot.
    fn is_deleted(&self) -> bool {
        self.kind == Reapable::Snapshot && matches!(self.outcome, Ok(true))
    }
}

impl fmt::Display for Reaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.as_str();
        write!(f, "{kind} {} ({}, ", self.id, self.name)?;
        match &self.owner {
            Some(owner) => write!(f, "owner {owner}): ")?,
            None => f.write_str("no owner): ")?,
        }
        f.write_str(self.state())?;
        self.outcome.as_ref().err().map_or(Ok(()), |error| write!(f, ": {error}"))
    }
}

/// Destroys the managed instances and snapshots that match `which`. Each has its own result: one
/// failure does not stop the rest.
///
/// Reads an instance once more before its destroy, and every five seconds while the destroy is in
/// progress, for example of a locked instance. If its lease was renewed meanwhile, the instance is
/// kept and is not among the results. If the lease is renewed during the destroy, the destroy may
/// have been carried out: `reap` then polls for 30 s and returns the instance if it goes.
///
/// If the future is dropped before it ends, destroys in progress continue at the cloud. Run it
/// again for the rest.
///
/// # Errors
/// [`ProviderError::InvalidConfig`] for an invalid owner; an error if the instances or snapshots
/// cannot be listed. A provider without snapshots is reaped of its instances only.
pub async fn reap(provider: &Arc<dyn Provider>, which: &Reap) -> ProviderResult<Vec<Reaped>> {
    if let Some(owner) = &which.owner {
        create::check_owner(owner)?;
    }
    let mut found = Vec::new();
    let mut seen = HashSet::new();
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
    let report = |reaped: &Reaped| {
        progress::report(Operation::Reap, &reaped.id, reaped.state(), began.elapsed())
    };
    let (limit, mut ending, here) =
        (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new(), create::Here::current());
    for (place, (kind, id, name, labels)) in found.into_iter().enumerate() {
        let provider = provider.clone();
        let limit = limit.clone();
        let which = which.clone();
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
            let owner = labels.get(labels::OWNER).cloned();
            let expires_at = expires_at(&labels);
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

/// Destroys an instance and confirms that it is gone. Returns `false` if it no longer matches.
async fn end(provider: &dyn Provider, id: &str, which: &Reap) -> ProviderResult<bool> {
    if is_wanted(provider, id, which).await? {
        return Ok(false);
    }
    let mut is_left = tokio::select! {
        biased;
        ended = provider.destroy_instance(id) => ended.map(|()| false)?,
        () = wanted(provider, id, which) => true,
    };
    // A destroy that was sent may have been carried out, or may be in transit. In that case the
    // lease was renewed too late.
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

/// Returns whether the instance exists and no longer matches `which`.
async fn is_wanted(provider: &dyn Provider, id: &str, which: &Reap) -> ProviderResult<bool> {
    let read = provider.get_instance(id).await?;
    Ok(read.is_some_and(|instance| !which.takes(&instance.labels, |now| instance.age(now))))
}

/// Returns once the instance no longer matches `which`. A failed read does not count.
async fn wanted(provider: &dyn Provider, id: &str, which: &Reap) {
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        if is_wanted(provider, id, which).await.unwrap_or(false) {
            return;
        }
    }
}

/// Confirms that deleted snapshots are gone, by one list for all of them: an account may have
/// thousands.
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

/// How long, and how often, to poll for the end of a resource.
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
        ProviderError::timeout(
            format!("{} (confirming that {id} is gone)", Operation::Reap),
            self.began.elapsed(),
        )
    }

    /// Polls once, limited to the remaining time but at least 1 s.
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
