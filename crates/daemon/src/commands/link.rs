//! `link`: says which app user an account belongs to.

use store::people::{Link, OPERATOR};

use crate::commands::{account, customer};
use crate::failed::Failed;
use crate::settings::Settings;
use crate::{table, wiring};

pub(crate) async fn run(settings: &Settings, of: &str, user: &str) -> Result<(), Failed> {
    let (account, customer) = (account(of)?, customer(user)?);
    let store = wiring::store(settings).await?;
    store.link(Link { account: account.clone(), customer, origin: OPERATOR.into() }, None).await?;
    table::say(&format!("`{account}` is linked, and due to be looked at"));
    Ok(())
}
