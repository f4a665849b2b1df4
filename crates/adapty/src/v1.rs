//! Server-side API v1 ("legacy", still supported): what is sent.
//!
//! Pages: `server-side-api-specs-legacy`. Every path ends in `/`; without it the API redirects, and redirects are not
//! followed. v1 documents no error bodies, so only the codes that v2 documents are looked for, and their absence is
//! fine.

pub mod body;

use entitlement::attributes::SetAttributes;
use entitlement::failure::{Class, Failure};
use entitlement::names::{AccessLevel, User};
use entitlement::plan::Step;
use serde_json::json;
use wire::upstream::Call;

use crate::attributes;
use crate::path::{self, UserPath};
use crate::posting::Posting;

const PROFILES: &str = "/api/v1/sdk/profiles/";

/// `GET /profiles/{user}/`.
pub(crate) fn reading(user: &User, what: &str) -> Call {
    let UserPath { segment, query } = path::user(user);
    call(what, format!("{PROFILES}{segment}/{query}"))
}

/// `GET /profiles/{user}/?extended=1`: with the fields of the profile too.
pub(crate) fn reading_whole(user: &User, what: &str) -> Call {
    let UserPath { segment, query } = path::user(user);
    let more = if query.is_empty() { "?extended=1" } else { "&extended=1" };
    call(what, format!("{PROFILES}{segment}/{query}{more}"))
}

/// `POST /profiles/`.
pub(crate) fn creating(user: &User, what: &str) -> Posting {
    // Inside JSON the id is never encoded.
    let body = json!({ "customer_user_id": user.as_str() });
    Posting { call: call(what, PROFILES.to_owned()), body }
}

/// `PATCH /profiles/{user}/`, once or more.
pub(crate) fn describing(user: &User, describe: &SetAttributes, what: &str) -> Vec<Posting> {
    let posting = |body| Posting { call: reading(user, what), body };
    attributes::v1(describe).into_iter().map(posting).collect()
}

/// `POST /profiles/{user}/paid-access-levels/{level}/grant/` or `…/revoke/`.
///
/// # Errors
/// `Class::Permanent` for a level that no path can hold, and for what is no step on a level.
pub(crate) fn step(user: &User, step: &Step, what: &str) -> Result<Posting, Failure> {
    let (level, body) = match step {
        Step::GrantAccess(grant) => (&grant.level, body::grant(grant)),
        Step::RevokeAccess(revoke) => (&revoke.level, body::revoke(revoke)),
        Step::SetAttributes(_) | Step::ReportSale(_) => return Err(no_level(what)),
    };
    Ok(Posting { call: call(what, step_path(user, level, step.kind(), what)?), body })
}

/// Details and transactions alone are told otherwise.
pub(crate) fn no_level(what: &str) -> Failure {
    Failure::new(Class::Permanent, format!("{what}: it is of no access level"))
}

fn call(what: &str, path: String) -> Call {
    Call { what: what.to_owned(), path, headers: Vec::new() }
}

fn step_path(user: &User, level: &AccessLevel, verb: &str, what: &str) -> Result<String, Failure> {
    let UserPath { segment, query } = path::user(user);
    let Some(name) = path::level(level) else {
        let words = format!("{what}: `{level}` is no access level that Adapty can have");
        return Err(Failure::new(Class::Permanent, words));
    };
    Ok(format!("{PROFILES}{segment}/paid-access-levels/{name}/{verb}/{query}"))
}

#[cfg(test)]
mod tests;
