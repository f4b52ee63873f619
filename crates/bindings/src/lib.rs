//! Python module `trailkeeper_engine`: reads, drains and verifies a trail, and runs the command line.
//!
//! It is large, and imported on the first read and by the process that drains.
//! It holds no policy: it releases the interpreter around every call, turns
//! errors into exceptions and rows into Python values.

mod drainer;
mod error;
mod row;
mod trail;

use std::ffi::OsString;

use pyo3::prelude::*;

/// Reads, drains and verifies a trail.
#[pymodule(gil_used = true)]
fn trailkeeper_engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<trail::PyTrail>()?;
    module.add_class::<drainer::PyDrainer>()?;
    module.add_class::<drainer::PyInDoubt>()?;
    module.add("TrailkeeperError", py.get_type::<error::TrailkeeperError>())?;
    module.add_function(wrap_pyfunction!(main, module)?)?;
    Ok(())
}

/// Runs the `trailkeeper` command with `arguments`, or with those of the process.
///
/// Gives the exit code: 0 done or verified, 1 not verified, 2 error.
#[pyfunction]
#[pyo3(signature = (arguments=None))]
fn main(py: Python<'_>, arguments: Option<Vec<OsString>>) -> PyResult<u8> {
    let arguments = match arguments {
        Some(arguments) => arguments,
        None => py.import("sys")?.getattr("argv")?.extract()?,
    };
    let program = std::iter::once(OsString::from("trailkeeper"));
    let arguments: Vec<_> = program.chain(arguments.into_iter().skip(1)).collect();
    restore_interrupt(py)?;
    Ok(py
        .detach(|| trailkeeper_cli::run(arguments, &mut std::io::stdout(), &mut std::io::stderr())))
}

/// Lets Ctrl-C end the process at once, as it does with any command: nothing here needs a clean-up.
fn restore_interrupt(py: Python<'_>) -> PyResult<()> {
    let signal = py.import("signal")?;
    signal.call_method1("signal", (signal.getattr("SIGINT")?, signal.getattr("SIG_DFL")?))?;
    Ok(())
}
