//! The files of a spool and how they are replaced.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::SpoolError;
use crate::id::{Position, SegmentIndex, WriterId};
use crate::segment;

/// Paths below the root of a spool.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    root: PathBuf,
    writers: PathBuf,
}

/// The segment files that are there.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) segments: BTreeMap<WriterId, Vec<SegmentIndex>>,
    /// Segments that are being created, or whose creation was cut short.
    pub(crate) unfinished: Vec<PathBuf>,
}

impl Directory {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), writers: root.join("writers") }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.root.join("FORMAT")
    }

    pub(crate) fn progress(&self) -> PathBuf {
        self.root.join("progress")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(crate) fn writers(&self) -> &Path {
        &self.writers
    }

    pub(crate) fn segment(&self, writer: WriterId, index: SegmentIndex) -> PathBuf {
        self.writers.join(segment::file_name(writer, index))
    }

    pub(crate) fn kept_folder(&self) -> PathBuf {
        self.root.join("kept")
    }

    pub(crate) fn kept(&self, writer: WriterId, at: Position) -> PathBuf {
        self.kept_folder().join(format!("{writer}-{}-{}.bad", at.segment, at.offset))
    }

    /// Makes the folders that are missing.
    pub(crate) fn create_folders(&self) -> Result<(), SpoolError> {
        for path in [&self.root, &self.writers, &self.kept_folder()] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(SpoolError::io("create", path))?;
        }
        Ok(())
    }

    /// The segments of each writer, in order.
    pub(crate) fn list(&self) -> Result<Listing, SpoolError> {
        let mut listing = Listing::default();
        let failed = |source| SpoolError::io("list", &self.writers)(source);
        for entry in fs::read_dir(&self.writers).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if let Some((writer, index)) = name.to_str().and_then(segment::parse_file_name) {
                listing.segments.entry(writer).or_default().push(index);
            } else if Path::new(&name).extension() == Some(OsStr::new("tmp")) {
                listing.unfinished.push(entry.path());
            }
        }
        listing.segments.values_mut().for_each(|indexes| indexes.sort_unstable());
        Ok(listing)
    }

    /// Bytes of all segments and kept files.
    pub(crate) fn usage(&self) -> Result<u64, SpoolError> {
        let mut bytes = 0;
        for folder in [&self.writers, &self.kept_folder()] {
            let failed = |source| SpoolError::io("list", folder)(source);
            for entry in fs::read_dir(folder).map_err(failed)? {
                match entry.map_err(failed)?.metadata() {
                    Ok(metadata) => bytes += metadata.len(),
                    // Deleted since it was listed.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(failed(error)),
                }
            }
        }
        Ok(bytes)
    }
}

/// A new private file.
pub(crate) fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Replaces a file so that a crash leaves the old bytes or the new ones.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), SpoolError> {
    let unfinished = path.with_extension("tmp");
    let mut file = create_file(&unfinished).map_err(SpoolError::io("create", &unfinished))?;
    file.write_all(bytes).map_err(|source| SpoolError::write(&unfinished, source))?;
    file.sync_all().map_err(|source| SpoolError::write(&unfinished, source))?;
    fs::rename(&unfinished, path).map_err(SpoolError::io("replace", path))?;
    // The name is durable only after the directory is.
    path.parent().map_or(Ok(()), sync_folder)
}

pub(crate) fn sync_folder(path: &Path) -> Result<(), SpoolError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(SpoolError::io("sync the folder", path))
}
