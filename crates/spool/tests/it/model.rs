//! Random histories against a model that keeps everything in memory.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::*;
use proptest::prelude::*;
use trailkeeper_spool::{BatchLimits, Consumer, Resolution, TransactionId, Writer, WriterId};

#[derive(Debug, Clone)]
enum Step {
    Chunk { writer: usize, transaction: usize, records: u8, seal: bool },
    Truncate { writer: usize, transaction: usize, to: u8 },
    Commit { writer: usize, transaction: usize, replace: bool },
    Abort { writer: usize, transaction: usize },
    Uncertain { writer: usize, transaction: usize },
    Complete { writer: usize, records: u8 },
    Die { writer: usize },
    Drain { records: usize, crash: bool, in_table: bool },
    Resolve { commit: bool },
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let writer = 0usize..3;
    let transaction = 0usize..3;
    let pair = (writer.clone(), transaction);
    let step = prop_oneof![
        6 => (pair.clone(), 0u8..5, any::<bool>()).prop_map(|((writer, transaction), records, seal)|
            Step::Chunk { writer, transaction, records, seal }),
        2 => (pair.clone(), 0u8..8).prop_map(|((writer, transaction), to)|
            Step::Truncate { writer, transaction, to }),
        4 => (pair.clone(), any::<bool>()).prop_map(|((writer, transaction), replace)|
            Step::Commit { writer, transaction, replace }),
        1 => pair.clone().prop_map(|(writer, transaction)| Step::Abort { writer, transaction }),
        1 => pair.prop_map(|(writer, transaction)| Step::Uncertain { writer, transaction }),
        3 => (writer.clone(), 1u8..5).prop_map(|(writer, records)|
            Step::Complete { writer, records }),
        1 => writer.prop_map(|writer| Step::Die { writer }),
        4 => (1usize..8, any::<bool>(), any::<bool>()).prop_map(|(records, crash, in_table)|
            Step::Drain { records, crash, in_table }),
        1 => any::<bool>().prop_map(|commit| Step::Resolve { commit }),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..120)
}

/// What should come out, and what has.
#[derive(Default)]
struct Model {
    open: BTreeMap<TransactionId, Vec<String>>,
    sealed: BTreeSet<TransactionId>,
    uncertain: BTreeSet<TransactionId>,
    committed: BTreeMap<TransactionId, Vec<String>>,
    /// By mark, for each writer; without the resolved ones.
    order: BTreeMap<WriterId, Vec<TransactionId>>,
    delivered: Vec<(TransactionId, Vec<String>)>,
    counter: usize,
}

impl Model {
    fn fresh(&mut self, count: u8) -> Vec<String> {
        (0..count)
            .map(|_| {
                self.counter += 1;
                format!("record {}", self.counter)
            })
            .collect()
    }

    fn commit(&mut self, id: TransactionId, records: Vec<String>) {
        self.open.remove(&id);
        self.uncertain.remove(&id);
        if !records.is_empty() {
            self.committed.insert(id, records);
            self.order.entry(id.writer).or_default().push(id);
        }
    }

    /// The writer is dead: what is not sealed never happened.
    fn die(&mut self, writer: WriterId) {
        let (sealed, uncertain) = (&self.sealed, &self.uncertain);
        self.open
            .retain(|id, _| id.writer != writer || sealed.contains(id) || uncertain.contains(id));
        self.uncertain.extend(self.open.keys().filter(|id| id.writer == writer));
    }

    fn deliver(&mut self, id: TransactionId, first: u32, records: Vec<String>) {
        match self.delivered.last_mut() {
            Some((last, seen)) if first > 0 => {
                assert_eq!((*last, seen.len()), (id, first as usize));
                seen.extend(records);
            }
            _ => self.delivered.push((id, records)),
        }
    }
}

fn drain_some(
    place: &Place,
    consumer: &mut Option<Consumer>,
    model: &mut Model,
    step: (usize, bool, bool),
) -> bool {
    let (max_records, crash, in_table) = step;
    let draining = consumer.as_mut().unwrap();
    draining.poll().unwrap();
    let batch = draining.ready(BatchLimits { max_records, max_bytes: 1 << 20 }).unwrap();
    let number = draining.last_batch().next();
    draining.begin_batch(number, &batch).unwrap();
    if crash {
        *consumer = None;
        *consumer = Some(place.consumer());
    }
    let draining = consumer.as_mut().unwrap();
    assert_eq!(draining.begun_batch(), Some(number));
    if crash && !in_table {
        draining.forget_batch(number).unwrap();
        return true;
    }
    draining.finish_batch(number).unwrap();
    for part in batch.transactions() {
        let text = |record: &[u8]| String::from_utf8(record.to_vec()).unwrap();
        model.deliver(part.id, part.first_position, part.records().map(text).collect());
    }
    !batch.is_empty()
}

fn resolve_all(consumer: &mut Consumer, model: &mut Model, resolution: Resolution) {
    consumer.poll().unwrap();
    let doubts = consumer.in_doubt().unwrap();
    let ids: BTreeSet<_> = doubts.iter().map(|doubt| doubt.transaction).collect();
    assert_eq!(ids, model.uncertain);
    for id in ids {
        consumer.resolve(id, resolution).unwrap();
        model.uncertain.remove(&id);
        let records = model.open.remove(&id).unwrap_or_default();
        if resolution != Resolution::Aborted && !records.is_empty() {
            model.committed.insert(id, records);
        }
    }
}

fn run(steps: Vec<Step>) {
    let place = place(SMALL);
    let mut writers: Vec<Writer> = (0..3).map(|_| place.spool.writer().unwrap()).collect();
    let mut slots: BTreeMap<(usize, usize), TransactionId> = BTreeMap::new();
    let mut consumer = Some(place.consumer());
    let mut model = Model::default();
    for (at, step) in steps.into_iter().enumerate() {
        let at = i64::try_from(at).unwrap();
        match step {
            Step::Chunk { writer, transaction, records, seal } => {
                let id = *slots
                    .entry((writer, transaction))
                    .or_insert_with(|| writers[writer].begin().unwrap());
                let first = model.open.get(&id).map_or(0, Vec::len);
                let records = model.fresh(records);
                let seal = seal.then_some(&b"note"[..]);
                let first = u32::try_from(first).unwrap();
                writers[writer].prepare(id, first, &buffer(&records), seal).unwrap();
                model.open.entry(id).or_default().extend(records);
                if seal.is_some() {
                    model.sealed.insert(id);
                }
            }
            Step::Truncate { writer, transaction, to } => {
                let Some(id) = slots.get(&(writer, transaction)) else { continue };
                let records = model.open.get_mut(id).unwrap();
                records.truncate(to.into());
                writers[writer].truncate(*id, u32::try_from(records.len()).unwrap()).unwrap();
            }
            Step::Commit { writer, transaction, replace } => {
                let Some(id) = slots.remove(&(writer, transaction)) else { continue };
                let mut records = model.open.remove(&id).unwrap();
                if replace {
                    records = model.fresh(2);
                    writers[writer].commit(id, at, Some(&buffer(&records))).unwrap();
                } else {
                    writers[writer].commit(id, at, None).unwrap();
                }
                model.commit(id, records);
            }
            Step::Abort { writer, transaction } => {
                let Some(id) = slots.remove(&(writer, transaction)) else { continue };
                writers[writer].abort(id).unwrap();
                model.open.remove(&id);
                model.uncertain.remove(&id);
            }
            Step::Uncertain { writer, transaction } => {
                // Its slot is free: it stays in doubt until it is resolved.
                let Some(id) = slots.remove(&(writer, transaction)) else { continue };
                writers[writer].uncertain(id).unwrap();
                model.uncertain.insert(id);
            }
            Step::Complete { writer, records } => {
                let records = model.fresh(records);
                let id = writers[writer].begin().unwrap();
                writers[writer].append_complete(id, at, &buffer(&records)).unwrap();
                model.commit(id, records);
            }
            Step::Die { writer } => {
                model.die(writers[writer].id());
                writers[writer] = place.spool.writer().unwrap();
                slots.retain(|(owner, _), _| *owner != writer);
            }
            Step::Drain { records, crash, in_table } => {
                drain_some(&place, &mut consumer, &mut model, (records, crash, in_table));
            }
            Step::Resolve { commit } => {
                let resolution = match commit {
                    true => Resolution::Committed { committed_at: at },
                    false => Resolution::Aborted,
                };
                resolve_all(consumer.as_mut().unwrap(), &mut model, resolution);
            }
            Step::Reopen => {
                drop(consumer.take());
                consumer = Some(place.consumer());
            }
        }
    }
    for writer in writers {
        model.die(writer.id());
    }
    let resolution = Resolution::Committed { committed_at: i64::MAX };
    resolve_all(consumer.as_mut().unwrap(), &mut model, resolution);
    while drain_some(&place, &mut consumer, &mut model, (50, false, true)) {}
    assert_eq!(consumer.as_mut().unwrap().take_reports(), []);

    let ids: BTreeSet<_> = model.delivered.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), model.delivered.len(), "exactly once");
    for (writer, order) in &model.order {
        let marked: BTreeSet<_> = order.iter().collect();
        let delivered = model.delivered.iter().map(|(id, _)| id);
        let seen: Vec<_> =
            delivered.filter(|id| id.writer == *writer && marked.contains(id)).collect();
        assert_eq!(seen, order.iter().collect::<Vec<_>>(), "in the order of the marks");
    }
    assert_eq!(model.delivered.into_iter().collect::<BTreeMap<_, _>>(), model.committed);
    consumer.as_mut().unwrap().poll().unwrap();
    assert_eq!(files(&place.root().join("writers")).len(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_committed_record_comes_out_once_and_in_order(steps in steps()) {
        run(steps);
    }
}
