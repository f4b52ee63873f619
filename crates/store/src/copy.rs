//! Copying: one version of the table, as it is, in another place.
//!
//! The log of a copy begins with the version that was copied: a Delta checkpoint of it, which is put in one
//! piece. Whoever opens the copy sees what it was before, or the whole new version.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use deltalake_core::DeltaTable;
use deltalake_core::checkpoints::create_checkpoint;
use deltalake_core::logstore::LogStoreRef;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

use crate::error::{Result, StoreError};
use crate::file::DataFile;
use crate::location::Location;
use crate::logfile::{HINT, LogFile, commit_path, list_log};
use crate::number::EventCount;
use crate::side::side_path;
use crate::snapshot::{CommitFacts, Snapshot};
use crate::store::{OpenOptions, Store, log_store, log_store_in};

const CONCURRENT_TRANSFERS: usize = 16;

/// One version of a table, with the log that a copy of it has.
#[derive(Debug)]
pub struct Frozen {
    snapshot: Snapshot,
    /// The objects of its log in the order in which they are put; the first one makes the version visible.
    log: Vec<(Path, Bytes)>,
    /// The first commit that it has, which names the tree.
    first: u64,
}

impl Frozen {
    /// The table as of this version.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }
}

/// What became of an object that was to be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// It was copied.
    Copied,
    /// It was there before.
    Known,
    /// The source does not have it.
    Gone,
}

impl Store {
    /// The newest version whose tree has `size`, with all that its log needs; `None` if there is none, or the log was
    /// cleaned up meanwhile.
    ///
    /// Nothing is written to the store.
    ///
    /// # Errors
    ///
    /// If the storage or the Delta log does not read.
    pub async fn freeze(&self, size: EventCount) -> Result<Option<Frozen>> {
        let newest = self.snapshot().await?;
        let location = self.location();
        let mut version = newest.version().0;
        // Commits that add no events do not name the tree: the one before them does.
        let mut commits = Vec::new();
        let named = loop {
            let entry = CommitFacts::read_entry(self.log.as_ref(), version, &location).await?;
            let Some(entry) = entry else { return Ok(None) };
            let head = CommitFacts::parse(&entry, version)?.head;
            commits.push((version, entry));
            match (head, version.checked_sub(1)) {
                (Some(head), Some(before)) if head.size > size => {
                    commits.clear();
                    version = before;
                }
                (Some(head), _) => break head.size,
                (None, Some(before)) => version = before,
                (None, None) => break EventCount(0),
            }
        };
        if named != size {
            return Ok(None);
        }
        commits.reverse();
        self.freeze_commits(commits).await
    }

    /// The version of the last of `commits`, which are those since the tree was named.
    async fn freeze_commits(&self, commits: Vec<(u64, Bytes)>) -> Result<Option<Frozen>> {
        let location = self.location();
        let delta = |error| StoreError::delta(&location, error);
        let storage = |error| StoreError::storage(&location, error);
        let (Some((first, _)), Some((version, _))) = (commits.first(), commits.last()) else {
            return Ok(None);
        };
        let (first, version) = (*first, *version);
        let log = log_store_in(Arc::new(InMemory::new()), &self.location)?;
        let memory = log.object_store(None);
        let entries = list_log(self.objects.as_ref()).await.map_err(storage)?;
        let is_base = |entry: &&LogFile| entry.is_checkpoint && entry.version <= version;
        let base = entries.iter().filter(is_base).map(|entry| entry.version).max();
        let start = base.unwrap_or(0).min(first);
        for entry in entries {
            let is_needed = if entry.is_checkpoint {
                Some(entry.version) == base
            } else {
                (start..=version).contains(&entry.version)
            };
            if !is_needed {
                continue;
            }
            let bytes = match self.objects.get(&entry.path).await {
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                found => found.map_err(storage)?.bytes().await.map_err(storage)?,
            };
            memory.put(&entry.path, bytes.into()).await.map_err(storage)?;
        }
        let snapshot = Snapshot::load(log.as_ref(), &location).await?;
        if snapshot.version().0 != version {
            return Ok(None);
        }
        let checkpoint = checkpoint_of(log, &snapshot).await.map_err(delta)?;
        let mut copied = vec![checkpoint];
        copied.extend(commits.into_iter().map(|(version, entry)| (commit_path(version), entry)));
        Ok(Some(Frozen { snapshot, log: copied, first }))
    }
}

/// The Delta checkpoint of the newest version in `log`, which is in memory.
async fn checkpoint_of(
    log: LogStoreRef,
    snapshot: &Snapshot,
) -> Result<(Path, Bytes), deltalake_core::DeltaTableError> {
    let memory = log.object_store(None);
    let path = Path::from(format!("_delta_log/{:020}.checkpoint.parquet", snapshot.version().0));
    if memory.head(&path).await.is_err() {
        let mut table = DeltaTable::new(log);
        table.state = Some(snapshot.state().clone());
        create_checkpoint(&table, None).await?;
    }
    let bytes = memory.get(&path).await?.bytes().await?;
    Ok((path, bytes))
}

/// A place that holds a copy of a store, or is to.
#[derive(Debug)]
pub struct CopyTarget {
    location: Location,
    objects: Arc<dyn ObjectStore>,
    options: OpenOptions,
}

impl CopyTarget {
    /// The place at `address`: a folder, which is made if it is not there, or a part of a bucket.
    ///
    /// # Errors
    ///
    /// If it is no address, is not a folder, or cannot be made.
    pub fn open(address: &str, options: OpenOptions) -> Result<Self> {
        let location = Location::create(address)?;
        let objects = log_store(&location, &options)?.object_store(None);
        Ok(Self { location, objects, options })
    }

    /// Where it is, for people.
    #[must_use]
    pub fn location(&self) -> String {
        self.location.shown()
    }

    /// Whether it is the place of `store`, or one of them is inside the other.
    #[must_use]
    pub fn overlaps(&self, store: &Store) -> bool {
        let (ours, theirs) = (self.location.url().as_str(), store.location.url().as_str());
        ours.starts_with(theirs) || theirs.starts_with(ours)
    }

    /// The store that is there; `None` while there is no table.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub async fn store(&self) -> Result<Option<Store>> {
        match Store::open(self.location.url().as_str(), self.options.clone()).await {
            Err(StoreError::Missing { .. }) => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Whether nothing is there.
    ///
    /// # Errors
    ///
    /// If the storage does not list.
    pub async fn is_empty(&self) -> Result<bool> {
        let first = self.objects.list(None).next().await.transpose();
        Ok(first.map_err(|error| self.storage(error))?.is_none())
    }

    /// Reads the side object `name`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the storage does not read.
    pub async fn side(&self, name: &str) -> Result<Option<Bytes>> {
        match self.objects.get(&side_path(name)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            found => {
                let bytes = found.map_err(|error| self.storage(error))?.bytes().await;
                bytes.map(Some).map_err(|error| self.storage(error))
            }
        }
    }

    /// Writes the side object `name`, replacing it as a whole.
    ///
    /// # Errors
    ///
    /// If the storage cannot be written.
    pub async fn put_side(&self, name: &str, bytes: Bytes) -> Result<()> {
        self.put(&side_path(name), bytes).await
    }

    /// Removes side objects. Those that are not there are no error.
    ///
    /// # Errors
    ///
    /// If the storage cannot be written.
    pub async fn delete_sides(&self, names: &[String]) -> Result<()> {
        for name in names {
            self.delete(&side_path(name)).await?;
        }
        Ok(())
    }

    /// Copies a file of events, unless it is there. It is held in memory meanwhile.
    ///
    /// # Errors
    ///
    /// If the storage cannot be read or written.
    pub async fn copy_file(&self, from: &Store, file: &DataFile) -> Result<Transfer> {
        self.copy(from, &Path::from(file.path()), file.size()).await
    }

    /// Copies side objects, each with its size in bytes, some at a time. Those that are there with this size stay; those that
    /// the source does not have are left out.
    ///
    /// # Errors
    ///
    /// At the first that cannot be read or written; others may be.
    pub async fn copy_sides(&self, from: &Store, objects: Vec<(String, u64)>) -> Result<()> {
        futures::stream::iter(objects)
            .map(|(name, size)| async move { self.copy(from, &side_path(&name), size).await })
            .buffer_unordered(CONCURRENT_TRANSFERS)
            .try_for_each(|_| std::future::ready(Ok(())))
            .await
    }

    /// Makes `frozen` the version of the copy. All that it names has to be there.
    ///
    /// # Errors
    ///
    /// If the storage cannot be written: the copy is what it was, or the new version.
    pub async fn publish(&self, frozen: &Frozen) -> Result<()> {
        for (path, bytes) in &frozen.log {
            self.put(path, bytes.clone()).await?;
        }
        Ok(())
    }

    /// Deletes what `previous` has and `frozen` has not: files of events, and the log of earlier versions.
    ///
    /// # Errors
    ///
    /// If the storage cannot be read or written. What was deleted stays deleted.
    pub async fn tidy(&self, previous: Option<&Snapshot>, frozen: &Frozen) -> Result<()> {
        // It names a Delta checkpoint that goes; listing finds the one that stays.
        self.delete(&Path::from(HINT)).await?;
        let version = frozen.snapshot.version().0;
        for entry in list_log(self.objects.as_ref()).await.map_err(|error| self.storage(error))? {
            let keep = if entry.is_checkpoint { version } else { frozen.first };
            if entry.version < keep {
                self.delete(&entry.path).await?;
            }
        }
        let named: HashSet<_> = frozen.snapshot.files().iter().map(DataFile::path).collect();
        let old = previous.map(Snapshot::files).unwrap_or_default();
        for file in old.iter().filter(|file| !named.contains(file.path())) {
            self.delete(&Path::from(file.path())).await?;
        }
        Ok(())
    }

    async fn copy(&self, from: &Store, path: &Path, size: u64) -> Result<Transfer> {
        match self.objects.head(path).await {
            Ok(found) if found.size == size => return Ok(Transfer::Known),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(self.storage(error)),
        }
        let at_source = |error| StoreError::storage(&from.location(), error);
        let bytes = match from.objects.get(path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(Transfer::Gone),
            found => found.map_err(at_source)?.bytes().await.map_err(at_source)?,
        };
        self.put(path, bytes).await?;
        Ok(Transfer::Copied)
    }

    async fn put(&self, path: &Path, bytes: Bytes) -> Result<()> {
        let put = self.objects.put(path, bytes.into()).await;
        put.map(|_| ()).map_err(|error| self.storage(error))
    }

    async fn delete(&self, path: &Path) -> Result<()> {
        match self.objects.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.storage(error)),
        }
    }

    fn storage(&self, error: object_store::Error) -> StoreError {
        StoreError::storage(&self.location(), error)
    }
}
