//! Reads the subscriptions of a customer, with items and invoices.

mod object;

use entitlement::model::account::Account;
use entitlement::model::billing::{self, About, Gap, Item, Status};
use entitlement::model::clock::Timestamp;
use entitlement::model::failure::{Failure, brief};
use futures_util::future::try_join_all;
use stripe_billing::subscription::{ListSubscription, ListSubscriptionStatus};
use stripe_billing::subscription_item::ListSubscriptionItem;
use stripe_client_core::StripeRequest;

use self::object::SubscriptionObject;
use crate::api::Api;
use crate::discount::Discounts;
use crate::invoice;
use crate::invoice::payment::AwaitedPayment;
use crate::partial::{Partial, ReadError};
use crate::shape::{List, Metadata, Object, id_of, read};

/// A subscription in the words of the core, and what else it says.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) billing: billing::Subscription,
    pub(crate) metadata: Metadata,
    pub(crate) livemode: Option<bool>,
    /// The payment that its latest invoice waits for, while it could still give something.
    pub(crate) awaited: Option<AwaitedPayment>,
}

/// All subscriptions of the customer, ended ones too; one that cannot be read leaves a gap.
pub(crate) async fn of_customer(
    api: Api<'_>,
    account: &Account,
    discounts: Discounts,
) -> Result<Partial<Vec<Subscription>>, Failure> {
    let (list, discounts) = match list(api, account, discounts).await {
        // a key that may not read coupons may read the rest, and no access hangs on them
        Err(failure) if discounts == Discounts::Wanted && failure.status == Some(403) => {
            (list(api, account, Discounts::NotWanted).await?, Discounts::NotWanted)
        }
        list => (list?, discounts),
    };
    let mut subscriptions = Partial::default();
    for read in try_join_all(list.data.iter().map(|object| one(api, account, object, discounts))).await? {
        subscriptions.add(read);
    }
    Ok(subscriptions)
}

/// Canceled ones are listed only for `status=all` (<https://docs.stripe.com/api/subscriptions/list>).
async fn list(api: Api<'_>, account: &Account, discounts: Discounts) -> Result<List, Failure> {
    let expanded = match discounts {
        Discounts::Wanted => "data.latest_invoice.discounts",
        Discounts::NotWanted => "data.latest_invoice",
    };
    let request = |after: Option<String>| {
        let list = ListSubscription::new().customer(account.id()).status(ListSubscriptionStatus::All).limit(100);
        let list = list.expand(vec![expanded.to_owned()]);
        after.into_iter().fold(list, ListSubscription::starting_after).build()
    };
    api.all(&format!("subscriptions of `{}`", account.id()), request).await
}

async fn one(
    api: Api<'_>,
    account: &Account,
    object: &Object,
    discounts: Discounts,
) -> Result<Result<Subscription, Gap>, Failure> {
    let Some(id) = id_of(object) else {
        return Ok(Err(Gap { about: About::Everything, what: "a subscription without `id`".to_owned() }));
    };
    match whole(api, account, object, discounts).await {
        Ok(subscription) => Ok(Ok(subscription)),
        Err(ReadError::Unreadable(why)) => {
            Ok(Err(Gap { what: brief(format!("subscription `{id}`: {why}")), about: About::Chain(id) }))
        }
        Err(ReadError::Failed(failure)) => Err(failure),
    }
}

/// With what the subscription does not carry itself.
async fn whole(
    api: Api<'_>,
    account: &Account,
    object: &Object,
    discounts: Discounts,
) -> Result<Subscription, ReadError> {
    let mut object: SubscriptionObject = read(object)?;
    let id = object.id.clone();
    let request = |after: Option<String>| {
        let list = ListSubscriptionItem::new(id.as_str()).limit(100);
        after.into_iter().fold(list, ListSubscriptionItem::starting_after).build()
    };
    object.items = api.rest(&format!("items of subscription `{id}`"), object.items, request).await?;
    let items = object.items()?;
    let (invoices, awaited) = invoices(api, &object, &items, discounts).await?;
    let awaited = awaited.filter(|_| !has_ended(&object.status()));
    Ok(Subscription { awaited, ..object.into_subscription(account, items, invoices)? })
}

/// The latest invoice, and the payment that it waits for; when it does not say what was last paid, the former ones too.
async fn invoices(
    api: Api<'_>,
    object: &SubscriptionObject,
    items: &[Item],
    discounts: Discounts,
) -> Result<(Vec<billing::Invoice>, Option<AwaitedPayment>), ReadError> {
    let Some(latest) = &object.latest_invoice else { return Ok((Vec::new(), None)) };
    let collection = object.collection();
    let invoice::Latest { invoice, awaited } = invoice::latest(api, latest, collection).await?;
    let mut invoices = vec![invoice];
    // its first invoice was never paid, so there is nothing before it
    let never_began = object.status() == Status::IncompleteExpired;
    if !never_began && !invoice::covers(&invoices, items) {
        let subscription = invoice::Former { subscription: &object.id, items, collection };
        let former = invoice::former(api, subscription, &invoices[0], discounts).await?;
        invoices.extend(former);
    }
    Ok((invoices, awaited))
}

/// What `find` finds in the newest subscription that has it; one that runs comes before one that ended.
pub(crate) fn newest<'a, T>(
    subscriptions: &'a [Subscription],
    find: impl Fn(&'a Subscription) -> Option<T>,
) -> Option<T> {
    let having = subscriptions.iter().filter_map(|subscription| Some((rank(subscription), find(subscription)?)));
    having.max_by(|one, other| one.0.cmp(&other.0)).map(|(_, found)| found)
}

fn rank(subscription: &Subscription) -> (bool, Timestamp, &str) {
    let billing = &subscription.billing;
    (!has_ended(&billing.status), billing.created, &billing.id)
}

/// One that was never paid says no more than one that is over.
pub(crate) fn has_ended(status: &Status) -> bool {
    match status {
        Status::Canceled | Status::IncompleteExpired | Status::Incomplete => true,
        Status::Trialing | Status::Active | Status::PastDue | Status::Unpaid | Status::Paused | Status::Unknown(_) => {
            false
        }
    }
}
