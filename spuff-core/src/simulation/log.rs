//! The log of a run, which is searched for secrets.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::span;

/// Part of every token of a run.
pub(super) const SECRET: &str = "canary-5ecre7";

/// The lines of a run, if they are kept.
#[derive(Debug, Clone)]
pub(super) struct Log {
    began: Instant,
    lines: Option<Arc<Mutex<Vec<String>>>>,
}

impl Log {
    pub(super) fn begin(is_kept: bool) -> Self {
        Self { began: Instant::now(), lines: is_kept.then(Arc::default) }
    }

    pub(super) fn line(&self, words: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let at = self.began.elapsed();
            let line = format!("{:>6}.{:03} {}", at.as_secs(), at.subsec_millis(), words());
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines
            .as_ref()
            .map(|lines| lines.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .unwrap_or_default()
    }

    /// Returns a listener that adds the library's log to this one.
    pub(super) fn listener(&self) -> Listener {
        Listener(self.clone())
    }
}

/// Receives the library's log.
pub(super) struct Listener(Log);

impl tracing::Subscriber for Listener {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("spuff_core")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        self.0.line(|| {
            let mut words = Words(String::new());
            event.record(&mut words);
            format!("    {}:{}", event.metadata().level().as_str().to_ascii_lowercase(), words.0)
        });
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let name =
            if field.name() == "message" { String::new() } else { format!("{}=", field.name()) };
        // Writing to a string does not fail.
        let _ = write!(self.0, " {name}{value:?}");
    }
}
