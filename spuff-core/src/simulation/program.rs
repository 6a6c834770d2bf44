//! A program that uses the library: its providers and operations.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::plan::{Leave, Plan, REGIONS};
use super::told::Told;
use super::verb::Verb;
use crate::create::Group;
use crate::fleet::{self, FleetOptions, Rollback};
use crate::lease::{self, Reap};
use crate::placement::{Candidate, Placement, place_instance};
use crate::provider::{
    InstanceRequest, Provider, ProviderConfig, ProviderError, ProviderRegistry, ProviderResult,
    ProviderTimeouts, labels,
};
use crate::scope::{OnFailure, create_and_wait, with_instance};
use crate::simulator::account_of;

/// A program, from its start until it is killed.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) number: u64,
    pub(super) owner: String,
    pub(super) group: Group,
    pub(super) providers: HashMap<&'static str, Arc<dyn Provider>>,
}

impl Running {
    /// Starts a program.
    ///
    /// # Errors
    /// As [`ProviderRegistry::connect`].
    pub(super) fn start(
        number: u64,
        owner: String,
        token: &str,
        plan: &Plan,
    ) -> ProviderResult<Self> {
        let limits = &plan.limits;
        let root = format!("http://127.0.0.1:{number}");
        let timeouts = ProviderTimeouts {
            http_request: limits.http_request,
            instance_ready: limits.instance_ready,
            action_complete: limits.action_complete,
            ..ProviderTimeouts::default()
        };
        let mut providers = HashMap::new();
        for name in &plan.clouds {
            let (cloud, account) = account_of(name);
            let token = format!("{token}-{account}");
            let config = match cloud {
                "aws" => ProviderConfig::new(format!("AKIA{number}X{account}:{token}"))
                    .with_endpoint(&root)
                    .with_region(REGIONS[0])
                    .with_option(
                        "regions",
                        if plan.says_regions { REGIONS[..2].join(",") } else { String::new() },
                    )
                    .with_option("ssm_endpoint", &root),
                "hetzner" => ProviderConfig::new(token).with_endpoint(format!("{root}/v1")),
                _ => ProviderConfig::new(token).with_endpoint(&root),
            };
            let pace = if limits.rates { "1" } else { "inf" };
            let config = config.with_timeouts(timeouts).with_option("pace", pace);
            providers.insert(
                *name,
                Arc::from(ProviderRegistry::with_defaults().connect(cloud, config)?),
            );
        }
        Ok(Self { number, owner, group: Group::new(), providers })
    }
}

/// The age from which `ReapOld` destroys resources.
pub(super) const OLD: Duration = Duration::from_secs(600);

/// The arguments of an operation.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) verb: Verb,
    pub(super) cloud: &'static str,
    pub(super) names: Vec<String>,
    pub(super) key: Option<String>,
    /// Of instances or snapshots.
    pub(super) ids: Vec<String>,
    pub(super) pick: u32,
}

/// Regions and sizes of instances.
fn places(cloud: &str) -> [(&'static str, &'static str); 2] {
    match account_of(cloud).0 {
        "digitalocean" => [("nyc3", "s-1vcpu-1gb"), ("fra1", "s-1vcpu-1gb")],
        "hetzner" => [("fsn1", "cx22"), ("nbg1", "cx22")],
        _ => [(REGIONS[0], "t3.micro"), (REGIONS[1], "t3.small")],
    }
}

impl Task {
    /// Whether its results stay when its caller leaves.
    pub(super) fn keeps(&self) -> bool {
        self.key.is_some()
            || (self.verb == Verb::CreateAndWait && self.on_failure() == OnFailure::Keep)
    }

    /// Returns the label that it sets; without a value for a renewal, whose end is known later.
    pub(super) fn label(&self) -> (String, String) {
        if self.verb == Verb::Renew {
            return (labels::EXPIRES_AT.to_string(), String::new());
        }
        (["team", "env"][self.pick as usize % 2].to_string(), format!("t{}", self.pick % 9))
    }

    fn on_failure(&self) -> OnFailure {
        if self.pick.is_multiple_of(3) { OnFailure::Keep } else { OnFailure::Destroy }
    }

    fn request(&self, owner: &str, name: &str) -> InstanceRequest {
        // Creates under one key, or in one call, use one place.
        let at = self
            .key
            .as_ref()
            .map_or(self.pick as usize / 7, |key| key.bytes().map(usize::from).sum());
        let (region, size) = places(self.cloud)[at % 2];
        let request = InstanceRequest::new(name, region, size).with_owner(owner);
        match &self.key {
            Some(key) => request.with_idempotency_key(key),
            None if self.pick.is_multiple_of(4) => {
                request.with_ttl(Duration::from_secs(60 + u64::from(self.pick % 500)))
            }
            None => request,
        }
    }

    /// Runs the operation in a program.
    pub(super) fn run(self, program: &Running) -> Pin<Box<dyn Future<Output = Told> + Send>> {
        let provider = program.providers[self.cloud].clone();
        let owner = program.owner.clone();
        let id = self.ids.first().cloned().unwrap_or_default();
        let requests: Vec<_> = self.names.iter().map(|name| self.request(&owner, name)).collect();
        let first = requests.first().cloned().unwrap_or_default();
        let seconds = Duration::from_millis(u64::from(self.pick % 20_000));
        let pick = self.pick;
        let cloud = self.cloud;
        let key = self.key.clone().unwrap_or_default();
        let ids = self.ids.clone();
        let on_failure = self.on_failure();
        let label = self.label();
        match self.verb {
            Verb::Create | Verb::CreateKeyed => {
                Box::pin(async move { Told::Made(vec![provider.create_instance(&first).await]) })
            }
            Verb::CreateAndWait | Verb::CreateAndWaitKeyed => Box::pin(async move {
                Told::Made(vec![create_and_wait(&provider, &first, on_failure).await])
            }),
            Verb::WithInstance => Box::pin(async move {
                let work = |_| async move {
                    tokio::time::sleep(seconds).await;
                    let failed =
                        || ProviderError::Other { message: "the work has failed".to_string() };
                    if pick.is_multiple_of(5) { Err(failed()) } else { Ok(()) }
                };
                Told::Used(with_instance(&provider, &first, work).await)
            }),
            Verb::CreateMany => Box::pin(async move {
                let rollback = [Rollback::Keep, Rollback::DestroyFailed, Rollback::DestroyAll]
                    [pick as usize % 3];
                let options = FleetOptions::default()
                    .with_on_failure(rollback)
                    .with_wait_ready(pick.is_multiple_of(2));
                Told::Made(
                    fleet::create_instances(&provider, &requests, options.with_concurrency(2))
                        .await,
                )
            }),
            Verb::Place => Box::pin(async move {
                let candidates =
                    places(cloud).map(|(region, size)| Candidate::new(&provider, region, size));
                let placed = place_instance(&Placement::new(candidates.into()), &first).await;
                Told::Made(vec![placed.map(|placed| placed.instance)])
            }),
            Verb::WaitReady => Box::pin(async move {
                let ready = provider.wait_ready(&id).await;
                Told::Ready(id, ready)
            }),
            Verb::Get => Box::pin(async move {
                let read = provider.get_instance(&id).await;
                Told::Read(id, read)
            }),
            Verb::List => Box::pin(async move { Told::List(provider.list_instances().await) }),
            Verb::ListOwned => {
                Box::pin(async move { Told::List(lease::list_owned(&*provider, &owner).await) })
            }
            Verb::Destroy => {
                Box::pin(async move { Told::Ended(vec![provider.destroy_instance(&id).await]) })
            }
            Verb::DestroyMany => {
                Box::pin(
                    async move { Told::Ended(fleet::destroy_instances(&provider, &ids, 2).await) },
                )
            }
            Verb::CreateSnapshot => Box::pin(async move {
                let name = first.name;
                Told::Snapshot(provider.create_snapshot(&id, &name).await)
            }),
            Verb::ListSnapshots => {
                Box::pin(async move { Told::Other(provider.list_snapshots().await.map(drop)) })
            }
            Verb::DeleteSnapshot => {
                Box::pin(async move { Told::Ended(vec![provider.delete_snapshot(&id).await]) })
            }
            Verb::Resolve => Box::pin(async move {
                let found = provider.resolve(&key).await;
                Told::Resolved(key, found.map(|found| found.map(|machine| machine.id)))
            }),
            Verb::ResolveSnapshot => Box::pin(async move {
                let found = provider.resolve_snapshot(&key).await;
                Told::Resolved(key, found.map(|found| found.map(|snapshot| snapshot.id)))
            }),
            Verb::SetLabels => Box::pin(async move {
                Told::Other(provider.set_labels(&id, &HashMap::from([label])).await)
            }),
            Verb::Renew => Box::pin(async move {
                let ttl = Duration::from_secs(60 + u64::from(pick % 600));
                Told::Renewed(lease::renew(&*provider, &id, ttl).await)
            }),
            Verb::Reap => Box::pin(async move {
                let reaped = lease::reap(&provider, &Reap::expired()).await;
                Told::Other(
                    reaped
                        .and_then(|all| all.into_iter().try_for_each(|one| one.outcome.map(drop))),
                )
            }),
            Verb::ReapOld => Box::pin(async move {
                let reaped =
                    lease::reap(&provider, &Reap::older_than(OLD).and_owned_by(owner)).await;
                Told::Other(
                    reaped
                        .and_then(|all| all.into_iter().try_for_each(|one| one.outcome.map(drop))),
                )
            }),
            Verb::HourlyPrice => Box::pin(async move {
                let [(region, size), _] = places(cloud);
                Told::Other(provider.hourly_price(region, size).await.map(drop))
            }),
            Verb::SshKeys => {
                Box::pin(async move { Told::Other(provider.get_ssh_keys().await.map(drop)) })
            }
        }
    }
}

/// A future that its caller may drop early: then there is no output.
pub(super) struct Left<T> {
    inner: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    polls: Option<u32>,
    until: Option<Pin<Box<Sleep>>>,
}

impl<T> Left<T> {
    pub(super) fn new(inner: Pin<Box<dyn Future<Output = T> + Send>>, leave: Leave) -> Self {
        let (polls, until) = match leave {
            Leave::Never => (None, None),
            Leave::AfterPolls(polls) => (Some(polls), None),
            Leave::After(time) => {
                (None, Some(Box::pin(tokio::time::sleep_until(Instant::now() + time))))
            }
        };
        Self { inner: Some(inner), polls, until }
    }
}

impl<T> Future for Left<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let is_over = self.polls == Some(0)
            || self.until.as_mut().is_some_and(|until| until.as_mut().poll(context).is_ready());
        if is_over {
            self.inner = None;
            return Poll::Ready(None);
        }
        if let Some(polls) = &mut self.polls {
            *polls -= 1;
        }
        match &mut self.inner {
            Some(inner) => inner.as_mut().poll(context).map(Some),
            None => Poll::Ready(None),
        }
    }
}
