//! The trailkeeper command.
