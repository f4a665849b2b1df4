//! The tables that a move to PostgreSQL copies, with their columns.

use crate::batch::Column::{self, Number, Text};

/// A table, with the columns of its primary key first.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// How many of the columns make up the primary key.
    pub(crate) key: usize,
    pub(crate) columns: &'static [Column],
}

/// Every table but task leases and rate limits, which belong to running processes.
pub(crate) const TABLES: [Table; 13] = [
    Table {
        name: "inbox",
        key: 1,
        columns: &[
            Text("id"),
            Text("kind"),
            Text("account"),
            Text("object"),
            Text("outcome"),
            Number("created"),
            Number("received"),
            Text("body"),
        ],
    },
    Table {
        name: "worklist",
        key: 1,
        // without the lease: its holder is gone
        columns: &[
            Text("account"),
            Text("user_id"),
            Number("due_at"),
            Number("priority"),
            Number("requested"),
            Number("generation"),
            Number("triggered_at"),
            Number("attempts"),
            Number("failing_since"),
            Text("last_error"),
            Number("settled_at"),
            Text("waits_for"),
            Number("failed_at"),
            Number("retry_at"),
        ],
    },
    Table { name: "links", key: 1, columns: &[Text("account"), Text("user_id"), Text("origin"), Number("linked_at")] },
    Table { name: "former_users", key: 2, columns: &[Text("account"), Text("user_id")] },
    Table {
        name: "ledger",
        key: 1,
        columns: &[
            Number("seq"),
            Text("key"),
            Text("previous"),
            Text("destination"),
            Text("mode"),
            Text("user_id"),
            Text("account"),
            Text("subject"),
            Text("step"),
            Text("reason"),
            Text("state"),
            Number("attempts"),
            Number("due_at"),
            Number("intended_at"),
            Number("settled_at"),
            Text("error"),
        ],
    },
    Table {
        name: "parked",
        key: 1,
        columns: &[
            Number("id"),
            Text("kind"),
            Text("account"),
            Text("user_id"),
            Text("subject"),
            Text("reason"),
            Text("hint"),
            Number("since"),
            Text("dropped"),
        ],
    },
    Table { name: "statuses", key: 1, columns: &[Text("user_id"), Text("status"), Number("as_of")] },
    Table {
        name: "promotional_grants",
        key: 1,
        columns: &[
            Number("id"),
            Text("user_id"),
            Text("destination"),
            Text("level"),
            Number("until"),
            Text("request"),
            Text("who"),
            Text("why"),
            Number("granted_at"),
            Number("ended_at"),
            Text("ended_by"),
            Text("ended_why"),
        ],
    },
    Table {
        name: "blocks",
        key: 3,
        columns: &[Text("user_id"), Text("destination"), Text("level"), Text("who"), Text("why"), Number("since")],
    },
    Table {
        name: "attribute_overrides",
        key: 3,
        columns: &[Text("user_id"), Text("destination"), Text("name"), Text("value"), Text("who"), Number("since")],
    },
    Table {
        name: "audit_log",
        key: 1,
        columns: &[
            Number("id"),
            Text("user_id"),
            Text("destination"),
            Text("kind"),
            Text("subject"),
            Number("grant_id"),
            Text("who"),
            Text("why"),
            Number("recorded_at"),
        ],
    },
    Table { name: "store_purchases", key: 1, columns: &[Text("user_id"), Text("levels"), Number("as_of")] },
    Table { name: "daemon_state", key: 1, columns: &[Text("name"), Text("value")] },
];

impl Table {
    /// The names of all columns, for a statement.
    pub(crate) fn names(&self) -> String {
        joined(self.columns)
    }

    /// The names of the columns of the primary key, for a statement.
    pub(crate) fn key_names(&self) -> String {
        joined(&self.columns[..self.key])
    }
}

fn joined(columns: &[Column]) -> String {
    columns.iter().map(|column| column.name()).collect::<Vec<_>>().join(", ")
}
