//! SHA-256 hashes of leaves and of pairs, as RFC 6962, section 2.1, has them.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::MerkleError;

/// Keeps leaves and pairs apart, so that neither can be passed off as the other.
const LEAF_PREFIX: [u8; 1] = [0];
const PAIR_PREFIX: u8 = 1;

/// The root hash of the tree without leaves: SHA-256 of nothing.
pub const EMPTY_ROOT: Hash = Hash([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// A SHA-256 hash of a leaf or of a subtree. Its text is base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; Self::LEN]);

impl Hash {
    /// The length of a hash in bytes.
    pub const LEN: usize = 32;

    /// The bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl From<[u8; Self::LEN]> for Hash {
    fn from(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl From<Hash> for [u8; Hash::LEN] {
    fn from(hash: Hash) -> Self {
        hash.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = MerkleError;

    fn from_str(text: &str) -> Result<Self, MerkleError> {
        let bytes = STANDARD.decode(text).map_err(|_| MerkleError::MalformedHash)?;
        let bytes: [u8; Self::LEN] = bytes.try_into().map_err(|_| MerkleError::MalformedHash)?;
        Ok(Self(bytes))
    }
}

/// Hashes the bytes that a leaf covers; for an event, its canonical core.
pub fn hash_leaf(core: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update(LEAF_PREFIX).chain_update(core).finalize().into())
}

/// Hashes two neighbouring subtrees into their parent.
pub fn hash_children(left: &Hash, right: &Hash) -> Hash {
    let mut pair = [0; 1 + 2 * Hash::LEN];
    pair[0] = PAIR_PREFIX;
    pair[1..1 + Hash::LEN].copy_from_slice(&left.0);
    pair[1 + Hash::LEN..].copy_from_slice(&right.0);
    Hash(Sha256::digest(pair).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_root_is_the_hash_of_nothing() {
        assert_eq!(EMPTY_ROOT.0, <[u8; 32]>::from(Sha256::digest(b"")));
    }

    #[test]
    fn hash_text_has_one_spelling() {
        let text = EMPTY_ROOT.to_string();
        assert_eq!(text, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert_eq!(text.parse(), Ok(EMPTY_ROOT));
        for other in ["", "47DE", &text[..43], &text.replace("FU=", "FV="), &format!("{text}\n")] {
            assert_eq!(other.parse::<Hash>(), Err(MerkleError::MalformedHash), "{other:?}");
        }
    }
}
