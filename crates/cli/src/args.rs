//! The command line.

use std::path::PathBuf;

use clap::{Args as Options, Parser, Subcommand, ValueEnum};

/// Read and prove an audit trail.
///
/// The trail is an open Delta Lake table: what these commands show, any
/// Parquet reader can show too.
#[derive(Debug, Parser)]
#[command(name = "trailkeeper", version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what happened to one object, with the changes of each field
    History(HistoryOptions),
    /// List events, newest first
    Events(EventsOptions),
    /// Run a SELECT over the table `events`
    Sql(SqlOptions),
    /// Write events out for other programs, oldest first
    Export(ExportOptions),
    /// Check that no event was altered, removed, reordered or invented
    Verify(VerifyOptions),
    /// Show how large the trail is, and what waits in the spool
    Stats(StatsOptions),
    /// Merge small files into large ones; the events stay what they are
    Compact(CompactOptions),
    /// Delete files that compaction has replaced
    Vacuum(VacuumOptions),
    /// Copy the trail to another place while events come in, or bring the copy there up to date
    Copy(CopyOptions),
}

/// Where the trail is.
#[derive(Debug, Options)]
pub(crate) struct Place {
    /// The trail: a folder, or its URL, or a prefix in a bucket (s3://bucket/prefix, gs://, az://)
    #[arg(long, env = "TRAILKEEPER_URL", default_value = "trail", value_name = "FOLDER")]
    pub(crate) store: String,

    /// The spool, whose events are shown too [default: <STORE>-spool, if it is there]
    #[arg(long, env = "TRAILKEEPER_SPOOL", value_name = "FOLDER")]
    pub(crate) spool: Option<PathBuf>,
}

#[derive(Debug, Options)]
pub(crate) struct HistoryOptions {
    /// The model, as app.model: billing.invoice
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,

    /// The object's primary key
    #[arg(value_name = "ID")]
    pub(crate) object_id: String,

    /// One JSON object a line instead of a timeline
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) place: Place,
}

/// Which events are meant.
#[derive(Debug, Options)]
pub(crate) struct Wanted {
    /// Only of this tenant
    #[arg(long)]
    pub(crate) tenant: Option<String>,

    /// Only by this actor: an id, or a label such as a user name
    #[arg(long)]
    pub(crate) actor: Option<String>,

    /// Only of this model, as app.model
    #[arg(long)]
    pub(crate) model: Option<String>,

    /// Only with this action: create, update, login, invoice.validated
    #[arg(long)]
    pub(crate) action: Option<String>,

    /// Only of this kind
    #[arg(long)]
    pub(crate) kind: Option<Kind>,

    /// Only from this time on: 2026-11-23, or 2026-11-23T09:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,

    /// Only before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

#[derive(Debug, Options)]
pub(crate) struct EventsOptions {
    #[command(flatten)]
    pub(crate) wanted: Wanted,

    /// How many at most
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    pub(crate) limit: usize,

    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Options)]
pub(crate) struct ExportOptions {
    /// The file to write; - is standard output
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) file: PathBuf,

    /// What to write
    #[arg(long, default_value = "jsonl")]
    pub(crate) format: Format,

    #[command(flatten)]
    pub(crate) wanted: Wanted,

    /// Only of the object with this primary key
    #[arg(long, value_name = "ID", requires = "model")]
    pub(crate) object: Option<String>,

    /// Only of this request
    #[arg(long, value_name = "ID")]
    pub(crate) request: Option<String>,

    /// Only of this transaction: 32 hex digits
    #[arg(long, value_name = "ID")]
    pub(crate) transaction: Option<String>,

    /// Only with this outcome
    #[arg(long)]
    pub(crate) outcome: Option<Outcome>,

    /// How many at most [default: all]
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<usize>,

    /// With jsonl: the checkpoint first, and with each event the proof that it is in the signed tree
    #[arg(long)]
    pub(crate) proofs: bool,

    /// With csv: put an apostrophe before a text that a spreadsheet would take for a formula
    #[arg(long)]
    pub(crate) no_formulas: bool,

    /// Replace the file if it is there
    #[arg(long)]
    pub(crate) force: bool,

    /// Print nothing but errors
    #[arg(long, short)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) place: Place,
}

/// The formats of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A JSON object a line
    Jsonl,
    /// Comma-separated values with a heading
    Csv,
    /// A Parquet file with the columns of the table
    Parquet,
    /// An event of the Open Cybersecurity Schema Framework a line
    Ocsf,
    /// A CloudEvent a line
    #[value(name = "cloudevents")]
    CloudEvents,
}

/// How what is recorded can have ended.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Outcome {
    Success,
    Failure,
    Denied,
}

impl Outcome {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
        }
    }
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    Change,
    Auth,
    Request,
    Access,
    Event,
    System,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Auth => "auth",
            Self::Request => "request",
            Self::Access => "access",
            Self::Event => "event",
            Self::System => "system",
        }
    }
}

#[derive(Debug, Options)]
pub(crate) struct SqlOptions {
    /// The query, such as: SELECT action, count(*) FROM events GROUP BY action
    #[arg(value_name = "QUERY")]
    pub(crate) query: String,

    /// One JSON object a line instead of a table
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Options)]
pub(crate) struct VerifyOptions {
    /// The verifier key that you trust [default: the one in the store]
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,

    /// Print nothing but the result
    #[arg(long, short)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Options)]
pub(crate) struct StatsOptions {
    /// As one JSON object
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Options)]
pub(crate) struct CompactOptions {
    /// Print nothing but errors
    #[arg(long, short)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Options)]
pub(crate) struct VacuumOptions {
    /// Keep what was replaced in the last so many hours, for who reads or copies an older version
    #[arg(long, default_value_t = 24, value_name = "HOURS")]
    pub(crate) keep: u64,

    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Options)]
pub(crate) struct CopyOptions {
    /// Where the copy is made: a folder, or a prefix in a bucket, that is empty, is not there, or holds an earlier copy
    #[arg(value_name = "DESTINATION")]
    pub(crate) destination: String,

    /// Print nothing but errors
    #[arg(long, short)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) place: Place,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Args;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }
}
