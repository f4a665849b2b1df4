//! `resync`: makes accounts due, as a webhook would.

use std::collections::BTreeMap;
use std::time::Duration;

use entitlement::decide::decide;
use entitlement::explain::explain;
use entitlement::names::Account;
use entitlement::reading::Listing;
use source::kind::typed;
use store::claim::Urgency;
use store::open::Store;
use store::record::Fenced;
use store::task::Task;
use sync::backfill::Backfill;
use sync::controller::Controller;
use sync::inspect::Inspected;

use crate::cli::Resync;
use crate::command_error::CommandError;
use crate::commands::{account, parse_user};
use crate::progress::Progress;
use crate::settings::Settings;
use crate::turns::Turns;
use crate::{clock, output, wiring, workers};

/// How long `--wait` waits for one account.
const PATIENCE: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How often, and how long apart, a backfill asks for its turn.
const TURN_TRIES: u32 = 20;
const TURN_WAIT: Duration = Duration::from_secs(1);

pub(crate) async fn run(settings: &Settings, resync: Resync) -> Result<(), CommandError> {
    let store = wiring::store(settings).await?;
    match (resync.all, resync.dry_run) {
        (true, true) => all_dry(&wired(settings, &store)?).await,
        (true, false) => all(settings, &wired(settings, &store)?, resync.wait).await,
        (false, true) => {
            let sync = wired(settings, &store)?;
            for account in chosen(&store, &resync).await? {
                dry(&sync, &account).await?;
            }
            Ok(())
        }
        (false, false) => some(settings, &store, &resync).await,
    }
}

fn wired(settings: &Settings, store: &Store) -> Result<Controller, CommandError> {
    wiring::sync(settings, store, &wiring::upstreams(settings, store)?)
}

async fn some(settings: &Settings, store: &Store, resync: &Resync) -> Result<(), CommandError> {
    let accounts = chosen(store, resync).await?;
    store.enqueue(accounts.clone(), Urgency::Requested).await?;
    output::say(&format!("{} due to be looked at", counted(accounts.len())));
    if !resync.wait {
        return Ok(());
    }
    wait_for(settings, store, &accounts).await
}

/// Waits until all of them were looked at; where no daemon works, does it here.
pub(crate) async fn wait_for(settings: &Settings, store: &Store, accounts: &[Account]) -> Result<(), CommandError> {
    let waiting = async {
        for account in accounts {
            wait(store, account).await?;
        }
        Ok(())
    };
    workers::with_workers(&wired(settings, store)?, settings.bulk.share_percent, waiting).await?
}

async fn chosen(store: &Store, resync: &Resync) -> Result<Vec<Account>, CommandError> {
    if let Some(of) = &resync.account {
        return Ok(vec![account(of)?]);
    }
    if let Some(subscription) = &resync.subscription {
        // whatever leads to an account is followed by the look
        return Ok(vec![typed(subscription)]);
    }
    let accounts = store.accounts_of(&parse_user(resync.user.as_deref().unwrap_or_default())?).await?;
    if accounts.is_empty() {
        return Err(CommandError::Sentence("no account is linked to that user; see `grantsync parked list`".into()));
    }
    Ok(accounts)
}

fn counted(accounts: usize) -> String {
    if accounts == 1 { "1 account is".into() } else { format!("{accounts} accounts are") }
}

/// Waits until the account is at rest: whatever rang for it up to now has been answered by a look.
async fn wait(store: &Store, account: &Account) -> Result<(), CommandError> {
    let settled = async {
        loop {
            let Some(standing) = store.account_state(account).await? else {
                // it only led to an account, which was rung for
                return Ok(());
            };
            if !standing.leased && standing.due_at.is_none_or(|due| due > clock::now()) {
                return match standing.last_error {
                    Some(trouble) => Err(CommandError::Sentence(format!("looking at `{account}` failed: {trouble}"))),
                    None => Ok(()),
                };
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    match tokio::time::timeout(PATIENCE, settled).await {
        Ok(Ok(())) => {
            output::say(&format!("`{account}` was looked at"));
            Ok(())
        }
        Ok(Err(failed)) => Err(failed),
        Err(_) => Err(CommandError::Sentence(format!("`{account}` is still due after a minute; see the daemon's log"))),
    }
}

/// What would be done for one account; nothing is written.
async fn dry(sync: &Controller, account: &Account) -> Result<(), CommandError> {
    let inspected = sync.inspect(account).await.map_err(|error| CommandError::because("gathering the case", error))?;
    let cases = inspected.whole().map_err(|error| CommandError::because("gathering the case", error))?;
    output::say(&format!("account {account}"));
    cases.iter().for_each(|case| output::say(explain(case, &decide(case)).trim_end()));
    Ok(())
}

/// The backfill: everything that Stripe bills becomes due.
async fn all(settings: &Settings, sync: &Controller, waits: bool) -> Result<(), CommandError> {
    let (bulk, share) = (sync.with_rate_share(settings.bulk.share_percent), settings.bulk.share_percent);
    let turns = Turns { store: sync.store.clone(), owner: workers::owner() };
    if let Some(begun) = sync.last_backfill().await?.filter(|last| last.finished_at.is_none()) {
        output::say(&format!("going on with the backfill of {}", begun.started_at.format("%Y-%m-%d %H:%M:%SZ")));
    }
    let mut progress = Progress::new("subscriptions walked over");
    let backfill = in_turn(&turns, &bulk, &mut progress).await?;
    progress.end();
    output::say(&format!("{} due to be looked at", counted(usize::try_from(backfill.accounts).unwrap_or(usize::MAX))));
    if !waits {
        output::say("a running `grantsync serve` works them off; `--wait` waits for it, or does it here");
        return Ok(());
    }
    workers::with_workers(sync, share, until_worked_off(&sync.store)).await??;
    summarise(&sync.store).await
}

/// Walks when it is our turn; the turn of one that was killed ends by itself in seconds.
async fn in_turn(turns: &Turns, bulk: &Controller, progress: &mut Progress) -> Result<Backfill, CommandError> {
    for _ in 0..TURN_TRIES {
        let walking = turns.take(Task::Backfill, bulk.backfill(|backfill| progress.tell(backfill.accounts, None)));
        if let Some(walked) = walking.await {
            return walked.map_err(|error| CommandError::because("walking over the subscriptions", error));
        }
        tokio::time::sleep(TURN_WAIT).await;
    }
    Err(CommandError::Sentence("another backfill is under way; see `grantsync_due_accounts` in the metrics".into()))
}

async fn until_worked_off(store: &Store) -> Result<(), CommandError> {
    let all = store.bulk_backlog().await?;
    let mut progress = Progress::new("accounts looked at");
    loop {
        let left = store.bulk_backlog().await?;
        progress.tell((all - left).max(0).unsigned_abs(), Some(all.max(0).unsigned_abs()));
        if left == 0 {
            progress.end();
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn summarise(store: &Store) -> Result<(), CommandError> {
    let failing = store.failing_accounts().await?;
    let parked = store.parked_counts().await?;
    output::say(&format!("done; {failing} accounts could not be looked at yet and are tried again"));
    for (kind, count) in parked {
        output::say(&format!("parked: {count} {kind}; see `grantsync parked list`"));
    }
    Ok(())
}

/// What a backfill would do; nothing is written.
async fn all_dry(sync: &Controller) -> Result<(), CommandError> {
    let mut dry = DryRun::default();
    for source in sync.sources.iter() {
        let mut after = None;
        loop {
            let page = source.accounts(Listing::Subscriptions, after).await;
            let page = page.map_err(|error| CommandError::because("listing the subscriptions", error))?;
            for account in page.accounts {
                dry.add(sync, account).await;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    dry.report();
    Ok(())
}

#[derive(Default)]
struct DryRun {
    steps: BTreeMap<String, u64>,
    accounts: u64,
    unread: u64,
}

impl DryRun {
    async fn add(&mut self, sync: &Controller, account: Account) {
        self.accounts += 1;
        let Ok(cases) = sync.inspect(&account).await.and_then(Inspected::whole) else {
            self.unread += 1;
            return;
        };
        for planned in cases.iter().flat_map(|case| decide(case).steps) {
            let (kind, level) = (planned.step.kind(), planned.step.subject());
            output::say(&format!("{account}  would {kind} `{level}`: {}", planned.because));
            *self.steps.entry(format!("{kind} `{level}`")).or_default() += 1;
        }
    }

    fn report(&self) {
        output::say(&format!("{} accounts; {} have no known user or could not be read", self.accounts, self.unread));
        for (step, count) in &self.steps {
            output::say(&format!("would {step}: {count}"));
        }
    }
}

/// Makes everything due for a request over HTTP; goes on in the background.
pub(crate) async fn begin_all(sync: Controller, turns: Turns, percent: u32) -> Result<bool, CommandError> {
    let free =
        turns.store.take_task_lease(Task::Backfill, &turns.owner, Duration::from_secs(15)).await? == Fenced::Written;
    if free {
        tokio::spawn(async move {
            let bulk = sync.with_rate_share(percent);
            match turns.take(Task::Backfill, bulk.backfill(|_| {})).await {
                Some(Ok(backfill)) => tracing::info!(accounts = backfill.accounts, "the backfill was enqueued"),
                Some(Err(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the backfill stopped; `grantsync resync --all` goes on with it");
                }
                None => {}
            }
        });
    }
    Ok(free)
}
