//! Upkeep of the Delta log: opening reads a bounded part of it, and what nobody can use any more goes.

use std::sync::{Arc, PoisonError};

use deltalake_core::DeltaTable;
use deltalake_core::checkpoints::create_checkpoint;
use futures::StreamExt as _;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde_json::Value;
use trailkeeper_event::Micros;

use crate::error::{Result, StoreError};
use crate::logfile::{HINT, list_log};
use crate::snapshot::CommitFacts;
use crate::store::Store;

/// So many commits are read at most, beside the Delta checkpoint, by whoever opens the table.
const INTERVAL: u64 = 100;

impl Store {
    /// Writes a Delta checkpoint if a hundred commits came since the last one. Opening the table
    /// reads the log from there.
    ///
    /// # Errors
    ///
    /// If it cannot be written; the table is as good without it.
    pub async fn maintain(&self) -> Result<()> {
        let snapshot = self.known_snapshot();
        let version = snapshot.version().0;
        if version < INTERVAL || version.saturating_sub(self.last_checkpoint().await?) < INTERVAL {
            return Ok(());
        }
        let mut table = DeltaTable::new(Arc::clone(&self.log));
        table.state = Some(snapshot.state().clone());
        create_checkpoint(&table, None)
            .await
            .map_err(|error| StoreError::delta(&self.location(), error))?;
        self.remember_checkpoint(version);
        Ok(())
    }

    /// Deletes what of the Delta log only versions from before `until` need. Gives the number of objects.
    ///
    /// What is left begins with a Delta checkpoint, and has the commit that names the tree. Versions since `until`
    /// can be opened as before; those from before it can no longer.
    ///
    /// # Errors
    ///
    /// If the storage cannot be read or written. What was deleted stays deleted.
    pub async fn clean_log(&self, until: Micros) -> Result<u64> {
        let snapshot = self.snapshot().await?;
        let location = self.location();
        let storage = |error| StoreError::storage(&location, error);
        let files = list_log(self.objects.as_ref()).await.map_err(storage)?;
        let is_start = |version: &u64| *version <= snapshot.head_version();
        let starts = files.iter().filter(|file| file.is_checkpoint).map(|file| file.version);
        let starts: Vec<_> = starts.filter(is_start).collect();
        let Some(first) = self.last_before(&starts, until).await? else { return Ok(0) };
        // A version since `until` is read from there on.
        let old = files.into_iter().filter(|file| file.version < first).map(|file| Ok(file.path));
        let old: Vec<_> = old.collect();
        let mut deleted = 0;
        let mut deletions = self.objects.delete_stream(futures::stream::iter(old).boxed());
        while let Some(deletion) = deletions.next().await {
            match deletion {
                Ok(_) => deleted += 1,
                // Somebody else cleans up too.
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(storage(error)),
            }
        }
        Ok(deleted)
    }

    /// The last of these versions, which ascend, that was committed before `until`.
    async fn last_before(&self, versions: &[u64], until: Micros) -> Result<Option<u64>> {
        let (mut known, mut end) = (None, versions.len());
        let mut start = 0;
        while start < end {
            let middle = usize::midpoint(start, end);
            let version = versions.get(middle).copied().unwrap_or_default();
            let facts = CommitFacts::read(self.log.as_ref(), version, &self.location()).await?;
            // Without its commit nobody can tell when it was: it is taken for young.
            if facts.and_then(|facts| facts.at).is_some_and(|at| at < until) {
                known = Some(version);
                start = middle + 1;
            } else {
                end = middle;
            }
        }
        Ok(known)
    }

    /// The version of the last Delta checkpoint, or 0.
    async fn last_checkpoint(&self) -> Result<u64> {
        if let Some(known) = *self.checkpointed.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(known);
        }
        let storage = |error| StoreError::storage(&self.location(), error);
        let version = match self.objects.get(&Path::from(HINT)).await {
            Err(object_store::Error::NotFound { .. }) => 0,
            found => {
                let bytes = found.map_err(storage)?.bytes().await.map_err(storage)?;
                // One that does not read is replaced by the next one.
                let hint: Value = serde_json::from_slice(&bytes).unwrap_or_default();
                let version = hint.get("version").and_then(Value::as_u64);
                version.filter(|version| *version <= self.known_snapshot().version().0).unwrap_or(0)
            }
        };
        self.remember_checkpoint(version);
        Ok(version)
    }

    fn remember_checkpoint(&self, version: u64) {
        *self.checkpointed.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
    }
}
