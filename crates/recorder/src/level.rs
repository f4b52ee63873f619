//! How much is recorded of a field.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// How much is recorded of a field; the settings of the application decide, once for each model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// It is never looked at.
    None,
    /// That it changed, and no value.
    Metadata,
    /// Its values where it changed, and in the states that begin and end an object.
    Changed,
    /// Its value in every state.
    Full,
}

impl Level {
    pub(crate) fn parse(name: &str) -> PyResult<Self> {
        Ok(match name {
            "none" => Self::None,
            "metadata" => Self::Metadata,
            "changed" => Self::Changed,
            "full" => Self::Full,
            _ => return Err(PyValueError::new_err(format!("no level is called {name}"))),
        })
    }
}
