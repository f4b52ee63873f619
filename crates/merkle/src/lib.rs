//! RFC 6962 Merkle tree arithmetic, C2SP tiles, checkpoints and signed notes.
