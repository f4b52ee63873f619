//! The column `redacted`: commitments in the place of values that were taken out.

use crate::column::Column;
use crate::salt::Commitment;

/// What `redacted` holds: the commitment of each column whose value was taken out.
#[derive(Debug)]
pub(crate) struct Redaction(Vec<(Column, Commitment)>);

impl Redaction {
    /// Reads the column; `None` if it is not the canonical object that a redaction writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix('{')?.strip_suffix('}')?;
        let mut commitments: Vec<(Column, Commitment)> = Vec::new();
        for pair in body.split(',') {
            let (name, digits) = pair.split_once(':')?;
            let name = name.strip_prefix('"')?.strip_suffix('"')?;
            let digits = digits.strip_prefix('"')?.strip_suffix('"')?;
            let column = Column::from_name(name).filter(|column| column.is_personal())?;
            if commitments.last().is_some_and(|(last, _)| last.name() >= name) {
                return None;
            }
            commitments.push((column, Commitment(parse_digits(digits)?)));
        }
        Some(Self(commitments))
    }

    /// The commitment that stands for the value of `column`.
    pub(crate) fn commitment(&self, column: Column) -> Option<Commitment> {
        self.0.iter().find(|(redacted, _)| *redacted == column).map(|(_, commitment)| *commitment)
    }
}

fn parse_digits(digits: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect::<Option<Vec<u8>>>()?;
    bytes.try_into().ok()
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_redaction_writes_is_read() {
        let hash = "0f".repeat(32);
        let one = format!("{{\"actor_label\":\"{hash}\"}}");
        let read = Redaction::parse(&one).unwrap();
        assert!(read.commitment(Column::ActorLabel).is_some_and(|found| found.0 == [15; 32]));
        assert!(read.commitment(Column::Ip).is_none());
        assert!(Redaction::parse(&format!("{{\"after\":\"{hash}\",\"ip\":\"{hash}\"}}")).is_some());
        for wrong in [
            String::new(),
            "{}".to_owned(),
            one.replace("actor_label", "action"),
            one.replace("actor_label", "nonsense"),
            one.replace("0f", "0F"),
            one.replacen("0f", "+f", 1),
            one.replacen("0f", "", 1),
            one.replace(':', ": "),
            format!("{{\"ip\":\"{hash}\",\"after\":\"{hash}\"}}"),
            format!("{{\"ip\":\"{hash}\",\"ip\":\"{hash}\"}}"),
        ] {
            assert!(Redaction::parse(&wrong).is_none(), "{wrong}");
        }
    }
}
