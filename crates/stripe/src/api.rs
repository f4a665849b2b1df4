//! Requests of async-stripe, sent through our own client.

use std::fmt::Write as _;
use std::time::Duration;

use entitlement::model::account::Account;
use entitlement::model::failure::{Class, Failure};
use serde::de::DeserializeOwned;
use stripe_client_core::{RequestBuilder, VERSION};
use wire::call::{Answer, Call};
use wire::limit::LimitScope;
use wire::setup::Setup;
use wire::upstream::Upstream;

use crate::account;
use crate::shape::{List, id_of};

/// What the HTTP client needs to know of Stripe: the key and the API version go with every request.
#[must_use]
pub fn setup(base: String, key: &str, per_second: u32, timeout: Duration) -> Setup {
    let headers = vec![("Authorization", format!("Bearer {key}")), ("Stripe-Version", VERSION.to_string())];
    Setup {
        name: "stripe".into(),
        base,
        headers,
        per_second,
        limit: LimitScope::Process,
        timeout,
        probe: probe(),
        // a wrong key is answered 401; 403 is a permission that a restricted key lacks
        key_codes: &[],
    }
}

/// The shortest list of what every key must read.
fn probe() -> Call {
    let path = "/v1/subscriptions?limit=1".to_owned();
    Call { what: "probing".to_owned(), path, about: None, headers: Vec::new() }
}

/// The API as seen from one account: our own, or a connected one.
#[derive(Clone, Copy)]
pub(crate) struct Api<'a> {
    upstream: &'a Upstream,
    connect: Option<&'a str>,
    /// The account that is read.
    about: Option<&'a Account>,
}

impl<'a> Api<'a> {
    pub(crate) fn new(upstream: &'a Upstream, connect: Option<&'a str>) -> Self {
        Self { upstream, connect, about: None }
    }

    /// The same, to read what leads to `account` or is billed to it.
    pub(crate) fn about(upstream: &'a Upstream, account: &'a Account) -> Self {
        Self { upstream, connect: account::connect(account), about: Some(account) }
    }

    /// Reads one object; `what` names it in errors.
    pub(crate) async fn get<T: DeserializeOwned>(self, what: &str, request: RequestBuilder) -> Result<T, Failure> {
        self.answer(what, request).await?.json(what)
    }

    /// The same, with what came beside the body.
    pub(crate) async fn answer(self, what: &str, request: RequestBuilder) -> Result<Answer, Failure> {
        let headers = self.connect.map(|acct| ("Stripe-Account", acct.to_owned())).into_iter().collect();
        let about = self.about.map(|account| account.as_str().to_owned());
        let call = Call { what: what.to_owned(), path: path(&request), about, headers };
        self.upstream.get(call).await.map_err(missing)
    }

    /// Reads `list` to its end, to at most `pages` further pages, or until `enough` of it is known.
    ///
    /// `request` is given the id to start after. A list that was cut off still says `has_more`.
    pub(crate) async fn finish(
        self,
        what: &str,
        mut list: List,
        pages: usize,
        request: impl Fn(Option<String>) -> RequestBuilder + Send + Sync,
        enough: impl Fn(&List) -> bool + Send + Sync,
    ) -> Result<List, Failure> {
        for _ in 0..pages {
            if !list.has_more || enough(&list) {
                break;
            }
            let after = list.data.last().map(|last| id_of(last).ok_or_else(|| endless(what)));
            let page: List = self.get(what, request(after.transpose()?)).await?;
            if page.has_more && page.data.is_empty() {
                return Err(endless(what));
            }
            list.has_more = page.has_more;
            list.data.extend(page.data);
        }
        Ok(list)
    }

    /// Reads a whole list.
    pub(crate) async fn all(
        self,
        what: &str,
        request: impl Fn(Option<String>) -> RequestBuilder + Send + Sync,
    ) -> Result<List, Failure> {
        self.rest(what, List::unread(), request).await
    }

    /// Reads what an embedded list lacks.
    pub(crate) async fn rest(
        self,
        what: &str,
        list: List,
        request: impl Fn(Option<String>) -> RequestBuilder + Send + Sync,
    ) -> Result<List, Failure> {
        let list = self.finish(what, list, MOST_PAGES, request, |_| false).await?;
        if list.has_more { Err(endless(what)) } else { Ok(list) }
    }
}

/// A list longer than this many pages of 100 is an error of the upstream.
const MOST_PAGES: usize = 1000;

fn endless(what: &str) -> Failure {
    Failure::new(Class::Transient, format!("{what}: the pages of the list do not end"))
}

/// The status with which Stripe refuses this request alone. 401 is about the key, and a failure without an answer about
/// nothing: to take them for a "no" would give back what a refund took.
pub(crate) fn refusal(failure: &Failure) -> Option<u16> {
    match failure.class {
        Class::Transient | Class::Credentials | Class::GateClosed => None,
        Class::Permanent | Class::Forbidden | Class::Missing => failure.status,
    }
}

/// A list of an id that does not exist is answered 400 with this code, an object by its path 404
/// (<https://docs.stripe.com/error-codes>, `resource_missing`).
fn missing(failure: Failure) -> Failure {
    match failure.code.as_deref() {
        Some("resource_missing") => Failure { class: Class::Missing, ..failure },
        _ => failure,
    }
}

/// Path and query; the query comes encoded, ids in the path do not.
fn path(request: &RequestBuilder) -> String {
    let mut path = "/v1".to_owned();
    for byte in request.path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/_-.~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            write!(path, "%{byte:02X}").expect("text takes all that is written to it");
        }
    }
    if let Some(query) = request.query.as_deref().filter(|query| !query.is_empty()) {
        path.push('?');
        path.push_str(query);
    }
    path
}
