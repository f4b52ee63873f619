//! A copy of a trail in another place, made while events are drained.
//!
//! It has one version of the table, all files and tiles of that version, and a checkpoint that is signed for it. What the copy
//! was before stays whole until the new version is: the table comes last, and after it the checkpoint.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use trailkeeper_merkle::{
    Checkpoint, Hash, MerkleError, RightEdge, TileId, TreeSize, VerifierKey, prove_consistency,
    stale_partials, verify_consistency,
};
use trailkeeper_store::{
    CopyTarget, DataFile, EventCount, Frozen, Snapshot, Store, StoreError, Transfer,
};

use crate::error::{Error, Result};
use crate::key::{IDENTITY, Identity};
use crate::trail::Trail;
use crate::tree::{CHECKPOINT, edge_of_tiles};

/// A drainer that is at work signs within this many pauses.
const PAUSES: u32 = 5;
/// So many times one that is at work may be quicker.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// So many tiles are looked for at a time.
const TILES: usize = 1024;

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyProgress {
    /// So many events are in files that are there.
    pub events: u64,
    /// So many are to be.
    pub total: u64,
}

/// What a copy holds now, and what it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyReport {
    /// Where it is.
    pub location: String,
    /// The version of the table that was copied.
    pub version: u64,
    /// How many events it holds.
    pub events: u64,
    /// How many of them its checkpoint covers, if it has one that is signed with the key of the store.
    pub checkpoint_size: Option<u64>,
    /// How many files of events were copied.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// How many files of events were there before.
    pub known_files: u64,
}

/// One moment of a trail.
struct Moment {
    frozen: Frozen,
    /// The checkpoint as it was found, and what it says if it is signed with the key of the store.
    note: Option<Bytes>,
    signed: Option<Checkpoint>,
    /// The tiles that a later commit replaces.
    partials: HashMap<TileId, Bytes>,
}

impl Moment {
    fn snapshot(&self) -> &Snapshot {
        self.frozen.snapshot()
    }

    fn size(&self) -> TreeSize {
        TreeSize::new(self.snapshot().head().size.0)
    }
}

impl Trail {
    /// Copies the store to `destination`, or brings the copy that is there up to date.
    ///
    /// Events may be drained and files merged meanwhile. The copy holds all that was in the store when this was called, and perhaps
    /// more; what waits in the spool is no part of it. One file at a time is held in memory. After an error the copy is what
    /// it was before, and the next call goes on from what was copied.
    ///
    /// # Errors
    ///
    /// [`Error::CopyTarget`] if something else is at the destination; others as the storage has it.
    pub fn copy(
        &self,
        destination: &str,
        progress: &mut dyn FnMut(CopyProgress),
    ) -> Result<CopyReport> {
        let store = self.store()?;
        let identity = Identity::read(self, &store)?;
        let identity = identity.ok_or_else(|| Error::Invalid(UNCLAIMED.to_owned()))?;
        let target = CopyTarget::open(destination, self.options().store_options.clone())?;
        let previous = self.claim_target(&store, &target)?;
        let mut report = CopyReport { location: target.location(), ..CopyReport::default() };
        let mut last = None;
        let moment = loop {
            let moment = self.moment(&store, &identity.key)?;
            if let Some((old_store, old)) = &previous {
                self.check_descends(&store, &moment, old_store, old, &target)?;
            }
            let missing = self.copy_files(&store, &target, &moment, &mut report, progress)?;
            let Some(missing) = missing else { break moment };
            // It was merged into another one and deleted: the newest version does not name it.
            let version = moment.snapshot().version();
            if last.replace(version) == Some(version) {
                return Err(Error::MissingFile { path: missing });
            }
        };
        let old = previous.as_ref().map(|(_, old)| old);
        self.copy_tiles(&store, &target, &moment, old)?;
        self.wait(target.publish(&moment.frozen))??;
        self.publish_checkpoint(&target, &moment, old)?;
        self.wait(target.tidy(old.map(AsRef::as_ref), &moment.frozen))??;
        report.version = moment.snapshot().version().0;
        report.events = moment.size().get();
        report.checkpoint_size = moment.signed.map(|signed| signed.size().get());
        Ok(report)
    }

    /// Checks that the target is free or has a copy of this store, and marks it as the place of one.
    fn claim_target(
        &self,
        store: &Store,
        target: &CopyTarget,
    ) -> Result<Option<(Store, Arc<Snapshot>)>> {
        let refuse = |reason| Err(Error::CopyTarget { location: target.location(), reason });
        if target.overlaps(store) {
            return refuse("it is the store itself, or one of them is inside the other");
        }
        let ours = self.wait(store.side(IDENTITY))??.unwrap_or_default();
        let theirs = self.wait(target.side(IDENTITY))??;
        if theirs.as_ref().is_some_and(|theirs| *theirs != ours) {
            return refuse("it holds another trail");
        }
        let previous = match self.wait(target.store())? {
            Err(StoreError::NotATrail { .. }) => {
                return refuse("it holds another table");
            }
            previous => previous?,
        };
        if theirs.is_none() {
            if previous.is_some() || !self.wait(target.is_empty())?? {
                return refuse("it holds something else");
            }
            self.wait(target.put_side(IDENTITY, ours))??;
        }
        let Some(previous) = previous else { return Ok(None) };
        if previous.id() != store.id() {
            return refuse("it holds another trail");
        }
        let snapshot = self.wait(previous.snapshot())??;
        Ok(Some((previous, snapshot)))
    }

    /// The newest version that a checkpoint is signed for, or, if nobody signs any more, the newest one.
    fn moment(&self, store: &Store, key: &VerifierKey) -> Result<Moment> {
        let least = TreeSize::new(self.wait(store.snapshot())??.head().size.0);
        let mut pauses = 0;
        for attempt in 1..=ATTEMPTS {
            let note = self.wait(store.side(CHECKPOINT))??;
            let signed = note.as_ref().and_then(|note| Checkpoint::open(note, key).ok());
            let size = signed.as_ref().map_or(TreeSize::ZERO, |signed| signed.size());
            if size < least && pauses < PAUSES {
                pauses += 1;
                std::thread::sleep(PAUSE * pauses);
                continue;
            }
            // A tree that nobody signed is copied as it is: the drainer of the copy will sign it.
            let size = size.max(least);
            // Before all else: the next commit replaces them.
            let partials = self.partials(store, size)?;
            if partials.len() < RightEdge::tiles_needed(size).len() && attempt < ATTEMPTS {
                continue;
            }
            if let Some(frozen) = self.wait(store.freeze(EventCount(size.get())))?? {
                return Ok(Moment { frozen, note, signed, partials });
            }
        }
        Err(Error::Contended { attempts: ATTEMPTS })
    }

    /// The partial tiles of a tree, as far as they are there.
    fn partials(&self, store: &Store, size: TreeSize) -> Result<HashMap<TileId, Bytes>> {
        let tiles = RightEdge::tiles_needed(size);
        let names: Vec<_> = tiles.iter().map(|tile| tile.path()).collect();
        let found = self.wait(store.sides(&names))??;
        Ok(tiles.into_iter().zip(found).filter_map(|(tile, bytes)| Some((tile, bytes?))).collect())
    }

    /// Checks that what is at the target is an earlier version of the same trail.
    fn check_descends(
        &self,
        store: &Store,
        moment: &Moment,
        old_store: &Store,
        old: &Snapshot,
        target: &CopyTarget,
    ) -> Result<()> {
        let refuse = |reason| Err(Error::CopyTarget { location: target.location(), reason });
        let old_size = TreeSize::new(old.head().size.0);
        if old_size > moment.size() || old.version() > moment.snapshot().version() {
            return refuse("it has gone on by itself, and holds what this trail does not have");
        }
        if old_size == TreeSize::ZERO {
            return Ok(());
        }
        let logged = old.head().root.map(|root| Hash::from(root.0));
        let tiles = || edge_of_tiles(self, old_store, old_size, None);
        let old_root = match logged {
            Some(root) => Some(root),
            None => tiles()?.map(|edge| edge.root()),
        };
        let Some(old_root) = old_root else {
            return refuse("the copy that is there is damaged");
        };
        match self.extends(store, moment, old_size, old_root)? {
            Some(true) => Ok(()),
            Some(false) => refuse("its events are not the first ones of this trail"),
            None => {
                refuse("tiles of this trail are missing, which tell whether it is a copy of it")
            }
        }
    }

    /// Whether the tree of `moment` begins with the one of this size and root; `None` if the tiles do not tell.
    fn extends(
        &self,
        store: &Store,
        moment: &Moment,
        size: TreeSize,
        root: Hash,
    ) -> Result<Option<bool>> {
        let read = |tile: TileId| -> Result<Vec<u8>> {
            let known = moment.partials.get(&tile).cloned();
            let bytes = match known {
                Some(bytes) => Some(bytes),
                None => self.wait(store.side(&tile.path()))??,
            };
            let missing = Error::Merkle(MerkleError::MissingTile { tile });
            Ok(bytes.ok_or(missing)?.to_vec())
        };
        let Some(new_root) = moment.snapshot().head().root.map(|root| Hash::from(root.0)) else {
            return Ok(None);
        };
        let new_size = moment.size();
        if size == new_size {
            return Ok(Some(root == new_root));
        }
        let proof = match prove_consistency(size, new_size, read) {
            Err(Error::Merkle(_)) => return Ok(None),
            proof => proof?,
        };
        let verdict = verify_consistency(size, &root, new_size, &new_root, &proof)?;
        Ok(Some(verdict.is_verified()))
    }

    /// Copies the files of events; gives the path of the first one that the store does not have any more.
    fn copy_files(
        &self,
        store: &Store,
        target: &CopyTarget,
        moment: &Moment,
        report: &mut CopyReport,
        progress: &mut dyn FnMut(CopyProgress),
    ) -> Result<Option<String>> {
        let files = moment.snapshot().files();
        let rows = |file: &DataFile| file.rows().unwrap_or(0);
        let total = files.iter().map(rows).sum();
        let mut events = 0;
        report.known_files = 0;
        for file in files {
            match self.wait(target.copy_file(store, file))?? {
                Transfer::Gone => return Ok(Some(file.path().to_owned())),
                Transfer::Known => report.known_files += 1,
                Transfer::Copied => {
                    report.files += 1;
                    report.bytes += file.size();
                }
            }
            events += rows(file);
            progress(CopyProgress { events, total });
        }
        Ok(None)
    }

    fn copy_tiles(
        &self,
        store: &Store,
        target: &CopyTarget,
        moment: &Moment,
        old: Option<&Arc<Snapshot>>,
    ) -> Result<()> {
        let old_size = TreeSize::new(old.map_or(0, |old| old.head().size.0));
        let mut tiles = TileId::full_tiles(old_size, moment.size());
        loop {
            let some: Vec<_> = tiles.by_ref().take(TILES).map(sized).collect();
            if some.is_empty() {
                break;
            }
            self.wait(target.copy_sides(store, some))??;
        }
        for (tile, bytes) in &moment.partials {
            self.wait(target.put_side(&tile.path(), bytes.clone()))??;
        }
        Ok(())
    }

    /// Writes the checkpoint, and removes the tiles that it makes stale.
    fn publish_checkpoint(
        &self,
        target: &CopyTarget,
        moment: &Moment,
        old: Option<&Arc<Snapshot>>,
    ) -> Result<()> {
        if let Some(note) = &moment.note {
            self.wait(target.put_side(CHECKPOINT, note.clone()))??;
        }
        let old_size = TreeSize::new(old.map_or(0, |old| old.head().size.0));
        let stale = stale_partials(old_size, moment.size());
        let stale: Vec<_> = stale.into_iter().map(TileId::path).collect();
        Ok(self.wait(target.delete_sides(&stale))??)
    }
}

const UNCLAIMED: &str = "the store holds no events yet: there is nothing to copy";

/// The path of a tile, and its size in bytes.
fn sized(tile: TileId) -> (String, u64) {
    (tile.path(), u64::try_from(tile.byte_len()).unwrap_or(u64::MAX))
}
