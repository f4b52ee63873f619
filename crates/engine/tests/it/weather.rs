//! Stores that cannot be used: a clear error, and the events stay in the spool.

use std::fs;

use trailkeeper_engine::{BatchLimits, Error, ErrorKind, Trail};

use crate::sample::{World, assert_verified, drain, invoices, write};

fn drain_error(trail: &Trail) -> Error {
    trail.elect_drainer().unwrap().unwrap().drain_once(BatchLimits::default()).unwrap_err()
}

fn backlog(trail: &Trail) -> u64 {
    trail.spool().unwrap().view().unwrap().backlog().records
}

#[test]
fn events_wait_while_the_folder_cannot_be_made() {
    let world = World::new();
    let trail = world.trail();
    write(&mut trail.spool().unwrap().writer().unwrap(), 0, 2);
    fs::write(world.store(), "").unwrap();
    assert_eq!(drain_error(&trail).kind(), ErrorKind::Invalid);
    assert_eq!(backlog(&trail), 2);
    fs::remove_file(world.store()).unwrap();
    assert_eq!(drain(&trail), 2);
    assert_eq!(invoices(&world.reader()), [0, 1]);
}

#[test]
fn events_wait_while_the_folder_is_gone() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    write(&mut writer, 0, 2);
    drain(&trail);
    let elsewhere = world.dir.path().join("elsewhere");
    fs::rename(world.store(), &elsewhere).unwrap();
    write(&mut writer, 2, 2);
    let mut drainer = trail.elect_drainer().unwrap().unwrap();
    for _ in 0..2 {
        drainer.drain_once(BatchLimits::default()).unwrap_err();
    }
    assert_eq!(backlog(&trail), 2);
    fs::remove_dir_all(world.store()).unwrap();
    fs::rename(&elsewhere, world.store()).unwrap();
    drainer.drain_once(BatchLimits::default()).unwrap();
    assert_eq!(invoices(&world.reader()), [0, 1, 2, 3]);
    assert_verified(&world.reader());
}

#[test]
fn events_wait_while_the_folder_is_read_only() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    write(&mut writer, 0, 2);
    drain(&trail);
    write(&mut writer, 2, 2);
    let folders = [
        world.store().join("_delta_log"),
        world.store().join("month=2026-11"),
        world.store().join("_trailkeeper"),
    ];
    if !set_immutable(&folders, "+i") {
        println!("SKIPPED: this file system has no immutable folders");
        return;
    }
    let error = drain_error(&trail);
    assert!(set_immutable(&folders, "-i"));
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("no permission"), "{error}");
    assert_eq!(backlog(&trail), 2);
    drain(&trail);
    assert_verified(&world.reader());
}

/// Root writes where permission bits forbid it, and not where a folder is immutable.
fn set_immutable(folders: &[std::path::PathBuf], flag: &str) -> bool {
    let status = std::process::Command::new("chattr").arg(flag).args(folders).status();
    status.is_ok_and(|status| status.success())
}

#[test]
fn a_store_of_a_newer_format_is_left_alone() {
    let world = World::new();
    drain(&world.trail());
    let path = world.store().join("_delta_log/00000000000000000000.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"trailkeeper.format\":\"1\"", "\"trailkeeper.format\":\"7\""))
        .unwrap();
    let trail = world.trail();
    write(&mut trail.spool().unwrap().writer().unwrap(), 0, 2);
    let error = drain_error(&trail);
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("format 7"), "{error}");
    assert_eq!(backlog(&trail), 2);
}

#[test]
fn an_event_of_twenty_megabytes_goes_through() {
    let world = World::new();
    let trail = world.trail();
    let mut record = trailkeeper_engine::RecordBuilder::new();
    let large = format!("{{\"blob\":\"{}\"}}", "x\u{0000e9}".repeat(7 << 20).replace('\n', ""));
    record
        .text(trailkeeper_engine::Column::After, &large)
        .text(trailkeeper_engine::Column::Model, "m")
        .text(trailkeeper_engine::Column::ObjectId, "1");
    crate::sample::push(&mut trail.spool().unwrap().writer().unwrap(), &record);
    drain(&trail);
    let history = world.reader().history("m", "1").unwrap();
    assert_eq!(history[0].text(trailkeeper_engine::Column::After), Some(large.as_str()));
    assert_verified(&world.reader());
}

#[test]
fn a_trail_without_spool_does_not_drain() {
    let world = World::new();
    assert!(matches!(world.reader().elect_drainer(), Err(Error::NoSpool)));
}
