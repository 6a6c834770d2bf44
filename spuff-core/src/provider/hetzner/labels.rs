//! How labels are written: a write replaces the whole set, so that what other clients write at the
//! same time must be read again.

use std::collections::HashMap;
use std::time::Duration;

use http::Method;
use tokio::time::Instant;

use super::wire::{Labelled, LabelsReply, SetLabels};
use super::{HetznerProvider, NAME, convert};
use crate::http::{Call, Class, Failure, Reply};
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::shared::validate;

/// The maximum number of label writes while other clients write labels too.
const LABEL_WRITES: usize = 5;
/// How long labels that were read count as current.
const LABELS_FRESH: Duration = Duration::from_secs(1);

/// Serializes the label writes of an account, by the server's number.
#[derive(Default)]
struct Writing([tokio::sync::Mutex<()>; 32]);

impl Writing {
    async fn turn(&self, server: u64) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let some = usize::try_from(server % self.0.len() as u64).ok()?;
        Some(self.0.get(some)?.lock().await)
    }
}

impl HetznerProvider {
    pub(super) async fn write_labels(
        &self,
        id: &str,
        labels: &HashMap<String, String>,
    ) -> ProviderResult<()> {
        let number = validate::numeric_id(NAME, "id", id)?;
        validate::changed_labels(labels)?;
        labels.iter().try_for_each(|(key, value)| convert::check_label(key, value))?;
        let path = &format!("/servers/{number}");
        let (writing, patience) =
            (self.http.shared::<Writing>(), self.http.timeouts().http_request);
        // After `http_request`, proceeds beside a writer that is stuck.
        let _turn = tokio::time::timeout(patience, writing.turn(number)).await;
        for written in 0..=LABEL_WRITES {
            let found = self.labels_of(id).await?;
            let read_at = Instant::now();
            if labels.iter().all(|(key, value)| found.get(key) == Some(value)) {
                return Ok(());
            }
            if written < LABEL_WRITES {
                let mut all = found.clone();
                all.extend(labels.clone());
                let call = Call::new(Operation::SetLabels, Class::Idempotent, Method::PUT, path)
                    .about("instance", id);
                // Other clients may have written before a retry or during a wait for the rate
                // limit.
                let is_as_read = || async {
                    if read_at.elapsed() < LABELS_FRESH || self.labels_of(id).await? == found {
                        Ok(())
                    } else {
                        Err(ProviderError::conflict(
                            format!("another client changed the labels of server {id}"),
                            true,
                        ))
                    }
                };
                match self
                    .http
                    .send_checked(&call.json(&SetLabels { labels: &all })?, is_as_read)
                    .await
                {
                    Ok(_) | Err(Failure::NotSent(ProviderError::Conflict { .. })) => {}
                    Err(failure) => return Err(failure.into()),
                }
            }
        }
        let message = format!(
            "other clients changed the labels of server {id} during each of {LABEL_WRITES} writes; \
             try again later"
        );
        Err(ProviderError::conflict(message, true))
    }

    /// Returns all labels of a server: a write replaces the whole set.
    async fn labels_of(&self, id: &str) -> ProviderResult<HashMap<String, String>> {
        let number = validate::numeric_id(NAME, "id", id)?;
        let errand = &self.http.errand();
        let call = Call::get(Operation::SetLabels, format!("/servers/{number}"))
            .about("instance", id)
            .within(errand);
        let read = |reply: &Reply| {
            let Labelled { id, labels } = reply.json::<LabelsReply>()?.server;
            if id == number { Ok(labels) } else { Err(reply.unreadable("is about another server")) }
        };
        let found = self
            .recent
            .read((Operation::SetLabels, id), (&self.http, errand), || self.http.read(&call, read))
            .await?;
        found.ok_or_else(|| ProviderError::not_found("instance", id))
    }
}
