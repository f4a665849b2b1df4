//! Arguments of `explain`.

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync explain --user u-42
  grantsync explain stripe:cus_9s6XKzkNRiz8i3 --all
  grantsync explain stripe:cus_9s6XKzkNRiz8i3 --save case.json && grantsync decide case.json

When Stripe or Adapty does not answer, it shows what the last sync saw, and says so.")]
pub(crate) struct Explain {
    /// The account, for example stripe:cus_9s6XKzkNRiz8i3, or one of its subscriptions, invoices or payments as
    /// stripe:sub_…, stripe:in_…, stripe:pi_….
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

    /// Save all that the decision is made from, without personal data, for `decide` or a bug report.
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,

    /// As one JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}
