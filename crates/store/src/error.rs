//! Why the store could not do what it was asked.

use std::error::Error as StdError;
use std::io::ErrorKind;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use deltalake_core::DeltaTableError;
use parquet::errors::ParquetError;

/// The result of an operation on a store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A cause that other libraries report.
pub type Source = Box<dyn StdError + Send + Sync>;

/// Why an operation on a [`Store`](crate::Store) failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address is wrong: correct the setting.
    #[error("{location:?} is not an address of a store: {reason}")]
    Location { location: String, reason: &'static str },
    /// Nothing is there: create the store or correct the address.
    #[error("there is no store at {location}")]
    Missing { location: String },
    /// Something else is there: choose another address.
    #[error("{location} exists and is not a folder")]
    NotAFolder { location: String },
    /// Another program's table is there: choose another address.
    #[error("the Delta table at {location} is not a Trailkeeper store")]
    NotATrail { location: String },
    /// A newer release wrote it: upgrade this one.
    #[error("the store at {location} has format {found}, this release reads up to {supported}")]
    Format { location: String, found: String, supported: u32 },
    /// This user may not write there: change the permissions or the address.
    #[error("no permission to write to the store at {location}")]
    ReadOnly { location: String, source: Source },
    /// The disk is full: make room, then retry. Events stay in the spool.
    #[error("no space left for the store at {location}")]
    Full { location: String, source: Source },
    /// The storage did not answer as it should: retry later.
    #[error("the store at {location} cannot be reached")]
    Unavailable { location: String, source: Source },
    /// What is stored is not what was written: stop and investigate.
    #[error("the store is damaged: {what}")]
    Corrupt { what: String, source: Option<Source> },
    /// The statement is not one that can be answered: correct it.
    #[error("invalid query: {message}")]
    Query { message: String },
    /// The result is larger than the caller allows: ask for less.
    #[error("the query gives more than {limit} rows")]
    TooManyRows { limit: usize },
    /// The query needs more memory or time than it is allowed: ask for less, or raise the limit.
    #[error("the query was stopped: {message}")]
    Resources { message: String },
    /// A defect of this program: report it.
    #[error("internal error of the store: {message}")]
    Internal { message: String },
}

impl StoreError {
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into(), source: None }
    }

    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        Self::Internal { message: error.to_string() }
    }

    /// What a failed read or write of the storage means to the caller.
    pub(crate) fn storage(location: &str, source: impl Into<Source>) -> Self {
        let source = source.into();
        let location = location.to_owned();
        match io_kind(source.as_ref()) {
            Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
                Self::ReadOnly { location, source }
            }
            Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                Self::Full { location, source }
            }
            Some(ErrorKind::NotADirectory) => Self::NotAFolder { location },
            _ => Self::Unavailable { location, source },
        }
    }

    /// What an error of the Delta library means to the caller.
    pub(crate) fn delta(location: &str, error: DeltaTableError) -> Self {
        let is_storage = io_kind(&error).is_some()
            || matches!(
                error,
                DeltaTableError::ObjectStore { .. }
                    | DeltaTableError::Io { .. }
                    | DeltaTableError::Transaction { .. }
                    | DeltaTableError::Generic(_)
            );
        match error {
            DeltaTableError::NotATable(_) => Self::Missing { location: location.to_owned() },
            _ if is_storage => Self::storage(location, error),
            _ => Self::Corrupt {
                what: format!("the Delta log at {location} does not read"),
                source: Some(Box::new(error)),
            },
        }
    }

    /// What a file that does not read means to the caller.
    pub(crate) fn file(path: &str, source: impl Into<Source>) -> Self {
        Self::Corrupt {
            what: format!("the file {path} does not read"),
            source: Some(source.into()),
        }
    }

    /// What an error while a file is read in parts means to the caller.
    pub(crate) fn parquet(path: &str, error: ParquetError) -> Self {
        match error {
            ParquetError::External(source)
                if matches!(
                    source.downcast_ref::<object_store::Error>(),
                    Some(error) if !matches!(error, object_store::Error::NotFound { .. })
                ) =>
            {
                Self::storage(path, source)
            }
            error => Self::file(path, error),
        }
    }

    /// What an error of the query engine means to the caller.
    pub(crate) fn query(error: DataFusionError) -> Self {
        let root = error.find_root();
        match root {
            DataFusionError::ResourcesExhausted(message) => {
                Self::Resources { message: message.clone() }
            }
            DataFusionError::Internal(message) => Self::Internal { message: message.clone() },
            DataFusionError::ObjectStore(_)
            | DataFusionError::IoError(_)
            | DataFusionError::ParquetError(_) => {
                Self::Corrupt { what: root.to_string(), source: Some(Box::new(error)) }
            }
            _ => Self::Query { message: root.message().into_owned() },
        }
    }
}

impl From<ArrowError> for StoreError {
    fn from(error: ArrowError) -> Self {
        Self::internal(error)
    }
}

impl From<ParquetError> for StoreError {
    fn from(error: ParquetError) -> Self {
        Self::internal(error)
    }
}

/// The kind of the I/O error at the root of `error`, if there is one.
fn io_kind(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}
