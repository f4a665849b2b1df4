//! Lists whose conditions are known only when they are asked for.

use crate::statement::{Statement, Value, sql};

/// A list under way. Only the conditions that are wanted come into its text, so that the database finds the index of
/// each.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    text: String,
    values: Vec<Value<'a>>,
}

impl<'a> Listing<'a> {
    /// A list of what `select` finds; it ends with a condition.
    pub(crate) fn of(select: &str) -> Self {
        Self { text: select.to_owned(), values: Vec::new() }
    }

    /// Adds a condition that calls its value `?`; without a value there is none.
    pub(crate) fn only(mut self, condition: &str, value: Option<impl Into<Value<'a>>>) -> Self {
        let Some(value) = value else { return self };
        self.values.push(value.into());
        let condition = condition.replace('?', &format!("${}", self.values.len()));
        self.text.push_str(&format!(" AND ({condition})"));
        self
    }

    /// Adds a condition without a value, where it is wanted.
    pub(crate) fn only_if(mut self, wanted: bool, condition: &str) -> Self {
        if wanted {
            self.text.push_str(&format!(" AND ({condition})"));
        }
        self
    }

    /// The first `limit` of the list in this order.
    pub(crate) fn first(mut self, limit: u32, order: &str) -> Statement<'a> {
        self.values.push(i64::from(limit).into());
        self.text.push_str(&format!(" ORDER BY {order} LIMIT ${}", self.values.len()));
        self.values.into_iter().fold(sql(self.text), Statement::bind)
    }
}
