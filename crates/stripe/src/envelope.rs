//! Reads the few fields of an event that say which account it makes due.
//!
//! Snapshot events (`object: "event"`, with `data.object`) and thin events (`object: "v2.core.event"`, with
//! `related_object`) of any API version (<https://docs.stripe.com/event-destinations>). The object in the event is not
//! believed, only named: its state is read back later.

use entitlement::model::account::Account;
use entitlement::model::clock::Timestamp;
use entitlement::model::event::{NoEvent, SourceEvent};
use entitlement::model::mode::Mode;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::account;
use crate::kind::Kind;
use crate::lenient::{Moment, Named};

/// An event, as far as it matters to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// `evt_…`
    pub id: String,
    /// The type as sent, for example `invoice.paid` or `v1.invoice.paid`.
    pub kind: String,
    pub created: Timestamp,
    /// From `livemode`; a thin event may say nothing.
    pub mode: Option<Mode>,
    /// The connected account (`acct_…`) it happened in.
    pub connect: Option<String>,
    /// The id of the object it is about.
    pub object: Option<String>,
    pub subject: Subject,
}

/// Whom an event concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The customer, or the session of a guest, stands in the event.
    Account(Account),
    /// Only an object that leads to one does.
    Via(Via),
    /// No customer at all, for example `price.updated`.
    Nobody,
}

/// An object through which the account is found (see [`crate::resolve`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// The object's id, for example `in_…`.
    pub object: String,
}

impl Envelope {
    /// The event in our words.
    #[must_use]
    pub fn into_event(self) -> SourceEvent {
        let concerns = self.account().filter(|_| changes_access(&self.kind));
        SourceEvent {
            id: account::of(self.connect.as_deref(), &self.id).as_str().to_owned(),
            kind: self.kind,
            created: self.created,
            mode: self.mode,
            object: self.object,
            concerns,
        }
    }

    /// What the worklist is to hold: the account itself, or the object that leads to it in its place.
    #[must_use]
    pub fn account(&self) -> Option<Account> {
        match &self.subject {
            Subject::Account(account) => Some(account.clone()),
            Subject::Via(via) => Some(account::of(self.connect.as_deref(), &via.object)),
            Subject::Nobody => None,
        }
    }
}

/// Whether an event of this type may change somebody's access.
///
/// All may, even of types newer than this program: a sync too many costs a few reads, one too few costs a customer. Left
/// out are only those after which nothing can be expected that was not before.
#[must_use]
pub fn changes_access(kind: &str) -> bool {
    !matches!(kind.strip_prefix("v1.").unwrap_or(kind), "customer.created" | "checkout.session.expired")
}

/// Reads the envelope of a verified body.
///
/// # Errors
/// When the body is no JSON object, or none that is an event.
pub fn read(body: &[u8]) -> Result<Envelope, NoEvent> {
    let text = std::str::from_utf8(body).map_err(|_| NoEvent::NotJsonObject)?;
    if !text.trim_start().starts_with('{') {
        return Err(NoEvent::NotJsonObject);
    }
    match serde_json::from_str::<Event<'_>>(text) {
        Ok(event) => event.envelope(),
        Err(_) if serde_json::from_str::<IgnoredAny>(text).is_err() => Err(NoEvent::NotJsonObject),
        Err(_) => Err(NoEvent::Unreadable("a field has another shape than an event's")),
    }
}

/// The wire's words; borrowed from the body, everything else skipped.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    id: Named<'a>,
    #[serde(borrow, default)]
    object: Named<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Named<'a>,
    #[serde(default)]
    created: Moment,
    #[serde(default)]
    livemode: Option<bool>,
    #[serde(borrow, default)]
    account: Named<'a>,
    #[serde(borrow, default)]
    context: Named<'a>,
    #[serde(borrow, default)]
    data: Option<Data<'a>>,
    #[serde(borrow, default)]
    related_object: Option<Related<'a>>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    object: Option<Object<'a>>,
}

/// `data.object`, whatever it is; references are ids or expanded objects.
#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow, default)]
    id: Named<'a>,
    #[serde(borrow, default)]
    object: Named<'a>,
    #[serde(borrow, default)]
    mode: Named<'a>,
    #[serde(borrow, default)]
    customer: Named<'a>,
    #[serde(borrow, default)]
    subscription: Named<'a>,
    #[serde(borrow, default)]
    invoice: Named<'a>,
    #[serde(borrow, default)]
    charge: Named<'a>,
    #[serde(borrow, default)]
    payment_intent: Named<'a>,
}

#[derive(Deserialize)]
struct Related<'a> {
    #[serde(borrow, default)]
    id: Named<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Named<'a>,
}

impl Event<'_> {
    fn envelope(self) -> Result<Envelope, NoEvent> {
        let unreadable = NoEvent::Unreadable;
        if self.object.get().is_some_and(|object| object != "event" && !object.starts_with("v2.core.event")) {
            return Err(unreadable("`object` is neither `event` nor `v2.core.event`"));
        }
        let connect = self.connect();
        Ok(Envelope {
            id: self.id.get().ok_or(unreadable("missing `id`"))?.to_owned(),
            kind: self.kind.get().ok_or(unreadable("missing `type`"))?.to_owned(),
            created: self.created.0.ok_or(unreadable("missing `created`"))?,
            mode: self.livemode.map(Mode::of_livemode),
            object: self.about().map(str::to_owned),
            subject: self.subject(connect.as_deref()),
            connect,
        })
    }

    /// `account`, or the last part of `context`, when it names a connected account.
    fn connect(&self) -> Option<String> {
        let named = self.account.get().or_else(|| self.context.get())?;
        let last = named.rsplit('/').next()?;
        last.starts_with("acct_").then(|| last.to_owned())
    }

    fn snapshot(&self) -> Option<&Object<'_>> {
        self.data.as_ref()?.object.as_ref()
    }

    fn about(&self) -> Option<&str> {
        let snapshot = self.snapshot().and_then(|object| object.id.get());
        snapshot.or_else(|| self.related_object.as_ref()?.id.get())
    }

    fn subject(&self, connect: Option<&str>) -> Subject {
        if let Some(object) = self.snapshot() {
            return object.subject(connect);
        }
        match &self.related_object {
            Some(related) => related.subject(connect),
            None => Subject::Nobody,
        }
    }
}

impl Object<'_> {
    fn subject(&self, connect: Option<&str>) -> Subject {
        if let Some(customer) = self.customer.get() {
            return Subject::Account(account::of(connect, customer));
        }
        let named = kind(&self.object, &self.id);
        let via = match (named, self.id.get()) {
            (Some(Kind::Customer), Some(id)) => return Subject::Account(account::of(connect, id)),
            (Some(Kind::CheckoutSession), Some(id)) => return self.session(connect, id),
            // many refunds of one charge, payments of one invoice: one account becomes due
            (Some(Kind::Refund | Kind::Dispute), own) => {
                self.charge.get().or_else(|| self.payment_intent.get()).or(own)
            }
            (Some(Kind::InvoicePayment | Kind::CreditNote), own) => self.invoice.get().or(own),
            (Some(Kind::SubscriptionItem), own) => self.subscription.get().or(own),
            (Some(Kind::Invoice | Kind::Charge | Kind::PaymentIntent | Kind::Subscription), own) => own,
            (Some(Kind::Customer | Kind::CheckoutSession), None) | (None, _) => None,
        };
        via.map_or(Subject::Nobody, |object| Subject::Via(Via { object: object.to_owned() }))
    }

    /// A session without a customer: what a guest bought, or nothing.
    fn session(&self, connect: Option<&str>, id: &str) -> Subject {
        match (self.mode.get(), self.subscription.get()) {
            (_, Some(subscription)) => Subject::Via(Via { object: subscription.to_owned() }),
            (Some("setup" | "subscription"), None) => Subject::Nobody,
            (_, None) => Subject::Account(account::of(connect, id)),
        }
    }
}

impl Related<'_> {
    fn subject(&self, connect: Option<&str>) -> Subject {
        let Some(id) = self.id.get() else { return Subject::Nobody };
        match kind(&self.kind, &self.id) {
            Some(Kind::Customer) => Subject::Account(account::of(connect, id)),
            Some(_) => Subject::Via(Via { object: id.to_owned() }),
            None => Subject::Nobody,
        }
    }
}

/// By the object's name; by its id where it has none.
fn kind(name: &Named<'_>, id: &Named<'_>) -> Option<Kind> {
    match name.get() {
        Some(name) => Kind::of_object(name),
        None => id.get().and_then(Kind::of_id),
    }
}

#[cfg(test)]
mod tests;
