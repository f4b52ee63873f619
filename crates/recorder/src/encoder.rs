//! The memory that encoding an event takes, kept from one event to the next.

use std::cell::Cell;

use trailkeeper_event::RecordBuilder;

use crate::state::States;

/// More is given back after an event.
const MAX_IDLE_BYTES: usize = 1 << 20;

/// What an event is encoded in.
#[derive(Default)]
pub(crate) struct Encoder {
    pub(crate) builder: RecordBuilder,
    pub(crate) states: States,
    pub(crate) scratch: Vec<u8>,
}

thread_local! {
    static SPARE: Cell<Option<Box<Encoder>>> = const { Cell::new(None) };
}

impl Encoder {
    /// Runs `encode` with this thread's encoder, emptied.
    ///
    /// Encoding may run Python code that records an event itself: that one has an encoder of its own.
    pub(crate) fn with<T>(encode: impl FnOnce(&mut Self) -> T) -> T {
        let mut encoder = SPARE.take().unwrap_or_default();
        encoder.builder.clear();
        encoder.scratch.clear();
        let result = encode(&mut encoder);
        if encoder.builder.as_bytes().len() + encoder.states.byte_len() <= MAX_IDLE_BYTES {
            SPARE.set(Some(encoder));
        }
        result
    }
}
