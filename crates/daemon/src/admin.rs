//! The admin side: metrics, health and the admin API, behind the token.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hmac::{Hmac, KeyInit, Mac};
use metrics_exporter_prometheus::PrometheusHandle;
use operator::operator::Operator;
use serde_json::json;
use sha2::Sha256;
use store::open::Store;

use crate::api;
use crate::health::{self, Health};
use crate::prometheus;
use crate::settings::secret::Secret;

/// Who may read what.
#[derive(Debug)]
struct Guard {
    token: Option<Secret>,
    /// Health and metrics are open only to this machine.
    loopback: bool,
}

/// The routes of `admin_listen`.
pub(crate) fn routes(
    listen: SocketAddr,
    token: Option<Secret>,
    health: Health,
    metrics: PrometheusHandle,
    operator: Operator,
) -> Router {
    let guard = Arc::new(Guard { token, loopback: listen.ip().is_loopback() });
    let store = health.store.clone();
    Router::new()
        .route("/metrics", get(text).with_state((store, metrics)))
        .merge(health::routes(health))
        .merge(api::routes(operator))
        .fallback(|| async { refuse(StatusCode::NOT_FOUND, "not_found", "there is nothing here") })
        .method_not_allowed_fallback(|| async {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "the path does not take this method")
        })
        .layer(middleware::from_fn_with_state(guard, check))
}

async fn text(State((store, metrics)): State<(Store, PrometheusHandle)>) -> Response {
    // the gauges are read at each scrape; without the database the other metrics are served all the same
    if let Err(error) = prometheus::read(&store).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "the gauges could not be read");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render()).into_response()
}

async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let open = guard.loopback && matches!(request.uri().path(), "/metrics" | "/health/live" | "/health/ready");
    match &guard.token {
        _ if open => next.run(request).await,
        None => {
            let text = "no `server.admin_token` is set; set it, or GRANTSYNC_ADMIN_TOKEN, to use the admin API";
            refuse(StatusCode::FORBIDDEN, "no_token_set", text)
        }
        Some(token) if carries(&request, token) => next.run(request).await,
        Some(_) => {
            refuse(StatusCode::UNAUTHORIZED, "unauthorized", "send `Authorization: Bearer` with the admin token")
        }
    }
}

fn carries(request: &Request, token: &Secret) -> bool {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    given.and_then(|value| value.strip_prefix("Bearer ")).is_some_and(|given| same(given, token.expose()))
}

/// Compares in constant time, whatever the lengths: both sides are hashed under one key, and a MAC is checked that way.
fn same(given: &str, token: &str) -> bool {
    let mac = |of: &str| Hmac::<Sha256>::new_from_slice(b"grantsync admin token").map(|mac| mac.chain_update(of));
    match (mac(given), mac(token)) {
        (Ok(given), Ok(token)) => given.verify(&token.finalize().into_bytes()).is_ok(),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "error": { "code": code, "message": message } }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn only_the_token_itself_is_the_token() {
        assert!(same("secret", "secret"));
        assert!(!same("secre", "secret"));
        assert!(!same("", "secret"));
    }
}
