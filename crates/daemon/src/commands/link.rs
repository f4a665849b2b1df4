//! `link`: links an account to an app user.

use operator::input;

use crate::command_error::CommandError;
use crate::settings::Settings;
use crate::{output, wiring};

pub(crate) async fn run(settings: &Settings, account: &str, user: &str) -> Result<(), CommandError> {
    let account = input::account(account)?;
    let user = input::user(user)?;
    wiring::operator(settings).await?.link(account.clone(), user).await?;
    output::say(&format!("`{account}` is linked, and due"));
    Ok(())
}
