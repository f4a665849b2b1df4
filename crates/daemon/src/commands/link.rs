//! `link`: says which app user an account belongs to.

use store::link::{Link, OPERATOR};

use crate::command_error::CommandError;
use crate::commands::{account, parse_user};
use crate::settings::Settings;
use crate::{output, wiring};

pub(crate) async fn run(settings: &Settings, of: &str, user: &str) -> Result<(), CommandError> {
    let (account, user) = (account(of)?, parse_user(user)?);
    let store = wiring::store(settings).await?;
    store.link(Link { account: account.clone(), user, origin: OPERATOR.into() }, None).await?;
    output::say(&format!("`{account}` is linked, and due to be looked at"));
    Ok(())
}
