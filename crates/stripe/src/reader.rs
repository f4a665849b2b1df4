//! Reads everything Stripe bills to one account.

use entitlement::billing::{About, Billing};
use entitlement::failure::{Class, Failure};
use entitlement::names::{Account, Mode, User};
use entitlement::reading::{AccountReading, Identity, Scope};
use wire::upstream::Upstream;

use crate::account;
use crate::api::Api;
use crate::charge::{self, Payer};
use crate::checkout::{self, Lines, Session};
use crate::customer;
use crate::discount::Discounts;
use crate::facts::{self, FactSource};
use crate::identity::UserIdSource;
use crate::kind::Kind;
use crate::subscription;

/// A Stripe account, read with one key.
#[derive(Clone)]
pub struct Stripe {
    pub(crate) upstream: Upstream,
    mode: Option<Mode>,
    pub(crate) identity: Vec<UserIdSource>,
    asked: Asked,
}

impl std::fmt::Debug for Stripe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stripe").field("mode", &self.mode).field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// What is wanted beside what is billed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub facts: Vec<FactSource>,
    /// The country of the customer's address; that of their card is read anyway.
    pub country: bool,
    /// Which coupons and codes made payments less.
    pub discounts: bool,
}

impl Stripe {
    /// The mode of the key, where it tells.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        self.mode
    }

    /// What its requests go through.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Where the user id is looked for, the best first, as written in the settings.
    pub fn user_id_places(&self) -> impl Iterator<Item = String> {
        self.identity.iter().map(ToString::to_string)
    }

    /// A reader over `upstream` (see [`crate::api::setup`]). `mode` is that of the key, where it tells; `identity` are
    /// the places of the user id, the best first.
    #[must_use]
    pub fn new(upstream: Upstream, mode: Option<Mode>, identity: Vec<UserIdSource>) -> Self {
        Self { upstream, mode, identity, asked: Asked::default() }
    }

    /// The same, which also reads what is `asked`.
    #[must_use]
    pub fn asking(self, asked: Asked) -> Self {
        Self { asked, ..self }
    }

    /// The same for work in bulk, which may use `percent` of the rate.
    #[must_use]
    pub fn with_rate_share(&self, percent: u32) -> Self {
        Self { upstream: self.upstream.with_rate_share(percent), ..self.clone() }
    }

    /// Everything billed to `account`, a customer or the checkout session of a guest.
    ///
    /// What cannot be read or understood becomes a gap; only what makes the whole picture doubtful is an error.
    ///
    /// # Errors
    /// The failed request; `Class::Missing` when Stripe does not know the account, `Class::Permanent` when it is
    /// neither a customer nor a session (see [`Stripe::resolve`]).
    pub async fn read(&self, account: &Account, scope: Scope) -> Result<AccountReading, Failure> {
        let api = Api::new(&self.upstream, account::connect(account));
        match Kind::of_id(account.id()) {
            None | Some(Kind::Customer) => self.customer(api, account, scope).await,
            Some(Kind::CheckoutSession) => self.guest(api, account).await,
            Some(_) => {
                let what = format!("account `{account}` is neither a customer nor a checkout session");
                Err(Failure::new(Class::Permanent, what))
            }
        }
    }

    fn discounts(&self) -> Discounts {
        if self.asked.discounts { Discounts::Wanted } else { Discounts::NotWanted }
    }

    async fn customer(&self, api: Api<'_>, account: &Account, scope: Scope) -> Result<AccountReading, Failure> {
        let id = account.id();
        let sold = async {
            if scope.one_time { checkout::of_customer(api, id, Lines::Wanted).await.map(Some) } else { Ok(None) }
        };
        let wanted = self.asked.country || self.asked.facts.iter().any(FactSource::is_of_customer);
        let customer = async { if wanted { customer::if_allowed(api, id).await } else { Ok(None) } };
        let (subscriptions, payments, sold, customer) = tokio::try_join!(
            subscription::of_customer(api, account, self.discounts()),
            charge::payments(api, Payer::Customer(id)),
            sold,
            customer
        )?;
        let ((subscriptions, mut gaps), (payments, unseen)) = (subscriptions, payments);
        gaps.extend(unseen);
        let (sessions, unread) = sold.map_or((None, Vec::new()), |(sessions, unread)| (Some(sessions), unread));
        gaps.extend(unread);
        let mut known = Known { api, id, subscriptions: &subscriptions, sessions, customer };
        let (identity, contradiction) = match known.identity(&self.identity).await? {
            Named::One(identity) => (Some(identity), None),
            Named::Several(source) => (None, Some(format!("`{source}` names several users of running subscriptions"))),
            Named::Nobody => (None, None),
        };

        let on_test_clock = known.customer.as_ref().is_some_and(customer::Read::on_test_clock)
            || subscriptions.iter().any(|read| read.billing.on_test_clock);
        let sessions = known.sessions.as_deref().filter(|_| scope.one_time).unwrap_or_default();
        let (mut purchases, unread) = checkout::purchases(sessions, account, &payments, on_test_clock);
        gaps.extend(unread);
        let deleted = known.customer.as_ref().is_some_and(|customer| customer.deleted);
        let mode = self.mode_of(known.livemodes());
        let whole = gaps.iter().all(|gap| gap.about == About::MoneyBack);
        let facts = facts::read(&self.asked.facts, &subscriptions, whole, known.customer.as_ref());
        let customer = known.customer.as_ref().filter(|_| self.asked.country);
        let country = customer.and_then(customer::Read::country).and_then(customer::coded);
        let country = country.or_else(|| payments.country().map(str::to_owned));
        purchases.iter_mut().for_each(|purchase| purchase.country = country.clone().or(purchase.country.take()));
        let attached = |read: subscription::Read| {
            let mut subscription = read.billing;
            subscription.invoices.iter_mut().for_each(|invoice| payments.attach_to_invoice(invoice));
            subscription.country.clone_from(&country);
            subscription
        };
        let subscriptions = subscriptions.into_iter().map(attached).collect();
        Ok(AccountReading {
            billing: Billing { mode, subscriptions, purchases, gaps, facts },
            identity,
            contradiction,
            deleted,
        })
    }

    async fn guest(&self, api: Api<'_>, account: &Account) -> Result<AccountReading, Failure> {
        let (session, mut gaps) = checkout::by_id(api, account.id()).await?;
        let Some(session) = session else {
            let billing = Billing { gaps, ..Billing::empty(self.mode_of([])) };
            return Ok(AccountReading { billing, identity: None, contradiction: None, deleted: false });
        };
        let (payments, unseen) = match session.payment_intent.get() {
            Some(intent) => charge::payments(api, Payer::Intent(intent)).await?,
            None => Default::default(),
        };
        gaps.extend(unseen);
        let sessions = std::slice::from_ref(&session);
        let (purchases, unread) = checkout::purchases(sessions, account, &payments, false);
        gaps.extend(unread);
        let mode = self.mode_of([session.livemode]);
        let identity = self.identity.iter().find_map(|source| of_guest(source, &session));
        let billing = Billing { purchases, gaps, ..Billing::empty(mode) };
        Ok(AccountReading { billing, identity, contradiction: None, deleted: false })
    }

    /// The key's mode; that of an object which does not fit it, since nothing may be done with those.
    fn mode_of(&self, livemodes: impl IntoIterator<Item = Option<bool>>) -> Mode {
        let mut modes = livemodes.into_iter().flatten().map(Mode::of_livemode);
        match self.mode {
            Some(own) => modes.find(|mode| *mode != own).unwrap_or(own),
            None => modes.next().unwrap_or(Mode::Live),
        }
    }
}

/// What is known of a customer; sessions and the customer itself are read when a source first asks for them.
struct Known<'a> {
    api: Api<'a>,
    id: &'a str,
    subscriptions: &'a [subscription::Read],
    sessions: Option<Vec<Session>>,
    customer: Option<customer::Read>,
}

impl Known<'_> {
    async fn identity(&mut self, sources: &[UserIdSource]) -> Result<Named, Failure> {
        for source in sources {
            let found = match source {
                UserIdSource::SubscriptionMetadata(key) if several(self.subscriptions, key) => {
                    return Ok(Named::Several(source.to_string()));
                }
                UserIdSource::SubscriptionMetadata(key) => {
                    subscription::telling(self.subscriptions, |read| read.metadata.get(key).and_then(User::new))
                }
                UserIdSource::CheckoutClientReference | UserIdSource::CheckoutMetadata(_) => {
                    self.sessions().await?.iter().find_map(|session| of_session(source, session))
                }
                UserIdSource::CustomerMetadata(key) => self.customer().await?.metadata.get(key).and_then(User::new),
                UserIdSource::CustomerEmail => self.customer().await?.email.as_deref().and_then(User::new),
                UserIdSource::CustomerId => User::new(self.id),
            };
            if let Some(customer) = found {
                return Ok(Named::One(Identity { user: customer, origin: source.to_string() }));
            }
        }
        Ok(Named::Nobody)
    }

    async fn sessions(&mut self) -> Result<&[Session], Failure> {
        if self.sessions.is_none() {
            let (sessions, _) = checkout::of_customer(self.api, self.id, Lines::NotWanted).await?;
            self.sessions = Some(sessions);
        }
        Ok(self.sessions.as_deref().unwrap_or_default())
    }

    async fn customer(&mut self) -> Result<&customer::Read, Failure> {
        let read = match self.customer.take() {
            Some(read) => read,
            None => customer::by_id(self.api, self.id).await?,
        };
        Ok(self.customer.insert(read))
    }

    fn livemodes(&self) -> impl Iterator<Item = Option<bool>> {
        let of_subscriptions = self.subscriptions.iter().map(|read| read.livemode);
        let of_sessions = self.sessions.iter().flatten().map(|session| session.livemode);
        of_subscriptions.chain(of_sessions).chain(self.customer.iter().map(|customer| customer.livemode))
    }
}

/// Whom the sources name.
enum Named {
    One(Identity),
    /// The source that names several.
    Several(String),
    Nobody,
}

/// Whether running subscriptions name different users: choosing one would take the other's access.
fn several(subscriptions: &[subscription::Read], key: &str) -> bool {
    let running = subscriptions.iter().filter(|read| !subscription::has_ended(&read.billing.status));
    let mut told = running.filter_map(|read| read.metadata.get(key).and_then(User::new));
    told.next().is_some_and(|first| told.any(|other| other != first))
}

fn of_session(source: &UserIdSource, session: &Session) -> Option<User> {
    let text = match source {
        UserIdSource::CheckoutClientReference => session.client_reference_id.as_deref(),
        UserIdSource::CheckoutMetadata(key) => session.metadata.get(key),
        UserIdSource::SubscriptionMetadata(_)
        | UserIdSource::CustomerMetadata(_)
        | UserIdSource::CustomerEmail
        | UserIdSource::CustomerId => None,
    };
    text.and_then(User::new)
}

/// A guest has no customer object, but may have left an address.
fn of_guest(source: &UserIdSource, session: &Session) -> Option<Identity> {
    let customer = match source {
        UserIdSource::CustomerEmail => session.email().and_then(User::new),
        UserIdSource::SubscriptionMetadata(_)
        | UserIdSource::CheckoutClientReference
        | UserIdSource::CheckoutMetadata(_)
        | UserIdSource::CustomerMetadata(_)
        | UserIdSource::CustomerId => of_session(source, session),
    };
    Some(Identity { user: customer?, origin: source.to_string() })
}

#[cfg(test)]
mod tests;
