//! The one pool of connections that every upstream shares.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;

/// How long connecting may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept; below the minute after which common load balancers drop it.
const IDLE: Duration = Duration::from_secs(50);
/// How often an idle HTTP/2 connection is pinged.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long the answer to a ping may take.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// One pooled HTTP client; clones share the pool.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
}

impl Client {
    /// A client with TLS by `rustls` and `ring`, for HTTP/1.1 and HTTP/2.
    ///
    /// It follows no redirect (a redirected `POST` would arrive as something else, perhaps elsewhere), asks for no
    /// compression and reads no proxy from the environment.
    ///
    /// # Errors
    /// When the machine has no certificates to trust, or TLS cannot be set up.
    pub fn new() -> Result<Self, SetupError> {
        // an error says that a provider is installed already, which is as good
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("grantsync/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .build()
            .map_err(SetupError::Client)?;
        Ok(Self { http })
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
    /// The base is not printed: a key pasted into it would be, too.
    #[error("the base address of `{upstream}` is not usable; write for example `https://api.example.com`")]
    Base { upstream: Arc<str> },
    #[error(
        "the value of header `{header}` for `{upstream}` has characters that no header may have; is the key whole?"
    )]
    Header { upstream: Arc<str>, header: &'static str },
}
