//! A compacted trail answers and proves as before.

use std::sync::Arc;
use std::time::Duration;

use trailkeeper_engine::{BatchLimits, OpenOptions, Trail};
use trailkeeper_store::local_backend;
use trailkeeper_testkit::{Effect, FaultyStore};

use crate::sample::{World, assert_verified, drain, invoices, write};

/// Drains `count` batches of three events each.
fn fill(trail: &Trail, from: u64, count: u64) {
    let mut writer = trail.spool().unwrap().writer().unwrap();
    for number in 0..count {
        write(&mut writer, from + 3 * number, 3);
        drain(trail);
    }
}

#[test]
fn a_compacted_trail_answers_and_verifies_and_grows() {
    let world = World::new();
    let trail = world.trail();
    fill(&trail, 0, 20);
    let before = trail.stats().unwrap();
    let mut told = 0;
    let report = world.reader().compact(&mut |report| told = report.files).unwrap();
    assert_eq!((report.merges, report.files, report.events, told), (1, 20, 60, 20));
    let after = world.reader().stats().unwrap();
    assert_eq!((after.events, after.files), (60, 1));
    assert!(after.file_bytes < before.file_bytes / 2);
    assert_eq!(invoices(&trail), (0..60).collect::<Vec<_>>());
    assert_verified(&world.reader());

    // The drainer that was there before it goes on, and so does one that comes after.
    fill(&trail, 60, 3);
    fill(&world.trail(), 69, 3);
    assert_eq!(invoices(&world.reader()), (0..78).collect::<Vec<_>>());
    assert_verified(&world.reader());
    assert_eq!(world.reader().vacuum(Duration::from_secs(3600)).unwrap(), 0);
    assert_eq!(Trail::vacuum(&world.reader(), Duration::ZERO).unwrap(), 20);
    assert_verified(&world.reader());
}

#[test]
fn tiles_are_made_again_from_merged_files() {
    let world = World::new();
    let trail = world.trail();
    fill(&trail, 0, 9);
    trail.compact(&mut |_| {}).unwrap();
    std::fs::remove_dir_all(world.store().join("_trailkeeper/tile")).unwrap();
    fill(&world.trail(), 27, 2);
    assert_verified(&world.reader());
}

#[test]
fn the_usual_effort_keeps_the_files_few() {
    let world = World::new();
    let trail = world.trail();
    let mut most = 0;
    for number in 0..40 {
        fill(&trail, 3 * number, 1);
        while trail.compact_a_little().unwrap() {}
        most = most.max(trail.stats().unwrap().files);
    }
    assert!(most <= 12, "{most} files");
    assert_eq!(invoices(&world.reader()), (0..120).collect::<Vec<_>>());
    assert_verified(&world.reader());
}

#[test]
fn a_drainer_meets_a_compaction_that_was_stopped_anywhere() {
    for effect in [Effect::Absent, Effect::Persisted] {
        for fault in 0..3 {
            let world = World::new();
            let trail = world.trail();
            fill(&trail, 0, 6);
            let mut drainer = trail.elect_drainer().unwrap().unwrap();
            let faulty = FaultyStore::new(local_backend());
            let options = OpenOptions::new().with_backend(Arc::clone(&faulty) as _);
            let other = Trail::open(world.options().with_store_options(options)).unwrap();
            faulty.fail_at(fault, effect);
            let _ = other.compact(&mut |_| {});
            let mut writer = trail.spool().unwrap().writer().unwrap();
            write(&mut writer, 18, 3);
            drainer.drain_once(BatchLimits::default()).unwrap();
            assert_eq!(invoices(&world.reader()), (0..21).collect::<Vec<_>>());
            assert_verified(&world.reader());
        }
    }
}
