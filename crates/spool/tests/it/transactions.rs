use crate::support::*;
use trailkeeper_spool::{BatchLimits, Doubt, Options, Resolution, SpoolError};

#[test]
fn marks_decide_what_is_handed_out_and_in_which_order() {
    let place = place(Options::default());
    let mut writer = place.spool.writer().unwrap();
    let first = sealed(&mut writer, &["a", "b"]);
    let second = sealed(&mut writer, &["c"]);
    let dropped = sealed(&mut writer, &["rolled back"]);
    writer.commit(second, 20, None).unwrap();
    writer.abort(dropped).unwrap();
    writer.commit(first, 10, None).unwrap();
    let third = complete(&mut writer, 15, &["d"]);
    let mut consumer = place.consumer();
    let expected = [(second, vec!["c"]), (first, vec!["a", "b"]), (third, vec!["d"])];
    assert_eq!(
        drain(&mut consumer),
        expected.map(|(id, r)| (id, r.iter().map(|r| r.to_string()).collect()))
    );
    assert_eq!(drain(&mut consumer), []);
}

#[test]
fn a_transaction_of_one_statement_happened_when_it_was_committed() {
    let place = place(Options::default());
    let mut writer = place.spool.writer().unwrap();
    let statement = sealed(&mut writer, &["a"]);
    let usual = sealed(&mut writer, &["b"]);
    writer.commit_at_once(statement, 7).unwrap();
    writer.commit(usual, 8, None).unwrap();
    let expected = [(statement, 7, true), (usual, 8, false)];
    let view = place.spool.view().unwrap();
    let seen = view.transactions().iter().map(|each| (each.id, each.committed_at, each.is_at_once));
    assert_eq!(seen.collect::<Vec<_>>(), expected);
    let mut consumer = place.consumer();
    consumer.poll().unwrap();
    let batch = consumer.ready(BatchLimits::default()).unwrap();
    let seen = batch.transactions().map(|each| (each.id, each.committed_at, each.is_at_once));
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}

#[test]
fn writers_are_merged_by_the_time_of_their_commits() {
    let place = place(Options::default());
    let mut writers = [place.spool.writer().unwrap(), place.spool.writer().unwrap()];
    let ids: Vec<_> = [3, 1, 2, 9, 5]
        .iter()
        .enumerate()
        .map(|(n, at)| complete(&mut writers[n % 2], *at, &["x"]))
        .collect();
    // Writer 0 has 3, 2, 5 in this order of marks; writer 1 has 1, 9.
    let order: Vec<_> = drain(&mut place.consumer()).into_iter().map(|(id, _)| id).collect();
    assert_eq!(order, [ids[1], ids[0], ids[2], ids[4], ids[3]]);
}

#[test]
fn savepoints_that_are_rolled_back_leave_nothing() {
    let place = place(Options::default());
    let mut writer = place.spool.writer().unwrap();
    let id = writer.begin().unwrap();
    writer.prepare(id, 0, &buffer(["a", "b", "c"]), None).unwrap();
    writer.prepare(id, 3, &buffer(["d", "e"]), None).unwrap();
    writer.truncate(id, 1).unwrap();
    writer.prepare(id, 1, &buffer(["f"]), Some(b"")).unwrap();
    writer.commit(id, 1, None).unwrap();
    let empty = sealed(&mut writer, &["gone"]);
    writer.truncate(empty, 0).unwrap();
    writer.commit(empty, 2, None).unwrap();
    assert_eq!(drain(&mut place.consumer()), [(id, vec!["a".to_owned(), "f".to_owned()])]);
}

#[test]
fn a_replacement_takes_the_place_of_what_was_prepared() {
    let place = place(Options::default());
    let mut writer = place.spool.writer().unwrap();
    let id = sealed(&mut writer, &["as sent"]);
    writer.commit(id, 1, Some(&buffer(["as stored", "too"]))).unwrap();
    let stored = vec!["as stored".to_owned(), "too".to_owned()];
    assert_eq!(drain(&mut place.consumer()), [(id, stored)]);
}

#[test]
fn a_dead_writers_transactions_are_in_doubt_only_if_sealed() {
    let place = place(Options::default());
    let empty_progress = std::fs::metadata(place.root().join("progress")).unwrap().len();
    let mut writer = place.spool.writer().unwrap();
    let id = sealed(&mut writer, &["a", "b"]);
    let other = sealed(&mut writer, &["c"]);
    let unsealed = writer.begin().unwrap();
    writer.prepare(unsealed, 0, &buffer(["never committed"]), None).unwrap();
    let mut consumer = place.consumer();
    assert_eq!(consumer.poll().unwrap(), 0);
    assert_eq!(consumer.in_doubt().unwrap(), [], "its writer lives");

    drop(writer);
    assert_eq!(consumer.poll().unwrap(), 0);
    let doubts = consumer.in_doubt().unwrap();
    assert_eq!(doubts.iter().map(|d| d.transaction).collect::<Vec<_>>(), [id, other]);
    assert_eq!(doubts[0].doubt, Doubt::WriterDied);
    assert_eq!(doubts[0].note.as_deref(), Some(&b"note"[..]));
    assert_eq!(doubts[0].record_count, 2);
    let part = consumer.in_doubt_records(id, 1, BatchLimits::default()).unwrap();
    assert_eq!(part.records().collect::<Vec<_>>(), [b"b"]);
    assert_eq!(place.spool.view().unwrap().in_doubt(), 2);

    consumer.resolve(id, Resolution::Committed { committed_at: 7 }).unwrap();
    consumer.resolve(other, Resolution::Aborted).unwrap();
    let again = consumer.resolve(id, Resolution::Aborted);
    assert!(matches!(again, Err(SpoolError::NotInDoubt(found)) if found == id));
    drop(consumer);

    // Remembered by the next consumer.
    let mut consumer = place.consumer();
    assert_eq!(consumer.poll().unwrap(), 1);
    assert_eq!(consumer.in_doubt().unwrap(), []);
    assert_eq!(place.spool.view().unwrap().transactions().len(), 1);
    assert_eq!(drain(&mut consumer), [(id, vec!["a".to_owned(), "b".to_owned()])]);
    assert_eq!(files(&place.root().join("writers")).len(), 0);
    consumer.poll().unwrap();
    drain(&mut consumer);
    let progress = std::fs::metadata(place.root().join("progress")).unwrap().len();
    assert_eq!(progress, empty_progress, "writer and resolution are forgotten");
}

#[test]
fn an_uncertain_transaction_is_in_doubt_until_it_is_marked_or_resolved() {
    let place = place(Options::default());
    let mut writer = place.spool.writer().unwrap();
    let (marked, resolved) = (sealed(&mut writer, &["a"]), sealed(&mut writer, &["b"]));
    writer.uncertain(marked).unwrap();
    writer.uncertain(resolved).unwrap();
    let mut consumer = place.consumer();
    consumer.poll().unwrap();
    let doubts = consumer.in_doubt().unwrap();
    assert!(doubts.iter().all(|d| d.doubt == Doubt::Uncertain) && doubts.len() == 2);
    consumer.resolve(resolved, Resolution::Committed { committed_at: 1 }).unwrap();
    writer.commit(marked, 2, None).unwrap();
    writer.commit(resolved, 3, None).unwrap();
    let ids: Vec<_> = drain(&mut consumer).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [resolved, marked]);
    assert_eq!(drain(&mut consumer), [], "the late mark counts for nothing");
}

#[test]
fn a_transaction_may_reach_over_segments() {
    let place = place(SMALL);
    let mut writer = place.spool.writer().unwrap();
    let id = writer.begin().unwrap();
    let record = "x".repeat(250);
    for position in 0..20 {
        writer.prepare(id, position, &buffer([&record]), None).unwrap();
        complete(&mut writer, i64::from(position), &["between"]);
    }
    assert!(files(&place.root().join("writers")).len() >= 10);
    let mut consumer = place.consumer();
    assert_eq!(drain(&mut consumer).len(), 20);
    // Its first frame keeps all segments.
    assert!(files(&place.root().join("writers")).len() >= 10);
    drop(consumer);
    writer.prepare(id, 20, &buffer(["end"]), Some(b"")).unwrap();
    writer.commit(id, 99, None).unwrap();
    let mut consumer = place.consumer();
    let drained = drain(&mut consumer);
    assert_eq!(drained.len(), 1, "what was drained before stays drained");
    assert_eq!((drained[0].0, drained[0].1.len()), (id, 21));
    assert_eq!(files(&place.root().join("writers")).len(), 1, "the one it writes to");
}

#[test]
fn the_second_consumer_waits_for_the_first() {
    let place = place(Options::default());
    let consumer = place.consumer();
    assert!(place.spool.elect_consumer().unwrap().is_none());
    drop(consumer);
    assert!(place.spool.elect_consumer().unwrap().is_some());
}

#[test]
fn an_unmarked_transaction_of_a_living_writer_waits() {
    let place = place(Options::default());
    let mut writer = place.spool.writer().unwrap();
    let id = writer.begin().unwrap();
    writer.prepare(id, 0, &buffer(["a"]), None).unwrap();
    let mut consumer = place.consumer();
    assert_eq!(drain(&mut consumer), []);
    assert_eq!(drain(&mut consumer), []);
    writer.prepare(id, 1, &buffer(["b"]), Some(b"")).unwrap();
    writer.commit(id, 1, None).unwrap();
    assert_eq!(drain(&mut consumer), [(id, vec!["a".to_owned(), "b".to_owned()])]);
}

#[test]
fn a_foreign_transaction_is_refused() {
    let place = place(Options::default());
    let id = place.spool.writer().unwrap().begin().unwrap();
    let error = place.spool.writer().unwrap().abort(id).unwrap_err();
    assert!(matches!(error, SpoolError::ForeignTransaction(found) if found == id));
}
