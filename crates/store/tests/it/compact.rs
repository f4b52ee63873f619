//! Compaction changes files and no events, whoever else writes, and wherever it is stopped.

use std::sync::Arc;

use arrow::array::{AsArray as _, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use bytes::Bytes;
use object_store::ObjectStore;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use trailkeeper_event::{Column, EventBatch, Micros};
use trailkeeper_store::{
    DataFile, Effort, EventCount, FileScan, OpenOptions, Outcome, Snapshot, Store, StoreError,
    local_backend,
};
use trailkeeper_testkit::{Effect, FaultyStore};

use crate::sample::{START, commit, create, events, folder, run};

const FOREVER: Micros = Micros(i64::MAX);

/// Appends `count` batches of `size` events each.
fn fill(store: &Store, count: u64, size: u64) {
    let known = run(store.snapshot()).unwrap().head().size.0;
    let first = run(store.batch_of(&run(store.snapshot()).unwrap(), "s")).unwrap();
    let first = first.map_or(0, |batch| batch.0);
    for number in 0..count {
        let before = known + number * size;
        let commit = commit("s", first + number + 1, before, before + size);
        let outcome = run(store.append(&[events(before, size, START)], &commit)).unwrap();
        assert!(matches!(outcome, Outcome::Committed(_)));
    }
}

fn merge_all(store: &Store, effort: Effort) -> u64 {
    let mut merges = 0;
    while run(store.merge_next(effort)).unwrap().is_some() {
        merges += 1;
    }
    merges
}

/// The rows of all files: `seq` with what else it has.
fn rows(store: &Store, snapshot: &Snapshot) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    for file in snapshot.files() {
        let bytes = run(store.read_file(file)).unwrap().unwrap();
        let start = found.len();
        for scanned in FileScan::new(file, bytes, Column::ALL).unwrap() {
            let (_, batch) = scanned.unwrap();
            let events = EventBatch::try_new(&batch).unwrap();
            for row in 0..batch.num_rows() {
                let after = events.text(row, Column::After).unwrap().to_owned();
                found.push((events.seq(row).unwrap().0, after));
            }
        }
        assert_eq!(file.rows(), Some(u64::try_from(found.len() - start).unwrap()));
        found[start..].sort_unstable();
        let (first, last) = file.seq_bounds().unwrap();
        assert_eq!((found[start].0, found[found.len() - 1].0), (first, last));
    }
    found
}

fn expected(count: u64) -> Vec<(u64, String)> {
    (0..count).map(|seq| (seq, format!("{{\"number\":{seq},\"total\":\"12.50\"}}"))).collect()
}

#[test]
fn a_merged_table_has_the_same_rows_and_the_same_tree() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    fill(&store, 12, 30);
    let before = run(store.snapshot()).unwrap();
    let merged = run(store.merge_next(Effort::Whole)).unwrap().unwrap();
    assert_eq!((merged.files, merged.events), (12, 360));
    assert_eq!(merged.bytes_before, before.files().iter().map(|file| file.size()).sum::<u64>());
    assert!(merged.bytes_after < merged.bytes_before / 2);
    assert_eq!(run(store.merge_next(Effort::Whole)).unwrap(), None);

    for reader in [store, run(Store::open(&folder(&dir), OpenOptions::new())).unwrap()] {
        let snapshot = run(reader.snapshot()).unwrap();
        assert_eq!(snapshot.files().len(), 1);
        assert_eq!(snapshot.files()[0].month(), Some("2026-11"));
        assert_eq!(snapshot.head(), before.head());
        assert_eq!(rows(&reader, &snapshot), expected(360));
        // Who reads an older version goes on.
        assert_eq!(rows(&reader, &before), expected(360));
        assert_eq!(run(reader.batch_of(&snapshot, "s")).unwrap().unwrap().0, 12);
    }
}

/// The keys and the `seq` of a file's rows, as they stand in it.
fn places(store: &Store, file: &DataFile) -> Vec<(Option<String>, u64)> {
    let bytes = run(store.read_file(file)).unwrap().unwrap();
    let scan = FileScan::new(file, bytes, &[Column::ObjectKey, Column::Seq]).unwrap();
    let rows = scan.flat_map(|scanned| {
        let (_, batch) = scanned.unwrap();
        let events = EventBatch::try_new(&batch).unwrap();
        let place = |row| {
            let key = events.text(row, Column::ObjectKey).map(ToOwned::to_owned);
            (key, events.seq(row).unwrap().0)
        };
        (0..batch.num_rows()).map(place).collect::<Vec<_>>()
    });
    rows.collect()
}

#[test]
fn the_events_of_an_object_are_neighbours_in_a_merged_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    // What is of no object stands first; files of more rows than are decoded at a time.
    fill(&store, 2, 3000);
    let mut size = 6000;
    let mut batch = 3;
    for _ in 0..3 {
        let some_of_none = without_object(&events(size, 3000, START), 500);
        run(store.append(&[some_of_none], &commit("s", batch, size, size + 3000))).unwrap();
        (batch, size) = (batch + 1, size + 3000);
        // Files in order and files that are in none become one.
        run(store.merge_next(Effort::Whole)).unwrap().unwrap();
        let snapshot = run(store.snapshot()).unwrap();
        let [file] = snapshot.files() else { panic!("{} files", snapshot.files().len()) };
        let found = places(&store, file);
        assert!(found.is_sorted(), "{size} rows");
        assert_eq!(found.iter().filter(|(key, _)| key.is_none()).count() as u64, (size - 6000) / 6);
        assert_eq!(rows(&store, &snapshot), expected(size));
    }
}

/// `batch` without an object in its first rows.
fn without_object(batch: &RecordBatch, rows: usize) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    for column in [Column::Model, Column::ObjectId, Column::ObjectKey] {
        let index = batch.schema().index_of(column.name()).unwrap();
        let texts = columns[index].as_string::<i32>().iter().enumerate();
        let texts: StringArray = texts.map(|(row, text)| text.filter(|_| row >= rows)).collect();
        columns[index] = Arc::new(texts);
    }
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

#[test]
fn a_file_that_is_not_in_the_order_it_claims_is_not_merged() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    fill(&store, 2, 300);
    merge_all(&store, Effort::Whole);
    fill(&store, 1, 300);
    let snapshot = run(store.snapshot()).unwrap();
    let path = dir.path().join("trail").join(snapshot.files()[0].path());
    let whole = std::fs::read(&path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(whole.clone())).unwrap();
    let sorting = reader.metadata().row_group(0).sorting_columns().cloned();
    assert!(sorting.is_some());
    let batch = reader.with_batch_size(600).build().unwrap().next().unwrap().unwrap();
    // The first row last.
    let turned =
        concat_batches(&batch.schema(), [&batch.slice(1, 599), &batch.slice(0, 1)]).unwrap();
    let properties = WriterProperties::builder().set_sorting_columns(sorting).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&turned).unwrap();
    std::fs::write(&path, writer.into_inner().unwrap()).unwrap();
    let error = run(store.merge_next(Effort::Whole)).unwrap_err();
    assert!(error.to_string().contains(snapshot.files()[0].path()), "{error}");
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    std::fs::write(&path, whole).unwrap();
    assert_eq!(merge_all(&store, Effort::Whole), 1);
}

#[test]
fn appends_go_on_while_files_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, merger) = (Arc::new(create(&dir)), Arc::new(create(&dir)));
    let writing = {
        let writer = Arc::clone(&writer);
        std::thread::spawn(move || fill(&writer, 60, 3))
    };
    let mut merges = 0;
    while !writing.is_finished() {
        if run(merger.merge_next(Effort::Usual)).unwrap().is_some() {
            merges += 1;
        }
    }
    writing.join().unwrap();
    assert!(merges > 0);
    let snapshot = run(merger.snapshot()).unwrap();
    assert_eq!(snapshot.head().size, EventCount(180));
    assert_eq!(rows(&merger, &snapshot), expected(180));
    merge_all(&merger, Effort::Usual);
    let snapshot = run(writer.snapshot()).unwrap();
    assert!(snapshot.files().len() < 20, "{}", snapshot.files().len());
    assert_eq!(rows(&writer, &snapshot), expected(180));
}

#[test]
fn of_two_that_merge_the_same_files_one_does_it() {
    let dir = tempfile::tempdir().unwrap();
    fill(&create(&dir), 10, 3);
    let mergers: Vec<_> = (0..3).map(|_| Arc::new(create(&dir))).collect();
    let merges: usize = run(async {
        let handles: Vec<_> = mergers
            .into_iter()
            .map(|store| tokio::spawn(async move { store.merge_next(Effort::Whole).await }))
            .collect();
        let mut merges = 0;
        for handle in handles {
            merges += usize::from(handle.await.unwrap().unwrap().is_some());
        }
        merges
    });
    assert_eq!(merges, 1);
    let store = create(&dir);
    let snapshot = run(store.snapshot()).unwrap();
    assert_eq!(rows(&store, &snapshot), expected(30));
    // The losers have left nothing behind: what is there are the merged file and what it stands for.
    let month = dir.path().join("trail/month=2026-11");
    assert_eq!(std::fs::read_dir(&month).unwrap().count(), 11);
    assert_eq!(run(store.vacuum(FOREVER)).unwrap(), 10);
    assert_eq!(std::fs::read_dir(month).unwrap().count(), 1);
    assert_eq!(rows(&store, &snapshot), expected(30));
}

#[test]
fn a_merge_that_is_stopped_at_any_write_is_done_or_not_done() {
    for effect in [Effect::Absent, Effect::Persisted] {
        let mut survived = 0;
        loop {
            let dir = tempfile::tempdir().unwrap();
            fill(&create(&dir), 9, 3);
            let faulty = FaultyStore::new(local_backend());
            let backend: Arc<dyn ObjectStore> = Arc::clone(&faulty) as _;
            let options = OpenOptions::new().with_backend(backend);
            let store = run(Store::open(&folder(&dir), options)).unwrap();
            faulty.fail_at(survived, effect);
            let outcome = run(store.merge_next(Effort::Whole));
            let has_struck = faulty.is_dead();
            assert!(has_struck || outcome.unwrap().is_some());
            drop(store);

            let store = create(&dir);
            let snapshot = run(store.snapshot()).unwrap();
            assert_eq!(rows(&store, &snapshot), expected(27), "write {survived}, {effect:?}");
            fill(&store, 1, 3);
            merge_all(&store, Effort::Whole);
            run(store.vacuum(FOREVER)).unwrap();
            let snapshot = run(store.snapshot()).unwrap();
            assert_eq!(snapshot.files().len(), 1);
            assert_eq!(rows(&store, &snapshot), expected(30), "write {survived}, {effect:?}");
            if !has_struck {
                break;
            }
            survived += 1;
        }
        // The file and the commit.
        assert!(survived >= 2, "{survived} writes");
    }
}

#[test]
fn the_same_merger_goes_on_after_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = FaultyStore::new(local_backend());
    let backend: Arc<dyn ObjectStore> = Arc::clone(&faulty) as _;
    let store =
        run(Store::create(&folder(&dir), OpenOptions::new().with_backend(backend))).unwrap();
    let mut total = 0;
    for fault in 0..6 {
        fill(&store, 4, 3);
        total += 12;
        let effect = if fault % 2 == 0 { Effect::Absent } else { Effect::Persisted };
        faulty.fail_at(fault / 2, effect);
        let _ = run(store.merge_next(Effort::Whole));
        faulty.revive();
        merge_all(&store, Effort::Whole);
        let snapshot = run(store.snapshot()).unwrap();
        assert_eq!(snapshot.files().len(), 1);
        assert_eq!(rows(&store, &snapshot), expected(total));
    }
}

#[test]
fn files_that_do_not_hold_what_the_log_says_are_left_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    fill(&store, 3, 5);
    let snapshot = run(store.snapshot()).unwrap();
    let paths: Vec<_> =
        snapshot.files().iter().map(|file| dir.path().join("trail").join(file.path())).collect();
    let whole = std::fs::read(&paths[1]).unwrap();
    let other = std::fs::read(&paths[2]).unwrap();
    for damage in [&other[..], &whole[..whole.len() / 2], b""] {
        std::fs::write(&paths[1], damage).unwrap();
        let error = run(store.merge_next(Effort::Whole)).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        assert_eq!(run(store.snapshot()).unwrap().files().len(), 3);
    }
    std::fs::remove_file(&paths[1]).unwrap();
    let error = run(store.merge_next(Effort::Whole)).unwrap_err();
    assert!(error.to_string().contains("is missing"), "{error}");
    std::fs::write(&paths[1], whole).unwrap();
    assert_eq!(merge_all(&store, Effort::Whole), 1);
}

#[test]
fn files_are_kept_until_they_are_old() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    fill(&store, 3, 5);
    assert_eq!(run(store.vacuum(FOREVER)).unwrap(), 0);
    merge_all(&store, Effort::Whole);
    assert_eq!(run(store.vacuum(Micros(0))).unwrap(), 0);
    let month = dir.path().join("trail/month=2026-11");
    assert_eq!(std::fs::read_dir(&month).unwrap().count(), 4);
    assert_eq!(run(store.vacuum(FOREVER)).unwrap(), 3);
    assert_eq!(run(store.vacuum(FOREVER)).unwrap(), 0);
    assert_eq!(std::fs::read_dir(&month).unwrap().count(), 1);
}
