//! From an envelope to what the inbox keeps.

use entitlement::names::{Account, Mode};
use store::event::{Event, Outcome};
use stripe::envelope::{self, Envelope};

/// The event as it is kept, and whose bell it rings. `own` is the mode of the key, when the key tells it.
pub(crate) fn of(envelope: Envelope, own: Option<Mode>, body: Option<String>) -> Event {
    let outcome = outcome(&envelope, own);
    Event {
        id: Account::stripe(envelope.connect.as_deref(), &envelope.id).as_str().to_owned(),
        kind: envelope.kind,
        object: envelope.object,
        outcome,
        created: envelope.created,
        body,
    }
}

fn outcome(envelope: &Envelope, own: Option<Mode>) -> Outcome {
    let other = |mode: Mode| own.is_some_and(|own| own != mode);
    if envelope.mode.is_some_and(other) {
        return Outcome::OtherMode;
    }
    if !envelope::rings(&envelope.kind) {
        return Outcome::NoAccount;
    }
    envelope.account().map_or(Outcome::NoAccount, Outcome::Enqueued)
}
