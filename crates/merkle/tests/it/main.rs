//! Trees, proofs and texts as a caller sees them, against independent references.

#![expect(clippy::unwrap_used, reason = "what does not hold fails the test")]
mod edge;
mod foreign;
mod naive;
mod note;
mod oracle;
mod proof;
mod vectors;
