//! An action: something that takes time, and is asked how far it has come.

use super::super::clock::Moment;

/// Something that takes time, and is asked how far it has come.
#[derive(Debug, Clone)]
pub(in super::super) struct Action {
    pub(in super::super) id: u64,
    /// The cloud's word for it.
    pub(in super::super) kind: &'static str,
    pub(in super::super) machine: u64,
    pub(in super::super) image: Option<u64>,
    pub(in super::super) region: &'static str,
    pub(in super::super) started: Moment,
    /// `None` for one that never ends.
    pub(in super::super) ends: Option<Moment>,
    pub(in super::super) fails: bool,
}

/// How far an action has come.
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

    /// From 0 to 100.
    pub(in super::super) fn percent(&self, now: Moment) -> i64 {
        let Some(ends) = self.ends else { return 0 };
        let (whole, passed) =
            ((ends - self.started).num_milliseconds(), (now - self.started).num_milliseconds());
        if whole <= 0 { 100 } else { (passed * 100 / whole).clamp(0, 100) }
    }
}
