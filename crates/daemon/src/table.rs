//! Plain tables and JSON for lists on standard output.

use serde::Serialize;

use crate::failed::Failed;

/// Prints rows under their heads, each column as wide as its widest cell.
#[expect(clippy::print_stdout, reason = "lists are what the command is for")]
pub(crate) fn print(heads: &[&str], rows: &[Vec<String>]) {
    for line in lines(heads, rows) {
        println!("{line}");
    }
}

/// Prints one JSON document.
#[expect(clippy::print_stdout, reason = "lists are what the command is for")]
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Failed> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failed::because("writing JSON", error))?;
    println!("{text}");
    Ok(())
}

/// Prints one line.
#[expect(clippy::print_stdout, reason = "the outcome is what the command is for")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

pub(crate) fn lines(heads: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let all = || std::iter::once(&heads).chain(rows);
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
