//! Adding a batch of events: files first, then one Delta commit.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake_core::kernel::{Action, Add, Transaction};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde_json::Value;
use trailkeeper_event::{Clock, Column, SystemClock};

use crate::error::{Result, StoreError};
use crate::file::month_of;
use crate::number::{BatchNumber, EventCount, TableVersion, TreeRoot};
use crate::snapshot::{ROOT_KEY, SEQ_TRANSACTION, SIZE_KEY, Snapshot, spool_transaction};
use crate::store::{MONTH, Store, random_hex};
use crate::write::{EncodedFile, encode};

/// Which batch is committed, and what it makes of the tree.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The spool the batch comes from.
    pub spool: String,
    /// Its number in that spool: one more than that of the last one.
    pub batch: BatchNumber,
    /// The size of the tree the batch was sequenced for.
    pub size_before: EventCount,
    /// The size of the tree with the batch.
    pub size_after: EventCount,
    /// The root of the tree with the batch.
    pub root: TreeRoot,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The batch is in the table, by this version.
    Committed(TableVersion),
    /// The batch was in the table before: read the tree again.
    AlreadyCommitted,
    /// Someone else has extended the tree: sequence the batch anew.
    Conflict,
}

/// A Parquet file that is in the store and that no commit names yet.
pub(crate) struct StagedFile {
    pub(crate) path: String,
    pub(crate) month: String,
    pub(crate) size: usize,
    pub(crate) stats: String,
}

impl StagedFile {
    /// The action that names it, with events that are new to the table. `at` is in milliseconds.
    pub(crate) fn add(&self, at: i64) -> Result<Add> {
        Ok(Add {
            path: self.path.clone(),
            partition_values: HashMap::from([(MONTH.to_owned(), Some(self.month.clone()))]),
            size: i64::try_from(self.size).map_err(StoreError::internal)?,
            modification_time: at,
            data_change: true,
            stats: Some(self.stats.clone()),
            ..Add::default()
        })
    }
}

impl Store {
    /// Adds a batch of events, exactly once.
    ///
    /// The events are in `seq` order, from `size_before` to `size_after`. When this returns
    /// [`Outcome::Committed`], the files and the commit are durable. After an error the batch is in
    /// the table or not; ask again with the same number to know.
    ///
    /// # Errors
    ///
    /// If the storage cannot be written.
    pub async fn append(&self, batches: &[RecordBatch], commit: &Commit) -> Result<Outcome> {
        let snapshot = self.snapshot().await?;
        if let Some(outcome) = self.early_outcome(&snapshot, commit).await? {
            return Ok(outcome);
        }
        self.check_there(&snapshot).await?;
        let mut files = Vec::new();
        for (month, batches) in by_month(batches)? {
            files.push(self.stage(month, batches, commit).await?);
        }
        let committed = self.commit_files(&snapshot, &files, commit).await;
        let outcome = match committed {
            Ok(version) => Outcome::Committed(version),
            Err(error) => {
                // A commit that failed may have taken effect, and one that lost a race has to say
                // so. An object store whose answer was lost is asked again by the library below, and
                // then says that somebody else was quicker: it was this very commit.
                let newest = Snapshot::load(self.log.as_ref(), &self.location()).await?;
                let outcome = if holds(&newest, &files) {
                    Some(Outcome::Committed(newest.version()))
                } else {
                    self.early_outcome(&newest, commit).await?
                };
                self.remember(newest);
                outcome.ok_or(error)?
            }
        };
        if outcome == Outcome::Conflict {
            self.discard(&files).await;
        }
        Ok(outcome)
    }

    /// What is known of the commit from the table alone.
    async fn early_outcome(&self, table: &Snapshot, commit: &Commit) -> Result<Option<Outcome>> {
        let known = self.batch_of(table, &commit.spool).await?;
        Ok(match known {
            Some(known) if known >= commit.batch => Some(Outcome::AlreadyCommitted),
            _ if table.head().size != commit.size_before => Some(Outcome::Conflict),
            _ => None,
        })
    }

    async fn stage(
        &self,
        month: String,
        batches: Vec<RecordBatch>,
        commit: &Commit,
    ) -> Result<StagedFile> {
        let encoded = tokio::task::spawn_blocking(move || encode(&batches)).await;
        let encoded = encoded.map_err(StoreError::internal)??;
        self.put_events(month, commit.size_before.0, encoded).await
    }

    /// Puts a file of events into the store, for a commit to name it.
    ///
    /// `first` is the number of events before those of its commit: for people, in its name.
    pub(crate) async fn put_events(
        &self,
        month: String,
        first: u64,
        encoded: EncodedFile,
    ) -> Result<StagedFile> {
        let EncodedFile { bytes, stats, rows } = encoded;
        let path = format!("{MONTH}={month}/{first:012}-{rows}-{}.parquet", random_hex(4));
        let size = bytes.len();
        self.put_object(&Path::from(path.as_str()), bytes).await?;
        Ok(StagedFile { path, month, size, stats })
    }

    async fn commit_files(
        &self,
        snapshot: &Snapshot,
        files: &[StagedFile],
        commit: &Commit,
    ) -> Result<TableVersion> {
        let location = self.location();
        let number = |count: u64| i64::try_from(count).map_err(StoreError::internal);
        let modification_time = SystemClock.now().0 / 1000;
        let adds = files.iter().map(|file| Ok(Action::Add(file.add(modification_time)?)));
        let properties = CommitProperties::default()
            .with_metadata([
                (SIZE_KEY.to_owned(), Value::String(commit.size_after.to_string())),
                (ROOT_KEY.to_owned(), Value::String(STANDARD.encode(commit.root.0))),
            ])
            .with_application_transactions(vec![
                Transaction::new(SEQ_TRANSACTION, number(commit.size_after.0)?),
                Transaction::new(spool_transaction(&commit.spool), number(commit.batch.0)?),
            ])
            // Both would turn a commit that has taken effect into an error.
            .with_create_checkpoint(false)
            .with_cleanup_expired_logs(Some(false));
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(vec![MONTH.to_owned()]),
            predicate: None,
        };
        let table = snapshot.state();
        let done = CommitBuilder::from(properties)
            .with_actions(adds.collect::<Result<_>>()?)
            .build(Some(table), Arc::clone(&self.log), operation)
            .await
            .map_err(|error| StoreError::delta(&location, error))?;
        let version = TableVersion(done.version());
        if let Ok(newer) = snapshot.follow(done.snapshot(), self.log.as_ref(), &location).await {
            self.remember(newer);
        }
        Ok(version)
    }

    /// Removes files that no commit names. What cannot be removed is only wasted space.
    pub(crate) async fn discard(&self, files: &[StagedFile]) {
        for file in files {
            let _ = self.objects.delete(&Path::from(file.path.as_str())).await;
        }
    }
}

/// Whether the table has the files that were staged for a commit. No other commit names them.
fn holds(table: &Snapshot, staged: &[StagedFile]) -> bool {
    let is_in_table = |path: &str| table.files().iter().any(|file| file.path == path);
    !staged.is_empty() && staged.iter().all(|file| is_in_table(&file.path))
}

/// Splits events into runs of one month of `recorded_at`.
fn by_month(batches: &[RecordBatch]) -> Result<Vec<(String, Vec<RecordBatch>)>> {
    let mut months: Vec<(String, Vec<RecordBatch>)> = Vec::new();
    for batch in batches {
        let times = batch
            .column_by_name(Column::RecordedAt.name())
            .and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>())
            .ok_or_else(|| StoreError::internal("a batch has no recorded_at"))?;
        let mut start = 0;
        while start < batch.num_rows() {
            let month = month_of(times.value(start));
            let mut end = start + 1;
            while end < batch.num_rows() && month_of(times.value(end)) == month {
                end += 1;
            }
            let part = batch.slice(start, end - start);
            match months.iter_mut().find(|(known, _)| *known == month) {
                Some((_, parts)) => parts.push(part),
                None => months.push((month, vec![part])),
            }
            start = end;
        }
    }
    Ok(months)
}
