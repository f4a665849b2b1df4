//! Whether what is shown, what was told and what is wanted are the same.

use crate::plan::{GrantAccess, Refunded, Sale, Step, Until};
use crate::profile::ActualLevel;

/// Whether what is shown of the step's level, as far as it runs, is what the step asks for.
#[must_use]
pub fn arrived(shown: Option<&ActualLevel>, step: &Step) -> bool {
    match step {
        Step::GrantAccess(grant) => shown.is_some_and(|shown| shows(shown, grant)),
        Step::RevokeAccess(_) => shown.is_none(),
        // nothing of it shows among the levels
        Step::SetAttributes(_) | Step::ReportSale(_) => true,
    }
}

/// Whether what is shown of a level is left for a revoke to take, once the books know what became of `told`: something
/// else may have come to light behind it, and is not ours to take.
#[must_use]
pub fn is_left(shown: Option<&ActualLevel>, told: &Refunded) -> bool {
    shown.is_some_and(|shown| shown.runs(told.at) && same_chain(shown, &told.grant))
}

/// Whether two steps ask for the same; when a refund was learnt of makes no difference.
pub(crate) fn is_alike(one: &Step, other: &Step) -> bool {
    match (one, other) {
        (Step::RevokeAccess(one), Step::RevokeAccess(other)) => {
            (&one.level, one.refund) == (&other.level, other.refund)
        }
        (Step::GrantAccess(one), Step::GrantAccess(other)) => {
            GrantAccess { refunded: None, ..one.clone() } == GrantAccess { refunded: None, ..other.clone() }
        }
        _ => one == other,
    }
}

/// Whether `step` told all that `grant` tells. What only one of the two ways of telling knows does not count, so that
/// another way sends nothing again.
pub(crate) fn tells(step: &Step, grant: &GrantAccess) -> bool {
    let Step::GrantAccess(told) = step else { return false };
    if grant.refunded.is_some() {
        return false;
    }
    let access = |grant: &GrantAccess| (grant.level.clone(), grant.until, grant.starts_at);
    // who was given a level and then pays for it, paid: that is news
    if told.sale.is_promotion() && !grant.sale.is_promotion() {
        return false;
    }
    if told.is_bare() || grant.is_bare() {
        return access(told) == access(grant);
    }
    // what was told with it is no news
    let told = &GrantAccess { refunded: None, ..told.clone() };
    let sale = as_heard(grant.sale.clone(), &told.sale);
    let grant = &GrantAccess { sale: at_known_price(sale, &told.sale), ..grant.clone() };
    let (before, now) = (&told.sale.status, &grant.sale.status);
    match before.is_some() == now.is_some() {
        true => told == grant,
        false => {
            let sale = Sale { status: before.clone(), ..grant.sale.clone() };
            *told == GrantAccess { sale, ..grant.clone() }
        }
    }
}

/// `grant` with the ids that `step` told its transaction under, where another way of telling gave it those.
pub(crate) fn as_told(mut grant: GrantAccess, step: &Step) -> GrantAccess {
    match step {
        Step::GrantAccess(told) if !told.is_bare() && !grant.is_bare() && grant.sale.status.is_none() => {
            grant.sale.status.clone_from(&told.sale.status);
        }
        Step::GrantAccess(_) | Step::RevokeAccess(_) | Step::SetAttributes(_) | Step::ReportSale(_) => {}
    }
    grant
}

/// Whether `told` says all of `now` that books are told; what another way of telling told counts.
pub(crate) fn sold_alike(told: &Sale, now: &Sale) -> bool {
    if told.status.is_none() || now.status.is_none() {
        return told.id == now.id;
    }
    *told == Sale { price: told.price.clone(), ..as_heard(now.clone(), told) }
}

/// `now` with what is no news after `told`: a country that is not known any more, and of the same sale its offer, its
/// paywall, and why it was stopped. Whatever else makes news tells these too.
fn as_heard(mut now: Sale, told: &Sale) -> Sale {
    let is_same = is_same_sale(&now, told);
    if is_same {
        now.offer.clone_from(&told.offer);
    }
    let (Some(status), Some(before)) = (&mut now.status, &told.status) else { return now };
    status.country = status.country.take().or_else(|| before.country.clone());
    if is_same {
        status.variation.clone_from(&before.variation);
    }
    if is_same && status.stopped_at == before.stopped_at {
        status.stop = before.stop;
    }
    now
}

/// `now` at the price that was told before of the same sale: money is told once.
fn at_known_price(mut now: Sale, told: &Sale) -> Sale {
    if is_same_sale(&now, told) && now.price.is_some() {
        now.price = told.price.clone().or(now.price);
    }
    now
}

fn is_same_sale(one: &Sale, other: &Sale) -> bool {
    (&one.id, &one.product) == (&other.id, &other.product)
}

/// Whether `shown` is what `grant` asks for, to the second.
pub(crate) fn shows(shown: &ActualLevel, grant: &GrantAccess) -> bool {
    let bare = grant.is_bare() || shown.is_bare();
    same_end(shown, grant) && (bare || shown.transaction_id.as_ref().is_none_or(|id| grant.sale.is_shown_as(id)))
}

fn same_end(shown: &ActualLevel, grant: &GrantAccess) -> bool {
    match (shown.until, grant.until) {
        (Until::At(shown), Until::At(granted)) => shown.timestamp() == granted.timestamp(),
        (Until::Lifetime, Until::Lifetime) => true,
        (Until::At(_), Until::Lifetime) | (Until::Lifetime, Until::At(_)) => false,
    }
}

/// Whether `shown` is carried by a transaction of the chain of `grant`.
pub(crate) fn same_chain(shown: &ActualLevel, grant: &GrantAccess) -> bool {
    if shown.is_bare() {
        // where a product does not bring its level, that is granted beside the transaction; another's gift ends elsewhere
        return same_end(shown, grant) && (grant.is_bare() || grant.sale.status.is_some());
    }
    match (&shown.original_transaction_id, &shown.transaction_id) {
        (Some(original), _) => grant.sale.is_of_chain(original),
        (None, Some(id)) => grant.sale.is_shown_as(id) || grant.sale.is_of_chain(id),
        (None, None) => !grant.is_bare() && shown.store.as_ref() == Some(&grant.store),
    }
}
