//! Reconciliation: compares all accounts, repairs drift, and keeps the last reports.

use chrono::{DateTime, Utc};
use serde::Serialize;
use store::error::StoreError;
use store::open::Store;
use sync::reconciliation::Repair;
use sync::reconciliation::report::{self, Progress, Reconciliation};
use utoipa::ToSchema;

use crate::error::OperatorError;
use crate::operator::Operator;

/// The note that keeps the last reports, how many of them, and how many of the differences of each.
const REPORTS: &str = "reconciliations";
const KEPT_REPORTS: usize = 10;
const KEPT_DIFFERENCES: usize = 200;
/// The note that asks for a reconciliation as soon as possible.
const REQUESTED: &str = ingest::catch_up::RECONCILIATION_WANTED;

/// What a reconciliation found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReconciliationReport {
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    /// Accounts compared.
    pub accounts: u64,
    /// Of a report that was kept the first two hundred.
    pub differences: Vec<Drift>,
    pub repaired: u64,
    /// Accounts that could not be compared, and drift that could not be repaired.
    pub failed: u64,
    /// Accounts that were being synced, or waited for the profile, each time they were compared.
    pub unsettled: u64,
    /// Why accounts could not be compared, the first few of them.
    pub failures: Vec<String>,
    /// Users who pay for a level on the web and in a store of the app too.
    pub double_subscriptions: Vec<DoubleSubscription>,
    /// Users whose purchases in the app's stores could not be read.
    pub store_reads_failed: u64,
    /// Users whose purchases in the app's stores were not read after that.
    pub store_reads_skipped: u64,
}

/// A level that a destination does not show as it should.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Drift {
    pub account: String,
    pub user: String,
    /// The app in which it was found.
    pub app: String,
    pub level: String,
    /// RFC 3339, or `lifetime`; null: the user should not have it.
    pub expected_until: Option<String>,
    /// The same; null: the destination does not show it.
    pub actual_until: Option<String>,
    /// When the level was last known to be right.
    pub since: Option<DateTime<Utc>>,
    pub reason: String,
    /// `reported`, `repaired`, or `failed: …`.
    pub action: String,
}

/// A level that is paid for on the web and in a store of the app.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DoubleSubscription {
    pub account: String,
    pub user: String,
    pub level: String,
    /// The store of the app.
    pub store: Option<String>,
}

impl Operator {
    /// Compares all accounts now, and keeps the report. `progress` is called with how many are done.
    ///
    /// # Errors
    /// When the source does not list its accounts, or the database does not answer.
    pub async fn reconcile(
        &self,
        repair: Repair,
        mut progress: impl FnMut(u64),
    ) -> Result<ReconciliationReport, OperatorError> {
        let bulk = self.controller()?.with_rate_share(self.bulk_percent);
        let on_page = |so_far: Progress| progress(so_far.accounts);
        let found = bulk.reconcile(repair, self.store_reader.as_ref(), on_page).await?;
        keep(&self.store, &found).await?;
        measure(&found);
        Ok(found.into())
    }

    /// The last reports, the newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reconciliations(&self) -> Result<Vec<ReconciliationReport>, OperatorError> {
        Ok(kept(&self.store).await?.into_iter().map(ReconciliationReport::from).collect())
    }

    /// When the last reconciliation began.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn last_reconciliation(&self) -> Result<Option<DateTime<Utc>>, OperatorError> {
        Ok(kept(&self.store).await?.first().map(|report| report.started_at))
    }

    /// Asks for a reconciliation as soon as a worker is free. Answers when that was.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn request_reconciliation(&self) -> Result<DateTime<Utc>, OperatorError> {
        let now = self.now();
        self.store.set_daemon_state(REQUESTED, now.to_rfc3339()).await?;
        Ok(now)
    }

    /// Whether a reconciliation was asked for and has not ended since.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_reconciliation_requested(&self) -> Result<bool, OperatorError> {
        Ok(self.store.daemon_state(REQUESTED).await?.is_some_and(|requested| !requested.is_empty()))
    }
}

/// Keeps `report` among the last ones; what was asked for is done.
async fn keep(store: &Store, report: &Reconciliation) -> Result<(), OperatorError> {
    let mut all = kept(store).await?;
    let mut kept = report.clone();
    kept.drifts.truncate(KEPT_DIFFERENCES);
    all.insert(0, kept);
    all.truncate(KEPT_REPORTS);
    store.set_daemon_state(REPORTS, serde_json::to_string(&all)?).await?;
    if store.daemon_state(REQUESTED).await?.is_some_and(|requested| !requested.is_empty()) {
        store.set_daemon_state(REQUESTED, String::new()).await?;
    }
    Ok(())
}

async fn kept(store: &Store) -> Result<Vec<Reconciliation>, StoreError> {
    let text = store.daemon_state(REPORTS).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts stay far below 2^52")]
fn measure(report: &Reconciliation) {
    let finished_at = report.finished_at.timestamp() as f64;
    metrics::gauge!("grantsync_reconciliation_finished_timestamp_seconds").set(finished_at);
    metrics::gauge!("grantsync_reconciliation_accounts").set(report.accounts as f64);
    metrics::gauge!("grantsync_reconciliation_differences").set(report.drifts.len() as f64);
    metrics::gauge!("grantsync_reconciliation_repaired").set(report.repaired as f64);
    metrics::gauge!("grantsync_reconciliation_failed").set(report.failed as f64);
}

impl From<Reconciliation> for ReconciliationReport {
    fn from(found: Reconciliation) -> Self {
        Self {
            started_at: found.started_at,
            finished_at: found.finished_at,
            accounts: found.accounts,
            differences: found.drifts.into_iter().map(Drift::from).collect(),
            repaired: found.repaired,
            failed: found.failed,
            unsettled: found.unsettled,
            failures: found.failures,
            double_subscriptions: found.double_subscriptions.into_iter().map(DoubleSubscription::from).collect(),
            store_reads_failed: found.store_reads_failed,
            store_reads_skipped: found.store_reads_skipped,
        }
    }
}

impl From<report::Drift> for Drift {
    fn from(drift: report::Drift) -> Self {
        Self {
            account: drift.account,
            user: drift.user,
            app: drift.app,
            level: drift.level,
            expected_until: drift.expected_until,
            actual_until: drift.actual_until,
            since: drift.since,
            reason: drift.reason,
            action: drift.action,
        }
    }
}

impl From<report::DoubleSubscription> for DoubleSubscription {
    fn from(double: report::DoubleSubscription) -> Self {
        let report::DoubleSubscription { account, user, level, store } = double;
        Self { account, user, level, store }
    }
}
