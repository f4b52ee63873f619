//! `trailkeeper verify`: the proof.

use std::io::Write;

use trailkeeper_engine::{Verdict, VerifyOptions as EngineOptions};

use crate::args::VerifyOptions;
use crate::format::{count, time_of};
use crate::progress::Progress;
use crate::{DONE, NOT_VERIFIED, place};

/// How many findings are printed.
const SHOWN: usize = 20;

pub(crate) fn run(
    options: &VerifyOptions,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<u8> {
    let trail = place::open(&options.place)?;
    let mut progress = Progress::new(err, options.quiet);
    let engine_options = EngineOptions { key: options.key.clone() };
    let report = trail.verify(&engine_options, &mut |done, total| progress.tell(done, total));
    progress.finish();
    let report = report?;
    if !options.quiet {
        writeln!(out, "events       {}", count(report.events))?;
        writeln!(out, "root         {}", report.root)?;
        writeln!(out, "signed by    {}", report.signed_by.as_deref().unwrap_or("nobody"))?;
        writeln!(out, "recorded     up to {}", time_of(report.recorded_until))?;
    }
    if report.verdict == Verdict::Verified {
        writeln!(out, "VERIFIED: every event is the one that was recorded")?;
        if options.key.is_none() && !options.quiet {
            writeln!(
                out,
                "  The key was taken from the store itself. Give the one that you trust with --key."
            )?;
        }
        return Ok(DONE);
    }
    writeln!(out, "NOT VERIFIED")?;
    for finding in report.findings.iter().take(SHOWN) {
        writeln!(out, "  {finding}")?;
    }
    if report.findings.len() > SHOWN {
        writeln!(out, "  and {} more findings", report.findings.len() - SHOWN)?;
    }
    Ok(NOT_VERIFIED)
}
