//! Time, as it comes in from outside.

use std::time::UNIX_EPOCH;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

/// Tells the time. Tests drive their own.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Micros;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn now(&self) -> Micros {
        let elapsed = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Micros(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
    }
}
