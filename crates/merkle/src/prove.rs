//! Building inclusion and consistency proofs from tiles.

use crate::root::fold_peaks;
use crate::tile::TILE_HEIGHT;
use crate::{Hash, LeafIndex, MerkleError, TILE_WIDTH, TileId, TreeSize, root_of};

/// Builds the proof that leaf `index` is in the tree of `size` leaves.
///
/// `read_tile` is asked once for each tile that is needed, which is one or two
/// for each level. The tiles are believed: a proof from wrong ones is
/// one that does not verify.
///
/// # Errors
///
/// [`MerkleError::LeafOutsideTree`], [`MerkleError::TileLength`], or what
/// `read_tile` fails with.
pub fn prove_inclusion<E: From<MerkleError>>(
    index: LeafIndex,
    size: TreeSize,
    read_tile: impl FnMut(TileId) -> Result<Vec<u8>, E>,
) -> Result<Vec<Hash>, E> {
    if index.get() >= size.get() {
        return Err(MerkleError::LeafOutsideTree { index, size }.into());
    }
    // From the root down to the leaf, each step leaves a sibling behind.
    let mut siblings = Vec::new();
    let mut around = Span { start: 0, end: size.get() };
    while around.len() > 1 {
        let (left, right) = around.split();
        let (inside, sibling) =
            if index.get() < right.start { (left, right) } else { (right, left) };
        siblings.push(sibling);
        around = inside;
    }
    TileReader::new(size, read_tile).roots_of(siblings)
}

/// Builds the proof that the tree of `new_size` leaves begins with those of the
/// tree of `old_size`.
///
/// It is empty when the sizes are equal, and when the old tree is empty.
/// `read_tile` is asked for tiles of the new tree, as in [`prove_inclusion`].
///
/// # Errors
///
/// [`MerkleError::TreeShrinks`], [`MerkleError::TileLength`], or what `read_tile`
/// fails with.
pub fn prove_consistency<E: From<MerkleError>>(
    old_size: TreeSize,
    new_size: TreeSize,
    read_tile: impl FnMut(TileId) -> Result<Vec<u8>, E>,
) -> Result<Vec<Hash>, E> {
    if old_size > new_size {
        return Err(MerkleError::TreeShrinks { old_size, new_size }.into());
    }
    if old_size == TreeSize::ZERO {
        return Ok(Vec::new());
    }
    // From the root down to the subtree in which the old tree ends.
    let mut siblings = Vec::new();
    let mut around = Span { start: 0, end: new_size.get() };
    while around.end != old_size.get() {
        let (left, right) = around.split();
        let (inside, sibling) =
            if old_size.get() <= right.start { (left, right) } else { (right, left) };
        siblings.push(sibling);
        around = inside;
    }
    // A verifier has the root of the old tree, but not of its last subtree.
    if around.start > 0 {
        siblings.push(around);
    }
    TileReader::new(new_size, read_tile).roots_of(siblings)
}

/// The leaves of a subtree of the RFC 6962 tree, so `start` is a multiple of the
/// power of two that is not below the length.
#[derive(Clone, Copy)]
struct Span {
    start: u64,
    end: u64,
}

impl Span {
    fn len(self) -> u64 {
        self.end - self.start
    }

    /// The two subtrees of a subtree of two leaves or more.
    fn split(self) -> (Self, Self) {
        let middle = self.start + (1 << (self.len() - 1).ilog2());
        (Self { end: middle, ..self }, Self { start: middle, ..self })
    }
}

/// Computes roots of subtrees from tiles, reading each tile once.
struct TileReader<R> {
    size: TreeSize,
    read_tile: R,
    tiles: Vec<(TileId, Vec<Hash>)>,
}

impl<R> TileReader<R> {
    fn new(size: TreeSize, read_tile: R) -> Self {
        Self { size, read_tile, tiles: Vec::new() }
    }

    /// The roots of the subtrees, last one first: the order of a proof.
    fn roots_of<E: From<MerkleError>>(mut self, spans: Vec<Span>) -> Result<Vec<Hash>, E>
    where
        R: FnMut(TileId) -> Result<Vec<u8>, E>,
    {
        spans.into_iter().rev().map(|span| self.root(span)).collect()
    }

    fn root<E: From<MerkleError>>(&mut self, span: Span) -> Result<Hash, E>
    where
        R: FnMut(TileId) -> Result<Vec<u8>, E>,
    {
        let mut peaks = Vec::new();
        let mut rest = span;
        while rest.len() > 0 {
            let height = rest.len().ilog2();
            peaks.push(self.complete_root(height, rest.start >> height)?);
            rest.start += 1 << height;
        }
        Ok(fold_peaks(&peaks))
    }

    /// The root of complete subtree `number` of those with `2^height` leaves.
    fn complete_root<E: From<MerkleError>>(&mut self, height: u32, number: u64) -> Result<Hash, E>
    where
        R: FnMut(TileId) -> Result<Vec<u8>, E>,
    {
        let level = u8::try_from(height / TILE_HEIGHT).expect("a height is below 64");
        let inside = height % TILE_HEIGHT;
        let first = number << inside;
        let tile = TileId::holding(level, first, self.size)
            .expect("the hashes of a complete subtree are in the tree");
        let start = usize::try_from(first % u64::from(TILE_WIDTH)).expect("it is below 256");
        let hashes = self.hashes(tile)?;
        Ok(root_of(&hashes[start..start + (1 << inside)]))
    }

    fn hashes<E: From<MerkleError>>(&mut self, tile: TileId) -> Result<&[Hash], E>
    where
        R: FnMut(TileId) -> Result<Vec<u8>, E>,
    {
        let found = self.tiles.iter().position(|(id, _)| *id == tile);
        let position = match found {
            Some(position) => position,
            None => {
                let hashes = tile.decode(&(self.read_tile)(tile)?)?;
                self.tiles.push((tile, hashes));
                self.tiles.len() - 1
            }
        };
        Ok(&self.tiles[position].1)
    }
}
