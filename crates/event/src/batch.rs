//! Events as Arrow record batches: the rows of the table.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, BinaryArray, BinaryBuilder, Int64Array, Int64Builder, RecordBatch,
    StringArray, StringBuilder, StringViewArray, TimestampMicrosecondArray,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

use crate::SCHEMA_VERSION;
use crate::clock::Micros;
use crate::column::{Column, ColumnType};
use crate::core::Stamp;
use crate::id::{EventId, Position, Seq, TransactionNumber, WriterId};
use crate::record::Record;

/// The Arrow schema of events: one field for each [`Column`], in order.
///
/// The table has the partition column `month` behind these.
#[must_use]
pub fn arrow_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let field = |column: &Column| Field::new(column.name(), data_type(*column), true);
        Arc::new(Schema::new(Column::ALL.iter().map(field).collect::<Vec<_>>()))
    });
    Arc::clone(&SCHEMA)
}

fn data_type(column: Column) -> DataType {
    match column.column_type() {
        ColumnType::Text => DataType::Utf8,
        ColumnType::Int => DataType::Int64,
        ColumnType::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ColumnType::Bytes => DataType::Binary,
    }
}

enum Builder {
    Text(StringBuilder),
    Int(Int64Builder),
    Time(TimestampMicrosecondBuilder),
    Bytes(BinaryBuilder),
}

impl Builder {
    fn new(column: Column) -> Self {
        match column.column_type() {
            ColumnType::Text => Self::Text(StringBuilder::new()),
            ColumnType::Int => Self::Int(Int64Builder::new()),
            ColumnType::Time => Self::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            ColumnType::Bytes => Self::Bytes(BinaryBuilder::new()),
        }
    }

    fn text(&mut self, value: Option<&str>) {
        if let Self::Text(builder) = self {
            builder.append_option(value);
        }
    }

    fn int(&mut self, value: Option<i64>) {
        match self {
            Self::Int(builder) => builder.append_option(value),
            Self::Time(builder) => builder.append_option(value),
            Self::Text(_) | Self::Bytes(_) => {}
        }
    }

    fn bytes(&mut self, value: Option<&[u8]>) {
        if let Self::Bytes(builder) = self {
            builder.append_option(value);
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Bytes(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Collects events into a record batch of [`arrow_schema`].
pub struct EventBatchBuilder {
    builders: Vec<Builder>,
    rows: usize,
    key: String,
}

impl Default for EventBatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl EventBatchBuilder {
    /// Starts an empty batch.
    #[must_use]
    pub fn new() -> Self {
        let builders = Column::ALL.iter().map(|column| Builder::new(*column)).collect();
        Self { builders, rows: 0, key: String::new() }
    }

    /// How many events have been appended.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows
    }

    /// Whether no event has been appended.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Appends an event with its place in the trail.
    pub fn append(&mut self, record: &Record<'_>, stamp: &Stamp) {
        self.append_row(record, stamp.id, Some(stamp.committed_at), Some(stamp));
    }

    /// Appends an event that has no place yet: `seq`, `recorded_at` and `salt` are null.
    ///
    /// `committed_at` is `None` for an event of an open transaction.
    pub fn append_pending(
        &mut self,
        record: &Record<'_>,
        id: EventId,
        committed_at: Option<Micros>,
    ) {
        self.append_row(record, id, committed_at, None);
    }

    fn append_row(
        &mut self,
        record: &Record<'_>,
        id: EventId,
        committed_at: Option<Micros>,
        stamp: Option<&Stamp>,
    ) {
        for (&column, builder) in Column::ALL.iter().zip(&mut self.builders) {
            match column {
                Column::Seq => {
                    builder.int(stamp.and_then(|stamp| i64::try_from(stamp.seq.0).ok()));
                }
                Column::Writer => builder.text(Some(&id.writer.to_string())),
                Column::TransactionNumber => builder.int(Some(i64::from(id.transaction.0))),
                Column::Position => builder.int(Some(i64::from(id.position.0))),
                Column::SchemaVersion => builder.int(Some(SCHEMA_VERSION)),
                Column::CommittedAt => builder.int(committed_at.map(|at| at.0)),
                Column::RecordedAt => builder.int(stamp.map(|stamp| stamp.recorded_at.0)),
                Column::ObjectKey => {
                    let model = record.text(Column::Model);
                    builder.text(model.zip(record.text(Column::ObjectId)).map(|(model, id)| {
                        self.key.clear();
                        self.key.push_str(model);
                        self.key.push('/');
                        self.key.push_str(id);
                        self.key.as_str()
                    }));
                }
                Column::Salt => builder
                    .bytes(stamp.map(|s| s.seed.to_column()).as_ref().map(<[u8; 17]>::as_slice)),
                _ => match column.column_type() {
                    ColumnType::Text => builder.text(record.text(column)),
                    _ => builder.int(record.int(column)),
                },
            }
        }
        self.rows += 1;
    }

    /// The events appended so far as a batch; the builder starts anew.
    ///
    /// # Panics
    ///
    /// Never: all columns have the same length by construction.
    #[must_use]
    pub fn finish(&mut self) -> RecordBatch {
        self.rows = 0;
        let arrays = self.builders.iter_mut().map(Builder::finish).collect();
        RecordBatch::try_new(arrow_schema(), arrays).expect("every append adds to each column")
    }
}

enum Values {
    Text(StringArray),
    /// Text as the verification reads it: not copied out of the pages of a file.
    TextView(StringViewArray),
    Int(Int64Array),
    Time(TimestampMicrosecondArray),
    Bytes(BinaryArray),
    Absent,
}

/// A value as the core holds it.
pub(crate) enum CoreValue<'a> {
    Text(&'a str),
    Int(i64),
}

/// Rows of the table, read by column.
pub struct EventBatch {
    values: Vec<Values>,
    /// The columns of the core that have a value in some row.
    present: Vec<Column>,
    rows: usize,
}

impl EventBatch {
    /// Reads a batch whose fields are columns of the event, in any order and number.
    ///
    /// Fields that are not columns of the event are ignored; columns that are missing read as null.
    ///
    /// # Errors
    ///
    /// If a column has another type than [`arrow_schema`] gives it.
    pub fn try_new(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let rows = batch.num_rows();
        let mut present = Vec::new();
        let mut values = Vec::with_capacity(Column::ALL.len());
        for &column in Column::ALL {
            let array = batch.column_by_name(column.name());
            if column.is_in_core() && array.is_some_and(|array| array.null_count() < rows) {
                present.push(column);
            }
            values.push(array.map_or(Ok(Values::Absent), |array| downcast(column, array))?);
        }
        Ok(Self { values, present, rows })
    }

    /// How many events it holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows
    }

    /// Whether it holds no event.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The columns of the core that have a value in some row.
    pub(crate) fn present(&self) -> &[Column] {
        &self.present
    }

    /// The value of a column in `row` that is in the core; `None` if it is null.
    #[inline]
    pub(crate) fn value(&self, row: usize, column: Column) -> Option<CoreValue<'_>> {
        match self.values.get(column.index())? {
            Values::TextView(array) if array.is_valid(row) => {
                Some(CoreValue::Text(array.value(row)))
            }
            Values::Text(array) if array.is_valid(row) => Some(CoreValue::Text(array.value(row))),
            Values::Int(array) if array.is_valid(row) => Some(CoreValue::Int(array.value(row))),
            Values::Time(array) if array.is_valid(row) => Some(CoreValue::Int(array.value(row))),
            _ => None,
        }
    }

    /// The value of a text column in `row`.
    #[must_use]
    #[inline]
    pub fn text(&self, row: usize, column: Column) -> Option<&str> {
        match self.values.get(column.index())? {
            Values::Text(array) if array.is_valid(row) => Some(array.value(row)),
            Values::TextView(array) if array.is_valid(row) => Some(array.value(row)),
            _ => None,
        }
    }

    /// The value of an integer or time column in `row`.
    #[must_use]
    #[inline]
    pub fn int(&self, row: usize, column: Column) -> Option<i64> {
        match self.values.get(column.index())? {
            Values::Int(array) if array.is_valid(row) => Some(array.value(row)),
            Values::Time(array) if array.is_valid(row) => Some(array.value(row)),
            _ => None,
        }
    }

    /// The value of a bytes column in `row`.
    #[must_use]
    pub fn bytes(&self, row: usize, column: Column) -> Option<&[u8]> {
        match self.values.get(column.index())? {
            Values::Bytes(array) if array.is_valid(row) => Some(array.value(row)),
            _ => None,
        }
    }

    /// The place in the trail of the event in `row`.
    #[must_use]
    pub fn seq(&self, row: usize) -> Option<Seq> {
        self.int(row, Column::Seq).and_then(|seq| u64::try_from(seq).ok()).map(Seq)
    }

    /// The identities of the events; `None` for a row that has none.
    pub fn ids(&self) -> impl Iterator<Item = Option<EventId>> {
        // Neighbours are mostly of one writer, whose name is read once.
        let mut known = None;
        (0..self.rows).map(move |row| {
            let name = self.text(row, Column::Writer)?;
            let writer = match known {
                Some((known, writer)) if known == name => writer,
                _ => name.parse().ok()?,
            };
            known = Some((name, writer));
            self.id_of(row, writer)
        })
    }

    fn id_of(&self, row: usize, writer: WriterId) -> Option<EventId> {
        let number = |column| u32::try_from(self.int(row, column)?).ok();
        Some(EventId {
            writer,
            transaction: TransactionNumber(number(Column::TransactionNumber)?),
            position: Position(number(Column::Position)?),
        })
    }
}

fn downcast(column: Column, array: &ArrayRef) -> Result<Values, ArrowError> {
    let any = array.as_any();
    let values = match column.column_type() {
        ColumnType::Text => {
            let text = any.downcast_ref().cloned().map(Values::Text);
            text.or_else(|| any.downcast_ref().cloned().map(Values::TextView))
        }
        ColumnType::Int => any.downcast_ref().cloned().map(Values::Int),
        ColumnType::Time => any.downcast_ref().cloned().map(Values::Time),
        ColumnType::Bytes => any.downcast_ref().cloned().map(Values::Bytes),
    };
    values.ok_or_else(|| {
        ArrowError::SchemaError(format!(
            "column {} has type {}, expected {}",
            column.name(),
            array.data_type(),
            data_type(column)
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BinaryArray, RecordBatch, StringArray};

    use super::{EventBatch, EventBatchBuilder, arrow_schema};
    use crate::clock::Micros;
    use crate::column::Column;
    use crate::core::{CoreWriter, LeafHash, Stamp, leaf_hash};
    use crate::id::{EventId, Position, Seq, TransactionNumber, WriterId};
    use crate::leaf::LeafHasher;
    use crate::record::{Record, RecordBuilder};
    use crate::salt::{Commitment, SaltColumn, Seed};

    fn record() -> RecordBuilder {
        let mut builder = RecordBuilder::new();
        builder
            .text(Column::Action, "update")
            .text(Column::Model, "billing.invoice")
            .text(Column::ObjectId, "42")
            .text(Column::ActorLabel, "Ada")
            .text(Column::After, "{\"total\":\"12.50\"}")
            .int(Column::OccurredAt, 1_700_000_000_000_001);
        builder
    }

    fn stamp() -> Stamp {
        Stamp {
            seq: Seq(3),
            id: EventId {
                writer: WriterId([0xab; 8]),
                transaction: TransactionNumber(1),
                position: Position(0),
            },
            committed_at: Micros(1_700_000_000_000_009),
            recorded_at: Micros(1_700_000_001_000_000),
            seed: Seed([9; 16]),
        }
    }

    fn batch() -> RecordBatch {
        let builder = record();
        let mut batch = EventBatchBuilder::new();
        batch.append(&Record::parse(builder.as_bytes()).unwrap(), &stamp());
        batch.finish()
    }

    fn leaf_of(events: &EventBatch) -> Option<LeafHash> {
        LeafHasher::new().leaf_hashes(events).remove(0)
    }

    #[test]
    fn a_row_has_the_leaf_hash_of_its_record() {
        let builder = record();
        let record = Record::parse(builder.as_bytes()).unwrap();
        let expected = leaf_hash(&record, &stamp(), &mut CoreWriter::new());
        let events = EventBatch::try_new(&batch()).unwrap();
        assert_eq!(leaf_of(&events), Some(expected));
        assert_eq!(events.text(0, Column::ObjectKey), Some("billing.invoice/42"));
        assert_eq!(events.ids().collect::<Vec<_>>(), [Some(stamp().id)]);
    }

    #[test]
    fn each_row_has_the_identity_of_its_own_writer() {
        let ids =
            [1, 1, 2, 1].map(|writer| EventId { writer: WriterId([writer; 8]), ..stamp().id });
        let builder = record();
        let mut batch = EventBatchBuilder::new();
        for id in ids {
            let record = Record::parse(builder.as_bytes()).unwrap();
            batch.append(&record, &Stamp { id, ..stamp() });
        }
        let events = EventBatch::try_new(&batch.finish()).unwrap();
        assert!(events.ids().eq(ids.map(Some)));
    }

    #[test]
    fn redaction_keeps_the_leaf_hash() {
        let whole = batch();
        let expected = leaf_of(&EventBatch::try_new(&whole).unwrap()).unwrap();

        let mut salts = SaltColumn::from_seed(stamp().seed, stamp().seq);
        let salt = salts.salt(Column::ActorLabel).unwrap();
        let digits: String = Commitment::new(Column::ActorLabel, salt, b"Ada")
            .0
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let mut explicit = [0_u8; 1 + 13 * 16];
        explicit[0] = 2;
        for column in Column::ALL.iter().filter(|column| **column != Column::ActorLabel) {
            if let (Some(slot), Some(salt)) = (column.salt_slot(), salts.salt(*column)) {
                let start = 1 + usize::from(slot) * 16;
                explicit[start..start + 16].copy_from_slice(&salt.0);
            }
        }
        let mut arrays = whole.columns().to_vec();
        arrays[Column::ActorLabel.index()] = Arc::new(StringArray::from(vec![None::<&str>]));
        arrays[Column::Salt.index()] = Arc::new(BinaryArray::from(vec![explicit.as_slice()]));
        arrays[Column::Redacted.index()] =
            Arc::new(StringArray::from(vec![format!("{{\"actor_label\":\"{digits}\"}}")]));
        let redacted = RecordBatch::try_new(arrow_schema(), arrays).unwrap();

        let events = EventBatch::try_new(&redacted).unwrap();
        assert_eq!(events.text(0, Column::ActorLabel), None);
        assert_eq!(leaf_of(&events), Some(expected));

        // A redacted column has no value.
        let mut arrays = whole.columns().to_vec();
        arrays[Column::Redacted.index()] = Arc::clone(redacted.column(Column::Redacted.index()));
        let both = RecordBatch::try_new(arrow_schema(), arrays).unwrap();
        let events = EventBatch::try_new(&both).unwrap();
        assert_eq!(leaf_of(&events), None);
    }

    #[test]
    fn a_pending_event_has_no_place() {
        let builder = record();
        let mut batch = EventBatchBuilder::new();
        let record = Record::parse(builder.as_bytes()).unwrap();
        batch.append_pending(&record, stamp().id, None);
        let events = EventBatch::try_new(&batch.finish()).unwrap();
        assert_eq!(events.seq(0), None);
        assert_eq!(leaf_of(&events), None);
        assert_eq!(events.text(0, Column::Action), Some("update"));
    }
}
