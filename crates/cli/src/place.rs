//! Opening the trail that the command line names.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use trailkeeper_engine::{Creation, Trail, TrailOptions};

use crate::args::Place;

/// Opens the trail for reading.
pub(crate) fn open(place: &Place) -> anyhow::Result<Trail> {
    let mut options = TrailOptions::new(&place.store);
    if let Some(spool) = spool_of(place) {
        options = options.with_spool(spool);
    }
    let options = options.with_creation(Creation::Never);
    Trail::open(options).with_context(|| format!("cannot open the trail {}", place.store))
}

fn spool_of(place: &Place) -> Option<PathBuf> {
    if place.spool.is_some() {
        return place.spool.clone();
    }
    let folder = place.store.strip_prefix("file://").unwrap_or(&place.store);
    if folder.contains("://") {
        return None;
    }
    let sibling = PathBuf::from(format!("{}-spool", folder.trim_end_matches('/')));
    Path::is_dir(&sibling).then_some(sibling)
}
