//! A cloud in memory that does with each machine what its name is fated to, and counts what is
//! under way.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use spuff_core::provider::{
    InstanceRequest, InstanceStatus, Provider, ProviderError, ProviderInstance, ProviderResult,
    Snapshot,
};
use tokio::time::sleep;

/// What becomes of the machine of a name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// The create is refused.
    Refused(fn() -> ProviderError),
    /// The create is refused so often, because there are too many requests.
    Throttled(u32),
    /// What came of the create is not known: it was made, or not.
    Lost {
        made: bool,
    },
    /// As [`Lost`](Self::Lost), and looking for it fails.
    Unfindable,
    /// It does not become ready.
    NeverReady,
    /// It is not ready, ever, and the wait does not end.
    WaitsForEver,
    /// Looking at it fails, or it fails, in this way.
    WaitFails(fn() -> ProviderError),
    /// It does not become ready, and the first attempt to destroy it fails.
    HeldOnce,
    /// To destroy it is put off for so long, for ever.
    PutOff(Duration),
    PanicsOverCreate,
    PanicsOverWait,
    /// It cannot be destroyed.
    Stays,
    PanicsOverDestroy,
}

#[derive(Default)]
struct State {
    /// The names by the ids of all machines that exist.
    alive: BTreeMap<String, String>,
    creates: usize,
    destroys: usize,
    under_way: usize,
    most: usize,
}

/// The cloud, and a provider of it.
pub(crate) struct FakeProvider {
    fates: BTreeMap<String, Fate>,
    state: Mutex<State>,
    /// How many one call could make, if there were room for as many.
    at_once: usize,
}

/// How long a create or destroy takes, and how long a boot.
const CALL: Duration = Duration::from_secs(1);
pub(crate) const BOOT: Duration = Duration::from_secs(30);

impl FakeProvider {
    pub(crate) fn new<const N: usize>(fates: [(&str, Fate); N]) -> (Arc<Self>, Arc<dyn Provider>) {
        let fates = fates.map(|(name, fate)| (name.to_string(), fate)).into();
        let fake = Arc::new(Self { fates, state: Mutex::default(), at_once: 1 });
        (fake.clone(), fake)
    }

    /// One that has no room for several at once.
    pub(crate) fn for_one_by_one() -> (Arc<Self>, Arc<dyn Provider>) {
        let fake = Arc::new(Self { fates: BTreeMap::new(), state: Mutex::default(), at_once: 10 });
        (fake.clone(), fake)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How many creates there were.
    pub(crate) fn creates(&self) -> usize {
        self.state().creates
    }

    /// How many destroys there were.
    pub(crate) fn destroys(&self) -> usize {
        self.state().destroys
    }

    /// The most creates, or destroys, that were under way at once, since the last call.
    pub(crate) fn most(&self) -> usize {
        std::mem::take(&mut self.state().most)
    }

    /// The names of the machines that exist.
    pub(crate) fn alive(&self) -> Vec<String> {
        self.state().alive.values().cloned().collect()
    }

    fn fate(&self, name: &str) -> Option<Fate> {
        self.fates.get(name).copied()
    }

    fn name_of(&self, id: &str) -> String {
        id.strip_prefix("id-").unwrap_or_default().to_string()
    }

    fn machine(&self, name: &str, status: InstanceStatus) -> ProviderInstance {
        let ip = if status == InstanceStatus::Active {
            Ipv4Addr::new(192, 0, 2, 1)
        } else {
            Ipv4Addr::UNSPECIFIED
        };
        let made =
            ProviderInstance::new(format!("id-{name}"), ip.into(), status, chrono::Utc::now());
        ProviderInstance { name: name.to_string(), ..made }
    }

    /// The id of the machine of a name, which exists from now on.
    fn make(&self, name: &str) -> ProviderInstance {
        let made = self.machine(name, InstanceStatus::New);
        self.state().alive.insert(made.id.clone(), name.to_string());
        made
    }
}

/// A call that is under way.
struct Call<'a>(&'a FakeProvider);

impl<'a> Call<'a> {
    fn begin(fake: &'a FakeProvider) -> Self {
        let mut state = fake.state();
        state.under_way += 1;
        state.most = state.most.max(state.under_way);
        Self(fake)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
    }
}

#[async_trait]
impl Provider for FakeProvider {
    fn name(&self) -> &str {
        "fake"
    }

    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        let _call = Call::begin(self);
        let name = request.name.as_str();
        let before = {
            let mut state = self.state();
            state.creates += 1;
            state.creates
        };
        sleep(CALL).await;
        // A key stands for the name's machine.
        if request.idempotency_key.is_some() && self.alive().contains(&request.name) {
            return Ok(ProviderInstance {
                adopted: true,
                ..self.machine(name, InstanceStatus::Active)
            });
        }
        match self.fate(name) {
            Some(Fate::Refused(error)) => Err(error()),
            Some(Fate::Throttled(times)) if before <= times as usize => {
                Err(ProviderError::RateLimit { retry_after: Some(Duration::from_secs(600)) })
            }
            Some(Fate::Lost { made }) => {
                if made {
                    self.make(name);
                }
                Err(ProviderError::unknown_outcome("create_instance", name, "the reply was lost"))
            }
            Some(Fate::Unfindable) => {
                self.make(name);
                Err(ProviderError::unknown_outcome("create_instance", name, "the reply was lost"))
            }
            Some(Fate::PanicsOverCreate) => panic!("over {name}"),
            _ => Ok(self.make(name)),
        }
    }

    fn max_batch_size(&self, _: &InstanceRequest) -> usize {
        self.at_once
    }

    async fn create_batch(
        &self,
        _: &[InstanceRequest],
    ) -> ProviderResult<Vec<ProviderResult<ProviderInstance>>> {
        sleep(CALL).await;
        Err(ProviderError::capacity("there is no room for so many"))
    }

    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        let _call = Call::begin(self);
        let before = {
            let mut state = self.state();
            state.destroys += 1;
            state.destroys
        };
        sleep(CALL).await;
        match self.fate(&self.name_of(id)) {
            Some(Fate::HeldOnce) if before == 1 => {
                return Err(ProviderError::unavailable("not now"));
            }
            Some(Fate::PutOff(retry_after)) => {
                return Err(ProviderError::RateLimit { retry_after: Some(retry_after) });
            }
            Some(Fate::Stays) => return Err(ProviderError::auth("fake", "not yours")),
            Some(Fate::PanicsOverDestroy) => panic!("over {id}"),
            _ => {}
        }
        self.state().alive.remove(id);
        Ok(())
    }

    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        let name = self.state().alive.get(id).cloned();
        Ok(name.map(|name| self.machine(&name, InstanceStatus::New)))
    }

    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        Ok(self.alive().iter().map(|name| self.machine(name, InstanceStatus::New)).collect())
    }

    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        sleep(BOOT).await;
        let name = self
            .state()
            .alive
            .get(id)
            .cloned()
            .ok_or_else(|| ProviderError::not_found("instance", id))?;
        match self.fate(&name) {
            Some(Fate::WaitFails(error)) => Err(error()),
            Some(Fate::NeverReady | Fate::HeldOnce) => {
                Err(ProviderError::timeout("wait_ready", BOOT))
            }
            Some(Fate::WaitsForEver) => pending().await,
            Some(Fate::PanicsOverWait) => panic!("over {id}"),
            _ => Ok(self.machine(&name, InstanceStatus::Active)),
        }
    }

    async fn resolve(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        sleep(CALL).await;
        match self.fate(key) {
            Some(Fate::Unfindable) => Err(ProviderError::unavailable("the lists are down")),
            _ => self.get_instance(&format!("id-{key}")).await,
        }
    }

    async fn create_snapshot(&self, _instance_id: &str, _name: &str) -> ProviderResult<Snapshot> {
        Err(ProviderError::NotSupported { feature: "create_snapshot".to_string() })
    }

    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        Ok(Vec::new())
    }

    async fn delete_snapshot(&self, _id: &str) -> ProviderResult<()> {
        Ok(())
    }

    fn supports_snapshots(&self) -> bool {
        false
    }
}
