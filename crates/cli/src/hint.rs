//! What to do about an error: one hint for each kind.

use trailkeeper_engine::{Error, ErrorKind};

/// The hint for the engine's error in the chain of `error`.
pub(crate) fn for_error(error: &anyhow::Error) -> Option<&'static str> {
    let kind = error.chain().find_map(|cause| cause.downcast_ref::<Error>())?.kind();
    Some(match kind {
        ErrorKind::Invalid => "Correct the request; --help shows how.",
        ErrorKind::NotFound => {
            "Check --store: it names the folder or the prefix in a bucket that holds _delta_log, as \
             TRAILKEEPER['STORE'] does."
        }
        ErrorKind::Conflict => "Somebody else changed it meanwhile: try again.",
        ErrorKind::Unavailable => {
            "Check that the folder, or the object store with this environment's settings, can be read, \
             then try again."
        }
        ErrorKind::Corrupt => {
            "The bytes are not those written. Keep a copy as it is, and alert whoever is in charge."
        }
        ErrorKind::Internal => "This is a defect of Trailkeeper: please report it.",
    })
}
