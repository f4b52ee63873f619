//! The `trailkeeper` command: one file per subcommand.
//!
//! [`run`] takes the command line and gives the exit code: 0 done or
//! verified, 1 not verified, 2 error. Results go to standard output, progress
//! and errors to standard error. An error is followed by a hint that says
//! what to do.
#![forbid(unsafe_code)]

mod args;
mod cell;
mod compact;
mod copy;
mod events;
mod export;
mod format;
mod hint;
mod history;
mod place;
mod progress;
mod sql;
mod stats;
mod table;
mod target;
mod timeline;
mod verify;

use std::ffi::OsString;
use std::io::Write;

use clap::Parser;

use crate::args::{Args, Command};

/// Done, or verified.
pub const DONE: u8 = 0;
/// The trail does not hold what it should.
pub const NOT_VERIFIED: u8 = 1;
/// It could not be done.
pub const FAILED: u8 = 2;

/// Runs the command line `arguments`, whose first one names the program.
///
/// Gives the exit code of the process.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut (dyn Write + Send),
    err: &mut dyn Write,
) -> u8 {
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => return usage(&error, out, err),
    };
    match dispatch(&args, out, err) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => DONE,
        Err(error) => {
            // Nobody is left to tell if standard error is closed too.
            let _ = writeln!(err, "trailkeeper: {}", told(&error));
            if let Some(hint) = hint::for_error(&error) {
                let _ = writeln!(err, "  {hint}");
            }
            FAILED
        }
    }
}

fn dispatch(args: &Args, out: &mut (dyn Write + Send), err: &mut dyn Write) -> anyhow::Result<u8> {
    match &args.command {
        Command::History(options) => history::run(options, out),
        Command::Events(options) => events::run(options, out),
        Command::Sql(options) => sql::run(options, out),
        Command::Export(options) => export::run(options, out, err),
        Command::Verify(options) => verify::run(options, out, err),
        Command::Stats(options) => stats::run(options, out),
        Command::Compact(options) => compact::run(options, out, err),
        Command::Vacuum(options) => compact::vacuum(options, out),
        Command::Copy(options) => copy::run(options, out, err),
    }
}

fn usage(error: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    // A closed stream leaves nobody to tell.
    if error.use_stderr() {
        let _ = write!(err, "{}", error.render());
        return FAILED;
    }
    let _ = write!(out, "{}", error.render());
    DONE
}

/// An error and its causes, without those that the ones before them tell too.
fn told(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            told.push_str(": ");
            told.push_str(&cause);
        }
    }
    told
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::told;

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow!("connection refused")
            .context("get failed: connection refused")
            .context("the store cannot be reached");
        assert_eq!(told(&error), "the store cannot be reached: get failed: connection refused");
    }
}
