//! Errors of the engine as Python exceptions.

use std::error::Error as _;
use std::fmt::Write as _;

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use trailkeeper_engine::{Error, ErrorKind};

create_exception!(
    trailkeeper_engine,
    TrailkeeperError,
    PyException,
    "The engine could not do what it was asked; `kind` says what the caller should do."
);

/// The name of a kind, as Python sees it.
const fn name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid => "Invalid",
        ErrorKind::NotFound => "NotFound",
        ErrorKind::Conflict => "Conflict",
        ErrorKind::Unavailable => "Unavailable",
        ErrorKind::Corrupt => "Corrupt",
        ErrorKind::Internal => "Internal",
    }
}

/// Gives the exception for `error`, with its causes in the message.
pub(crate) fn to_py(py: Python<'_>, error: &Error) -> PyErr {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing into a String does not fail.
        let _ = write!(message, ": {cause}");
        source = cause.source();
    }
    let exception = TrailkeeperError::new_err(message);
    match exception.value(py).setattr("kind", name(error.kind())) {
        Ok(()) => exception,
        Err(failure) => failure,
    }
}
