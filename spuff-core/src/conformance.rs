//! Tests whether a provider fulfils the contract: one suite for built-in and third-party providers.
//!
//! # For authors
//! Specify how your provider is made, the request to send, and an id that does not exist; then run
//! [`check`] against the cloud itself, or against a stateful fake server of your own.
//! [`Subject::registered`] takes a provider from a registry.
//!
//! ```
//! use spuff_core::conformance::{self, Subject};
//! use spuff_core::provider::{Capabilities, InstanceRequest};
//! # use std::sync::{Arc, Mutex};
//! # use async_trait::async_trait;
//! # use spuff_core::provider::*;
//! #
//! # /// A cloud in this process. It has no snapshots, and its machines are ready at once.
//! # #[derive(Clone, Default)]
//! # struct InMemory(Arc<Mutex<Vec<ProviderInstance>>>);
//! #
//! # #[async_trait]
//! # impl Provider for InMemory {
//! #     fn name(&self) -> &str {
//! #         "memory"
//! #     }
//! #     async fn create_instance(
//! #         &self,
//! #         request: &InstanceRequest,
//! #     ) -> ProviderResult<ProviderInstance> {
//! #         for (field, value) in
//! #             [("name", &request.name), ("size", &request.size), ("region", &request.region)]
//! #         {
//! #             if value.is_empty() {
//! #                 return Err(ProviderError::invalid_config(field, "must not be empty"));
//! #             }
//! #         }
//! #         if request.size != "small" {
//! #             return Err(ProviderError::invalid_config("size", "there is only small"));
//! #         }
//! #         let mut machines = self.0.lock().unwrap();
//! #         let mut machine = ProviderInstance {
//! #             id: format!("m-{}-{}", machines.len(), request.name),
//! #             ip: "192.0.2.1".parse().unwrap(),
//! #             status: InstanceStatus::Active,
//! #             name: request.name.clone(),
//! #             region: request.region.clone(),
//! #             size: request.size.clone(),
//! #             labels: request.labels.clone(),
//! #             ..ProviderInstance::default()
//! #         };
//! #         let value = labels::MANAGED_BY_VALUE.to_string();
//! #         machine.labels.insert(labels::MANAGED_BY.to_string(), value);
//! #         machines.push(machine.clone());
//! #         Ok(machine)
//! #     }
//! #     async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
//! #         self.0.lock().unwrap().retain(|machine| machine.id != id);
//! #         Ok(())
//! #     }
//! #     async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
//! #         Ok(self.0.lock().unwrap().iter().find(|machine| machine.id == id).cloned())
//! #     }
//! #     async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
//! #         Ok(self.0.lock().unwrap().clone())
//! #     }
//! #     async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
//! #         self.get_instance(id).await?.ok_or_else(|| ProviderError::not_found("instance", id))
//! #     }
//! #     async fn create_snapshot(&self, _: &str, _: &str) -> ProviderResult<Snapshot> {
//! #         Err(ProviderError::NotSupported { feature: "create_snapshot".to_string() })
//! #     }
//! #     async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
//! #         Ok(Vec::new())
//! #     }
//! #     async fn delete_snapshot(&self, _: &str) -> ProviderResult<()> {
//! #         Ok(())
//! #     }
//! #     fn supports_snapshots(&self) -> bool {
//! #         false
//! #     }
//! # }
//! # fn main() {
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//!
//! // InMemory is a provider without snapshots, whose machines live in this process.
//! let memory = InMemory::default();
//! let mut capabilities = Capabilities::default();
//! capabilities.snapshots = false;
//! let request = InstanceRequest::new("", "here", "small");
//! let subject = Subject::new(move |_timeouts| Ok(Box::new(memory.clone())), request, "m-none")
//!     .with_capabilities(capabilities);
//!
//! let report = conformance::check(&subject).await;
//! println!("{report}");
//! report.assert_passed();
//! # })
//! # }
//! ```
//!
//! A [`Report`] is plain data: it prints as a table and serializes with serde. Each failure quotes
//! the violated sentence of the contract, what was observed, and the remedy.
//!
//! **Declarations.** A check of a feature that a provider does not declare is
//! [not applicable](Verdict::NotApplicable).
//!
//! | declared by | meaning | otherwise |
//! | --- | --- | --- |
//! | `snapshots`, `supports_snapshots()` | the snapshot operations work | `create_snapshot` must be `NotSupported` |
//! | `labels` | label values are kept | labels are not checked |
//! | `max_user_data` | that many bytes are accepted, far more refused | `user_data` is not tested |
//! | `ssh_keys` | the account's keys are read | no key is expected |
//! | a region in the subject's request | there are regions | a missing region is not tested |
//! | a size in the subject's request | there are sizes | missing and unknown sizes are not tested |
//! | [`Subject::with_default_size`] | a request may omit the size | an empty size must be refused |
//! | [`Subject::with_idempotency`] | an `idempotency_key` makes one instance, however often it is sent | keys are not tested |
//! | [`Subject::with_stranger`] | if another server answers in place of the API, no resource is taken for gone | this is not tested |
//!
//! **Cost.** [`checks`] lists how many instances and snapshots each check makes: in total 33
//! instances, at most 8 at a time, and 4 snapshots, which take most of the time. [`check_one`] runs
//! a single check. [`Subject::with_machines_at_once`] keeps below an account's limit.
//!
//! **Cleanup.** Each check destroys what it made, even if it fails or the provider panics;
//! [`Report::left_behind`] lists what could not be destroyed. The account may be in use meanwhile:
//! the suite destroys only what the provider reports as just made, what is named by this run
//! (`spuff-check-`, then a random number), and what carries the label `spuff-conformance` of this
//! run, because it was made although its request should have been refused.
//!
//! **Cancellation.** [`check_until`] takes a future, such as that of Ctrl-C. When it completes, the
//! suite stops the current check, destroys what it made, and reports this. A create in progress may
//! still be carried out later, under a name of the run. Dropping the future of a run instead stops
//! it at once, and leaves behind what the current check has made.
//!
//! The suite needs a tokio runtime with its time driver.

mod cleaning;
mod instances;
mod report;
mod requests;
mod rule;
mod snapshots;
mod subject;
mod trial;
mod waits;

use std::fmt;
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;

use tokio::time::Instant;

pub use self::report::{Failure, LeftBehind, Outcome, Report, Verdict};
pub use self::subject::Subject;

use self::cleaning::caught;
use self::rule::Tried;
use self::trial::{Run, Trial};
use crate::provider::{ProviderError, ProviderResult};

/// One check of the suite.
#[non_exhaustive]
pub struct Check {
    /// The name; its meaning never changes.
    pub name: &'static str,
    /// How many instances it makes, with the default of 8 at once.
    pub machines: u32,
    /// How many snapshots it makes.
    pub snapshots: u32,
    run: fn(Trial) -> Pin<Box<dyn Future<Output = Tried> + Send>>,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, machines, snapshots, .. } = self;
        write!(f, "{name} ({machines} instances, {snapshots} snapshots)")
    }
}

macro_rules! suite {
    ($($module:ident::$name:ident: $machines:literal machines, $snapshots:literal snapshots;)*) => {
        static CHECKS: &[Check] = &[$(Check {
            name: stringify!($name),
            machines: $machines,
            snapshots: $snapshots,
            run: |trial| Box::pin($module::$name(trial)),
        },)*];
    };
}

suite! {
    instances::name_is_stable: 0 machines, 0 snapshots;
    instances::capabilities_agree: 0 machines, 0 snapshots;
    instances::get_of_absent_is_none: 0 machines, 0 snapshots;
    waits::wait_ready_of_absent_is_not_found: 0 machines, 0 snapshots;
    waits::timeouts_beyond_reason_are_borne: 0 machines, 0 snapshots;
    instances::others_words_are_no_absence: 0 machines, 0 snapshots;
    requests::errors_tell_what_is_wrong: 0 machines, 0 snapshots;
    requests::empty_fields_are_refused: 0 machines, 0 snapshots;
    requests::unknown_size_is_refused: 0 machines, 0 snapshots;
    requests::user_data_beyond_its_limit_is_refused: 0 machines, 0 snapshots;
    instances::create_answers_with_the_machine: 1 machines, 0 snapshots;
    instances::get_finds_what_was_made: 1 machines, 0 snapshots;
    instances::wait_ready_gives_a_reachable_machine: 1 machines, 0 snapshots;
    instances::list_holds_the_machine: 1 machines, 0 snapshots;
    instances::labels_are_kept: 1 machines, 0 snapshots;
    instances::ids_are_distinct: 2 machines, 0 snapshots;
    instances::many_live_at_once: 8 machines, 0 snapshots;
    instances::a_failed_look_is_no_absence: 1 machines, 0 snapshots;
    instances::a_new_machine_is_not_old: 1 machines, 0 snapshots;
    instances::destroy_ends_the_machine: 1 machines, 0 snapshots;
    instances::destroy_is_idempotent: 1 machines, 0 snapshots;
    waits::wait_ready_of_destroyed_is_not_found: 1 machines, 0 snapshots;
    waits::deadline_ends_the_wait: 1 machines, 0 snapshots;
    waits::dropped_futures_lose_nothing: 1 machines, 0 snapshots;
    requests::region_may_be_left_to_the_provider: 1 machines, 0 snapshots;
    requests::user_data_is_taken_up_to_its_limit: 1 machines, 0 snapshots;
    requests::ssh_keys_can_be_used: 1 machines, 0 snapshots;
    requests::idempotency_key_stands_for_one_machine: 1 machines, 0 snapshots;
    requests::what_a_key_finds_is_said_to_be_found: 1 machines, 0 snapshots;
    requests::what_a_key_finds_outlives_a_roll_back: 1 machines, 0 snapshots;
    snapshots::snapshots_may_be_unsupported: 0 machines, 0 snapshots;
    snapshots::snapshot_of_nothing_is_not_found: 0 machines, 0 snapshots;
    snapshots::snapshot_is_made_and_listed: 1 machines, 1 snapshots;
    snapshots::snapshot_restores_to_a_machine: 2 machines, 1 snapshots;
    snapshots::snapshot_delete_ends_it: 1 machines, 1 snapshots;
    snapshots::snapshot_delete_is_idempotent: 1 machines, 1 snapshots;
    instances::nothing_is_left: 0 machines, 0 snapshots;
}

/// The checks of the suite, in execution order.
///
/// # Examples
/// ```
/// use spuff_core::conformance;
///
/// assert!(conformance::checks().iter().any(|check| check.name == "destroy_is_idempotent"));
/// ```
pub fn checks() -> &'static [Check] {
    CHECKS
}

/// Runs all checks sequentially.
///
/// # Examples
/// See [the module](self).
pub async fn check(subject: &Subject) -> Report {
    check_until(subject, pending()).await
}

/// Runs all checks until `stop` completes. Then the current check and all later ones count as
/// failed.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use spuff_core::conformance::{self, Report, Subject};
///
/// async fn for_ten_minutes_at_most(subject: &Subject) -> Report {
///     conformance::check_until(subject, tokio::time::sleep(Duration::from_secs(600))).await
/// }
/// ```
pub async fn check_until(subject: &Subject, stop: impl Future<Output = ()>) -> Report {
    run(subject, CHECKS, stop).await
}

/// Runs the check of that name.
///
/// # Errors
/// [`ProviderError::InvalidConfig`] with the existing names, if there is no such check.
///
/// # Examples
/// ```
/// use spuff_core::ProviderResult;
/// use spuff_core::conformance::{self, Subject};
///
/// async fn example(subject: &Subject) -> ProviderResult<()> {
///     conformance::check_one(subject, "destroy_is_idempotent").await?.assert_passed();
///     Ok(())
/// }
/// ```
pub async fn check_one(subject: &Subject, name: &str) -> ProviderResult<Report> {
    let Some(at) = CHECKS.iter().position(|check| check.name == name) else {
        let names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
        return Err(ProviderError::invalid_config(
            "check",
            format!("no check is named {name:?}; there are {}", names.join(", ")),
        ));
    };
    Ok(run(subject, &CHECKS[at..=at], pending()).await)
}

async fn run(
    subject: &Subject,
    checks: &'static [Check],
    stop: impl Future<Output = ()>,
) -> Report {
    let began = Instant::now();
    let mut stop = pin!(stop);
    let mut stopped = false;
    let run = Run::new();
    if let Ok(trial) = trial(subject, &run).await {
        stopped =
            caught(async move { trial.note_strangers().await }, stop.as_mut()).await.is_none();
    }
    let mut report = Report {
        provider: name(subject).await,
        outcomes: Vec::new(),
        left_behind: Vec::new(),
        elapsed: began.elapsed(),
    };
    for check in checks {
        let began = Instant::now();
        let mut verdict =
            Err(rule::FINISHED.broken("the run was stopped before this check had ended"));
        if !stopped {
            match trial(subject, &run).await {
                Err(failed) => verdict = Err(failed),
                Ok(trial) => {
                    match caught((check.run)(trial.clone()), stop.as_mut()).await {
                        Some(ended) => verdict = ended,
                        None => stopped = true,
                    }
                    let mut left = trial
                        .clean_up(check.name, matches!(verdict, Err(Verdict::Failed(_))))
                        .await;
                    left.retain(|left| report.left_behind.iter().all(|known| known.id != left.id));
                    report.left_behind.extend(left);
                }
            }
        }
        let verdict = verdict.err().unwrap_or(Verdict::Passed);
        report.outcomes.push(Outcome { name: check.name, verdict, elapsed: began.elapsed() });
    }
    report.elapsed = began.elapsed();
    report
}

async fn trial(subject: &Subject, run: &Arc<Run>) -> Tried<Trial> {
    let subject = subject.clone();
    let run = run.clone();
    caught(async move { Trial::new(&subject, &run) }, pending())
        .await
        .unwrap_or_else(|| Err(rule::FINISHED.broken("it was stopped")))
}

/// Returns the provider's name, or "" if the provider cannot be made.
async fn name(subject: &Subject) -> String {
    let subject = subject.clone();
    let named = async move {
        Ok(subject
            .make(subject.timeouts)
            .map(|provider| provider.name().to_string())
            .unwrap_or_default())
    };
    caught(named, pending()).await.and_then(Result::ok).unwrap_or_default()
}
