//! The audit event: what it holds, and the bytes it is proven by.
//!
//! An event passes through three forms. Capture encodes it at once as a
//! [`record`](RecordBuilder): the items it knows. The sequencer adds a
//! [`Stamp`] (its place in the trail). What the proof covers is the *core* of
//! both, hashed by [`leaf_hash`]; in the table the same columns are one row of
//! an `EventBatch` (feature `arrow`).
//!
//! # Guarantees
//!
//! - **One meaning.** A [`Column`] keeps its tag, type and privacy for ever.
//! - **One core.** Equal columns give equal core bytes, whichever form they are
//!   read from, so a row of the table can be checked against its leaf.
//! - **No panic.** Foreign bytes give a [`RecordError`].
//!
//! # Example
//!
//! ```
//! use trailkeeper_event::{Column, Record, RecordBuilder};
//!
//! let mut builder = RecordBuilder::new();
//! builder.text(Column::Action, "invoice.validated").int(Column::OccurredAt, 1_700_000_000_000_000);
//! let record = Record::parse(builder.as_bytes())?;
//! assert_eq!(record.text(Column::Action), Some("invoice.validated"));
//! # Ok::<(), trailkeeper_event::RecordError>(())
//! ```
//!
//! The bytes are specified in `docs/formats/event.md`.
// One call in `message/lane.rs` is allowed.
#![deny(unsafe_code)]

#[cfg(feature = "arrow")]
mod batch;
mod clock;
mod column;
mod core;
mod error;
mod hash;
mod id;
mod json;
#[cfg(feature = "arrow")]
mod leaf;
#[cfg(feature = "arrow")]
mod message;
mod record;
#[cfg(feature = "arrow")]
mod redaction;
mod salt;

#[cfg(feature = "arrow")]
pub use crate::batch::{EventBatch, EventBatchBuilder, arrow_schema};
pub use crate::clock::{Clock, Micros, SystemClock};
pub use crate::column::{Column, ColumnType};
pub use crate::core::{CoreWriter, LeafHash, Stamp, leaf_hash};
pub use crate::error::RecordError;
pub use crate::id::{EventId, Position, Seq, TransactionNumber, WriterId};
pub use crate::json::{compare_utf16, write_json_f64, write_json_i64, write_json_string};
#[cfg(feature = "arrow")]
pub use crate::leaf::LeafHasher;
pub use crate::record::{MAX_RECORD_LEN, Record, RecordBuilder};
pub use crate::salt::{Commitment, Salt, SaltColumn, Seed};

/// The `schema_version` of the events this crate writes.
pub const SCHEMA_VERSION: i64 = 1;
