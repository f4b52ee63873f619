//! A file that appears whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use tempfile::{Builder, NamedTempFile};

/// A file on its way to its name: it is written under another one beside it.
pub(crate) struct Target {
    path: PathBuf,
    folder: PathBuf,
    staged: NamedTempFile,
    is_replacing: bool,
}

impl Target {
    /// Begins a file for `path`, which may be there already only if `is_replacing`.
    pub(crate) fn begin(path: &Path, is_replacing: bool) -> anyhow::Result<Self> {
        let cannot = || format!("cannot write {}", path.display());
        match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(cannot),
            Ok(found) if !found.is_file() => bail!("{} is not a file", path.display()),
            Ok(_) if !is_replacing => return Err(is_there(path)),
            Ok(_) => {}
        }
        let name = path.file_name().with_context(|| format!("{} is no file", path.display()))?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let staged = Builder::new()
            .prefix(&format!(".{}.", name.to_string_lossy()))
            .suffix(".part")
            // As for any file that a command makes, the umask decides.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(&folder)
            .with_context(cannot)?;
        Ok(Self { path: path.to_owned(), folder, staged, is_replacing })
    }

    /// Where it is written.
    pub(crate) fn file(&mut self) -> &mut (dyn Write + Send) {
        self.staged.as_file_mut()
    }

    /// Gives the file its name, once its bytes are durable.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let Self { path, folder, staged, is_replacing } = self;
        let cannot = || format!("cannot write {}", path.display());
        staged.as_file().sync_all().with_context(cannot)?;
        let named =
            if is_replacing { staged.persist(&path) } else { staged.persist_noclobber(&path) };
        match named {
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
                return Err(is_there(&path));
            }
            named => named.map_err(|error| error.error).with_context(cannot)?,
        };
        File::open(&folder).and_then(|folder| folder.sync_all()).with_context(cannot)
    }
}

fn is_there(path: &Path) -> anyhow::Error {
    anyhow!("{} is there already; --force replaces it", path.display())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Target;

    #[test]
    fn a_file_appears_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut target = Target::begin(&path, false).unwrap();
        target.file().write_all(b"whole").unwrap();
        assert!(!path.exists());
        target.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_was_given_up_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut target = Target::begin(&dir.path().join("events.jsonl"), false).unwrap();
        target.file().write_all(b"half").unwrap();
        drop(target);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_is_there_is_replaced_only_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let late = Target::begin(&path, false).unwrap();
        fs::write(&path, b"theirs").unwrap();
        assert!(Target::begin(&path, false).is_err());
        let error = late.finish().unwrap_err().to_string();
        assert!(error.contains("is there already"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        let mut target = Target::begin(&path, true).unwrap();
        target.file().write_all(b"ours").unwrap();
        target.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"ours");
        assert!(Target::begin(dir.path(), true).is_err());
    }
}
