//! Objects beside the table, below `_trailkeeper/`: identity, checkpoint, tiles.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutMode};

use crate::error::{Result, StoreError};
use crate::store::Store;

const FOLDER: &str = "_trailkeeper";
const CONCURRENT_PUTS: usize = 16;
const CONCURRENT_GETS: usize = 16;

/// The size of what stands in one place of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many objects.
    pub objects: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

pub(crate) fn side_path(name: &str) -> Path {
    Path::from(format!("{FOLDER}/{name}"))
}

impl Store {
    /// Reads the side object `name`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the storage does not read.
    pub async fn side(&self, name: &str) -> Result<Option<Bytes>> {
        let location = self.location();
        match self.objects.get(&side_path(name)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            found => {
                let found = found.map_err(|error| StoreError::storage(&location, error))?;
                let bytes = found.bytes().await;
                bytes.map(Some).map_err(|error| StoreError::storage(&location, error))
            }
        }
    }

    /// Reads many side objects, some at a time; `None` for each that is not there.
    ///
    /// # Errors
    ///
    /// If the storage does not read.
    pub async fn sides(&self, names: &[String]) -> Result<Vec<Option<Bytes>>> {
        let reads = names.iter().map(|name| self.side(name));
        futures::stream::iter(reads).buffered(CONCURRENT_GETS).try_collect().await
    }

    /// Writes the side object `name`, replacing it as a whole.
    ///
    /// # Errors
    ///
    /// If the storage cannot be written.
    pub async fn put_side(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        self.put_object(&side_path(name), bytes).await
    }

    /// Writes the side object `name` unless there is one; tells whether it was written.
    ///
    /// # Errors
    ///
    /// If the storage cannot be written.
    pub async fn put_side_if_absent(&self, name: &str, bytes: Vec<u8>) -> Result<Presence> {
        match self.objects.put_opts(&side_path(name), bytes.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(Presence::New),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Presence::Known),
            Err(error) => Err(StoreError::storage(&self.location(), error)),
        }
    }

    /// Writes many side objects, some at a time.
    ///
    /// # Errors
    ///
    /// At the first that cannot be written; others may be.
    pub async fn put_sides(&self, objects: Vec<(String, Vec<u8>)>) -> Result<()> {
        futures::stream::iter(objects)
            .map(|(name, bytes)| async move { self.put_side(&name, bytes).await })
            .buffer_unordered(CONCURRENT_PUTS)
            .try_collect()
            .await
    }

    /// Removes side objects. Those that are not there are no error.
    ///
    /// # Errors
    ///
    /// If the storage cannot be written.
    pub async fn delete_sides(&self, names: &[String]) -> Result<()> {
        for name in names {
            match self.objects.delete(&side_path(name)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(StoreError::storage(&self.location(), error)),
            }
        }
        Ok(())
    }

    /// The names of the side objects below `folder`.
    ///
    /// # Errors
    ///
    /// If the storage does not list.
    pub async fn list_sides(&self, folder: &str) -> Result<Vec<String>> {
        let prefix = side_path(folder);
        let listed: Vec<_> =
            self.objects.list(Some(&prefix)).try_collect().await.map_err(|e| self.listing(e))?;
        let names = listed.iter().filter_map(|meta| {
            meta.location.as_ref().strip_prefix(FOLDER)?.strip_prefix('/').map(ToOwned::to_owned)
        });
        Ok(names.collect())
    }

    /// What the side objects below `folder` take.
    ///
    /// # Errors
    ///
    /// If the storage does not list.
    pub async fn side_usage(&self, folder: &str) -> Result<Usage> {
        self.usage(side_path(folder)).await
    }

    /// What the Delta log takes.
    ///
    /// # Errors
    ///
    /// If the storage does not list.
    pub async fn log_usage(&self) -> Result<Usage> {
        self.usage(Path::from("_delta_log")).await
    }

    async fn usage(&self, prefix: Path) -> Result<Usage> {
        self.objects
            .list(Some(&prefix))
            .try_fold(Usage::default(), |usage, meta| async move {
                Ok(Usage { objects: usage.objects + 1, bytes: usage.bytes + meta.size })
            })
            .await
            .map_err(|error| self.listing(error))
    }

    fn listing(&self, error: object_store::Error) -> StoreError {
        StoreError::storage(&self.location(), error)
    }

    pub(crate) async fn put_object(&self, path: &Path, bytes: Vec<u8>) -> Result<()> {
        let put = self.objects.put(path, bytes.into()).await;
        put.map(|_| ()).map_err(|error| StoreError::storage(&self.location(), error))
    }
}

/// Whether an object was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It was written now.
    New,
    /// It was there, and is as it was.
    Known,
}
