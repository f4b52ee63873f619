//! A local folder as an object store whose puts survive a power cut.
//!
//! `object_store`'s own `LocalFileSystem` makes a put atomic (staged file, then rename or link) but
//! never syncs, so that after a power cut a Delta commit may be an empty file. Here the file is
//! synced before it gets its name, and the directory after it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::io::{self, ErrorKind, Write};
use std::path::{Path as FsPath, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};

const STORE: &str = "durable local folder";

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// The local file system, with puts that are synced before they return.
#[derive(Debug, Default)]
pub(crate) struct DurableFileSystem {
    inner: LocalFileSystem,
}

impl fmt::Display for DurableFileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DurableFileSystem")
    }
}

impl DurableFileSystem {
    pub(crate) fn new() -> Self {
        Self { inner: LocalFileSystem::new() }
    }
}

/// Writes `payload` to `path` so that a crash leaves the whole file or none.
async fn put_durably(path: PathBuf, payload: PutPayload, mode: PutMode) -> Result<PutResult> {
    let shown = path.display().to_string();
    tokio::task::spawn_blocking(move || put_blocking(&path, &payload, &mode))
        .await?
        .map(|()| PutResult { e_tag: None, version: None })
        .map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => {
                Error::AlreadyExists { path: shown, source: Box::new(source) }
            }
            ErrorKind::NotFound => Error::NotFound { path: shown, source: Box::new(source) },
            _ => Error::Generic { store: STORE, source: Box::new(source) },
        })
}

fn put_blocking(path: &FsPath, payload: &PutPayload, mode: &PutMode) -> io::Result<()> {
    let parent = path.parent().ok_or(ErrorKind::InvalidInput)?;
    create_dirs(parent)?;
    let (mut file, staged) = stage(path)?;
    let written = payload
        .iter()
        .try_for_each(|part| file.write_all(part))
        .and_then(|()| file.sync_all())
        .and_then(|()| match mode {
            PutMode::Overwrite => fs::rename(&staged, path),
            PutMode::Create => fs::hard_link(&staged, path),
            PutMode::Update(_) => Err(ErrorKind::Unsupported.into()),
        });
    if written.is_err() || matches!(mode, PutMode::Create) {
        // The object has its own name by now, or none at all: a staged file that stays behind is
        // never listed.
        let _ = fs::remove_file(&staged);
    }
    written?;
    File::open(parent)?.sync_all()
}

/// Creates a file beside `path` whose name (`#` and digits at the end) `LocalFileSystem` never
/// lists.
fn stage(path: &FsPath) -> io::Result<(File, PathBuf)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut name = path.as_os_str().to_owned();
        name.push(format!("#{}{number:06}", std::process::id()));
        let staged = PathBuf::from(name);
        match OpenOptions::new().write(true).create_new(true).open(&staged) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            opened => return Ok((opened?, staged)),
        }
    }
}

/// Creates `dir` and its parents, and syncs what holds the new names.
fn create_dirs(dir: &FsPath) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().ok_or(ErrorKind::NotFound)?;
    create_dirs(parent)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        created => created.and_then(|()| File::open(parent)?.sync_all()),
    }
}

impl ObjectStore for DurableFileSystem {
    fn put_opts<'life0, 'life1, 'async_trait>(
        &'life0 self,
        location: &'life1 Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Boxed<'async_trait, PutResult>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            put_durably(self.inner.path_to_filesystem(location)?, payload, opts.mode).await
        })
    }

    fn put_multipart_opts<'life0, 'life1, 'async_trait>(
        &'life0 self,
        location: &'life1 Path,
        _opts: PutMultipartOptions,
    ) -> Boxed<'async_trait, Box<dyn MultipartUpload>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let path = self.inner.path_to_filesystem(location)?;
            let upload: Box<dyn MultipartUpload> = Box::new(Upload { path, parts: Vec::new() });
            Ok(upload)
        })
    }

    fn get_opts<'life0, 'life1, 'async_trait>(
        &'life0 self,
        location: &'life1 Path,
        options: GetOptions,
    ) -> Boxed<'async_trait, GetResult>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        self.inner.get_opts(location, options)
    }

    fn get_ranges<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        location: &'life1 Path,
        ranges: &'life2 [std::ops::Range<u64>],
    ) -> Boxed<'async_trait, Vec<bytes::Bytes>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        self.inner.get_ranges(location, ranges)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    fn list_with_delimiter<'life0, 'life1, 'async_trait>(
        &'life0 self,
        prefix: Option<&'life1 Path>,
    ) -> Boxed<'async_trait, ListResult>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        self.inner.list_with_delimiter(prefix)
    }

    fn copy_opts<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        from: &'life1 Path,
        to: &'life2 Path,
        options: CopyOptions,
    ) -> Boxed<'async_trait, ()>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        self.inner.copy_opts(from, to, options)
    }
}

/// An upload in parts, kept in memory and put as one file.
#[derive(Debug)]
struct Upload {
    path: PathBuf,
    parts: Vec<PutPayload>,
}

impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.push(data);
        Box::pin(std::future::ready(Ok(())))
    }

    fn complete<'life0, 'async_trait>(&'life0 mut self) -> Boxed<'async_trait, PutResult>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let payload = self.parts.drain(..).flatten().collect();
            put_durably(self.path.clone(), payload, PutMode::Overwrite).await
        })
    }

    fn abort<'life0, 'async_trait>(&'life0 mut self) -> Boxed<'async_trait, ()>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        self.parts.clear();
        Box::pin(std::future::ready(Ok(())))
    }
}
