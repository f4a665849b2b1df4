//! The command line.

pub(crate) mod books;
pub(crate) mod overrides;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli::books::{Events, Explain, Ledger, Parked};
use crate::cli::overrides::{Attributes, Blocks, Grant, Orders, Promotions, Revoke, Unblock};
use crate::logs::LogForm;

/// Keeps mobile app access in sync with web subscriptions: Stripe's webhooks come in, access stands in Adapty.
#[derive(Debug, Parser)]
#[command(name = "grantsync", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// The settings file [default: grantsync.toml, if there is one].
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "PATH")]
    #[arg(env = "GRANTSYNC_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,

    /// Form of the log lines on standard error.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "text|json")]
    #[arg(value_enum, default_value_t, hide_possible_values = true)]
    pub(crate) log: LogForm,

    /// What to log: a level, or a filter such as `info,sync=debug`.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILTER")]
    #[arg(env = "GRANTSYNC_LOG", hide_env_values = true)]
    pub(crate) log_filter: Option<String>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const EVERYWHERE: &str = "For every command";

const EXAMPLES: &str = "Examples:
  grantsync demo                                 the whole story, nothing to sign up for
  grantsync serve                                the daemon, with grantsync.toml or the environment
  grantsync parked list                          what waits for a human
  grantsync link stripe:cus_9s6XKzkNRiz8i3 u-42  say whose account it is
  grantsync resync stripe:cus_9s6XKzkNRiz8i3     look at one account again

Exit status: 0 done; 1 failed, or what was asked for is not known; 2 wrong usage or settings.
Standard error says which in a sentence.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon: take in webhooks, work them off, serve health and metrics.
    Serve(Serve),
    /// Tell the whole story on this machine, with a Stripe and an Adapty of our own.
    Demo(Demo),
    /// Connect to everything and say what to mend: settings, database, Stripe's key, webhooks and prices, Adapty, clock.
    Check(Check),
    /// Bring the database up to date (`serve` does it too), or move from SQLite to PostgreSQL.
    Migrate(Migrate),
    /// Look at accounts again, as a webhook would make it: one, one user's, or all (the backfill).
    Resync(Resync),
    /// Go round all accounts now: compare what is owed with what is shown, and mend what differs.
    Reconcile(Reconcile),
    /// Where an app user stands: each level, until when, from which store, and whether to show the paywall.
    Status(Status),
    /// Say which app user an account belongs to.
    #[command(after_help = "Example:
  grantsync link stripe:cus_9s6XKzkNRiz8i3 u-42")]
    Link {
        /// For example stripe:cus_9s6XKzkNRiz8i3.
        account: String,
        /// The app's own user id.
        user: String,
    },
    /// What Adapty shows of an app user, whole: levels, subscriptions, purchases, attributes.
    Profile(Profile),
    /// Give a level without a payment.
    Grant(Grant),
    /// End what was given without a payment; with --block withhold a level, whatever is paid.
    Revoke(Revoke),
    /// End a block.
    Unblock(Unblock),
    /// What was given to an app user without a payment, by whom, and why.
    Promotions(Promotions),
    /// Which levels are withheld, from whom, by whom, and why.
    Blocks(Blocks),
    /// The book of orders: all that was ever given, revoked, blocked or told by order, by whom, and why.
    Orders(Orders),
    /// Tell the app about a user: custom attributes, and fields of the profile.
    Attributes(Attributes),
    /// What waits for a human.
    #[command(subcommand)]
    Parked(Parked),
    /// The book of steps.
    #[command(subcommand)]
    Ledger(Ledger),
    /// Events seen.
    #[command(subcommand)]
    Events(Events),
    /// Say why a customer has what they have: what is owed, what is shown, what was done, what happens next.
    Explain(Explain),
    /// Replay a saved case offline: what is owed, what would be done, and why.
    #[command(after_help = "Example:
  grantsync explain --user u-42 --save case.json && grantsync decide case.json")]
    Decide {
        /// A case as JSON, for example tests/cases/renewed.json.
        case: PathBuf,
    },
    /// Print the completions for a shell.
    #[command(after_help = "Examples:
  grantsync completions bash > /etc/bash_completion.d/grantsync
  grantsync completions zsh > \"${fpath[1]}/_grantsync\"
  grantsync completions fish > ~/.config/fish/completions/grantsync.fish")]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the man page, or that of one command.
    #[command(after_help = "Examples:
  grantsync man > grantsync.1
  grantsync man parked list | man -l -")]
    Man {
        /// For example parked list.
        command: Vec<String>,
    },
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync serve --config /etc/grantsync.toml --log json
  grantsync serve --only work --concurrency 128")]
pub(crate) struct Serve {
    /// Run only one half; the other may run in another process on the same database.
    #[arg(long, value_enum)]
    pub(crate) only: Option<Half>,

    /// Accounts looked at at once.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) concurrency: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Half {
    /// Take in webhooks.
    Ingest,
    /// Work them off.
    Work,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync check
  grantsync check --json

Exit status: 0 nothing to mend, or warnings only; 1 when a finding is an error.")]
pub(crate) struct Check {
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync migrate
  DATABASE_URL=postgres://grantsync@db/grantsync grantsync migrate --from sqlite:grantsync.db")]
pub(crate) struct Migrate {
    /// Copy everything from this SQLite database into the PostgreSQL database of the settings. Stop the daemon first; a
    /// copy that was stopped goes on where it was.
    #[arg(long, value_name = "sqlite:FILE")]
    pub(crate) from: Option<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:
  grantsync demo --keep")]
pub(crate) struct Demo {
    /// Stay up after the story, to look around.
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync resync stripe:cus_9s6XKzkNRiz8i3 --wait
  grantsync resync --user u-42 --dry-run
  grantsync resync --all --wait

`--all` is the backfill, before or after the switch. It may be stopped and called again.")]
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

    /// Everybody whom Stripe bills; with one-time entries in the catalog also everybody who bought once.
    #[arg(long, conflicts_with = "account")]
    pub(crate) all: bool,

    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Wait until it was looked at; where no daemon works, do it here.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) wait: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync reconcile --report-only
  grantsync reconcile --json > round.json

Exit status: 0 done, also with differences found or repaired; 1 when one could not be repaired or compared.")]
pub(crate) struct Reconcile {
    /// Say what differs, and mend nothing.
    #[arg(long)]
    pub(crate) report_only: bool,

    /// Exit with 1 when anything differed.
    #[arg(long)]
    pub(crate) fail_on_drift: bool,

    /// As one JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync status u-42
  grantsync status u-42 --fresh --json")]
pub(crate) struct Status {
    /// The app's own user id.
    pub(crate) user: String,

    /// Ask Stripe and Adapty now, instead of telling what the last look saw.
    #[arg(long)]
    pub(crate) fresh: bool,

    /// As one JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync profile u-42
  grantsync profile u-42 --app tv --json

`explain` says what of it is ours, and why.")]
pub(crate) struct Profile {
    /// The app's own user id.
    pub(crate) user: String,

    /// Only this one of several apps.
    #[arg(long, value_name = "NAME")]
    pub(crate) app: Option<String>,

    /// As one JSON document; a list of them with several apps.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}
