//! The records of a transaction, as they stand in frames.

use crate::error::SpoolError;
use crate::frame::MAX_PAYLOAD;
use crate::input::Input;

/// The records of a transaction that is being collected.
///
/// Rolling back to a savepoint is [`truncate`](Self::truncate) to the
/// [`len`](Self::len) it had there.
#[derive(Debug, Clone, Default)]
pub struct RecordBuffer {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl RecordBuffer {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// [`SpoolError::TooLarge`] for a record that fits into no frame.
    pub fn push(&mut self, record: &[u8]) -> Result<(), SpoolError> {
        let too_large =
            || SpoolError::TooLarge { bytes: record.len() as u64, limit: MAX_PAYLOAD.into() };
        let len = u32::try_from(record.len()).map_err(|_| too_large())?;
        if len >= MAX_PAYLOAD {
            return Err(too_large());
        }
        self.bytes.reserve(size_of::<u32>() + record.len());
        self.bytes.extend_from_slice(&len.to_le_bytes());
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// Drops the records at position `count` and above.
    pub fn truncate(&mut self, count: usize) {
        self.ends.truncate(count);
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many bytes they take in a frame.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// The records as they stand in a frame: each with its length before it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Drops all records and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    #[must_use]
    pub fn iter(&self) -> Records<'_> {
        Records::new(&self.bytes)
    }
}

impl<'a> IntoIterator for &'a RecordBuffer {
    type Item = &'a [u8];
    type IntoIter = Records<'a>;

    fn into_iter(self) -> Records<'a> {
        self.iter()
    }
}

/// The records of a checked payload, in order.
#[derive(Debug, Clone)]
pub struct Records<'a>(Input<'a>);

impl<'a> Records<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(Input(bytes))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.0.take_record()
    }
}

/// Whether `bytes` are exactly `count` records.
pub(crate) fn is_records(bytes: &[u8], count: u32) -> bool {
    let mut input = Input(bytes);
    (0..count).all(|_| input.take_record().is_some()) && input.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncate_drops_from_the_position() {
        let mut buffer = RecordBuffer::new();
        for record in [&b"a"[..], b"", b"ccc"] {
            buffer.push(record).unwrap();
        }
        assert_eq!((buffer.len(), buffer.byte_len()), (3, 16));
        buffer.truncate(9);
        assert_eq!(buffer.len(), 3);
        buffer.truncate(2);
        assert_eq!(buffer.iter().collect::<Vec<_>>(), [&b"a"[..], b""]);
        buffer.push(b"d").unwrap();
        assert_eq!(buffer.iter().collect::<Vec<_>>(), [&b"a"[..], b"", b"d"]);
        buffer.truncate(0);
        assert!(buffer.is_empty() && buffer.as_bytes().is_empty());
    }

    #[test]
    fn count_and_bytes_must_agree() {
        let mut buffer = RecordBuffer::new();
        buffer.push(b"one").unwrap();
        buffer.push(b"two").unwrap();
        assert!(is_records(buffer.as_bytes(), 2));
        assert!(!is_records(buffer.as_bytes(), 1));
        assert!(!is_records(buffer.as_bytes(), 3));
        assert!(!is_records(&buffer.as_bytes()[..13], 2));
    }
}
