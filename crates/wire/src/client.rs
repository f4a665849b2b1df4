//! The one pool of connections that every upstream shares.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{NoProxy, Proxy, Url};

/// How long connecting may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept; below the minute after which common load balancers drop it.
const IDLE: Duration = Duration::from_secs(50);
/// How often an idle HTTP/2 connection is pinged.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long the answer to a ping may take.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// The proxies between us and the upstreams; by default none. They may hold a password.
#[derive(Clone, Default)]
pub struct Proxies {
    /// For upstreams at `http`: `http://USER:PASSWORD@HOST:PORT`.
    pub http: Option<String>,
    /// For upstreams at `https`, by `CONNECT`.
    pub https: Option<String>,
    /// The hosts that are reached without, in the form of `NO_PROXY`.
    pub except: String,
}

impl Proxies {
    /// Host and port of each, for logs.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<String> {
        let all = self.http.iter().chain(&self.https);
        all.filter_map(|address| host(&Url::parse(address).ok()?)).collect()
    }

    fn all(&self) -> Result<Vec<Proxy>, SetupError> {
        let http = self.http.as_deref().map(Proxy::http);
        let https = self.https.as_deref().map(Proxy::https);
        let except = NoProxy::from_string(&self.except);
        let proxies = http.into_iter().chain(https);
        // the error would print the address, and so a password in it
        proxies.map(|proxy| Ok(proxy.map_err(|_| SetupError::Proxy)?.no_proxy(except.clone()))).collect()
    }
}

fn host(url: &Url) -> Option<String> {
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (http, https) = (self.http.is_some(), self.https.is_some());
        f.debug_struct("Proxies").field("http", &http).field("https", &https).finish_non_exhaustive()
    }
}

/// One pooled HTTP client; clones share the pool.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
}

impl Client {
    /// A client without a proxy; see [`Client::through`].
    ///
    /// # Errors
    /// When the machine has no certificates to trust, or TLS cannot be set up.
    pub fn new() -> Result<Self, SetupError> {
        Self::through(&Proxies::default())
    }

    /// A client with TLS by `rustls` and `ring`, for HTTP/1.1 and HTTP/2.
    ///
    /// It follows no redirect (a redirected `POST` would arrive as something else, perhaps elsewhere), and asks for no
    /// compression, but reads what comes compressed all the same.
    ///
    /// # Errors
    /// When the machine has no certificates to trust, or TLS or a proxy cannot be set up.
    pub fn through(proxies: &Proxies) -> Result<Self, SetupError> {
        // an error says that a provider is installed already, which is as good
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .user_agent(concat!("grantsync/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]));
        let builder = proxies.all()?.into_iter().fold(builder, reqwest::ClientBuilder::proxy);
        Ok(Self { http: builder.build().map_err(SetupError::Client)? })
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }
}

/// Why a client or an upstream cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("the HTTP client cannot be set up; are the system's CA certificates installed?")]
    Client(#[source] reqwest::Error),
    #[error("the address of the proxy is not usable; write for example `http://proxy.example.com:3128`")]
    Proxy,
    /// The base is not printed: a key pasted into it would be, too.
    #[error("the base address of `{upstream}` is not usable; write for example `https://api.example.com`")]
    Base { upstream: Arc<str> },
    #[error(
        "the value of header `{header}` for `{upstream}` has characters that no header may have; is the key whole?"
    )]
    Header { upstream: Arc<str>, header: &'static str },
}
