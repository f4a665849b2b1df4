//! What a reconciliation found.

use entitlement::model::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// One reconciliation. Reports are stored, also by earlier versions under earlier names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciliation {
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    /// Accounts compared.
    pub accounts: u64,
    #[serde(rename = "differences")]
    pub drifts: Vec<Drift>,
    pub repaired: u64,
    /// Accounts that could not be compared, and drift that is still there.
    pub failed: u64,
    /// Accounts that were being worked on, or waited for the profile, each time they were compared.
    #[serde(default, alias = "in_motion")]
    pub unsettled: u64,
    /// Why accounts could not be compared, the first few of them.
    #[serde(default)]
    pub failures: Vec<String>,
    #[serde(default)]
    pub double_subscriptions: Vec<DoubleSubscription>,
    /// Users of whom the reader of the app's stores gave no answer.
    #[serde(default, alias = "not_witnessed")]
    pub store_reads_failed: u64,
    /// Users of whom it was not asked any more, since it had not answered a few times in a row.
    #[serde(default, alias = "not_asked")]
    pub store_reads_skipped: u64,
}

/// Something that is expected and not shown, or shown and not expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    pub account: String,
    pub user: String,
    /// The app it was found in.
    #[serde(default)]
    pub app: String,
    pub level: String,
    /// RFC 3339, or `lifetime`; `None`: the level is not expected.
    #[serde(alias = "owed_until")]
    pub expected_until: Option<String>,
    /// The same; `None`: the destination does not show it.
    #[serde(alias = "shown_until")]
    pub actual_until: Option<String>,
    /// When the level was last known to be right.
    pub since: Option<Timestamp>,
    pub reason: String,
    /// `reported`, `repaired`, or `failed: …`.
    pub action: String,
}

/// A level that is paid for on the web and in a store of the app too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoubleSubscription {
    pub account: String,
    pub user: String,
    pub level: String,
    /// The store of the app, as the destination or the reader of the stores names it.
    pub store: Option<String>,
}

/// How far a reconciliation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub accounts: u64,
    pub drifts: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_an_earlier_version_stored_is_read() {
        let stored = r#"{"started_at":"2026-11-01T03:00:00Z","finished_at":"2026-11-01T03:00:09Z","accounts":7,
            "differences":[{"account":"a:1","user":"u","level":"premium","owed_until":"lifetime","shown_until":null,
            "since":null,"reason":"r","action":"repaired"}],
            "repaired":1,"failed":0,"in_motion":2,"not_witnessed":3,"not_asked":4}"#;
        let report: Reconciliation = serde_json::from_str(stored).unwrap();
        assert_eq!((report.unsettled, report.store_reads_failed, report.store_reads_skipped), (2, 3, 4));
        assert_eq!(report.drifts[0].expected_until.as_deref(), Some("lifetime"));
    }

    #[test]
    fn a_report_is_written_with_the_names_that_are_relied_on() {
        let drift = Drift {
            account: "a:1".into(),
            user: "u".into(),
            app: "main".into(),
            level: "premium".into(),
            expected_until: None,
            actual_until: Some("lifetime".into()),
            since: None,
            reason: "r".into(),
            action: "reported".into(),
        };
        let written = serde_json::to_string(&drift).unwrap();
        assert!(written.contains(r#""expected_until":null,"actual_until":"lifetime""#), "{written}");
    }
}
