//! `[database]`: the database that everything is kept in.

use std::fmt;

use super::reader::Reader;

/// The section `[database]`.
#[derive(Clone)]
pub(crate) struct Database {
    /// `sqlite:…` or `postgres://…`; may hold a password. Default `sqlite:grantsync.db`.
    pub(crate) url: String,
}

impl Database {
    pub(super) fn read(reader: &mut Reader<'_>) -> Database {
        let default = Database { url: "sqlite:grantsync.db".to_owned() };
        let Some(text) = reader.text("database.url") else {
            return default;
        };
        match text.value.strip_prefix("postgresql://") {
            Some(rest) => return Database { url: format!("postgres://{rest}") },
            None if usable(&text.value) => return Database { url: text.value },
            None => {}
        }
        let found = match text.value.split_once(':') {
            Some((scheme @ ("sqlite" | "postgres" | "mysql" | "mariadb" | "mssql" | "http" | "https"), _)) => {
                format!("an address that begins with `{scheme}:` and cannot be used")
            }
            _ => "an address that begins neither with `sqlite:` nor with `postgres://`".to_owned(),
        };
        reader.refuse(&text, &found, "`sqlite:FILE` or `postgres://USER:PASSWORD@HOST/DATABASE`");
        default
    }
}

fn usable(url: &str) -> bool {
    let rest = url.strip_prefix("sqlite:").or_else(|| url.strip_prefix("postgres://"));
    rest.is_some_and(|rest| !rest.is_empty())
}

/// Shows SQLite's file; of a Postgres address only that it is one, since a password may stand anywhere in it.
impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = match self.url.starts_with("sqlite:") {
            true => self.url.split('?').next().unwrap_or_default(),
            false => "postgres://[redacted]",
        };
        f.debug_struct("Database").field("url", &shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::fixture::{complaints, read};

    #[test]
    fn the_database_is_sqlite_or_postgres() {
        let url = |url: &str| read("", &[("DATABASE_URL", url)]).unwrap().database.url;
        assert_eq!(url("sqlite::memory:"), "sqlite::memory:");
        assert_eq!(url("postgresql://u:hush@h/d"), "postgres://u:hush@h/d");
        for refused in ["mysql://u:hush@h/d", "hush", "hush:hush", "sqlite:"] {
            let faults = complaints("", &[("DATABASE_URL", refused)]);
            assert!(faults[0].starts_with("`database.url` is an address that begins "), "{faults:?}");
            assert!(faults[0].contains("(`DATABASE_URL`): write `sqlite:FILE`"), "{faults:?}");
            assert!(!faults[0].contains("hush"), "{faults:?}");
        }
    }
}
