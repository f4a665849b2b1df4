//! Former users of an account: what they have through it ends.

use entitlement::model::billing::Billing;
use entitlement::model::mode::Mode;
use entitlement::model::user::User;
use store::claim::{Claim, Urgency};

use crate::controller::Controller;
use crate::outcome::{Outcome, SyncError};

/// Whom the account belonged to before, as far as destinations are concerned.
pub(crate) struct FormerUser {
    user: User,
    billing: Billing,
    /// No app shows anything of theirs any more.
    is_settled: bool,
}

impl Controller {
    /// Ends what former users of the account had through it. One with other accounts is left to their syncs; one without is
    /// decided for here, billed nothing, until nothing is left to do.
    pub(crate) async fn end_former_users(
        &self,
        claim: &Claim,
        mode: Mode,
        users: Vec<User>,
    ) -> Result<(Outcome, Vec<FormerUser>), SyncError> {
        let (mut all, mut ended) = (Outcome::default(), Vec::new());
        for user in users {
            tracing::info!(account.id = %claim.account, "the account has another user now: the former user's access ends");
            let others = self.store.accounts_of(&user).await?;
            if others.is_empty() {
                ended.push(self.end_former_user(claim, mode, user, &mut all).await?);
            } else {
                self.store.enqueue(others, Urgency::Requested).await?;
                self.store.forget_former_user(claim.account.clone(), user).await?;
            }
        }
        Ok((all, ended))
    }

    async fn end_former_user(
        &self,
        claim: &Claim,
        mode: Mode,
        user: User,
        all: &mut Outcome,
    ) -> Result<FormerUser, SyncError> {
        let billing = Billing { facts: self.nothing_known(), ..Billing::empty(mode) };
        // whoever is forgotten for good is forgotten on what was read
        let readings = self.read_pictures(&user, self.mode.unwrap_or(mode));
        let mut outcome = self.sync_destinations(claim, &user, &billing, readings).await?;
        let failure = outcome.failure.take();
        let is_known = failure.is_none() && outcome.gated.is_none();
        let is_settled = outcome.is_settled && is_known;
        self.record_progress(claim, std::mem::take(&mut outcome.results), Vec::new()).await?;
        all.former_statuses.extend(outcome.status.take().filter(|_| is_known));
        // what is not seen of them makes no doubt of whoever has the account now
        outcome.unobserved = None;
        if is_settled {
            outcome.due = None;
        }
        all.add(outcome);
        if let Some(failure) = failure {
            self.not_synced(claim, "a former user", failure, all);
        }
        Ok(FormerUser { user, billing, is_settled })
    }

    /// Reports what became of former users' sales, once whoever pays now is synced, and forgets those with nothing left.
    pub(crate) async fn finish_former_users(
        &self,
        claim: &Claim,
        former: Vec<FormerUser>,
        all: &mut Outcome,
    ) -> Result<(), SyncError> {
        for FormerUser { user, billing, is_settled } in former {
            let mut outcome = Outcome { is_settled, ..Outcome::default() };
            self.sync_sales(claim, &user, &billing, &mut outcome).await?;
            self.record_progress(claim, std::mem::take(&mut outcome.results), Vec::new()).await?;
            if outcome.is_settled {
                self.store.forget_former_user(claim.account.clone(), user).await?;
                outcome.due = None;
            }
            all.add(outcome);
        }
        Ok(())
    }
}
