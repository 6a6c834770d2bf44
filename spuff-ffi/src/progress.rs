//! `spuff_progress` and `spuff_observer`: what a call sees on its way, and who is told.

use std::ffi::{CString, c_char, c_void};
use std::ptr;

use spuff_core::{Phase, Progress as CoreProgress};

use crate::boundary::{Outcome, View, c_text, view};
use crate::instance::Instance;

/// How far something is that a call waits for.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseCode {
    /// It goes on.
    Pending = 0,
    /// The cloud has accepted the create: there is an instance, and it is paid for.
    Accepted = 1,
    /// The instance is not ready yet.
    Booting = 2,
    /// The instance is ready.
    Ready = 3,
    /// The instance is gone.
    Destroyed = 4,
    /// It has come to an end that was not wanted.
    Failed = 5,
}

impl From<Phase> for PhaseCode {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Accepted => Self::Accepted,
            Phase::Booting => Self::Booting,
            Phase::Ready => Self::Ready,
            Phase::Destroyed => Self::Destroyed,
            Phase::Failed => Self::Failed,
            // Pending, and a phase that is newer than this list.
            _ => Self::Pending,
        }
    }
}

/// What a call that waits has seen on its way. It lives as long as the callback that is given it
/// runs.
#[repr(C)]
pub struct Progress {
    /// The size of this struct: fields are only ever added at its end.
    pub size: usize,
    /// The operation, such as `wait_ready`.
    pub operation: *const c_char,
    /// The id of the instance, snapshot or action that it is about; empty while there is none.
    pub id: *const c_char,
    /// The state, in words: `accepted`, `new`, `gone` …; where it has failed, why.
    pub state: *const c_char,
    /// Milliseconds since the operation began.
    pub elapsed_ms: u64,
    /// How far it is: one of spuff_phase.
    pub phase: i32,
    /// The phase as a word: `pending`, `accepted`, `booting`, `ready`, `destroyed` or `failed`.
    pub phase_word: *const c_char,
    /// Of an operation on many instances, the position of this one in what the operation was given;
    /// else -1.
    pub index: i64,
    /// Of an operation on many instances, the name of this one, where the operation was given
    /// names; else empty.
    pub name: *const c_char,
    /// The instance, where this tells that it was accepted or is ready; else NULL. It lives as long
    /// as the rest.
    pub instance: *const Instance,
}

/// Who is told what a call sees on its way.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Observer {
    /// The size of this struct: set it to sizeof(spuff_observer).
    pub size: usize,
    /// Called in order and never at the same time: by a call that blocks on the caller's thread, by
    /// one that was submitted on a thread of spuff's. It may call spuff. NULL: nothing is told.
    pub progress: Option<unsafe extern "C" fn(user_data: *mut c_void, progress: *const Progress)>,
    /// What `progress` is called with. Of a call that was submitted, it is used on threads of
    /// spuff's. It must live until a call that blocks has returned, or until the callback of one
    /// that was submitted is called.
    pub user_data: *mut c_void,
}

// SAFETY: the header says that user data is used on other threads.
unsafe impl Send for Observer {}

// SAFETY: as the trait asks; a function that is missing is NULL.
unsafe impl View for Observer {
    const NAME: &'static str = "spuff_observer";
    const LEAST: usize = std::mem::offset_of!(Self, user_data) + size_of::<*mut c_void>();
    const DEFAULT: Self =
        Self { size: size_of::<Self>(), progress: None, user_data: ptr::null_mut() };
}

impl Observer {
    /// A caller's observer, if it is one.
    pub(crate) fn read(observer: *const Self) -> Outcome<Option<Self>> {
        Ok(view(observer, "observer")?.filter(|given| given.progress.is_some()))
    }

    pub(crate) fn tell(&self, seen: CoreProgress) {
        let phase_word = seen.phase.as_str();
        let texts: [CString; 5] =
            [&seen.operation, &seen.id, &seen.state, phase_word, &seen.name].map(c_text);
        let [operation, id, state, phase_word, name] = texts.each_ref().map(|text| text.as_ptr());
        let instance = seen.instance.map(Instance::from);
        let progress = Progress {
            size: size_of::<Progress>(),
            operation,
            id,
            state,
            elapsed_ms: u64::try_from(seen.elapsed.as_millis()).unwrap_or(u64::MAX),
            phase: PhaseCode::from(seen.phase) as i32,
            phase_word,
            index: seen.index.and_then(|index| i64::try_from(index).ok()).unwrap_or(-1),
            name,
            instance: instance.as_ref().map_or(ptr::null(), ptr::from_ref),
        };
        if let Some(callback) = self.progress {
            // SAFETY: the caller's function, called as the header says.
            unsafe { callback(self.user_data, &raw const progress) };
        }
    }
}
