//! A segment file: its name, its header, its frames in order.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::error::FrameFault;
use crate::frame::{Frame, Taken, read_frame};
use crate::id::{SegmentIndex, SpoolId, WriterId};
use crate::input::Input;

/// Newest version of the segment format.
pub(crate) const VERSION: u32 = 1;
/// Length of a segment header.
pub(crate) const SEGMENT_HEADER_LEN: usize = 48;
const MAGIC: [u8; 8] = *b"TKspool\0";
/// How much is read ahead of the frame being looked at.
const READ_LEN: usize = 256 * 1024;

/// Whose segment it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) spool: SpoolId,
    pub(crate) writer: WriterId,
    pub(crate) index: SegmentIndex,
}

/// What the first bytes of a segment are.
pub(crate) enum HeaderRead {
    Header(SegmentHeader),
    NewerVersion(u32),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_LEN] {
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.spool.0);
        bytes[32..40].copy_from_slice(&self.writer.0);
        bytes[40..44].copy_from_slice(&self.index.0.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..44]);
        bytes[44..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// `None` when the bytes do not check.
    pub(crate) fn decode(bytes: [u8; SEGMENT_HEADER_LEN]) -> Option<HeaderRead> {
        let (fields, checksum) = bytes.split_at(SEGMENT_HEADER_LEN - 4);
        let mut input = Input(fields);
        if checksum != crc32c::crc32c(fields).to_le_bytes() || input.take::<8>()? != MAGIC {
            return None;
        }
        let version = input.take_u32()?;
        if version > VERSION {
            return Some(HeaderRead::NewerVersion(version));
        }
        let reserved = input.take_u32()?;
        if version == 0 || reserved != 0 {
            return None;
        }
        let (spool, writer) = (SpoolId(input.take()?), WriterId(input.take()?));
        let index = SegmentIndex(input.take_u32()?);
        Some(HeaderRead::Header(Self { spool, writer, index }))
    }

    pub(crate) fn file_name(&self) -> String {
        file_name(self.writer, self.index)
    }
}

pub(crate) fn file_name(writer: WriterId, index: SegmentIndex) -> String {
    format!("{writer}-{index}.seg")
}

/// The writer and index in the name of a segment; `None` for other files.
pub(crate) fn parse_file_name(name: &str) -> Option<(WriterId, SegmentIndex)> {
    let (writer, index) = name.strip_suffix(".seg")?.split_once('-')?;
    if index.len() < 8 || !index.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((writer.parse().ok()?, SegmentIndex(index.parse().ok()?)))
}

/// What stands at an offset of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found {
    Frame(Frame),
    /// Nothing: the file ends here.
    End,
    /// Bytes that a writer may leave half-written: a cut frame, or zeros to the end of the file.
    Partial,
    Fault(FrameFault),
}

/// Reads frames of one file through a window that moves forward.
#[derive(Debug, Default)]
pub(crate) struct Window {
    bytes: Vec<u8>,
    start: u64,
}

impl Window {
    /// Forgets what was read: the file may have grown, or another one follows.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(READ_LEN);
        self.start = 0;
    }

    /// Looks for a frame at `offset`.
    pub(crate) fn frame_at(&mut self, file: &File, offset: u64) -> io::Result<Found> {
        match read_frame(self.bytes_at(offset)) {
            Ok(Taken::Frame(frame)) => return Ok(Found::Frame(frame)),
            Ok(Taken::Short { .. }) | Err(_) => {}
        }
        // What was read ahead may be older than the end of the file: read again before judging.
        let mut needed = 0;
        loop {
            self.fill(file, offset, needed)?;
            let bytes = self.bytes_at(offset);
            match read_frame(bytes) {
                Ok(Taken::Frame(frame)) => return Ok(Found::Frame(frame)),
                Ok(Taken::Short { .. }) if bytes.is_empty() => return Ok(Found::End),
                Ok(Taken::Short { needed: more }) if bytes.len() >= READ_LEN && more > needed => {
                    needed = more;
                }
                Ok(Taken::Short { .. }) => return Ok(Found::Partial),
                Err(_) if is_zero_to_end(file, offset)? => return Ok(Found::Partial),
                Err(fault) => return Ok(Found::Fault(fault)),
            }
        }
    }

    fn bytes_at(&self, offset: u64) -> &[u8] {
        offset
            .checked_sub(self.start)
            .and_then(|skip| usize::try_from(skip).ok())
            .and_then(|skip| self.bytes.get(skip..))
            .unwrap_or_default()
    }

    /// Reads from `offset`, `needed` bytes or the usual length, less at the end of the file.
    fn fill(&mut self, file: &File, offset: u64, needed: usize) -> io::Result<()> {
        // A header may lie: what the file does not hold is not asked for.
        let left = usize::try_from(file.metadata()?.len().saturating_sub(offset)).unwrap_or(0);
        self.bytes.clear();
        self.bytes.resize(left.min(needed.max(READ_LEN)), 0);
        self.start = offset;
        let read = read_at_most(file, &mut self.bytes, offset)?;
        self.bytes.truncate(read);
        Ok(())
    }
}

/// Fills `buffer` from `offset`; returns less than its length only at the end of the file.
pub(crate) fn read_at_most(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Whether only zeros stand from `offset` to the end of the file.
pub(crate) fn is_zero_to_end(file: &File, mut offset: u64) -> io::Result<bool> {
    let mut buffer = [0; 8192];
    loop {
        let read = read_at_most(file, &mut buffer, offset)?;
        if buffer.iter().take(read).any(|byte| *byte != 0) {
            return Ok(false);
        }
        if read < buffer.len() {
            return Ok(true);
        }
        offset += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_a_header_shows() {
        let header = SegmentHeader {
            spool: SpoolId([7; 16]),
            writer: WriterId([1, 2, 3, 4, 5, 6, 7, 8]),
            index: SegmentIndex(3),
        };
        let bytes = header.encode();
        assert!(matches!(SegmentHeader::decode(bytes), Some(HeaderRead::Header(h)) if h == header));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(flipped).is_none(), "bit {bit}");
        }
        assert_eq!(header.file_name(), "0102030405060708-00000003.seg");
        assert_eq!(parse_file_name(&header.file_name()), Some((header.writer, header.index)));
        for name in ["x.seg", "0102030405060708-3.seg", "0102030405060708-00000003.tmp"] {
            assert_eq!(parse_file_name(name), None);
        }
    }
}
