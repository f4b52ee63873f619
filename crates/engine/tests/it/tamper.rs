//! Whatever is altered in a store, verification says so and names the first event.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::UInt64Array;
use arrow::array::{ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::Int64Type;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use trailkeeper_engine::{
    BatchLimits, Error, ErrorKind, FindingKind, Trail, Verdict, VerifyReport,
};

use crate::sample::{World, assert_verified, drain, verify, write};

/// A store with three commits of 300 events each.
fn filled() -> World {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    for commit in 0..3 {
        write(&mut writer, commit * 300, 300);
        drain(&trail);
    }
    assert_verified(&world.reader());
    world
}

/// The files of events in the order of their `seq`.
fn files(world: &World) -> Vec<PathBuf> {
    let folder = world.store().join("month=2026-11");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert_eq!(paths.len(), 3);
    paths
}

/// Rewrites a file of events with a valid footer.
fn rewrite(path: &PathBuf, edit: impl FnOnce(RecordBatch) -> RecordBatch) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = Arc::clone(reader.schema());
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    let edited = edit(concat_batches(&schema, &batches).unwrap());
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), edited.schema(), None).unwrap();
    writer.write(&edited).unwrap();
    writer.close().unwrap();
}

fn replace(
    batch: &RecordBatch,
    name: &str,
    edit: impl FnOnce(&ArrayRef) -> ArrayRef,
) -> RecordBatch {
    let index = batch.schema().index_of(name).unwrap();
    let mut columns = batch.columns().to_vec();
    columns[index] = edit(&columns[index]);
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

fn take(batch: &RecordBatch, rows: impl Iterator<Item = u64>) -> RecordBatch {
    take_record_batch(batch, &UInt64Array::from_iter_values(rows)).unwrap()
}

fn refused(world: &World) -> VerifyReport {
    let report = verify(&world.reader());
    assert_eq!(report.verdict, Verdict::NotVerified, "{report:#?}");
    report
}

#[test]
fn a_changed_value_is_found() {
    let world = filled();
    rewrite(&files(&world)[1], |batch| {
        replace(&batch, "after", |array| {
            let mut texts: Vec<_> = array.as_string::<i32>().iter().collect();
            texts[33] = Some("{\"number\":333,\"total\":\"1.00\"}");
            Arc::new(StringArray::from(texts))
        })
    });
    let report = refused(&world);
    let bad = report.first_bad.unwrap();
    assert_eq!(report.findings[0].kind, FindingKind::Altered);
    assert_eq!((bad.seq, bad.row), (333, Some(33)));
    assert_eq!(bad.object_key.as_deref(), Some("billing.invoice/333"));
    assert_eq!(bad.event_id.unwrap().len(), 32);
    assert!(bad.file.unwrap().starts_with("month=2026-11/"));
}

#[test]
fn every_column_is_covered() {
    let world = filled();
    let path = &files(&world)[0];
    let original = fs::read(path).unwrap();
    for name in [
        "actor_label",
        "tenant",
        "action",
        "kind",
        "occurred_at",
        "committed_at",
        "recorded_at",
        "transaction_number",
        "position",
        "changed",
        "before",
        "object_label",
        "source",
        "schema_version",
        "writer",
        "model",
        "object_id",
        "object_key",
        "redacted",
        "salt",
        "ip",
    ] {
        rewrite(path, |batch| {
            replace(&batch, name, |array| {
                use arrow::array::{BinaryArray, TimestampMicrosecondArray};
                use arrow::datatypes::{DataType, TimestampMicrosecondType};
                match array.data_type() {
                    DataType::Utf8 => {
                        let mut texts: Vec<_> = array.as_string::<i32>().iter().collect();
                        texts[7] = Some("ffffffffffffffff");
                        Arc::new(StringArray::from(texts)) as ArrayRef
                    }
                    DataType::Int64 => {
                        let mut values: Vec<_> = array.as_primitive::<Int64Type>().iter().collect();
                        values[7] = Some(99_999);
                        Arc::new(Int64Array::from(values))
                    }
                    DataType::Binary => {
                        let mut values: Vec<_> = array.as_binary::<i32>().iter().collect();
                        values[7] = Some(&[1; 17]);
                        Arc::new(BinaryArray::from(values))
                    }
                    _ => {
                        let mut values: Vec<_> =
                            array.as_primitive::<TimestampMicrosecondType>().iter().collect();
                        values[7] = Some(5);
                        Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
                    }
                }
            })
        });
        let report = verify(&world.reader());
        fs::write(path, &original).unwrap();
        assert_eq!(report.verdict, Verdict::NotVerified, "{name}");
        assert_eq!(report.first_bad.unwrap().seq, 7, "{name}");
    }
}

#[test]
fn a_file_under_another_month_is_found() {
    let world = filled();
    let commit = world.store().join("_delta_log/00000000000000000002.json");
    let text = fs::read_to_string(&commit).unwrap();
    let moved = text.replace("{\"month\":\"2026-11\"}", "{\"month\":\"2026-10\"}");
    assert_ne!(text, moved);
    fs::write(&commit, moved).unwrap();
    let report = refused(&world);
    assert_eq!(report.findings[0].kind, FindingKind::Inconsistent);
    assert_eq!(report.first_bad.unwrap().seq, 300);
}

#[test]
fn a_removed_row_is_found() {
    let world = filled();
    rewrite(&files(&world)[1], |batch| take(&batch, (0..300).filter(|row| *row != 50)));
    let report = refused(&world);
    assert_eq!(report.findings[0].kind, FindingKind::Missing);
    assert_eq!(report.first_bad.unwrap().seq, 350);
}

#[test]
fn an_added_row_is_found() {
    let world = filled();
    rewrite(&files(&world)[1], |batch| take(&batch, (0..300).chain([50])));
    let report = refused(&world);
    let bad = report.first_bad.unwrap();
    assert_eq!(report.findings[0].kind, FindingKind::Added);
    assert_eq!((bad.seq, bad.object_key.as_deref()), (350, Some("billing.invoice/350")));
}

#[test]
fn swapped_sequence_numbers_are_found() {
    let world = filled();
    rewrite(&files(&world)[2], |batch| {
        replace(&batch, "seq", |array| {
            let mut values: Vec<_> = array.as_primitive::<Int64Type>().values().to_vec();
            values.swap(10, 20);
            Arc::new(Int64Array::from(values))
        })
    });
    let report = refused(&world);
    let bad = report.first_bad.unwrap();
    assert_eq!(report.findings[0].kind, FindingKind::Altered);
    assert_eq!((bad.seq, bad.object_key.as_deref()), (610, Some("billing.invoice/620")));
    assert_eq!(report.findings[1].event.as_ref().unwrap().seq, 620);
}

#[test]
fn rows_in_another_order_with_their_numbers_are_the_same_trail() {
    let world = filled();
    rewrite(&files(&world)[2], |batch| take(&batch, (0..300).rev()));
    assert_verified(&world.reader());
}

#[test]
fn a_removed_file_is_found() {
    let world = filled();
    fs::remove_file(&files(&world)[1]).unwrap();
    let report = refused(&world);
    assert_eq!(report.findings[0].kind, FindingKind::File);
    assert_eq!(report.first_bad.unwrap().seq, 300);
}

#[test]
fn a_removed_file_with_its_entry_in_the_delta_log_is_found() {
    let world = filled();
    let path = files(&world)[1].clone();
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    fs::remove_file(path).unwrap();
    let commit = world.store().join("_delta_log/00000000000000000002.json");
    let text = fs::read_to_string(&commit).unwrap();
    let kept: Vec<_> = text.lines().filter(|line| !line.contains(&name)).collect();
    assert_eq!(kept.len() + 1, text.lines().count());
    fs::write(&commit, kept.join("\n")).unwrap();
    let report = refused(&world);
    assert_eq!(report.findings[0].kind, FindingKind::Missing);
    assert_eq!(report.first_bad.unwrap().seq, 300);
}

#[test]
fn the_last_commit_taken_back_is_found() {
    let world = filled();
    fs::remove_file(world.store().join("_delta_log/00000000000000000003.json")).unwrap();
    let report = refused(&world);
    assert!(
        report.findings.iter().any(|finding| finding.kind == FindingKind::Checkpoint),
        "{report:#?}"
    );
    // And nothing is drained on top of it.
    let trail = world.trail();
    write(&mut trail.spool().unwrap().writer().unwrap(), 900, 1);
    let error =
        trail.elect_drainer().unwrap().unwrap().drain_once(BatchLimits::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(trail.spool().unwrap().view().unwrap().backlog().records, 1);
}

#[test]
fn a_commit_missing_from_the_delta_log_is_found() {
    let world = filled();
    fs::remove_file(world.store().join("_delta_log/00000000000000000002.json")).unwrap();
    let report = refused(&world);
    assert_eq!(report.findings[0].kind, FindingKind::Log, "{report:#?}");
}

#[test]
fn a_file_that_is_cut_short_is_found() {
    let world = filled();
    let path = &files(&world)[0];
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    let report = refused(&world);
    assert_eq!(report.findings[0].kind, FindingKind::File);
    assert_eq!(report.first_bad.unwrap().seq, 0);
}

#[test]
fn a_replaced_or_edited_or_older_checkpoint_is_found() {
    let world = filled();
    let path = world.store().join("_trailkeeper/checkpoint");
    let good = fs::read_to_string(&path).unwrap();

    let other = filled();
    let foreign = fs::read(other.store().join("_trailkeeper/checkpoint")).unwrap();
    fs::write(&path, foreign).unwrap();
    assert_eq!(refused(&world).findings[0].kind, FindingKind::Checkpoint);

    fs::write(&path, good.replacen("900", "901", 1)).unwrap();
    assert_eq!(refused(&world).findings[0].kind, FindingKind::Checkpoint);

    fs::remove_file(&path).unwrap();
    assert_eq!(refused(&world).findings[0].kind, FindingKind::Checkpoint);

    fs::write(&path, &good).unwrap();
    assert_verified(&world.reader());
    let trail = world.trail();
    write(&mut trail.spool().unwrap().writer().unwrap(), 900, 5);
    drain(&trail);
    fs::write(&path, &good).unwrap();
    let report = refused(&world);
    assert!(report.findings[0].what.starts_with("5 events are not covered"), "{report:#?}");
}

#[test]
fn rows_and_tiles_altered_together_do_not_give_the_signed_root() {
    let world = filled();
    rewrite(&files(&world)[1], |batch| {
        replace(&batch, "tenant", |array| {
            let texts: Vec<_> = array.as_string::<i32>().iter().map(|_| Some("other")).collect();
            Arc::new(StringArray::from(texts))
        })
    });
    // With the tiles of the altered rows, no single row stands out.
    fs::remove_dir_all(world.store().join("_trailkeeper/tile")).unwrap();
    let report = refused(&world);
    assert!(report.findings.iter().any(|finding| finding.kind == FindingKind::Root), "{report:#?}");
    let trail = world.trail();
    let error =
        trail.elect_drainer().unwrap().unwrap().drain_once(BatchLimits::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[test]
fn a_table_that_was_rewritten_as_a_whole_is_not_signed_for() {
    let world = filled();
    rewrite(&files(&world)[1], |batch| {
        replace(&batch, "tenant", |array| {
            let texts: Vec<_> = array.as_string::<i32>().iter().map(|_| Some("other")).collect();
            Arc::new(StringArray::from(texts))
        })
    });
    // Nothing that the attacker can write contradicts the rows any more.
    fs::remove_dir_all(world.store().join("_trailkeeper/tile")).unwrap();
    for version in 1..4 {
        let commit = world.store().join(format!("_delta_log/{version:020}.json"));
        let text = fs::read_to_string(&commit).unwrap();
        assert!(text.contains("trailkeeper.root"));
        fs::write(&commit, text.replace("trailkeeper.root", "root")).unwrap();
    }
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    for number in 900..902 {
        write(&mut writer, number, 1);
        let mut drainer = trail.elect_drainer().unwrap().unwrap();
        let error = drainer.drain_once(BatchLimits::default()).unwrap_err();
        assert!(matches!(error, Error::Checkpoint { .. }), "{error}");
    }
    assert_eq!(trail.stats().unwrap().events, 900);
    refused(&world);
}

#[test]
fn a_damaged_tile_is_told_apart_from_damaged_events() {
    let world = filled();
    let tile = world.store().join("_trailkeeper/tile/0/001");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[40] ^= 1;
    fs::write(&tile, bytes).unwrap();
    let report = verify(&world.reader());
    assert_eq!(report.verdict, Verdict::Verified);
    assert_eq!(report.damaged_tiles, ["tile/0/001"]);
}

#[test]
fn the_key_of_somebody_else_does_not_verify() {
    let world = filled();
    let other = filled();
    let key = other.trail().stats().unwrap().verifier_key.unwrap().parse().unwrap();
    let report = world.reader().verify(Some(&key), &mut |_| {}).unwrap();
    assert_eq!(report.verdict, Verdict::NotVerified);
    let own = world.trail().stats().unwrap().verifier_key.unwrap().parse().unwrap();
    let report = world.reader().verify(Some(&own), &mut |_| {}).unwrap();
    assert_eq!(report.verdict, Verdict::Verified);
}

#[test]
fn a_store_without_events_verifies() {
    let world = World::new();
    drain(&world.trail());
    assert_verified(&world.reader());
}

#[test]
fn a_copy_verifies_elsewhere() {
    let world = filled();
    let copy = World::new();
    copy_folder(&world.store(), &copy.store());
    assert_verified(&copy.reader());
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn what_cannot_be_checked_is_an_error() {
    let world = World::new();
    let trail = Trail::open(trailkeeper_engine::TrailOptions::new(world.store().to_str().unwrap()))
        .unwrap();
    assert_eq!(trail.verify(None, &mut |_| {}).unwrap_err().kind(), ErrorKind::NotFound);
}
