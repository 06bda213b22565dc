//! Where the dashboard's files are. A build has them in a folder, with their hashes in their names, and a
//! list of these hashes. Without any of it pages would come without style and script, so nothing starts.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use leptos::config::LeptosOptions;

use crate::config::Config;

/// The list of hashes.
const HASHES: &str = "hash.txt";
/// What the files' names begin with.
const NAME: &str = "keyrack";
/// The folder within the site that they are in.
const PACKAGE: &str = "pkg";
/// What to do about files that are missing.
const CURE: &str = "copy target/site and target/release/hash.txt of the build that this program is of beside \
                    the program (as site and hash.txt), or set site_dir";

/// Where the pages find their files: as configured, beside the program, or where the build put them.
///
/// # Errors
/// They are not there, or of another build; the text says what to do.
pub fn find(config: &Config) -> anyhow::Result<LeptosOptions> {
    let program = std::env::current_exe().context("the program does not find itself")?;
    let beside = program.parent().unwrap_or(Path::new("/"));
    let (site, hashes) = look(configured(config), beside)?;
    let options = LeptosOptions::builder()
        .output_name(NAME)
        .site_root(site.display().to_string())
        .site_pkg_dir(PACKAGE)
        .site_addr(config.listen)
        .hash_files(true)
        // Leptos joins it to the program's folder: what is absolute stays.
        .hash_file(hashes.display().to_string().into());
    Ok(options.build())
}

/// The folder that somebody named: in the settings, or for Leptos.
fn configured(config: &Config) -> Option<PathBuf> {
    let for_leptos = || std::env::var_os("LEPTOS_SITE_ROOT").map(PathBuf::from);
    config.site_dir.clone().or_else(for_leptos)
}

/// The folder of the files and the list of their hashes, if all of it is there.
fn look(configured: Option<PathBuf>, program: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let site = configured.unwrap_or_else(|| {
        let beside = program.join("site");
        // A build's own folder is target/release, and its files are in target/site.
        let built = program.join("../site");
        if beside.is_dir() { beside } else { built }
    });
    if !site.is_dir() {
        bail!(
            "there is no folder {} with the dashboard's files: {CURE}",
            site.display()
        );
    }
    let places = [site.join(HASHES), program.join(HASHES)];
    let Some(hashes) = places.into_iter().find(|file| file.is_file()) else {
        bail!(
            "there is no {HASHES} beside the program or in {}: {CURE}",
            site.display()
        );
    };
    let text = std::fs::read_to_string(&hashes)
        .with_context(|| format!("{} can't be read", hashes.display()))?;
    let listed = |kind: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.find_map(|(name, hash)| (name.trim() == kind).then(|| hash.trim().to_owned()))
    };
    for kind in ["js", "wasm", "css"] {
        let file = listed(kind).map(|hash| format!("{NAME}.{hash}.{kind}"));
        let file = file.with_context(|| format!("{} names no {kind}: {CURE}", hashes.display()))?;
        if !site.join(PACKAGE).join(&file).is_file() {
            bail!("{file} is not in {}: {CURE}", site.join(PACKAGE).display());
        }
    }
    Ok((site, std::path::absolute(hashes)?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// A program's folder with all files of a build.
    fn built() -> TempDir {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("site/pkg")).unwrap();
        fs::write(folder.path().join(HASHES), "js: a1\nwasm: b2\ncss: c3\n").unwrap();
        for file in ["keyrack.a1.js", "keyrack.b2.wasm", "keyrack.c3.css"] {
            fs::write(folder.path().join("site/pkg").join(file), "").unwrap();
        }
        folder
    }

    #[test]
    fn the_files_of_a_build_are_found_beside_the_program_and_where_it_is_told() {
        let build = built();
        let (site, hashes) = look(None, build.path()).unwrap();
        assert_eq!(site, build.path().join("site"));
        assert_eq!(hashes, build.path().join(HASHES));
        fs::create_dir(build.path().join("release")).unwrap();
        fs::rename(&hashes, build.path().join("release").join(HASHES)).unwrap();
        assert!(look(None, &build.path().join("release")).is_ok());
        let list = site.join(HASHES);
        fs::rename(build.path().join("release").join(HASHES), &list).unwrap();
        let elsewhere = TempDir::new().unwrap();
        assert_eq!(
            look(Some(site.clone()), elsewhere.path()).unwrap(),
            (site, list)
        );
    }

    #[test]
    fn what_is_missing_of_a_build_is_named_together_with_the_cure() {
        for (missing, words) in [
            ("site/pkg/keyrack.a1.js", "keyrack.a1.js is not in"),
            ("site/pkg/keyrack.b2.wasm", "keyrack.b2.wasm is not in"),
            ("site/pkg/keyrack.c3.css", "keyrack.c3.css is not in"),
            (HASHES, "there is no hash.txt"),
        ] {
            let build = built();
            fs::remove_file(build.path().join(missing)).unwrap();
            let refusal = look(None, build.path()).unwrap_err().to_string();
            assert!(refusal.contains(words), "{refusal}");
            assert!(refusal.contains("site_dir"), "{refusal}");
        }
        let build = built();
        fs::write(build.path().join(HASHES), "js: a1\nwasm: b2\n").unwrap();
        let refusal = look(None, build.path()).unwrap_err().to_string();
        assert!(refusal.contains("names no css"), "{refusal}");
        let nothing = Some(build.path().join("nowhere"));
        let refusal = look(nothing, build.path()).unwrap_err().to_string();
        assert!(refusal.contains("nowhere"), "{refusal}");
    }
}
