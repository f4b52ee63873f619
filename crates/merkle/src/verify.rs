//! Verifying inclusion and consistency proofs.

use crate::{EMPTY_ROOT, Hash, LeafIndex, MerkleError, TreeSize, hash_children};

/// What a well-formed proof shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a proof that was not looked at proves nothing"]
pub enum Verdict {
    /// The claim holds.
    Verified,
    /// The proof does not show the claim: the leaf, a root or the proof differs.
    NotVerified,
}

impl Verdict {
    /// Whether the claim holds.
    pub fn is_verified(self) -> bool {
        self == Self::Verified
    }

    fn of(is_verified: bool) -> Self {
        if is_verified { Self::Verified } else { Self::NotVerified }
    }
}

/// Verifies that leaf `index` of the tree with this size and root is `leaf`.
///
/// # Errors
///
/// The proof says nothing when it cannot be one:
/// [`MerkleError::LeafOutsideTree`], [`MerkleError::ProofLength`].
pub fn verify_inclusion(
    leaf: &Hash,
    index: LeafIndex,
    size: TreeSize,
    proof: &[Hash],
    root: &Hash,
) -> Result<Verdict, MerkleError> {
    if index.get() >= size.get() {
        return Err(MerkleError::LeafOutsideTree { index, size });
    }
    let path = Path::new(index.get(), size.get(), 0);
    expect_len(path.len(), proof.len())?;
    Ok(Verdict::of(path.new_root(*leaf, proof) == *root))
}

/// Verifies that the new tree begins with all the leaves of the old one, in their
/// order.
///
/// A tree of equal size must be the same tree. Every tree extends the empty one.
///
/// # Errors
///
/// The proof says nothing when it cannot be one: [`MerkleError::TreeShrinks`],
/// [`MerkleError::ProofLength`].
pub fn verify_consistency(
    old_size: TreeSize,
    old_root: &Hash,
    new_size: TreeSize,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<Verdict, MerkleError> {
    if old_size > new_size {
        return Err(MerkleError::TreeShrinks { old_size, new_size });
    }
    if old_size == TreeSize::ZERO || old_size == new_size {
        expect_len(0, proof.len())?;
        let is_old = old_size > TreeSize::ZERO || *old_root == EMPTY_ROOT;
        let is_extended = old_size < new_size || old_root == new_root;
        return Ok(Verdict::of(is_old && is_extended));
    }
    let height = old_size.get().trailing_zeros();
    let path = Path::new(old_size.get() - 1, new_size.get(), height);
    // The proof begins with the root of the old tree's last complete subtree,
    // unless the old tree is nothing else: then the verifier has it.
    let has_seed = !old_size.get().is_power_of_two();
    expect_len(usize::from(has_seed) + path.len(), proof.len())?;
    let (seed, siblings) = match proof.split_first() {
        Some(split) if has_seed => split,
        _ => (old_root, proof),
    };
    let is_verified =
        path.old_root(*seed, siblings) == *old_root && path.new_root(*seed, siblings) == *new_root;
    Ok(Verdict::of(is_verified))
}

/// The way from a subtree up to the root, and where the siblings are.
///
/// Up to the height at which the way meets the right border of the tree, there is
/// a sibling on either side at each step. Above it, only left ones are left.
struct Path {
    /// Bit n says whether the sibling of step n is on the left.
    sides: u64,
    steps_inside: usize,
    steps_on_border: usize,
}

impl Path {
    /// The path from the subtree of `2^height` leaves that has leaf `index`.
    fn new(index: u64, size: u64, height: u32) -> Self {
        let border = u64::BITS - (index ^ (size - 1)).leading_zeros();
        let above = index.checked_shr(border).unwrap_or(0);
        // A subtree that ends where an older tree ended meets the border above
        // its own height; a leaf has height 0.
        let inside = border - height;
        Self {
            sides: index >> height,
            steps_inside: usize::try_from(inside).expect("it is at most 64"),
            steps_on_border: usize::try_from(above.count_ones()).expect("it is at most 64"),
        }
    }

    fn len(&self) -> usize {
        self.steps_inside + self.steps_on_border
    }

    /// The root of the whole tree, from `len` siblings.
    fn new_root(&self, seed: Hash, siblings: &[Hash]) -> Hash {
        let (inside, border) = siblings.split_at(self.steps_inside);
        let mut hash = seed;
        for (step, sibling) in inside.iter().enumerate() {
            hash = if self.is_left(step) {
                hash_children(sibling, &hash)
            } else {
                hash_children(&hash, sibling)
            };
        }
        border.iter().fold(hash, |hash, left| hash_children(left, &hash))
    }

    /// The root of the tree that ends with the subtree, from `len` siblings, of
    /// which it needs the left ones.
    fn old_root(&self, seed: Hash, siblings: &[Hash]) -> Hash {
        let (inside, border) = siblings.split_at(self.steps_inside);
        let left = inside.iter().enumerate().filter(|(step, _)| self.is_left(*step));
        left.map(|(_, sibling)| sibling)
            .chain(border)
            .fold(seed, |hash, left| hash_children(left, &hash))
    }

    fn is_left(&self, step: usize) -> bool {
        (self.sides >> step) & 1 == 1
    }
}

fn expect_len(expected: usize, found: usize) -> Result<(), MerkleError> {
    if found == expected { Ok(()) } else { Err(MerkleError::ProofLength { expected, found }) }
}
