//! What the commands about our own books take: events, the ledger, what is parked, and what is explained from them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use store::inbox::KindFilter;
use store::record::AttentionKind;
use utoipa::ToSchema;

use crate::moments::{self, Since};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync explain --user u-42
  grantsync explain stripe:cus_9s6XKzkNRiz8i3 --all
  grantsync explain stripe:cus_9s6XKzkNRiz8i3 --save case.json && grantsync decide case.json

When Stripe or Adapty does not answer, it tells what is remembered, and says so.")]
pub(crate) struct Explain {
    /// The account, for example stripe:cus_9s6XKzkNRiz8i3, or what leads to one: stripe:sub_…, stripe:in_….
    #[arg(required_unless_present = "user", conflicts_with = "user")]
    pub(crate) account: Option<String>,

    /// All accounts of this app user.
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<String>,

    /// Only this one of several apps.
    #[arg(long, value_name = "NAME")]
    pub(crate) app: Option<String>,

    /// The whole timeline, instead of its last 20 lines; JSON always holds all of it.
    #[arg(long)]
    pub(crate) all: bool,

    /// Save the case, without personal data, for `decide` or a bug report.
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,

    /// As one JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  grantsync parked list
  grantsync parked release --kind unmapped_price")]
pub(crate) enum Parked {
    /// List what is parked: what, since when, and what to do.
    List(ParkedList),
    /// Tell everything about one parked thing, and where its account stands.
    #[command(after_help = "Example:
  grantsync parked show 7")]
    Show {
        /// Its number, as listed.
        id: i64,
        /// As one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Look again; refused steps are sent again.
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
    #[arg(long, value_parser = kind)]
    pub(crate) kind: Option<AttentionKind>,

    /// Only of this account.
    #[arg(long)]
    pub(crate) account: Option<String>,

    /// As one JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Chosen {
    /// Ids, as listed.
    pub(crate) ids: Vec<i64>,
    /// All of one kind, for example unmapped_price.
    #[arg(long, value_parser = kind)]
    pub(crate) kind: Option<AttentionKind>,
    /// Everything.
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  grantsync ledger list --state refused
  grantsync ledger show 3f9c2a")]
pub(crate) enum Ledger {
    /// List the newest steps.
    List(LedgerList),
    /// Tell everything about one step, and its place in the chain.
    #[command(after_help = "Example:
  grantsync ledger show 3f9c2a")]
    Show {
        /// Its key, or at least its first six characters.
        #[arg(value_parser = key)]
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
    /// Only of this app user.
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<String>,

    /// Only what looks at this account intended.
    #[arg(long)]
    pub(crate) account: Option<String>,

    /// Only in this state.
    #[arg(long, value_enum)]
    pub(crate) state: Option<StepState>,

    /// Only what was intended since then: a time such as 2026-11-20T10:00:00Z, or 2h or 3d ago.
    #[arg(long, value_name = "T", value_parser = moments::since)]
    pub(crate) since: Option<Since>,

    /// At most so many, the newest.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,

    /// As one JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepState {
    /// Written down, and not yet answered.
    Intended,
    /// Accepted, or shown.
    Confirmed,
    /// Never taken as it is: parked.
    Refused,
    /// No longer wanted.
    Dropped,
}

#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  grantsync events list --account stripe:cus_9s6XKzkNRiz8i3
  grantsync events catch-up --since 2h")]
pub(crate) enum Events {
    /// List the newest events.
    List(EventsList),
    /// Tell everything about one event, and what it led to.
    #[command(after_help = "Example:
  grantsync events show evt_1MqqbKLt4dXK03v5qaIbiNCC")]
    Show {
        /// Its id, with or without `stripe:`.
        id: String,
        /// As one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Fetch from Stripe the events that no webhook brought.
    #[command(after_help = "Examples:
  grantsync events catch-up --since 2h
  grantsync events catch-up --since 2026-11-20T10:00:00Z

It works with or without a running daemon, and does no harm when it is done twice.")]
    CatchUp {
        /// Since when: a time such as 2026-11-20T10:00:00Z, or 2h or 3d ago, at most 30 days.
        #[arg(long, value_name = "T", value_parser = moments::since)]
        since: Since,
    },
    /// Ring again for the accounts of these events, as fresh webhooks would.
    #[command(after_help = "Example:
  grantsync events replay evt_1MqqbKLt4dXK03v5qaIbiNCC")]
    Replay {
        /// Ids, with or without `stripe:`.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync events list --account stripe:cus_9s6XKzkNRiz8i3
  grantsync events list --type 'invoice.*' --since 2h
  grantsync events list --outcome other_mode --json")]
pub(crate) struct EventsList {
    /// Only those that rang for this account.
    #[arg(long)]
    pub(crate) account: Option<String>,

    /// Only of this type; `*` at its end stands for anything.
    #[arg(long = "type", value_name = "T", value_parser = kind_filter)]
    pub(crate) kind: Option<KindFilter>,

    /// Only with this outcome.
    #[arg(long, value_enum)]
    pub(crate) outcome: Option<EventOutcome>,

    /// Only those received since then: a time such as 2026-11-20T10:00:00Z, or 2h or 3d ago.
    #[arg(long, value_name = "T", value_parser = moments::since)]
    pub(crate) since: Option<Since>,

    /// At most so many, the newest.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,

    /// As one JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum EventOutcome {
    /// It rang for an account.
    Rung,
    /// It concerns no customer.
    Nobody,
    /// It is of the other mode (test or live) than the key: ignored.
    OtherMode,
    /// It cannot be read: parked.
    Unreadable,
}

/// What a value is called on the command line, over the API and in the database.
pub(crate) fn name(of: &impl ValueEnum) -> String {
    of.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

pub(crate) fn kind(text: &str) -> Result<AttentionKind, String> {
    let names = AttentionKind::ALL.map(AttentionKind::as_str).join(", ");
    AttentionKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| format!("write one of {names}"))
}

pub(crate) fn kind_filter(text: &str) -> Result<KindFilter, String> {
    let (start, open) = text.strip_suffix('*').map_or((text, false), |start| (start, true));
    match (start, open) {
        (start, _) if start.contains('*') => Err("`*` may only stand at the end".into()),
        ("", false) => Err("write a type such as `invoice.paid`, or `invoice.*`".into()),
        (start, true) => Ok(KindFilter::Prefix(start.to_owned())),
        (whole, false) => Ok(KindFilter::Exact(whole.to_owned())),
    }
}

pub(crate) fn key(text: &str) -> Result<String, String> {
    let key = text.trim().to_ascii_lowercase();
    if key.len() >= 6 && key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(key);
    }
    Err("write the key as listed, or at least its first six characters (0-9, a-f)".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_ends_with_a_star_or_has_none() {
        assert_eq!(kind_filter("invoice.paid"), Ok(KindFilter::Exact("invoice.paid".into())));
        assert_eq!(kind_filter("invoice.*"), Ok(KindFilter::Prefix("invoice.".into())));
        assert_eq!(kind_filter("*"), Ok(KindFilter::Prefix(String::new())));
        for wrong in ["", "*.paid", "invoice.**"] {
            assert!(kind_filter(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_has_six_hexadecimal_digits_or_more() {
        assert_eq!(key(" 3F9C2a ").as_deref(), Ok("3f9c2a"));
        for wrong in ["3f9c2", "3f9c2g", ""] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
    }
}
