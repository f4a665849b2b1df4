//! What happened to a customer, from all our books, in one order.

use entitlement::clock::Timestamp;
use serde::Serialize;
use store::audit::AuditEntry;
use store::inbox::ReceivedEvent;
use store::ledger::LedgerRow;
use store::parked::Parked;

use crate::commands::wording;
use crate::moments::absolute;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Happening {
    pub(crate) at: Timestamp,
    pub(crate) kind: EntryKind,
    pub(crate) what: String,
    /// Of the event, the key of the step, or the number of the order or under which it is parked.
    pub(crate) id: String,
}

/// In the order of things that happen at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EntryKind {
    Event,
    Ordered,
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
            Self::Ordered => "ordered",
            Self::Intended => "intended",
            Self::Confirmed => "confirmed",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
            Self::Parked => "parked",
        }
    }
}

impl Happening {
    pub(crate) fn line(&self) -> String {
        let Self { at, kind, what, id } = self;
        // events are asked for by their whole id, steps by the beginning of their key
        let id = if *kind == EntryKind::Event { id.clone() } else { wording::short(id) };
        format!("{}  {:<9}  {what}  [{id}]", absolute(*at), kind.as_str())
    }
}

/// Events, orders, intentions, answers and what is parked, the oldest first.
pub(crate) fn of(
    events: &[ReceivedEvent],
    orders: &[AuditEntry],
    lines: &[LedgerRow],
    parked: &[Parked],
) -> Vec<Happening> {
    let mut all: Vec<Happening> = events.iter().map(event).collect();
    all.extend(orders.iter().map(ordered));
    all.extend(lines.iter().flat_map(|line| [Some(intended(line)), answered(line)]).flatten());
    all.extend(parked.iter().map(self::parked));
    all.sort_by_key(|happening| (happening.at, happening.kind));
    all
}

fn event(event: &ReceivedEvent) -> Happening {
    let object = event.object.as_ref().map(|object| format!(" `{object}`")).unwrap_or_default();
    Happening {
        at: event.received,
        kind: EntryKind::Event,
        what: format!("{}{object}", event.kind),
        id: event.id.clone(),
    }
}

fn ordered(order: &AuditEntry) -> Happening {
    Happening { at: order.at, kind: EntryKind::Ordered, what: wording::order(order), id: order.id.to_string() }
}

fn intended(line: &LedgerRow) -> Happening {
    let mut what = format!("{}: {}", wording::step(line), line.because);
    if let (Some(due), Some(why)) = (line.due_at, &line.why) {
        what.push_str(&format!("; failed {} times ({why}), sent again at {}", line.attempts, absolute(due)));
    }
    Happening { at: line.intended_at, kind: EntryKind::Intended, what, id: line.key.clone() }
}

fn answered(line: &LedgerRow) -> Option<Happening> {
    let kind = match line.state.as_str() {
        "confirmed" => EntryKind::Confirmed,
        "refused" => EntryKind::Refused,
        "dropped" => EntryKind::Dropped,
        _ => return None,
    };
    let why = line.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let what = format!("{}{why}", wording::step(line));
    Some(Happening { at: line.settled_at?, kind, what, id: line.key.clone() })
}

fn parked(parked: &Parked) -> Happening {
    let what = format!("{}: {}", parked.kind, parked.reason);
    Happening { at: parked.since, kind: EntryKind::Parked, what, id: parked.id.to_string() }
}

#[cfg(test)]
mod tests {
    use entitlement::reason::Reason;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(1_750_000_000 + seconds, 0).unwrap()
    }

    fn seen(id: &str, received: i64) -> ReceivedEvent {
        ReceivedEvent {
            id: id.into(),
            kind: "invoice.paid".into(),
            account: None,
            object: Some("in_1".into()),
            outcome: "rung".into(),
            created: at(0),
            received: at(received),
        }
    }

    fn line(key: &str, state: &str, intended: i64, settled: Option<i64>) -> LedgerRow {
        LedgerRow {
            seq: 1,
            key: key.into(),
            previous: None,
            destination: "adapty".into(),
            environment: "test".into(),
            account: "stripe:cus_1".into(),
            user: "u-1".into(),
            subject: "premium".into(),
            step: serde_json::json!({ "revoke": { "level": "premium", "refund": "yes" } }),
            because: "so".into(),
            reason: Reason::Blocked,
            state: state.into(),
            attempts: 2,
            intended_at: at(intended),
            due_at: settled.is_none().then(|| at(9)),
            settled_at: settled.map(at),
            why: (state != "confirmed").then(|| "503".into()),
        }
    }

    #[test]
    fn what_happened_is_told_in_order_and_causes_before_their_effects() {
        let lines = [line("k2", "intended", 5, None), line("k1", "confirmed", 3, Some(3))];
        let order = AuditEntry {
            id: 7,
            user: "u-1".into(),
            app: "adapty".into(),
            kind: "block".into(),
            subject: "premium".into(),
            promotion: None,
            by: "anna".into(),
            why: "fraud".into(),
            at: at(5),
        };
        let all = of(&[seen("e2", 4), seen("e1", 3)], &[order], &lines, &[]);
        let told: Vec<_> = all.iter().map(|of| (of.kind.as_str(), of.id.as_str())).collect();
        let expected = [
            ("event", "e1"),
            ("intended", "k1"),
            ("confirmed", "k1"),
            ("event", "e2"),
            ("ordered", "7"),
            ("intended", "k2"),
        ];
        assert_eq!(told, expected);
        assert_eq!(all[0].line(), "2025-06-15 15:06:43Z  event      invoice.paid `in_1`  [e1]");
        assert_eq!(all[2].what, "revoke `premium` as a refund");
        let open = "revoke `premium` as a refund: so; failed 2 times (503), sent again at 2025-06-15 15:06:49Z";
        assert_eq!(all[4].what, "block `premium` in `adapty` by anna: fraud");
        assert_eq!(all[5].what, open);
    }
}
