//! The steps that create: one instance, the same several times at once, and a fleet.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use spuff_core::fleet::{FleetOptions, Rollback, create_instances};
use spuff_core::provider::{
    ErrorParts, InstanceRequest, OnCancel, Provider, ProviderInstance, ProviderResult,
};
use spuff_core::{OnFailure, create_and_wait};

use super::Stage;
use super::arguments::Arguments;
use super::show::lines;

impl Stage {
    fn request(&self, arguments: &Arguments<'_>) -> Result<InstanceRequest, String> {
        let (region, elsewhere, size) = match self.name.as_str() {
            "digitalocean" => ("nyc3", "nyc1", "s-1vcpu-1gb"),
            "hetzner" => ("fsn1", "nbg1", "cx22"),
            _ => ("us-east-1", "eu-west-1", "t3.micro"),
        };
        let region = arguments.get("region").unwrap_or(region);
        let region = if region == "elsewhere" { elsewhere } else { region };
        let mut request = InstanceRequest::new(
            arguments.text("name"),
            region,
            arguments.get("size").unwrap_or(size),
        )
        .with_labels(arguments.labels());
        if let Some(image) = arguments.get("image") {
            request.image = image.parse().unwrap_or_default();
        }
        request.idempotency_key = arguments.get("key").map(str::to_string);
        request.owner = arguments.get("owner").map(str::to_string);
        request.ttl = arguments.number("ttl")?.map(Duration::from_secs);
        request.user_data = arguments.get("user_data").map(str::to_string);
        if let Some(size) = arguments.number("user_data_size")? {
            request.user_data = Some("x".repeat(size as usize));
        }
        request.on_cancel = match arguments.get("on_cancel") {
            Some("keep") => Some(OnCancel::Keep),
            Some(_) => Some(OnCancel::Destroy),
            None => None,
        };
        Ok(request)
    }

    pub(crate) fn create(
        &mut self,
        step: &str,
        arguments: &Arguments<'_>,
    ) -> Result<String, String> {
        let request = self.request(arguments)?;
        let on_failure = if arguments.get("on_failure") == Some("keep") {
            OnFailure::Keep
        } else {
            OnFailure::Destroy
        };
        let waits = step == "create_and_wait";
        let cancel = arguments.cancel()?;
        let work = |provider: Arc<dyn Provider>| async move {
            match waits {
                true => create_and_wait(&provider, &request, on_failure).await,
                false => provider.create_instance(&request).await,
            }
        };
        let made = self.ask(if waits { step } else { "create_instance" }, None, Some(cancel), work);
        let id = match &made {
            Ok(machine) => Some(machine.id.clone()),
            Err(error) => error.instance_id.clone(),
        };
        self.note(arguments, id.as_ref());
        Ok(self.told(made, |stage, machine| stage.machine(&machine, waits)))
    }

    /// Makes the same create several times at once: in tasks, or in threads that block.
    pub(crate) fn create_at_once(
        &mut self,
        arguments: &Arguments<'_>,
        times: u64,
    ) -> Result<String, String> {
        let request = &self.request(arguments)?;
        let made: Vec<_> = if self.runtime.is_some() {
            let work = |provider: Arc<dyn Provider>| async move {
                Ok(join_all((0..times).map(|_| provider.create_instance(request))).await)
            };
            self.ask("create_instance", None, None, work).map_err(|error| error.message)?
        } else {
            let provider = self.provider()?;
            std::thread::scope(|scope| {
                let creates: Vec<_> =
                    (0..times).map(|_| scope.spawn(|| provider.create_instance(request))).collect();
                let ended = creates
                    .into_iter()
                    .map(|create| create.join().map_err(|_| "a create has panicked".to_string()));
                ended.collect::<Result<_, String>>()
            })?
        };
        self.note(arguments, made.iter().flatten().map(|machine| &machine.id).next());
        Ok(self.outcomes(made))
    }

    pub(crate) fn create_fleet(&mut self, arguments: &Arguments<'_>) -> Result<String, String> {
        let mut requests = Vec::new();
        for name in arguments.text("names").split(',') {
            let mut request = self.request(arguments)?;
            request.name = name.to_string();
            request.idempotency_key = arguments.get("keys").map(|keys| format!("{keys}-{name}"));
            requests.push(request);
        }
        let on_failure = match arguments.get("on_failure") {
            Some("keep") => Rollback::Keep,
            Some("destroy_all") => Rollback::DestroyAll,
            _ => Rollback::DestroyFailed,
        };
        let options = FleetOptions::default()
            .with_on_failure(on_failure)
            .with_wait_ready(arguments.get("wait").is_some());
        let work = |provider: Arc<dyn Provider>| async move {
            Ok(create_instances(&provider, &requests, options).await)
        };
        let made = self.ask("create_instances", None, None, work).map_err(|error| error.message)?;
        Ok(self.outcomes(made))
    }

    /// The outcomes of several creates, in the order of their texts.
    fn outcomes(&self, made: Vec<ProviderResult<ProviderInstance>>) -> String {
        let line = |made: &ProviderResult<ProviderInstance>| match made {
            Ok(machine) => self.machine(machine, false)["ok ".len()..].to_string(),
            Err(error) => self.error(&ErrorParts::from(error).about(&self.name, None)),
        };
        lines(made.iter().map(line))
    }
}
