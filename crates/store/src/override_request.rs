//! What an operator overrides for a user, and what becomes of it.

use entitlement::model::access_level::AccessLevel;
use entitlement::model::attributes::{AttributeName, AttributeValue};
use entitlement::model::until::Until;
use entitlement::model::user::User;

/// An override for one user of one app.
#[derive(Clone, Debug)]
pub struct OverrideRequest {
    pub user: User,
    /// The app.
    pub destination: String,
    pub action: OverrideAction,
    /// Who asks for it, and why, in their words.
    pub by: String,
    pub why: String,
}

/// What is overridden.
#[derive(Clone, Debug)]
pub enum OverrideAction {
    /// A level without a payment; the same `request` twice grants once.
    Grant {
        level: AccessLevel,
        until: Until,
        request: Option<String>,
    },
    /// The end of all promotional grants of a level.
    EndGrants {
        level: AccessLevel,
    },
    /// A level is withheld whatever is paid, and its promotional grants end.
    Block {
        level: AccessLevel,
    },
    Unblock {
        level: AccessLevel,
    },
    /// Values of attributes; `None` deletes the attribute at the destination.
    SetAttributes {
        attributes: Vec<(AttributeName, Option<AttributeValue>)>,
    },
    /// The end of overrides of attributes, so that the source's values count again.
    ForgetAttributes {
        names: Vec<AttributeName>,
    },
}

/// What became of an override.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverrideOutcome {
    /// It counts; so many grants, blocks or attributes were added or ended.
    Done(u64),
    /// The promotional grant of that number was made.
    Granted(i64),
    /// It was granted before, under the same request: until then, unless it was ended.
    GrantedBefore { id: i64, until: Until, ended: bool },
    /// The request id was used before for something else.
    OtherRequest(i64),
}

/// The name of promotional grant number `id` in reasons and in the ledger.
#[must_use]
pub fn promotional_grant_id(id: i64) -> String {
    format!("promo_{id}")
}

/// The number of the promotional grant called `name`.
pub(crate) fn promotional_grant_number(name: &str) -> Option<i64> {
    name.strip_prefix("promo_")?.parse().ok()
}
