//! Arguments of the commands that sync or compare accounts: `resync`, `reconcile`.

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync resync stripe:cus_9s6XKzkNRiz8i3 --wait
  grantsync resync --user u-42 --dry-run
  grantsync resync --all --wait

`--all` is the backfill: run it before or after going live. It may be interrupted and run again.")]
pub(crate) struct Resync {
    /// The account, for example stripe:cus_9s6XKzkNRiz8i3.
    #[arg(required_unless_present_any = ["user", "subscription", "all"])]
    pub(crate) account: Option<String>,

    /// All accounts of this app user.
    #[arg(long, value_name = "ID", conflicts_with_all = ["account", "subscription", "all"])]
    pub(crate) user: Option<String>,

    /// The account of this subscription.
    #[arg(long, value_name = "ID", conflicts_with_all = ["account", "all"])]
    pub(crate) subscription: Option<String>,

    /// Everybody with a subscription at Stripe; with one-time entries in the catalog also everybody who bought once.
    #[arg(long, conflicts_with = "account")]
    pub(crate) all: bool,

    /// Show what would be done, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Wait until it is synced; where no daemon runs, sync it here.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) wait: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync reconcile --report-only
  grantsync reconcile --json > reconciliation.json

Exit status: 0 done, also when drift was found or repaired; 1 when an account could not be repaired or compared.")]
pub(crate) struct Reconcile {
    /// Report drift, and repair nothing.
    #[arg(long)]
    pub(crate) report_only: bool,

    /// Exit with 1 when there was drift.
    #[arg(long)]
    pub(crate) fail_on_drift: bool,

    /// As one JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}
