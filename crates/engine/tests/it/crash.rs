//! Wherever the drainer is stopped, each event is in the store once, and the trail verifies.

use std::sync::Arc;

use trailkeeper_engine::{BatchLimits, OpenOptions, Trail};
use trailkeeper_store::local_backend;
use trailkeeper_testkit::{Effect, FaultyStore};

use crate::sample::{World, assert_verified, drain, invoices, write};

/// Runs a round of draining that fails at each of its writes in turn; the first round without a
/// fault ends it.
fn fail_at_every_write(before: u64, count: u64, effect: Effect) -> usize {
    let mut survived = 0;
    loop {
        let world = World::new();
        let faulty = FaultyStore::new(local_backend());
        let options = OpenOptions::new().with_backend(Arc::clone(&faulty) as _);
        let trail = Trail::open(world.options().with_store_options(options)).unwrap();
        let mut writer = trail.spool().unwrap().writer().unwrap();
        if before > 0 {
            write(&mut writer, 0, before);
            drain(&trail);
        }
        write(&mut writer, before, count);
        faulty.fail_at(survived, effect);
        let mut drainer = trail.elect_drainer().unwrap().unwrap();
        let outcome = drainer.drain_once(BatchLimits::default());
        let has_struck = faulty.is_dead();
        assert!(has_struck || outcome.is_ok(), "{outcome:?}");
        // The process is gone; the next one finds what it left.
        drop((drainer, trail));
        let trail = world.trail();
        let all: Vec<u64> = (0..before + count).collect();
        assert_eq!(invoices(&trail), all, "after a fault at write {survived}, {effect:?}");
        drain(&trail);
        assert_eq!(invoices(&world.reader()), all, "after a fault at write {survived}, {effect:?}");
        assert_verified(&world.reader());
        if !has_struck {
            return survived;
        }
        survived += 1;
    }
}

#[test]
fn a_new_store_survives_a_fault_at_every_write() {
    for effect in [Effect::Absent, Effect::Persisted] {
        // The table, the identity, a file, a tile, the commit, the checkpoint.
        assert!(fail_at_every_write(0, 3, effect) >= 6);
    }
}

#[test]
fn a_store_with_events_survives_a_fault_at_every_write() {
    for effect in [Effect::Absent, Effect::Persisted] {
        // Two files' worth of tiles, and the removal of the stale one.
        assert!(fail_at_every_write(250, 20, effect) >= 6);
    }
}

#[test]
fn the_same_drainer_goes_on_after_a_fault() {
    let world = World::new();
    let faulty = FaultyStore::new(local_backend());
    let options = OpenOptions::new().with_backend(Arc::clone(&faulty) as _);
    let trail = Trail::open(world.options().with_store_options(options)).unwrap();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    let mut drainer = trail.elect_drainer().unwrap().unwrap();
    let mut next = 0;
    for fault in 0..12 {
        write(&mut writer, next, 3);
        next += 3;
        faulty.fail_at(fault % 6, if fault % 2 == 0 { Effect::Absent } else { Effect::Persisted });
        let _ = drainer.drain_once(BatchLimits::default());
        faulty.revive();
        drainer.drain_once(BatchLimits::default()).unwrap();
        assert_eq!(invoices(&trail), (0..next).collect::<Vec<_>>());
    }
    drop(drainer);
    assert_eq!(invoices(&world.reader()), (0..next).collect::<Vec<_>>());
    assert_verified(&world.reader());
}

#[test]
fn an_empty_round_signs_what_a_crash_left_unsigned() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    write(&mut writer, 0, 3);
    drain(&trail);
    let checkpoint = world.store().join("_trailkeeper/checkpoint");
    let old = std::fs::read(&checkpoint).unwrap();
    write(&mut writer, 3, 3);
    drain(&trail);
    std::fs::write(&checkpoint, old).unwrap();
    let trail = world.trail();
    let mut drainer = trail.elect_drainer().unwrap().unwrap();
    assert!(drainer.drain_once(BatchLimits::default()).unwrap().is_idle());
    assert_verified(&world.reader());
}

#[test]
fn tiles_that_are_gone_are_made_again_from_the_rows() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    write(&mut writer, 0, 300);
    drain(&trail);
    std::fs::remove_dir_all(world.store().join("_trailkeeper/tile")).unwrap();
    let trail = world.trail();
    write(&mut writer, 300, 300);
    drain(&trail);
    assert_verified(&world.reader());
}

#[test]
fn drainers_of_two_spools_share_a_store_and_a_key() {
    let world = World::new();
    let key = world.dir.path().join("shared.key");
    let trails: Vec<_> = (0..3)
        .map(|index| {
            let spool = world.dir.path().join(format!("spool{index}"));
            Trail::open(world.options().with_spool(spool).with_key(&key)).unwrap()
        })
        .collect();
    drain(&trails[0]);
    std::thread::scope(|scope| {
        for (index, trail) in (0..).zip(&trails) {
            scope.spawn(move || {
                let mut writer = trail.spool().unwrap().writer().unwrap();
                for round in 0..8 {
                    write(&mut writer, (index * 8 + round) * 60, 60);
                    drain(trail);
                }
            });
        }
    });
    assert_eq!(invoices(&world.reader()), (0..24 * 60).collect::<Vec<_>>());
    drain(&trails[0]);
    assert_verified(&world.reader());
}
