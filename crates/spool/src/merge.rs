//! One order over the transactions of all writers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::id::WriterId;
use crate::progress::Partial;
use crate::stream::WriterStream;
use crate::transaction::CommittedTransaction;

/// Committed transactions: the partly drained one first, then by the time of their commit, each
/// writer's in its own order.
pub(crate) struct Merge<'a> {
    streams: &'a BTreeMap<WriterId, WriterStream>,
    first: Option<(WriterId, usize)>,
    is_first_due: bool,
    heads: BinaryHeap<Reverse<(i64, WriterId, usize)>>,
}

impl<'a> Merge<'a> {
    pub(crate) fn new(
        streams: &'a BTreeMap<WriterId, WriterStream>,
        partial: Option<Partial>,
    ) -> Self {
        let first = partial.and_then(|Partial { transaction, .. }| {
            let committed = &streams.get(&transaction.writer)?.committed;
            let index = committed.iter().position(|other| other.number == transaction.number)?;
            Some((transaction.writer, index))
        });
        let heads = BinaryHeap::new();
        let mut merge = Self { streams, first, is_first_due: true, heads };
        streams.keys().for_each(|writer| merge.push_head(*writer, 0));
        merge
    }

    fn push_head(&mut self, writer: WriterId, index: usize) {
        let at = |index| self.streams.get(&writer).and_then(|stream| stream.committed.get(index));
        let index = if self.first == Some((writer, index)) { index + 1 } else { index };
        if let Some(transaction) = at(index) {
            self.heads.push(Reverse((transaction.committed_at, writer, index)));
        }
    }
}

impl<'a> Iterator for Merge<'a> {
    type Item = (WriterId, &'a CommittedTransaction);

    fn next(&mut self) -> Option<Self::Item> {
        if std::mem::take(&mut self.is_first_due)
            && let Some((writer, index)) = self.first
        {
            let stream = self.streams.get(&writer)?;
            return stream.committed.get(index).map(|transaction| (writer, transaction));
        }
        let Reverse((_, writer, index)) = self.heads.pop()?;
        self.push_head(writer, index + 1);
        let transaction = self.streams.get(&writer)?.committed.get(index)?;
        Some((writer, transaction))
    }
}
