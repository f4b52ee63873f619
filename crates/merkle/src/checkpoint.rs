//! Checkpoints (C2SP `tlog-checkpoint`): the signed head of a tree.

use std::fmt;
use std::str::FromStr;

use crate::note::is_control;
use crate::{Hash, MerkleError, SignedNote, SigningKey, TreeSize, VerifierKey};

/// The head of a tree: whose it is, its size and its root.
///
/// Its text is one line each for origin, size and root, then the extension lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: TreeSize,
    root: Hash,
    extensions: Vec<String>,
}

impl Checkpoint {
    /// The head of a tree. `extensions` are further lines, normally none.
    ///
    /// # Errors
    ///
    /// [`MerkleError::MalformedCheckpoint`] when the origin or an extension is
    /// empty or has a control character, a newline for one.
    pub fn new(
        origin: impl Into<String>,
        size: TreeSize,
        root: Hash,
        extensions: Vec<String>,
    ) -> Result<Self, MerkleError> {
        let origin = origin.into();
        if !is_line(&origin) {
            return Err(malformed("the origin is empty or has a control character"));
        }
        if !extensions.iter().all(|line| is_line(line)) {
            return Err(malformed("an extension is empty or has a control character"));
        }
        Ok(Self { origin, size, root, extensions })
    }

    /// Reads the checkpoint in a note, after its signature has verified.
    ///
    /// # Errors
    ///
    /// Those of [`SignedNote::open`], [`MerkleError::OtherOrigin`] when the
    /// origin is not the key's name, and [`MerkleError::MalformedCheckpoint`].
    pub fn open(note: &[u8], key: &VerifierKey) -> Result<Self, MerkleError> {
        let checkpoint: Self = SignedNote::open(note, key)?.text().parse()?;
        checkpoint.check_origin(key.name())?;
        Ok(checkpoint)
    }

    /// Signs the checkpoint.
    ///
    /// Whether it may be signed is for the caller to know: it must extend every
    /// checkpoint that the key has signed before.
    ///
    /// # Errors
    ///
    /// [`MerkleError::OtherOrigin`] when the origin is not the key's name.
    pub fn sign(&self, key: &SigningKey) -> Result<SignedNote, MerkleError> {
        self.check_origin(key.name())?;
        SignedNote::sign(&self.to_string(), key)
    }

    /// Whose tree it is: for a trail, `trailkeeper/` and the table's id.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The number of leaves.
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The lines after the root.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    fn check_origin(&self, name: &str) -> Result<(), MerkleError> {
        if self.origin == name {
            return Ok(());
        }
        Err(MerkleError::OtherOrigin { origin: self.origin.clone(), name: name.to_owned() })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Checkpoint {
    type Err = MerkleError;

    /// Reads the text of a checkpoint, without any signature.
    fn from_str(text: &str) -> Result<Self, MerkleError> {
        let mut lines = text
            .strip_suffix('\n')
            .ok_or(malformed("the text does not end with a newline"))?
            .split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("it has fewer than three lines"));
        };
        let size = parse_size(size).ok_or(malformed("the size is not a decimal number"))?;
        let root = root.parse().map_err(|_| malformed("the root is not a hash"))?;
        Self::new(origin, size, root, lines.map(str::to_owned).collect())
    }
}

fn parse_size(text: &str) -> Option<TreeSize> {
    let size: u64 = text.parse().ok()?;
    // Not so for a sign or leading zeros.
    (size.to_string() == text).then_some(TreeSize::new(size))
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.contains(is_control)
}

fn malformed(reason: &'static str) -> MerkleError {
    MerkleError::MalformedCheckpoint { reason }
}
