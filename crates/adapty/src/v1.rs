//! Adapty's server-side API v1 ("legacy", still supported).
//!
//! Pages: `server-side-api-specs-legacy`. Every path ends in `/`; without it the API redirects, and redirects are not
//! followed. v1 documents no error bodies, so only the codes that v2 documents are looked for, and their absence is
//! fine.

pub mod body;

use entitlement::failure::{Class, Failure};
use entitlement::names::{AccessLevel, Customer};
use entitlement::plan::Step;
use entitlement::profile::Profile;
use serde_json::{Value, json};
use wire::upstream::{Answer, Call, Method, Upstream};

use crate::path::{self, User};
use crate::read;

const PROFILES: &str = "/api/v1/sdk/profiles/";
const READING: &str = "reading the profile";
const CREATING: &str = "creating the profile";

/// `GET /profiles/{user}/`.
///
/// # Errors
/// [`Failure`]; an answer that cannot be read is transient.
pub async fn profile(upstream: &Upstream, customer: &Customer) -> Result<Profile, Failure> {
    let User { segment, query } = path::user(customer);
    let answer = upstream.get(call(READING, format!("{PROFILES}{segment}/{query}"))).await;
    match answer {
        Ok(answer) => read_answer(customer, &answer, READING),
        Err(failure) if failure.status == Some(404) || no_profile(&failure) => Ok(Profile::absent(customer.clone())),
        Err(failure) => Err(failure),
    }
}

/// `POST /profiles/`, and a look at what is there when that is refused: somebody may have been faster.
///
/// # Errors
/// [`Failure`]; the refusal, when the profile is not there afterwards.
pub async fn create(upstream: &Upstream, customer: &Customer) -> Result<Profile, Failure> {
    // Inside JSON the id is never encoded.
    let body = json!({ "customer_user_id": customer.as_str() });
    match upstream.send(Method::Post, call(CREATING, PROFILES.to_owned()), &body).await {
        Ok(answer) => match read_answer(customer, &answer, CREATING) {
            Ok(profile) => Ok(profile),
            Err(unreadable) => look(upstream, customer, unreadable).await,
        },
        Err(failure) => match failure.class {
            Class::Transient | Class::Credentials => Err(failure),
            // A 404 here speaks of the address, not of a profile.
            Class::Permanent | Class::Missing => {
                look(upstream, customer, Failure { class: Class::Permanent, ..failure }).await
            }
        },
    }
}

/// `POST /profiles/{user}/paid-access-levels/{level}/grant/` or `…/revoke/`.
///
/// # Errors
/// [`Failure`]; see [`crate::adapty::Adapty::carry_out`].
pub async fn carry_out(upstream: &Upstream, customer: &Customer, step: &Step) -> Result<Profile, Failure> {
    let what = match step {
        Step::Grant(_) => "granting the access level",
        Step::Revoke(_) => "revoking the access level",
    };
    let call = call(what, step_path(customer, step.level(), step.kind(), what)?);
    match upstream.send(Method::Post, call, &step_body(step)).await {
        Ok(answer) => match read_answer(customer, &answer, what) {
            Ok(profile) => Ok(profile),
            Err(unreadable) => look(upstream, customer, unreadable).await.map_err(of_look),
        },
        Err(failure) if is_revoked_already(step, &failure) => profile(upstream, customer).await.map_err(of_look),
        Err(failure) => Err(of_write(failure)),
    }
}

fn call(what: &str, path: String) -> Call {
    Call { what: what.to_owned(), path, headers: Vec::new() }
}

fn step_path(customer: &Customer, level: &AccessLevel, verb: &str, what: &str) -> Result<String, Failure> {
    let User { segment, query } = path::user(customer);
    let Some(name) = path::level(level) else {
        let words = format!("{what}: `{level}` is no access level that Adapty can have");
        return Err(Failure::new(Class::Permanent, words));
    };
    Ok(format!("{PROFILES}{segment}/paid-access-levels/{name}/{verb}/{query}"))
}

fn step_body(step: &Step) -> Value {
    match step {
        Step::Grant(grant) => body::grant(grant),
        Step::Revoke(revoke) => body::revoke(revoke),
    }
}

fn read_answer(customer: &Customer, answer: &Answer, what: &str) -> Result<Profile, Failure> {
    read::profile(customer, &answer.body).map_err(|unreadable| {
        let words = format!("{what} at adapty: {unreadable}");
        Failure { status: Some(answer.status), ..Failure::new(Class::Transient, words) }
    })
}

/// The profile as it stands; `otherwise` when it is not there.
async fn look(upstream: &Upstream, customer: &Customer, otherwise: Failure) -> Result<Profile, Failure> {
    let profile = profile(upstream, customer).await?;
    if profile.exists { Ok(profile) } else { Err(otherwise) }
}

/// Whether Adapty says that it does not know the customer; its pages give the code with 400 as well as with 404.
fn no_profile(failure: &Failure) -> bool {
    let named = matches!(failure.code.as_deref(), Some("profile_does_not_exist" | "profile_not_found"));
    named && matches!(failure.status, Some(400 | 404))
}

fn is_revoked_already(step: &Step, failure: &Failure) -> bool {
    let gone = failure.code.as_deref() == Some("profile_paid_access_level_does_not_exist");
    gone && matches!(step, Step::Revoke(_)) && matches!(failure.status, Some(400 | 404))
}

/// A refused write, classified: a missing profile can be created, anything else that is missing cannot.
fn of_write(failure: Failure) -> Failure {
    if no_profile(&failure) {
        return Failure { class: Class::Missing, ..failure };
    }
    match failure.class {
        Class::Missing => Failure { class: Class::Permanent, ..failure },
        Class::Transient | Class::Permanent | Class::Credentials => failure,
    }
}

/// A failed look after a write that arrived: whatever it says, the write was not refused, so it is looked at again.
fn of_look(failure: Failure) -> Failure {
    match failure.class {
        Class::Permanent | Class::Missing => Failure { class: Class::Transient, ..failure },
        Class::Transient | Class::Credentials => failure,
    }
}

#[cfg(test)]
mod tests;
