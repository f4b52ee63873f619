//! What a trail holds and takes.

use serde_json::{Value, json};
use trailkeeper_event::Micros;
use trailkeeper_merkle::Checkpoint;
use trailkeeper_spool::Backlog;

use crate::error::Result;
use crate::key::Identity;
use crate::time::rfc3339;
use crate::trail::Trail;
use crate::tree::CHECKPOINT;

/// What a trail holds and takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Where the store is.
    pub location: String,
    /// The identity of the store.
    pub store_id: String,
    /// Who writes to it, if anybody has claimed it.
    pub source: Option<String>,
    /// The verifier key of its checkpoints, if anybody has claimed it.
    pub verifier_key: Option<String>,
    /// The version of the Delta table.
    pub version: u64,
    /// How many events are in the table: the size of the tree.
    pub events: u64,
    /// How many files hold them.
    pub files: u64,
    /// The size of these files.
    pub file_bytes: u64,
    /// The size of the Merkle tiles.
    pub tile_bytes: u64,
    /// The size of the Delta log.
    pub log_bytes: u64,
    /// When the latest event was recorded.
    pub last_recorded_at: Option<Micros>,
    /// How many events the signed checkpoint covers, if there is one that reads.
    pub checkpoint_size: Option<u64>,
    /// What waits in the spool, if there is one.
    pub spool: Option<Backlog>,
}

impl Stats {
    /// Bytes of files, tiles and log for each event.
    #[must_use]
    pub fn bytes_per_event(&self) -> Option<f64> {
        let whole = |number: u64| u32::try_from(number).map_or_else(|_| big(number), f64::from);
        let bytes = self.file_bytes + self.tile_bytes + self.log_bytes;
        (self.events > 0).then(|| whole(bytes) / whole(self.events))
    }

    /// The statistics as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let spool = self.spool.map(|spool| {
            json!({
                "transactions": spool.transactions,
                "events": spool.records,
                "bytes": spool.bytes,
                "in_doubt": spool.in_doubt,
                "oldest_committed_at": spool.oldest_committed_at.map(|at| rfc3339(Micros(at))),
            })
        });
        json!({
            "location": self.location,
            "store_id": self.store_id,
            "source": self.source,
            "verifier_key": self.verifier_key,
            "version": self.version,
            "events": self.events,
            "files": self.files,
            "file_bytes": self.file_bytes,
            "tile_bytes": self.tile_bytes,
            "log_bytes": self.log_bytes,
            "bytes_per_event": self.bytes_per_event(),
            "last_recorded_at": self.last_recorded_at.map(rfc3339),
            "checkpoint_size": self.checkpoint_size,
            "spool": spool,
        })
    }
}

/// A number above 32 bits as a fraction: its two halves, each exact.
fn big(number: u64) -> f64 {
    let high = u32::try_from(number >> 32).map_or(0.0, f64::from);
    let low = u32::try_from(number & u64::from(u32::MAX)).map_or(0.0, f64::from);
    high.mul_add(4_294_967_296.0, low)
}

impl Trail {
    /// What the trail holds and takes.
    ///
    /// # Errors
    ///
    /// If the store or the spool does not read.
    pub fn stats(&self) -> Result<Stats> {
        let store = self.store()?;
        let snapshot = self.wait(store.snapshot())??;
        let identity = Identity::read(self, &store)?;
        let note = self.wait(store.side(CHECKPOINT))??;
        let checkpoint = note
            .zip(identity.as_ref())
            .and_then(|(note, identity)| Checkpoint::open(&note, &identity.key).ok());
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Ok(Stats {
            location: store.location(),
            store_id: store.id().to_owned(),
            source: identity.as_ref().map(|identity| identity.source.clone()),
            verifier_key: identity.as_ref().map(|identity| identity.key.to_string()),
            version: snapshot.version().0,
            events: snapshot.head().size.0,
            files: count(snapshot.files().len()),
            file_bytes: snapshot.files().iter().map(|file| file.size()).sum(),
            tile_bytes: self.wait(store.side_usage("tile"))??.bytes,
            log_bytes: self.wait(store.log_usage())??.bytes,
            last_recorded_at: snapshot.last_recorded_at(),
            checkpoint_size: checkpoint.map(|checkpoint| checkpoint.size().get()),
            spool: self.spool().map(|spool| spool.view().map(|view| view.backlog())).transpose()?,
        })
    }
}
