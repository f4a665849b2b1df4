//! Subscriptions of a customer, with items and invoices.

use entitlement::billing::{self, About, Collection, Gap, Item, Period, Status, Stop};
use entitlement::failure::{Failure, brief};
use entitlement::names::Account;
use futures_util::future::try_join_all;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use stripe_billing::subscription::{ListSubscription, ListSubscriptionStatus};
use stripe_billing::subscription_item::ListSubscriptionItem;
use stripe_client_core::StripeRequest;

use crate::api::Api;
use crate::discount::Discounts;
use crate::invoice;
use crate::shape::{Expandable, List, Metadata, Object, Price, Seconds, id_of, named, read};

/// A subscription, and what else it says.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) billing: billing::Subscription,
    pub(crate) metadata: Metadata,
    pub(crate) livemode: Option<bool>,
}

/// What `told` finds: a running subscription tells before an ended one, then the newer before the older.
pub(crate) fn telling<T>(subscriptions: &[Read], told: impl Fn(&Read) -> Option<T>) -> Option<T> {
    let rank = |read: &Read| (!has_ended(&read.billing.status), read.billing.created);
    let telling = subscriptions.iter().filter_map(|read| Some(((rank(read), &read.billing.id), told(read)?)));
    telling.max_by(|one, other| one.0.cmp(&other.0)).map(|(_, told)| told)
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

/// All subscriptions of the customer, ended ones too; one that cannot be read leaves a gap.
pub(crate) async fn of_customer(
    api: Api<'_>,
    account: &Account,
    discounts: Discounts,
) -> Result<(Vec<Read>, Vec<Gap>), Failure> {
    let (list, discounts) = match list(api, account, discounts).await {
        // a key that may not read coupons may read the rest, and no access hangs on them
        Err(failure) if discounts == Discounts::Wanted && failure.status == Some(403) => {
            (list(api, account, Discounts::NotWanted).await?, Discounts::NotWanted)
        }
        list => (list?, discounts),
    };
    let (mut subscriptions, mut gaps) = (Vec::new(), Vec::new());
    for outcome in try_join_all(list.data.iter().map(|object| one(api, account, object, discounts))).await? {
        match outcome {
            Ok(subscription) => subscriptions.push(subscription),
            Err(gap) => gaps.push(gap),
        }
    }
    Ok((subscriptions, gaps))
}

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
) -> Result<Result<Read, Gap>, Failure> {
    let written: Written = match read(object) {
        Ok(written) => written,
        Err(why) => return Ok(Err(id_of(object).map_or_else(without_id, |id| gap(id, &why)))),
    };
    let id = written.id.clone();
    if id.is_empty() {
        return Ok(Err(without_id()));
    }
    Ok(whole(api, account, written, discounts).await?.map_err(|why| gap(id, &why)))
}

fn gap(id: String, why: &str) -> Gap {
    Gap { what: brief(format!("subscription `{id}`: {why}")), about: About::Chain(id) }
}

fn without_id() -> Gap {
    Gap { about: About::Everything, what: "a subscription without `id`".to_owned() }
}

/// Adds what the subscription does not carry itself. Inner error: what cannot be read, in words.
async fn whole(
    api: Api<'_>,
    account: &Account,
    mut written: Written,
    discounts: Discounts,
) -> Result<Result<Read, String>, Failure> {
    let id = written.id.clone();
    let request = |after: Option<String>| {
        let list = ListSubscriptionItem::new(id.as_str()).limit(100);
        after.into_iter().fold(list, ListSubscriptionItem::starting_after).build()
    };
    written.items = api.rest(&format!("items of subscription `{id}`"), written.items, request).await?;
    let items = match written.items() {
        Ok(items) => items,
        Err(why) => return Ok(Err(why)),
    };
    let invoices = match invoices(api, &written, &items, discounts).await? {
        Ok(invoices) => invoices,
        Err(why) => return Ok(Err(why)),
    };
    Ok(written.billing(account, items, invoices))
}

/// The latest invoice; when it does not say what was last paid, the former ones too.
async fn invoices(
    api: Api<'_>,
    written: &Written,
    items: &[Item],
    discounts: Discounts,
) -> Result<Result<Vec<billing::Invoice>, String>, Failure> {
    let Some(latest) = &written.latest_invoice else { return Ok(Ok(Vec::new())) };
    let mut invoices = match invoice::latest(api, latest).await? {
        Ok(latest) => vec![latest],
        Err(why) => return Ok(Err(why)),
    };
    // its first invoice was never paid, so there is nothing before it
    let never_began = written.status() == Status::IncompleteExpired;
    if !never_began && !invoice::covers(&invoices, items) {
        match invoice::former(api, &written.id, &invoices[0], items, discounts).await? {
            Ok(former) => invoices.extend(former),
            Err(why) => return Ok(Err(why)),
        }
    }
    Ok(Ok(invoices))
}

/// A subscription as Stripe writes it. `pending_update` is left out: until it is applied the old items are in force.
#[derive(Clone, Debug, Deserialize)]
struct Written {
    id: String,
    status: String,
    created: Seconds,
    items: List,
    #[serde(default)]
    start_date: Option<Seconds>,
    #[serde(default)]
    trial_start: Option<Seconds>,
    #[serde(default)]
    trial_end: Option<Seconds>,
    #[serde(default)]
    cancel_at_period_end: Option<bool>,
    #[serde(default)]
    cancel_at: Option<Seconds>,
    #[serde(default)]
    ended_at: Option<Seconds>,
    #[serde(default)]
    canceled_at: Option<Seconds>,
    /// Read from what may stand there, since no access hangs on it.
    #[serde(default)]
    cancellation_details: Value,
    #[serde(default)]
    currency: Option<String>,
    #[serde(default)]
    collection_method: Option<String>,
    #[serde(default)]
    pause_collection: Option<IgnoredAny>,
    #[serde(default)]
    latest_invoice: Option<Object>,
    #[serde(default)]
    test_clock: Option<IgnoredAny>,
    #[serde(default)]
    livemode: Option<bool>,
    #[serde(default)]
    metadata: Metadata,
    /// Of old versions; now on each item.
    #[serde(default)]
    current_period_start: Option<Seconds>,
    /// Of old versions; now on each item.
    #[serde(default)]
    current_period_end: Option<Seconds>,
}

#[derive(Clone, Debug, Deserialize)]
struct WrittenItem {
    id: String,
    #[serde(default)]
    price: Option<Expandable<Price>>,
    /// Of old versions.
    #[serde(default)]
    plan: Option<Expandable<Price>>,
    /// Absent where usage is metered.
    #[serde(default)]
    quantity: Option<i64>,
    #[serde(default)]
    current_period_start: Option<Seconds>,
    #[serde(default)]
    current_period_end: Option<Seconds>,
}

impl Written {
    fn status(&self) -> Status {
        match self.status.as_str() {
            "incomplete" => Status::Incomplete,
            "incomplete_expired" => Status::IncompleteExpired,
            "trialing" => Status::Trialing,
            "active" => Status::Active,
            "past_due" => Status::PastDue,
            "unpaid" => Status::Unpaid,
            "canceled" => Status::Canceled,
            "paused" => Status::Paused,
            other => Status::Unknown(other.to_owned()),
        }
    }

    fn stop(&self) -> Option<Stop> {
        Some(match self.cancellation_details.get("reason")?.as_str()? {
            "cancellation_requested" => Stop::Asked,
            "payment_failed" => Stop::PaymentFailed,
            "payment_disputed" => Stop::PaymentDisputed,
            _ => Stop::Unknown,
        })
    }

    fn items(&self) -> Result<Vec<Item>, String> {
        let one = |object: &Object| {
            let item = read::<WrittenItem>(object).and_then(|item| self.item(item));
            item.map_err(|why| format!("item `{}`: {why}", named(object)))
        };
        self.items.data.iter().map(one).collect()
    }

    fn item(&self, item: WrittenItem) -> Result<Item, String> {
        let missing = |field: &str| format!("missing field `{field}`");
        let price = item.price.as_ref().or(item.plan.as_ref()).ok_or_else(|| missing("price"))?;
        let start = item.current_period_start.or(self.current_period_start);
        let end = item.current_period_end.or(self.current_period_end);
        Ok(Item {
            price: price.id().ok_or_else(|| missing("price.id"))?.to_owned(),
            product: price.product().ok_or_else(|| missing("price.product"))?.to_owned(),
            quantity: item.quantity.map_or(1, |quantity| u64::try_from(quantity).unwrap_or(0)),
            period: Period {
                start: start.ok_or_else(|| missing("current_period_start"))?.0,
                end: end.ok_or_else(|| missing("current_period_end"))?.0,
            },
            id: item.id,
        })
    }

    /// Its own, or before it had one, that of its first price.
    fn currency(&self) -> Result<String, String> {
        let of_price = || {
            let item: WrittenItem = read(self.items.data.first()?).ok()?;
            item.price.or(item.plan)?.currency().map(str::to_owned)
        };
        let currency = self.currency.clone().or_else(of_price).ok_or("missing field `currency`")?;
        Ok(currency.to_ascii_lowercase())
    }

    fn billing(self, account: &Account, items: Vec<Item>, invoices: Vec<billing::Invoice>) -> Result<Read, String> {
        let period = |(start, end): (Seconds, Seconds)| Period { start: start.0, end: end.0 };
        let sent = self.collection_method.as_deref() == Some("send_invoice");
        let billing = billing::Subscription {
            account: account.clone(),
            status: self.status(),
            created: self.created.0,
            started: self.start_date.map(|at| at.0),
            trial: self.trial_start.zip(self.trial_end).map(period),
            stops_at_period_end: self.cancel_at_period_end.unwrap_or(false),
            cancel_at: self.cancel_at.map(|at| at.0),
            canceled_at: self.canceled_at.map(|at| at.0),
            stop: self.stop(),
            ended_at: self.ended_at.map(|at| at.0),
            country: None,
            variation: self.metadata.variation(),
            currency: self.currency()?,
            collection: if sent { Collection::SendInvoice } else { Collection::Automatic },
            collection_paused: self.pause_collection.is_some(),
            items,
            invoices,
            on_test_clock: self.test_clock.is_some(),
            id: self.id,
        };
        Ok(Read { billing, metadata: self.metadata, livemode: self.livemode })
    }
}
