use std::fs;
use std::path::{Path, PathBuf};

use crate::support::*;
use trailkeeper_spool::{
    BatchLimits, Doubt, FrameFault, Options, Report, Resolution, Spool, SpoolError, TransactionId,
};

/// A spool of one dead writer, its only segment, and what it committed.
fn sample() -> (Place, PathBuf, Vec<(TransactionId, Vec<String>)>) {
    let place = place(Options::default());
    let mut writer = place.spool.writer().unwrap();
    complete(&mut writer, 1, &["one", "two"]);
    let open = sealed(&mut writer, &["left open"]);
    let spilled = writer.begin().unwrap();
    writer.prepare(spilled, 0, &buffer(["a", "b", "c"]), None).unwrap();
    writer.truncate(spilled, 2).unwrap();
    writer.prepare(spilled, 2, &buffer(["d"]), Some(b"xid 7")).unwrap();
    writer.commit(spilled, 2, None).unwrap();
    let replaced = sealed(&mut writer, &["sent"]);
    writer.commit(replaced, 3, Some(&buffer(["stored"]))).unwrap();
    let aborted = sealed(&mut writer, &["no"]);
    writer.abort(aborted).unwrap();
    writer.uncertain(open).unwrap();
    drop(writer);
    let segment = files(&place.root().join("writers")).remove(0);
    let mut consumer = place.consumer();
    consumer.poll().unwrap();
    let committed = contents(&consumer.ready(BatchLimits::default()).unwrap());
    assert_eq!(committed.len(), 3);
    (place, segment, committed)
}

fn with_bytes(place: &Place, segment: &Path, bytes: &[u8]) -> (tempfile::TempDir, Spool) {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&place.root(), copy.path());
    fs::write(copy.path().join("writers").join(segment.file_name().unwrap()), bytes).unwrap();
    let spool = Spool::open(copy.path(), Options::default()).unwrap();
    (copy, spool)
}

#[test]
fn a_segment_cut_anywhere_is_a_torn_append() {
    let (place, segment, committed) = sample();
    let bytes = fs::read(&segment).unwrap();
    for cut in 0..bytes.len() {
        for zeros in [0, 40] {
            let mut torn = bytes[..cut].to_vec();
            torn.resize(cut + zeros, 0);
            // Zeros are torn where a frame would start; inside one they are corruption.
            let (_copy, spool) = with_bytes(&place, &segment, &torn);
            let mut consumer = spool.elect_consumer().unwrap().unwrap();
            consumer.poll().unwrap();
            if zeros == 0 {
                assert_eq!(consumer.take_reports(), [], "cut at {cut}");
            }
            let seen = contents(&consumer.ready(BatchLimits::default()).unwrap());
            assert!(committed.starts_with(&seen), "cut at {cut}");
            assert!(consumer.in_doubt().unwrap().iter().all(|d| d.note.is_some() || zeros > 0));
        }
    }
    let mut zeros = bytes[..bytes.len() - 20].to_vec();
    zeros.resize(bytes.len() + 5000, 0);
    let (_copy, spool) = with_bytes(&place, &segment, &zeros);
    let mut consumer = spool.elect_consumer().unwrap().unwrap();
    assert_eq!(consumer.poll().unwrap(), 3);
    assert_eq!(consumer.take_reports(), []);
}

#[test]
fn a_flipped_bit_anywhere_is_reported_and_kept() {
    let (place, segment, committed) = sample();
    let bytes = fs::read(&segment).unwrap();
    for bit in (0..bytes.len() * 8).step_by(3) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let (_copy, spool) = with_bytes(&place, &segment, &flipped);
        let mut consumer = spool.elect_consumer().unwrap().unwrap();
        consumer.poll().unwrap();
        let reports = consumer.take_reports();
        let [Report::Corrupt { at, bytes: lost, kept_as, .. }] = &reports[..] else {
            panic!("bit {bit}: {reports:?}");
        };
        let from = usize::try_from(at.offset).unwrap();
        assert!(from <= bit / 8);
        assert_eq!(fs::read(kept_as).unwrap(), flipped[from..]);
        assert_eq!(*lost, (flipped.len() - from) as u64);
        let seen = contents(&consumer.ready(BatchLimits::default()).unwrap());
        assert!(committed.starts_with(&seen), "bit {bit}");
        assert!(spool.view().unwrap().transactions().len() == seen.len());
    }
}

/// Damages a byte of the first segment that holds `text`.
fn damage(place: &Place, text: &str) {
    for path in files(&place.root().join("writers")) {
        let mut bytes = fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(text.len()).position(|window| window == text.as_bytes()) {
            bytes[at] ^= 0x40;
            return fs::write(&path, bytes).unwrap();
        }
    }
    panic!("{text} is in no segment");
}

#[test]
fn corruption_in_a_left_segment_stops_only_what_may_be_lost() {
    let place = place(SMALL);
    let mut writer = place.spool.writer().unwrap();
    let before = complete(&mut writer, 1, &["before"]);
    let open = sealed(&mut writer, &["open"]);
    let replaced = sealed(&mut writer, &["replaced"]);
    let aborted = sealed(&mut writer, &["aborted"]);
    complete(&mut writer, 2, &["damaged"]);
    damage(&place, "damaged");
    let mut consumer = place.consumer();
    assert_eq!(consumer.poll().unwrap(), 1);
    assert_eq!(consumer.take_reports(), [], "its writer is still there");

    complete(&mut writer, 3, &["lost with it"]);
    complete(&mut writer, 4, &["x".repeat(600).as_str()]);
    let after = complete(&mut writer, 5, &["after"]);
    assert_eq!(consumer.poll().unwrap(), 3);
    let reports = consumer.take_reports();
    assert!(matches!(&reports[..], [Report::Corrupt { fault: FrameFault::Payload, .. }]));
    assert_eq!(consumer.take_reports(), []);
    let doubts = |consumer: &mut trailkeeper_spool::Consumer| -> Vec<_> {
        consumer.in_doubt().unwrap().iter().map(|d| (d.transaction, d.doubt)).collect()
    };
    let damaged = Doubt::Damaged { committed_at: None };
    let expected = [(open, damaged), (replaced, damaged), (aborted, damaged)];
    assert_eq!(doubts(&mut consumer), expected);

    writer.commit(open, 6, None).unwrap();
    writer.commit(replaced, 7, Some(&buffer(["stored"]))).unwrap();
    writer.abort(aborted).unwrap();
    consumer.poll().unwrap();
    let known = Doubt::Damaged { committed_at: Some(6) };
    assert_eq!(doubts(&mut consumer), [(open, known)]);
    drop(consumer);

    // Not yet durably reported: it comes again, and after a batch no more.
    let mut consumer = place.consumer();
    consumer.poll().unwrap();
    assert_eq!(consumer.take_reports(), reports);
    let ids: Vec<_> = drain(&mut consumer).into_iter().map(|(id, _)| id).collect();
    assert_eq!((ids[0], ids[2], ids[3], ids.len()), (before, after, replaced, 4));
    drop(consumer);
    let mut consumer = place.consumer();
    consumer.poll().unwrap();
    assert_eq!(consumer.take_reports(), []);
    assert_eq!(doubts(&mut consumer), [(open, known)]);
    consumer.resolve(open, Resolution::Committed { committed_at: 6 }).unwrap();
    assert_eq!(drain(&mut consumer), [(open, vec!["open".to_owned()])]);
    drop(writer);
    drain(&mut consumer);
    consumer.poll().unwrap();
    assert_eq!(files(&place.root().join("writers")).len(), 0);
    assert_eq!(files(&place.root().join("kept")).len(), 1);
}

#[test]
fn an_unsealed_transaction_before_corruption_is_in_doubt_not_dropped() {
    let place = place(Options::default());
    let mut writer = place.spool.writer().unwrap();
    let id = writer.begin().unwrap();
    writer.prepare(id, 0, &buffer(["kept"]), None).unwrap();
    complete(&mut writer, 1, &["damaged"]);
    damage(&place, "damaged");
    drop(writer);
    let mut consumer = place.consumer();
    consumer.poll().unwrap();
    let doubts = consumer.in_doubt().unwrap();
    assert_eq!(doubts.len(), 1);
    assert_eq!((doubts[0].transaction, doubts[0].record_count), (id, 1));
}

#[test]
fn a_missing_segment_and_a_missing_end_are_reported() {
    let place = place(SMALL);
    let mut writer = place.spool.writer().unwrap();
    let text = "x".repeat(500);
    for at in 0..4 {
        complete(&mut writer, at, &[&text]);
    }
    let segments = files(&place.root().join("writers"));
    assert_eq!(segments.len(), 4);
    let len = fs::metadata(&segments[0]).unwrap().len();
    fs::OpenOptions::new().write(true).open(&segments[0]).unwrap().set_len(len - 20).unwrap();
    fs::remove_file(&segments[2]).unwrap();
    let mut consumer = place.consumer();
    assert_eq!(consumer.poll().unwrap(), 3);
    let reports = consumer.take_reports();
    let [
        Report::Corrupt { fault: FrameFault::EndMissing, bytes: 0, .. },
        Report::Missing { at, .. },
    ] = &reports[..]
    else {
        panic!("{reports:?}");
    };
    assert_eq!((at.segment.0, at.offset), (2, 0));
}

#[test]
fn a_segment_of_a_newer_version_is_a_clear_error() {
    let (place, segment, _) = sample();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[8] = 2;
    let checksum = crc32c::crc32c(&bytes[..44]).to_le_bytes();
    bytes[44..48].copy_from_slice(&checksum);
    let (_copy, spool) = with_bytes(&place, &segment, &bytes);
    let error = spool.elect_consumer().unwrap().unwrap().poll().unwrap_err();
    assert!(matches!(error, SpoolError::NewerVersion { found: 2, supported: 1, .. }));
    assert_eq!(files(&place.root().join("kept")).len(), 0);
}

#[test]
fn corruption_keeps_its_segment_until_the_report_is_durable() {
    let place = place(Options::default());
    let mut writer = place.spool.writer().unwrap();
    complete(&mut writer, 1, &["damaged"]);
    damage(&place, "damaged");
    drop(writer);
    for _ in 0..2 {
        let mut consumer = place.consumer();
        assert_eq!(drain(&mut consumer), []);
        consumer.poll().unwrap();
        assert_eq!(consumer.take_reports().len(), 1, "a batch without the report changes nothing");
    }
    let mut consumer = place.consumer();
    consumer.poll().unwrap();
    assert_eq!(consumer.take_reports().len(), 1);
    drain(&mut consumer);
    assert_eq!(files(&place.root().join("writers")).len(), 0);
    assert_eq!(consumer.take_reports(), []);
}
