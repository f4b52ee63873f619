//! The audit event, its record encoding, canonical bytes and Arrow schema.
