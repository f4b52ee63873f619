//! The proof of the audit trail: RFC 6962 Merkle trees, C2SP tiles and checkpoints.
//!
//! Leaf n of the tree is event n of the trail. The tree's hashes are kept in
//! [tiles](TileId); a [`RightEdge`] is what a writer must remember of a tree in
//! order to append to it, and yields the tiles to write. A [`Checkpoint`] is the
//! signed head of the tree. Anybody who has one can [verify](verify_inclusion)
//! that an event is in the tree, and [that a tree extends](verify_consistency) an
//! earlier one.
//!
//! This crate is arithmetic and text. It does no I/O: callers hand tiles in and
//! write tiles out, bring the randomness of a [`SigningKey`], and decide when a
//! checkpoint may be signed.
//!
//! # Guarantees
//!
//! - **Compatible.** Roots and proofs are those of RFC 6962 with SHA-256; tiles,
//!   checkpoints, notes and keys are those of C2SP `tlog-tiles` (height 8),
//!   `tlog-checkpoint` and `signed-note` (Ed25519).
//! - **Foreign bytes do not panic.** Every parser and verifier takes any input and
//!   answers with a value or a [`MerkleError`].
//! - **One text per value.** Parsers accept only the text that this crate writes
//!   for the value, so nothing that is signed or named has two spellings.
//! - **No answer by accident.** A proof that does not verify is a [`Verdict`]; a
//!   proof that cannot be one is an error. The text of a note is only reachable
//!   after its signature has verified.
//!
//! # Example
//!
//! ```
//! use std::collections::HashMap;
//! use trailkeeper_merkle::{
//!     Checkpoint, LeafIndex, MerkleError, RightEdge, SigningKey, Verdict, hash_leaf,
//!     prove_inclusion, verify_inclusion,
//! };
//!
//! let leaves: Vec<_> = (0..1000_u32).map(|n| hash_leaf(&n.to_be_bytes())).collect();
//! let mut edge = RightEdge::empty();
//! let tiles: HashMap<_, _> = edge.append(&leaves).into_iter().collect();
//!
//! let key = SigningKey::from_seed("trailkeeper/example", [7; 32])?;
//! let head = Checkpoint::new("trailkeeper/example", edge.size(), edge.root(), vec![])?;
//! let note = head.sign(&key)?.to_string();
//!
//! // Elsewhere, with the note, the verifier key and the tiles:
//! let head = Checkpoint::open(note.as_bytes(), &key.verifier_key())?;
//! let index = LeafIndex::new(42);
//! let proof = prove_inclusion(index, head.size(), |tile| {
//!     tiles.get(&tile).cloned().ok_or(MerkleError::MissingTile { tile })
//! })?;
//! let leaf = hash_leaf(&42_u32.to_be_bytes());
//! assert_eq!(
//!     verify_inclusion(&leaf, index, head.size(), &proof, &head.root())?,
//!     Verdict::Verified,
//! );
//! # Ok::<(), MerkleError>(())
//! ```
//!
//! The layout of the proof is specified in `docs/formats/merkle.md`.

#![forbid(unsafe_code)]

mod checkpoint;
mod edge;
mod error;
mod hash;
mod key;
mod note;
mod position;
mod prove;
mod root;
mod tile;
mod verify;

pub use checkpoint::Checkpoint;
pub use edge::{RightEdge, stale_partials};
pub use error::MerkleError;
pub use hash::{EMPTY_ROOT, Hash, hash_children, hash_leaf};
pub use key::{KeyId, SigningKey, VerifierKey};
pub use note::{NoteSignature, SignedNote};
pub use position::{LeafIndex, TreeSize};
pub use prove::{prove_consistency, prove_inclusion};
pub use root::{RootBuilder, root_of};
pub use tile::{TILE_WIDTH, TileId};
pub use verify::{Verdict, verify_consistency, verify_inclusion};
