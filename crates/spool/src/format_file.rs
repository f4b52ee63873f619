//! `FORMAT`: what the directory is, in one checksummed line.

use std::path::Path;

use crate::error::SpoolError;
use crate::id::SpoolId;

const NAME: &str = "trailkeeper-spool";
const VERSION: u32 = 1;

pub(crate) fn encode(id: SpoolId) -> String {
    let text = format!("{NAME} {VERSION} {id}");
    format!("{text} {:08x}\n", crc32c::crc32c(text.as_bytes()))
}

/// The spool's name; `path` is for the error.
pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<SpoolId, SpoolError> {
    let corrupt = |what| SpoolError::Corrupt { path: path.to_owned(), what };
    let line = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.strip_suffix('\n'))
        .ok_or_else(|| corrupt("it is not one line of text"))?;
    let (text, check) = line.rsplit_once(' ').ok_or_else(|| corrupt("a field is missing"))?;
    if check != format!("{:08x}", crc32c::crc32c(text.as_bytes())) {
        return Err(corrupt("its checksum differs"));
    }
    let mut fields = text.split(' ');
    if fields.next() != Some(NAME) {
        return Err(corrupt("it names another format"));
    }
    let version = fields
        .next()
        .and_then(|field| field.parse::<u32>().ok())
        .ok_or_else(|| corrupt("its version does not read"))?;
    if version > VERSION {
        let (path, found) = (path.to_owned(), version);
        return Err(SpoolError::NewerVersion { path, found, supported: VERSION });
    }
    match (fields.next().map(str::parse), fields.next()) {
        (Some(Ok(id)), None) => Ok(id),
        _ => Err(corrupt("its id does not read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_shows() {
        let (id, path) = (SpoolId([0xa5; 16]), Path::new("FORMAT"));
        let text = encode(id);
        assert_eq!(decode(path, text.as_bytes()).unwrap(), id);
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone().into_bytes();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(path, &flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let text = format!("{NAME} 2 anything");
        let line = format!("{text} {:08x}\n", crc32c::crc32c(text.as_bytes()));
        let error = decode(Path::new("FORMAT"), line.as_bytes()).unwrap_err();
        assert!(matches!(error, SpoolError::NewerVersion { found: 2, supported: 1, .. }));
    }
}
