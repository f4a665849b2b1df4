//! Server-side API v2: what is sent.
//!
//! Source: Adapty's OpenAPI document (`adapty-api.yaml`). The user stands in a header, dates are RFC 3339, and a grant
//! chooses the level but records no revenue; set-transaction records it, and the product brings the level.

use entitlement::model::failure::{Class, Failure};
use entitlement::model::step::{GrantAccess, Step};
use entitlement::model::until::Until;
use entitlement::model::user::User;
use serde_json::{Map, Value, json};
use wire::call::{Call, Method};

use crate::installation::InstallationMeta;
use crate::request::Request;
use crate::sale_format::SaleFormat;
use crate::{attributes, date, transaction, v1};

const BASE: &str = "/api/v2/server-side-api";

/// The field that says on which device. The document requires it of whatever makes or changes a profile, other pages do
/// not.
const INSTALLATION: &str = "installation_meta";

/// The header that names the user.
const USER: &str = "adapty-customer-user-id";

/// `GET /profile/`.
///
/// # Errors
/// `Class::Permanent` for a user whom no header can name.
pub(crate) fn reading(user: &User, what: &str) -> Result<Call, Failure> {
    call(user, what, "/profile/")
}

/// `POST /profile/`.
///
/// # Errors
/// As [`reading`].
pub(crate) fn creating(user: &User, what: &str) -> Result<Request, Failure> {
    post(user, what, "/profile/", json!({ INSTALLATION: InstallationMeta::of(user) }))
}

/// The request of one step: `POST /purchase/profile/grant/access-level/` or `…/revoke/…`, `POST
/// /purchase/set/transaction/`, or `PATCH /profile/`. `format`: how sales are written, where they are reported.
///
/// # Errors
/// As [`reading`], and `Class::Permanent` for a sale that set-transaction cannot carry.
pub(crate) fn step(user: &User, step: &Step, format: Option<&SaleFormat>, what: &str) -> Result<Request, Failure> {
    match step {
        Step::GrantAccess(grant) => post(user, what, "/purchase/profile/grant/access-level/", grant_body(grant)),
        // without `revoke_at` it ends now
        Step::RevokeAccess(revoke) => {
            let body = json!({ "access_level_id": revoke.level.0 });
            post(user, what, "/purchase/profile/revoke/access-level/", body)
        }
        Step::ReportSale(report) => {
            let format = format.ok_or_else(|| v1::takes_no_sale(what, "v2-access"))?;
            let body = transaction::body(report, format).ok_or_else(|| incomplete(what))?;
            post(user, what, "/purchase/set/transaction/", body)
        }
        Step::SetAttributes(set) => {
            let mut body = attributes::v2(set);
            body[INSTALLATION] = json!(InstallationMeta::of(user));
            Ok(Request { method: Method::Patch, call: reading(user, what)?, body })
        }
    }
}

fn post(user: &User, what: &str, path: &str, body: Value) -> Result<Request, Failure> {
    Ok(Request { method: Method::Post, call: call(user, what, path)?, body })
}

fn incomplete(what: &str) -> Failure {
    Failure::new(Class::Permanent, format!("{what}: its price or its status is not known, which Adapty requires"))
}

/// The end always stands in it: a grant without one would be for life.
fn grant_body(grant: &GrantAccess) -> Value {
    let mut body = Map::new();
    body.insert("access_level_id".to_owned(), grant.level.0.as_str().into());
    body.insert(
        "expires_at".to_owned(),
        match grant.until {
            Until::At(at) => date::write_v2(at).into(),
            Until::Lifetime => Value::Null,
        },
    );
    if let Some(starts_at) = grant.starts_at {
        body.insert("starts_at".to_owned(), date::write_v2(starts_at).into());
    }
    Value::Object(body)
}

fn call(user: &User, what: &str, path: &str) -> Result<Call, Failure> {
    let id = user.as_str();
    if !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        let words =
            format!("{what}: Adapty's API v2 names users in a header, which holds visible ASCII only; use `v1`");
        return Err(Failure::new(Class::Permanent, words));
    }
    Ok(Call {
        what: what.to_owned(),
        path: format!("{BASE}{path}"),
        about: Some(user.as_str().to_owned()),
        headers: vec![(USER, id.to_owned())],
    })
}

#[cfg(test)]
mod tests;
