//! What is exported is what the trail holds, each event once, in every format.

use std::collections::BTreeSet;
use std::io::{self, Write};

use arrow::array::{AsArray as _, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use trailkeeper_engine::{
    Column, CsvText, Error, ErrorKind, EventFilter, ExportFormat, Micros, Order, ProofMode,
    RecordBuffer, RecordBuilder, Trail, TransactionId,
};
use trailkeeper_testkit::invoice_record;

use crate::sample::{START, World, drain, push, write};

pub(crate) const LINES: ExportFormat = ExportFormat::JsonLines(ProofMode::Without);
const CSV: ExportFormat = ExportFormat::Csv(CsvText::Exact);

pub(crate) fn export(trail: &Trail, filter: &EventFilter, format: ExportFormat) -> Vec<u8> {
    let mut out = Vec::new();
    let mut told = 0;
    let written = trail.export(filter, format, &mut out, &mut |count| told = count).unwrap();
    assert_eq!(written, told);
    out
}

pub(crate) fn lines(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Three drained batches, of which two are one file, and one that is still in the spool.
fn mixed(world: &World) -> Trail {
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    write(&mut writer, 0, 30);
    drain(&trail);
    write(&mut writer, 30, 5);
    drain(&trail);
    trail.compact(&mut |_| {}).unwrap();
    write(&mut writer, 35, 5);
    drain(&trail);
    write(&mut writer, 40, 10);
    trail
}

/// Appends an event that was committed after all others.
fn push_last(trail: &Trail, record: &RecordBuilder) -> TransactionId {
    let mut writer = trail.spool().unwrap().writer().unwrap();
    let mut records = RecordBuffer::new();
    records.push(record.as_bytes()).unwrap();
    let transaction = writer.begin().unwrap();
    writer.append_complete(transaction, START + 1_000_000, &records).unwrap();
    transaction
}

fn everything() -> EventFilter {
    EventFilter { order: Order::OldestFirst, ..EventFilter::default() }
}

#[test]
fn lines_are_the_events_of_store_and_spool_in_order_and_once() {
    let world = World::new();
    let trail = mixed(&world);
    let found = lines(&export(&trail, &EventFilter::default(), LINES));
    let expected: Vec<_> =
        trail.search(&everything()).unwrap().iter().map(|event| event.to_json()).collect();
    assert_eq!(found, expected);
    assert_eq!(found.len(), 50);
    assert_eq!(found[39]["seq"], 39);
    assert_eq!(found[40].get("seq"), None);
    let drained = drain(&trail);
    assert_eq!(drained, 10);
    let later = lines(&export(&world.reader(), &EventFilter::default(), LINES));
    let ids = |events: &[Value]| events.iter().map(|e| e["event_id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&later), ids(&found));
}

#[test]
fn what_is_drained_and_merged_meanwhile_is_told_once() {
    let world = World::new();
    let trail = mixed(&world);
    let filter = EventFilter::default();
    let mut out = Vec::new();
    let mut is_drained = false;
    let written = trail.export(&filter, LINES, &mut out, &mut |_| {
        if !is_drained {
            is_drained = true;
            assert_eq!(drain(&trail), 10);
            assert_eq!(trail.compact(&mut |_| {}).unwrap().merges, 1);
        }
    });
    assert_eq!(written.unwrap(), 50);
    let ids: BTreeSet<_> = lines(&out).iter().map(|event| event["object_id"].to_string()).collect();
    assert_eq!(ids.len(), 50);
}

#[test]
fn a_line_has_the_numbers_as_they_were_recorded() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    let mut record = invoice_record(1, 1, START);
    // Digits that reading and writing a double may change.
    let state = r#"{"rate":10.567699999999999,"tiny":5e-324,"weight":122.416294033786585}"#;
    record.text(Column::Data, state);
    push(&mut writer, &record);
    let text = String::from_utf8(export(&trail, &EventFilter::default(), LINES)).unwrap();
    assert!(text.contains(&format!("\"data\":{state}")), "{text}");
    let text =
        String::from_utf8(export(&trail, &EventFilter::default(), ExportFormat::CloudEvents));
    assert!(text.unwrap().contains(&format!("\"data\":{state}")));
}

#[test]
fn an_export_of_no_events_is_whole() {
    let world = World::new();
    let trail = world.trail();
    assert_eq!(export(&trail, &EventFilter::default(), LINES), b"");
    let csv = export(&trail, &EventFilter::default(), CSV);
    assert_eq!(csv.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert_eq!(rows_of(export(&trail, &EventFilter::default(), ExportFormat::Parquet)).len(), 0);
}

#[test]
fn a_filter_exports_what_a_search_finds() {
    let world = World::new();
    let trail = mixed(&world);
    let mut failed = RecordBuilder::new();
    failed
        .text(Column::Kind, "access")
        .text(Column::Outcome, "denied")
        .text(Column::RequestId, "r-1")
        .int(Column::OccurredAt, START + 500);
    let transaction = push_last(&trail, &failed);
    let transaction = format!("{}{:08x}{:08x}", transaction.writer, transaction.number, 0);
    let text = |text: &str| Some(text.to_owned());
    let none = EventFilter::default;
    for (count, filter) in [
        (25, EventFilter { tenant: text("acme"), ..none() }),
        (50, EventFilter { actor: text("Ada Lovelace"), ..none() }),
        (1, EventFilter { model: text("billing.invoice"), object_id: text("44"), ..none() }),
        (1, EventFilter { outcome: text("denied"), ..none() }),
        (1, EventFilter { request_id: text("r-1"), ..none() }),
        (1, EventFilter { transaction_id: Some(transaction), ..none() }),
        (0, EventFilter { kind: text("auth"), ..none() }),
        (50, EventFilter { field: text("total"), ..none() }),
        (
            15,
            EventFilter {
                since: Some(Micros(START + 30)),
                until: Some(Micros(START + 45)),
                ..none()
            },
        ),
    ] {
        let filter = EventFilter { order: Order::OldestFirst, ..filter };
        let found = lines(&export(&trail, &filter, LINES));
        let expected: Vec<_> =
            trail.search(&filter).unwrap().iter().map(|event| event.to_json()).collect();
        assert_eq!(found, expected, "{filter:?}");
        assert_eq!(found.len(), count, "{filter:?}");
    }
    for limit in [0, 1, 36, 45, 100] {
        let filter = EventFilter { limit: Some(limit), ..none() };
        assert_eq!(lines(&export(&trail, &filter, LINES)).len(), limit.min(51));
    }
}

#[test]
fn a_file_that_cannot_match_is_not_opened() {
    let world = World::new();
    let trail = mixed(&world);
    // Without the bytes of one file, only what does not need it can be told.
    let files = world.store().join("month=2026-11");
    let mut paths: Vec<_> =
        std::fs::read_dir(&files).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort_by_key(|path| std::fs::metadata(path).unwrap().modified().unwrap());
    std::fs::remove_file(paths.last().unwrap()).unwrap();
    let until = EventFilter { until: Some(Micros(START + 35)), ..EventFilter::default() };
    assert_eq!(lines(&export(&world.reader(), &until, LINES)).len(), 35);
    let all = EventFilter::default();
    let error = world.reader().export(&all, LINES, &mut Vec::new(), &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(trail.stats().unwrap().events, 40);
}

#[test]
fn csv_gives_every_value_back() {
    let world = World::new();
    let trail = mixed(&world);
    let mut record = invoice_record(50, 1, START + 50);
    record.text(Column::Reason, "=1+1, \"quoted\"\r\nand a line, \u{e9}");
    push_last(&trail, &record);
    let bytes = export(&trail, &EventFilter::default(), CSV);
    assert!(bytes.starts_with(b"event_id,transaction_id,seq,writer,"));
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let headings = reader.headers().unwrap().clone();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let events = trail.search(&everything()).unwrap();
    assert_eq!(rows.len(), events.len());
    for (row, event) in rows.iter().zip(&events) {
        let json = event.to_json();
        for (name, cell) in headings.iter().zip(row) {
            let value = &json[name];
            let column = Column::from_name(name);
            let expected = match column.and_then(|column| event.text(column)) {
                Some(text) => text.to_owned(),
                None => match value {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                },
            };
            assert_eq!(cell, expected, "{name}");
        }
        let named: BTreeSet<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(named.is_subset(&headings.iter().collect()));
    }
}

#[test]
fn csv_for_spreadsheets_has_no_formulas() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    for (number, reason) in ["=1+1", "+1", "-1", "@a", "\t=1", "fine"].into_iter().enumerate() {
        let mut record = invoice_record(u64::try_from(number).unwrap(), 1, START);
        record.text(Column::Reason, reason);
        push(&mut writer, &record);
    }
    let reasons = |text: CsvText| -> Vec<String> {
        let bytes = export(&trail, &EventFilter::default(), ExportFormat::Csv(text));
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let place = reader.headers().unwrap().iter().position(|name| name == "reason").unwrap();
        reader.records().map(|row| row.unwrap()[place].to_owned()).collect()
    };
    assert_eq!(reasons(CsvText::Exact), ["=1+1", "+1", "-1", "@a", "\t=1", "fine"]);
    assert_eq!(reasons(CsvText::NoFormulas), ["'=1+1", "'+1", "'-1", "'@a", "'\t=1", "fine"]);
}

fn rows_of(file: Vec<u8>) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file)).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

#[test]
fn parquet_has_the_columns_of_the_table_and_every_value() {
    let world = World::new();
    let trail = mixed(&world);
    let batches = rows_of(export(&trail, &EventFilter::default(), ExportFormat::Parquet));
    let names: Vec<_> =
        batches[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, Column::ALL.iter().map(|column| column.name()).collect::<Vec<_>>());
    let events = trail.search(&everything()).unwrap();
    let total: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(total, events.len());
    for &column in Column::ALL {
        let arrays: Vec<_> = batches.iter().map(|batch| batch[column.name()].as_ref()).collect();
        let array = arrow::compute::concat(&arrays).unwrap();
        for (row, event) in events.iter().enumerate() {
            if let Some(texts) = array.as_string_opt::<i32>() {
                let text = array.is_valid(row).then(|| texts.value(row));
                assert_eq!(text, event.text(column), "{}", column.name());
            } else if column == Column::Salt {
                assert_eq!(array.is_valid(row), event.int(Column::Seq).is_some());
            } else {
                let numbers = arrow::compute::cast(&array, &arrow::datatypes::DataType::Int64);
                let numbers = numbers.unwrap();
                let numbers = numbers.as_primitive::<arrow::datatypes::Int64Type>();
                let number = array.is_valid(row).then(|| numbers.value(row));
                assert_eq!(number, event.int(column), "{}", column.name());
            }
        }
    }
}

#[test]
fn cloud_events_have_what_the_specification_requires() {
    let world = World::new();
    let trail = mixed(&world);
    let mut request = RecordBuilder::new();
    request
        .text(Column::Kind, "request")
        .text(Column::Action, "request")
        .text(Column::Source, "django:shop")
        .int(Column::OccurredAt, START + 60);
    push_last(&trail, &request);
    let found = lines(&export(&trail, &EventFilter::default(), ExportFormat::CloudEvents));
    let events = trail.search(&everything()).unwrap();
    assert_eq!(found.len(), events.len());
    let mut seen = BTreeSet::new();
    for (cloud, event) in found.iter().zip(&events) {
        for (name, value) in cloud.as_object().unwrap() {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
            assert!(
                name == "data" || value.as_str().is_some_and(|text| !text.is_empty()),
                "{name}"
            );
        }
        assert_eq!(cloud["specversion"], "1.0");
        assert_eq!(cloud["id"], event.event_id().unwrap());
        assert_eq!(cloud["source"], "/trailkeeper/django:shop");
        assert_eq!(cloud["datacontenttype"], "application/json");
        assert_eq!(cloud["data"], event.to_json());
        assert_eq!(cloud["time"], cloud["data"]["occurred_at"]);
        assert_eq!(cloud.get("subject").and_then(Value::as_str), event.text(Column::ObjectKey));
        assert!(seen.insert((cloud["source"].to_string(), cloud["id"].to_string())));
    }
    assert_eq!(found[0]["type"], "trailkeeper.change.update");
    assert_eq!(found.last().unwrap()["type"], "trailkeeper.request.request");
    // Drained or not, an event is the same CloudEvent.
    drain(&trail);
    let again = lines(&export(&trail, &EventFilter::default(), ExportFormat::CloudEvents));
    for (first, second) in found.iter().zip(&again) {
        assert_eq!((&first["source"], &first["id"]), (&second["source"], &second["id"]));
    }
}

/// Takes so many bytes, and then nothing.
struct FullDisk(usize);

impl Write for FullDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0 {
            0 => Err(io::ErrorKind::StorageFull.into()),
            left => {
                let taken = left.min(bytes.len());
                self.0 -= taken;
                Ok(taken)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_export_that_cannot_be_written_says_so() {
    let world = World::new();
    let trail = mixed(&world);
    for format in [LINES, CSV, ExportFormat::Parquet, ExportFormat::Ocsf, ExportFormat::CloudEvents]
    {
        for room in [0, 100] {
            let filter = EventFilter::default();
            let error = trail.export(&filter, format, &mut FullDisk(room), &mut |_| {});
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{format:?}: {error:?}");
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            let io = std::iter::from_fn(|| {
                let this = cause?;
                cause = this.source();
                Some(this.downcast_ref::<io::Error>().map(io::Error::kind))
            });
            assert!(io.flatten().any(|kind| kind == io::ErrorKind::StorageFull), "{format:?}");
        }
    }
}

#[test]
fn an_export_writes_nothing_into_the_trail() {
    let world = World::new();
    let trail = mixed(&world);
    let before = listing(world.dir.path());
    for format in [LINES, CSV, ExportFormat::Parquet, ExportFormat::Ocsf, ExportFormat::CloudEvents]
    {
        export(&trail, &EventFilter::default(), format);
    }
    assert_eq!(listing(world.dir.path()), before);
}

fn listing(folder: &std::path::Path) -> BTreeSet<(std::path::PathBuf, u64)> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .flat_map(|entry| match entry.metadata().unwrap() {
            found if found.is_dir() => listing(&entry.path()),
            found => BTreeSet::from([(entry.path(), found.len())]),
        })
        .collect()
}

#[test]
fn events_without_an_owner_cannot_be_proven() {
    let world = World::new();
    let trail = world.trail();
    let format = ExportFormat::JsonLines(ProofMode::With);
    let error = trail.export(&EventFilter::default(), format, &mut Vec::new(), &mut |_| {});
    assert!(matches!(error, Err(Error::NoProof { .. })), "{error:?}");
}
