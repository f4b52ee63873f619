//! A trail: a store, and the spool that feeds it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::runtime::Runtime;
use trailkeeper_event::{Clock, SystemClock};
use trailkeeper_spool::Spool;
use trailkeeper_store::{OpenOptions, Store};

use crate::error::{Error, Result};

const WORKER_THREADS: usize = 2;

/// Whether a store that is not there is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// It is made on the first use.
    IfMissing,
    /// It is an error.
    Never,
}

/// Which store and spool make up a trail, and who writes to it.
#[derive(Clone)]
pub struct TrailOptions {
    pub(crate) store: String,
    pub(crate) spool: Option<PathBuf>,
    pub(crate) spool_options: trailkeeper_spool::Options,
    pub(crate) source: String,
    pub(crate) key: Option<PathBuf>,
    pub(crate) creation: Creation,
    pub(crate) store_options: OpenOptions,
    pub(crate) clock: Arc<dyn Clock>,
}

impl TrailOptions {
    /// The trail in the store at `address`, without a spool.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            store: address.into(),
            spool: None,
            spool_options: trailkeeper_spool::Options::default(),
            source: "trailkeeper".to_owned(),
            key: None,
            creation: Creation::Never,
            store_options: OpenOptions::new(),
            clock: Arc::new(SystemClock),
        }
    }

    /// Reads and drains the spool in `folder`, and makes the store if it is missing.
    #[must_use]
    pub fn with_spool(mut self, folder: impl Into<PathBuf>) -> Self {
        self.spool = Some(folder.into());
        self.creation = Creation::IfMissing;
        self
    }

    /// How large the spool may become.
    #[must_use]
    pub const fn with_spool_options(mut self, options: trailkeeper_spool::Options) -> Self {
        self.spool_options = options;
        self
    }

    /// Who writes the events (`django:shop`): named in the store's identity and in system events.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// The file of the signing key. Without, it is `checkpoint.key` in the spool.
    #[must_use]
    pub fn with_key(mut self, path: impl Into<PathBuf>) -> Self {
        self.key = Some(path.into());
        self
    }

    /// Whether a store that is not there is made.
    #[must_use]
    pub const fn with_creation(mut self, creation: Creation) -> Self {
        self.creation = creation;
        self
    }

    /// How the store is reached.
    #[must_use]
    pub fn with_store_options(mut self, options: OpenOptions) -> Self {
        self.store_options = options;
        self
    }

    /// Where the time comes from.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

/// A trail of events; cheap to clone.
///
/// Its calls block. The threads that work for it start with the first call that needs the store, so
/// a process that forks may open a trail before it does, and must use it only after.
#[derive(Clone)]
pub struct Trail(Arc<Inner>);

struct Inner {
    options: TrailOptions,
    spool: Option<Spool>,
    runtime: OnceLock<(u32, Runtime)>,
    store: Mutex<Option<Arc<Store>>>,
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").field("store", &self.0.options.store).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some((process, runtime)) = self.runtime.take() {
            if process == std::process::id() {
                runtime.shutdown_background();
            } else {
                // After a fork its threads are not here to be waited for.
                std::mem::forget(runtime);
            }
        }
    }
}

impl Trail {
    /// Opens the trail. The spool is opened, and made if it is missing; the store is reached on its
    /// first use.
    ///
    /// # Errors
    ///
    /// If the spool cannot be opened.
    pub fn open(options: TrailOptions) -> Result<Self> {
        let spool = match (&options.spool, options.creation) {
            (None, _) => None,
            (Some(folder), Creation::IfMissing) => {
                Some(Spool::open(folder, options.spool_options)?)
            }
            (Some(folder), Creation::Never) => Some(Spool::open_existing(folder)?),
        };
        Ok(Self(Arc::new(Inner {
            options,
            spool,
            runtime: OnceLock::new(),
            store: Mutex::new(None),
        })))
    }

    /// The spool, for its writers.
    #[must_use]
    pub fn spool(&self) -> Option<&Spool> {
        self.0.spool.as_ref()
    }

    pub(crate) fn options(&self) -> &TrailOptions {
        &self.0.options
    }

    pub(crate) fn need_spool(&self) -> Result<&Spool> {
        self.spool().ok_or(Error::NoSpool)
    }

    /// The file of the signing key.
    pub(crate) fn key_path(&self) -> Result<PathBuf> {
        let options = self.options();
        let in_spool =
            || options.spool.as_deref().map(|folder: &Path| folder.join("checkpoint.key"));
        options.key.clone().or_else(in_spool).ok_or(Error::NoSpool)
    }

    /// The store, opened on the first call.
    pub(crate) fn store(&self) -> Result<Arc<Store>> {
        let mut known = self.0.store.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = known.as_ref() {
            return Ok(Arc::clone(store));
        }
        let TrailOptions { store: address, store_options, creation, .. } = self.options();
        let opened = self.wait(async {
            match creation {
                Creation::IfMissing => Store::create(address, store_options.clone()).await,
                Creation::Never => Store::open(address, store_options.clone()).await,
            }
        })??;
        let opened = Arc::new(opened);
        *known = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Forgets the opened store, so that the next call looks at the folder anew.
    pub(crate) fn forget_store(&self) {
        *self.0.store.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Runs `future` to its end on the trail's threads.
    pub(crate) fn wait<F: Future>(&self, future: F) -> Result<F::Output> {
        let process = std::process::id();
        let (owner, runtime) = match self.0.runtime.get() {
            Some(known) => known,
            None => {
                let made = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(WORKER_THREADS)
                    .thread_name("trailkeeper")
                    .enable_all()
                    .build()
                    .map_err(|error| Error::Internal(format!("no threads: {error}")))?;
                self.0.runtime.get_or_init(|| (process, made))
            }
        };
        if *owner != process {
            return Err(Error::Forked);
        }
        Ok(runtime.block_on(future))
    }
}
