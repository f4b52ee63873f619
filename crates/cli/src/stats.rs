//! `trailkeeper stats`: how large the trail is.

use std::io::Write;

use crate::args::StatsOptions;
use crate::format::{bytes, count, time_of};
use crate::{DONE, place};

pub(crate) fn run(options: &StatsOptions, out: &mut dyn Write) -> anyhow::Result<u8> {
    let trail = place::open(&options.place)?;
    let stats = trail.stats()?;
    if options.json {
        writeln!(out, "{}", stats.to_json())?;
        return Ok(DONE);
    }
    writeln!(out, "store             {}", stats.location)?;
    writeln!(out, "events            {}", count(stats.events))?;
    writeln!(out, "files             {}", count(stats.files))?;
    let total = stats.file_bytes + stats.tile_bytes + stats.log_bytes;
    writeln!(out, "bytes             {}", bytes(total))?;
    writeln!(out, "  events          {}", bytes(stats.file_bytes))?;
    writeln!(out, "  proofs          {}", bytes(stats.tile_bytes))?;
    writeln!(out, "  table log       {}", bytes(stats.log_bytes))?;
    match stats.bytes_per_event() {
        Some(each) => writeln!(out, "bytes per event   {each:.0}")?,
        None => writeln!(out, "bytes per event   -")?,
    }
    match stats.checkpoint_size {
        Some(size) => writeln!(
            out,
            "signed            {} events, last recorded {}",
            count(size),
            time_of(stats.last_recorded_at)
        )?,
        None => writeln!(out, "signed            nothing yet")?,
    }
    match &stats.spool {
        Some(spool) => writeln!(
            out,
            "spool             {} events waiting, {}, {} transactions in doubt",
            count(spool.records),
            bytes(spool.bytes),
            count(spool.in_doubt)
        )?,
        None => writeln!(out, "spool             none beside the store (--spool names one)")?,
    }
    Ok(DONE)
}
