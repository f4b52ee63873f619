//! Verification: does the trail hold every event as it was recorded, and nothing else?
//!
//! Every row is hashed again, and the hashes must be those of the tiles and give the root that the
//! checkpoint signs (`docs/formats/merkle.md`, "Verification").

mod finding;
mod rows;
mod tile;

use std::time::Duration;

use trailkeeper_merkle::{Checkpoint, Hash, LeafIndex, TileId, TreeSize, VerifierKey};
use trailkeeper_store::{EventCount, Snapshot, Store, StoreError};

pub use self::finding::{EventRef, Finding, FindingKind};
use self::rows::RowCheck;
use crate::error::{Error, Result};
use crate::key::{Identity, origin};
use crate::trail::Trail;
use crate::tree::CHECKPOINT;

/// More findings than this are counted and not listed.
const MAX_FINDINGS: usize = 100;
/// A drainer that is at work signs within this many looks.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// Whether the trail is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every event is as it was when the checkpoint was signed, and none is missing or invented.
    Verified,
    /// Something differs: see the findings.
    NotVerified,
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// So many events have been hashed.
    pub events: u64,
    /// So many are to be.
    pub total: u64,
}

/// What a verification found.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// Whether the trail is proven.
    pub verdict: Verdict,
    /// The first event that was altered, removed, reordered or invented, where a finding names one.
    pub first_bad: Option<EventRef>,
    /// What differs, those about the earliest events first.
    pub findings: Vec<Finding>,
    /// How many more findings there are.
    pub more_findings: u64,
    /// How many rows were hashed.
    pub events: u64,
    /// How many events the table claims.
    pub table_size: u64,
    /// How many events the checkpoint covers, if there is one that is signed with the key.
    pub checkpoint_size: Option<u64>,
    /// The root hash of the checkpoint, in base64.
    pub root: Option<String>,
    /// The key the checkpoint was checked with.
    pub key: Option<String>,
    /// Tiles that do not hold the hashes of their events, although these are proven: the next
    /// rebuild of the tree makes them anew.
    pub damaged_tiles: Vec<String>,
}

impl Trail {
    /// Verifies the whole trail with `key`, or with the one its identity names.
    ///
    /// `progress` is told now and then how far it is.
    ///
    /// # Errors
    ///
    /// If it cannot be checked at all: there is no store, or the storage does not read. What can be
    /// read and is wrong is a finding.
    pub fn verify(
        &self,
        key: Option<&VerifierKey>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<VerifyReport> {
        let store = match self.store() {
            Ok(store) => store,
            Err(Error::Store(error @ StoreError::Corrupt { .. })) => return Ok(unreadable(&error)),
            Err(error) => return Err(error),
        };
        let mut claims = Claims::read(self, &store, key)?;
        for attempt in 1..ATTEMPTS {
            if claims.agree() {
                break;
            }
            std::thread::sleep(PAUSE * attempt);
            claims = Claims::read(self, &store, key)?;
        }
        let Claims { snapshot, key, checkpoint, mut findings } = claims;
        let size = snapshot.head().size;
        let signed = checkpoint.as_ref().map(|checkpoint| checkpoint.size());
        let mut rows = RowCheck::new(self, &store, size, signed)?;
        rows.check(&snapshot, progress)?;
        let checked = rows.finish();
        findings.extend(checked.findings);
        let is_proven =
            compare_roots(checkpoint.as_ref(), &snapshot, &checked.roots, &mut findings);
        let mut damaged_tiles = checked.damaged_tiles;
        if is_proven {
            // The signature proves the rows: where a tile says otherwise, the tile is wrong.
            let wrong = findings.extract_if(.., |finding| finding.kind == FindingKind::Altered);
            let tiles = wrong.filter_map(|finding| tile_of(&finding, size));
            damaged_tiles.extend(tiles);
            damaged_tiles.dedup();
        } else if !damaged_tiles.is_empty() {
            let missing = damaged_tiles.drain(..).map(Finding::tile);
            findings.extend(missing);
        }
        Ok(report(findings, Proof { events: checked.events, size, checkpoint, key, damaged_tiles }))
    }
}

/// The path of the tile that holds the hash of the finding's event.
fn tile_of(finding: &Finding, size: EventCount) -> Option<String> {
    let leaf = LeafIndex::new(finding.event.as_ref()?.seq);
    TileId::of_leaf(leaf, TreeSize::new(size.0)).map(TileId::path)
}

/// What was checked, beside the findings.
struct Proof {
    events: u64,
    size: EventCount,
    checkpoint: Option<Checkpoint>,
    key: Option<VerifierKey>,
    damaged_tiles: Vec<String>,
}

fn report(mut findings: Vec<Finding>, proof: Proof) -> VerifyReport {
    findings.sort_by_key(|finding| finding.event.as_ref().map_or(u64::MAX, |event| event.seq));
    let first_bad = findings.iter().find_map(|finding| finding.event.clone());
    let more = findings.len().saturating_sub(MAX_FINDINGS);
    let verdict = if findings.is_empty() { Verdict::Verified } else { Verdict::NotVerified };
    findings.truncate(MAX_FINDINGS);
    VerifyReport {
        verdict,
        first_bad,
        findings,
        more_findings: u64::try_from(more).unwrap_or(u64::MAX),
        events: proof.events,
        table_size: proof.size.0,
        checkpoint_size: proof.checkpoint.as_ref().map(|checkpoint| checkpoint.size().get()),
        root: proof.checkpoint.as_ref().map(|checkpoint| checkpoint.root().to_string()),
        key: proof.key.map(|key| key.to_string()),
        damaged_tiles: proof.damaged_tiles,
    }
}

/// The report on a store whose log does not even read.
fn unreadable(error: &StoreError) -> VerifyReport {
    let finding = Finding::new(FindingKind::Log, error.to_string());
    report(
        vec![finding],
        Proof {
            events: 0,
            size: EventCount(0),
            checkpoint: None,
            key: None,
            damaged_tiles: Vec::new(),
        },
    )
}

/// What the table and the checkpoint say of each other.
struct Claims {
    snapshot: std::sync::Arc<Snapshot>,
    key: Option<VerifierKey>,
    checkpoint: Option<Checkpoint>,
    findings: Vec<Finding>,
}

impl Claims {
    /// Reads the table first: a checkpoint that is read later covers it, unless it lags.
    fn read(trail: &Trail, store: &Store, key: Option<&VerifierKey>) -> Result<Self> {
        let snapshot = trail.wait(store.snapshot())??;
        let mut findings = Vec::new();
        let key = match (key, Identity::read(trail, store)) {
            (Some(key), _) => Some(key.clone()),
            (None, Ok(identity)) => identity.map(|identity| identity.key),
            (None, Err(error @ Error::Identity { .. })) => {
                findings.push(Finding::new(FindingKind::Checkpoint, error.to_string()));
                None
            }
            (None, Err(error)) => return Err(error),
        };
        let size = snapshot.head().size.0;
        let note = trail.wait(store.side(CHECKPOINT))??;
        let mut found = |what: String| findings.push(Finding::new(FindingKind::Checkpoint, what));
        let checkpoint = match (note, &key) {
            (None, _) if size == 0 => None,
            (None, _) => {
                found("there is no signed checkpoint".to_owned());
                None
            }
            (Some(_), None) => {
                found("there is no key to check the checkpoint with".to_owned());
                None
            }
            (Some(note), Some(key)) => Checkpoint::open(&note, key)
                .map_err(|error| {
                    found(format!("the checkpoint is not signed with the key: {error}"))
                })
                .ok(),
        };
        if let Some(checkpoint) = &checkpoint {
            if checkpoint.origin() != origin(store) {
                found(format!("the checkpoint is that of another store, {}", checkpoint.origin()));
            }
            let signed = checkpoint.size().get();
            if signed < size {
                found(format!("{} events are not covered by the signed checkpoint", size - signed));
            }
            if signed > size {
                found(format!("the checkpoint covers {signed} events and the table holds {size}"));
            }
        }
        Ok(Self { snapshot, key, checkpoint, findings })
    }

    fn agree(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Compares the roots computed from the rows with those that were signed and logged; tells whether
/// the signed one is right.
fn compare_roots(
    checkpoint: Option<&Checkpoint>,
    snapshot: &Snapshot,
    roots: &rows::Roots,
    findings: &mut Vec<Finding>,
) -> bool {
    let head = snapshot.head();
    if let (Some(logged), Some(found)) = (head.root, roots.at(TreeSize::new(head.size.0)))
        && Hash::from(logged.0) != found
    {
        let what = "the events do not give the root hash in the Delta log".to_owned();
        findings.push(Finding::new(FindingKind::Root, what));
    }
    let Some(checkpoint) = checkpoint else { return false };
    let is_proven = roots.at(checkpoint.size()) == Some(checkpoint.root());
    if !is_proven {
        let what = "the events do not give the root hash that is signed".to_owned();
        findings.push(Finding::new(FindingKind::Root, what));
    }
    is_proven
}
