//! The directory: made once, opened by every process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use crate::consumer::Consumer;
use crate::directory::{Directory, replace_file};
use crate::error::SpoolError;
use crate::format_file;
use crate::id::SpoolId;
use crate::progress::Progress;
use crate::view::SpoolView;
use crate::writer::Writer;

/// How large a spool and its segments may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Appends are refused when all segments and kept files together would take more bytes.
    /// Marks are not, nor are the few bytes by which a refused writer moves to a new segment.
    pub disk_limit: u64,
    /// A segment that has reached this many bytes is closed, and the next one started.
    pub segment_size: u64,
}

impl Default for Options {
    /// 1 GiB in segments of 16 MiB.
    fn default() -> Self {
        Self { disk_limit: 1 << 30, segment_size: 16 << 20 }
    }
}

/// A directory of segments; cheap to clone.
#[derive(Debug, Clone)]
pub struct Spool(Arc<Shared>);

/// What the writers, the consumer and the views of an open spool share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) directory: Directory,
    pub(crate) id: SpoolId,
    pub(crate) options: Options,
}

impl Spool {
    /// Opens the spool in `path`, and makes it when it is not there.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Corrupt`] when there are segments and no `FORMAT`, or one that does not
    /// check; [`SpoolError::NewerVersion`] when a newer program made it.
    pub fn open(path: &Path, options: Options) -> Result<Self, SpoolError> {
        let directory = Directory::new(path);
        match read_format(&directory)? {
            Some(id) => Ok(Self(Arc::new(Shared { directory, id, options }))),
            None => {
                let id = create(&directory)?;
                Ok(Self(Arc::new(Shared { directory, id, options })))
            }
        }
    }

    /// Opens the spool in `path` for reading beside its owners; makes and changes nothing.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and [`SpoolError::NotASpool`] when there is none.
    pub fn open_existing(path: &Path) -> Result<Self, SpoolError> {
        let directory = Directory::new(path);
        let id = read_format(&directory)?
            .ok_or_else(|| SpoolError::NotASpool { path: path.to_owned() })?;
        Ok(Self(Arc::new(Shared { directory, id, options: Options::default() })))
    }

    /// The random name it was given when it was made.
    #[must_use]
    pub fn id(&self) -> SpoolId {
        self.0.id
    }

    /// Bytes that the segments and kept files take.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Io`] when the directory cannot be listed.
    pub fn usage(&self) -> Result<u64, SpoolError> {
        self.0.directory.usage()
    }

    /// A writer with an identity of its own. Its first append makes its first segment.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Io`] when the system gives no random bytes.
    pub fn writer(&self) -> Result<Writer, SpoolError> {
        Writer::new(Arc::clone(&self.0))
    }

    /// The consumer, or `None` while another one lives.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Corrupt`] when the progress file does not check.
    pub fn elect_consumer(&self) -> Result<Option<Consumer>, SpoolError> {
        let path = self.0.directory.lock();
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(SpoolError::io("open", &path))?;
        match lock.try_lock() {
            Ok(()) => Consumer::new(Arc::clone(&self.0), lock).map(Some),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(SpoolError::io("lock", &path)(source)),
        }
    }

    /// What is in the spool now and not in the table, for a reader.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Corrupt`] when the progress file does not check.
    pub fn view(&self) -> Result<SpoolView, SpoolError> {
        SpoolView::read(&self.0)
    }
}

fn read_format(directory: &Directory) -> Result<Option<SpoolId>, SpoolError> {
    let path = directory.format();
    match fs::read(&path) {
        Ok(bytes) => format_file::decode(&path, &bytes).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SpoolError::io("read", &path)(source)),
    }
}

/// Makes the spool, unless another process is first.
fn create(directory: &Directory) -> Result<SpoolId, SpoolError> {
    directory.create_folders()?;
    let root = directory.root();
    let guard = File::open(root).map_err(SpoolError::io("open", root))?;
    guard.lock().map_err(SpoolError::io("lock", root))?;
    if let Some(id) = read_format(directory)? {
        return Ok(id);
    }
    if !directory.list()?.segments.is_empty() {
        let what = "it is missing, and there are segments";
        return Err(SpoolError::Corrupt { path: directory.format(), what });
    }
    let id = SpoolId::random().map_err(SpoolError::io("draw a name for", root))?;
    Progress::new(id).write(directory)?;
    // Last: a directory with FORMAT is whole.
    replace_file(&directory.format(), format_file::encode(id).as_bytes())?;
    Ok(id)
}
