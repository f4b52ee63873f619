//! Places where no store is, or none for this release: each has its own answer.

use trailkeeper_store::{OpenOptions, Store, StoreError};

use crate::sample::{create, folder, run};

fn open(address: &str) -> Result<Store, StoreError> {
    run(Store::open(address, OpenOptions::new()))
}

#[test]
fn nothing_there_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(open(&folder(&dir)), Err(StoreError::Missing { .. })));
    std::fs::create_dir(folder(&dir)).unwrap();
    assert!(matches!(open(&folder(&dir)), Err(StoreError::Missing { .. })));
}

#[test]
fn a_file_in_place_of_the_folder_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(folder(&dir), "").unwrap();
    assert!(matches!(open(&folder(&dir)), Err(StoreError::NotAFolder { .. })));
    let created = run(Store::create(&folder(&dir), OpenOptions::new()));
    assert!(matches!(created, Err(StoreError::NotAFolder { .. })));
    let below = format!("{}/deeper", folder(&dir));
    let created = run(Store::create(&below, OpenOptions::new()));
    assert!(matches!(created, Err(StoreError::NotAFolder { .. })), "{created:?}");
}

/// Rewrites version 0 of the table with `from` replaced.
fn edit_metadata(dir: &tempfile::TempDir, from: &str, to: &str) {
    let path = dir.path().join("trail/_delta_log/00000000000000000000.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from));
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(create(&dir));
    edit_metadata(&dir, "\"trailkeeper.format\":\"1\"", "\"trailkeeper.format\":\"2\"");
    let error = open(&folder(&dir)).unwrap_err();
    assert!(
        matches!(&error, StoreError::Format { found, supported: 1, .. } if found == "2"),
        "{error}"
    );
}

#[test]
fn another_delta_table_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(create(&dir));
    edit_metadata(&dir, "trailkeeper.id", "other.id");
    assert!(matches!(open(&folder(&dir)), Err(StoreError::NotATrail { .. })));
}

#[test]
fn a_damaged_delta_log_is_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    drop(create(&dir));
    edit_metadata(&dir, "{", "x");
    let error = open(&folder(&dir)).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

#[test]
fn creating_at_once_gives_one_store() {
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let address = folder(&dir);
        let ids: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        run(Store::create(&address, OpenOptions::new())).unwrap().id().to_owned()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        let log = dir.path().join("trail/_delta_log");
        assert_eq!(std::fs::read_dir(log).unwrap().count(), 1);
    }
}

#[test]
fn a_store_that_vanishes_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir);
    std::fs::remove_dir_all(folder(&dir)).unwrap();
    assert!(matches!(run(store.snapshot()), Err(StoreError::Missing { .. })));
}
