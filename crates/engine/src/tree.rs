//! The Merkle tree of a store: its right edge, its tiles and its signed checkpoint.

use std::collections::HashMap;

use trailkeeper_event::{Column, EventBatch, LeafHasher};
use trailkeeper_merkle::{
    Checkpoint, Hash, MerkleError, RightEdge, SigningKey, TileId, TreeSize, prove_consistency,
    stale_partials, verify_consistency,
};
use trailkeeper_store::{DataFile, FileScan, Snapshot, Store};

use crate::error::{Error, Result};
use crate::trail::Trail;

/// The name of the signed checkpoint beside the table.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// The right edge of the tree at the snapshot's size.
///
/// It comes from the tiles. Tiles are written after the commit they belong to, so the newest may be
/// missing: then the rows behind the signed checkpoint, or all of them, give them again.
pub(crate) fn load_edge(
    trail: &Trail,
    store: &Store,
    snapshot: &Snapshot,
    signed: Option<&Checkpoint>,
) -> Result<RightEdge> {
    let head = snapshot.head();
    let root = head.root.map(|root| Hash::from(root.0));
    if let Some(edge) = edge_of_tiles(trail, store, TreeSize::new(head.size.0), root)? {
        return Ok(edge);
    }
    if let Some(signed) = signed.filter(|signed| signed.size().get() < head.size.0)
        && let Some(edge) = edge_of_tiles(trail, store, signed.size(), Some(signed.root()))?
        && let Ok(edge) = extend_edge(trail, store, snapshot, edge)
    {
        return Ok(edge);
    }
    extend_edge(trail, store, snapshot, RightEdge::empty())
}

/// The edge that the tiles give, if they are there and give this root.
pub(crate) fn edge_of_tiles(
    trail: &Trail,
    store: &Store,
    size: TreeSize,
    root: Option<Hash>,
) -> Result<Option<RightEdge>> {
    let mut tiles = HashMap::new();
    for tile in RightEdge::tiles_needed(size) {
        if let Some(bytes) = trail.wait(store.side(&tile.path()))?? {
            tiles.insert(tile, bytes.to_vec());
        }
    }
    let edge = RightEdge::load(size, |tile| tiles.remove(&tile)).ok();
    Ok(edge.filter(|edge| root.is_none_or(|root| root == edge.root())))
}

/// Brings `edge` to the snapshot's size with the rows behind it, and writes the tiles these make.
pub(crate) fn extend_edge(
    trail: &Trail,
    store: &Store,
    snapshot: &Snapshot,
    mut edge: RightEdge,
) -> Result<RightEdge> {
    let known = edge.size().get();
    let is_behind = |file: &&DataFile| file.seq_bounds().is_none_or(|(_, last)| last >= known);
    for file in snapshot.files().iter().filter(is_behind) {
        let mut leaves = leaves_of(trail, store, file)?;
        leaves.retain(|(seq, _)| *seq >= known);
        let start = edge.size().get();
        if !leaves.iter().map(|(seq, _)| *seq).eq((start..).take(leaves.len())) {
            return Err(Error::Tree);
        }
        let leaves: Vec<_> = leaves.into_iter().map(|(_, leaf)| leaf).collect();
        write_tiles(trail, store, edge.append(&leaves))?;
    }
    let head = snapshot.head();
    let is_whole = edge.size().get() == head.size.0
        && head.root.is_none_or(|root| Hash::from(root.0) == edge.root());
    if is_whole { Ok(edge) } else { Err(Error::Tree) }
}

/// The leaves of the rows in `file`, by `seq`.
fn leaves_of(trail: &Trail, store: &Store, file: &DataFile) -> Result<Vec<(u64, Hash)>> {
    let bytes = trail.wait(store.read_file(file))??.ok_or(Error::Tree)?;
    let mut hasher = LeafHasher::new();
    let mut leaves = Vec::new();
    for scanned in FileScan::new(file, bytes, Column::ALL)? {
        let (_, batch) = scanned?;
        let events = EventBatch::try_new(&batch).map_err(|_| Error::Tree)?;
        for (row, leaf) in hasher.leaf_hashes(&events).into_iter().enumerate() {
            let seq = events.seq(row).ok_or(Error::Tree)?;
            let leaf = leaf.ok_or(Error::Tree)?;
            leaves.push((seq.0, Hash::from(leaf.0)));
        }
    }
    leaves.sort_unstable_by_key(|(seq, _)| *seq);
    Ok(leaves)
}

/// Writes tiles durably.
pub(crate) fn write_tiles(
    trail: &Trail,
    store: &Store,
    tiles: Vec<(TileId, Vec<u8>)>,
) -> Result<()> {
    let tiles = tiles.into_iter().map(|(tile, bytes)| (tile.path(), bytes)).collect();
    Ok(trail.wait(store.put_sides(tiles))??)
}

/// The signed checkpoint of a store, as far as this process knows it.
#[derive(Debug)]
pub(crate) struct SignedHead {
    key: SigningKey,
    origin: String,
    /// The note that was last checked, and what it says.
    known: Option<(Vec<u8>, Checkpoint)>,
}

impl SignedHead {
    pub(crate) const fn new(key: SigningKey, origin: String) -> Self {
        Self { key, origin, known: None }
    }

    /// Checks that the tree with this edge and the signed checkpoint are of one history.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] if the checkpoint is not ours or tells of another tree: then somebody
    /// has altered the store, and what is drained now would make that look right.
    pub(crate) fn check(
        &mut self,
        trail: &Trail,
        store: &Store,
        edge: &RightEdge,
    ) -> Result<Standing> {
        let Some(note) = trail.wait(store.side(CHECKPOINT))?? else {
            return match self.known.take() {
                None => Ok(Standing::Behind),
                Some(_) => Err(contradiction("the signed checkpoint was removed")),
            };
        };
        let checkpoint = match &self.known {
            Some((known, checkpoint)) if known[..] == note[..] => checkpoint.clone(),
            _ => Checkpoint::open(&note, &self.key.verifier_key())
                .map_err(|error| contradiction(&format!("the checkpoint is not ours: {error}")))?,
        };
        let (size, root) = (checkpoint.size(), checkpoint.root());
        if size > edge.size() {
            return Ok(Standing::Ahead { size });
        }
        let is_same = size == edge.size() && root == edge.root();
        if !is_same && !extends(trail, store, &checkpoint, edge)? {
            // It may be the tiles that are damaged: what the rows give decides.
            extend_edge(trail, store, &store.known_snapshot(), RightEdge::empty())?;
            if !extends(trail, store, &checkpoint, edge)? {
                return Err(contradiction("the table does not extend the signed checkpoint"));
            }
        }
        self.known = Some((note.to_vec(), checkpoint));
        Ok(if is_same { Standing::Current } else { Standing::Behind })
    }

    /// Reads the checkpoint, if there is one that is ours, for [`load_edge`]; [`SignedHead::check`]
    /// judges it.
    pub(crate) fn read(&self, trail: &Trail, store: &Store) -> Result<Option<Checkpoint>> {
        let note = trail.wait(store.side(CHECKPOINT))??;
        Ok(note.and_then(|note| Checkpoint::open(&note, &self.key.verifier_key()).ok()))
    }

    /// Signs the tree with this edge, unless it is signed, and removes the tiles that this makes
    /// stale.
    ///
    /// # Errors
    ///
    /// As [`SignedHead::check`], which it begins with.
    pub(crate) fn sign(&mut self, trail: &Trail, store: &Store, edge: &RightEdge) -> Result<()> {
        // Another drainer may have signed a larger tree by now; that one stays.
        let standing = self.check(trail, store, edge)?;
        if standing != Standing::Behind || edge.size() == TreeSize::ZERO {
            return Ok(());
        }
        let old = self.known.as_ref().map_or(TreeSize::ZERO, |(_, known)| known.size());
        let checkpoint =
            Checkpoint::new(self.origin.clone(), edge.size(), edge.root(), Vec::new())?;
        let note = checkpoint.sign(&self.key)?.to_string().into_bytes();
        trail.wait(store.put_side(CHECKPOINT, note.clone()))??;
        self.known = Some((note, checkpoint));
        let stale: Vec<_> =
            stale_partials(old, edge.size()).into_iter().map(TileId::path).collect();
        Ok(trail.wait(store.delete_sides(&stale))??)
    }
}

/// Whether the tiles prove that the tree with this edge extends `checkpoint`.
fn extends(
    trail: &Trail,
    store: &Store,
    checkpoint: &Checkpoint,
    edge: &RightEdge,
) -> Result<bool> {
    let (old, new) = (checkpoint.size(), edge.size());
    let proof = match prove_consistency(old, new, |tile| read_tile(trail, store, tile)) {
        Err(Error::Merkle(_)) => return Ok(false),
        proof => proof?,
    };
    let verdict = verify_consistency(old, &checkpoint.root(), new, &edge.root(), &proof)?;
    Ok(verdict.is_verified())
}

/// Where the signed checkpoint stands to a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It covers a part of the tree, or nothing.
    Behind,
    /// It covers the tree.
    Current,
    /// It covers more than the tree: the tree is out of date, or the table has lost events.
    Ahead { size: TreeSize },
}

pub(crate) fn contradiction(reason: &str) -> Error {
    Error::Checkpoint { reason: reason.to_owned() }
}

fn read_tile(trail: &Trail, store: &Store, tile: TileId) -> Result<Vec<u8>> {
    let bytes = trail.wait(store.side(&tile.path()))??;
    bytes.map(|bytes| bytes.to_vec()).ok_or(Error::Merkle(MerkleError::MissingTile { tile }))
}
