//! An object store that fails at a chosen write, before it takes effect or after.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Whether the write that fails has taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It has not.
    Absent,
    /// It has, and only the answer is lost.
    Persisted,
}

/// A store that works until a chosen write, and then fails at everything until it is revived.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    plan: Mutex<Option<(usize, Effect)>>,
    writes: AtomicUsize,
    is_dead: AtomicBool,
}

impl FaultyStore {
    /// Stands before `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            plan: Mutex::new(None),
            writes: AtomicUsize::new(0),
            is_dead: AtomicBool::new(false),
        })
    }

    /// Fails at the `n`-th write from now on, counted from 0, and at everything after it.
    pub fn fail_at(&self, n: usize, effect: Effect) {
        let at = self.writes.load(Ordering::SeqCst) + n;
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, effect));
    }

    /// Works again.
    pub fn revive(&self) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.is_dead.store(false, Ordering::SeqCst);
    }

    /// How many writes there have been.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// Whether the fault has struck.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }

    fn check_alive(&self) -> Result<()> {
        if self.is_dead() { Err(injected()) } else { Ok(()) }
    }

    /// Counts a write; tells whether it is the one to fail.
    fn next_write(&self) -> Result<Option<Effect>> {
        self.check_alive()?;
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        let plan = *self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let effect = plan.filter(|(at, _)| *at == number).map(|(_, effect)| effect);
        if effect.is_some() {
            self.is_dead.store(true, Ordering::SeqCst);
        }
        Ok(effect)
    }
}

fn injected() -> Error {
    Error::Generic { store: "faulty store", source: "injected fault".into() }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStore({})", self.inner)
    }
}

impl ObjectStore for FaultyStore {
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
            match self.next_write()? {
                Some(Effect::Absent) => Err(injected()),
                Some(Effect::Persisted) => {
                    self.inner.put_opts(location, payload, opts).await?;
                    Err(injected())
                }
                None => self.inner.put_opts(location, payload, opts).await,
            }
        })
    }

    fn put_multipart_opts<'life0, 'life1, 'async_trait>(
        &'life0 self,
        location: &'life1 Path,
        opts: PutMultipartOptions,
    ) -> Boxed<'async_trait, Box<dyn MultipartUpload>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            self.check_alive()?;
            self.inner.put_multipart_opts(location, opts).await
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
        Box::pin(async move {
            self.check_alive()?;
            self.inner.get_opts(location, options).await
        })
    }

    fn get_ranges<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 self,
        location: &'life1 Path,
        ranges: &'life2 [Range<u64>],
    ) -> Boxed<'async_trait, Vec<Bytes>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            self.check_alive()?;
            self.inner.get_ranges(location, ranges).await
        })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.next_write() {
            Ok(None) => self.inner.delete_stream(locations),
            Ok(Some(Effect::Persisted)) => {
                self.inner.delete_stream(locations).map(|_| Err(injected())).boxed()
            }
            Ok(Some(Effect::Absent)) | Err(_) => locations.map(|_| Err(injected())).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.check_alive() {
            Ok(()) => self.inner.list(prefix),
            Err(error) => futures::stream::iter([Err(error)]).boxed(),
        }
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
        Box::pin(async move {
            self.check_alive()?;
            self.inner.list_with_delimiter(prefix).await
        })
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
        Box::pin(async move {
            self.check_alive()?;
            self.inner.copy_opts(from, to, options).await
        })
    }
}
