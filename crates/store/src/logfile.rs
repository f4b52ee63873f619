//! The objects of a Delta log, by their names.

use futures::TryStreamExt as _;
use object_store::ObjectStore;
use object_store::path::Path;

/// Names the last Delta checkpoint, for who opens the table.
pub(crate) const HINT: &str = "_delta_log/_last_checkpoint";

/// A commit or a Delta checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFile {
    pub(crate) path: Path,
    pub(crate) version: u64,
    pub(crate) is_checkpoint: bool,
}

impl LogFile {
    /// Reads the name of an object in the log; `None` for what is neither.
    fn parse(path: Path) -> Option<Self> {
        let (digits, kind) = path.filename()?.split_once('.')?;
        let is_checkpoint = match kind {
            "json" => false,
            "checkpoint.parquet" => true,
            _ => return None,
        };
        let is_version = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let version = is_version.then(|| digits.parse().ok()).flatten()?;
        Some(Self { path, version, is_checkpoint })
    }
}

/// Where the entry of a commit is.
pub(crate) fn commit_path(version: u64) -> Path {
    Path::from(format!("_delta_log/{version:020}.json"))
}

/// The commits and Delta checkpoints of the table whose root is that of `objects`, in the order of their versions.
pub(crate) async fn list_log(objects: &dyn ObjectStore) -> object_store::Result<Vec<LogFile>> {
    let folder = Path::from("_delta_log");
    let listed = objects.list(Some(&folder));
    let mut files: Vec<_> = listed
        .try_filter_map(|meta| std::future::ready(Ok(LogFile::parse(meta.location))))
        .try_collect()
        .await?;
    files.sort_by_key(|file| (file.version, file.is_checkpoint));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use object_store::path::Path;

    use super::LogFile;

    #[test]
    fn a_name_tells_version_and_kind() {
        let parse = |name: &str| {
            LogFile::parse(Path::from(format!("_delta_log/{name}")))
                .map(|file| (file.version, file.is_checkpoint))
        };
        assert_eq!(parse("00000000000000000012.json"), Some((12, false)));
        assert_eq!(parse("00000000000000000100.checkpoint.parquet"), Some((100, true)));
        for other in [
            "_last_checkpoint",
            "12.json",
            "+0000000000000000012.json",
            "00000000000000000012.crc",
            "00000000000000000012.json.tmp",
            "",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
