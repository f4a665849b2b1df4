//! The files of `migrations`, built into the program.
//!
//! They are listed here instead of by `sqlx::migrate!`, whose macro crate makes every build compile SQLite, rustls and
//! both drivers a second time.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::migration_history::TABLE;

/// A migration's file name without `.sql`, and its text.
type File = (&'static str, &'static str);

macro_rules! files {
    ($folder:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../migrations/", $folder, "/", $name, ".sql")))),*]
    };
}

const SQLITE: &[File] = files!["sqlite":
    "0001_memory"
    "0002_many_machines"
    "0003_statuses"
    "0004_orders"
    "0005_witness"
    "0006_ordered"
    "0007_asked"
    "0008_words"
    "0009_gates"
];

const POSTGRES: &[File] = files!["postgres":
    "0001_memory"
    "0002_many_machines"
    "0003_statuses"
    "0004_orders"
    "0005_witness"
    "0006_ordered"
    "0007_asked"
    "0008_words"
    "0009_gates"
];

pub(crate) fn sqlite() -> Migrator {
    migrator(SQLITE)
}

pub(crate) fn postgres() -> Migrator {
    migrator(POSTGRES)
}

/// The newest version of PostgreSQL's tables that this program knows.
pub(crate) fn newest_on_postgres() -> Option<i64> {
    POSTGRES.iter().map(|(name, _)| version(name)).max()
}

fn migrator(files: &[File]) -> Migrator {
    let mut migrator = Migrator::with_migrations(files.iter().map(migration).collect());
    migrator.dangerous_set_table_name(TABLE);
    migrator
}

fn migration((name, text): &File) -> Migration {
    let description = name.split_once('_').map_or("", |(_, words)| words).replace('_', " ");
    Migration::new(version(name), description.into(), MigrationType::Simple, text.into_sql_str(), false)
}

fn version(name: &str) -> i64 {
    let digits = name.split('_').next().and_then(|digits| digits.parse().ok());
    digits.expect("the name of a migration begins with its version")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The names of the files in a folder of `migrations`, in order.
    fn names_in(folder: &str) -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(folder);
        let files = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn names_of(files: &[File]) -> Vec<String> {
        files.iter().map(|(name, _)| format!("{name}.sql")).collect()
    }

    #[test]
    fn every_file_of_both_folders_is_listed_in_order() {
        assert_eq!(names_of(SQLITE), names_in("sqlite"));
        assert_eq!(names_of(POSTGRES), names_in("postgres"));
    }

    #[test]
    fn a_migration_is_known_by_the_number_and_the_words_of_its_file() {
        let second = migration(&SQLITE[1]);
        assert_eq!((second.version, &*second.description), (2, "many machines"));
        assert_eq!(newest_on_postgres(), Some(POSTGRES.len() as i64));
    }
}
