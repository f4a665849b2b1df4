//! Which migrations were applied: a table of our own, filled once from the driver's default one.
//!
//! The default, `_sqlx_migrations`, may belong to another program in the same database. Of it only what is ours is taken
//! over, by version and checksum. It is left as it is, so that a program of before can still start.

use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::{
    AssertSqlSafe, ColumnIndex, Database, Decode, Encode, Executor, IntoArguments, PgConnection, Postgres, Row as _,
    Sqlite, SqliteConnection, Type,
};

use crate::error::OpenError;

/// Our own table.
pub(crate) const TABLE: &str = "grantsync_migrations";

/// Versions of before the own table are below this; programs that number by date are above.
const MOST_NUMBERED: i64 = 10_000;

/// The columns of a table that is the driver's.
const COLUMNS: i64 = 6;

const ON_SQLITE: &str = "SELECT count(*) FROM pragma_table_info('_sqlx_migrations')
    WHERE name IN ('version', 'description', 'installed_on', 'success', 'checksum', 'execution_time')";

/// None that may not be read.
const ON_POSTGRES: &str = "SELECT count(*) FROM pg_attribute
    WHERE attrelid = to_regclass('_sqlx_migrations') AND NOT attisdropped
      AND has_table_privilege(attrelid, 'SELECT')
      AND (attname, atttypid) IN (('version', 'bigint'::regtype), ('description', 'text'::regtype),
          ('installed_on', 'timestamptz'::regtype), ('success', 'boolean'::regtype), ('checksum', 'bytea'::regtype),
          ('execution_time', 'bigint'::regtype))";

const READ: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE version < $1 ORDER BY version";

/// A row of the driver's table.
type Applied = (i64, Vec<u8>);

/// Makes our table where there is none, and fills it with what `migrator` applied under the driver's name.
pub(crate) async fn prepare_sqlite(on: &mut SqliteConnection, migrator: &Migrator) -> Result<(), OpenError> {
    prepare::<Sqlite>(on, ON_SQLITE, migrator).await
}

/// The same on PostgreSQL; to be called in a transaction, under the lock of migrations.
pub(crate) async fn prepare_postgres(on: &mut PgConnection, migrator: &Migrator) -> Result<(), OpenError> {
    prepare::<Postgres>(on, ON_POSTGRES, migrator).await
}

async fn prepare<DB: Database>(
    on: &mut DB::Connection,
    columns: &'static str,
    migrator: &Migrator,
) -> Result<(), OpenError>
where
    DB::Connection: Migrate,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    DB::Arguments: IntoArguments<DB>,
    for<'q> i64: Encode<'q, DB> + Decode<'q, DB> + Type<DB>,
    for<'q> Vec<u8>: Decode<'q, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    on.ensure_migrations_table(TABLE).await.map_err(OpenError::Migrate)?;
    let is_empty = on.list_applied_migrations(TABLE).await.map_err(OpenError::Migrate)?.is_empty();
    let columns: i64 = sqlx::query_scalar(columns).fetch_one(&mut *on).await.map_err(failed)?;
    if !is_empty || columns < COLUMNS {
        return Ok(());
    }
    let rows = sqlx::query(READ).bind(MOST_NUMBERED).fetch_all(&mut *on).await.map_err(failed)?;
    // what cannot be read as such is another program's
    let applied = rows.iter().filter_map(|row| Some((row.try_get(0).ok()?, row.try_get(1).ok()?))).collect();
    for version in ours(applied, migrator)? {
        sqlx::query(AssertSqlSafe(copy())).bind(version).execute(&mut *on).await.map_err(failed)?;
    }
    Ok(())
}

/// The versions that `migrator` applied; none where the table is another program's.
fn ours(applied: Vec<Applied>, migrator: &Migrator) -> Result<Vec<i64>, OpenError> {
    let is_known = |(version, checksum): &Applied| {
        migrator.iter().any(|known| known.version == *version && *known.checksum == **checksum)
    };
    let (known, unknown): (Vec<Applied>, Vec<Applied>) = applied.into_iter().partition(is_known);
    match (known.first(), unknown.last()) {
        (Some(_), Some((version, _))) => Err(OpenError::Newer { version: *version }),
        (Some(_), None) | (None, _) => Ok(known.into_iter().map(|(version, _)| version).collect()),
    }
}

fn copy() -> String {
    let columns = "version, description, installed_on, success, checksum, execution_time";
    format!("INSERT INTO {TABLE} ({columns}) SELECT {columns} FROM _sqlx_migrations WHERE version = $1")
}

fn failed(source: sqlx::Error) -> OpenError {
    OpenError::Migrate(MigrateError::from(source))
}
