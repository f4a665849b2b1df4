//! Explain: collects why a user has what they have, from sources, destinations and memory.

use std::sync::Arc;

use entitlement::model::account::Account;
use entitlement::model::user::User;
use store::inbox;
use sync::collect::Collected;
use sync::target::Target;

use crate::error::OperatorError;
use crate::explanation::{Explanation, Memory};
use crate::ledger::LedgerFilter;
use crate::operator::{Operator, unknown_app};
use crate::parked::Parked;
use crate::timeline::{TimelineEntry, timeline};

/// Rows that are read at most of the inbox, the ledger and the audit log each.
const MOST: u32 = 10_000;

/// Whom is asked about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// An account, or an object that leads to one.
    Account(Account),
    User(User),
}

impl Operator {
    /// Why the user has what they have, in the app called `app` or in each.
    ///
    /// # Errors
    /// When nothing is known of the subject.
    pub async fn explain(&self, of: &Subject, app: Option<&str>) -> Result<Vec<Explanation>, OperatorError> {
        let controller = self.controller()?;
        let chosen = self.synced_apps(app)?;
        let collected = Arc::new(match of {
            Subject::Account(account) => controller.collect(account).await?,
            Subject::User(user) => controller.collect_user(user).await?,
        });
        let memory = Arc::new(self.memory(&collected).await?);
        let mut all = Vec::new();
        for (place, app) in controller.apps.iter().enumerate() {
            if chosen.iter().any(|of| of.name() == app.name()) {
                let explanation =
                    Explanation::new(collected.clone(), memory.clone(), place, app, controller.policy_mode);
                all.push(explanation);
            }
        }
        match all.first().filter(|first| first.is_empty()) {
            Some(nothing) => Err(OperatorError::NotFound(nothing.unknown())),
            None => Ok(all),
        }
    }

    /// The app called `name`, or all that are synced.
    ///
    /// # Errors
    /// When there is no such app.
    pub fn synced_apps(&self, name: Option<&str>) -> Result<Vec<&Target>, OperatorError> {
        let apps = &self.controller()?.apps;
        let Some(name) = name else { return Ok(apps.iter().collect()) };
        let found = apps.iter().find(|app| app.name() == name);
        Ok(vec![found.ok_or_else(|| unknown_app(name, apps.iter().map(Target::name)))?])
    }

    /// What our own memory holds of whom was collected.
    async fn memory(&self, collected: &Collected) -> Result<Memory, OperatorError> {
        let accounts: Vec<Account> = collected.accounts.iter().map(|linked| linked.account.clone()).collect();
        let user = collected.user.as_ref().ok();
        let mut worklist = Vec::new();
        for account in &accounts {
            worklist.push(self.worklist_entry(account.clone()).await?);
        }
        let status = match user {
            Some(user) => self.store.status_of(user).await?,
            None => None,
        };
        let parked = self.parked_for(accounts, user.cloned()).await?;
        let timeline = self.timeline(collected, user, &parked).await?;
        Ok(Memory { status, timeline, worklist, parked })
    }

    async fn timeline(
        &self,
        collected: &Collected,
        user: Option<&User>,
        parked: &[Parked],
    ) -> Result<Vec<TimelineEntry>, OperatorError> {
        let triggers = triggers(collected);
        let mut events = Vec::new();
        if !triggers.is_empty() {
            let filter = inbox::Filter { accounts: triggers, ..inbox::Filter::default() };
            events = self.store.events(&filter, MOST).await?;
        }
        let Some(user) = user else { return Ok(timeline(&events, &[], &[], parked)) };
        let of_user = LedgerFilter { user: Some(user.clone()), ..LedgerFilter::default() };
        let mut ledger = self.ledger(of_user, MOST).await?;
        let mut audit_log = self.audit_log(Some(user.clone()), None, MOST).await?;
        ledger.reverse();
        audit_log.reverse();
        Ok(timeline(&events, &audit_log, &ledger, parked))
    }
}

/// What events may have named: the accounts, or something that was billed to them.
fn triggers(collected: &Collected) -> Vec<Account> {
    let mut triggers: Vec<Account> = collected.accounts.iter().map(|linked| linked.account.clone()).collect();
    let Ok(billing) = &collected.billing else { return triggers };
    for subscription in &billing.subscriptions {
        let account = &subscription.account;
        triggers.push(account.sibling(&subscription.id));
        triggers.extend(subscription.invoices.iter().map(|invoice| account.sibling(&invoice.id)));
    }
    triggers.extend(billing.purchases.iter().map(|bought| bought.account.sibling(&bought.id)));
    triggers
}
