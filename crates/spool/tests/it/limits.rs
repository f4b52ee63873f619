use std::fs;
use std::io::Write;
use std::process::Command;

use crate::support::*;
use trailkeeper_spool::{Options, RecordBuffer, Report, Spool, SpoolError};

#[test]
fn a_full_spool_refuses_appends_and_takes_marks() {
    let place = place(Options { disk_limit: 4000, segment_size: 1000 });
    let mut writer = place.spool.writer().unwrap();
    let open = sealed(&mut writer, &["open"]);
    let records = buffer(["x".repeat(100)]);
    let mut appended = 0;
    let error = loop {
        let id = writer.begin().unwrap();
        match writer.append_complete(id, 1, &records) {
            Ok(()) => appended += 1,
            Err(error) => break error,
        }
    };
    let SpoolError::Full { used, limit: 4000 } = error else { panic!("{error}") };
    assert!(used <= 4000 && appended > 20);
    // The refused writer has moved to a new segment, so that its old one can be deleted.
    let moved = place.spool.usage().unwrap() - used;
    assert!(moved > 0 && moved < 100, "a closing frame and a header: {moved} bytes");
    let id = writer.begin().unwrap();
    assert!(matches!(writer.prepare(id, 0, &records, None), Err(SpoolError::Full { .. })));
    let mut other = place.spool.writer().unwrap();
    let others = other.begin().unwrap();
    let refused = other.append_complete(others, 1, &records);
    assert!(matches!(refused, Err(SpoolError::Full { .. })), "the limit is the directory's");
    writer.truncate(open, 1).unwrap();
    writer.commit(open, 2, Some(&records)).unwrap();
    writer.abort(id).unwrap();

    let mut consumer = place.consumer();
    assert_eq!(drain(&mut consumer).len(), appended + 1);
    other.append_complete(others, 3, &records).unwrap();
    assert_eq!(drain(&mut consumer).len(), 1);
}

#[test]
fn a_full_device_leaves_no_garbage() {
    let mount_point = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=96k", "tmpfs"])
        .arg(mount_point.path())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED a_full_device_leaves_no_garbage: cannot mount a tmpfs (not root?)");
        return;
    }
    let outcome = std::panic::catch_unwind(|| {
        fill_device(mount_point.path());
        fs::remove_dir_all(mount_point.path().join("spool")).unwrap();
        owe_marks(mount_point.path());
    });
    Command::new("umount").arg(mount_point.path()).status().unwrap();
    outcome.unwrap();
}

fn fill_device(folder: &std::path::Path) {
    let spool = Spool::open(&folder.join("spool"), Options::default()).unwrap();
    let mut writer = spool.writer().unwrap();
    let records = buffer(["x".repeat(1500)]);
    let mut acknowledged = Vec::new();
    let mut refusals = 0;
    while refusals < 3 {
        let id = writer.begin().unwrap();
        let sealed = writer.prepare(id, 0, &records, Some(&[b'n'; 700]));
        match sealed.and_then(|()| writer.commit(id, 1, None)) {
            Ok(()) => acknowledged.push(id),
            Err(SpoolError::NoSpace { .. }) => refusals += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(acknowledged.len() > 20);
    // Something else is deleted: the writer goes on in the same segment.
    let ballast = folder.join("spool/progress");
    let progress = fs::read(&ballast).unwrap();
    fs::remove_file(&ballast).unwrap();
    let id = writer.begin().unwrap();
    writer.append_complete(id, 1, &buffer(["small"])).unwrap();
    acknowledged.push(id);
    drop(writer);
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&folder.join("spool"), copy.path());
    fs::write(copy.path().join("progress"), progress).unwrap();
    let spool = Spool::open(copy.path(), Options::default()).unwrap();
    let mut consumer = spool.elect_consumer().unwrap().unwrap();
    let drained: Vec<_> = drain(&mut consumer).into_iter().map(|(id, _)| id).collect();
    assert_eq!(drained, acknowledged);
    assert_eq!(consumer.take_reports(), []);
}

/// Marks that find no room are written as soon as there is some, before what comes after them.
fn owe_marks(folder: &std::path::Path) {
    let spool = Spool::open(&folder.join("spool"), Options::default()).unwrap();
    let mut writer = spool.writer().unwrap();
    let first = complete(&mut writer, 1, &["first"]);
    let ids = [(); 5].map(|()| sealed(&mut writer, &["prepared"]));
    let [committed, aborted, replaced, too_long, settled] = ids;
    let ballast = folder.join("ballast");
    while append(&ballast, &[0; 16]).is_ok() {}
    // To the last byte of the page.
    while writer.abort(settled).is_ok() {}

    let refused = [
        writer.commit(committed, 2, None),
        writer.abort(aborted),
        writer.commit(replaced, 3, Some(&buffer(["as stored"]))),
        writer.commit(too_long, 4, Some(&buffer(["x".repeat(100_000)]))),
        writer.write_owed(),
    ];
    for outcome in refused {
        assert!(matches!(outcome, Err(SpoolError::NoSpace { .. })), "{outcome:?}");
    }
    fs::remove_file(&ballast).unwrap();
    let last = complete(&mut writer, 5, &["last"]);
    let mut consumer = spool.elect_consumer().unwrap().unwrap();
    let drained: Vec<_> = drain(&mut consumer).into_iter().map(|(id, _)| id).collect();
    assert_eq!(drained, [first, committed, replaced, last]);
    let in_doubt: Vec<_> =
        consumer.in_doubt().unwrap().into_iter().map(|d| d.transaction).collect();
    assert_eq!(in_doubt, [too_long]);
}

fn append(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(bytes)
}

#[test]
fn a_deleted_segment_is_noticed_by_writer_and_consumer() {
    let place = place(Options::default());
    let mut writer = place.spool.writer().unwrap();
    complete(&mut writer, 1, &["lost"]);
    let mut consumer = place.consumer();
    consumer.poll().unwrap();
    let segment = files(&place.root().join("writers")).remove(0);
    fs::remove_file(&segment).unwrap();
    assert!(matches!(writer.sync(), Err(SpoolError::SegmentLost { path }) if path == segment));
    complete(&mut writer, 2, &["after"]);
    writer.sync().unwrap();
    consumer.poll().unwrap();
    assert!(matches!(consumer.take_reports()[..], [Report::Missing { .. }]));

    // Without a sync it is noticed within a mebibyte.
    fs::remove_file(files(&place.root().join("writers")).remove(0)).unwrap();
    let records = buffer([[0; 1000]]);
    let noticed = (0..1100).find_map(|_| {
        let id = writer.begin().unwrap();
        writer.append_complete(id, 1, &records).err()
    });
    assert!(matches!(noticed, Some(SpoolError::SegmentLost { .. })));
    fs::remove_dir_all(place.root()).unwrap();
    let id = writer.begin().unwrap();
    assert!(writer.append_complete(id, 1, &records).is_err());
}

#[test]
fn an_empty_chunk_writes_nothing() {
    let place = place(Options::default());
    let mut writer = place.spool.writer().unwrap();
    let id = writer.begin().unwrap();
    writer.prepare(id, 0, &RecordBuffer::new(), None).unwrap();
    assert_eq!(place.spool.usage().unwrap(), 0);
}
