//! The log is bounded, and forgets nothing that anybody needs, wherever its clean-up is stopped.

use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use trailkeeper_event::{Clock as _, Micros, SystemClock};
use trailkeeper_store::{
    BatchNumber, Effort, EventCount, OpenOptions, Outcome, Store, TreeRoot, local_backend,
};
use trailkeeper_testkit::{Effect, FaultyStore};

use crate::sample::{START, commit, create, events, folder, run};

const FOREVER: Micros = Micros(i64::MAX);

/// Appends batches of one event each, until `size` are there, as the drainer does.
fn fill(store: &Store, size: u64) {
    let snapshot = run(store.snapshot()).unwrap();
    for before in snapshot.head().size.0..size {
        let commit = commit("s", before + 1, before, before + 1);
        let outcome = run(store.append(&[events(before, 1, START)], &commit)).unwrap();
        assert!(matches!(outcome, Outcome::Committed(_)));
        run(store.maintain()).unwrap();
    }
}

/// The names in the log.
fn log(dir: &tempfile::TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(dir.path().join("trail/_delta_log")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &to);
        } else {
            std::fs::copy(&path, to).unwrap();
        }
    }
}

/// Checks that a store still knows all that it was told, and goes on.
fn assert_whole(dir: &tempfile::TempDir, size: u64) {
    let store = create(dir);
    let snapshot = run(store.snapshot()).unwrap();
    assert_eq!(snapshot.head().size, EventCount(size));
    assert_eq!(snapshot.head().root, Some(TreeRoot([9; 32])));
    assert_eq!(run(store.batch_of(&snapshot, "s")).unwrap(), Some(BatchNumber(size)));
    assert_eq!(snapshot.files().iter().filter_map(|file| file.rows()).sum::<u64>(), size);
    // A batch that is in the table is not added again, and the next one is.
    let again = commit("s", size, size - 1, size);
    let outcome = run(store.append(&[events(size - 1, 1, START)], &again)).unwrap();
    assert_eq!(outcome, Outcome::AlreadyCommitted);
    fill(&store, size + 2);
    assert_eq!(run(store.snapshot()).unwrap().head().size, EventCount(size + 2));
}

#[test]
fn a_delta_checkpoint_is_made_although_merges_take_versions() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    fill(&store, 99);
    // Version 100 is that of the merge.
    assert!(run(store.merge_next(Effort::Whole)).unwrap().is_some());
    fill(&store, 101);
    let made: Vec<_> = log(&dir).into_iter().filter(|name| name.contains("checkpoint.")).collect();
    assert_eq!(made, ["00000000000000000101.checkpoint.parquet"]);
    assert_eq!(run(create(&dir).snapshot()).unwrap().head().size, EventCount(101));
}

#[test]
fn what_only_old_versions_need_goes_and_the_rest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    let sleeper = create(&dir);
    fill(&store, 100);
    let begin = SystemClock.now();
    fill(&store, 205);
    // Nothing is old enough; then what came before the first Delta checkpoint is.
    assert_eq!(run(store.clean_log(Micros(0))).unwrap(), 0);
    assert_eq!(run(store.clean_log(begin)).unwrap(), 100);
    assert_eq!(log(&dir)[0], "00000000000000000100.checkpoint.parquet");
    assert_eq!(run(store.clean_log(FOREVER)).unwrap(), 101);
    assert_eq!(log(&dir).len(), 8);
    assert_eq!(run(store.clean_log(FOREVER)).unwrap(), 0);
    // Who has slept since version 0 finds the way, and so does who opens it.
    let snapshot = run(sleeper.snapshot()).unwrap();
    assert_eq!(snapshot.head(), run(store.snapshot()).unwrap().head());
    assert_eq!(run(sleeper.batch_of(&snapshot, "s")).unwrap(), Some(BatchNumber(205)));
    drop((store, sleeper));
    assert_whole(&dir, 205);
}

#[test]
fn the_commit_that_names_the_tree_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    fill(&store, 120);
    while run(store.merge_next(Effort::Whole)).unwrap().is_some() {}
    // A Delta checkpoint behind the last commit that adds events is no place to begin.
    let mut table = run(deltalake_core::open_table(
        url::Url::from_directory_path(dir.path().join("trail")).unwrap(),
    ))
    .unwrap();
    run(table.load()).unwrap();
    run(deltalake_core::checkpoints::create_checkpoint(&table, None)).unwrap();
    assert_eq!(run(store.clean_log(FOREVER)).unwrap(), 100);
    drop(store);
    assert_whole(&dir, 120);
}

#[test]
fn a_clean_up_that_is_stopped_at_any_write_costs_nothing() {
    let origin = tempfile::tempdir().unwrap();
    fill(&create(&origin), 203);
    for effect in [Effect::Absent, Effect::Persisted] {
        let mut survived = 0;
        loop {
            let dir = tempfile::tempdir().unwrap();
            copy_folder(origin.path(), dir.path());
            let faulty = FaultyStore::new(local_backend());
            let backend: Arc<dyn ObjectStore> = Arc::clone(&faulty) as _;
            let options = OpenOptions::new().with_backend(backend);
            let store = run(Store::open(&folder(&dir), options)).unwrap();
            faulty.fail_at(survived, effect);
            let outcome = run(store.clean_log(FOREVER));
            let has_struck = faulty.is_dead();
            assert!(has_struck || outcome.is_ok());
            drop(store);
            assert_whole(&dir, 203);
            let store = create(&dir);
            run(store.clean_log(FOREVER)).unwrap();
            assert_eq!(log(&dir)[0], "00000000000000000200.checkpoint.parquet");
            if !has_struck {
                break;
            }
            survived += 1;
        }
        assert!(survived >= 1, "{survived} writes");
    }
}

#[test]
fn a_delta_checkpoint_that_is_stopped_at_any_write_costs_nothing() {
    let origin = tempfile::tempdir().unwrap();
    let store = create(&origin);
    fill(&store, 99);
    let last = commit("s", 100, 99, 100);
    run(store.append(&[events(99, 1, START)], &last)).unwrap();
    for effect in [Effect::Absent, Effect::Persisted] {
        let mut survived = 0;
        loop {
            let dir = tempfile::tempdir().unwrap();
            copy_folder(origin.path(), dir.path());
            let faulty = FaultyStore::new(local_backend());
            let backend: Arc<dyn ObjectStore> = Arc::clone(&faulty) as _;
            let options = OpenOptions::new().with_backend(backend);
            let store = run(Store::open(&folder(&dir), options)).unwrap();
            faulty.fail_at(survived, effect);
            let outcome = run(store.maintain());
            let has_struck = faulty.is_dead();
            assert!(has_struck || outcome.is_ok());
            drop(store);
            run(create(&dir).clean_log(FOREVER)).unwrap();
            assert_whole(&dir, 100);
            if !has_struck {
                break;
            }
            survived += 1;
        }
        assert!(survived >= 1, "{survived} writes");
    }
}
