//! Creates are sent once: what came of them is known, or said to be unknown.
//!
//! Stands on the pipeline. Every room makes machines and snapshots through [`send_once`].

use crate::http::{Call, Failure, HttpClient, Reply};
use crate::provider::config::InstanceRequest;
use crate::provider::error::{ProviderError, ProviderResult};

/// What every cloud here takes as a key of a create.
const MAX_KEY: usize = 64;

/// The key that a create is made under: the caller's, or 128 random bits.
pub(crate) fn key_of(request: &InstanceRequest) -> ProviderResult<String> {
    let Some(key) = &request.idempotency_key else {
        return random_key();
    };
    let usable = !key.is_empty() && key.len() <= MAX_KEY && key.bytes().all(|byte| byte.is_ascii_graphic());
    if usable {
        return Ok(key.clone());
    }
    let message = format!("{} bytes; it must be 1 to {MAX_KEY} visible ASCII characters", key.len());
    Err(ProviderError::invalid_config("idempotency_key", message))
}

/// 128 random bits, in hexadecimal.
pub(crate) fn random_key() -> ProviderResult<String> {
    let mut bits = [0; 16];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bits).map_err(|_| ProviderError::Other { message: "the system gives no random numbers".to_string() })?;
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Sends a call that makes something, and reads the reply. Where nobody can know whether it was carried out (the reply is
/// lost, late, a 5xx, or unreadable) the error says so, with the key and `where_to_look`.
pub(crate) async fn send_once<T>(
    http: &HttpClient,
    call: &Call<'_>,
    key: &str,
    where_to_look: &str,
    read: impl FnOnce(&Reply) -> ProviderResult<T>,
) -> ProviderResult<T> {
    let unknown = |error: ProviderError| {
        let context = error.context().cloned().unwrap_or_default();
        ProviderError::unknown_outcome(call.operation, key, format!("{error}; {where_to_look}")).with_context(context)
    };
    match http.send(call).await {
        Ok(reply) => read(&reply).map_err(unknown),
        Err(Failure::Unknown(error)) => Err(unknown(error)),
        Err(Failure::NotSent(error) | Failure::Rejected(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_callers_or_random() {
        let request = InstanceRequest::new("a", "b", "c");
        let (one, two) = (key_of(&request).unwrap(), key_of(&request).unwrap());
        assert!(one.len() == 32 && one != two && one.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(key_of(&request.clone().with_idempotency_key("order-7")).unwrap(), "order-7");
        for key in ["", "a b", "é", &"k".repeat(65)] {
            let error = key_of(&request.clone().with_idempotency_key(key)).unwrap_err();
            assert!(matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "idempotency_key"), "{key}");
        }
    }
}
