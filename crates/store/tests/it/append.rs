//! Batches are in the table once, in order, and durable commits tell the tree.

use std::sync::Arc;

use arrow::compute::cast;
use trailkeeper_event::{Column, EventBatch};
use trailkeeper_store::{
    BatchNumber, EventCount, FileScan, OpenOptions, Outcome, Presence, Store, TableVersion,
    TreeHead, TreeRoot,
};

use crate::sample::{START, commit, create, events, folder, run};

#[test]
fn a_batch_is_read_back_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    let batch = events(0, 300, START);
    let outcome = run(store.append(std::slice::from_ref(&batch), &commit("s", 1, 0, 300))).unwrap();
    assert_eq!(outcome, Outcome::Committed(TableVersion(1)));

    let reader = run(Store::open(&folder(&dir), OpenOptions::new())).unwrap();
    let snapshot = run(reader.snapshot()).unwrap();
    let head = TreeHead { size: EventCount(300), root: Some(TreeRoot([9; 32])) };
    assert_eq!(snapshot.head(), head);
    assert_eq!(run(reader.batch_of(&snapshot, "s")).unwrap(), Some(BatchNumber(1)));
    assert_eq!(run(reader.batch_of(&snapshot, "other")).unwrap(), None);
    let [file] = snapshot.files() else { panic!("one file") };
    assert_eq!(
        (file.rows(), file.seq_bounds(), file.month()),
        (Some(300), Some((0, 299)), Some("2026-11"))
    );

    let bytes = run(reader.read_file(file)).unwrap().unwrap();
    assert_eq!(u64::try_from(bytes.len()).unwrap(), file.size());
    let scanned: Vec<_> =
        FileScan::new(file, bytes, Column::ALL).unwrap().map(Result::unwrap).collect();
    assert_eq!(scanned.len(), 1);
    assert_eq!(scanned[0].0, 0..300);
    for (found, written) in scanned[0].1.columns().iter().zip(batch.columns()) {
        // Text is read as views.
        assert_eq!(&cast(found, written.data_type()).unwrap(), written);
    }
    EventBatch::try_new(&scanned[0].1).unwrap();
}

#[test]
fn a_batch_that_is_retried_is_in_the_table_once() {
    let dir = tempfile::tempdir().unwrap();
    let first = create(&dir);
    let second = create(&dir);
    let batch = [events(0, 3, START)];
    run(first.append(&batch, &commit("s", 1, 0, 3))).unwrap();
    for store in [&first, &second] {
        let outcome = run(store.append(&batch, &commit("s", 1, 0, 3))).unwrap();
        assert_eq!(outcome, Outcome::AlreadyCommitted);
    }
    assert_eq!(run(second.snapshot()).unwrap().files().len(), 1);
}

#[test]
fn a_batch_sequenced_for_an_older_tree_is_refused_and_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    run(store.append(&[events(0, 3, START)], &commit("a", 1, 0, 3))).unwrap();
    let outcome = run(store.append(&[events(0, 2, START)], &commit("b", 1, 0, 2))).unwrap();
    assert_eq!(outcome, Outcome::Conflict);
    let month = dir.path().join("trail/month=2026-11");
    assert_eq!(std::fs::read_dir(month).unwrap().count(), 1);
}

#[test]
fn of_appends_at_once_each_extends_the_tree_or_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let stores: Vec<_> = (0..4).map(|_| Arc::new(create(&dir))).collect();
    let tasks = stores.into_iter().enumerate().map(|(index, store)| async move {
        let spool = format!("s{index}");
        let mut done = 0;
        while done < 5 {
            let size = store.snapshot().await.unwrap().head().size.0;
            let commit = commit(&spool, done + 1, size, size + 2);
            match store.append(&[events(size, 2, START)], &commit).await.unwrap() {
                Outcome::Committed(_) => done += 1,
                Outcome::Conflict => {}
                Outcome::AlreadyCommitted => panic!("batch {} of {spool} twice", done + 1),
            }
        }
    });
    run(async {
        let handles: Vec<_> = tasks.map(tokio::spawn).collect();
        for handle in handles {
            handle.await.unwrap();
        }
    });
    let store = create(&dir);
    let snapshot = run(store.snapshot()).unwrap();
    assert_eq!(snapshot.head().size, EventCount(40));
    let bounds: Vec<_> = snapshot.files().iter().map(|file| file.seq_bounds().unwrap()).collect();
    let expected: Vec<_> = (0..20).map(|n| (2 * n, 2 * n + 1)).collect();
    assert_eq!(bounds, expected);
}

#[test]
fn a_batch_over_the_end_of_a_month_has_a_file_for_each() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    let december = START + 16 * 86_400_000_000;
    let batches = [events(0, 2, START), events(2, 3, december)];
    run(store.append(&batches, &commit("s", 1, 0, 5))).unwrap();
    let snapshot = run(store.snapshot()).unwrap();
    let months: Vec<_> = snapshot.files().iter().map(|f| (f.month(), f.rows())).collect();
    assert_eq!(months, [(Some("2026-11"), Some(2)), (Some("2026-12"), Some(3))]);
}

#[test]
fn a_table_opens_from_its_delta_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    for number in 0..101 {
        let commit = commit("s", number + 1, number, number + 1);
        run(store.append(&[events(number, 1, START)], &commit)).unwrap();
        run(store.maintain()).unwrap();
    }
    let log = dir.path().join("trail/_delta_log");
    assert!(log.join("_last_checkpoint").exists());
    // What the checkpoint holds is not read from the log again.
    for version in 0..100 {
        std::fs::remove_file(log.join(format!("{version:020}.json"))).unwrap();
    }
    let reader = run(Store::open(&folder(&dir), OpenOptions::new())).unwrap();
    let snapshot = run(reader.snapshot()).unwrap();
    assert_eq!(snapshot.head(), TreeHead { size: EventCount(101), root: Some(TreeRoot([9; 32])) });
    assert_eq!(run(reader.batch_of(&snapshot, "s")).unwrap(), Some(BatchNumber(101)));
    assert_eq!(snapshot.files()[50].seq_bounds(), Some((50, 50)));
    assert_eq!(snapshot.files()[50].rows(), Some(1));
}

#[test]
fn side_objects_are_replaced_as_a_whole_and_the_first_claim_stands() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    assert_eq!(run(store.side("checkpoint")).unwrap(), None);
    for text in ["one", "two"] {
        run(store.put_side("checkpoint", text.into())).unwrap();
        assert_eq!(run(store.side("checkpoint")).unwrap().unwrap(), text);
    }
    assert_eq!(
        run(store.put_side_if_absent("identity.json", b"a".to_vec())).unwrap(),
        Presence::New
    );
    assert_eq!(
        run(store.put_side_if_absent("identity.json", b"b".to_vec())).unwrap(),
        Presence::Known
    );
    assert_eq!(run(store.side("identity.json")).unwrap().unwrap(), "a");
    let tiles =
        vec![("tile/0/000".to_owned(), vec![1; 32]), ("tile/0/001.p/3".to_owned(), vec![2; 96])];
    run(store.put_sides(tiles)).unwrap();
    let mut names = run(store.list_sides("tile")).unwrap();
    names.sort();
    assert_eq!(names, ["tile/0/000", "tile/0/001.p/3"]);
    assert_eq!(run(store.side_usage("tile")).unwrap().bytes, 128);
    run(store.delete_sides(&names)).unwrap();
    assert!(run(store.list_sides("tile")).unwrap().is_empty());
}
