//! The appending side of a process.

use std::sync::Arc;

use crate::appender::{Admission, Appender};
use crate::error::SpoolError;
use crate::frame::{Kind, push_frame};
use crate::id::{TransactionId, WriterId};
use crate::record::RecordBuffer;
use crate::spool::Shared;

/// Appends the transactions of one process.
///
/// Each call is one `write(2)`, done when it returns. After a fork the child must drop what it
/// inherited and make a writer of its own.
///
/// A transaction is either one [`append_complete`](Self::append_complete), or chunks by
/// [`prepare`](Self::prepare), the last one with a seal just before the database's COMMIT is
/// sent, and then a mark: [`commit`](Self::commit), [`abort`](Self::abort) or
/// [`uncertain`](Self::uncertain). Without a seal, the writer's death aborts it.
///
/// # Errors
///
/// An append that fails has appended nothing and can be repeated. [`SpoolError::Full`] and
/// [`SpoolError::TooLarge`] are for the caller's policy; marks and truncations never fail with
/// `Full`. One that fails all the same, on a full disk, is kept and written before the next append,
/// by [`sync`](Self::sync) or by [`write_owed`](Self::write_owed); a commit whose replacement is too long for that becomes `uncertain`.
#[derive(Debug)]
pub struct Writer {
    appender: Appender,
    /// The identity before this one, for the marks of transactions begun under it.
    earlier: Option<Appender>,
    next_number: Option<u32>,
}

impl Writer {
    pub(crate) fn new(spool: Arc<Shared>) -> Result<Self, SpoolError> {
        Ok(Self { appender: Appender::new(spool)?, earlier: None, next_number: Some(0) })
    }

    /// The identity that new transactions get. It changes when its 2^32 numbers are used up.
    #[must_use]
    pub fn id(&self) -> WriterId {
        self.appender.writer()
    }

    /// Names a new transaction; writes nothing.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Io`] when a new identity is needed and the system gives no random bytes.
    pub fn begin(&mut self) -> Result<TransactionId, SpoolError> {
        let number = match self.next_number {
            Some(number) => number,
            None => {
                let fresh = Appender::new(Arc::clone(self.appender.spool()))?;
                self.earlier = Some(std::mem::replace(&mut self.appender, fresh));
                0
            }
        };
        self.next_number = number.checked_add(1);
        Ok(TransactionId { writer: self.appender.writer(), number })
    }

    /// Appends a chunk of a transaction, and with `seal` says that its COMMIT comes next.
    ///
    /// `first_position` is the number of records before this chunk. The seal's bytes come back
    /// in [`InDoubt`](crate::InDoubt) if the outcome is never marked.
    #[expect(clippy::missing_errors_doc, reason = "common to all appends: see the type")]
    pub fn prepare(
        &mut self,
        transaction: TransactionId,
        first_position: u32,
        records: &RecordBuffer,
        seal: Option<&[u8]>,
    ) -> Result<(), SpoolError> {
        let count = count_of(records)?;
        let number = transaction.number;
        self.appender_of(transaction)?.append(Admission::Limited, |out| {
            let prefix = [first_position.to_le_bytes(), count.to_le_bytes()];
            if count > 0 {
                let parts = [prefix.as_flattened(), records.as_bytes()];
                push_frame(out, Kind::Prepared, number, &parts)?;
            }
            let chunk_len = out.len();
            if let Some(note) = seal {
                push_frame(out, Kind::Sealed, number, &[note])?;
            }
            Ok(if chunk_len > 0 { chunk_len } else { out.len() })
        })
    }

    /// Whether the last append failed and has left its first frame behind: the chunk of a
    /// [`prepare`](Self::prepare) without its seal. Repeat it, or [`abort`](Self::abort) the
    /// transaction: it is open until this writer is gone, and so is its segment.
    #[must_use]
    pub fn has_left_frame(&self) -> bool {
        self.appender.has_left_frame()
    }

    /// Drops the prepared records at `position` and above: a savepoint was rolled back.
    #[expect(clippy::missing_errors_doc, reason = "common to all appends: see the type")]
    pub fn truncate(
        &mut self,
        transaction: TransactionId,
        position: u32,
    ) -> Result<(), SpoolError> {
        self.append_mark(transaction, Kind::Truncated, &[&position.to_le_bytes()])
    }

    /// Marks a transaction as committed.
    ///
    /// A `replacement` takes the place of all records that were prepared.
    #[expect(clippy::missing_errors_doc, reason = "common to all appends: see the type")]
    pub fn commit(
        &mut self,
        transaction: TransactionId,
        committed_at: i64,
        replacement: Option<&RecordBuffer>,
    ) -> Result<(), SpoolError> {
        let at = committed_at.to_le_bytes();
        match replacement {
            None => self.append_mark(transaction, Kind::Committed, &[&at, &[0]]),
            Some(records) => {
                let count = count_of(records)?.to_le_bytes();
                let parts = [&at[..], &[1], &count, records.as_bytes()];
                self.append_mark(transaction, Kind::Committed, &parts)
            }
        }
    }

    /// Marks a transaction as committed that was one statement, whose records were prepared before
    /// it: they happened at `committed_at`.
    #[expect(clippy::missing_errors_doc, reason = "common to all appends: see the type")]
    pub fn commit_at_once(
        &mut self,
        transaction: TransactionId,
        committed_at: i64,
    ) -> Result<(), SpoolError> {
        self.append_mark(transaction, Kind::Committed, &[&committed_at.to_le_bytes(), &[2]])
    }

    /// Marks a transaction as rolled back.
    #[expect(clippy::missing_errors_doc, reason = "common to all appends: see the type")]
    pub fn abort(&mut self, transaction: TransactionId) -> Result<(), SpoolError> {
        self.append_mark(transaction, Kind::Aborted, &[])
    }

    /// Says that the outcome of a sent COMMIT is not known. A later mark settles it.
    #[expect(clippy::missing_errors_doc, reason = "common to all appends: see the type")]
    pub fn uncertain(&mut self, transaction: TransactionId) -> Result<(), SpoolError> {
        self.append_mark(transaction, Kind::Uncertain, &[])
    }

    /// Appends a whole committed transaction.
    #[expect(clippy::missing_errors_doc, reason = "common to all appends: see the type")]
    pub fn append_complete(
        &mut self,
        transaction: TransactionId,
        committed_at: i64,
        records: &RecordBuffer,
    ) -> Result<(), SpoolError> {
        let count = count_of(records)?;
        self.appender_of(transaction)?.append(Admission::Limited, |out| {
            let parts = [&committed_at.to_le_bytes()[..], &count.to_le_bytes(), records.as_bytes()];
            push_frame(out, Kind::Complete, transaction.number, &parts)?;
            Ok(out.len())
        })
    }

    /// Writes the marks that could not be written when they were made, for a writer that may append
    /// nothing more for a while.
    ///
    /// # Errors
    ///
    /// As for appends; what was not written is still owed.
    pub fn write_owed(&mut self) -> Result<(), SpoolError> {
        let earlier = self.earlier.as_mut().map_or(Ok(()), Appender::write_owed);
        self.appender.write_owed().and(earlier)
    }

    /// Makes everything appended so far survive a crash of the machine, marks that could not be
    /// written before included.
    ///
    /// # Errors
    ///
    /// [`SpoolError::NoSpace`] while such a mark does not fit, [`SpoolError::SyncFailed`] when the device may have lost some of it, and
    /// [`SpoolError::SegmentLost`] when somebody deleted it; appends go on in a new segment.
    pub fn sync(&mut self) -> Result<(), SpoolError> {
        let earlier = self.earlier.as_mut().map_or(Ok(()), Appender::sync);
        self.appender.sync().and(earlier)
    }

    #[cfg(test)]
    pub(crate) fn appender_mut(&mut self) -> &mut Appender {
        &mut self.appender
    }

    fn append_mark(
        &mut self,
        transaction: TransactionId,
        kind: Kind,
        parts: &[&[u8]],
    ) -> Result<(), SpoolError> {
        let number = transaction.number;
        self.appender_of(transaction)?.append_mark(
            |out| push_frame(out, kind, number, parts),
            |out| push_frame(out, Kind::Uncertain, number, &[]),
        )
    }

    fn appender_of(&mut self, transaction: TransactionId) -> Result<&mut Appender, SpoolError> {
        if self.appender.writer() == transaction.writer {
            return Ok(&mut self.appender);
        }
        self.earlier
            .as_mut()
            .filter(|earlier| earlier.writer() == transaction.writer)
            .ok_or(SpoolError::ForeignTransaction(transaction))
    }
}

fn count_of(records: &RecordBuffer) -> Result<u32, SpoolError> {
    u32::try_from(records.len()).map_err(|_| SpoolError::TooLarge {
        bytes: records.byte_len() as u64,
        limit: crate::frame::MAX_PAYLOAD.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchLimits, Options, Spool};

    #[test]
    fn a_writer_out_of_numbers_takes_a_new_identity_and_marks_the_old_transactions() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), Options::default()).unwrap();
        let mut writer = spool.writer().unwrap();
        writer.next_number = Some(u32::MAX);
        let mut records = RecordBuffer::new();
        records.push(b"last").unwrap();
        let last = writer.begin().unwrap();
        writer.prepare(last, 0, &records, Some(b"")).unwrap();
        let first = writer.begin().unwrap();
        assert_ne!(first.writer, last.writer);
        assert_eq!((last.number, first.number), (u32::MAX, 0));
        writer.append_complete(first, 1, &records).unwrap();
        writer.commit(last, 2, None).unwrap();
        writer.sync().unwrap();

        let mut consumer = spool.elect_consumer().unwrap().unwrap();
        consumer.poll().unwrap();
        let batch = consumer.ready(BatchLimits::default()).unwrap();
        let ids: Vec<_> = batch.transactions().map(|ready| ready.id).collect();
        assert_eq!(ids, [first, last]);
    }
}
