//! A store belongs to the key it was claimed with.

use std::os::unix::fs::PermissionsExt as _;

use trailkeeper_engine::{BatchLimits, Error, ErrorKind, Trail};

use crate::sample::{World, assert_verified, drain, invoices, write};

fn drain_error(trail: &Trail) -> Error {
    let mut drainer = trail.elect_drainer().unwrap().unwrap();
    drainer.drain_once(BatchLimits::default()).unwrap_err()
}

#[test]
fn a_new_key_is_for_its_owner_only() {
    let world = World::new();
    drain(&world.trail());
    let mode =
        std::fs::metadata(world.spool().join("checkpoint.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_second_project_is_refused_and_keeps_its_events() {
    let world = World::new();
    let first = world.trail();
    write(&mut first.spool().unwrap().writer().unwrap(), 0, 2);
    drain(&first);

    let options =
        world.options().with_spool(world.dir.path().join("other")).with_source("django:blog");
    let second = Trail::open(options).unwrap();
    let mut writer = second.spool().unwrap().writer().unwrap();
    write(&mut writer, 100, 2);
    let error = drain_error(&second);
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let text = error.to_string();
    assert!(text.contains("django:shop") && text.contains("checkpoint.key"), "{text}");
    assert_eq!(second.spool().unwrap().view().unwrap().backlog().records, 2);
    assert_eq!(invoices(&world.reader()), [0, 1]);
    assert_verified(&world.reader());
}

#[test]
fn the_key_of_another_store_is_refused() {
    let (world, other) = (World::new(), World::new());
    write(&mut world.trail().spool().unwrap().writer().unwrap(), 0, 2);
    drain(&world.trail());
    drain(&other.trail());
    let mixed = Trail::open(world.options().with_spool(other.spool())).unwrap();
    write(&mut mixed.spool().unwrap().writer().unwrap(), 100, 2);
    assert!(matches!(drain_error(&mixed), Error::ForeignStore { .. }));
    assert_eq!(mixed.spool().unwrap().view().unwrap().backlog().records, 2);
    assert_eq!(invoices(&world.reader()), [0, 1]);
    assert_verified(&world.reader());
}

#[test]
fn a_lost_key_stops_draining_until_it_is_restored() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    write(&mut writer, 0, 2);
    drain(&trail);
    let path = world.spool().join("checkpoint.key");
    let key = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    write(&mut writer, 2, 2);
    let trail = world.trail();
    assert!(matches!(drain_error(&trail), Error::ForeignStore { .. }));
    assert!(!path.exists());

    std::fs::write(&path, "PRIVATE+KEY+nonsense").unwrap();
    assert!(matches!(drain_error(&trail), Error::Key { .. }));

    std::fs::write(&path, key).unwrap();
    drain(&trail);
    assert_eq!(invoices(&world.reader()), [0, 1, 2, 3]);
    assert_verified(&world.reader());
}

#[test]
fn a_store_that_was_replaced_is_not_signed_for() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    write(&mut writer, 0, 2);
    drain(&trail);
    std::fs::remove_dir_all(world.store()).unwrap();
    write(&mut writer, 2, 2);
    let trail = world.trail();
    let error = drain_error(&trail);
    assert!(matches!(error, Error::OtherStore { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(invoices(&trail), [2, 3]);
}

#[test]
fn one_spool_has_one_drainer() {
    let world = World::new();
    let trail = world.trail();
    let drainer = trail.elect_drainer().unwrap();
    assert!(drainer.is_some());
    assert!(trail.elect_drainer().unwrap().is_none());
    assert!(world.trail().elect_drainer().unwrap().is_none());
    drop(drainer);
    assert!(trail.elect_drainer().unwrap().is_some());
}
