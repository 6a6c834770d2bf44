//! What the crate logs, for a program that is not written in Rust: a C callback, or Python's
//! `logging`.
//!
//! While nothing listens, a log line costs one load of a number.
//!
//! # Examples
//! ```
//! use spuff_core::logging::{self, Level};
//!
//! logging::listen(Some(Level::INFO), |record| eprintln!("{} {}: {}", record.level, record.target, record.message))?;
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

/// What is listened to: this crate, and nothing of what it stands on.
const TARGET: &str = "spuff_core";

/// A line of the log.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Record<'a> {
    /// How important it is.
    pub level: Level,
    /// The module that logs.
    pub target: &'a str,
    /// What has happened, with the fields of the event and of the verbs that it happened in.
    pub message: &'a str,
}

struct Shared {
    level: LevelFilter,
    listener: Arc<Listener>,
}

/// Who listens, and how many calls of it are under way.
struct Listener {
    listener: Box<dyn Fn(&Record<'_>) + Send + Sync>,
    calls: Mutex<usize>,
    over: Condvar,
}

thread_local! {
    /// How many calls of listeners are under way on this thread.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
}

/// A call of a listener, from before it can be replaced until it is over.
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

/// A listener that is told nothing more: but calls of it may be under way.
pub struct Former(Option<Arc<Listener>>);

impl Former {
    /// Waits until no call of it is under way. Within a listener it returns at once, as that would
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

/// A subscriber of tracing is there already: the log is heard by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process listens to tracing already; take the log from there")]
pub struct Taken;

/// Gives every line from now on, of this level and those above it, to `listener`, in place of the
/// one before. It is called on the thread that logs, in the middle of what that does: it must be
/// quick, and must not call a verb.
///
/// The listener that it takes the place of may still be in the middle of a line: [`Former::wait`]
/// waits for that.
///
/// # Errors
/// [`Taken`], when the process has a global subscriber of tracing.
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

/// Ends the listening.
pub fn end() -> Former {
    replace(None)
}

/// The former listener is given out: what it holds is not dropped under the lock.
fn replace(by: Option<Shared>) -> Former {
    let former =
        std::mem::replace(&mut *SHARED.write().unwrap_or_else(PoisonError::into_inner), by);
    callsite::rebuild_interest_cache();
    Former(former.map(|former| former.listener))
}

/// Changes from which level on the listener is told; `None` is nothing.
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
        // The verbs are spans of this level: an error is to tell which one it happened in.
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
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.fields, " {}={value}", field.name());
    }
}
