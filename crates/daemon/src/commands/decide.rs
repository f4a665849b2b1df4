//! `decide`: replays a saved case offline.

use std::path::Path;

use entitlement::decide::{Case, decide};
use entitlement::explain::explain;

use crate::failed::Failed;
use crate::table;

pub(crate) fn run(file: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failed::Sentence(format!("reading the case `{}`: {error}", file.display())))?;
    let case: Case = serde_json::from_str(&text)
        .map_err(|error| Failed::Sentence(format!("`{}` is not a case: {error}", file.display())))?;
    table::say(explain(&case, &decide(&case)).trim_end());
    Ok(())
}
