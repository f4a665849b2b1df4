//! Arguments of `ledger`.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use operator::input::step_key;
use operator::ledger::StepState;
use operator::time::{self, Since};

#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  grantsync ledger list --state refused
  grantsync ledger show 3f9c2a")]
pub(crate) enum Ledger {
    /// List the newest steps.
    List(LedgerList),
    /// Show everything about one step, and the steps before and after it for the same user and level.
    #[command(after_help = "Example:
  grantsync ledger show 3f9c2a")]
    Show {
        /// Its key, or at least its first six characters.
        #[arg(value_parser = step_key)]
        key: String,
        /// As one JSON document.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync ledger list --user u-42
  grantsync ledger list --state refused --since 7d --json")]
pub(crate) struct LedgerList {
    /// Only steps for this app user.
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<String>,

    /// Only steps caused by this account.
    #[arg(long)]
    pub(crate) account: Option<String>,

    /// Only in this state.
    #[arg(long, value_parser = step_state())]
    pub(crate) state: Option<StepState>,

    /// Only steps made since then: a time such as 2026-11-20T10:00:00Z, or 2h or 3d ago.
    #[arg(long, value_name = "T", value_parser = time::since)]
    pub(crate) since: Option<Since>,

    /// At most so many, the newest.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,

    /// As a JSON array.
    #[arg(long)]
    pub(crate) json: bool,
}

fn step_state() -> impl TypedValueParser<Value = StepState> {
    let values = StepState::ALL.map(|state| PossibleValue::new(state.as_str()).help(state.meaning()));
    PossibleValuesParser::new(values).try_map(|name| {
        StepState::ALL.into_iter().find(|state| state.as_str() == name).ok_or("it is none of the states")
    })
}
