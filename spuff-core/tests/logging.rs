//! What the crate logs reaches a listener that is not written in Rust.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::{Arc, Mutex};

use spuff_core::logging::{self, Level};
use spuff_core::provider::InstanceRequest;
use spuff_core::simulator::{Clock, Fault, Options, Route};

#[tokio::test]
async fn lines_have_their_level_and_the_fields_of_the_verb() {
    let cloud = Options::default().with_clock(Clock::Fast(100.0)).start().unwrap();
    let provider = cloud.provider("hetzner").unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let keep = move |record: &logging::Record<'_>| {
        sink.lock().unwrap().push((record.level, format!("{} {}", record.target, record.message)));
    };
    logging::listen(Some(Level::DEBUG), keep).unwrap();
    let taken = || std::mem::take(&mut *lines.lock().unwrap());

    cloud.inject(Fault::ReplyLost.once("hetzner", Route::CreateInstance));
    provider.create_instance(&InstanceRequest::new("web-1", "fsn1", "cx22")).await.unwrap();
    let seen = taken();
    let found = seen
        .iter()
        .find(|(_, line)| line.contains("checking whether the create was carried out"))
        .unwrap();
    assert!(
        found.0 == Level::DEBUG
            && found.1.contains("spuff_core")
            && found.1.contains("provider=hetzner"),
        "{found:?}"
    );

    logging::set_level(Some(Level::ERROR));
    provider.list_instances().await.unwrap();
    cloud.inject(Fault::ReplyLost.once("hetzner", Route::ListInstances));
    provider.list_instances().await.unwrap();
    assert_eq!(taken(), []);
    logging::set_level(None);
    provider.list_instances().await.unwrap();
    assert_eq!(taken(), []);

    let other = Arc::new(Mutex::new(0));
    let count = other.clone();
    logging::listen(Some(Level::TRACE), move |_| *count.lock().unwrap() += 1).unwrap();
    cloud.inject(Fault::ReplyLost.once("hetzner", Route::ListInstances));
    provider.list_instances().await.unwrap();
    assert!(
        *other.lock().unwrap() > 0 && taken().is_empty(),
        "the listener before it is told nothing more"
    );
}
