//! The face that blocks: a verb that a signal can end.
//!
//! Stands on the core's blocking runtime. The interpreter is let go while a verb runs; on the main thread it is taken back
//! every 50 ms, for signals.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pyo3::prelude::*;
use spuff_core::{Step, blocking};

use crate::call::{Given, Subject, Work};
use crate::outcome::Outcome;
use crate::{progress, task};

/// How often the main thread looks for signals.
const TICK: Duration = Duration::from_millis(50);

/// Whether this thread is the one that signals are given to. Found out at the first tick: most verbs are done before.
#[derive(Default)]
pub(crate) struct Signals(Option<bool>);

impl Signals {
    fn are_here(&mut self, py: Python<'_>) -> PyResult<bool> {
        if let Some(known) = self.0 {
            return Ok(known);
        }
        let threading = py.import("threading")?;
        let main = threading.call_method0("main_thread")?.getattr("ident")?;
        let here = threading.call_method0("get_ident")?.eq(main)?;
        self.0 = Some(here);
        Ok(here)
    }
}

/// Runs a verb to its end, or until a handler of a signal raises: then the verb is dropped, and nothing of it runs on but what
/// the core brings to an end.
pub(crate) fn run(
    py: Python<'_>,
    subject: &Subject,
    on_progress: Option<&Py<PyAny>>,
    begin: impl FnOnce() -> Work,
) -> PyResult<Py<PyAny>> {
    let (mut work, mut signals) = (begin(), Signals::default());
    loop {
        match next(py, &mut work, &mut signals, subject)? {
            Step::Done(outcome) => return outcome.into_python(py, subject),
            Step::Progress(seen) => {
                if let Some(on_progress) = on_progress {
                    on_progress.call1(py, (progress::Progress(seen),))?;
                }
            }
        }
    }
}

/// Waits for what comes next of a verb. When a handler of a signal raises, the caller has to drop the verb.
pub(crate) fn next(py: Python<'_>, work: &mut Work, signals: &mut Signals, subject: &Subject) -> PyResult<Step<Given>> {
    loop {
        let ticks = signals.0 != Some(false);
        match py.detach(|| step(work, ticks)) {
            Some(next) => return Ok(next),
            None if signals.are_here(py)? => {
                py.check_signals().map_err(|interruption| interrupted(py, interruption, subject))?;
            }
            None => {}
        }
    }
}

/// What comes next, or nothing when it is time to look for signals.
fn step(work: &mut Work, ticks: bool) -> Option<Step<Given>> {
    let tick = async { if ticks { tokio::time::sleep(TICK).await } else { pending().await } };
    let next = async {
        tokio::select! {
            biased;
            next = work.next() => Ok(Some(next)),
            () = tick => Ok(None),
        }
    };
    blocking::block_on(next).unwrap_or_else(|error| Some(Step::Done(Err(error).into())))
}

/// What a handler of a signal has raised, with what was interrupted: as attributes, and as a note where Python has notes.
fn interrupted(py: Python<'_>, interruption: PyErr, subject: &Subject) -> PyErr {
    let Subject { operation, instance_id, .. } = subject;
    let note = match (instance_id, *operation) {
        (Some(id), operation) => format!("{operation} of instance {id} was interrupted; look what state it is in"),
        (None, "create_instance" | "create_instances" | "create_and_wait" | "place_instance" | "place_instances") => format!(
            "{operation} was interrupted; what it makes is ended in the background, or kept if the request says so: spuff.settled() waits for that"
        ),
        (None, "destroy_instances") => format!("{operation} was interrupted; list_instances() tells which are left"),
        (None, operation) => format!("{operation} was interrupted"),
    };
    let value = interruption.value(py);
    let noted = value.setattr("instance_id", instance_id).and_then(|()| value.setattr("operation", operation));
    let noted = noted.and_then(|()| match value.getattr_opt("add_note")? {
        Some(add_note) => add_note.call1((note,)).map(drop),
        None => Ok(()),
    });
    if let Err(refused) = noted {
        refused.write_unraisable(py, None);
    }
    interruption
}

/// Waits until nothing is under way in the background any more: no create that was interrupted or cancelled, and no destroy of
/// what it has made.
#[pyfunction]
pub(crate) fn settled(py: Python<'_>) -> PyResult<()> {
    let subject = Subject { provider: None, operation: "settled", instance_id: None };
    run(py, &subject, None, settling).map(drop)
}

#[pyfunction]
fn settled_at_exit(py: Python<'_>) -> PyResult<()> {
    task::exit();
    settled(py)
}

/// The wait for what is under way in the background.
pub(crate) fn settling() -> Work {
    // What was dropped before this is dropped by the runtime in its turn: a task that comes after it tells when that is done.
    let turn = blocking::spawn(async {});
    let settled = async {
        // It cannot be aborted, and does nothing that panics.
        let _ = turn?.await;
        spuff_core::settled().await;
        Ok(())
    };
    Work::silent(settled)
}

/// Lets Python wait for the background before it ends, once.
pub(crate) fn settle_at_exit(py: Python<'_>) -> PyResult<()> {
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if !REGISTERED.swap(true, Ordering::AcqRel) {
        py.import("atexit")?.call_method1("register", (wrap_pyfunction!(settled_at_exit, py)?,))?;
    }
    Ok(())
}
