//! Actions: asynchronous operations whose progress can be read.

use super::super::clock::Moment;

/// An asynchronous operation whose progress can be read.
#[derive(Debug, Clone)]
pub(in super::super) struct Action {
    pub(in super::super) id: u64,
    /// The action's type, as the cloud names it.
    pub(in super::super) kind: &'static str,
    pub(in super::super) machine: u64,
    pub(in super::super) image: Option<u64>,
    pub(in super::super) region: &'static str,
    pub(in super::super) started: Moment,
    /// `None` if it never ends.
    pub(in super::super) ends: Option<Moment>,
    pub(in super::super) fails: bool,
}

/// The status of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Progress {
    Running,
    Success,
    Error,
}

impl Action {
    pub(in super::super) fn progress(&self, now: Moment) -> Progress {
        match self.ends {
            Some(ends) if ends <= now && self.fails => Progress::Error,
            Some(ends) if ends <= now => Progress::Success,
            _ => Progress::Running,
        }
    }

    /// Progress from 0 to 100.
    pub(in super::super) fn percent(&self, now: Moment) -> i64 {
        let Some(ends) = self.ends else { return 0 };
        let (whole, passed) =
            ((ends - self.started).num_milliseconds(), (now - self.started).num_milliseconds());
        if whole <= 0 { 100 } else { (passed * 100 / whole).clamp(0, 100) }
    }
}
