//! Requests and replies that are lost or late on their way: there is one machine and one snapshot,
//! and the caller knows it.

use spuff_core::provider::{ErrorKind, ProviderError, ProviderResult, Snapshot};

use super::proxy::{Fault, Proxy, Running};
use super::*;

/// Tests that differ in the route and the fault.
macro_rules! tests {
    ($($(#[doc = $text:literal])* $name:ident => $test:expr;)*) => {$(
        $(#[doc = $text])*
        #[tokio::test]
        async fn $name() {
            $test.await;
        }
    )*};
}

tests! {
    a_create_is_lost => one_machine("POST /containers/create", Fault::RequestLost);
    the_reply_to_a_create_is_lost => one_machine("POST /containers/create", Fault::ReplyLost);
    /// The next call comes while the engine is still at this one.
    a_create_is_cut => one_machine("POST /containers/create", Fault::Cut);
    an_upload_is_lost => one_machine("PUT /archive", Fault::RequestLost);
    the_reply_to_an_upload_is_lost => one_machine("PUT /archive", Fault::ReplyLost);
    an_upload_is_cut => one_machine("PUT /archive", Fault::Cut);
    a_start_is_lost => one_machine("POST /start", Fault::RequestLost);
    a_start_is_cut => one_machine("POST /start", Fault::Cut);
    a_create_is_late => late_for_all(Fault::RequestLate(Duration::from_secs(7)));
    the_reply_to_a_create_is_late => late_for_all(Fault::ReplyLate(Duration::from_secs(7)));
    /// An engine takes the name first, and what has it is not listed before it is made, however
    /// long that takes.
    a_create_is_slow => late_for_all(Fault::Slow(Duration::from_secs(9)));
    a_commit_is_lost => a_snapshot("POST /commit", Fault::RequestLost);
    the_reply_to_a_commit_is_lost => a_snapshot("POST /commit", Fault::ReplyLost);
    a_delete_is_lost => no_machine(Fault::RequestLost);
    the_reply_to_a_delete_is_lost => no_machine(Fault::ReplyLost);
    a_delete_is_cut => no_machine(Fault::Cut);
}

/// A machine that tells how often its user data has run.
fn telling() -> InstanceRequest {
    request().with_user_data("#!/bin/sh\necho ran >>/ran\n")
}

/// Waits until the user data has run, and a little longer: it has run once.
async fn ran_once(id: &str) {
    soon(id, "test -s /ran").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(inside(id, "cat /ran"), "ran");
}

/// Ends a machine, after which its owner has nothing.
async fn end(proxy: &Proxy, id: &str) {
    provider().destroy_instance(id).await.unwrap();
    assert_eq!(proxy.containers(), [""; 0]);
}

/// What becomes of a create by a caller with little patience once the fault has befallen it. A busy
/// engine may keep its looks at what is there waiting for longer; then nothing was sent, and it is
/// asked for again.
async fn heard(
    proxy: &Proxy,
    hasty: &Arc<dyn Provider>,
    wanted: &InstanceRequest,
) -> ProviderResult<ProviderInstance> {
    for _ in 0..20 {
        match hasty.create_instance(wanted).await {
            Err(error)
                if proxy.struck() == 0
                    && proxy.answered("POST /containers/create", 201) == 0
                    && error.is_retryable() => {}
            outcome => return outcome,
        }
    }
    panic!("the engine does not hear of a create")
}

/// A create of which one request or reply is lost makes one machine, which is known.
async fn one_machine(route: &str, fault: Fault) -> Running {
    let proxy = Proxy::start();
    proxy.fault(route, 1..2, fault);
    let provider = proxy.provider();
    let made = provider.create_instance(&telling()).await.unwrap();
    assert_eq!(proxy.struck(), 1);
    assert_eq!(proxy.containers(), [made.id.as_str()]);
    assert_eq!(proxy.answered("POST /containers/create", 201), 1);
    assert!(provider.wait_ready(&made.id).await.unwrap().is_ready());
    ran_once(&made.id).await;
    assert_eq!(proxy.containers(), [made.id.as_str()]);
    end(&proxy, &made.id).await;
    proxy
}

#[tokio::test]
async fn the_reply_to_a_start_is_lost() {
    let proxy = one_machine("POST /start", Fault::ReplyLost).await;
    assert_eq!(proxy.answered("PUT /archive", 200), 1, "what runs is not written again");
}

/// Of a machine whose start is not answered nobody knows whether it runs: the caller has it, and no
/// other takes its place.
#[tokio::test]
async fn a_start_that_is_never_answered_leaves_one_machine_that_the_caller_knows() {
    for first in [Fault::Silence, Fault::Cut] {
        let proxy = Proxy::start();
        proxy.fault("POST /start", 1..2, first);
        proxy.fault("POST /start", 2..usize::MAX, Fault::Silence);
        let http_request = Duration::from_secs(2);
        let instance_ready = Duration::from_secs(5);
        let hasty = connect(proxy.config().with_timeouts(ProviderTimeouts {
            http_request,
            instance_ready,
            ..timeouts()
        }));
        match heard(&proxy, &hasty, &telling()).await {
            // What was cut went on, and was seen to run.
            Ok(made) if first == Fault::Cut => {
                assert_eq!(proxy.containers(), [made.id.as_str()]);
                ran_once(&made.id).await;
                end(&proxy, &made.id).await;
            }
            Err(ProviderError::AfterCreate {
                instance_id,
                exists: true,
                source,
                cleanup: None,
                ..
            }) if first == Fault::Silence => {
                assert!(matches!(*source, ProviderError::Timeout { .. }), "{source}");
                assert_eq!(proxy.containers(), [instance_id.as_str()]);
                end(&proxy, &instance_id).await;
            }
            other => panic!("{first:?}: {other:?}"),
        }
        assert_eq!(proxy.answered("POST /containers/create", 201), 1);
    }
}

/// Whichever call of a create it is: there is one machine, or none, and then the caller may try
/// again.
#[tokio::test]
async fn any_call_of_a_create_is_lost() {
    for fault in [Fault::RequestLost, Fault::ReplyLost] {
        for number in 1.. {
            let proxy = Proxy::start();
            proxy.fault("", number..number + 1, fault);
            let provider = proxy.provider();
            let outcome = provider.create_instance(&telling()).await;
            if proxy.struck() == 0 {
                // All have had their turn.
                end(&proxy, &outcome.unwrap().id).await;
                break;
            }
            match outcome {
                Ok(made) => {
                    assert_eq!(
                        proxy.containers(),
                        [made.id.as_str()],
                        "{fault:?} of request {number}"
                    );
                    ran_once(&made.id).await;
                    end(&proxy, &made.id).await;
                }
                Err(error) => {
                    assert!(error.is_retryable(), "{fault:?} of request {number}: {error:?}");
                    assert_eq!(proxy.containers(), [""; 0], "{fault:?} of request {number}");
                }
            }
        }
    }
}

/// A create that the engine makes late, for a caller who waits for it for some seconds; with a key
/// of the caller's own, or without one.
async fn late(fault: Fault, patience: u64, is_keyed: bool) {
    let proxy = Proxy::start();
    proxy.fault("POST /containers/create", 1..2, fault);
    let http_request = Duration::from_secs(4);
    let instance_ready = Duration::from_secs(patience);
    let provider = connect(proxy.config().with_timeouts(ProviderTimeouts {
        http_request,
        instance_ready,
        ..timeouts()
    }));
    let mut wanted = telling();
    if is_keyed {
        wanted = wanted.with_idempotency_key(&proxy.owner);
    }
    let id = match heard(&proxy, &provider, &wanted).await {
        Ok(made) => made.id,
        Err(ProviderError::UnknownOutcome { key, .. }) => {
            assert!(!is_keyed || key == proxy.owner);
            proxy.quiet().await;
            let patient = connect(proxy.config());
            let found = patient.resolve(&key).await.unwrap().expect("it is found by its key");
            if is_keyed {
                // Asked for again, it is begun.
                assert_eq!(patient.create_instance(&wanted).await.unwrap().id, found.id);
                ran_once(&found.id).await;
            }
            found.id
        }
        Err(error) => panic!("{fault:?} of {patience} s: {error:?}"),
    };
    proxy.quiet().await;
    assert_eq!(proxy.struck(), 1);
    assert_eq!(proxy.containers(), [id.as_str()], "{fault:?}");
    assert_eq!(proxy.answered("POST /containers/create", 201), 1);
    end(&proxy, &id).await;
}

async fn late_for_all(fault: Fault) {
    tokio::join!(
        late(fault, 60, false),
        late(fault, 60, true),
        late(fault, 3, false),
        late(fault, 3, true)
    );
}

/// A machine, and the proxy through which it was made.
async fn made() -> (Running, Arc<dyn Provider>, ProviderInstance) {
    let proxy = Proxy::start();
    let provider = proxy.provider();
    let machine = ready(&provider, &request()).await;
    (proxy, provider, machine)
}

/// That one there is, under the id that all are told.
async fn one_snapshot(proxy: &Proxy, machine: &ProviderInstance, snapshot: &Snapshot) {
    assert_eq!(proxy.answered("POST /commit", 201), 1);
    let listed = provider().list_snapshots().await.unwrap();
    let named: Vec<_> = listed.iter().filter(|listed| listed.name == snapshot.name).collect();
    assert_eq!(named, [snapshot]);
    let images = proxy.images();
    assert!(
        images.len() == 1 && images[0].ends_with(&format!("spuff-snapshot:{}", snapshot.id)),
        "{images:?}"
    );
    provider().delete_snapshot(&snapshot.id).await.unwrap();
    assert_eq!(proxy.images(), [""; 0]);
    end(proxy, &machine.id).await;
}

/// A snapshot of which one request or reply is lost is made once, and known.
async fn a_snapshot(route: &str, fault: Fault) {
    let (proxy, provider, machine) = made().await;
    proxy.fault(route, 1..2, fault);
    let snapshot = provider.create_snapshot(&machine.id, &proxy.owner).await.unwrap();
    assert_eq!(proxy.struck(), 1);
    one_snapshot(&proxy, &machine, &snapshot).await;
}

/// One that takes long: the engine is still at it when it is looked for.
#[tokio::test]
async fn a_commit_is_cut() {
    let (proxy, provider, machine) = made().await;
    // Podman answers nobody meanwhile, not even who asks for its version.
    let megabytes = if is_podman() { 20 } else { 500 };
    inside(
        &machine.id,
        &format!("dd if=/dev/urandom of=/fill bs=1M count={megabytes} 2>/dev/null"),
    );
    proxy.fault("POST /commit", 1..2, Fault::Cut);
    let snapshot = provider.create_snapshot(&machine.id, &proxy.owner).await.unwrap();
    proxy.quiet().await;
    assert_eq!(proxy.struck(), 1);
    one_snapshot(&proxy, &machine, &snapshot).await;
}

/// The snapshot that a create has made or may have made, after all is well again: whoever is told
/// less than its key, or that it may be tried again, would make a second one.
async fn resolved(
    proxy: &Proxy,
    provider: &Arc<dyn Provider>,
    outcome: ProviderResult<Snapshot>,
) -> Snapshot {
    assert!(proxy.struck() > 0);
    proxy.mend();
    match outcome {
        Ok(snapshot) => snapshot,
        Err(ProviderError::UnknownOutcome { key, .. }) => {
            provider.resolve_snapshot(&key).await.unwrap().expect("it is found by its key")
        }
        Err(error) => panic!("retryable: {}: {error:?}", error.is_retryable()),
    }
}

#[tokio::test]
async fn a_list_after_a_commit_is_lost() {
    let (proxy, provider, machine) = made().await;
    proxy.fault("GET /images/json", 1..2, Fault::ReplyLost);
    let outcome = provider.create_snapshot(&machine.id, &proxy.owner).await;
    let snapshot = resolved(&proxy, &provider, outcome).await;
    one_snapshot(&proxy, &machine, &snapshot).await;
}

#[tokio::test]
async fn all_lists_after_a_commit_are_lost() {
    let (proxy, _, machine) = made().await;
    let hasty = ProviderTimeouts { action_complete: Duration::from_secs(15), ..timeouts() };
    let provider = connect(proxy.config().with_timeouts(hasty));
    proxy.fault("GET /images/json", 1..usize::MAX, Fault::ReplyLost);
    let outcome = provider.create_snapshot(&machine.id, &proxy.owner).await;
    let snapshot = resolved(&proxy, &provider, outcome).await;
    one_snapshot(&proxy, &machine, &snapshot).await;
}

#[tokio::test]
async fn the_engine_is_gone_after_a_commit() {
    let (proxy, provider, machine) = made().await;
    proxy.fault("POST /commit", 1..2, Fault::ThenGone(Duration::from_secs(2)));
    let outcome = provider.create_snapshot(&machine.id, &proxy.owner).await;
    // Until it is back.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let snapshot = resolved(&proxy, &provider, outcome).await;
    one_snapshot(&proxy, &machine, &snapshot).await;
}

/// A machine whose removal is lost on its way is gone all the same.
async fn no_machine(fault: Fault) {
    let (proxy, provider, machine) = made().await;
    proxy.fault("DELETE /containers/", 1..2, fault);
    provider.destroy_instance(&machine.id).await.unwrap();
    proxy.quiet().await;
    assert_eq!((proxy.struck(), proxy.containers().len()), (1, 0));
}

/// What the engine has not quite removed is removed when it is asked again; one that never can says
/// so.
#[tokio::test]
async fn a_removal_at_which_the_engine_fails_is_tried_again() {
    let (proxy, provider, machine) = made().await;
    proxy.fault("DELETE /containers/", 1..4, Fault::Failed);
    provider.destroy_instance(&machine.id).await.unwrap();
    assert_eq!((proxy.struck(), proxy.containers().len()), (3, 0));

    let (proxy, provider, machine) = made().await;
    let snapshot = provider.create_snapshot(&machine.id, &proxy.owner).await.unwrap();
    proxy.fault("DELETE /images/", 1..3, Fault::Failed);
    provider.delete_snapshot(&snapshot.id).await.unwrap();
    assert_eq!((proxy.struck(), proxy.images().len()), (2, 0));

    proxy.mend();
    proxy.fault("DELETE /containers/", 1..usize::MAX, Fault::Failed);
    let error = provider.destroy_instance(&machine.id).await.unwrap_err();
    assert!(error.to_string().contains("directory not empty"), "{error}");
    proxy.mend();
    provider.destroy_instance(&machine.id).await.unwrap();
    assert_eq!(proxy.containers(), [""; 0]);
}

/// What is being destroyed is not given to its key, nor is its name in the way, however often the
/// engine fails at its end.
#[tokio::test]
async fn a_machine_that_is_being_removed_is_nobodys() {
    for key in [None, Some("order-7")] {
        let proxy = Proxy::start();
        let provider = proxy.provider();
        let wanted = InstanceRequest {
            idempotency_key: key.map(|key| format!("{key}-{}", proxy.owner)),
            ..request()
        };
        let first = provider.create_instance(&wanted).await.unwrap();
        proxy.fault("DELETE /containers/", 1..4, Fault::Failed);
        let again = async {
            let again = provider.create_instance(&wanted).await.unwrap();
            (again, proxy.containers())
        };
        let (ended, (again, there)) = tokio::join!(provider.destroy_instance(&first.id), again);
        ended.unwrap();
        assert_eq!(
            (again.adopted, there, proxy.struck()),
            (false, vec![again.id.clone()], 3),
            "{key:?}"
        );
        assert_ne!(again.id, first.id, "{key:?}");
        end(&proxy, &again.id).await;
    }
}

/// Its end is known, or the caller is told that it may try again.
#[tokio::test]
async fn any_call_of_a_destroy_is_lost() {
    for fault in [Fault::RequestLost, Fault::ReplyLost] {
        for number in 1.. {
            let (proxy, _, machine) = made().await;
            proxy.fault("", number..number + 1, fault);
            let provider = proxy.provider();
            let destroyed = provider.destroy_instance(&machine.id).await;
            if let Err(error) = &destroyed {
                assert!(error.is_retryable(), "{fault:?} of request {number}: {error:?}");
                provider.destroy_instance(&machine.id).await.unwrap();
            }
            assert_eq!(proxy.containers(), [""; 0], "{fault:?} of request {number}");
            if proxy.struck() == 0 {
                destroyed.unwrap();
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_delete_of_a_snapshot_is_lost() {
    let (proxy, provider, machine) = made().await;
    for fault in [Fault::RequestLost, Fault::ReplyLost, Fault::Cut] {
        let snapshot = provider.create_snapshot(&machine.id, &proxy.owner).await.unwrap();
        let struck = proxy.struck();
        proxy.mend();
        proxy.fault("DELETE /images/", 1..2, fault);
        provider
            .delete_snapshot(&snapshot.id)
            .await
            .unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        proxy.quiet().await;
        assert_eq!((proxy.struck(), proxy.images().len()), (struck + 1, 0), "{fault:?}");
    }
    end(&proxy, &machine.id).await;
}

/// Docker lists a container that it is about to make a moment before it finds it: it is not taken
/// for one that is gone.
#[tokio::test]
async fn what_is_listed_is_not_found_yet() {
    let (proxy, provider, machine) = made().await;
    let not_yet =
        || proxy.fault(format!("GET /containers/{}/json", machine.id), 1..3, Fault::NotFoundYet);
    not_yet();
    assert!(provider.wait_ready(&machine.id).await.unwrap().is_ready());
    proxy.mend();
    not_yet();
    assert_eq!(provider.get_instance(&machine.id).await.unwrap().unwrap().id, machine.id);
    proxy.mend();
    not_yet();
    provider.destroy_instance(&machine.id).await.unwrap();
    assert_eq!((proxy.struck(), proxy.containers().len()), (6, 0));
}

#[tokio::test]
async fn the_first_look_of_a_wait_is_lost() {
    let (proxy, provider, machine) = made().await;
    for fault in [Fault::ReplyLost, Fault::RequestLost] {
        let struck = proxy.struck();
        proxy.mend();
        proxy.fault(format!("GET /containers/{}/json", machine.id), 1..2, fault);
        let ready = provider
            .wait_ready(&machine.id)
            .await
            .unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert!(ready.is_ready() && proxy.struck() == struck + 1, "{ready:?}");
    }
    end(&proxy, &machine.id).await;
}

/// Nothing comes of reading twice: it is done again, or the caller is told that it may do so.
#[tokio::test]
async fn what_only_reads_is_lost() {
    let (proxy, provider, machine) = made().await;
    let mut told = Vec::new();
    for fault in [Fault::ReplyLost, Fault::RequestLost] {
        for verb in
            ["list_instances", "get_instance", "list_snapshots", "resolve", "resolve_snapshot"]
        {
            let struck = proxy.struck();
            proxy.mend();
            proxy.fault("GET ", 1..2, fault);
            let read = match verb {
                "list_instances" => provider.list_instances().await.map(drop),
                "get_instance" => provider.get_instance(&machine.id).await.map(drop),
                "list_snapshots" => provider.list_snapshots().await.map(drop),
                "resolve" => provider.resolve("nothing-was-made-under-this").await.map(drop),
                _ => provider.resolve_snapshot("nothing-was-made-under-this").await.map(drop),
            };
            assert_eq!(proxy.struck(), struck + 1, "{verb}");
            match read {
                // Looking again is what its key is for.
                Err(error)
                    if verb.starts_with("resolve") && error.kind() == ErrorKind::UnknownOutcome => {
                }
                Err(error) if !error.is_retryable() => {
                    told.push(format!("{fault:?} of {verb}: {error:?}"))
                }
                _ => {}
            }
        }
    }
    assert!(told.is_empty(), "{told:#?}");
    end(&proxy, &machine.id).await;
}
