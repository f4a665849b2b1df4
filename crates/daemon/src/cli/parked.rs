//! Arguments of `parked`.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use store::record::AttentionKind;

#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  grantsync parked list
  grantsync parked release --kind unmapped_price

An entry leaves the list by itself when a sync does not find its problem any more.")]
pub(crate) enum Parked {
    /// List the problems: what is wrong, since when, and what to do.
    List(ParkedList),
    /// Show everything about one problem, and when its account is synced next.
    #[command(after_help = "Example:
  grantsync parked show 7")]
    Show {
        /// Its number, as listed.
        id: i64,
        /// As one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// After the cause is removed: try again now. Accounts are synced again, refused steps are sent again.
    #[command(after_help = "Examples:
  grantsync parked release 7 8
  grantsync parked release --kind refused_step")]
    Release(Chosen),
    /// Dismiss: take it off the list, and nothing else. Its account is synced with each event as before, and users keep
    /// what they have; it is listed again only if the problem goes away and comes back.
    #[command(after_help = "Example:
  grantsync parked drop 7 --reason \"a customer of the old shop\"")]
    Drop {
        #[command(flatten)]
        chosen: Chosen,
        /// Reason, stored with the entry.
        #[arg(long, default_value = "dropped by an operator")]
        reason: String,
    },
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync parked list
  grantsync parked list --kind unknown_customer --json")]
pub(crate) struct ParkedList {
    /// Only of this kind.
    #[arg(long, value_parser = kind())]
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
    /// All of this kind.
    #[arg(long, value_parser = kind())]
    pub(crate) kind: Option<AttentionKind>,
    /// Everything.
    #[arg(long)]
    pub(crate) all: bool,
}

fn kind() -> impl TypedValueParser<Value = AttentionKind> {
    let values = AttentionKind::ALL.map(|kind| PossibleValue::new(kind.as_str()).help(meaning(kind)));
    PossibleValuesParser::new(values).try_map(|name| {
        AttentionKind::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or("it is none of the kinds")
    })
}

fn meaning(kind: AttentionKind) -> &'static str {
    match kind {
        AttentionKind::UnknownUser => "Nobody says which app user the account belongs to",
        AttentionKind::UnmappedPrice => "A price is not listed under [[catalog]], or has no `duration` there",
        AttentionKind::RefusedStep => "The destination refused a step, or it failed for three days",
        AttentionKind::UnreadableEvent => "A signed event cannot be read",
        AttentionKind::UnknownState => "What is billed cannot be read or understood, so access is left as it is",
        AttentionKind::NotShown => "The destination accepts a step and does not show it",
        AttentionKind::SyncFailed => "An account could not be synced",
    }
}
