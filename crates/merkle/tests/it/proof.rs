//! Proofs from tiles, against RFC 6962 and against tampering.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use trailkeeper_merkle::{
    EMPTY_ROOT, Hash, LeafIndex, MerkleError, RightEdge, TileId, TreeSize, Verdict,
    prove_consistency, prove_inclusion, verify_consistency, verify_inclusion,
};

use crate::naive::{NaiveTree, leaves, number};

/// All small sizes, and larger ones around the border of a tile and beyond.
fn sizes() -> impl Iterator<Item = usize> {
    (0..=70).chain((71..=300).step_by(7)).chain(255..=258)
}

/// A naive tree, and the tiles of it at one size, as the crate writes them.
struct Tree {
    naive: NaiveTree,
    size: usize,
    tiles: BTreeMap<TileId, Vec<u8>>,
}

impl Tree {
    fn new(size: usize) -> Self {
        let leaves = leaves(size);
        let tiles = RightEdge::empty().append(&leaves).into_iter().collect();
        Self { naive: NaiveTree::new(leaves), size, tiles }
    }

    fn size(&self) -> TreeSize {
        TreeSize::new(number(self.size))
    }

    fn root(&self) -> Hash {
        self.naive.root(self.size)
    }

    fn read(&self, tile: TileId) -> Result<Vec<u8>, MerkleError> {
        self.tiles.get(&tile).cloned().ok_or(MerkleError::MissingTile { tile })
    }

    fn prove_inclusion(&self, index: usize) -> Vec<Hash> {
        prove_inclusion(LeafIndex::new(number(index)), self.size(), |tile| self.read(tile)).unwrap()
    }

    fn prove_consistency(&self, old_size: usize) -> Vec<Hash> {
        prove_consistency(TreeSize::new(number(old_size)), self.size(), |tile| self.read(tile))
            .unwrap()
    }

    fn verify_inclusion(&self, index: usize, proof: &[Hash]) -> Result<Verdict, MerkleError> {
        let (leaf, root) = (self.naive.leaf(index), self.root());
        verify_inclusion(&leaf, LeafIndex::new(number(index)), self.size(), proof, &root)
    }

    fn verify_consistency(&self, old_size: usize, proof: &[Hash]) -> Result<Verdict, MerkleError> {
        let (old_root, root) = (self.naive.root(old_size), self.root());
        let old_size = TreeSize::new(number(old_size));
        verify_consistency(old_size, &old_root, self.size(), &root, proof)
    }
}

fn flip(hash: Hash, bit: usize) -> Hash {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes.into()
}

/// The proof with one bit flipped, for each of its hashes. The bit moves on, so
/// that over all proofs each is flipped.
fn flipped(proof: &[Hash], salt: usize) -> impl Iterator<Item = Vec<Hash>> {
    (0..proof.len()).map(move |position| {
        let mut flipped = proof.to_vec();
        flipped[position] = flip(flipped[position], (salt * 31 + position * 7) % 256);
        flipped
    })
}

/// The proof without its last hash, and with one more.
fn stretched(proof: &[Hash]) -> [Vec<Hash>; 2] {
    let shorter = proof[..proof.len().saturating_sub(1)].to_vec();
    [shorter, [proof, &[EMPTY_ROOT]].concat()]
}

#[test]
fn inclusion_is_proven_for_each_leaf_and_only_so() {
    for size in sizes() {
        let tree = Tree::new(size);
        for index in 0..size {
            let proof = tree.prove_inclusion(index);
            assert_eq!(proof, tree.naive.inclusion(index, size), "{index} of {size}");
            assert_eq!(tree.verify_inclusion(index, &proof), Ok(Verdict::Verified));
            for flipped in flipped(&proof, size + index) {
                assert_eq!(tree.verify_inclusion(index, &flipped), Ok(Verdict::NotVerified));
            }
            for other in stretched(&proof).iter().filter(|other| **other != proof) {
                let (expected, found) = (proof.len(), other.len());
                assert_eq!(
                    tree.verify_inclusion(index, other),
                    Err(MerkleError::ProofLength { expected, found })
                );
            }
        }
    }
}

#[test]
fn consistency_is_proven_from_each_size_and_only_so() {
    for size in sizes() {
        let tree = Tree::new(size);
        for old_size in 0..=size {
            let proof = tree.prove_consistency(old_size);
            assert_eq!(proof, tree.naive.consistency(old_size, size), "{old_size} to {size}");
            assert_eq!(tree.verify_consistency(old_size, &proof), Ok(Verdict::Verified));
            for flipped in flipped(&proof, size + old_size) {
                assert_eq!(tree.verify_consistency(old_size, &flipped), Ok(Verdict::NotVerified));
            }
            for other in stretched(&proof).iter().filter(|other| **other != proof) {
                let (expected, found) = (proof.len(), other.len());
                assert_eq!(
                    tree.verify_consistency(old_size, other),
                    Err(MerkleError::ProofLength { expected, found })
                );
            }
        }
    }
}

#[test]
fn each_bit_of_what_is_proven_counts() {
    for (size, index, old_size) in [(1, 0, 1), (2, 1, 1), (7, 6, 4), (7, 2, 6), (300, 299, 256)] {
        let tree = Tree::new(size);
        let (index, old_size) = (LeafIndex::new(number(index)), TreeSize::new(number(old_size)));
        let position = usize::try_from(index.get()).unwrap();
        let (leaf, root) = (tree.naive.leaf(position), tree.root());
        let old_root = tree.naive.root(usize::try_from(old_size.get()).unwrap());
        let inclusion = tree.prove_inclusion(position);
        let consistency = tree.prove_consistency(usize::try_from(old_size.get()).unwrap());
        for bit in 0..256 {
            let not_verified = Ok(Verdict::NotVerified);
            let (size, flip) = (tree.size(), |hash| flip(hash, bit));
            let verify = |leaf, root| verify_inclusion(&leaf, index, size, &inclusion, &root);
            assert_eq!(verify(flip(leaf), root), not_verified);
            assert_eq!(verify(leaf, flip(root)), not_verified);
            let verify = |old, new| verify_consistency(old_size, &old, size, &new, &consistency);
            assert_eq!(verify(flip(old_root), root), not_verified);
            assert_eq!(verify(old_root, flip(root)), not_verified);
            for (position, hash) in inclusion.iter().enumerate() {
                let mut proof = inclusion.clone();
                proof[position] = flip(*hash);
                assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), not_verified);
            }
        }
    }
}

#[test]
fn proof_of_one_place_proves_no_other() {
    let holds = |verdict: Result<Verdict, _>| verdict.is_ok_and(Verdict::is_verified);
    for size in 1..=64 {
        let tree = Tree::new(size);
        let root = tree.root();
        for index in 0..size {
            let (leaf, proof) = (tree.naive.leaf(index), tree.prove_inclusion(index));
            let (old_root, consistency) = (tree.naive.root(index), tree.prove_consistency(index));
            for other in (0..size).filter(|other| *other != index) {
                let place = LeafIndex::new(number(other));
                assert!(!holds(verify_inclusion(&leaf, place, tree.size(), &proof, &root)));
                let old_size = TreeSize::new(number(other));
                assert!(!holds(verify_consistency(
                    old_size,
                    &old_root,
                    tree.size(),
                    &root,
                    &consistency
                )));
            }
        }
    }
}

#[test]
fn trees_without_leaves_are_what_they_are() {
    let (empty, three) = (TreeSize::ZERO, TreeSize::new(3));
    let other = Hash::from([7; 32]);
    let verify = |old_size, old: &Hash, new_size, new: &Hash| {
        verify_consistency(old_size, old, new_size, new, &[])
    };
    assert_eq!(verify(empty, &EMPTY_ROOT, three, &other), Ok(Verdict::Verified));
    assert_eq!(verify(empty, &other, three, &other), Ok(Verdict::NotVerified));
    assert_eq!(verify(empty, &EMPTY_ROOT, empty, &EMPTY_ROOT), Ok(Verdict::Verified));
    assert_eq!(verify(empty, &other, empty, &other), Ok(Verdict::NotVerified));
    assert_eq!(verify(three, &other, three, &other), Ok(Verdict::Verified));
    assert_eq!(verify(three, &other, three, &EMPTY_ROOT), Ok(Verdict::NotVerified));
}

#[test]
fn question_without_sense_is_an_error() {
    let tree = Tree::new(5);
    let (index, size, old_size) = (LeafIndex::new(5), tree.size(), TreeSize::new(6));
    let outside = MerkleError::LeafOutsideTree { index, size };
    let shrinks = MerkleError::TreeShrinks { old_size, new_size: size };
    let read = |tile| tree.read(tile);
    assert_eq!(prove_inclusion(index, size, read), Err(outside.clone()));
    assert_eq!(verify_inclusion(&EMPTY_ROOT, index, size, &[], &EMPTY_ROOT), Err(outside));
    assert_eq!(prove_consistency(old_size, size, read), Err(shrinks.clone()));
    assert_eq!(verify_consistency(old_size, &EMPTY_ROOT, size, &EMPTY_ROOT, &[]), Err(shrinks));
}

#[test]
fn tiles_are_read_once_and_few_of_them() {
    let tree = Tree::new(70_000);
    for index in [0, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999] {
        let asked = RefCell::new(Vec::new());
        let read = |tile| {
            asked.borrow_mut().push(tile);
            tree.read(tile)
        };
        let place = LeafIndex::new(number(index));
        let proof = prove_inclusion(place, tree.size(), read).unwrap();
        assert_eq!(tree.verify_inclusion(index, &proof), Ok(Verdict::Verified));
        let asked = asked.into_inner();
        assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), asked.len(), "{index}: {asked:?}");
        for level in 0..3 {
            assert!(asked.iter().filter(|tile| tile.level() == level).count() <= 2, "{asked:?}");
        }

        let consistency = tree.prove_consistency(index + 1);
        assert_eq!(consistency, tree.naive.consistency(index + 1, 70_000));
        assert_eq!(tree.verify_consistency(index + 1, &consistency), Ok(Verdict::Verified));
    }
}

#[test]
fn failure_to_read_is_passed_on() {
    let (index, size) = (LeafIndex::new(3), TreeSize::new(300));
    let tile = TileId::new(0, 0, 256).unwrap();
    let missing = MerkleError::MissingTile { tile };
    assert_eq!(prove_inclusion(index, size, |_| Err(missing.clone())), Err(missing));
    let short = prove_inclusion(index, size, |_| Ok(vec![0; 8191]));
    assert_eq!(short, Err(MerkleError::TileLength { tile, expected: 8192, found: 8191 }));
}
