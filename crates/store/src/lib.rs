//! The Delta table of events: commits, files, queries.
//!
//! A [`Store`] is a folder, or a prefix in a bucket, with one Delta Lake table of events and a few
//! objects beside it (identity, checkpoint, Merkle tiles). It knows rows and files. What the rows prove, and where
//! they come from, is the `engine` crate's business.
//!
//! # Guarantees
//!
//! - **Durable.** What [`Store::append`] and the `put_side` family report as done survives a power
//!   cut.
//! - **Exactly once.** A batch of a spool is in the table once, whatever was retried, and however
//!   many processes append.
//! - **In order.** A commit extends the tree it was sequenced for, or is refused as
//!   [`Outcome::Conflict`].
//! - **The same rows.** [`Store::merge_next`] and [`Store::vacuum`] change which files hold the events,
//!   never the events; appends neither wait for them nor fail by them.
//! - **Read-only SQL.** [`Store::query`] runs `SELECT` over `events` and nothing else; what asks for one
//!   object's events, without a plan.
//!
//! # Example
//!
//! ```
//! use trailkeeper_store::{OpenOptions, Query, Store};
//!
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! # let dir = tempfile::tempdir()?;
//! # let folder = dir.path().to_str().ok_or("path")?;
//! let store = Store::create(folder, OpenOptions::new()).await?;
//! let snapshot = store.snapshot().await?;
//! let sql = "SELECT count(*) FROM events".to_owned();
//! let rows = store.query(&snapshot, Query { sql, ..Query::default() }).await?;
//! assert_eq!(rows.batches[0].num_rows(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The layout is specified in `docs/formats/table.md`.
#![forbid(unsafe_code)]

mod bucket;
mod commit;
mod compact;
mod copy;
mod durable;
mod error;
mod event_file;
mod file;
mod foreign;
mod location;
mod logfile;
mod look_up;
mod merge;
mod number;
mod query;
mod runs;
mod scan;
mod side;
mod snapshot;
mod store;
mod upkeep;
mod write;

pub use crate::commit::{Commit, Outcome};
pub use crate::compact::Merged;
pub use crate::copy::{CopyTarget, Frozen, Transfer};
pub use crate::error::{Result, Source, StoreError};
pub use crate::event_file::EventFile;
pub use crate::file::DataFile;
pub use crate::number::{BatchNumber, EventCount, TableVersion, TreeHead, TreeRoot};
pub use crate::query::{EVENTS, Limits, Parameter, Query, RowStream, Rows};
pub use crate::runs::Effort;
pub use crate::scan::FileScan;
pub use crate::side::{Presence, Usage};
pub use crate::snapshot::Snapshot;
pub use crate::store::{FORMAT, OpenOptions, Store, local_backend};
