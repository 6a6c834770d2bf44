//! The ends of error messages.

use std::time::Duration;

use super::{Attempt, ProviderError};

/// Formats the attempts as the end of an error message, by their outcomes only.
pub(super) fn tried(attempts: &[Attempt]) -> String {
    let tried: Vec<_> = attempts
        .iter()
        .map(|attempt| format!("{}: {}", attempt.place(), attempt.outcome))
        .collect();
    if tried.is_empty() { String::new() } else { format!("; {}", tried.join(", ")) }
}

/// Formats the fate of an instance as the end of an error message.
pub(super) fn fate(
    instance_id: &str,
    source: &ProviderError,
    cleanup: &Option<Box<ProviderError>>,
    exists: bool,
    ending: bool,
) -> String {
    match (cleanup, exists) {
        // It was gone already; spuff did not destroy it.
        (_, false) if matches!(source, ProviderError::NotFound { id, .. } if id == instance_id) => {
            String::new()
        }
        (_, false) => format!("; instance {instance_id} has been destroyed"),
        (_, true) if ending => {
            format!("; instance {instance_id} is being destroyed in the background")
        }
        (None, true) => format!("; instance {instance_id} exists and costs money"),
        (Some(error), true) => format!(
            "; instance {instance_id} exists and costs money, as it could not be destroyed: {error}"
        ),
    }
}

pub(super) fn retry_hint(retry_after: &Option<Duration>) -> String {
    match retry_after {
        Some(wait) => format!("; try again in {:.1} s", wait.as_secs_f64()),
        None => String::new(),
    }
}

pub(super) fn candidate_list(candidates: &[String]) -> String {
    if candidates.is_empty() {
        String::new()
    } else {
        format!("; it may be {}", candidates.join(" or "))
    }
}
