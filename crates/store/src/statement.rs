//! One SQL text for both databases: values are bound by place, rows travel as a batch.
//!
//! A [`Batch`] appears in the statement as a table of its own. On SQLite it is one JSON text that `json_each` unfolds,
//! on PostgreSQL one array a column that `unnest` unfolds; either way the text never changes with the number of rows,
//! so it is prepared once, and a batch costs one call to the driver.

use std::borrow::Cow;

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, Postgres, Sqlite};

use crate::batch::{Batch, Column};
use crate::connection::{Connection, Pool, Row, read_again};
use crate::error::{Failed, StoreError};
use crate::sqlite_pipeline::{Answered, Queue};
use crate::value::Value;

#[cfg(test)]
thread_local! {
    /// The statements that the stores of this thread have sent, with the types of their values, for the test of their
    /// plans.
    pub(crate) static SENT: std::cell::RefCell<std::collections::BTreeMap<String, Vec<&'static str>>> = const {
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

/// A statement whose text must differ; the caller says why.
pub(crate) fn differing<'a>(sqlite: &'static str, postgres: &'static str) -> Statement<'a> {
    Statement { postgres: postgres.into(), ..sql(sqlite) }
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
                self.add_to(on.queue(), None)?;
                Ok(on.flush_one().await?.changed)
            }
            Connection::Postgres(on) => Ok(self.postgres().execute(on).await?.rows_affected()),
        }
    }

    /// Executes it at the latest with the next statement whose answer is waited for, or with the commit; a failure may
    /// show only there, as one of `doing`.
    pub(crate) async fn queue(self, on: &mut Connection, doing: &'static str) -> Result<(), StoreError> {
        let queued = match on {
            Connection::Sqlite(on) => self.add_to(on.queue(), Some(doing)),
            Connection::Postgres(on) => self.postgres().execute(on).await.map(drop),
        };
        queued.map_err(StoreError::on(doing))
    }

    pub(crate) async fn fetch(self, on: &mut Connection) -> Result<Vec<Row>, Failed> {
        match on {
            Connection::Sqlite(on) => {
                self.add_to(on.queue(), None)?;
                Ok(rows(on.flush_one().await?.rows, Row::Sqlite))
            }
            Connection::Postgres(on) => Ok(rows(self.postgres().fetch_all(on).await?, Row::Postgres)),
        }
    }

    /// The rows of this statement and of `other`, which is executed next.
    pub(crate) async fn fetch_with(self, other: Self, on: &mut Connection) -> Result<[Vec<Row>; 2], Failed> {
        let Connection::Sqlite(pipeline) = on else { return Ok([self.fetch(on).await?, other.fetch(on).await?]) };
        self.add_to(pipeline.queue(), None)?;
        other.add_to(pipeline.queue(), None)?;
        Ok(two(pipeline.flush().await?))
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

    /// The rows of this statement and of `other`.
    pub(crate) async fn read_with(self, other: Self, from: &Pool) -> Result<[Vec<Row>; 2], sqlx::Error> {
        let Pool::Sqlite(reads) = from else {
            let (rows, others) = tokio::try_join!(self.read(from), other.read(from))?;
            return Ok([rows, others]);
        };
        let mut queue = Queue::default();
        self.add_to(&mut queue, None)?;
        other.add_to(&mut queue, None)?;
        reads.read(async move |on| queue.run(on).await.map_err(|failed| failed.source)).await.map(two)
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
        self.with_batches(&self.sqlite, |batch, place| batch.unfold_json(place))
    }

    fn add_to(self, queue: &mut Queue, doing: Option<&'static str>) -> Result<(), sqlx::Error> {
        let places = self.values.len() + self.batches.len();
        let arguments = queue.add(&self.sqlite_text(), places, doing);
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
        let mut text = self.with_batches(&self.postgres, |batch, place| batch.unfold_arrays(place));
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

    /// The text behind its batches. `unfold` answers how a batch is unfolded from values that are bound from a place
    /// on, and how many those are.
    fn with_batches(&self, text: &str, unfold: impl Fn(&Batch<'_>, usize) -> (String, usize)) -> String {
        let mut all = String::with_capacity(text.len() + 256);
        let mut place = self.values.len() + 1;
        for batch in &self.batches {
            all.push_str(if all.is_empty() { "WITH " } else { ", " });
            let (select, values) = unfold(batch, place);
            all.push_str(&format!("{}({}) AS ({select})", batch.name, batch.names()));
            place += values;
        }
        all.push(' ');
        all.push_str(text);
        #[cfg(test)]
        SENT.with_borrow_mut(|sent| sent.insert(all.clone(), self.types()));
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

fn two(answered: Vec<Answered>) -> [Vec<Row>; 2] {
    let mut answered = answered.into_iter().map(|answered| rows(answered.rows, Row::Sqlite));
    [answered.next().unwrap_or_default(), answered.next().unwrap_or_default()]
}

fn rows<R>(of: Vec<R>, wrap: fn(R) -> Row) -> Vec<Row> {
    of.into_iter().map(wrap).collect()
}
