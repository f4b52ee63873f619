//! Why a request could not be answered.

use crate::{KeyId, LeafIndex, TileId, TreeSize};

/// Why tiles, proofs, keys, notes or checkpoints could not be used.
///
/// A proof that is well formed and does not verify is no error: see
/// [`Verdict`](crate::Verdict).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// The text is not a hash: correct the request.
    #[error("hash is not 32 bytes in base64")]
    MalformedHash,
    /// The path names no tile: ignore the file, or correct the request.
    #[error("path names no tile")]
    MalformedTilePath,
    /// A tile that the tree must have is not there: stop and investigate.
    #[error("{tile} is missing")]
    MissingTile { tile: TileId },
    /// The bytes are not those of the tile: stop and investigate.
    #[error("{tile} has {found} bytes instead of {expected}")]
    TileLength { tile: TileId, expected: usize, found: usize },
    /// No trail has so many events, so the number is wrong: stop and investigate.
    #[error("a tree of {size} leaves is too large to append to")]
    TreeTooLarge { size: TreeSize },
    /// The leaf is not in the tree: correct the request.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    LeafOutsideTree { index: LeafIndex, size: TreeSize },
    /// The sizes are not of one tree and a later one: correct the request.
    #[error("a tree of {new_size} leaves cannot extend one of {old_size}")]
    TreeShrinks { old_size: TreeSize, new_size: TreeSize },
    /// The proof belongs to another request: fetch the right one.
    #[error("proof has {found} hashes instead of {expected}")]
    ProofLength { expected: usize, found: usize },
    /// The text is not a key, or the name not a key name: correct it.
    #[error("malformed key: {reason}")]
    MalformedKey { reason: &'static str },
    /// The bytes are not a signed note, or the text cannot be one.
    #[error("malformed note: {reason}")]
    MalformedNote { reason: &'static str },
    /// The text is not a checkpoint, or the values cannot be one.
    #[error("malformed checkpoint: {reason}")]
    MalformedCheckpoint { reason: &'static str },
    /// Nobody has signed the note with this key: do not believe it.
    #[error("note has no signature by {name} (key {id})")]
    NotSigned { name: String, id: KeyId },
    /// A signature in the key's name is not the key's: do not believe the note.
    #[error("signature by {name} (key {id}) does not verify")]
    BadSignature { name: String, id: KeyId },
    /// The checkpoint is of another tree than the key: use the right key.
    #[error("checkpoint of {origin} is not for the key of {name}")]
    OtherOrigin { origin: String, name: String },
}
