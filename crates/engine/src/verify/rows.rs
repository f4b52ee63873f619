//! The rows against the tiles, and the root they give.

use std::collections::HashMap;

use trailkeeper_event::{
    Column, EventBatch, EventId, LeafHasher, Micros, TransactionNumber, WriterId,
};
use trailkeeper_merkle::{Hash, RootBuilder, TreeSize};
use trailkeeper_store::{DataFile, EventCount, FileScan, Snapshot, Store, StoreError};

use super::Progress;
use super::finding::{EventRef, Finding, FindingKind};
use super::tile::RecordedLeaves;
use crate::error::{Error, Result};
use crate::time::rfc3339;
use crate::trail::Trail;

/// So many transactions of a writer keep their positions in one place.
const NEIGHBOURS: u32 = 64;
/// For so many rows of a file there is room at once, whatever the log says of it.
const ROOM: u64 = 1 << 16;

/// The roots computed from the rows.
#[derive(Debug, Default)]
pub(super) struct Roots(Vec<(TreeSize, Hash)>);

impl Roots {
    pub(super) fn at(&self, size: TreeSize) -> Option<Hash> {
        self.0.iter().find(|(known, _)| *known == size).map(|(_, root)| *root)
    }
}

/// What the rows gave.
pub(super) struct Checked {
    pub(super) findings: Vec<Finding>,
    pub(super) events: u64,
    pub(super) roots: Roots,
    /// The paths of tiles that are missing or do not read.
    pub(super) damaged_tiles: Vec<String>,
}

/// Checks rows in the order of their `seq`, file by file.
pub(super) struct RowCheck<'a> {
    trail: &'a Trail,
    store: &'a Store,
    size: TreeSize,
    /// The sizes at which the root is wanted.
    wanted: Vec<TreeSize>,
    next: u64,
    builder: RootBuilder,
    recorded: RecordedLeaves<'a>,
    /// The next position of each transaction: what is below has been seen. Those of neighbouring
    /// transactions of a writer are together, because they come together.
    positions: HashMap<(WriterId, u32), Box<[u32; NEIGHBOURS as usize]>>,
    checked: Checked,
}

/// A row of a file, hashed.
struct Row {
    seq: Option<u64>,
    number: u64,
    leaf: Option<Hash>,
    id: Option<EventId>,
    fault: Option<&'static str>,
}

impl<'a> RowCheck<'a> {
    pub(super) fn new(
        trail: &'a Trail,
        store: &'a Store,
        size: EventCount,
        signed: Option<TreeSize>,
    ) -> Result<Self> {
        let size = TreeSize::new(size.0);
        let mut wanted = vec![size];
        wanted.extend(signed.filter(|signed| *signed != size));
        let checked = Checked {
            findings: Vec::new(),
            events: 0,
            roots: Roots::default(),
            damaged_tiles: Vec::new(),
        };
        let mut check = Self {
            trail,
            store,
            size,
            wanted,
            next: 0,
            builder: RootBuilder::new(),
            recorded: RecordedLeaves::new(trail, store, size)?,
            positions: HashMap::new(),
            checked,
        };
        check.note_root();
        Ok(check)
    }

    pub(super) fn check(
        &mut self,
        snapshot: &Snapshot,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<()> {
        for file in snapshot.files() {
            match self.read(file)? {
                Ok(rows) => self.check_file(file, rows)?,
                Err(what) => {
                    let seq = file.seq_bounds().map_or(self.next, |(first, _)| first);
                    let place =
                        EventRef { seq, file: Some(file.path().to_owned()), ..EventRef::default() };
                    self.checked.findings.push(Finding::about(FindingKind::File, what, place));
                    if let Some((_, last)) = file.seq_bounds() {
                        // Its events are this finding's; those behind it have theirs.
                        self.next = self.next.max(last + 1);
                    }
                }
            }
            progress(Progress { events: self.checked.events, total: self.size.get() });
        }
        if self.next < self.size.get() {
            self.missing(self.size.get());
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Checked {
        Checked { damaged_tiles: self.recorded.into_damaged(), ..self.checked }
    }

    /// The rows of `file` by `seq`, or why it does not read.
    fn read(&self, file: &DataFile) -> Result<Result<Vec<Row>, String>> {
        let Some(bytes) = self.trail.wait(self.store.read_file(file))?? else {
            return Ok(Err("a file of events is missing".to_owned()));
        };
        let damaged = |error: StoreError| match error {
            StoreError::Corrupt { what, .. } => Ok(Err(what)),
            other => Err(Error::Store(other)),
        };
        let scan = match FileScan::new(file, bytes, Column::ALL) {
            Ok(scan) => scan,
            Err(error) => return damaged(error),
        };
        let mut hasher = LeafHasher::new();
        let mut month = MonthCheck::new(file.month());
        let room = file.rows().unwrap_or(0).min(ROOM);
        let mut rows = Vec::with_capacity(usize::try_from(room).unwrap_or(0));
        for scanned in scan {
            let (numbers, batch) = match scanned {
                Ok(scanned) => scanned,
                Err(error) => return damaged(error),
            };
            let events = match EventBatch::try_new(&batch) {
                Ok(events) => events,
                Err(error) => return Ok(Err(format!("a column has changed: {error}"))),
            };
            let hashed = hasher.leaf_hashes(&events).into_iter().zip(events.ids());
            rows.extend(numbers.zip(hashed).enumerate().map(|(row, (number, (leaf, id)))| Row {
                seq: events.seq(row).map(|seq| seq.0),
                number,
                leaf: leaf.map(|leaf| Hash::from(leaf.0)),
                id,
                fault: fault_of(&events, row, &mut month),
            }));
        }
        rows.sort_by_key(|row| row.seq);
        Ok(Ok(rows))
    }

    fn check_file(&mut self, file: &DataFile, rows: Vec<Row>) -> Result<()> {
        for row in rows {
            self.checked.events += 1;
            let Some(seq) = row.seq else {
                let what = "a row has no seq".to_owned();
                self.about(FindingKind::Added, what, self.next, file, &row)?;
                continue;
            };
            if seq < self.next || seq >= self.size.get() {
                let what = "a row was added".to_owned();
                self.about(FindingKind::Added, what, seq, file, &row)?;
                continue;
            }
            if seq > self.next {
                self.missing(seq);
            }
            self.next = seq + 1;
            let recorded = self.recorded.at(seq)?;
            if row.leaf.is_none() || recorded.is_some_and(|leaf| Some(leaf) != row.leaf) {
                let what = "the event was altered".to_owned();
                self.about(FindingKind::Altered, what, seq, file, &row)?;
            } else if let Some(fault) = row.fault {
                self.about(FindingKind::Inconsistent, fault.to_owned(), seq, file, &row)?;
            } else if !self.is_new(&row) {
                let what = "the identity of the event is that of another one".to_owned();
                self.about(FindingKind::Inconsistent, what, seq, file, &row)?;
            }
            // Behind a gap the tree is another one, and its root is not asked for.
            if let Some(leaf) = row.leaf
                && self.builder.size().get() == seq
            {
                self.builder.push(leaf);
                self.note_root();
            }
        }
        Ok(())
    }

    fn note_root(&mut self) {
        let size = self.builder.size();
        if self.wanted.contains(&size) {
            self.checked.roots.0.push((size, self.builder.clone().finish()));
        }
    }

    /// Reports that the events from the next expected one to `until` are not there.
    fn missing(&mut self, until: u64) {
        let count = until - self.next;
        let what = if count == 1 {
            "an event is missing".to_owned()
        } else {
            format!("{count} events are missing")
        };
        let place = EventRef { seq: self.next, ..EventRef::default() };
        self.checked.findings.push(Finding::about(FindingKind::Missing, what, place));
        self.next = until;
    }

    /// Whether the identity of the row has not been seen: positions of a transaction rise.
    fn is_new(&mut self, row: &Row) -> bool {
        let Some(id) = row.id else { return false };
        let TransactionNumber(number) = id.transaction;
        let places = self.positions.entry((id.writer, number / NEIGHBOURS));
        let places = places.or_insert_with(|| Box::new([0; NEIGHBOURS as usize]));
        let next = &mut places[(number % NEIGHBOURS) as usize];
        let is_new = id.position.0 >= *next;
        *next = id.position.0.saturating_add(1).max(*next);
        is_new
    }

    /// Adds a finding about a row, with what the row says of itself.
    fn about(
        &mut self,
        kind: FindingKind,
        what: String,
        seq: u64,
        file: &DataFile,
        row: &Row,
    ) -> Result<()> {
        let object_key = self.object_key(file, row.number)?;
        let event = EventRef {
            seq,
            event_id: row.id.map(|id| id.to_string()),
            object_key,
            file: Some(file.path().to_owned()),
            row: Some(row.number),
        };
        self.checked.findings.push(Finding::about(kind, what, event));
        Ok(())
    }

    /// The object of a row, read again: only rows with a finding are asked.
    fn object_key(&self, file: &DataFile, number: u64) -> Result<Option<String>> {
        if self.checked.findings.len() >= super::MAX_FINDINGS {
            return Ok(None);
        }
        let Some(bytes) = self.trail.wait(self.store.read_file(file))?? else { return Ok(None) };
        for scanned in FileScan::new(file, bytes, &[Column::ObjectKey])? {
            let (numbers, batch) = scanned?;
            if numbers.contains(&number) {
                let row = usize::try_from(number - numbers.start).unwrap_or(usize::MAX);
                let events = EventBatch::try_new(&batch).ok();
                return Ok(events.and_then(|events| {
                    events.text(row, Column::ObjectKey).map(ToOwned::to_owned)
                }));
            }
        }
        Ok(None)
    }
}

/// Whether times are in the month a file is under.
struct MonthCheck<'a> {
    month: Option<&'a str>,
    /// The last answer: the events of a commit have one time.
    known: Option<(i64, bool)>,
}

impl<'a> MonthCheck<'a> {
    const fn new(month: Option<&'a str>) -> Self {
        Self { month, known: None }
    }

    fn holds(&mut self, at: Option<i64>) -> bool {
        let (Some(month), Some(at)) = (self.month, at) else { return false };
        match self.known {
            Some((known, holds)) if known == at => holds,
            _ => {
                let holds = rfc3339(Micros(at)).starts_with(month);
                self.known = Some((at, holds));
                holds
            }
        }
    }
}

/// What in a row contradicts its derived columns.
fn fault_of(events: &EventBatch, row: usize, month: &mut MonthCheck<'_>) -> Option<&'static str> {
    let text = |column| events.text(row, column);
    let key = text(Column::ObjectKey);
    let is_key_right = match text(Column::Model).zip(text(Column::ObjectId)) {
        None => key.is_none(),
        Some((model, id)) => key
            .and_then(|key| key.strip_prefix(model))
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|rest| rest == id),
    };
    if !is_key_right {
        return Some("object_key is not that of model and object_id");
    }
    if month.holds(events.int(row, Column::RecordedAt)) {
        None
    } else {
        Some("the event is filed under another month than its recorded_at")
    }
}
