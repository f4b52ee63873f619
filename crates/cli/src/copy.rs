//! `trailkeeper copy`: a backup, or the first half of a move.

use std::io::Write;

use crate::args::CopyOptions;
use crate::format::{bytes, count};
use crate::progress::Progress;
use crate::{DONE, place};

pub(crate) fn run(
    options: &CopyOptions,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<u8> {
    let trail = place::open(&options.place)?;
    let mut progress = Progress::new(err, options.quiet);
    let report = trail.copy(&options.destination, &mut |at| progress.tell(at.events, at.total));
    progress.finish();
    let report = report?;
    if options.quiet {
        return Ok(DONE);
    }
    writeln!(out, "{} holds {} events", report.location, count(report.events))?;
    writeln!(
        out,
        "  copied {} files ({}); {} were there",
        count(report.files),
        bytes(report.bytes),
        count(report.known_files)
    )?;
    let signed = report.checkpoint_size.unwrap_or(0);
    if signed != report.events {
        writeln!(out, "  its checkpoint covers {}: nobody has signed the others", count(signed))?;
    }
    let waiting = trail.stats()?.spool.map_or(0, |spool| spool.records);
    if waiting > 0 {
        writeln!(out, "  {} events wait in the spool and are not in it", count(waiting))?;
    }
    writeln!(out, "  check it: trailkeeper verify --store {}", options.destination)?;
    Ok(DONE)
}
