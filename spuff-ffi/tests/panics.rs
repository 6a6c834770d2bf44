//! A panic inside the core, or in a provider that was added to it, comes out as an error, whichever
//! way the call was made.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

use std::ffi::{CStr, c_void};
use std::ptr::{null, null_mut};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use async_trait::async_trait;
use spuff::error::{Code, Error, spuff_error_free, spuff_error_instance_id, spuff_error_text};
use spuff::instance::Instance;
use spuff::provider::{Provider as Handle, spuff_provider_get_instance, spuff_provider_wait_ready};
use spuff::submit::spuff_provider_wait_ready_submit;
use spuff_core::blocking;
use spuff_core::provider::{InstanceRequest, Provider, ProviderInstance, ProviderResult, Snapshot};

/// A provider whose reads panic: at once, or after a pause, when the future is polled again.
struct Panics;

#[async_trait]
impl Provider for Panics {
    fn name(&self) -> &str {
        "panics"
    }
    async fn create_instance(&self, _: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        Ok(ProviderInstance::default())
    }
    async fn destroy_instance(&self, _: &str) -> ProviderResult<()> {
        Ok(())
    }
    async fn get_instance(&self, _: &str) -> ProviderResult<Option<ProviderInstance>> {
        panic!("at once, on purpose")
    }
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        Ok(Vec::new())
    }
    async fn wait_ready(&self, id: &str) -> ProviderResult<ProviderInstance> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        panic!("later, on purpose, with {id}")
    }
    async fn create_snapshot(&self, id: &str, name: &str) -> ProviderResult<Snapshot> {
        Ok(Snapshot { id: id.to_string(), name: name.to_string(), created_at: None })
    }
    async fn list_snapshots(&self) -> ProviderResult<Vec<Snapshot>> {
        Ok(Vec::new())
    }
    async fn delete_snapshot(&self, _: &str) -> ProviderResult<()> {
        Ok(())
    }
}

fn provider() -> Handle {
    let provider: Box<dyn Provider> = Box::new(Panics);
    blocking::Provider::from(provider).into()
}

/// The text of an error, which knows the machine; frees it.
fn read_text(mut error: *mut Error) -> String {
    assert!(!error.is_null());
    // SAFETY: an error of the library, whose texts live as long as it.
    unsafe {
        assert_eq!(CStr::from_ptr(spuff_error_instance_id(error)), c"7");
        let text = CStr::from_ptr(spuff_error_text(error)).to_str().unwrap().to_string();
        spuff_error_free(&raw mut error);
        text
    }
}

#[test]
fn a_panic_is_an_error_of_a_call_that_blocks() {
    let provider = provider();
    let id = c"7".as_ptr();
    let mut out = null_mut();
    let mut error = null_mut();
    // SAFETY: handles of this program, and room for the results.
    let code = unsafe {
        spuff_provider_get_instance(&raw const provider, id, null(), &raw mut out, &raw mut error)
    };
    assert_eq!(
        (code, out.is_null(), read_text(error)),
        (Code::Internal, true, "internal error: at once, on purpose".to_string())
    );
    // SAFETY: as above.
    let code = unsafe {
        spuff_provider_wait_ready(
            &raw const provider,
            id,
            null(),
            null(),
            &raw mut out,
            &raw mut error,
        )
    };
    assert_eq!((code, out.is_null()), (Code::Internal, true));
    assert!(read_text(error).contains("later, on purpose, with 7"));
}

unsafe extern "C" fn on_outcome(
    user_data: *mut c_void,
    code: Code,
    instance: *mut Instance,
    error: *mut Error,
) {
    assert!(instance.is_null());
    // SAFETY: the sender below, which is never dropped.
    let told = unsafe { &*user_data.cast::<Sender<(i32, String)>>() };
    told.send((code as i32, read_text(error))).unwrap();
}

#[test]
fn a_panic_is_an_error_of_a_call_that_calls_back_and_the_next_call_goes_on() {
    let provider = provider();
    let (told, outcomes) = channel::<(i32, String)>();
    // A callback may still be on its way back when its outcome has come.
    let told: &'static Sender<(i32, String)> = Box::leak(Box::new(told));
    for _ in 0..2 {
        // SAFETY: handles of this program; the sender is never dropped.
        let code = unsafe {
            spuff_provider_wait_ready_submit(
                &raw const provider,
                c"7".as_ptr(),
                null(),
                null(),
                Some(on_outcome),
                std::ptr::from_ref(told).cast_mut().cast(),
                null_mut(),
            )
        };
        assert_eq!(code, Code::Ok);
        let (code, text) = outcomes.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(code, Code::Internal as i32);
        assert!(text.contains("later, on purpose, with 7"), "{text}");
    }
}
