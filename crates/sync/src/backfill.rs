//! A backfill: everybody whom the sources bill becomes due, however many there are.
//!
//! How far it is stands in the store, so that one that was stopped goes on where it was.

use entitlement::model::clock::Timestamp;
use entitlement::model::failure::Failure;
use entitlement::model::reading::Listing;
use serde::{Deserialize, Serialize};
use source::source::Source;
use store::claim::Urgency;
use store::error::StoreError;

use crate::controller::Controller;

/// The note that keeps it.
const NOTE: &str = "backfill";

/// How far a backfill is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    pub started_at: Timestamp,
    /// When every list had been read to its end.
    pub finished_at: Option<Timestamp>,
    /// Accounts made due so far; one with several objects on different pages counts again.
    pub accounts: u64,
    #[serde(flatten)]
    position: Position,
}

/// The page that is read next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// The name of the source; `None`: the first.
    #[serde(default)]
    source: Option<String>,
    /// The source's purchases, which come after its subscriptions.
    #[serde(default)]
    purchases: bool,
    /// Where the page begins, in the source's own terms; `None`: at the start of the list.
    #[serde(default)]
    after: Option<String>,
}

/// A backfill did not come to its end; called again it goes on where it was.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    #[error(transparent)]
    Upstream(#[from] Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("keeping how far the backfill is")]
    Note(#[from] serde_json::Error),
}

impl Controller {
    /// The last backfill, or the one under way.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn last_backfill(&self) -> Result<Option<Backfill>, StoreError> {
        Ok(self.store.daemon_state(NOTE).await?.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Makes everybody due whom the sources bill; `progress` hears how far it is after each page. One that was stopped goes
    /// on.
    ///
    /// # Errors
    /// When a source or the database does not answer.
    pub async fn backfill(&self, mut progress: impl FnMut(&Backfill)) -> Result<Backfill, BackfillError> {
        let unfinished = self.last_backfill().await?.filter(|last| last.finished_at.is_none());
        let mut backfill = unfinished.unwrap_or_else(|| Backfill::beginning_at((self.clock)()));
        while backfill.finished_at.is_none() {
            self.backfill_page(&mut backfill).await?;
            self.store.set_daemon_state(NOTE, serde_json::to_string(&backfill)?).await?;
            progress(&backfill);
        }
        Ok(backfill)
    }

    async fn backfill_page(&self, backfill: &mut Backfill) -> Result<(), BackfillError> {
        if !self.listings().any(|(source, listing)| backfill.position.is_in(source, listing)) {
            // the settings do not have that list any more
            backfill.position = Position::default();
        }
        let mut listings = self.listings().skip_while(|(source, listing)| !backfill.position.is_in(source, *listing));
        let Some((source, listing)) = listings.next() else {
            backfill.finished_at = Some((self.clock)());
            return Ok(());
        };
        let page = source.accounts(listing, backfill.position.after.clone()).await?;
        backfill.accounts += page.accounts.len() as u64;
        if !page.accounts.is_empty() {
            // due before it is written how far we are: a page may come twice, never not at all
            self.store.enqueue(page.accounts, Urgency::Bulk).await?;
        }
        backfill.position = match (page.next, listings.next()) {
            (Some(next), _) => Position { after: Some(next), ..Position::start_of(source, listing) },
            (None, Some((source, listing))) => Position::start_of(source, listing),
            (None, None) => {
                backfill.finished_at = Some((self.clock)());
                Position::default()
            }
        };
        Ok(())
    }

    /// The lists that name everybody whom the sources bill.
    pub(crate) fn listings(&self) -> impl Iterator<Item = (&Source, Listing)> {
        let of_source = Listing::within(self.scope());
        self.sources.iter().flat_map(move |source| of_source.iter().map(move |listing| (source, *listing)))
    }
}

impl Backfill {
    fn beginning_at(started_at: Timestamp) -> Self {
        Self { started_at, finished_at: None, accounts: 0, position: Position::default() }
    }
}

impl Position {
    fn start_of(source: &Source, listing: Listing) -> Self {
        let source = Some(source.name().to_owned());
        Self { source, purchases: listing == Listing::Purchases, after: None }
    }

    fn is_in(&self, source: &Source, listing: Listing) -> bool {
        let is_source = self.source.as_deref().is_none_or(|name| name == source.name());
        is_source && self.purchases == (listing == Listing::Purchases)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backfill_that_was_stopped_before_there_were_several_sources_goes_on() {
        let note =
            r#"{"started_at":"2026-11-01T00:00:00Z","finished_at":null,"accounts":7,"purchases":true,"after":"cs_7"}"#;
        let backfill: Backfill = serde_json::from_str(note).unwrap();
        let position = Position { source: None, purchases: true, after: Some("cs_7".to_owned()) };
        assert_eq!((backfill.accounts, backfill.position), (7, position));
    }
}
