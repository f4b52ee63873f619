//! Drain, sequence, search, verify: how the parts meet.
//!
//! A [`Trail`] is a store of events and the spool that feeds it. One elected [`Drainer`] moves
//! committed transactions from the spool into the store, gives each event its place in the Merkle
//! tree, and signs the tree. Everybody reads both as one.
//!
//! # Guarantees
//!
//! - **Nothing is lost or doubled.** A transaction that the spool holds as committed is in the
//!   store exactly once, wherever a drainer was killed.
//! - **Seen once.** [`Trail::query`] shows each committed event, in the store or on its way there,
//!   and never twice.
//! - **Only ever extended.** A checkpoint is signed only for a committed tree that extends the one
//!   signed before. If the store contradicts its checkpoint, nothing is drained, and the events
//!   stay in the spool.
//! - **One owner.** A store is written only by those who hold the key it was claimed with.
//!
//! # Example
//!
//! ```
//! use trailkeeper_engine::{BatchLimits, Column, RecordBuilder, Trail, TrailOptions, Verdict};
//! use trailkeeper_spool::RecordBuffer;
//!
//! # let dir = tempfile::tempdir()?;
//! # let folder = dir.path().join("trail").to_str().ok_or("path")?.to_owned();
//! let trail = Trail::open(TrailOptions::new(folder).with_spool(dir.path().join("spool")))?;
//! let mut record = RecordBuilder::new();
//! record.text(Column::Model, "billing.invoice").text(Column::ObjectId, "42");
//! let mut records = RecordBuffer::new();
//! records.push(record.as_bytes())?;
//! let mut writer = trail.spool().ok_or("no spool")?.writer()?;
//! let transaction = writer.begin()?;
//! writer.append_complete(transaction, 1_795_996_800_000_000, &records)?;
//!
//! let mut drainer = trail.elect_drainer()?.ok_or("somebody else drains")?;
//! drainer.drain_once(BatchLimits::default())?;
//! assert_eq!(trail.history("billing.invoice", "42")?.len(), 1);
//! assert_eq!(trail.verify(None, &mut |_| {})?.verdict, Verdict::Verified);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod compact;
mod copy;
mod doubt;
mod drain;
mod error;
mod event;
mod export;
mod filter;
mod flush;
mod key;
mod read;
mod sequence;
mod stats;
mod stream;
mod system;
mod time;
mod trail;
mod tree;
mod verify;

pub use trailkeeper_event::{
    Clock, Column, ColumnType, Micros, Record, RecordBuilder, SystemClock,
};
pub use trailkeeper_merkle::VerifierKey;
pub use trailkeeper_spool::{
    Backlog, BatchLimits, Doubt, Options as SpoolOptions, RecordBuffer, Spool, TransactionId,
    WriterId,
};
pub use trailkeeper_store::{Limits, OpenOptions, Parameter, Rows};

pub use crate::compact::{CompactReport, FILE_GRACE};
pub use crate::copy::{CopyProgress, CopyReport};
pub use crate::doubt::{InDoubtTransaction, Resolution};
pub use crate::drain::{DrainReport, Drainer};
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::event::AuditEvent;
pub use crate::export::{CsvText, ExportFormat, ProofMode};
pub use crate::filter::{EventFilter, Order};
pub use crate::read::{OpenTransaction, Statement};
pub use crate::stats::Stats;
pub use crate::time::rfc3339;
pub use crate::trail::{Creation, Trail, TrailOptions};
pub use crate::verify::{EventRef, Finding, FindingKind, Progress, Verdict, VerifyReport};
