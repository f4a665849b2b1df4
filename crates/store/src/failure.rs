//! What the error of a transaction means for the writer.

use crate::error::StoreError;
use crate::sqlite_pipeline::BEGINNING;

/// Whether one write of the batch is at fault; a locked, full or broken database refuses every write.
pub(crate) fn is_of_one_write(error: &StoreError) -> bool {
    let Some(code) = code(error) else { return matches!(error, StoreError::Row { .. }) };
    if is_of_postgres(&code) {
        // cardinality, data, constraint, syntax, program limit
        return ["21", "22", "23", "42", "54"].contains(&&code[..2]);
    }
    // the primary result code is the low byte: 1 error, 18 too big, 19 constraint, 20 mismatch, 25 range
    let primary = code.parse::<u32>().ok().map(|code| code & 0xff);
    matches!(primary, Some(1 | 18 | 19 | 20 | 25))
}

/// Whether the same transaction may succeed at once: PostgreSQL took it back for another one (serialization, deadlock,
/// a lock that was waited for too long), or its connection was cut while nothing was begun on it.
pub(crate) fn is_passing(error: &StoreError) -> bool {
    let code = code(error);
    let was_taken_back = code.as_deref().is_some_and(|code| matches!(code, "40001" | "40P01" | "55P03"));
    let is_unbegun = matches!(error, StoreError::Database { doing: BEGINNING, .. });
    was_taken_back || (is_unbegun && code.is_none_or(|code| is_of_postgres(&code)))
}

/// Whether the server became a standby: the one that takes writes is found by connecting anew.
pub(crate) fn is_read_only(error: &StoreError) -> bool {
    code(error).is_some_and(|code| code == "25006")
}

/// The error with all its causes, in one line.
pub(crate) fn with_causes(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The code that the database gave for the error.
fn code(error: &StoreError) -> Option<String> {
    match error {
        StoreError::Database { source: sqlx::Error::Database(cause), .. } => cause.code().map(Into::into),
        _ => None,
    }
}

/// PostgreSQL's codes have five characters, SQLite's at most four digits.
fn is_of_postgres(code: &str) -> bool {
    code.len() == 5
}
