//! Compaction: neighbouring files become one, with the same rows in the order of their objects.
//!
//! It reads and writes files while others append, and then swaps them in one commit. Appends never wait for
//! it and never fail by it; of two compactions of the same files one is refused.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake_core::kernel::{Action, Add, Remove, Transaction};
use deltalake_core::protocol::DeltaOperation;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use trailkeeper_event::{Clock as _, Micros, SystemClock};

use crate::commit::StagedFile;
use crate::error::{Result, StoreError};
use crate::file::DataFile;
use crate::merge::Merge;
use crate::runs::{Effort, next_run};
use crate::snapshot::Snapshot;
use crate::store::{MONTH, Store};
use crate::write::{EncodedFile, FileEncoder, FileOrder};

/// The application transaction of which only one compaction at a time takes part.
const COMPACTION: &str = "trailkeeper/compaction";

const CONCURRENT_DELETES: usize = 16;

/// What a merge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// How many files there were.
    pub files: u64,
    /// How many events they held.
    pub events: u64,
    /// Their size in bytes.
    pub bytes_before: u64,
    /// The size in bytes of the file that stands for them.
    pub bytes_after: u64,
}

impl Store {
    /// Merges the next run of files; `None` if none is worth it, or somebody else was quicker.
    ///
    /// It holds the files of the run as they are stored and the one that is made in memory, some 150 MB, and the decoded rows of those
    /// files of the run that no merge has made. When this returns, the new file and the commit are durable. The old files stay until [`Store::vacuum`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if a file does not hold what the log says: then nothing is changed. Others as the storage has
    /// it; the table is as it was, or the merge is done.
    pub async fn merge_next(&self, effort: Effort) -> Result<Option<Merged>> {
        let snapshot = self.snapshot().await?;
        let Some(run) = next_run(snapshot.files(), effort) else { return Ok(None) };
        let files = snapshot.files().get(run).unwrap_or_default();
        let staged = self.write_merged(files).await?;
        let merged = Merged {
            files: u64::try_from(files.len()).unwrap_or(u64::MAX),
            events: files.iter().filter_map(DataFile::rows).sum(),
            bytes_before: files.iter().map(DataFile::size).sum(),
            bytes_after: u64::try_from(staged.size).unwrap_or(u64::MAX),
        };
        let Err(error) = self.swap(&snapshot, files, &staged).await else {
            return Ok(Some(merged));
        };
        // A commit that failed may have taken effect, or another one has removed a file of the run.
        let newest = Snapshot::load(self.log.as_ref(), &self.location()).await?;
        let paths: HashSet<_> = newest.files().iter().map(|file| file.path.clone()).collect();
        self.remember(newest);
        if paths.contains(&staged.path) {
            return Ok(Some(merged));
        }
        if files.iter().all(|file| paths.contains(&file.path)) {
            // What the storage was sent may yet take effect: the new file stays.
            return Err(error);
        }
        self.discard(std::slice::from_ref(&staged)).await;
        Ok(None)
    }

    /// Deletes files that were removed from the table before `until`. Gives their number.
    ///
    /// Versions of the table from before then can no longer be read as a whole.
    ///
    /// # Errors
    ///
    /// If the storage cannot be read or written. What was deleted stays deleted.
    pub async fn vacuum(&self, until: Micros) -> Result<u64> {
        let snapshot = self.snapshot().await?;
        let location = self.location();
        let removed = snapshot.state().all_tombstones(self.log.as_ref());
        let expired: Vec<Path> = removed
            .try_filter_map(|removed| {
                let at = removed.deletion_timestamp().unwrap_or(i64::MAX);
                let is_expired = at.saturating_mul(1000) < until.0;
                let path = is_expired.then(|| Path::from(removed.path().as_ref()));
                std::future::ready(Ok(path))
            })
            .try_collect()
            .await
            .map_err(|error| StoreError::delta(&location, error))?;
        let live: HashSet<_> = snapshot.files().iter().map(|file| file.path.as_str()).collect();
        let expired: HashSet<_> =
            expired.into_iter().filter(|path| !live.contains(path.as_ref())).collect();
        let expired = self.still_there(expired).await?;
        let deletions = futures::stream::iter(expired).map(|path| async move {
            match self.objects.delete(&path).await {
                Ok(()) => Ok(1),
                // Somebody else was quicker.
                Err(object_store::Error::NotFound { .. }) => Ok(0),
                Err(error) => Err(StoreError::storage(&self.location(), error)),
            }
        });
        let counts = deletions.buffer_unordered(CONCURRENT_DELETES).try_collect::<Vec<u64>>();
        Ok(counts.await?.into_iter().sum())
    }

    /// Those of `paths` that are there. The log names a file for long after it was deleted, and an
    /// object store says of what it does not have that it was deleted.
    async fn still_there(&self, paths: HashSet<Path>) -> Result<Vec<Path>> {
        let folders: HashSet<Path> = paths
            .iter()
            .filter_map(|path| Some(path.as_ref().rsplit_once('/')?.0.into()))
            .collect();
        let mut found = Vec::new();
        for folder in folders {
            let listed = self.objects.list(Some(&folder)).map_ok(|meta| meta.location);
            let there = listed.try_filter(|path| std::future::ready(paths.contains(path)));
            let there: Vec<_> = there
                .try_collect()
                .await
                .map_err(|error| StoreError::storage(&self.location(), error))?;
            found.extend(there);
        }
        Ok(found)
    }

    /// Writes the rows of a run as one file that no commit names yet.
    async fn write_merged(&self, files: &[DataFile]) -> Result<StagedFile> {
        let start = files.first().and_then(|file| Some((file.month()?, file.seq_bounds()?.0)));
        let (month, first) = start.ok_or_else(|| StoreError::internal("a run has no bounds"))?;
        let mut run = Vec::with_capacity(files.len());
        for file in files {
            let bytes = self.read_file(file).await?;
            let bytes = bytes.ok_or_else(|| {
                StoreError::corrupt(format!("the file {} is missing", file.path()))
            })?;
            run.push((file, bytes));
        }
        // On the caller's thread: a pool's threads would each keep the memory that this takes.
        let encoded = tokio::task::block_in_place(|| encode_sorted(&run))?;
        self.put_events(month.to_owned(), first, encoded).await
    }

    /// Names the new file in place of the run, in one commit.
    async fn swap(
        &self,
        snapshot: &Snapshot,
        files: &[DataFile],
        staged: &StagedFile,
    ) -> Result<()> {
        let size = |size: u64| i64::try_from(size).map_err(StoreError::internal);
        let now = SystemClock.now().0 / 1000;
        let mut actions = Vec::new();
        for file in files {
            actions.push(Action::Remove(Remove {
                path: file.path.clone(),
                data_change: false,
                deletion_timestamp: Some(now),
                extended_file_metadata: Some(true),
                partition_values: Some(HashMap::from([(MONTH.to_owned(), file.month.clone())])),
                size: Some(size(file.size)?),
                ..Remove::default()
            }));
        }
        actions.push(Action::Add(Add { data_change: false, ..staged.add(now)? }));
        let version = i64::try_from(snapshot.version().0).map_err(StoreError::internal)?;
        let properties = CommitProperties::default()
            // Delta's library takes no offence at two commits that remove the same file without a change of
            // data, and both would add its rows. Of two that name one transaction it refuses one.
            .with_application_transactions(vec![Transaction::new(COMPACTION, version)])
            .with_create_checkpoint(false)
            .with_cleanup_expired_logs(Some(false));
        let operation = DeltaOperation::Optimize {
            predicate: None,
            target_size: i64::try_from(staged.size).map_err(StoreError::internal)?,
        };
        let location = self.location();
        let done = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(snapshot.state()), Arc::clone(&self.log), operation)
            .await
            .map_err(|error| StoreError::delta(&location, error))?;
        if let Ok(newer) = snapshot.follow(done.snapshot(), self.log.as_ref(), &location).await {
            self.remember(newer);
        }
        Ok(())
    }
}

/// One file with the rows of a run.
fn encode_sorted(files: &[(&DataFile, Bytes)]) -> Result<EncodedFile> {
    let mut rows = Merge::new(files)?;
    let mut encoder = FileEncoder::new(FileOrder::ByObject)?;
    while let Some(batch) = rows.next()? {
        encoder.push(&batch)?;
    }
    encoder.finish()
}
