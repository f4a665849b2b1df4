//! `resync`: makes accounts due, as a webhook would.

use std::time::Duration;

use entitlement::names::Account;
use store::claim::Urgency;
use store::open::Store;

use crate::cli::Resync;
use crate::commands::{account, customer};
use crate::failed::Failed;
use crate::settings::Settings;
use crate::{clock, table, wiring};

/// How long `--wait` waits.
const PATIENCE: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(100);

pub(crate) async fn run(settings: &Settings, resync: Resync) -> Result<(), Failed> {
    let store = wiring::store(settings).await?;
    let accounts = chosen(&store, &resync).await?;
    let since = clock::now();
    store.touch(accounts.clone(), Urgency::Fresh).await?;
    table::say(&format!("{} due to be looked at", counted(accounts.len())));
    if resync.wait {
        for account in &accounts {
            wait(&store, account, since).await?;
        }
    }
    Ok(())
}

async fn chosen(store: &Store, resync: &Resync) -> Result<Vec<Account>, Failed> {
    if let Some(of) = &resync.account {
        return Ok(vec![account(of)?]);
    }
    let accounts = store.accounts_of(&customer(resync.user.as_deref().unwrap_or_default())?).await?;
    if accounts.is_empty() {
        return Err(Failed::Sentence("no account is linked to that user; see `grantsync parked list`".into()));
    }
    Ok(accounts)
}

fn counted(accounts: usize) -> String {
    if accounts == 1 { "1 account is".into() } else { format!("{accounts} accounts are") }
}

async fn wait(store: &Store, account: &Account, since: entitlement::clock::Timestamp) -> Result<(), Failed> {
    let settled = async {
        loop {
            let standing = store.standing(account).await?;
            if let Some(standing) = standing {
                if standing.settled_at.is_some_and(|at| at >= since) {
                    return Ok(());
                }
                if let Some(trouble) = standing.trouble.filter(|_| !standing.leased) {
                    return Err(Failed::Sentence(format!("looking at `{account}` failed: {trouble}")));
                }
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    match tokio::time::timeout(PATIENCE, settled).await {
        Ok(Ok(())) => {
            table::say(&format!("`{account}` was looked at"));
            Ok(())
        }
        Ok(Err(failed)) => Err(failed),
        Err(_) => Err(Failed::Sentence(format!("`{account}` is still due; is `grantsync serve` running?"))),
    }
}
