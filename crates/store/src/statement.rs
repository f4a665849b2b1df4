//! One SQL text for both databases: values are bound by place, rows travel as a batch.
//!
//! A [`Batch`] appears in the statement as a table of its own. On SQLite it is one JSON text that `json_each` unfolds, on
//! PostgreSQL one array a column that `unnest` unfolds; either way the text never changes with the number of rows, so it
//! is prepared once, and a batch costs one call to the driver.

use std::borrow::Cow;

use chrono::DateTime;
use entitlement::clock::Timestamp;
use serde::Serialize;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, Postgres, Sqlite};

use crate::connection::{Connection, Pool, Row, read_again};
use crate::error::{Failed, StoreError};
use crate::script::{Answered, Script};

#[cfg(test)]
thread_local! {
    /// What the stores of this thread have said, with the types of its values, for the test of how it is done.
    pub(crate) static SAID: std::cell::RefCell<std::collections::BTreeMap<String, Vec<&'static str>>> = const {
        std::cell::RefCell::new(std::collections::BTreeMap::new())
    };
}

/// A statement with its values.
#[derive(Debug)]
pub(crate) struct Statement<'a> {
    sqlite: Cow<'static, str>,
    postgres: Cow<'static, str>,
    values: Vec<Value<'a>>,
    batches: Vec<Batch<'a>>,
    locks: bool,
}

/// A statement whose text both databases understand.
pub(crate) fn sql<'a>(text: impl Into<Cow<'static, str>>) -> Statement<'a> {
    let text = text.into();
    Statement { sqlite: text.clone(), postgres: text, values: Vec::new(), batches: Vec::new(), locks: false }
}

/// A statement that must be said differently; the caller says why.
pub(crate) fn differing<'a>(sqlite: &'static str, postgres: &'static str) -> Statement<'a> {
    Statement { postgres: postgres.into(), ..sql(sqlite) }
}

/// A value of a statement or of a row.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Value<'a> {
    Text(Option<Cow<'a, str>>),
    Number(Option<i64>),
    Flag(bool),
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(Some(text))
    }
}

/// Rows of a statement, as a table with a name.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    name: &'static str,
    columns: Vec<Column>,
    rows: Vec<Vec<Value<'a>>>,
}

/// A column of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    Text(&'static str),
    Number(&'static str),
}

impl<'a> Batch<'a> {
    /// Rows under `name`, each as wide as `columns`.
    pub(crate) fn new<const WIDTH: usize>(
        name: &'static str,
        columns: [Column; WIDTH],
        rows: impl IntoIterator<Item = [Value<'a>; WIDTH]>,
    ) -> Self {
        Self { name, columns: columns.to_vec(), rows: rows.into_iter().map(Vec::from).collect() }
    }

    /// Texts under `name`, in the one column `value`.
    pub(crate) fn texts<T: Into<Value<'a>>>(name: &'static str, texts: impl IntoIterator<Item = T>) -> Self {
        Self::new(name, [Column::Text("value")], texts.into_iter().map(|text| [text.into()]))
    }

    /// Rows whose width is known only when the program runs.
    pub(crate) fn of(name: &'static str, columns: Vec<Column>, rows: Vec<Vec<Value<'a>>>) -> Self {
        Self { name, columns, rows }
    }
}

impl Column {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text(name) | Self::Number(name) => name,
        }
    }
}

impl<'a> Statement<'a> {
    /// Binds the next of `$1`, `$2`, …
    pub(crate) fn bind(mut self, value: impl Into<Value<'a>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Gives the statement a table of rows.
    pub(crate) fn with(mut self, batch: Batch<'a>) -> Self {
        self.batches.push(batch);
        self
    }

    /// Locks the rows it selects until the transaction ends. SQLite has one writer at a time, and nothing to lock.
    pub(crate) fn locking(mut self) -> Self {
        self.locks = true;
        self
    }

    /// Answers how many rows it changed.
    pub(crate) async fn execute(self, on: &mut Connection) -> Result<u64, Failed> {
        match on {
            Connection::Sqlite(on) => {
                self.add_to(on.next(), None)?;
                Ok(on.answer().await?.changed)
            }
            Connection::Postgres(on) => Ok(self.postgres().execute(on).await?.rows_affected()),
        }
    }

    /// Done at the latest with the next statement whose answer is waited for, or with the commit; a failure may show only
    /// there, under the words of `doing`.
    pub(crate) async fn later(self, on: &mut Connection, doing: &'static str) -> Result<(), StoreError> {
        let added = match on {
            Connection::Sqlite(on) => self.add_to(on.next(), Some(doing)),
            Connection::Postgres(on) => self.postgres().execute(on).await.map(drop),
        };
        added.map_err(StoreError::on(doing))
    }

    pub(crate) async fn fetch(self, on: &mut Connection) -> Result<Vec<Row>, Failed> {
        match on {
            Connection::Sqlite(on) => {
                self.add_to(on.next(), None)?;
                Ok(rows(on.answer().await?.rows, Row::Sqlite))
            }
            Connection::Postgres(on) => Ok(rows(self.postgres().fetch_all(on).await?, Row::Postgres)),
        }
    }

    /// The rows of this one and of `other`, which is done next.
    pub(crate) async fn fetch_with(self, other: Self, on: &mut Connection) -> Result<[Vec<Row>; 2], Failed> {
        let Connection::Sqlite(scripted) = on else { return Ok([self.fetch(on).await?, other.fetch(on).await?]) };
        self.add_to(scripted.next(), None)?;
        other.add_to(scripted.next(), None)?;
        Ok(two(scripted.run().await?))
    }

    /// The rows of this one and of `other`.
    pub(crate) async fn read_with(self, other: Self, from: &Pool) -> Result<[Vec<Row>; 2], sqlx::Error> {
        let Pool::Sqlite(reads) = from else {
            let (rows, others) = tokio::try_join!(self.read(from), other.read(from))?;
            return Ok([rows, others]);
        };
        let mut script = Script::default();
        self.add_to(&mut script, None)?;
        other.add_to(&mut script, None)?;
        reads.read(async move |on| script.run(on).await.map_err(|failed| failed.source)).await.map(two)
    }

    /// The first row, if there is one.
    pub(crate) async fn fetch_first(self, on: &mut Connection) -> Result<Option<Row>, Failed> {
        match on {
            Connection::Sqlite(_) => Ok(self.fetch(on).await?.into_iter().next()),
            Connection::Postgres(on) => Ok(self.postgres().fetch_optional(on).await?.map(Row::Postgres)),
        }
    }

    pub(crate) async fn read(self, from: &Pool) -> Result<Vec<Row>, sqlx::Error> {
        match from {
            Pool::Sqlite(reads) => {
                let query = self.sqlite()?;
                let found = reads.read(async move |on| query.fetch_all(on).await).await?;
                Ok(rows(found, Row::Sqlite))
            }
            Pool::Postgres(pool) => Ok(rows(read_again(pool, || self.postgres()).await?, Row::Postgres)),
        }
    }

    /// The first row, if there is one.
    pub(crate) async fn read_first(self, from: &Pool) -> Result<Option<Row>, sqlx::Error> {
        match from {
            Pool::Sqlite(reads) => {
                let query = self.sqlite()?;
                Ok(reads.read(async move |on| query.fetch_optional(on).await).await?.map(Row::Sqlite))
            }
            Pool::Postgres(pool) => {
                let found = read_again(pool, || self.postgres()).await?;
                Ok(found.into_iter().next().map(Row::Postgres))
            }
        }
    }

    fn sqlite(self) -> Result<Query<'static, Sqlite, SqliteArguments>, sqlx::Error> {
        let text = self.sqlite_text();
        let mut arguments = SqliteArguments::default();
        self.bind_to(&mut arguments)?;
        Ok(sqlx::query_with(AssertSqlSafe(text), arguments))
    }

    fn sqlite_text(&self) -> String {
        self.batched(&self.sqlite, |batch, place| batch.unfold_json(place))
    }

    fn add_to(self, script: &mut Script, doing: Option<&'static str>) -> Result<(), sqlx::Error> {
        let places = self.values.len() + self.batches.len();
        let arguments = script.add(&self.sqlite_text(), places, doing);
        self.bind_to(arguments)
    }

    fn bind_to(self, arguments: &mut SqliteArguments) -> Result<(), sqlx::Error> {
        for value in self.values {
            let bound = match value {
                Value::Text(text) => arguments.add(text),
                Value::Number(number) => arguments.add(number),
                Value::Flag(flag) => arguments.add(flag),
            };
            bound.map_err(sqlx::Error::Encode)?;
        }
        for batch in &self.batches {
            let rows = serde_json::to_string(&batch.rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
            arguments.add(rows).map_err(sqlx::Error::Encode)?;
        }
        Ok(())
    }

    fn postgres(&self) -> Query<'static, Postgres, PgArguments> {
        let mut text = self.batched(&self.postgres, |batch, place| batch.unfold_arrays(place));
        if self.locks {
            text.push_str(" FOR UPDATE");
        }
        let mut query = sqlx::query::<Postgres>(AssertSqlSafe(text));
        for value in &self.values {
            query = match value {
                Value::Text(_) => query.bind(value.text()),
                Value::Number(number) => query.bind(*number),
                Value::Flag(flag) => query.bind(*flag),
            };
        }
        for batch in &self.batches {
            for (place, column) in batch.columns.iter().enumerate() {
                let values = batch.rows.iter().filter_map(|row| row.get(place));
                query = match column {
                    Column::Text(_) => query.bind(values.map(Value::text).collect::<Vec<_>>()),
                    Column::Number(_) => query.bind(values.map(Value::number).collect::<Vec<_>>()),
                };
            }
        }
        query
    }

    /// The text, with its batches before it. `unfolded` says how one is unfolded from the values bound at a place and
    /// after it, and how many those are.
    fn batched(&self, text: &str, unfolded: impl Fn(&Batch<'_>, usize) -> (String, usize)) -> String {
        let mut all = String::with_capacity(text.len() + 256);
        let mut place = self.values.len() + 1;
        for batch in &self.batches {
            all.push_str(if all.is_empty() { "WITH " } else { ", " });
            let (select, values) = unfolded(batch, place);
            all.push_str(&format!("{}({}) AS ({select})", batch.name, batch.names()));
            place += values;
        }
        all.push(' ');
        all.push_str(text);
        #[cfg(test)]
        SAID.with_borrow_mut(|said| said.insert(all.clone(), self.types()));
        all
    }
}

#[cfg(test)]
impl Statement<'_> {
    fn types(&self) -> Vec<&'static str> {
        let values = self.values.iter().map(|value| match value {
            Value::Text(_) => "text",
            Value::Number(_) => "bigint",
            Value::Flag(_) => "boolean",
        });
        let columns = self.batches.iter().flat_map(|batch| &batch.columns).map(|column| match column {
            Column::Text(_) => "text[]",
            Column::Number(_) => "bigint[]",
        });
        values.chain(columns).collect()
    }
}

impl Batch<'_> {
    fn names(&self) -> String {
        self.columns.iter().map(|column| column.name()).collect::<Vec<_>>().join(", ")
    }

    /// One JSON array of arrays.
    fn unfold_json(&self, place: usize) -> (String, usize) {
        let fields: Vec<String> = (0..self.columns.len()).map(|field| format!("value ->> {field}")).collect();
        (format!("SELECT {} FROM json_each(${place})", fields.join(", ")), 1)
    }

    /// One array a column.
    fn unfold_arrays(&self, place: usize) -> (String, usize) {
        let arrays = self.columns.iter().enumerate().map(|(number, column)| match column {
            Column::Text(_) => format!("${}::text[]", place + number),
            Column::Number(_) => format!("${}::bigint[]", place + number),
        });
        (format!("SELECT * FROM unnest({})", arrays.collect::<Vec<_>>().join(", ")), self.columns.len())
    }
}

fn two(answered: Vec<Answered>) -> [Vec<Row>; 2] {
    let mut answered = answered.into_iter().map(|answered| rows(answered.rows, Row::Sqlite));
    [answered.next().unwrap_or_default(), answered.next().unwrap_or_default()]
}

fn rows<R>(of: Vec<R>, wrap: fn(R) -> Row) -> Vec<Row> {
    of.into_iter().map(wrap).collect()
}

/// PostgreSQL's text holds everything but the character NUL.
fn storable(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { text }
}

impl Value<'_> {
    fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => text.as_deref().map(|text| storable(Cow::Borrowed(text))),
            Self::Number(_) | Self::Flag(_) => None,
        }
    }

    fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => *number,
            Self::Flag(flag) => Some(i64::from(*flag)),
            Self::Text(_) => None,
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(Cow::Borrowed(text)))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Some(Cow::Owned(text)))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text.map(Cow::Borrowed))
    }
}

impl<'a> From<&'a Option<String>> for Value<'a> {
    fn from(text: &'a Option<String>) -> Self {
        Self::from(text.as_deref())
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// A time as the database keeps it: milliseconds since 1970.
pub(crate) fn millis(at: Timestamp) -> i64 {
    at.timestamp_millis()
}

/// A time as the database kept it; one out of range is the end of time.
pub(crate) fn moment(millis: i64) -> Timestamp {
    DateTime::from_timestamp_millis(millis).unwrap_or(Timestamp::MAX_UTC)
}

/// JSON of a column that we alone write.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Row { table: "ledger", what: error.to_string() })
}
