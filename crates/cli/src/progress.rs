//! Progress of long work, on a terminal only.

use std::io::{IsTerminal, Write};

use crate::format::count;

/// Writes how far long work has come, over and over on one line of standard error.
pub(crate) struct Progress<'a> {
    err: &'a mut dyn Write,
    is_shown: bool,
    has_written: bool,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(err: &'a mut dyn Write, is_quiet: bool) -> Self {
        Self { err, is_shown: !is_quiet && std::io::stderr().is_terminal(), has_written: false }
    }

    /// Tells that `done` of `total` events are done.
    pub(crate) fn tell(&mut self, done: u64, total: u64) {
        if !self.is_shown {
            return;
        }
        let percent = (done * 100).checked_div(total).unwrap_or(100);
        // Progress that cannot be shown stops nothing.
        let _ = write!(self.err, "\r{} of {} events ({percent}%)", count(done), count(total));
        let _ = self.err.flush();
        self.has_written = true;
    }

    /// Tells that `done` events are done, of which nobody knows how many there are.
    pub(crate) fn tell_count(&mut self, done: u64) {
        if !self.is_shown {
            return;
        }
        // Progress that cannot be shown stops nothing.
        let _ = write!(self.err, "\r{} events", count(done));
        let _ = self.err.flush();
        self.has_written = true;
    }

    /// Removes the line.
    pub(crate) fn finish(&mut self) {
        if self.has_written {
            let _ = write!(self.err, "\r\x1b[2K");
        }
    }
}
