//! A provider whose verbs block is a provider like any other.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

#[path = "support/memory.rs"]
mod memory;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memory::{Cloud, MAX_USER_DATA, Memory};
use spuff_core::blocking::{self, CancelToken, SyncProvider, from_sync};
use spuff_core::conformance::{self, Subject, Verdict};
use spuff_core::provider::{
    Capabilities, ErrorKind, InstanceRequest, OnCancel, Price, Provider, ProviderError,
    ProviderInstance, ProviderResult, ProviderTimeouts, Snapshot,
};

/// A cloud that remembers, asked by verbs that block; with or without a wait of its own.
struct Blocks {
    provider: blocking::Provider,
    waits: bool,
}

impl SyncProvider for Blocks {
    fn name(&self) -> &str {
        self.provider.name()
    }
    fn create_instance(
        &self,
        request: &InstanceRequest,
        _: &CancelToken,
    ) -> ProviderResult<ProviderInstance> {
        self.provider.create_instance(request)
    }
    fn destroy_instance(&self, id: &str, _: &CancelToken) -> ProviderResult<()> {
        self.provider.destroy_instance(id)
    }
    fn get_instance(&self, id: &str, _: &CancelToken) -> ProviderResult<Option<ProviderInstance>> {
        self.provider.get_instance(id)
    }
    fn list_instances(&self, _: &CancelToken) -> ProviderResult<Vec<ProviderInstance>> {
        self.provider.list_instances()
    }
    fn wait_ready(&self, id: &str, _: &CancelToken) -> ProviderResult<ProviderInstance> {
        if self.waits {
            self.provider.wait_ready(id)
        } else {
            Err(ProviderError::NotSupported { feature: "wait_ready".to_string() })
        }
    }
    fn create_snapshot(&self, id: &str, name: &str, _: &CancelToken) -> ProviderResult<Snapshot> {
        self.provider.create_snapshot(id, name)
    }
    fn list_labelled_snapshots(
        &self,
        _: &CancelToken,
    ) -> ProviderResult<Vec<(Snapshot, HashMap<String, String>)>> {
        self.provider.list_labelled_snapshots()
    }
    fn delete_snapshot(&self, id: &str, _: &CancelToken) -> ProviderResult<()> {
        self.provider.delete_snapshot(id)
    }
    fn get_ssh_keys(&self, _: &CancelToken) -> ProviderResult<Vec<String>> {
        self.provider.get_ssh_keys()
    }
    fn supports_snapshots(&self) -> bool {
        self.provider.supports_snapshots()
    }
}

#[tokio::test]
async fn it_keeps_the_contract_whether_or_not_it_waits_by_itself() {
    for waits in [true, false] {
        let cloud = Cloud::new(Duration::from_millis(80), Duration::ZERO);
        let machines = cloud.clone();
        let strangers = cloud.clone();
        let make = move |timeouts| {
            let provider: Box<dyn Provider> = Box::new(Memory::new(&machines, timeouts, None));
            Ok(from_sync(Blocks { provider: provider.into(), waits }, timeouts))
        };
        let long = Duration::from_secs(30);
        let poll_interval = Duration::from_millis(20);
        let timeouts = ProviderTimeouts {
            instance_ready: long,
            action_complete: long,
            poll_interval,
            ..ProviderTimeouts::default()
        };
        let mut capabilities = Capabilities::default();
        (capabilities.ssh_keys, capabilities.max_user_data) = (true, MAX_USER_DATA);
        let subject = Subject::new(make, InstanceRequest::new("", "east", "small"), "m-absent")
            .with_absent_snapshot_id("s-absent")
            .with_capabilities(capabilities)
            .with_idempotency()
            .with_stranger(move |timeouts| {
                let provider: Box<dyn Provider> =
                    Box::new(Memory::new(&strangers, timeouts, None).lost());
                Ok(from_sync(Blocks { provider: provider.into(), waits }, timeouts))
            })
            .with_timeouts(timeouts);
        let report = conformance::check(&subject).await;
        report.assert_passed();
        let done =
            report.outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Passed).count();
        assert_eq!((done, cloud.left()), (conformance::checks().len() - 1, (0, 0)), "{report}");
    }
}

/// Tells when a create has begun, makes the machine only when it is told to, and what became of it.
struct Slow {
    begun: Mutex<Sender<CancelToken>>,
    go: Mutex<Receiver<()>>,
    destroyed: Mutex<Sender<String>>,
}

impl SyncProvider for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn create_instance(
        &self,
        _: &InstanceRequest,
        cancel: &CancelToken,
    ) -> ProviderResult<ProviderInstance> {
        self.begun.lock().unwrap().send(cancel.clone()).unwrap();
        self.go.lock().unwrap().recv().unwrap();
        Ok(ProviderInstance { id: "7".to_string(), ..ProviderInstance::default() })
    }

    fn destroy_instance(&self, id: &str, _: &CancelToken) -> ProviderResult<()> {
        self.destroyed.lock().unwrap().send(id.to_string()).unwrap();
        Ok(())
    }

    fn get_instance(&self, _: &str, _: &CancelToken) -> ProviderResult<Option<ProviderInstance>> {
        panic!("on purpose")
    }

    fn list_instances(&self, _: &CancelToken) -> ProviderResult<Vec<ProviderInstance>> {
        Ok(Vec::new())
    }

    fn hourly_price(&self, region: &str, size: &str, _: &CancelToken) -> ProviderResult<Price> {
        if (region, size) == ("east", "small") {
            Ok(Price::new(6_000, "EUR"))
        } else {
            Err(ProviderError::not_found(size, region))
        }
    }
}

#[tokio::test]
async fn a_create_that_nobody_waits_for_is_told_and_what_it_makes_is_destroyed_or_kept() {
    for fate in [OnCancel::Destroy, OnCancel::Keep] {
        let ((begun, has_begun), (go, wait), (destroyed, ended)) =
            (channel(), channel(), channel());
        let slow = Slow {
            begun: Mutex::new(begun),
            go: Mutex::new(wait),
            destroyed: Mutex::new(destroyed),
        };
        let provider: Arc<dyn Provider> = from_sync(slow, ProviderTimeouts::default()).into();
        let request = InstanceRequest::new("web-1", "east", "small").with_on_cancel(fate);
        let asked = provider.clone();
        let created = Arc::new(AtomicBool::new(false));
        let flag = created.clone();
        let create = tokio::spawn(async move {
            flag.store(asked.create_instance(&request).await.is_ok(), SeqCst);
        });
        let cancel = tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
        assert!(!cancel.is_cancelled());
        create.abort();
        create.await.unwrap_err();
        assert!(cancel.is_cancelled(), "the verb can see that nobody waits");
        go.send(()).unwrap();
        spuff_core::settled().await;
        let expected = if fate == OnCancel::Destroy { vec!["7".to_string()] } else { Vec::new() };
        assert_eq!((ended.try_iter().collect::<Vec<_>>(), created.load(SeqCst)), (expected, false));
    }
}

#[tokio::test]
async fn a_panic_of_a_verb_is_an_internal_error_and_ends_no_other() {
    let (begun, _) = channel();
    let (_, wait) = channel();
    let (destroyed, _gone) = channel();
    let slow =
        Slow { begun: Mutex::new(begun), go: Mutex::new(wait), destroyed: Mutex::new(destroyed) };
    let provider = from_sync(slow, ProviderTimeouts::default());
    let error = provider.get_instance("7").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().contains("on purpose")),
        (ErrorKind::Internal, true),
        "{error}"
    );
    assert!(provider.list_instances().await.unwrap().is_empty());
    let missing = provider.set_labels("7", &HashMap::new()).await.unwrap_err();
    assert_eq!(
        (missing.kind(), provider.get_ssh_keys().await.unwrap().len()),
        (ErrorKind::NotSupported, 0)
    );
    assert_eq!(provider.hourly_price("east", "small").await.unwrap(), Price::new(6_000, "EUR"));
}
