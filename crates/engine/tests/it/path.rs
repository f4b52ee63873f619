//! The whole way: from the spool into the store, and read at every stage.

use std::time::Duration;

use trailkeeper_engine::{
    BatchLimits, Column, Error, ErrorKind, EventFilter, Micros, OpenTransaction, Order, Statement,
    TransactionId,
};
use trailkeeper_spool::RecordBuffer;
use trailkeeper_testkit::invoice_record;

use crate::sample::{START, World, assert_verified, drain, invoices, push, write};

#[test]
fn events_are_seen_once_at_every_stage() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    write(&mut writer, 0, 3);
    assert_eq!(invoices(&trail), [0, 1, 2]);
    assert_eq!(drain(&trail), 3);
    assert_eq!(invoices(&trail), [0, 1, 2]);
    write(&mut writer, 3, 2);
    assert_eq!(invoices(&trail), [0, 1, 2, 3, 4]);
    assert_eq!(invoices(&world.reader()), [0, 1, 2]);
    assert_eq!(drain(&trail), 2);
    assert_eq!(drain(&trail), 0);
    assert_eq!(invoices(&world.reader()), [0, 1, 2, 3, 4]);
    assert_verified(&world.reader());
}

#[test]
fn an_event_of_a_statement_that_waited_has_the_time_of_its_end() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    let id = writer.begin().unwrap();
    let mut records = RecordBuffer::new();
    records.push(invoice_record(1, 1, START).as_bytes()).unwrap();
    writer.prepare(id, 0, &records, Some(b"")).unwrap();
    writer.commit_at_once(id, START + 5).unwrap();
    for is_drained in [false, true] {
        if is_drained {
            assert_eq!(drain(&trail), 1);
            assert_verified(&trail);
        }
        let history = trail.history("billing.invoice", "1").unwrap();
        assert_eq!(history[0].time(Column::OccurredAt), Some(Micros(START + 5)));
        assert_eq!(history[0].time(Column::CommittedAt), Some(Micros(START + 5)));
    }
}

#[test]
fn events_of_an_open_transaction_are_seen_by_its_own_connection() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    write(&mut writer, 0, 1);
    let transaction = TransactionId { writer: writer.id(), number: 9 };
    let records = vec![invoice_record(7, 1, START).as_bytes().to_vec()];
    let open = [OpenTransaction { transaction, records }];
    let sql = "SELECT event_id FROM events WHERE committed_at IS NULL";
    let rows = trail.query(Statement::new(sql), &open).unwrap();
    assert_eq!(rows.batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
    assert_eq!(invoices(&trail), [0]);
}

#[test]
fn a_history_has_the_documented_names_and_values() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    let transaction = write(&mut writer, 41, 2);
    drain(&trail);
    push(&mut writer, &invoice_record(42, 100, START + 1_000_000));
    let history = trail.history("billing.invoice", "42").unwrap();
    assert_eq!(history.len(), 2);
    let first = history[0].to_json();
    let id = format!("{}{:08x}{:08x}", transaction.writer, transaction.number, 1);
    assert_eq!(first["event_id"], id.as_str());
    assert_eq!(history[0].event_id(), Some(id.as_str()));
    assert_eq!(
        first["transaction_id"],
        format!("{}{:08x}{:08x}", transaction.writer, transaction.number, 0)
    );
    assert_eq!(first["seq"], 1);
    assert_eq!(first["occurred_at"], "2026-11-15T00:00:00.000042Z");
    assert_eq!(first["recorded_at"], "2026-11-15T00:00:00.000000Z");
    assert_eq!(first["after"]["total"], "43.00");
    assert_eq!(first["changed"][0], "total");
    assert_eq!(first.get("reason"), None);
    assert_eq!(history[1].int(Column::Seq), None);
    assert_eq!(history[1].time(Column::CommittedAt), Some(Micros(START)));
}

#[test]
fn a_search_finds_what_was_asked_for() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    write(&mut writer, 0, 50);
    drain(&trail);
    write(&mut writer, 50, 50);
    let found = |filter: EventFilter| {
        let events = trail.search(&filter).unwrap();
        events
            .iter()
            .map(|event| event.text(Column::ObjectId).unwrap().parse().unwrap())
            .collect::<Vec<u64>>()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(found(EventFilter { limit: Some(3), ..EventFilter::default() }), [99, 98, 97]);
    let oldest = EventFilter {
        limit: Some(2),
        order: Order::OldestFirst,
        tenant: text("globex"),
        ..EventFilter::default()
    };
    assert_eq!(found(oldest), [1, 3]);
    let object = EventFilter {
        model: text("billing.invoice"),
        object_id: text("70"),
        ..EventFilter::default()
    };
    assert_eq!(found(object), [70]);
    let range = EventFilter {
        since: Some(Micros(START + 49)),
        until: Some(Micros(START + 51)),
        ..EventFilter::default()
    };
    assert_eq!(found(range), [50, 49]);
    assert_eq!(found(EventFilter { text: text("invoice 33"), ..EventFilter::default() }), [33]);
    assert_eq!(
        found(EventFilter { text: text("100%"), ..EventFilter::default() }),
        Vec::<u64>::new()
    );
    let none = EventFilter { field: text("tot"), ..EventFilter::default() };
    assert_eq!(found(none), Vec::<u64>::new());
    assert_eq!(found(EventFilter { field: text("total"), ..EventFilter::default() }).len(), 100);
    assert_eq!(
        found(EventFilter {
            actor: text("Ada Lovelace"),
            action: text("update"),
            ..EventFilter::default()
        })
        .len(),
        100
    );
}

#[test]
fn a_statement_that_is_no_query_is_invalid() {
    let world = World::new();
    let error = world.trail().query(Statement::new("DROP TABLE events"), &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn a_large_transaction_is_drained_in_parts_and_seen_once_in_between() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    write(&mut writer, 0, 10);
    let limits = BatchLimits { max_records: 4, ..BatchLimits::default() };
    let mut drainer = trail.elect_drainer().unwrap().unwrap();
    for part in [4, 4, 2] {
        assert_eq!(drainer.drain_once(limits).unwrap().events, part);
        assert_eq!(invoices(&trail), (0..10).collect::<Vec<_>>());
    }
    drop(drainer);
    assert_verified(&trail);
}

#[test]
fn trees_over_many_tiles_verify() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    let mut total = 0;
    for count in [1, 254, 1, 1, 300, 600, 256] {
        write(&mut writer, total, count);
        drain(&trail);
        total += count;
        assert_verified(&world.reader());
    }
    let stats = world.trail().stats().unwrap();
    assert_eq!((stats.events, stats.files, stats.checkpoint_size), (total, 7, Some(total)));
    assert_eq!(stats.spool.unwrap().transactions, 0);
    assert!(stats.bytes_per_event().unwrap() > 1.0);
    assert_eq!(stats.to_json()["source"], "django:shop");
}

#[test]
fn time_in_the_store_never_runs_backwards() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    write(&mut writer, 0, 1);
    drain(&trail);
    world.clock.set(Micros(START - 5_000_000));
    write(&mut writer, 1, 1);
    drain(&trail);
    let events = trail.search(&EventFilter::default()).unwrap();
    assert!(events.iter().all(|event| event.time(Column::RecordedAt) == Some(Micros(START))));
}

#[test]
fn a_flush_waits_for_the_drainer_that_is_there() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    write(&mut writer, 0, 5);
    trail.flush(Duration::from_secs(10)).unwrap();
    assert_eq!(invoices(&world.reader()).len(), 5);

    write(&mut writer, 5, 5);
    let mut drainer = trail.elect_drainer().unwrap().unwrap();
    let error = trail.flush(Duration::ZERO).unwrap_err();
    assert!(matches!(error, Error::Timeout { transactions: 1, .. }), "{error}");
    std::thread::scope(|scope| {
        let flushed = scope.spawn(|| trail.flush(Duration::from_secs(60)));
        drainer.drain_once(BatchLimits::default()).unwrap();
        flushed.join().unwrap().unwrap();
    });
    assert_eq!(invoices(&world.reader()).len(), 10);
}

#[test]
fn a_record_that_does_not_read_is_kept_as_it_is() {
    let world = World::new();
    let trail = world.trail();
    let mut writer = trail.spool().unwrap().writer().unwrap();
    let mut records = RecordBuffer::new();
    records.push(b"\x09nonsense").unwrap();
    let transaction = writer.begin().unwrap();
    writer.append_complete(transaction, START, &records).unwrap();
    let seen = |event: &trailkeeper_engine::AuditEvent| {
        event.json(Column::Data).unwrap()["record"].clone()
    };
    let filter =
        EventFilter { action: Some("record.unreadable".to_owned()), ..EventFilter::default() };
    assert_eq!(seen(&trail.search(&filter).unwrap()[0]), "CW5vbnNlbnNl");
    drain(&trail);
    assert_eq!(seen(&world.reader().search(&filter).unwrap()[0]), "CW5vbnNlbnNl");
    assert_verified(&trail);
}
