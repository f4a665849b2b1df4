//! What happened to a user, from the inbox, the audit log, the ledger and what is parked, in one order.

use chrono::{DateTime, Utc};
use serde::Serialize;
use store::inbox::ReceivedEvent;

use crate::audit::AuditEntry;
use crate::ledger::LedgerEntry;
use crate::parked::Parked;
use crate::sentence;
use crate::time::absolute;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimelineEntry {
    pub at: DateTime<Utc>,
    pub kind: EntryKind,
    pub what: String,
    /// Of the event, the key of the step, or the number in the audit log or of what is parked.
    pub id: String,
}

/// In the order of things that happen at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    Event,
    Override,
    Intended,
    Confirmed,
    Refused,
    Dropped,
    Parked,
}

impl EntryKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Override => "override",
            Self::Intended => "intended",
            Self::Confirmed => "confirmed",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
            Self::Parked => "parked",
        }
    }
}

impl TimelineEntry {
    /// One line: when, what kind, what, and its id.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { at, kind, what, id } = self;
        // an event is found by its whole id, a step by the beginning of its key
        let id = if *kind == EntryKind::Event { id.clone() } else { sentence::short(id) };
        format!("{}  {:<9}  {what}  [{id}]", absolute(*at), kind.as_str())
    }
}

/// Everything, the oldest first.
pub(crate) fn timeline(
    events: &[ReceivedEvent],
    audit_log: &[AuditEntry],
    ledger: &[LedgerEntry],
    parked: &[Parked],
) -> Vec<TimelineEntry> {
    let mut all: Vec<TimelineEntry> = events.iter().map(received).collect();
    all.extend(audit_log.iter().map(overridden));
    all.extend(ledger.iter().map(intended));
    all.extend(ledger.iter().filter_map(answered));
    all.extend(parked.iter().map(self::parked));
    all.sort_by_key(|entry| (entry.at, entry.kind));
    all
}

fn received(event: &ReceivedEvent) -> TimelineEntry {
    let object = event.object.as_ref().map(|object| format!(" `{object}`")).unwrap_or_default();
    let what = format!("{}{object}", event.kind);
    TimelineEntry { at: event.received, kind: EntryKind::Event, what, id: event.id.clone() }
}

fn overridden(entry: &AuditEntry) -> TimelineEntry {
    let what = sentence::audit(entry);
    TimelineEntry { at: entry.at, kind: EntryKind::Override, what, id: entry.id.to_string() }
}

fn intended(entry: &LedgerEntry) -> TimelineEntry {
    let mut what = format!("{}: {}", sentence::step(entry), entry.because);
    if let (Some(due), Some(why)) = (entry.due_at, &entry.why) {
        what.push_str(&format!("; failed {} times ({why}), sent again at {}", entry.attempts, absolute(due)));
    }
    TimelineEntry { at: entry.intended_at, kind: EntryKind::Intended, what, id: entry.key.clone() }
}

fn answered(entry: &LedgerEntry) -> Option<TimelineEntry> {
    let kind = match entry.state.as_str() {
        "confirmed" => EntryKind::Confirmed,
        "refused" => EntryKind::Refused,
        "dropped" => EntryKind::Dropped,
        _ => return None,
    };
    let why = entry.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let what = format!("{}{why}", sentence::step(entry));
    Some(TimelineEntry { at: entry.settled_at?, kind, what, id: entry.key.clone() })
}

fn parked(parked: &Parked) -> TimelineEntry {
    let what = format!("{}: {}", parked.kind, parked.reason);
    TimelineEntry { at: parked.since, kind: EntryKind::Parked, what, id: parked.id.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_750_000_000 + seconds, 0).unwrap()
    }

    fn event(id: &str, received: i64) -> ReceivedEvent {
        ReceivedEvent {
            id: id.into(),
            kind: "invoice.paid".into(),
            account: None,
            object: Some("in_1".into()),
            outcome: "enqueued".into(),
            created: at(0),
            received: at(received),
        }
    }

    fn entry(key: &str, state: &str, intended: i64, settled: Option<i64>) -> LedgerEntry {
        LedgerEntry {
            seq: 1,
            key: key.into(),
            previous: None,
            destination: "main".into(),
            environment: "test".into(),
            account: "source:1".into(),
            user: "u-1".into(),
            subject: "premium".into(),
            step: serde_json::json!({ "revoke": { "level": "premium", "refund": "yes" } }),
            because: "so".into(),
            state: state.into(),
            attempts: 2,
            intended_at: at(intended),
            due_at: settled.is_none().then(|| at(9)),
            settled_at: settled.map(at),
            why: (state != "confirmed").then(|| "503".into()),
        }
    }

    #[test]
    fn what_happened_is_in_order_and_causes_stand_before_their_effects() {
        let ledger = [entry("k2", "intended", 5, None), entry("k1", "confirmed", 3, Some(3))];
        let audit = AuditEntry {
            id: 7,
            user: "u-1".into(),
            app: "main".into(),
            kind: "block".into(),
            subject: "premium".into(),
            promotion: None,
            by: "anna".into(),
            why: "fraud".into(),
            at: at(5),
        };
        let all = timeline(&[event("e2", 4), event("e1", 3)], &[audit], &ledger, &[]);
        let found: Vec<_> = all.iter().map(|of| (of.kind.as_str(), of.id.as_str())).collect();
        let expected = [
            ("event", "e1"),
            ("intended", "k1"),
            ("confirmed", "k1"),
            ("event", "e2"),
            ("override", "7"),
            ("intended", "k2"),
        ];
        assert_eq!(found, expected);
        assert_eq!(all[0].line(), "2025-06-15 15:06:43Z  event      invoice.paid `in_1`  [e1]");
        assert_eq!(all[2].what, "revoke `premium` as a refund");
        let open = "revoke `premium` as a refund: so; failed 2 times (503), sent again at 2025-06-15 15:06:49Z";
        assert_eq!(all[4].what, "block `premium` in `main` by anna: fraud");
        assert_eq!(all[5].what, open);
    }
}
