//! Masked values: that a secret changed is recorded, the secret is not.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Replaces the JSON in `value` by a JSON string that tells only whether two values are equal.
///
/// The string is `masked:` and 32 hex digits of HMAC-SHA-256 under the application's key.
pub(crate) fn mask(key: &[u8], value: &mut Vec<u8>, start: usize) {
    let tail = value.get(start..).unwrap_or_default();
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return value.truncate(start) };
    mac.update(tail);
    let digest = mac.finalize().into_bytes();
    value.truncate(start);
    value.extend_from_slice(b"\"masked:");
    for byte in digest.iter().take(16) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        value.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
    value.push(b'"');
}
