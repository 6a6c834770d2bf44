//! Callbacks and functions of providers in C run where they may block and call spuff, whatever has
//! happened to threads.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

#[path = "../../spuff-core/tests/support/child.rs"]
mod child;

use std::ffi::{CStr, c_char, c_ulong, c_void};
use std::ptr::{from_ref, null, null_mut};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use child::in_child;
use spuff::cancel::{Cancel, spuff_cancel_cancel, spuff_cancel_free, spuff_cancel_new};
use spuff::config::Config;
use spuff::error::{Code, Error, spuff_error_free};
use spuff::instance::{Instance, Instances};
use spuff::provider::{Provider as Handle, spuff_provider_free, spuff_provider_get_instance};
use spuff::registry::{spuff_registry_connect, spuff_registry_free, spuff_registry_new};
use spuff::request::{Request, spuff_request_free, spuff_request_new};
use spuff::submit::{spuff_provider_create_instance_submit, spuff_provider_get_instance_submit};
use spuff::vtable::{ProviderVtable, spuff_registry_register};
use spuff_core::blocking;
use spuff_core::provider::{InstanceRequest, Provider, ProviderInstance, ProviderResult, Snapshot};

const PATIENCE: Duration = Duration::from_secs(20);

/// A provider without machines, whose reads need the runtime.
struct Empty;

#[async_trait]
impl Provider for Empty {
    fn name(&self) -> &str {
        "empty"
    }
    async fn create_instance(&self, _: &InstanceRequest) -> ProviderResult<ProviderInstance> {
        Ok(ProviderInstance::default())
    }
    async fn destroy_instance(&self, _: &str) -> ProviderResult<()> {
        Ok(())
    }
    async fn get_instance(&self, _: &str) -> ProviderResult<Option<ProviderInstance>> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(None)
    }
    async fn list_instances(&self) -> ProviderResult<Vec<ProviderInstance>> {
        Ok(Vec::new())
    }
    async fn wait_ready(&self, _: &str) -> ProviderResult<ProviderInstance> {
        Ok(ProviderInstance::default())
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

fn empty() -> Handle {
    let provider: Box<dyn Provider> = Box::new(Empty);
    blocking::Provider::from(provider).into()
}

/// Reads a machine of a provider, and blocks.
fn read(provider: &Handle) -> Code {
    let mut out = null_mut();
    let mut error = null_mut();
    // SAFETY: a handle of this program, and room for the results.
    unsafe {
        let code = spuff_provider_get_instance(
            provider,
            c"7".as_ptr(),
            null(),
            &raw mut out,
            &raw mut error,
        );
        spuff_error_free(&raw mut error);
        code
    }
}

unsafe extern "C" fn on_outcome(
    user_data: *mut c_void,
    code: Code,
    instance: *mut Instance,
    mut error: *mut Error,
) {
    assert!(instance.is_null());
    // SAFETY: the error is the callback's, and the sender of `told` is never dropped.
    unsafe {
        spuff_error_free(&raw mut error);
        (*user_data.cast::<Sender<Code>>()).send(code).unwrap();
    }
}

/// Where outcomes are told, for the rest of the program: a callback may still be on its way back
/// when its outcome has come.
fn told() -> (*mut c_void, Receiver<Code>) {
    let (tell, told) = channel();
    (from_ref(Box::leak(Box::new(tell))).cast_mut().cast(), told)
}

/// Submits the read of a machine.
fn submit(provider: &Handle) -> Receiver<Code> {
    let (tell, told) = told();
    let id = c"7".as_ptr();
    // SAFETY: a handle of this program; the sender is never dropped.
    let code = unsafe {
        spuff_provider_get_instance_submit(provider, id, null(), Some(on_outcome), tell, null_mut())
    };
    assert_eq!(code, Code::Ok);
    told
}

/// A table whose create takes until it is let go, and which uses another provider when it is
/// disconnected and dropped.
struct Wrapper {
    inner: Handle,
    begun: Sender<()>,
    let_go: Mutex<Receiver<()>>,
    ended: Sender<(&'static str, Code)>,
}

/// The one wrapper, as no function is given more than a pointer.
static WRAPPER: OnceLock<Wrapper> = OnceLock::new();

impl Wrapper {
    /// Calls the other provider as languages do whose threads are not those of C: on another one,
    /// for which this waits.
    fn end(&'static self, what: &'static str) {
        let code = thread::spawn(|| read(&self.inner)).join().unwrap();
        self.ended.send((what, code)).unwrap();
    }
}

unsafe extern "C" fn connect(
    _: *mut c_void,
    _: *const Config,
    _: *mut *mut c_void,
    _: *mut *mut Error,
) -> i32 {
    Code::Ok as i32
}

unsafe extern "C" fn disconnect(_: *mut c_void) {
    WRAPPER.get().unwrap().end("disconnect");
}

unsafe extern "C" fn drop_table(_: *mut c_void) {
    WRAPPER.get().unwrap().end("drop");
}

unsafe extern "C" fn create(
    _: *mut c_void,
    _: *const Request,
    _: *const Cancel,
    _: *mut *mut Instance,
    _: *mut *mut Error,
) -> i32 {
    let wrapper = WRAPPER.get().unwrap();
    wrapper.begun.send(()).unwrap();
    wrapper.let_go.lock().unwrap().recv().unwrap();
    Code::Capacity as i32
}

unsafe extern "C" fn destroy(
    _: *mut c_void,
    _: *const c_char,
    _: *const Cancel,
    _: *mut *mut Error,
) -> i32 {
    Code::Ok as i32
}

unsafe extern "C" fn get(
    _: *mut c_void,
    _: *const c_char,
    _: *const Cancel,
    _: *mut *mut Instance,
    _: *mut *mut Error,
) -> i32 {
    Code::Ok as i32
}

unsafe extern "C" fn list(
    _: *mut c_void,
    _: *const Cancel,
    _: *mut Instances,
    _: *mut *mut Error,
) -> i32 {
    Code::Ok as i32
}

/// A provider of the table, which nothing else uses.
fn wrapping() -> *mut Handle {
    const NAME: &CStr = c"wrapper";
    // SAFETY: all but the size may be zero.
    let nothing: ProviderVtable = unsafe { std::mem::zeroed() };
    let table = ProviderVtable {
        size: size_of::<ProviderVtable>(),
        drop: Some(drop_table),
        connect: Some(connect),
        disconnect: Some(disconnect),
        create_instance: Some(create),
        destroy_instance: Some(destroy),
        get_instance: Some(get),
        list_instances: Some(list),
        ..nothing
    };
    let mut provider = null_mut();
    // SAFETY: handles of this program, and functions that live as long as it.
    unsafe {
        let mut registry = spuff_registry_new();
        assert_eq!(
            spuff_registry_register(registry, NAME.as_ptr(), null(), &raw const table, null_mut()),
            Code::Ok
        );
        assert_eq!(
            spuff_registry_connect(registry, NAME.as_ptr(), null(), &raw mut provider, null_mut()),
            Code::Ok
        );
        spuff_registry_free(&raw mut registry);
    }
    provider
}

#[test]
fn a_provider_that_the_background_lets_go_of_last_may_call_another_when_it_ends() {
    let (begun, begins) = channel();
    let (go, let_go) = channel();
    let (ended, ends) = channel();
    assert!(WRAPPER.set(Wrapper { inner: empty(), begun, let_go: let_go.into(), ended }).is_ok());

    // Whoever frees the last handle has both called before the free returns.
    let mut provider = wrapping();
    // SAFETY: a handle that nobody uses.
    unsafe { spuff_provider_free(&raw mut provider) };
    assert_eq!(ends.try_iter().collect::<Vec<_>>(), [("disconnect", Code::Ok), ("drop", Code::Ok)]);

    let mut provider = wrapping();
    let (tell, told) = told();
    // SAFETY: handles of this program; the sender is never dropped.
    unsafe {
        let mut cancel = spuff_cancel_new();
        let mut request = null_mut();
        let empty = c"".as_ptr();
        assert_eq!(
            spuff_request_new(c"web".as_ptr(), empty, empty, &raw mut request, null_mut()),
            Code::Ok
        );
        let code = spuff_provider_create_instance_submit(
            provider,
            request,
            cancel,
            Some(on_outcome),
            tell,
            null_mut(),
        );
        assert_eq!(code, Code::Ok);
        begins.recv_timeout(PATIENCE).unwrap();
        spuff_cancel_cancel(cancel);
        assert_eq!(told.recv_timeout(PATIENCE), Ok(Code::Cancelled));
        spuff_request_free(&raw mut request);
        spuff_cancel_free(&raw mut cancel);
        spuff_provider_free(&raw mut provider);
    }
    go.send(()).unwrap();
    assert_eq!(ends.recv_timeout(PATIENCE), Ok(("disconnect", Code::Ok)));
    assert_eq!(ends.recv_timeout(PATIENCE), Ok(("drop", Code::Ok)));
    assert_eq!(read(&empty()), Code::Ok, "the runtime goes on");
}

#[test]
fn a_child_of_a_process_that_was_called_back_is_called_back() {
    assert_eq!(submit(&empty()).recv_timeout(PATIENCE), Ok(Code::Ok));
    // The thread that has called back must have had the time to become idle.
    thread::sleep(Duration::from_millis(100));
    assert!(in_child(|| submit(&empty()).recv_timeout(PATIENCE) == Ok(Code::Ok)));
}

/// Lets this process, which is not root's any more, start no thread.
#[cfg(target_os = "linux")]
fn without_threads<T>(work: impl FnOnce() -> T) -> T {
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Limit {
        now: c_ulong,
        most: c_ulong,
    }
    const PROCESSES: i32 = 6;
    const NOBODY: u32 = 65534;
    unsafe extern "C" {
        fn setuid(user: u32) -> i32;
        fn getrlimit(resource: i32, limit: *mut Limit) -> i32;
        fn setrlimit(resource: i32, limit: *const Limit) -> i32;
    }
    let mut limit = Limit { now: 0, most: 0 };
    // SAFETY: plain calls of the C library, by their prototypes. Who is not root cannot become
    // nobody, and need not.
    unsafe {
        let _ = setuid(NOBODY);
        assert_eq!(getrlimit(PROCESSES, &raw mut limit), 0);
        let none = Limit { now: 0, ..limit };
        assert_eq!(setrlimit(PROCESSES, &raw const none), 0);
    }
    assert!(thread::Builder::new().spawn(|| ()).is_err(), "a thread was started");
    let done = work();
    // SAFETY: as above.
    assert_eq!(unsafe { setrlimit(PROCESSES, &raw const limit) }, 0);
    done
}

#[cfg(target_os = "linux")]
#[test]
fn a_callback_for_which_there_is_no_thread_is_called_when_there_is_one() {
    assert!(in_child(|| {
        let provider = empty();
        assert_eq!(read(&provider), Code::Ok, "the runtime has its own thread now");
        let told = without_threads(|| {
            let told = submit(&provider);
            assert!(
                told.recv_timeout(Duration::from_millis(300)).is_err(),
                "it was called on a thread that must not block"
            );
            told
        });
        told.recv_timeout(PATIENCE) == Ok(Code::Ok)
    }));
}
