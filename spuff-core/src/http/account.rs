//! State that all clients of one account share in a process: its rate limit, and the provider
//! module's own.
//!
//! An account is found by a digest of the endpoint and of the inputs that select the credentials.
//! It ends with its last client.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::governor::Governor;
use crate::per_process::PerProcess;
use crate::provider::config::ProviderConfig;
use crate::provider::error::{ProviderError, ProviderResult};

/// How many times faster a simulated cloud's time and limits run; `inf` if it has no limits.
pub(crate) const PACE_OPTION: &str = "pace";

/// One account at one endpoint.
pub(crate) struct Account {
    pub(super) governor: Arc<Governor>,
    /// Further values that the clients of one provider module share, by their type.
    shared: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

type Digest = [u8; 32];

static ACCOUNTS: PerProcess<Mutex<HashMap<Digest, Weak<Account>>>> = PerProcess::new();

impl Account {
    /// Returns the account of a configuration and of `identify`; the existing one while it has a
    /// client.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] for an invalid pace.
    pub(super) fn of(
        provider: &str,
        endpoint: &str,
        config: &ProviderConfig,
        identify: impl FnOnce(&mut dyn FnMut(&str)),
    ) -> ProviderResult<Arc<Self>> {
        let pace = config.options.get(PACE_OPTION).map_or(Ok(1.0), |pace| read_pace(pace))?;
        let profile = config.options.get("profile").map_or("", String::as_str);
        let parts = [provider, endpoint, config.expose_token().trim(), profile, &pace.to_string()];
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        let mut add = |part: &str| {
            digest.update(part.as_bytes());
            digest.update(&[0]);
        };
        parts.into_iter().for_each(&mut add);
        identify(&mut add);
        let mut key = Digest::default();
        key.copy_from_slice(digest.finish().as_ref());

        let accounts = ACCOUNTS.get_or_init(Mutex::default);
        let mut accounts = accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = accounts.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        accounts.retain(|_, account| account.strong_count() > 0);
        let account =
            Arc::new(Self { governor: Arc::new(Governor::new(pace)), shared: Mutex::default() });
        accounts.insert(key, Arc::downgrade(&account));
        Ok(account)
    }

    /// Returns the clients' shared value of this type, which the first of them creates.
    pub(crate) fn shared<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let of_type = shared.entry(TypeId::of::<T>()).or_insert_with(|| Arc::<T>::default());
        // The value under a type's id has that type.
        of_type.clone().downcast().unwrap_or_default()
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
}

pub(super) fn read_pace(pace: &str) -> ProviderResult<f64> {
    pace.trim().parse().ok().filter(|pace| *pace > 0.0).ok_or_else(|| {
        let message = format!(
            "{pace:?}: must be a factor above 0, such as 60 for a cloud whose minutes last a \
             second, or inf"
        );
        ProviderError::invalid_config(PACE_OPTION, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(provider: &str, endpoint: &str, token: &str) -> Arc<Account> {
        identified(provider, endpoint, token, &[])
    }

    fn identified(provider: &str, endpoint: &str, token: &str, parts: &[&str]) -> Arc<Account> {
        let identify = |add: &mut dyn FnMut(&str)| parts.iter().for_each(|part| add(part));
        Account::of(provider, endpoint, &ProviderConfig::new(token), identify).unwrap()
    }

    #[test]
    fn clients_of_one_account_share_it() {
        let one = account("hetzner", "https://a.example", "token");
        assert!(Arc::ptr_eq(&one, &account("hetzner", "https://a.example", "token")));
        for other in [
            account("hetzner", "https://a.example", "another"),
            account("hetzner", "https://b.example", "token"),
            account("digitalocean", "https://a.example", "token"),
            identified("hetzner", "https://a.example", "token", &["AWS_PROFILE=other"]),
        ] {
            assert!(!Arc::ptr_eq(&one, &other));
        }
        assert!(Arc::ptr_eq(&one.shared::<Mutex<u8>>(), &one.shared::<Mutex<u8>>()));
        *one.shared::<Mutex<u16>>().lock().unwrap() = 7;
        assert_eq!(*one.shared::<Mutex<u16>>().lock().unwrap(), 7, "beside another type");
        let here = Arc::downgrade(&one);
        drop(one);
        assert!(here.upgrade().is_none(), "it ends with its last client");
    }

    #[test]
    fn a_pace_is_a_factor() {
        assert!(
            read_pace("60").is_ok_and(|pace| (pace - 60.0).abs() < 1e-9)
                && read_pace("inf").is_ok_and(f64::is_infinite)
        );
        for pace in ["", "fast", "0", "-1", "NaN"] {
            let error = read_pace(pace).unwrap_err();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "pace"),
                "{pace}: {error}"
            );
        }
    }
}
