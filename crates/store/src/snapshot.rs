//! The table as of one version.

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use deltalake_core::logstore::LogStore;
use deltalake_core::table::state::DeltaTableState;
use serde_json::Value;
use trailkeeper_event::{Column, Micros};

use crate::error::{Result, StoreError};
use crate::file::{Bounds, DataFile, decode_stats};
use crate::number::{BatchNumber, EventCount, TableVersion, TreeHead, TreeRoot};

/// The application transaction whose version is the size of the tree.
pub(crate) const SEQ_TRANSACTION: &str = "trailkeeper/seq";
/// In `commitInfo`: the size of the tree after the commit.
pub(crate) const SIZE_KEY: &str = "trailkeeper.tree_size";
/// In `commitInfo`: the root of the tree after the commit.
pub(crate) const ROOT_KEY: &str = "trailkeeper.root";

/// The application transaction whose version is the number of a spool's last batch.
pub(crate) fn spool_transaction(spool: &str) -> String {
    format!("trailkeeper/spool/{spool}")
}

/// The table as of one version: what it holds, and from which batches.
#[derive(Debug)]
pub struct Snapshot {
    state: DeltaTableState,
    files: Vec<DataFile>,
    head: TreeHead,
    /// The version whose commit names the tree.
    head_version: u64,
    /// Application transactions that are known; the others are read from the log when asked for.
    transactions: Mutex<HashMap<String, Option<i64>>>,
}

impl Snapshot {
    /// Reads the newest version.
    pub(crate) async fn load(log: &dyn LogStore, location: &str) -> Result<Self> {
        let delta = |error| StoreError::delta(location, error);
        let state = DeltaTableState::try_new(log, None).await.map_err(delta)?;
        let size = state.transaction_version(log, SEQ_TRANSACTION).await.map_err(delta)?;
        let mut head = TreeHead { size: count(size.unwrap_or(0))?, root: None };
        // Commits that add no events (compaction) do not name the tree.
        let mut version = state.version();
        while let Some(facts) = CommitFacts::read(log, version, location).await? {
            if let Some(found) = facts.head {
                head.root = found.root.filter(|_| found.size == head.size);
                break;
            }
            let Some(before) = version.checked_sub(1) else { break };
            version = before;
        }
        Ok(Self::new(state, (head, version), HashMap::new()))
    }

    /// Reads what has been committed since.
    pub(crate) async fn advance(&self, log: &dyn LogStore, location: &str) -> Result<Self> {
        let mut state = self.state.clone();
        state.update(log, None).await.map_err(|error| StoreError::delta(location, error))?;
        self.follow(state, log, location).await
    }

    /// The snapshot of `state`, a later version of the same table.
    pub(crate) async fn follow(
        &self,
        state: DeltaTableState,
        log: &dyn LogStore,
        location: &str,
    ) -> Result<Self> {
        let mut head = (self.head, self.head_version);
        let mut transactions = self.known_transactions().clone();
        for version in self.state.version() + 1..=state.version() {
            let Some(facts) = CommitFacts::read(log, version, location).await? else {
                return Self::load(log, location).await;
            };
            head = facts.head.map_or(head, |found| (found, version));
            transactions.extend(facts.transactions);
        }
        Ok(Self::new(state, head, transactions))
    }

    fn new(
        state: DeltaTableState,
        (head, head_version): (TreeHead, u64),
        transactions: HashMap<String, Option<i64>>,
    ) -> Self {
        let mut files: Vec<DataFile> = state
            .log_data()
            .iter()
            .map(|file| {
                let (rows, bounds) =
                    file.stats().map(|text| decode_stats(&text)).unwrap_or_default();
                let month = file.partition_values_map().remove("month").flatten();
                DataFile {
                    path: file.object_store_path().to_string(),
                    size: u64::try_from(file.size()).unwrap_or(0),
                    rows,
                    month,
                    bounds,
                }
            })
            .collect();
        files.sort_by(|a, b| (a.seq_bounds(), &a.path).cmp(&(b.seq_bounds(), &b.path)));
        Self { state, files, head, head_version, transactions: Mutex::new(transactions) }
    }

    /// Which version it is.
    #[must_use]
    pub fn version(&self) -> TableVersion {
        TableVersion(self.state.version())
    }

    /// The size and, where the log still tells, the root of the tree over the events.
    #[must_use]
    pub const fn head(&self) -> TreeHead {
        self.head
    }

    /// The version whose commit names the tree: its entry of the log is needed as long as this one is the newest that does.
    pub(crate) const fn head_version(&self) -> u64 {
        self.head_version
    }

    /// The files of events, in the order of their smallest `seq`.
    #[must_use]
    pub fn files(&self) -> &[DataFile] {
        &self.files
    }

    /// When the latest event was recorded, as far as the log tells.
    #[must_use]
    pub fn last_recorded_at(&self) -> Option<Micros> {
        let bounds = |file: &DataFile| match file.bounds.get(&Column::RecordedAt)? {
            Bounds::Int(_, last) => Some(Micros(*last)),
            Bounds::Text(..) => None,
        };
        self.files.iter().filter_map(bounds).max()
    }

    pub(crate) const fn state(&self) -> &DeltaTableState {
        &self.state
    }

    pub(crate) async fn read_batch_of(
        &self,
        spool: &str,
        log: &dyn LogStore,
        location: &str,
    ) -> Result<Option<BatchNumber>> {
        let name = spool_transaction(spool);
        let known = self.known_transactions().get(&name).copied();
        let version = match known {
            Some(version) => version,
            None => {
                let version = self.state.transaction_version(log, &name).await;
                let version = version.map_err(|error| StoreError::delta(location, error))?;
                self.known_transactions().insert(name, version);
                version
            }
        };
        version.map(|version| count(version).map(|count| BatchNumber(count.0))).transpose()
    }

    fn known_transactions(&self) -> std::sync::MutexGuard<'_, HashMap<String, Option<i64>>> {
        self.transactions.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn count(version: i64) -> Result<EventCount> {
    u64::try_from(version)
        .map(EventCount)
        .map_err(|_| StoreError::corrupt("an application transaction has a negative version"))
}

/// What one commit says beside its files.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct CommitFacts {
    pub(crate) head: Option<TreeHead>,
    /// When it was committed, as it says itself.
    pub(crate) at: Option<Micros>,
    transactions: HashMap<String, Option<i64>>,
}

impl CommitFacts {
    /// Reads commit `version`; `None` if its file is gone (log cleanup).
    pub(crate) async fn read(
        log: &dyn LogStore,
        version: u64,
        location: &str,
    ) -> Result<Option<Self>> {
        let entry = Self::read_entry(log, version, location).await?;
        entry.map(|bytes| Self::parse(&bytes, version)).transpose()
    }

    /// The bytes of commit `version`; `None` if its file is gone (log cleanup).
    pub(crate) async fn read_entry(
        log: &dyn LogStore,
        version: u64,
        location: &str,
    ) -> Result<Option<Bytes>> {
        let entry = log.read_commit_entry(version).await;
        entry.map_err(|error| StoreError::delta(location, error))
    }

    pub(crate) fn parse(bytes: &[u8], version: u64) -> Result<Self> {
        let damaged =
            || StoreError::corrupt(format!("commit {version} of the Delta log does not read"));
        let mut facts = Self::default();
        let (mut size, mut root) = (None, None);
        for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let action: Value = serde_json::from_slice(line).map_err(|_| damaged())?;
            if let Some(transaction) = action.get("txn") {
                let name = transaction.get("appId").and_then(Value::as_str).ok_or_else(damaged)?;
                let number =
                    transaction.get("version").and_then(Value::as_i64).ok_or_else(damaged)?;
                facts.transactions.insert(name.to_owned(), Some(number));
                if name == SEQ_TRANSACTION {
                    size = Some(count(number)?);
                }
            }
            let info = action.get("commitInfo");
            if let Some(at) = info.and_then(|info| info.get("timestamp")).and_then(Value::as_i64) {
                facts.at = Some(Micros(at.saturating_mul(1000)));
            }
            if let Some(text) = info.and_then(|info| info.get(ROOT_KEY)).and_then(Value::as_str) {
                root = STANDARD.decode(text).ok().and_then(|b| b.try_into().ok()).map(TreeRoot);
            }
        }
        facts.head = size.map(|size| TreeHead { size, root });
        Ok(facts)
    }
}

#[cfg(test)]
mod tests {
    use trailkeeper_event::Micros;

    use super::CommitFacts;
    use crate::error::StoreError;
    use crate::number::{EventCount, TreeHead, TreeRoot};

    #[test]
    fn a_commit_names_the_tree_and_the_batch() {
        let text = "{\"commitInfo\":{\"timestamp\":5,\"trailkeeper.root\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\"}}\n\
            {\"add\":{}}\n{\"txn\":{\"appId\":\"trailkeeper/seq\",\"version\":7}}\n\
            {\"txn\":{\"appId\":\"trailkeeper/spool/x\",\"version\":2}}\n";
        let facts = CommitFacts::parse(text.as_bytes(), 1).unwrap();
        let root = Some(TreeRoot([1; 32]));
        assert_eq!(facts.at, Some(Micros(5000)));
        assert_eq!(facts.head, Some(TreeHead { size: EventCount(7), root }));
        assert_eq!(facts.transactions["trailkeeper/spool/x"], Some(2));
    }

    #[test]
    fn a_damaged_commit_is_reported() {
        for text in
            ["{", "{\"txn\":{}}", "{\"txn\":{\"appId\":\"trailkeeper/seq\",\"version\":-1}}"]
        {
            let error = CommitFacts::parse(text.as_bytes(), 1).unwrap_err();
            assert!(matches!(error, StoreError::Corrupt { .. }), "{text}");
        }
    }
}
