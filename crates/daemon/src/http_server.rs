//! Accepts and serves connections within bounds: a slow, silent or greedy client harms only itself.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::command_error::CommandError;

/// How long requests under way may take at shutdown.
const SHUTDOWN: Duration = Duration::from_secs(10);
/// How long the first head on a connection may take to arrive. A later one may take as long as a connection may idle.
const FIRST_HEAD: Duration = Duration::from_secs(20);
/// Largest head of a request, and most headers in it.
const LARGEST_HEAD: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;
/// Connections at once; more wait in the system's queue until one ends.
const MOST_CONNECTIONS: usize = 20_000;
/// The pause after accepting failed, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds `address` for `what`; what it answers serves until `stop`, and then for ten seconds at the most. A connection is kept
/// for `keep_alive` between two requests.
///
/// # Errors
/// When the address cannot be had.
pub(crate) async fn listen(
    what: &'static str,
    address: SocketAddr,
    routes: Router,
    keep_alive: Duration,
    stop: CancellationToken,
) -> Result<impl Future<Output = Result<(), CommandError>>, CommandError> {
    let listener = TcpListener::bind(address).await;
    let listener =
        listener.map_err(|error| CommandError::Sentence(format!("listening on `{address}` for {what}: {error}")))?;
    let bound = listener.local_addr().map_err(|error| CommandError::because("listening", error))?;
    tracing::info!(address = %bound, "listening for {what} on {bound}");
    Ok(serve(listener, routes, keep_alive, stop))
}

async fn serve(
    listener: TcpListener,
    routes: Router,
    keep_alive: Duration,
    stop: CancellationToken,
) -> Result<(), CommandError> {
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let server = server(keep_alive);
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
        tokio::spawn(connection(stream, routes.clone(), &server, &graceful, slot));
    }
    drop(listener);
    if tokio::time::timeout(SHUTDOWN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests under way were cut off");
    }
    Ok(())
}

fn server(keep_alive: Duration) -> http1::Builder {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        // the time between two requests counts for the head of the second
        .header_read_timeout(keep_alive)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD);
    server
}

/// A connection, served to its end; it holds `slot` until then.
fn connection(
    stream: TcpStream,
    routes: Router,
    server: &http1::Builder,
    graceful: &GracefulShutdown,
    slot: OwnedSemaphorePermit,
) -> impl Future<Output = ()> + use<> {
    without_delay(&stream);
    let has_asked = Arc::new(AtomicBool::new(false));
    let (routes, asks) = (TowerToHyperService::new(routes), Arc::clone(&has_asked));
    let service = service_fn(move |request| {
        asks.store(true, Ordering::Relaxed);
        routes.call(request)
    });
    let connection = graceful.watch(server.serve_connection(TokioIo::new(stream), service));
    async move {
        if let Err(error) = until_closed(connection, &has_asked).await {
            tracing::debug!(%error, "a connection broke");
        }
        drop(slot);
    }
}

/// Serves a connection to its end. One that asks for nothing is not kept as long as one that idles between requests.
async fn until_closed<E>(connection: impl Future<Output = Result<(), E>>, has_asked: &AtomicBool) -> Result<(), E> {
    let mut connection = pin!(connection);
    match tokio::time::timeout(FIRST_HEAD, &mut connection).await {
        Ok(closed) => closed,
        Err(_) if has_asked.load(Ordering::Relaxed) => connection.await,
        Err(_) => Ok(()),
    }
}

/// Answers are one small piece each, and are not to wait for more.
fn without_delay(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps Nagle's delay");
    }
}
