//! `migrate`: brings the database up to date.

use crate::failed::Failed;
use crate::settings::Settings;
use crate::{table, wiring};

pub(crate) async fn run(settings: &Settings) -> Result<(), Failed> {
    wiring::store(settings).await?;
    table::say("the database is up to date");
    Ok(())
}
