//! Rate limits over all processes on one PostgreSQL: what `wire` asks, the store answers.

use store::open::Store;
use store::tokens::{TokenGrant, TokenRequest, UpstreamPause};
use tokio::sync::mpsc;
use wire::lender::{self, Ask, Lender};
use wire::upstream::Upstream;

/// Questions that may wait; each upstream has one under way at a time.
const WAITING: usize = 64;

/// Answers whoever asks, for as long as somebody may.
pub(crate) fn begin(store: &Store) -> Lender {
    let (lender, mut asks) = mpsc::channel(WAITING);
    let store = store.clone();
    tokio::spawn(async move {
        while let Some(ask) = asks.recv().await {
            tokio::spawn(answer(store.clone(), ask));
        }
    });
    lender
}

async fn answer(store: Store, ask: Ask) {
    match ask {
        Ask::Tokens { limit, per_second, wanted, reply } => {
            let lent = store.request_tokens(TokenRequest { limit, per_second: per_second.get(), wanted }).await;
            reply.send(match lent {
                Ok(TokenGrant::Slots(slots)) => lender::Lent::Slots(slots),
                Ok(TokenGrant::Wait(wait)) => lender::Lent::Wait(wait),
                Ok(TokenGrant::Paused(pause)) => lender::Lent::Paused(pause),
                Err(_) => lender::Lent::Unavailable,
            });
        }
        Ask::Hold { limit, seconds } => {
            if let Err(error) = store.pause_upstream(UpstreamPause { limit, seconds }).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "other processes could not be told that an upstream wants to be left alone");
            }
        }
    }
}

/// Pauses the upstreams that other processes were asked to leave alone.
pub(crate) async fn hear(mut told: mpsc::UnboundedReceiver<UpstreamPause>, upstreams: Vec<Upstream>) {
    while let Some(held) = told.recv().await {
        upstreams
            .iter()
            .filter(|upstream| upstream.limit_name() == held.limit)
            .for_each(|upstream| upstream.hold(held.seconds));
    }
}
