//! Frames: what an append writes, and how it is read back.

use crate::error::{FrameFault, SpoolError};
use crate::input::Input;
use crate::record::is_records;

/// Length of a frame header.
pub(crate) const HEADER_LEN: usize = 20;
/// Longest payload of a frame.
pub(crate) const MAX_PAYLOAD: u32 = 1 << 30;

/// What a frame says about its transaction; tells apart the payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Prepared = 1,
    Truncated = 2,
    Sealed = 3,
    Committed = 4,
    Aborted = 5,
    Uncertain = 6,
    Complete = 7,
    Closed = 8,
}

/// The fixed fields of a checked payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Prepared { first_position: u32, count: u32 },
    Truncated { position: u32 },
    Sealed,
    Committed { committed_at: i64, form: Committed },
    Aborted,
    Uncertain,
    Complete { committed_at: i64, count: u32 },
    Closed,
}

/// Which records a mark commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Committed {
    /// Those that were prepared.
    Prepared,
    /// Those of the mark.
    Replaced { count: u32 },
    /// Those that were prepared, before the one statement that was their transaction: they happened
    /// when it was committed.
    AtOnce,
}

/// A whole frame that checks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) transaction: u32,
    pub(crate) body: Body,
    pub(crate) payload_len: u32,
    pub(crate) payload_checksum: u32,
}

impl Frame {
    /// Bytes of the whole frame.
    pub(crate) fn len(&self) -> usize {
        HEADER_LEN + self.payload_len as usize
    }
}

/// What stands at the front of some bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Taken {
    Frame(Frame),
    /// The bytes end inside a frame of which the header checks, or inside the header.
    Short {
        needed: usize,
    },
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Prepared,
            2 => Self::Truncated,
            3 => Self::Sealed,
            4 => Self::Committed,
            5 => Self::Aborted,
            6 => Self::Uncertain,
            7 => Self::Complete,
            8 => Self::Closed,
            _ => return None,
        })
    }
}

/// Reads the frame at the front of `bytes`.
///
/// # Errors
///
/// A fault means that the bytes are not a frame, however many more follow.
pub(crate) fn read_frame(bytes: &[u8]) -> Result<Taken, FrameFault> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Ok(Taken::Short { needed: HEADER_LEN });
    };
    let (fields, checksum) = header.split_at(HEADER_LEN - 4);
    if checksum != crc32c::crc32c(fields).to_le_bytes() {
        return Err(FrameFault::Header);
    }
    let mut input = Input(fields);
    let (Some(payload_len), Some(kind), Some(reserved), Some(transaction), Some(payload_checksum)) =
        (input.take_u32(), input.take_u8(), input.take::<3>(), input.take_u32(), input.take_u32())
    else {
        return Err(FrameFault::Header);
    };
    let kind = Kind::from_byte(kind).ok_or(FrameFault::Malformed)?;
    if payload_len > MAX_PAYLOAD || reserved != [0; 3] {
        return Err(FrameFault::Malformed);
    }
    let Some((payload, _)) = rest.split_at_checked(payload_len as usize) else {
        return Ok(Taken::Short { needed: HEADER_LEN + payload_len as usize });
    };
    if crc32c::crc32c(payload) != payload_checksum {
        return Err(FrameFault::Payload);
    }
    let body = read_body(kind, payload).ok_or(FrameFault::Malformed)?;
    Ok(Taken::Frame(Frame { transaction, body, payload_len, payload_checksum }))
}

/// Reads the fixed fields of a payload and checks the form of the rest.
fn read_body(kind: Kind, payload: &[u8]) -> Option<Body> {
    let mut input = Input(payload);
    let body = match kind {
        Kind::Prepared => {
            let (first_position, count) = (input.take_u32()?, input.take_u32()?);
            // Positions of a transaction are u32, its length included.
            first_position.checked_add(count)?;
            return is_records(input.0, count).then_some(Body::Prepared { first_position, count });
        }
        Kind::Sealed => return Some(Body::Sealed),
        Kind::Committed => {
            let (committed_at, form) = (input.take_i64()?, input.take_u8()?);
            let form = match form {
                0 => Committed::Prepared,
                1 => Committed::Replaced { count: input.take_u32()? },
                2 => Committed::AtOnce,
                _ => return None,
            };
            let body = Body::Committed { committed_at, form };
            if let Committed::Replaced { count } = form {
                return is_records(input.0, count).then_some(body);
            }
            body
        }
        Kind::Complete => {
            let (committed_at, count) = (input.take_i64()?, input.take_u32()?);
            return is_records(input.0, count).then_some(Body::Complete { committed_at, count });
        }
        Kind::Truncated => Body::Truncated { position: input.take_u32()? },
        Kind::Aborted => Body::Aborted,
        Kind::Uncertain => Body::Uncertain,
        Kind::Closed => Body::Closed,
    };
    input.is_empty().then_some(body)
}

/// Appends a frame whose payload is `parts`, one after the other.
///
/// # Errors
///
/// [`SpoolError::TooLarge`], with `out` as it was.
pub(crate) fn push_frame(
    out: &mut Vec<u8>,
    kind: Kind,
    transaction: u32,
    parts: &[&[u8]],
) -> Result<(), SpoolError> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let payload_len = u32::try_from(len)
        .ok()
        .filter(|len| *len <= MAX_PAYLOAD)
        .ok_or(SpoolError::TooLarge { bytes: len as u64, limit: MAX_PAYLOAD.into() })?;
    let payload_checksum =
        parts.iter().fold(0, |checksum, part| crc32c::crc32c_append(checksum, part));

    let mut header = [0; HEADER_LEN];
    header[..4].copy_from_slice(&payload_len.to_le_bytes());
    header[4] = kind as u8;
    header[8..12].copy_from_slice(&transaction.to_le_bytes());
    header[12..16].copy_from_slice(&payload_checksum.to_le_bytes());
    let header_checksum = crc32c::crc32c(&header[..HEADER_LEN - 4]);
    header[16..].copy_from_slice(&header_checksum.to_le_bytes());

    out.extend_from_slice(&header);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_a_fault_or_a_short_frame() {
        let mut whole = Vec::new();
        let payload = [&7u32.to_le_bytes()[..], &1u32.to_le_bytes(), &2u32.to_le_bytes(), b"hi"];
        push_frame(&mut whole, Kind::Prepared, 9, &payload).unwrap();
        let Ok(Taken::Frame(frame)) = read_frame(&whole) else { panic!("a frame") };
        assert_eq!(frame.body, Body::Prepared { first_position: 7, count: 1 });
        assert_eq!((frame.transaction, frame.len()), (9, whole.len()));
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read_frame(&flipped).is_err(), "bit {bit}");
        }
        for cut in 0..whole.len() {
            let taken = read_frame(&whole[..cut]).unwrap();
            assert!(matches!(taken, Taken::Short { needed } if needed > cut), "cut at {cut}");
        }
    }

    #[test]
    fn zeros_are_no_frame() {
        assert_eq!(read_frame(&[0; 64]).err(), Some(FrameFault::Header));
    }

    #[test]
    fn a_payload_of_another_form_is_a_fault() {
        for (kind, payload) in [
            (Kind::Aborted, &b"x"[..]),
            (Kind::Truncated, b"xyz"),
            (Kind::Committed, b"12345678\x03"),
            (Kind::Complete, b"12345678\x01\0\0\0\xff\xff\xff\xff"),
            (Kind::Prepared, b"\xff\xff\xff\xff\x01\0\0\0\0\0\0\0"),
        ] {
            let mut bytes = Vec::new();
            push_frame(&mut bytes, kind, 0, &[payload]).unwrap();
            assert_eq!(read_frame(&bytes).err(), Some(FrameFault::Malformed), "{kind:?}");
        }
    }
}
