//! Rate limits of all processes on one PostgreSQL: the token server that the upstreams ask, over the store.

use store::open::Store;
use store::tokens::{TokenGrant, TokenRequest, UpstreamPause};
use tokio::sync::mpsc;
use wire::token_server::{Grant, Request, TokenServer};
use wire::upstream::Upstream;

/// Requests that may wait; each upstream has one under way at a time.
const WAITING: usize = 64;

/// Starts a token server, which runs for as long as an upstream may ask it.
pub(crate) fn start(store: &Store) -> TokenServer {
    let (server, mut requests) = mpsc::channel(WAITING);
    let store = store.clone();
    tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            tokio::spawn(answer(store.clone(), request));
        }
    });
    server
}

async fn answer(store: Store, request: Request) {
    match request {
        Request::Tokens { limit, per_second, wanted, reply } => {
            let request = TokenRequest { limit, per_second: per_second.get(), wanted };
            reply.send(match store.request_tokens(request).await {
                Ok(TokenGrant::Slots(slots)) => Grant::Slots(slots),
                Ok(TokenGrant::Wait(wait)) => Grant::Wait(wait),
                Ok(TokenGrant::Paused(pause)) => Grant::Paused(pause),
                Err(_) => Grant::Unavailable,
            });
        }
        Request::Pause { limit, seconds } => {
            if let Err(error) = store.pause_upstream(UpstreamPause { limit, seconds }).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a `Retry-After` could not be reported to the other processes");
            }
        }
    }
}

/// Pauses `upstreams` for every `Retry-After` that another process reports.
pub(crate) async fn follow(mut pauses: mpsc::UnboundedReceiver<UpstreamPause>, upstreams: Vec<Upstream>) {
    while let Some(UpstreamPause { limit, seconds }) = pauses.recv().await {
        for upstream in upstreams.iter().filter(|upstream| upstream.limit_name() == limit) {
            upstream.pause(seconds);
        }
    }
}
