//! Arguments of the commands that make or list overrides.

use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args};

#[derive(Args, Debug)]
#[command(
    group = ArgGroup::new("term").required(true).args(["days", "until", "lifetime"]),
    after_help = "Examples:
  grantsync grant u-42 premium --days 7 --why \"sorry for the outage\"
  grantsync grant u-42 premium --until 2027-01-01T00:00:00Z --request-id ticket-981
  grantsync grant u-42 premium --lifetime --by anna

It never shortens what is paid for, and what is paid for never ends it."
)]
pub(crate) struct Grant {
    /// The app's own user id.
    pub(crate) user: String,
    /// The access level.
    pub(crate) level: String,

    /// For so many days from now.
    #[arg(long, value_name = "N")]
    pub(crate) days: Option<i64>,

    /// Until then, for example 2027-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<DateTime<Utc>>,

    /// For life.
    #[arg(long)]
    pub(crate) lifetime: bool,

    /// Repeat-safe: a second call with this id does nothing.
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,

    #[command(flatten)]
    pub(crate) options: OverrideOptions,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync revoke u-42 premium
  grantsync revoke u-42 premium --block --why chargeback

Without --block what is paid for stays. With it the level is withheld, whatever is paid, until `unblock`.")]
pub(crate) struct Revoke {
    /// The app's own user id.
    pub(crate) user: String,
    /// The access level.
    pub(crate) level: String,

    /// Also remove paid access until `unblock`; rights of other stores stay.
    #[arg(long)]
    pub(crate) block: bool,

    #[command(flatten)]
    pub(crate) options: OverrideOptions,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:
  grantsync unblock u-42 premium")]
pub(crate) struct Unblock {
    /// The app's own user id.
    pub(crate) user: String,
    /// The access level.
    pub(crate) level: String,

    #[command(flatten)]
    pub(crate) options: OverrideOptions,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync promotions u-42
  grantsync promotions u-42 --json")]
pub(crate) struct Promotions {
    /// The app's own user id.
    pub(crate) user: String,

    /// As a JSON array.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync blocks
  grantsync blocks u-42 --json")]
pub(crate) struct Blocks {
    /// The app's own user id; without it everybody's.
    pub(crate) user: Option<String>,

    /// At most so many.
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) limit: u32,

    /// As a JSON array.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync audit
  grantsync audit u-42 --limit 200 --json

The newest first. Of attributes it holds the names, never the values.")]
pub(crate) struct Audit {
    /// The app's own user id; without it everybody's.
    pub(crate) user: Option<String>,

    /// At most so many, the newest.
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub(crate) limit: u32,

    /// As a JSON array.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  grantsync attributes u-42 plan=team seats=5
  grantsync attributes u-42 plan= profile:email=ann@example.com
  grantsync attributes u-42 --forget plan
  grantsync attributes u-42 --json

Without KEY=VALUE it lists what operators set. An empty value deletes.
Names are at most 30 letters, digits, `-`, `.` and `_`.
`profile:NAME` is a field of the profile: birthday, email, first_name, gender, ip_country, last_name, phone_number.
What is set here wins over what `[adapty.attributes]` reads at Stripe.")]
pub(crate) struct Attributes {
    /// The app's own user id.
    pub(crate) user: String,
    /// For example plan=team.
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) pairs: Vec<String>,

    /// Forget what was set for this one, so that it is read at Stripe again.
    #[arg(long, value_name = "KEY", conflicts_with = "pairs")]
    pub(crate) forget: Vec<String>,

    #[command(flatten)]
    pub(crate) options: OverrideOptions,
}

/// What every override takes.
#[derive(Args, Debug)]
pub(crate) struct OverrideOptions {
    /// The app; needed when there are several.
    #[arg(long, value_name = "NAME")]
    pub(crate) app: Option<String>,

    /// Who makes it; kept in the audit log.
    #[arg(long, value_name = "WHO", default_value = "operator")]
    pub(crate) by: String,

    /// Why; kept in the audit log.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) why: String,

    /// Wait until it is carried out; where no daemon runs, do it here.
    #[arg(long)]
    pub(crate) wait: bool,

    /// As one JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}
