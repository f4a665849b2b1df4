//! Lists, page by page.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;
use crate::clock;
use crate::moments;
use entitlement::clock::Timestamp;

/// Items of one page where nothing is said.
const USUAL: u32 = 100;
/// Items of one page at most.
const MOST: u32 = 500;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T: ToSchema> {
    items: Vec<T>,
    /// Send it as `after` for what comes next; null: that was all.
    next: Option<String>,
}

/// Which part of a list is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Portion {
    /// Items of one page, 100 where nothing is said.
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
        let wrong = |_| ApiError::Wrong("`after` is the `next` of the page before, a number".into());
        self.after.as_deref().map(str::parse).transpose().map_err(wrong)
    }

    /// How many rows to ask for: one more than the page holds tells whether there is another page.
    pub(crate) fn asked(&self) -> Result<u32, ApiError> {
        Ok(self.limit()? + 1)
    }

    fn limit(&self) -> Result<u32, ApiError> {
        let limit = self.limit.unwrap_or(USUAL);
        let wrong = || ApiError::Wrong(format!("`limit` is {limit}; write 1 to {MOST}"));
        (1..=MOST).contains(&limit).then_some(limit).ok_or_else(wrong)
    }

    /// The page that holds `rows`, as many as were asked for; `name` tells one from the others.
    pub(crate) fn page<R, T: ToSchema>(
        &self,
        mut rows: Vec<R>,
        name: impl Fn(&R) -> String,
        item: impl Fn(R) -> T,
    ) -> Result<Page<T>, ApiError> {
        let limit = usize::try_from(self.limit()?).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(name);
        Ok(Page { items: rows.into_iter().map(item).collect(), next })
    }
}

/// Reads `2026-11-20T10:00:00Z`, `2h` or `3d`.
pub(crate) fn moment(text: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let read = |text| moments::since(text).map(|since| since.moment(clock::now()));
    text.map(read).transpose().map_err(|error| ApiError::Wrong(format!("`since`: {error}")))
}
