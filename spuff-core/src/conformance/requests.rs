//! Checks of requests: which are refused, and which are accepted.

use super::rule::{self, Tried, not_applicable};
use super::trial::Trial;
use crate::fleet::{FleetOptions, Rollback, create_instances};
use crate::provider::{ErrorParts, InstanceRequest, ProviderError};
use crate::random;

const UNKNOWN_SIZE: &str = "no-such-size";
/// Non-ASCII, so that counts of characters and of bytes differ.
const USER_DATA: &str = "#cloud-config\n# Grüße, 世界 🌍\nruncmd: []\n";
/// Larger limits are tested only up to this size, in bytes.
const LARGE: usize = 256 * 1024;
/// The minimum size of user data that must be refused, in bytes. A larger limit is not tested.
const TOO_MUCH: usize = 4 * 1024 * 1024;

pub(super) async fn empty_fields_are_refused(trial: Trial) -> Tried {
    let nameless = InstanceRequest { name: String::new(), ..trial.request() };
    let sizeless = InstanceRequest { size: String::new(), ..trial.request() };
    let has_to_be_given = !trial.subject.request.size.is_empty() && !trial.subject.default_size;
    for (field, request) in
        [("name", Some(nameless)), ("size", Some(sizeless).filter(|_| has_to_be_given))]
    {
        if let Some(request) = request {
            let error = trial.refused(request, &format!("with an empty {field}")).await?;
            names(&error, field, &format!("an empty {field}"))?;
        }
    }
    Ok(())
}

pub(super) async fn region_may_be_left_to_the_provider(trial: Trial) -> Tried {
    if trial.subject.request.region.is_empty() {
        return Err(not_applicable("the provider has no regions"));
    }
    match trial.try_create(&InstanceRequest { region: String::new(), ..trial.request() }).await? {
        Ok(_) => Ok(()),
        Err(ProviderError::InvalidConfig { field, .. }) if field == "region" => Ok(()),
        Err(error) => {
            Err(rule::REGION.broken(format!("it failed with {}: {error}", error.kind().name())))
        }
    }
}

pub(super) async fn unknown_size_is_refused(trial: Trial) -> Tried {
    if trial.subject.request.size.is_empty() {
        return Err(not_applicable("the provider has no sizes"));
    }
    let request = InstanceRequest { size: UNKNOWN_SIZE.to_string(), ..trial.request() };
    let error = trial.refused(request, &format!("with the size {UNKNOWN_SIZE:?}")).await?;
    let certain = !error.is_retryable() && !matches!(error, ProviderError::UnknownOutcome { .. });
    rule::FINAL.holds(certain, || {
        format!("the size {UNKNOWN_SIZE:?} gave {}: {error}", error.kind().name())
    })
}

pub(super) async fn user_data_is_taken_up_to_its_limit(trial: Trial) -> Tried {
    let limit = trial.subject.capabilities.max_user_data.min(LARGE);
    if limit < USER_DATA.len() {
        return Err(not_applicable("the provider describes no user_data"));
    }
    let text = format!("{USER_DATA}{}", "#".repeat(limit - USER_DATA.len()));
    let created = trial.try_create(&trial.request().with_user_data(text)).await?;
    created
        .map_err(|error| {
            rule::USER_DATA.broken(format!("{limit} bytes, some not ASCII, failed: {error}"))
        })
        .map(drop)
}

pub(super) async fn user_data_beyond_its_limit_is_refused(trial: Trial) -> Tried {
    let limit = trial.subject.capabilities.max_user_data;
    if limit == 0 || limit > TOO_MUCH {
        return Err(not_applicable(
            "the provider describes no limit of user_data that can be tried out",
        ));
    }
    let bytes = TOO_MUCH.max(limit.saturating_mul(4));
    // Random, because a provider may compress what it sends.
    let mut random = fastrand::Rng::with_seed(random::number());
    let text: String = std::iter::repeat_with(|| random.alphanumeric()).take(bytes).collect();
    let error = trial
        .refused(trial.request().with_user_data(text), &format!("with {bytes} bytes of user_data"))
        .await?;
    names(&error, "user_data", &format!("{bytes} bytes of user_data"))
}

pub(super) async fn ssh_keys_can_be_used(trial: Trial) -> Tried {
    let keys = trial.call("get_ssh_keys", trial.provider.get_ssh_keys()).await?;
    let keys = keys.map_err(|error| rule::SSH_KEYS.broken(format!("it failed: {error}")))?;
    let Some(key) = keys.first() else {
        return Err(not_applicable(match trial.subject.capabilities.ssh_keys {
            true => "the account has no SSH key; add one to have this checked",
            false => "the provider does not read SSH keys",
        }));
    };
    let created = trial.try_create(&trial.request().with_ssh_key(key)).await?;
    created
        .map_err(|error| {
            rule::SSH_KEYS.broken(format!("{key:?}, which it returned, was refused: {error}"))
        })
        .map(drop)
}

pub(super) async fn idempotency_key_stands_for_one_machine(trial: Trial) -> Tried {
    if !trial.subject.idempotent {
        return Err(not_applicable("the provider does not declare it"));
    }
    let request = trial.request().with_idempotency_key(trial.name());
    let id = trial.create(&request).await?.id;
    trial.found(&id).await?;
    let again = trial.create(&request).await?.id;
    rule::IDEMPOTENCY.holds(id == again, || format!("the same key made {id}, then {again}"))
}

pub(super) async fn what_a_key_finds_is_said_to_be_found(trial: Trial) -> Tried {
    if !trial.subject.idempotent {
        return Err(not_applicable("the provider does not declare idempotency keys"));
    }
    let request = trial.request().with_idempotency_key(trial.name());
    let made = trial.create(&request).await?;
    rule::ADOPTED.holds(!made.adopted, || {
        format!("{} was just made, and is reported as adopted", made.id)
    })?;
    trial.found(&made.id).await?;
    let again = trial.create(&request).await?;
    let told = again.id != made.id || again.adopted;
    rule::ADOPTED.holds(told, || {
        format!("the same key gave {} again, and did not report it as adopted", again.id)
    })
}

/// A fleet rolls back because one of its creates is refused: it destroys what it made, but not what
/// its key found.
pub(super) async fn what_a_key_finds_outlives_a_roll_back(trial: Trial) -> Tried {
    if !trial.subject.idempotent {
        return Err(not_applicable("the provider does not declare idempotency keys"));
    }
    let request = trial.request().with_idempotency_key(trial.name());
    let made = trial.create(&request).await?;
    trial.found(&made.id).await?;
    let impossible = match trial.subject.request.size.is_empty() {
        true => InstanceRequest { name: String::new(), ..trial.request() },
        false => InstanceRequest { size: UNKNOWN_SIZE.to_string(), ..trial.request() },
    };
    let options = FleetOptions::default().with_concurrency(1).with_on_failure(Rollback::DestroyAll);
    let requests = [request, trial.marked(impossible)];
    let fleet = async { Ok(create_instances(&trial.provider, &requests, options).await) };
    for outcome in trial.must("create_instances", fleet).await? {
        match outcome {
            Ok(instance) => trial.note(&instance.id)?,
            Err(error) => {
                let parts = ErrorParts::from(&error);
                let ended = parts.instance_exists == Some(false)
                    && parts.instance_id.as_deref() == Some(&made.id);
                rule::ADOPTED.holds(!ended, || {
                    format!("a rollback destroyed {}, which its key had made before", made.id)
                })?;
            }
        }
    }
    trial.wait_ready(&made.id).await.map(drop)
}

/// Checks errors of operations that make nothing; `names` checks refusals.
pub(super) async fn errors_tell_what_is_wrong(trial: Trial) -> Tried {
    let absent = &trial.subject.absent_id;
    let missed = trial.call("wait_ready", trial.provider.wait_ready(absent)).await?.err();
    let not_taken = trial.try_create_snapshot(absent, &trial.name()).await?.err();
    for error in [missed, not_taken].into_iter().flatten() {
        let tells = match &error {
            ProviderError::NotFound { resource_type, id } => {
                !resource_type.is_empty() && id == absent
            }
            ProviderError::InvalidConfig { field, message } => {
                !field.is_empty() && !message.is_empty()
            }
            ProviderError::NotSupported { feature } => !feature.is_empty(),
            ProviderError::Timeout { operation, .. } => !operation.is_empty(),
            ProviderError::Api { message, .. } | ProviderError::Other { message } => {
                !message.is_empty()
            }
            _ => true,
        };
        rule::ERRORS.holds(tells && !error.to_string().trim().is_empty(), || {
            format!("asked for {absent:?}: {error:?}")
        })?;
    }
    Ok(())
}

fn names(error: &ProviderError, expected: &str, what: &str) -> Tried {
    let ProviderError::InvalidConfig { field, message } = error else {
        return Err(rule::REFUSED.broken(format!("{what} gave {}: {error}", error.kind().name())));
    };
    rule::REFUSED.holds(field == expected, || {
        format!("{what} was reported as an invalid {field:?}: {message}")
    })?;
    rule::ERRORS.holds(!message.trim().is_empty(), || {
        format!(
            "{what} was refused without a \
     message"
        )
    })
}
