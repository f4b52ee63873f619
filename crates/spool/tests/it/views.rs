use crate::support::*;
use trailkeeper_spool::{BatchLimits, BatchNumber, Options, Spool, SpoolError};

#[test]
fn a_view_tells_what_is_drained_covered_and_waiting() {
    let place = place(Options::default());
    let mut writer = place.spool.writer().unwrap();
    complete(&mut writer, 1, &["drained"]);
    let mut consumer = place.consumer();
    drain(&mut consumer);
    let large = complete(&mut writer, 2, &["a", "b", "c"]);
    consumer.poll().unwrap();
    let part = consumer.ready(BatchLimits { max_records: 1, max_bytes: 99 }).unwrap();
    consumer.begin_batch(BatchNumber(2), &part).unwrap();
    consumer.finish_batch(BatchNumber(2)).unwrap();
    let part = consumer.ready(BatchLimits { max_records: 1, max_bytes: 99 }).unwrap();
    consumer.begin_batch(BatchNumber(3), &part).unwrap();
    let waiting = complete(&mut writer, 3, &["d"]);
    sealed(&mut writer, &["not committed"]);

    let spool = Spool::open_existing(&place.root()).unwrap();
    let mut view = spool.view().unwrap();
    assert_eq!((view.finished(), view.begun()), (BatchNumber(2), Some(BatchNumber(3))));
    let seen: Vec<_> = view
        .transactions()
        .iter()
        .map(|t| (t.id, t.first_position, t.covered_until, t.record_count))
        .collect();
    assert_eq!(seen, [(large, 1, 2, 3), (waiting, 0, 0, 1)]);
    let backlog = view.backlog();
    assert_eq!((backlog.transactions, backlog.records, backlog.in_doubt), (2, 3, 0));
    assert_eq!(backlog.oldest_committed_at, Some(2));

    // The view outlives the files.
    consumer.finish_batch(BatchNumber(3)).unwrap();
    drop(writer);
    consumer.poll().unwrap();
    let id = consumer.in_doubt().unwrap()[0].transaction;
    consumer.resolve(id, trailkeeper_spool::Resolution::Aborted).unwrap();
    drain(&mut consumer);
    consumer.poll().unwrap();
    assert_eq!(files(&place.root().join("writers")).len(), 0);
    let transaction = view.transactions()[0].clone();
    let part = view.records(&transaction, 1, BatchLimits::default()).unwrap();
    assert_eq!(part.records().collect::<Vec<_>>(), [b"b", b"c"]);
}

/// The protocol of the view, against a consumer that is always draining.
#[test]
fn view_and_table_together_show_each_transaction_once() {
    use std::sync::Mutex;
    let place = place(SMALL);
    // The table: the last batch and the records in it.
    let table = Mutex::new((BatchNumber(0), Vec::<String>::new()));
    let mut writer = place.spool.writer().unwrap();
    std::thread::scope(|scope| {
        let drainer = scope.spawn(|| {
            let mut consumer = place.consumer();
            while table.lock().unwrap().1.len() < 600 {
                consumer.poll().unwrap();
                let limits = BatchLimits { max_records: 5, max_bytes: 1000 };
                let batch = consumer.ready(limits).unwrap();
                if batch.is_empty() {
                    continue;
                }
                let number = consumer.last_batch().next();
                consumer.begin_batch(number, &batch).unwrap();
                {
                    let mut table = table.lock().unwrap();
                    table.0 = number;
                    table.1.extend(contents(&batch).into_iter().flat_map(|(_, records)| records));
                }
                consumer.finish_batch(number).unwrap();
            }
        });
        for n in 0..200 {
            let records = [format!("{n}.0"), format!("{n}.1"), format!("{n}.2")];
            complete(&mut writer, n, &records.each_ref().map(String::as_str));
            if n % 8 != 0 {
                continue;
            }
            let shown = loop {
                let mut view = place.spool.view().unwrap();
                let (number, mut shown) = table.lock().unwrap().clone();
                let is_begun = view.begun() == Some(number);
                if number != view.finished() && !is_begun {
                    continue;
                }
                for t in view.transactions().to_vec() {
                    let from = t.first_position.max(if is_begun { t.covered_until } else { 0 });
                    if from < t.record_count {
                        let part = view.records(&t, from, BatchLimits::default()).unwrap();
                        let text = |record: &[u8]| String::from_utf8(record.to_vec()).unwrap();
                        shown.extend(part.records().map(text));
                    }
                }
                break shown;
            };
            let all: Vec<_> =
                (0..=n).flat_map(|n| (0..3).map(move |p| format!("{n}.{p}"))).collect();
            assert_eq!(shown, all);
        }
        drainer.join().unwrap();
    });
}

#[test]
fn a_folder_that_is_no_spool_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let error = Spool::open_existing(dir.path()).unwrap_err();
    assert!(matches!(error, SpoolError::NotASpool { .. }));
    assert_eq!(files(dir.path()).len(), 0);
}

#[test]
fn a_spool_that_lost_its_format_is_not_made_anew() {
    let place = place(Options::default());
    let id = place.spool.id();
    let mut writer = place.spool.writer().unwrap();
    complete(&mut writer, 1, &["a"]);
    assert_eq!(Spool::open(&place.root(), Options::default()).unwrap().id(), id);
    std::fs::remove_file(place.root().join("FORMAT")).unwrap();
    let error = Spool::open(&place.root(), Options::default()).unwrap_err();
    assert!(matches!(error, SpoolError::Corrupt { .. }));
}
