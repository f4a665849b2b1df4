//! The command line.

pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod ledger;
pub(crate) mod overrides;
pub(crate) mod parked;
pub(crate) mod sync;
pub(crate) mod user;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli::events::Events;
use crate::cli::explain::Explain;
use crate::cli::ledger::Ledger;
use crate::cli::overrides::{Attributes, Audit, Blocks, Grant, Promotions, Revoke, Unblock};
use crate::cli::parked::Parked;
use crate::cli::sync::{Reconcile, Resync};
use crate::cli::user::{Profile, Status};
use crate::logs::LogForm;

/// Keeps access in a mobile app in sync with web subscriptions: reads Stripe, writes to Adapty.
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
  grantsync demo                                 see it work, nothing to sign up for
  grantsync serve                                run the daemon
  grantsync parked list                          list the problems that need a person
  grantsync link stripe:cus_9s6XKzkNRiz8i3 u-42  say whose account it is
  grantsync resync stripe:cus_9s6XKzkNRiz8i3     sync one account again

An account is a customer as the source knows it, such as `stripe:cus_9s6XKzkNRiz8i3`; a user is the app's own user id.

Exit status: 0 done; 1 failed, or what was asked for is not known; 2 wrong usage or settings.
The reason is printed on standard error.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon: take in webhooks, sync accounts, serve health and metrics.
    Serve(Serve),
    /// Show the life of a subscription on this machine, with a simulated Stripe and Adapty.
    Demo(Demo),
    /// Connect to everything and report what is wrong: settings, database, Stripe's key, webhooks and prices, Adapty, clock.
    Check(Check),
    /// Update the database's schema (`serve` does it too), or move from SQLite to PostgreSQL.
    Migrate(Migrate),
    /// Sync accounts again, as a webhook would: one, all of a user, or everybody (the backfill).
    Resync(Resync),
    /// Compare what all users should have with what Adapty shows now, and fix differences.
    Reconcile(Reconcile),
    /// Show what a user may use: each level, until when, from which store, and whether to show the paywall.
    Status(Status),
    /// Link an account to an app user.
    #[command(after_help = "Example:
  grantsync link stripe:cus_9s6XKzkNRiz8i3 u-42")]
    Link {
        /// The account, for example stripe:cus_9s6XKzkNRiz8i3.
        account: String,
        /// The app's own user id.
        user: String,
    },
    /// Show a user's whole profile in Adapty: levels, subscriptions, purchases, attributes.
    Profile(Profile),
    /// Grant a level without a payment.
    Grant(Grant),
    /// End promotional grants of a level; with --block also remove paid access.
    Revoke(Revoke),
    /// End a block: what is paid for counts again.
    Unblock(Unblock),
    /// List the promotional grants of a user, who made them, and why.
    Promotions(Promotions),
    /// List the levels that are blocked, for whom, by whom, and why.
    Blocks(Blocks),
    /// List the audit log: every override, who made it, and why.
    Audit(Audit),
    /// Set attributes and profile fields of a user.
    Attributes(Attributes),
    /// Problems that need a person: list them, retry (release) or dismiss (drop) them.
    #[command(subcommand)]
    Parked(Parked),
    /// Show the steps that were sent to Adapty, and what became of them.
    #[command(subcommand)]
    Ledger(Ledger),
    /// Show, fetch or replay events.
    #[command(subcommand)]
    Events(Events),
    /// Explain why a user has what they have: cause and remedy, expected and actual access, timeline, next sync.
    Explain(Explain),
    /// Replay a file written by `explain --save`, offline: expected access, steps, and why.
    #[command(after_help = "Example:
  grantsync explain --user u-42 --save case.json && grantsync decide case.json")]
    Decide {
        /// The file, for example tests/cases/renewed.json.
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

    /// How many accounts are synced at the same time.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) concurrency: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Half {
    /// Take in webhooks.
    Ingest,
    /// Sync accounts.
    Work,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync check
  grantsync check --json

Exit status: 0 nothing is wrong, or warnings only; 1 when a finding is an error.")]
pub(crate) struct Check {
    /// As a JSON array.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync migrate
  DATABASE_URL=postgres://grantsync@db/grantsync grantsync migrate --from sqlite:grantsync.db")]
pub(crate) struct Migrate {
    /// Copy everything from this SQLite database into the PostgreSQL database of the settings. Stop the daemon first. A
    /// copy that was interrupted is continued.
    #[arg(long, value_name = "sqlite:FILE")]
    pub(crate) from: Option<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:
  grantsync demo --keep")]
pub(crate) struct Demo {
    /// Keep running after the story, to look around.
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}
