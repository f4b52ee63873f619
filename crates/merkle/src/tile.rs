//! Tiles: where the hashes of a tree are kept (C2SP `tlog-tiles`, height 8).

use std::fmt;

use crate::{Hash, LeafIndex, MerkleError, TreeSize};

/// The number of hashes in a full tile.
pub const TILE_WIDTH: u16 = 256;

/// The levels of a tree between a hash of one tile level and one of the next.
pub(crate) const TILE_HEIGHT: u32 = 8;

/// The tile levels of the largest tree that a [`TreeSize`] can name.
pub(crate) const LEVELS: u8 = 8;

const FULL: u64 = TILE_WIDTH as u64;

/// The name of a tile: its level, its index in the level, and its width.
///
/// The tile holds `width` consecutive hashes of its level, from number
/// `index * 256`. Hash n of level L is the root of the leaves from `n * 256^L` to
/// `(n + 1) * 256^L`; level 0 has the leaf hashes. A tile of 256 hashes is full and never
/// changes; a narrower one is *partial*.
///
/// ```
/// use trailkeeper_merkle::TileId;
///
/// let tile = TileId::new(0, 1234, 17).expect("a tile of some tree");
/// assert_eq!(tile.path(), "tile/0/x001/234.p/17");
/// assert_eq!(TileId::from_path("tile/0/x001/234.p/17"), Ok(tile));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    level: u8,
    index: u64,
    width: u16,
}

impl TileId {
    /// The tile with this level, index and width, if some tree of less than 2^64
    /// leaves has it.
    pub fn new(level: u8, index: u64, width: u16) -> Option<Self> {
        let last = hashes_at_level(level, TreeSize::new(u64::MAX))?.checked_sub(1)?;
        let tile = Self { level, index, width };
        let is_tile = (1..=TILE_WIDTH).contains(&width)
            && index.checked_mul(FULL)?.checked_add(u64::from(width) - 1)? <= last;
        is_tile.then_some(tile)
    }

    /// The tile that holds hash `number` of `level` in a tree of `size` leaves,
    /// if the tree has that hash.
    pub fn holding(level: u8, number: u64, size: TreeSize) -> Option<Self> {
        let count = hashes_at_level(level, size)?;
        if number >= count {
            return None;
        }
        let index = number / FULL;
        let behind = count - index * FULL;
        let width = u16::try_from(behind).map_or(TILE_WIDTH, |width| width.min(TILE_WIDTH));
        Some(Self { level, index, width })
    }

    /// The tile that holds the hash of a leaf in a tree of `size` leaves, if the
    /// tree has that leaf.
    pub fn of_leaf(leaf: LeafIndex, size: TreeSize) -> Option<Self> {
        Self::holding(0, leaf.get(), size)
    }

    /// The full tiles that a tree of `new_size` leaves has and one of `old_size` has
    /// not, lowest level first.
    ///
    /// ```
    /// use trailkeeper_merkle::{TileId, TreeSize};
    ///
    /// let tiles = TileId::full_tiles(TreeSize::new(300), TreeSize::new(600));
    /// assert_eq!(tiles.map(TileId::path).collect::<Vec<_>>(), ["tile/0/001"]);
    /// ```
    pub fn full_tiles(old_size: TreeSize, new_size: TreeSize) -> impl Iterator<Item = Self> {
        let count = |level, size| hashes_at_level(level, size).unwrap_or(0) / FULL;
        (0..LEVELS).flat_map(move |level| {
            let indexes = count(level, old_size)..count(level, new_size);
            indexes.map(move |index| Self { level, index, width: TILE_WIDTH })
        })
    }

    /// The partial tiles of a tree of `size` leaves, lowest level first.
    pub(crate) fn partials(size: TreeSize) -> impl Iterator<Item = Self> {
        (0..LEVELS)
            .filter_map(move |level| {
                let last = hashes_at_level(level, size)?.checked_sub(1)?;
                Self::holding(level, last, size)
            })
            .filter(|tile| tile.width < TILE_WIDTH)
    }

    /// The level: 0 holds the leaf hashes.
    pub fn level(self) -> u8 {
        self.level
    }

    /// The position in the level, from 0.
    pub fn index(self) -> u64 {
        self.index
    }

    /// The number of hashes: 256 in a full tile, fewer in a partial one.
    pub fn width(self) -> u16 {
        self.width
    }

    /// The number of bytes of the tile.
    pub fn byte_len(self) -> usize {
        usize::from(self.width) * Hash::LEN
    }

    /// The path of the tile below the proof's folder.
    pub fn path(self) -> String {
        self.to_string()
    }

    /// The tile that a path below the proof's folder names.
    ///
    /// # Errors
    ///
    /// [`MerkleError::MalformedTilePath`] unless the path is the one that
    /// [`path`](Self::path) gives for some tile.
    pub fn from_path(path: &str) -> Result<Self, MerkleError> {
        let tile = parse_path(path).ok_or(MerkleError::MalformedTilePath)?;
        // Signs, missing zeros and the like would give one tile several names.
        if tile.path() == path { Ok(tile) } else { Err(MerkleError::MalformedTilePath) }
    }

    /// The hashes in the tile's bytes.
    ///
    /// # Errors
    ///
    /// [`MerkleError::TileLength`] when there are not exactly
    /// [`byte_len`](Self::byte_len) bytes.
    pub fn decode(self, bytes: &[u8]) -> Result<Vec<Hash>, MerkleError> {
        if bytes.len() != self.byte_len() {
            let (expected, found) = (self.byte_len(), bytes.len());
            return Err(MerkleError::TileLength { tile: self, expected, found });
        }
        let (hashes, _) = bytes.as_chunks::<{ Hash::LEN }>();
        Ok(hashes.iter().map(|hash| Hash::from(*hash)).collect())
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level)?;
        let mut unit = 1;
        while self.index / unit >= 1000 {
            unit *= 1000;
        }
        while unit > 1 {
            write!(f, "x{:03}/", self.index / unit % 1000)?;
            unit /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.width < TILE_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// The number of hashes that a tree has at a tile level; `None` for a level that
/// no tree has.
pub(crate) fn hashes_at_level(level: u8, size: TreeSize) -> Option<u64> {
    size.get().checked_shr(u32::from(level) * TILE_HEIGHT)
}

/// Reads a path, also some that are not as [`TileId::path`] writes them.
fn parse_path(path: &str) -> Option<TileId> {
    let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let (number, width) = match rest.split_once(".p/") {
        Some((number, width)) => (number, width.parse().ok()?),
        None => (rest, TILE_WIDTH),
    };
    let index = number.split('/').try_fold(0_u64, |index, group| {
        let group: u16 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
        index.checked_mul(1000)?.checked_add(u64::from(group))
    })?;
    TileId::new(level.parse().ok()?, index, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_and_partial_tiles_are_those_that_hold_a_hash() {
        let all = |size: u64| -> std::collections::BTreeSet<_> {
            let size = TreeSize::new(size);
            (0..LEVELS)
                .flat_map(|level| {
                    let hashes = hashes_at_level(level, size).unwrap_or(0);
                    (0..hashes).filter_map(move |number| TileId::holding(level, number, size))
                })
                .collect()
        };
        for (old, new) in [(0, 0), (0, 255), (0, 256), (255, 257), (256, 512), (300, 70_000)] {
            let (old_size, new_size) = (TreeSize::new(old), TreeSize::new(new));
            let full: std::collections::BTreeSet<_> =
                TileId::full_tiles(old_size, new_size).collect();
            let partial = TileId::partials(new_size).collect();
            let expected = all(new).difference(&all(old)).copied().collect();
            assert_eq!(&(&full | &partial) - &all(old), expected, "{old} to {new}");
        }
    }

    fn tile(level: u8, index: u64, width: u16) -> TileId {
        TileId::new(level, index, width).unwrap()
    }

    #[test]
    fn path_is_the_one_of_the_specification() {
        assert_eq!(tile(0, 0, 256).path(), "tile/0/000");
        assert_eq!(tile(0, 999, 256).path(), "tile/0/999");
        assert_eq!(tile(0, 1_000, 256).path(), "tile/0/x001/000");
        assert_eq!(tile(0, 1_234_067, 256).path(), "tile/0/x001/x234/067");
        assert_eq!(tile(1, 0, 17).path(), "tile/1/000.p/17");
        assert_eq!(tile(7, 0, 255).path(), "tile/7/000.p/255");
        assert_eq!(tile(0, (1 << 56) - 1, 255).path(), "tile/0/x072/x057/x594/x037/x927/935.p/255");
    }

    #[test]
    fn path_has_one_spelling() {
        for path in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "/tile/0/000",
            "tile/0/000/",
            "tile/00/000",
            "tile/+0/000",
            "tile/-1/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/+00",
            "tile/0/x000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x001/x000",
            "tile/0/xx01/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p/1.p/1",
            "tile/0/000.p",
            "tile/8/000",
            "tile/63/000",
            "tile/7/000",
            "tile/7/001.p/1",
            "tile/entries/000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
            "tile/0/x072/x057/x594/x037/x927/935",
            "tile/0/\u{0661}00",
        ] {
            assert_eq!(TileId::from_path(path), Err(MerkleError::MalformedTilePath), "{path}");
        }
    }

    #[test]
    fn partial_tiles_are_those_of_the_specification() {
        let paths =
            |size| TileId::partials(TreeSize::new(size)).map(TileId::path).collect::<Vec<_>>();
        assert!(paths(0).is_empty());
        assert_eq!(paths(1), ["tile/0/000.p/1"]);
        assert_eq!(paths(256), ["tile/1/000.p/1"]);
        assert_eq!(paths(70_000), ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
        assert_eq!(paths(u64::MAX).len(), 8);
    }

    #[test]
    fn leaf_is_found_in_the_tile_that_the_tree_has() {
        let of = |leaf, size| TileId::of_leaf(LeafIndex::new(leaf), TreeSize::new(size));
        assert_eq!(of(255, 256), Some(tile(0, 0, 256)));
        assert_eq!(of(255, 255), None);
        assert_eq!(of(256, 300), Some(tile(0, 1, 44)));
        assert_eq!(of(0, 300), Some(tile(0, 0, 256)));
        assert_eq!(of(u64::MAX, u64::MAX), None);
        assert_eq!(of(u64::MAX - 1, u64::MAX), Some(tile(0, (1 << 56) - 1, 255)));
        assert_eq!(TileId::holding(8, 0, TreeSize::new(u64::MAX)), None);
    }

    #[test]
    fn bytes_of_another_length_are_refused() {
        let narrow = tile(0, 0, 2);
        assert_eq!(narrow.decode(&[7; 64]), Ok(vec![Hash::from([7; 32]); 2]));
        for found in [0, 32, 63, 65, 8192] {
            assert_eq!(
                narrow.decode(&vec![7; found]),
                Err(MerkleError::TileLength { tile: narrow, expected: 64, found })
            );
        }
    }
}
