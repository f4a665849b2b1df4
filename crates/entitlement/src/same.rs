//! Whether what is shown, what was told and what is wanted are the same.

use crate::plan::{Grant, Refunded, Standing, Step, Transaction, Until};
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
    // what was told with it, and a country that is not known any more, are no news
    let told = &Grant { refunded: None, ..told.clone() };
    let grant = &at_known_price(in_known_country(grant, told), told);
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

/// `grant` with the country that was told before, where nobody knows it now.
fn in_known_country(grant: &Grant, told: &Grant) -> Grant {
    let mut grant = grant.clone();
    if let (Some(now), Some(before)) = (&mut grant.transaction.standing, &told.transaction.standing) {
        now.country = now.country.take().or_else(|| before.country.clone());
    }
    grant
}

/// Whether `told` says all of `now` that books are told, but for a country that is not known any more; what another way
/// of telling told counts.
pub(crate) fn sold_alike(told: &Transaction, now: &Transaction) -> bool {
    let (Some(before), Some(standing)) = (&told.standing, &now.standing) else { return told.id == now.id };
    let country = standing.country.clone().or_else(|| before.country.clone());
    let standing = Some(Box::new(Standing { country, ..(**standing).clone() }));
    *told == Transaction { standing, price: told.price.clone(), ..now.clone() }
}

/// `grant` with the price that was told before of the same transaction and product: money is told once.
fn at_known_price(mut grant: Grant, told: &Grant) -> Grant {
    let sold = |of: &Transaction| (of.id.clone(), of.product.clone());
    if sold(&grant.transaction) == sold(&told.transaction) && grant.transaction.price.is_some() {
        grant.transaction.price = told.transaction.price.clone().or(grant.transaction.price);
    }
    grant
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
