//! Server-side API v2: what is sent.
//!
//! Source: Adapty's OpenAPI document (`adapty-api.yaml`). The customer stands in a header, dates are RFC 3339, and a
//! grant chooses the level but records no revenue; set-transaction records it, and the product brings the level.

use entitlement::attributes::SetAttributes;
use entitlement::failure::{Class, Failure};
use entitlement::names::User;
use entitlement::plan::{GrantAccess, Refunded, ReportSale, RevokeAccess, Step, Until};
use serde_json::{Map, Value, json};
use wire::upstream::Call;

use crate::adapty::Books;
use crate::installation::InstallationMeta;
use crate::posting::Posting;
use crate::{attributes, date, report, v1};

const BASE: &str = "/api/v2/server-side-api";

/// The field that says on which device. The document requires it of whatever makes or changes a profile, other pages do
/// not.
const INSTALLATION: &str = "installation_meta";

/// The header that names the customer.
const CUSTOMER: &str = "adapty-customer-user-id";

/// `GET /profile/`.
///
/// # Errors
/// `Class::Permanent` for a customer whom no header can name.
pub(crate) fn reading(user: &User, what: &str) -> Result<Call, Failure> {
    call(user, what, "/profile/")
}

/// `POST /profile/`.
///
/// # Errors
/// As [`reading`].
pub(crate) fn creating(user: &User, what: &str) -> Result<Posting, Failure> {
    let body = json!({ INSTALLATION: InstallationMeta::of(user) });
    Ok(Posting { call: call(user, what, "/profile/")?, body })
}

/// `PATCH /profile/`, once or more.
///
/// # Errors
/// As [`reading`].
pub(crate) fn describing(user: &User, describe: &SetAttributes, what: &str) -> Result<Vec<Posting>, Failure> {
    let posting = |mut body: Value| {
        body[INSTALLATION] = json!(InstallationMeta::of(user));
        Ok(Posting { call: reading(user, what)?, body })
    };
    attributes::v2(describe).into_iter().map(posting).collect()
}

/// `POST /purchase/profile/grant/access-level/` or `…/revoke/…`.
///
/// # Errors
/// As [`reading`].
pub(crate) fn access(user: &User, step: &Step, what: &str) -> Result<Posting, Failure> {
    let (path, body) = match step {
        Step::GrantAccess(grant) => ("/purchase/profile/grant/access-level/", grant_body(grant)),
        // without `revoke_at` it ends now
        Step::RevokeAccess(revoke) => {
            ("/purchase/profile/revoke/access-level/", json!({ "access_level_id": revoke.level.0 }))
        }
        Step::SetAttributes(_) | Step::ReportSale(_) => return Err(v1::no_level(what)),
    };
    Ok(Posting { call: call(user, what, path)?, body })
}

/// `POST /purchase/set/sale/`; `None` when there is no transaction to tell, or its price is not known, which the
/// books require.
///
/// # Errors
/// As [`reading`].
pub(crate) fn report(user: &User, step: &Step, books: &Books, what: &str) -> Result<Option<Posting>, Failure> {
    let body = match step {
        Step::GrantAccess(grant) => report::bought(grant, books),
        Step::SetAttributes(_) => None,
        Step::ReportSale(ReportSale { grant, refunded_at: Some(at), .. }) => {
            report::refunded(&Refunded { grant: grant.clone(), at: *at }, books)
        }
        Step::ReportSale(report) => report::bought(&report.grant, books),
        Step::RevokeAccess(RevokeAccess { refunded: Some(refunded), .. }) => report::refunded(refunded, books),
        Step::RevokeAccess(revoke) => revoke.ended.as_ref().and_then(|ended| report::bought(ended, books)),
    };
    let call = call(user, what, "/purchase/set/transaction/")?;
    Ok(body.map(|body| Posting { call, body }))
}

/// The end is always said: a grant without one would be for life.
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
    Ok(Call { what: what.to_owned(), path: format!("{BASE}{path}"), headers: vec![(CUSTOMER, id.to_owned())] })
}

#[cfg(test)]
mod tests;
