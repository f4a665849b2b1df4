//! Asks the reader of the app's stores who pays there for what they pay for on the web.

use entitlement::model::account::Account;
use entitlement::model::user::User;
use entitlement::status::Status;
use store::error::StoreError;

use crate::controller::Controller;
use crate::reconciliation::PAGE;
use crate::reconciliation::report::DoubleSubscription;
use crate::reconciliation::tally::Tally;
use crate::store_reader::{Freshness, StoreReader};

/// Reads that fail in a row before no more is asked until the next reconciliation.
const FAILED_IN_A_ROW: u64 = 10;

impl Controller {
    /// Asks about everybody who pays on the web, as the last sync saw it; an answer of the last day will do.
    pub(super) async fn find_double_subscriptions(
        &self,
        store_reader: &StoreReader,
        tally: &mut Tally,
    ) -> Result<(), StoreError> {
        let mut failed_in_a_row = 0;
        let mut last = None;
        loop {
            let page = self.store.accounts_after(last.as_ref(), PAGE).await?;
            let Some(next) = page.last() else { return Ok(()) };
            last = Some(next.clone());
            for account in &page {
                let Some((user, status)) = self.pays_on_the_web(account).await? else { continue };
                if failed_in_a_row >= FAILED_IN_A_ROW {
                    tally.store_reads_skipped += 1;
                    continue;
                }
                let answered = self.read_stores(store_reader, account, &user, &status, tally).await?;
                failed_in_a_row = if answered { 0 } else { failed_in_a_row + 1 };
            }
        }
    }

    /// The user of `account` and where they stand, if a web subscription opens something to them.
    async fn pays_on_the_web(&self, account: &Account) -> Result<Option<(User, Status)>, StoreError> {
        let Some(link) = self.store.link_of(account).await? else { return Ok(None) };
        let Some(known) = self.store.status_of(&link.user).await? else { return Ok(None) };
        let ours = self.our_stores();
        let now = (self.clock)();
        let is_ours = known.status.levels.iter().any(|level| level.is_active(now, false) && level.is_of(&ours));
        Ok(is_ours.then_some((link.user, known.status)))
    }

    /// Whether the stores answered for `user`.
    async fn read_stores(
        &self,
        store_reader: &StoreReader,
        account: &Account,
        user: &User,
        status: &Status,
        tally: &mut Tally,
    ) -> Result<bool, StoreError> {
        let seen = store_reader.read(user, Freshness::OfTheLastDay).await?;
        tally.store_reads_failed += u64::from(seen.stale);
        for twice in status.paid_twice(&seen.levels, seen.stale, &self.our_stores(), (self.clock)()) {
            tally.add_double_subscription(DoubleSubscription {
                account: account.as_str().to_owned(),
                user: user.as_str().to_owned(),
                level: twice.level.0.clone(),
                store: twice.store.clone(),
            });
        }
        Ok(!seen.stale)
    }

    /// The stores under which web sales appear at the destination.
    fn our_stores(&self) -> Vec<&str> {
        self.apps.iter().map(|app| app.rules.store.as_str()).collect()
    }
}
