//! SHA-256 of many messages at a time.
//!
//! Each block of a message waits for the one before it, and a processor with instructions for
//! SHA-256 idles meanwhile: on x86-64 two messages are hashed in turns, a block of each
//! (`message/lane.rs`). Elsewhere they are hashed one after the other, by `sha2`.

#[cfg(target_arch = "x86_64")]
mod lane;

use sha2::block_api::compress256;

use crate::hash::{BLOCK, INITIAL, digest_of};

/// What stands behind a message, as much of it as fills the block before the length.
const PADDING: [u8; BLOCK] = {
    let mut padding = [0; BLOCK];
    padding[0] = 0x80;
    padding
};
/// How many bytes the length of a message takes.
const LENGTH: usize = 8;

/// Messages that are hashed together.
///
/// Each is written where it is hashed, padded to whole blocks.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    bytes: Vec<u8>,
    /// Where the message begins that is being written.
    start: usize,
    /// The number of the block behind each message.
    ends: Vec<usize>,
    digests: Vec<[u8; 32]>,
}

impl Messages {
    /// Forgets the messages and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
        self.ends.clear();
    }

    /// How many messages were added.
    pub(crate) const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Adds the message that `write` appends.
    pub(crate) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        let len = self.bytes.len() - self.start;
        let padding = BLOCK - (len + LENGTH) % BLOCK;
        self.bytes.extend_from_slice(&PADDING[..padding]);
        self.bytes.extend_from_slice(&(len as u64 * 8).to_be_bytes());
        self.start = self.bytes.len();
        self.ends.push(self.start / BLOCK);
    }

    /// The digests of the messages, in the order in which they were added.
    pub(crate) fn digests(&mut self) -> &[[u8; 32]] {
        let (blocks, _) = self.bytes.as_chunks();
        self.digests.clear();
        self.digests.resize(self.ends.len(), [0; 32]);
        let messages = Padded { blocks, ends: &self.ends };
        #[cfg(target_arch = "x86_64")]
        if lane::digest(messages, &mut self.digests) {
            return &self.digests;
        }
        digest_in_turn(messages, &mut self.digests);
        &self.digests
    }
}

/// Messages as blocks.
#[derive(Clone, Copy)]
struct Padded<'a> {
    blocks: &'a [[u8; BLOCK]],
    ends: &'a [usize],
}

impl<'a> Padded<'a> {
    fn iter(self) -> impl Iterator<Item = &'a [[u8; BLOCK]]> {
        let mut start = 0;
        self.ends.iter().map(move |end| &self.blocks[std::mem::replace(&mut start, *end)..*end])
    }
}

fn digest_in_turn(messages: Padded<'_>, digests: &mut [[u8; 32]]) {
    for (blocks, digest) in messages.iter().zip(digests) {
        let mut state = INITIAL;
        compress256(&mut state, blocks);
        *digest = digest_of(state);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};
    use sha2::{Digest, Sha256};

    use super::{Messages, Padded, digest_in_turn};

    fn padded(values: &[Vec<u8>]) -> Messages {
        let mut messages = Messages::default();
        for value in values {
            messages.add(|bytes| bytes.extend_from_slice(value));
        }
        messages
    }

    fn check(values: &[Vec<u8>]) {
        let expected: Vec<[u8; 32]> = values.iter().map(|v| Sha256::digest(v).into()).collect();
        let mut messages = padded(values);
        assert_eq!(messages.digests(), expected);
        let mut in_turn = vec![[0; 32]; values.len()];
        let blocks = messages.bytes.as_chunks().0;
        digest_in_turn(Padded { blocks, ends: &messages.ends }, &mut in_turn);
        assert_eq!(in_turn, expected);
    }

    #[test]
    fn every_length_is_that_of_the_hasher() {
        let bytes: Vec<u8> = (0..=255).cycle().take(400).collect();
        check(&(0..bytes.len()).map(|len| bytes[..len].to_vec()).collect::<Vec<_>>());
    }

    #[test]
    fn messages_do_not_touch_each_other() {
        let mut messages = padded(&[vec![1; 200], vec![2; 3]]);
        assert_eq!(messages.digests().len(), 2);
        messages.clear();
        assert!(messages.digests().is_empty());
        messages.add(|bytes| bytes.push(7));
        assert_eq!(messages.digests(), [<[u8; 32]>::from(Sha256::digest([7]))]);
        assert_eq!(messages.len(), 1);
    }

    proptest! {
        #[test]
        fn digests_are_those_of_the_hasher(values in vec(vec(any::<u8>(), 0..300), 0..12)) {
            check(&values);
        }
    }
}
