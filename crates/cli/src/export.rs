//! `trailkeeper export`: events written out for other programs.

use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use trailkeeper_engine::{CsvText, EventFilter, ExportFormat, ProofMode, Trail};

use crate::args::{ExportOptions, Format, Outcome};
use crate::format::count;
use crate::progress::Progress;
use crate::target::Target;
use crate::{DONE, events, place};

const BUFFER: usize = 1 << 16;

pub(crate) fn run(
    options: &ExportOptions,
    out: &mut (dyn Write + Send),
    err: &mut dyn Write,
) -> anyhow::Result<u8> {
    let format = format_of(options)?;
    let is_to_file = options.file != Path::new("-");
    if format == ExportFormat::Parquet && !is_to_file && std::io::stdout().is_terminal() {
        bail!("Parquet is not for a terminal: name a file, or send the output to one");
    }
    let filter = filter_of(options)?;
    let trail = place::open(&options.place)?;
    let written = if is_to_file {
        let name = options.file.display();
        let mut target = Target::begin(&options.file, options.force)?;
        let written = write(&trail, &filter, format, target.file(), err, options.quiet);
        let written = written.with_context(|| format!("cannot write {name}"))?;
        target.finish()?;
        written
    } else {
        write(&trail, &filter, format, out, err, options.quiet)?
    };
    if !options.quiet {
        let to = if is_to_file { format!(" to {}", options.file.display()) } else { String::new() };
        // Whoever reads the events needs no report.
        let _ = writeln!(err, "exported {} events{to}", count(written));
    }
    Ok(DONE)
}

fn write(
    trail: &Trail,
    filter: &EventFilter,
    format: ExportFormat,
    out: &mut (dyn Write + Send),
    err: &mut dyn Write,
    is_quiet: bool,
) -> anyhow::Result<u64> {
    let mut progress = Progress::new(err, is_quiet);
    let mut out = BufWriter::with_capacity(BUFFER, out);
    let written = trail.export(filter, format, &mut out, &mut |done| progress.tell_count(done));
    progress.finish();
    Ok(written?)
}

fn format_of(options: &ExportOptions) -> anyhow::Result<ExportFormat> {
    if options.proofs && options.format != Format::Jsonl {
        bail!("--proofs goes with --format jsonl only");
    }
    if options.no_formulas && options.format != Format::Csv {
        bail!("--no-formulas goes with --format csv only");
    }
    Ok(match options.format {
        Format::Jsonl if options.proofs => ExportFormat::JsonLines(ProofMode::With),
        Format::Jsonl => ExportFormat::JsonLines(ProofMode::Without),
        Format::Csv if options.no_formulas => ExportFormat::Csv(CsvText::NoFormulas),
        Format::Csv => ExportFormat::Csv(CsvText::Exact),
        Format::Parquet => ExportFormat::Parquet,
        Format::Ocsf => ExportFormat::Ocsf,
        Format::CloudEvents => ExportFormat::CloudEvents,
    })
}

fn filter_of(options: &ExportOptions) -> anyhow::Result<EventFilter> {
    Ok(EventFilter {
        object_id: options.object.clone(),
        request_id: options.request.clone(),
        transaction_id: options.transaction.as_deref().map(str::to_lowercase),
        outcome: options.outcome.map(Outcome::name).map(str::to_owned),
        limit: options.limit,
        ..events::wanted(&options.wanted)?
    })
}
