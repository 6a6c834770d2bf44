//! What becomes of an instance whose caller has left.

use std::future::Future;
use std::time::Duration;

use tracing::{debug, warn};

use super::{About, Cancel, Ending, run_to_completion};
use crate::http::Deadline;
use crate::provider::config::OnCancel;
use crate::provider::error::{ErrorKind, ProviderError, ProviderResult};
use crate::provider::operation::Operation;
use crate::provider::{Provider, ProviderInstance};

/// Creates an instance by `work` and runs it to completion. If the caller leaves, destroys or keeps
/// the instance as the request says.
///
/// # Errors
/// Those of `work`.
pub(crate) async fn instance<P, W>(
    provider: &P,
    on_cancel: OnCancel,
    work: impl FnOnce(P, Cancel) -> W,
) -> ProviderResult<ProviderInstance>
where
    P: Provider + Clone + 'static,
    W: Future<Output = ProviderResult<ProviderInstance>> + Send + 'static,
{
    let owner = provider.clone();
    let on_abandoned =
        move |made: ProviderInstance| async move { on_abandoned(&owner, &made, on_cancel).await };
    let about = About::new(Operation::CreateInstance, provider.name(), "");
    run_to_completion(about, |cancel| work(provider.clone(), cancel), on_abandoned).await
}

/// Destroys or keeps the instance of an abandoned create, as the request says. Keeps an adopted
/// instance: it may be in use.
pub(crate) async fn on_abandoned(
    provider: &dyn Provider,
    made: &ProviderInstance,
    on_cancel: OnCancel,
) {
    if on_cancel == OnCancel::Keep || made.adopted {
        debug!(id = made.id, adopted = made.adopted, "the instance of a dropped create is kept");
    } else {
        destroy_with_retry(provider, &made.id).await;
    }
}

/// How long an abandoned create is polled for, and the destroy of its instance retried.
pub(super) const PERSISTENCE: Duration = Duration::from_secs(600);
/// The longest pause between two attempts.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Destroys an instance that no caller waits for, and retries, because no caller would.
pub(crate) async fn destroy_with_retry(provider: &dyn Provider, id: &str) {
    About::new(Operation::DestroyInstance, provider.name(), id).here();
    let _ending = Ending::begin(provider.name(), id);
    let deadline = Deadline::after(PERSISTENCE);
    let mut pause = Duration::from_millis(100);
    while let Err(error) = provider.destroy_instance(id).await {
        // A repeated destroy is harmless: every error that is not permanent is retried.
        let is_final = error.is_deserted()
            || matches!(
                error.kind(),
                ErrorKind::InvalidConfig | ErrorKind::NotSupported | ErrorKind::NotImplemented
            );
        if is_final || deadline.remaining().is_zero() {
            warn!(id, %error, "an abandoned instance could not be destroyed, and costs money");
            return;
        }
        tokio::time::sleep(pause.min(deadline.remaining())).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Logs a warning about a resource that may cost money and that no caller knows of.
pub(super) fn warn_of(error: &ProviderError) {
    warn!(%error, "an abandoned create may have made something that costs money");
}
