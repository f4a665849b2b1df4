//! Gathers the three pictures: what is billed, what is shown, what was done.

use entitlement::billing::{About, Billing, Gap};
use entitlement::failure::Class;
use entitlement::ledger::Ledger;
use entitlement::names::{Account, Customer, Mode};
use entitlement::orders::Orders;
use entitlement::profile::Profile;
use futures_util::future::join_all;
use store::people::{Link, OPERATOR};
use stripe::reader::{Looked, Scope};

use crate::look::{App, Sync, Trouble};

/// Whom an account belongs to, and where that was learnt.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) customer: Customer,
    pub(crate) origin: String,
}

/// What was gathered of one account.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) billing: Billing,
    pub(crate) identity: Option<Identity>,
    /// Why nobody is named although the source speaks.
    pub(crate) contradiction: Option<String>,
    pub(crate) deleted: bool,
    /// Read beside the billing, when the customer was known before.
    pub(crate) early: Option<Early>,
}

/// What was read of one customer before it was known whether it is the right one.
#[derive(Debug)]
pub(crate) struct Early {
    pub(crate) customer: Customer,
    /// For each app.
    pub(crate) pictures: Vec<Result<Pictures, Trouble>>,
}

/// What an app shows and what it was told, of one customer.
#[derive(Debug)]
pub(crate) struct Pictures {
    pub(crate) profile: Profile,
    pub(crate) ledger: Ledger,
    pub(crate) orders: Orders,
}

impl Sync {
    /// Reads the account's billing, and beside it what is known of its customer already.
    pub(crate) async fn gather(&self, account: &Account, known: Option<&Customer>) -> Result<Gathered, Trouble> {
        let (looked, before, early) = tokio::join!(self.read(account), self.store.link_of(account), async {
            match (known, self.mode) {
                (Some(customer), Some(mode)) => Some(self.early(customer, mode).await),
                (None, _) | (_, None) => None,
            }
        });
        let (looked, before) = (looked?, before?);
        let identity = identity(&looked, before.as_ref());
        // what was read of somebody else by now is of no use, and neither is its failure
        let early = early.filter(|_| identity.as_ref().map(|identity| &identity.customer) == known);
        let Looked { billing, contradiction, deleted, .. } = looked;
        Ok(Gathered { billing, identity, contradiction, deleted, early })
    }

    async fn read(&self, account: &Account) -> Result<Looked, Trouble> {
        if account.is_of_user() {
            return Ok(Looked::nothing(self.mode.unwrap_or(Mode::Live)));
        }
        let scope = Scope { sells_once: self.sells_once() };
        Ok(self.stripe.look(account, scope).await?)
    }

    async fn early(&self, customer: &Customer, mode: Mode) -> Early {
        let pictures = join_all(self.apps.iter().map(|app| self.shown_and_told(app, customer, mode))).await;
        Early { customer: customer.clone(), pictures }
    }

    pub(crate) async fn shown_and_told(&self, app: &App, customer: &Customer, mode: Mode) -> Result<Pictures, Trouble> {
        let (profile, ledger, orders) = tokio::join!(
            app.adapty.profile(customer),
            self.store.ledger(customer, app.name(), mode),
            self.store.orders(customer, app.name())
        );
        Ok(Pictures { profile: profile?, ledger: ledger?, orders: orders? })
    }

    /// Adds what the customer's other accounts are billed, in the order of their names, so that it makes no difference
    /// which of them is looked at.
    pub(crate) async fn with_other_accounts(
        &self,
        billing: Billing,
        account: &Account,
        customer: &Customer,
    ) -> Result<Billing, Trouble> {
        // that of the account, unless nothing is ever billed to it
        let mode = if account.is_of_user() { self.mode } else { Some(billing.mode) };
        let mut gaps = Vec::new();
        let mut all = vec![(account.clone(), billing)];
        for other in self.store.accounts_of(customer).await?.into_iter().filter(|other| other != account) {
            match self.read(&other).await {
                Ok(looked) => all.push((other, looked.billing)),
                Err(Trouble::Upstream(failure)) if matches!(failure.class, Class::Missing | Class::Permanent) => {
                    // what it gave is held; what this account pays for goes on
                    let about = About::Chain(other.as_str().to_owned());
                    gaps.push(Gap { about, what: format!("`{other}`: {failure}") });
                }
                Err(trouble) => return Err(trouble),
            }
        }
        all.sort_by(|(one, _), (another, _)| one.cmp(another));
        let is_unknown = gaps.is_empty() && all.iter().all(|(account, _)| account.is_of_user());
        let mut billings = all.into_iter().map(|(_, billing)| billing);
        let mut merged = billings.next().unwrap_or_else(|| Billing::empty(Mode::Live));
        billings.for_each(|billing| merged.merge(billing));
        merged.mode = mode.unwrap_or(merged.mode);
        if !gaps.is_empty() {
            // what stands nowhere may stand where nobody could look
            merged.facts.retain(|_, fact| !fact.0.is_empty());
        }
        if is_unknown {
            // of whom no account is left, nothing is said any more
            merged.facts = self.nothing_said();
        }
        merged.gaps.extend(gaps);
        Ok(merged)
    }
}

/// The operator's word wins; then what the source says now; then what it said before.
fn identity(looked: &Looked, before: Option<&Link>) -> Option<Identity> {
    let kept = || before.map(|link| Identity { customer: link.customer.clone(), origin: link.origin.clone() });
    if before.is_some_and(|link| link.origin == OPERATOR) {
        return kept();
    }
    let read = looked.identity.as_ref();
    read.map(|found| Identity { customer: found.customer.clone(), origin: found.origin.clone() }).or_else(kept)
}
