//! Signed notes (C2SP `signed-note`): text, and who says it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::key::is_key_name;
use crate::{KeyId, MerkleError, SigningKey, VerifierKey};

/// A note has a few lines; more than this is somebody's attempt to fill memory.
const LONGEST: usize = 1 << 20;

/// What a signature line begins with: an em dash and a space.
const LINE_START: &str = "\u{2014} ";

/// One signature line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: String,
    key_id: KeyId,
    bytes: Vec<u8>,
}

impl NoteSignature {
    /// The name of the key, as the line states it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of the key, as the line states it.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    fn is_by(&self, key: &VerifierKey) -> bool {
        self.name == key.name() && self.key_id == key.id()
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = [self.key_id.as_bytes(), self.bytes.as_slice()].concat();
        write!(f, "{LINE_START}{} {}", self.name, STANDARD.encode(signature))
    }
}

/// A text with at least one signature that was made here or has verified.
///
/// ```
/// use trailkeeper_merkle::{SignedNote, SigningKey};
///
/// let key = SigningKey::from_seed("example.org/notary", [1; 32])?;
/// let bytes = SignedNote::sign("Seen today.\n", &key)?.to_string();
///
/// let note = SignedNote::open(bytes.as_bytes(), &key.verifier_key())?;
/// assert_eq!(note.text(), "Seen today.\n");
/// # Ok::<(), trailkeeper_merkle::MerkleError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// Signs a text.
    ///
    /// # Errors
    ///
    /// [`MerkleError::MalformedNote`] unless the text ends with a newline and has
    /// no other ASCII control character.
    pub fn sign(text: &str, key: &SigningKey) -> Result<Self, MerkleError> {
        check_text(text)?;
        let signature =
            NoteSignature { name: key.name().to_owned(), key_id: key.id(), bytes: key.sign(text) };
        Ok(Self { text: text.to_owned(), signatures: vec![signature] })
    }

    /// Reads a note that `key` has signed.
    ///
    /// Signatures by other keys are kept and not looked at.
    ///
    /// # Errors
    ///
    /// [`MerkleError::MalformedNote`] when the bytes are no note,
    /// [`MerkleError::NotSigned`] when no line is by `key`, and
    /// [`MerkleError::BadSignature`] when one is that does not verify.
    pub fn open(bytes: &[u8], key: &VerifierKey) -> Result<Self, MerkleError> {
        let note = Self::parse(bytes)?;
        let mut is_signed = false;
        for signature in note.signatures.iter().filter(|signature| signature.is_by(key)) {
            if !key.has_signed(&note.text, &signature.bytes) {
                return Err(MerkleError::BadSignature { name: key.name().into(), id: key.id() });
            }
            is_signed = true;
        }
        if is_signed {
            Ok(note)
        } else {
            Err(MerkleError::NotSigned { name: key.name().into(), id: key.id() })
        }
    }

    /// The text that is signed, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signature lines, also those by keys that nobody asked about.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Reads a note without a look at who signed it.
    fn parse(bytes: &[u8]) -> Result<Self, MerkleError> {
        if bytes.len() > LONGEST {
            return Err(malformed("it is longer than a megabyte"));
        }
        let note = str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        // The last empty line separates: the newline before it is the text's.
        let (text, lines) = note
            .rfind("\n\n")
            .and_then(|end| note.split_at_checked(end + 1))
            .ok_or(malformed("no empty line separates text and signatures"))?;
        check_text(text)?;
        let lines = lines
            .strip_prefix('\n')
            .and_then(|lines| lines.strip_suffix('\n'))
            .ok_or(malformed("the last signature line does not end"))?;
        let signatures = lines.split('\n').map(parse_line).collect::<Option<_>>();
        let signatures = signatures.ok_or(malformed("a line is not a signature line"))?;
        Ok(Self { text: text.to_owned(), signatures })
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

/// Whether a character may not stand in a line of a note. The newline that ends
/// the line is one of them.
pub(crate) fn is_control(c: char) -> bool {
    c < ' '
}

fn check_text(text: &str) -> Result<(), MerkleError> {
    if !text.ends_with('\n') {
        return Err(malformed("the text does not end with a newline"));
    }
    if text.chars().any(|c| c != '\n' && is_control(c)) {
        return Err(malformed("the text has a control character"));
    }
    Ok(())
}

fn parse_line(line: &str) -> Option<NoteSignature> {
    let (name, encoded) = line.strip_prefix(LINE_START)?.split_once(' ')?;
    let decoded = STANDARD.decode(encoded).ok()?;
    let (key_id, bytes) = decoded.split_first_chunk::<{ KeyId::LEN }>()?;
    let is_signature = is_key_name(name) && !bytes.is_empty();
    is_signature.then(|| NoteSignature {
        name: name.to_owned(),
        key_id: KeyId::from_bytes(*key_id),
        bytes: bytes.to_owned(),
    })
}

fn malformed(reason: &'static str) -> MerkleError {
    MerkleError::MalformedNote { reason }
}
