//! The store: opening, creating, and the newest snapshot.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use deltalake_core::DeltaTable;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::kernel::{DataType, StructField};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake_core::protocol::SaveMode;
use object_store::{ObjectStore, ObjectStoreExt as _};
use trailkeeper_event::{Column, ColumnType};

use crate::bucket;
use crate::durable::DurableFileSystem;
use crate::error::{Result, StoreError};
use crate::file::STATS_COLUMNS;
use crate::location::{Location, Place};
use crate::logfile::commit_path;
use crate::look_up::{Footers, Pages};
use crate::number::BatchNumber;
use crate::query::QueryEngine;
use crate::snapshot::Snapshot;

/// The format this release writes, and the newest it reads.
pub const FORMAT: u32 = 1;

/// The partition column.
pub(crate) const MONTH: &str = "month";

const FORMAT_PROPERTY: &str = "trailkeeper.format";
const ID_PROPERTY: &str = "trailkeeper.id";

/// Settles how a store is reached.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    backend: Option<Arc<dyn ObjectStore>>,
    variables: Option<bucket::Variables>,
}

impl OpenOptions {
    /// The defaults: the local file system with each put synced, or an object store as the variables
    /// of the process say.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads and writes through `backend`, whose root is that of the file system.
    ///
    /// Tests inject faults here.
    #[must_use]
    pub fn with_backend(mut self, backend: Arc<dyn ObjectStore>) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Reaches an object store with these variables (`AWS_REGION`, ...) and none of the process's.
    #[must_use]
    pub fn with_variables<'a>(
        mut self,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        self.variables = Some(variables.into_iter().map(owned).collect());
        self
    }

    /// What the store at `address` is reached through: for tests that stand something before it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Location`] or [`StoreError::Settings`]; nothing is sent.
    pub fn backend_of(&self, address: &str) -> Result<Arc<dyn ObjectStore>> {
        self.connect(&Location::parse(address)?)
    }

    fn connect(&self, location: &Location) -> Result<Arc<dyn ObjectStore>> {
        match (&self.backend, location.place()) {
            (Some(backend), _) => Ok(Arc::clone(backend)),
            (None, Place::Folder(_)) => Ok(local_backend()),
            (None, Place::Bucket(service)) => match &self.variables {
                Some(variables) => bucket::connect(location, *service, variables),
                None => bucket::connect(location, *service, &bucket::process_variables()),
            },
        }
    }
}

/// The file system as an object store whose puts are synced before they return.
#[must_use]
pub fn local_backend() -> Arc<dyn ObjectStore> {
    Arc::new(DurableFileSystem::new())
}

/// A table of events and what stands beside it.
///
/// Its methods need a Tokio runtime with several threads.
#[derive(Debug)]
pub struct Store {
    pub(crate) location: Location,
    pub(crate) log: LogStoreRef,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) sql: QueryEngine,
    pub(crate) footers: Footers,
    pub(crate) pages: Pages,
    id: String,
    newest: Mutex<Arc<Snapshot>>,
    /// The version of the last Delta checkpoint, once it was looked for.
    pub(crate) checkpointed: Mutex<Option<u64>>,
}

impl Store {
    /// Opens the store at `address`: a folder, as a path or a `file://` URL, or a prefix in a bucket
    /// (`s3://bucket/prefix`, `gs://`, `az://`).
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] if nothing is there, [`StoreError::NotATrail`] or
    /// [`StoreError::Format`] if it is not for this release, and others as the storage has it.
    pub async fn open(address: &str, options: OpenOptions) -> Result<Self> {
        let location = Location::parse(address)?;
        location.check_folder()?;
        let log = log_store(&location, &options)?;
        Self::load(location, log).await
    }

    /// Creates the store at `address`, or opens it if it is there.
    ///
    /// Several processes may do so at once: one creates it, the others open what it created.
    ///
    /// # Errors
    ///
    /// As [`Store::open`], and if the folder or the bucket cannot be written. Buckets are not made.
    pub async fn create(address: &str, options: OpenOptions) -> Result<Self> {
        let location = Location::create(address)?;
        let shown = location.shown();
        let log = log_store(&location, &options)?;
        match Self::load(location.clone(), Arc::clone(&log)).await {
            Err(StoreError::Missing { .. }) => {}
            opened => return opened,
        }
        let created = create_table(&log).await;
        match Self::load(location, log).await {
            // Nothing was created: why not is the better answer.
            Err(StoreError::Missing { .. }) => Err(created.err().map_or_else(
                || StoreError::Missing { location: shown.clone() },
                |error| StoreError::delta(&shown, error),
            )),
            opened => opened,
        }
    }

    async fn load(location: Location, log: LogStoreRef) -> Result<Self> {
        let shown = location.shown();
        let is_table = log.is_delta_table_location().await;
        if !is_table.map_err(|error| StoreError::delta(&shown, error))? {
            return Err(StoreError::Missing { location: shown });
        }
        let snapshot = Snapshot::load(log.as_ref(), &shown).await?;
        let id = check_properties(&snapshot, &shown)?;
        let objects = log.object_store(None);
        let sql = QueryEngine::new(Arc::clone(&objects))?;
        let newest = Mutex::new(Arc::new(snapshot));
        let checkpointed = Mutex::new(None);
        let (footers, pages) = (Footers::default(), Pages::default());
        Ok(Self { location, log, objects, sql, footers, pages, id, newest, checkpointed })
    }

    /// The identity of the table: 32 hex digits, drawn when it was created.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it is, for people.
    #[must_use]
    pub fn location(&self) -> String {
        self.location.shown()
    }

    /// The newest snapshot that is known, without looking for a newer one.
    #[must_use]
    pub fn known_snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.newest.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The newest snapshot. Costs two looks at the storage, at once, when nothing has changed.
    ///
    /// # Errors
    ///
    /// If the storage or the Delta log does not read.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        let known = self.known_snapshot();
        let version = known.version().0;
        let (this, next) = (commit_path(version), commit_path(version + 1));
        let (this, next) = futures::join!(self.objects.head(&this), self.objects.head(&next));
        let location = self.location();
        match (this, next) {
            (Ok(_), Err(object_store::Error::NotFound { .. })) => Ok(known),
            // The log was cleaned up behind it. The newest commit always stays.
            (Err(object_store::Error::NotFound { .. }), _) => {
                self.location.check_folder()?;
                let newest = Snapshot::load(self.log.as_ref(), &location).await?;
                Ok(self.remember(newest))
            }
            (Err(error), _) | (_, Err(error)) => Err(StoreError::storage(&location, error)),
            (Ok(_), Ok(_)) => {
                let newer = known.advance(self.log.as_ref(), &location).await?;
                Ok(self.remember(newer))
            }
        }
    }

    /// Checks that the store still holds what `snapshot` has read.
    ///
    /// A bucket that was emptied looks as one in which nothing new was committed, and a commit would
    /// begin a table there that has no beginning.
    pub(crate) async fn check_there(&self, snapshot: &Snapshot) -> Result<()> {
        if let Place::Folder(_) = self.location.place() {
            return self.location.check_folder();
        }
        match self.objects.head(&commit_path(snapshot.version().0)).await {
            Err(object_store::Error::NotFound { .. }) => {
                Err(StoreError::Missing { location: self.location() })
            }
            found => {
                found.map(|_| ()).map_err(|error| StoreError::storage(&self.location(), error))
            }
        }
    }

    /// Keeps `snapshot` as the newest, unless a newer one is known.
    pub(crate) fn remember(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        let snapshot = Arc::new(snapshot);
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.version() < snapshot.version() {
            *newest = Arc::clone(&snapshot);
        }
        snapshot
    }

    /// The number of the last batch of `spool` that `snapshot` holds.
    ///
    /// # Errors
    ///
    /// If the Delta log does not read.
    pub async fn batch_of(&self, snapshot: &Snapshot, spool: &str) -> Result<Option<BatchNumber>> {
        snapshot.read_batch_of(spool, self.log.as_ref(), &self.location()).await
    }
}

pub(crate) fn log_store(location: &Location, options: &OpenOptions) -> Result<LogStoreRef> {
    log_store_in(options.connect(location)?, location)
}

/// The Delta log by commits that are put if they are absent, which every backend here does: no
/// table of locks stands beside it.
pub(crate) fn log_store_in(
    backend: Arc<dyn ObjectStore>,
    location: &Location,
) -> Result<LogStoreRef> {
    let config = StorageConfig::default();
    let below = config
        .decorate_store(Arc::clone(&backend), location.url())
        .map_err(|error| StoreError::delta(&location.shown(), error))?;
    Ok(default_logstore(Arc::from(below), backend, location.url(), &config))
}

/// Writes version 0, unless it is there.
async fn create_table(log: &LogStoreRef) -> Result<(), deltalake_core::DeltaTableError> {
    let columns = Column::ALL.iter().map(|column| {
        let data_type = match column.column_type() {
            ColumnType::Text => DataType::STRING,
            ColumnType::Int => DataType::LONG,
            ColumnType::Time => DataType::TIMESTAMP,
            ColumnType::Bytes => DataType::BINARY,
        };
        StructField::nullable(column.name(), data_type)
    });
    let month = StructField::nullable(MONTH, DataType::STRING);
    let stats = STATS_COLUMNS.map(Column::name).join(",");
    let format = FORMAT.to_string();
    let id = random_hex(16);
    let properties = [
        ("delta.appendOnly", "true"),
        ("delta.checkpointInterval", "100"),
        ("delta.dataSkippingStatsColumns", stats.as_str()),
        (FORMAT_PROPERTY, format.as_str()),
        (ID_PROPERTY, id.as_str()),
    ];
    DeltaTable::new(Arc::clone(log))
        .create()
        .with_save_mode(SaveMode::ErrorIfExists)
        .with_columns(columns.chain([month]))
        .with_partition_columns([MONTH])
        .with_configuration(properties.map(|(key, value)| (key, Some(value))))
        .with_raise_if_key_not_exists(false)
        // With a retry, the loser of a race would write its own metadata as version 1.
        .with_commit_properties(CommitProperties::default().with_max_retries(0))
        .await
        .map(|_| ())
}

/// Checks that the table is a trail this release reads; gives its identity.
fn check_properties(snapshot: &Snapshot, location: &str) -> Result<String> {
    let properties: &HashMap<String, String> = snapshot.state().metadata().configuration();
    let (Some(format), Some(id)) = (properties.get(FORMAT_PROPERTY), properties.get(ID_PROPERTY))
    else {
        return Err(StoreError::NotATrail { location: location.to_owned() });
    };
    match format.parse::<u32>() {
        Ok(number) if number <= FORMAT => Ok(id.clone()),
        _ => Err(StoreError::Format {
            location: location.to_owned(),
            found: format.clone(),
            supported: FORMAT,
        }),
    }
}

/// `bytes` random bytes as hex digits.
#[allow(clippy::disallowed_methods, reason = "the one place where this crate draws random bytes")]
pub(crate) fn random_hex(bytes: usize) -> String {
    let mut random = vec![0_u8; bytes];
    getrandom::fill(&mut random).expect("the operating system gives random bytes");
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}
