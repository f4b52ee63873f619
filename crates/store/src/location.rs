//! Where a store is.

use std::path::PathBuf;

use url::Url;

use crate::error::{Result, StoreError};

/// The address of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    url: Url,
    place: Place,
}

/// What an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A local folder, written as a path or as a `file://` URL.
    Folder(PathBuf),
    /// What begins with a prefix in a bucket, or a container, of an object store.
    Bucket(Service),
}

/// A kind of object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Amazon S3, and what speaks its protocol: `s3://bucket/prefix`.
    S3,
    /// Google Cloud Storage: `gs://bucket/prefix`.
    Google,
    /// Azure Blob Storage: `az://container/prefix`.
    Azure,
}

impl Location {
    /// Reads an address. A relative path is taken from the current directory.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let invalid = |reason| StoreError::Location { location: text.to_owned(), reason };
        if text.is_empty() {
            return Err(invalid("it is empty"));
        }
        let folder = if let Some((scheme, rest)) = text.split_once("://") {
            let service = match scheme {
                "file" => None,
                "s3" => Some(Service::S3),
                "gs" => Some(Service::Google),
                "az" => Some(Service::Azure),
                _ => return Err(invalid("it begins with none of file://, s3://, gs:// and az://")),
            };
            if let Some(service) = service {
                let url = bucket_url(scheme, rest).map_err(invalid)?;
                return Ok(Self { url, place: Place::Bucket(service) });
            }
            let url = Url::parse(text).map_err(|_| invalid("it is not a URL"))?;
            url.to_file_path().map_err(|()| invalid("a file URL has the form file:///folder"))?
        } else {
            std::path::absolute(text).map_err(|_| invalid("the path does not resolve"))?
        };
        // The Delta library compares URLs as text: one folder must have one.
        let folder = folder.canonicalize().unwrap_or(folder);
        let url = Url::from_directory_path(&folder)
            .map_err(|()| invalid("the path cannot be written as a URL"))?;
        Ok(Self { url, place: Place::Folder(folder) })
    }

    /// Reads an address, and makes the folder if it is not there. Buckets are not made.
    pub(crate) fn create(text: &str) -> Result<Self> {
        Self::parse(text)?.make_folder()
    }

    pub(crate) const fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn shown(&self) -> String {
        match &self.place {
            Place::Folder(folder) => folder.display().to_string(),
            Place::Bucket(_) => self.url.as_str().trim_end_matches('/').to_owned(),
        }
    }

    /// Checks that a folder is there. A bucket has no folders: what is in it tells.
    pub(crate) fn check_folder(&self) -> Result<()> {
        let Place::Folder(folder) = &self.place else { return Ok(()) };
        match folder.metadata() {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(StoreError::NotAFolder { location: self.shown() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(StoreError::Missing { location: self.shown() })
            }
            Err(error) => Err(StoreError::storage(&self.shown(), error)),
        }
    }

    /// Makes the folder, and gives it by the one name that it has from then on.
    fn make_folder(self) -> Result<Self> {
        let Place::Folder(folder) = &self.place else { return Ok(self) };
        match std::fs::create_dir_all(folder) {
            Err(_) if folder.is_file() => Err(StoreError::NotAFolder { location: self.shown() }),
            Err(error) => Err(StoreError::storage(&self.shown(), error)),
            // Only now does every link in the path resolve.
            Ok(()) => Self::parse(self.url.as_str()),
        }
    }
}

/// The one URL of a prefix in a bucket, or why it has none.
///
/// Names are kept to the characters that every object store, URL and reader of Delta tables writes
/// in the same way.
fn bucket_url(scheme: &str, rest: &str) -> Result<Url, &'static str> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_name = |name: &str, others: &str| {
        name.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
    };
    if bucket.is_empty() {
        return Err("it names no bucket");
    }
    if !is_name(bucket, "-_.") {
        return Err("a bucket's name has letters, digits, '-', '_' and '.' only: credentials and \
                    endpoints come from the environment");
    }
    let prefix = match prefix.strip_suffix('/') {
        Some("") => return Err("a prefix has a name"),
        Some(prefix) => prefix,
        None => prefix,
    };
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && is_name(part, "-_.=");
    if !prefix.is_empty() && !prefix.split('/').all(is_part) {
        return Err("a prefix has letters, digits, '-', '_', '.' and '=' between single '/'");
    }
    let separator = if prefix.is_empty() { "" } else { "/" };
    Url::parse(&format!("{scheme}://{bucket}/{prefix}{separator}")).map_err(|_| "it is not a URL")
}

#[cfg(test)]
mod tests {
    use super::{Location, Place, Service};
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
    fn a_prefix_in_a_bucket_is_one_place() {
        for (text, service, shown) in [
            ("s3://shop-audit/prod/trail", Service::S3, "s3://shop-audit/prod/trail"),
            ("s3://shop-audit/prod/trail/", Service::S3, "s3://shop-audit/prod/trail"),
            ("s3://shop.audit", Service::S3, "s3://shop.audit"),
            ("s3://shop.audit/", Service::S3, "s3://shop.audit"),
            ("gs://shop_audit/trail", Service::Google, "gs://shop_audit/trail"),
            ("az://audit/year=2026/trail", Service::Azure, "az://audit/year=2026/trail"),
        ] {
            let location = Location::parse(text).unwrap();
            assert_eq!(*location.place(), Place::Bucket(service), "{text}");
            assert_eq!(location.shown(), shown, "{text}");
            // The Delta library takes what does not end so for a file.
            assert!(location.url().as_str().ends_with('/'), "{text}");
            assert_eq!(Location::parse(location.url().as_str()).unwrap(), location, "{text}");
        }
    }

    #[test]
    fn what_names_no_place_is_refused() {
        for text in [
            "",
            "://",
            "file://host/trail",
            "http://host/trail",
            "S3://bucket/trail",
            "s3://",
            "s3:///trail",
            "s3://key:secret@bucket/trail",
            "s3://bucket:9000/trail",
            "s3://bucket/trail?region=eu",
            "s3://bucket/a//b",
            "s3://bucket//",
            "s3://bucket/../b",
            "s3://bucket/a b",
            "s3://bucket/a%20b",
            "gs://bucket/\u{e4}",
        ] {
            assert!(matches!(Location::parse(text), Err(StoreError::Location { .. })), "{text}");
        }
    }
}
