//! Rows that travel to the database with a statement, as a table of its own.

use crate::value::Value;

/// Rows of a statement, as a table with a name.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) name: &'static str,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Value<'a>>>,
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

    /// The names of its columns, for its head.
    pub(crate) fn names(&self) -> String {
        self.columns.iter().map(|column| column.name()).collect::<Vec<_>>().join(", ")
    }

    /// On SQLite: one JSON array of arrays, bound at `place`. Answers the text and how many values are bound.
    pub(crate) fn unfold_json(&self, place: usize) -> (String, usize) {
        let fields: Vec<String> = (0..self.columns.len()).map(|field| format!("value ->> {field}")).collect();
        (format!("SELECT {} FROM json_each(${place})", fields.join(", ")), 1)
    }

    /// On PostgreSQL: one array a column, bound from `place` on. Answers the text and how many values are bound.
    pub(crate) fn unfold_arrays(&self, place: usize) -> (String, usize) {
        let arrays = self.columns.iter().enumerate().map(|(number, column)| match column {
            Column::Text(_) => format!("${}::text[]", place + number),
            Column::Number(_) => format!("${}::bigint[]", place + number),
        });
        (format!("SELECT * FROM unnest({})", arrays.collect::<Vec<_>>().join(", ")), self.columns.len())
    }
}

impl Column {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text(name) | Self::Number(name) => name,
        }
    }
}
