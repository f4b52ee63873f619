//! The signing key, and the store's claim to it.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use trailkeeper_event::Micros;
use trailkeeper_merkle::{SigningKey, VerifierKey};
use trailkeeper_store::Store;

use crate::error::{Error, Result};
use crate::time::rfc3339;
use crate::trail::Trail;

/// The name of the identity beside the table.
pub(crate) const IDENTITY: &str = "identity.json";

/// The name under which the checkpoints of a table are signed.
pub(crate) fn origin(store: &Store) -> String {
    format!("trailkeeper/{}", store.id())
}

/// Who may write to a store.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Identity {
    pub(crate) source: String,
    pub(crate) key: VerifierKey,
}

impl Identity {
    /// The identity of the store; `None` if nobody has claimed it.
    pub(crate) fn read(trail: &Trail, store: &Store) -> Result<Option<Self>> {
        let Some(bytes) = trail.wait(store.side(IDENTITY))?? else { return Ok(None) };
        let damaged = || Error::Identity { location: store.location() };
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).ok_or_else(damaged);
        if text("id")? != store.id() {
            return Err(damaged());
        }
        let key = text("key")?.parse().map_err(|_| damaged())?;
        Ok(Some(Self { source: text("source")?.to_owned(), key }))
    }

    fn to_json(&self, store: &Store, created_at: Micros) -> String {
        json!({
            "format": trailkeeper_store::FORMAT,
            "id": store.id(),
            "source": self.source,
            "key": self.key.to_string(),
            "created_at": rfc3339(created_at),
        })
        .to_string()
    }
}

/// The key with which this trail signs for `store`; makes it and claims the store when both are
/// new.
pub(crate) fn claim(trail: &Trail, store: &Store) -> Result<SigningKey> {
    let path = trail.key_path()?;
    let identity = Identity::read(trail, store)?;
    let key = match (read_key(&path)?, &identity) {
        (Some(key), _) => key,
        (None, None) => make_key(&path, &origin(store))?,
        (None, Some(owner)) => return Err(foreign(store, owner, &path)),
    };
    if let Some(owner) = &identity {
        let is_ours = owner.key == key.verifier_key();
        return if is_ours { Ok(key) } else { Err(foreign(store, owner, &path)) };
    }
    if key.name() != origin(store) {
        return Err(Error::OtherStore {
            location: store.location(),
            name: key.name().to_owned(),
            expected: origin(store),
            path,
        });
    }
    let source = trail.options().source.clone();
    let ours = Identity { source, key: key.verifier_key() };
    let text = ours.to_json(store, trail.options().clock.now());
    trail.wait(store.put_side_if_absent(IDENTITY, text.into_bytes()))??;
    // Another project may have been quicker.
    match Identity::read(trail, store)? {
        Some(owner) if owner.key == key.verifier_key() => Ok(key),
        Some(owner) => Err(foreign(store, &owner, &path)),
        None => Err(Error::Identity { location: store.location() }),
    }
}

fn foreign(store: &Store, owner: &Identity, path: &Path) -> Error {
    Error::ForeignStore {
        location: store.location(),
        source_name: owner.source.clone(),
        key: format!("{}+{}", owner.key.name(), owner.key.id()),
        path: path.to_owned(),
    }
}

fn read_key(path: &Path) -> Result<Option<SigningKey>> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => {
            let text = read.map_err(Error::io("read", path))?;
            let key = text.trim_end().parse();
            key.map(Some).map_err(|source| Error::Key { path: path.to_owned(), source })
        }
    }
}

/// Writes a new key, which only this user may read, so that a crash leaves the whole key or none.
fn make_key(path: &Path, name: &str) -> Result<SigningKey> {
    let key = SigningKey::from_seed(name, random())?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let staged = path.with_extension("key.tmp");
    let failed = |error| Error::io("write", path)(error);
    fs::create_dir_all(folder).map_err(failed)?;
    match fs::remove_file(&staged) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&staged)
        .map_err(failed)?;
    writeln!(file, "{}", key.to_secret_text()).and_then(|()| file.sync_all()).map_err(failed)?;
    // A link, not a rename: a key that is there is never replaced.
    let linked = fs::hard_link(&staged, path);
    fs::remove_file(&staged).map_err(failed)?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return read_key(path)?.ok_or(Error::Internal("a key vanished".to_owned()));
        }
        linked => linked.map_err(failed)?,
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(key)
}

/// Random bytes of the operating system.
#[allow(clippy::disallowed_methods, reason = "the one place where this crate draws random bytes")]
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
