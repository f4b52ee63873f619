//! Errors of the spool as Python exceptions.

use std::error::Error;
use std::fmt::Write as _;

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use trailkeeper_spool::SpoolError;

create_exception!(_recorder, RecorderError, PyException, "The recorder could not do its work.");
create_exception!(_recorder, SpoolFullError, RecorderError, "The spool or its disk is full.");
create_exception!(_recorder, SpoolCorruptError, RecorderError, "A file of the spool is damaged.");
create_exception!(_recorder, SpoolVersionError, RecorderError, "A newer release wrote the spool.");
create_exception!(
    _recorder,
    ForkedError,
    RecorderError,
    "The recorder belongs to the parent process."
);

/// Gives the exception for `error`, with its causes in the message.
#[allow(clippy::needless_pass_by_value, reason = "it is a `map_err` adapter")]
pub(crate) fn to_py(error: SpoolError) -> PyErr {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing into a String does not fail.
        let _ = write!(message, ": {cause}");
        source = cause.source();
    }
    match error {
        SpoolError::Full { .. } | SpoolError::NoSpace { .. } => SpoolFullError::new_err(message),
        SpoolError::Corrupt { .. } | SpoolError::CorruptSegment { .. } => {
            SpoolCorruptError::new_err(message)
        }
        SpoolError::NewerVersion { .. } => SpoolVersionError::new_err(message),
        SpoolError::Forked => ForkedError::new_err(message),
        _ => RecorderError::new_err(message),
    }
}
