//! The right edge of a tree: what is needed to append to it.

use std::array;

use crate::tile::{LEVELS, TILE_HEIGHT};
use crate::{EMPTY_ROOT, Hash, MerkleError, RootBuilder, TILE_WIDTH, TileId, TreeSize, root_of};

/// An event's index is a signed 64-bit column, so no trail is larger. Half of
/// the numbers stay free, and appending to a loaded edge cannot overflow.
const LARGEST: u64 = i64::MAX as u64;

/// The hashes in a tree's partial tiles, from which the tree can grow.
///
/// It is at most 255 hashes for each of 8 levels, whatever the size of the tree.
///
/// ```
/// use trailkeeper_merkle::{RightEdge, TreeSize, hash_leaf};
///
/// let leaves: Vec<_> = (0..300_u32).map(|n| hash_leaf(&n.to_be_bytes())).collect();
/// let mut edge = RightEdge::empty();
/// let tiles = edge.append(&leaves);
/// let paths: Vec<_> = tiles.iter().map(|(tile, _)| tile.path()).collect();
/// assert_eq!(paths, ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"]);
///
/// // Another process goes on from the tiles.
/// let loaded = RightEdge::load(TreeSize::new(300), |tile| {
///     tiles.iter().find(|(id, _)| *id == tile).map(|(_, bytes)| bytes.clone())
/// })?;
/// assert_eq!(loaded, edge);
/// # Ok::<(), trailkeeper_merkle::MerkleError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightEdge {
    size: u64,
    /// For each tile level, the hashes of its partial tile: always fewer than
    /// [`TILE_WIDTH`], and as many as `size` says.
    levels: [Vec<Hash>; LEVELS as usize],
}

impl RightEdge {
    /// The edge of the tree without leaves.
    pub fn empty() -> Self {
        Self { size: 0, levels: array::from_fn(|_| Vec::new()) }
    }

    /// The tiles from which the edge of a tree of `size` leaves is loaded: its
    /// partial tiles, lowest level first.
    pub fn tiles_needed(size: TreeSize) -> Vec<TileId> {
        TileId::partials(size).collect()
    }

    /// Loads the edge of a tree of `size` leaves from the tiles that
    /// [`tiles_needed`](Self::tiles_needed) names.
    ///
    /// The hashes are taken as they are: compare [`root`](Self::root) with a root
    /// that is known to be right before appending.
    ///
    /// # Errors
    ///
    /// [`MerkleError::MissingTile`] when `tile_bytes` has not got a tile,
    /// [`MerkleError::TileLength`] when it is not of its width, and
    /// [`MerkleError::TreeTooLarge`] for 2^63 leaves and more.
    pub fn load(
        size: TreeSize,
        mut tile_bytes: impl FnMut(TileId) -> Option<Vec<u8>>,
    ) -> Result<Self, MerkleError> {
        if size.get() > LARGEST {
            return Err(MerkleError::TreeTooLarge { size });
        }
        let mut edge = Self { size: size.get(), ..Self::empty() };
        for tile in TileId::partials(size) {
            let bytes = tile_bytes(tile).ok_or(MerkleError::MissingTile { tile })?;
            edge.levels[usize::from(tile.level())] = tile.decode(&bytes)?;
        }
        Ok(edge)
    }

    /// Appends leaf hashes, and returns each tile that is new, with its bytes.
    ///
    /// These are the full tiles that were completed and, at every level where
    /// hashes were added, the partial tile of the new tree; lowest level first,
    /// in order of index. A partial tile that did not change is not among them,
    /// nor is a partial tile of a size in between. Appending nothing gives none.
    #[must_use = "the tiles are the tree: write them"]
    pub fn append(&mut self, leaves: &[Hash]) -> Vec<(TileId, Vec<u8>)> {
        let mut tiles = Vec::with_capacity(leaves.len() / usize::from(TILE_WIDTH) + 8);
        let mut roots = append_level(self.size, 0, &mut self.levels[0], leaves, &mut tiles);
        for (level, pending) in (0_u8..).zip(&mut self.levels).skip(1) {
            roots = append_level(self.size, level, pending, &roots, &mut tiles);
        }
        let added = u64::try_from(leaves.len()).ok();
        self.size = added
            .and_then(|added| self.size.checked_add(added))
            .expect("nobody appends 2^63 leaves to a tree that is smaller than that");
        tiles
    }

    /// The number of leaves.
    pub fn size(&self) -> TreeSize {
        TreeSize::new(self.size)
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut below = None;
        for hashes in &self.levels {
            // All that is right of a level's complete hashes is less than one
            // more of them, so it takes the place of the next one.
            let row: RootBuilder = hashes.iter().copied().chain(below).collect();
            below = (row.size() > TreeSize::ZERO).then(|| row.finish());
        }
        below.unwrap_or(EMPTY_ROOT)
    }
}

/// Appends hashes to one level of a tree that had `size` leaves, and returns the
/// roots of the tiles that this completes.
fn append_level(
    size: u64,
    level: u8,
    pending: &mut Vec<Hash>,
    mut added: &[Hash],
    tiles: &mut Vec<(TileId, Vec<u8>)>,
) -> Vec<Hash> {
    let full = usize::from(TILE_WIDTH);
    let mut roots = Vec::with_capacity((pending.len() + added.len()) / full);
    // 0 when shifted out: the one tile of the last level is never completed.
    let mut index = size.checked_shr((u32::from(level) + 1) * TILE_HEIGHT).unwrap_or(0);
    while let Some((missing, rest)) = added.split_at_checked(full - pending.len()) {
        pending.extend_from_slice(missing);
        roots.push(root_of(pending));
        tiles.push(encode_tile(level, index, pending));
        pending.clear();
        index += 1;
        added = rest;
    }
    if !added.is_empty() {
        pending.extend_from_slice(added);
        tiles.push(encode_tile(level, index, pending));
    }
    roots
}

fn encode_tile(level: u8, index: u64, hashes: &[Hash]) -> (TileId, Vec<u8>) {
    let width = u16::try_from(hashes.len()).ok();
    let tile = width
        .and_then(|width| TileId::new(level, index, width))
        .expect("between 1 and 256 hashes at the edge of a tree make a tile");
    let mut bytes = Vec::with_capacity(tile.byte_len());
    for hash in hashes {
        bytes.extend_from_slice(hash.as_bytes());
    }
    (tile, bytes)
}

/// The partial tiles of a tree that has grown which a wider one has replaced.
///
/// Once a checkpoint of the new size stands, nobody needs them any more. There
/// are none when the tree has not grown.
pub fn stale_partials(old_size: TreeSize, new_size: TreeSize) -> Vec<TileId> {
    if new_size <= old_size {
        return Vec::new();
    }
    let kept = RightEdge::tiles_needed(new_size);
    TileId::partials(old_size).filter(|tile| !kept.contains(tile)).collect()
}
