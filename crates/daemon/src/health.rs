//! Health: whether the program runs, and whether it can do its work.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use store::open::Store;
use wire::upstream::Upstream;

/// What readiness depends on.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) store: Store,
    /// None of them makes the program unready: work for a paused one is kept.
    pub(crate) upstreams: Vec<Upstream>,
}

/// `GET /health/live` and `GET /health/ready`.
pub(crate) fn routes(health: Health) -> Router {
    Router::new()
        .route("/health/live", get(|| async { Json(json!({ "status": "live" })) }))
        .route("/health/ready", get(ready))
        .with_state(health)
}

async fn ready(State(health): State<Health>) -> Response {
    let upstreams: serde_json::Map<String, serde_json::Value> = health
        .upstreams
        .iter()
        .map(|upstream| {
            let state =
                upstream.closed().map_or_else(|| "ok".to_owned(), |closed| format!("paused: {}", closed.reason));
            (upstream.name().to_owned(), state.into())
        })
        .collect();
    match health.store.probe().await {
        Ok(()) => Json(json!({ "status": "ready", "database": "ok", "upstreams": upstreams })).into_response(),
        Err(_) => {
            let body = json!({ "status": "not ready", "database": "does not answer", "upstreams": upstreams });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}
