//! The bytes of the progress file.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::SpoolError;
use crate::id::{BatchNumber, Position, SegmentIndex, SpoolId, TransactionId, WriterId};
use crate::input::Input;
use crate::number_set::NumberSet;
use crate::progress::{Begun, Coverage, Partial, Progress, WriterProgress};

const MAGIC: [u8; 8] = *b"TKprogr\0";
const VERSION: u32 = 1;

pub(crate) fn encode(progress: &Progress) -> Vec<u8> {
    let mut out = Output(Vec::with_capacity(256));
    out.bytes(&MAGIC);
    out.u32(VERSION);
    out.bytes(&progress.spool.0);
    out.u64(progress.last_batch.0);
    out.u64(progress.finished.0);
    out.partial(progress.partial);
    out.count(progress.writers.len());
    for (writer, state) in &progress.writers {
        out.bytes(&writer.0);
        out.position(state.low_water);
        out.position(state.read_to);
        out.numbers(&state.settled);
        out.count(state.reported.len());
        state.reported.iter().for_each(|at| out.position(*at));
    }
    out.count(progress.resolutions.len());
    for (transaction, committed_at) in &progress.resolutions {
        out.transaction(*transaction);
        out.bytes(&committed_at.to_le_bytes());
    }
    out.bytes(&[u8::from(progress.begun.is_some())]);
    if let Some(begun) = &progress.begun {
        out.u64(begun.number.0);
        out.partial(begun.coverage.partial);
        out.count(begun.coverage.drained.len());
        for (writer, numbers) in &begun.coverage.drained {
            out.bytes(&writer.0);
            out.numbers(numbers);
        }
        out.count(begun.coverage.reported.values().map(BTreeSet::len).sum());
        for (writer, positions) in &begun.coverage.reported {
            for at in positions {
                out.bytes(&writer.0);
                out.position(*at);
            }
        }
    }
    let checksum = crc32c::crc32c(&out.0);
    out.u32(checksum);
    out.0
}

/// Reads the file's bytes; `path` is for the error.
pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Progress, SpoolError> {
    let corrupt = |what| SpoolError::Corrupt { path: path.to_owned(), what };
    let (fields, checksum) =
        bytes.split_last_chunk::<4>().ok_or_else(|| corrupt("it is cut short"))?;
    if crc32c::crc32c(fields) != u32::from_le_bytes(*checksum) {
        return Err(corrupt("its checksum differs"));
    }
    let mut input = Input(fields);
    if input.take() != Some(MAGIC) {
        return Err(corrupt("it is of another format"));
    }
    match input.take_u32() {
        Some(VERSION) => {}
        Some(found) if found > VERSION => {
            let path = path.to_owned();
            return Err(SpoolError::NewerVersion { path, found, supported: VERSION });
        }
        _ => return Err(corrupt("its version does not read")),
    }
    decode_fields(&mut input)
        .filter(|_| input.is_empty())
        .ok_or_else(|| corrupt("its fields do not read"))
}

fn decode_fields(input: &mut Input<'_>) -> Option<Progress> {
    let mut progress = Progress::new(SpoolId(input.take()?));
    progress.last_batch = BatchNumber(input.take_u64()?);
    progress.finished = BatchNumber(input.take_u64()?);
    progress.partial = take_partial(input)?;
    for _ in 0..input.take_u32()? {
        let writer = WriterId(input.take()?);
        let state = WriterProgress {
            low_water: take_position(input)?,
            read_to: take_position(input)?,
            settled: take_numbers(input)?,
            reported: (0..input.take_u32()?)
                .map(|_| take_position(input))
                .collect::<Option<BTreeSet<_>>>()?,
        };
        progress.writers.insert(writer, state);
    }
    for _ in 0..input.take_u32()? {
        let transaction = take_transaction(input)?;
        progress.resolutions.insert(transaction, input.take_i64()?);
    }
    if input.take_flag()? {
        let number = BatchNumber(input.take_u64()?);
        let mut coverage = Coverage { partial: take_partial(input)?, ..Coverage::default() };
        for _ in 0..input.take_u32()? {
            let writer = WriterId(input.take()?);
            coverage.drained.insert(writer, take_numbers(input)?);
        }
        for _ in 0..input.take_u32()? {
            let writer = WriterId(input.take()?);
            coverage.reported.entry(writer).or_default().insert(take_position(input)?);
        }
        progress.begun = Some(Begun { number, coverage });
    }
    Some(progress)
}

fn take_position(input: &mut Input<'_>) -> Option<Position> {
    Some(Position { segment: SegmentIndex(input.take_u32()?), offset: input.take_u64()? })
}

fn take_transaction(input: &mut Input<'_>) -> Option<TransactionId> {
    Some(TransactionId { writer: WriterId(input.take()?), number: input.take_u32()? })
}

/// The outer `None` means that the bytes do not read.
fn take_partial(input: &mut Input<'_>) -> Option<Option<Partial>> {
    if !input.take_flag()? {
        return Some(None);
    }
    let transaction = take_transaction(input)?;
    Some(Some(Partial { transaction, next_position: input.take_u32()? }))
}

fn take_numbers(input: &mut Input<'_>) -> Option<NumberSet> {
    let mut numbers = NumberSet::default();
    for _ in 0..input.take_u32()? {
        let (first, last) = (input.take_u32()?, input.take_u32()?);
        if first > last {
            return None;
        }
        numbers.insert_run(first, last);
    }
    Some(numbers)
}

struct Output(Vec<u8>);

impl Output {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn u32(&mut self, number: u32) {
        self.bytes(&number.to_le_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).expect("fewer than 2^32 entries fit into memory"));
    }

    fn position(&mut self, position: Position) {
        self.u32(position.segment.0);
        self.u64(position.offset);
    }

    fn transaction(&mut self, transaction: TransactionId) {
        self.bytes(&transaction.writer.0);
        self.u32(transaction.number);
    }

    fn partial(&mut self, partial: Option<Partial>) {
        self.bytes(&[u8::from(partial.is_some())]);
        if let Some(partial) = partial {
            self.transaction(partial.transaction);
            self.u32(partial.next_position);
        }
    }

    fn numbers(&mut self, numbers: &NumberSet) {
        self.count(numbers.runs().len());
        for (first, last) in numbers.runs() {
            self.u32(first);
            self.u32(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn sample() -> Progress {
        let writer = WriterId([9; 8]);
        let at = |offset| Position { segment: SegmentIndex(2), offset };
        let transaction = TransactionId { writer, number: 12 };
        let mut numbers = NumberSet::default();
        [1, 2, 3, 7].into_iter().for_each(|number| numbers.insert(number));
        let state = WriterProgress {
            low_water: at(48),
            read_to: at(480),
            settled: numbers.clone(),
            reported: BTreeSet::from([at(60)]),
        };
        Progress {
            spool: SpoolId([3; 16]),
            last_batch: BatchNumber(5),
            finished: BatchNumber(4),
            partial: Some(Partial { transaction, next_position: 70 }),
            writers: BTreeMap::from([(writer, state)]),
            resolutions: BTreeMap::from([(transaction, -5)]),
            begun: Some(Begun {
                number: BatchNumber(5),
                coverage: Coverage {
                    partial: None,
                    drained: BTreeMap::from([(writer, numbers)]),
                    reported: BTreeMap::from([(writer, BTreeSet::from([at(90), at(99)]))]),
                },
            }),
        }
    }

    #[test]
    fn reads_what_it_writes() {
        let path = Path::new("progress");
        for progress in [sample(), Progress::new(SpoolId([0; 16]))] {
            assert_eq!(decode(path, &encode(&progress)).unwrap(), progress);
        }
    }

    #[test]
    fn every_flip_and_every_cut_shows() {
        let (path, bytes) = (Path::new("progress"), encode(&sample()));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = decode(path, &flipped).unwrap_err();
            assert!(matches!(error, SpoolError::Corrupt { path: named, .. } if named == path));
        }
        for cut in 0..bytes.len() {
            assert!(decode(path, &bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut bytes = encode(&sample());
        bytes[8] = 2;
        let end = bytes.len() - 4;
        let checksum = crc32c::crc32c(&bytes[..end]).to_le_bytes();
        bytes[end..].copy_from_slice(&checksum);
        let error = decode(Path::new("progress"), &bytes).unwrap_err();
        assert!(matches!(error, SpoolError::NewerVersion { found: 2, .. }));
    }
}
