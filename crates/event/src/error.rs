//! Why bytes are not a record.

/// Why bytes are not an event record of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer release: upgrade this one.
    #[error("record has version {found}, this release reads version 1")]
    Version { found: u8 },
    /// The bytes are not those written: stop and investigate.
    #[error("record ends inside an item at byte {position}")]
    Truncated { position: usize },
    /// The bytes are not those written, or a newer release wrote them.
    #[error("record has an unknown or misplaced tag {tag} at byte {position}")]
    Tag { tag: u8, position: usize },
    /// The bytes are not those written: stop and investigate.
    #[error("record has an invalid value for {column}")]
    Value { column: &'static str },
    /// The identifier is not one of ours.
    #[error("{found:?} is not {expected} hexadecimal digits")]
    Id { found: String, expected: usize },
}
