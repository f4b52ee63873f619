//! Events with the proof that they are in the signed tree.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use trailkeeper_event::{Column, EventBatch, LeafHasher};
use trailkeeper_merkle::{
    Checkpoint, Hash, LeafIndex, MerkleError, RightEdge, TileId, prove_inclusion, verify_inclusion,
};
use trailkeeper_store::Store;

use super::Sink;
use crate::error::{Error, Result};
use crate::event::AuditEvent;
use crate::key::Identity;
use crate::trail::Trail;
use crate::tree::CHECKPOINT;

/// So many tiles of 8 KiB are kept.
const TILES: usize = 1024;
/// So often is the checkpoint read again when a drainer has replaced the tiles at its edge.
const ATTEMPTS: usize = 100;

/// Makes proofs for one checkpoint.
pub(super) struct Prover {
    trail: Trail,
    store: Arc<Store>,
    note: String,
    checkpoint: Checkpoint,
    /// The tiles at the edge of the tree, which a drainer that is at work removes.
    edge: HashMap<TileId, Vec<u8>>,
    tiles: HashMap<TileId, Vec<u8>>,
    hasher: LeafHasher,
}

impl Prover {
    pub(super) fn new(trail: &Trail) -> Result<Self> {
        let store = trail.store()?;
        let unsigned =
            || Error::NoProof { reason: "the store has no signed checkpoint".to_owned() };
        let key = Identity::read(trail, &store)?.ok_or_else(unsigned)?.key;
        let mut missing = None;
        for _ in 0..ATTEMPTS {
            let note = trail.wait(store.side(CHECKPOINT))??.ok_or_else(unsigned)?;
            let checkpoint = Checkpoint::open(&note, &key)?;
            let ids = RightEdge::tiles_needed(checkpoint.size());
            let paths: Vec<_> = ids.iter().map(|id| id.path()).collect();
            let found = trail.wait(store.sides(&paths))??;
            missing = ids.iter().zip(&found).find(|(_, bytes)| bytes.is_none()).map(|(id, _)| *id);
            if missing.is_some() {
                continue;
            }
            let found = found.into_iter().flatten().map(|bytes| bytes.to_vec());
            return Ok(Self {
                trail: trail.clone(),
                store,
                note: String::from_utf8_lossy(&note).into_owned(),
                checkpoint,
                edge: ids.into_iter().zip(found).collect(),
                tiles: HashMap::new(),
                hasher: LeafHasher::new(),
            });
        }
        Err(missing.map_or_else(unsigned, |tile| Error::Merkle(MerkleError::MissingTile { tile })))
    }

    /// The proofs of the events of a batch, as JSON text; `None` for one that the checkpoint does not cover.
    fn prove(&mut self, batch: &RecordBatch) -> Result<Vec<Option<String>>> {
        let events = EventBatch::try_new(batch)
            .map_err(|error| Error::Internal(format!("a column came otherwise: {error}")))?;
        let leaves = self.hasher.leaf_hashes(&events);
        let mut proofs = Vec::with_capacity(leaves.len());
        for (row, leaf) in leaves.into_iter().enumerate() {
            let seq = events.seq(row).map(|seq| seq.0);
            let Some(seq) = seq.filter(|seq| *seq < self.checkpoint.size().get()) else {
                proofs.push(None);
                continue;
            };
            let leaf = leaf.ok_or(Error::NotInTree { seq })?;
            let hashes = self.prove_leaf(seq, &Hash::from(leaf.0))?;
            let salt = events.bytes(row, Column::Salt).map(|salt| STANDARD.encode(salt));
            let proof = json!({
                "leaf_index": seq,
                "tree_size": self.checkpoint.size().get(),
                "leaf_hash": Hash::from(leaf.0).to_string(),
                "hashes": hashes.iter().map(Hash::to_string).collect::<Vec<_>>(),
                "salt": salt,
            });
            proofs.push(Some(proof.to_string()));
        }
        Ok(proofs)
    }

    /// The proof of a leaf, which is one: what does not verify is not given away.
    fn prove_leaf(&mut self, seq: u64, leaf: &Hash) -> Result<Vec<Hash>> {
        if self.tiles.len() >= TILES {
            self.tiles.clear();
        }
        let (index, size) = (LeafIndex::new(seq), self.checkpoint.size());
        let Self { trail, store, edge, tiles, checkpoint, .. } = self;
        let hashes = prove_inclusion::<Error>(index, size, |tile| {
            if let Some(known) = edge.get(&tile).or_else(|| tiles.get(&tile)) {
                return Ok(known.clone());
            }
            let bytes = trail.wait(store.side(&tile.path()))??;
            let bytes = bytes.ok_or(Error::Merkle(MerkleError::MissingTile { tile }))?.to_vec();
            tiles.insert(tile, bytes.clone());
            Ok(bytes)
        })?;
        if verify_inclusion(leaf, index, size, &hashes, &checkpoint.root())?.is_verified() {
            Ok(hashes)
        } else {
            Err(Error::NotInTree { seq })
        }
    }
}

/// Writes the checkpoint, and each event with its proof.
pub(super) struct ProvenFile<'a> {
    out: &'a mut dyn Write,
    prover: Prover,
}

impl<'a> ProvenFile<'a> {
    pub(super) fn new(out: &'a mut dyn Write, prover: Prover) -> Result<Self> {
        let line = json!({"checkpoint": prover.note});
        writeln!(out, "{line}").map_err(Error::Output)?;
        Ok(Self { out, prover })
    }
}

impl Sink for ProvenFile<'_> {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let proofs = self.prover.prove(batch)?;
        let events = AuditEvent::from_rows(std::slice::from_ref(batch))?;
        for (event, proof) in events.iter().zip(proofs) {
            let mut text = event.to_json_text();
            if let Some(proof) = proof {
                text.pop();
                text.push_str(",\"proof\":");
                text.push_str(&proof);
                text.push('}');
            }
            text.push('\n');
            self.out.write_all(text.as_bytes()).map_err(Error::Output)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.out.flush().map_err(Error::Output)
    }
}
