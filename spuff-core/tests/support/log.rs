//! All that a caller could see: the log, at every level, and what an error shows.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};

/// What a subscriber writes.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error with all its causes, in every form.
pub fn shown(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut error = Some(error);
    while let Some(inner) = error {
        writeln!(text, "{inner} {inner:?} {inner:#?}").unwrap();
        error = inner.source();
    }
    text
}
