//! Whether what is shown, what was told and what is wanted are the same.

use crate::plan::{Grant, Refunded, Step, Transaction, Until};
use crate::profile::Shown;

/// Whether what is shown of the step's level, as far as it runs, is what the step asks for.
#[must_use]
pub fn arrived(shown: Option<&Shown>, step: &Step) -> bool {
    match step {
        Step::Grant(grant) => shown.is_some_and(|shown| shows(shown, grant)),
        Step::Revoke(_) => shown.is_none(),
        // nothing of it shows among the levels
        Step::Describe(_) | Step::Report(_) => true,
    }
}

/// Whether what is shown of a level is left for a revoke to take, once the books know what became of `told`: something
/// else may have come to light behind it, and is not ours to take.
#[must_use]
pub fn is_left(shown: Option<&Shown>, told: &Refunded) -> bool {
    shown.is_some_and(|shown| shown.runs(told.at) && same_chain(shown, &told.grant))
}

/// Whether two steps ask for the same; when a refund was learnt of makes no difference.
pub(crate) fn is_alike(one: &Step, other: &Step) -> bool {
    match (one, other) {
        (Step::Revoke(one), Step::Revoke(other)) => (&one.level, one.refund) == (&other.level, other.refund),
        (Step::Grant(one), Step::Grant(other)) => {
            Grant { refunded: None, ..one.clone() } == Grant { refunded: None, ..other.clone() }
        }
        _ => one == other,
    }
}

/// Whether `step` told all that `grant` tells. What only one of the two ways of telling knows does not count, so that
/// another way sends nothing again.
pub(crate) fn tells(step: &Step, grant: &Grant) -> bool {
    let Step::Grant(told) = step else { return false };
    if grant.refunded.is_some() {
        return false;
    }
    let access = |grant: &Grant| (grant.level.clone(), grant.until, grant.starts_at);
    // who was given a level and then pays for it, paid: that is news
    if told.transaction.is_promotion() && !grant.transaction.is_promotion() {
        return false;
    }
    if told.is_bare() || grant.is_bare() {
        return access(told) == access(grant);
    }
    // what was told with it is no news
    let told = &Grant { refunded: None, ..told.clone() };
    let transaction = as_heard(grant.transaction.clone(), &told.transaction);
    let grant = &Grant { transaction: at_known_price(transaction, &told.transaction), ..grant.clone() };
    let (before, now) = (&told.transaction.standing, &grant.transaction.standing);
    match before.is_some() == now.is_some() {
        true => told == grant,
        false => {
            let transaction = Transaction { standing: before.clone(), ..grant.transaction.clone() };
            *told == Grant { transaction, ..grant.clone() }
        }
    }
}

/// `grant` with the ids that `step` told its transaction under, where another way of telling gave it those.
pub(crate) fn as_told(mut grant: Grant, step: &Step) -> Grant {
    match step {
        Step::Grant(told) if !told.is_bare() && !grant.is_bare() && grant.transaction.standing.is_none() => {
            grant.transaction.standing.clone_from(&told.transaction.standing);
        }
        Step::Grant(_) | Step::Revoke(_) | Step::Describe(_) | Step::Report(_) => {}
    }
    grant
}

/// Whether `told` says all of `now` that books are told; what another way of telling told counts.
pub(crate) fn sold_alike(told: &Transaction, now: &Transaction) -> bool {
    if told.standing.is_none() || now.standing.is_none() {
        return told.id == now.id;
    }
    *told == Transaction { price: told.price.clone(), ..as_heard(now.clone(), told) }
}

/// `now` with what is no news after `told`: a country that is not known any more, and of the same sale its offer, its
/// paywall, and why it was stopped. Whatever else makes news tells these too.
fn as_heard(mut now: Transaction, told: &Transaction) -> Transaction {
    let is_same = is_same_sale(&now, told);
    if is_same {
        now.offer.clone_from(&told.offer);
    }
    let (Some(standing), Some(before)) = (&mut now.standing, &told.standing) else { return now };
    standing.country = standing.country.take().or_else(|| before.country.clone());
    if is_same {
        standing.variation.clone_from(&before.variation);
    }
    if is_same && standing.stopped_at == before.stopped_at {
        standing.stop = before.stop;
    }
    now
}

/// `now` at the price that was told before of the same sale: money is told once.
fn at_known_price(mut now: Transaction, told: &Transaction) -> Transaction {
    if is_same_sale(&now, told) && now.price.is_some() {
        now.price = told.price.clone().or(now.price);
    }
    now
}

fn is_same_sale(one: &Transaction, other: &Transaction) -> bool {
    (&one.id, &one.product) == (&other.id, &other.product)
}

/// Whether `shown` is what `grant` asks for, to the second.
pub(crate) fn shows(shown: &Shown, grant: &Grant) -> bool {
    let bare = grant.is_bare() || shown.is_bare();
    same_end(shown, grant) && (bare || shown.transaction.as_ref().is_none_or(|id| grant.transaction.is_shown_as(id)))
}

fn same_end(shown: &Shown, grant: &Grant) -> bool {
    match (shown.until, grant.until) {
        (Until::At(shown), Until::At(granted)) => shown.timestamp() == granted.timestamp(),
        (Until::Lifetime, Until::Lifetime) => true,
        (Until::At(_), Until::Lifetime) | (Until::Lifetime, Until::At(_)) => false,
    }
}

/// Whether `shown` is carried by a transaction of the chain of `grant`.
pub(crate) fn same_chain(shown: &Shown, grant: &Grant) -> bool {
    if shown.is_bare() {
        // where a product does not bring its level, that is granted beside the transaction; another's gift ends elsewhere
        return same_end(shown, grant) && (grant.is_bare() || grant.transaction.standing.is_some());
    }
    match (&shown.original, &shown.transaction) {
        (Some(original), _) => grant.transaction.is_of_chain(original),
        (None, Some(id)) => grant.transaction.is_shown_as(id) || grant.transaction.is_of_chain(id),
        (None, None) => !grant.is_bare() && shown.store.as_ref() == Some(&grant.store),
    }
}
