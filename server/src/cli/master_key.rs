//! The master key in the data folder, when none is configured.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use service::MasterKey;

const FILE: &str = "master.key";

/// Whether there is a key in this folder.
pub fn is_in(folder: &Path) -> bool {
    folder.join(FILE).exists()
}

/// The key in this folder. When there is none it is made, if the database has none yet: another one than
/// the one that it was made with would only stand in the way of that.
pub fn in_folder(folder: &Path, database_has_one: bool) -> anyhow::Result<MasterKey> {
    let path = folder.join(FILE);
    if !path.exists() {
        if database_has_one {
            bail!(
                "the master key {} is missing, and the database was made with one: put that file back \
                 from its backup, or set master_key to what it held",
                path.display()
            );
        }
        make(folder, &path)
            .with_context(|| format!("the master key {} can't be written", path.display()))?;
    }
    warn_if_open(&path);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("the master key {} can't be read", path.display()))?;
    MasterKey::from_text(&text)
        .with_context(|| format!("{} does not hold a master key", path.display()))
}

/// The file is there whole or not at all, for its owner only. Of two processes one makes it.
fn make(folder: &Path, path: &Path) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(MasterKey::generate().to_text().as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(failed) if failed.error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(failed.error)
        }
        // The name of the file is to survive a loss of power as well.
        _ => std::fs::File::open(folder)?.sync_all(),
    }
}

#[cfg(unix)]
fn warn_if_open(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let is_open = path
        .metadata()
        .is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
    if is_open {
        tracing::warn!(
            "others on this machine can read {}: run chmod 600 on it",
            path.display()
        );
    }
}

#[cfg(not(unix))]
fn warn_if_open(_: &Path) {}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let keys = std::thread::scope(|scope| {
            let makers = [(); 8].map(|()| scope.spawn(|| in_folder(folder.path(), false).unwrap()));
            makers.map(|maker| maker.join().unwrap().to_text().to_string())
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
        let path = folder.path().join(FILE);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_holds_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "not a key").unwrap();
        let refused = in_folder(folder.path(), false).unwrap_err().to_string();
        assert!(
            refused.ends_with("master.key does not hold a master key"),
            "{refused}"
        );
        let kept = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert_eq!(kept, "not a key");
    }

    #[test]
    fn none_is_made_beside_a_database_that_has_one() {
        let folder = tempfile::tempdir().unwrap();
        let refused = in_folder(folder.path(), true).unwrap_err().to_string();
        assert!(refused.contains("put that file back"), "{refused}");
        assert!(!is_in(folder.path()));
        let made = in_folder(folder.path(), false).unwrap();
        let found = in_folder(folder.path(), true).unwrap();
        assert_eq!(*made.to_text(), *found.to_text());
    }
}
