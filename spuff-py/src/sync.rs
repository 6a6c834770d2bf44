//! Calls that block: an operation that a signal can interrupt.
//!
//! A call releases the interpreter while it runs; on the main thread it takes the interpreter back
//! every 50 ms, for signals.

use std::future::pending;
use std::mem;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::prelude::*;
use spuff_core::blocking::CancelToken;
use spuff_core::provider::{Operation, ProviderError};
use spuff_core::{Group, Step, blocking};

use crate::call::{Connected, Given, Subject, Work};
use crate::outcome::{Failure, Outcome};
use crate::task::Ends;
use crate::{guard, progress, python_provider, task};

/// How often the main thread looks for signals.
const TICK: Duration = Duration::from_millis(50);

/// Whether this thread is the one that signals are given to. Found out at the first tick: most
/// operations are done before.
#[derive(Default)]
pub(crate) struct Signals(Option<bool>);

impl Signals {
    fn are_here(&mut self, py: Python<'_>) -> PyResult<bool> {
        if let Some(known) = self.0 {
            return Ok(known);
        }
        let main =
            guard::call(&guard::import(py, "threading", "main_thread")?, ())?.getattr("ident")?;
        let here = guard::call(&guard::import(py, "threading", "get_ident")?, ())?.eq(main)?;
        self.0 = Some(here);
        Ok(here)
    }
}

/// Runs an operation to its end, or until a handler of a signal raises: then the operation is
/// dropped, and nothing of it runs on but what the core brings to an end.
pub(crate) fn run(
    py: Python<'_>,
    subject: &Subject,
    on_progress: Option<&Py<PyAny>>,
    begin: impl FnOnce() -> Work,
) -> PyResult<Py<PyAny>> {
    let mut visit = Visit::begin();
    let mut work = begin();
    let mut signals = Signals::default();
    let Some(on_progress) = on_progress else {
        loop {
            if let Step::Done(outcome) = next(py, &mut work, &mut signals, subject)? {
                return outcome.into_python(py, subject);
            }
        }
    };
    let aside = Arc::<Aside>::default();
    task::until_exit(&aside);
    loop {
        match next(py, &mut work, &mut signals, subject)? {
            Step::Done(outcome) => return outcome.into_python(py, subject),
            Step::Progress(seen) => {
                aside.swap(Some(work));
                drop(visit);
                guard::call(on_progress.bind(py), (progress::Progress(seen),))?;
                visit = Visit::begin();
                work = aside.swap(None).ok_or_else(|| over(subject))?;
            }
        }
    }
}

/// How many threads are in an operation, or about to take its outcome, below the process that
/// counts: the end of Python waits for these to notice, and a forked child has none of its
/// parent's.
static VISITS: AtomicU64 = AtomicU64::new(0);

/// A thread that is in an operation.
struct Visit(u64);

impl Visit {
    /// Nothing where a provider's method calls: that belongs to the operation that has called the
    /// method.
    fn begin() -> Option<Self> {
        let here = u64::from(process::id()) << 32;
        let one_more = |visits| Some(Self::count(visits, here) + here + 1);
        (!python_provider::is_inside()).then(|| {
            // It always gives a number.
            let _ = VISITS.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
            Self(here)
        })
    }

    fn count(visits: u64, here: u64) -> u64 {
        if visits >> 32 << 32 == here { visits - here } else { 0 }
    }

    /// How many there are in this process.
    fn all() -> u64 {
        Self::count(VISITS.load(Ordering::Acquire), u64::from(process::id()) << 32)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let one_less = |visits| (Self::count(visits, self.0) > 0).then(|| visits - 1);
        // In a forked child it was never counted.
        let _ = VISITS.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less);
    }
}

/// An operation while its callback runs: on a thread that Python does not wait for at its end, that
/// may never return.
#[derive(Default)]
struct Aside(Mutex<Option<Work>>);

impl Aside {
    fn swap(&self, work: Option<Work>) -> Option<Work> {
        mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), work)
    }
}

impl Ends for Aside {
    fn end(&self) {
        drop(self.swap(None));
    }
}

/// Waits for what comes next of an operation. When a handler of a signal raises, or Python ends,
/// the caller has to drop the operation.
pub(crate) fn next(
    py: Python<'_>,
    work: &mut Work,
    signals: &mut Signals,
    subject: &Subject,
) -> PyResult<Step<Given>> {
    // What a provider's method calls belongs to the operation that has called the method.
    let mut may_end = !python_provider::is_inside();
    loop {
        let ticks = signals.0 != Some(false);
        match py.detach(|| step(work, ticks, may_end)) {
            Turn::Next(next) => return Ok(next),
            Turn::Tick if signals.are_here(py)? => {
                py.check_signals()
                    .map_err(|interruption| interrupted(py, interruption, subject))?;
            }
            Turn::Tick => {}
            Turn::Ending if signals.are_here(py)? => may_end = false,
            Turn::Ending => return Err(over(subject)),
        }
    }
}

/// What a thread that waits is woken by.
#[allow(clippy::large_enum_variant, reason = "it is taken apart as soon as it is there")]
enum Turn {
    Next(Step<Given>),
    /// It is time to look for signals.
    Tick,
    /// Python ends.
    Ending,
}

/// What comes next, but not for longer than a tick, or until Python ends.
fn step(work: &mut Work, ticks: bool, may_end: bool) -> Turn {
    let tick = async { if ticks { tokio::time::sleep(TICK).await } else { pending().await } };
    let ends = async { if may_end { ending().cancelled().await } else { pending().await } };
    let next = async {
        tokio::select! {
            biased;
            () = ends => Ok(Turn::Ending),
            next = work.next() => Ok(Turn::Next(next)),
            () = tick => Ok(Turn::Tick),
        }
    };
    blocking::block_on(next).unwrap_or_else(|error| Turn::Next(Step::Done(Err(error).into())))
}

/// Is cancelled when Python ends: threads that it does not wait for are not to begin, or wait for,
/// anything more.
fn ending() -> &'static CancelToken {
    static ENDING: OnceLock<CancelToken> = OnceLock::new();
    ENDING.get_or_init(CancelToken::new)
}

/// What a handler of a signal has raised, with what was interrupted: as attributes, and as a note
/// where Python has notes.
fn interrupted(py: Python<'_>, interruption: PyErr, subject: &Subject) -> PyErr {
    let Subject { operation, instance_id, .. } = subject;
    let known = Operation::named_in(operation);
    let note = match (instance_id, known) {
        (Some(id), _) => format!("{operation} of instance {id} was interrupted; check its state"),
        (None, Some(known)) if known.created() == Some("instance") => format!(
            "{operation} was interrupted; what it makes is destroyed in the background, or kept \
             if the request says so: spuff.settled() waits for that"
        ),
        (None, Some(Operation::DestroyInstances)) => {
            format!("{operation} was interrupted; list_instances() shows which are left")
        }
        (None, _) => format!("{operation} was interrupted"),
    };
    let value = interruption.value(py);
    let noted = value
        .setattr("instance_id", instance_id)
        .and_then(|()| value.setattr("operation", operation));
    let noted = noted.and_then(|()| match value.getattr_opt("add_note")? {
        Some(add_note) => add_note.call1((note,)).map(drop),
        None => Ok(()),
    });
    if let Err(refused) = noted {
        refused.write_unraisable(py, None);
    }
    interruption
}

/// Waits for the work that is in the background now: interrupted or cancelled creates, and destroys
/// of what they made.
#[pyfunction]
pub(crate) fn settled(py: Python<'_>) -> PyResult<()> {
    run(py, &Subject::new("settled"), None, || settling(None)).map(drop)
}

/// The same, for the calls of a provider.
pub(crate) fn settled_of(py: Python<'_>, provider: &Connected) -> PyResult<()> {
    let subject =
        Subject { provider: Some(provider.name().to_string()), ..Subject::new("settled") };
    run(py, &subject, None, || settling(Some(provider.group.clone()))).map(drop)
}

/// The wait for what is in the background, of a group or of all.
pub(crate) fn settling(group: Option<Group>) -> Work {
    // What was dropped before this is dropped by the runtime in its turn: a task that comes after
    // it tells when that is done.
    let turn = blocking::spawn(async {});
    let settled = async move {
        // It cannot be aborted, and does nothing that panics.
        let _ = turn?.await;
        match group {
            Some(group) => group.settled().await,
            None => spuff_core::settled().await,
        }
        Ok(())
    };
    Work::silent(settled)
}

/// After so long, a line on stderr says what is waited for.
const UNTOLD: Duration = Duration::from_millis(1500);
/// How long the end of Python waits, unless `SPUFF_EXIT_TIMEOUT` says otherwise.
const AT_EXIT: Duration = Duration::from_secs(180);

/// How a wait for the background has ended.
enum Settled {
    All,
    /// It took too long.
    Late,
}

/// Waits for the background, for so long. It is told on stderr what is waited for, and by what that
/// is ended.
///
/// # Errors
/// What a handler of a signal raises.
fn settle_within(py: Python<'_>, limit: Duration) -> PyResult<Settled> {
    let began = Instant::now();
    let mut signals = Signals::default();
    let mut is_told = false;
    let mut work = settling(None);
    loop {
        match py.detach(|| step(&mut work, true, false)) {
            Turn::Next(_) => return Ok(Settled::All),
            Turn::Tick | Turn::Ending => {}
        }
        if signals.are_here(py)? {
            py.check_signals()?;
        }
        if began.elapsed() >= limit {
            return Ok(Settled::Late);
        }
        if !is_told && began.elapsed() >= UNTOLD.min(limit / 2) {
            is_told = true;
            let limit = limit.as_secs_f64();
            tell(
                py,
                &format!(
                    "waiting for {}, for at most {limit:.1} s; Ctrl-C stops the wait",
                    under_way()
                ),
            );
        }
    }
}

/// Whether Python ends, on a thread that it does not wait for.
pub(crate) fn is_over(py: Python<'_>) -> PyResult<bool> {
    Ok(ending().is_cancelled()
        && !python_provider::is_inside()
        && !Signals::default().are_here(py)?)
}

/// What ends a thread that Python does not wait for, in the middle of an operation: quietly.
pub(crate) fn over(subject: &Subject) -> PyErr {
    PySystemExit::new_err(format!("Python exits during {}", subject.operation))
}

/// The error of an operation that was closed.
pub(crate) fn closed(py: Python<'_>, subject: &Subject) -> PyErr {
    let Subject { operation, instance_id, .. } = subject.clone();
    ProviderError::Cancelled { operation: operation.to_string(), instance_id }.raised(py, subject)
}

/// The same, until no thread is in an operation any more either, and has left nothing.
///
/// # Errors
/// What a handler of a signal raises.
fn settle_all(py: Python<'_>, limit: Duration) -> PyResult<Settled> {
    let began = Instant::now();
    let mut signals = Signals::default();
    loop {
        task::exit();
        let left = limit.saturating_sub(began.elapsed());
        if let Settled::Late = settle_within(py, left)? {
            return Ok(Settled::Late);
        }
        if Visit::all() == 0 && spuff_core::under_way().is_empty() {
            return Ok(Settled::All);
        }
        py.detach(|| thread::sleep(Duration::from_millis(5)));
        if signals.are_here(py)? {
            py.check_signals()?;
        }
    }
}

/// What is in the background, in words.
fn under_way() -> String {
    const SHOWN: usize = 20;
    let all = spuff_core::under_way();
    let shown: Vec<_> = all.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = all.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// Writes a line to stderr, where there is one.
fn tell(py: Python<'_>, line: &str) {
    let written = py.import("sys").and_then(|sys| {
        let stderr = sys.getattr("stderr")?;
        if stderr.is_none() {
            return Ok(());
        }
        guard::call(&stderr.getattr("write")?, (format!("spuff: {line}\n"),))?;
        guard::call(&stderr.getattr("flush")?, ()).map(drop)
    });
    if let Err(error) = written {
        error.write_unraisable(py, None);
    }
}

/// Ends what is to end with Python, and waits for the background.
#[pyfunction]
fn settled_at_exit(py: Python<'_>) -> PyResult<()> {
    ending().cancel();
    let left = |why: &str| {
        let left = under_way();
        if !left.is_empty() {
            tell(py, &format!("{why}: abandoned, and what exists costs money: {left}"));
        }
    };
    match settle_all(py, patience_at_exit(py)) {
        Ok(Settled::All) => Ok(()),
        Ok(Settled::Late) => {
            left("it took too long (SPUFF_EXIT_TIMEOUT)");
            Ok(())
        }
        Err(interruption) if interruption.is_instance_of::<PyKeyboardInterrupt>(py) => {
            left("interrupted");
            Ok(())
        }
        Err(raised) => Err(raised),
    }
}

fn patience_at_exit(py: Python<'_>) -> Duration {
    let Ok(given) = std::env::var("SPUFF_EXIT_TIMEOUT") else { return AT_EXIT };
    let read =
        given.trim().parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    read.unwrap_or_else(|| {
        tell(
            py,
            &format!(
                "SPUFF_EXIT_TIMEOUT is {given:?}: must be a number of seconds, at least 0; using \
                 {} s",
                AT_EXIT.as_secs()
            ),
        );
        AT_EXIT
    })
}

/// Waits a moment for the background, before something ends that it needs.
pub(crate) fn settle_before_close(py: Python<'_>) -> PyResult<()> {
    const MOMENT: Duration = Duration::from_secs(15);
    match settle_within(py, MOMENT)? {
        Settled::All => {}
        Settled::Late => tell(
            py,
            &format!(
                "a simulated cloud closes before the background work that needs it \
             is done: {}",
                under_way()
            ),
        ),
    }
    Ok(())
}

/// Lets Python wait for the background before it ends, once.
pub(crate) fn settle_at_exit(py: Python<'_>) -> PyResult<()> {
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if !REGISTERED.swap(true, Ordering::AcqRel) {
        guard::call(
            &guard::import(py, "atexit", "register")?,
            (wrap_pyfunction!(settled_at_exit, py)?,),
        )?;
    }
    Ok(())
}
