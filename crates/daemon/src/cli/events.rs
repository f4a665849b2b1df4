//! Arguments of `events`.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use operator::events::EventOutcome;
use operator::input::event_type;
use operator::time::{self, Since};
use store::inbox::KindFilter;

#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  grantsync events list --account stripe:cus_9s6XKzkNRiz8i3
  grantsync events catch-up --since 2h")]
pub(crate) enum Events {
    /// List the newest events.
    List(EventsList),
    /// Show everything about one event, and what it led to.
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

It works with or without a running daemon, and running it twice does no harm.")]
    CatchUp {
        /// Since when: a time such as 2026-11-20T10:00:00Z, or 2h or 3d ago, at most 30 days.
        #[arg(long, value_name = "T", value_parser = time::since)]
        since: Since,
    },
    /// Sync the accounts of these events again (the events' content is not used).
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
    /// Only events of this account.
    #[arg(long)]
    pub(crate) account: Option<String>,

    /// Only of this type; `*` at its end stands for anything.
    #[arg(long = "type", value_name = "T", value_parser = event_type)]
    pub(crate) kind: Option<KindFilter>,

    /// Only with this outcome.
    #[arg(long, value_parser = outcome())]
    pub(crate) outcome: Option<EventOutcome>,

    /// Only those received since then: a time such as 2026-11-20T10:00:00Z, or 2h or 3d ago.
    #[arg(long, value_name = "T", value_parser = time::since)]
    pub(crate) since: Option<Since>,

    /// At most so many, the newest.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,

    /// As a JSON array.
    #[arg(long)]
    pub(crate) json: bool,
}

fn outcome() -> impl TypedValueParser<Value = EventOutcome> {
    let values = EventOutcome::ALL.map(|outcome| PossibleValue::new(outcome.as_str()).help(outcome.meaning()));
    PossibleValuesParser::new(values).try_map(|name| {
        EventOutcome::ALL.into_iter().find(|outcome| outcome.as_str() == name).ok_or("it is none of the outcomes")
    })
}
