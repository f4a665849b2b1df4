//! Lists, page by page.

use entitlement::model::clock::Timestamp;
use operator::operator::Operator;
use operator::time;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;

/// Items of one page where no limit is given.
const USUAL: u32 = 100;
/// Items of one page at most.
const MOST: u32 = 500;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T: ToSchema> {
    items: Vec<T>,
    /// Send it as `after` for the next page; null: this is the last one.
    next: Option<String>,
}

/// Which part of a list is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Portion {
    /// Items of one page; 100 by default.
    #[param(required = false, minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

impl Portion {
    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// The number to go on behind.
    pub(crate) fn number(&self) -> Result<Option<i64>, ApiError> {
        let number = self.after.as_deref().map(str::parse).transpose();
        number.map_err(|_| ApiError::invalid("`after` is the `next` of the page before, a number"))
    }

    /// How many rows to ask for: one more than the page holds, which shows whether there is another page.
    pub(crate) fn asked(&self) -> Result<u32, ApiError> {
        Ok(self.limit()? + 1)
    }

    fn limit(&self) -> Result<u32, ApiError> {
        let limit = self.limit.unwrap_or(USUAL);
        if (1..=MOST).contains(&limit) {
            return Ok(limit);
        }
        Err(ApiError::invalid(format!("`limit` is {limit}; write 1 to {MOST}")))
    }

    /// The page that holds `items`, as many as were asked for; `name` identifies one.
    pub(crate) fn page<T: ToSchema>(
        &self,
        mut items: Vec<T>,
        name: impl Fn(&T) -> String,
    ) -> Result<Page<T>, ApiError> {
        let limit = usize::try_from(self.limit()?).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(name);
        Ok(Page { items, next })
    }
}

/// Reads `since`: `2026-11-20T10:00:00Z`, `2h` or `3d`.
pub(crate) fn since(text: Option<&str>, operator: &Operator) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let since = time::since(text).map_err(|error| ApiError::invalid(format!("`since`: {error}")))?;
    Ok(Some(since.at((operator.clock)())))
}
