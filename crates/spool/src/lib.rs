//! Crash-safe local buffer between capture and the store.
//!
//! A [`Spool`] is a directory that all processes of a host share. Each process
//! appends to segment files of its own through a [`Writer`]; no lock is shared
//! between writers. One elected [`Consumer`] collects committed transactions
//! and hands them out in batches. A [`SpoolView`] reads beside both.
//!
//! A record is opaque bytes here: the `event` crate knows what they mean, and
//! the `engine` crate decides when to drain them, and where to.
//!
//! # Guarantees
//!
//! - **Durable.** Once an append returns, its records survive the death of the
//!   process; once [`Writer::sync`] or [`Consumer::sync_all`] returns, a crash
//!   of the machine.
//! - **Atomic.** A transaction is handed out once its writer has marked it as
//!   committed. One whose writer died before sealing it is dropped; one whose
//!   outcome nobody wrote down is *in doubt*: kept, and handed out only after
//!   [`Consumer::resolve`] says so.
//! - **Ordered.** One writer's transactions are handed out in the order of
//!   their marks, and their records in order, without gaps.
//! - **Exactly once**, with a table that remembers the number of the last
//!   batch: see [`Consumer::begin_batch`].
//! - **Never skipped.** Bytes that do not read are kept aside and reported.
//!   Only the torn append of a dead writer is dropped: it never returned.
//!
//! # Fork
//!
//! A forked child shares the open files, and with them the locks, of its
//! parent. It must drop its `Writer` and `Consumer` first of all, and make new
//! ones: the inherited ones refuse to work ([`SpoolError::Forked`]) and write
//! nothing when dropped. While a child keeps them, its parent looks alive.
//!
//! # Example
//!
//! ```
//! use trailkeeper_spool::{BatchLimits, Options, RecordBuffer, Spool};
//!
//! # let dir = tempfile::tempdir()?;
//! let spool = Spool::open(&dir.path().join("spool"), Options::default())?;
//! let mut writer = spool.writer()?;
//! let mut records = RecordBuffer::new();
//! records.push(b"user 7 renamed project 3")?;
//! let transaction = writer.begin()?;
//! writer.append_complete(transaction, 1_700_000_000_000_000, &records)?;
//!
//! let mut consumer = spool.elect_consumer()?.expect("nobody else consumes");
//! consumer.poll()?;
//! let batch = consumer.ready(BatchLimits::default())?;
//! for ready in batch.transactions() {
//!     assert_eq!(ready.id, transaction);
//!     assert_eq!(ready.records().next(), Some(&b"user 7 renamed project 3"[..]));
//! }
//! let number = consumer.last_batch().next();
//! consumer.begin_batch(number, &batch)?;
//! // Here the batch goes into the table, together with its number.
//! consumer.finish_batch(number)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The file layout is specified in `docs/formats/spool.md`.

#![forbid(unsafe_code)]

mod appender;
mod batch;
mod consumer;
mod directory;
mod error;
mod format_file;
mod frame;
mod id;
mod input;
mod kept;
mod merge;
mod number_set;
mod progress;
mod progress_codec;
mod record;
mod segment;
mod segment_files;
mod spool;
mod stream;
mod transaction;
mod view;
mod writer;

pub use batch::{Batch, BatchLimits, BatchTransaction, Part};
pub use consumer::{Consumer, InDoubt, Resolution};
pub use error::{FrameFault, SpoolError};
pub use id::{BatchNumber, Position, SegmentIndex, SpoolId, TransactionId, WriterId};
pub use kept::Report;
pub use record::{RecordBuffer, Records};
pub use spool::{Options, Spool};
pub use transaction::Doubt;
pub use view::{Backlog, SpoolView, ViewTransaction};
pub use writer::Writer;
