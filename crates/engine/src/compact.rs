//! Compaction: few files instead of many, and old ones deleted.

use std::time::Duration;

use trailkeeper_event::Micros;
use trailkeeper_store::Effort;

use crate::error::Result;
use crate::trail::Trail;

/// How long files stay that compaction has replaced: readers of an older version, and copies that are being made, find them.
pub const FILE_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// What compaction has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactReport {
    /// How many files were made.
    pub merges: u64,
    /// How many files they stand for.
    pub files: u64,
    /// How many events these held, each counted as often as it was rewritten.
    pub events: u64,
    /// Their size in bytes.
    pub bytes_before: u64,
    /// The size in bytes of the files that were made.
    pub bytes_after: u64,
}

impl Trail {
    /// Merges neighbouring files of a month until none are left that fit into one; the events stay what
    /// they are, and so does the tree.
    ///
    /// `progress` is told after each merge. Events may be drained meanwhile, by others too.
    ///
    /// # Errors
    ///
    /// If the storage cannot be read or written, or a file does not hold what the log says: then that one is left as it
    /// is. What was merged stays merged.
    pub fn compact(&self, progress: &mut dyn FnMut(&CompactReport)) -> Result<CompactReport> {
        let mut report = CompactReport::default();
        while self.compact_once(Effort::Whole, &mut report)? {
            progress(&report);
        }
        Ok(report)
    }

    /// Merges one run of files, if one is worth it while events come in; tells whether one was.
    ///
    /// # Errors
    ///
    /// As [`Trail::compact`].
    pub fn compact_a_little(&self) -> Result<bool> {
        self.compact_once(Effort::Usual, &mut CompactReport::default())
    }

    /// Deletes the files that were replaced longer than `grace` ago, and gives their number; and what of the Delta log only
    /// versions from before then need.
    ///
    /// # Errors
    ///
    /// If the storage cannot be read or written.
    pub fn vacuum(&self, grace: Duration) -> Result<u64> {
        let grace = i64::try_from(grace.as_micros()).unwrap_or(i64::MAX);
        let until = Micros(self.options().clock.now().0.saturating_sub(grace));
        let store = self.store()?;
        let deleted = self.wait(store.vacuum(until))??;
        self.wait(store.clean_log(until))??;
        Ok(deleted)
    }

    fn compact_once(&self, effort: Effort, report: &mut CompactReport) -> Result<bool> {
        let store = self.store()?;
        let Some(merged) = self.wait(store.merge_next(effort))?? else { return Ok(false) };
        report.merges += 1;
        report.files += merged.files;
        report.events += merged.events;
        report.bytes_before += merged.bytes_before;
        report.bytes_after += merged.bytes_after;
        Ok(true)
    }
}
