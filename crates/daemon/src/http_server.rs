//! Accepts and serves connections within bounds: a slow, silent or greedy client harms only itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::command_error::CommandError;

/// How long requests under way may take at shutdown.
const SHUTDOWN: Duration = Duration::from_secs(10);
/// How long the head of a request may take to arrive, and how long a connection may idle between two requests.
const LONGEST_HEAD: Duration = Duration::from_secs(20);
/// Largest head of a request, and most headers in it.
const LARGEST_HEAD: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;
/// Connections at once; more wait in the system's queue until one ends.
const MOST_CONNECTIONS: usize = 20_000;
/// The pause after accepting failed, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds `address` for `what`; what it answers serves until `stop`, and then for ten seconds at the most.
///
/// # Errors
/// When the address cannot be had.
pub(crate) async fn listen(
    what: &'static str,
    address: SocketAddr,
    routes: Router,
    stop: CancellationToken,
) -> Result<impl Future<Output = Result<(), CommandError>>, CommandError> {
    let listener = TcpListener::bind(address).await;
    let listener =
        listener.map_err(|error| CommandError::Sentence(format!("listening on `{address}` for {what}: {error}")))?;
    let bound = listener.local_addr().map_err(|error| CommandError::because("listening", error))?;
    tracing::info!(address = %bound, "listening for {what} on {bound}");
    Ok(serve(listener, routes, stop))
}

async fn serve(listener: TcpListener, routes: Router, stop: CancellationToken) -> Result<(), CommandError> {
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(LONGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD);
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        without_delay(&stream);
        let service = TowerToHyperService::new(routes.clone());
        let connection = graceful.watch(server.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
            drop(slot);
        });
    }
    drop(listener);
    if tokio::time::timeout(SHUTDOWN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests under way were cut off");
    }
    Ok(())
}

/// Answers are one small piece each, and are not to wait for more.
fn without_delay(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps Nagle's delay");
    }
}
