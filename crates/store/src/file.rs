//! A Parquet file of the table, as the Delta log describes it.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use trailkeeper_event::{Column, ColumnType};

/// The columns whose bounds the Delta log keeps for each file.
pub(crate) const STATS_COLUMNS: [Column; 5] =
    [Column::Seq, Column::ObjectKey, Column::OccurredAt, Column::CommittedAt, Column::RecordedAt];

/// A text bound longer than this many bytes is left out of the log.
const MAX_TEXT_BOUND: usize = 256;

/// The smallest and the largest value of a column in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bounds {
    /// Of integers or times.
    Int(i64, i64),
    /// Of texts.
    Text(String, String),
}

/// A file of events that a snapshot of the table names.
#[derive(Clone, Debug)]
pub struct DataFile {
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) rows: Option<u64>,
    pub(crate) month: Option<String>,
    pub(crate) bounds: HashMap<Column, Bounds>,
}

impl DataFile {
    /// Its path below the root of the table.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its size in bytes, as the log gives it.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// How many events it holds, as the log gives it.
    #[must_use]
    pub const fn rows(&self) -> Option<u64> {
        self.rows
    }

    /// The month it is filed under (`YYYY-MM`).
    #[must_use]
    pub fn month(&self) -> Option<&str> {
        self.month.as_deref()
    }

    /// The smallest and the largest `seq` in it, as the log gives them.
    #[must_use]
    pub fn seq_bounds(&self) -> Option<(u64, u64)> {
        match self.bounds.get(&Column::Seq)? {
            Bounds::Int(min, max) => Some((u64::try_from(*min).ok()?, u64::try_from(*max).ok()?)),
            Bounds::Text(..) => None,
        }
    }
}

/// Writes the statistics of an Add action.
pub(crate) fn encode_stats(
    rows: usize,
    bounds: &HashMap<Column, Bounds>,
    nulls: &HashMap<Column, usize>,
) -> String {
    let mut min = Map::new();
    let mut max = Map::new();
    for (column, bounds) in bounds {
        let pair = match (bounds, column.column_type()) {
            (Bounds::Int(low, high), ColumnType::Time) => time_text(*low).zip(time_text(*high)),
            (Bounds::Int(low, high), _) => Some((json!(low), json!(high))),
            (Bounds::Text(low, high), _)
                if low.len() <= MAX_TEXT_BOUND && high.len() <= MAX_TEXT_BOUND =>
            {
                Some((json!(low), json!(high)))
            }
            (Bounds::Text(..), _) => None,
        };
        if let Some((low, high)) = pair {
            min.insert(column.name().to_owned(), low);
            max.insert(column.name().to_owned(), high);
        }
    }
    let nulls: Map<String, Value> =
        nulls.iter().map(|(column, count)| (column.name().to_owned(), json!(count))).collect();
    json!({"numRecords": rows, "minValues": min, "maxValues": max, "nullCount": nulls}).to_string()
}

/// Reads the row count and the bounds from the statistics of an Add action.
///
/// What does not read is left out: bounds only ever save work.
pub(crate) fn decode_stats(stats: &str) -> (Option<u64>, HashMap<Column, Bounds>) {
    let Ok(stats) = serde_json::from_str::<Value>(stats) else {
        return (None, HashMap::new());
    };
    let bound = |side: &str, column: Column| stats.get(side)?.get(column.name());
    let bounds = STATS_COLUMNS.iter().filter_map(|&column| {
        let (low, high) = (bound("minValues", column)?, bound("maxValues", column)?);
        let bounds = match column.column_type() {
            ColumnType::Time => Bounds::Int(time_of(low.as_str()?)?, time_of(high.as_str()?)?),
            ColumnType::Int => Bounds::Int(low.as_i64()?, high.as_i64()?),
            _ => Bounds::Text(low.as_str()?.to_owned(), high.as_str()?.to_owned()),
        };
        Some((column, bounds))
    });
    (stats.get("numRecords").and_then(Value::as_u64), bounds.collect())
}

fn time_text(micros: i64) -> Option<Value> {
    let time = arrow::temporal_conversions::timestamp_us_to_datetime(micros)?;
    Some(Value::String(time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()))
}

/// Reads a time of six fractional digits; other precisions are not ours and give no bound.
fn time_of(text: &str) -> Option<i64> {
    let (_, fraction) = text.strip_suffix('Z')?.split_once('.')?;
    if fraction.len() != 6 {
        return None;
    }
    let nanos = arrow::compute::kernels::cast_utils::string_to_timestamp_nanos(text).ok()?;
    Some(nanos.div_euclid(1000))
}

/// The month of a time, as `YYYY-MM`.
pub(crate) fn month_of(micros: i64) -> String {
    arrow::temporal_conversions::timestamp_us_to_datetime(micros)
        .map_or_else(|| "unknown".to_owned(), |time| time.format("%Y-%m").to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use trailkeeper_event::Column;

    use super::{Bounds, decode_stats, encode_stats, month_of};

    #[test]
    fn statistics_come_back() {
        let bounds = HashMap::from([
            (Column::Seq, Bounds::Int(3, 9)),
            (Column::OccurredAt, Bounds::Int(1_700_000_000_000_001, 1_700_000_000_999_999)),
            (Column::ObjectKey, Bounds::Text("a/1".into(), "z/\u{10ffff}".into())),
        ]);
        let text = encode_stats(7, &bounds, &HashMap::new());
        assert_eq!(decode_stats(&text), (Some(7), bounds));
    }

    #[test]
    fn a_long_text_has_no_bound() {
        let bounds = HashMap::from([(
            Column::ObjectKey,
            Bounds::Text("a".into(), "z".repeat(super::MAX_TEXT_BOUND + 1)),
        )]);
        assert_eq!(decode_stats(&encode_stats(1, &bounds, &HashMap::new())).1, HashMap::new());
    }

    #[test]
    fn foreign_statistics_are_left_out() {
        for text in [
            "",
            "[]",
            "{\"minValues\": 1}",
            "{\"minValues\":{\"seq\":\"x\"},\"maxValues\":{\"seq\":1}}",
        ] {
            assert_eq!(decode_stats(text), (None, HashMap::new()), "{text}");
        }
        let millis = "{\"minValues\":{\"occurred_at\":\"2026-01-01T00:00:00.000Z\"},\"maxValues\":{\"occurred_at\":\"2026-01-01T00:00:00.001Z\"}}";
        assert_eq!(decode_stats(millis).1, HashMap::new());
    }

    #[test]
    fn a_month_is_that_of_utc() {
        assert_eq!(month_of(1_795_996_799_999_999), "2026-11");
        assert_eq!(month_of(-1), "1969-12");
    }
}
