//! `trailkeeper compact` and `trailkeeper vacuum`: how many files hold the events.

use std::io::Write;
use std::time::Duration;

use crate::args::{CompactOptions, VacuumOptions};
use crate::format::{bytes, count};
use crate::progress::Progress;
use crate::{DONE, place};

pub(crate) fn run(
    options: &CompactOptions,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<u8> {
    let trail = place::open(&options.place)?;
    let total = trail.stats()?.events;
    let mut progress = Progress::new(err, options.quiet);
    let report = trail.compact(&mut |report| progress.tell(report.events.min(total), total));
    progress.finish();
    let report = report?;
    if options.quiet {
        return Ok(DONE);
    }
    if report.merges == 0 {
        writeln!(out, "nothing to merge: the files are as large as they can be")?;
        return Ok(DONE);
    }
    writeln!(
        out,
        "merged {} files ({}) into {} ({})",
        count(report.files),
        bytes(report.bytes_before),
        count(report.merges),
        bytes(report.bytes_after)
    )?;
    writeln!(out, "  the old ones stay for a day; `trailkeeper vacuum` deletes them then")?;
    Ok(DONE)
}

pub(crate) fn vacuum(options: &VacuumOptions, out: &mut dyn Write) -> anyhow::Result<u8> {
    let trail = place::open(&options.place)?;
    let deleted = trail.vacuum(Duration::from_secs(options.keep.saturating_mul(60 * 60)))?;
    writeln!(out, "deleted {} files that were replaced", count(deleted))?;
    Ok(DONE)
}
