//! Queries of lists, whose conditions depend on what is asked for.

use crate::statement::{Statement, sql};
use crate::value::Value;

/// A query being built. Only the conditions that are needed come into its text, so that the database finds the index
/// for them.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    text: String,
    values: Vec<Value<'a>>,
}

impl<'a> Listing<'a> {
    /// The rows of `select`, which ends with a condition.
    pub(crate) fn of(select: &str) -> Self {
        Self { text: select.to_owned(), values: Vec::new() }
    }

    /// Adds a condition in which `?` stands for `value`; without a value there is none.
    pub(crate) fn only(mut self, condition: &str, value: Option<impl Into<Value<'a>>>) -> Self {
        let Some(value) = value else { return self };
        self.values.push(value.into());
        let condition = condition.replace('?', &format!("${}", self.values.len()));
        self.text.push_str(&format!(" AND ({condition})"));
        self
    }

    /// Adds a condition without a value, if `is_needed`.
    pub(crate) fn only_if(mut self, is_needed: bool, condition: &str) -> Self {
        if is_needed {
            self.text.push_str(&format!(" AND ({condition})"));
        }
        self
    }

    /// The first `limit` rows in this order.
    pub(crate) fn first(mut self, limit: u32, order: &str) -> Statement<'a> {
        self.values.push(i64::from(limit).into());
        self.text.push_str(&format!(" ORDER BY {order} LIMIT ${}", self.values.len()));
        self.values.into_iter().fold(sql(self.text), Statement::bind)
    }
}
