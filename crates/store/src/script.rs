//! Statements on their way to SQLite, handed over together.
//!
//! SQLite runs on a thread of its own. Handing it something wakes that thread and waits for it, which costs more than most
//! statements do; so what nobody waits for goes along with the next statement whose answer is wanted, or with the commit.

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Either, Executor, SqliteConnection};

use crate::error::Failed;

/// What was being done when a connection failed before anything was written on it.
pub(crate) const BEGINNING: &str = "beginning a transaction";

/// A connection to SQLite, and what is to go to it next.
#[derive(Debug)]
pub(crate) struct Scripted {
    connection: SqliteConnection,
    script: Script,
}

/// Statements in order, as one text: `$1`, `$2`, … count through all of them.
#[derive(Debug, Default)]
pub(crate) struct Script {
    text: String,
    arguments: SqliteArguments,
    bound: usize,
    /// What each statement does, in words, where nobody waits for its answer.
    doing: Vec<Option<&'static str>>,
}

/// What a statement answered.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    pub(crate) rows: Vec<SqliteRow>,
    pub(crate) changed: u64,
}

impl Script {
    /// Adds a statement whose places count from 1, and the values for them.
    pub(crate) fn add(&mut self, text: &str, values: usize, doing: Option<&'static str>) -> &mut SqliteArguments {
        if !self.text.is_empty() {
            self.text.push_str(";\n");
        }
        shift(text, self.bound, &mut self.text);
        self.bound += values;
        self.doing.push(doing);
        &mut self.arguments
    }

    /// Hands all of it over. Answers, in turn, for those statements whose answers are waited for.
    ///
    /// # Errors
    /// Of the first statement that fails; those behind it were not run.
    pub(crate) async fn run(self, on: &mut SqliteConnection) -> Result<Vec<Answered>, Failed> {
        let Self { text, arguments, doing, .. } = self;
        let mut answers = on.fetch_many(sqlx::query_with(AssertSqlSafe(text), arguments));
        let (mut done, mut all, mut answered) = (0, Vec::new(), Answered::default());
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

impl Scripted {
    pub(crate) fn new(connection: SqliteConnection) -> Self {
        Self { connection, script: Script::default() }
    }

    /// The connection itself, for what goes its own way.
    pub(crate) fn alone(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// What goes next: whatever is added, goes in order.
    pub(crate) fn next(&mut self) -> &mut Script {
        &mut self.script
    }

    /// Hands over what was added, as [`Script::run`] does.
    ///
    /// # Errors
    /// As for [`Script::run`].
    pub(crate) async fn run(&mut self) -> Result<Vec<Answered>, Failed> {
        std::mem::take(&mut self.script).run(&mut self.connection).await
    }

    /// The same for the one statement whose answer is waited for.
    ///
    /// # Errors
    /// As for [`Scripted::run`].
    pub(crate) async fn answer(&mut self) -> Result<Answered, Failed> {
        Ok(self.run().await?.pop().unwrap_or_default())
    }

    pub(crate) fn begin(&mut self) {
        self.script = Script::default();
        self.script.add("BEGIN IMMEDIATE", 0, Some(BEGINNING));
    }

    /// Whether a transaction is to begin, and nothing of it was handed over yet.
    fn is_unbegun(&self) -> bool {
        self.script.doing.first() == Some(&Some(BEGINNING))
    }

    pub(crate) async fn commit(&mut self) -> Result<(), Failed> {
        if self.is_unbegun() && self.script.doing.len() == 1 {
            // nothing was to be written
            self.script = Script::default();
            return Ok(());
        }
        self.script.add("COMMIT", 0, None);
        self.run().await.map(drop)
    }

    pub(crate) async fn roll_back(&mut self) -> Result<(), Failed> {
        let unbegun = self.is_unbegun();
        self.script = Script::default();
        if unbegun {
            return Ok(());
        }
        self.connection.execute("ROLLBACK").await.map(drop).map_err(Failed::from)
    }

    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }
}

/// Writes `text` with every `$N` counted on from `by`.
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

    async fn opened() -> Scripted {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        connection.execute("CREATE TABLE told (word TEXT PRIMARY KEY)").await.unwrap();
        Scripted::new(connection)
    }

    fn tell(on: &mut Scripted, word: &str) {
        let arguments = on.next().add("INSERT INTO told VALUES ($1) RETURNING word", 1, Some("telling"));
        arguments.add(word).unwrap();
    }

    async fn words(on: &mut Scripted) -> Vec<String> {
        on.next().add("SELECT word FROM told ORDER BY word", 0, None);
        on.answer().await.unwrap().rows.iter().map(|row| row.get(0)).collect()
    }

    #[test]
    fn places_count_through_all_statements() {
        let mut text = String::new();
        shift("SELECT $1, '$', $12::text[], $2", 7, &mut text);
        assert_eq!(text, "SELECT $8, '$', $19::text[], $9");
    }

    #[tokio::test]
    async fn several_statements_go_together_and_those_answer_that_are_waited_for() {
        let mut on = opened().await;
        on.begin();
        for word in ["one", "two", "three"] {
            tell(&mut on, word);
        }
        let answered = on.run().await.unwrap();
        assert!(answered.is_empty(), "nobody waits for these");
        on.commit().await.unwrap();
        on.next().add("SELECT count(*) AS count FROM told", 0, None);
        tell(&mut on, "four");
        on.next().add("DELETE FROM told WHERE word < $1", 1, None).add("p").unwrap();
        let answered = on.run().await.unwrap();
        let counted = (answered[0].rows[0].get::<i64, _>(0), answered[1].rows.len(), answered[1].changed);
        assert_eq!((answered.len(), counted), (2, (3, 0, 2)));
        assert_eq!(words(&mut on).await, ["three", "two"]);
    }

    #[tokio::test]
    async fn what_waits_goes_with_the_commit() {
        let mut on = opened().await;
        on.begin();
        tell(&mut on, "one");
        on.commit().await.unwrap();
        assert_eq!(words(&mut on).await, ["one"]);
    }

    #[tokio::test]
    async fn a_failure_names_the_statement_and_takes_all_of_the_transaction_back() {
        let mut on = opened().await;
        on.begin();
        tell(&mut on, "one");
        on.next().add("INSERT INTO told VALUES ($1)", 1, Some("telling again")).add("one").unwrap();
        on.next().add("INSERT INTO told VALUES ($1)", 1, None).add("two").unwrap();
        assert_eq!(on.run().await.unwrap_err().doing, Some("telling again"));
        on.roll_back().await.unwrap();
        assert_eq!(words(&mut on).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_transaction_that_was_never_begun_is_neither_committed_nor_rolled_back() {
        let mut on = opened().await;
        on.begin();
        on.commit().await.unwrap();
        on.begin();
        tell(&mut on, "one");
        on.roll_back().await.unwrap();
        assert_eq!(words(&mut on).await, Vec::<String>::new());
    }
}
