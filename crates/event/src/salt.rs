//! Salted commitments: what the proof covers in place of a personal value.

use crate::column::Column;
use crate::hash::sha256;
use crate::id::Seq;

const SALTS: usize = 13;
const SALT_LEN: usize = 16;
const SEED_FORM: u8 = 1;
const EXPLICIT_FORM: u8 = 2;

/// The random bytes that the salts of a run of events derive from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub [u8; 16]);

/// The salt of one personal value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

/// SHA-256 over domain, column, salt and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment(pub [u8; 32]);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl Commitment {
    /// Commits to `value` of `column`.
    #[must_use]
    pub fn new(column: Column, salt: Salt, value: &[u8]) -> Self {
        Self(sha256(&Self::head(column, salt), value))
    }

    /// What stands before the value in the message that is hashed.
    pub(crate) fn head(column: Column, salt: Salt) -> [u8; 21] {
        let mut head = [0_u8; 21];
        head[..4].copy_from_slice(b"TKc1");
        head[4] = column.tag();
        head[5..].copy_from_slice(&salt.0);
        head
    }
}

impl Salt {
    /// The salt in `slot`, out of the digest that holds those of two slots.
    pub(crate) fn of_pair(pair: &[u8; 32], slot: u8) -> Self {
        let (even, odd) = pair.split_at(SALT_LEN);
        let half = if slot.is_multiple_of(2) { even } else { odd };
        Self(half.try_into().expect("half of the digest is as long as a salt"))
    }
}

impl Seed {
    /// The bytes of the column `salt` that stand for this seed.
    #[must_use]
    pub fn to_column(self) -> [u8; 17] {
        let mut bytes = [SEED_FORM; 17];
        bytes[1..].copy_from_slice(&self.0);
        bytes
    }
}

/// The column `salt` of one event, from which the salts of its columns come.
#[derive(Clone, Debug)]
pub struct SaltColumn {
    form: Form,
    pair: Option<(u8, [u8; 32])>,
}

#[derive(Clone, Debug)]
enum Form {
    Seed(Seed, Seq),
    Explicit(Box<[[u8; 16]; SALTS]>),
}

impl SaltColumn {
    /// The salts of the event at `seq` under `seed`.
    #[must_use]
    pub const fn from_seed(seed: Seed, seq: Seq) -> Self {
        Self { form: Form::Seed(seed, seq), pair: None }
    }

    /// Reads the column `salt` of the event at `seq`; `None` if it has no valid form.
    #[must_use]
    pub fn parse(bytes: &[u8], seq: Seq) -> Option<Self> {
        let (&form, rest) = bytes.split_first()?;
        match form {
            SEED_FORM => Some(Self::from_seed(Seed(rest.try_into().ok()?), seq)),
            EXPLICIT_FORM if rest.len() == SALTS * 16 => {
                let mut salts = Box::new([[0; 16]; SALTS]);
                for (salt, bytes) in salts.iter_mut().zip(rest.chunks_exact(16)) {
                    salt.copy_from_slice(bytes);
                }
                Some(Self { form: Form::Explicit(salts), pair: None })
            }
            _ => None,
        }
    }

    /// The message whose digest holds the salts of pair `n`, if they come from a seed.
    #[cfg(feature = "arrow")]
    pub(crate) fn pair_message(&self, n: u8) -> Option<[u8; 29]> {
        match self.form {
            Form::Seed(seed, seq) => Some(pair_message(seed, seq, n)),
            Form::Explicit(_) => None,
        }
    }

    /// The salt of `column`; `None` if it has none or it has been forgotten.
    pub fn salt(&mut self, column: Column) -> Option<Salt> {
        let slot = column.salt_slot()?;
        match &self.form {
            Form::Seed(seed, seq) => {
                let n = slot / 2;
                let pair = match self.pair {
                    Some((known, pair)) if known == n => pair,
                    _ => {
                        let pair = sha256(&pair_message(*seed, *seq, n), &[]);
                        self.pair = Some((n, pair));
                        pair
                    }
                };
                Some(Salt::of_pair(&pair, slot))
            }
            Form::Explicit(salts) => {
                salts.get(usize::from(slot)).filter(|salt| **salt != [0; 16]).copied().map(Salt)
            }
        }
    }
}

/// The message whose digest is the salts of the slots `2 * n` and `2 * n + 1`.
fn pair_message(seed: Seed, seq: Seq, n: u8) -> [u8; 29] {
    let mut input = [0_u8; 29];
    input[..4].copy_from_slice(b"TKs1");
    input[4..20].copy_from_slice(&seed.0);
    input[20..28].copy_from_slice(&seq.0.to_be_bytes());
    input[28] = n;
    input
}

#[cfg(test)]
mod tests {
    use super::{Salt, SaltColumn, Seed};
    use crate::column::Column;
    use crate::id::Seq;

    #[test]
    fn explicit_salts_stand_for_those_of_the_seed() {
        let mut derived = SaltColumn::from_seed(Seed([7; 16]), Seq(300));
        let mut bytes = vec![2];
        let mut by_slot = [[0; 16]; 13];
        for column in Column::ALL {
            if let Some(slot) = column.salt_slot() {
                by_slot[usize::from(slot)] = derived.salt(*column).unwrap().0;
            }
        }
        by_slot[3] = [0; 16];
        bytes.extend(by_slot.iter().flatten());
        let mut explicit = SaltColumn::parse(&bytes, Seq(300)).unwrap();
        for column in Column::ALL {
            match column.salt_slot() {
                Some(3) | None => assert_eq!(explicit.salt(*column), None),
                Some(_) => assert_eq!(explicit.salt(*column), derived.salt(*column)),
            }
        }
    }

    #[test]
    fn salts_differ_by_column_and_by_event() {
        let salts = |seq| {
            let mut column = SaltColumn::from_seed(Seed([7; 16]), Seq(seq));
            Column::ALL.iter().filter_map(|c| column.salt(*c)).map(|Salt(s)| s).collect::<Vec<_>>()
        };
        let mut all = [salts(0), salts(1)].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 26);
    }

    #[test]
    fn foreign_salt_columns_are_refused() {
        for bytes in [&[][..], &[0], &[1; 16], &[1; 18], &[2; 208], &[3; 17]] {
            assert!(SaltColumn::parse(bytes, Seq(0)).is_none());
        }
    }
}
