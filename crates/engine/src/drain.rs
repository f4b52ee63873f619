//! The drainer: moves committed transactions from the spool into the store.
//!
//! The order of writing is: files, the Delta commit, tiles, the checkpoint
//! (`docs/formats/merkle.md`). The spool remembers before the commit what the batch holds, so that
//! whoever comes next can tell from the table alone what became of it.

use std::sync::Arc;

use trailkeeper_event::Micros;
use trailkeeper_merkle::{Hash, RightEdge, TileId, TreeSize};
use trailkeeper_spool::{Batch, BatchLimits, BatchNumber, Consumer, Report};
use trailkeeper_store::{Commit, EventCount, Outcome, Snapshot, Store, TreeRoot};

use crate::error::{Error, Result};
use crate::key::{claim, origin};
use crate::sequence::sequence;
use crate::system::{SystemEvent, SystemWriter};
use crate::trail::Trail;
use crate::tree::{SignedHead, Standing, contradiction, extend_edge, load_edge, write_tiles};

/// So many commits may be lost against other drainers before the round is given up.
const ATTEMPTS: usize = 20;

/// What one round of draining did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// How many events went into the store, system events included.
    pub events: u64,
    /// How many transactions, or parts of them.
    pub transactions: u64,
    /// How many commits: 0 or 1.
    pub batches: u64,
    /// How many transactions wait for somebody to tell their outcome.
    pub in_doubt: u64,
    /// What did not read in the spool, in words. Each is recorded as a system event too.
    pub reports: Vec<String>,
}

impl DrainReport {
    /// Whether there was nothing to do.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.batches == 0
    }
}

/// Drains the spool of a trail. There is at most one per spool, on all processes; it lasts until it
/// is dropped.
#[derive(Debug)]
pub struct Drainer {
    pub(crate) trail: Trail,
    pub(crate) consumer: Consumer,
    pub(crate) system: SystemWriter,
    pending: Vec<Report>,
    position: Option<Place>,
}

/// Where the drainer is in the store.
#[derive(Debug)]
struct Place {
    store: Arc<Store>,
    edge: RightEdge,
    signed: SignedHead,
}

impl Trail {
    /// Becomes the drainer of the spool; `None` while another process or thread is.
    ///
    /// # Errors
    ///
    /// If there is no spool, or it cannot be read.
    pub fn elect_drainer(&self) -> Result<Option<Drainer>> {
        let consumer = self.need_spool()?.elect_consumer()?;
        Ok(consumer.map(|consumer| Drainer {
            trail: self.clone(),
            consumer,
            system: SystemWriter::new(&self.options().source),
            pending: Vec::new(),
            position: None,
        }))
    }
}

impl Drainer {
    /// The trail that it drains.
    #[must_use]
    pub fn trail(&self) -> Trail {
        self.trail.clone()
    }

    /// Makes what all processes have appended to the spool survive a crash of the machine.
    ///
    /// # Errors
    ///
    /// If the file system refuses.
    pub fn sync(&mut self) -> Result<()> {
        self.consumer.poll()?;
        Ok(self.consumer.sync_all()?)
    }

    /// Moves one batch into the store, within `limits`, and signs the checkpoint.
    ///
    /// It may be called again after any error: what it left unfinished is finished first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind) while the store cannot be written;
    /// [`ErrorKind::Conflict`](crate::ErrorKind) if it belongs to another project;
    /// [`ErrorKind::Corrupt`](crate::ErrorKind) if it was altered. In every case the events stay in
    /// the spool.
    pub fn drain_once(&mut self, limits: BatchLimits) -> Result<DrainReport> {
        let drained = self.round(limits);
        if drained.is_err() {
            // The next round looks at everything anew.
            self.position = None;
            self.trail.forget_store();
        }
        drained
    }

    fn round(&mut self, limits: BatchLimits) -> Result<DrainReport> {
        let mut place = self.arrive()?;
        self.recover(&place.store)?;
        let polled = self.consumer.poll();
        self.pending.extend(self.consumer.take_reports());
        let now = self.trail.options().clock.now();
        let system: Vec<_> =
            self.pending.iter().map(|report| self.system.spool_report(report, now)).collect();
        let batch = self.consumer.ready(limits)?;
        let mut report = DrainReport {
            reports: self.pending.iter().map(describe).collect(),
            ..DrainReport::default()
        };
        if !batch.is_empty() || !system.is_empty() {
            report.events = self.commit(&mut place, &batch, &system)?;
            report.transactions = u64::try_from(batch.transactions().len()).unwrap_or(u64::MAX);
            report.batches = 1;
            self.pending.clear();
        }
        place.signed.sign(&self.trail, &place.store, &place.edge)?;
        report.in_doubt = u64::try_from(self.consumer.in_doubt()?.len()).unwrap_or(u64::MAX);
        self.position = Some(place);
        // One writer's unreadable segments do not hold up the others' events.
        polled?;
        Ok(report)
    }

    /// Records system events at once, in a batch of their own.
    pub(crate) fn record(&mut self, events: &[SystemEvent]) -> Result<()> {
        let mut place = self.arrive()?;
        self.recover(&place.store)?;
        self.commit(&mut place, &Batch::default(), events)?;
        place.signed.sign(&self.trail, &place.store, &place.edge)?;
        self.position = Some(place);
        Ok(())
    }

    /// The store, its tree and its checkpoint, all checked against each other.
    fn arrive(&mut self) -> Result<Place> {
        let place = match self.position.take() {
            Some(place) => place,
            None => {
                let store = self.trail.store()?;
                let key = claim(&self.trail, &store)?;
                let signed = SignedHead::new(key, origin(&store));
                Place { store, edge: RightEdge::empty(), signed }
            }
        };
        self.catch_up(place)
    }

    /// Brings the tree to that of the table, and checks it against the checkpoint.
    fn catch_up(&self, mut place: Place) -> Result<Place> {
        let mut ahead = None;
        for _ in 0..ATTEMPTS {
            let snapshot = self.trail.wait(place.store.snapshot())??;
            let head = snapshot.head();
            // The table is read before the checkpoint, so a drainer of another spool may have
            // signed in between; but not after the second look.
            if let Some(size) = ahead
                && size > TreeSize::new(head.size.0)
            {
                let held = head.size;
                return Err(contradiction(&format!(
                    "the checkpoint covers {size} events and the table holds {held}"
                )));
            }
            let is_current = place.edge.size().get() == head.size.0
                && head.root.is_none_or(|root| Hash::from(root.0) == place.edge.root());
            if !is_current {
                let signed = place.signed.read(&self.trail, &place.store)?;
                place.edge = load_edge(&self.trail, &place.store, &snapshot, signed.as_ref())?;
            }
            match place.signed.check(&self.trail, &place.store, &place.edge)? {
                Standing::Ahead { size } => ahead = Some(size),
                Standing::Behind | Standing::Current => return Ok(place),
            }
        }
        Err(Error::Contended { attempts: ATTEMPTS })
    }

    /// Settles the batch that was begun and not finished, by this process or one that has died.
    fn recover(&mut self, store: &Store) -> Result<()> {
        let Some(begun) = self.consumer.begun_batch() else { return Ok(()) };
        let snapshot = self.trail.wait(store.snapshot())??;
        let in_table = self.batch_in_table(store, &snapshot)?;
        if in_table >= begun.0 {
            self.consumer.finish_batch(begun)?;
        } else {
            self.consumer.forget_batch(begun)?;
        }
        Ok(())
    }

    fn batch_in_table(&self, store: &Store, snapshot: &Snapshot) -> Result<u64> {
        let spool = self.trail.need_spool()?.id().to_string();
        let known = self.trail.wait(store.batch_of(snapshot, &spool))??;
        Ok(known.map_or(0, |number| number.0))
    }

    /// Commits a batch, sequencing it again for as long as others are quicker. Gives the number of
    /// events.
    fn commit(&mut self, place: &mut Place, batch: &Batch, system: &[SystemEvent]) -> Result<u64> {
        let number = self.consumer.last_batch().next();
        self.consumer.begin_batch(number, batch)?;
        for _ in 0..ATTEMPTS {
            let snapshot = place.store.known_snapshot();
            match self.try_commit(place, batch, system, number, &snapshot)? {
                (Outcome::Committed(_), extension) => {
                    self.consumer.finish_batch(number)?;
                    // Only now: a commit that lost a race must not leave tiles of a tree that is
                    // not to be.
                    write_tiles(&self.trail, &place.store, extension.tiles)?;
                    place.edge = extension.edge;
                    // Without it the table opens more slowly; the next one makes up for it.
                    let _ = self.trail.wait(place.store.maintain())?;
                    return Ok(extension.events);
                }
                (Outcome::AlreadyCommitted, _) => {
                    return Err(Error::Internal(format!(
                        "batch {number} was committed before it was begun"
                    )));
                }
                (Outcome::Conflict, _) => {
                    let snapshot = self.trail.wait(place.store.snapshot())??;
                    let edge = place.edge.clone();
                    place.edge = extend_edge(&self.trail, &place.store, &snapshot, edge)?;
                }
            }
        }
        Err(Error::Contended { attempts: ATTEMPTS })
    }

    fn try_commit(
        &self,
        place: &Place,
        batch: &Batch,
        system: &[SystemEvent],
        number: BatchNumber,
        snapshot: &Snapshot,
    ) -> Result<(Outcome, Extension)> {
        let size = place.edge.size();
        let now = self.trail.options().clock.now();
        let recorded_at = now.max(snapshot.last_recorded_at().unwrap_or(Micros(i64::MIN)));
        let sequenced = sequence(batch, system, size, recorded_at);
        let mut edge = place.edge.clone();
        let tiles = edge.append(&sequenced.leaves);
        let commit = Commit {
            spool: self.trail.need_spool()?.id().to_string(),
            batch: trailkeeper_store::BatchNumber(number.0),
            size_before: EventCount(size.get()),
            size_after: EventCount(edge.size().get()),
            root: TreeRoot(edge.root().into()),
        };
        let outcome = self.trail.wait(place.store.append(&sequenced.batches, &commit))??;
        let events = u64::try_from(sequenced.leaves.len()).unwrap_or(u64::MAX);
        Ok((outcome, Extension { edge, tiles, events }))
    }
}

/// What a commit makes of the tree.
struct Extension {
    edge: RightEdge,
    tiles: Vec<(TileId, Vec<u8>)>,
    events: u64,
}

fn describe(report: &Report) -> String {
    match report {
        Report::Corrupt { writer, at, bytes, fault, .. } => format!(
            "segment {} of writer {writer}: {fault} at byte {}; {bytes} bytes are kept aside",
            at.segment, at.offset
        ),
        Report::Missing { writer, at } => {
            format!("segment {} of writer {writer} is missing", at.segment)
        }
    }
}
