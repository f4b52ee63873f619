//! The root of a stream of leaves.

use crate::{EMPTY_ROOT, Hash, TreeSize, hash_children};

/// Computes the root of a tree from its leaf hashes, one after the other.
///
/// It remembers one hash for each complete subtree on the left (the *compact
/// range*), so at most 64, however many leaves are pushed.
///
/// ```
/// use trailkeeper_merkle::{RootBuilder, hash_leaf, root_of};
///
/// let leaves = [hash_leaf(b"a"), hash_leaf(b"b"), hash_leaf(b"c")];
/// let mut builder = RootBuilder::new();
/// for leaf in leaves {
///     builder.push(leaf);
/// }
/// assert_eq!(builder.finish(), root_of(&leaves));
/// ```
#[derive(Debug, Clone, Default)]
pub struct RootBuilder {
    size: u64,
    /// The roots of the complete subtrees, largest first: one for each bit set
    /// in `size`.
    peaks: Vec<Hash>,
}

impl RootBuilder {
    /// A builder that has seen no leaf.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the hash of the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("there is a peak for each bit set in the size");
            hash = hash_children(&left, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The number of leaves pushed.
    pub fn size(&self) -> TreeSize {
        TreeSize::new(self.size)
    }

    /// The root of the leaves pushed.
    pub fn finish(self) -> Hash {
        fold_peaks(&self.peaks)
    }
}

impl Extend<Hash> for RootBuilder {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        leaves.into_iter().for_each(|leaf| self.push(leaf));
    }
}

impl FromIterator<Hash> for RootBuilder {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
        let mut builder = Self::new();
        builder.extend(leaves);
        builder
    }
}

/// The root of the tree of these leaf hashes.
pub fn root_of(leaves: &[Hash]) -> Hash {
    leaves.iter().copied().collect::<RootBuilder>().finish()
}

/// The root of neighbouring complete subtrees, largest first.
pub(crate) fn fold_peaks(peaks: &[Hash]) -> Hash {
    let folded = peaks.iter().copied().rev().reduce(|right, left| hash_children(&left, &right));
    folded.unwrap_or(EMPTY_ROOT)
}
