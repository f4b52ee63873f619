//! A copy of a trail is a trail: it opens, proves itself and goes on, whatever happened while it was made.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use trailkeeper_engine::{
    BatchLimits, CopyReport, Error, ErrorKind, FILE_GRACE, FindingKind, OpenOptions, Trail,
    TrailOptions, Verdict,
};
use trailkeeper_store::local_backend;
use trailkeeper_testkit::{Effect, FaultyStore};

use crate::sample::{World, assert_verified, drain, invoices, verify, write};

/// Drains `count` batches of three events each.
fn fill(trail: &Trail, from: u64, count: u64) {
    fill_with(trail, from, count, 3);
}

/// Drains `count` batches of `size` events each.
fn fill_with(trail: &Trail, from: u64, count: u64, size: u64) {
    let mut writer = trail.spool().unwrap().writer().unwrap();
    let mut drainer = trail.elect_drainer().unwrap().unwrap();
    for number in 0..count {
        write(&mut writer, from + size * number, size);
        drainer.drain_once(BatchLimits::default()).unwrap();
    }
}

fn target(world: &World) -> PathBuf {
    world.dir.path().join("backup/copy")
}

fn copy_to(trail: &Trail, target: &Path) -> Result<CopyReport, Error> {
    trail.copy(target.to_str().unwrap(), &mut |_| {})
}

fn open(folder: &Path) -> Trail {
    Trail::open(TrailOptions::new(folder.to_str().unwrap())).unwrap()
}

/// All files below `folder` with their bytes.
fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

#[test]
fn a_copy_answers_and_verifies_and_nothing_is_written_to_the_store() {
    let world = World::new();
    fill(&world.trail(), 0, 100);
    world.reader().compact(&mut |_| {}).unwrap();
    fill(&world.trail(), 300, 4);
    let before = tree(&world.store());
    let mut told = 0;
    let report = world
        .reader()
        .copy(target(&world).to_str().unwrap(), &mut |at| told = at.events * 1000 + at.total)
        .unwrap();
    assert_eq!((report.events, report.checkpoint_size, report.files), (312, Some(312), 5));
    assert_eq!(told, 312_312);
    assert!(tree(&world.store()) == before);
    let copy = open(&target(&world));
    assert_verified(&copy);
    assert_eq!(invoices(&copy), (0..312).collect::<Vec<_>>());
    let stats = (copy.stats().unwrap(), world.reader().stats().unwrap());
    assert_eq!(stats.0.store_id, stats.1.store_id);
    assert_eq!(stats.0.version, stats.1.version);
}

#[test]
fn a_trail_that_has_moved_goes_on() {
    let world = World::new();
    fill(&world.trail(), 0, 90);
    copy_to(&world.reader(), &target(&world)).unwrap();
    std::fs::remove_dir_all(world.store()).unwrap();
    std::fs::rename(target(&world), world.store()).unwrap();
    // The same spool with its key; a Delta checkpoint comes at the hundredth version.
    fill(&world.trail(), 270, 15);
    assert_verified(&world.reader());
    world.reader().compact(&mut |_| {}).unwrap();
    Trail::vacuum(&world.reader(), Duration::ZERO).unwrap();
    assert_verified(&world.reader());
    assert_eq!(invoices(&world.reader()), (0..315).collect::<Vec<_>>());
}

#[test]
fn what_is_there_is_not_copied_again_and_what_is_replaced_goes() {
    let world = World::new();
    let trail = world.trail();
    fill(&trail, 0, 90);
    let first = copy_to(&trail, &target(&world)).unwrap();
    assert_eq!((first.files, first.known_files), (90, 0));
    let again = copy_to(&trail, &target(&world)).unwrap();
    assert_eq!((again.files, again.known_files, again.bytes), (0, 90, 0));
    fill(&trail, 270, 2);
    let second = copy_to(&trail, &target(&world)).unwrap();
    assert_eq!((second.files, second.known_files, second.events), (2, 90, 276));
    assert_verified(&open(&target(&world)));

    trail.compact(&mut |_| {}).unwrap();
    Trail::vacuum(&trail, Duration::ZERO).unwrap();
    let third = copy_to(&trail, &target(&world)).unwrap();
    assert_eq!((third.files, third.known_files, third.events), (1, 0, 276));
    let copy = open(&target(&world));
    assert_verified(&copy);
    assert_eq!(invoices(&copy), (0..276).collect::<Vec<_>>());
    let month = std::fs::read_dir(target(&world).join("month=2026-11")).unwrap();
    assert_eq!(month.count(), 1);
    // The Delta checkpoint, the commit of the merge, and the one before it, which names the tree.
    assert_eq!(std::fs::read_dir(target(&world).join("_delta_log")).unwrap().count(), 3);
    let names = |folder: PathBuf| {
        let strip = |(path, bytes): (PathBuf, Vec<u8>)| {
            (path.strip_prefix(&folder).unwrap().to_owned(), bytes)
        };
        tree(&folder).into_iter().map(strip).collect::<Vec<_>>()
    };
    assert!(
        names(world.store().join("_trailkeeper")) == names(target(&world).join("_trailkeeper"))
    );
}

#[test]
fn a_copy_that_is_made_while_events_come_in_verifies() {
    let world = World::new();
    let trail = world.trail();
    fill(&trail, 0, 1);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..30 {
                fill(&trail, 3 + 6 * round, 2);
                trail.compact_a_little().unwrap();
                Trail::vacuum(&trail, Duration::ZERO).unwrap();
            }
            is_done.store(true, Ordering::SeqCst);
        });
        let mut copies = 0;
        while !is_done.load(Ordering::SeqCst) {
            let least = world.reader().stats().unwrap().events;
            let report = copy_to(&world.reader(), &target(&world)).unwrap();
            assert!(report.events >= least);
            assert_eq!(report.checkpoint_size, Some(report.events));
            let copy = open(&target(&world));
            assert_verified(&copy);
            assert_eq!(invoices(&copy), (0..report.events).collect::<Vec<_>>());
            copies += 1;
        }
        assert!(copies > 1);
    });
    copy_to(&world.reader(), &target(&world)).unwrap();
    assert_eq!(invoices(&open(&target(&world))), (0..183).collect::<Vec<_>>());
}

/// What may be at the target after a copy has failed: what was there, or all of the new version.
fn assert_whole(folder: &Path, old: u64, new: u64, what: &str) {
    let copy = open(folder);
    let report = match copy.verify(None, &mut |_| {}) {
        Err(error) => {
            assert!(old == 0 && error.kind() == ErrorKind::NotFound, "{error}, {what}");
            return;
        }
        Ok(report) => report,
    };
    assert!([old, new].contains(&report.events), "{report:#?}, {what}");
    let is_unsigned = |text: &str| text.contains("are not covered") || text.contains("no signed");
    for finding in &report.findings {
        assert_eq!(report.events, new, "{finding}, {what}");
        assert!(finding.kind == FindingKind::Checkpoint && is_unsigned(&finding.to_string()));
    }
    assert_eq!(invoices(&copy), (0..report.events).collect::<Vec<_>>(), "{what}");
}

/// Stops a copy at each of its writes; `old` events are in the copy before it, and `new` in the store.
fn fail_at_every_write(old: u64, new: u64, effect: Effect) -> usize {
    let mut survived = 0;
    loop {
        let world = World::new();
        let trail = world.trail();
        if old > 0 {
            fill_with(&trail, 0, 3, old / 3);
            copy_to(&trail, &target(&world)).unwrap();
            trail.compact(&mut |_| {}).unwrap();
        }
        fill_with(&trail, old, 3, (new - old) / 3);
        let faulty = FaultyStore::new(local_backend());
        let options = OpenOptions::new().with_backend(Arc::clone(&faulty) as _);
        let options =
            TrailOptions::new(world.store().to_str().unwrap()).with_store_options(options);
        faulty.fail_at(survived, effect);
        let outcome = copy_to(&Trail::open(options).unwrap(), &target(&world));
        let has_struck = faulty.is_dead();
        assert!(has_struck || outcome.is_ok(), "{outcome:?}");
        let what = format!("after a fault at write {survived}, {effect:?}");
        assert_whole(&target(&world), old, new, &what);
        copy_to(&world.reader(), &target(&world)).unwrap();
        assert_verified(&open(&target(&world)));
        assert_eq!(invoices(&open(&target(&world))), (0..new).collect::<Vec<_>>(), "{what}");
        if !has_struck {
            return survived;
        }
        survived += 1;
    }
}

#[test]
fn a_first_copy_that_is_stopped_at_any_write_is_not_there_and_goes_on() {
    for effect in [Effect::Absent, Effect::Persisted] {
        // The identity, three files, a tile, the log, the checkpoint.
        assert!(fail_at_every_write(0, 9, effect) >= 8);
    }
}

#[test]
fn a_later_copy_that_is_stopped_at_any_write_leaves_the_one_before_it() {
    for effect in [Effect::Absent, Effect::Persisted] {
        // Beside what a first one writes, what is replaced is deleted.
        assert!(fail_at_every_write(252, 264, effect) >= 12);
    }
}

#[test]
fn a_tree_that_nobody_signed_is_copied_and_signed_where_it_goes_on() {
    let world = World::new();
    let trail = world.trail();
    fill(&trail, 0, 2);
    let checkpoint = world.store().join("_trailkeeper/checkpoint");
    let old = std::fs::read(&checkpoint).unwrap();
    fill(&trail, 6, 1);
    std::fs::write(&checkpoint, old).unwrap();
    let report = copy_to(&world.reader(), &target(&world)).unwrap();
    assert_eq!((report.events, report.checkpoint_size), (9, Some(6)));
    std::fs::rename(target(&world), world.dir.path().join("moved")).unwrap();
    let moved = world.dir.path().join("moved");
    let options = TrailOptions::new(moved.to_str().unwrap()).with_spool(world.spool());
    drain(&Trail::open(options).unwrap());
    assert_verified(&open(&moved));
}

fn refusal(trail: &Trail, folder: &Path) -> String {
    let before = folder.exists().then(|| tree(folder));
    let error = copy_to(trail, folder).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(before.is_none_or(|before| before == tree(folder)));
    error.to_string()
}

#[test]
fn a_place_that_holds_something_else_is_refused() {
    let (world, other) = (World::new(), World::new());
    fill(&world.trail(), 0, 3);
    fill(&other.trail(), 0, 3);
    let trail = world.reader();
    assert!(refusal(&trail, &other.store()).contains("another trail"));
    assert!(refusal(&trail, &world.spool()).contains("something else"));
    assert!(refusal(&trail, &world.store()).contains("the store itself"));
    assert!(refusal(&trail, &world.store().join("month=2026-11")).contains("inside"));
    assert!(refusal(&trail, world.dir.path()).contains("inside"));
    let file = world.dir.path().join("file");
    std::fs::write(&file, "text").unwrap();
    assert_eq!(copy_to(&trail, &file).unwrap_err().kind(), ErrorKind::Invalid);
    // An identity alone makes no other trail a copy.
    let identity = "_trailkeeper/identity.json";
    std::fs::copy(world.store().join(identity), other.store().join(identity)).unwrap();
    assert!(refusal(&trail, &other.store()).contains("another trail"));
}

#[test]
fn a_copy_that_has_gone_on_is_refused() {
    let world = World::new();
    fill(&world.trail(), 0, 3);
    copy_to(&world.reader(), &target(&world)).unwrap();
    let spool = world.dir.path().join("second");
    let key = world.spool().join("checkpoint.key");
    let moved = Trail::open(
        TrailOptions::new(target(&world).to_str().unwrap()).with_spool(spool).with_key(key),
    )
    .unwrap();
    fill(&moved, 100, 1);
    assert!(refusal(&world.reader(), &target(&world)).contains("gone on by itself"));
    // Also when this trail has more events by now.
    fill(&world.trail(), 9, 3);
    assert!(refusal(&world.reader(), &target(&world)).contains("not the first ones"));
    assert!(refusal(&open(&target(&world)), &world.store()).contains("gone on by itself"));
}

#[test]
fn a_store_without_events_is_not_copied_and_a_missing_file_is_told() {
    let world = World::new();
    let trail = world.trail();
    fill(&trail, 0, 2);
    let month = world.store().join("month=2026-11");
    let file = std::fs::read_dir(&month).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(&file).unwrap();
    let error = copy_to(&trail, &target(&world)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(file.file_name().unwrap().to_str().unwrap()), "{error}");

    let empty = World::new();
    Trail::stats(&empty.trail()).unwrap();
    let error = copy_to(&empty.trail(), &target(&empty)).unwrap_err();
    assert!(error.to_string().contains("nothing to copy"), "{error}");
}

/// Copies a folder file by file, as `cp -r` does, with the names as they are listed once for each folder.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let mut paths: Vec<_> =
        std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &to);
        } else if path.exists() {
            // A file that has gone since it was listed is one that `rsync` reports as vanished.
            let _ = std::fs::copy(&path, to);
        }
    }
}

#[test]
fn folders_that_are_copied_in_the_documented_order_hold_one_version() {
    let world = World::new();
    let trail = world.trail();
    fill(&trail, 0, 3);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..30 {
                fill(&trail, 9 + 6 * round, 2);
                trail.compact_a_little().unwrap();
                // Files that were replaced stay for a day.
                Trail::vacuum(&trail, FILE_GRACE).unwrap();
            }
            is_done.store(true, Ordering::SeqCst);
        });
        for number in 0.. {
            if is_done.load(Ordering::SeqCst) {
                assert!(number > 1);
                break;
            }
            let copy = world.dir.path().join(format!("naive-{number}"));
            // The checkpoint, the log, the rest.
            std::fs::create_dir_all(copy.join("_trailkeeper")).unwrap();
            let checkpoint = "_trailkeeper/checkpoint";
            std::fs::copy(world.store().join(checkpoint), copy.join(checkpoint)).unwrap();
            let signed = std::fs::read(copy.join(checkpoint)).unwrap();
            copy_folder(&world.store().join("_delta_log"), &copy.join("_delta_log"));
            copy_folder(&world.store(), &world.dir.path().join("rest"));
            copy_rest(&world.dir.path().join("rest"), &copy);
            assert_eq!(std::fs::read(copy.join(checkpoint)).unwrap(), signed);
            let report = verify(&open(&copy));
            for finding in &report.findings {
                assert!(finding.to_string().contains("not covered"), "{finding}");
            }
            assert_eq!(invoices(&open(&copy)), (0..report.events).collect::<Vec<_>>());
            // With the key it goes on, and what was not signed is signed.
            let moved = TrailOptions::new(copy.to_str().unwrap())
                .with_spool(world.dir.path().join(format!("spool-{number}")))
                .with_key(world.spool().join("checkpoint.key"));
            let moved = Trail::open(moved).unwrap();
            moved.elect_drainer().unwrap().unwrap().drain_once(BatchLimits::default()).unwrap();
            assert_eq!(verify(&open(&copy)).verdict, Verdict::Verified);
        }
    });
}

/// Moves what a second pass brought to a copy, but what the first one brought.
fn copy_rest(rest: &Path, copy: &Path) {
    for (path, bytes) in tree(rest) {
        let name = path.strip_prefix(rest).unwrap();
        let to = copy.join(name);
        if name.starts_with("_delta_log") || to.ends_with("_trailkeeper/checkpoint") {
            continue;
        }
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, bytes).unwrap();
    }
    std::fs::remove_dir_all(rest).unwrap();
}
