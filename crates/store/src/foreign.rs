//! Decoding of bytes that may not be what was written.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::errors::{ParquetError, Result};

/// Runs `work`, which decodes a file; that it panics means that the file is damaged.
///
/// The library checks most of what it decodes, not all: a wrong length in a page of `DELTA_BYTE_ARRAY` is added to
/// another one, and may be more than a number holds. What `work` was doing must not be gone on with after an error.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|_| ParquetError::General("its pages do not decode".to_owned()))
}
