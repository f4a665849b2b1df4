//! What the program is measured beside: a server that checks the signature, and keeps nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use stripe::signature::Verifier;
use tokio::net::TcpListener;

use crate::site::SECRET;

/// Serves on `address` until it is killed.
pub(crate) async fn serve(address: SocketAddr) {
    let routes = Router::new().route("/health/ready", get(|| async {})).route("/webhooks/stripe", post(check));
    let listener = TcpListener::bind(address).await.unwrap();
    axum::serve(listener, routes.with_state(Arc::new(Verifier::new(&[SECRET])))).await.unwrap();
}

async fn check(State(verifier): State<Arc<Verifier>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match verifier.verify(signature, &body, simulator::clock::now()) {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}
