//! Arguments of the commands that show a user: `status`, `profile`.

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync status u-42
  grantsync status u-42 --fresh --json")]
pub(crate) struct Status {
    /// The app's own user id.
    pub(crate) user: String,

    /// Read Stripe and Adapty now, instead of showing what the last sync saw.
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

`explain` says which of it grantsync wrote, and why.")]
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
