//! The migrations that the program carries, and what their errors mean. `migrations/README.md` has
//! the rules.

use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use super::unavailable;
use crate::{StoreError, StoreResult};

/// Number and name of each migration, as its files are called.
macro_rules! migrations {
    ($folder:literal) => {
        [
            migration!(1, "foundation", $folder, "0001_foundation.sql"),
            migration!(2, "issuer_and_gate", $folder, "0002_issuer_and_gate.sql"),
            migration!(
                3,
                "public_keys_by_url",
                $folder,
                "0003_public_keys_by_url.sql"
            ),
            migration!(
                4,
                "catalogue_versions",
                $folder,
                "0004_catalogue_versions.sql"
            ),
            migration!(5, "short_searches", $folder, "0005_short_searches.sql"),
            migration!(6, "audit_page", $folder, "0006_audit_page.sql"),
            migration!(7, "people", $folder, "0007_people.sql"),
            migration!(8, "identities", $folder, "0008_identities.sql"),
            migration!(9, "second_factors", $folder, "0009_second_factors.sql"),
            migration!(
                10,
                "decisions_of_strangers",
                $folder,
                "0010_decisions_of_strangers.sql"
            ),
            migration!(
                11,
                "password_failures",
                $folder,
                "0011_password_failures.sql"
            ),
            migration!(12, "faster_pages", $folder, "0012_faster_pages.sql"),
            migration!(13, "epochs", $folder, "0013_epochs.sql"),
            migration!(14, "signing_keys_end", $folder, "0014_signing_keys_end.sql"),
            migration!(
                15,
                "log_outs_and_audiences",
                $folder,
                "0015_log_outs_and_audiences.sql"
            ),
            migration!(16, "known_time", $folder, "0016_known_time.sql"),
            migration!(
                17,
                "key_sets_set_anew",
                $folder,
                "0017_key_sets_set_anew.sql"
            ),
        ]
    };
}

macro_rules! migration {
    ($number:literal, $name:literal, $folder:literal, $file:literal) => {
        (
            $number,
            $name,
            include_str!(concat!("../../../migrations/", $folder, "/", $file)),
        )
    };
}

type Texts = [(i64, &'static str, &'static str)];

pub(super) const SQLITE: &Texts = &migrations!("sqlite");
pub(super) const POSTGRES: &Texts = &migrations!("postgres");

pub(super) fn migrator(texts: &Texts) -> Migrator {
    let migration = |(number, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(
            *number,
            (*name).into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    };
    Migrator::with_migrations(texts.iter().map(migration).collect())
}

/// Whether the migrations that a database has had are all there are.
pub(super) fn is_complete(texts: &Texts, applied: &[(i64, Vec<u8>)]) -> StoreResult<bool> {
    let migrator = migrator(texts);
    for (number, checksum) in applied {
        match migrator
            .iter()
            .find(|migration| migration.version == *number)
        {
            None => return Err(schema_error(MigrateError::VersionMissing(*number))),
            Some(known) if known.checksum != checksum.as_slice() => {
                return Err(schema_error(MigrateError::VersionMismatch(*number)));
            }
            Some(_) => {}
        }
    }
    Ok(applied.len() == texts.len())
}

pub(super) fn schema_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(number) => StoreError::Schema(format!(
            "a newer version has changed it (migration {number}): run that version or a later one"
        )),
        MigrateError::VersionMismatch(number) => StoreError::Schema(format!(
            "it was made with another text of migration {number} than this version has"
        )),
        // What the database says has a meaning of its own.
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        error => unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn each_file_is_listed_and_both_databases_have_the_same_numbers() {
        for (folder, texts) in [("sqlite", SQLITE), ("postgres", POSTGRES)] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../migrations")
                .join(folder);
            let mut files: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let listed: Vec<String> = texts
                .iter()
                .map(|(number, name, _)| format!("{number:04}_{name}.sql"))
                .collect();
            assert_eq!(files, listed);
        }
    }
}
