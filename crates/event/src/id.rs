//! Identifiers: derived from the writer and two counters.

use std::fmt;
use std::str::FromStr;

use crate::error::RecordError;

/// A place in the trail: the Merkle leaf index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// The random identity of one writing process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriterId(pub [u8; 8]);

/// The number of a transaction of its writer, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionNumber(pub u32);

/// The place of an event in its transaction, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u32);

/// The identity of an event: 16 bytes, unique for ever, made at the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The process that wrote it.
    pub writer: WriterId,
    /// The transaction it belongs to.
    pub transaction: TransactionNumber,
    /// Its place in that transaction.
    pub position: Position,
}

impl EventId {
    /// The identity of its transaction: that of the event at position 0.
    #[must_use]
    pub const fn transaction_id(self) -> Self {
        Self { position: Position(0), ..self }
    }
}

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriterId({self})")
    }
}

impl FromStr for WriterId {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        let is_canonical =
            text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_canonical && let Ok(value) = u64::from_str_radix(text, 16) {
            return Ok(Self(value.to_be_bytes()));
        }
        Err(RecordError::Id { found: text.to_owned(), expected: 16 })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:08x}{:08x}", self.writer, self.transaction.0, self.position.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{EventId, Position, TransactionNumber, WriterId};

    #[test]
    fn an_event_id_shows_its_parts() {
        let id = EventId {
            writer: "00000000000000ab".parse().unwrap(),
            transaction: TransactionNumber(7),
            position: Position(258),
        };
        assert_eq!(id.to_string(), "00000000000000ab0000000700000102");
        assert_eq!(id.transaction_id().to_string(), "00000000000000ab0000000700000000");
    }

    #[test]
    fn only_the_canonical_form_of_a_writer_is_read() {
        for text in ["", "00000000000000AB", "+0000000000000ab", "0000000000000zab"] {
            assert!(text.parse::<WriterId>().is_err(), "{text}");
        }
    }
}
