//! Forwards this crate's log to a program that is not written in Rust: to a C callback, or Python's
//! `logging`.
//!
//! Without a listener, a log line costs one load of a number.
//!
//! # Examples
//! ```
//! use spuff_core::logging::{self, Level};
//!
//! logging::listen(Some(Level::INFO), |record| {
//!     eprintln!("{} {}: {}", record.level, record.target, record.message);
//! })?;
//! logging::set_level(None);
//! # Ok::<(), logging::Taken>(())
//! ```

use std::cell::Cell;
use std::fmt::{self, Write};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber, callsite};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

pub use tracing::Level;

/// The target that is forwarded: this crate, without its dependencies.
const TARGET: &str = "spuff_core";

/// A line of the log.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Record<'a> {
    /// The severity.
    pub level: Level,
    /// The module that logged it.
    pub target: &'a str,
    /// The event, with its fields and those of the operations around it.
    pub message: &'a str,
}

struct Shared {
    level: LevelFilter,
    listener: Arc<Listener>,
}

/// The listener, and how many calls of it are running.
struct Listener {
    listener: Box<dyn Fn(&Record<'_>) + Send + Sync>,
    calls: Mutex<usize>,
    over: Condvar,
}

thread_local! {
    /// How many calls of listeners are running on this thread.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
}

/// A call of a listener, counted from before it can be replaced until it returns.
struct Call(Arc<Listener>);

impl Call {
    fn begin(listener: &Arc<Listener>) -> Self {
        *listener.calls.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        INSIDE.set(INSIDE.get() + 1);
        Self(listener.clone())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        INSIDE.set(INSIDE.get() - 1);
        *self.0.calls.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.over.notify_all();
    }
}

/// A replaced listener: it receives no further lines, but calls of it may be running.
pub struct Former(Option<Arc<Listener>>);

impl Former {
    /// Waits until no call of it is running. Inside a listener it returns at once, because it would
    /// wait for itself.
    pub fn wait(self) {
        let (Some(listener), 0) = (self.0, INSIDE.get()) else { return };
        let mut calls = listener.calls.lock().unwrap_or_else(PoisonError::into_inner);
        while *calls > 0 {
            calls = listener.over.wait(calls).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl fmt::Debug for Former {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Former").field(&self.0.is_some()).finish()
    }
}

static SHARED: RwLock<Option<Shared>> = RwLock::new(None);
static INSTALLED: OnceLock<bool> = OnceLock::new();

/// The process already has a tracing subscriber, which receives the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process already has a tracing subscriber; read the log from that")]
pub struct Taken;

/// Passes every line of this level and above to `listener` from now on, in place of the previous
/// one. It is called on the logging thread, in the middle of that thread's work: it must be quick,
/// and must not call an operation of spuff.
///
/// The replaced listener may still be running: [`Former::wait`] waits for it.
///
/// # Errors
/// [`Taken`], if the process has a global tracing subscriber.
pub fn listen(
    level: Option<Level>,
    listener: impl Fn(&Record<'_>) + Send + Sync + 'static,
) -> Result<Former, Taken> {
    let install =
        || tracing::subscriber::set_global_default(Registry::default().with(Forward)).is_ok();
    if !*INSTALLED.get_or_init(install) {
        return Err(Taken);
    }
    let listener =
        Listener { listener: Box::new(listener), calls: Mutex::default(), over: Condvar::new() };
    Ok(replace(Some(Shared { level: filter(level), listener: Arc::new(listener) })))
}

/// Removes the listener.
pub fn end() -> Former {
    replace(None)
}

/// Returns the former listener, so that it is not dropped under the lock.
fn replace(by: Option<Shared>) -> Former {
    let former =
        std::mem::replace(&mut *SHARED.write().unwrap_or_else(PoisonError::into_inner), by);
    callsite::rebuild_interest_cache();
    Former(former.map(|former| former.listener))
}

/// Changes the level from which lines are passed on; `None` passes none.
pub fn set_level(level: Option<Level>) {
    if let Some(shared) = &mut *SHARED.write().unwrap_or_else(PoisonError::into_inner) {
        shared.level = filter(level);
    }
    callsite::rebuild_interest_cache();
}

fn filter(level: Option<Level>) -> LevelFilter {
    level.map_or(LevelFilter::OFF, LevelFilter::from_level)
}

fn level() -> LevelFilter {
    SHARED
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .as_ref()
        .map_or(LevelFilter::OFF, |shared| shared.level)
}

struct Forward;

/// The fields of a span, kept with it.
struct Fields(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Forward {
    fn max_level_hint(&self) -> Option<LevelFilter> {
        // Operations are spans of this level, so that an error shows its operation.
        let level = level();
        Some(if level == LevelFilter::OFF { level } else { level.max(LevelFilter::INFO) })
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with(TARGET)
            && (metadata.is_span() || *metadata.level() <= level())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut words = Words::default();
        attributes.record(&mut words);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Fields(words.fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let call = match &*SHARED.read().unwrap_or_else(PoisonError::into_inner) {
            Some(shared) => Call::begin(&shared.listener),
            None => return,
        };
        let mut words = Words::default();
        event.record(&mut words);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(Fields(fields)) = span.extensions().get() {
                words.fields.push_str(fields);
            }
        }
        let message = words.message + &words.fields;
        (call.0.listener)(&Record {
            level: *event.metadata().level(),
            target: event.metadata().target(),
            message: &message,
        });
    }
}

/// A message, and fields as ` name=value`.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.fields, " {}={value}", field.name());
    }
}
