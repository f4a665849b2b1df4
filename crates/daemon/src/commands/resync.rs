//! `resync`: makes accounts due, as a webhook would.

use entitlement::model::account::Account;
use operator::error::OperatorError;
use operator::input;
use operator::operator::Operator;
use operator::resync::Selection;
use operator::time::absolute;

use crate::cli::sync::Resync;
use crate::command_error::CommandError;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::{output, wiring, workers};

pub(crate) async fn run(settings: &Settings, asked: Resync) -> Result<(), CommandError> {
    match (asked.all, asked.dry_run) {
        (true, true) => backfill_dry(settings).await,
        (true, false) => backfill(settings, asked.wait).await,
        (false, true) => dry_run(settings, &asked).await,
        (false, false) => resync(settings, &asked).await,
    }
}

async fn resync(settings: &Settings, asked: &Resync) -> Result<(), CommandError> {
    let selection = selection(asked)?;
    let operator = match asked.wait {
        true => wiring::operator_with_keys(settings).await?,
        false => wiring::operator(settings).await?,
    };
    let accounts = operator.select(selection).await?;
    operator.resync(accounts.clone()).await?;
    output::say(&due(accounts.len() as u64));
    if !asked.wait {
        return Ok(());
    }
    for account in wait(&operator, &accounts).await? {
        output::say(&format!("`{account}` is synced"));
    }
    Ok(())
}

/// Waits until all of them are synced; where no daemon runs, syncs them here.
pub(crate) async fn wait<'a>(operator: &Operator, accounts: &'a [Account]) -> Result<&'a [Account], CommandError> {
    let waiting = async {
        for account in accounts {
            operator.wait_for_sync(account).await?;
        }
        Ok::<(), OperatorError>(())
    };
    workers::with_workers(operator.controller()?, operator.bulk_percent, waiting).await??;
    Ok(accounts)
}

fn selection(asked: &Resync) -> Result<Selection, CommandError> {
    if let Some(account) = &asked.account {
        return Ok(Selection::Account(input::account(account)?));
    }
    if let Some(subscription) = &asked.subscription {
        return Ok(Selection::Subscription(subscription.clone()));
    }
    Ok(Selection::User(input::user(asked.user.as_deref().unwrap_or_default())?))
}

fn due(accounts: u64) -> String {
    if accounts == 1 { "1 account is due".into() } else { format!("{accounts} accounts are due") }
}

/// What would be done; nothing is written.
async fn dry_run(settings: &Settings, asked: &Resync) -> Result<(), CommandError> {
    let operator = wiring::operator_with_keys(settings).await?;
    for account in operator.select(selection(asked)?).await? {
        let plans = operator.plans(&account).await?;
        output::say(&format!("account {account}"));
        plans.iter().for_each(|plan| output::text(plan.plan.trim_end()));
    }
    Ok(())
}

/// Makes everybody due.
async fn backfill(settings: &Settings, waits: bool) -> Result<(), CommandError> {
    let operator = wiring::operator_with_keys(settings).await?;
    if let Some(begun) = operator.unfinished_backfill().await? {
        output::say(&format!("continuing the backfill of {}", absolute(begun.started_at)));
    }
    let mut progress = Progress::new("accounts listed");
    let backfill = operator.backfill(|backfill| progress.show(backfill.accounts, None)).await;
    progress.end();
    output::say(&due(backfill?.accounts));
    if !waits {
        output::say("a running `grantsync serve` syncs them; `--wait` waits for that, or syncs them here");
        return Ok(());
    }
    let mut progress = Progress::new("accounts synced");
    let waiting = operator.wait_for_backfill(|done, all| progress.show(done, Some(all)));
    let ended = workers::with_workers(operator.controller()?, operator.bulk_percent, waiting).await?;
    progress.end();
    ended?;
    let outcome = operator.backfill_outcome().await?;
    output::say(&format!("done; {} accounts could not be synced yet and are tried again", outcome.failing));
    for (kind, count) in outcome.parked {
        output::say(&format!("parked: {count} {kind}; see `grantsync parked list`"));
    }
    Ok(())
}

/// What a backfill would do; nothing is written.
async fn backfill_dry(settings: &Settings) -> Result<(), CommandError> {
    let operator = wiring::operator_with_keys(settings).await?;
    let found = operator.dry_backfill(output::say).await?;
    output::say(&format!("{} accounts; {} have no known user or could not be read", found.accounts, found.unread));
    for (step, count) in found.steps {
        output::say(&format!("would {step}: {count}"));
    }
    Ok(())
}
