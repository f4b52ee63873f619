use crate::support::*;
use trailkeeper_spool::{BatchLimits, BatchNumber, Options, SpoolError};

#[test]
fn a_begun_batch_is_finished_or_forgotten_after_a_crash() {
    for is_in_table in [true, false] {
        let place = place(Options::default());
        let mut writer = place.spool.writer().unwrap();
        let first = complete(&mut writer, 1, &["a"]);
        let mut consumer = place.consumer();
        consumer.poll().unwrap();
        let batch = consumer.ready(BatchLimits::default()).unwrap();
        consumer.begin_batch(BatchNumber(7), &batch).unwrap();
        drop(consumer);

        let second = complete(&mut writer, 2, &["b"]);
        let mut consumer = place.consumer();
        assert_eq!(consumer.begun_batch(), Some(BatchNumber(7)));
        consumer.poll().unwrap();
        let refused = consumer.ready(BatchLimits::default()).unwrap_err();
        assert!(matches!(refused, SpoolError::BatchOpen(BatchNumber(7))));
        let other = consumer.finish_batch(BatchNumber(8)).unwrap_err();
        assert!(matches!(other, SpoolError::BatchNotOpen(BatchNumber(8))));
        if is_in_table {
            consumer.finish_batch(BatchNumber(7)).unwrap();
        } else {
            consumer.forget_batch(BatchNumber(7)).unwrap();
            let used = consumer.begin_batch(BatchNumber(7), &batch).unwrap_err();
            assert!(matches!(used, SpoolError::BatchNumberUsed { .. }));
        }
        let ids: Vec<_> = drain(&mut consumer).into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, if is_in_table { vec![second] } else { vec![first, second] });
    }
}

/// Finishing at once after opening, before anything is read again.
#[test]
fn a_batch_finished_before_the_first_poll_stays_drained() {
    let place = place(Options::default());
    let mut writer = place.spool.writer().unwrap();
    let open = sealed(&mut writer, &["open"]);
    let mut consumer = place.consumer();
    complete(&mut writer, 1, &["a"]);
    consumer.poll().unwrap();
    let batch = consumer.ready(BatchLimits::default()).unwrap();
    consumer.begin_batch(BatchNumber(1), &batch).unwrap();
    drop(consumer);
    let mut consumer = place.consumer();
    consumer.finish_batch(BatchNumber(1)).unwrap();
    drop(consumer);
    let mut consumer = place.consumer();
    assert_eq!(drain(&mut consumer), []);
    writer.commit(open, 2, None).unwrap();
    assert_eq!(drain(&mut consumer), [(open, vec!["open".to_owned()])]);
}

#[test]
fn a_large_transaction_goes_out_in_parts() {
    let place = place(SMALL);
    let mut writer = place.spool.writer().unwrap();
    let id = writer.begin().unwrap();
    let all: Vec<String> = (0..100).map(|n| format!("record {n}")).collect();
    for (first, chunk) in (0..).step_by(7).zip(all.chunks(7)) {
        writer.prepare(id, first, &buffer(chunk), None).unwrap();
    }
    writer.prepare(id, 100, &buffer(["dropped"]), None).unwrap();
    writer.truncate(id, 100).unwrap();
    writer.prepare(id, 100, &buffer([""; 0]), Some(b"")).unwrap();
    writer.commit(id, 50, None).unwrap();
    let small = complete(&mut writer, 1, &["small"]);
    // Another writer's earlier commit does not come between the parts.
    let mut other = place.spool.writer().unwrap();

    let mut consumer = place.consumer();
    let (mut seen, mut parts) = (Vec::new(), 0);
    loop {
        consumer.poll().unwrap();
        let limits = BatchLimits { max_records: 9, max_bytes: 70 };
        let batch = consumer.ready(limits).unwrap();
        if batch.is_empty() {
            break;
        }
        assert!(batch.record_count() <= 9);
        let part = batch.transactions().next().unwrap();
        if part.id == id {
            assert_eq!(part.first_position as usize, seen.len());
            assert_eq!(part.is_last_part, part.next_position == 100);
            parts += 1;
        }
        seen.extend(contents(&batch).into_iter().flat_map(|(_, records)| records));
        let number = consumer.last_batch().next();
        consumer.begin_batch(number, &batch).unwrap();
        let finished = parts % 2 == 0;
        if finished {
            consumer.finish_batch(number).unwrap();
        }
        drop(consumer);
        consumer = place.consumer();
        if !finished {
            consumer.finish_batch(number).unwrap();
        }
        if parts == 3 {
            complete(&mut other, -9, &["other"]);
        }
    }
    assert!(parts > 10);
    assert_eq!(seen[..100], all);
    assert_eq!(seen[100..], ["other", "small"]);
    drop(writer);
    consumer.poll().unwrap();
    assert_eq!(files(&place.root().join("writers")).len(), 1, "{small}");
}

#[test]
fn a_batch_of_an_earlier_state_is_refused() {
    let place = place(Options::default());
    let mut writer = place.spool.writer().unwrap();
    complete(&mut writer, 1, &["a"]);
    let mut consumer = place.consumer();
    consumer.poll().unwrap();
    let stale = consumer.ready(BatchLimits::default()).unwrap();
    drain(&mut consumer);
    let refused = consumer.begin_batch(consumer.last_batch().next(), &stale).unwrap_err();
    assert!(matches!(refused, SpoolError::BatchStale));
}

#[test]
fn drained_segments_are_deleted_and_their_writers_forgotten() {
    let place = place(SMALL);
    let mut consumer = place.consumer();
    let empty = std::fs::metadata(place.root().join("progress")).unwrap().len();
    for _ in 0..5 {
        let mut writer = place.spool.writer().unwrap();
        for n in 0..30 {
            complete(&mut writer, n, &["some bytes that fill segments"]);
        }
        let aborted = writer.begin().unwrap();
        writer.prepare(aborted, 0, &buffer(["x"]), None).unwrap();
        writer.abort(aborted).unwrap();
        assert_eq!(drain(&mut consumer).len(), 30);
        assert_eq!(files(&place.root().join("writers")).len(), 1);
        drop(writer);
        consumer.poll().unwrap();
        assert_eq!(files(&place.root().join("writers")).len(), 0);
    }
    consumer.sync_all().unwrap();
    consumer.poll().unwrap();
    drain(&mut consumer);
    assert_eq!(std::fs::metadata(place.root().join("progress")).unwrap().len(), empty);
    assert_eq!(place.spool.usage().unwrap(), 0);
}

#[test]
fn a_damaged_progress_file_is_named() {
    let place = place(Options::default());
    let path = place.root().join("progress");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = place.spool.elect_consumer().unwrap_err();
    assert!(matches!(error, SpoolError::Corrupt { path: named, .. } if named == path));
    std::fs::remove_file(&path).unwrap();
    let error = place.spool.elect_consumer().unwrap_err();
    assert!(error.to_string().contains("progress is corrupt: it is missing"));
}

#[test]
fn bytes_that_change_after_they_were_read_are_not_handed_out() {
    let place = place(Options::default());
    let mut writer = place.spool.writer().unwrap();
    complete(&mut writer, 1, &["as written"]);
    let mut consumer = place.consumer();
    assert_eq!(consumer.poll().unwrap(), 1);
    let segment = files(&place.root().join("writers")).remove(0);
    let mut bytes = std::fs::read(&segment).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let error = consumer.ready(BatchLimits::default()).unwrap_err();
    assert!(matches!(error, SpoolError::CorruptSegment { path, .. } if path == segment));
}
