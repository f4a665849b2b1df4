//! Statements for SQLite, queued and sent to its thread together.
//!
//! SQLite runs on a thread of its own. Sending it something wakes that thread and waits for it, which costs more than
//! most statements do; so statements whose answer nobody waits for are queued until the next whose answer is needed, or
//! until the commit.

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Either, Executor, SqliteConnection};

use crate::error::Failed;

/// What was being done when a connection failed before anything was written on it.
pub(crate) const BEGINNING: &str = "beginning a transaction";

/// A connection to SQLite, and the statements queued for it.
#[derive(Debug)]
pub(crate) struct SqlitePipeline {
    connection: SqliteConnection,
    queue: Queue,
}

/// Statements in order, as one text: `$1`, `$2`, … count through all of them.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    text: String,
    arguments: SqliteArguments,
    bound: usize,
    /// What each statement does, for its error, where nobody waits for its answer.
    doing: Vec<Option<&'static str>>,
}

/// What a statement answered.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    pub(crate) rows: Vec<SqliteRow>,
    pub(crate) changed: u64,
}

impl Queue {
    /// Adds a statement whose places count from 1; answers where the `values` for them are added.
    pub(crate) fn add(&mut self, text: &str, values: usize, doing: Option<&'static str>) -> &mut SqliteArguments {
        if !self.text.is_empty() {
            self.text.push_str(";\n");
        }
        shift(text, self.bound, &mut self.text);
        self.bound += values;
        self.doing.push(doing);
        &mut self.arguments
    }

    /// Runs all of them. Answers, in turn, for the statements whose answers are waited for.
    ///
    /// # Errors
    /// Of the first statement that fails; those after it were not run.
    pub(crate) async fn run(self, on: &mut SqliteConnection) -> Result<Vec<Answered>, Failed> {
        let Self { text, arguments, doing, .. } = self;
        let mut answers = on.fetch_many(sqlx::query_with(AssertSqlSafe(text), arguments));
        let mut all = Vec::new();
        let mut done = 0;
        let mut answered = Answered::default();
        loop {
            match answers.try_next().await {
                Ok(Some(Either::Right(row))) => answered.rows.push(row),
                Ok(Some(Either::Left(result))) => {
                    let of_one = Answered { changed: result.rows_affected(), ..std::mem::take(&mut answered) };
                    all.extend(doing.get(done).is_none_or(Option::is_none).then_some(of_one));
                    done += 1;
                }
                Ok(None) => return Ok(all),
                Err(source) => return Err(Failed { doing: doing.get(done).copied().flatten(), source }),
            }
        }
    }
}

impl SqlitePipeline {
    pub(crate) fn new(connection: SqliteConnection) -> Self {
        Self { connection, queue: Queue::default() }
    }

    /// The connection itself, past the queue.
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    pub(crate) fn queue(&mut self) -> &mut Queue {
        &mut self.queue
    }

    /// Runs what is queued, as [`Queue::run`] does.
    pub(crate) async fn flush(&mut self) -> Result<Vec<Answered>, Failed> {
        std::mem::take(&mut self.queue).run(&mut self.connection).await
    }

    /// The same where the answer of one statement is waited for.
    pub(crate) async fn flush_one(&mut self) -> Result<Answered, Failed> {
        Ok(self.flush().await?.pop().unwrap_or_default())
    }

    pub(crate) fn begin(&mut self) {
        self.queue = Queue::default();
        self.queue.add("BEGIN IMMEDIATE", 0, Some(BEGINNING));
    }

    /// Whether the beginning of a transaction is still queued.
    fn is_unbegun(&self) -> bool {
        self.queue.doing.first() == Some(&Some(BEGINNING))
    }

    pub(crate) async fn commit(&mut self) -> Result<(), Failed> {
        if self.is_unbegun() && self.queue.doing.len() == 1 {
            // nothing was to be written
            self.queue = Queue::default();
            return Ok(());
        }
        self.queue.add("COMMIT", 0, None);
        self.flush().await.map(drop)
    }

    pub(crate) async fn roll_back(&mut self) -> Result<(), Failed> {
        let unbegun = self.is_unbegun();
        self.queue = Queue::default();
        if unbegun {
            return Ok(());
        }
        self.connection.execute("ROLLBACK").await.map(drop).map_err(Failed::from)
    }

    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }
}

/// Writes `text` to `to` with every `$N` counted on from `by`.
fn shift(text: &str, by: usize, to: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, behind) = rest.split_at(at + 1);
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        to.push_str(before);
        match behind[..digits].parse::<usize>() {
            Ok(place) => to.push_str(&(place + by).to_string()),
            Err(_) => to.push_str(&behind[..digits]),
        }
        rest = &behind[digits..];
    }
    to.push_str(rest);
}

#[cfg(test)]
mod tests {
    use sqlx::{Arguments, Row};

    use super::*;

    async fn opened() -> SqlitePipeline {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        connection.execute("CREATE TABLE words (word TEXT PRIMARY KEY)").await.unwrap();
        SqlitePipeline::new(connection)
    }

    fn insert(on: &mut SqlitePipeline, word: &str) {
        let arguments = on.queue().add("INSERT INTO words VALUES ($1) RETURNING word", 1, Some("inserting"));
        arguments.add(word).unwrap();
    }

    async fn words(on: &mut SqlitePipeline) -> Vec<String> {
        on.queue().add("SELECT word FROM words ORDER BY word", 0, None);
        on.flush_one().await.unwrap().rows.iter().map(|row| row.get(0)).collect()
    }

    #[test]
    fn places_count_through_all_statements() {
        let mut text = String::new();
        shift("SELECT $1, '$', $12::text[], $2", 7, &mut text);
        assert_eq!(text, "SELECT $8, '$', $19::text[], $9");
    }

    #[tokio::test]
    async fn several_statements_go_together_and_those_that_are_waited_for_answer() {
        let mut on = opened().await;
        on.begin();
        for word in ["one", "two", "three"] {
            insert(&mut on, word);
        }
        let answered = on.flush().await.unwrap();
        assert!(answered.is_empty(), "nobody waits for these");
        on.commit().await.unwrap();
        on.queue().add("SELECT count(*) AS count FROM words", 0, None);
        insert(&mut on, "four");
        on.queue().add("DELETE FROM words WHERE word < $1", 1, None).add("p").unwrap();
        let answered = on.flush().await.unwrap();
        let counted = (answered[0].rows[0].get::<i64, _>(0), answered[1].rows.len(), answered[1].changed);
        assert_eq!((answered.len(), counted), (2, (3, 0, 2)));
        assert_eq!(words(&mut on).await, ["three", "two"]);
    }

    #[tokio::test]
    async fn what_is_queued_goes_with_the_commit() {
        let mut on = opened().await;
        on.begin();
        insert(&mut on, "one");
        on.commit().await.unwrap();
        assert_eq!(words(&mut on).await, ["one"]);
    }

    #[tokio::test]
    async fn a_failure_names_the_statement_and_the_whole_transaction_is_rolled_back() {
        let mut on = opened().await;
        on.begin();
        insert(&mut on, "one");
        on.queue().add("INSERT INTO words VALUES ($1)", 1, Some("inserting again")).add("one").unwrap();
        on.queue().add("INSERT INTO words VALUES ($1)", 1, None).add("two").unwrap();
        assert_eq!(on.flush().await.unwrap_err().doing, Some("inserting again"));
        on.roll_back().await.unwrap();
        assert_eq!(words(&mut on).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_transaction_that_was_never_begun_is_neither_committed_nor_rolled_back() {
        let mut on = opened().await;
        on.begin();
        on.commit().await.unwrap();
        on.begin();
        insert(&mut on, "one");
        on.roll_back().await.unwrap();
        assert_eq!(words(&mut on).await, Vec::<String>::new());
    }
}
