//! Under which ids the books know what was told: once told, they stay, whatever is read of the billing later.

use crate::plan::{Grant, Transaction};
use crate::transaction::entered;

/// `transaction` under the ids that `told`, newest first, was told under: its own, else those of its chain and product.
/// A new one goes on with them, unless another of the `owed` has the same.
#[must_use]
pub(crate) fn booked<'a>(
    transaction: &Transaction,
    told: impl Iterator<Item = &'a Grant> + Clone,
    owed: &[&Transaction],
) -> Transaction {
    let Some(standing) = &transaction.standing else { return transaction.clone() };
    let sold = |of: &Transaction| (of.original.clone(), of.product.clone());
    let mut of_chain = told.map(|grant| &grant.transaction).filter(|of| sold(of) == sold(transaction));
    let mut own = of_chain.clone().filter(|of| of.id == transaction.id);
    if own.clone().any(|of| of.standing.as_ref().is_some_and(|of| of.id == standing.id)) {
        return transaction.clone();
    }
    let is_free = |id: &String| !owed.iter().filter_map(|of| of.standing.as_ref()).any(|of| of.id == *id);
    let next = || of_chain.find_map(|of| continued(transaction, of)).filter(|(id, _)| is_free(id));
    let Some((id, original)) = own.next().map(ids).or_else(next) else { return transaction.clone() };
    let mut booked = transaction.clone();
    if let Some(standing) = &mut booked.standing {
        (standing.id, standing.original) = (id, original);
    }
    booked
}

/// What a transaction was told under.
pub(crate) fn ids(told: &Transaction) -> (String, String) {
    match &told.standing {
        Some(standing) => (standing.id.clone(), standing.original.clone()),
        None => (entered(&told.id, None), entered(&told.original, None)),
    }
}

/// The ids of the next transaction on the chain of `told`; none where its own do not say how they were made.
fn continued(next: &Transaction, told: &Transaction) -> Option<(String, String)> {
    let original = &told.standing.as_ref()?.original;
    let apart = match original.strip_prefix(told.original.as_str())? {
        "" => None,
        rest => Some(rest.strip_prefix(':')?),
    };
    Some((entered(&next.id, apart), original.clone()))
}
