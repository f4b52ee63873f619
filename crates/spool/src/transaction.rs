//! What has been read of a transaction: where its records stand, not the records.

use crate::id::{Position, SegmentIndex};

/// A frame that holds records, or a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) segment: SegmentIndex,
    /// Where the payload starts.
    pub(crate) payload_at: u64,
    pub(crate) payload_len: u32,
    pub(crate) payload_checksum: u32,
    /// Where the records start in the payload.
    pub(crate) records_at: u8,
    pub(crate) first_position: u32,
    /// How many records count; truncation may leave fewer than there are.
    pub(crate) count: u32,
}

impl Chunk {
    pub(crate) fn end(&self) -> u32 {
        self.first_position + self.count
    }
}

/// The records of a transaction, as chunks without gaps from position 0.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub(crate) chunks: Vec<Chunk>,
}

/// A chunk or a truncation beyond the end: frames before it are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap;

impl Content {
    pub(crate) fn of(chunk: Chunk) -> Self {
        let mut content = Self::default();
        if chunk.count > 0 {
            content.chunks.push(chunk);
        }
        content
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> u32 {
        self.chunks.last().map_or(0, Chunk::end)
    }

    pub(crate) fn byte_len(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.payload_len)).sum()
    }

    pub(crate) fn truncate(&mut self, position: u32) -> Result<(), Gap> {
        if position > self.len() {
            return Err(Gap);
        }
        while let Some(last) = self.chunks.last_mut().filter(|last| last.end() > position) {
            last.count = position.saturating_sub(last.first_position);
            if last.count == 0 {
                self.chunks.pop();
            }
        }
        Ok(())
    }

    /// Adds a chunk, in the place of what follows from its position.
    pub(crate) fn push(&mut self, chunk: Chunk) -> Result<(), Gap> {
        self.truncate(chunk.first_position)?;
        if chunk.count > 0 {
            self.chunks.push(chunk);
        }
        Ok(())
    }
}

/// A transaction without a mark that settles it.
#[derive(Debug, Clone)]
pub(crate) struct OpenTransaction {
    pub(crate) first_at: Position,
    pub(crate) content: Content,
    pub(crate) seal: Option<Chunk>,
    pub(crate) is_uncertain: bool,
    /// Frames of it may be lost.
    pub(crate) is_damaged: bool,
    /// The time of a commit that cannot be trusted to be of these records.
    pub(crate) committed_at: Option<i64>,
    pub(crate) is_at_once: bool,
}

impl OpenTransaction {
    pub(crate) fn new(first_at: Position) -> Self {
        Self {
            first_at,
            content: Content::default(),
            seal: None,
            is_uncertain: false,
            is_damaged: false,
            committed_at: None,
            is_at_once: false,
        }
    }

    /// Why the transaction is in doubt, if it is.
    pub(crate) fn doubt(&self, is_writer_dead: bool) -> Option<Doubt> {
        if self.is_damaged {
            Some(Doubt::Damaged { committed_at: self.committed_at })
        } else if self.is_uncertain {
            Some(Doubt::Uncertain)
        } else {
            (is_writer_dead && self.seal.is_some()).then_some(Doubt::WriterDied)
        }
    }
}

/// A committed transaction that is not drained.
#[derive(Debug, Clone)]
pub(crate) struct CommittedTransaction {
    pub(crate) number: u32,
    pub(crate) committed_at: i64,
    /// Whether its records happened when it was committed.
    pub(crate) is_at_once: bool,
    pub(crate) first_at: Position,
    pub(crate) content: Content,
}

/// Why a transaction is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Its writer died after announcing the COMMIT and before marking its outcome.
    WriterDied,
    /// Its writer lost the connection during the COMMIT.
    Uncertain,
    /// Part of its segment does not read, so its outcome or some of its records may be lost. With
    /// a time, it is known to be committed.
    Damaged { committed_at: Option<i64> },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(first_position: u32, count: u32) -> Chunk {
        Chunk {
            segment: SegmentIndex(0),
            payload_at: 0,
            payload_len: 8,
            payload_checksum: 0,
            records_at: 8,
            first_position,
            count,
        }
    }

    #[test]
    fn chunks_stay_without_gaps() {
        let mut content = Content::default();
        content.push(chunk(0, 4)).unwrap();
        content.push(chunk(4, 4)).unwrap();
        content.truncate(6).unwrap();
        content.push(chunk(6, 1)).unwrap();
        assert_eq!(content.len(), 7);
        assert_eq!(content.push(chunk(8, 1)), Err(Gap));
        assert_eq!(content.truncate(8), Err(Gap));
        content.push(chunk(2, 3)).unwrap();
        assert_eq!(content.chunks, [chunk(0, 2), chunk(2, 3)]);
        content.truncate(0).unwrap();
        assert!(content.chunks.is_empty());
    }
}
