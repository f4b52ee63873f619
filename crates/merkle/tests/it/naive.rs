//! The definitions of RFC 6962, section 2.1, over all leaves: slow and obvious.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};
use trailkeeper_merkle::{Hash, TileId, hash_leaf};

/// The hashes of leaves that cover the numbers from 0, in big-endian.
pub(crate) fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|number| hash_leaf(&number.to_be_bytes())).collect()
}

/// Every number an index or size of these tests can be.
pub(crate) fn number(index: usize) -> u64 {
    u64::try_from(index).expect("a test's tree is small")
}

/// A tree that has all its leaves, and remembers what it has computed.
pub(crate) struct NaiveTree {
    leaves: Vec<Hash>,
    known: RefCell<HashMap<(usize, usize), Hash>>,
}

impl NaiveTree {
    pub(crate) fn new(leaves: Vec<Hash>) -> Self {
        Self { leaves, known: RefCell::default() }
    }

    pub(crate) fn leaf(&self, index: usize) -> Hash {
        self.leaves[index]
    }

    pub(crate) fn root(&self, size: usize) -> Hash {
        self.hash(0, size)
    }

    /// `MTH(D[start:end])`.
    fn hash(&self, start: usize, end: usize) -> Hash {
        match end - start {
            0 => return <[u8; 32]>::from(Sha256::digest(b"")).into(),
            1 => return self.leaves[start],
            _ => {}
        }
        if let Some(hash) = self.known.borrow().get(&(start, end)) {
            return *hash;
        }
        let middle = middle(start, end);
        let (left, right) = (self.hash(start, middle), self.hash(middle, end));
        let bytes = [&[1], left.as_bytes().as_slice(), right.as_bytes().as_slice()].concat();
        let hash = <[u8; 32]>::from(Sha256::digest(bytes)).into();
        self.known.borrow_mut().insert((start, end), hash);
        hash
    }

    /// `PATH(index, D[0:size])`.
    pub(crate) fn inclusion(&self, index: usize, size: usize) -> Vec<Hash> {
        self.path(index, 0, size)
    }

    fn path(&self, index: usize, start: usize, end: usize) -> Vec<Hash> {
        if end - start == 1 {
            return Vec::new();
        }
        let middle = middle(start, end);
        let (mut path, sibling) = if index < middle {
            (self.path(index, start, middle), self.hash(middle, end))
        } else {
            (self.path(index, middle, end), self.hash(start, middle))
        };
        path.push(sibling);
        path
    }

    /// `PROOF(old_size, D[0:new_size])`; empty for an old tree without leaves.
    pub(crate) fn consistency(&self, old_size: usize, new_size: usize) -> Vec<Hash> {
        if old_size == 0 { Vec::new() } else { self.subproof(old_size, 0, new_size) }
    }

    fn subproof(&self, old_size: usize, start: usize, end: usize) -> Vec<Hash> {
        if old_size == end {
            return if start == 0 { Vec::new() } else { vec![self.hash(start, end)] };
        }
        let middle = middle(start, end);
        let (mut proof, sibling) = if old_size <= middle {
            (self.subproof(old_size, start, middle), self.hash(middle, end))
        } else {
            (self.subproof(old_size, middle, end), self.hash(start, middle))
        };
        proof.push(sibling);
        proof
    }

    /// All tiles of the tree of `size` leaves, by the formula of C2SP `tlog-tiles`.
    pub(crate) fn tiles(&self, size: usize) -> BTreeMap<TileId, Vec<u8>> {
        let mut tiles = BTreeMap::new();
        for (level, span) in [(0, 1), (1, 256), (2, 65_536)] {
            let hashes: Vec<_> =
                (0..size / span).map(|n| self.hash(n * span, (n + 1) * span)).collect();
            for (index, tile) in hashes.chunks(256).enumerate() {
                let width = u16::try_from(tile.len()).expect("a chunk is no larger than a tile");
                let id = TileId::new(level, number(index), width).expect("it is a tile");
                tiles.insert(id, tile.iter().flat_map(|hash| *hash.as_bytes()).collect());
            }
        }
        tiles
    }
}

/// Where a subtree is split: its left part is the largest power of two below its
/// size.
fn middle(start: usize, end: usize) -> usize {
    let mut left = 1;
    while left * 2 < end - start {
        left *= 2;
    }
    start + left
}
