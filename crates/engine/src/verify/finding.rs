//! What a verification can find.

use std::fmt;

/// The event a finding is about, as far as it can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventRef {
    /// Its place in the trail.
    pub seq: u64,
    /// Its identity, as the row has it: 32 hex digits.
    pub event_id: Option<String>,
    /// Its object, as the row has it.
    pub object_key: Option<String>,
    /// The file it is in.
    pub file: Option<String>,
    /// Its row in that file, from 0.
    pub row: Option<u64>,
}

/// What kind of difference was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// A row does not have the hash it was recorded with.
    Altered,
    /// Events are missing.
    Missing,
    /// A row is there that the trail does not have.
    Added,
    /// A file that the table names is gone or does not read.
    File,
    /// A derived column contradicts the others.
    Inconsistent,
    /// A tile is missing or damaged.
    Tile,
    /// The root hash of the events is not the one that was signed or logged.
    Root,
    /// The signed checkpoint is missing, not signed with the key, or not of this table.
    Checkpoint,
    /// The Delta log does not read.
    Log,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind it is.
    pub kind: FindingKind,
    /// What it is, in words.
    pub what: String,
    /// The event it is about, or the first of them.
    pub event: Option<EventRef>,
}

impl Finding {
    pub(super) const fn new(kind: FindingKind, what: String) -> Self {
        Self { kind, what, event: None }
    }

    pub(super) const fn about(kind: FindingKind, what: String, event: EventRef) -> Self {
        Self { kind, what, event: Some(event) }
    }

    pub(super) fn tile(path: String) -> Self {
        Self::new(FindingKind::Tile, format!("{path} is missing or damaged"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(event) = &self.event else { return f.write_str(&self.what) };
        write!(f, "{} (seq {}", self.what, event.seq)?;
        if let Some(id) = &event.event_id {
            write!(f, ", event {id}")?;
        }
        if let Some(key) = &event.object_key {
            write!(f, ", object {key}")?;
        }
        if let Some(file) = &event.file {
            write!(f, ", file {file}")?;
        }
        if let Some(row) = event.row {
            write!(f, ", row {row}")?;
        }
        f.write_str(")")
    }
}
