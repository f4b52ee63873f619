//! SHA-256 (FIPS 180-4) of messages that are at hand as a whole.

use sha2::block_api::compress256;

pub(crate) const BLOCK: usize = 64;
pub(crate) const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// SHA-256 of `head`, of less than a block, with `value` behind it.
///
/// Whole blocks are hashed where they stand: an incremental hasher copies each message through its
/// buffer, which for messages as short as these takes as long as hashing them.
pub(crate) fn sha256<const N: usize>(head: &[u8; N], value: &[u8]) -> [u8; 32] {
    const { assert!(N < BLOCK) }
    let mut state = INITIAL;
    let mut block = [0; BLOCK];
    block[..N].copy_from_slice(head);
    let mut used = N;
    let mut rest = value;
    if let Some((first, behind)) = value.split_at_checked(BLOCK - N) {
        block[N..].copy_from_slice(first);
        let (blocks, tail) = behind.as_chunks::<BLOCK>();
        compress256(&mut state, &[block]);
        compress256(&mut state, blocks);
        (block, used, rest) = ([0; BLOCK], 0, tail);
    }
    block[used..used + rest.len()].copy_from_slice(rest);
    used += rest.len();
    block[used] = 0x80;
    let bits = ((N as u64 + value.len() as u64) * 8).to_be_bytes();
    if used < BLOCK - 8 {
        block[BLOCK - 8..].copy_from_slice(&bits);
        compress256(&mut state, &[block]);
    } else {
        let mut last = [0; BLOCK];
        last[BLOCK - 8..].copy_from_slice(&bits);
        compress256(&mut state, &[block, last]);
    }
    digest_of(state)
}

/// The digest that the state behind the last block is.
pub(crate) fn digest_of(state: [u32; 8]) -> [u8; 32] {
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::sha256;

    #[test]
    fn every_length_is_that_of_the_hasher() {
        let bytes: Vec<u8> = (0..=255).cycle().take(400).collect();
        for len in 0..bytes.len() {
            let value = &bytes[..len];
            let expected: [u8; 32] = Sha256::digest(value).into();
            assert_eq!(sha256(&[], value), expected, "{len}");
            let head = [9; 21];
            let mut hasher = Sha256::new();
            hasher.update(head);
            hasher.update(value);
            let expected: [u8; 32] = hasher.finalize().into();
            assert_eq!(sha256(&head, value), expected, "{len} behind a head");
        }
    }
}
