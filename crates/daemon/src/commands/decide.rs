//! `decide`: replays a saved case offline.

use std::path::Path;

use entitlement::case::Case;
use entitlement::decide::decide;
use entitlement::render::render;

use crate::command_error::CommandError;
use crate::output;

pub(crate) fn run(file: &Path) -> Result<(), CommandError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| CommandError::Sentence(format!("reading the case `{}`: {error}", file.display())))?;
    let case: Case = serde_json::from_str(&text)
        .map_err(|error| CommandError::Sentence(format!("`{}` is not a case: {error}", file.display())))?;
    output::text(render(&case, &decide(&case)).trim_end());
    Ok(())
}
