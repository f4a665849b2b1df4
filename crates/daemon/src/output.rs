//! Plain tables, fields and JSON on standard output. A closed pipe, as of `head`, is no failure; a full disk is.

use std::io::{Error, ErrorKind, Write};
use std::sync::OnceLock;

use serde::Serialize;

use crate::command_error::CommandError;
use crate::printable;

/// Why a line was not printed, the first time.
static FAILED: OnceLock<Error> = OnceLock::new();

/// Prints rows under their heads, each column as wide as its widest cell.
pub(crate) fn print(heads: &[&str], rows: &[Vec<String>]) {
    lines(heads, rows).iter().for_each(|line| say(line));
}

/// Prints names and their values below each other.
pub(crate) fn fields(fields: &[(&str, String)]) {
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in fields {
        say(format!("{name:<width$}  {value}").trim_end());
    }
}

/// Prints one JSON document.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| CommandError::because("writing JSON", error))?;
    write(&printable::json(&text));
    Ok(())
}

/// Prints one line; what is in it from elsewhere does not end it.
pub(crate) fn say(line: &str) {
    write(&printable::line(line));
}

/// Prints lines of our own making.
pub(crate) fn text(lines: &str) {
    write(&printable::lines(lines));
}

fn write(text: &str) {
    if let Err(error) = writeln!(std::io::stdout().lock(), "{text}") {
        FAILED.get_or_init(|| error);
    }
}

/// Whether all that was printed was written.
///
/// # Errors
/// When standard output did not take it, as on a full disk.
pub(crate) fn written() -> Result<(), CommandError> {
    // a line that has no end yet is held back until now
    if let Err(error) = std::io::stdout().flush() {
        FAILED.get_or_init(|| error);
    }
    match FAILED.get() {
        // the reader has read what it wanted
        Some(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Some(error) => Err(CommandError::Sentence(format!("the output is not whole: {error}"))),
        None => Ok(()),
    }
}

pub(crate) fn lines(heads: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable::line(cell)).collect()).collect();
    let all = || std::iter::once(&heads).chain(&rows);
    let width = |column: usize| all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..heads.len()).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    all().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["1".to_owned(), "b".to_owned()], vec!["222".to_owned(), "c".to_owned()]];
        assert_eq!(lines(&["id", "x"], &rows), ["id   x", "1    b", "222  c"]);
    }
}
