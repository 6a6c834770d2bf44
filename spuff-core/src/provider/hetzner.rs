//! Hetzner Cloud, API v1: the factory and the operations. Wire types are in `wire`, look-ups in
//! `lookup`, conversions in `convert`, error codes in `errors`, rate limits in `limits`.
//!
//! Facts from the published API description and the official clients: a server is identified by its
//! number, its name is unique in the project, actions continue after a call has been answered, and
//! an image name needs an architecture.

mod client;
mod convert;
mod create;
mod errors;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod labels;
mod limits;
mod lookup;
mod poll;
mod snapshots;
mod wire;

use std::collections::HashMap;

use async_trait::async_trait;
use tracing::instrument;

use self::poll::Waiting;
use self::wire::{ActionReply, PricingReply, Server, ServerReply, SshKey};
use super::config::{InstanceRequest, ProviderConfig, ProviderTimeouts, ProviderType};
use super::error::ProviderResult;
use super::registry::{Capabilities, OptionDescription, ProviderDescription, ProviderFactory};
use super::shared::defaults::Defaults;
use super::shared::validate;
use super::{Price, Provider, ProviderInstance, Snapshot};
use crate::create::{
    About, Ending, Keys, Lookup, hash_of_key, keyed, resolve_keyed, run_to_completion,
};
use crate::http::{Call, Reply};
use crate::provider::operation::Operation;
use crate::wait::Wait;

pub use self::client::HetznerProvider;

const NAME: &str = "hetzner";
const ENDPOINT: &str = "https://api.hetzner.cloud/v1";

/// Checks that the end of a server has begun: the reply holds its action or is empty.
fn has_begun(reply: &Reply) -> ProviderResult<()> {
    reply.no_content().or_else(|_| reply.json::<ActionReply>().map(|begun| drop(begun.action)))
}

#[async_trait]
impl Provider for HetznerProvider {
    fn name(&self) -> &str {
        NAME
    }

    /// Errors never include an unreadable reply, which may hold a root password.
    #[instrument(skip_all, fields(provider = NAME, name = request.name))]
    async fn create_instance(&self, request: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        let (create_key, request) = self.defaults.tagged(request)?;
        convert::check_request(&request)?;
        let on_cancel = request.cancellation();
        let making = create_key.clone();
        let work = |room: Self, cancel| async move {
            let made = room.make(&request, &making, &cancel).await;
            made.map_err(|error| validate::with_given(error, &request))
        };
        keyed(self, &create_key, on_cancel, work).await
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn destroy_instance(&self, id: &str) -> ProviderResult<()> {
        let _ending = Ending::begin(NAME, id);
        let path = format!("/servers/{}", validate::numeric_id(NAME, "id", id)?);
        let timeouts = self.http.timeouts();
        let wait = Wait::new(
            Operation::DestroyInstance,
            ("instance", id),
            timeouts.action_complete,
            timeouts,
        );
        wait.grace_until(self.recent.visible_by(id)).delete(&self.http, &path, has_begun).await?;
        self.recent.end(id);
        self.http.shared::<Keys>().forget(id);
        Ok(())
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn get_instance(&self, id: &str) -> ProviderResult<Option<ProviderInstance>> {
        let path = format!("/servers/{}", validate::numeric_id(NAME, "id", id)?);
        let errand = &self.http.errand();
        let call = &Call::get(Operation::GetInstance, path).about("instance", id).within(errand);
        let read = || async move {
            Ok(convert::instance(self.http.json::<ServerReply>(call).await?.server))
        };
        self.recent.read((Operation::GetInstance, id), (&self.http, errand), read).await
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        let call = Call::get(Operation::ListInstances, "/servers")
            .query("label_selector", convert::MANAGED_SELECTOR);
        let servers = self.list(call, |server: &Server| server.id).await?;
        let mut instances: Vec<_> = servers.into_iter().map(convert::instance).collect();
        instances.retain(ProviderInstance::is_managed);
        Ok(instances)
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        validate::numeric_id(NAME, "id", id)?;
        let timeouts = self.http.timeouts();
        let wait =
            Wait::new(Operation::WaitReady, ("instance", id), timeouts.instance_ready, timeouts);
        let waiting = self.http.shared::<Waiting>();
        let actions = self.recent.note(id).unwrap_or_default();
        wait.grace_until(self.recent.visible_by(id)).together(self, &waiting.servers, actions).await
    }

    /// The snapshot is crash-consistent: the server keeps running. Volumes are not part of it.
    #[instrument(skip_all, fields(provider = NAME, id = instance_id, name))]
    async fn create_snapshot(&self, instance_id: &str, name: &str) -> ProviderResult<Snapshot> {
        validate::numeric_id(NAME, "instance_id", instance_id)?;
        validate::required("name", name)?;
        let room = self.clone();
        let instance_id = instance_id.to_string();
        let name = name.to_string();
        let about = About::new(Operation::CreateSnapshot, NAME, &name);
        let work = |cancel| async move { room.snapshot(&instance_id, &name, &cancel).await };
        // Its labels identify the snapshot, so an abandoned create is not lost.
        run_to_completion(about, work, |_| async {}).await
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        Ok(self
            .list_labelled_snapshots()
            .await?
            .into_iter()
            .map(|(snapshot, _)| snapshot)
            .collect())
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn list_labelled_snapshots(
        &self,
    ) -> ProviderResult<Vec<(Snapshot, HashMap<String, String>)>> {
        let images = self.managed_images(Operation::ListSnapshots).await?;
        Ok(images
            .into_iter()
            .filter(convert::is_managed_snapshot)
            .map(convert::labelled_snapshot)
            .collect())
    }

    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn delete_snapshot(&self, id: &str) -> ProviderResult<()> {
        let path = format!("/images/{}", validate::numeric_id(NAME, "id", id)?);
        let timeouts = self.http.timeouts();
        let wait = Wait::new(
            Operation::DeleteSnapshot,
            ("snapshot", id),
            timeouts.action_complete,
            timeouts,
        );
        wait.grace_until(self.taken.visible_by(id))
            .delete(&self.http, &path, Reply::no_content)
            .await?;
        self.taken.end(id);
        Ok(())
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn resolve(&self, key: &str) -> ProviderResult<Option<ProviderInstance>> {
        resolve_keyed(self, key).await
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn resolve_snapshot(&self, key: &str) -> ProviderResult<Option<Snapshot>> {
        let key_hash = hash_of_key(key);
        let look = || async {
            Ok(Lookup::found(self.snapshot_made_under(&key_hash).await?.map(convert::snapshot)))
        };
        crate::create::resolve(
            self.http.read_lag(),
            Operation::CreateSnapshot,
            key,
            self.http.timeouts().action_complete,
            look,
        )
        .await
    }

    /// The API replaces all labels at once. They are read before the write, to keep the others, and
    /// again afterwards. If another client has overwritten them with older ones, they are written
    /// again.
    #[instrument(skip_all, fields(provider = NAME, id))]
    async fn set_labels(&self, id: &str, labels: &HashMap<String, String>) -> ProviderResult<()> {
        self.write_labels(id, labels).await
    }

    #[instrument(skip_all, fields(provider = NAME))]
    async fn get_ssh_keys(&self) -> ProviderResult<Vec<String>> {
        let keys =
            self.list(Call::get(Operation::GetSshKeys, "/ssh_keys"), |key: &SshKey| key.id).await?;
        Ok(keys.into_iter().map(|key| key.id.to_string()).collect())
    }

    #[instrument(skip_all, fields(provider = NAME, region, size))]
    async fn hourly_price(&self, region: &str, size: &str) -> ProviderResult<Price> {
        validate::required("size", size)?;
        let read = || async {
            let reply: PricingReply =
                self.http.json(&Call::get(Operation::HourlyPrice, "/pricing")).await?;
            Ok(convert::prices(reply.pricing))
        };
        self.prices.find(self.defaults.region(region), size, read).await
    }
}

/// Creates [`HetznerProvider`]s.
#[derive(Debug, Clone, Copy, Default)]
pub struct HetznerFactory;

impl ProviderFactory for HetznerFactory {
    fn provider_type(&self) -> ProviderType {
        ProviderType::Hetzner
    }

    fn create(&self, token: &str, timeouts: ProviderTimeouts) -> ProviderResult<Box<dyn Provider>> {
        self.create_with(&ProviderConfig::new(token).with_timeouts(timeouts))
    }

    fn create_with(&self, config: &ProviderConfig) -> ProviderResult<Box<dyn Provider>> {
        Ok(Box::new(HetznerProvider::connect(config)?))
    }

    fn describe(&self) -> ProviderDescription {
        let mut description = ProviderDescription::new(self.provider_type());
        description.summary = "Hetzner Cloud servers, API v1".to_string();
        description.options = vec![
            OptionDescription::new(
                "token",
                "API token of one project, with read and write permission",
            )
            .required()
            .secret()
            .env(&["HETZNER_TOKEN", "HCLOUD_TOKEN"]),
            OptionDescription::new(
                "endpoint",
                "Base URL with its version; https://api.hetzner.cloud/v1 by default",
            )
            .env(&["HCLOUD_ENDPOINT"]),
            OptionDescription::new(
                "region",
                "Location of requests that name none; by default the cloud chooses",
            ),
            OptionDescription::ca_file(),
        ];
        description.options.extend(Defaults::describe());
        description.capabilities = Capabilities {
            ssh_keys: true,
            max_user_data: convert::MAX_USER_DATA,
            ..Capabilities::default()
        };
        description
    }
}
