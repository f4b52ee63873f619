//! Transactions whose outcome nobody wrote down, and spools with damage.

use trailkeeper_engine::{BatchLimits, Column, ErrorKind, EventFilter, Record, Resolution, Trail};
use trailkeeper_spool::RecordBuffer;
use trailkeeper_testkit::invoice_record;

use crate::sample::{START, World, assert_verified, drain, invoices, write};

/// A writer that died after announcing COMMIT of one transaction with three events.
fn die_in_doubt(trail: &Trail) {
    let mut writer = trail.spool().unwrap().writer().unwrap();
    let mut records = RecordBuffer::new();
    for number in 0..3 {
        records.push(invoice_record(number, 5, START).as_bytes()).unwrap();
    }
    let transaction = writer.begin().unwrap();
    writer.prepare(transaction, 0, &records, Some(&b"xid 77"[..])).unwrap();
}

#[test]
fn a_transaction_in_doubt_is_told_with_its_note_and_its_events() {
    let world = World::new();
    let trail = world.trail();
    die_in_doubt(&trail);
    let mut drainer = trail.elect_drainer().unwrap().unwrap();
    let report = drainer.drain_once(BatchLimits::default()).unwrap();
    assert_eq!((report.in_doubt, report.events), (1, 0));
    let list = drainer.in_doubt().unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].note.as_deref(), Some(&b"xid 77"[..]));
    assert_eq!(list[0].record_count, 3);
    assert_eq!(list[0].records.len(), 3);
    let last = Record::parse(&list[0].records[2]).unwrap();
    assert_eq!(last.text(Column::ObjectId), Some("2"));
    assert!(invoices(&trail).is_empty());
}

#[test]
fn what_was_committed_after_all_is_drained() {
    let world = World::new();
    let trail = world.trail();
    die_in_doubt(&trail);
    let mut drainer = trail.elect_drainer().unwrap().unwrap();
    let transaction = drainer.in_doubt().unwrap()[0].transaction;
    drainer.resolve(transaction, Resolution::Committed { committed_at: START }).unwrap();
    assert_eq!(drainer.drain_once(BatchLimits::default()).unwrap().events, 3);
    assert_eq!(invoices(&world.reader()), [0, 1, 2]);
    let again = drainer.resolve(transaction, Resolution::Aborted).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
}

#[test]
fn what_was_rolled_back_leaves_nothing() {
    let world = World::new();
    let trail = world.trail();
    die_in_doubt(&trail);
    let mut drainer = trail.elect_drainer().unwrap().unwrap();
    let transaction = drainer.in_doubt().unwrap()[0].transaction;
    drainer.resolve(transaction, Resolution::Aborted).unwrap();
    assert!(drainer.drain_once(BatchLimits::default()).unwrap().is_idle());
    assert!(drainer.in_doubt().unwrap().is_empty());
}

#[test]
fn what_nobody_can_tell_is_kept_and_not_asserted() {
    let world = World::new();
    let trail = world.trail();
    die_in_doubt(&trail);
    let mut drainer = trail.elect_drainer().unwrap().unwrap();
    let transaction = drainer.in_doubt().unwrap()[0].transaction;
    drainer.resolve(transaction, Resolution::Unknown).unwrap();
    assert!(drainer.in_doubt().unwrap().is_empty());
    drop(drainer);
    assert!(invoices(&world.reader()).is_empty());
    let filter =
        EventFilter { action: Some("transaction.in_doubt".to_owned()), ..EventFilter::default() };
    let events = world.reader().search(&filter).unwrap();
    assert_eq!(events.len(), 1);
    let data = events[0].json(Column::Data).unwrap();
    assert_eq!(data["records"][1]["object_id"], "1");
    assert_eq!(events[0].text(Column::Kind), Some("system"));
    assert_eq!(events[0].text(Column::Source), Some("django:shop"));
    assert_verified(&world.reader());
}

#[test]
fn a_damaged_segment_is_reported_once_and_the_rest_goes_on() {
    let world = World::new();
    let trail = world.trail();
    let mut broken = trail.spool().unwrap().writer().unwrap();
    write(&mut broken, 0, 1);
    let writer_id = broken.id().to_string();
    drop(broken);
    let mut segments = Vec::new();
    find_files(&world.spool(), &writer_id, &mut segments);
    let [segment] = segments.as_slice() else { panic!("one segment: {segments:?}") };
    let mut bytes = std::fs::read(segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(segment, bytes).unwrap();
    write(&mut trail.spool().unwrap().writer().unwrap(), 10, 2);

    let mut drainer = trail.elect_drainer().unwrap().unwrap();
    let report = drainer.drain_once(BatchLimits::default()).unwrap();
    assert_eq!((report.events, report.reports.len()), (3, 1), "{report:?}");
    assert!(drainer.drain_once(BatchLimits::default()).unwrap().reports.is_empty());
    drop(drainer);
    drain(&trail);
    let filter = EventFilter { action: Some("spool.corrupt".to_owned()), ..EventFilter::default() };
    let events = world.reader().search(&filter).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].text(Column::ObjectId), Some(writer_id.as_str()));
    assert!(events[0].json(Column::Data).unwrap()["kept"].is_string());
    assert_eq!(invoices(&world.reader()), [10, 11]);
    assert_verified(&world.reader());
}

fn find_files(folder: &std::path::Path, part: &str, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_files(&path, part, found);
        } else if path.to_string_lossy().contains(part) {
            found.push(path);
        }
    }
}
