//! The record: what the source appends to the spool for one event.

use crate::column::{Column, ColumnType};
use crate::error::RecordError;

const VERSION: u8 = 1;
const SLOTS: usize = Column::ALL.len() + 1;

/// The longest record that is written, in bytes.
///
/// Values that would not fit are left out at the source and named in
/// `unavailable`.
pub const MAX_RECORD_LEN: usize = 64 << 20;

/// Builds the record of one event, item by item.
#[derive(Clone, Debug)]
pub struct RecordBuilder {
    bytes: Vec<u8>,
}

impl Default for RecordBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl RecordBuilder {
    /// Starts an empty record.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: vec![VERSION] }
    }

    /// Forgets the items and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.push(VERSION);
    }

    /// Adds the value of a text column. Each column is given at most once.
    pub fn text(&mut self, column: Column, value: &str) -> &mut Self {
        self.text_bytes(column, value.as_bytes())
    }

    /// Adds the value of a text column that is known to be UTF-8.
    pub fn text_bytes(&mut self, column: Column, value: &[u8]) -> &mut Self {
        debug_assert!(column.column_type() == ColumnType::Text);
        self.item(column, value)
    }

    /// Adds an encoded value, as [`Record::bytes`] gave it.
    pub fn item(&mut self, column: Column, value: &[u8]) -> &mut Self {
        debug_assert!(column.is_in_record());
        self.bytes.push(column.tag());
        push_varint(&mut self.bytes, value.len());
        self.bytes.extend_from_slice(value);
        self
    }

    /// Adds the value of a text column if there is one.
    pub fn optional_text(&mut self, column: Column, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.text(column, value);
        }
        self
    }

    /// Adds the value of an integer or time column.
    pub fn int(&mut self, column: Column, value: i64) -> &mut Self {
        debug_assert!(
            column.is_in_record()
                && matches!(column.column_type(), ColumnType::Int | ColumnType::Time)
        );
        self.bytes.push(column.tag());
        self.bytes.push(8);
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Adds the items of another record, such as a context that many share.
    pub fn extend(&mut self, other: &Self) -> &mut Self {
        self.bytes.extend_from_slice(other.bytes.get(1..).unwrap_or_default());
        self
    }

    /// The record's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Appends `value` as an unsigned LEB128 number.
pub(crate) fn push_varint(out: &mut Vec<u8>, value: usize) {
    let mut rest = value;
    loop {
        let byte = u8::try_from(rest & 0x7f).unwrap_or(0);
        rest >>= 7;
        if rest == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

fn take_varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0_usize;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A record, read: its items by column.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    values: [Option<&'a [u8]>; SLOTS],
}

impl<'a> Record<'a> {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// If the bytes are not a record of this version: see [`RecordError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let total = bytes.len();
        let (&version, mut rest) =
            bytes.split_first().ok_or(RecordError::Truncated { position: 0 })?;
        if version != VERSION {
            return Err(RecordError::Version { found: version });
        }
        let mut values = [None; SLOTS];
        while let Some((&tag, after_tag)) = rest.split_first() {
            let position = total - rest.len();
            let column = Column::from_tag(tag)
                .filter(|column| column.is_in_record())
                .ok_or(RecordError::Tag { tag, position })?;
            rest = after_tag;
            let value = take_varint(&mut rest)
                .and_then(|len| rest.split_at_checked(len))
                .map(|(value, after)| {
                    rest = after;
                    value
                })
                .ok_or(RecordError::Truncated { position })?;
            check_value(column, value)?;
            let slot =
                values.get_mut(usize::from(tag)).ok_or(RecordError::Tag { tag, position })?;
            if slot.replace(value).is_some() {
                return Err(RecordError::Tag { tag, position });
            }
        }
        Ok(Self { values })
    }

    /// The value of a text column.
    #[must_use]
    pub fn text(&self, column: Column) -> Option<&'a str> {
        self.bytes(column).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The value of an integer or time column.
    #[must_use]
    pub fn int(&self, column: Column) -> Option<i64> {
        self.bytes(column).and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes)
    }

    /// Replaces the value of a time column: microseconds, big-endian.
    pub fn set_time(&mut self, column: Column, value: &'a [u8; 8]) {
        debug_assert!(column.column_type() == ColumnType::Time);
        if let Some(slot) = self.values.get_mut(usize::from(column.tag())) {
            *slot = Some(value);
        }
    }

    /// The encoded value of a column.
    #[must_use]
    pub fn bytes(&self, column: Column) -> Option<&'a [u8]> {
        self.values.get(usize::from(column.tag())).copied().flatten()
    }
}

fn check_value(column: Column, value: &[u8]) -> Result<(), RecordError> {
    let is_valid = match column.column_type() {
        ColumnType::Text => std::str::from_utf8(value).is_ok(),
        ColumnType::Int | ColumnType::Time => value.len() == 8,
        ColumnType::Bytes => true,
    };
    if is_valid { Ok(()) } else { Err(RecordError::Value { column: column.name() }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Record, RecordBuilder};
    use crate::column::{Column, ColumnType};
    use crate::error::RecordError;

    #[test]
    fn a_context_can_be_shared() {
        let mut context = RecordBuilder::new();
        context.text(Column::ActorId, "7");
        let mut builder = RecordBuilder::new();
        builder.text(Column::Action, "update").extend(&context).int(Column::OccurredAt, -1);
        let record = Record::parse(builder.as_bytes()).unwrap();
        assert_eq!(record.text(Column::ActorId), Some("7"));
        assert_eq!(record.int(Column::OccurredAt), Some(-1));
        assert_eq!(record.text(Column::Reason), None);
    }

    #[test]
    fn damaged_records_are_refused() {
        let mut builder = RecordBuilder::new();
        builder.text(Column::Action, "update");
        let good = builder.as_bytes().to_vec();
        assert_eq!(Record::parse(&[]).unwrap_err(), RecordError::Truncated { position: 0 });
        assert_eq!(Record::parse(&[2]).unwrap_err(), RecordError::Version { found: 2 });
        for end in 2..good.len() {
            let error = Record::parse(&good[..end]).unwrap_err();
            assert_eq!(error, RecordError::Truncated { position: 1 });
        }
        let twice = [&good[..], &good[1..]].concat();
        assert!(matches!(Record::parse(&twice), Err(RecordError::Tag { tag: 7, .. })));
        assert!(matches!(Record::parse(&[1, 1, 0]), Err(RecordError::Tag { tag: 1, position: 1 })));
        assert!(matches!(Record::parse(&[1, 7, 1, 0xff]), Err(RecordError::Value { .. })));
        assert!(matches!(Record::parse(&[1, 10, 1, 0]), Err(RecordError::Value { .. })));
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Record::parse(&bytes);
        }

        #[test]
        fn every_value_comes_back(
            texts in proptest::collection::vec(proptest::option::of(".{0,300}"), Column::ALL.len()),
            number in any::<i64>(),
        ) {
            let mut builder = RecordBuilder::new();
            for (column, text) in Column::ALL.iter().zip(&texts) {
                match (column.is_in_record(), column.column_type()) {
                    (true, ColumnType::Text) => {
                        builder.optional_text(*column, text.as_deref());
                    }
                    (true, _) => {
                        builder.int(*column, number);
                    }
                    (false, _) => {}
                }
            }
            let record = Record::parse(builder.as_bytes()).unwrap();
            for (column, text) in Column::ALL.iter().zip(&texts) {
                match (column.is_in_record(), column.column_type()) {
                    (true, ColumnType::Text) => prop_assert_eq!(record.text(*column), text.as_deref()),
                    (true, _) => prop_assert_eq!(record.int(*column), Some(number)),
                    (false, _) => prop_assert_eq!(record.bytes(*column), None),
                }
            }
        }
    }
}
