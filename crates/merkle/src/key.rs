//! Ed25519 keys of notes, in the text form of C2SP `signed-note`.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::MerkleError;
use crate::note::is_control;

/// The signature type Ed25519. There is no other here.
const ED25519: u8 = 1;

const SIGNING_KEY_PREFIX: &str = "PRIVATE+KEY+";

/// The length of a seed and of a public key.
const KEY_LEN: usize = 32;

/// The number that tells keys of one name apart. It identifies a key, and does
/// not vouch for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; Self::LEN]);

impl KeyId {
    pub(crate) const LEN: usize = 4;

    pub(crate) fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    fn of(name: &str, key: &VerifyingKey) -> Self {
        let hash = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', ED25519])
            .chain_update(key.as_bytes())
            .finalize();
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash);
        Self([a, b, c, d])
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// The public half of a [`SigningKey`]: who has it can tell what the key signed.
///
/// Its text is `<name>+<key id>+<base64>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: KeyId,
    key: VerifyingKey,
}

impl VerifierKey {
    /// The name that stands in the key's signature lines.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number that stands in the key's signatures.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Whether these bytes are the key's signature of `text`.
    pub(crate) fn has_signed(&self, text: &str, signature: &[u8]) -> bool {
        ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(text.as_bytes(), &signature).is_ok())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, self.id, encode_key(self.key.as_bytes()))
    }
}

impl FromStr for VerifierKey {
    type Err = MerkleError;

    fn from_str(text: &str) -> Result<Self, MerkleError> {
        let (name, id, public) = split_key(text)?;
        let key = VerifyingKey::from_bytes(&public)
            .ok()
            .filter(|key| !key.is_weak())
            .ok_or(MerkleError::MalformedKey { reason: "the public key is no point to trust" })?;
        let key = Self { name: name.to_owned(), id: KeyId::of(name, &key), key };
        if key.id.to_string() == id { Ok(key) } else { Err(OTHER_ID) }
    }
}

/// The key that signs checkpoints. Whoever has it can rewrite the trail unseen.
///
/// Its text is `PRIVATE+KEY+<name>+<key id>+<base64>`. [`Debug`](fmt::Debug) shows
/// name and id only.
pub struct SigningKey {
    verifier: VerifierKey,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// The key that follows from `seed`: 32 bytes from a cryptographic source of
    /// randomness, used for nothing else.
    ///
    /// # Errors
    ///
    /// [`MerkleError::MalformedKey`] unless the name is non-empty and free of
    /// white space, control characters and `+`.
    pub fn from_seed(name: &str, seed: [u8; KEY_LEN]) -> Result<Self, MerkleError> {
        if !is_key_name(name) {
            return Err(BAD_NAME);
        }
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        let public = key.verifying_key();
        let id = KeyId::of(name, &public);
        Ok(Self { verifier: VerifierKey { name: name.to_owned(), id, key: public }, key })
    }

    /// The name that stands in the key's signature lines.
    pub fn name(&self) -> &str {
        &self.verifier.name
    }

    /// The number that stands in the key's signatures.
    pub fn id(&self) -> KeyId {
        self.verifier.id
    }

    /// The public half.
    pub fn verifier_key(&self) -> VerifierKey {
        self.verifier.clone()
    }

    /// The text of the key. It is the secret: keep it out of messages and logs.
    pub fn to_secret_text(&self) -> String {
        let VerifierKey { name, id, .. } = &self.verifier;
        format!("{SIGNING_KEY_PREFIX}{name}+{id}+{}", encode_key(self.key.as_bytes()))
    }

    /// The key's signature of `text`.
    pub(crate) fn sign(&self, text: &str) -> Vec<u8> {
        self.key.sign(text.as_bytes()).to_bytes().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("name", &self.verifier.name)
            .field("id", &self.verifier.id)
            .finish_non_exhaustive()
    }
}

impl FromStr for SigningKey {
    type Err = MerkleError;

    fn from_str(text: &str) -> Result<Self, MerkleError> {
        let text = text
            .strip_prefix(SIGNING_KEY_PREFIX)
            .ok_or(MerkleError::MalformedKey { reason: "it is not marked as a private key" })?;
        let (name, id, seed) = split_key(text)?;
        let key = Self::from_seed(name, seed)?;
        if key.verifier.id.to_string() == id { Ok(key) } else { Err(OTHER_ID) }
    }
}

const BAD_NAME: MerkleError = MerkleError::MalformedKey {
    reason: "the name is empty or has white space, a control character or a plus sign",
};

const OTHER_ID: MerkleError =
    MerkleError::MalformedKey { reason: "the key id is not the one of this name and key" };

/// Whether a name can stand in a signature line and in the text of a key.
pub(crate) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c == '+' || c.is_whitespace() || is_control(c))
}

fn encode_key(key: &[u8; KEY_LEN]) -> String {
    let mut bytes = [ED25519; 1 + KEY_LEN];
    bytes[1..].copy_from_slice(key);
    STANDARD.encode(bytes)
}

/// Splits `<name>+<key id>+<base64>`. The key id is not checked.
fn split_key(text: &str) -> Result<(&str, &str, [u8; KEY_LEN]), MerkleError> {
    let malformed = |reason| MerkleError::MalformedKey { reason };
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(malformed("it has not three parts joined by plus signs"));
    };
    if !is_key_name(name) {
        return Err(BAD_NAME);
    }
    let bytes = STANDARD.decode(encoded).map_err(|_| malformed("the key is not base64"))?;
    match bytes.split_first_chunk() {
        Some(([ED25519], key)) => {
            let key = key.try_into().map_err(|_| malformed("the key is not 32 bytes long"))?;
            Ok((name, id, key))
        }
        _ => Err(malformed("the key is not of type Ed25519")),
    }
}
