//! The leaf hashes with which the events were recorded, as the tiles of level 0 have them.

use std::collections::VecDeque;

use trailkeeper_merkle::{Hash, LeafIndex, TILE_WIDTH, TileId, TreeSize};
use trailkeeper_store::Store;

use crate::error::Result;
use crate::trail::Trail;

/// So many tiles are read at a time.
const TILES: usize = 64;

/// Reads the tiles in the order of their events.
pub(super) struct RecordedLeaves<'a> {
    trail: &'a Trail,
    store: &'a Store,
    size: TreeSize,
    /// Those read ahead; the first one is that of the last event asked for.
    tiles: VecDeque<Tile>,
    last: Option<Tile>,
    /// The paths of tiles that are missing or do not read.
    damaged: Vec<String>,
}

/// A tile, without hashes if it is missing or damaged.
struct Tile {
    id: TileId,
    hashes: Vec<Hash>,
}

impl<'a> RecordedLeaves<'a> {
    /// Reads the last tile at once: a drainer that is at work removes it when it has a wider one.
    pub(super) fn new(trail: &'a Trail, store: &'a Store, size: TreeSize) -> Result<Self> {
        let tiles = VecDeque::new();
        let mut leaves = Self { trail, store, size, tiles, last: None, damaged: Vec::new() };
        let last = size.get().checked_sub(1).and_then(|seq| leaves.tile_of(seq));
        leaves.last = leaves.read(last.into_iter().collect())?.pop_front();
        Ok(leaves)
    }

    /// The hash of the event at `seq`, if it is known.
    pub(super) fn at(&mut self, seq: u64) -> Result<Option<Hash>> {
        let Some(wanted) = self.tile_of(seq) else { return Ok(None) };
        if self.tiles.front().is_none_or(|tile| tile.id != wanted) {
            self.tiles.pop_front();
            if self.tiles.front().is_none_or(|tile| tile.id != wanted) {
                self.tiles = self.read_from(seq)?;
            }
            if self.tiles.front().is_some_and(|tile| tile.hashes.is_empty()) {
                self.damaged.push(wanted.path());
            }
        }
        let index = usize::try_from(seq % u64::from(TILE_WIDTH)).unwrap_or(usize::MAX);
        Ok(self.tiles.front().and_then(|tile| tile.hashes.get(index)).copied())
    }

    /// The paths of the tiles that are missing or do not read.
    pub(super) fn into_damaged(self) -> Vec<String> {
        self.damaged
    }

    fn tile_of(&self, seq: u64) -> Option<TileId> {
        TileId::of_leaf(LeafIndex::new(seq), self.size)
    }

    /// The tile of the event at `seq`, and those behind it.
    fn read_from(&self, seq: u64) -> Result<VecDeque<Tile>> {
        let seqs = (seq..self.size.get()).step_by(usize::from(TILE_WIDTH)).take(TILES);
        let wanted = seqs.filter_map(|seq| self.tile_of(seq));
        self.read(wanted.collect())
    }

    fn read(&self, mut wanted: Vec<TileId>) -> Result<VecDeque<Tile>> {
        let last = self.last.as_ref();
        let known = wanted.pop_if(|id| last.is_some_and(|last| last.id == *id)).and(last);
        let paths: Vec<String> = wanted.iter().map(|id| id.path()).collect();
        let found = self.trail.wait(self.store.sides(&paths))??;
        let tiles = wanted.into_iter().zip(found).map(|(id, bytes)| {
            let hashes = bytes.and_then(|bytes| id.decode(&bytes).ok()).unwrap_or_default();
            Tile { id, hashes }
        });
        let known = known.map(|last| Tile { id: last.id, hashes: last.hashes.clone() });
        Ok(tiles.chain(known).collect())
    }
}
