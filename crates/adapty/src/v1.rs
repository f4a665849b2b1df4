//! Server-side API v1 ("legacy", still supported): what is sent.
//!
//! Pages: `server-side-api-specs-legacy`. Every path ends in `/`; without it the API redirects, and redirects are not
//! followed. v1 documents no error bodies, so only the codes that v2 documents are read, and their absence is fine.

pub mod body;

use entitlement::model::access_level::AccessLevel;
use entitlement::model::failure::{Class, Failure};
use entitlement::model::step::Step;
use entitlement::model::user::User;
use serde_json::{Value, json};
use wire::call::{Call, Method};

use crate::attributes;
use crate::path::{self, UserPath};
use crate::request::Request;

const PROFILES: &str = "/api/v1/sdk/profiles/";

/// `GET /profiles/{user}/`.
pub(crate) fn reading(user: &User, what: &str) -> Call {
    let UserPath { segment, query } = path::user(user);
    call(user, what, format!("{PROFILES}{segment}/{query}"))
}

/// `GET /profiles/{user}/?extended=1`: with the fields of the profile too.
pub(crate) fn reading_whole(user: &User, what: &str) -> Call {
    let UserPath { segment, query } = path::user(user);
    let more = if query.is_empty() { "?extended=1" } else { "&extended=1" };
    call(user, what, format!("{PROFILES}{segment}/{query}{more}"))
}

/// `POST /profiles/`.
pub(crate) fn creating(user: &User, what: &str) -> Request {
    // Inside JSON the id is never encoded.
    let body = json!({ "customer_user_id": user.as_str() });
    Request { method: Method::Post, call: call(user, what, PROFILES.to_owned()), body }
}

/// The request of one step: `POST /profiles/{user}/paid-access-levels/{level}/grant/` or `…/revoke/`, or `PATCH
/// /profiles/{user}/`.
///
/// # Errors
/// `Class::Permanent` for a level that no path can hold, and for a sale, which v1 records with its grant alone.
pub(crate) fn step(user: &User, step: &Step, what: &str) -> Result<Request, Failure> {
    match step {
        Step::GrantAccess(grant) => access(user, &grant.level, "grant", body::grant(grant), what),
        Step::RevokeAccess(revoke) => access(user, &revoke.level, "revoke", body::revoke(revoke), what),
        Step::SetAttributes(set) => {
            Ok(Request { method: Method::Patch, call: reading(user, what), body: attributes::v1(set) })
        }
        Step::ReportSale(_) => Err(takes_no_sale(what, "v1")),
    }
}

/// An API that records no sales by themselves.
pub(crate) fn takes_no_sale(what: &str, api: &str) -> Failure {
    Failure::new(Class::Permanent, format!("{what}: Adapty's API `{api}` takes no sale by itself"))
}

fn access(user: &User, level: &AccessLevel, verb: &str, body: Value, what: &str) -> Result<Request, Failure> {
    Ok(Request { method: Method::Post, call: call(user, what, step_path(user, level, verb, what)?), body })
}

fn call(user: &User, what: &str, path: String) -> Call {
    Call { what: what.to_owned(), path, about: Some(user.as_str().to_owned()), headers: Vec::new() }
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
