//! From a source's event to what the inbox keeps.

use entitlement::model::event::SourceEvent;
use entitlement::model::mode::Mode;
use store::event::{Event, Outcome};

/// The event as it is kept, and what it makes due. `own` is the mode that counts, where it is known.
pub(crate) fn event(event: SourceEvent, own: Option<Mode>, body: Option<String>) -> Event {
    let outcome = outcome(&event, own);
    Event { id: event.id, kind: event.kind, object: event.object, outcome, created: event.created, body }
}

fn outcome(event: &SourceEvent, own: Option<Mode>) -> Outcome {
    let is_other = |mode: Mode| own.is_some_and(|own| own != mode);
    if event.mode.is_some_and(is_other) {
        return Outcome::OtherMode;
    }
    event.concerns.clone().map_or(Outcome::NoAccount, Outcome::Enqueued)
}
