//! Callers' functions are called outside of locks, end when they are told to, and what a table has
//! made beside an error is known.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed")]

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use spuff::cancel::{
    Cancel, Notice, spuff_cancel_cancel, spuff_cancel_free, spuff_cancel_new, spuff_cancel_notify,
    spuff_notice_free,
};
use spuff::error::{
    Code, Error, spuff_error_clone, spuff_error_code, spuff_error_free,
    spuff_error_instance_exists, spuff_error_instance_id, spuff_error_new, spuff_error_text,
};
use spuff::fleet::{FleetOptions, spuff_provider_create_instances};
use spuff::instance::{
    Instance, Instances, spuff_instance_clone, spuff_instance_free, spuff_instance_id,
    spuff_instance_new, spuff_instances_count, spuff_instances_get, spuff_instances_push,
};
use spuff::log::{LogLevel, spuff_log_listen};
use spuff::nouns::snapshot::{Snapshot, spuff_snapshot_new};
use spuff::price::{Price, spuff_price_new, spuff_price_text};
use spuff::provider::{
    Provider, spuff_provider_create_and_wait, spuff_provider_create_instance,
    spuff_provider_create_snapshot, spuff_provider_free, spuff_provider_get_instance,
    spuff_provider_list_instances,
};
use spuff::registry::{
    Registry, spuff_registry_connect, spuff_registry_free, spuff_registry_is_registered,
    spuff_registry_new,
};
use spuff::request::{Request, spuff_request_free, spuff_request_new};
use spuff::vtable::{ProviderVtable, spuff_registry_register};

const PATIENCE: Duration = Duration::from_secs(20);
const DESTROY: i32 = 0;
const KEEP: i32 = 1;

/// Fails, and does not hang, where `work` does not come to its end.
fn ends<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, is_done) = channel();
    thread::spawn(move || done.send(work()));
    is_done.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{what} does not return"))
}

fn read(text: *const c_char) -> String {
    // SAFETY: a text of the library's, or NULL.
    if text.is_null() {
        String::new()
    } else {
        unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_string()
    }
}

// ---- a table whose functions ask the registry, and whose creates fail when the machine is made

static REGISTRY: AtomicPtr<Registry> = AtomicPtr::new(null_mut());
static DROPS: AtomicUsize = AtomicUsize::new(0);
static DESTROYED: AtomicUsize = AtomicUsize::new(0);
static LISTS: AtomicUsize = AtomicUsize::new(0);

/// What every function of the table may do in the middle of any other.
fn ask_the_registry() {
    let registry = REGISTRY.load(Ordering::SeqCst);
    // SAFETY: the registry of the test, which lives to its end.
    unsafe { spuff_registry_is_registered(registry, c"half".as_ptr()) };
}

unsafe extern "C" fn on_drop(_: *mut c_void) {
    ask_the_registry();
    DROPS.fetch_add(1, Ordering::SeqCst);
}

unsafe extern "C" fn connect(
    _: *mut c_void,
    _: *const spuff::config::Config,
    _: *mut *mut c_void,
    _: *mut *mut Error,
) -> i32 {
    ask_the_registry();
    0
}

unsafe extern "C" fn disconnect(_: *mut c_void) {
    ask_the_registry();
}

unsafe extern "C" fn create(
    _: *mut c_void,
    _: *const Request,
    _: *const Cancel,
    out: *mut *mut Instance,
    error: *mut *mut Error,
) -> i32 {
    ask_the_registry();
    // SAFETY: the places are the library's.
    unsafe {
        spuff_instance_new(c"m-1".as_ptr(), out, null_mut());
        spuff_error_new(
            Code::Network as i32,
            c"the labels could not be set".as_ptr(),
            error,
            null_mut(),
        );
    }
    Code::Network as i32
}

unsafe extern "C" fn destroy(
    _: *mut c_void,
    id: *const c_char,
    _: *const Cancel,
    _: *mut *mut Error,
) -> i32 {
    ask_the_registry();
    assert_eq!(read(id), "m-1");
    DESTROYED.fetch_add(1, Ordering::SeqCst);
    0
}

unsafe extern "C" fn get(
    _: *mut c_void,
    _: *const c_char,
    _: *const Cancel,
    _: *mut *mut Instance,
    _: *mut *mut Error,
) -> i32 {
    ask_the_registry();
    0
}

/// Keeps the first as more are added.
unsafe extern "C" fn list(
    _: *mut c_void,
    _: *const Cancel,
    list: *mut Instances,
    _: *mut *mut Error,
) -> i32 {
    ask_the_registry();
    // SAFETY: the list is the library's.
    unsafe {
        for at in 0..64 {
            let mut one = null_mut();
            let id = CString::new(format!("m-{at}")).unwrap();
            spuff_instance_new(id.as_ptr(), &raw mut one, null_mut());
            let own = one.cast_const();
            let first = spuff_instances_get(list, 0);
            spuff_instances_push(list, &raw mut one, null_mut());
            assert_eq!(spuff_instances_get(list, at), own, "the one that was pushed");
            if at > 0 {
                assert_eq!(spuff_instances_get(list, 0), first, "the first stays in its place");
                assert_eq!(read(spuff_instance_id(first)), "m-0");
            }
        }
    }
    LISTS.fetch_add(1, Ordering::SeqCst);
    0
}

unsafe extern "C" fn snapshot(
    _: *mut c_void,
    _: *const c_char,
    _: *const c_char,
    _: *const Cancel,
    out: *mut *mut Snapshot,
    error: *mut *mut Error,
) -> i32 {
    // SAFETY: the places are the library's.
    unsafe {
        spuff_snapshot_new(c"s-1".as_ptr(), c"golden".as_ptr(), out, null_mut());
        spuff_error_new(Code::Timeout as i32, c"it takes long".as_ptr(), error, null_mut());
    }
    Code::Timeout as i32
}

unsafe extern "C" fn price(
    _: *mut c_void,
    _: *const c_char,
    _: *const c_char,
    _: *const Cancel,
    out: *mut *mut Price,
    error: *mut *mut Error,
) -> i32 {
    // SAFETY: the places are the library's.
    unsafe { spuff_price_new(c"0.0056 EUR".as_ptr(), out, error) as i32 }
}

fn table() -> ProviderVtable {
    ProviderVtable {
        size: size_of::<ProviderVtable>(),
        user_data: null_mut(),
        drop: Some(on_drop),
        max_user_data: 0,
        drops_labels: false,
        connect: Some(connect),
        disconnect: Some(disconnect),
        create_instance: Some(create),
        destroy_instance: Some(destroy),
        get_instance: Some(get),
        list_instances: Some(list),
        wait_ready: None,
        create_snapshot: Some(snapshot),
        list_snapshots: None,
        delete_snapshot: None,
        resolve: None,
        resolve_snapshot: None,
        set_labels: None,
        get_ssh_keys: None,
        hourly_price: Some(price),
    }
}

fn register(table: &ProviderVtable) -> Code {
    let registry = REGISTRY.load(Ordering::SeqCst);
    // SAFETY: the registry of the test, and a table that is copied.
    unsafe { spuff_registry_register(registry, c"half".as_ptr(), null(), table, null_mut()) }
}

/// The error of a call, as what is told of it.
fn told(code: Code, mut error: *mut Error) -> (Code, String, String, i32) {
    // SAFETY: an error of the library, and its copy.
    unsafe {
        let mut copy = spuff_error_clone(error);
        assert_eq!(spuff_error_code(error), code);
        spuff_error_free(&raw mut error);
        let told = (
            code,
            read(spuff_error_text(copy)),
            read(spuff_error_instance_id(copy)),
            spuff_error_instance_exists(copy) as i32,
        );
        spuff_error_free(&raw mut copy);
        told
    }
}

/// One test, as the registry and the counters are the process's.
#[test]
fn a_tables_functions_may_ask_the_registry_and_what_they_made_beside_an_error_is_known() {
    // SAFETY: the functions are called as the header says.
    unsafe {
        REGISTRY.store(spuff_registry_new(), Ordering::SeqCst);
        assert_eq!(register(&table()), Code::Ok);
        // The table that is displaced is dropped, and may ask.
        assert_eq!(ends("registering anew", || register(&table())), Code::Ok);
        assert_eq!(DROPS.load(Ordering::SeqCst), 1);
        // One that is refused is dropped, too.
        let refused = || register(&ProviderVtable { get_instance: None, ..table() });
        assert_eq!(ends("a refused table", refused), Code::InvalidConfig);
        assert_eq!(DROPS.load(Ordering::SeqCst), 2);

        ends("the verbs", || {
            let (mut provider, mut request, mut made, mut error): (
                *mut Provider,
                *mut Request,
                *mut Instance,
                *mut Error,
            ) = (null_mut(), null_mut(), null_mut(), null_mut());
            let registry = REGISTRY.load(Ordering::SeqCst);
            assert_eq!(
                spuff_registry_connect(
                    registry,
                    c"half".as_ptr(),
                    null(),
                    &raw mut provider,
                    null_mut()
                ),
                Code::Ok
            );
            spuff_request_new(
                c"web-1".as_ptr(),
                c"r".as_ptr(),
                c"s".as_ptr(),
                &raw mut request,
                null_mut(),
            );

            let code = spuff_provider_create_instance(
                provider,
                request,
                null(),
                &raw mut made,
                &raw mut error,
            );
            let (code, text, id, exists) = told(code, error);
            assert!(
                made.is_null()
                    && code == Code::Network
                    && text.contains("the labels could not be set"),
                "{text}"
            );
            assert_eq!((id.as_str(), exists), ("m-1", 1), "{text}");
            assert_eq!(DESTROYED.load(Ordering::SeqCst), 0, "it is the caller's to end");

            for (on_failure, exists, destroyed) in [(KEEP, 1, 0), (DESTROY, 0, 1)] {
                let code = spuff_provider_create_and_wait(
                    provider,
                    request,
                    on_failure,
                    null(),
                    null(),
                    &raw mut made,
                    &raw mut error,
                );
                let (_, text, id, still) = told(code, error);
                assert_eq!(
                    (id.as_str(), still, DESTROYED.load(Ordering::SeqCst)),
                    ("m-1", exists, destroyed),
                    "{text}"
                );
            }
            let options = FleetOptions {
                size: size_of::<FleetOptions>(),
                concurrency: 0,
                on_failure: 0,
                wait_ready: false,
            };
            let requests = [request.cast_const()];
            let mut outcomes = null_mut();
            let code = spuff_provider_create_instances(
                provider,
                requests.as_ptr(),
                1,
                &raw const options,
                null(),
                null(),
                &raw mut outcomes,
                null_mut(),
            );
            assert_eq!((code, DESTROYED.load(Ordering::SeqCst)), (Code::Ok, 2));
            spuff::outcomes::spuff_outcomes_free(&raw mut outcomes);

            let mut snapshot = null_mut();
            let id = c"m-1".as_ptr();
            let name = c"golden".as_ptr();
            let code = spuff_provider_create_snapshot(
                provider,
                id,
                name,
                null(),
                null(),
                &raw mut snapshot,
                &raw mut error,
            );
            let (_, text, ..) = told(code, error);
            assert!(snapshot.is_null() && text.contains("snapshot s-1 was made"), "{text}");

            let mut price = null_mut();
            let mut machines = null_mut();
            let mut found = null_mut();
            let region = c"r".as_ptr();
            let size = c"s".as_ptr();
            let code = spuff::provider::spuff_provider_hourly_price(
                provider,
                region,
                size,
                null(),
                &raw mut price,
                null_mut(),
            );
            assert_eq!((code, read(spuff_price_text(price))), (Code::Ok, "0.0056 EUR".to_string()));
            spuff::price::spuff_price_free(&raw mut price);
            assert_eq!(
                spuff_provider_list_instances(provider, null(), &raw mut machines, null_mut()),
                Code::Ok
            );
            assert_eq!((spuff_instances_count(machines), LISTS.load(Ordering::SeqCst)), (64, 1));
            let mut copy = spuff_instance_clone(spuff_instances_get(machines, 7));
            spuff::instance::spuff_instances_free(&raw mut machines);
            assert_eq!(read(spuff_instance_id(copy)), "m-7", "a copy outlives the list");
            spuff_instance_free(&raw mut copy);
            assert_eq!(
                spuff_provider_get_instance(
                    provider,
                    c"m-1".as_ptr(),
                    null(),
                    &raw mut found,
                    null_mut()
                ),
                Code::Ok
            );

            spuff_request_free(&raw mut request);
            spuff_provider_free(&raw mut provider);
            let mut registry = REGISTRY.swap(null_mut(), Ordering::SeqCst);
            spuff_registry_free(&raw mut registry);
        });
        // The last one is dropped after the registry and all calls are gone: on a thread of
        // spuff's.
        let began = Instant::now();
        while DROPS.load(Ordering::SeqCst) < 3 {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "the last one is dropped with the registry"
            );
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// As the callers of the log's callback: a pointer to one of these is its user data.
struct Listener {
    entered: Sender<()>,
    let_go: AtomicBool,
    over: AtomicBool,
}

unsafe extern "C" fn slow_line(
    user_data: *mut c_void,
    _: LogLevel,
    _: *const c_char,
    _: *const c_char,
) {
    // SAFETY: it lives until the listening has been ended.
    let listener = unsafe { &*user_data.cast::<Listener>() };
    listener.entered.send(()).unwrap();
    while !listener.let_go.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(1));
    }
    listener.over.store(true, Ordering::SeqCst);
}

unsafe extern "C" fn ending_line(
    user_data: *mut c_void,
    _: LogLevel,
    _: *const c_char,
    _: *const c_char,
) {
    // SAFETY: as the header says; the sender lives to the end of the test.
    unsafe {
        assert_eq!(spuff_log_listen(0, None, null_mut(), null_mut()), Code::Ok);
        (*user_data.cast::<Sender<()>>()).send(()).unwrap();
    }
}

/// Logs a line, whatever else.
fn log_something() {
    let mut provider = null_mut();
    let mut machines = null_mut();
    // SAFETY: the functions are called as the header says.
    unsafe {
        let mut registry = spuff::registry::spuff_registry_with_defaults();
        let mut config = spuff::config::spuff_config_new();
        spuff::config::spuff_config_set_token(config, c"token".as_ptr(), null_mut());
        spuff::config::spuff_config_set_endpoint(
            config,
            c"http://127.0.0.1:9".as_ptr(),
            null_mut(),
        );
        spuff::config::spuff_config_set_timeout_ms(
            config,
            c"http_request".as_ptr(),
            500,
            null_mut(),
        );
        spuff_registry_connect(
            registry,
            c"hetzner".as_ptr(),
            config,
            &raw mut provider,
            null_mut(),
        );
        let mut limit = spuff::cancel::spuff_cancel_with_deadline_ms(1000);
        let _ = spuff_provider_list_instances(provider, limit, &raw mut machines, null_mut());
        spuff_cancel_free(&raw mut limit);
        spuff_provider_free(&raw mut provider);
        spuff::config::spuff_config_free(&raw mut config);
        spuff_registry_free(&raw mut registry);
    }
}

#[test]
fn ending_the_log_waits_for_its_callback_but_not_inside_of_it() {
    let (entered, has_entered) = channel();
    let listener = Box::new(Listener {
        entered,
        let_go: AtomicBool::new(false),
        over: AtomicBool::new(false),
    });
    let listener: &'static Listener = Box::leak(listener);
    let user_data = std::ptr::from_ref(listener).cast_mut().cast();
    // SAFETY: the functions are called as the header says.
    unsafe {
        assert_eq!(
            spuff_log_listen(LogLevel::Trace as i32, Some(slow_line), user_data, null_mut()),
            Code::Ok
        );
        let logging = thread::spawn(log_something);
        has_entered.recv_timeout(PATIENCE).unwrap();
        let ending = thread::spawn(|| {
            let code = spuff_log_listen(0, None, null_mut(), null_mut());
            (code, listener.over.load(Ordering::SeqCst))
        });
        // It cannot return before: what is checked is not a time.
        thread::sleep(Duration::from_millis(50));
        assert!(!ending.is_finished(), "a callback is under way");
        listener.let_go.store(true, Ordering::SeqCst);
        assert_eq!(ending.join().unwrap(), (Code::Ok, true));
        logging.join().unwrap();

        let (ended, is_ended) = channel::<()>();
        let ended: &'static Sender<()> = Box::leak(Box::new(ended));
        let user_data = std::ptr::from_ref(ended).cast_mut().cast();
        assert_eq!(
            spuff_log_listen(LogLevel::Trace as i32, Some(ending_line), user_data, null_mut()),
            Code::Ok
        );
        ends("a callback that ends the log", log_something);
        is_ended.recv_timeout(PATIENCE).unwrap();
    }
}

unsafe extern "C" fn on_cancelled(user_data: *mut c_void) {
    // SAFETY: a sender that lives to the end of the test.
    unsafe { (*user_data.cast::<Sender<()>>()).send(()).unwrap() };
}

#[test]
fn a_notice_tells_once_of_a_cancel_and_nothing_after_its_end() {
    let (tell, told) = channel::<()>();
    let tell: &'static Sender<()> = Box::leak(Box::new(tell));
    let user_data: *mut c_void = std::ptr::from_ref(tell).cast_mut().cast();
    // SAFETY: the functions are called as the header says.
    unsafe {
        let mut cancel = spuff_cancel_new();
        let mut notice: *mut Notice = null_mut();
        let mut freed: *mut Notice = null_mut();
        assert_eq!(
            spuff_cancel_notify(cancel, Some(on_cancelled), user_data, &raw mut notice, null_mut()),
            Code::Ok
        );
        assert_eq!(
            spuff_cancel_notify(cancel, Some(on_cancelled), user_data, &raw mut freed, null_mut()),
            Code::Ok
        );
        spuff_notice_free(&raw mut freed);
        spuff_cancel_cancel(cancel);
        spuff_cancel_free(&raw mut cancel);
        told.recv_timeout(PATIENCE).unwrap();
        spuff_notice_free(&raw mut notice);
        assert!(told.try_recv().is_err(), "the one that was freed is not told");
        assert_eq!(
            spuff_cancel_notify(null(), None, user_data, &raw mut notice, null_mut()),
            Code::InvalidConfig
        );
    }
}
