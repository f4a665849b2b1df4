//! Arguments of `parked`.

use clap::{Args, Subcommand};
use operator::input::attention_kind;
use store::record::AttentionKind;

#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  grantsync parked list
  grantsync parked release --kind unmapped_price")]
pub(crate) enum Parked {
    /// List what is parked: what, since when, and what to do.
    List(ParkedList),
    /// Show everything about one parked thing, and when its account is synced next.
    #[command(after_help = "Example:
  grantsync parked show 7")]
    Show {
        /// Its number, as listed.
        id: i64,
        /// As one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Sync the accounts again; refused steps are sent again.
    #[command(after_help = "Examples:
  grantsync parked release 7 8
  grantsync parked release --kind refused_step")]
    Release(Chosen),
    /// Take off the list for good.
    #[command(after_help = "Example:
  grantsync parked drop 7 --reason \"a customer of the old shop\"")]
    Drop {
        #[command(flatten)]
        chosen: Chosen,
        /// Kept with it.
        #[arg(long, default_value = "dropped by an operator")]
        reason: String,
    },
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync parked list
  grantsync parked list --kind unknown_customer --json")]
pub(crate) struct ParkedList {
    /// Only of one kind, for example unmapped_price.
    #[arg(long, value_parser = attention_kind)]
    pub(crate) kind: Option<AttentionKind>,

    /// Only of this account.
    #[arg(long)]
    pub(crate) account: Option<String>,

    /// As a JSON array.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Chosen {
    /// Numbers, as listed.
    pub(crate) ids: Vec<i64>,
    /// All of one kind, for example unmapped_price.
    #[arg(long, value_parser = attention_kind)]
    pub(crate) kind: Option<AttentionKind>,
    /// Everything.
    #[arg(long)]
    pub(crate) all: bool,
}
