//! Bodies within bounds: each by itself, and all that are in flight together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::refusal::Refusal;

/// Largest body taken in. The sources document none; the largest events seen are below 10 kB.
pub const LARGEST_BODY: usize = 1024 * 1024;
/// How long a body may take to arrive.
const LONGEST_BODY: Duration = Duration::from_secs(10);
/// By how much the room for a body grows.
const PIECE: usize = 64 * 1024;
/// How much of a body that is not wanted is let run out, and for how long, so that its sender reads the answer.
const MOST_UNWANTED: usize = 2 * LARGEST_BODY;
const LONGEST_UNWANTED: Duration = Duration::from_secs(1);

/// The bytes that all bodies in flight may hold together; clones share them.
#[derive(Clone, Debug)]
pub struct BodyBudget(Arc<Semaphore>);

impl BodyBudget {
    /// From a number of bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// A place for one body, empty yet.
    fn place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.0).try_acquire_many_owned(0).map_err(|_| Refusal::NoRoom)
    }

    /// Makes a place larger by so many bytes.
    fn widen(&self, place: &mut OwnedSemaphorePermit, bytes: usize) -> Result<(), Refusal> {
        let bytes = u32::try_from(bytes).map_err(|_| Refusal::TooLarge)?;
        let more = Arc::clone(&self.0).try_acquire_many_owned(bytes).map_err(|_| Refusal::NoRoom)?;
        place.merge(more);
        Ok(())
    }
}

/// A body that came whole, and its place in the budget.
pub(crate) struct WholeBody {
    pub(crate) bytes: Vec<u8>,
    pub(crate) place: OwnedSemaphorePermit,
}

/// Whether the length that is announced, if one is, is not too large.
pub(crate) fn is_announced_within_bounds(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    length.is_none_or(|length| length <= LARGEST_BODY)
}

/// Reads a body whole.
pub(crate) async fn read(body: Body, budget: &BodyBudget) -> Result<WholeBody, Refusal> {
    let mut pieces = body.into_data_stream();
    let outcome = timeout(LONGEST_BODY, read_all(&mut pieces, budget)).await.unwrap_or(Err(Refusal::TooSlow));
    if outcome.is_err() {
        discard(pieces);
    }
    outcome
}

async fn read_all(pieces: &mut BodyDataStream, budget: &BodyBudget) -> Result<WholeBody, Refusal> {
    let mut whole = WholeBody { bytes: Vec::new(), place: budget.place()? };
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Refusal::Broken)?;
        let length = whole.bytes.len() + piece.len();
        if length > LARGEST_BODY {
            return Err(Refusal::TooLarge);
        }
        budget.widen(&mut whole.place, piece.len())?;
        if length > whole.bytes.capacity() {
            // exactly, since doubling would hold up to twice what the budget counts
            let more = if whole.bytes.is_empty() { piece.len() } else { piece.len().max(PIECE) };
            whole.bytes.reserve_exact(more);
        }
        whole.bytes.extend_from_slice(&piece);
    }
    Ok(whole)
}

/// Lets a body that is not wanted run out, beside its answer: a connection that is closed over unread bytes is reset, and
/// the answer may be lost with it.
pub(crate) fn discard(mut pieces: BodyDataStream) {
    tokio::spawn(timeout(LONGEST_UNWANTED, async move {
        let mut seen = 0;
        while let Some(Ok(piece)) = pieces.next().await {
            seen += piece.len();
            if seen > MOST_UNWANTED {
                return;
            }
        }
    }));
}
