//! Where a store is.

use std::path::{Path, PathBuf};

use url::Url;

use crate::error::{Result, StoreError};

/// The address of a store: a local folder, written as a path or as a `file://` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    url: Url,
    folder: PathBuf,
}

impl Location {
    /// Reads an address. A relative path is taken from the current directory.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let invalid = |reason| StoreError::Location { location: text.to_owned(), reason };
        if text.is_empty() {
            return Err(invalid("it is empty"));
        }
        let folder = if text.contains("://") {
            let url = Url::parse(text).map_err(|_| invalid("it is not a URL"))?;
            if url.scheme() != "file" {
                return Err(invalid("this release stores in local folders (file:///...) only"));
            }
            url.to_file_path().map_err(|()| invalid("a file URL has the form file:///folder"))?
        } else {
            std::path::absolute(text).map_err(|_| invalid("the path does not resolve"))?
        };
        // The Delta library compares URLs as text: one folder must have one.
        let folder = folder.canonicalize().unwrap_or(folder);
        let url = Url::from_directory_path(&folder)
            .map_err(|()| invalid("the path cannot be written as a URL"))?;
        Ok(Self { url, folder })
    }

    /// Reads an address, and makes the folder if it is not there.
    pub(crate) fn create(text: &str) -> Result<Self> {
        let location = Self::parse(text)?;
        match std::fs::create_dir_all(location.folder()) {
            Err(_) if location.folder().is_file() => {
                return Err(StoreError::NotAFolder { location: location.shown() });
            }
            made => made.map_err(|error| StoreError::storage(&location.shown(), error))?,
        }
        // Only now does the path resolve to the one name of the folder.
        Self::parse(text)
    }

    pub(crate) const fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn shown(&self) -> String {
        self.folder.display().to_string()
    }

    /// Checks that a folder is there.
    pub(crate) fn check_folder(&self) -> Result<()> {
        match self.folder.metadata() {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(StoreError::NotAFolder { location: self.shown() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(StoreError::Missing { location: self.shown() })
            }
            Err(error) => Err(StoreError::storage(&self.shown(), error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Location;
    use crate::error::StoreError;

    #[test]
    fn a_path_and_its_url_are_one_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a b");
        let by_path = Location::parse(path.to_str().unwrap()).unwrap();
        assert_eq!(by_path, Location::parse(by_path.url().as_str()).unwrap());
        assert!(matches!(by_path.check_folder(), Err(StoreError::Missing { .. })));
    }

    #[test]
    fn other_schemes_are_refused() {
        for text in ["", "s3://bucket/trail", "file://host/trail", "://"] {
            assert!(matches!(Location::parse(text), Err(StoreError::Location { .. })), "{text}");
        }
    }
}
