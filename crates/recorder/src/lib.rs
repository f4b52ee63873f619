//! Python module `trailkeeper._recorder`: encodes events and appends them to the spool.
//!
//! Every process of an application loads it, so it is small: no Arrow, no
//! runtime, no thread that outlives a call. It holds no policy: what is recorded, of whom and when
//! is decided in Python.
//!
//! - `Schema` knows the fields of a model and how to encode
//!   each at once, so that later mutation of a value changes nothing.
//! - `Layout` knows where their values stand in rows.
//! - `Loader` takes what instances are loaded with.
//! - `Saver` records saves by `SavePlan`s.
//! - `raw_look` and `examine` tell what raw SQL writes.
//! - `Context` holds the items that many events share.
//! - `Transaction` collects the events of one
//!   database transaction and writes them through the process's
//!   `Recorder`.
//!
//! The values are encoded as `docs/formats/event.md` says, the appends are
//! those of `docs/formats/spool.md`.

mod context;
mod encoder;
mod error;
mod hook;
mod level;
mod limit;
mod load;
mod mask;
mod recorder;
mod row;
mod save;
mod schema;
mod sql;
mod state;
mod transaction;
mod value;

use pyo3::prelude::*;

/// Encodes events and appends them to the spool.
#[pymodule(gil_used = true)]
fn _recorder(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<context::Context>()?;
    module.add_class::<load::Loader>()?;
    module.add_class::<row::Layout>()?;
    module.add_class::<recorder::Recorder>()?;
    module.add_class::<save::Save>()?;
    module.add_class::<save::SavePlan>()?;
    module.add_class::<save::Saver>()?;
    module.add_class::<schema::Schema>()?;
    module.add_class::<transaction::Transaction>()?;
    module.add_function(wrap_pyfunction!(context::decode, module)?)?;
    module.add_function(wrap_pyfunction!(hook::canonical, module)?)?;
    module.add_function(wrap_pyfunction!(row::frozen, module)?)?;
    module.add_function(wrap_pyfunction!(sql::control_of, module)?)?;
    module.add_function(wrap_pyfunction!(sql::examine, module)?)?;
    module.add_function(wrap_pyfunction!(sql::raw_look, module)?)?;
    module.add("RecorderError", py.get_type::<error::RecorderError>())?;
    module.add("SpoolFullError", py.get_type::<error::SpoolFullError>())?;
    module.add("SpoolCorruptError", py.get_type::<error::SpoolCorruptError>())?;
    module.add("SpoolVersionError", py.get_type::<error::SpoolVersionError>())?;
    module.add("ForkedError", py.get_type::<error::ForkedError>())?;
    Ok(())
}
