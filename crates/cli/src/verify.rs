//! `trailkeeper verify`: the proof.

use std::io::Write;

use anyhow::Context as _;
use trailkeeper_engine::{Verdict, VerifierKey, VerifyReport};

use crate::args::VerifyOptions;
use crate::format::count;
use crate::progress::Progress;
use crate::{DONE, NOT_VERIFIED, place};

/// How many findings are printed.
const SHOWN: usize = 20;

pub(crate) fn run(
    options: &VerifyOptions,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<u8> {
    let key: Option<VerifierKey> = options.key.as_deref().map(read_key).transpose()?;
    let trail = place::open(&options.place)?;
    let mut progress = Progress::new(err, options.quiet);
    let report = trail.verify(key.as_ref(), &mut |at| progress.tell(at.events, at.total));
    progress.finish();
    let report = report?;
    if !options.quiet {
        write_facts(out, &report)?;
    }
    for tile in &report.damaged_tiles {
        writeln!(out, "note: {tile} is missing or damaged; the events themselves are proven")?;
    }
    if report.verdict == Verdict::Verified {
        writeln!(out, "VERIFIED: every event is the one that was recorded")?;
        if options.key.is_none() && !options.quiet {
            writeln!(out, "  with the key that the store itself names; --key gives one you trust")?;
        }
        return Ok(DONE);
    }
    write_findings(out, &report)?;
    Ok(NOT_VERIFIED)
}

fn read_key(text: &str) -> anyhow::Result<VerifierKey> {
    text.trim().parse().with_context(|| {
        format!("{text:?} is not a verifier key; it looks like trailkeeper/...+hash+key")
    })
}

fn write_facts(out: &mut dyn Write, report: &VerifyReport) -> std::io::Result<()> {
    writeln!(out, "events   {}", count(report.events))?;
    let signed = report.checkpoint_size.map_or_else(|| "nothing".to_owned(), count);
    writeln!(out, "signed   {signed}")?;
    writeln!(out, "root     {}", report.root.as_deref().unwrap_or("-"))?;
    writeln!(out, "key      {}", report.key.as_deref().unwrap_or("-"))
}

fn write_findings(out: &mut dyn Write, report: &VerifyReport) -> std::io::Result<()> {
    writeln!(out, "NOT VERIFIED")?;
    if let Some(first) = &report.first_bad {
        let id = first.event_id.as_deref().unwrap_or("unknown");
        writeln!(out, "  first bad event: seq {}, event {id}", first.seq)?;
    }
    for finding in report.findings.iter().take(SHOWN) {
        writeln!(out, "  {finding}")?;
    }
    let listed = u64::try_from(report.findings.len().saturating_sub(SHOWN)).unwrap_or(u64::MAX);
    let more = report.more_findings.saturating_add(listed);
    if more > 0 {
        writeln!(out, "  and {} more findings", count(more))?;
    }
    Ok(())
}
